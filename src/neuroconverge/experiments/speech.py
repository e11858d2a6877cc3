"""Encoding of speech in one patient's high gamma: what remains of phonemes once sound against silence is known."""

from __future__ import annotations

from functools import cache

import numpy as np
import pandas as pd

from .. import encoding, splits
from ..datasets.speech import LEAD_S, SFREQ_HZ, PhonemeResponses, phoneme_responses, speech_recording
from ..errors import BadInput
from . import experiment, here
from .electrode_scores import interval, out_of_fold, over_electrodes, resampled, within_folds

RECORDING = ("ecog_timit_phonemes", "ecog_timit_stimuli")
ALPHAS = tuple(float(alpha) for alpha in np.logspace(0, 6, 10))
CLIP_Z = 5.0
BIN = 4  # samples: 20 ms
LAGS_S = np.arange(0, 0.42, BIN / SFREQ_HZ)
FROM_S = -0.5  # half a second of silence is kept, so that sound and silence can be told apart
FOLDS = 6
N_NULL, N_MOVES = 49, 500
SOUND = ("sound on or off", "envelope")
PHONETIC = ("phonetic features",)
SOUND_AND_FEATURES = (*SOUND, *PHONETIC)
BOTH = "sound and phonetic features"

# Standard articulatory features of the TIMIT labels: manner, place, voicing; height, backness and rounding of vowels.
# A diphthong has the features of both of its ends; an affricate is a stop and a fricative.
VOWELS = "iy ih eh ey ae aa aw ay ah ao oy ow uh uw ux er ax ix axr el en"
FEATURES = {
    "vowel": VOWELS,
    "high": "iy ih uh uw ux ix y w ey ay oy aw ow",
    "low": "ae aa ao ay aw",
    "front": "iy ih eh ey ae y ay oy",
    "back": "aa ao oy ow uh uw w aw",
    "round": "ao oy ow uh uw ux w aw",
    "rhotic": "r er axr",
    "stop": "b d g p t k dx q jh ch",
    "closure": "bcl dcl gcl pcl tcl kcl",
    "fricative": "s sh z zh f th v dh hh hv jh ch",
    "nasal": "m n ng nx en",
    "approximant": "l r w y el er axr",
    "voiced": f"b d g dx jh z zh v dh hv m n ng nx l r w y bcl dcl gcl {VOWELS}",
    "labial": "b p m f v w bcl pcl",
    "coronal": "d t dx n nx en s z th dh l el r sh zh jh ch dcl tcl",
    "dorsal": "g k ng y gcl kcl",
}
NO_FEATURES = {"h#", "pau", "epi"}  # silence


def phonetic_features(phonemes) -> pd.DataFrame:
    """Articulatory features of TIMIT labels (phonemes x features) of 0 and 1; silence has none. Raises BadInput."""
    sets = {name: set(listed.split()) for name, listed in FEATURES.items()}
    unknown = set(phonemes) - set().union(*sets.values()) - NO_FEATURES
    if unknown:
        raise BadInput(f"phonemes: no features are known for {', '.join(sorted(unknown))}")
    table = {name: [float(phoneme in members) for phoneme in phonemes] for name, members in sets.items()}
    return pd.DataFrame(table, index=pd.Index(phonemes, name="phoneme"))


