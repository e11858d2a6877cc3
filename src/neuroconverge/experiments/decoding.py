"""Finding F1b on the 92 photographs: which caption belongs to which photograph, from the similarities in the brain."""

from __future__ import annotations

import numpy as np
import pandas as pd
from rsatoolbox.rdm import RDMs
from scipy.stats import rankdata

from .. import decoding, models, rsa
from ..datasets import images92
from . import experiment
from .images92 import BRAINS, PEOPLE15, PHOTOS, WEIGHTS, all_captions, brain, model_rdms

CONTESTANTS = (
    "captions, MiniLM",
    "captions, SmolLM2",
    "captions, GloVe",
    "captions, MiniLM untrained",
    "categories",
    "caption length",
    "silhouette",
    "pixels",
    "HMAX",
    "EfficientNet-lite0",
    "EfficientNet-lite0 untrained",
)
N_RATERS = 5


def mean_rdm(people: RDMs) -> RDMs:
    """The mean RDM of all people, as one."""
    return RDMs(people.get_vectors().mean(0)[None], pattern_descriptors={"item": images92().ids})


def between_people(people: RDMs, within=None, n_halves: int = 10) -> tuple[float, float]:
    """Accuracy of decoding people from people: each from the mean of the others, and one half from the other half."""
    vectors, rng = people.get_vectors(), np.random.default_rng(0)
    others = (vectors.sum(0) - vectors) / (len(vectors) - 1)
    single = [decoding.similarity_decoding(*pair, within) for pair in zip(vectors, others, strict=True)]
    orders = [rng.permutation(len(vectors)) for _ in range(n_halves)]
    halves = [[vectors[half].mean(0) for half in np.array_split(order, 2)] for order in orders]
    return float(np.mean(single)), float(np.mean([decoding.similarity_decoding(*pair, within) for pair in halves]))


@experiment(needs=(PHOTOS, *PEOPLE15, *WEIGHTS), claims=("F1b",))
def similarity_decoding() -> pd.DataFrame:
    """Are two photographs told apart by matching rows of the brain RDM to rows of a model RDM?

    ``pairs``: all, or both of one kind. ``level``: the mean RDM of all people, or single people (mean of their scores).
    ``ceiling``: people in place of a model. ``null_mean``, ``p`` (mean RDM only): rows of the model dealt to other
    photographs, anywhere for all pairs, inside the six kinds for pairs of one kind.
    """
    rdms, kinds = rsa.pick(model_rdms(), CONTESTANTS), images92().kinds
    tables = []
    for name in BRAINS:
        people = brain(name)
        for pairs, within in (("all", None), ("within kinds", kinds)):
            single, half = between_people(people, within)
            table = decoding.similarity_bootstrap(rdms, people, within, group=True, n_boot=200)
            null = decoding.similarity_null(mean_rdm(people), rdms, 400, within, shuffle=within)[..., 0]
            tests = {"ceiling": half, "null_mean": null.mean(0), "p": decoding.p_value(table["score"], null)}
            tables.append(table.assign(brain=name, level="mean RDM", pairs=pairs, **tests))
            if within is None:
                each = decoding.similarity_bootstrap(rdms, people, n_boot=100)
                tables.append(each.assign(brain=name, level="single people", pairs=pairs, ceiling=single))
    return pd.concat(tables, ignore_index=True)


RIVALS = ("captions, GloVe", "captions, MiniLM untrained", "categories", "silhouette", "HMAX", "EfficientNet-lite0")


@experiment(needs=(PHOTOS, *PEOPLE15, *WEIGHTS), claims=("F1b",))
def similarity_rivals() -> pd.DataFrame:
    """How much better the captions find the photographs than each rival does, in IT and in judgements."""
    chosen = ("captions, MiniLM", *RIVALS)
    rdms, kinds = rsa.pick(model_rdms(), chosen), images92().kinds
    tables = []
    for name in ("IT15", "behaviour"):
        for pairs, within in (("all", None), ("within kinds", kinds)):
            contests = [(chosen[0], rival) for rival in RIVALS]
            table = decoding.similarity_differences(rdms, brain(name), contests, within, group=True, n_boot=300)
            tables.append(table.assign(brain=name, level="mean RDM", pairs=pairs))
    return pd.concat(tables, ignore_index=True)


