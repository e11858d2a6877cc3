"""Encoding of intracranial recordings: which layer of a language model predicts which electrode, and when.

Words are rows. An electrode at a lag is a target; all layers are fitted to it in turn. Everything that is chosen
(components, penalty, layer, lag, which electrodes count) is chosen on the training words of a fold.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
import torch
from sklearn.decomposition import PCA

from . import splits, stats
from .anatomy import AXES, auditory_distance
from .checks import as_array, standardised
from .encoding import RidgeCV, variance_partition
from .encoding_data import threads
from .encoding_stats import correlation_score, null_of_predictions, significance
from .errors import BadInput
from .resampling import p_value

ALPHAS = tuple(float(alpha) for alpha in np.logspace(0, 7, 15))
LEAST_R2 = 0.01
# Over all layers and lags, the best inner r2 of an electrode of pure noise stayed below 21 / words in simulations with
# 300 to 3,300 training words.
NOISE_R2 = 30.0
GAP_S = 4.0  # from a lag of -2 s to one of 2 s; windows, and drifts taken out, ask for more: see time_folds
GAP_WORDS = 20  # for the folds inside the training words: four seconds of fast speech


__all__ = [
    "AXES",
    "Encoding",
    "auditory_distance",
    "chosen",
    "components",
    "encode",
    "hierarchy",
    "inside",
    "peaks",
    "responses",
    "significant",
    "test_series",
    "time_folds",
    "unique_r2",
]


@dataclass(frozen=True)
class Encoding:
    """``scores``: correlation on test words; ``inner``: r2 on inner folds of the training words, to choose by.

    Both (folds, layers, electrodes, lags) float32; NaN for an electrode that is constant or not finite. The r2 is
    against the mean of the words that the inner fold was fitted on, so that slow drifts count for nothing.
    ``n_words``: training words of the smallest fold.
    """

    scores: np.ndarray
    inner: np.ndarray
    n_words: int


def inside(onsets_s, lags_s, window_s: float, length_s: float) -> np.ndarray:
    """Which words (n,) have all their windows within a recording of that length."""
    onsets, half = as_array(onsets_s, "onsets_s", ndim=1), window_s / 2
    return (onsets + np.min(lags_s) - half >= 0) & (onsets + np.max(lags_s) + half <= length_s)


def responses(signal, sfreq_hz: float, onsets_s, lags_s, window_s: float = 0.2, drift_s: float | None = None):
    """Mean signal around each word at each lag: (words, electrodes, lags) float32.

    ``signal``: (electrodes, samples), its first sample at time 0. A lag is the centre of a window of ``window_s``
    seconds after the onset of the word (negative: before). ``drift_s``: the mean over so many seconds around the
    window is taken out, and with it what drifts more slowly; a response then reaches half as far to either side, so
    that folds need a gap longer by ``drift_s``. Raises BadInput for a word whose windows leave the recording; choose
    words by ``inside``.
    """
    signal = np.asarray(signal)
    onsets, lags = as_array(onsets_s, "onsets_s", ndim=1), as_array(lags_s, "lags_s", ndim=1)
    if signal.ndim != 2 or signal.size == 0 or not sfreq_hz > 0 or not window_s * sfreq_hz >= 1:
        raise BadInput(
            f"signal, sfreq_hz, window_s: {signal.shape}, {sfreq_hz}, {window_s}; wanted electrodes by samples, "
            "a rate above 0, and a window of at least one sample"
        )
    width = round(window_s * sfreq_hz)
    first = np.rint((onsets[:, None] + lags - window_s / 2) * sfreq_hz).astype(int)
    out_of = np.flatnonzero((first.min(1) < 0) | (first.max(1) + width > signal.shape[1]))
    if len(out_of):
        raise BadInput(
            f"onsets_s: {len(out_of)} words have windows outside the recording of {signal.shape[1] / sfreq_hz:.1f} s, "
            f"the first is word {out_of[0]} at {onsets[out_of[0]]:.1f} s; keep those that ieeg.inside allows"
        )
    made = np.empty((len(onsets), len(signal), len(lags)), np.float32)
    for number, channel in enumerate(signal):
        total = np.concatenate([[0.0], np.cumsum(channel, dtype=np.float64)])
        made[:, number] = (total[first + width] - total[first]) / width
        if drift_s is not None:
            around = round(drift_s * sfreq_hz / 2)
            low = np.clip(first + width // 2 - around, 0, None)
            high = np.clip(first + width // 2 + around, None, len(channel))
            made[:, number] -= (total[high] - total[low]) / (high - low)
    return made


def time_folds(words, k: int = 5, gap_s: float = GAP_S) -> splits.Pairs:
    """k folds of words that follow one another in time; training words begin more than ``gap_s`` s away.

    ``words``: table with ``start_s``, or onsets (n,); they need not be sorted. ``gap_s``: at least from the
    start of the earliest to the end of the latest window of a word, so that both sides share no moment of signal.
    """
    onsets = as_array(words["start_s"] if isinstance(words, pd.DataFrame) else words, "words", ndim=1)
    if not gap_s >= 0:
        raise BadInput(f"gap_s: got {gap_s!r}; wanted 0 or more seconds")
    order, pairs = np.argsort(onsets, kind="stable"), []
    for _, block in splits.contiguous(len(onsets), k):
        test = np.sort(order[block])
        low, high = onsets[test].min() - gap_s, onsets[test].max() + gap_s
        train = np.flatnonzero((onsets < low) | (onsets > high))
        if len(train) < 2:
            raise BadInput(f"gap_s: {gap_s} s leave {len(train)} training words beside the test words {test[0]} on")
        pairs.append((train, test))
    return pairs


def components(states, pairs: splits.Pairs, n_components: int = 50, seed: int = 0) -> list[list[np.ndarray]]:
    """Leading principal components of each fold and layer: [fold][layer] is (words, components) float32.

    ``states``: (layers, words, dimensions). Standardised and rotated by the training words alone; the components
    keep their variances. Layers of different width get the same number of features.
    """
    states = [np.asarray(layer, dtype=np.float32) for layer in states]
    n = {layer.shape[0] for layer in states if layer.ndim == 2}
    if not states or len(n) != 1 or not all(layer.ndim == 2 for layer in states):
        raise BadInput("states: wanted (layers, words, dimensions), the same words in all layers")
    pairs = splits.checked(pairs, n.pop(), "pairs")
    for number, layer in enumerate(states):
        if not np.isfinite(layer.sum(dtype=np.float64)):
            raise BadInput(f"states: layer {number} holds NaN or infinity")
    with threads(torch.device("cpu")) as spread:
        return [spread(lambda layer, t=train: _rotated(layer, t, n_components, seed), states) for train, _ in pairs]


def _rotated(layer: np.ndarray, train: np.ndarray, n_components: int, seed: int) -> np.ndarray:
    layer = standardised(layer, train)
    wanted = min(n_components, layer.shape[1], len(train) - 1)
    solver = "covariance_eigh" if layer.shape[1] < len(train) else "randomized"
    with np.errstate(invalid="ignore"):  # a layer that is constant
        return PCA(wanted, svd_solver=solver, random_state=seed).fit(layer[train]).transform(layer).astype(np.float32)


def encode(
    states, responses, pairs: splits.Pairs, n_components: int = 50, alphas=ALPHAS, cv: int = 5, gap: int = GAP_WORDS
) -> Encoding:
    """Ridge from every layer to every electrode at every lag.

    ``states``: (layers, words, dimensions); one layer is one feature space. ``responses``: (words, electrodes, lags)
    as from ``responses``, or an iterable of such arrays, some electrodes at a time, so that all of them never need to
    be in memory at once. ``pairs``: outer folds, from ``time_folds``. ``cv``, ``gap``: contiguous inner folds of the
    training words, for the penalty of each target, and rows left out beside them. Results of the electrodes come in
    the order of the input.
    """
    spaces = components(states, pairs, n_components)
    batches = [responses] if isinstance(responses, np.ndarray) else responses
    done = [_encode(spaces, _checked(batch, len(spaces[0][0])), pairs, alphas, cv, gap) for batch in batches]
    if not done:
        raise BadInput("responses: no electrodes")
    scores, inner = (np.concatenate(parts, axis=2) for parts in zip(*done, strict=True))
    return Encoding(scores, inner, min(len(train) for train, _ in pairs))


def _encode(spaces, batch: np.ndarray, pairs, alphas, cv: int, gap: int) -> tuple[np.ndarray, np.ndarray]:
    n, electrodes, lags = batch.shape
    flat = batch.reshape(n, -1)
    out = np.empty((2, len(pairs), len(spaces[0]), electrodes * lags), np.float32)
    for fold, (train, test) in enumerate(pairs):
        known, held = flat[train], flat[test]
        inner = splits.contiguous(len(train), cv, gap)
        by_mean = np.mean([np.square(known[val] - known[rows].mean(0)).mean(0) for rows, val in inner], axis=0)
        for layer, space in enumerate(spaces[fold]):
            model = RidgeCV(alphas, cv=inner).fit(space[train], known)
            out[0, fold, layer] = model.score(space[test], held)
            with np.errstate(divide="ignore", invalid="ignore"):
                out[1, fold, layer] = 1 + model.cv_scores_ / by_mean
    scores, inner = out.reshape(2, len(pairs), len(spaces[0]), electrodes, lags)
    return scores, inner


def _checked(batch, n: int) -> np.ndarray:
    batch = np.asarray(batch)
    if batch.ndim != 3 or batch.shape[0] != n or batch.size == 0:
        raise BadInput(f"responses: shape {batch.shape}; wanted ({n}, electrodes, lags), a row for each word of states")
    return batch if batch.dtype in (np.float32, np.float64) else batch.astype(np.float32)


def chosen(found: Encoding) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Number of the best layer and of the best lag by the inner folds, both (folds, electrodes); usable electrodes."""
    folds, layers, n, lags = found.inner.shape
    usable = np.isfinite(found.inner).all((0, 1, 3))
    inner = np.where(usable[:, None], found.inner, 0).transpose(0, 2, 1, 3).reshape(folds, n, -1)
    return *np.unravel_index(inner.argmax(2), (layers, lags)), usable


