"""Finding F2a: do similarities, categories and typicality in models resemble those of people? 1,854 THINGS objects."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import cache
from itertools import combinations

import numpy as np
import pandas as pd
from scipy.stats import rankdata
from sklearn.feature_extraction.text import TfidfVectorizer

from .. import triplets
from ..agreement import Agreement, agreement, paired_hits
from ..datasets import human_similarity_48, images92, spose, things, things_vectors, vice
from ..encoding import RidgeCV, spearman_brown
from ..resampling import p_value
from ..splits import shuffled
from ..stats import sign_flip
from ..triplets_data import best_pairs
from . import experiment
from .objects import closed, described, embedded, glove_names, word_layers

EMBEDDINGS = ("things", "vice")
VECTORS = tuple(f"things_triplets/{name}-embeddings.npy" for name in ("clip-vit-base-p32", "word2vec"))
WEIGHTS = ("model-minilm-l6", "model-smollm2-135m", "model-glove-50")
NEEDS = (*EMBEDDINGS, *VECTORS, "things_typicality", *WEIGHTS)
# As a summary of Du 2025 gives them (claims.yml, F2a: second-hand).
PUBLISHED_SIMILARITY = {"language model": 0.71, "multimodal model": 0.85, "people": 0.90}
PUBLISHED_CATEGORIES = {"language model": 0.834, "multimodal model": 0.783, "people": 0.871}
FITTED, MODEL, CONTROL = "fitted to people's choices", "model", "control"


SYSTEMS: dict[str, tuple[str, Callable]] = {
    "SPoSE-66": (FITTED, lambda: spose(66)),
    "SPoSE-49": (FITTED, lambda: spose(49)),
    "VICE": (FITTED, vice),
    "CLIP, images": (MODEL, lambda: things_vectors("clip")),
    "MiniLM, name + definition": (MODEL, lambda: embedded("minilm-l6", described())),
    "MiniLM, names": (MODEL, lambda: embedded("minilm-l6", closed())),
    "SmolLM2, name + definition": (MODEL, lambda: embedded("smollm2-135m", described())),
    "SmolLM2, names": (MODEL, lambda: list(word_layers().values())[-1]),
    "word2vec, names": (CONTROL, lambda: things_vectors("word2vec")),
    "GloVe, names": (CONTROL, glove_names),
    "GloVe, name + definition": (CONTROL, lambda: embedded("glove-50", described())),
    "words of name + definition": (CONTROL, lambda: TfidfVectorizer().fit_transform(described()).toarray()),
    "MiniLM untrained, name + definition": (CONTROL, lambda: embedded("minilm-l6", described(), 0)),
    "SmolLM2 untrained, names": (CONTROL, lambda: list(word_layers(0).values())[-1]),
    "27 categories": (CONTROL, lambda: things().categories.iloc[:, :27].astype(float)),
    "random numbers": (CONTROL, lambda: np.random.default_rng(0).standard_normal((len(things().ids), 300))),
}
KIND = {name: kind for name, (kind, _) in SYSTEMS.items()}


@cache
def system(name: str) -> pd.DataFrame:
    """Features (1,854 objects, dimensions) of one system, with the objects' ids."""
    return pd.DataFrame(np.asarray(SYSTEMS[name][1](), dtype=float), index=things().ids)


def similarity_of(name: str, mean_off: bool = True) -> pd.DataFrame:
    """Similarity (objects, objects) as the system has it.

    How often two objects would stay together, for embeddings that were fitted to choices; the share of common
    categories; the cosine for all others. ``mean_off``: with the mean of all objects taken off first, since the
    vectors of many networks share one long direction that says nothing about the objects.
    """
    if KIND[name] == FITTED:
        return _chosen_together(name)
    table = system(name)
    if name == "27 categories":
        shared, size = table @ table.T, table.sum(axis=1).to_numpy()
        return shared / np.maximum(size[:, None] + size - shared, 1)
    values = table.to_numpy() - table.to_numpy().mean(0) * mean_off
    norm = np.linalg.norm(values, axis=1, keepdims=True)
    values = np.where(norm > 1e-8 * norm.max(), values / np.maximum(norm, 1e-300), 0)
    return pd.DataFrame(values @ values.T, index=table.index, columns=table.index)


@cache
def _chosen_together(name: str) -> pd.DataFrame:
    return triplets.similarity_matrix(system(name))


