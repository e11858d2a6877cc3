"""Finding F2c: do the dimensions of people's choices, predicted from a model's features, match the brain?

Du 2025 did not measure dimensions for the photographs that were seen in the scanner: they predicted them from CLIP.
Here the same is done with what is open: from MiniLM's features of 1,854 objects to SPoSE dimensions, and then from its
features of the captions of 92 photographs. The question is what the projection adds to the features.
"""

from __future__ import annotations

from functools import cache
from itertools import combinations

import numpy as np
import pandas as pd
from rsatoolbox.rdm import RDMs

from .. import models, rsa, simulate, splits
from ..datasets import images92, spose, things, things_vectors
from ..datasets.images92 import CATEGORY_COLUMNS
from ..encoding import RidgeCV, correlation_score, cross_val_scores, spearman_brown
from ..resampling import p_greater, p_value
from . import experiment
from .human_brain import system
from .images92 import PEOPLE15, PHOTOS, all_captions, brain, embed
from .objects import closed, described, embedded

BRAINS = ("IT15", "IT4", "EVC15", "behaviour")
NEEDS = (
    PHOTOS,
    *PEOPLE15,
    "things",
    "things_triplets/clip-vit-base-p32-embeddings.npy",
    "things_triplets/word2vec-embeddings.npy",
    "things_typicality",
    "model-minilm-l6",
)
ALPHAS = tuple(float(alpha) for alpha in np.logspace(-2, 3, 11))
N_RANDOM = 200
N_DIMS = 66
CHOSEN, ALL = "66 SPoSE dimensions", "all 384 features"
UNTRAINED = "66 SPoSE dimensions, untrained MiniLM"
RIVALS = (ALL, "66 principal components", "66 components of CLIP", "66 components of word2vec", "27 categories")
NULLS = ("random projections", "rotated dimensions", "dimensions of other objects")


@cache
def _texts() -> dict[str, list[str]]:
    return {
        "name": list(things().words),
        "name in a sentence": closed(),
        "definition": list(things().definitions),
        "name + definition": described(),
    }


@cache
def object_features(text: str = "name + definition") -> np.ndarray:
    """MiniLM's features (1,854, 384) of the objects, described in one of four ways."""
    return models.features(models.load("minilm-l6"), _texts()[text], what="embed").astype(float)


@cache
def photo_features() -> np.ndarray:
    """MiniLM's features (92, 384), mean over five captions, minus the mean of the objects."""
    mean = object_features().mean(0)  # first: where the objects are out of reach, no model need be fetched
    return embed(models.load("minilm-l6"), all_captions()) - mean


def _folds():
    return splits.shuffled(len(things().ids), 5, seed=0)


@cache
def weights(target: str) -> np.ndarray:
    """Ridge weights (384, dims) from MiniLM's features of the objects to a target; penalties by cross-validation."""
    return RidgeCV(ALPHAS, cv=_folds()).fit(object_features(), _targets(target)).coef_


def _targets(target: str) -> np.ndarray:
    if target.endswith("SPoSE dimensions"):
        return spose(int(target.split()[0])).to_numpy()
    if target == "27 categories":
        return system("27 categories").to_numpy()
    vectors = things_vectors("clip" if target.endswith("CLIP") else "word2vec").to_numpy(float)
    return _components(vectors - vectors.mean(0))


def _components(centred: np.ndarray) -> np.ndarray:
    """The first 66 principal components (rows, 66)."""
    left, size, _ = np.linalg.svd(centred, full_matrices=False)
    return left[:, :N_DIMS] * size[:N_DIMS]


@cache
def spaces() -> dict[str, np.ndarray]:
    """What is compared with brains: linear maps of the same features of the 92 photographs' captions."""
    features = photo_features()
    made = {name: features @ weights(name) for name in (CHOSEN, "49 SPoSE dimensions")}
    made[ALL] = features
    centred = object_features() - object_features().mean(0)
    made["66 principal components"] = features @ np.linalg.svd(centred, full_matrices=False)[2][:N_DIMS].T
    made |= {name: features @ weights(name) for name in RIVALS[2:]}
    return made | {UNTRAINED: _untrained()}


def _untrained() -> np.ndarray:
    """The same dimensions predicted by a twin that has read nothing, fitted in the same way."""
    objects = embedded("minilm-l6", described(), 0).astype(float)
    fit = RidgeCV(ALPHAS, cv=_folds()).fit(objects, _targets(CHOSEN))
    return (embed(models.randomise(models.load("minilm-l6"), 0), all_captions()) - objects.mean(0)) @ fit.coef_