def peaks(found: Encoding, lags_s, electrodes: Sequence | None = None, least_r2: float | None = None) -> pd.DataFrame:
    """Layer and lag at which each electrode is predicted best: one row an electrode.

    ``layer`` (0 to 1, share of depth) and ``lag_s``: chosen in the training words of each fold, mean over folds;
    ``score``: test correlation there (nested). ``naive_layer``, ``naive_lag_s``, ``naive``: chosen and scored on the
    same test words. ``layer_mean``: mean layer weighted by the r2 of the inner folds at the chosen lag, which uses
    all layers and not only the best; NaN if the r2 is at or below 0 in all layers of a fold. ``predictive``: that r2
    is at least ``least_r2`` in the training words of all folds; by default ``LEAST_R2``, or ``NOISE_R2`` by the number
    of words where these are few. ``electrodes``: their names, the index of the table.
    """
    least_r2 = max(LEAST_R2, NOISE_R2 / found.n_words) if least_r2 is None else least_r2
    folds, layers, n, count = found.scores.shape
    lags = as_array(lags_s, "lags_s", ndim=1)
    if len(lags) != count or (electrodes is not None and len(electrodes) != n):
        raise BadInput(f"lags_s, electrodes: wanted {count} lags and {n} electrodes, as in the scores")
    layer, lag, usable = chosen(found)
    inner = found.inner.transpose(0, 2, 1, 3)  # folds, electrodes, layers, lags
    rows, columns = np.arange(folds)[:, None], np.arange(n)
    at_lag = np.clip(inner[rows, columns, :, lag], 0, None)
    depth = np.linspace(0, 1, layers)
    with np.errstate(divide="ignore", invalid="ignore"):
        centre = (at_lag @ depth / at_lag.sum(2)).mean(0)
    mean = found.scores.mean(0).transpose(1, 0, 2).reshape(n, -1)
    top = np.where(np.isfinite(mean), mean, -np.inf).argmax(1)
    naive_layer, naive_lag = np.unravel_index(top, (layers, count))
    table = pd.DataFrame(
        {
            "layer": depth[layer].mean(0),
            "lag_s": lags[lag].mean(0),
            "score": found.scores[rows, layer, columns, lag].mean(0),
            "layer_mean": centre,
            "naive_layer": depth[naive_layer],
            "naive_lag_s": lags[naive_lag],
            "naive": mean[columns, top],
            "predictive": inner[rows, columns, layer, lag].min(0) >= least_r2,
        },
        index=pd.Index(range(n) if electrodes is None else electrodes, name="electrode"),
    )
    table.loc[~usable, table.columns.drop("predictive")] = np.nan
    return table