class Bins:
    """The recording in bins of 20 ms: high gamma clipped at 5 z and what was heard, on the time axis of the sound.

    ``high_gamma`` (sentences, bins, electrodes), NaN where no epoch was cut; ``spaces``: name -> (sentences, bins,
    features); ``time_s`` (bins,).
    """

    def __init__(self):
        recording = speech_recording()
        held = np.clip(recording.high_gamma, -CLIP_Z, CLIP_Z)
        self.high_gamma = binned(held).mean(2)  # NaN unless every sample of the bin is held
        self.time_s = recording.time_s[::BIN]
        epochs = recording.epochs
        start = filled(recording.start_s, epochs)
        features = phonetic_features(epochs.phonemes).to_numpy()
        labels = np.unique(epochs.phonemes[epochs.phonemes != "h#"])
        heard = (epochs.phonemes[:, None] == labels).astype(float)
        heard = self._series(np.c_[heard.any(1), features, heard], start, epochs, recording.time_s)
        n = features.shape[1]
        slots = np.floor((self.time_s - FROM_S) / 0.1)[:, None] == np.arange(40)
        self.spaces = {
            "time since onset": np.broadcast_to(slots.astype(float), (len(heard), *slots.shape)),
            "sound on or off": lagged(heard[:, :, :1]),
            "envelope": lagged(binned(np.sqrt(recording.envelope)).mean(2)[:, :, None]),
            "phonetic features": lagged(heard[:, :, 1 : n + 1], every=3),
            "phoneme identity": lagged(heard[:, :, n + 1 :], every=4),
        }

    @staticmethod
    def _series(values, start, epochs: PhonemeResponses, time_s) -> np.ndarray:
        """Values of the phoneme that sounds in each sample (nothing before and after the sentence), by bin."""
        out = np.zeros((epochs.sentences[-1] + 1, len(time_s), values.shape[1]))
        for sentence in range(len(out)):
            rows = np.flatnonzero(epochs.sentences == sentence)[1:]
            at = np.searchsorted(start[rows], time_s + 1e-9, side="right") - 1
            sounds = (at >= 0) & (at < len(rows) - 1)
            out[sentence, sounds] = values[rows[at[sounds]]]
        return binned(out).mean(2)

    def rows(self, since_s: float = FROM_S) -> np.ndarray:
        """Which bins of which sentences are held, from ``since_s`` (sentences, bins)."""
        return np.isfinite(self.high_gamma).all(2) & (self.time_s >= since_s)


def binned(values: np.ndarray) -> np.ndarray:
    """(sentences, samples, ...) -> (sentences, bins, samples of a bin, ...)."""
    return values.reshape(len(values), -1, BIN, *values.shape[2:])


def lagged(values: np.ndarray, every: int = 1) -> np.ndarray:
    """Features (sentences, bins, f) beside themselves 0 to 0.4 s earlier, ``every`` so many bins."""
    moved = []
    for lag in range(0, len(LAGS_S), every):
        part = np.zeros_like(values)
        part[:, lag:] = values[:, : values.shape[1] - lag]
        moved.append(part)
    return np.concatenate(moved, 2)


def filled(start_s: np.ndarray, epochs: PhonemeResponses) -> np.ndarray:
    """Onsets with the few unknown ones set evenly between their neighbours."""
    order, known = np.arange(len(start_s)), np.isfinite(start_s)
    return np.interp(order, order[known], start_s[known])


@cache
def bins() -> Bins:
    return Bins()


def held_out(features: np.ndarray, responses: np.ndarray, sentences: np.ndarray) -> np.ndarray:
    """Held-out predictions (rows, electrodes) less their fold's mean; penalties are chosen on training sentences."""

    def model(train: np.ndarray) -> encoding.RidgeCV:
        return encoding.RidgeCV(ALPHAS, splits.grouped(sentences[train], FOLDS - 1))

    return by_fold(out_of_fold(features, responses, splits.grouped(sentences, FOLDS), model), sentences)


def by_fold(values: np.ndarray, sentences: np.ndarray) -> np.ndarray:
    """``within_folds`` of the sentences' folds."""
    return within_folds(values, splits.grouped(sentences, FOLDS))


def summary(predicted, responses, sentences, null) -> dict:
    """``over_electrodes``, the interval over sentences, with the name of the best one and how much was scored."""
    row = over_electrodes(predicted, responses, sentences, null, list(phoneme_responses().electrodes.index))
    return row | {"n_rows": len(responses), "n_sentences": len(np.unique(sentences))}


@cache
def re_aligned() -> tuple[dict[str, np.ndarray], np.ndarray, np.ndarray]:
    """Predictions by model, responses and sentences of the bins that are held."""
    kept = bins().rows()
    names = {name: (name,) for name in bins().spaces} | {"sound": SOUND, BOTH: SOUND_AND_FEATURES}
    sentences = np.nonzero(kept)[0]
    responses = by_fold(bins().high_gamma[kept].astype(float), sentences)
    made = {name: held_out(re_joined(parts, kept), responses, sentences) for name, parts in names.items()}
    return made, responses, sentences


