"""Encoding of electrodes: windows and folds by hand, the planted order recovered, the null left alone.

Bounds on rates are binomial quantiles: a test fails once in a thousand seeds if the rate is as claimed; seeds are
fixed. benchmarks/ieeg.py repeats the small studies by the hundred.
"""

from __future__ import annotations

from io import StringIO

import numpy as np
import pandas as pd
import pytest
from conftest import have
from scipy.stats import binom
from sklearn.decomposition import PCA
from typer.testing import CliRunner

from neuroconverge import BadInput, cli, datasets, ieeg, models, simulate
from neuroconverge.encoding import RidgeCV

LAGS = np.arange(0, 0.6, 0.1)
RATE = 32.0


def layered(rng, layers: int, words: int, width: int) -> np.ndarray:
    """Layers of which each resembles its neighbours (r = .8)."""
    made = [rng.standard_normal((words, width))]
    for _ in range(layers - 1):
        made.append(0.8 * made[-1] + 0.6 * rng.standard_normal((words, width)))
    return np.array(made)


def story(rng, n: int) -> pd.DataFrame:
    onsets = 3 + rng.gamma(2, 1 / 5.7, n).cumsum()
    return pd.DataFrame({"word": "w", "start_s": onsets})


def patient(rng, n: int) -> pd.DataFrame:
    places = pd.DataFrame(rng.uniform((-70, -80, -30), (-20, 40, 60), (n, 3)), columns=ieeg.AXES)
    return places.assign(name="E", good=True)


# Windows and folds ----------------------------------------------------------------------------------------


def test_responses_are_means_of_windows_around_onset_plus_lag():
    signal = np.random.default_rng(0).standard_normal((2, 100))
    found = ieeg.responses(signal, 10.0, [2.0, 5.0], [-0.5, 0.0, 1.0], window_s=0.4)
    assert found.shape == (2, 2, 3) and found.dtype == np.float32
    for word, onset in enumerate((20, 50)):
        for lag, shift in enumerate((-5, 0, 10)):
            wanted = signal[:, onset + shift - 2 : onset + shift + 2].mean(1)
            np.testing.assert_allclose(found[word, :, lag], wanted, rtol=1e-5)


def test_what_drifts_is_taken_out():
    rng, time = np.random.default_rng(0), np.arange(0, 200, 0.1)
    fast = rng.standard_normal((2, len(time)))
    onsets = rng.uniform(20, 180, 50)
    plain, slow = (ieeg.responses(s, 10.0, onsets, [0.0], 0.4, 10.0) for s in (fast, fast + 0.3 * time + 5))
    np.testing.assert_allclose(slow, plain, atol=0.05)
    centre = round((onsets[0] - 0.2) * 10) + 2
    wanted = fast[:, centre - 2 : centre + 2].mean(1) - fast[:, centre - 50 : centre + 50].mean(1)
    np.testing.assert_allclose(plain[0, :, 0], wanted, rtol=1e-4)


def test_words_at_the_edges_are_named_or_left_out():
    signal, onsets = np.zeros((1, 100)), np.array([0.2, 5.0, 9.8])
    with pytest.raises(BadInput, match="2 words have windows outside the recording of 10.0 s, the first is word 0"):
        ieeg.responses(signal, 10.0, onsets, [-0.5, 0.5], 0.2)
    allowed = ieeg.inside(onsets, [-0.5, 0.5], 0.2, 10.0)
    assert allowed.tolist() == [False, True, False]
    ieeg.responses(signal, 10.0, onsets[allowed], [-0.5, 0.5], 0.2)


@pytest.mark.parametrize("shuffle", [False, True])
def test_time_folds_keep_their_distance_in_seconds(shuffle):
    rng = np.random.default_rng(1)
    onsets = rng.gamma(1, 0.4, 300).cumsum()  # uneven: a number of words would not do
    onsets = rng.permutation(onsets) if shuffle else onsets
    pairs = ieeg.time_folds(onsets, 4, gap_s=4.0)
    assert sorted(np.concatenate([test for _, test in pairs])) == list(range(300))
    for train, test in pairs:
        assert np.abs(onsets[train][:, None] - onsets[test]).min() > 4.0
        span = onsets[test].min(), onsets[test].max()
        assert not ((onsets[train] > span[0]) & (onsets[train] < span[1])).any()
        left = np.setdiff1d(np.arange(300), np.r_[train, test])
        assert np.abs(onsets[left][:, None] - onsets[test]).min(1).max() <= 4.0