def test_series(
    states,
    responses,
    pairs: splits.Pairs,
    found: Encoding,
    n_components: int = 50,
    alphas=ALPHAS,
    cv: int = 5,
    gap: int = GAP_WORDS,
) -> tuple[np.ndarray, np.ndarray]:
    """Measured and predicted responses of the test words, (words, electrodes) each, at the layer and lag chosen.

    Every fold is standardised by itself, so that differences between folds count for nothing. Rows: the test words of
    all folds, fold after fold. For nulls that turn one against the other: ``significant``. Other arguments as in
    ``encode``.
    """
    spaces = components(states, pairs, n_components)
    responses = _checked(responses, len(spaces[0][0]))
    layer, lag, usable = chosen(found)
    parts = []
    for fold, (train, test) in enumerate(pairs):
        known = responses[:, np.arange(responses.shape[1]), lag[fold]]
        predicted = np.full((len(test), known.shape[1]), np.nan, np.float32)
        for one in np.unique(layer[fold][usable]):
            which, space = usable & (layer[fold] == one), spaces[fold][one]
            model = RidgeCV(alphas, cv, gap).fit(space[train], known[train][:, which])
            predicted[:, which] = model.predict(space[test])
        parts.append([_standard(known[test]), _standard(predicted)])
    return tuple(np.concatenate(part) for part in zip(*parts, strict=True))


