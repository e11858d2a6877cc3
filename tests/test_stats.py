"""Correlations over families of models: exact against scipy, honest with dependent data, clear about bad input."""

from __future__ import annotations

import time
from itertools import product

import numpy as np
import pandas as pd
import pytest
from scipy import stats as scipy_stats

from neuroconverge import BadInput, stats
from neuroconverge.checks import standardised

FAMILIES = (8, 7, 5, 5, 3, 3, 3, 2, 2, 1, 1, 1, 1)  # sizes as in the published list of 42 models


def study(sizes=FAMILIES, within=0.9, r=0.0, seed=0):
    """SIMULATED x and y of families whose members are alike (share ``within`` of the variance), correlated by r."""
    rng = np.random.default_rng(seed)
    codes, root = np.repeat(np.arange(len(sizes)), sizes), np.linalg.cholesky([[1, r], [r, 1]])
    shared, own = (rng.standard_normal((n, 2)) @ root.T for n in (len(sizes), len(codes)))
    x, y = (np.sqrt(within) * shared[codes] + np.sqrt(1 - within) * own).T
    return x, y, codes


@pytest.mark.parametrize("method", stats.METHODS)
def test_without_clusters_equals_scipy(method):
    x, y, _ = study(r=0.5)
    found = stats.correlation(x, y, method=method)
    expected = {"pearson": scipy_stats.pearsonr, "spearman": scipy_stats.spearmanr}[method](x, y)
    assert found.r == pytest.approx(expected.statistic, abs=1e-12)
    assert found.p == pytest.approx(expected.pvalue, rel=1e-9)
    assert found.n == 42 and found.n_clusters is None
    if method == "pearson":
        assert (found.low, found.high) == pytest.approx(expected.confidence_interval(0.95), abs=1e-12)
    assert stats.correlation(x, y, np.arange(42), n_boot=99, method=method).r == pytest.approx(found.r, abs=1e-12)


def test_interval_of_twelve_models_is_wide():
    low, high = stats.fisher_interval(0.8, 12)
    assert round(low, 2) == 0.42 and round(high, 2) == 0.94


def test_partial_correlation_equals_regression_and_finds_the_common_cause():
    rng = np.random.default_rng(1)
    size = rng.standard_normal((200, 2))
    x, y = size @ [1, 0.5] + 0.3 * rng.standard_normal(200), size @ [1, 0.5] + 0.3 * rng.standard_normal(200)
    design = np.column_stack([np.ones(200), size])
    left = [v - design @ np.linalg.lstsq(design, v, rcond=None)[0] for v in (x, y)]
    found = stats.partial_correlation(x, y, size)
    assert found.r == pytest.approx(np.corrcoef(*left)[0, 1], abs=1e-12)
    assert stats.correlation(x, y).low > 0.8 and found.low < 0 < found.high
    # The textbook formula for one covariate.
    rxy, rxz, ryz = (np.corrcoef(a, b)[0, 1] for a, b in ((x, y), (x, size[:, 0]), (y, size[:, 0])))
    expected = (rxy - rxz * ryz) / np.sqrt((1 - rxz**2) * (1 - ryz**2))
    assert stats.partial_correlation(x, y, size[:, 0]).r == pytest.approx(expected, abs=1e-12)


@pytest.mark.parametrize("scale", [1.0, 1e-6, 1e6])
def test_covariates_that_say_nothing_new_change_nothing(scale):
    """A covariate may be constant (0.1 is not exact), or follow from another, in the families that remain."""
    x, y, codes = study((6, 6, 6, 6), within=0.3, r=0.5, seed=2)
    size = np.random.default_rng(5).standard_normal(24)
    alone = np.where(codes == 2, size, 0.1) * scale
    twin = np.where(codes == 2, size**2, 3 * size + 1) * scale
    left = stats.leave_one_cluster_out(x, y, codes, covariates=alone).set_index("left_out")["r"]
    assert left[2] == pytest.approx(np.corrcoef(x[codes != 2], y[codes != 2])[0, 1], abs=1e-12)
    pair = np.column_stack([size, twin])
    left = stats.leave_one_cluster_out(x, y, codes, covariates=pair).set_index("left_out")["r"]
    rest = codes != 2
    assert left[2] == pytest.approx(stats.partial_correlation(x[rest], y[rest], size[rest]).r, abs=1e-9)
    assert np.isfinite(left).all()
    found = stats.partial_correlation(x, y, pair, codes)
    assert np.isfinite([found.low, found.high, found.p]).all()


