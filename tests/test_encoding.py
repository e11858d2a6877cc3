"""Ridge of many targets: the same answers as himalaya and scikit-learn, planted truths found, nulls left alone."""

from __future__ import annotations

import subprocess
import sys
import warnings

import numpy as np
import pytest
import torch
from scipy.signal import lfilter
from sklearn.exceptions import NotFittedError
from sklearn.linear_model import Ridge

from neuroconverge import encoding, splits
from neuroconverge.encoding import RidgeCV
from neuroconverge.errors import BadInput

ALPHAS = np.logspace(0, 10, 10)
SPACES = [
    (300, 20),
    (120, 110),
    (90, 90),
    (80, 200),
]  # rows, features: Gram space, also with folds of fewer rows; kernel


@pytest.fixture(autouse=True)
def no_warnings():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        yield


def study(n=300, p=20, targets=40, seed=0, offset=3.0, dtype=np.float64):
    """(X, Y) twice, with means that are not 0 and signals from none (the last fifth) to strong."""
    rng = np.random.default_rng(seed)
    X = rng.standard_normal((2 * n, p)) * np.logspace(0, -1, p)
    signal = X @ rng.standard_normal((p, targets))
    gain = np.where(np.arange(targets) < 0.8 * targets, np.logspace(-1, 0.5, targets), 0)
    Y = gain * signal / signal.std(0) + rng.standard_normal((2 * n, targets))
    X, Y = (X + offset).astype(dtype), (Y / Y.std(0) - offset).astype(dtype)
    return (X[:n], Y[:n]), (X[n:], Y[n:])


def noise(rng, n, k, keep=0.8):
    """Unrelated series with first-order autocorrelation."""
    return lfilter([np.sqrt(1 - keep**2)], [1, -keep], rng.standard_normal((n + 100, k)), axis=0)[100:]


def odd_pairs(n):
    """Folds that leave rows out, do not test all rows, and train on little."""
    return [(np.arange(20), np.arange(30, 50)), (np.r_[40:n:2], np.arange(0, 35))]


FOLDS = {
    "k": lambda n: 5,
    "gap": lambda n: splits.contiguous(n, 5, 4),
    "shuffled": lambda n: splits.shuffled(n, 4, 0),
    "some": lambda n: splits.contiguous(n, 5, 4)[1:4],
    "odd": odd_pairs,
}


@pytest.mark.parametrize("folds", FOLDS)
@pytest.mark.parametrize(("n", "p"), SPACES)
def test_equals_himalaya(n, p, folds):
    ridge = pytest.importorskip("himalaya.ridge")
    scoring = pytest.importorskip("himalaya.scoring")
    train, test = study(n, p)
    pairs = FOLDS[folds](n)
    mine = RidgeCV(ALPHAS, cv=pairs).fit(*train)
    theirs = ridge.RidgeCV(ALPHAS, fit_intercept=True, cv=pairs, solver_params={"warn": False}).fit(*train)
    assert np.allclose(mine.best_alphas_, theirs.best_alphas_)
    assert len(set(mine.best_alphas_)) > 3
    assert np.allclose(mine.coef_, theirs.coef_, atol=1e-10)
    assert np.allclose(mine.intercept_, theirs.intercept_, atol=1e-8)
    assert np.allclose(mine.cv_scores_, theirs.cv_scores_, atol=1e-7)
    predicted = theirs.predict(test[0])
    assert np.allclose(mine.predict(test[0]), predicted, atol=1e-8)
    assert np.allclose(mine.score(*test), scoring.correlation_score(test[1], predicted), atol=1e-5)
    assert np.allclose(mine.score(*test, method="r2"), scoring.r2_score(test[1], predicted), atol=1e-8)


@pytest.mark.parametrize(("n", "p"), SPACES)
def test_each_target_equals_scikit_learn(n, p):
    train, test = study(n, p)
    model = RidgeCV(ALPHAS).fit(*train)
    for target in range(0, 40, 7):
        ridge = Ridge(model.best_alphas_[target]).fit(train[0], train[1][:, target])
        assert np.allclose(model.coef_[:, target], ridge.coef_, atol=1e-8)
        assert np.isclose(model.intercept_[target], ridge.intercept_)
        assert np.isclose(model.score(*test, "r2")[target], ridge.score(test[0], test[1][:, target]))


