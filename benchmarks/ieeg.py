"""All layers, electrodes and lags on a laptop: how long, with how much memory; and do the tests keep their word?

Everything here is SIMULATED. ``speed`` runs one patient in full size (5,136 words, 72 electrodes, 128 lags, 31 layers
of 576 dimensions, 5 folds) and extrapolates to 1,268 good electrodes. ``calibration`` runs hundreds of small studies.
"""

from __future__ import annotations

import argparse
import resource
import time

import numpy as np
import pandas as pd

from neuroconverge import ieeg, simulate

GOOD = 1268  # good electrodes of the nine patients


def layered(rng, layers: int, words: int, width: int) -> np.ndarray:
    """States whose neighbouring layers resemble one another (r = .8) and whose words drift slowly."""
    made = [rng.standard_normal((words, width), dtype=np.float32)]
    for _ in range(layers - 1):
        made.append(0.8 * made[-1] + 0.6 * rng.standard_normal((words, width), dtype=np.float32))
    return np.array(made)


def patient(rng, n: int, subject: str) -> pd.DataFrame:
    """Electrodes on a made-up left hemisphere."""
    places = rng.uniform((-70, -80, -30), (-20, 40, 60), (n, 3))
    table = pd.DataFrame(places, columns=ieeg.AXES, index=[f"{subject}_{i}" for i in range(n)])
    return table.assign(subject=subject, name=[f"E{i}" for i in range(n)], good=True, group="G")


def made_words(rng, n: int, rate: float = 2.85) -> pd.DataFrame:
    gaps = rng.gamma(2, 1 / rate / 2, n)
    return pd.DataFrame({"word": "word", "start_s": 3 + gaps.cumsum()})


def speed(electrodes: int, batch: int) -> None:
    rng = np.random.default_rng(0)
    words, states = made_words(rng, 5136), layered(rng, 31, 5136, 576)
    table, length = patient(rng, electrodes, "00"), words["start_s"].max() + 5
    start = time.perf_counter()
    made = simulate.podcast_subject(table, words, states, length_s=length, snr=0.3)
    print(f"simulated at 512 Hz: {made.signal.shape}, {time.perf_counter() - start:.0f} s, peak {peak_gb():.1f} GB")
    lags = np.arange(-64, 64) / 32
    pairs, start = ieeg.time_folds(words), time.perf_counter()
    signals = np.array_split(made.signal, max(electrodes // batch, 1))
    stream = (ieeg.responses(part, made.sfreq_hz, words["start_s"], lags, 0.2) for part in signals)
    found = ieeg.encode(states, stream, pairs)
    took = time.perf_counter() - start
    table = ieeg.peaks(found, lags, made.truth.index)
    r = np.corrcoef(table["layer"], made.truth["layer"])[0, 1]
    fixed = took_components(states, pairs)
    whole = fixed + (took - fixed) * GOOD / electrodes
    print(f"encoded, folds x layers x electrodes x lags {found.scores.shape}: {took:.0f} s (components {fixed:.0f} s)")
    print(f"peak memory {peak_gb():.1f} GB; planted layers recovered with r = {r:.3f}")
    size = 2 * found.scores.nbytes * GOOD / electrodes / 1e9
    print(f"{GOOD} electrodes at this pace: {whole / 60:.0f} min, and {size:.1f} GB of scores")


def took_components(states, pairs) -> float:
    start = time.perf_counter()
    ieeg.components(states, pairs)
    return time.perf_counter() - start


def peak_gb() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6


def study(seed: int, order: str, n_patients: int = 8, n: int = 6, snr: float = 0.5) -> tuple[pd.Series | None, float]:
    """One small study: hierarchy of its predictive electrodes, and share of electrodes with p below .05."""
    rng = np.random.default_rng(seed)
    words, lags, layers = made_words(rng, 500), np.arange(0, 0.6, 0.1), 6
    states, tables, hits = layered(rng, layers, len(words), 20), [], []
    for number in range(n_patients):
        table = patient(rng, n, f"{number}")
        layer = None if order == "planted" else rng.integers(0, layers, n)
        if order == "smooth":  # a gradient along an axis drawn for each patient: neighbours alike, no hierarchy
            along = table[ieeg.AXES].to_numpy() @ rng.standard_normal(3)
            layer = np.round((layers - 1) * (along - along.min()) / np.ptp(along))
        options = {"sfreq_hz": 32.0, "length_s": words["start_s"].max() + 3, "layer_of": layer, "snr": snr}
        made = simulate.podcast_subject(table, words, states, seed=[seed, number], null=order == "none", **options)
        answers = ieeg.responses(made.signal, 32.0, words["start_s"], lags, 0.2)
        pairs = ieeg.time_folds(words, 3)
        found = ieeg.encode(states, answers, pairs, 20, cv=3)
        series = ieeg.test_series(states, answers, pairs, found, n_components=20, cv=3)
        hits.append((ieeg.significant(*series, n=200, seed=seed, correction="none") < 0.05).mean())
        best = ieeg.peaks(found, lags, made.truth.index)
        tables.append(
            best.assign(distance_mm=made.truth["distance_mm"], subject=str(number), truth=made.truth["layer"])
        )
    table = pd.concat(tables)
    chosen = table[table["predictive"]] if order != "none" else table
    result = ieeg.hierarchy(chosen, n_perm=400, seed=seed) if len(chosen) >= 5 else None
    if result is not None and order != "none":
        result["recovered"] = np.corrcoef(chosen["layer"], chosen["truth"])[0, 1]
    return result, float(np.mean(hits))


def calibration(studies: int) -> None:
    rows = []
    for order in ("planted", "random", "smooth", "none"):
        start = time.perf_counter()
        done = [study(seed, order) for seed in range(studies)]
        table = pd.DataFrame([result for result, _ in done if result is not None])
        rows.append(
            {
                "SIMULATED order": order,
                "studies": len(table),
                "mean r": table["r"].astype(float).mean(),
                "within p < .05": (table["p_within"] < 0.05).mean(),
                "patients p < .05": (table["p"] < 0.05).mean(),
                "electrodes p < .05": np.mean([share for _, share in done]),
                "recovered r": table.get("recovered", pd.Series(dtype=float)).astype(float).median(),
                "seconds": time.perf_counter() - start,
            }
        )
        print(pd.DataFrame(rows).round(3).to_string(index=False), flush=True)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--only", choices=("speed", "calibration"))
    parser.add_argument("--electrodes", type=int, default=72)
    parser.add_argument("--batch", type=int, default=18, help="electrodes in memory at a time")
    parser.add_argument("--studies", type=int, default=300)
    chosen = parser.parse_args()
    if chosen.only != "calibration":
        speed(chosen.electrodes, chosen.batch)
    if chosen.only != "speed":
        calibration(chosen.studies)