def test_a_covariate_given_twice_is_paid_for_once():
    x, y, codes = study(r=0.5)
    size = np.random.default_rng(5).standard_normal(42)
    twice = np.column_stack([size, 1 - 2 * size])
    for clusters in (None, codes):
        once, both = (stats.partial_correlation(x, y, c, clusters, n_boot=99) for c in (size, twice))
        assert [both.r, both.low, both.high, both.p] == pytest.approx([once.r, once.low, once.high, once.p], abs=1e-12)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_standardised_columns(dtype):
    values = np.random.default_rng(0).normal(50, 3, (400, 6)).astype(dtype)
    values[:, 1], values[:300, 2], values[:, 3] = 0.1, 1e4 / 3, 0  # constant, constant in the rows, nothing
    values[:, 4] = 1e-9 * (values[:, 4] - 50)
    rows = np.arange(300)
    found = standardised(values, rows)
    assert found.dtype == dtype and not found[:, 1:4].any()
    assert found[rows].mean(0) == pytest.approx(0, abs=1e-4)
    assert found[rows][:, [0, 4, 5]].std(0) == pytest.approx(1, abs=1e-4)
    jitter = np.full(400, 0.1) + np.tile([0, 1e-17, 0, 3e-17], 100)  # rounding of what was constant
    assert not standardised(jitter[:, None]).any()


def test_wild_p_equals_the_regression_written_out():
    x, y, codes = study((3, 2, 2, 4, 1), within=0.5, r=0.6, seed=3)

    def robust_t(target):
        design = np.column_stack([np.ones(len(x)), x])
        beta = np.linalg.lstsq(design, target, rcond=None)[0]
        scores = design * (target - design @ beta)[:, None]
        meat = sum(np.outer(s, s) for s in (scores[codes == c].sum(0) for c in range(5)))
        bread = np.linalg.inv(design.T @ design)
        return beta[1] / np.sqrt((bread @ meat @ bread)[1, 1])

    null = [robust_t(y.mean() + np.array(s)[codes] * (y - y.mean())) for s in product((1, -1), repeat=5)]
    expected = np.mean(np.abs(null) >= abs(robust_t(y)) * (1 - 1e-9))
    assert stats.correlation(x, y, codes).p == pytest.approx(expected, abs=1e-12)


@pytest.mark.parametrize("sizes", [FAMILIES, (5,) * 8])
def test_families_in_the_null_reject_at_five_percent_where_the_usual_test_does_not(sizes):
    usual, kept, inside = [], [], []
    for seed in range(600):
        x, y, codes = study(sizes, seed=seed)
        usual.append(stats.correlation(x, y).p < 0.05)
        found = stats.correlation(x, y, codes, n_boot=299, seed=seed)
        kept.append(found.p < 0.05)
        inside.append(found.low <= 0 <= found.high)
    assert np.mean(usual) > 0.25, "models of a family counted as independent find relations that are not there"
    assert abs(np.mean(kept) - 0.05) < 0.025 and abs(np.mean(inside) - 0.95) < 0.03


@pytest.mark.parametrize("sizes, within, r", [(FAMILIES, 0.0, 0.7), (FAMILIES, 0.9, 0.7), ((3, 3, 2, 2, 2), 0.5, 0.7)])
def test_interval_covers_the_truth(sizes, within, r):
    found = [stats.correlation(*study(sizes, within, r, seed), n_boot=1) for seed in range(600)]
    assert abs(np.mean([f.low <= r <= f.high for f in found]) - 0.95) < 0.03


@pytest.mark.parametrize("method", stats.METHODS)
def test_independent_data_keep_their_level_and_power(method):
    null = [stats.correlation(*study((1,) * 14, 0, 0, s), n_boot=299, method=method).p < 0.05 for s in range(400)]
    real = [stats.correlation(*study((1,) * 14, 0, 0.9, s), n_boot=299, method=method).p < 0.05 for s in range(50)]
    assert np.mean(null) < 0.08 and np.mean(real) > 0.8


