"""Decoding: planted effects found, nulls left alone, chance below .5 shown, and closed forms equal to brute force."""

import warnings
from itertools import combinations

import numpy as np
import pandas as pd
import pytest
import torch
from rsatoolbox.rdm import RDMs
from scipy.spatial.distance import squareform
from sklearn.linear_model import Ridge
from sklearn.preprocessing import StandardScaler

from neuroconverge import BadInput, decoding, decoding_rdms, rsa, splits
from neuroconverge.decoding_stats import crossed_table
from neuroconverge.resampling import Draws, group_codes, item_counts


def rng(seed=0):
    return np.random.default_rng(seed)


def planted(n=60, voxels=80, dims=6, signal=1.0, seed=0):
    """SIMULATED voxels that carry an embedding linearly, under noise of unit variance."""
    made = rng(seed)
    Y = made.standard_normal((n, dims))
    X = signal * Y @ made.standard_normal((dims, voxels)) / np.sqrt(dims) + made.standard_normal((n, voxels))
    return X, Y


def rdms(n, k=1, shared=None, noise=1.0, seed=0, items=True, key="subject"):
    """SIMULATED RDMs of items with features ``shared``, measured anew with noise for each of k people."""
    made = rng(seed)
    shared = made.standard_normal((n, 8)) if shared is None else shared
    vectors = [rsa.rdm(shared + noise * made.standard_normal(shared.shape)).get_vectors()[0] for _ in range(k)]
    names = {"item": [f"item {i}" for i in range(n)]} if items else None
    return RDMs(np.array(vectors), rdm_descriptors={key: [f"{key} {i}" for i in range(k)]}, pattern_descriptors=names)


def brute(brain, model, sample=None):
    """Leave two out by really leaving them out; ``sample``: items of a bootstrap sample, copies never meet."""
    sample = np.arange(len(brain)) if sample is None else sample
    won, count = 0.0, 0
    for i, j in combinations(sample, 2):
        if i == j:
            continue
        others = [k for k in sample if k not in (i, j)]
        agree = np.zeros((2, 2))
        for a, b in np.ndindex(2, 2):
            left, right = brain[(i, j)[a], others], model[(i, j)[b], others]
            flat = np.ptp(left) < 1e-12 or np.ptp(right) < 1e-12
            agree[a, b] = 0.0 if flat else np.corrcoef(left, right)[0, 1]
        margin = np.trace(agree) - agree[0, 1] - agree[1, 0]
        won += 0.5 if abs(margin) < 1e-9 else margin > 0
        count += 1
    return won / count


# --- RDMs: the closed form ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("seed", range(4))
def test_similarity_decoding_equals_leaving_two_out(seed):
    shared = rng(seed).standard_normal((14, 8))
    brain, model = rdms(14, 1, shared, 2.0, seed), rdms(14, 1, shared, 2.0, seed + 100, key="model")
    expected = brute(brain.get_matrices()[0], model.get_matrices()[0])
    assert decoding.similarity_decoding(brain, model) == pytest.approx(expected, abs=1e-12)
    assert 0.4 < expected < 1


def test_ties_and_flat_profiles_equal_brute_force():
    kinds = np.array([0, 0, 0, 0, 1, 1, 1, 2, 2, 3])  # the last is alone: its profile is flat
    model = (kinds[:, None] != kinds).astype(float)
    brain = squareform(rng().random(45))
    expected = brute(brain, model)
    assert decoding.similarity_decoding(brain, model) == pytest.approx(expected, abs=1e-12)
    same = decoding.similarity_decoding(brain, model, within=list(kinds[:-1]) + [0])
    assert same != expected
    inside = decoding.subject_scores(brain, model, within=["a"] * 4 + ["b"] * 3 + ["c"] * 3)
    assert np.isfinite(inside).all()
    alike = decoding.similarity_decoding(brain, model, within=["x"] * 4 + list("abcdef"))
    assert alike == 0.5, "rows of one kind are the same, so every pair inside is a tie"


