"""Odd-one-out choices as checked arrays: rows of objects, ties, and intervals over objects and choices."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from .checks import as_array, unique_labels
from .errors import BadInput

CHANCE = 1 / 3


@dataclass(frozen=True)
class Triplets:
    """Odd-one-out choices: ``rows`` (choices, 3) numbers of objects, the odd one last; ``ids`` names the objects."""

    rows: np.ndarray
    ids: list[str]

    def __post_init__(self):
        ids = unique_labels(self.ids, "ids", len(self.ids))
        rows = checked_rows(self.rows, len(ids))
        rows.setflags(write=False)
        object.__setattr__(self, "rows", rows)
        object.__setattr__(self, "ids", ids)

    def __len__(self) -> int:
        return len(self.rows)

    def subset(self, keep) -> Triplets:
        """The choices that ``keep`` (mask or row numbers) takes, with the same objects."""
        return Triplets(self.rows[keep], self.ids)

    @property
    def keys(self) -> np.ndarray:
        """One number (choices,) for each set of three objects, whatever their order and the choice."""
        return triplet_keys(self.rows, len(self.ids))


def checked_rows(rows, n_objects: int) -> np.ndarray:
    """Numbers of objects (choices, 3) as int64, each from 0 to n_objects - 1, no object twice in a row."""
    values = as_array(rows, "triplets", ndim=2)
    if values.shape[1] != 3:
        raise BadInput(f"triplets: shape {values.shape}; wanted three columns, the odd one last")
    out = values.astype(np.int64)
    if (out != values).any():
        raise BadInput(f"triplets: row {_first((out != values).any(1))} holds something that is no whole number")
    wrong = ((out < 0) | (out >= n_objects)).any(1)
    if wrong.any():
        raise BadInput(
            f"triplets: row {_first(wrong)} is {out[_first(wrong)].tolist()}, but there are objects 0 to "
            f"{n_objects - 1}; files that count from 1 need 1 taken off"
        )
    same = (out[:, 0] == out[:, 1]) | (out[:, 0] == out[:, 2]) | (out[:, 1] == out[:, 2])
    if same.any():
        raise BadInput(f"triplets: row {_first(same)} names an object twice: {out[_first(same)].tolist()}")
    return out


def plain_rows(triplets) -> np.ndarray:
    """Rows (choices, 3) of named triplets or of an array, which may then count as many objects as it likes."""
    if isinstance(triplets, Triplets):
        return triplets.rows
    return checked_rows(triplets, int(as_array(triplets, "triplets", ndim=2).max()) + 1)


def triplet_keys(rows: np.ndarray, n_objects: int) -> np.ndarray:
    first, second, third = np.sort(rows, axis=1).T
    return (first * n_objects + second) * n_objects + third


def joined(embedding, triplets) -> tuple[np.ndarray, np.ndarray]:
    """Embedding (objects, dims) float64 and rows (choices, 3) that count the same objects.

    A table and named triplets are joined on the names: every named object needs a row. Raises BadInput otherwise.
    """
    if isinstance(triplets, Triplets) and isinstance(embedding, pd.DataFrame):
        embedding = in_order(embedding, triplets.ids, "embedding")
    values = _embedding(embedding)
    if isinstance(triplets, Triplets):
        if len(values) != len(triplets.ids):
            raise BadInput(f"embedding: {len(values)} rows for the {len(triplets.ids)} objects of the triplets")
        return values, triplets.rows
    return values, checked_rows(triplets, len(values))


def in_order(rows: pd.DataFrame | pd.Series, ids: list[str], name: str) -> pd.DataFrame | pd.Series:
    """The rows of the named objects, in their order; raises BadInput for an object without a row, or with several."""
    names = rows.index.astype(str)
    if not names.is_unique:
        raise BadInput(f"{name}: {names[names.duplicated()][0]!r} has more than one row")
    missing = sorted(set(ids) - set(names))
    if missing:
        raise BadInput(f"{name}: no row for {len(missing)} objects of the triplets: {', '.join(missing[:5])}")
    return rows.set_axis(names).loc[ids]


def _embedding(values) -> np.ndarray:
    # An embedding may have lost all its dimensions: then everything is tied.
    if getattr(values, "ndim", 0) == 2 and values.shape[1] == 0 and len(values):
        return np.zeros((len(values), 1))
    return as_array(values, "embedding", ndim=2)


def pair_similarities(values: np.ndarray, rows: np.ndarray, similarity: str) -> np.ndarray:
    """Similarity (choices, 3) of the two objects that stay when the object in that column goes.

    ``similarity``: dot, cosine, or euclidean (minus the squared distance).
    """
    if similarity == "cosine":
        norm = np.linalg.norm(values, axis=1, keepdims=True)
        if (norm == 0).any():
            raise BadInput(f"embedding: row {_first(norm[:, 0] == 0)} is all 0; it has no cosine with anything")
        values = values / norm
    first, second, third = rows.T
    pairs = ((second, third), (first, third), (first, second))
    if similarity == "euclidean":
        return -np.stack([((values[a] - values[b]) ** 2).sum(1) for a, b in pairs], 1)
    # All products at once where that takes no more memory than the vectors of all choices would: far faster, too.
    if len(values) ** 2 <= rows.size * values.shape[1]:
        products = values @ values.T
        return np.stack([products[pair] for pair in pairs], 1)
    return np.stack([np.einsum("nd,nd->n", values[a], values[b]) for a, b in pairs], 1)


def best_pairs(similarities: np.ndarray) -> np.ndarray:
    """Mask (choices, 3) of the columns whose pair is the most similar one, up to rounding; more than one is a tie."""
    scale = np.abs(similarities).max(1, keepdims=True)
    return similarities >= similarities.max(1, keepdims=True) - 1e-12 * scale


def standard_error(hits: np.ndarray, rows: np.ndarray) -> float:
    """Standard error of the mean of hits (choices,) when choices that share an object are not independent.

    Products of deviations are summed over all pairs of choices with an object in common, by inclusion and exclusion
    over shared objects, pairs and triplets (Cameron, Gelbach and Miller 2011; Aronow, Samii and Assenova 2015 for
    two members). A sum that is negative falls back on independent choices.
    """
    apart = hits - hits.mean()
    n = rows.max() + 1
    first, second, third = np.sort(rows, axis=1).T
    single = (np.bincount(column, apart, n) for column in (first, second, third))
    shared = (sum(single) ** 2).sum()
    pairs = np.concatenate([first * n + second, first * n + third, second * n + third])
    shared -= _squared_sums(pairs, np.tile(apart, 3))
    shared += _squared_sums(triplet_keys(rows, n), apart)
    independent = (apart**2).sum()
    return float(np.sqrt(shared if shared > independent else independent) / len(hits))


def _squared_sums(groups: np.ndarray, values: np.ndarray) -> float:
    codes = np.unique(groups, return_inverse=True)[1]
    return (np.bincount(codes, values) ** 2).sum()


def repeats(triplets) -> tuple[np.ndarray, np.ndarray]:
    """For every choice: the number of its set of three (choices,), and which of them was odd (choices,), 0 to 2."""
    rows = plain_rows(triplets)
    groups = np.unique(triplet_keys(rows, int(rows.max()) + 1), return_inverse=True)[1]
    return groups, (np.sort(rows, axis=1) == rows[:, 2:]).argmax(1)


def _first(mask: np.ndarray) -> int:
    return int(np.argmax(mask))


def labels_of(embedding) -> Sequence | None:
    return embedding.index if isinstance(embedding, pd.DataFrame) else None
