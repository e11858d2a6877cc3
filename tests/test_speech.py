"""Speech: epochs put back where they were recorded, features of phonemes, and a planted truth on the same layout."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from conftest import have

from neuroconverge import BadInput, experiments, splits
from neuroconverge.datasets import speech as data
from neuroconverge.experiments import eeg
from neuroconverge.experiments import speech as study

# The files ------------------------------------------------------------------------------------------------


def test_epochs_as_published():
    epochs = have(data.phoneme_responses)
    assert epochs.responses.shape == (982, 32, 15) and epochs.sfreq_hz == 200
    assert epochs.sentences.max() == 28 and (np.bincount(epochs.sentences) >= 20).all()
    assert (epochs.phonemes == "h#").sum() == 58
    assert 0.04 < epochs.beyond(5) < 0.05 and epochs.beyond(1000) > 0
    assert epochs.electrodes.index.tolist() == [f"ch_{i}" for i in range(32)]
    assert epochs.electrodes.loc["ch_11"].tolist() == [244, 196]


def test_the_response_follows_the_sound_and_not_the_label():
    pytest.importorskip("mne")
    recording = have(data.speech_recording)
    assert np.isfinite(recording.start_s).sum() == 969
    assert recording.high_gamma.shape == (29, 1500, 32) and recording.time_s[[0, 300]].tolist() == [-1.5, 0.0]
    held = np.clip(recording.high_gamma[:, :, 11], -5, 5)
    time = recording.time_s
    before, after = (np.nanmean(held[:, (time > a) & (time < b)]) for a, b in ((-0.6, 0.1), (0.2, 0.6)))
    assert abs(before) < 0.5 and after > 2
    edge = held[:, time < -1.45]
    assert np.nanmean(edge) > 2, "the first samples of a trial are the edge of the filter"


@pytest.mark.parametrize("which", data.EEG)
def test_word_eeg(which):
    table = have(data.word_eeg, which)
    assert table.shape == data.EEG[which] and table.index.is_unique
    assert table.to_numpy().min() == 0 and table.to_numpy().max() == 1


def test_unknown_eeg_is_named():
    with pytest.raises(BadInput, match="which: got 'zuco'; wanted one of naturalspeech, n400, ucl"):
        data.word_eeg("zuco")


# Putting epochs back --------------------------------------------------------------------------------------

SENTENCE = ["h#", "s", "iy", "tcl", "kcl", "ix", "m", "aa", "h#"]  # tcl, kcl, ix are all "other"
LENGTHS = [30, 20, 9, 8, 12, 10, 25, 18]


def made(lengths=LENGTHS):
    """A sentence of known onsets: its epochs, and the time course of its classes (SIMULATED)."""
    rng = np.random.default_rng(0)
    starts = 300 + np.r_[0, np.cumsum(lengths)]
    trial = rng.standard_normal((32, 700)).astype(np.float32)
    responses = np.stack([trial[:, at - 300 : at - 285] for at in starts])
    names = [*data.CLASSES, "other"]
    of = {phoneme: name for name, listed in data.CLASSES.items() for phoneme in listed.split()}
    marks = np.zeros((len(names), 1500))
    for phoneme, start, stop in zip(SENTENCE[1:-1], starts[1:-1], starts[2:], strict=True):
        marks[names.index(of.get(phoneme, "other")), start : stop + 1] = 1
    phonemes = np.array(SENTENCE)
    return data.PhonemeResponses(responses, phonemes, np.zeros(len(phonemes), int), None), starts, marks, names


def test_onsets_come_from_classes_and_from_shared_samples():
    epochs, starts, marks, names = made()
    steps = data.overlaps(epochs)
    assert steps.tolist() == [n if n < 15 else 0 for n in LENGTHS] + [0]
    np.testing.assert_array_equal(data.onsets(epochs.phonemes, steps, marks, names), starts)


def test_an_onset_that_nothing_gives_away_is_nan_and_the_others_stay():
    lengths = [30, 20, 9, 18, 20, 10, 25, 18]  # tcl and kcl too long to share samples
    epochs, starts, marks, names = made(lengths)
    found = data.onsets(epochs.phonemes, data.overlaps(epochs), marks, names)
    assert np.flatnonzero(np.isnan(found)).tolist() == [4]
    np.testing.assert_array_equal(np.delete(found, 4), np.delete(starts, 4))


def test_classes_of_another_sentence_are_refused():
    epochs, _, marks, names = made()
    with pytest.raises(BadInput, match="do not follow its phonemes"):
        data.onsets(epochs.phonemes, data.overlaps(epochs), marks[::-1], names)


@pytest.mark.parametrize(
    "phonemes, message",
    [
        (["h#", "s", "iy"], "open and close with h#"),
        (["h#", "s", "h#", "iy", "h#", "s", "h#"], "open and close with h#"),
        (["h#", "h#"], "open and close with h#"),
        (["h#", "s", "h#", "iy"], "1 phonemes follow the last h#"),
    ],
)
def test_sentences_must_open_and_close(phonemes, message):
    with pytest.raises(BadInput, match=message):
        data.sentence_numbers(phonemes)
    assert data.sentence_numbers(["h#", "s", "h#", "h#", "iy", "m", "h#"]).tolist() == [0, 0, 0, 1, 1, 1, 1]


# Phonetic features ----------------------------------------------------------------------------------------


def test_features_tell_phonemes_apart():
    table = study.phonetic_features(["p", "b", "m", "iy", "uw", "s", "z", "h#", "pcl"])
    assert table.loc["h#"].sum() == 0
    assert table.loc["b"].sub(table.loc["p"]).loc[lambda d: d != 0].index.tolist() == ["voiced"]
    assert table.loc["z"].sub(table.loc["s"]).loc[lambda d: d != 0].index.tolist() == ["voiced"]
    assert table.loc["m", ["nasal", "labial", "voiced"]].all() and table.loc["uw", ["high", "back", "round"]].all()
    with pytest.raises(BadInput, match="no features are known for xx"):
        study.phonetic_features(["p", "xx"])


def test_every_label_of_the_recording_has_features():
    labels = np.unique(have(data.phoneme_responses).phonemes)
    table = study.phonetic_features(labels)
    silent = set(table.index[table.sum(axis=1) == 0])
    assert silent == study.NO_FEATURES and table.drop(list(silent)).sum(axis=1).ge(1).all()


# The planted truth ----------------------------------------------------------------------------------------


@pytest.fixture
def planted(monkeypatch):
    """SIMULATED: electrodes 0-2 follow sound, 3-5 sound and vowels, 6-9 nothing; drifting noise, gaps as in reality."""
    rng = np.random.default_rng(1)
    phonemes, starts, high_gamma = [], [], np.full((24, 1500, 10), np.nan, np.float32)
    sounds = ["s", "iy", "m", "aa", "t", "l", "uw", "z", "k", "eh"]
    for sentence in range(24):
        spoken = list(rng.choice(sounds, 26))
        first = 320 + np.cumsum(np.r_[0, rng.integers(8, 25, 26)])
        phonemes += ["h#", *spoken, "h#"]
        starts += [0.0, *(first / 200 - 1.5)]
        course = np.zeros((1500, 2))
        for phoneme, a, b in zip(spoken, first[:-1], first[1:], strict=True):
            course[a:b] = 1, phoneme in ("iy", "aa", "uw", "eh")
        late = np.roll(course, 24, axis=0)  # 120 ms
        noise = rng.standard_normal((1500, 10))
        for row in range(1, 1500):
            noise[row] = 0.95 * noise[row - 1] + 0.3 * noise[row]
        made = (
            noise + late[:, :1] * np.r_[np.full(6, 2.0), np.zeros(4)] + late[:, 1:] * np.r_[0, 0, 0, [3.0] * 3, [0] * 4]
        )
        keep = rng.random(75).repeat(20) < 0.7
        high_gamma[sentence, keep] = made[keep]
    phonemes = np.array(phonemes)
    places = pd.DataFrame(
        {"x_px": range(10), "y_px": range(10)}, index=pd.Index([f"e{i}" for i in range(10)], name="electrode")
    )
    responses = np.zeros((len(phonemes), 10, 15), np.float32)
    epochs = data.PhonemeResponses(responses, phonemes, data.sentence_numbers(phonemes), places)
    envelope = np.abs(rng.standard_normal((24, 1500)))
    recording = data.SpeechRecording(high_gamma, np.arange(1500) / 200 - 1.5, np.array(starts), envelope, epochs)
    monkeypatch.setattr(study, "speech_recording", lambda: recording)
    monkeypatch.setattr(study, "phoneme_responses", lambda: epochs)
    monkeypatch.setattr(study, "N_NULL", 19)
    for cached in (study.bins, study.re_aligned):
        cached.cache_clear()
    yield recording
    for cached in (study.bins, study.re_aligned):
        cached.cache_clear()


def test_planted_sound_and_planted_vowels_are_recovered_and_the_rest_is_left_alone(planted):
    table = study.phoneme_encoding()
    assert (table["p_sound"][:6] <= 0.05).all() and (table["p_sound"][6:] > 0.05).all()
    assert (table["p_gain"][3:6] <= 0.05).all() and (table["p_gain"][:3] > 0.05).all()
    assert table["gain"][3:6].min() > 0.05 > table["gain"][:3].abs().max()
    assert table["unique"][3:6].min() > 0.05 > table["unique"][:3].max()
    assert table["ceiling"][3:6].min() > 0.2 > table["ceiling"][6:].median()
    assert (table["low"][:6] > 0).all() and (table["low"] < table["sound"]).all()
    assert (table["gain_low"][3:6] > 0).all() and (table["gain_low"] < table["gain"]).all()


def test_sound_is_set_against_the_clock_in_the_same_sentences(planted):
    """Planted: sound stops at random moments, so the time since onset knows most of it and never all."""
    table = study.phoneme_rivals().set_index("electrodes")
    found = table.loc["found by sound"]
    assert found["n_electrodes"] == 6 and table.loc["all", "n_electrodes"] == 10
    assert 0 < found["low"] < found["difference"] < found["high"] and found["n_ahead"] == 6
    own = study.scored("sound")[0] - study.scored("time since onset")[0]
    np.testing.assert_allclose(table["difference"], [own.mean(), own[:6].mean()])
    assert own[6:].max() < 0.01 < own[:6].min(), "where nothing is planted, sound is not ahead"


def test_the_lead_is_found_from_the_response_alone(planted):
    table = study.phoneme_alignment()
    assert abs(table.loc[table["score"].idxmax(), "lead_s"] - data.LEAD_S) <= 0.1


def test_lags_look_back_and_never_forward():
    values = np.zeros((1, 60, 1))
    values[0, 30] = 1
    moved = study.lagged(values)[0]
    assert moved.shape == (60, 21) and moved[:30].sum() == 0
    assert [int(np.flatnonzero(column)[0]) for column in moved.T] == list(range(30, 51))


def test_folds_never_divide_a_sentence_and_shifts_between_folds_do_not_count():
    sentences = np.repeat(np.arange(12), 20)
    offset = np.zeros((240, 1))
    for number, (_, rows) in enumerate(splits.grouped(sentences, study.FOLDS)):
        assert len(np.intersect1d(np.unique(sentences[rows]), np.unique(np.delete(sentences, rows)))) == 0
        offset[rows] = number
    np.testing.assert_allclose(study.by_fold(offset, sentences), 0)
    orders = study.within_sentences(sentences, 5)
    assert all((sentences[order] == sentences).all() for order in orders) and (orders[0] != orders[1]).any()


# EEG ------------------------------------------------------------------------------------------------------


def test_neighbours_win_on_shuffled_folds_only_when_rows_drift():
    rng = np.random.default_rng(0)
    drift = rng.standard_normal((400, 5))
    for row in range(1, 400):
        drift[row] += 0.9 * drift[row - 1]
    white, at = rng.standard_normal((400, 5)), np.arange(400)
    folds = {"shuffled": splits.shuffled(400, 5, 0), "contiguous": splits.contiguous(400, 5, eeg.GAP)}
    score = {}
    for kind, pairs in folds.items():
        for name, values in (("drift", drift), ("white", white)):
            predicted = eeg.within_folds(eeg.neighbours(values, at, pairs), pairs)
            score[kind, name] = eeg.summary(predicted, eeg.within_folds(values, pairs))["score"]
    assert score["shuffled", "drift"] > 0.6
    assert max(abs(score[k]) for k in score if k != ("shuffled", "drift")) < 0.2


def test_planted_words_are_found_and_interval_holds_the_score():
    rng = np.random.default_rng(2)
    features = rng.standard_normal((600, 10))
    responses = features @ rng.standard_normal((10, 6)) / 3 + rng.standard_normal((600, 6))
    responses[:, 5] = rng.standard_normal(600)
    pairs = splits.contiguous(600, 5, eeg.GAP)
    predicted = eeg.within_folds(eeg.held_out(features, responses, pairs, eeg.GAP), pairs)
    row = eeg.summary(predicted, eeg.within_folds(responses, pairs))
    assert row["n_found"] == 5 and row["low"] < row["score"] < row["high"] and row["score"] > 0.4


# What the chapter says in words, against the recorded numbers ----------------------------------------------


def test_what_the_chapter_says_of_the_recordings():
    models = experiments.recorded("phoneme_models")[0].set_index(["labels", "model"])
    naive = models.loc[("as published", "phoneme identity, all epochs")]
    assert (
        naive["n_found"] > 25
        and naive["score"] < models.loc[("as published", "first epoch of a sentence or not"), "low"]
    )
    assert models.loc[("as published", "phoneme identity, without h#"), "high"] < 0
    both, sound = (models.loc[("re-aligned", name)] for name in ("sound and phonetic features", "sound"))
    assert both["score"] <= sound["score"] and sound["low"] > 0
    electrodes = experiments.recorded("phoneme_encoding")[0]
    here = electrodes[electrodes["p_sound"] <= 0.05]
    assert len(here) == 8 and here["p_gain"].min() > 0.05
    places = here[["x_px", "y_px"]].to_numpy(float)
    apart = np.linalg.norm(places[:, None] - places, axis=2) + 1e3 * np.eye(8)
    assert apart.min(1).max() < 40, "each has a neighbour on the grid that responds as well"
    assert (here["gain_low"] < 0).all()
    rivals = experiments.recorded("phoneme_rivals")[0].set_index("electrodes")
    assert rivals.loc["all", "low"] < 0 < rivals.loc["all", "high"] and rivals.loc["found by sound", "low"] > 0
    clock = models.loc[("re-aligned", "time since onset")]
    assert clock["n_found"] >= sound["n_found"] and clock["score"] > 0.9 * sound["score"]
    eeg_table = experiments.recorded("eeg_encoding")[0].set_index(["recording", "folds", "model"])["score"]
    trap = eeg_table[("ucl", "shuffled", "neighbours in the recording")]
    assert trap > 2 * eeg_table[("ucl", "shuffled", "MiniLM")] > 0.1
    assert abs(eeg_table[("ucl", "contiguous", "neighbours in the recording")]) < 0.03