@pytest.mark.parametrize("seed", range(3))
def test_weights_equal_copies_that_never_meet(seed):
    shared = rng(seed).standard_normal((12, 8))
    brain, model = (rdms(12, 1, shared, 2.0, seed + s).get_matrices()[0] for s in (0, 50))
    counts = item_counts(2, 12, rng(seed), 5)[0]
    assert counts.max() > 1
    kept = np.flatnonzero(counts)
    at, weight = np.ix_(kept, kept), counts[kept].astype(float)
    allowed = decoding_rdms.tested_pairs(np.zeros(len(kept), int))
    ours = decoding_rdms._shares(model[None][:, *at], brain[None][:, *at], weight, allowed).item()
    assert ours == pytest.approx(brute(brain, model, np.repeat(np.arange(12), counts)), abs=1e-12)


def test_profile_scores_leave_out_both_items():
    n, item = 10, np.array([0, 0, 3, 9, 5])
    brain, profiles = rdms(n).get_matrices()[0], rng(1).random((5, n))
    ours = decoding.profile_scores(brain, profiles, item)
    for i, c in np.ndindex(*ours.shape):
        others = [k for k in range(n) if k not in (i, item[c])]
        assert ours[i, c] == pytest.approx(np.corrcoef(brain[i, others], profiles[c, others])[0, 1], abs=1e-12)


def test_items_are_joined_by_name():
    shared = rng().standard_normal((12, 8))
    brain, model = rdms(12, 3, shared), rdms(12, 2, shared, seed=5, key="model")
    order = [f"item {i}" for i in rng(3).permutation(12)]
    kinds = {f"item {i}": i % 3 for i in range(12)}
    before = decoding.subject_scores(brain, model, kinds)
    assert np.allclose(before, decoding.subject_scores(rsa.select(brain, order), model, kinds), atol=1e-12)
    assert before.shape == (2, 3)


def test_planted_similarity_is_found_and_the_null_rejects_at_its_level():
    shared = rng(1).standard_normal((30, 8))
    found = decoding.similarity_decoding(rdms(30, 1, shared, 0.5), rdms(30, 1, shared, 0.5, seed=9))
    assert found > 0.85
    rejected, means = [], []
    for seed in range(200):
        brain, model = rdms(20, seed=seed), rdms(20, seed=seed + 1000)
        null = decoding.similarity_null(brain, model, 59, seed=seed)[:, 0, 0]
        rejected.append(decoding.p_value(decoding.similarity_decoding(brain, model), null) <= 0.05)
        means.append(null.mean())
    assert 0.01 <= np.mean(rejected) <= 0.09
    assert np.mean(means) == pytest.approx(0.5, abs=0.02)


def test_shuffling_inside_groups_asks_for_more_than_the_groups():
    kinds = np.repeat(np.arange(4), 8)
    brain, model = (rdms(32, 1, 3 * np.eye(4)[kinds] @ rng(7).standard_normal((4, 8)), 1.0, s) for s in (1, 2))
    score = decoding.similarity_decoding(brain, model)
    anywhere = decoding.similarity_null(brain, model, 99, seed=0)[:, 0, 0]
    inside = decoding.similarity_null(brain, model, 99, shuffle=list(kinds), seed=0)[:, 0, 0]
    assert score > 0.75 and decoding.p_value(score, anywhere) == 0.01
    assert decoding.p_value(score, inside) > 0.05 and inside.mean() > 0.7
    within = decoding.similarity_decoding(brain, model, within=list(kinds))
    assert within == pytest.approx(0.5, abs=0.12), "nothing was planted inside the groups"


@pytest.mark.parametrize("group", [False, True], ids=["single people", "mean RDM"])
def test_bootstrap_is_centred_on_the_score_and_covers_it(group):
    shared = rng(2).standard_normal((25, 8))
    brain, model = rdms(25, 6, shared, 1.5, 3), rdms(25, 2, shared, 1.0, 4, key="model")
    table = decoding.similarity_bootstrap(model, brain, group=group, n_boot=60)
    mean = RDMs(brain.get_vectors().mean(0)[None], pattern_descriptors=dict(brain.pattern_descriptors))
    expected = decoding.subject_scores(mean if group else brain, model).mean(1)
    assert np.allclose(table["score"], expected, atol=1e-12)
    assert (table["low"] < table["score"]).all() and (table["score"] < table["high"]).all()
    assert list(table["n_pairs"]) == [300, 300] and list(table["n_subjects"]) == [6, 6]
    again = decoding.similarity_bootstrap(model, brain, group=group, n_boot=60)
    assert table.equals(again)


