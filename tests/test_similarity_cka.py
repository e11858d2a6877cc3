"""CKA: equal to its definition, 0 for noise, blind to rotation, falling with noise, honest under permutation."""

from __future__ import annotations

import time
import warnings

import numpy as np
import pandas as pd
import pytest
import torch
from scipy.signal import lfilter

from neuroconverge import BadInput, similarity_cka
from neuroconverge.encoding_stats import moved_rows
from neuroconverge.similarity_cka import cka, cka_matrix, permutation_test


def noise(n, d, seed=0):
    return np.random.default_rng(seed).standard_normal((n, d))


def by_definition(X, Y, debiased):
    """HSIC from the n x n matrices as Song 2012 (equation 5) and Kornblith 2019 (equation 3) print it."""

    def hsic(K, L):
        n = len(K)
        if not debiased:
            H = np.eye(n) - 1 / n
            return np.trace(K @ H @ L @ H) / (n - 1) ** 2
        K, L, one = K - np.diag(np.diag(K)), L - np.diag(np.diag(L)), np.ones(n)
        second = (one @ K @ one) * (one @ L @ one) / ((n - 1) * (n - 2))
        return (np.trace(K @ L) + second - 2 / (n - 2) * one @ K @ L @ one) / (n * (n - 3))

    K, L = X @ X.T, Y @ Y.T
    return hsic(K, L) / np.sqrt(hsic(K, K) * hsic(L, L))


@pytest.mark.parametrize("debiased", [True, False])
@pytest.mark.parametrize("n, d, e", [(30, 5, 8), (12, 40, 9), (9, 50, 60)])
def test_equals_the_definition_in_both_spaces(n, d, e, debiased):
    X, Y = noise(n, d) + 3, noise(n, e, 1)
    Y[:, :4] += 1.5 * X[:, :4]
    expected = by_definition(X, Y, debiased)
    assert cka(X, Y, debiased) == pytest.approx(expected, abs=1e-10)
    assert permutation_test(X, Y, 1, debiased=debiased).score == pytest.approx(expected, abs=1e-10)
    both = cka_matrix([X, Y[:, :3], X + 1], [Y, X], debiased)
    assert both.shape == (3, 2) and both[0, 0] == pytest.approx(expected) and both[0, 1] == pytest.approx(1)
    assert both[1, 0] == pytest.approx(by_definition(Y[:, :3], Y, debiased))
    itself = cka_matrix((layers := [X, Y]), layers, debiased)
    assert np.diag(itself) == pytest.approx(1) and itself[0, 1] == pytest.approx(expected)


def test_gram_blocks_give_the_same(monkeypatch):
    layers = [noise(40, 90, s) for s in range(4)]
    expected = cka_matrix(layers, layers)
    monkeypatch.setattr(similarity_cka, "BLOCK_BYTES", 3 * 8 * 40 * 8)
    assert cka_matrix(layers, layers) == pytest.approx(expected, abs=1e-12)


def test_noise_is_zero_debiased_and_near_one_biased_when_features_outnumber_stimuli():
    pairs = [(noise(60, 600, s), noise(60, 600, s + 1000)) for s in range(60)]
    plain = np.array([cka(X, Y, debiased=False) for X, Y in pairs])
    clean = np.array([cka(X, Y) for X, Y in pairs])
    assert plain.min() > 0.85 and abs(clean.mean()) < 3 * clean.std() / np.sqrt(60) and clean.std() < 0.05


@pytest.mark.parametrize("debiased", [True, False])
def test_blind_to_rotation_scale_and_shift(debiased):
    X, Y = noise(50, 20), noise(50, 20, 1) + noise(50, 20)
    turn = np.linalg.qr(noise(20, 20, 2))[0]
    assert cka(X @ turn * 100 + 5, Y, debiased) == pytest.approx(cka(X, Y, debiased), abs=1e-10)
    assert cka(X, Y @ np.diag(np.r_[10.0, np.ones(19)]), debiased) != pytest.approx(cka(X, Y, debiased), abs=0.01)


def test_planted_shared_space_falls_with_noise():
    shared = noise(200, 30)
    scores = [
        cka(shared @ noise(30, 80, 1) / 5, shared @ noise(30, 90, 2) / 5 + s * noise(200, 90, 3)) for s in range(6)
    ]
    assert scores[0] > 0.6 and np.all(np.diff(scores) < 0) and scores[-1] < scores[0] / 4


@pytest.mark.parametrize("kind", ["shuffle", "circular"])
def test_permutation_null_rejects_at_five_percent(kind):
    p = np.array([permutation_test(noise(40, 10, s), noise(40, 60, s + 9999), 19, s, kind).p for s in range(800)])
    assert abs((p <= 0.05).mean() - 0.05) < 0.02
    shared = noise(40, 10)
    assert permutation_test(shared, shared + noise(40, 10, 1), 199, kind="shuffle").p == 0.005


