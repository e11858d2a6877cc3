"""Electrodes that hear speech: high gamma of one patient, and scalp EEG averaged by word.

The epochs of the patient carry a fault of their source: each was cut from a trial that begins 1.5 s before the sound,
as if it began with the sound. What an epoch shows was recorded 1.5 s before the phoneme that it is labelled with.
``speech_recording`` puts every epoch back where it was recorded.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

import numpy as np
import pandas as pd

from ..checks import one_of
from ..errors import BadInput
from .fetch import fetch
from .words import read_word_table

SHAPE = (982, 32, 15)  # phonemes, electrodes, samples
N_SENTENCES, SFREQ_HZ = 29, 200.0
LEAD_S = 1.5  # of each trial before the sound
EEG = {"naturalspeech": (1629, 130), "n400": (140, 130), "ucl": (711, 34)}
# The classes by which the source marks the time course of its sentences; phonemes not named here are "other".
CLASSES = {
    "closures": "sil dx",
    "diphthongs": "ey aw ay oy ow",
    "fricatives": "s sh z f th v dh h",
    "nasals": "m n ng",
    "plosives": "b d g p t k jh ch",
    "semi-vowels": "l r er w y",
    "vowels": "iy ih eh ae aa ah uh uw",
}


@dataclass(frozen=True)
class PhonemeResponses:
    """High gamma (70-140 Hz) of one patient, cut by phoneme as published: see the fault of their times above.

    ``responses``: phonemes (982) x electrodes (32) x samples (15) at 200 Hz, in standard deviations of the baseline
    -0.8 to -0.1 s of each trial; up to thousands, so clip or rank. ``phonemes``: TIMIT labels in spoken order;
    ``h#`` opens and closes each sentence. ``sentences``: 0 to 28, for each phoneme. ``electrodes``: table by name
    with ``x_px``, ``y_px``, positions on a picture of the brain (pixels, y downwards; not millimetres).
    """

    responses: np.ndarray
    phonemes: np.ndarray
    sentences: np.ndarray
    electrodes: pd.DataFrame
    sfreq_hz: float = SFREQ_HZ

    def beyond(self, limit_z: float) -> float:
        """Share of all values whose size exceeds ``limit_z`` standard deviations of the baseline."""
        return float((np.abs(self.responses) > limit_z).mean())


@dataclass(frozen=True)
class SpeechRecording:
    """The same patient on the time axis of the sound: 29 sentences x 1,500 samples (-1.5 to 6 s) at 200 Hz.

    ``high_gamma`` (sentences, samples, electrodes), z of the baseline: NaN where no epoch was cut. ``time_s``: from
    the start of the sound file; speech begins 0.1 to 0.2 s later. ``start_s``: onset of each of the 982 phonemes;
    NaN for the few that neither the classes nor overlapping epochs give away. ``envelope`` (sentences, samples): of
    the sound, below 10 Hz, arbitrary unit, not below 0. ``epochs``: what this is built from.
    """

    high_gamma: np.ndarray
    time_s: np.ndarray
    start_s: np.ndarray
    envelope: np.ndarray
    epochs: PhonemeResponses


@cache
def phoneme_responses() -> PhonemeResponses:
    """The epochs of 29 TIMIT sentences as published (Holdgraf 2017, as cut and shared by a later tutorial).

    Raises DataUnavailable, or BadInput when a file is not as published.
    """
    archive = np.load(fetch("ecog_timit_phonemes/hfa_phoneme_epochs.npz"), allow_pickle=False)
    data, phonemes, names = archive["data"], archive["phoneme"].astype(str), archive["ch_names"].astype(str).tolist()
    if data.shape != SHAPE or phonemes.shape != SHAPE[:1] or not np.isfinite(data).all():
        raise BadInput(f"hfa_phoneme_epochs.npz: wanted finite values of shape {SHAPE}, got {data.shape}")
    if float(archive["sfreq"]) != SFREQ_HZ or (data.std((0, 2)) == 0).any():
        raise BadInput(f"hfa_phoneme_epochs.npz: wanted {SFREQ_HZ:g} Hz and no flat electrode")
    table = pd.read_csv(fetch("ecog_timit_phonemes/meta_elec.csv"), encoding="utf-8-sig").set_index("name")
    if sorted(table.index) != sorted(names) or table[["x_2d", "y_2d"]].isna().to_numpy().any():
        raise BadInput("meta_elec.csv: wanted one position for each electrode of the epochs")
    places = table.loc[names, ["x_2d", "y_2d"]].rename(columns={"x_2d": "x_px", "y_2d": "y_px"})
    return PhonemeResponses(data, phonemes, sentence_numbers(phonemes), places.rename_axis("electrode"))


def sentence_numbers(phonemes) -> np.ndarray:
    """Number of the sentence of each phoneme, from 0; every sentence opens and closes with ``h#``."""
    edges = np.flatnonzero(np.asarray(phonemes) == "h#")
    opens, closes = edges[::2], edges[1::2]
    if len(opens) != len(closes) or not np.array_equal(opens, np.r_[0, closes[:-1] + 1]) or (closes <= opens + 1).any():
        raise BadInput("phonemes: wanted sentences that open and close with h#, one after the other")
    if closes[-1] != len(phonemes) - 1:
        raise BadInput(f"phonemes: {len(phonemes) - 1 - closes[-1]} phonemes follow the last h#")
    return np.repeat(np.arange(len(opens)), closes - opens + 1)


