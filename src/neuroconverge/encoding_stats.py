"""Scores of predictions, what the noise allows of them, and their null distributions, for each target.

A target that is constant, or holds NaN or infinity, has no score: NaN, never 0 and never a warning.
"""

from __future__ import annotations

import numpy as np
from scipy.fft import irfft, next_fast_len, rfft

from .checks import one_of
from .encoding_data import matrix, slices
from .errors import BadInput
from .stats import bh

METHODS = ("correlation", "r2")
KINDS = ("circular", "block")
CHUNK = 256  # targets at a time: the float64 copies stay small


def correlation_score(truth, predicted) -> np.ndarray:
    """Pearson correlation of each target (targets,) between two arrays (rows, targets)."""
    return _scores(truth, predicted, "correlation")


def r2_score(truth, predicted) -> np.ndarray:
    """1 - squared error / squared deviation from the mean of ``truth``, of each target (targets,)."""
    return _scores(truth, predicted, "r2")


def from_moments(shared, predicted, spread, bias, method: str) -> np.ndarray:
    """Scores from sums over rows: products of deviations, their squares (prediction, truth), n * squared mean error."""
    one_of(method, "method", METHODS)
    with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
        if method == "correlation":
            usable = (spread > 0) & (predicted > 0)
            return np.where(usable, np.clip(shared / np.sqrt(predicted * spread), -1, 1), np.nan)
        return np.where(spread > 0, 1 - (spread - 2 * shared + predicted + bias) / spread, np.nan)


def _scores(truth, predicted, method: str) -> np.ndarray:
    truth, predicted = _pair(truth, predicted)
    out = np.empty(truth.shape[1])
    for cols in slices(len(out), CHUNK):
        y, p, bias = _deviations(truth[:, cols], predicted[:, cols])
        out[cols] = from_moments((y * p).sum(0), (p * p).sum(0), (y * y).sum(0), len(y) * bias**2, method)
    return out


def _pair(truth, predicted) -> tuple[np.ndarray, np.ndarray]:
    pair = [matrix(truth, "truth"), matrix(predicted, "predicted")]
    pair = [array if isinstance(array, np.ndarray) else array.cpu().numpy() for array in pair]
    if pair[0].shape != pair[1].shape:
        raise BadInput(f"truth and predicted: shapes {pair[0].shape} and {pair[1].shape}; wanted the same")
    return pair[0], pair[1]


