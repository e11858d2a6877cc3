"""Weighted RDM comparison, and the crossed bootstrap built on it.

A bootstrap sample of stimuli is a vector of counts. A pair of stimuli then counts as often as the product
of its two counts, and a stimulus is never compared with its own copy. So no RDM is ever rebuilt: each one is
sorted once, and each bootstrap sample only re-weights the sorted pairs.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from scipy.stats import t as student
from threadpoolctl import threadpool_limits

from .checks import as_array
from .errors import BadInput

# Bootstrap samples handled at a time: the working set of a block stays inside the processor's cache.
BLOCK = 32
RANKED = ("spearman", "rho-a")
METHODS = ("pearson", "spearman", "rho-a", "cosine")

Statistic = Callable[[np.ndarray, np.ndarray], np.ndarray]


def ranks(vectors: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """Mid-ranks of each row of (k, pairs) when pair p occurs weights[b, p] times: (b, k, pairs)."""
    # Pairs first and samples last: gathers and running sums then move whole rows.
    columns = np.ascontiguousarray(weights.T)
    out = np.empty((len(vectors), *columns.shape))
    for vector, rank in zip(vectors, out, strict=True):
        order = np.argsort(vector, kind="stable")
        values, sorted_weights = vector[order], columns[order]
        starts = np.flatnonzero(np.r_[True, values[1:] != values[:-1]])
        tied = len(starts) < len(values)
        if tied:
            sorted_weights = np.add.reduceat(sorted_weights, starts, axis=0)
        middle = np.cumsum(sorted_weights, axis=0)
        middle -= (sorted_weights - 1) / 2
        rank[order] = np.repeat(middle, np.diff(np.r_[starts, len(values)]), axis=0) if tied else middle
    return np.ascontiguousarray(np.moveaxis(out, -1, 0))


def scaled(vectors: np.ndarray, weights: np.ndarray, method: str) -> np.ndarray:
    """RDM vectors (k, pairs) as (b, k, pairs) such that a dot product over pairs is the comparison."""
    values = ranks(vectors, weights) if method in RANKED else np.broadcast_to(vectors, (len(weights), *vectors.shape))
    return _unit(values, weights[:, None], method)


def _unit(values: np.ndarray, weights: np.ndarray, method: str) -> np.ndarray:
    total = weights.sum(-1, keepdims=True)
    if method != "cosine":
        mean = np.einsum("...p,...p->...", values, np.broadcast_to(weights, values.shape))[..., None] / total
        values = values - mean
    values = values * np.sqrt(weights)
    if method == "rho-a":
        return values / np.sqrt((total**3 - total) / 12)
    norm = np.sqrt(np.einsum("...p,...p->...", values, values))[..., None]
    with np.errstate(invalid="ignore"):
        return values / norm


def pair_weights(counts: np.ndarray) -> np.ndarray:
    """Counts of stimuli (b, n) as counts of pairs (b, pairs), in the order of an RDM vector."""
    first, second = np.triu_indices(counts.shape[1], 1)
    return (counts[:, first] * counts[:, second]).astype(float)


def similarity(left: np.ndarray, right: np.ndarray) -> np.ndarray:
    """The statistic of plain comparison: dot products of scaled vectors, (b, models, subjects)."""
    return left @ right.swapaxes(-1, -2)


def semipartial(left: np.ndarray, right: np.ndarray) -> np.ndarray:
    """Signed root of the variance of each subject's RDM that only this model explains, (b, models, subjects)."""
    inverse = np.linalg.inv(similarity(left, left))
    slopes = inverse @ similarity(left, right)
    return slopes / np.sqrt(np.einsum("bmm->bm", inverse))[..., None]


def pooled(vectors: np.ndarray, method: str) -> np.ndarray:
    """The one RDM that agrees best with all: mean of ranks, z-scores or unit vectors."""
    ones = np.ones((1, vectors.shape[1]))
    values = ranks(vectors, ones) if method in RANKED else _unit(vectors[None], ones[:, None], method)
    return values[0].mean(axis=0)


