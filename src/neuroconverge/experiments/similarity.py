"""Measures of similarity on SIMULATED networks of known relation: what they recover, and what they find in noise."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pandas as pd

from .. import similarity
from ..simulate import two_views
from . import experiment

K = 10  # neighbours
N_DRAWS = 12
LEVELS = (0.0, 0.5, 1.0, 2.0, 4.0, 8.0)
WIDTHS = (10, 30, 100, 300, 1000)
MEASURES: dict[str, Callable] = {
    "CKA, plain": lambda X, Y: similarity.cka(X, Y, debiased=False),
    "CKA, debiased": similarity.cka,
    "RSA": similarity.rsa,
    "mutual k-NN": lambda X, Y: similarity.mutual_knn(X, Y, K),
    "Procrustes": similarity.procrustes,
    "predictivity": similarity.predictivity,
}


def _scored(pairs: list[tuple[np.ndarray, np.ndarray]], **facts) -> list[dict]:
    """One row a measure: mean over SIMULATED pairs of networks, and the middle 95 % of them."""
    rows = []
    for name, measure in MEASURES.items():
        found = [measure(X, Y) for X, Y in pairs]
        low, high = np.quantile(found, (0.025, 0.975))
        row = {"data": "SIMULATED", "measure": name, **facts, "score": np.mean(found), "low": low, "high": high}
        rows.append(row | {"n_stimuli": len(pairs[0][0]), "n_draws": len(pairs)})
    return rows


@experiment(needs=(), claims=("F3a",))
def similarity_planted_SIMULATED() -> pd.DataFrame:
    """Two networks that see one latent space, with more and more noise (``noise``), and two that share nothing.

    ``truth``: one space or nothing shared; 200 stimuli, 60 features; ``low`` and ``high``: middle 95 % of the draws.
    """
    rows = []
    for shared, truth in ((1.0, "one space"), (0.0, "nothing shared")):
        for noise in LEVELS:
            pairs = [two_views(200, noise=noise, shared=shared, seed=seed) for seed in range(N_DRAWS)]
            rows += _scored(pairs, truth=truth, noise=noise)
    return pd.DataFrame(rows)


@experiment(needs=(), claims=("F3a",))
def similarity_width_SIMULATED() -> pd.DataFrame:
    """Two networks of pure noise and growing ``width``, 92 stimuli: what each measure finds where nothing is."""
    rows = []
    for width in WIDTHS:
        pairs = [two_views(92, (width, width), shared=0, n_latent=width, seed=seed) for seed in range(N_DRAWS)]
        rows += _scored(pairs, width=width)
    return pd.DataFrame(rows)


@experiment(needs=(), claims=("F3a",))
def similarity_neighbours_SIMULATED() -> pd.DataFrame:
    """One relation of two networks, more and more stimuli: mutual k-NN at k = 10, and at k as a share of n.

    ``null``: the same stimuli permuted. ``k``: neighbours.
    """
    X, Y = two_views(3200, noise=1.0, seed=0)
    rows = []
    for n in (100, 200, 400, 800, 1600, 3200):
        for rule, k in (("k = 10", K), ("k = n / 20", n // 20)):
            found = similarity.n_curve([X], [Y], [n], "mutual_knn", n_draws=N_DRAWS, k=k).iloc[0]
            row = {"data": "SIMULATED", "rule": rule, "k": k, "n_stimuli": n}
            rows.append(row | {name: found[name] for name in ("score", "low", "high", "null", "n_draws")})
    return pd.DataFrame(rows)


@experiment(needs=(), claims=("F3a",))
def similarity_search_SIMULATED() -> pd.DataFrame:
    """The best of all pairs of layers, for two networks of more and more layers that share nothing: 92 stimuli.

    ``score``: mean of the best pair over SIMULATED pairs of networks; ``threshold`` and ``found``: mean threshold of
    the calibration, and the share of pairs of networks with p up to .05; ``half``: best pair chosen on one half of the
    stimuli and scored on the other.
    """
    rows = []
    for n_layers in (1, 3, 10, 30):
        best, halves = [], []
        for seed in range(2 * N_DRAWS):
            rng = np.random.default_rng([n_layers, seed])
            a, b = rng.standard_normal((2, n_layers, 92, 40))
            best.append(similarity.calibrate(a, b, "mutual_knn", n_perm=39, k=5, seed=seed))
            halves.append(similarity.split_choice(a, b, "mutual_knn", n_splits=2, seed=seed, k=5)["score"].mean())
        row = {"data": "SIMULATED", "measure": "mutual k-NN", "k": 5, "n_layers": n_layers, "n_pairs": n_layers**2}
        row |= {"score": np.mean([one.score for one in best]), "chance": 5 / 91, "half": np.mean(halves)}
        row |= {"half_chance": 5 / 45, "threshold": np.mean([one.threshold for one in best])}
        row |= {"found": np.mean([one.p <= 0.05 for one in best])}
        rows.append(row | {"n_stimuli": 92, "n_draws": len(best)})
    return pd.DataFrame(rows)