@pytest.mark.parametrize(
    "call, message",
    [
        (lambda: ieeg.time_folds(np.arange(10.0), 2, gap_s=-1), "gap_s: got -1"),
        (lambda: ieeg.time_folds(np.arange(10.0), 2, gap_s=20), "leave 0 training words"),
        (lambda: ieeg.responses(np.zeros(5), 10.0, [1.0], [0.0]), "wanted electrodes by samples"),
        (lambda: ieeg.responses(np.zeros((1, 50)), 10.0, [1.0], [0.0], 0.01), "at least one sample"),
        (lambda: ieeg.encode(np.eye(50)[None], np.zeros((49, 2, 2)), [(range(20), range(30, 50))]), "wanted "),
        (lambda: ieeg.encode(np.full((1, 50, 3), np.nan), np.zeros((50, 2, 2)), [([0, 1], [2])]), "layer 0 holds NaN"),
        (
            lambda: ieeg.encode([np.zeros((50, 3)), np.zeros((40, 3))], np.zeros((50, 2, 2)), []),
            "the same words in all",
        ),
        (lambda: ieeg.encode(np.eye(50)[None], iter(()), [(np.arange(20), np.arange(30, 50))]), "no electrodes"),
    ],
)
def test_input_that_cannot_be_used_is_named(call, message):
    with pytest.raises(BadInput, match=message):
        call()


# Encoding -------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def small():
    """SIMULATED: 700 words, 12 electrodes, 5 layers of different width."""
    rng = np.random.default_rng(2)
    words, table = story(rng, 700), patient(rng, 12)
    states = [layer[:, : 30 - number] for number, layer in enumerate(layered(rng, 5, 700, 30))]
    options = {"sfreq_hz": RATE, "length_s": words["start_s"].max() + 3}
    made = simulate.podcast_subject(table, words, states, snr=0.7, seed=1, **options)
    null = simulate.podcast_subject(table, words, states, seed=1, null=True, **options)
    answers, silent = (ieeg.responses(one.signal, RATE, words["start_s"], LAGS) for one in (made, null))
    return states, answers, silent, ieeg.time_folds(words, 3), made.truth


def test_encode_is_pca_and_ridge_fitted_on_training_words_alone(small):
    states, answers, _, pairs, _ = small
    found = ieeg.encode(states, answers, pairs, n_components=8)
    assert found.scores.shape == found.inner.shape == (3, 5, 12, len(LAGS))
    train, test = pairs[1]
    layer = states[2]
    layer = (layer - layer[train].mean(0)) / layer[train].std(0)
    space = PCA(8).fit(layer[train]).transform(layer)
    model = RidgeCV(ieeg.ALPHAS, cv=5, gap=20).fit(space[train], answers[train][:, 3])
    np.testing.assert_allclose(found.scores[1, 2, 3], model.score(space[test], answers[test][:, 3]), atol=1e-4)


def test_test_words_cannot_touch_what_is_chosen(small):
    states, answers, _, pairs, _ = small
    found = ieeg.encode(states, answers, pairs[:1], n_components=8)
    spoiled, test = answers.copy(), pairs[0][1]
    spoiled[test] = np.random.default_rng(3).standard_normal(spoiled[test].shape)
    other = [layer.copy() for layer in states]
    for layer in other:
        layer[test] *= 100
    again = ieeg.encode(other, spoiled, pairs[:1], n_components=8)
    np.testing.assert_allclose(again.inner, found.inner, atol=1e-6)


def test_electrodes_may_come_in_batches(small):
    states, answers, _, pairs, _ = small
    whole = ieeg.encode(states, answers, pairs, n_components=8)
    parts = ieeg.encode(states, (answers[:, start : start + 5] for start in (0, 5, 10)), pairs, n_components=8)
    np.testing.assert_allclose(parts.scores, whole.scores, atol=1e-5)
    np.testing.assert_allclose(parts.inner, whole.inner, atol=1e-5)


def test_an_electrode_that_is_flat_or_broken_has_no_peak_and_spoils_no_other(small):
    states, answers, _, pairs, _ = small
    broken = answers.copy()
    broken[:, 0], broken[5, 1] = 2.0, np.nan
    found = ieeg.encode(states, broken, pairs, n_components=8)
    table = ieeg.peaks(found, LAGS)
    assert table.loc[:1, "score"].isna().all() and not table.loc[:1, "predictive"].any()
    whole = ieeg.peaks(ieeg.encode(states, answers, pairs, n_components=8), LAGS)
    pd.testing.assert_frame_equal(table.iloc[2:], whole.iloc[2:], atol=1e-5)
    measured, predicted = ieeg.test_series(states, broken, pairs, found, n_components=8)
    p = ieeg.significant(measured, predicted, n=50)
    assert np.isnan(p[:2]).all() and np.isfinite(p[2:]).all()