def ceiling(agreement: np.ndarray, counts: np.ndarray) -> np.ndarray:
    """Lower noise ceiling of each bootstrap sample (b,): each subject against the pool of the others.

    ``agreement`` (b, subjects, subjects): dot products of scaled vectors; ``counts`` (b, subjects). Mean ranks are
    not ranked again, which only the variance of the ceiling sees. A sample of one subject has no others: NaN.
    """
    counts = counts.astype(float)
    toward_all = np.einsum("bst,bt->bs", agreement, counts)
    own = counts * np.einsum("bss->bs", agreement)
    size = np.einsum("bs,bs->b", counts, toward_all)[:, None] - 2 * counts * toward_all + counts * own
    present = counts > 0
    usable = present & (size > 1e-12)
    scores = np.where(usable, (toward_all - own) / np.sqrt(np.where(usable, size, 1.0)), 0.0)
    mean = np.einsum("bs,bs->b", scores, counts) / counts.sum(1)
    return np.where(present.sum(1) > 1, mean, np.nan)


@dataclass(frozen=True)
class Draws:
    """Scores under the three bootstraps of the crossed design, and on the data themselves.

    ``both``, ``subjects``, ``stimuli``: (n_boot, models), NaN where a sample has no score; ``full``: (models,).
    ``ceilings``: the same three for the lower noise ceiling (3, n_boot), if there is one.
    """

    full: np.ndarray
    both: np.ndarray
    subjects: np.ndarray
    stimuli: np.ndarray
    n_subjects: int
    n_stimuli: int
    ceilings: np.ndarray | None = None

    def variance(self, project: Callable[[np.ndarray], np.ndarray] = lambda part: part) -> np.ndarray:
        """Corrected variance of what ``project`` makes of the scores (Schuett 2023, eq. for two factors)."""
        if self.n_subjects < 2:
            raise BadInput("brain: one person only; an interval over people needs at least two")
        parts = [np.nanvar(project(part), axis=0, ddof=1) for part in (self.both, self.subjects, self.stimuli)]
        return two_factor_variance(*parts, self.n_subjects, self.n_stimuli)

    @property
    def dof(self) -> int:
        return min(self.n_subjects, self.n_stimuli) - 1

    def table(self, value: str, names: Mapping[str, Sequence], project=lambda part: part) -> pd.DataFrame:
        """Estimates with 95 % intervals over subjects and stimuli, ``names`` first."""
        estimate, variance = project(self.full[None])[0], self.variance(project)
        low, high = interval(estimate, variance, self.dof)
        counts = {"n_subjects": self.n_subjects, "n_stimuli": self.n_stimuli}
        return pd.DataFrame({**names, value: estimate, "low": low, "high": high, "se": np.sqrt(variance), **counts})


def two_factor_variance(both, subjects, stimuli, n_subjects: int, n_stimuli: int) -> np.ndarray:
    """Variance over new subjects and new stimuli from three bootstraps (Schuett 2023, eLife 12:e82566)."""
    by_subject, by_stimulus = n_subjects / (n_subjects - 1), n_stimuli / (n_stimuli - 1)
    raw = by_subject * subjects + by_stimulus * stimuli - by_subject * by_stimulus * (both - subjects - stimuli)
    floor = np.maximum(by_subject * subjects, by_stimulus * stimuli)
    return np.minimum(np.maximum(raw, floor), both)


# Many small products: threads of the linear algebra would spend their time waiting for one another.
@threadpool_limits.wrap(limits=1, user_api="blas")
def crossed_draws(
    models: np.ndarray,
    brain: np.ndarray,
    method: str,
    n_boot: int,
    rng: np.random.Generator,
    statistic: Statistic = similarity,
) -> Draws:
    """Resample subjects and stimuli together, and each alone, with the same draws."""
    n_stimuli = round((1 + np.sqrt(1 + 8 * brain.shape[1])) / 2)
    ones = np.ones((1, brain.shape[1]))
    brain_once = scaled(brain, ones, method)
    full = statistic(scaled(models, ones, method), brain_once)[0]
    n_subjects = full.shape[-1]
    stimulus_counts = _counts(n_boot, n_stimuli, rng, at_least=3)
    subject_counts = _counts(n_boot, n_subjects, rng)
    per_subject = np.empty((n_boot, *full.shape))
    agreement = np.empty((n_boot, n_subjects, n_subjects))  # of the first region, where there are two
    for start in range(0, n_boot, BLOCK):
        block = slice(start, start + BLOCK)
        weights = pair_weights(stimulus_counts[block])
        subjects = scaled(brain, weights, method)
        per_subject[block] = statistic(scaled(models, weights, method), subjects)
        agreement[block] = similarity(subjects[:, :n_subjects], subjects[:, :n_subjects])
    everyone = np.ones_like(subject_counts)
    once = np.broadcast_to(similarity(brain_once, brain_once)[:, :n_subjects, :n_subjects], agreement.shape)
    return Draws(
        full=full.mean(1),
        both=np.einsum("bms,bs->bm", per_subject, subject_counts) / n_subjects,
        subjects=subject_counts @ full.T / n_subjects,
        stimuli=per_subject.mean(2),
        ceilings=np.stack(
            [ceiling(agreement, subject_counts), ceiling(once, subject_counts), ceiling(agreement, everyone)]
        ),
        n_subjects=n_subjects,
        n_stimuli=n_stimuli,
    )