def asked(similarity: pd.DataFrame) -> pd.DataFrame:
    """How often each pair stays together when every triplet of these objects is put to the system, as it was to people.

    The most similar pair stays; ties are shared.
    """
    values, n = similarity.to_numpy(), len(similarity)
    first, second, third = np.array(list(combinations(range(n), 3))).T
    pairs = ((second, third), (first, third), (first, second))
    best = best_pairs(np.stack([values[pair] for pair in pairs], axis=1))
    out = np.zeros((n, n))
    for pair, stays in zip(pairs, (best / best.sum(1, keepdims=True)).T, strict=True):
        np.add.at(out, pair, stays)
    return pd.DataFrame((out + out.T) / (n - 2) + np.eye(n), index=similarity.index, columns=similarity.columns)


MAPPED = "MiniLM, mapped to SPoSE-66"


def mapped(name: str, objects: pd.Index) -> pd.DataFrame:
    """Similarity of some objects from SPoSE-66 rows predicted by ridge, fitted on all the *other* objects.

    What the features hold, where a cosine asks what they show; negative predictions are set to 0, as SPoSE has none.
    """
    features, held = system(name), things().words.index.isin(objects)
    ridge = RidgeCV(np.logspace(-2, 4, 13), cv=shuffled((~held).sum(), 5, seed=0))
    ridge.fit(features[~held].to_numpy(), spose(66)[~held].to_numpy())
    predicted = np.maximum(ridge.predict(features.loc[objects].to_numpy()), 0)
    return triplets.similarity_matrix(pd.DataFrame(predicted, index=objects))


def _among_48(objects: pd.Index) -> Iterator[tuple[str, pd.DataFrame]]:
    """Similarities as they are, without the mean taken off, and from choices among these objects."""
    for name in SYSTEMS:
        own = similarity_of(name).loc[objects, objects]
        yield name, own
        if name in COSINES:
            yield f"{name} | raw cosine", similarity_of(name, mean_off=False).loc[objects, objects]
            yield f"{name} | its choices", asked(own)
        if name == "VICE":
            yield MAPPED, mapped("MiniLM, name + definition", objects)


def _forms(table: pd.DataFrame) -> pd.DataFrame:
    split = table["system"].str.partition(" | ")
    table = table.assign(system=split[0], kind=split[0].map(KIND | {MAPPED: FITTED}))
    plain = np.where(table["system"] == "27 categories", "shared categories", "cosine, mean taken off")
    plain = np.where(table["kind"] == FITTED, "choice probability", plain)
    return table.assign(form=np.where(split[2] == "", plain, split[2]))


COSINES = tuple(name for name in SYSTEMS if KIND[name] != FITTED and name != "27 categories")


@cache
def _against_people() -> Agreement:
    judged = human_similarity_48()
    return agreement(_among_48(judged.index), judged, n_boot=2000)


def _among_all() -> Iterator[tuple[str, pd.DataFrame]]:
    for name in SYSTEMS:
        if name != "SPoSE-49":
            yield name, similarity_of(name)
        if name in ("CLIP, images", "word2vec, names"):  # the others differ more, and each takes seconds
            yield f"{name} | raw cosine", similarity_of(name, mean_off=False)


@cache
def _against_spose() -> Agreement:
    return agreement(_among_all(), similarity_of("SPoSE-49"), n_boot=200, n_perm=50)


@experiment(needs=NEEDS, claims=("F2a",))
def similarity_48() -> pd.DataFrame:
    """Each system's similarities of 48 objects against people's; intervals over objects, and over pairs beside them."""
    return _forms(_against_people().table())


@experiment(needs=NEEDS, claims=("F2a",))
def similarity_1854() -> pd.DataFrame:
    """The same among all 1,854 objects, against the embedding of people's choices (SPoSE-49): 1.7 million pairs."""
    return _forms(_against_spose().table())


CONTESTS = (
    ("SPoSE-66", "word2vec, names"),
    ("MiniLM, name + definition", "word2vec, names"),
    ("MiniLM, name + definition", "MiniLM, names"),
    ("MiniLM, name + definition", "GloVe, name + definition"),
    ("MiniLM, name + definition", "words of name + definition"),
    ("MiniLM, name + definition", "MiniLM untrained, name + definition"),
    ("MiniLM, names", "word2vec, names"),
    ("SmolLM2, name + definition", "word2vec, names"),
    ("SmolLM2, names", "SmolLM2 untrained, names"),
    ("CLIP, images", "word2vec, names"),
)