@cache
def speech_recording() -> SpeechRecording:
    """Every epoch put back where it was recorded, beside the sound. Needs mne (extra ``ieeg``) to read FIF.

    Two things give the onsets: the time course of phoneme classes that the source made from the same sentences, and
    neighbouring epochs, which share samples wherever a phoneme is shorter than an epoch (75 ms). Good to one sample
    (5 ms). Raises DataUnavailable, or BadInput when the classes do not fit the phonemes.
    """
    epochs = phoneme_responses()
    marks, names, first_s = _fif("ecog_timit_stimuli/features-epo.fif")
    sound = _fif("ecog_timit_stimuli/envelope-epo.fif")[0][:, 0]
    if len(marks) != len(sound) or len(sound) != N_SENTENCES or first_s != -LEAD_S or set(names) != {*CLASSES, "other"}:
        raise BadInput("features-epo.fif and envelope-epo.fif: wanted 29 sentences from -1.5 s and eight classes")
    steps = overlaps(epochs)
    first, n_samples = np.full(SHAPE[0], np.nan), sound.shape[1]
    for sentence in range(N_SENTENCES):
        rows = np.flatnonzero(epochs.sentences == sentence)
        first[rows] = onsets(epochs.phonemes[rows], steps[rows], marks[sentence], names)
    high_gamma = np.full((N_SENTENCES, n_samples, SHAPE[1]), np.nan, np.float32)
    lead = int(LEAD_S * SFREQ_HZ)
    for row in np.flatnonzero(np.isfinite(first)):
        at = int(first[row]) - lead
        high_gamma[epochs.sentences[row], at : at + SHAPE[2]] = epochs.responses[row].T
    time_s = np.arange(n_samples) / SFREQ_HZ - LEAD_S
    return SpeechRecording(high_gamma, time_s, first / SFREQ_HZ - LEAD_S, np.maximum(sound, 0), epochs)


def overlaps(epochs: PhonemeResponses) -> np.ndarray:
    """Samples from the start of each epoch to the next one, where the two share samples; 0 where they do not."""
    data, length = epochs.responses, SHAPE[2]
    steps = np.zeros(len(data), int)
    for row in np.flatnonzero(np.diff(epochs.sentences) == 0):
        shared = (k for k in range(1, length) if np.array_equal(data[row, :, k:], data[row + 1, :, : length - k]))
        steps[row] = next(shared, 0)
    return steps


def onsets(phonemes: np.ndarray, steps: np.ndarray, marks: np.ndarray, names: list[str]) -> np.ndarray:
    """First sample of each phoneme of one sentence; NaN where several of one class follow without a shared sample.

    ``marks`` (classes, samples): 1 while a phoneme of the class sounds. ``steps``: as from ``overlaps``.
    """
    of = {phoneme: name for name, listed in CLASSES.items() for phoneme in listed.split()}
    heard = [names.index(of.get(phoneme, "other")) for phoneme in phonemes[1:-1]]
    turns = np.flatnonzero(np.diff(heard, prepend=-1))  # where a run of one class begins
    begins = sorted((at, c) for c, mark in enumerate(marks) for at in np.flatnonzero(np.diff(mark, prepend=0) > 0))
    if [c for _, c in begins] != [heard[turn] for turn in turns]:
        raise BadInput("features-epo.fif: the classes of a sentence do not follow its phonemes")
    found = np.full(len(phonemes), np.nan)
    found[0], found[-1] = LEAD_S * SFREQ_HZ, np.flatnonzero(marks.any(0))[-1]
    found[1 + turns] = [at for at, _ in begins]
    for row in range(1, len(found)):  # forwards from the start of a run, then backwards from its end
        if np.isnan(found[row]) and steps[row - 1]:
            found[row] = found[row - 1] + steps[row - 1]
    for row in range(len(found) - 2, 0, -1):
        if np.isnan(found[row]) and steps[row]:
            found[row] = found[row + 1] - steps[row]
    return found


def _fif(name: str) -> tuple[np.ndarray, list[str], float]:
    try:
        import mne
    except ImportError:
        raise ImportError("reading FIF needs mne: pip install 'neuroconverge[ieeg]'") from None
    epochs = mne.read_epochs(fetch(name), verbose="error")
    if epochs.info["sfreq"] != SFREQ_HZ:
        raise BadInput(f"{name}: {epochs.info['sfreq']:g} Hz; wanted {SFREQ_HZ:g}")
    return epochs.get_data(), epochs.ch_names, float(epochs.times[0])


@cache
def word_eeg(which: str) -> pd.DataFrame:
    """Scalp EEG averaged over people and over all times a word was heard or read: words x electrodes, float32.

    ``which``: ``naturalspeech`` (an audio book, 1,629 x 130: Broderick 2018), ``n400`` (the last words of sentences,
    140 x 130: Broderick 2018) or ``ucl`` (sentences read, 711 x 34: Frank 2015); all from Hollenstein 2019. One value
    an electrode: the source gives neither its time window nor the time of the word. Every word TYPE has one row, in
    the order of its first appearance; each column was scaled to 0..1, so its unit is lost. Raises DataUnavailable, or
    BadInput when a file is not as published.
    """
    return read_word_table(fetch(f"cognival_eeg/{one_of(which, 'which', tuple(EEG))}_scaled.txt"), *EEG[which])