def embedded_captions() -> np.ndarray:
    """MiniLM embeddings of all captions (raters, images, dims)."""
    flat = models.features(models.load("minilm-l6"), all_captions(), what="embed")
    return flat.reshape(N_RATERS, -1, flat.shape[-1])


def caption_profiles(embedded: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Distance of each caption to the mean caption of each image (captions, images), and its own image (captions,)."""
    raters, n, dims = embedded.shape
    each = embedded.reshape(-1, dims)
    distance = 1 - np.corrcoef(each, embedded.mean(0))[: len(each), len(each) :]
    return distance, np.tile(np.arange(n), raters)


def caption_scores(name: str) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Fit of each caption to the profile of each image (images, captions), the image of each caption, the captions.

    ``name``: a set of people (their mean RDM), or ``rater 1`` to ``rater 5``: the captions of one in place of a brain,
    against those of the other four, which shows what captions can reach at best.
    """
    embedded, texts = embedded_captions(), np.array(images92().captions)
    if name.startswith("rater"):
        rater = int(name.split()[1]) - 1
        rdm, others = rsa.rdm(embedded[rater]), np.delete(np.arange(N_RATERS), rater)
    else:
        rdm, others = mean_rdm(brain(name)), np.arange(N_RATERS)
    profiles, item = caption_profiles(embedded[others])
    return decoding.profile_scores(rdm, profiles, item), item, texts[others].ravel()


def caption_ranks(name: str) -> pd.DataFrame:
    """For each image the rank of the best right caption (1 is first), of how many, the caption that wins, its image."""
    scores, item, texts = caption_scores(name)
    own, ids, winner = item == np.arange(len(scores))[:, None], np.array(images92().ids), scores.argmax(1)
    best = np.where(own, scores, -np.inf).max(1)[:, None]
    found = {"rank": 1 + (scores > best).sum(1), "of": scores.shape[1], "nearest": texts[winner]}
    return pd.DataFrame({"item": ids, **found, "nearest_item": ids[item[winner]]})


@experiment(needs=(PHOTOS, *PEOPLE15, "model-minilm-l6"), claims=("F1b",))
def caption_retrieval() -> pd.DataFrame:
    """How high the right captions rank among all 5 x 92, from the mean RDM of each set of people, and from raters.

    ``score``: share of wrong captions that a right one beats, mean over images (chance .5); ``null_mean``, ``p``:
    images dealt to the rows of other images, over all or inside the six kinds (``_kinds``). ``median_rank``: of the
    best right caption; ``chance_rank``: mean of the best of five random ranks; ``first``: share of images whose
    nearest caption is a right one.
    """
    kinds, rows = images92().kinds, []
    for name in (*BRAINS, *(f"rater {rater + 1}" for rater in range(N_RATERS))):
        scores, item, _ = caption_scores(name)
        own = item == np.arange(len(scores))[:, None]
        beaten, ranked = place_of_right(scores, own), caption_ranks(name)
        row = {
            "brain": name,
            "score": np.diag(beaten).mean(),
            **dealt_anew(beaten),
            **dealt_anew(beaten, kinds, "_kinds"),
        }
        row |= {"median_rank": ranked["rank"].median(), "chance_rank": (len(item) + 1) / (own[0].sum() + 1)}
        rows.append(row | {"first": (ranked["nearest_item"] == ranked["item"]).mean(), "n_captions": len(item)})
    return pd.DataFrame(rows).assign(n_stimuli=len(kinds))


def place_of_right(scores, right) -> np.ndarray:
    """Chance that an entry right for item m is nearer to query i than one that is not (queries, items).

    ``scores`` (queries, entries), ``right`` (items, entries). The diagonal is the score of each item.
    """
    count = right.sum(1)
    total = rankdata(scores, axis=1) @ right.T - count * (count + 1) / 2
    return total / (count * (right.shape[1] - count))


def dealt_anew(places: np.ndarray, within=None, suffix: str = "") -> dict[str, float]:
    """Mean of the diagonal when queries are dealt to other items, and p of the true one."""
    n = len(places)
    null = np.array([places[np.arange(n), order].mean() for order in decoding.pairings(n, 1000, within)])
    p = decoding.p_value(np.diag(places).mean(), null)
    return {f"null_mean{suffix}": null.mean(), f"p{suffix}": p}
