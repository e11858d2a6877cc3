"""What both ways of decoding share: pairs of items, shuffled pairings, and intervals over people and items."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd
from scipy.special import expit, logit

from .checks import as_array
from .errors import BadInput
from .resampling import interval, p_greater, two_factor_variance

TIE = 1e-9  # similarities nearer than this are equal; identical labels differ by rounding only


def group_codes(within, n: int, items: Sequence[str] | None = None) -> np.ndarray:
    """Group of each of n items as a number, all in one for None; ``within``: labels in order, or item -> label."""
    if within is None:
        return np.zeros(n, int)
    if isinstance(within, Mapping):
        missing = [item for item in items or () if item not in within]
        if missing or not items:
            raise BadInput(f"within: no group for {', '.join(missing[:5]) or 'items without names'}")
        within = [within[item] for item in items]
    codes = pd.factorize(pd.Series(list(within), dtype=object))[0]
    if len(codes) != n or (codes < 0).any():
        raise BadInput(f"within: {len(codes)} labels, {(codes < 0).sum()} of them empty, for {n} items")
    return codes


def tested_pairs(codes: np.ndarray, name: str = "within") -> np.ndarray:
    """Which pairs of different items are in the same group (n, n); raises BadInput if none is."""
    allowed = codes[:, None] == codes
    np.fill_diagonal(allowed, False)
    if not allowed.any():
        raise BadInput(f"{name}: no group holds two items, so no pair is left to test")
    return allowed


def wins_of(margin: np.ndarray) -> np.ndarray:
    """1 where the true pairing is the more similar one, .5 for a tie, 0 where the swapped one is."""
    return np.where(np.abs(margin) <= TIE, 0.5, margin > 0)


def pairings(n: int, n_perm: int, within=None, seed: int = 0) -> np.ndarray:
    """Random orders of n items (n_perm, n); with ``within`` (a label each), items change places inside groups only."""
    if n_perm < 1:
        raise BadInput(f"n_perm: got {n_perm}; wanted at least 1")
    codes, rng = group_codes(within, n), np.random.default_rng(seed)
    if within is not None:
        tested_pairs(codes)
    blocks = [np.flatnonzero(codes == code) for code in np.unique(codes)]
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


def item_counts(n_boot: int, n: int, rng: np.random.Generator, least: int) -> np.ndarray:
    """Bootstrap counts (n_boot, n) with at least ``least`` different members in each sample."""
    if n_boot < 2 or n < least:
        raise BadInput(f"n_boot, items: {n_boot} samples of {n}; wanted at least 2 samples of {least}")
    counts = rng.multinomial(n, np.full(n, 1 / n), size=n_boot)
    while (poor := (counts > 0).sum(1) < least).any():
        counts[poor] = rng.multinomial(n, np.full(n, 1 / n), size=poor.sum())
    return counts


def share_won(wins: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """Weighted share of pairs won: wins (..., n, n), weights (n, n) with 0 for pairs that are not tested."""
    total = weights.sum()
    return np.einsum("...ij,ij->...", wins, weights) / total if total else np.full(wins.shape[:-2], np.nan)


def person_scores(wins, within=None) -> np.ndarray:
    """Pairwise accuracy of each person (people,) from the outcomes of all pairs (people, items, items)."""
    wins = as_array(wins, "wins", 3)
    return share_won(wins, tested_pairs(group_codes(within, wins.shape[-1])).astype(float))


def crossed_table(names: Mapping, full, both, people, items, n_people: int, n_items: int, n_pairs: int):
    """Accuracies (rows,) with 95 % intervals from three bootstraps (n_boot, rows) of Schuett 2023.

    t-distributed on the logit scale, so that no interval leaves 0 to 1.
    """
    variance = _variance(both, people, items, n_people, n_items)
    inside = np.clip(full, 1e-6, 1 - 1e-6)
    low, high = interval(logit(inside), variance / (inside * (1 - inside)) ** 2, min(n_people, n_items) - 1)
    found = {"score": full, "low": np.minimum(expit(low), full), "high": np.maximum(expit(high), full)}
    counts = {"n_subjects": n_people, "n_stimuli": n_items, "n_pairs": n_pairs}
    return pd.DataFrame({**names, **found, "se": np.sqrt(variance), **counts})


def crossed_differences(
    names: Mapping, first, second, full, both, people, items, n_people: int, n_items: int, n_pairs: int
):
    """Differences between rows ``first`` and ``second`` of the same bootstraps, with 95 % intervals and two-sided p."""
    full, both, people, items = (part[..., first] - part[..., second] for part in (full, both, people, items))
    variance, dof = _variance(both, people, items, n_people, n_items), min(n_people, n_items) - 1
    low, high = interval(full, variance, dof)
    found = {"difference": full, "low": low, "high": high, "se": np.sqrt(variance)}
    counts = {"n_subjects": n_people, "n_stimuli": n_items, "n_pairs": n_pairs}
    return pd.DataFrame({**names, **found, **counts, "p": 2 * p_greater(np.abs(full), variance, dof)})


def _variance(both, people, items, n_people: int, n_items: int) -> np.ndarray:
    if n_people < 2:
        raise BadInput("brain: one person only; an interval over people needs at least two")
    parts = [np.nanvar(part, axis=0, ddof=1) for part in (both, people, items)]
    return two_factor_variance(*parts, n_people, n_items)


def accuracy_table(
    wins: Mapping[str, np.ndarray], within=None, null: Mapping[str, np.ndarray] | None = None, n_boot=2000, seed=0
) -> pd.DataFrame:
    """Pairwise accuracy of each model with a 95 % interval over people and items crossed.

    ``wins``: model -> (people, items, items), as ``decoding.wins`` gives for each person; no item meets its own copy,
    and the decoders are not fitted anew. ``null``: model -> (n_perm, people); adds ``null_mean`` and the one-sided p
    of the mean over people. Columns: ``model, score, low, high, se, n_subjects, n_stimuli, n_pairs``.
    """
    stacked = np.stack([as_array(values, f"wins[{name!r}]", 3) for name, values in wins.items()])
    n_people, n = stacked.shape[1:3]
    allowed = tested_pairs(group_codes(within, n)).astype(float)
    rng = np.random.default_rng(seed)
    counts = item_counts(n_boot, n, rng, 2).astype(float)
    people = item_counts(n_boot, n_people, rng, 1) / n_people
    each = np.einsum("mpij,bj->mpib", stacked * allowed, counts, optimize=True)
    each = np.einsum("mpib,bi->bmp", each, counts) / np.einsum("bi,ij,bj->b", counts, allowed, counts)[:, None, None]
    full = share_won(stacked, allowed)
    both, over_people = np.einsum("bmp,bp->bm", each, people), people @ full.T
    counts = {"n_people": n_people, "n_items": n, "n_pairs": int(allowed.sum() / 2)}
    table = crossed_table({"model": list(wins)}, full.mean(1), both, over_people, each.mean(2), **counts)
    if null is None:
        return table
    shuffled = np.column_stack([np.asarray(null[name]).mean(1) for name in wins])
    return table.assign(null_mean=shuffled.mean(0), p=p_value(full.mean(1), shuffled))