@pytest.mark.parametrize("n", [12, 17])
@pytest.mark.parametrize("kind", similarity_cka.KINDS)
def test_null_is_the_cka_of_moved_rows(n, kind):
    X, Y = noise(n, 3), noise(n, 4, 1)
    if kind == "shuffle":
        rng = np.random.default_rng(5)
        orders = [rng.permutation(n) for _ in range(6)]
    else:
        orders = moved_rows(n, 6, kind, seed=5, block=None if kind == "circular" else max(n // 20, 1))
    expected = [cka(X, Y[order]) for order in orders]
    found = permutation_test(X, Y, 6, seed=5, kind=kind)
    assert found.null_mean == pytest.approx(np.mean(expected), abs=1e-10)
    assert found.null_95 == pytest.approx(np.quantile(expected, 0.95), abs=1e-10)
    assert found.p == (1 + np.sum(np.array(expected) >= found.score)) / 7


def test_ordered_rows_need_the_circular_null():
    def drift(seed, share=0.8):  # neighbours alike, as the states of neighbouring words
        return lfilter([1], [1, -share], noise(200, 5, seed), axis=0)

    rates = {
        kind: np.mean([permutation_test(drift(s), drift(s + 777), 19, s, kind).p <= 0.05 for s in range(200)])
        for kind in ("shuffle", "circular")
    }
    assert rates["shuffle"] > 0.3 and rates["circular"] < 0.1, rates


def test_frames_are_joined_on_ids_and_arrays_may_be_torch():
    names = [f"word {i}" for i in range(20)]
    X, Y = pd.DataFrame(noise(20, 4), names), pd.DataFrame(noise(20, 4) + noise(20, 4, 1), names)
    assert cka(X, Y.sample(frac=1, random_state=0)) == pytest.approx(cka(X, Y))
    assert permutation_test(X, Y.iloc[::-1], 9).score == pytest.approx(cka(X, Y))
    assert cka(torch.tensor(X.to_numpy()), Y.to_numpy().astype(np.float32)) == pytest.approx(cka(X, Y), abs=1e-6)
    with pytest.raises(BadInput, match="Y: rows do not match; in one of the two only: word 19"):
        cka(X, Y.iloc[:19])


@pytest.mark.parametrize(
    "flat", [np.eye(30), 7 * np.eye(30) @ np.linalg.qr(noise(30, 30))[0] + 3], ids=["one-hot", "turned"]
)
def test_stimuli_equally_far_apart_leave_nothing_without_the_bias(flat):
    other = noise(30, 8)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for call in (lambda: cka(flat, other), lambda: cka(other, flat), lambda: permutation_test(other, flat, 9)):
            with pytest.raises(BadInput, match="layer 0 holds all stimuli equally far apart.*debiased=False"):
                call()
        with pytest.raises(BadInput, match="layers_b: layer 1 holds all stimuli"):
            cka_matrix([other], {"a": other, "b": flat})
        assert 0 < cka(flat, other, debiased=False) < 1
        assert permutation_test(flat, other, 9, debiased=False).p == 1  # every order is as good
        assert np.isfinite(cka(noise(30, 100_000), other))  # nearly as far apart, and no more than nearly


def test_all_layers_of_two_models_are_fast():
    a, b = (np.random.default_rng(s).standard_normal((31, 600, 576)) for s in (0, 1))
    start = time.process_time()
    cka(a[0], b[0])
    alone = time.process_time() - start
    start = time.process_time()
    assert cka_matrix(a, b).shape == (31, 31)
    assert time.process_time() - start < 150 * alone, "961 pairs"


@pytest.mark.parametrize(
    "call, message",
    [
        (lambda: cka(noise(5, 2), noise(6, 2)), "rows: 5 and 6; wanted the same stimuli"),
        (lambda: permutation_test(noise(5, 2), noise(6, 2)), "rows: 5 and 6"),
        (lambda: cka(noise(3, 2), noise(3, 2)), "3 rows; CKA needs at least 4"),
        (lambda: cka(noise(5, 2), np.full((5, 2), 0.1)), "every feature is constant"),
        (lambda: cka(noise(5, 2), np.where(noise(5, 2) > 9, 0, np.nan)), "10 values are NaN"),
        (lambda: cka(noise(5, 2), noise(5, 2)[:, 0]), "wanted 2 dimensions"),
        (
            lambda: cka_matrix([noise(5, 2), noise(6, 2)], [noise(5, 2)]),
            r"layers_a\[1\]: 6 rows, the layer before it 5",
        ),
        (lambda: cka_matrix([], [noise(5, 2)]), "layers_a: no layers"),
        (lambda: permutation_test(noise(5, 2), noise(5, 2), 0), "n_perm: got 0"),
        (lambda: permutation_test(noise(5, 2), noise(5, 2), kind="roll"), "kind: got 'roll'"),
    ],
)
def test_bad_input_is_named(call, message):
    with pytest.raises(BadInput, match=message):
        call()
