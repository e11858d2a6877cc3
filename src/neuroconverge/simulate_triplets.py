"""SIMULATED odd-one-out choices from an embedding that is known."""

from __future__ import annotations

import numpy as np
import pandas as pd

from .checks import as_array
from .errors import BadInput
from .triplets_data import Triplets, pair_similarities


def sparse_embedding(
    n_objects: int, n_dims: int, density: float = 0.2, strength: float = 1.5, seed: int = 0
) -> pd.DataFrame:
    """SIMULATED sparse non-negative embedding: table (objects, dims).

    Each object has a share ``density`` of the dimensions, at least one, with weights from a gamma distribution of
    shape 2 and mean ``strength``.
    """
    if n_objects < 3 or n_dims < 1 or not 0 < density <= 1 or strength <= 0:
        raise BadInput("sparse_embedding: wanted at least 3 objects and 1 dimension, density 0 to 1, strength above 0")
    rng = np.random.default_rng(seed)
    has = rng.random((n_objects, n_dims)) < density
    has[np.arange(n_objects), rng.integers(n_dims, size=n_objects)] = True
    weights = has * rng.gamma(2, strength / 2, (n_objects, n_dims))
    ids = [f"object {i + 1}" for i in range(n_objects)]
    return pd.DataFrame(weights, index=ids, columns=[f"true {k + 1}" for k in range(n_dims)])


def triplet_choices(embedding, n: int, temperature: float = 1.0, seed: int = 0, repeats: int = 1) -> Triplets:
    """SIMULATED choices about n random triplets, each judged ``repeats`` times: rows of three objects, odd one last.

    The pair that stays is drawn from the softmax of the three dot products over ``temperature``; infinity makes every
    choice a guess. ``embedding``: array or table (objects, dims).
    """
    values = as_array(embedding, "embedding", ndim=2)
    if len(values) < 3 or n < 1 or repeats < 1 or not temperature > 0:
        raise BadInput("triplet_choices: wanted at least 3 objects, one triplet, one repeat, a temperature above 0")
    rng = np.random.default_rng(seed)
    rows = _random_triplets(len(values), n, rng).repeat(repeats, axis=0)
    odds = pair_similarities(values, rows, "dot") / temperature
    # The largest of log odds plus Gumbel noise is a draw from the softmax.
    odd = (odds + rng.gumbel(size=odds.shape)).argmax(1)
    kept = np.array([[1, 2, 0], [0, 2, 1], [0, 1, 2]])[odd]
    ids = list(embedding.index) if isinstance(embedding, pd.DataFrame) else list(range(len(values)))
    return Triplets(np.take_along_axis(rows, kept, axis=1), ids)


def _random_triplets(n_objects: int, n: int, rng: np.random.Generator) -> np.ndarray:
    """Triplets (n, 3) of different objects; a set of three may come again, as in a large random sample."""
    rows = rng.integers(0, n_objects, (n, 3))
    while True:
        same = (rows[:, 0] == rows[:, 1]) | (rows[:, 0] == rows[:, 2]) | (rows[:, 1] == rows[:, 2])
        if not same.any():
            return rows
        rows[same] = rng.integers(0, n_objects, (same.sum(), 3))
