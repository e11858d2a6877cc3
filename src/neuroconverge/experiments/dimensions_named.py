"""Finding F2b: can dimensions be interpreted? Measured: how well do dimensions and human-made features go together?

Any embedding can be turned: along other axes it chooses the same. So the question is asked of the axes. For each
feature, how much of what the embedding knows about it lies along one axis, and how much along one of a random turn?
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache

import numpy as np
import pandas as pd
from sklearn.linear_model import RidgeCV

from .. import models, triplets
from ..checks import aligned, as_array, standardised
from ..datasets import gpt_feature_norms, spose, things
from ..errors import BadInput
from . import experiment
from .dimensions import NEEDS, OURS, VECTORS, embeddings, principal
from .dimensions_fits import MODELS, vectors
from .objects import closed

N_SPLITS, N_TURNS, N_PERM, N_BOOT = 5, 20, 20, 2000
LEAST_MEMBERS = 20  # objects with a feature: ten in either half, on average
LEAST_NAMED = 10  # of the 317 objects with machine-made norms
NEAR_ZERO = 0.01  # of the largest weight of a dimension
PENALTIES = np.logspace(-1, 3, 9)


@cache
def category_features() -> pd.DataFrame:
    """The categories of THINGS with at least 20 objects: table (1,854, categories) of 0 and 1."""
    table = things().categories.astype(float)
    return table.loc[:, table.sum() >= LEAST_MEMBERS]


@cache
def norm_features() -> pd.DataFrame:
    """Features that GPT-4 named for at least ten of 317 objects: table (317, features) of 0 and 1. Machine-made."""
    table = pd.crosstab(gpt_feature_norms()["id"], gpt_feature_norms()["feature"]).clip(upper=1).astype(float)
    return table.loc[:, table.sum() >= LEAST_NAMED]


def _arrays(embedding, features) -> tuple[pd.DataFrame, pd.DataFrame]:
    dims, marks = pd.DataFrame(embedding), pd.DataFrame(features)
    marks = pd.DataFrame(aligned(marks, dims.index, "features"), dims.index, marks.columns)
    for table, name in ((dims, "embedding"), (marks, "features")):
        as_array(table, name, ndim=2)
    if len(dims) < 4:
        raise BadInput(f"embedding: {len(dims)} objects; wanted at least 4, half to choose and half to score")
    return dims.astype(float), marks.astype(float)


def _halves(n: int, n_splits: int, seed: int) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Random halves of n objects, each to choose and to score in turn."""
    rng = np.random.default_rng(seed)
    for _ in range(n_splits):
        order = rng.permutation(n)
        halves = order[: n // 2], order[n // 2 :]
        yield from (halves, halves[::-1])


def _across(one: np.ndarray, other: np.ndarray) -> np.ndarray:
    return standardised(one).T @ standardised(other) / len(one)


def best_feature(embedding, features, n_splits: int = N_SPLITS, seed: int = 0) -> pd.DataFrame:
    """The single feature (objects, features) that predicts each dimension of an embedding (objects, dims) best.

    It is chosen on a random half of the objects, either sign, and scored on the other half. One row a dimension:
    ``feature`` (chosen most often) and ``r`` (mean correlation on the other half). Tables are joined on their index.
    Raises BadInput for NaN, and for rows that do not match.
    """
    dims, marks = _arrays(embedding, features)
    values, known, rows = dims.to_numpy(), marks.to_numpy(), np.arange(dims.shape[1])
    votes, r = np.zeros((dims.shape[1], marks.shape[1])), []
    for here, other in _halves(len(values), n_splits, seed):
        found = _across(values[here], known[here])
        pick = np.abs(found).argmax(1)
        votes[rows, pick] += 1
        r.append(np.sign(found[rows, pick]) * _across(values[other], known[other])[rows, pick])
    index = dims.columns.rename("dimension")
    return pd.DataFrame({"feature": marks.columns[votes.argmax(1)], "r": np.mean(r, axis=0)}, index)


def best_dimension(embedding, features, n_splits: int = N_SPLITS, seed: int = 0) -> pd.DataFrame:
    """The other way round: the single dimension that goes best with each feature, one row a feature.

    ``dimension`` and ``r`` as in ``best_feature``.
    """
    found = best_feature(features, embedding, n_splits, seed).rename(columns={"feature": "dimension"})
    return found.rename_axis("feature")


def all_dimensions(embedding, features, n_splits: int = N_SPLITS, seed: int = 0) -> pd.Series:
    """Correlation of each feature, on the other half, with its ridge prediction from all dimensions together."""
    dims, marks = _arrays(embedding, features)
    values, known, r = dims.to_numpy(), marks.to_numpy(), []
    for here, other in _halves(len(values), n_splits, seed):
        scale = values[here].std()
        ridge = RidgeCV(PENALTIES, alpha_per_target=True).fit(values[here] / scale, known[here])
        made = ridge.predict(values[other] / scale).reshape(len(other), -1)
        r.append((standardised(made) * standardised(known[other])).mean(0))
    return pd.Series(np.mean(r, axis=0), marks.columns, name="r")


def rotated(table: pd.DataFrame, seed: int) -> pd.DataFrame:
    """The same embedding along other axes, drawn at random: all dot products, hence all choices, stay the same."""
    width = table.shape[1]
    turn, corner = np.linalg.qr(np.random.default_rng(seed).standard_normal((width, width)))
    return pd.DataFrame(table.to_numpy(float) @ (turn * np.sign(np.diag(corner))), table.index)


def shuffled(table: pd.DataFrame, seed: int) -> pd.DataFrame:
    """The same rows dealt to other objects."""
    order = np.random.default_rng(seed).permutation(len(table))
    return pd.DataFrame(table.to_numpy()[order], table.index, table.columns)


def hoyer(table: pd.DataFrame) -> float:
    """Mean sparsity of the dimensions: 0 when all objects weigh the same, 1 when one object has all (Hoyer 2004)."""
    size, n = np.abs(table.to_numpy(float)), len(table)
    ratio = size.sum(0) / np.sqrt((size**2).sum(0))
    return float(((np.sqrt(n) - ratio) / (np.sqrt(n) - 1)).mean())


def near_zero(table: pd.DataFrame) -> float:
    """Share of weights below a hundredth of the largest of their dimension."""
    size = np.abs(table.to_numpy(float))
    return float((size < NEAR_ZERO * size.max(0)).mean())


def _spread(values: np.ndarray, seed: int = 0) -> tuple[float, float]:
    """95 % bootstrap interval of a mean."""
    drawn = np.random.default_rng(seed).integers(len(values), size=(N_BOOT, len(values)))
    return tuple(np.quantile(values[drawn].mean(1), [0.025, 0.975]))


def interpreted(table: pd.DataFrame, features: pd.DataFrame) -> dict:
    """Means over features of ``best_dimension``, beside random turns, shuffled objects and all dimensions together."""
    table = table.loc[features.index]
    found = best_dimension(table, features)["r"]
    turned = [rotated(table, seed) for seed in range(N_TURNS)]
    r = [best_dimension(one, features)["r"].mean() for one in turned]
    null = [best_dimension(shuffled(table, seed), features)["r"].mean() for seed in range(N_PERM)]
    low, high = _spread(found.to_numpy())
    row = {"r": found.mean(), "low": low, "high": high, "rotated": np.mean(r), "rotated_95": np.quantile(r, 0.95)}
    row |= {"permuted_95": np.quantile(null, 0.95), "all_dims": all_dimensions(table, features).mean()}
    # A measure that is easily fooled: the same feature may serve any number of dimensions.
    naive = [best_feature(one, features)["r"].mean() for one in turned]
    return row | {"any_r": best_feature(table, features)["r"].mean(), "any_rotated": np.mean(naive)}


@experiment(needs=(*NEEDS, VECTORS, "things_typicality", "gpt_feature_norms"), claims=("F2b",))
def interpretability() -> pd.DataFrame:
    """How well does one dimension of a system stand for a category of THINGS, or for a machine-made feature?

    ``r``: mean over features of the correlation with the best single dimension, on objects that did not choose it; the
    interval is over features. ``rotated``: along random axes, which choose alike (mean and 95th percentile of 20);
    ``permuted_95``: objects shuffled; ``all_dims``: all dimensions together, which no rotation changes.
    ``any_r``, ``any_rotated``: mean over dimensions of the correlation with the best single feature.
    ``zeros``, ``hoyer``: sparsity, also of one rotation.
    """
    systems = embeddings()
    for name in MODELS:
        systems[f"{name}, components"] = principal(vectors(name), systems[name].shape[1])
    rows = []
    for name, table in systems.items():
        sparse = {"zeros": near_zero(table), "hoyer": hoyer(table), "hoyer_rotated": hoyer(rotated(table, 0))}
        for kind, features in (("categories", category_features()), ("GPT-4 features", norm_features())):
            row = {"system": name, "features": kind, "n_dims": table.shape[1], **interpreted(table, features)}
            rows.append(row | sparse | {"n_objects": len(features), "n_features": features.shape[1]})
    return pd.DataFrame(rows)


@experiment(needs=(*NEEDS, "things_typicality", "gpt_feature_norms"), claims=("F2b",))
def dimension_names() -> pd.DataFrame:
    """Each dimension of our fits: its share of all weight, top five objects, and what predicts it best.

    ``label``: the published name of the dimension of SPoSE-66 matched one to one, with its ``label_r``; ``category``
    and ``feature``: of THINGS and of the machine-made norms, with cross-validated ``category_r`` and ``feature_r``.
    """
    tables = []
    for system in (OURS, *MODELS):
        weights = embeddings()[system]
        label = triplets.match_dimensions(weights, spose(66))
        category = best_feature(weights, category_features())
        feature = best_feature(weights.loc[norm_features().index], norm_features())
        top = [", ".join(things().names[weights[dim].nlargest(5).index]) for dim in weights]
        columns = {"system": system, "dimension": weights.columns, "share": (weights.sum() / weights.sum().sum())}
        columns |= {"top": top, "label": label["matched"], "label_r": label["r"], "category": category["feature"]}
        columns |= {"category_r": category["r"], "feature": feature["feature"], "feature_r": feature["r"]}
        tables.append(pd.DataFrame(columns).reset_index(drop=True))
    return pd.concat(tables, ignore_index=True)


@experiment(needs=NEEDS, claims=("F2b",))
def dimension_form() -> pd.DataFrame:
    """Does a dimension stand for the form of a name? Word pieces in the sentence, letters, and the article.

    Best single dimension of each fit and its ``r`` on objects that did not choose it.
    """
    words, network = things().words, models.load("minilm-l6")
    form = pd.DataFrame({"word pieces": [len(one) for one in network.tokens(closed())]}, words.index)
    form = form.assign(letters=words.str.len(), article=words.str[0].str.lower().isin(list("aeiou"))).astype(float)
    form = form.rename(columns={"article": "article an"})
    tables = []
    for system in (OURS, *MODELS):
        found = best_dimension(embeddings()[system], form).reset_index()
        tables.append(found.assign(system=system, n_objects=len(form)))
    return pd.concat(tables, ignore_index=True)[["system", "feature", "dimension", "r", "n_objects"]]