@cache
def nulls(n: int = N_RANDOM, seed: int = 0) -> dict[str, list[np.ndarray]]:
    """``n`` maps of each kind (92, 66): random weights; the real weights in a rotated space, which keeps how unequal
    the dimensions are; weights fitted to the SPoSE rows of other objects, with the penalties of the real fit."""
    features, rng = photo_features(), np.random.default_rng(seed)
    real, width = weights(CHOSEN), features.shape[1]
    rotated = [np.linalg.qr(rng.standard_normal((width, width)))[0] @ real for _ in range(n)]
    ridge = RidgeCV(ALPHAS, cv=_folds()).fit(object_features(), _targets(CHOSEN))
    left, size, right = np.linalg.svd(object_features() - object_features().mean(0), full_matrices=False)
    shrunk = size[:, None] / (size[:, None] ** 2 + ridge.best_alphas_)
    others = [right.T @ (shrunk * (left.T @ rng.permutation(_targets(CHOSEN)))) for _ in range(n)]
    random = [rng.standard_normal((width, N_DIMS)) for _ in range(n)]
    return {name: [features @ one for one in maps] for name, maps in zip(NULLS, (random, rotated, others), strict=True)}


def null_rdms(n: int = N_RANDOM) -> RDMs:
    """RDMs of the first ``n`` maps of each kind, in the order of NULLS."""
    made = {f"{kind} {k}": space for kind, maps in nulls().items() for k, space in enumerate(maps[:n])}
    return rsa.rdm(made, ids=images92().ids)


def space_rdms() -> RDMs:
    return rsa.rdm(spaces(), ids=images92().ids)


@experiment(needs=NEEDS, claims=("F2c",))
def concepts_fit() -> pd.DataFrame:
    """How well each text predicts SPoSE dimensions of objects that were held out; mean r over dimensions."""
    rows = []
    for text in _texts():
        for n_dims in (49, N_DIMS):
            target = _targets(f"{n_dims} SPoSE dimensions")
            scores = cross_val_scores(RidgeCV(ALPHAS), object_features(text), target, _folds()).mean(0)
            low, high = np.quantile(scores, (0.1, 0.9))
            rows.append((text, n_dims, scores.mean(), low, high, len(target)))
    return pd.DataFrame(rows, columns=["text", "n_dims", "r", "low_10", "high_90", "n_objects"])


@experiment(needs=NEEDS, claims=("F2c",))
def concepts_brain() -> pd.DataFrame:
    """Score of each space in each set of people; ``p_random``: share of 66 random projections that score as high."""
    random = rsa.rdm(dict(enumerate(nulls()["random projections"])), ids=images92().ids)
    tables = []
    for name in BRAINS:
        table = rsa.crossed_bootstrap(space_rdms(), brain(name), n_boot=400)
        null = rsa.compare(random, brain(name)).mean(1)
        tables.append(table.assign(brain=name, p_random=[p_value(score, null) for score in table["score"]]))
    return pd.concat(tables, ignore_index=True)


@experiment(needs=NEEDS, claims=("F2c",))
def concepts_random() -> pd.DataFrame:
    """Scores of 200 maps of each kind that know nothing of choices: the cloud that the choices have to leave."""
    made = null_rdms()
    scores = {name: rsa.compare(made, brain(name)).mean(1) for name in BRAINS}
    kinds = np.repeat(NULLS, N_RANDOM)
    return pd.DataFrame({"kind": kinds, "draw": np.tile(np.arange(N_RANDOM), len(NULLS)), **scores})


def contests(people: RDMs, n_boot: int = 300, n_null: int = 20) -> pd.DataFrame:
    """66 SPoSE dimensions minus each rival and minus the mean of ``n_null`` maps of each null, crossed bootstrap."""
    named, drawn = space_rdms(), null_rdms(n_null)
    labels = [*named.rdm_descriptors["model"], *drawn.rdm_descriptors["model"]]
    both = RDMs(
        np.vstack([named.get_vectors(), drawn.get_vectors()]),
        rdm_descriptors={"model": labels},
        pattern_descriptors=dict(named.pattern_descriptors),
    )
    draws, start = rsa.crossed_draws(both, people, n_boot=n_boot), len(named)
    parts = [slice(start + k * n_null, start + (k + 1) * n_null) for k in range(len(NULLS))]

    def differences(scores: np.ndarray) -> np.ndarray:
        rivals = [scores[:, labels.index(name)] for name in (*RIVALS, UNTRAINED)] + [
            scores[:, part].mean(1) for part in parts
        ]
        return scores[:, [0]] - np.stack(rivals, axis=1)

    table = draws.table("difference", {"first": CHOSEN, "second": [*RIVALS, UNTRAINED, *NULLS]}, differences)
    return table.assign(p=2 * p_greater(table["difference"].abs(), table["se"] ** 2, draws.dof))


