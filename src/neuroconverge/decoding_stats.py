"""What both ways of decoding share: pairs of items, which of them are won, and intervals over people and items."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pandas as pd
from scipy.special import expit, logit

from .checks import as_array
from .errors import BadInput
from .resampling import Draws, group_codes, interval, item_counts, p_value

TIE = 1e-9  # similarities nearer than this are equal; identical labels differ by rounding only


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


def share_won(wins: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """Weighted share of pairs won: wins (..., n, n), weights (n, n) with 0 for pairs that are not tested."""
    total = weights.sum()
    return np.einsum("...ij,ij->...", wins, weights) / total if total else np.full(wins.shape[:-2], np.nan)


def person_scores(wins, within=None) -> np.ndarray:
    """Pairwise accuracy of each person (people,) from the outcomes of all pairs (people, items, items)."""
    wins = as_array(wins, "wins", 3)
    return share_won(wins, tested_pairs(group_codes(within, wins.shape[-1])).astype(float))


def crossed_table(names: Mapping, draws: Draws, n_pairs: int) -> pd.DataFrame:
    """Accuracies with 95 % intervals from the three bootstraps of Schuett 2023, ``names`` first.

    t-distributed on the logit scale, so that no interval leaves 0 to 1.
    """
    full, variance = draws.full, draws.variance()
    inside = np.clip(full, 1e-6, 1 - 1e-6)
    low, high = interval(logit(inside), variance / (inside * (1 - inside)) ** 2, draws.dof)
    found = {"score": full, "low": np.minimum(expit(low), full), "high": np.maximum(expit(high), full)}
    counts = {"n_subjects": draws.n_subjects, "n_stimuli": draws.n_stimuli, "n_pairs": n_pairs}
    return pd.DataFrame({**names, **found, "se": np.sqrt(variance), **counts})


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
    total = np.einsum("bi,ij,bj->b", counts, allowed, counts)[:, None, None]
    # A sample may hold no pair that is tested: it has no score.
    each = np.einsum("mpib,bi->bmp", each, counts) / np.where(total > 0, total, np.nan)
    full = share_won(stacked, allowed)
    both = np.einsum("bmp,bp->bm", each, people)
    draws = Draws(full.mean(1), both, people @ full.T, each.mean(2), n_people, n)
    table = crossed_table({"model": list(wins)}, draws, int(allowed.sum() / 2))
    if null is None:
        return table
    shuffled = np.column_stack([np.asarray(null[name]).mean(1) for name in wins])
    return table.assign(null_mean=shuffled.mean(0), p=p_value(full.mean(1), shuffled))
