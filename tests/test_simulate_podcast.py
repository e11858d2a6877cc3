"""SIMULATED recordings carry what they say they carry: layer, lag, strength, noise."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from neuroconverge import BadInput, anatomy, ieeg, simulate, simulate_podcast

RATE, LENGTH = 64.0, 300.0


@pytest.fixture(scope="module")
def words() -> pd.DataFrame:
    onsets = 2 + np.random.default_rng(0).gamma(4, 0.1, 700).cumsum()
    return pd.DataFrame({"word": "w", "start_s": onsets, "end_s": onsets + 0.1})


@pytest.fixture(scope="module")
def electrodes() -> pd.DataFrame:
    """Ten in a row, from Heschl's gyrus forward."""
    x, y, z = anatomy.HESCHL_MM["L"]
    table = pd.DataFrame({"x_mm": x, "y_mm": y + 8.0 * np.arange(10), "z_mm": z}).assign(name="E", good=True)
    return table.set_axis([f"e{i}" for i in range(10)])


@pytest.fixture(scope="module")
def states(words) -> np.ndarray:
    return np.random.default_rng(1).standard_normal((4, len(words), 5))


def make(electrodes, words, states, **options):
    return simulate.podcast_subject(electrodes, words, states, sfreq_hz=RATE, length_s=LENGTH, **options)


def test_layer_and_lag_grow_with_distance_from_auditory_cortex(electrodes, words, states):
    truth = make(electrodes, words, states).truth
    np.testing.assert_allclose(truth["distance_mm"], 8.0 * np.arange(10))
    assert truth["layer"].tolist() == [0, 0, 1, 1, 1, 2, 2, 2, 3, 3]
    np.testing.assert_allclose(truth["lag_s"], np.linspace(0.05, 0.45, 10))


def test_right_electrodes_are_measured_from_the_right(electrodes):
    x, y, z = anatomy.HESCHL_MM["R"]
    mirrored = pd.DataFrame({"x_mm": [x, 10.0], "y_mm": [y, y], "z_mm": [z, z]})
    assert ieeg.auditory_distance(mirrored).tolist() == [0, x - 10]


def test_what_is_planted_stands_at_its_lag_and_layer_and_nowhere_else(electrodes, words, states):
    lags = np.full(10, 0.3)
    layers = np.tile([0.0, 3.0], 5)
    made = make(electrodes, words, states, layer_of=layers, lag_of=lags, snr=1.0)
    shifts = np.arange(-1, 1.01, 0.1)
    answers = ieeg.responses(made.signal, RATE, words["start_s"], shifts, 0.1)
    for layer, which in ((0, slice(0, None, 2)), (3, slice(1, None, 2))):
        design = np.column_stack([np.ones(len(words)), states[layer]])
        hat = design @ np.linalg.pinv(design)
        centred = answers[:, which] - answers[:, which].mean(0)
        explained = np.einsum("ijk,ijk->jk", centred, np.tensordot(hat, centred, 1)) / (centred**2).sum(0)
        assert (shifts[explained.argmax(1)].round(1) == 0.3).all() and explained.max(1).min() > 0.2
        other = np.column_stack([np.ones(len(words)), states[1]])
        not_there = np.tensordot(other @ np.linalg.pinv(other), centred, 1)
        assert (np.einsum("ijk,ijk->jk", centred, not_there) / (centred**2).sum(0)).max() < 0.06


def test_strength_is_as_asked_and_noise_falls_as_one_over_f(electrodes, words, states):
    strong, none = (make(electrodes, words, states, snr=snr, seed=3).signal[0] for snr in (2.0, 0.0))
    carried = strong - none
    assert carried.std() / none.std() == pytest.approx(2.0, rel=1e-3)
    assert none.mean() == pytest.approx(6e-6, rel=0.1) and none.std() == pytest.approx(1e-6, rel=0.1)
    power = np.abs(np.fft.rfft(simulate_podcast.pink(2**15, np.random.default_rng(0)))) ** 2
    bands = [power[low : 2 * low].mean() for low in (32, 512, 8192)]
    np.testing.assert_allclose(np.diff(np.log2(bands)), [-4, -4], atol=0.5)


def test_null_and_electrodes_without_a_truth_carry_nothing(electrodes, words, states):
    made = make(electrodes, words, states, null=True, seed=5)
    assert made.truth[["layer", "lag_s"]].isna().all(axis=None)
    nowhere = make(electrodes.assign(x_mm=np.nan), words, states, seed=5)
    np.testing.assert_array_equal(made.signal, nowhere.signal)
    weak = make(electrodes, words, states, snr=0.0, seed=5)
    np.testing.assert_array_equal(made.signal, weak.signal)


def test_seeds_decide(electrodes, words, states):
    one, same, other = (make(electrodes, words, states, seed=seed).signal for seed in (1, 1, 2))
    assert one.dtype == np.float32 and one.shape == (10, int(RATE * LENGTH))
    np.testing.assert_array_equal(one, same)
    assert abs(np.corrcoef(one[0], other[0])[0, 1]) < 0.5


def test_bad_electrodes_are_left_out(electrodes, words, states):
    made = make(electrodes.assign(good=[False] + [True] * 9), words, states)
    assert made.truth.index.tolist() == [f"e{i}" for i in range(1, 10)] and len(made.signal) == 9


@pytest.mark.parametrize(
    "options, message",
    [
        ({"layer_of": [1.0]}, r"layer_of: shape \(1,\); wanted one value for each of 10 electrodes"),
        ({"layer_of": np.full(10, 4.0)}, "whole numbers from 0 to 3"),
        ({"layer_of": np.full(10, 0.5)}, "whole numbers from 0 to 3"),
        ({"snr": -1.0}, "no negative snr"),
    ],
)
def test_a_truth_that_cannot_be_planted_is_refused(electrodes, words, states, options, message):
    with pytest.raises(BadInput, match=message):
        make(electrodes, words, states, **options)


def test_words_must_fit(electrodes, words, states):
    with pytest.raises(BadInput, match=r"wanted \(layers, 700 words, dimensions\)"):
        make(electrodes, words, states[:, :-1])
    with pytest.raises(BadInput, match="longer than the last onset"):
        simulate.podcast_subject(electrodes, words, states, sfreq_hz=RATE, length_s=20.0)
    with pytest.raises(BadInput, match="electrodes: lacks y_mm"):
        make(electrodes.drop(columns="y_mm"), words, states)