# The truth you plant --------------------------------------------------------------------------------------


def test_planted_layer_and_lag_are_recovered(small):
    states, answers, _, pairs, truth = small
    found = ieeg.encode(states, answers, pairs)
    table = ieeg.peaks(found, LAGS, truth.index).join(truth.add_suffix("_true"))
    assert table["predictive"].all()
    for name in ("layer", "layer_mean", "naive_layer"):
        assert np.corrcoef(table[name], table["layer_true"])[0, 1] > 0.9, name
    assert np.corrcoef(table["lag_s"], table["lag_s_true"])[0, 1] > 0.9
    assert (table["lag_s"] - table["lag_s_true"]).abs().max() < 0.15
    assert (ieeg.significant(*ieeg.test_series(states, answers, pairs, found), n=200) < 0.05).all()
    row = ieeg.hierarchy(table.assign(subject="a", distance_mm=truth["distance_mm"]), "layer")
    assert row["r"] > 0.9 and row["p"] < 0.01 and row["p_within"] < 0.01 and row["n_electrodes"] == 12


def test_nothing_planted_scores_nothing_when_nested_and_something_when_naive(small):
    states, _, silent, pairs, truth = small
    found = ieeg.encode(states, silent, pairs)
    table = ieeg.peaks(found, LAGS, truth.index)
    assert abs(table["score"].mean()) < 0.06 and table["naive"].mean() > table["score"].mean() + 0.05
    assert table["predictive"].sum() <= 1
    assert (ieeg.significant(*ieeg.test_series(states, silent, pairs, found), n=200) < 0.05).sum() <= 1


def test_variance_that_confounds_share_is_not_called_the_models_own(small):
    states, answers, _, pairs, truth = small
    found = ieeg.encode(states, answers, pairs)
    rng = np.random.default_rng(4)
    apart = ieeg.unique_r2(states, answers, pairs, found, rng.standard_normal((700, 3)))
    shared = ieeg.unique_r2(states, answers, pairs, found, np.hstack(states))  # the confounds hold all of the model
    assert apart["model"].min() > 0.05 and apart["nuisance"].abs().max() < 0.03
    assert shared["model"].max() < apart["model"].min() and shared["model & nuisance"].mean() > 0.1
    parts = apart[["model", "nuisance", "model & nuisance"]].sum(axis=1)
    np.testing.assert_allclose(parts, apart["total"], atol=1e-6)


# Many small studies ---------------------------------------------------------------------------------------


def study(seed: int, order: str) -> pd.DataFrame:
    """SIMULATED: three patients of six electrodes; layers planted by distance, or dealt out at random."""
    rng = np.random.default_rng([seed, 7])
    words, tables = story(rng, 250), []
    states = layered(rng, 4, 250, 6)
    for subject in "abc":
        places = patient(rng, 6)
        layer = None if order == "planted" else rng.integers(0, 4, 6)
        options = {"sfreq_hz": RATE, "length_s": words["start_s"].max() + 3, "lag_of": np.full(6, 0.2)}
        made = simulate.podcast_subject(
            places, words, states, layer_of=layer, snr=1.0, seed=[seed, ord(subject)], **options
        )
        answers = ieeg.responses(made.signal, RATE, words["start_s"], [0.2])
        found = ieeg.encode(states, answers, ieeg.time_folds(words, 2), cv=2, alphas=(1.0, 100.0, 1e4))
        tables.append(ieeg.peaks(found, [0.2]).assign(distance_mm=made.truth["distance_mm"], subject=subject))
    return pd.concat(tables, ignore_index=True)


def test_order_that_is_planted_is_found_study_after_study():
    tables = [study(seed, "planted") for seed in range(8)]
    rows = pd.DataFrame([ieeg.hierarchy(table, n_perm=200) for table in tables])
    assert rows["r"].min() > 0.7 and (rows["p_within"] < 0.05).all()


@pytest.mark.slow
def test_order_that_is_not_planted_is_found_in_five_per_cent():
    n = 100
    p = np.array([ieeg.hierarchy(study(seed, "random"), n_perm=200, seed=seed)["p_within"] for seed in range(n)])
    low, high = binom.ppf([0.0005, 0.9995], n, 0.05)
    assert low <= (p < 0.05).sum() <= high and 0.4 < p.mean() < 0.6


