"""Finding F2b: how many dimensions do odd-one-out choices show, do they come back, and do other systems share them?"""

from __future__ import annotations

from functools import cache

import numpy as np
import pandas as pd

from .. import simulate_triplets, triplets
from ..datasets import spose, things_triplets, vice
from . import experiment
from .dimensions_fits import MODELS, PEOPLE, SEEDS, SYSTEMS, choices, fit, fitted, vectors

CHOICES, PUBLISHED, VECTORS = "things_triplets", "things", "vice"
NEEDS = (CHOICES, PUBLISHED, "model-minilm-l6")
OURS = "our fit to people"
SHARED = 0.4  # the correlation above which Du 2025 calls two dimensions the same
KS = (1, 2, 3, 4, 5, 6, 7, 8, 10, 12, 15, 20, 25, 30, 40, 49, 66)
SIZES = ((8_000, 0), (31_000, 0), (31_000, 1), (62_000, 0), (124_121, 0))
N_OBJECTS, N_TRUE, N_COMPONENTS = 400, 20, 49
PER_OBJECT = (4, 17, 67, 268, 787)  # choices an object; our training set has 67, that of SPoSE-49 had 787
SPOSE_TRUTH, SURE_TRUTH = "SIMULATED, SPoSE-49", "SIMULATED, SPoSE-49 without noise"
PLANTED_TRUTH, GUESSES = f"SIMULATED, {N_TRUE} dimensions", "SIMULATED, guesses"


def principal(table: pd.DataFrame, k: int) -> pd.DataFrame:
    """The first k principal components of vectors without their mean: table (objects, k)."""
    left, size, _ = np.linalg.svd(table.to_numpy(float), full_matrices=False)
    return pd.DataFrame(left[:, :k] * size[:k], table.index, [f"component {i + 1}" for i in range(k)])


def scored(embedding, asked, similarity: str = "dot") -> dict:
    found = triplets.accuracy(embedding, asked, similarity)
    return {"accuracy": found.accuracy, "low": found.low, "high": found.high}


@experiment(needs=NEEDS, claims=("F2b",))
def dimension_curve() -> pd.DataFrame:
    """Accuracy on 50,000 choices of people against the number of dimensions.

    ``source``: each step of our fit (``step``: best likelihood, chosen, or on the way; ``result``: the chosen one less
    its idle dimensions), the first k dimensions of the published embedding, and the first k components of vectors that
    saw no choices (cosine). ``log_likelihood``: of held-out training choices, nats; chance is -1.099.
    """
    test, ours = choices(PEOPLE, "test"), fitted(PEOPLE)
    rows = []
    for step, weights in enumerate(ours.steps):
        name = {ours.best: "best likelihood", ours.chosen: "chosen"}.get(step, "on the way")
        if ours.best == ours.chosen == step:
            name = "best likelihood, chosen"
        row = {"source": OURS, "n_dims": weights.shape[1], **scored(weights.astype(float), test)}
        rows.append(row | {"log_likelihood": ours.path["log_likelihood"][step], "step": name})
    row = {"source": OURS, "n_dims": ours.weights.shape[1], **scored(ours.weights, test)}
    rows.append(row | {"log_likelihood": ours.log_likelihood, "step": "result"})
    published = triplets.accuracy_by_dimensions(spose(66), test, KS).rename(columns={"k": "n_dims"})
    rows += published.assign(source="SPoSE-66, first dimensions").to_dict("records")
    for name in MODELS:
        parts = principal(vectors(name), KS[-1])
        for k in KS[1:]:  # one number has no angle
            rows.append({"source": f"{name}, components", "n_dims": k, **scored(parts.iloc[:, :k], test, "cosine")})
    return pd.DataFrame(rows).assign(n_choices=len(test)).fillna({"step": "none"})


@experiment(needs=(CHOICES, PUBLISHED), claims=("F2b",))
def choices_curve() -> pd.DataFrame:
    """Fits to a part of people's choices: how many dimensions, and how well they predict 50,000 others.

    ``n_dims``: chosen by the one-standard-error rule; ``n_best``: at the best held-out likelihood.
    """
    train, test, rows = choices(PEOPLE), choices(PEOPLE, "test"), []
    for n, seed in SIZES:
        drawn = np.sort(np.random.default_rng(seed).permutation(len(train))[:n])
        found = fit(train.subset(drawn), seed)
        row = {"data": PEOPLE, "n_choices": len(drawn), "per_object": len(drawn) / len(train.ids), "seed": seed}
        row |= {"n_dims": found.weights.shape[1], "n_best": found.path["n_dims"][found.best]}
        rows.append(row | scored(found.weights, test))
    return pd.DataFrame(rows).assign(n_objects=len(train.ids), n_test=len(test))


@cache
def _truths() -> dict[str, tuple[pd.DataFrame, float]]:
    """Embeddings and temperatures that SIMULATED choices come from."""
    whole = spose(49).clip(lower=0)
    some = whole.iloc[np.sort(np.random.default_rng(0).permutation(len(whole))[:N_OBJECTS])]
    known = simulate_triplets.sparse_embedding(N_OBJECTS, N_TRUE)
    return {
        PLANTED_TRUTH: (known, 1.0),
        GUESSES: (known, np.inf),
        SPOSE_TRUTH: (some, 1.0),
        SURE_TRUTH: (some, 1e-3),
        f"{SPOSE_TRUTH}, all objects": (whole, 1.0),
    }