def re_joined(names: tuple[str, ...], kept: np.ndarray) -> np.ndarray:
    return np.hstack([bins().spaces[name][kept] for name in names])


def scored(name: str) -> tuple[np.ndarray, np.ndarray]:
    """Scores of a re-aligned model (electrodes,), and the same in draws of sentences (n, electrodes)."""
    predictions, responses, sentences = re_aligned()
    each = encoding.correlation_score(responses, predictions[name])
    return each, resampled(predictions[name], responses, sentences)


def p_of_sound() -> np.ndarray:
    """Is sound heard in an electrode? Against responses moved in time, corrected by the largest electrode."""
    predictions, responses, _ = re_aligned()
    null = encoding.null_of_predictions(responses, predictions["sound"], N_MOVES)
    return encoding.significance(encoding.correlation_score(responses, predictions["sound"]), null)


def as_published() -> dict[str, tuple[np.ndarray, np.ndarray]]:
    """Features and rows of models that take the labels of the epochs at their word."""
    epochs = phoneme_responses()
    labels, sentences = epochs.phonemes, epochs.sentences
    identity = (labels[:, None] == np.unique(labels)).astype(float)
    before = np.where((np.diff(sentences, prepend=-1) == 0)[:, None], np.roll(identity, 1, axis=0), 0)
    place = np.concatenate([np.arange(n) for n in np.bincount(sentences)]).astype(float)
    every, spoken = np.arange(len(labels)), np.flatnonzero(labels != "h#")
    return {
        "phoneme identity, all epochs": (identity, every),
        "first epoch of a sentence or not": ((place == 0)[:, None].astype(float), every),
        "phoneme identity, without h#": (identity, spoken),
        "previous phoneme, without h#": (before, spoken),
        "position in the sentence, without h#": (np.c_[np.log1p(place), place, place**2], spoken),
    }


@experiment(needs=RECORDING, claims=("F1d",))
def phoneme_models() -> pd.DataFrame:
    """Every model of the high gamma: epochs as published, then put back where they were recorded.

    As published, the null permutes the rows within sentences and fits again; re-aligned, it moves the responses
    against the predictions in time. ``n_found``: electrodes above the largest null score of any electrode (p <= .05).
    """
    predictions, responses, sentences = re_aligned()  # first, since it needs most files
    epochs = phoneme_responses()
    window = np.clip(epochs.responses, -CLIP_Z, CLIP_Z).mean(2).astype(float)
    tables = []
    for name, (features, rows) in as_published().items():
        x, groups = features[rows], epochs.sentences[rows]
        y = by_fold(window[rows], groups)
        orders = within_sentences(groups, N_NULL)
        null = [encoding.correlation_score(y, held_out(x[order], y, groups)) for order in orders]
        tables.append({"labels": "as published", "model": name} | summary(held_out(x, y, groups), y, groups, null))
    for name, predicted in predictions.items():
        null = encoding.null_of_predictions(responses, predicted, N_MOVES)
        tables.append({"labels": "re-aligned", "model": name} | summary(predicted, responses, sentences, null))
    return pd.DataFrame(tables)


def within_sentences(sentences: np.ndarray, n: int, seed: int = 0) -> list[np.ndarray]:
    """Orders of the rows that keep every row in its sentence."""
    rng = np.random.default_rng(seed)
    return [np.lexsort((rng.random(len(sentences)), sentences)) for _ in range(n)]


@experiment(needs=RECORDING, claims=("F1d",))
def phoneme_alignment() -> pd.DataFrame:
    """How well sound against silence predicts the high gamma if epochs were recorded so long before their labels."""
    found = bins()
    kept = found.rows(0.1 - LEAD_S)  # the first 0.1 s of each trial is the edge of the filter
    sentences = np.nonzero(kept)[0]
    responses = by_fold(found.high_gamma[kept].astype(float), sentences)
    tables = []
    for shift in range(-50, 76, 5):  # bins
        sound = np.roll(found.spaces["sound on or off"], shift, axis=1)[kept]
        each = encoding.correlation_score(responses, held_out(sound, responses, sentences))
        row = {"lead_s": round(LEAD_S + shift * BIN / SFREQ_HZ, 3), "score": np.nanmean(each)}
        tables.append(row | {"best": np.nanmax(each), "n_rows": len(responses)})
    return pd.DataFrame(tables)