def test_partial_with_clusters_keeps_its_level():
    hits = []
    for seed in range(400):
        x, y, codes = study(seed=seed)
        cause = np.random.default_rng(seed + 10_000).standard_normal(len(x))
        hits.append(stats.partial_correlation(x + 2 * cause, y + 2 * cause, cause, codes, n_boot=299).p < 0.05)
    assert abs(np.mean(hits) - 0.05) < 0.03


def test_few_families_can_not_be_significant():
    x, y, codes = study((3, 3, 2, 2, 2), within=0.5, r=0.99)
    assert stats.correlation(x, y, codes).p >= 2 / 2**5


def test_ten_thousand_draws_in_well_under_a_second():
    x, y, codes = study(r=0.5)
    start = time.perf_counter()
    stats.correlation(x, y, codes)
    assert time.perf_counter() - start < 0.5


def test_leave_one_cluster_out():
    x, y, codes = study(r=0.5)
    table = stats.leave_one_cluster_out(x, y, [f"family {c}" for c in codes])
    assert list(table["left_out"]) == [f"family {c}" for c in range(13)]
    row = table.iloc[2]
    assert row["n"] == 37 and row["r"] == pytest.approx(np.corrcoef(x[codes != 2], y[codes != 2])[0, 1], abs=1e-12)


def test_series_are_joined_on_their_index_and_order_does_not_matter():
    x, y, codes = study(r=0.5)
    names = [f"model {i}" for i in range(42)]
    a, b, c = (pd.Series(v, names) for v in (x, y, codes))
    expected = stats.correlation(x, y, codes, n_boot=50)
    order = np.random.default_rng(0).permutation(42)
    found = stats.correlation(a, b.iloc[order], c.iloc[order[::-1]], n_boot=50)
    assert found.r == pytest.approx(expected.r) and found.low == pytest.approx(expected.low)
    with pytest.raises(BadInput, match="y: rows do not match; in one of the two only: model 41"):
        stats.correlation(a, b.iloc[:41])
    with pytest.raises(BadInput, match="y: index has the same label twice"):
        stats.correlation(a, b.rename({"model 1": "model 0"}))


def test_seed_decides():
    x, y, codes = study(r=0.2)
    p = [stats.correlation(x, y, codes, n_boot=500, seed=s).p for s in (0, 0, 1)]
    assert p[0] == p[1] != p[2]


@pytest.mark.parametrize("n", [3, 8, 12])
def test_sign_flip_is_exact(n):
    values = np.random.default_rng(n).normal(0.4, 1, n)
    sums = [abs(np.dot(signs, values)) for signs in product((1, -1), repeat=n)]
    found = stats.sign_flip(values)
    assert found.p == pytest.approx(np.mean(np.array(sums) >= abs(values.sum()) - 1e-9), abs=1e-12)
    assert found.floor == 2 / 2**n and found.n == n and found.n_positive == (values > 0).sum()
    assert stats.sign_flip(np.arange(1, n + 1)).p == pytest.approx(found.floor)
    assert stats.sign_flip(-values).p == pytest.approx(found.p)
    assert stats.sign_flip(values, clusters=list("abcdefghijkl")[:n]).p == found.p
    toolbox = scipy_stats.permutation_test((values,), np.mean, permutation_type="samples", n_resamples=2**n)
    assert found.p == pytest.approx(toolbox.pvalue)
    interval = scipy_stats.ttest_1samp(values, 0).confidence_interval(0.95)
    assert (found.low, found.high) == pytest.approx((interval.low, interval.high))


def test_sign_flip_with_many_values_keeps_its_level():
    rng = np.random.default_rng(0)
    p = np.array([stats.sign_flip(rng.standard_normal(20), n_perm=199, seed=s).p for s in range(500)])
    assert abs((p <= 0.05).mean() - 0.05) < 0.02
    assert stats.sign_flip(rng.normal(1, 1, 20), n_perm=999).p < 0.01


def test_sessions_of_one_patient_change_sign_together():
    rng, usual, kept, inside = np.random.default_rng(0), [], [], []
    patient = np.repeat(np.arange(10), 4)
    for seed in range(500):
        values = rng.standard_normal(10)[patient] + 0.3 * rng.standard_normal(40)
        found = stats.sign_flip(values, clusters=patient)
        usual.append(stats.sign_flip(values, n_perm=99, seed=seed).p < 0.05)
        kept.append(found.p < 0.05)
        inside.append(found.low <= 0 <= found.high)
    assert np.mean(usual) > 0.25 and abs(np.mean(kept) - 0.05) < 0.025 and abs(np.mean(inside) - 0.95) < 0.03
    assert found.n == 40 and found.n_clusters == 10 and found.floor == 2 / 2**10