@pytest.mark.parametrize(("n", "p"), SPACES)
def test_alpha_is_the_best_of_predictions_row_by_row(n, p):
    (X, Y), _ = study(n, p, targets=6)
    pairs = splits.contiguous(n, 5, gap=3)
    errors = np.zeros((len(ALPHAS), 6))
    for a, alpha in enumerate(ALPHAS):
        for rows, val in pairs:
            predicted = Ridge(alpha).fit(X[rows], Y[rows]).predict(X[val])
            errors[a] += ((Y[val] - predicted) ** 2).mean(0) / len(pairs)
    model = RidgeCV(ALPHAS, cv=5, gap=3).fit(X, Y)
    chosen = [int(np.argmin(abs(ALPHAS - alpha))) for alpha in model.best_alphas_]
    assert np.allclose(-model.cv_scores_, errors.min(0))
    assert np.allclose(errors[chosen, range(6)], errors.min(0), rtol=1e-8)


@pytest.mark.parametrize(("n", "p"), [(400, 30), (100, 150)])
def test_planted_alpha_is_recovered(n, p):
    """Weights drawn with variance v and noise of variance s are best met by alpha = s / v."""
    rng = np.random.default_rng(1)
    X = rng.standard_normal((n, p))
    planted = np.repeat([1e0, 1e2, 1e4], 100)
    Y = X @ (rng.standard_normal((p, 300)) / np.sqrt(planted)) + rng.standard_normal((n, 300))
    found = RidgeCV(np.logspace(-2, 6, 17)).fit(X, Y).best_alphas_
    for alpha in (1e0, 1e2):
        assert abs(np.median(np.log10(found[planted == alpha])) - np.log10(alpha)) <= 0.5
    assert np.median(found[planted == 1e4]) >= 1e3


@pytest.mark.parametrize(("n", "p"), SPACES)
def test_kinds_of_input(n, p):
    train, test = study(n, p)
    model = RidgeCV(ALPHAS).fit(*train)
    expected = model.score(*test)
    wide = [np.repeat(np.repeat(array, 2, 0), 3, 1)[::2, ::3] for array in (*train, *test)]
    kinds = {
        "torch": [torch.from_numpy(array) for array in (*train, *test)],
        "fortran": [np.asfortranarray(array) for array in (*train, *test)],
        "strided": wide,
        "strided torch": [torch.from_numpy(array) for array in wide],
        "backwards": [array[::-1, ::-1][::-1, ::-1] for array in (*train, *test)],
        "lists": [array.tolist() for array in (*train, *test)],
        "big endian": [array.astype(">f8") for array in (*train, *test)],
    }
    kinds["reversed targets"] = [a[:, ::-1] if i % 2 else a for i, a in enumerate((*train, *test))]
    for name, (X, Y, X_test, Y_test) in kinds.items():
        scores = RidgeCV(ALPHAS).fit(X, Y).score(X_test, Y_test)
        assert isinstance(scores, np.ndarray)
        assert np.allclose(scores[::-1] if name == "reversed targets" else scores, expected, atol=1e-9), name
    read_only = [array.copy() for array in (*train, *test)]
    for array in read_only:
        array.setflags(write=False)
    assert np.allclose(RidgeCV(ALPHAS).fit(*read_only[:2]).score(*read_only[2:]), expected)


@pytest.mark.parametrize("kind", [np.asarray, torch.from_numpy])
@pytest.mark.parametrize(("n", "p"), SPACES)
def test_float32_agrees_with_float64(n, p, kind):
    train, test = study(n, p, targets=400)
    single = [kind(array.astype(np.float32)) for array in (*train, *test)]
    exact = RidgeCV(ALPHAS).fit(*(np.asarray(array, float) for array in single[:2]))
    model = RidgeCV(ALPHAS).fit(*single[:2])
    assert model.coef_.dtype == np.float32 and model.predict(single[2]).dtype == np.float32
    same = np.isclose(model.best_alphas_, exact.best_alphas_)
    assert same.mean() > 0.99
    for method in ("correlation", "r2"):
        off = np.abs(
            model.score(*single[2:], method) - exact.score(*(np.asarray(a, float) for a in single[2:]), method)
        )
        assert off[same].max() < 1e-4
        assert off.max() < 1e-2