@experiment(needs=RECORDING, claims=("F1d",))
def phoneme_encoding() -> pd.DataFrame:
    """Each electrode: its response to sound, what phonetic features add, and what phoneme labels could add at best.

    ``sound``: score of sound on or off and envelope, ``low`` and ``high`` over sentences; ``p_sound`` against moved
    responses. ``gain``: score of sound and phonetic features together, less ``sound``, ``gain_low`` over sentences;
    ``p_gain`` against the phonetic features of other sentences at the same time, for electrodes found by ``p_sound``
    only. Both p are corrected by the largest electrode.
    ``unique``: variance (r2) that only phonetic features explain. ``ceiling``: see ``phoneme_ceiling``.
    """
    _, responses, sentences = re_aligned()
    (sound, drawn), (both, both_drawn) = scored("sound"), scored(BOTH)
    spaces = {name: re_joined(parts, bins().rows()) for name, parts in (("sound", SOUND), ("phonetic", PHONETIC))}
    model, pairs = encoding.RidgeCV(ALPHAS), splits.grouped(sentences, FOLDS)
    unique = encoding.variance_partition(spaces, responses, pairs, model)["phonetic"].to_numpy()
    p_sound, p_gain = p_of_sound(), np.full(len(sound), np.nan)
    found = p_sound <= 0.05
    p_gain[found] = encoding.significance((both - sound)[found], gains_of_others(sound)[:, found])
    low, high = interval(drawn)
    table = phoneme_responses().electrodes.reset_index().assign(sound=sound, low=low, high=high, p_sound=p_sound)
    for column, name in (("time_since_onset", "time since onset"), ("phonetic", "phonetic features")):
        table[column] = scored(name)[0]
    table = table.assign(gain=both - sound, gain_low=interval(both_drawn - drawn)[0], p_gain=p_gain)
    table = table.assign(unique=unique, ceiling=phoneme_ceiling())
    return table.assign(n_rows=len(responses), n_sentences=len(np.unique(sentences)))


@experiment(needs=RECORDING, claims=("F1d",))
def phoneme_rivals() -> pd.DataFrame:
    """Does sound predict the high gamma better than the time since onset alone? Mean difference over electrodes.

    The interval draws sentences, the same for both. ``n_ahead``: electrodes whose own interval lies above 0. Over all
    electrodes, and over those that ``phoneme_encoding`` finds: these were chosen by sound, which favours sound.
    """
    (sound, drawn), (rival, rival_drawn) = scored("sound"), scored("time since onset")
    rows = []
    for name, some in (("all", np.full(len(sound), True)), ("found by sound", p_of_sound() <= 0.05)):
        less = (drawn - rival_drawn)[:, some]
        low, high = interval(less.mean(1))
        row = {"first": "sound", "second": "time since onset", "electrodes": name}
        row |= {"difference": (sound - rival)[some].mean(), "low": low, "high": high}
        rows.append(row | {"n_ahead": int((interval(less)[0] > 0).sum()), "n_electrodes": some.sum()})
    return pd.DataFrame(rows).assign(n_sentences=len(np.unique(re_aligned()[2])))


def gains_of_others(sound: np.ndarray, seed: int = 0) -> np.ndarray:
    """Gains (n, electrodes) from the phonetic features of another sentence at the same time from its onset."""
    _, responses, sentences = re_aligned()
    kept, rng = bins().rows(), np.random.default_rng(seed)
    own, phonetic = re_joined(SOUND, kept), bins().spaces["phonetic features"]
    gains = []
    for _ in range(N_NULL):
        step = rng.permutation(len(phonetic))
        others = np.empty(len(step), int)
        others[step] = np.roll(step, 1)  # nobody keeps its own
        both = np.hstack([own, phonetic[others][kept]])
        gains.append(encoding.correlation_score(responses, held_out(both, responses, sentences)) - sound)
    return np.array(gains)


