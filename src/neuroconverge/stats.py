"""Statistics over models, patients and electrodes: correlations that know about families, and exact sign flips.

Models come in families (sizes of one architecture, trained on one text), electrodes in patients. Values within a
family resemble one another, so that the usual test counts the same evidence several times. Here whole families are
what is left out and what changes sign.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import product

import numpy as np
import pandas as pd
from scipy import stats as scipy_stats
from scipy.stats import norm, rankdata
from scipy.stats import t as student

from .checks import aligned, as_array, one_of, standardised
from .errors import BadInput
from .resampling import interval

METHODS = ("pearson", "spearman")
EXACT = 12  # with as many families or values, all 2^n sign flips are gone through
LEVEL = 0.95
_EDGE = 1 - 1e-12  # a perfect correlation has a finite place on Fisher's scale


@dataclass(frozen=True)
class Correlation:
    """Correlation ``r`` with its 95 % interval, two-sided ``p``, and how many values and families it rests on."""

    r: float
    low: float
    high: float
    p: float
    n: int
    n_clusters: int | None = None


@dataclass(frozen=True)
class SignFlip:
    """``mean`` of n values with its 95 % interval, two-sided ``p`` by sign flips, and the smallest p possible."""

    mean: float
    low: float
    high: float
    p: float
    n: int
    n_positive: int
    floor: float
    n_clusters: int | None = None


def correlation(x, y, clusters=None, n_boot: int = 10000, seed: int = 0, method: str = "pearson") -> Correlation:
    """Correlation of two variables (n,), with interval and p; both keep families together if ``clusters`` are given.

    ``clusters``: one label a row (family of a model, patient of an electrode). Series are joined on their index.
    ``method``: pearson, or spearman, which is the same on ranks.

    Without clusters: Fisher's interval (for ranks with the variance of Bonett and Wright 2000) and the usual p.
    With clusters: interval from leaving out one family at a time, on Fisher's scale, t-distributed with one degree of
    freedom less than there are families; p from ``n_boot`` draws of the wild cluster bootstrap, in which each family
    changes its sign as a whole (all 2^k draws up to 12 families, so that p is never below 2 / 2^k). On simulated
    families the interval covers 93 to 97 %; quantiles of resampled families covered 81 to 92 %, so they are not used.
    Sources: Cameron, Gelbach and Miller 2008; Efron and Tibshirani 1993.

    Raises BadInput for fewer than 4 values (3 families with clusters), NaN, a constant, or a constant once a family is
    left out.
    """
    return partial_correlation(x, y, None, clusters, n_boot, seed, method)


def partial_correlation(
    x, y, covariates, clusters=None, n_boot: int = 10000, seed: int = 0, method: str = "pearson"
) -> Correlation:
    """Correlation of what the covariates (n,) or (n, k) leave of x and of y; otherwise as ``correlation``.

    With ``method`` spearman, covariates are ranked too. Without clusters, one value is paid for each covariate
    that does not follow from the others.
    """
    one_of(method, "method", METHODS)
    table, codes, names = _joined(x, y, covariates, clusters, method)
    r, n = _partial(table), len(table)
    lost = _residuals(table)[1].shape[1] - 1
    if codes is None:
        if n < 4 + lost:
            raise BadInput(f"x: {n} values; an interval needs at least {4 + lost}")
        low, high = fisher_interval(r, n - lost, method)
        return Correlation(r, low, high, _usual_p(r, n - 2 - lost), n)
    each = np.array([_without(table, codes, c, name, method) for c, name in enumerate(names)])
    k, z = len(names), np.arctanh(np.clip(each, -_EDGE, _EDGE))
    low, high = np.tanh(interval(np.arctanh(np.clip(r, -_EDGE, _EDGE)), (k - 1) * z.var(), k - 1))
    p = _wild_p(table, codes, k, n_boot, np.random.default_rng(seed))
    return Correlation(r, float(low), float(high), p, n, k)


def leave_one_cluster_out(x, y, clusters, method: str = "pearson", covariates=None) -> pd.DataFrame:
    """The correlation without each family: columns ``left_out, r, n`` (values that remain)."""
    one_of(method, "method", METHODS)
    table, codes, names = _joined(x, y, covariates, clusters, method)
    rows = [(name, _without(table, codes, c, name, method), int((codes != c).sum())) for c, name in enumerate(names)]
    return pd.DataFrame(rows, columns=["left_out", "r", "n"])


def fisher_interval(r: float, n: float, method: str = "pearson") -> tuple[float, float]:
    """95 % interval of one correlation over n independent pairs, on Fisher's scale; raises BadInput for n < 4."""
    one_of(method, "method", METHODS)
    if not -1 <= r <= 1 or n < 4:
        raise BadInput(f"r and n: got {r} and {n}; wanted r from -1 to 1 and at least 4 pairs")
    spread = np.sqrt((1 + r**2 / 2 if method == "spearman" else 1) / (n - 3))
    z = np.arctanh(np.clip(r, -_EDGE, _EDGE)) + norm.ppf([(1 - LEVEL) / 2, (1 + LEVEL) / 2]) * spread
    return float(np.tanh(z[0])), float(np.tanh(z[1]))


