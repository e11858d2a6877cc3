"""Decoding without voxels: an item is found by its distances to all other items, in the brain and in the model.

For items i and j, row i of the brain RDM is correlated with rows i and j of the model RDM, row j likewise, and both
entries i and j are left out of all four profiles. Leaving two entries out of a correlation only takes two terms off
its sums, so all pairs follow from one matrix product.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd
from scipy.spatial.distance import squareform
from threadpoolctl import threadpool_limits

from .checks import as_array
from .decoding_stats import crossed_table, tested_pairs, wins_of
from .errors import BadInput
from .rdms import item_names, model_names, numbered_pairs, one_per_subject, paired, vectors_of
from .resampling import Draws, group_codes, item_counts, p_greater, pairings

LEAST = 5  # items: a profile of three distances is the shortest that can be correlated


def similarity_decoding(brain, model, within=None) -> float:
    """Pairwise accuracy from two RDMs (chance near .5): how often the true pairing of two items agrees better.

    ``brain``, ``model``: one RDM each, as rsatoolbox RDMs (joined by item), vectors or matrices of distances. Profiles
    are compared by Pearson's r with the tested pair left out; ties count half; a flat profile agrees with none (0).
    ``within``: labels in the order of the brain's items, or item -> label: only pairs of one label are tested, against
    all items. Raises BadInput for different items, NaN, constant RDMs, fewer than five items.
    """
    scores = subject_scores(brain, model, within)
    if scores.shape != (1, 1):
        raise BadInput(f"brain, model: {scores.shape[1]} and {scores.shape[0]} RDMs; one each, or use subject_scores")
    return scores.item()


def subject_scores(brain, model, within=None) -> np.ndarray:
    """``similarity_decoding`` of every model RDM in every person's RDM: (models, people)."""
    models, people, codes = _matrices(brain, model, within)
    return _shares(models, people, np.ones(len(codes)), tested_pairs(codes))


def similarity_null(brain, model, n_perm: int = 1000, within=None, shuffle=None, seed: int = 0) -> np.ndarray:
    """``subject_scores`` under shuffled pairing (n_perm, models, people): the items of the model change places.

    ``within``: the pairs tested, as above; ``shuffle``: labels inside which items change places (None: anywhere), in
    the form of ``within``. Nothing is fitted, so there is nothing to fit anew.
    """
    models, people, codes = _matrices(brain, model, within)
    labels = group_codes(shuffle, len(codes), item_names(brain), "shuffle")
    allowed, ones = tested_pairs(codes), np.ones(len(codes))
    orders = pairings(len(codes), n_perm, labels, seed, "shuffle")
    return np.array([_shares(models[:, order][:, :, order], people, ones, allowed) for order in orders])


def similarity_bootstrap(
    models, brain, within=None, group: bool = False, n_boot: int = 300, seed: int = 0
) -> pd.DataFrame:
    """Accuracy of every model with a 95 % interval over people and items, both drawn with replacement.

    An item drawn twice weighs twice, in the pairs and in the profiles, and is never paired or compared with its copy.
    ``group``: decode the mean RDM of the people, averaged anew for each draw, instead of the mean score of single
    people. Columns: ``model, score, low, high, se, n_subjects, n_stimuli, n_pairs``. Variance: Schuett 2023.
    """
    draws, n_pairs = _bootstrap(models, brain, within, group, n_boot, seed)
    return crossed_table({"model": model_names(models)}, draws, n_pairs)


def similarity_differences(
    models, brain, pairs: Sequence[tuple[str, str]], within=None, group: bool = False, n_boot: int = 300, seed: int = 0
) -> pd.DataFrame:
    """Accuracy of one model less that of another, for pairs of names; the same draws for both.

    Columns: ``first, second, difference, low, high`` (95 %), ``se, n_subjects, n_stimuli, n_pairs, p`` (two-sided).
    Other arguments as in ``similarity_bootstrap``.
    """
    labels, (first, second) = numbered_pairs(pairs, model_names(models))
    draws, n_pairs = _bootstrap(models, brain, within, group, n_boot, seed)
    table = draws.table("difference", labels, lambda part: part[:, first] - part[:, second])
    return table.assign(n_pairs=n_pairs, p=2 * p_greater(table["difference"].abs(), table["se"] ** 2, draws.dof))


def _bootstrap(models, brain, within, group: bool, n_boot: int, seed: int) -> tuple[Draws, int]:
    """Accuracies under resampled people and items, and the number of pairs tested."""
    one_per_subject(brain)
    left, people, codes = _matrices(brain, models, within)
    (n_people, n), rng = people.shape[:2], np.random.default_rng(seed)
    counts = item_counts(n_boot, n, rng, LEAST)
    drawn, equal = item_counts(n_boot, n_people, rng, 1) / n_people, np.full((1, n_people), 1 / n_people)
    allowed, draws = tested_pairs(codes), np.empty((n_boot, 2, len(left)))
    for b, count in enumerate(counts):
        kept = np.flatnonzero(count)
        at, weight = np.ix_(kept, kept), count[kept].astype(float)
        who = np.vstack([drawn[b : b + 1], equal])
        draws[b] = _mixed(left[:, *at], people[:, *at], weight, allowed[at], who, group)
    full, *over_people = _mixed(left, people, np.ones(n), allowed, np.vstack([equal, drawn]), group)
    return Draws(full, draws[:, 0], np.array(over_people), draws[:, 1], n_people, n), int(allowed.sum() / 2)


