"""Dimensions: planted ones are named, rotations lose the names, nulls have none; fits are kept and found again."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from conftest import have

from neuroconverge import BadInput, experiments, simulate_triplets, triplets
from neuroconverge.experiments import dimensions, dimensions_fits, dimensions_named

pytestmark = pytest.mark.usefixtures("one_thread")
N = 600


@pytest.fixture(scope="module")
def features() -> pd.DataFrame:
    marks = np.random.default_rng(0).random((N, 12)) < 0.15
    return pd.DataFrame(marks.astype(float), columns=[f"kind {k}" for k in range(12)])


@pytest.fixture(scope="module")
def planted(features) -> pd.DataFrame:
    """SIMULATED embedding: six dimensions, each a kind of object with noise on it, not negative."""
    noise = 0.5 * np.random.default_rng(1).random((N, 6))
    return pd.DataFrame(2 * features.iloc[:, :6].to_numpy() + noise, columns=[f"dim {k + 1}" for k in range(6)])


# What interpretability means here -------------------------------------------------------------------------


def test_planted_meanings_are_found_on_objects_that_did_not_choose_them(planted, features):
    found = dimensions_named.best_feature(planted, features)
    assert found["feature"].tolist() == [f"kind {k}" for k in range(6)]
    assert found["r"].min() > 0.95 and found.index.tolist() == list(planted.columns)
    back = dimensions_named.best_dimension(planted, features)
    assert back["dimension"].tolist()[:6] == list(planted.columns) and back.index.tolist() == list(features.columns)
    assert back["r"][:6].min() > 0.95 and abs(back["r"][6:].mean()) < 0.05


def test_a_dimension_of_the_other_sign_is_found_too(planted, features):
    assert dimensions_named.best_feature(-planted, features)["r"].min() > 0.95


def test_nothing_is_found_in_noise(features):
    noise = np.random.default_rng(3).random((N, 20))
    assert abs(dimensions_named.best_feature(noise, features)["r"].mean()) < 0.03
    assert abs(dimensions_named.all_dimensions(noise, features).mean()) < 0.05
    # Chosen and scored on the same objects, the best of twelve would look better than it is.
    naive = np.abs(np.corrcoef(noise.T, features.T)[:20, 20:]).max(1)
    assert naive.mean() > 0.05


def test_rotation_keeps_choices_and_loses_meanings(planted, features):
    turned = dimensions_named.rotated(planted, seed=0)
    assert np.allclose(turned @ turned.T, planted @ planted.T)
    known = features.iloc[:, :6]
    row = dimensions_named.interpreted(planted, known)
    assert row["r"] > 0.95 and row["low"] > row["rotated_95"] >= row["rotated"] > row["permuted_95"]
    again = dimensions_named.interpreted(turned, known)
    assert again["r"] < row["r"] - 0.2 and again["r"] < again["rotated_95"] + 0.05
    # What all dimensions know together is the same along any axes.
    assert again["all_dims"] == pytest.approx(row["all_dims"], abs=1e-6) and row["all_dims"] > 0.95


def test_one_large_dimension_fools_the_measure_that_counts_it_many_times(planted, features):
    large = planted.assign(**{"dim 1": 6 * planted["dim 1"]})
    row = dimensions_named.interpreted(large, features.iloc[:, :6])
    assert row["any_rotated"] > row["rotated"] + 0.15  # every random axis leans to the large one
    assert row["r"] > row["rotated_95"] + 0.2


def test_sparse_and_non_negative_is_not_enough_for_a_meaning(features):
    sparse = simulate_triplets.sparse_embedding(N, 8).set_axis(features.index)
    row = dimensions_named.interpreted(sparse, features)
    assert dimensions_named.hoyer(sparse) > 0.4 and abs(row["r"]) < 0.03
    assert row["r"] < row["permuted_95"] + 0.03


def test_sparsity_by_hand():
    one = pd.DataFrame({"a": [0.0, 0, 0, 5]})
    assert dimensions_named.hoyer(one) == pytest.approx(1) and dimensions_named.near_zero(one) == 0.75
    alike = pd.DataFrame({"a": [2.0, 2, 2, 2]})
    assert dimensions_named.hoyer(alike) == pytest.approx(0) and dimensions_named.near_zero(alike) == 0


def test_tables_join_on_objects(planted, features):
    shuffled = features.sample(frac=1, random_state=0)
    pd.testing.assert_frame_equal(
        dimensions_named.best_feature(planted, shuffled), dimensions_named.best_feature(planted, features)
    )
    with pytest.raises(BadInput, match="features: rows do not match"):
        dimensions_named.best_feature(planted, features.iloc[1:])
    with pytest.raises(BadInput, match="features: 1 values are NaN"):
        dimensions_named.best_feature(planted, features.mask(np.arange(N * 12).reshape(N, 12) == 30))
    with pytest.raises(BadInput, match="3 objects; wanted at least 4"):
        dimensions_named.best_feature(planted.iloc[:3], features.iloc[:3])


def test_shuffling_deals_whole_rows_to_other_objects(planted):
    found = dimensions_named.shuffled(planted, 0)
    assert found.index.equals(planted.index) and not found.equals(planted)
    assert sorted(map(tuple, found.to_numpy())) == sorted(map(tuple, planted.to_numpy()))


# Fits and what is counted in them -------------------------------------------------------------------------


@pytest.fixture(scope="module")
def truth() -> pd.DataFrame:
    return simulate_triplets.sparse_embedding(150, 6, seed=2)


def test_a_fit_is_made_once_and_is_that_of_fit_embedding(truth, tmp_path, monkeypatch):
    monkeypatch.setenv("NEUROCONVERGE_CACHE", str(tmp_path))
    made = simulate_triplets.triplet_choices(truth, 20_000, seed=3)
    first = dimensions_fits.fit(made, n_dims=15)
    plain = triplets.fit_embedding(made, n_dims=15)
    pd.testing.assert_frame_equal(first.weights, plain.weights)
    pd.testing.assert_frame_equal(first.path, plain.path, check_dtype=False)
    assert (first.chosen, first.log_likelihood) == (plain.chosen, plain.log_likelihood)
    assert [step.shape[1] for step in first.steps] == first.path["n_dims"].tolist()
    assert first.path["log_likelihood"][first.best] == first.path["log_likelihood"].max()
    monkeypatch.setattr(triplets, "fit_embedding", None)  # a second fit would now fail
    pd.testing.assert_frame_equal(dimensions_fits.fit(made, n_dims=15).weights, first.weights)
    with pytest.raises(TypeError):
        dimensions_fits.fit(made, seed=1, n_dims=15)
    with pytest.raises(TypeError):
        dimensions_fits.fit(made.subset(np.arange(19_999)), n_dims=15)


def test_more_choices_show_more_of_the_planted_dimensions(truth, tmp_path, monkeypatch):
    monkeypatch.setenv("NEUROCONVERGE_CACHE", str(tmp_path))
    found = [dimensions_fits.fit(simulate_triplets.triplet_choices(truth, n, seed=3), n_dims=15) for n in (600, 20_000)]
    recovered = [(triplets.match_dimensions(one.weights, truth)["r"] > 0.9).sum() for one in found]
    assert recovered[0] < 6 and recovered[1] == 6


def test_components_keep_angles_and_signs_are_both_offered():
    table = pd.DataFrame(np.random.default_rng(0).standard_normal((40, 5))).pipe(lambda t: t - t.mean())
    parts = dimensions.principal(table, 5)
    assert np.allclose(parts @ parts.T, table @ table.T)
    assert (np.diff(parts.var()) <= 0).all()
    matched = triplets.match_dimensions(-parts, dimensions.signed(parts))
    assert matched["matched"].tolist() == [f"- component {k + 1}" for k in range(5)] and np.allclose(matched["r"], 1)


def test_shared_dimensions_are_counted():
    match = pd.DataFrame({"reference": "a", "system": "b", "n_system": 3, "r": [0.9, 0.3, np.nan], "null_95": 0.2})
    row = dimensions.shared(match).iloc[0]
    assert (row["above_04"], row["above_null"], row["n_reference"], row["n_system"]) == (1, 2, 3, 3)


def test_models_choose_by_the_cosine_of_their_vectors_in_the_triplets_people_judged():
    test = have(dimensions_fits.choices, dimensions_fits.PEOPLE, "test")
    own = have(dimensions_fits.choices, "word2vec", "test")
    assert (own.keys == test.keys).all() and not (own.rows[:, 2] == test.rows[:, 2]).all()
    vectors = dimensions_fits.vectors("word2vec")
    assert triplets.accuracy(vectors, own, "cosine").accuracy == 1
    assert np.allclose(vectors.mean(), 0, atol=1e-6)


# What the chapter says in words, against the recorded numbers ---------------------------------------------


def table(name: str) -> pd.DataFrame:
    return experiments.recorded(name)[0]


def test_sixty_dimensions_overfit_and_the_published_curve_has_no_step_at_66():
    curve = table("dimension_curve").set_index(["source", "n_dims"])
    ours = table("dimension_curve").query("source == @dimensions.OURS").set_index("step")
    result = ours.loc["result"]
    assert 0.58 < result["low"] and result["n_dims"] < ours.loc[["best likelihood, chosen"], "n_dims"].iloc[0]
    assert result["log_likelihood"] >= ours["log_likelihood"].max()
    assert ours[ours["n_dims"] == 60]["high"].min() < result["low"]
    published = curve.loc["SPoSE-66, first dimensions", "accuracy"]
    assert published[8] == pytest.approx(result["accuracy"], abs=0.01)
    assert published[20] - 1 / 3 > 0.9 * (published[66] - 1 / 3) and published.is_monotonic_increasing
    untrained = curve.loc["MiniLM untrained, components"]
    assert (untrained["low"] < 1 / 3).all() and (untrained["high"] > 1 / 3).all()


def test_the_number_grows_with_choices_and_with_their_certainty_where_49_are_planted():
    planted = table("choices_planted_SIMULATED").set_index(["data", "per_object"])
    whole = planted.loc[(f"{dimensions.SPOSE_TRUTH}, all objects", 67)]
    people = table("choices_curve").iloc[-1]
    assert abs(whole["n_dims"] - people["n_dims"]) <= 3 and abs(whole["accuracy"] - people["accuracy"]) < 0.01
    noisy, sure = (planted.loc[name, "n_dims"] for name in (dimensions.SPOSE_TRUTH, dimensions.SURE_TRUTH))
    assert noisy.is_monotonic_increasing and noisy.max() < 49 and (sure[67:] > noisy[67:]).all()
    known = planted.loc[dimensions.PLANTED_TRUTH]
    assert (known.loc[67:, "n_dims"] == 20).all() and (known.loc[67:, "recovered"] == 20).all()
    guesses = planted.loc[dimensions.GUESSES]
    assert (guesses["n_dims"] == 0).all() and np.allclose(guesses["accuracy"], 1 / 3)


def test_models_have_more_dimensions_and_an_untrained_network_has_stable_ones_that_predict_nobody():
    fits = table("dimension_fits").set_index("system")
    trained = fits.drop(index=["people", "MiniLM untrained"])
    assert trained["n_dims"].min() > 2 * fits.loc["people", "n_dims"]
    assert (trained["again"] < trained["n_dims"] / 2).all()
    twin = fits.loc["MiniLM untrained"]
    assert twin["again"] == twin["n_dims"] and twin["own"] > 0.8 and twin["low"] < 1 / 3 < twin["high"]
    form = table("dimension_form").pivot_table("r", "system", "feature")
    assert (form.loc["MiniLM untrained", ["word pieces", "article an"]] > 0.9).all()
    assert form.drop(index="MiniLM untrained").max().max() < 0.3


def test_our_dimensions_are_shared_and_no_gap_between_people_and_models_is_found_in_how_few_suffice():
    shared = dimensions.shared(table("dimension_match").query("reference == 'SPoSE-49'")).set_index("system")
    assert shared.loc[dimensions.OURS, "above_04"] == shared.loc[dimensions.OURS, "n_system"]
    assert shared["null_95"].max() < 0.15 and shared.loc["MiniLM untrained", "above_04"] == 0
    assert 4 < shared.loc["word2vec", "above_04"] < shared.loc["word2vec", "n_system"] / 2 + 1
    assert shared.loc["word2vec, components", "above_04"] < shared.loc["word2vec", "above_04"] / 2
    needed = table("dimensions_needed").groupby("system")["needed"].first()
    people, trained = needed[["SPoSE-49", "SPoSE-66", "VICE"]], needed[["CLIP, photographs", "word2vec", "MiniLM"]]
    assert people.min() <= trained.min() and trained.max() <= people.max()


@pytest.mark.parametrize("features", ["categories", "GPT-4 features"])
def test_fitted_axes_mean_more_than_turned_ones_unless_nothing_was_learned(features):
    rows = table("interpretability").query("features == @features").set_index("system")
    learned = [name for name in rows.index if "components" not in name and "untrained" not in name]
    assert len(learned) == 7 and (rows.loc[learned, "r"] > rows.loc[learned, "rotated_95"]).all()
    twin = rows.loc["MiniLM untrained"]
    assert twin["r"] < 0.05 and twin["low"] < twin["rotated"] < twin["high"]
    for model in ("CLIP, photographs", "word2vec", "MiniLM"):
        fit, parts = rows.loc[model], rows.loc[f"{model}, components"]
        # The components know more in all, and each of them alone less.
        assert parts["all_dims"] > fit["all_dims"] and parts["r"] < fit["r"]
        assert parts["r"] - parts["rotated"] < (fit["r"] - fit["rotated"])
    # As sparse as those that mean something.
    assert twin["hoyer"] == pytest.approx(rows.loc[dimensions.OURS, "hoyer"], abs=0.02)
    assert twin["hoyer"] > twin["hoyer_rotated"] + 0.2
    assert rows.loc["SPoSE-49", "any_rotated"] > rows.loc["SPoSE-49", "any_r"]  # the measure that is fooled