def sign_flip(values, n_perm: int = 10000, seed: int = 0, clusters=None) -> SignFlip:
    """Is the mean of a few values (differences from chance, one a person) other than 0? Two-sided, by sign flips.

    ``clusters``: one label a value; the values of a cluster (sessions of a patient) change sign together. All 2^n
    flips of up to 12 values or clusters, ``n_perm`` random ones above. Assumes that without an effect each value is
    as likely as its negative. Interval: t-distributed, from the spread of the values, or from leaving out one cluster
    at a time. Raises BadInput for fewer than 2 values or clusters, NaN, or all 0.
    """
    if clusters is not None and isinstance(values, pd.Series):
        clusters = aligned(clusters, values.index, "clusters")
    values = as_array(values, "values", ndim=1)
    n = len(values)
    codes, names = pd.factorize(np.arange(n) if clusters is None else np.asarray(clusters, dtype=object))
    if len(codes) != n or (codes < 0).any():
        raise BadInput(f"clusters: {len(codes)} labels, {(codes < 0).sum()} of them empty, for {n} values")
    k, other = len(names), np.count_nonzero(values)
    if k < 2 or not other:
        kind = "values" if clusters is None else "clusters"
        raise BadInput(f"values: {k} {kind}, {other} of {n} values other than 0; wanted at least 2 and 1")
    if n_perm < 1:
        raise BadInput(f"n_perm: got {n_perm}, wanted at least 1")
    sums, sizes = np.bincount(codes, values), np.bincount(codes)
    signs, exact = _signs(k, n_perm, np.random.default_rng(seed))
    p = _share(np.abs(signs @ sums), abs(sums.sum()), exact)
    each = (sums.sum() - sums) / (n - sizes)
    low, high = interval(values.mean(), (k - 1) * each.var(), k - 1)
    floor = 2 / 2**k if exact else 1 / (n_perm + 1)
    counted = None if clusters is None else k
    positive = int((values > 0).sum())
    return SignFlip(float(values.mean()), float(low), float(high), p, n, positive, floor, counted)


def bh(p) -> np.ndarray:
    """Benjamini-Hochberg adjusted p (same shape); NaN stays NaN and does not count as a test."""
    p = np.asarray(p, dtype=float)
    there = np.isfinite(p)
    if not there.any() or (p[there] < 0).any() or (p[there] > 1).any():
        raise BadInput("p: wanted numbers from 0 to 1, at least one of them not NaN")
    out = np.full(p.shape, np.nan)
    out[there] = scipy_stats.false_discovery_control(p[there])
    return out


def n_needed(r: float, power: float = 0.8, alpha: float = 0.05) -> int:
    """Independent pairs needed to find a true correlation r with that power (two-sided, Fisher's approximation)."""
    if not 0 < abs(r) < 1 or not 0 < power < 1 or not 0 < alpha < 1:
        raise BadInput(f"r, power, alpha: got {r}, {power}, {alpha}; wanted r between -1 and 1, not 0; others 0 to 1")
    return int(np.ceil(((norm.ppf(1 - alpha / 2) + norm.ppf(power)) / np.arctanh(abs(r))) ** 2 + 3))


def _signs(k: int, n_draws: int, rng) -> tuple[np.ndarray, bool]:
    """Sign flips (draws, k) of k values, and whether they are all there are."""
    if k <= EXACT:
        return np.array(list(product((1.0, -1.0), repeat=k))), True
    return rng.choice((-1.0, 1.0), (n_draws, k)), False


def _share(null: np.ndarray, found: float, exact: bool) -> float:
    """Share of the null at least as large as what was found; random draws count the data as one of them."""
    beyond = int((null >= found * (1 - 1e-9)).sum())
    return beyond / len(null) if exact else (1 + beyond) / (1 + len(null))