def profile_scores(brain, profiles, item: Sequence[int]) -> np.ndarray:
    """How well the brain's profile of each item fits each candidate's: (items, candidates), Pearson's r.

    ``brain``: one RDM of n items; ``profiles`` (candidates, n): distance of each candidate, such as a caption, to each
    item; ``item`` (candidates,): the item it belongs to. Both entries, of the item and of the candidate's own item,
    are left out, so that a candidate of the right item has no advantage but its distances to the others.
    """
    matrix = _square(brain, "brain")
    if len(matrix) != 1:
        raise BadInput(f"brain: {len(matrix)} RDMs; one is wanted")
    left, right = _centred(matrix)[0], as_array(profiles, "profiles", 2).copy()
    n, item, rows = len(left), np.asarray(item), np.arange(len(right))
    if right.shape[1] != n or item.shape != (len(right),) or not ((item >= 0) & (item < n)).all():
        raise BadInput(f"profiles, item: {right.shape} and {item.shape}; wanted (candidates, {n}) and one item each")
    right -= right.mean()
    right[rows, item] = 0
    first = [(left**power).sum(1)[:, None] - left[:, item] ** power for power in (1, 2)]
    second = [(right**power).sum(1) - right.T**power for power in (1, 2)]
    size = n - 2.0 + (np.arange(n)[:, None] == item)
    return _correlation(left @ right.T, first, second, size)


def _mixed(models, people, weight, allowed, who, group: bool) -> np.ndarray:
    """Scores (mixtures, models) for weights of people ``who`` (mixtures, people): of mean RDMs, or mean scores."""
    brains = np.tensordot(who, people, 1) if group else people
    scores = _shares(models, brains, weight, allowed)
    return scores.T if group else who @ scores.T


@threadpool_limits.wrap(limits=1, user_api="blas")  # many small products
def _shares(models, brains, weight, allowed) -> np.ndarray:
    """Weighted share of the allowed pairs that are won (models, brains)."""
    pairs = allowed * np.outer(weight, weight)
    total, out = pairs.sum(), np.full((len(models), len(brains)), np.nan)
    if total:
        size = np.maximum(weight.sum() - weight[:, None] - weight, 1.0)
        left, right = ([_profile(matrix, weight, size) for matrix in _centred(part)] for part in (models, brains))
        for m, model in enumerate(left):
            for b, brain in enumerate(right):
                out[m, b] = (wins_of(_margins(brain, model, weight)) * pairs).sum() / total
    return out


def _profile(matrix: np.ndarray, weight: np.ndarray, size: np.ndarray) -> tuple[np.ndarray, ...]:
    """What all comparisons of an RDM share, for row i without item j (n, n).

    The RDM; sum of the row; one over its spread, 0 if flat; and how far rows i and j differ in their scaled means.
    """
    sums, squares = ((matrix**power) @ weight[:, None] - matrix**power * weight for power in (1, 2))
    variance = squares - sums**2 / size
    scale = np.where(variance > 1e-12 * squares, 1 / np.sqrt(np.maximum(variance, 1e-300)), 0)
    mean = sums * scale / size
    return matrix, sums, scale, mean - mean.T


def _margins(brain, model, weight) -> np.ndarray:
    """For items i, j (n, n): agreement of both true pairings less that of both swapped ones, by Pearson's r."""
    (left, sums, spread, _), (right, _, scale, shift) = brain, model
    products = (left * weight) @ right.T  # the diagonals are 0, so items i and j are left out where rows differ
    own = np.diag(products)[:, None] - left * right * weight
    half = spread * (own * scale - products * scale.T - sums * shift)
    return half + half.T


def _correlation(products, first, second, size) -> np.ndarray:
    """Pearson's r from sums of products, sums and sums of squares over ``size`` entries; 0 for a flat profile."""
    spread = 1.0
    for total, squares in (first, second):
        variance = squares - total**2 / size
        spread = spread * np.where(variance > 1e-12 * squares, variance, np.inf)
    return (products - first[0] * second[0] / size) / np.sqrt(spread)


def _centred(matrices: np.ndarray) -> np.ndarray:
    """RDMs less the mean distance, which no correlation sees, with diagonals of 0: sums then lose no digits."""
    n = matrices.shape[-1]
    moved = matrices - matrices.sum((-1, -2), keepdims=True) / (n * (n - 1))
    moved[:, np.arange(n), np.arange(n)] = 0
    return moved


def _matrices(brain, model, within) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """RDMs of models and of people with their items in the same order, and the group of each item."""
    left, right = paired(model, brain)
    models, people = (np.array([squareform(vector) for vector in part]) for part in (left, right))
    n = models.shape[-1]
    if n < LEAST:
        raise BadInput(f"brain: {n} items; wanted at least {LEAST}")
    return models, people, group_codes(within, n, item_names(brain))


def _square(rdms, name: str) -> np.ndarray:
    return np.array([squareform(vector) for vector in vectors_of(rdms, name)])