@pytest.mark.parametrize(("n", "p"), SPACES)
def test_mixed_precision_and_half(n, p):
    train, test = study(n, p)
    expected = RidgeCV(ALPHAS).fit(*train).score(*test)
    X, Y, X_test, Y_test = (array.astype(np.float32) for array in (*train, *test))
    assert np.allclose(RidgeCV(ALPHAS).fit(X, train[1]).score(X_test, test[1]), expected, atol=1e-4)
    assert np.allclose(RidgeCV(ALPHAS).fit(train[0], Y).score(test[0], Y_test), expected, atol=1e-4)
    half = [torch.from_numpy(array).bfloat16() for array in (Y, Y_test)]
    assert np.allclose(RidgeCV(ALPHAS).fit(X, half[0]).score(X_test, half[1]), expected, atol=0.03)


@pytest.mark.parametrize(("n", "p"), SPACES)
def test_large_means_and_small_units(n, p):
    """Raw BOLD has means a hundred times its spread; volts are millionths; float32 must bear both."""
    train, test = study(n, p, offset=0.0)
    expected = RidgeCV(ALPHAS).fit(*train)
    scores = {method: expected.score(*test, method) for method in ("correlation", "r2")}
    for scale, mean, tolerance in [(10.0, 1e4, 2e-3), (1e-6, 0.0, 1e-4), (1e-13, 0.0, 1e-4)]:
        Y, Y_test = ((part * scale + mean).astype(np.float32) for part in (train[1], test[1]))
        model = RidgeCV(ALPHAS).fit(train[0], Y)
        agree = np.isclose(model.best_alphas_, expected.best_alphas_)
        assert agree.mean() >= 0.95
        for method, score in scores.items():
            assert np.abs(model.score(test[0], Y_test, method) - score)[agree].max() < tolerance


def test_small_penalties_switch_to_float64():
    train, test = study(300, 20, dtype=np.float32)
    model = RidgeCV([1e-9, 1e-6]).fit(*train)
    assert model.coef_.dtype == np.float64
    assert RidgeCV(ALPHAS).fit(*train).coef_.dtype == np.float32


@pytest.mark.parametrize(("n", "p"), SPACES)
def test_batches_and_targets_do_not_change_each_other(n, p):
    train, test = study(n, p, targets=50)
    whole = RidgeCV(ALPHAS).fit(*train)
    small = RidgeCV(ALPHAS, memory_mb=1e-3).fit(*train)
    assert np.array_equal(whole.best_alphas_, small.best_alphas_)
    assert np.allclose(whole.coef_, small.coef_, atol=1e-12)
    assert np.allclose(whole.score(*test), small.score(*test), atol=1e-12)
    alone = RidgeCV(ALPHAS).fit(train[0], train[1][:, 7])
    assert np.allclose(alone.score(test[0], test[1][:, 7]), whole.score(*test)[7])
    assert alone.coef_.shape == (p, 1)


def test_threads_are_given_back():
    before = torch.get_num_threads()
    train, _ = study(200, 5, targets=5000)
    RidgeCV(ALPHAS).fit(*train)
    with pytest.raises(BadInput):
        RidgeCV(ALPHAS, memory_mb=-1).fit(*train)
    assert torch.get_num_threads() == before


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize(("n", "p"), SPACES)
def test_unusable_targets(n, p, dtype):
    train, test = study(n, p, dtype=dtype)
    clean = RidgeCV(ALPHAS).fit(*train)
    Y, Y_test = train[1].copy(), test[1].copy()
    Y[:, 0], Y[:, 1], Y[:, 2] = 0.1, 0, 1e4 + 0.1
    Y[3, 3], Y[4, 4] = np.nan, np.inf
    Y_test[:, 5], Y_test[2, 6] = 0.3, np.nan
    model = RidgeCV(ALPHAS).fit(train[0], Y)
    for method in ("correlation", "r2"):
        scores = model.score(test[0], Y_test, method)
        assert np.isnan(scores[:7]).all()
        assert np.allclose(scores[7:], clean.score(*test, method)[7:], atol=1e-5)
    assert np.isnan(model.best_alphas_[:5]).all() and np.isfinite(model.best_alphas_[5:]).all()
    assert (model.coef_[:, :3] == 0).all() and np.isnan(model.coef_[:, 3:5]).all()
    assert np.allclose(model.predict(test[0])[:, :3], [0.1, 0, 1e4 + 0.1])
    assert np.isnan(model.cv_scores_[:5]).all()
    nothing = RidgeCV(ALPHAS).fit(train[0], Y[:, :5])
    assert np.isnan(nothing.score(test[0], Y_test[:, :5])).all() and np.isnan(nothing.at_edge_)


