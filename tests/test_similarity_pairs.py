"""All pairs of layers: equal to plain definitions, falling with noise, at chance without a relation, calibrated."""

from __future__ import annotations

import time

import calibrated_similarity
import numpy as np
import pandas as pd
import pytest
import torch
from scipy.spatial import procrustes as scipy_procrustes
from scipy.spatial.distance import pdist
from scipy.stats import spearmanr

from neuroconverge import BadInput, similarity, similarity_neighbours, similarity_pairs, simulate
from neuroconverge.resampling import pairings
from neuroconverge.similarity import MEASURES, all_pairs, calibrate, jackknife, mutual_knn, n_curve, split_choice

RNG = np.random.default_rng


def noise(n, d, seed=0):
    return RNG(seed).standard_normal((n, d))


def planted(levels=(0.0, 0.5, 1.0, 2.0, 8.0), n=150, d=60):
    """One latent space seen through two random projections, the second with more and more noise."""
    latent, rng = noise(n, 8, 1), RNG(2)
    first = latent @ rng.standard_normal((8, d)) / np.sqrt(8)
    clean = latent @ rng.standard_normal((8, d)) / np.sqrt(8)
    return first, {level: clean + level * rng.standard_normal((n, d)) for level in levels}


def brute_knn(X, Y, k):
    """Lists of neighbours by sorting all cosines, one stimulus at a time."""

    def lists(x):
        unit = x / np.linalg.norm(x, axis=1, keepdims=True)
        near = unit @ unit.T
        np.fill_diagonal(near, -np.inf)
        return [set(np.argsort(-row)[:k]) for row in near]

    return np.mean([len(a & b) / k for a, b in zip(lists(X), lists(Y), strict=True)])


# Equal to the definitions ---------------------------------------------------------------------------------


@pytest.mark.parametrize("n, k", [(12, 1), (60, 5), (300, 10), (61, 58), (500, 1)])
def test_mutual_knn_is_its_definition(n, k, monkeypatch):
    layers = [noise(n, 7, seed) for seed in range(3)]
    layers[1] += 2 * layers[0]
    expected = [[brute_knn(x, y, k) for y in layers] for x in layers]
    np.testing.assert_allclose(all_pairs(layers, layers, "mutual_knn", k=k), expected, atol=1e-12)
    monkeypatch.setattr(similarity_neighbours, "BLOCK", 7 * n)  # seven rows at a time
    np.testing.assert_allclose(all_pairs(layers, layers, "mutual_knn", k=k), expected, atol=1e-12)


def test_rsa_and_procrustes_are_their_definitions():
    X, Y = noise(40, 6), noise(40, 90, 1)
    Y[:, :6] += 3 * X
    for distance in ("correlation", "euclidean", "cosine"):
        expected = spearmanr(pdist(X, distance), pdist(Y, distance)).statistic
        assert similarity.rsa(X, Y, distance) == pytest.approx(expected)
    # scipy's disparity is the squared distance that is left after the best rotation and scale.
    wide = np.pad(X, ((0, 0), (0, 84)))
    disparity = scipy_procrustes(wide, Y)[2]
    assert similarity.procrustes(X, Y) ** 2 == pytest.approx(1 - disparity)


def test_predictivity_is_cross_validated_and_has_a_direction():
    X = noise(200, 5)
    Y = X[:, :2] @ noise(2, 3, 1)
    assert similarity.predictivity(X, Y) > 0.99
    assert similarity.predictivity(Y, X) < 0.7, "three of five features cannot come back"
    assert abs(similarity.predictivity(noise(200, 50, 3), Y)) < 0.15


@pytest.mark.parametrize("gram_bytes", [1e9, 0])
@pytest.mark.parametrize("metric", MEASURES)
def test_permuted_scores_are_scores_of_permuted_stimuli(metric, gram_bytes, monkeypatch):
    monkeypatch.setattr(similarity_pairs, "GRAM_BYTES", gram_bytes)
    a, b = [noise(30, 4), noise(30, 50, 1)], [noise(30, 6, 2), noise(30, 40, 3), noise(30, 3, 4)]
    b[0][:, :4] += 2 * a[0]
    order = RNG(5).permutation(30)
    expected = all_pairs(a, [y[order] for y in b], metric)
    np.testing.assert_allclose(MEASURES[metric](a, b).scores(order), expected, atol=1e-8)
    assert expected.shape == (2, 3)
    if metric == "cka":
        np.testing.assert_allclose(expected, similarity.cka_matrix(a, [y[order] for y in b]), atol=1e-10)


# Planted, and nothing planted -----------------------------------------------------------------------------


@pytest.mark.parametrize("metric", MEASURES)
def test_a_planted_relation_fades_with_noise(metric):
    first, others = planted()
    found = all_pairs([first], others, metric).loc[0]
    assert list(found.index) == [0.0, 0.5, 1.0, 2.0, 8.0] and found.is_monotonic_decreasing
    assert found[0.0] > 0.6 and found[0.0] > 2 * found[8.0]
    assert calibrate([first], [others[0.5]], metric, n_perm=39).p == pytest.approx(1 / 40)