def test_the_permutation_keeps_its_level_exactly_where_patients_differ():
    """Patients whose layers and distances differ as wholes: pooled r is large, inside the patients there is nothing."""
    rng, n, hits = np.random.default_rng(8), 150, 0
    for seed in range(n):
        shift = np.repeat(rng.standard_normal(4) * 3, 8)
        values = {"layer": shift + rng.standard_normal(32), "distance_mm": shift + rng.standard_normal(32)}
        table = pd.DataFrame(values | {"subject": np.repeat(list("abcd"), 8)})
        hits += ieeg.hierarchy(table, n_perm=200, seed=seed)["p_within"] < 0.05
    assert binom.ppf(0.0005, n, 0.05) <= hits <= binom.ppf(0.9995, n, 0.05)


@pytest.mark.slow
def test_the_command_runs_on_a_simulated_copy_of_the_archive(tmp_path):
    """As a user types it, with the real model: SIMULATED patient 08 of whom layer 15 is planted at 0.2 s."""
    pytest.importorskip("mne")
    electrodes, words = have(datasets.podcast_electrodes, "08").iloc[:12], have(datasets.podcast_words).iloc[:900]
    model, _ = have(models.load, "smollm2-135m"), have(models.load, "glove-50")
    states = models.word_states(model, list(words["word"]), layers=["layer15"])
    options = {"sfreq_hz": 64.0, "length_s": words["end_s"].max() + 5, "lag_of": np.full(12, 0.2), "snr": 1.5}
    made = simulate.podcast_subject(electrodes, words, states, tmp_path, layer_of=np.zeros(12), **options)
    typed = ["run", "ieeg_encoding", "--subject", "08", "--archive", str(tmp_path), "--lags", "21", "--folds", "3"]
    answer = CliRunner().invoke(cli.app, typed)
    assert answer.exit_code == 0, answer.exception
    table = pd.read_csv(StringIO(answer.stdout), dtype={"subject": str}, index_col="electrode")
    assert table.index.tolist() == made.truth.index.tolist() and (table["recording"] == "SIMULATED").all()
    assert (table["subject"] == "08").all() and table["distance_mm"].max() > 40
    assert (table["p"] < 0.05).mean() > 0.9 and table["lag_s"].sub(0.2).abs().median() < 0.05
    assert 0.35 < table["layer"].median() < 0.65  # of 31 states
    for rival in ("untrained", "static", "confounds"):
        assert table["score"].mean() > table[rival].mean() + 0.1, rival
    assert table["unique_r2"].mean() > 0.05 and table["naive"].mean() > table["score"].mean()


def test_hierarchy_joins_what_belongs_together_and_refuses_too_little():
    rng = np.random.default_rng(9)
    table = pd.DataFrame(
        {"layer": rng.random(30), "distance_mm": rng.random(30), "subject": np.repeat(list("abc"), 10)}
    )
    shuffled = table.sample(frac=1, random_state=0)
    columns = ["r", "low", "high", "p", "r_within"]
    one, other = (pd.to_numeric(ieeg.hierarchy(t)[columns]) for t in (table, shuffled))
    np.testing.assert_allclose(one, other, atol=1e-9)
    assert ieeg.hierarchy(table)["n_patients"] == 3
    with pytest.raises(BadInput, match="3 electrodes with layer and a distance"):
        ieeg.hierarchy(table.iloc[:3])


def test_arguments_that_do_not_exist_and_responses_of_other_words_are_refused(small):
    states, answers, _, pairs, _ = small
    found = ieeg.encode(states, answers, pairs, n_components=8)
    for call in (ieeg.test_series, lambda *rest, **typo: ieeg.unique_r2(*rest, np.ones((700, 1)), **typo)):
        with pytest.raises(TypeError, match="n_component"):
            call(states, answers, pairs, found, n_component=8)
        with pytest.raises(BadInput, match=r"responses: shape \(699, 12, 6\); wanted \(700, electrodes, lags\)"):
            call(states, answers[1:], pairs, found, n_components=8)


def test_peaks_need_lags_and_names_that_fit(small):
    states, answers, _, pairs, _ = small
    found = ieeg.encode(states, answers, pairs, n_components=8)
    with pytest.raises(BadInput, match="wanted 6 lags and 12 electrodes"):
        ieeg.peaks(found, LAGS[:-1])
