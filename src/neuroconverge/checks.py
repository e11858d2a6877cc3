"""Checks at the door, shared by all numerics: what is wrong, where, and what to do."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd

from .errors import BadInput


def as_array(values, name: str, ndim: int | None = None) -> np.ndarray:
    """A finite float64 array from numpy, torch (any device) or a sequence; raises BadInput."""
    if hasattr(values, "detach"):
        values = values.detach().cpu().double().numpy()
    try:
        array = np.asarray(values, dtype=float)
    except (TypeError, ValueError) as error:
        raise BadInput(f"{name}: not an array of numbers ({error})") from None
    if ndim is not None and array.ndim != ndim:
        raise BadInput(f"{name}: wanted {ndim} dimensions, got shape {array.shape}")
    if array.size == 0:
        raise BadInput(f"{name}: empty, shape {array.shape}")
    bad = np.argwhere(~np.isfinite(array))
    if len(bad):
        first = ", ".join(map(str, bad[0]))
        raise BadInput(f"{name}: {len(bad)} values are NaN or infinite, the first at [{first}]; drop those rows first")
    return array


def standardised(values: np.ndarray, rows=slice(None)) -> np.ndarray:
    """Columns of (n, k) with the mean and standard deviation of ``rows`` taken out; 0 where constant there.

    Constant but for rounding counts as constant, so that no noise of the last digits becomes a feature.
    """
    known = values[rows]
    low, high = known.min(0), known.max(0)
    constant = high - low <= 16 * np.finfo(values.dtype).eps * np.maximum(abs(low), abs(high))
    return (values - known.mean(0)) / np.where(constant, np.inf, known.std(0))


def unique_labels(labels: Sequence, name: str, n: int) -> list[str]:
    """Labels as strings, one for each of n rows and none twice; raises BadInput."""
    labels = [str(label) for label in labels]
    if len(labels) != n:
        raise BadInput(f"{name}: got {len(labels)} labels for {n} rows")
    twice = sorted({label for label in labels if labels.count(label) > 1})
    if twice:
        raise BadInput(f"{name}: used more than once: {', '.join(twice[:5])}")
    return labels


def one_of(value: str, name: str, allowed: Sequence[str]) -> str:
    """The value, if it is one of those allowed; raises BadInput."""
    if value not in allowed:
        raise BadInput(f"{name}: got {value!r}; wanted one of {', '.join(allowed)}")
    return value


def aligned(values, index, name: str):
    """Rows of pandas input in the order of ``index``; anything else as it is. Raises BadInput if the labels differ."""
    if index is None or not isinstance(values, (pd.Series, pd.DataFrame)):
        return values
    if not index.is_unique or not values.index.is_unique:
        raise BadInput(f"{name}: index has the same label twice; rows can not be joined")
    differ = index.symmetric_difference(values.index)
    if len(differ):
        raise BadInput(f"{name}: rows do not match; in one of the two only: {', '.join(map(str, differ[:5]))}")
    return values.loc[index].to_numpy()