def unique_r2(
    states,
    responses,
    pairs: splits.Pairs,
    found: Encoding,
    nuisance,
    n_components: int = 50,
    alphas=ALPHAS,
    cv: int = 5,
    gap: int = GAP_WORDS,
) -> pd.DataFrame:
    """Variance of the test words that the chosen layer explains beyond nuisance features, an electrode a row.

    ``nuisance``: (words, features). Columns ``model`` (its own share), ``nuisance``, ``model & nuisance`` and
    ``total``, as from ``encoding.variance_partition``, at the layer and lag chosen in each fold, mean over folds.
    Other arguments as in ``encode``.
    """
    spaces, nuisance = components(states, pairs, n_components), as_array(nuisance, "nuisance", ndim=2)
    responses = _checked(responses, len(spaces[0][0]))
    layer, lag, usable = chosen(found)
    ridge = RidgeCV(alphas, cv, gap)
    columns = ["model", "nuisance", "model & nuisance", "total"]
    parts = np.full((len(pairs), responses.shape[1], len(columns)), np.nan)
    for fold, pair in enumerate(pairs):
        known = responses[:, np.arange(responses.shape[1]), lag[fold]]
        beside = standardised(nuisance, pair[0])
        for one in np.unique(layer[fold][usable]):
            which = usable & (layer[fold] == one)
            both = {"model": spaces[fold][one], "nuisance": beside.astype(np.float32)}
            parts[fold, which] = variance_partition(both, known[:, which], [pair], ridge)[columns]
    return pd.DataFrame(parts.mean(0), columns=columns)


def _standard(values: np.ndarray) -> np.ndarray:
    with np.errstate(divide="ignore", invalid="ignore"):
        return (values - values.mean(0)) / values.std(0)


def significant(measured, predicted, n: int = 1000, seed: int = 0, correction: str = "max") -> np.ndarray:
    """p of each electrode (electrodes,) against predictions turned in time against what was measured.

    Nothing is shuffled: a shift keeps the slow drifts that make unrelated series correlate. ``correction``: max
    (family-wise over electrodes), bh or none.
    """
    null = null_of_predictions(measured, predicted, n, "circular", seed=seed)
    return significance(correlation_score(measured, predicted), null, correction)


def hierarchy(table: pd.DataFrame, value: str = "layer", n_perm: int = 2000, seed: int = 0) -> pd.Series:
    """Correlation (Spearman) of peak layer, or another column, with distance from auditory cortex over electrodes.

    ``table``: columns ``value``, ``distance_mm`` and ``subject``, one row an electrode; take predictive ones only.
    ``r``, ``low``, ``high``, ``p``: electrodes stay with their patient (``stats.correlation`` with clusters) where
    there are three patients or more; otherwise over electrodes, as if neighbours were independent. ``r_within``,
    ``p_within``: means of patients taken out, electrodes permuted inside each patient. Raises BadInput for fewer than
    5 electrodes.
    """
    table = table[[value, "distance_mm", "subject"]].dropna()
    if len(table) < 5:
        raise BadInput(f"table: {len(table)} electrodes with {value} and a distance; wanted at least 5")
    patients = table["subject"].astype(str).to_numpy()
    sizes = pd.Series(patients).value_counts()
    groups = patients if len(sizes) >= 3 else None
    found = stats.correlation(
        table["distance_mm"].to_numpy(), table[value].to_numpy(), clusters=groups, seed=seed, method="spearman"
    )
    ranks = table[[value, "distance_mm"]].rank()
    own = (ranks - ranks.groupby(patients).transform("mean")).to_numpy()
    within, p = _permuted(own[:, 0], own[:, 1], patients, n_perm, seed)
    return pd.Series(
        {
            "value": value,
            "r": found.r,
            "low": found.low,
            "high": found.high,
            "p": found.p,
            "r_within": within,
            "p_within": p,
            "n_electrodes": len(table),
            "n_patients": len(sizes),
        }
    )


def _permuted(y: np.ndarray, x: np.ndarray, patients: np.ndarray, n_perm: int, seed: int) -> tuple[float, float]:
    """Correlation of x and y, centred in each patient, and its two-sided p by permutation inside the patients."""
    size = np.linalg.norm(x) * np.linalg.norm(y)
    if size < 1e-12:
        return np.nan, np.nan
    rng, null = np.random.default_rng(seed), np.zeros(n_perm)
    for one in np.unique(patients):
        mine = patients == one
        orders = rng.permuted(np.broadcast_to(np.flatnonzero(mine), (n_perm, mine.sum())), axis=1)
        null += y[orders] @ x[mine]
    r = float(x @ y / size)
    return r, p_value(abs(r), np.abs(null / size))