def test_features_without_variance():
    train, test = study()
    X, X_test = (np.c_[array, np.full(300, 7.0), array[:, 0]] for array in (train[0], test[0]))
    model = RidgeCV(ALPHAS).fit(X, train[1])
    assert np.abs(model.coef_[20]).max() < 1e-10
    assert np.allclose(model.coef_[0], model.coef_[21])
    flat = RidgeCV(ALPHAS).fit(np.ones((300, 2)), train[1])
    assert np.isnan(flat.score(np.ones((300, 2)), test[1])).all()
    assert np.allclose(flat.intercept_, train[1].mean(0))
    varying = X_test.copy()  # a feature that was constant in training has no weight
    varying[:, 20] = np.arange(300)
    assert np.allclose(model.score(varying, test[1]), model.score(X_test, test[1]))


def test_share_at_the_edges():
    (X, Y), _ = study()
    assert RidgeCV([1e7, 1e8, 1e9]).fit(X, Y).at_low_edge_ > 0.7
    model = RidgeCV([1e-3, 1e1, 1e12]).fit(X, Y[:, -8:])
    assert model.at_edge_ == np.mean(model.best_alphas_ != 1e1)
    assert np.isnan(RidgeCV([1.0]).fit(X, Y).at_edge_)


def test_ties_go_to_the_larger_penalty():
    rng = np.random.default_rng(0)
    X, Y = np.repeat(rng.standard_normal((50, 1)), 2, 1), rng.standard_normal((50, 3))
    X[:] = X.mean()  # nothing to learn: every penalty predicts the mean
    assert (RidgeCV(ALPHAS).fit(X, Y).best_alphas_ == ALPHAS[-1]).all()
    assert (RidgeCV(ALPHAS[::-1]).fit(X, Y).best_alphas_ == ALPHAS[-1]).all()


def test_errors():
    (X, Y), (X_test, Y_test) = study()
    bad = X.copy()
    bad[4, 2] = np.nan
    for arguments, data, message in [
        ({}, (bad, Y), r"X: 1 values are NaN or infinite, the first at \[4, 2\]"),
        ({}, (X[:3], Y[:3]), "5 folds of 3 rows"),
        ({}, (X[:-1], Y), "299 and 300 rows"),
        ({}, (X[:, 0], Y), "one dimension"),
        ({}, (X, Y[None]), "wanted rows by targets"),
        ({}, (X, Y[:, :0]), "wanted rows by targets"),
        ({}, (X, [["a"]] * 300), "not an array of numbers"),
        ({"alphas": [1, -1]}, (X, Y), "got -1; wanted positive"),
        ({"alphas": []}, (X, Y), "empty"),
        ({"alphas": [np.nan]}, (X, Y), "NaN"),
        ({"cv": 1}, (X, Y), "k: got 1"),
        ({"cv": None}, (X, Y), "wanted a number of folds"),
        ({"cv": [([0, 1], [300])]}, (X, Y), "rows 300 to 300"),
        ({"cv": [([0], [3])]}, (X, Y), "single training row"),
        ({"gap": 200}, (X, Y), "no training rows"),
        ({"device": "tpu"}, (X, Y), "device: got 'tpu'"),
        ({"memory_mb": 0}, (X, Y), "memory_mb: got 0"),
    ]:
        with pytest.raises(BadInput, match=message):
            RidgeCV(**arguments).fit(*data)
    if not torch.cuda.is_available():
        with pytest.raises(BadInput, match="no GPU"):
            RidgeCV(device="cuda").fit(X, Y)
    with pytest.raises(NotFittedError):
        RidgeCV().predict(X)
    model = RidgeCV().fit(X, Y)
    for data, method, message in [
        ((X_test[:, :3], Y_test), "r2", "3 features; the model was fitted on 20"),
        ((X_test, Y_test[:, :3]), "r2", "wanted .300, 40."),
        ((X_test, Y_test), "R2", "method: got 'R2'"),
    ]:
        with pytest.raises(BadInput, match=message):
            model.score(*data, method=method)


