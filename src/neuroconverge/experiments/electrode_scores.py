"""Held-out scores of all electrodes of a recording, with their intervals: what the studies of speech and EEG share."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from .. import encoding, splits

N_BOOT = 2000


def out_of_fold(features: np.ndarray, responses: np.ndarray, pairs: splits.Pairs, model: Callable) -> np.ndarray:
    """Predictions (rows, electrodes) of rows that the model, made by ``model(train)``, was not fitted on."""
    predicted = np.empty(responses.shape)
    for train, test in pairs:
        predicted[test] = model(train).fit(features[train], responses[train]).predict(features[test])
    return predicted


def within_folds(values: np.ndarray, pairs: splits.Pairs) -> np.ndarray:
    """Deviations from the mean of each test fold: the training mean of a fold is low where its test mean is high."""
    out = np.empty(values.shape)
    for _, test in pairs:
        out[test] = values[test] - values[test].mean(0)
    return out


def resampled(predicted: np.ndarray, responses: np.ndarray, groups: np.ndarray, seed: int = 0) -> np.ndarray:
    """Correlations (n, electrodes) when whole groups of rows are drawn again, the same ones for all electrodes."""
    p, y = predicted, responses
    names = np.unique(groups)
    parts = np.array([[(a * b)[groups == one].sum(0) for one in names] for a, b in ((p, y), (p, p), (y, y))])
    times = np.random.default_rng(seed).multinomial(len(names), np.full(len(names), 1 / len(names)), N_BOOT)
    shared, predicted, spread = times.astype(float) @ parts
    with np.errstate(divide="ignore", invalid="ignore"):
        return shared / np.sqrt(predicted * spread)


def interval(draws: np.ndarray) -> np.ndarray:
    """Low and high end of 95 % of the draws (n, ...)."""
    return np.nanpercentile(draws, (2.5, 97.5), axis=0)


def over_electrodes(predicted, responses, groups, null, names: Sequence[str] | None = None) -> dict:
    """Mean score over all electrodes with its interval over groups, the best one, and how many pass the null."""
    each = encoding.correlation_score(responses, predicted)
    low, high = interval(np.nanmean(resampled(predicted, responses, groups), axis=1))
    row = {"score": np.nanmean(each), "low": low, "high": high, "best": np.nanmax(each)}
    if names is not None:
        row["best_electrode"] = names[int(np.nanargmax(each))]
    return row | {"n_found": int((encoding.significance(each, null) <= 0.05).sum()), "n_electrodes": len(each)}