def test_intervals_stay_inside_zero_and_one():
    spread = 0.05 * rng().standard_normal((3, 50, 3))
    table = crossed_table({"model": list("abc")}, Draws(np.array([0.98, 0.5, 1.0]), *spread, 10, 20), 190)
    assert (table["low"] >= 0).all() and (table["high"] <= 1).all()
    assert (table["low"] <= table["score"]).all() and (table["score"] <= table["high"]).all()
    half = (table.loc[1, "high"] - table.loc[1, "low"]) / 2
    assert half == pytest.approx(2.262 * table.loc[1, "se"], rel=0.05), "far from the ends, the usual t interval"


def test_differences_share_their_draws():
    shared = rng(2).standard_normal((20, 8))
    brain, model = rdms(20, 6, shared, 1.5, 3), rdms(20, 3, shared, 1.0, 4, key="model")
    table = decoding.similarity_differences(model, brain, [("model 0", "model 1"), ("model 2", "model 2")], n_boot=60)
    each = decoding.similarity_bootstrap(model, brain, n_boot=60)
    assert table["difference"].to_list() == pytest.approx([each["score"][0] - each["score"][1], 0])
    assert table.loc[0, "se"] < np.hypot(each["se"][0], each["se"][1]) and table.loc[1, "se"] == 0
    assert table.loc[0, "low"] < table.loc[0, "difference"] < table.loc[0, "high"] and 0 < table.loc[0, "p"] <= 1


def test_planted_difference_is_found_and_its_sign_kept():
    shared = rng(5).standard_normal((30, 8))
    brain = rdms(30, 8, shared, 1.0, 6)
    near, far = (rdms(30, 1, shared, noise, 7).get_vectors()[0] for noise in (0.5, 3.0))
    both = RDMs(
        np.array([near, far]),
        rdm_descriptors={"model": ["near", "far"]},
        pattern_descriptors=dict(brain.pattern_descriptors),
    )
    table = decoding.similarity_differences(both, brain, [("near", "far"), ("far", "near")], group=True, n_boot=60)
    assert table.loc[0, "low"] > 0 and table.loc[1, "high"] < 0 and table["p"].max() < 0.05


def test_interval_covers_the_score_of_new_people_and_new_items():
    # The truth is the mean score over many studies with other people and other items.
    made = [study(seed) for seed in range(60)]
    truth = np.mean([table["score"].item() for table in made])
    covered = np.mean([table["low"].item() <= truth <= table["high"].item() for table in made])
    assert 0.88 <= covered <= 1.0


def study(seed):
    shared = rng(seed).standard_normal((20, 8))
    brain = rdms(20, 8, shared, 2.0, seed + 500)
    return decoding.similarity_bootstrap(rdms(20, 1, shared, 1.0, seed + 900, key="model"), brain, n_boot=60)


# --- voxels -------------------------------------------------------------------------------------------------------


def test_fit_equals_scikit_learn_with_one_penalty():
    X, Y = planted(40)
    pairs = splits.contiguous(40, 5)
    expected = np.empty_like(Y)
    for train, test in pairs:
        scaler = StandardScaler().fit(X[train])
        model = Ridge(100.0).fit(scaler.transform(X[train]), Y[train])
        expected[test] = model.predict(scaler.transform(X[test]))
    for cv in (5, pairs):
        assert np.allclose(decoding.fit(X, Y, cv, alphas=(100.0,), mean="training"), expected, atol=1e-8)


def test_planted_embedding_is_found():
    X, Y = planted()
    predicted = decoding.fit(X, Y)
    assert decoding.pairwise_accuracy(predicted, Y) > 0.95
    assert decoding.rank_accuracy(predicted, Y).mean() > 0.9
    assert decoding.pairwise_accuracy(decoding.nearest_training_item(X, Y), Y) > 0.6
    null = decoding.shuffled_pairing_null(X, Y, 19)
    assert decoding.p_value(decoding.pairwise_accuracy(predicted, Y), null) == 0.05