def test_inputs_are_not_changed():
    train, test = study()
    before = [array.copy() for array in (*train, *test)]
    RidgeCV(ALPHAS).fit(*train).score(*test)
    assert all(np.array_equal(old, new) for old, new in zip(before, (*train, *test), strict=True))


def test_scores_of_predictions():
    train, test = study()
    model = RidgeCV(ALPHAS).fit(*train)
    predicted = model.predict(test[0])
    expected = [np.corrcoef(test[1][:, t], predicted[:, t])[0, 1] for t in range(40)]
    assert np.allclose(encoding.correlation_score(test[1], predicted), expected)
    assert np.allclose(model.score(*test), expected)
    truth = test[1].copy()
    truth[:, 0], truth[5, 1] = 0.1, np.nan
    for score in (encoding.correlation_score, encoding.r2_score):
        assert np.isnan(score(truth, predicted)[:2]).all() and np.isfinite(score(truth, predicted)[2:]).all()
    assert np.isnan(encoding.correlation_score(predicted, np.full_like(predicted, 0.1))).all()
    with pytest.raises(BadInput, match="wanted the same"):
        encoding.r2_score(truth, predicted[:, 1:])


def test_noise_ceiling():
    """Signal of variance 1 and noise of variance 3: a quarter of a single repeat, half of the mean of three."""
    rng = np.random.default_rng(0)
    signal = rng.standard_normal((4000, 30))
    repeats = signal + np.sqrt(3) * rng.standard_normal((6, 4000, 30)) + 5
    single = encoding.explainable_variance(repeats)
    assert abs(single.mean() - 0.25) < 0.01 and abs(encoding.explainable_variance(repeats, 3).mean() - 0.5) < 0.01
    assert np.isclose(encoding.spearman_brown(0.25, 3), 0.5)
    mean = repeats[:3].mean(0)
    reliability = encoding.explainable_variance(repeats, 3)
    for method, score in (("correlation", encoding.correlation_score), ("r2", encoding.r2_score)):
        predicted = signal + 5
        assert abs(encoding.normalised(score(mean, predicted), reliability, method).mean() - 1) < 0.03
    repeats[:, :, 0], repeats[0, 0, 1] = 2.0, np.nan
    assert np.isnan(encoding.explainable_variance(repeats)[:2]).all()
    assert np.isnan(encoding.normalised([0.5, 0.5], [-0.1, 0.0])).all()
    with pytest.raises(BadInput, match="at least 2 repeats"):
        encoding.explainable_variance(repeats[:1])


@pytest.mark.parametrize("kind", ["circular", "block"])
@pytest.mark.parametrize("method", ["correlation", "r2"])
def test_null_is_what_moving_the_rows_gives(kind, method):
    train, test = study(200, 10, targets=5)
    model = RidgeCV(ALPHAS).fit(*train)
    drawn = encoding.null_scores(model, *test, 20, kind, seed=3, method=method)
    orders = encoding.moved_rows(200, 20, kind, seed=3)
    assert drawn.shape == (20, 5) and orders.shape == (20, 200)
    assert all(np.array_equal(np.sort(order), np.arange(200)) for order in orders)
    expected = [model.score(test[0], test[1][order], method) for order in orders]
    assert np.allclose(drawn, expected, atol=1e-5)
    assert np.array_equal(drawn, encoding.null_scores(model, *test, 20, kind, seed=3, method=method))