def _counts(n_boot: int, n: int, rng: np.random.Generator, at_least: int = 1) -> np.ndarray:
    """Bootstrap counts (n_boot, n); samples with fewer than ``at_least`` different members are drawn again."""
    counts = rng.multinomial(n, np.full(n, 1 / n), size=n_boot)
    poor = (counts > 0).sum(1) < at_least
    while poor.any():
        counts[poor] = rng.multinomial(n, np.full(n, 1 / n), size=poor.sum())
        poor = (counts > 0).sum(1) < at_least
    return counts


def item_counts(n_boot: int, n: int, rng: np.random.Generator, least: int) -> np.ndarray:
    """Bootstrap counts (n_boot, n) with at least ``least`` different members in each sample; raises BadInput."""
    if n_boot < 2 or n < least:
        raise BadInput(f"n_boot, items: {n_boot} samples of {n}; wanted at least 2 samples of {least}")
    return _counts(n_boot, n, rng, least)


def group_codes(labels, n: int, items: Sequence[str] = (), name: str = "within") -> np.ndarray:
    """Group of each of n items as a number, all in one for None; ``labels``: in order, or item -> label."""
    if labels is None:
        return np.zeros(n, int)
    if isinstance(labels, Mapping):
        missing = [item for item in items if item not in labels]
        if missing or not items:
            raise BadInput(f"{name}: no group for {', '.join(missing[:5]) or 'items without names'}")
        labels = [labels[item] for item in items]
    codes = pd.factorize(pd.Series(list(labels), dtype=object))[0]
    if len(codes) != n or (codes < 0).any():
        raise BadInput(f"{name}: {len(codes)} labels, {(codes < 0).sum()} of them empty, for {n} items")
    return codes


def pairings(n: int, n_perm: int, within=None, seed: int = 0, name: str = "within") -> np.ndarray:
    """Random orders of n items (n_perm, n); with ``within`` (a label each), items change places inside groups only."""
    if n_perm < 1:
        raise BadInput(f"n_perm: got {n_perm}; wanted at least 1")
    codes, rng = group_codes(within, n, name=name), np.random.default_rng(seed)
    blocks = [np.flatnonzero(codes == code) for code in np.unique(codes)]
    if len(blocks) == n:
        raise BadInput(f"{name}: no group holds two items, so none can change places")
    orders = np.tile(np.arange(n), (n_perm, 1))
    for order in orders:
        for block in blocks:
            order[block] = rng.permutation(block)
    return orders


def p_value(score, null) -> float | np.ndarray:
    """One-sided p of a score, or of each of several (k,), against null scores (n_perm,) or (n_perm, k)."""
    null = as_array(null, "null")
    p = (1 + (null >= np.asarray(score) - 1e-12).sum(0)) / (1 + len(null))
    return float(p) if np.ndim(p) == 0 else p


def interval(estimate: np.ndarray, variance: np.ndarray, dof: int, level: float = 0.95) -> tuple:
    """Two-sided t interval (low, high)."""
    half = student.ppf((1 + level) / 2, dof) * np.sqrt(variance)
    return estimate - half, estimate + half


def p_greater(estimate: np.ndarray, variance: np.ndarray, dof: int) -> np.ndarray:
    """One-sided p that the estimate is not above zero."""
    with np.errstate(divide="ignore", invalid="ignore"):
        return student.sf(estimate / np.sqrt(variance), dof)
