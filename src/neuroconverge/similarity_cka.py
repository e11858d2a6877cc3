"""How alike two networks represent the same stimuli: linear centred kernel alignment (CKA), with its bias taken out."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from scipy.fft import irfft, rfft

from .checks import aligned, as_array, one_of
from .encoding_stats import moved_rows
from .errors import BadInput
from .resampling import p_value

KINDS = ("shuffle", "circular", "block")
BLOCK_BYTES = 2e8  # rows of all Gram matrices held at a time
NOTHING = 1e-10  # HSIC of a layer of unit size with itself: below it there is rounding only


@dataclass(frozen=True)
class Null:
    """A score beside its permutation null: one-sided ``p``, mean and 95 % quantile of the null, rows, permutations."""

    score: float
    p: float
    null_mean: float
    null_95: float
    n: int
    n_perm: int


def cka(X, Y, debiased: bool = True) -> float:
    """Linear CKA of two representations (n, d) and (n, e) of the same n stimuli: 1 for equal up to rotation and scale.

    ``debiased``: with the unbiased estimate of the HSIC, near 0 for unrelated data (and below 0 half of the time). The
    plain form, at most 1 and never below 0, grows towards 1 with d / n even for noise. DataFrames are joined on their
    index, arrays by position. Sources: Kornblith 2019; Song 2012; Murphy 2024. Raises BadInput for unequal rows, NaN,
    fewer than 4 rows, features that are all constant, or stimuli all equally far apart (unless the bias is kept).
    """
    index = X.index if isinstance(X, pd.DataFrame) else None
    return float(cka_matrix([X], [aligned(Y, index, "Y")], debiased)[0, 0])


def cka_matrix(layers_a, layers_b, debiased: bool = True) -> np.ndarray:
    """CKA of every layer of one network with every layer of another: (layers of a, layers of b).

    Layers are arrays (layers, n, d), or lists or mappings of arrays (n, d) whose d may differ. Rows are the same
    stimuli in the same order. Works in feature space or, block by block, on n x n matrices, whichever is cheaper.
    """
    a = unit_layers(layers_a, "layers_a")
    b = a if layers_b is layers_a else unit_layers(layers_b, "layers_b")
    if a[0].shape[0] != b[0].shape[0]:
        raise BadInput(f"rows: {a[0].shape[0]} and {b[0].shape[0]}; wanted the same stimuli in the same order")
    both, *own = _hsic(a, b, debiased)
    return both / np.sqrt(np.outer(apart(own[0], "layers_a"), apart(own[1], "layers_b")))


def permutation_test(
    X, Y, n_perm: int = 1000, seed: int = 0, kind: str = "shuffle", debiased: bool = True, least: int | None = None
) -> Null:
    """Is the CKA larger than when the rows of Y are moved against those of X?

    ``kind``: shuffle for stimuli without an order; circular or block for words of a story, whose neighbours are alike:
    shuffling them would make the null too narrow. ``least``: shortest circular shift in rows, by default a tenth.
    """
    one_of(kind, "kind", KINDS)
    index = X.index if isinstance(X, pd.DataFrame) else None
    pair = unit_layers([X], "X") + unit_layers([aligned(Y, index, "Y")], "Y")
    n = len(pair[0])
    if len(pair[1]) != n:
        raise BadInput(f"rows: {n} and {len(pair[1])}; wanted the same stimuli in the same order")
    if n_perm < 1:
        raise BadInput(f"n_perm: got {n_perm}, wanted at least 1")
    left, right = (centred_gram(x, debiased) for x in pair)
    scale = np.sqrt(apart(np.vdot(left, left), "X") * apart(np.vdot(right, right), "Y"))
    if kind == "circular":
        null = _turned(left, right)[moved_rows(n, n_perm, kind, seed, least)[:, 0]] / scale
    else:
        rng = np.random.default_rng(seed)
        shuffled = (rng.permutation(n) for _ in range(n_perm))
        orders = shuffled if kind == "shuffle" else moved_rows(n, n_perm, kind, seed)
        null = np.array([np.vdot(left, right[np.ix_(order, order)]) for order in orders]) / scale
    score = float(np.vdot(left, right) / scale)
    return Null(score, p_value(score, null), float(null.mean()), float(np.quantile(null, 0.95)), n, n_perm)


def unit_layers(layers, name: str) -> list[np.ndarray]:
    """Each layer centred over stimuli and scaled to unit size: (n, d)."""
    named = layers.items() if isinstance(layers, Mapping) else enumerate(layers)
    out = []
    for key, layer in named:
        where = name if isinstance(layers, Sequence) and len(layers) == 1 else f"{name}[{key}]"
        x = as_array(layer, where, ndim=2)
        if out and len(x) != len(out[0]):
            raise BadInput(f"{where}: {len(x)} rows, the layer before it {len(out[0])}; wanted the same stimuli")
        if len(x) < 4:
            raise BadInput(f"{where}: {len(x)} rows; CKA needs at least 4")
        # Exactly 0 where constant, so that rounding is not taken for a representation.
        x = np.where((x == x[0]).all(0), 0.0, x - x.mean(0))
        size = np.linalg.norm(x)
        if size == 0:
            raise BadInput(f"{where}: every feature is constant over the {len(x)} rows; there is nothing to compare")
        out.append(x / size)
    if not out:
        raise BadInput(f"{name}: no layers; wanted at least one")
    return out


def apart(own: np.ndarray, name: str) -> np.ndarray:
    """HSIC of each layer with itself, if there is any."""
    empty = np.atleast_1d(own) < NOTHING
    if empty.any():
        raise BadInput(
            f"{name}: layer {np.argmax(empty)} holds all stimuli equally far apart; without its bias nothing is left "
            "to compare (debiased=False compares it all the same)"
        )
    return own


def _hsic(a: list[np.ndarray], b: list[np.ndarray], debiased: bool) -> list[np.ndarray]:
    """HSIC, up to one common factor, of every pair (len(a), len(b)), and of each layer with itself."""
    n = len(a[0])
    widths = [np.array([x.shape[1] for x in side]) for side in (a, b)]
    by_features = n * float(np.outer(*widths).sum() + sum((w**2).sum() for w in widths))
    by_stimuli = float(n) * n * (widths[0].sum() + (0 if a is b else widths[1].sum()) + len(a) * len(b))
    products = _feature_products if by_features <= by_stimuli else _gram_products
    found = products(a, b)
    if not debiased:
        return found
    # Without the diagonal (a stimulus with itself); columns are centred, so row sums of the Gram matrices are 0.
    left, right = (np.array([np.einsum("ij,ij->i", x, x) for x in side]) for side in (a, b))
    rows = [left @ right.T, np.square(left).sum(1), np.square(right).sum(1)]
    sums = [np.outer(left.sum(1), right.sum(1)), left.sum(1) ** 2, right.sum(1) ** 2]
    weights = 1 + 2 / (n - 2), 1 / ((n - 1) * (n - 2))
    return [one - weights[0] * r + weights[1] * t for one, r, t in zip(found, rows, sums, strict=True)]


def _feature_products(a: list[np.ndarray], b: list[np.ndarray]) -> list[np.ndarray]:
    own = [np.array([np.square(x.T @ x).sum() for x in side]) for side in (a, b)]
    return [np.array([[np.square(x.T @ y).sum() for y in b] for x in a]), *own]


def _gram_products(a: list[np.ndarray], b: list[np.ndarray]) -> list[np.ndarray]:
    """Sums of the products of Gram matrices, from a few of their rows at a time."""
    n, found = len(a[0]), [np.zeros((len(a), len(b))), np.zeros(len(a)), np.zeros(len(b))]
    step = max(int(BLOCK_BYTES / (8 * n * (len(a) + len(b)))), 1)
    for start in range(0, n, step):
        left = np.array([(x[start : start + step] @ x.T).ravel() for x in a])
        right = left if a is b else np.array([(x[start : start + step] @ x.T).ravel() for x in b])
        found[0] += left @ right.T
        for total, part in zip(found[1:], (left, right), strict=True):
            total += np.einsum("ij,ij->i", part, part)
    return found


def centred_gram(x: np.ndarray, debiased: bool) -> np.ndarray:
    """Gram matrix (n, n) whose products are the HSIC: columns of x are centred; debiased is U-centred, diagonal 0."""
    gram = x @ x.T
    if debiased:
        n = len(gram)
        np.fill_diagonal(gram, 0.0)
        rows = gram.sum(1) / (n - 2)
        gram += rows.sum() / (n - 1) - rows[:, None] - rows
        np.fill_diagonal(gram, 0.0)
    return gram


def _turned(left: np.ndarray, right: np.ndarray) -> np.ndarray:
    """Sum of left[i, j] right[i + lag, j + lag], rows and columns in a circle, for every lag (n,) at once.

    A turn moves every diagonal along itself, so each is one circular correlation, done by Fourier transform.
    """
    n = len(left)
    rows = np.arange(n)
    across = (rows + rows[:, None]) % n  # row d: columns of the diagonal j = i + d
    spectra = [rfft(gram[rows, across], axis=1) for gram in (left, right)]
    return irfft((spectra[0].conj() * spectra[1]).sum(0), n)