def test_null_errors():
    train, test = study(50, 5)
    model = RidgeCV(ALPHAS).fit(*train)
    for n, kind, options, message in [
        (42, "circular", {}, "50 rows have 41"),
        (5, "shuffle", {}, "kind: got 'shuffle'"),
        (5, "block", {"block": 20}, "5 blocks"),
        (0, "block", {}, "n: got 0"),
    ]:
        with pytest.raises(BadInput, match=message):
            encoding.null_scores(model, *test, n, kind, **options)


def test_unrelated_series_are_rejected_at_the_nominal_rate_and_a_planted_effect_is_found():
    """Contiguous halves with a gap; circular shifts hold their 5 %, shuffled rows do not."""
    called, shuffled, scores, found = [], [], [], []
    for seed in range(40):
        rng = np.random.default_rng(seed)
        X, Y = noise(rng, 1600, 8), noise(rng, 1600, 20)
        Y[:, 0] += 0.5 * X[:, 0]
        model = RidgeCV(np.logspace(0, 6, 4), gap=20).fit(X[:570], Y[:570])
        score = model.score(X[600:], Y[600:])
        p = encoding.significance(score, encoding.null_scores(model, X[600:], Y[600:], 199, seed=seed), "none")
        predicted = model.predict(X[600:])
        draws = [encoding.correlation_score(Y[600:][rng.permutation(1000)], predicted) for _ in range(49)]
        shuffled.append(encoding.significance(score, draws, "none")[1:] <= 0.05)
        called.append(p[1:] <= 0.05)
        found.append(p[0])
        scores.append(score[1:])
    assert 0.03 <= np.mean(called) <= 0.08
    assert np.mean(shuffled) > 0.12
    assert abs(np.mean(scores)) < 0.01
    assert np.mean(np.array(found) <= 0.01) > 0.9


def test_shuffled_folds_inflate_the_score_of_noise():
    rng = np.random.default_rng(0)
    X, Y = noise(rng, 600, 60, keep=0.9), noise(rng, 600, 100, keep=0.9)
    model = RidgeCV(np.logspace(0, 6, 7), gap=20)
    honest = encoding.cross_val_scores(model, X, Y, splits.contiguous(600, 5, gap=20))
    trap = encoding.cross_val_scores(model, X, Y, splits.shuffled(600, 5, 0))
    assert honest.shape == (5, 100)
    assert abs(honest.mean()) < 0.05 and trap.mean() > 0.4


def test_significance():
    rng = np.random.default_rng(0)
    null = rng.standard_normal((999, 50))
    scores = np.r_[10.0, np.nan, rng.standard_normal(48)]
    p = {name: encoding.significance(scores, null, name) for name in ("none", "max", "bh")}
    assert all(values[0] == pytest.approx(v) for values, v in zip(p.values(), (0.001, 0.001, 0.049), strict=True))
    assert all(np.isnan(values[1]) for values in p.values())
    assert (p["max"][2:] >= p["none"][2:]).all() and (p["bh"][2:] >= p["none"][2:]).all()
    rejected = [(encoding.significance(rng.standard_normal(50), null, "max") <= 0.05).any() for _ in range(300)]
    assert np.mean(rejected) < 0.09
    assert np.isnan(encoding.significance([np.nan], [[np.nan]])).all()
    with pytest.raises(BadInput, match="wanted .targets,. and .n, targets."):
        encoding.significance(scores, null[:, 1:])


def test_banded_ridge_beats_one_penalty_and_finds_the_space():
    pytest.importorskip("himalaya")
    rng = np.random.default_rng(0)
    small, large = rng.standard_normal((400, 5)), rng.standard_normal((400, 150))
    Y = (small @ rng.standard_normal((5, 30)) / 2 + 2 * rng.standard_normal((400, 30)) + 3).astype(np.float32)
    Y[:, 0], Y[3, 1] = 0.1, np.nan
    banded = encoding.BandedRidgeCV(np.logspace(0, 5, 6), n_iter=10).fit([small[:200], large[:200]], Y[:200])
    scores = banded.score([small[200:], large[200:]], Y[200:])
    joined = np.hstack([small, large])
    plain = RidgeCV(np.logspace(0, 5, 6)).fit(joined[:200], Y[:200]).score(joined[200:], Y[200:])
    assert np.isnan(scores[:2]).all() and np.nanmean(scores) > np.nanmean(plain) + 0.03
    assert np.allclose(np.nansum(banded.shares_, 0)[2:], 1) and np.nanmedian(banded.shares_[0]) > 0.8
    assert np.allclose(banded.predict([small, large])[:, 0], 0.1)
    with pytest.raises(BadInput, match="list of two or three arrays"):
        banded.fit(joined, Y)
    with pytest.raises(BadInput, match="rows; wanted the same number"):
        banded.fit([small[:10], large], Y)