def _joined(x, y, covariates, clusters, method) -> tuple[np.ndarray, np.ndarray | None, list]:
    """Columns x, y, covariates (n, 2 + k), ranked for spearman; number and name of each row's family."""
    index = next((one.index for one in (x, y) if isinstance(one, (pd.Series, pd.DataFrame))), None)
    columns = {"x": x, "y": y, "covariates": covariates, "clusters": clusters}
    columns = {name: aligned(one, index, name) for name, one in columns.items() if one is not None}
    parts = [as_array(columns[name], name, ndim=1) for name in ("x", "y")]
    if covariates is not None:
        parts += list(as_array(columns["covariates"], "covariates").reshape(len(columns["covariates"]), -1).T)
    lengths = [len(part) for part in parts] + ([len(columns["clusters"])] if clusters is not None else [])
    if len(set(lengths)) > 1:
        raise BadInput(f"x, y and what goes with them: {lengths} rows; wanted the same number of each")
    n = lengths[0]
    if n < 3:
        raise BadInput(f"x: {n} values; a correlation needs at least 3")
    for number, part in enumerate(parts):
        if (part == part[0]).all():
            name = ("x", "y")[number] if number < 2 else f"covariates, column {number - 2}"
            raise BadInput(f"{name}: all {n} values are {part[0]:g}; a constant has no correlation")
    table = _ranked(np.stack(parts, axis=1), method)
    if clusters is None:
        return table, None, []
    codes, names = pd.factorize(np.asarray(columns["clusters"], dtype=object))
    if (codes < 0).any():
        raise BadInput(f"clusters: row {int(np.argmin(codes))} has no label")
    if len(names) < 3:
        raise BadInput(f"clusters: {len(names)} families; an interval over families needs at least 3")
    return table, codes, list(names)


def _ranked(table: np.ndarray, method: str) -> np.ndarray:
    return rankdata(table, axis=0) if method == "spearman" else table


def _residuals(table: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """What the mean and the covariates leave of x and y (n, 2), and an orthonormal basis of what was taken out."""
    n = len(table)
    # Without a family, a covariate may be constant or follow from others: it then adds no direction.
    directions, sizes, _ = np.linalg.svd(standardised(table[:, 2:]) / np.sqrt(n), full_matrices=False)
    basis = np.column_stack([np.full(n, n**-0.5), directions[:, sizes > 1e-8]])
    centred = table[:, :2] - table[:, :2].mean(0)
    return centred - basis @ (basis.T @ centred), basis


def _partial(table: np.ndarray) -> float:
    left = _residuals(table)[0]
    size = np.linalg.norm(left, axis=0)
    if (size < 1e-10 * np.linalg.norm(table[:, :2] - table[:, :2].mean(0), axis=0) + 1e-300).any():
        raise BadInput("x or y: nothing is left of it once mean and covariates are taken out")
    return float(np.clip(left[:, 0] @ left[:, 1] / size.prod(), -1, 1))


def _without(table, codes, number: int, name, method: str) -> float:
    rest = _ranked(table[codes != number], method)
    if len(rest) < table.shape[1] + 1 or (rest[:, :2] == rest[0, :2]).all(0).any():
        raise BadInput(f"clusters: without {name}, {len(rest)} rows are left, too few or constant; merge some families")
    return _partial(rest)


def _usual_p(r: float, dof: int) -> float:
    r = np.clip(r, -_EDGE, _EDGE)
    return float(2 * student.sf(abs(r) * np.sqrt(dof / (1 - r**2)), dof))


def _wild_p(table, codes, k: int, n_boot: int, rng) -> float:
    """Two-sided p of the cluster-robust t of y on x when the families' deviations in y change sign at random."""
    if n_boot < 1:
        raise BadInput(f"n_boot: got {n_boot}, wanted at least 1")
    left, basis = _residuals(table)
    x, y = (left / np.linalg.norm(left, axis=0)).T
    # Column c: the deviations of family c alone, with mean and covariates taken out again as in a new sample.
    apart = np.where(codes[:, None] == np.arange(k), y[:, None], 0.0)
    apart -= basis @ (basis.T @ apart)
    member = (codes[:, None] == np.arange(k)).astype(float)
    shares, size = member.T @ (x[:, None] * apart), member.T @ x**2

    def robust_t(signs):
        slope = signs @ shares.sum(0)
        return slope / np.sqrt(((signs @ shares.T - slope[:, None] * size) ** 2).sum(1) + 1e-300)

    signs, exact = _signs(k, n_boot, rng)
    return _share(np.abs(robust_t(signs)), abs(robust_t(np.ones((1, k)))[0]), exact)