@experiment(needs=(PUBLISHED,), claims=("F2b",))
def choices_planted_SIMULATED() -> pd.DataFrame:
    """SIMULATED choices from known embeddings: how many of the true dimensions does the method find?

    ``recovered``: dimensions matched to a true one at r above .4; ``ceiling``: accuracy of the truth itself.
    """
    rows = []
    for name, (truth, temperature) in _truths().items():
        test = simulate_triplets.triplet_choices(truth, 20_000, temperature, seed=9)
        ceiling = 1 / 3 if name == GUESSES else triplets.accuracy(truth, test).accuracy
        for per_object in PER_OBJECT if len(truth) == N_OBJECTS else (67,):
            made = simulate_triplets.triplet_choices(truth, per_object * len(truth), temperature, seed=1)
            found = fit(made)
            r = triplets.match_dimensions(found.weights, truth)["r"]
            row = {"data": name, "n_objects": len(truth), "n_choices": len(made), "per_object": per_object}
            row |= {"true_dims": 0 if name == GUESSES else truth.shape[1], "n_dims": found.weights.shape[1]}
            row |= {"n_best": found.path["n_dims"][found.best], "recovered": int((r > SHARED).sum())}
            rows.append(row | scored(found.weights, test) | {"ceiling": ceiling})
    return pd.DataFrame(rows)


@experiment(needs=NEEDS, claims=("F2b",))
def dimension_fits() -> pd.DataFrame:
    """Fits to the same 124,121 triplets as people and as models choose in them, from two starts each.

    ``own``: accuracy on the system's own choices in the 50,000 test triplets; ``accuracy``: on people's, and
    ``vectors``: that of the model's vectors, by cosine. ``again``: dimensions that come back from the other start at
    r above .9; ``mean_r``: mean correlation with them.
    """
    rows = []
    for system in SYSTEMS:
        first, second = (fitted(system, seed) for seed in SEEDS)
        r = triplets.match_dimensions(first.weights, second.weights)["r"].fillna(0)
        own = scored(first.weights, choices(system, "test"))
        row = {"system": system, "n_dims": first.weights.shape[1], "other_start": second.weights.shape[1]}
        row |= {"n_best": first.path["n_dims"][first.best], "again": int((r > 0.9).sum()), "mean_r": r.mean()}
        row |= {"own": own["accuracy"], "own_low": own["low"], "own_high": own["high"]}
        row |= scored(first.weights, things_triplets("test"))
        cosine = np.nan if system == PEOPLE else scored(vectors(system), things_triplets("test"), "cosine")["accuracy"]
        rows.append(row | {"vectors": cosine})
    return pd.DataFrame(rows).assign(n_choices=len(choices(PEOPLE)), n_test=len(choices(PEOPLE, "test")))


def embeddings() -> dict[str, pd.DataFrame]:
    """Every embedding with dimensions to be looked at, by name: (1,854, dims)."""
    found = {"SPoSE-49": spose(49).clip(lower=0), "SPoSE-66": spose(66).clip(lower=0), "VICE": vice()}
    return found | {OURS: fitted(PEOPLE).weights} | {name: fitted(name).weights for name in MODELS}


def signed(table: pd.DataFrame) -> pd.DataFrame:
    """Each column and its negative: components have no sign of their own."""
    return pd.concat([table.add_prefix("+ "), -table.add_prefix("- ")], axis=1)


@experiment(needs=(*NEEDS, VECTORS), claims=("F2b",))
def dimension_match() -> pd.DataFrame:
    """Dimensions of each system paired one to one with people's, one row a dimension of the ``reference``.

    ``r`` is NaN for a dimension without a partner. ``null_95``: the 95th percentile of the largest r of any pair once
    objects are shuffled. Static baseline: the first 49 components of word2vec, either sign.
    """
    found, tables = embeddings(), []
    compared = found | {"word2vec, components": signed(principal(vectors("word2vec"), N_COMPONENTS))}
    for reference in ("SPoSE-49", OURS):
        for name, table in compared.items():
            if name == reference:
                continue
            n = table.shape[1] if name in found else N_COMPONENTS
            matched = triplets.match_dimensions(found[reference], table, n_perm=200).reset_index()
            tables.append(matched.assign(reference=reference, system=name, n_system=n))
    columns = ["reference", "system", "n_system", "dimension", "matched", "r", "null_95"]
    return pd.concat(tables, ignore_index=True)[columns].fillna({"matched": "none"})


def shared(match: pd.DataFrame) -> pd.DataFrame:
    """Counts from ``dimension_match``: dimensions paired at r above .4, and above the permuted null."""
    rows = []
    for (reference, system), here in match.groupby(["reference", "system"], sort=False):
        above = {"above_04": int((here["r"] > SHARED).sum()), "above_null": int((here["r"] > here["null_95"]).sum())}
        row = {"reference": reference, "system": system, "n_reference": len(here), "n_system": here["n_system"].iloc[0]}
        rows.append(row | above | {"median_r": here["r"].median(), "null_95": here["null_95"].iloc[0]})
    return pd.DataFrame(rows)


@experiment(needs=(*NEEDS, VECTORS), claims=("F2b",))
def dimensions_needed() -> pd.DataFrame:
    """Accuracy with only the k largest weights of each object, on people's choices or on the model's own.

    ``share``: of the accuracy with all; ``needed``: the least k with 95 % of it; ``needed_above_chance``: with 95 % of
    what is above a third.
    """
    tables = []
    for name, table in embeddings().items():
        asked = choices(name if name in MODELS else PEOPLE, "test")
        curve = triplets.accuracy_by_dimensions(table, asked, KS, own=True)
        full = curve["accuracy"].iloc[-1]
        over = (curve["accuracy"] - 1 / 3) / (full - 1 / 3)
        curve["share"] = curve["accuracy"] / full
        facts = {"system": name, "n_dims": table.shape[1], "needed": curve["k"][curve["share"] >= 0.95].min()}
        tables.append(curve.assign(**facts, needed_above_chance=curve["k"][over >= 0.95].min()))
    return pd.concat(tables, ignore_index=True)