@experiment(needs=NEEDS, claims=("F2a",))
def similarity_contests() -> pd.DataFrame:
    """Difference in r between systems, objects drawn anew; the same draws for both."""
    tables = {"48 objects, judged": _against_people(), "1,854 objects, SPoSE-49": _against_spose()}
    return pd.concat([one.differences(CONTESTS).assign(target=name) for name, one in tables.items()], ignore_index=True)


@experiment(needs=(*EMBEDDINGS, *VECTORS, "things_typicality"), claims=("F2a",))
def similarity_coverage(n_samples: int = 300) -> pd.DataFrame:
    """How often intervals from 48 of the 1,854 objects hold the r of all: over objects, and over pairs."""
    reference, rng, rows = similarity_of("SPoSE-66").to_numpy(), np.random.default_rng(0), []
    for name in ("word2vec, names", "CLIP, images"):
        own = similarity_of(name).to_numpy()
        upper = np.triu_indices(len(own), 1)
        truth = np.corrcoef(own[upper], reference[upper])[0, 1]
        found = []
        for k in range(n_samples):
            some = np.ix_(*[rng.choice(len(own), 48, replace=False)] * 2)
            one = agreement({name: own[some]}, reference[some], n_boot=300, n_perm=1, seed=k).table()
            found.append(one)
        found = pd.concat(found)
        for over, low, high in (("objects", "low", "high"), ("pairs", "pairs_low", "pairs_high")):
            inside = (found[low] < truth) & (found[high] > truth)
            width = (found[high] - found[low]).mean()
            rows.append((name, over, truth, inside.mean(), width, n_samples, 48))
    columns = ["system", "interval_over", "truth", "coverage", "width", "n_samples", "n_objects"]
    return pd.DataFrame(rows, columns=columns)


def _sorted() -> dict[str, triplets.Categorisation]:
    return {name: triplets.categorisation(system(name), things().single_category) for name in SORTED}


SORTED = tuple(name for name in SYSTEMS if name != "27 categories")


@experiment(needs=NEEDS, claims=("F2a",))
def categories() -> pd.DataFrame:
    """Objects sorted into 18 categories, each by the nearest centroid of the other objects."""
    rows = [
        (name, KIND[name], one.accuracy, one.low, one.high, one.majority, one.n, one.n_categories)
        for name, one in _sorted().items()
    ]
    columns = ["system", "kind", "accuracy", "low", "high", "majority", "n_objects", "n_categories"]
    return pd.DataFrame(rows, columns=columns)


@experiment(needs=NEEDS, claims=("F2a",))
def category_contests() -> pd.DataFrame:
    """Difference in objects sorted right, object by object; ``p``: exact McNemar test."""
    truth = things().single_category
    hits = {name: one.predicted == truth.loc[one.predicted.index] for name, one in _sorted().items()}
    pairs = (*CONTESTS, ("SPoSE-66", "MiniLM, name + definition"), ("words of name + definition", "word2vec, names"))
    rows = [{"first": a, "second": b, **paired_hits(hits[a], hits[b])} for a, b in pairs]
    return pd.DataFrame(rows).rename(columns={"n": "n_objects"})


def _typical_correlations(measure: Callable[[np.ndarray], np.ndarray], seed: int = 0, n_perm: int = 200) -> tuple:
    """Spearman's rho in each category (27,), and with typicality shuffled inside categories (n_perm, 27)."""
    typical, rng, found, null = things().typicality, np.random.default_rng(seed), [], []
    for name in typical:
        judged = typical[name].to_numpy()
        members = np.flatnonzero(np.isfinite(judged))
        values = measure(members)
        there = np.isfinite(values)
        x, y = (rankdata(part[there]) for part in (values, judged[members]))
        x, y = ((part - part.mean()) / np.linalg.norm(part - part.mean()) for part in (x, y))
        found.append(x @ y)
        null.append([x @ rng.permutation(y) for _ in range(n_perm)])
    return np.array(found), np.array(null).T


def _nearness(name: str) -> Callable[[np.ndarray], np.ndarray]:
    similarity = similarity_of(name).to_numpy()

    def measure(members: np.ndarray) -> np.ndarray:
        own = similarity[np.ix_(members, members)]
        return (own.sum(1) - own.diagonal()) / (len(members) - 1)

    return measure


