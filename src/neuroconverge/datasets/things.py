"""THINGS: 1,854 object concepts, what people find odd, and embeddings of the objects, all under the same ids.

Ids are those of ``unique_id.txt`` (``air_conditioner``, ``bat1``), in its order, which is not quite what sorting
gives (``camera_lens`` comes before ``camera1``). Some files write spaces for underscores; here ids are always written
with underscores, and names for reading with spaces.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from pathlib import Path

import numpy as np
import pandas as pd
import scipy.io

from ..errors import BadInput, UnknownName
from ..triplets_data import Triplets
from .fetch import fetch

N_THINGS = 1854
# Categories of Hebart 2020 that lie within others of the 27 and are therefore left out when objects are sorted.
SUBORDINATE = ("bird", "clothing accessory", "dessert", "drink", "fruit", "insect", "vegetable")
LEAST_MEMBERS = 10
_TRIPLETS = {"test": ("test_10.txt", 50_000), "train": ("test_10_ID_cols123.txt", 127_304)}
_VECTORS = {"clip": ("clip-vit-base-p32-embeddings.npy", 512), "word2vec": ("word2vec-embeddings.npy", 300)}
_SPOSE = {49: "spose_embedding_49d_sorted.txt", 66: "spose_embedding_66d_sorted.txt"}
_NUMBERS = {
    "Concreteness (M)": "concreteness",
    "Percent_known": "share_known",
    "SUBTLEX freq": "subtlex_count",
    "Word meanings in list": "n_meanings",
}


@dataclass(frozen=True)
class Things:
    """The 1,854 concepts of THINGS; every table has their ids as index.

    ``ids``; ``words`` as one says them (``bat``), and ``names`` that tell homonyms apart (``bat (animal)``): Series.
    ``definitions``: Series. ``categories``: table (1,854 x 53) of True and False, the first 27 being those of
    Hebart 2020. ``typicality``: table (1,854 x 27), 0 to 10, NaN outside a category. ``ratings``: table with
    ``concreteness`` (1 to 5), ``share_known`` (0 to 1), ``subtlex_count`` (in 51 million words), ``n_meanings``,
    ``memorability`` (corrected recognition of its photographs); NaN where the source is empty.
    """

    ids: list[str]
    words: pd.Series
    names: pd.Series
    definitions: pd.Series
    categories: pd.DataFrame
    typicality: pd.DataFrame
    ratings: pd.DataFrame

    @property
    def single_category(self) -> pd.Series:
        """The category of the 1,112 objects that are in just one of 18, as sorted by Hebart 2020 and Du 2025.

        Of the 27 categories the seven subordinate ones are left out, then objects in more than one, then categories
        with fewer than ten objects.
        """
        wide = self.categories.iloc[:, :27].drop(columns=list(SUBORDINATE))
        single = wide[wide.sum(axis=1) == 1].idxmax(axis=1).rename("category")
        return single[single.map(single.value_counts()) >= LEAST_MEMBERS]


def normalised_id(text: str) -> str:
    """An id or name of a concept the way ``unique_id.txt`` writes it: underscores, no spaces around."""
    return "_".join(str(text).strip().replace("_", " ").split())


@cache
def things_ids() -> tuple[str, ...]:
    """The 1,854 ids in the order of every embedding and of the numbers in the triplets."""
    ids = tuple(fetch("things/unique_id.txt").read_text(encoding="utf-8").split())
    if len(ids) != N_THINGS or len(set(ids)) != N_THINGS:
        raise BadInput(f"unique_id.txt: {len(ids)} ids, {len(set(ids))} different; wanted {N_THINGS}")
    return ids


@cache
def things() -> Things:
    """Concepts with words, categories, typicality and ratings. Sources: Hebart 2019, 2020; Kramer 2023."""
    ids = things_ids()
    words = _by_id("things/words.csv", "id")
    rated = _by_id("things/Wordlist_ratings-Final.csv", "uniqueID")
    memory = _by_id("things_typicality/memorability_score_by_concepts.csv", "concept_name")
    members = _by_id("things/Categories_final_20200131_fixedUniqueID.tsv", "uniqueID", sep="\t").drop(columns="Word")
    marks = members.isin(["1"])
    if not (marks | members.eq("")).to_numpy().all():
        raise BadInput("Categories_final: a cell is neither 1 nor empty")
    ratings = pd.DataFrame({new: pd.to_numeric(rated[old], errors="coerce") for old, new in _NUMBERS.items()})
    ratings["memorability"] = pd.to_numeric(memory["cr"])
    _check_range(ratings, "concreteness", 1, 5)
    _check_range(ratings, "share_known", 0, 1)
    names = words["word_with_category_parenthesis"].where(words["word_with_category_parenthesis"] != "", words["word"])
    definitions = rated["Definition (from WordNet, Google, or Wikipedia)"]
    return Things(
        list(ids),
        words["word"].rename("word"),
        names.rename("name"),
        definitions.rename("definition"),
        marks,
        _typicality(list(marks.columns[:27])),
        ratings,
    )


@cache
def things_triplets(part: str = "test") -> Triplets:
    """Real odd-one-out choices of people about photographs of the 1,854 objects: rows of three, the odd one last.

    ``part``: test (50,000) or train (127,304 choices). Numbers count from 0 in the order of ``things_ids``. The two
    files are separate samples of the published choices and **share rows**: use ``things_training`` to fit what test
    will judge. A few triplets were judged more than once. Source: Hebart 2023.
    """
    if part not in _TRIPLETS:
        raise UnknownName("part of the triplets", part, _TRIPLETS)
    name, n = _TRIPLETS[part]
    rows = np.loadtxt(fetch(f"things_triplets/{name}"), dtype=np.int64)
    if rows.shape != (n, 3):
        raise BadInput(f"{name}: shape {rows.shape}; wanted ({n}, 3)")
    return Triplets(rows, list(things_ids()))


@cache
def things_training() -> Triplets:
    """The choices of ``train`` about triplets that ``test`` does not hold, in any order of their objects (124,121)."""
    train, test = things_triplets("train"), things_triplets("test")
    return train.subset(~np.isin(train.keys, test.keys))


@cache
def spose(n_dims: int = 66) -> pd.DataFrame:
    """SPoSE embedding fitted to people's choices: table (1,854 x n_dims), with the published labels as columns.

    49 dimensions from 1.46 million choices (Hebart 2020), 66 from 4.1 million (Hebart 2023); non-negative up to
    rounding (-0.002). In the order of ``things_ids``: the files' "sorted" order, not that in which it was first fitted.
    """
    if n_dims not in _SPOSE:
        raise UnknownName("SPoSE embedding", n_dims, map(str, _SPOSE))
    weights = np.loadtxt(fetch(f"things/{_SPOSE[n_dims]}"))
    return _table(weights, n_dims, _labels(n_dims), _SPOSE[n_dims])


@cache
def vice() -> pd.DataFrame:
    """VICE embedding fitted to people's choices: table (1,854 x 42), non-negative. Source: Muttenthaler 2022."""
    weights = np.load(fetch("vice/final_embedding.npy"), allow_pickle=False)
    listed = pd.read_csv(fetch("vice/things_concepts.tsv"), sep="\t", keep_default_na=False)["uniqueID"]
    if list(map(normalised_id, listed)) != list(things_ids()):
        raise BadInput("things_concepts.tsv: its concepts are not in the order of unique_id.txt")
    return _table(weights, 42, [f"vice {k + 1}" for k in range(42)], "final_embedding.npy")