def test_bh_and_n_needed():
    p = np.array([0.001, np.nan, 0.02, 0.04, 0.9])
    assert np.isnan(stats.bh(p)[1])
    assert stats.bh(p)[[0, 2, 3, 4]] == pytest.approx(scipy_stats.false_discovery_control([0.001, 0.02, 0.04, 0.9]))
    n = stats.n_needed(0.5, 0.8)
    assert n == 30  # 29 in tables of exact power
    power = np.mean([stats.correlation(*study((1,) * n, 0, 0.5, s)[:2]).p < 0.05 for s in range(600)])
    assert abs(power - 0.8) < 0.05


HALF = np.r_[np.zeros(3), np.ones(3)]


@pytest.mark.parametrize(
    "call, message",
    [
        (lambda: stats.correlation([1, 2], [2, 3]), "x: 2 values; a correlation needs at least 3"),
        (lambda: stats.correlation([1, 2, 3], [2, 3, 4]), "x: 3 values; an interval needs at least 4"),
        (lambda: stats.correlation([1, 2, 3, 4], [5, 5, 5, 5]), "y: all 4 values are 5; a constant"),
        (lambda: stats.correlation([1, 2, np.nan, 4], [5, 6, 7, np.nan]), r"x: 1 values are NaN .* first at \[2\]"),
        (lambda: stats.correlation([1, 2, 3, 4], [5, 6, np.inf, 7]), r"y: 1 values are NaN or infinite"),
        (lambda: stats.correlation([1, 2, 3], [1, 2, 3, 4]), r"\[3, 4\] rows; wanted the same number"),
        (lambda: stats.correlation([1, 2, 3, 4], [4, 2, 3, 1], clusters=["a"] * 4), "clusters: 1 families"),
        (lambda: stats.correlation([1, 2, 3, 4], [4, 2, 3, 1], clusters=["a", "b", None, "c"]), "row 2 has no label"),
        (lambda: stats.correlation([1, 2, 3, 4], [4, 2, 3, 1], clusters=["a", "b", "c"]), r"\[4, 4, 3\] rows"),
        (lambda: stats.correlation(HALF, [1, 2, 3, 4, 5, 6], clusters=[0, 0, 1, 2, 2, 2]), "without 2, 3 rows"),
        (lambda: stats.correlation([1, 2, 3], [2, 1, 3], method="kendall"), "method: got 'kendall'"),
        (lambda: stats.correlation([1, 2, 3], [2, 1, 3], clusters=[0, 1, 2], n_boot=0), "clusters: without 0, 2 rows"),
        (lambda: stats.partial_correlation([1, 2, 4, 3, 7], [2, 1, 3, 9, 8], [1, 2, 4, 3, 7]), "nothing is left of it"),
        (lambda: stats.partial_correlation([1, 2, 4, 3, 7], [2, 1, 3, 9, 8], [1] * 5), "covariates, column 0: all 5"),
        (lambda: stats.sign_flip([0, 0, 0]), "0 of 3 values other than 0"),
        (lambda: stats.sign_flip([1]), "values: 1 values, 1 of 1"),
        (lambda: stats.sign_flip([1, np.nan]), "values: 1 values are NaN"),
        (lambda: stats.sign_flip([1, 2, 3], clusters=["a", "a", "a"]), "values: 1 clusters"),
        (lambda: stats.sign_flip([1, 2, 3], clusters=["a", "b"]), "clusters: 2 labels, 0 of them empty, for 3 values"),
        (lambda: stats.sign_flip([1, 2], n_perm=0), "n_perm: got 0"),
        (lambda: stats.bh([np.nan]), "p: wanted numbers from 0 to 1"),
        (lambda: stats.bh([0.5, 1.5]), "p: wanted numbers from 0 to 1"),
        (lambda: stats.n_needed(0), "wanted r between -1 and 1, not 0"),
        (lambda: stats.fisher_interval(0.5, 3), "at least 4 pairs"),
    ],
)
def test_bad_input_is_named(call, message):
    with pytest.raises(BadInput, match=message):
        call()