@experiment(needs=NEEDS, claims=("F2c",))
def concepts_contests() -> pd.DataFrame:
    """Do 66 predicted dimensions match better than other maps of the same features? People and photographs crossed."""
    return pd.concat([contests(brain(name)).assign(brain=name) for name in BRAINS], ignore_index=True)


@experiment(needs=NEEDS, claims=("F2c",))
def concepts_regions() -> pd.DataFrame:
    """Score in IT minus score in early visual cortex of the same 15 people."""
    return rsa.region_difference(space_rdms(), brain("IT15"), brain("EVC15"), n_boot=400)


@experiment(needs=NEEDS, claims=("F2c",))
def concepts_unique() -> pd.DataFrame:
    """What only the 66 dimensions explain, over all features and over the nine published categories."""
    kinds = images92().categories[list(CATEGORY_COLUMNS)].to_numpy(float)
    made = rsa.rdm({CHOSEN: spaces()[CHOSEN], ALL: spaces()[ALL], "nine categories": kinds}, ids=images92().ids)
    return pd.concat(
        [rsa.unique_variance(made, brain(name), n_boot=400).assign(brain=name) for name in BRAINS], ignore_index=True
    )


@experiment(needs=NEEDS, claims=("F2c",))
def concepts_planted_SIMULATED(n_studies: int = 8) -> pd.DataFrame:
    """SIMULATED brains of 15 people, made from the 66 dimensions or from all features: is it seen which?

    ``difference``: mean over studies of 66 dimensions minus the rival; ``seen``: share of studies whose interval is
    above 0, ``against``: below 0.
    """
    made = {"the 66 dimensions": spaces()[CHOSEN], "all features": spaces()[ALL]}
    shown, rows = (*RIVALS[:2], "random projections"), []
    for truth, space in made.items():
        studies = [
            contests(simulate.subjects(space, 15, noise=4.0, ids=images92().ids, seed=k), n_boot=100, n_null=5)
            for k in range(n_studies)
        ]
        both = pd.concat(studies)
        for rival in shown:
            one = both[both["second"] == rival]
            seen, against = (one["low"] > 0).mean(), (one["high"] < 0).mean()
            rows.append((truth, CHOSEN, rival, one["difference"].mean(), seen, against, n_studies, 15, 92))
    columns = ["planted", "first", "second", "difference", "seen", "against", "n_studies", "n_subjects", "n_stimuli"]
    return pd.DataFrame(rows, columns=columns)


@experiment(needs=(), claims=("F2c",))
def released_errors_SIMULATED(n_voxels: int = 1000, n_images: int = 500, n_boot: int = 200) -> pd.DataFrame:
    """SIMULATED voxels, three trials an image: two steps of the released code, beside what they should give.

    Ceiling: the highest of three correlations of a trial with a mean that holds it, against the square root of the
    corrected reliability of the mean. Test: share of resampled scores below 0, after scores below 0 were set to a small
    positive number, against the same without that step; ``found`` is the share of voxels with p < .05.
    """
    rng, rows = np.random.default_rng(0), []
    for truth, strength in (("noise alone", 0.0), ("a signal", 0.5)):
        signal = strength * rng.standard_normal((n_images, n_voxels))
        trials = signal + rng.standard_normal((3, n_images, n_voxels))
        apart = [correlation_score(*two) for two in combinations(trials, 2)]
        ceiling = np.sqrt(max(spearman_brown(np.mean(apart), 3), 0))
        highest = np.max([correlation_score(one, trials.mean(0)) for one in trials], axis=0).mean()
        true = strength / np.sqrt(strength**2 + 1 / 3)
        rows.append((truth, "ceiling", "as released", true, highest))
        rows.append((truth, "ceiling", "corrected", true, ceiling))
        clipped, plain = _bootstrap_p(signal, trials.mean(0), n_boot, rng)
        power = np.nan if strength else 0.05
        rows.append((truth, "voxels with p < .05", "as released", power, clipped))
        rows.append((truth, "voxels with p < .05", "corrected", power, plain))
    table = pd.DataFrame(rows, columns=["planted", "measure", "method", "truth", "found"])
    return table.assign(n_voxels=n_voxels, n_images=n_images)


def _bootstrap_p(signal: np.ndarray, response: np.ndarray, n_boot: int, rng) -> tuple[float, float]:
    """Share of voxels with p < .05 from resampled images: with negative scores made positive, and without."""
    # Where there is no signal, any prediction will do: one that knows nothing.
    predicted = signal if signal.any() else rng.standard_normal(signal.shape)
    scores = []
    for _ in range(n_boot):
        rows = rng.integers(len(response), size=len(response))
        scores.append(correlation_score(predicted[rows], response[rows]))
    scores = np.array(scores)
    made_positive = np.where(scores < 0, 1e-6, scores)
    return tuple(float(((values < 0).mean(0) < 0.05).mean()) for values in (made_positive, scores))