def phoneme_ceiling(at_least: int = 8, n_draws: int = 50, seed: int = 0) -> np.ndarray:
    """Score that the label of a phoneme could reach at best (electrodes,), from how alike its repeats are.

    The square root of the share of variance, 80 to 180 ms after onset, that lies between phonemes heard ``at_least``
    so often; the mean over draws of that many repeats of each. Includes what a phoneme owes to its usual place.
    """
    found, recording = bins(), speech_recording()
    epochs, rng = recording.epochs, np.random.default_rng(seed)
    offsets = np.arange(round(0.08 / 0.02), round(0.18 / 0.02))
    known = np.flatnonzero(np.isfinite(recording.start_s) & (epochs.phonemes != "h#") & (recording.start_s >= 0))
    at = np.searchsorted(found.time_s, recording.start_s[known])[:, None] + offsets
    after = found.high_gamma[epochs.sentences[known][:, None], at]
    held = np.isfinite(after).any((1, 2))
    values, labels = np.nanmean(after[held], axis=1), epochs.phonemes[known][held]
    places = [np.flatnonzero(labels == name) for name in np.unique(labels)]
    shares = []
    for _ in range(n_draws):
        repeats = [values[rng.permutation(place)[:at_least]] for place in places if len(place) >= at_least]
        shares.append(encoding.explainable_variance(np.stack(repeats, axis=1)))
    return np.sqrt(np.maximum(np.mean(shares, axis=0), 0))


@experiment(needs=RECORDING, claims=("F1d",))
def phoneme_power_SIMULATED() -> pd.DataFrame:
    """SIMULATED electrodes on the sentences and gaps of the real recording: which tuning to phonemes would be seen?

    32 electrodes each: a response to sound (20 % of the variance), random tuning to phonetic features 120 ms later
    (``share`` of the variance) and noise with the autocorrelation .8 from bin to bin. ``n_found``: electrodes whose
    gain from phonetic features stays above 0 in 97.5 % of the draws of sentences.
    """
    found, rng = bins(), np.random.default_rng(0)
    kept = found.rows()
    sentences, n = np.nonzero(kept)[0], len(phoneme_responses().electrodes)
    sound, both = (re_joined(names, kept) for names in (("sound on or off", "envelope"), SOUND_AND_FEATURES))
    lag = slice(2 * len(FEATURES), 3 * len(FEATURES))  # the third lag of the phonetic features: 120 ms
    tuned = found.spaces["phonetic features"][:, :, lag][kept]
    heard = found.spaces["sound on or off"][:, :, 6:7][kept]
    tables = []
    for share in (0.0, 0.05, 0.1, 0.2, 0.4):
        noise = rng.standard_normal((*kept.shape, n))
        for bin_ in range(1, kept.shape[1]):
            noise[:, bin_] = 0.8 * noise[:, bin_ - 1] + 0.6 * noise[:, bin_]
        parts = (heard @ np.ones((1, n)), tuned @ rng.standard_normal((tuned.shape[1], n)), noise[kept])
        weights = np.sqrt((0.2, share, 0.8 - share))
        made = sum(w * (part - part.mean(0)) / part.std(0) for w, part in zip(weights, parts, strict=True))
        responses = by_fold(made, sentences)
        less, more = (held_out(space, responses, sentences) for space in (sound, both))
        score = encoding.correlation_score(responses, less)
        gain = encoding.correlation_score(responses, more) - score
        low, _ = interval(resampled(more, responses, sentences) - resampled(less, responses, sentences))
        row = {"sound": score.mean(), "gain": gain.mean(), "n_found": int((low > 0).sum()), "n_electrodes": n}
        tables.append({"data": "SIMULATED", "share": share} | row)
    return pd.DataFrame(tables)


def recording_here():
    """The recording, or None (and a line that says so) where it cannot be had."""
    return here(speech_recording, "sentences and responses", "the recorded tables stand in")


def response_courses(recording, found: list[str]) -> dict[str, np.ndarray]:
    """Mean clipped high gamma (sentences, samples) of the electrodes in ``found``, and of all others."""
    held, names = np.clip(recording.high_gamma, -CLIP_Z, CLIP_Z), recording.epochs.electrodes.index
    chosen = names.isin(found)
    return {
        f"{part.sum()} electrodes, {name}": held[:, :, part].mean(2)
        for name, part in (("found", chosen), ("others", ~chosen))
    }
