"""Decoding: from brain activity to an embedding, and from the embedding to what was seen or read.

Two ways. With voxel patterns, a ridge predicts the embedding of each item (``fit``), and the prediction is compared
with the true ones (``pairwise_accuracy``, ``rank_accuracy``) or looked up in a dictionary (``retrieve``).
With RDMs alone, an item is known by its distances to all others, and its row in the brain is matched to the rows of
the model (``similarity_decoding``). Chance is what shuffled pairing gives, not .5: see ``shuffled_pairing_null``.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pandas as pd

from . import splits
from .checks import aligned, as_array, one_of, standardised
from .decoding_rdms import (
    profile_scores,
    similarity_bootstrap,
    similarity_decoding,
    similarity_differences,
    similarity_null,
    subject_scores,
)
from .decoding_stats import accuracy_table, person_scores, share_won, tested_pairs, wins_of
from .encoding import RidgeCV
from .errors import BadInput
from .resampling import group_codes, p_value, pairings

ALPHAS = tuple(float(alpha) for alpha in np.logspace(2, 5, 4))  # for z-scored voxels, a thousand or so
SIMILARITIES = ("cosine", "correlation", "euclidean")
BLOCK = 65_536  # dictionary entries held at a time
TARGETS = 8192  # columns of shuffled embeddings fitted at a time
__all__ = [
    "accuracy_table",
    "fit",
    "nearest_training_item",
    "p_value",
    "pairings",
    "pairwise_accuracy",
    "person_scores",
    "profile_scores",
    "rank_accuracy",
    "retrieve",
    "shuffled_pairing_null",
    "similarity_bootstrap",
    "similarity_decoding",
    "similarity_differences",
    "similarity_null",
    "subject_scores",
    "wins",
]


def fit(X, Y, cv=10, alphas=ALPHAS, inner=5, mean: str = "all") -> np.ndarray:
    """Embedding of every item (items, dims), predicted from its voxels by ridges that never saw the item.

    ``X`` (items, voxels), ``Y`` (items, dims), joined on their index where both are tables. ``cv``: number of
    contiguous folds, or (train, test) pairs of row indices whose test parts hold every item once (``splits.grouped``
    for runs or repeats). Voxels are z-scored with the training items; each dimension takes the penalty among
    ``alphas`` that does best in ``inner`` folds of these.

    ``mean``: what predictions are centred on. "training", the usual intercept, leans away from the items left out
    and pushes chance below .5. "all" adds the mean of all items to every prediction, the same for each, so that it
    says nothing of which is which. Raises BadInput for NaN, unequal rows, an item that is tested never or twice.
    """
    one_of(mean, "mean", ("all", "training"))
    X, Y = _rows(X, Y)
    predicted = np.empty_like(Y)
    for train, test in _folds(cv, len(X)):
        scaled = standardised(X, train)
        predicted[test] = RidgeCV(alphas, inner).fit(scaled[train], Y[train]).predict(scaled[test])
        if mean == "all":
            predicted[test] += Y.mean(0) - Y[train].mean(0)
    return predicted


def _rows(X, Y) -> tuple[np.ndarray, np.ndarray]:
    """Two finite arrays with the same items in the same order; Y keeps float32, in which the ridge is faster."""
    single = getattr(Y, "dtype", None) == np.float32
    index = X.index if isinstance(X, pd.DataFrame) else None
    X, Y = as_array(X, "X", 2), as_array(aligned(Y, index, "Y"), "Y", 2)
    if len(X) != len(Y):
        raise BadInput(f"X and Y: {len(X)} and {len(Y)} rows; wanted one row an item in both")
    return X, Y.astype(np.float32) if single else Y


def nearest_training_item(X, Y, cv=10) -> np.ndarray:
    """Baseline without a model (items, dims): the embedding of the training item whose pattern correlates best.

    Arguments and errors as in ``fit``.
    """
    X, Y = _rows(X, Y)
    predicted = np.empty_like(Y)
    for train, test in _folds(cv, len(X)):
        centred = X - X[train].mean(0)
        predicted[test] = Y[train[_similarity(centred[test], centred[train], "correlation").argmax(1)]]
    return predicted


def _folds(cv, n: int) -> splits.Pairs:
    pairs = splits.folds(cv, n)
    times = np.bincount(np.concatenate([test for _, test in pairs]), minlength=n)
    if (times != 1).any():
        row = int(np.argmax(times != 1))
        raise BadInput(f"cv: row {row} is tested {times[row]} times; wanted every row in exactly one test part")
    return pairs


def pairwise_accuracy(predicted, target, within=None, similarity: str = "cosine") -> float:
    """Share of pairs of items whose two predictions fit the right way round better than swapped; ties count half.

    ``predicted``, ``target`` (items, dims), the same items in the same order. ``within``: one label an item; only
    pairs that share it are tested. ``similarity``: cosine, correlation or euclidean (minus squared distance, the
    one for a single dimension). A row without length (or variance) is as similar to all. Chance is below .5 for
    predictions by cross-validation. Source: Mitchell 2008.
    """
    won = wins(predicted, target, similarity)
    return float(share_won(won, tested_pairs(group_codes(within, len(won)))))


def wins(predicted, target, similarity: str = "cosine") -> np.ndarray:
    """The outcome of every pair (items, items): 1 told apart, .5 tied, 0 confused; for ``accuracy_table``."""
    similar = _match(predicted, target, similarity)
    own = np.diag(similar)
    return wins_of(own[:, None] + own - similar - similar.T)


def rank_accuracy(predicted, target, within=None, similarity: str = "cosine") -> np.ndarray:
    """Rank of each item's own target among all targets, (items,): 1 first, 0 last, .5 in the middle; ties half.

    Arguments as in ``pairwise_accuracy``; NaN for an item that is alone in its group.
    """
    similar = _match(predicted, target, similarity)
    allowed = tested_pairs(group_codes(within, len(similar)))
    beaten = (wins_of(np.diag(similar)[:, None] - similar) * allowed).sum(1)
    rivals = allowed.sum(1)
    return np.where(rivals > 0, beaten / np.maximum(rivals, 1), np.nan)


def _match(predicted, target, similarity: str) -> np.ndarray:
    predicted, target = as_array(predicted, "predicted", 2), as_array(target, "target", 2)
    if predicted.shape != target.shape or len(target) < 2:
        raise BadInput(f"predicted, target: shapes {predicted.shape}, {target.shape}; wanted the same, 2 items or more")
    return _similarity(predicted, target, similarity)


def _similarity(left: np.ndarray, right: np.ndarray, kind: str) -> np.ndarray:
    one_of(kind, "similarity", SIMILARITIES)
    if kind == "euclidean":
        return 2 * left @ right.T - (left**2).sum(1)[:, None] - (right**2).sum(1)
    if kind == "correlation":
        left, right = (part - part.mean(1, keepdims=True) for part in (left, right))
    return _unit(left) @ _unit(right).T


def _unit(rows: np.ndarray) -> np.ndarray:
    length = np.linalg.norm(rows, axis=1, keepdims=True)
    return rows / np.where(length > 0, length, 1)


def retrieve(predicted, dictionary, k: int = 10) -> tuple[np.ndarray, np.ndarray]:
    """The k entries of a dictionary nearest to each prediction by cosine: rows (items, k), best first, and cosines.

    ``dictionary`` (entries, dims): numpy array, memory-mapped ones too; read in blocks, so that millions fit. Centre
    both on the same mean first where all entries share a direction. Raises BadInput for k beyond the entries.
    """
    queries, entries = _queries(predicted, dictionary)
    if not 1 <= k <= len(entries):
        raise BadInput(f"k: got {k}; wanted 1 to {len(entries)}, the entries of the dictionary")
    best, found = np.full((len(queries), 0), 0.0), np.full((len(queries), 0), 0)
    for start, cosines in _blocks(queries, entries):
        rows = np.tile(np.arange(start, start + cosines.shape[1]), (len(queries), 1))
        cosines, rows = np.hstack([best, cosines]), np.hstack([found, rows])
        kept = min(k, cosines.shape[1])
        top = np.argpartition(-cosines, kept - 1, axis=1)[:, :kept]
        best, found = np.take_along_axis(cosines, top, 1), np.take_along_axis(rows, top, 1)
    order = np.lexsort((found, -best), axis=1)
    return np.take_along_axis(found, order, 1), np.take_along_axis(best, order, 1)


def _queries(predicted, dictionary) -> tuple[np.ndarray, np.ndarray]:
    queries = _unit(as_array(predicted, "predicted", 2)).astype(np.float32)
    if getattr(dictionary, "ndim", 0) != 2 or dictionary.shape[1] != queries.shape[1]:
        raise BadInput(f"dictionary: shape {np.shape(dictionary)}; wanted (entries, {queries.shape[1]})")
    return queries, dictionary


def _blocks(queries: np.ndarray, entries):
    for start in range(0, len(entries), BLOCK):
        block = as_array(entries[start : start + BLOCK], f"dictionary[{start}:]").astype(np.float32)
        yield start, queries @ _unit(block).T


def shuffled_pairing_null(
    X, Y, n_perm: int = 100, within=None, seed: int = 0, score: Callable = pairwise_accuracy, orders=None, **options
) -> np.ndarray:
    """Scores (n_perm, ...) of the whole pipeline, choice of penalties included, with embeddings dealt to other items.

    Predictions are fitted anew, since chance depends on how they were made (see ``mean`` in ``fit``): shuffling the
    finished ones would hide that. ``score(predicted, target)``. ``within``: one label an item, embeddings are dealt
    inside groups only. ``orders`` (n_perm, items): use these instead, so that all people get the same. ``options``
    go to ``fit``. Computed in float32.
    """
    X, Y = _rows(X, Y)
    Y = Y.astype(np.float32)
    orders = pairings(len(Y), n_perm, within, seed) if orders is None else np.asarray(orders)
    width, out = Y.shape[1], []
    for start in range(0, len(orders), step := max(1, TARGETS // width)):
        # Targets do not know of one another, so that many shufflings are columns of one fit.
        dealt = Y[orders[start : start + step]]
        predicted = fit(X, np.concatenate(list(dealt), axis=1), **options)
        out += [score(predicted[:, i * width : (i + 1) * width], target) for i, target in enumerate(dealt)]
    return np.array(out)
