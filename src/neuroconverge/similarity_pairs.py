"""All layers of one network against all layers of another, and what a search through them finds by chance."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from scipy.linalg import svdvals
from scipy.spatial.distance import pdist, squareform
from scipy.stats import rankdata

from . import encoding, splits
from .checks import aligned, as_array, one_of
from .errors import BadInput
from .resampling import interval, p_value, pairings
from .similarity_cka import apart, centred_gram, cka_matrix, unit_layers
from .similarity_neighbours import Shared, neighbours

AGGREGATES = {"max": np.max, "mean": np.mean}
LEAST = 4  # stimuli
GRAM_BYTES = 1e9  # of the Gram matrices of all layers, held at a time


@dataclass(frozen=True)
class Calibrated:
    """The figure that is reported for two networks, and the same one where the stimuli of the second are permuted.

    ``calibrated``: 0 up to the ``threshold``, the upper ``alpha`` point of the null, then linear up to 1. ``p``:
    one-sided, add-one. ``pair``: the best pair of layers.
    """

    score: float
    calibrated: float
    p: float
    threshold: float
    null_mean: float
    pair: tuple
    n: int
    n_pairs: int
    n_perm: int


class _Cka:
    """Centred kernel alignment. Sources: Kornblith 2019; Song 2012; Murphy 2024."""

    def __init__(self, a: list, b: list, debiased: bool = True):
        self.debiased, n = debiased, len(a[0])
        self.small = 8 * n * n * (len(a) + len(b)) <= GRAM_BYTES
        # Permuting the Gram matrices of small sets once made is far cheaper than making them anew.
        self.a, self.b = (self._grams(side, name) if self.small else side for side, name in ((a, "a"), (b, "b")))

    def _grams(self, side: list, name: str) -> np.ndarray:
        grams = np.array([centred_gram(x, self.debiased) for x in unit_layers(side, f"layers_{name}")])
        return grams / np.sqrt(apart(np.einsum("lij,lij->l", grams, grams), f"layers_{name}"))[:, None, None]

    def scores(self, order=slice(None)) -> np.ndarray:
        if not self.small:
            return cka_matrix(self.a, [y[order] for y in self.b], self.debiased)
        turned = self.b[:, order][:, :, order]
        return self.a.reshape(len(self.a), -1) @ turned.reshape(len(turned), -1).T


class _Rsa:
    """Spearman correlation of the distances of all pairs of stimuli. Source: Kriegeskorte 2008."""

    def __init__(self, a: list, b: list, distance: str = "correlation"):
        one_of(distance, "distance", ("correlation", "euclidean", "cosine"))
        self.upper = np.triu_indices(len(a[0]), 1)
        self.a = np.array([_unit_ranks(x, distance) for x in a])
        self.b = np.array([squareform(_unit_ranks(y, distance), checks=False) for y in b])

    def scores(self, order=slice(None)) -> np.ndarray:
        turned = self.b[:, order][:, :, order]
        return self.a @ turned[:, *self.upper].T


class _MutualKnn:
    """Share of the k nearest neighbours, by cosine, that two layers have in common. Source: Huh 2024."""

    def __init__(self, a: list, b: list, k: int = 10):
        n = len(a[0])
        if not isinstance(k, (int, np.integer)) or not 1 <= k < n - 1:
            raise BadInput(f"k: got {k!r}; wanted a whole number of neighbours, 1 to {n - 2} of {n} stimuli")
        lists = np.array([neighbours(x, k) for x in a])
        self.shared, self.b = Shared(lists), lists if a is b else np.array([neighbours(y, k) for y in b])

    def scores(self, order=None) -> np.ndarray:
        return self.shared.overlap(self.b, order)


class _Procrustes:
    """Nuclear norm of the cross product of centred layers of unit size: 1 if one is a rotation of the other.

    One less half the squared Procrustes distance. Sources: Schönemann 1966; Williams 2021.
    """

    def __init__(self, a: list, b: list):
        self.a, self.b = ([_rotated(x) for x in side] for side in (a, b))

    def scores(self, order=slice(None)) -> np.ndarray:
        return np.array([[svdvals(x.T @ y[order]).sum() for y in self.b] for x in self.a])


class _Predictivity:
    """Mean correlation of the features of a layer of b with their cross-validated ridge prediction from one of a.

    Not symmetric. ``pairs``: (train, test) rows, five contiguous folds unless given.
    """

    def __init__(self, a: list, b: list, pairs=None, alphas=encoding.ALPHAS):
        self.a, self.b, self.alphas = a, b, alphas
        self.pairs = splits.contiguous(len(a[0]), 5) if pairs is None else pairs

    def scores(self, order=slice(None)) -> np.ndarray:
        model = encoding.RidgeCV(self.alphas)
        each = [[encoding.cross_val_scores(model, x, y[order], self.pairs) for y in self.b] for x in self.a]
        return np.array([[np.nanmean(score) for score in row] for row in each])


MEASURES = {
    "cka": _Cka,
    "rsa": _Rsa,
    "mutual_knn": _MutualKnn,
    "procrustes": _Procrustes,
    "predictivity": _Predictivity,
}


def mutual_knn(X, Y, k: int = 10) -> float:
    """Share of the k nearest neighbours (cosine) that X (n, d) and Y (n, e) have in common; chance k / (n - 1).

    At fixed k the score falls with n: always state both. Source: Huh 2024. Raises BadInput.
    """
    return _single(X, Y, "mutual_knn", k=k)


def rsa(X, Y, distance: str = "correlation") -> float:
    """Spearman correlation of the RDMs of X (n, d) and Y (n, e). ``distance``: correlation, euclidean or cosine."""
    return _single(X, Y, "rsa", distance=distance)


def procrustes(X, Y) -> float:
    """Similarity up to rotation, 0 to 1: nuclear norm of X'Y, both centred and of unit size; large by chance if wide.

    Source: Williams 2021.
    """
    return _single(X, Y, "procrustes")


def predictivity(X, Y, pairs=None, alphas=encoding.ALPHAS) -> float:
    """Mean correlation of the features of Y (n, e) with their cross-validated ridge prediction from X (n, d).

    ``pairs``: (train, test) rows; by default five contiguous folds. Not symmetric.
    """
    return _single(X, Y, "predictivity", pairs=pairs, alphas=alphas)


def all_pairs(layers_a, layers_b, metric: str = "cka", **options) -> pd.DataFrame:
    """Similarity of every layer of one network with every layer of another: table (layers of a, layers of b).

    Layers: mappings or lists of arrays (n, d), or an array (layers, n, d), with the same stimuli in the same order.
    What belongs to a layer (neighbours, ranks) is computed once a layer. ``metric``: one of ``MEASURES``;
    ``options`` as in the function of that name. Raises BadInput for unequal rows, NaN, constant layers.
    """
    names, (a, b) = _both(layers_a, layers_b)
    return pd.DataFrame(_measure(metric)(a, b, **options).scores(), *names)


def calibrate(
    layers_a,
    layers_b,
    metric: str = "cka",
    n_perm: int = 200,
    alpha: float = 0.05,
    aggregate: str = "max",
    groups: Sequence | None = None,
    seed: int = 0,
    **options,
) -> Calibrated:
    """The ``max`` or ``mean`` over all pairs of layers, calibrated by permuting the stimuli of the second network.

    One permutation serves all pairs, so that the null has searched through as many layers as the score has. With
    ``groups`` (a label a stimulus) stimuli change places inside groups only: is there agreement beyond these? Only for
    stimuli without an order. Source: Gröger, Wen and Brbić 2026. Raises BadInput as ``all_pairs`` does.
    """
    over = AGGREGATES[one_of(aggregate, "aggregate", tuple(AGGREGATES))]
    if n_perm < 1 or not 0 < alpha < 1:
        raise BadInput(f"n_perm, alpha: got {n_perm}, {alpha}; wanted at least 1, and between 0 and 1")
    names, (a, b) = _both(layers_a, layers_b)
    measure, n = _measure(metric)(a, b, **options), len(a[0])
    real = measure.scores()
    score = float(over(real))
    null = np.array([over(measure.scores(order)) for order in pairings(n, n_perm, groups, seed, "groups")])
    # The upper point of null and score together, as in the source: the test it makes is exact.
    threshold = float(np.sort(np.r_[null, score])[min(int(np.ceil((1 - alpha) * (n_perm + 1))) - 1, n_perm)])
    rest = float(np.clip((score - threshold) / max(1 - threshold, 1e-12), 0, 1))
    best = np.unravel_index(real.argmax(), real.shape)
    pair = tuple(name[place] for name, place in zip(names, best, strict=True))
    facts = p_value(score, null), threshold, float(null.mean()), pair
    return Calibrated(score, rest, *facts, n=n, n_pairs=real.size, n_perm=n_perm)


def jackknife(X, Y, metric: str = "cka", level: float = 0.95, **options) -> tuple[float, float, float]:
    """Score of X (n, d) with Y (n, e), and the two ends of its interval over stimuli, each left out once.

    Held the truth in 96 % of SIMULATED studies for CKA and RSA, and in all of them for mutual k-NN, where it is about
    1.7 times too wide: a neighbour that is left out moves a whole list. Speaks of stimuli like these and of the
    networks as they are; of a pair of layers that was chosen as the best, it says nothing about the choice.
    """
    index = X.index if isinstance(X, pd.DataFrame) else None
    _, ((x,), (y,)) = _both([X], [aligned(Y, index, "Y")])
    n, others = len(x), ~np.eye(len(x), dtype=bool)
    each = np.array([_single(x[rows], y[rows], metric, **options) for rows in others])
    variance = (n - 1) / n * np.square(each - each.mean()).sum()
    score = _single(x, y, metric, **options)
    low, high = interval(np.array(score), np.array(variance), n - 1, level)
    return score, float(low), float(high)


def split_choice(layers_a, layers_b, metric: str = "cka", n_splits: int = 20, seed: int = 0, **options) -> pd.DataFrame:
    """The best pair of layers chosen on one half of the stimuli and scored on the other, one row a random split.

    Columns: ``layer_a, layer_b``; ``chosen``, its score where it was chosen; ``score``, in the other half.
    """
    names, (a, b) = _both(layers_a, layers_b)
    n, rng, rows = len(a[0]), np.random.default_rng(seed), []
    if n < 2 * LEAST or n_splits < 1:
        raise BadInput(f"stimuli, n_splits: got {n}, {n_splits}; wanted at least {2 * LEAST} and 1")
    for _ in range(n_splits):
        order = rng.permutation(n)
        first, second = (
            _measure(metric)([x[half] for x in a], [y[half] for y in b], **options).scores()
            for half in (order[: n // 2], order[n // 2 :])
        )
        best = np.unravel_index(first.argmax(), first.shape)
        pair = {"layer_a": names[0][best[0]], "layer_b": names[1][best[1]]}
        rows.append(pair | {"chosen": first[best], "score": second[best]})
    return pd.DataFrame(rows)


def n_curve(
    layers_a, layers_b, ns: Sequence[int], metric: str = "cka", n_draws: int = 10, seed: int = 0, **options
) -> pd.DataFrame:
    """The best pair of layers for n stimuli drawn at random, and for the same stimuli permuted: one row an n.

    Columns: ``n, score, low, high`` (mean, and the middle 95 % of the draws), ``null``, ``n_draws``.
    """
    _, (a, b) = _both(layers_a, layers_b)
    total, rng, rows = len(a[0]), np.random.default_rng(seed), []
    wrong = [n for n in ns if not LEAST <= n <= total]
    if wrong or not len(ns):
        raise BadInput(f"ns: got {list(ns)}; wanted numbers of stimuli from {LEAST} to {total}")
    for n in ns:
        found, null = [], []
        for _ in range(1 if n == total else n_draws):
            some = rng.choice(total, n, replace=False)
            measure = _measure(metric)([x[some] for x in a], [y[some] for y in b], **options)
            found.append(measure.scores(np.arange(n)).max())
            null.append(measure.scores(rng.permutation(n)).max())
        low, high = np.quantile(found, (0.025, 0.975))
        rows.append((n, np.mean(found), low, high, np.mean(null), len(found)))
    return pd.DataFrame(rows, columns=["n", "score", "low", "high", "null", "n_draws"])


def _measure(metric: str) -> Callable:
    return MEASURES[one_of(metric, "metric", tuple(MEASURES))]


def _single(X, Y, metric: str, **options) -> float:
    index = X.index if isinstance(X, pd.DataFrame) else None
    _, (a, b) = _both([X], [aligned(Y, index, "Y")])
    return float(_measure(metric)(a, b, **options).scores()[0, 0])


def _both(layers_a, layers_b) -> tuple[list[list], tuple[list[np.ndarray], list[np.ndarray]]]:
    """Names and centred arrays of both sides; the second side is the first where they are the same object."""
    names, out = [], []
    for side, layers in (("layers_a", layers_a), ("layers_b", layers_b)):
        keys = list(layers) if isinstance(layers, Mapping) else list(range(len(layers)))
        names.append(keys)
        if side == "layers_b" and layers_b is layers_a:
            out.append(out[0])
            continue
        out.append([_checked(layers[key], f"{side}[{key}]") for key in keys])
        if not keys:
            raise BadInput(f"{side}: no layers; wanted at least one")
    rows = {len(x) for side in out for x in side}
    if len(rows) > 1:
        raise BadInput(
            f"rows: {', '.join(map(str, sorted(rows)))}; wanted the same stimuli in the same order everywhere"
        )
    return names, tuple(out)


def _checked(layer, name: str) -> np.ndarray:
    x = as_array(layer, name, ndim=2)
    if len(x) < LEAST:
        raise BadInput(f"{name}: {len(x)} rows; wanted at least {LEAST} stimuli")
    if (x == x[0]).all():
        raise BadInput(f"{name}: every feature is constant over the {len(x)} rows; there is nothing to compare")
    return x


def _unit_ranks(x: np.ndarray, distance: str) -> np.ndarray:
    flat = np.ptp(x, axis=1) == 0 if distance == "correlation" else ~x.any(1)
    if distance != "euclidean" and flat.any():
        raise BadInput(f"row {int(np.argmax(flat))} has no {distance} distance: it does not vary; drop that stimulus")
    ranks = rankdata(_distances(x, distance))
    ranks -= ranks.mean()
    size = np.linalg.norm(ranks)
    if size == 0:
        raise BadInput("all stimuli are equally far apart; there are no ranks to compare")
    return ranks / size


def _distances(x: np.ndarray, distance: str) -> np.ndarray:
    if distance == "euclidean":
        return pdist(x, distance)
    if distance == "correlation":
        x = x - x.mean(1, keepdims=True)
    x = x / np.linalg.norm(x, axis=1, keepdims=True)
    return -(x @ x.T)[np.triu_indices(len(x), 1)]  # one matrix product: far faster than pdist, the same order


def _rotated(x: np.ndarray) -> np.ndarray:
    """Centred, of unit size, and turned into as few features as there are stimuli."""
    x = x - x.mean(0)
    if x.shape[1] > len(x):
        x = np.linalg.qr(x.T, mode="r").T
    return x / np.linalg.norm(x)