def test_mean_of_the_training_items_puts_chance_below_half_and_the_null_knows():
    X, _ = planted(60, 40, signal=0)
    fresh = [rng(seed).standard_normal((60, 50)) for seed in range(40)]
    chance = {}
    for mean in ("training", "all"):
        predicted = np.split(decoding.fit(X, np.hstack(fresh), mean=mean), 40, axis=1)
        chance[mean] = np.mean([decoding.pairwise_accuracy(*pair) for pair in zip(predicted, fresh, strict=True)])
    assert chance["training"] < 0.48, "the mean of the training items leans away from the items left out"
    assert chance["all"] == pytest.approx(0.5, abs=0.02)
    predicted = decoding.fit(X, fresh[0], mean="training")
    whole = decoding.shuffled_pairing_null(X, fresh[0], 40, mean="training")
    naive = [decoding.pairwise_accuracy(predicted, fresh[0][order]) for order in decoding.pairings(60, 40)]
    assert whole.mean() == pytest.approx(chance["training"], abs=0.015)
    assert np.mean(naive) > whole.mean() + 0.02, "shuffling finished predictions hides the bias"


def test_mean_of_all_items_says_nothing_of_one_item():
    # With penalties so large that nothing but the mean is predicted, every item is predicted alike.
    X, Y = planted(30, 20, 4)
    flat = decoding.fit(X, Y, alphas=(1e30,))
    assert np.allclose(flat, Y.mean(0)) and decoding.pairwise_accuracy(flat, Y) == pytest.approx(0.5, abs=0.2)
    usual = decoding.fit(X, Y, alphas=(1e30,), mean="training")
    assert decoding.pairwise_accuracy(usual, Y) < 0.3


def test_tables_are_joined_on_their_index():
    X, Y = planted(30, 20, 4)
    names = [f"word {i}" for i in range(30)]
    X, Y = pd.DataFrame(X, names), pd.DataFrame(Y, names)
    expected = decoding.fit(X, Y)
    assert np.array_equal(decoding.fit(X, Y.sample(frac=1, random_state=0)), expected)
    assert np.array_equal(decoding.fit(X.to_numpy(), Y.to_numpy()), expected)
    assert np.array_equal(decoding.fit(X.to_numpy().tolist(), Y), expected)  # a list has a method called index
    null, other = (decoding.shuffled_pairing_null(X, rows, 3) for rows in (Y, Y.sample(frac=1, random_state=0)))
    assert np.array_equal(null, other) and np.array_equal(null, decoding.shuffled_pairing_null(X.to_numpy(), Y, 3))


def test_null_of_the_pipeline_rejects_at_its_level():
    rejected = []
    for seed in range(120):
        X, Y = planted(24, 30, 3, signal=0, seed=seed)
        null = decoding.shuffled_pairing_null(X, Y, 39, seed=seed, cv=3, inner=3)
        rejected.append(decoding.p_value(decoding.pairwise_accuracy(decoding.fit(X, Y, 3, inner=3), Y), null) <= 0.05)
    assert 0.005 <= np.mean(rejected) <= 0.1


def test_stacked_null_equals_one_fit_at_a_time(monkeypatch):
    X, Y = planted(30, 20, 4, signal=0.3)
    orders = decoding.pairings(30, 5, within=[0, 1] * 15, seed=3)
    expected = [decoding.pairwise_accuracy(decoding.fit(X, Y[order]), Y[order]) for order in orders]
    assert np.allclose(decoding.shuffled_pairing_null(X, Y, orders=orders), expected, atol=1e-9)
    monkeypatch.setattr(decoding, "TARGETS", 8)  # two shufflings at a time, and a rest
    again = decoding.shuffled_pairing_null(X, Y, 5, within=[0, 1] * 15, seed=3)
    assert np.allclose(again, expected, atol=1e-9)


# --- scores of predictions ------------------------------------------------------------------------------------------


def similar(kind, a, b):
    if kind == "euclidean":
        return -((a - b) ** 2).sum()
    if kind == "correlation":
        return np.corrcoef(a, b)[0, 1]
    return a @ b / np.linalg.norm(a) / np.linalg.norm(b)


