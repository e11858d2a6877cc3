"""Mutual nearest neighbours: of the k stimuli nearest to each stimulus, how many do two networks share?

Neighbours are found once a layer, not once a pair of layers; pairs then only count what two lists share.
"""

from __future__ import annotations

import numpy as np

from .errors import BadInput

BLOCK = 1 << 23  # numbers held at a time


def neighbours(x: np.ndarray, k: int) -> np.ndarray:
    """The k nearest other rows of each row of x (n, d) by cosine: (n, k) int32, in no order.

    Single precision, as it is used in the field: neighbours that are equally near up to its rounding are chosen
    arbitrarily.
    """
    norms = np.linalg.norm(x, axis=1, keepdims=True)
    if (norms == 0).any():
        raise BadInput(f"row {int(np.argmin(norms[:, 0]))} is all 0 and has no direction; drop that stimulus")
    unit = (x / norms).astype(np.float32)
    n = len(unit)
    found = np.empty((n, k), np.int32)
    step = max(1, BLOCK // n)
    for start in range(0, n, step):
        near = unit[start : start + step] @ unit.T
        near[np.arange(len(near)), np.arange(start, start + len(near))] = -np.inf
        found[start : start + step] = _largest(near, k)
    return found


def _largest(values: np.ndarray, k: int) -> np.ndarray:
    """Columns of the k largest of each row (m, n), in no order.

    The k largest lie in the k groups of columns with the largest maxima, so that only those are sorted through.
    """
    n = values.shape[1]
    width = int(np.sqrt(n / k))
    n_groups = n // width
    if width < 2 or n_groups <= k:
        return np.argpartition(values, n - k, axis=1)[:, n - k :]
    whole = width * n_groups
    maxima = values[:, :whole].reshape(len(values), width, n_groups).max(1)
    groups = np.argpartition(maxima, n_groups - k, axis=1)[:, n_groups - k :]
    columns = (groups[:, None] + n_groups * np.arange(width)[:, None]).reshape(len(values), -1)
    columns = np.c_[columns, np.broadcast_to(np.arange(whole, n), (len(values), n - whole))]
    best = np.argpartition(np.take_along_axis(values, columns, 1), columns.shape[1] - k, axis=1)[:, -k:]
    return np.take_along_axis(columns, best, 1)


class Shared:
    """Neighbour lists of some layers (layers, n, k), ready to be compared with those of others."""

    def __init__(self, lists: np.ndarray):
        n_layers, self.n, self.k = lists.shape
        self.rows = max(1, 2 * BLOCK // self.n)
        self.parts = []
        for start in range(0, self.n, self.rows):
            part = lists[:, start : start + self.rows]
            cells = (np.arange(part.shape[1])[:, None] * self.n + part).reshape(n_layers, -1)
            used = np.zeros(part.shape[1] * self.n, bool)
            used[cells] = True
            place = np.cumsum(used, dtype=np.int32)
            place[~used] = 0  # a row of zeros stands for every pair of stimuli that no layer here calls near
            held = np.zeros((place.max() + 1, n_layers), np.float32)
            for layer, cell in enumerate(cells):
                held[place[cell], layer] = 1
            self.parts.append((place, held))

    def overlap(self, others: np.ndarray, order: np.ndarray | None = None) -> np.ndarray:
        """Mean share of neighbours in common, (layers here, layers of ``others`` (layers, n, k)).

        ``order``: stimulus order[i] of the others is taken for stimulus i.
        """
        if order is not None:
            back = np.empty(self.n, np.int32)
            back[order] = np.arange(self.n, dtype=np.int32)
            others = back[others[:, order]]
        total = np.zeros((len(others), self.parts[0][1].shape[1]))
        for number, (place, held) in enumerate(self.parts):
            part = others[:, number * self.rows : (number + 1) * self.rows]
            cells = (np.arange(part.shape[1])[:, None] * self.n + part).reshape(len(others), -1)
            for row, cell in zip(total, cells, strict=True):
                row += held[place[cell]].sum(0)
        return total.T / (self.n * self.k)