def _deviations(truth, predicted) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Both centred in float64, with constant columns exactly 0, and the difference of their means."""
    with np.errstate(invalid="ignore", over="ignore"):
        parts, means = [], []
        for array in (truth, predicted):
            first = array[:1].astype(np.float64)
            moved = array - first
            mean = moved.mean(0)
            parts.append(np.where((moved == 0).all(0), 0.0, moved - mean))
            means.append(first[0] + mean)
        return parts[0], parts[1], means[0] - means[1]


def explainable_variance(repeats, averaged: int = 1) -> np.ndarray:
    """Share of each target's variance that the stimulus explains at best (targets,): its reliability.

    ``repeats``: (repeats, rows, targets), the same rows each time. The signal is the covariance between repeats,
    unbiased by noise; the total is the variance of a single repeat, or of the mean of ``averaged`` of them
    (Spearman-Brown). Can fall below 0 where there is no signal.
    """
    data = np.asarray(repeats.detach().cpu() if hasattr(repeats, "detach") else repeats)
    if data.ndim != 3 or len(data) < 2 or data.shape[1] < 2:
        raise BadInput(f"repeats: shape {data.shape}; wanted at least 2 repeats by 2 rows by targets")
    r, n, count = data.shape
    out = np.full(count, np.nan)
    for cols in slices(count, CHUNK):
        with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
            moved = data[:, :, cols].astype(np.float64) - data[:, :1, cols]
            each = moved.var(1, ddof=1).sum(0)
            signal = (moved.sum(0).var(0, ddof=1) - each) / (r * (r - 1))
            out[cols] = np.where(each > 0, signal / (each / r), np.nan)
    return spearman_brown(out, averaged)


def spearman_brown(reliability, times: float) -> np.ndarray:
    """Reliability of a measure ``times`` as long (2 for the whole from its halves, 3 for the mean of three repeats)."""
    if not times > 0:
        raise BadInput(f"times: got {times!r}; wanted a positive number")
    reliability = np.asarray(reliability, dtype=float)
    with np.errstate(divide="ignore", invalid="ignore"):
        return times * reliability / (1 + (times - 1) * reliability)


def normalised(scores, reliability, method: str = "correlation") -> np.ndarray:
    """Scores in units of their noise ceiling: correlation / sqrt(reliability), or r2 / reliability.

    NaN where the reliability is not above 0. May exceed 1: the ceiling is an estimate; do not clip it.
    """
    one_of(method, "method", METHODS)
    scores, reliability = np.asarray(scores, dtype=float), np.asarray(reliability, dtype=float)
    ceiling = np.where(reliability > 0, reliability, np.nan)
    return scores / (np.sqrt(ceiling) if method == "correlation" else ceiling)


def null_scores(model, X, Y, n: int, kind: str = "circular", **options) -> np.ndarray:
    """Scores (n, targets) of a fitted model when its test rows are moved against the targets, never shuffled.

    ``kind`` circular: Y is turned by a different lag each time; block: blocks of rows of Y change places. Both keep
    the autocorrelation that makes scores of unrelated series large. All targets are moved together, so that their
    maximum has its null too. Options: those of ``null_of_predictions``. To repeat the whole pipeline, choice of layer
    or penalty included, move the targets with ``moved_rows`` before it.

    Exact only for long recordings: at a nominal 5 %, unrelated first-order series with autocorrelation .8 over 1,000
    rows were called significant 5.4 % of the time; with .9 over 600 rows, 7.3 % (circular) and 6.2 % (block).
    """
    return null_of_predictions(Y, model.predict(X), n, kind, **options)


def null_of_predictions(
    truth, predicted, n: int, kind: str = "circular", seed: int = 0, method: str = "correlation", least=None, block=None
) -> np.ndarray:
    """As ``null_scores``, from predictions (rows, targets) already made.

    ``least``: shortest lag in rows, by default a tenth of the rows; more than the autocorrelation lasts. ``block``:
    rows in a block, by default a twentieth of the rows; the rows that fill no block are left out.
    """
    one_of(method, "method", METHODS)
    truth, predicted = _pair(truth, predicted)
    moves = _moves(len(truth), n, kind, seed, least, block)
    rows = len(truth) if kind == "circular" else moves.shape[1] * _block(len(truth), block)
    out = np.empty((len(moves), truth.shape[1]))
    crossed = _turned if kind == "circular" else _exchanged
    for cols in slices(truth.shape[1], 64):
        y, p, bias = _deviations(truth[:rows, cols], predicted[:rows, cols])
        moments = (p * p).sum(0), (y * y).sum(0), rows * bias**2
        out[:, cols] = from_moments(crossed(y, p, moves), *moments, method)
    return out


def moved_rows(rows: int, n: int, kind: str = "circular", seed: int = 0, least=None, block=None) -> np.ndarray:
    """Orders of the rows (n, rows) for a null of a whole pipeline: run it on ``Y[order]`` with X as it is."""
    moves = _moves(rows, n, kind, seed, least, block)
    if kind == "circular":
        return (np.arange(rows) + moves[:, None]) % rows
    size = _block(rows, block)
    orders = (moves[:, :, None] * size + np.arange(size)).reshape(len(moves), -1)
    rest = np.arange(orders.shape[1], rows)
    return np.c_[orders, np.broadcast_to(rest, (len(moves), len(rest)))]


def _block(rows: int, block) -> int:
    return max(rows // 20, 1) if block is None else int(block)


def _moves(rows: int, n: int, kind: str, seed: int, least, block) -> np.ndarray:
    """Lags (n,), all different, or orders of blocks (n, blocks)."""
    one_of(kind, "kind", KINDS)
    rng = np.random.default_rng(seed)
    if n < 1:
        raise BadInput(f"n: got {n}; wanted at least 1")
    if kind == "circular":
        least = max(rows // 10, 1) if least is None else int(least)
        lags = np.arange(least, rows - least + 1) if least > 0 else np.array([], int)
        if n > len(lags):
            raise BadInput(
                f"n: {n} lags wanted, but {rows} rows have {len(lags)} of at least {least} rows in both directions; "
                "ask for fewer, or use kind='block'"
            )
        return rng.permutation(lags)[:n]
    size = _block(rows, block)
    if size < 1 or rows // size < 5:
        raise BadInput(f"block: {size} rows in a block of {rows} rows; wanted at least 1 row and 5 blocks")
    return np.array([rng.permutation(rows // size) for _ in range(n)])


def _turned(y: np.ndarray, p: np.ndarray, lags: np.ndarray) -> np.ndarray:
    """Sum of p[i] y[i + lag], for every lag at once by Fourier transform."""
    rows = len(y)
    size = next_fast_len(2 * rows, real=True)
    twice = rfft(np.concatenate([y, y]), size, axis=0)
    return irfft(rfft(p, size, axis=0).conj() * twice, size, axis=0)[lags]


def _exchanged(y: np.ndarray, p: np.ndarray, orders: np.ndarray) -> np.ndarray:
    """Sum of p times y with its blocks in another order, from the products of all pairs of blocks."""
    blocks = orders.shape[1]
    pairs = np.einsum("ist,jst->ijt", *(part.reshape(blocks, -1, part.shape[1]) for part in (p, y)), optimize=False)
    return np.array([pairs[np.arange(blocks), order].sum(0) for order in orders])


def significance(scores, null, correction: str = "max") -> np.ndarray:
    """One-sided p of each target (targets,) from its null scores (n, targets); at least 1 / (n + 1).

    ``correction`` max: against the largest null score of any target (family-wise error); bh: Benjamini-Hochberg
    (false discovery rate); none. NaN where the score is NaN.
    """
    one_of(correction, "correction", ("max", "bh", "none"))
    scores, null = np.asarray(scores, dtype=float), np.asarray(null, dtype=float)
    if scores.ndim != 1 or null.ndim != 2 or null.shape[1] != len(scores) or len(null) == 0:
        raise BadInput(f"scores and null: shapes {scores.shape} and {null.shape}; wanted (targets,) and (n, targets)")
    usable = np.isfinite(scores) & np.isfinite(null).all(0)
    p = np.full(len(scores), np.nan)
    if not usable.any():
        return p
    drawn = null[:, usable]
    drawn = np.sort(np.broadcast_to(drawn.max(1, keepdims=True), drawn.shape) if correction == "max" else drawn, axis=0)
    above = [len(null) - np.searchsorted(column, score) for column, score in zip(drawn.T, scores[usable], strict=True)]
    p[usable] = (1 + np.array(above)) / (len(null) + 1)
    return bh(p) if correction == "bh" else p