@cache
def things_vectors(which: str) -> pd.DataFrame:
    """Vectors of the 1,854 objects that saw no choices: ``clip`` (512, ViT-B/32, images) or ``word2vec`` (300, names).

    As computed by the source; means are not taken off. Source: files of MirkoTh/semantic-representations-ID.
    """
    if which not in _VECTORS:
        raise UnknownName("set of vectors", which, _VECTORS)
    name, width = _VECTORS[which]
    values = np.load(fetch(f"things_triplets/{name}"), allow_pickle=False)
    return _table(values, width, [f"{which} {k + 1}" for k in range(width)], name)


@cache
def human_similarity_48() -> pd.DataFrame:
    """How often people keep two of 48 objects together, all triplets judged: table (48 x 48), 0 to 1, diagonal 1.

    Source: Hebart 2020.
    """
    distances = scipy.io.loadmat(fetch("things/RDM48_triplet.mat"))["RDM48_triplet"]
    listed = pd.read_csv(fetch("things/spose_embedding66d_rescaled_48val_reordered.csv"), index_col=0)
    ids = [normalised_id(Path(name).stem.rpartition("_")[0]) for name in listed["image_name"]]
    # The file numbers the objects in an order in which camera_lens comes before camera1 and takes that one's place: its
    # picture is of camera1, and people's judgements fit camera1 better. So pictures name the rows, numbers check them.
    differ = [one for one, number in zip(ids, listed.index, strict=True) if one != things_ids()[number]]
    if differ != ["camera1"] or not set(ids) <= set(things_ids()):
        raise BadInput(f"spose_embedding66d_rescaled_48val: numbers and pictures differ for {', '.join(differ[:5])}")
    if distances.shape != (48, 48) or not np.allclose(distances, distances.T) or np.diag(distances).any():
        raise BadInput("RDM48_triplet.mat: not a symmetric 48 x 48 matrix with diagonal 0")
    return pd.DataFrame(1 - distances, index=ids, columns=ids)