def test_what_noise_scores_in_fewer_stimuli_than_features():
    """The trap: plain CKA and Procrustes come near 1 for noise, debiased CKA, RSA and neighbours stay at chance."""
    found = {name: [] for name in ("plain", "debiased", "rsa", "procrustes", "mutual_knn")}
    for seed in range(20):
        X, Y = noise(40, 300, 2 * seed), noise(40, 300, 2 * seed + 1)
        found["plain"].append(similarity.cka(X, Y, debiased=False))
        found["debiased"].append(similarity.cka(X, Y))
        found["rsa"].append(similarity.rsa(X, Y))
        found["procrustes"].append(similarity.procrustes(X, Y))
        found["mutual_knn"].append(mutual_knn(X, Y, 5))
    mean = {name: np.mean(values) for name, values in found.items()}
    error = {name: 4 * np.std(values) / np.sqrt(20) for name, values in found.items()}
    assert mean["plain"] > 0.8 and mean["procrustes"] > 0.8
    assert abs(mean["debiased"]) < error["debiased"] and abs(mean["rsa"]) < error["rsa"]
    assert abs(mean["mutual_knn"] - 5 / 39) < error["mutual_knn"]


@pytest.mark.parametrize("metric, options", [("cka", {"debiased": False}), ("mutual_knn", {"k": 5}), ("rsa", {})])
def test_calibration_holds_its_level_over_a_search_of_layers(metric, options):
    """Null: three layers against four, nothing shared. The best pair may pass in 5 % of studies."""
    p, rest = [], []
    for seed in range(100):
        a, b = ([noise(25, 30, 1000 * seed + 10 * side + i) for i in range(3 + side)] for side in (0, 1))
        one = calibrate(a, b, metric, n_perm=19, **options)
        p.append(one.p)
        rest.append(one.calibrated)
    assert 0 <= np.mean(np.array(p) <= 0.05) <= 0.13, "1 to 13 of 100 at a true level of 5 %"
    assert np.mean(p) == pytest.approx(0.525, abs=0.1) and np.mean(np.array(rest) > 0) <= 0.13
    assert one.n == 25 and one.n_pairs == 12 and one.n_perm == 19


def test_calibration_agrees_with_the_published_one():
    """The same permutations give the same threshold, p and calibrated score."""
    first, others = planted(n=40)
    a, b = [first, noise(40, 10, 7)], [others[2.0], noise(40, 20, 8), others[8.0]]
    orders = []

    def same(n, device):
        return torch.from_numpy(orders.pop(0))

    def knn(X, Y):
        return torch.tensor(mutual_knn(X.numpy(), Y.numpy(), 5))

    for aggregate in ("max", "mean"):
        orders += list(pairings(40, 99))
        layers = [[torch.from_numpy(x) for x in side] for side in (a, b)]
        theirs = calibrated_similarity.calibrate_layers(*layers, knn, agg=aggregate, K=99, perm_fn=same)
        ours = calibrate(a, b, "mutual_knn", n_perm=99, aggregate=aggregate, k=5)
        assert [ours.calibrated, ours.p, ours.threshold] == pytest.approx([float(x) for x in theirs], abs=1e-6)
        assert ours.calibrated > 0 and ours.pair == (0, 0)


@pytest.mark.parametrize("metric, options", [("cka", {}), ("rsa", {}), ("mutual_knn", {"k": 5})])
def test_intervals_over_stimuli_hold_the_truth(metric, options):
    """Planted: two networks, many stimuli; studies draw 40 of them. Truth: mean score of other such studies."""
    X, Y = simulate.two_views(4000, noise=1.0)
    some = [RNG(seed).choice(4000, 40, replace=False) for seed in range(160)]
    measure = {"cka": similarity.cka, "rsa": similarity.rsa, "mutual_knn": mutual_knn}[metric]
    truth = np.mean([measure(X[rows], Y[rows], **options) for rows in some[40:]])
    found = np.array([jackknife(X[rows], Y[rows], metric, **options) for rows in some[:40]])
    assert ((found[:, 1] < truth) & (truth < found[:, 2])).mean() >= 0.85
    assert found[0, 0] == pytest.approx(measure(X[some[0]], Y[some[0]], **options))
    spread, half = found[:, 0].std(ddof=1), (found[:, 2] - found[:, 1]).mean() / 2
    assert 1.5 * spread < half < 4.5 * spread, "two standard errors, wider for neighbours"


