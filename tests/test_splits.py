"""Splits: every row tested once, nothing on both sides, the gap kept, and clear errors."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.model_selection import KFold

from neuroconverge import splits
from neuroconverge.errors import BadInput


def covers(pairs, n):
    assert np.array_equal(np.sort(np.concatenate([test for _, test in pairs])), np.arange(n))
    assert all(len(np.intersect1d(train, test)) == 0 for train, test in pairs)


@pytest.mark.parametrize(("n", "k"), [(10, 2), (11, 3), (2565, 5), (7, 7)])
def test_contiguous_equals_kfold(n, k):
    pairs = splits.contiguous(n, k)
    covers(pairs, n)
    for (train, test), (other_train, other_test) in zip(pairs, KFold(k).split(np.empty(n)), strict=True):
        assert np.array_equal(train, other_train) and np.array_equal(test, other_test)


@pytest.mark.parametrize("gap", [1, 4, 9])
def test_gap_on_both_sides(gap):
    pairs = splits.contiguous(50, 5, gap)
    covers(pairs, 50)
    for train, test in pairs:
        away = np.abs(train[:, None] - test).min(1)
        assert away.min() == gap + 1
        left_out = np.setdiff1d(np.arange(50), np.r_[train, test])
        assert len(left_out) == gap * (int(test[0] > 0) + int(test[-1] < 49))


def test_contiguous_errors():
    for arguments, message in [
        ((3, 4), "4 folds of 3 rows"),
        ((10, 1), "k: got 1"),
        ((10, 2.0), "k: got 2.0"),
        ((10, True), "k: got True"),
        ((10, 2, -1), "gap: got -1"),
        ((10, 2, 5), "no training rows in fold 0, 1"),
        ((0, 2), "n: got 0"),
    ]:
        with pytest.raises(BadInput, match=message):
            splits.contiguous(*arguments)


def test_folds_are_a_number_or_pairs():
    for cv in (5, np.int64(5), splits.contiguous(50, 5, 2)):
        for made, wanted in zip(splits.folds(cv, 50, 2), splits.contiguous(50, 5, 2), strict=True):
            assert all(np.array_equal(*sides) for sides in zip(made, wanted, strict=True))
    with pytest.raises(BadInput, match="cv: wanted a number of folds or a list"):
        splits.folds(None, 50)


def test_grouped_leaves_one_group_out():
    groups = ["b", "b", "a", "c", "a", "b"]
    pairs = splits.grouped(groups)
    assert [test.tolist() for _, test in pairs] == [[0, 1, 5], [2, 4], [3]]
    covers(pairs, 6)


def test_grouped_balances_and_never_divides():
    groups = np.repeat(np.arange(20), np.arange(1, 21))
    pairs = splits.grouped(groups, 4)
    covers(pairs, len(groups))
    assert all(not set(groups[train]) & set(groups[test]) for train, test in pairs)
    sizes = [len(test) for _, test in pairs]
    assert max(sizes) - min(sizes) <= 3
    for arguments, message in [((groups, 21), "21 folds of 20"), ((["a", "a"],), "1 groups"), (([], 2), "empty")]:
        with pytest.raises(BadInput, match=message):
            splits.grouped(*arguments)


def test_words_are_disjoint_whatever_case_and_punctuation():
    words = 'The dog saw the cat . The CAT, saw "the" dog ! a bird -- saw us'.split()
    pairs = splits.disjoint_words(words, 3, seed=0)
    covers(pairs, len(words))
    bare = np.array([word.casefold().strip('.,!"-') or word for word in words])
    assert all(not set(bare[train]) & set(bare[test]) for train, test in pairs)
    again = splits.disjoint_words(words, 3, seed=0)
    assert all(np.array_equal(test, other) for (_, test), (_, other) in zip(pairs, again, strict=True))
    many = [f"word{i}" for i in range(40)]
    drawn = [splits.disjoint_words(many, 4, seed)[0][1].tolist() for seed in (0, 1)]
    assert drawn[0] != drawn[1]
    with pytest.raises(BadInput, match="3 folds of 2 different words"):
        splits.disjoint_words(["a", "A.", "b"], 3, seed=0)


def test_shuffled_is_seeded_and_says_what_it_is_for():
    first, same, other = (splits.shuffled(40, 4, seed) for seed in (0, 0, 1))
    covers(first, 40)
    assert np.array_equal(first[0][1], same[0][1]) and not np.array_equal(first[0][1], other[0][1])
    assert "ONLY to demonstrate the trap" in splits.shuffled.__doc__


def test_checked_pairs():
    for pairs, message in [
        ([], "empty list"),
        (3, "wanted a number of folds"),
        ([([0], [])], r"cv\[0\] test: wanted a non-empty"),
        ([([0.0], [1])], "float64"),
        ([([0, 5], [1])], "rows 0 to 5, but the data have rows 0 to 4"),
        ([([0, 0], [1])], "more than once"),
        ([([0, 1], [1, 2])], "1 rows in training and in test, the first is row 1"),
    ]:
        with pytest.raises(BadInput, match=message):
            splits.checked(pairs, 5)