@cache
def du_llm() -> dict[str, Triplets]:
    """2,171 trials as released with Du 2025: choices of ``humans``, ``gpt-4``, ``gpt-3.5``; the odd one last.

    Same triplet in the same row. People and GPT-3.5 agree at chance here. The columns are not to blame: published
    embeddings predict the file of people as well as any other choices, and GPT-3.5 above chance, so that the two should
    agree more often than they do. The trials look chosen for disagreement, and nothing says how: no agreement in them
    can be taken for that of people and models in general.
    """
    files = {"humans": "humans", "gpt-4": "GPT_4", "gpt-3.5": "ChatGPT_3.5"}
    out = {}
    for who, name in files.items():
        rows = np.loadtxt(fetch(f"du_llm/2171trials_{name}.txt"), dtype=np.int64)
        if rows.shape != (2171, 3):
            raise BadInput(f"2171trials_{name}.txt: shape {rows.shape}; wanted (2171, 3)")
        out[who] = Triplets(rows, list(things_ids()))
    if any((one.keys != out["humans"].keys).any() for one in out.values()):
        raise BadInput("2171trials: the rows of the three files are not about the same triplets")
    return out


@cache
def gpt_feature_norms() -> pd.DataFrame:
    """Features that GPT-4 names for 317 concepts: columns ``id, feature, runs`` (in how many runs it was named).

    Machine-made. Source: Hansen and Hebart 2022.
    """
    path = fetch("gpt_feature_norms/gpt4_all_things_30_decoded.csv")
    table = pd.read_csv(path, keep_default_na=False)
    out = pd.DataFrame(
        {
            "id": table["concept_id"].map(normalised_id),
            "feature": table["decoded_feature"],
            "runs": pd.to_numeric(table["amount_runs_feature_occured_within_concept"]),
        }
    )
    unknown = sorted(set(out["id"]) - set(things_ids()))
    if unknown:
        raise BadInput(f"{path.name}: no THINGS concept: {', '.join(unknown[:5])}")
    return out.groupby(["id", "feature"], as_index=False, sort=True)["runs"].max()


def _by_id(name: str, column: str, sep: str = ",") -> pd.DataFrame:
    """Text table with normalised ids as index, brought into the order of ``things_ids``."""
    # "null", "nan" and "none" may be words, so nothing is read as missing.
    table = pd.read_csv(fetch(name), sep=sep, dtype=str, keep_default_na=False, encoding="utf-8-sig")
    table.index = table[column].map(normalised_id).rename("id")
    ids = things_ids()
    if len(table) != N_THINGS or set(table.index) != set(ids):
        differ = sorted(set(table.index) ^ set(ids))
        raise BadInput(f"{name}: {len(table)} rows; ids on one side only: {', '.join(differ[:5])}")
    return table.loc[list(ids)].drop(columns=column)


def _typicality(columns: list[str]) -> pd.DataFrame:
    """From categories and objects counted from 1, checked against the names of the categories."""
    mat = scipy.io.loadmat(fetch("things_typicality/typicality_data27.mat"))
    listed = [str(name[0]) for name in mat["categories27"][0]]
    if listed != columns:
        raise BadInput("typicality_data27.mat: its categories are not the first 27 of the table of categories")
    out = np.full((N_THINGS, 27), np.nan)
    rows, values = mat["category27_ind"][0], mat["category27_typicality_rating_normed"][:, 0]
    for k in range(27):
        out[rows[k].ravel().astype(int) - 1, k] = values[k].ravel()
    return pd.DataFrame(out, index=pd.Index(things_ids(), name="id"), columns=columns)


def _labels(n_dims: int) -> list[str]:
    if n_dims == 49:
        return [str(label[0][0]) for label in scipy.io.loadmat(fetch("things/labels_49.mat"))["labels"]]
    return fetch("things/labels_66.txt").read_text(encoding="utf-8").strip().splitlines()


def _table(values: np.ndarray, width: int, columns: list[str], name: str) -> pd.DataFrame:
    if values.shape != (N_THINGS, width) or len(columns) != width:
        raise BadInput(f"{name}: shape {values.shape} with {len(columns)} labels; wanted ({N_THINGS}, {width})")
    if not np.isfinite(values).all():
        raise BadInput(f"{name}: row {np.argwhere(~np.isfinite(values))[0][0]} holds NaN or infinity")
    return pd.DataFrame(values, index=pd.Index(things_ids(), name="id"), columns=columns)


def _check_range(table: pd.DataFrame, column: str, low: float, high: float) -> None:
    wrong = table.index[(table[column] < low) | (table[column] > high)]
    if len(wrong):
        raise BadInput(f"ratings: {column} of {wrong[0]} is {table.loc[wrong[0], column]}; wanted {low} to {high}")
