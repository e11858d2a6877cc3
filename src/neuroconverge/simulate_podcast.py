"""SIMULATED intracranial recordings: real electrode positions, real words in time, and responses with a known truth."""

from __future__ import annotations

import json
import warnings
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
from scipy.fft import irfft, next_fast_len, rfft, rfftfreq
from scipy.signal import oaconvolve

from .anatomy import AXES, auditory_distance
from .checks import as_array, standardised
from .errors import BadInput

LAGS_S = (0.05, 0.45)  # from the electrode nearest to auditory cortex to the farthest
KERNEL_S = 0.2  # width (FWHM) of the response to one word
DIMENSIONS = 5  # of the projection of a layer that an electrode carries
MICROVOLT = 1e-6
LEVEL = 6.0  # mean of the envelope, in standard deviations of its noise: it hardly ever falls below 0


@dataclass(frozen=True)
class SimulatedRecording:
    """SIMULATED: ``signal`` (electrodes, samples) float32 in volts, and ``truth``, one row an electrode.

    ``truth``: ``layer`` (number) and ``lag_s`` that were planted, ``distance_mm``; layer and lag are NaN where nothing
    was planted. ``folder``: where the files lie, or None.
    """

    signal: np.ndarray
    sfreq_hz: float
    truth: pd.DataFrame
    folder: Path | None


def podcast_subject(
    electrodes: pd.DataFrame,
    words: pd.DataFrame,
    states,
    folder: str | Path | None = None,
    subject: str = "08",
    sfreq_hz: float = 512.0,
    length_s: float = 1800.0,
    layer_of=None,
    lag_of=None,
    snr: float = 0.3,
    seed: int = 0,
    null: bool = False,
) -> SimulatedRecording:
    """SIMULATED high gamma of one patient who listens to the words with a language model in the head.

    ``electrodes``, ``words``: as from ``datasets.podcast_electrodes(subject)`` and ``podcast_words()``; ``states``:
    (layers, words, dimensions). Each good electrode answers every word with a bump whose height is a random
    projection of one layer, on 1/f noise. ``layer_of``: number of that layer, ``lag_of``: seconds from the onset to
    the peak, one value an electrode (all rows of ``electrodes``); by default both grow in proportion to the distance
    from auditory cortex. Nothing is planted where they are NaN, nor anywhere with ``null``. ``snr``: standard
    deviation of what is planted over that of the noise.

    With a ``folder``, the recording is written there in the layout of the public archive, beside positions, channels
    and transcript, for ``datasets.podcast(subject, archive=folder)``; other patients may be added. Needs mne then.
    """
    onsets = as_array(words["start_s"], "words", ndim=1)
    if not sfreq_hz > 0 or not snr >= 0 or not onsets.max() < length_s:
        raise BadInput(
            f"sfreq_hz, snr, length_s: {sfreq_hz}, {snr}, {length_s}; wanted a rate above 0, no negative snr, and a "
            f"recording longer than the last onset, {onsets.max():.1f} s"
        )
    states = [as_array(layer, f"states[{number}]", ndim=2) for number, layer in enumerate(states)]
    if not states or any(len(layer) != len(words) for layer in states):
        raise BadInput(f"states: wanted (layers, {len(words)} words, dimensions)")
    truth = planted(electrodes, len(states), layer_of, lag_of)
    if null:
        truth[["layer", "lag_s"]] = np.nan
    signal = _signal(truth, onsets, states, sfreq_hz, length_s, snr, seed)
    if folder is not None:
        folder = Path(folder)
        _write(folder, subject, signal, sfreq_hz, electrodes, words, truth)
    return SimulatedRecording(signal, sfreq_hz, truth, folder)


def planted(electrodes: pd.DataFrame, n_layers: int, layer_of=None, lag_of=None) -> pd.DataFrame:
    """Layer, lag and distance of each good electrode, as ``podcast_subject`` plants them."""
    distance = auditory_distance(electrodes)
    span = distance.max() - distance.min()
    share = (distance - distance.min()) / (span if span > 0 else 1.0)
    given = {"layer": (share * (n_layers - 1)).round() if layer_of is None else layer_of}
    given["lag_s"] = LAGS_S[0] + share * (LAGS_S[1] - LAGS_S[0]) if lag_of is None else lag_of
    made = {}
    for name, values in given.items():
        values = np.asarray(values, dtype=float)
        if values.shape != (len(electrodes),):
            raise BadInput(
                f"{name}_of: shape {values.shape}; wanted one value for each of {len(electrodes)} electrodes"
            )
        made[name] = values
    known = made["layer"][np.isfinite(made["layer"])]
    if ((known < 0) | (known > n_layers - 1) | (known % 1 != 0)).any():
        raise BadInput(f"layer_of: wanted whole numbers from 0 to {n_layers - 1}, or NaN")
    truth = pd.DataFrame(made | {"distance_mm": distance.to_numpy()}, index=electrodes.index)
    return truth[electrodes["good"].to_numpy(bool)] if "good" in electrodes else truth


def _signal(truth, onsets, states, sfreq_hz: float, length_s: float, snr: float, seed: int) -> np.ndarray:
    noise, drawn = np.random.default_rng(seed).spawn(2)  # so that the noise is the same whatever is planted
    samples = round(length_s * sfreq_hz)
    bump = _bump(sfreq_hz)
    spaces = {int(layer): _projection(states[int(layer)], drawn) for layer in sorted(truth["layer"].dropna().unique())}
    signal = np.empty((len(truth), samples), np.float32)
    for channel, row in zip(signal, truth.itertuples(), strict=True):
        channel[:] = LEVEL + pink(samples, noise)
        if np.isfinite(row.layer) and np.isfinite(row.lag_s) and snr > 0:
            space = spaces[int(row.layer)]
            heights = space @ drawn.standard_normal(space.shape[1])
            places = np.rint((onsets + row.lag_s) * sfreq_hz).astype(int)
            there = (places >= 0) & (places < samples)
            train = np.zeros(samples)
            np.add.at(train, places[there], heights[there])
            carried = oaconvolve(train, bump, mode="same")
            channel += snr * carried / carried.std()
    signal *= MICROVOLT
    return signal