def test_groups_take_away_what_they_explain():
    """Planted: both networks know six kinds of stimuli; in one pair of networks they share more than that."""
    kinds = np.repeat(np.arange(6), 20)
    centres = 3 * noise(6, 10)[kinds]
    a, b, own = centres + noise(120, 10, 1), centres + noise(120, 10, 2), centres + noise(120, 10, 1)
    for metric in ("cka", "mutual_knn"):
        assert calibrate([a], [b], metric, n_perm=99).p == 0.01
        assert calibrate([a], [b], metric, n_perm=99, groups=kinds).p > 0.05
        assert calibrate([a], [own + noise(120, 10, 3)], metric, n_perm=99, groups=kinds).p == 0.01


def test_choosing_layers_on_one_half_takes_the_optimism_away():
    a, b = ([noise(60, 5, 100 * side + i) for i in range(8)] for side in (1, 2))
    found = split_choice(a, b, n_splits=40)
    assert found["chosen"].mean() > 0.05, "the best of 64 pairs of noise looks like something"
    assert abs(found["score"].mean()) < 0.03
    b[5] = a[2] @ noise(5, 5, 9) + noise(60, 5, 10)
    found = split_choice(a, b, n_splits=10)
    assert (found[["layer_a", "layer_b"]] == [2, 5]).all(axis=None) and found["score"].min() > 0.2


def test_mutual_knn_falls_with_n_at_fixed_k_and_its_chance_with_it():
    first, others = planted(levels=(1.0,), n=800)
    found = n_curve([first], [others[1.0]], (50, 200, 800), "mutual_knn", n_draws=5, k=10).set_index("n")
    assert found["score"].is_monotonic_decreasing and (found["low"] <= found["score"]).all()
    np.testing.assert_allclose(found["null"], 10 / (found.index - 1), rtol=0.25)
    assert found["n_draws"].tolist() == [5, 5, 1]


# Names, speed, bad input ----------------------------------------------------------------------------------


def test_names_of_layers_and_rows_are_kept():
    ids = [f"s{i}" for i in range(20)]
    X, Y = pd.DataFrame(noise(20, 4), ids), pd.DataFrame(noise(20, 4), ids)
    assert mutual_knn(X, Y.sample(frac=1, random_state=0), 3) == 1
    found = all_pairs({"one": X}, {"two": Y, "three": noise(20, 3, 1)}, "rsa")
    assert list(found.index) == ["one"] and list(found.columns) == ["two", "three"]
    assert calibrate({"one": X}, {"two": Y, "three": noise(20, 3, 1)}, "rsa", n_perm=9).pair == ("one", "two")


def test_many_pairs_cost_little_more_than_their_layers():
    layers = [noise(512, 64, seed) for seed in range(20)]
    start = time.process_time()
    for layer in layers:
        mutual_knn(layer, layer)
    alone = time.process_time() - start
    start = time.process_time()
    assert all_pairs(layers, layers, "mutual_knn").shape == (20, 20)
    assert time.process_time() - start < 8 * alone, "400 pairs against 20"


BAD = {
    "metric: got 'knn'; wanted one of cka, rsa, mutual_knn": ([noise(9, 2)], [noise(9, 2)], {"metric": "knn"}),
    r"k: got 8; wanted a whole number of neighbours, 1 to 7 of 9 stimuli": ([noise(9, 2)], [noise(9, 2)], {"k": 8}),
    "rows: 9, 10; wanted the same stimuli": ([noise(9, 2)], [noise(10, 2)], {}),
    r"layers_b\[1\]: 1 values are NaN": ([noise(9, 2)], [noise(9, 2), np.r_[noise(8, 2), [[np.nan, 0]]]], {}),
    r"layers_a\[0\]: every feature is constant": ([np.ones((9, 2))], [noise(9, 2)], {}),
    "layers_b: no layers": ([noise(9, 2)], [], {}),
    r"layers_a\[0\]: 3 rows; wanted at least 4 stimuli": ([noise(3, 2)], [noise(3, 2)], {}),
    "row 4 is all 0 and has no direction": ([noise(9, 2) * (np.arange(9) != 4)[:, None]], [noise(9, 2)], {"k": 3}),
}


@pytest.mark.parametrize("message", BAD)
def test_bad_input_is_named(message):
    a, b, options = BAD[message]
    with pytest.raises(BadInput, match=message):
        all_pairs(a, b, **({"metric": "mutual_knn"} | options))


def test_bad_options_are_named():
    X = [noise(9, 2)]
    with pytest.raises(BadInput, match="n_perm, alpha: got 0"):
        calibrate(X, X, n_perm=0)
    with pytest.raises(BadInput, match="aggregate: got 'median'; wanted one of max, mean"):
        calibrate(X, X, aggregate="median")
    with pytest.raises(BadInput, match=r"ns: got \[3, 10\]; wanted numbers of stimuli from 4 to 9"):
        n_curve(X, X, [3, 10])
    with pytest.raises(BadInput, match="wanted at least 8 and 1"):
        split_choice([noise(7, 2)], [noise(7, 2)])