@pytest.mark.parametrize("banded", [False, True])
def test_variance_partition_finds_unique_and_shared_parts(banded):
    """A and B share a source: y from the shared one, from A's own, from B's own, from nothing."""
    if banded:
        pytest.importorskip("himalaya")
    rng = np.random.default_rng(0)
    shared, own_a, own_b = (rng.standard_normal((600, 4)) for _ in range(3))
    spaces = {"a": np.hstack([shared, own_a]), "b": np.hstack([shared, own_b])}
    sources = np.stack([source.sum(1) for source in (shared, own_a, own_b, 0 * own_a)], 1) / 2
    Y = np.repeat(sources, 10, 1) + rng.standard_normal((600, 40))
    model = encoding.BandedRidgeCV(np.logspace(0, 4, 5), n_iter=5) if banded else None
    table = encoding.variance_partition(spaces, Y, splits.contiguous(600, 4), model)
    assert list(table) == ["a", "b", "a & b", "total"] and len(table) == 40
    assert np.allclose(table[["a", "b", "a & b"]].sum(axis=1), table["total"])
    means = table.groupby(np.repeat(range(4), 10)).mean().to_numpy()
    expected = np.array([[0, 0, 0.5, 0.5], [0.5, 0, 0, 0.5], [0, 0.5, 0, 0.5], [0, 0, 0, 0]])
    assert np.abs(means - expected).max() < 0.06


def test_variance_partition_of_three():
    rng = np.random.default_rng(0)
    one, two, three = (rng.standard_normal((500, 3)) for _ in range(3))
    spaces = {"a": np.c_[one, two], "b": np.c_[two, three], "c": three}
    Y = np.repeat(np.stack([part.sum(1) for part in (one, two, three)], 1), 8, 1) / np.sqrt(3)
    Y += rng.standard_normal(Y.shape)
    table = encoding.variance_partition(spaces, Y, iter(splits.contiguous(500, 4)))
    assert list(table) == ["a", "b", "c", "a & b", "a & c", "b & c", "a & b & c", "total"]
    assert np.allclose(table.drop(columns="total").sum(axis=1), table["total"])
    means = table.groupby(np.repeat(range(3), 8)).mean()
    for row, part in enumerate(("a", "a & b", "b & c")):
        rest = means.loc[row].drop(["total", part])
        assert means.loc[row, part] > 0.4 and np.abs(rest).max() < 0.06
    with pytest.raises(BadInput, match="mapping of two or three"):
        encoding.variance_partition({"a": one}, Y, splits.contiguous(500, 4))


MEMORY = """
import numpy as np
from pathlib import Path
from neuroconverge.encoding import RidgeCV

def kb(field):
    return int(Path("/proc/self/status").read_text().split(field + ":")[1].split()[0])

rng = np.random.default_rng(0)
X = rng.standard_normal((1200, 50), dtype=np.float32)
RidgeCV().fit(X[:100], X[:100]).score(X[100:200], X[100:200])
Y = rng.standard_normal((1200, 20000), dtype=np.float32)
Path("/proc/self/clear_refs").write_text("5")
before = kb("VmRSS")
RidgeCV().fit(X[:600], Y[:600]).score(X[600:], Y[600:])
print((kb("VmHWM") - before) * 1024 / Y[:600].nbytes)
"""


@pytest.mark.skipif(sys.platform != "linux", reason="reads the peak memory from /proc")
def test_memory_stays_below_the_targets():
    run = subprocess.run([sys.executable, "-c", MEMORY], capture_output=True, text=True)
    if "PermissionError" in run.stderr:
        pytest.skip("the peak memory cannot be reset here")
    assert float(run.stdout) < 1.5, run.stderr