@pytest.mark.parametrize("kind", decoding.SIMILARITIES)
@pytest.mark.parametrize("within", [None, [0, 0, 0, 0, 1, 1, 1, 2]], ids=["all", "within"])
def test_accuracies_equal_their_definition(kind, within):
    target = rng().standard_normal((8, 5))
    predicted = target + 1.5 * rng(1).standard_normal((8, 5))
    predicted[2] = predicted[1]  # a tie
    target[2] = target[1]
    codes = group_codes(within, 8)
    won, rank = [], np.full(8, np.nan)
    for i, j in combinations(range(8), 2):
        if codes[i] == codes[j]:
            true = similar(kind, predicted[i], target[i]) + similar(kind, predicted[j], target[j])
            swapped = similar(kind, predicted[i], target[j]) + similar(kind, predicted[j], target[i])
            won.append(0.5 if np.isclose(true, swapped, atol=1e-9) else float(true > swapped))
    for i in range(8):
        rivals = [j for j in range(8) if j != i and codes[i] == codes[j]]
        gaps = [similar(kind, predicted[i], target[i]) - similar(kind, predicted[i], target[j]) for j in rivals]
        if rivals:
            rank[i] = np.mean([0.5 if abs(gap) < 1e-9 else float(gap > 0) for gap in gaps])
    assert decoding.pairwise_accuracy(predicted, target, within, kind) == pytest.approx(np.mean(won), abs=1e-12)
    assert np.allclose(decoding.rank_accuracy(predicted, target, within, kind), rank, equal_nan=True)


def test_perfect_reversed_and_empty_predictions():
    target = rng().standard_normal((9, 4))
    assert decoding.pairwise_accuracy(target, target) == 1
    assert decoding.pairwise_accuracy(-target, target) == 0
    assert decoding.pairwise_accuracy(np.zeros_like(target), target) == 0.5
    assert np.all(decoding.rank_accuracy(np.zeros_like(target), target) == 0.5)
    assert decoding.pairwise_accuracy(torch.tensor(target, dtype=torch.float32), target) == 1


@pytest.mark.parametrize("block", [7, 50, 1000])
def test_retrieve_equals_a_full_sort(monkeypatch, tmp_path, block):
    monkeypatch.setattr(decoding, "BLOCK", block)
    np.save(tmp_path / "dictionary.npy", rng().standard_normal((200, 6)).astype(np.float32))
    dictionary = np.load(tmp_path / "dictionary.npy", mmap_mode="r")
    queries = rng(1).standard_normal((5, 6))
    cosines = np.array([[similar("cosine", q, d.astype(float)) for d in dictionary] for q in queries])
    rows, scores = decoding.retrieve(queries, dictionary, 12)
    assert np.array_equal(rows, np.argsort(-cosines, axis=1)[:, :12])
    assert np.allclose(scores, np.take_along_axis(cosines, rows, 1), atol=1e-5)


def test_pairings_stay_inside_groups():
    within = ["a"] * 5 + ["b"] * 7
    orders = decoding.pairings(12, 30, within)
    assert np.array_equal(np.sort(orders, axis=1), np.tile(np.arange(12), (30, 1)))
    assert (orders[:, :5] < 5).all() and len(np.unique(orders, axis=0)) == 30


def test_accuracy_table_crosses_people_and_items():
    people = [planted(30, 40, 4, signal=0.25, seed=s) for s in range(6)]
    won = np.array([decoding.wins(decoding.fit(X, Y), Y) for X, Y in people])
    table = decoding.accuracy_table({"a": won, "none": np.full_like(won, 0.5)}, n_boot=400)
    pairs = np.triu_indices(30, 1)
    assert table["score"].to_list() == pytest.approx([won[:, pairs[0], pairs[1]].mean(), 0.5])
    assert table.loc[0, "low"] < table.loc[0, "score"] < table.loc[0, "high"] and table.loc[1, "se"] < 1e-12
    only_people = won[:, pairs[0], pairs[1]].mean(1).std(ddof=1) / np.sqrt(6)
    assert table.loc[0, "se"] >= 0.9 * only_people, "items can only add to the spread over people"
    null = {"a": np.full((19, 6), 0.45), "none": np.full((19, 6), 0.6)}
    assert decoding.accuracy_table({"a": won, "none": 0 * won + 0.5}, null=null, n_boot=50)["p"].to_list() == [
        0.05,
        1.0,
    ]


def test_samples_without_a_tested_pair_have_no_score():
    """One pair of twelve items is tested: about six in ten samples lack one of the two."""
    won = np.full((5, 12, 12), 0.5)
    won[:3, 0, 1] = won[:3, 1, 0] = 1
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        table = decoding.accuracy_table({"a": won}, within=[0, 0, *range(1, 11)], n_boot=300)
    assert table["score"].item() == pytest.approx(0.8) and table["n_pairs"].item() == 1
    assert 0 < table["low"].item() < 0.8 < table["high"].item() < 1