@experiment(needs=NEEDS, claims=("F2a",))
def typicality() -> pd.DataFrame:
    """People's typicality against the mean similarity to the other members, in 27 categories; ``over_frequency``: more
    than the correlation with word frequency, category by category."""
    ratings = things().ratings
    frequency = np.log10(ratings["subtlex_count"].to_numpy() + 1)
    names = [name for name in SYSTEMS if name != "27 categories"]
    measures = {name: _nearness(name) for name in names}
    measures["word frequency"] = lambda members: frequency[members]
    measures["memorability"] = lambda members: ratings["memorability"].to_numpy()[members]
    each = {name: _typical_correlations(measure) for name, measure in measures.items()}
    rows = []
    for name, (rho, null) in each.items():
        one = sign_flip(rho, n_perm=2000)
        row = {"system": name, "kind": KIND.get(name, CONTROL), "rho": one.mean, "low": one.low, "high": one.high}
        row |= {"p": p_value(one.mean, null.mean(1)), "null_95": np.quantile(null.mean(1), 0.95)}
        row |= {"n_positive": one.n_positive, "n_categories": one.n}
        if name != "word frequency":
            more = sign_flip(rho - each["word frequency"][0], n_perm=2000)
            row |= {"over_frequency": more.mean, "over_low": more.low, "over_high": more.high}
        rows.append(row)
    return pd.DataFrame(rows)


def _halves(vectors: np.ndarray, rng: np.random.Generator) -> float:
    """Correlation of the mean RDMs of two random halves of the people."""
    order = rng.permutation(len(vectors))
    first, second = (vectors[part].mean(0) for part in np.array_split(order, 2))
    return np.corrcoef(first, second)[0, 1]


@experiment(needs=("rsatoolbox92",), claims=("F2a",))
def judgement_split_half(n_splits: int = 200) -> pd.DataFrame:
    """Do two halves of 16 people agree about 92 photographs? As found, and corrected to all 16 (Spearman-Brown).

    ``low, high``: 2.5 and 97.5 % of random splits. ``ceiling``: what a perfect model would correlate with the mean of
    all people.
    """
    people = images92().rdms["behaviour"]
    vectors, rng = people.get_vectors(), np.random.default_rng(0)
    half = np.array([_halves(vectors, rng) for _ in range(n_splits)])
    rows = []
    for name, values in (("two halves, as found", half), ("corrected to all people", spearman_brown(half, 2))):
        low, high = np.quantile(values, (0.025, 0.975))
        rows.append((name, values.mean(), low, high, np.sqrt(values.mean()), people.n_rdm, people.n_cond))
    columns = ["reliability", "r", "low", "high", "ceiling", "n_people", "n_stimuli"]
    return pd.DataFrame(rows, columns=columns)


@experiment(needs=(), claims=("F2a",))
def split_half_SIMULATED(n_studies: int = 200, truth: float = 0.6, n_people: int = 16) -> pd.DataFrame:
    """SIMULATED people whose reliability is known, and a model whose true correlation with them is planted.

    ``found``: mean over studies, with its 95 % interval.
    """
    rng, n_pairs = np.random.default_rng(0), 92 * 91 // 2
    noise, each = 2.0, []
    for _ in range(n_studies):
        shared = rng.standard_normal(n_pairs)
        people = shared + noise * rng.standard_normal((n_people, n_pairs))
        model = truth * shared + np.sqrt(1 - truth**2) * rng.standard_normal(n_pairs)
        half, found = _halves(people, rng), np.corrcoef(model, people.mean(0))[0, 1]
        whole = spearman_brown(half, 2)
        each.append((half, whole, found, found / np.sqrt(half), found / np.sqrt(whole)))
    reliability = 1 / (1 + noise**2 / n_people)
    names = (
        ("reliability of the mean, halves as found", reliability),
        ("reliability of the mean, corrected", reliability),
        ("model, as found", truth),
        ("model, over the ceiling from halves as found", truth),
        ("model, over the corrected ceiling", truth),
    )
    rows = []
    for (name, true), values in zip(names, np.array(each).T, strict=True):
        reach = 1.96 * values.std(ddof=1) / np.sqrt(n_studies)
        rows.append((name, true, values.mean(), values.mean() - reach, values.mean() + reach, n_studies, n_people))
    return pd.DataFrame(rows, columns=["what", "truth", "found", "low", "high", "n_studies", "n_people"])