def _bump(sfreq_hz: float) -> np.ndarray:
    """Gaussian of an odd number of samples, so that its peak falls on the lag."""
    half = max(round(KERNEL_S * sfreq_hz), 1)
    return np.exp(-4 * np.log(2) * (np.arange(-half, half + 1) / (KERNEL_S * sfreq_hz)) ** 2)


def _projection(layer: np.ndarray, rng) -> np.ndarray:
    """Random directions of a layer whose columns have unit variance: (words, DIMENSIONS), standardised."""
    drawn = standardised(layer) @ rng.standard_normal((layer.shape[1], DIMENSIONS))
    return drawn / drawn.std(0)


def pink(samples: int, rng: np.random.Generator) -> np.ndarray:
    """Noise whose power falls as 1/f, of unit variance."""
    size = next_fast_len(samples, real=True)
    scale = np.maximum(rfftfreq(size), 1 / size) ** -0.5
    scale[0] = 0
    noise = irfft(rfft(rng.standard_normal(size, dtype=np.float32)) * scale.astype(np.float32), size)[:samples]
    return noise / noise.std()


# The files of the archive ---------------------------------------------------------------------------------


def _write(folder: Path, subject: str, signal, sfreq_hz: float, electrodes, words, truth) -> None:
    start = f"sub-{subject}"
    places = [folder / start / "ieeg", folder / "derivatives" / "ecogprep" / start / "ieeg"]
    for place in (*places, folder / "stimuli" / "gpt2-xl"):
        place.mkdir(parents=True, exist_ok=True)
    note = folder / "dataset_description.json"
    if note.exists() and not json.loads(note.read_text(encoding="utf-8"))["Name"].startswith("SIMULATED"):
        raise BadInput(f"folder: {folder} holds a data set that is not simulated; choose another folder")
    about = {"Name": "SIMULATED copy of the Podcast ECoG dataset (ds005574)", "BIDSVersion": "1.10.0"}
    note.write_text(json.dumps(about | {"DatasetType": "raw", "License": "CC0"}, indent=1), encoding="utf-8")
    _write_tables(folder, places[0], subject, sfreq_hz, electrodes, words)
    truth.to_csv(places[1] / f"{start}_SIMULATED_truth.tsv", sep="\t")
    _write_fif(places[1] / f"{start}_task-podcast_desc-highgamma_ieeg.fif", signal, sfreq_hz, electrodes)


def _write_tables(folder: Path, place: Path, subject: str, sfreq_hz: float, electrodes, words) -> None:
    options = {"sep": "\t", "index": False}
    names = electrodes["name"].to_numpy()
    positions = pd.DataFrame({"name": names} | {axis[0]: electrodes[axis].to_numpy() for axis in AXES})
    # An electrode without a position stands in the corner of the image, as in the archive.
    positions = positions.fillna({"x": -90.0, "y": 126.0, "z": 72.0}).assign(size=4.15, group=list(electrodes["group"]))
    state = np.where(electrodes["good"], "good", "bad")
    channels = pd.DataFrame({"name": names, "type": "ECOG", "units": "uV", "sampling_frequency": sfreq_hz})
    positions.to_csv(place / f"sub-{subject}_space-MNI152NLin2009aSym_electrodes.tsv", **options)
    channels.assign(status=state).to_csv(
        place / f"sub-{subject}_task-podcast_channels.tsv", encoding="utf-8-sig", **options
    )
    transcript = words.rename(columns={"start_s": "start", "end_s": "end"}).rename_axis("word_idx").reset_index()
    transcript["true_prob"] = 2.0 ** -transcript["surprisal_bits"] if "surprisal_bits" in transcript else 1.0
    kept = ["word_idx", "word", "start", "end", "true_prob"]
    transcript[kept].to_csv(folder / "stimuli" / "gpt2-xl" / "transcript.tsv", sep="\t")
    people = folder / "participants.tsv"
    here = pd.read_csv(people, sep="\t", dtype=str) if people.exists() else pd.DataFrame()
    number = electrodes["nyu_id"].iloc[0] if "nyu_id" in electrodes else f"simulated{subject}"
    mine = pd.DataFrame({"participant_id": [f"sub-{subject}"], "nyu_id": [str(number)]})
    pd.concat([here, mine]).drop_duplicates("participant_id", keep="last").to_csv(people, **options)


def _write_fif(path: Path, signal: np.ndarray, sfreq_hz: float, electrodes: pd.DataFrame) -> None:
    try:
        import mne
    except ImportError:
        raise ImportError("writing recordings needs mne: pip install 'neuroconverge[ieeg]'") from None
    good = electrodes[electrodes["good"]]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of names: the archive's file names are not mne's
        info = mne.create_info(list(good["name"]), sfreq_hz, "ecog", verbose="ERROR")
        raw = mne.io.RawArray(signal, info, copy="auto", verbose="ERROR")
        for channel, place in zip(raw.info["chs"], good[AXES].to_numpy() / 1000, strict=True):
            channel["loc"][:3] = place  # metres in the frame of the head
        raw.save(path, fmt="single", overwrite=True, verbose="ERROR")