# --- bad input --------------------------------------------------------------------------------------------------------


def nan_at(array, *where):
    array = np.array(array, float)
    array[where] = np.nan
    return array


X, Y = planted(12, 6, 3)
R = rdms(8)
CASES = {
    "rows": (lambda: decoding.fit(X, Y[:-1]), "12 and 11 rows"),
    "nan": (lambda: decoding.fit(nan_at(X, 3, 2), Y), r"X: 1 values are NaN.*\[3, 2\]"),
    "folds": (lambda: decoding.fit(X, Y, [(np.arange(6), np.arange(6, 11))]), "row 0 is tested 0 times"),
    "baseline": (lambda: decoding.nearest_training_item(X[:3], Y), "3 and 12 rows"),
    "shapes": (lambda: decoding.pairwise_accuracy(Y, Y[:, :2]), "wanted the same"),
    "one item": (lambda: decoding.pairwise_accuracy(Y[:1], Y[:1]), "2 items or more"),
    "alone": (lambda: decoding.pairwise_accuracy(Y, Y, within=range(12)), "no group holds two items"),
    "labels": (lambda: decoding.rank_accuracy(Y, Y, within=[1, 2]), "within: 2 labels"),
    "similarity": (lambda: decoding.wins(Y, Y, "dot"), "similarity: got 'dot'"),
    "mean": (lambda: decoding.fit(X, Y, mean="none"), "mean: got 'none'"),
    "index": (lambda: decoding.fit(pd.DataFrame(X), pd.DataFrame(Y).add_prefix("d").iloc[:-1]), "rows do not match"),
    "k": (lambda: decoding.retrieve(Y, Y, 13), "k: got 13; wanted 1 to 12"),
    "dims": (lambda: decoding.retrieve(Y, Y[:, :2], 1), r"dictionary: shape \(12, 2\); wanted \(entries, 3\)"),
    "dictionary nan": (lambda: decoding.retrieve(Y, nan_at(Y, 1, 1), 1), r"dictionary\[0:\]: 1 values are NaN"),
    "n_perm": (lambda: decoding.pairings(5, 0), "n_perm: got 0"),
    "none moves": (lambda: decoding.pairings(5, 9, range(5)), "within: no group holds two items, so none can change"),
    "shuffle": (lambda: decoding.similarity_null(R, R, 9, shuffle={"item 0": 1}), "shuffle: no group for item 1"),
    "several": (lambda: decoding.similarity_decoding(rdms(8, 2), R), "2 and 1 RDMs"),
    "items": (lambda: decoding.similarity_decoding(R, rdms(9)), "items differ"),
    "few": (lambda: decoding.similarity_decoding(rdms(4), rdms(4)), "4 items; wanted at least 5"),
    "constant": (lambda: decoding.similarity_decoding(np.ones(28), R.get_vectors()), "constant"),
    "mapping": (lambda: decoding.similarity_decoding(R, R, within={"item 0": 1}), "no group for item 1"),
    "one person": (lambda: decoding.similarity_bootstrap(R, R, n_boot=5), "one person only"),
    "pairs": (lambda: decoding.similarity_differences(R, R, [("a", "b")]), "pairs: no model a, b; there are model 0"),
    "candidates": (lambda: decoding.profile_scores(R, np.ones((2, 7)), [0, 1]), "profiles, item"),
    "n_boot": (lambda: item_counts(1, 9, rng(), 3), "n_boot, items: 1 samples"),
}


@pytest.mark.parametrize("case", CASES)
def test_bad_input_says_what_and_where(case):
    call, message = CASES[case]
    with pytest.raises(BadInput, match=message):
        call()


def test_constant_voxels_and_dimensions_are_harmless():
    voxels, target = planted(30, 20, 4)
    voxels, wanted = np.c_[voxels, np.full(30, 7.0)], np.c_[target, np.full(30, 2.0)]
    predicted = decoding.fit(voxels, wanted)
    assert np.allclose(predicted[:, :4], decoding.fit(voxels[:, :-1], target)) and np.allclose(predicted[:, 4], 2)


def test_table_of_one_person_is_refused():
    with pytest.raises(BadInput, match="one person"):
        crossed_table({"model": ["a"]}, Draws(np.ones(1), *np.ones((3, 4, 1)), 1, 10), 45)
