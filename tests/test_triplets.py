"""Odd-one-out choices: ties, joins, intervals, ceilings, similarity and categories, against brute force and truth."""

from itertools import combinations

import numpy as np
import pandas as pd
import pytest
import torch

from neuroconverge import BadInput, simulate, triplets
from neuroconverge.triplets_data import standard_error

LINE = np.array([[1.0, 0.0], [0.9, 0.1], [0.0, 1.0], [0.1, 0.9]])


def rng(seed=0):
    return np.random.default_rng(seed)


def random_rows(n, n_objects, seed=0):
    return np.array([rng(seed + i).choice(n_objects, 3, replace=False) for i in range(n)])


def named(values, prefix="object"):
    return pd.DataFrame(values, index=[f"{prefix} {i}" for i in range(len(values))])


def test_the_odd_one_is_outside_the_most_similar_pair():
    rows = np.array([[0, 1, 2], [2, 0, 3], [0, 2, 3], [3, 2, 0]])
    assert triplets.choose(LINE, rows).tolist() == [2, 1, 0, 2]
    assert triplets.choose(torch.tensor(LINE), rows, "cosine").tolist() == [2, 1, 0, 2]


@pytest.mark.parametrize("n", [20, 200])  # few choices gather vectors, many take the matrix of all products
@pytest.mark.parametrize("similarity", ["dot", "cosine", "euclidean"])
def test_choose_agrees_with_a_loop_over_pairs(similarity, n):
    values, rows = rng().standard_normal((30, 5)), random_rows(n, 30)
    unit = values / np.linalg.norm(values, axis=1, keepdims=True) if similarity == "cosine" else values

    def alike(a, b):
        return -np.linalg.norm(unit[a] - unit[b]) if similarity == "euclidean" else unit[a] @ unit[b]

    def odd(row):
        kept = max(combinations(range(3), 2), key=lambda pair: alike(row[pair[0]], row[pair[1]]))
        return ({0, 1, 2} - set(kept)).pop()

    assert triplets.choose(values, rows, similarity).tolist() == [odd(row) for row in rows]


def test_dot_and_cosine_differ_where_lengths_do():
    values = np.array([[1.0, 0.0], [1.0, 0.1], [5.0, 5.0]])
    assert triplets.choose(values, [[0, 1, 2]]).tolist() == [0]
    assert triplets.choose(values, [[0, 1, 2]], "cosine").tolist() == [2]


def test_ties_are_broken_at_random_and_counted_at_chance():
    rows = random_rows(3000, 40)
    chosen = triplets.choose(np.zeros((40, 3)), rows)
    assert np.allclose(np.bincount(chosen) / 3000, 1 / 3, atol=0.04)
    found = triplets.accuracy(np.zeros((40, 3)), rows)
    assert found.accuracy == pytest.approx(1 / 3) and found.n_tied == found.n == 3000
    # Two of three pairs tied, the person's among them: half a hit.
    assert triplets.accuracy(np.array([[1.0, 1], [1, 0], [0, 1]]), [[0, 1, 2]]).accuracy == 0.5


def test_an_embedding_without_dimensions_is_at_chance():
    assert triplets.accuracy(np.zeros((5, 0)), [[0, 1, 2], [2, 3, 4]]).accuracy == pytest.approx(1 / 3)


def test_accuracy_of_given_choices_counts_the_last_column():
    rows = random_rows(4, 10)
    assert triplets.accuracy([2, 2, 0, 1], rows).accuracy == 0.5
    with pytest.raises(BadInput, match="0 to 2"):
        triplets.accuracy([2, 2, -1, 1], rows)


def test_difference_holds_a_planted_effect_and_a_planted_null():
    """SIMULATED: the truth beats a noisy copy; of two equally noisy copies neither does more than by chance."""
    truth = simulate.sparse_embedding(80, 5, seed=1)
    choices = simulate.triplet_choices(truth, 4000, seed=2)
    gap = triplets.difference(truth, truth + rng(3).standard_normal(truth.shape), choices)
    alone = triplets.accuracy(truth, choices)
    assert gap.low > 0 and gap.n == 4000 and gap.first == alone.accuracy
    assert gap.difference == pytest.approx(gap.first - gap.second)
    swapped = triplets.difference(truth + rng(3).standard_normal(truth.shape), truth, choices)
    assert (swapped.low, swapped.high) == pytest.approx((-gap.high, -gap.low))
    covered = []
    for seed in range(100):
        copies = [truth + rng(2 * seed + k).standard_normal(truth.shape) for k in (0, 1)]
        null = triplets.difference(*copies, choices)
        covered.append(null.low <= 0 <= null.high)
    assert 0.88 <= np.mean(covered) <= 1
    same = triplets.difference(truth, 2 * truth, choices)  # ties, and they cancel
    assert same.difference == same.low == same.high == 0


def test_named_triplets_join_on_names_and_not_on_order():
    values = named(rng(1).standard_normal((30, 4)))
    choices = triplets.Triplets(random_rows(100, 30), list(values.index))
    shuffled = values.sample(frac=1, random_state=3)
    assert (triplets.choose(shuffled, choices) == triplets.choose(values, choices)).all()
    assert (triplets.choose(shuffled.to_numpy(), choices) != triplets.choose(values, choices)).any()
    with pytest.raises(BadInput, match="no row for 1 objects of the triplets: object 7"):
        triplets.choose(values.drop("object 7"), choices)
    with pytest.raises(BadInput, match="29 rows for the 30 objects"):
        triplets.choose(values.to_numpy()[1:], choices)


@pytest.mark.parametrize(
    ("rows", "says"),
    [
        ([[0, 1, 30]], "row 0 is .* objects 0 to 29; files that count from 1"),
        ([[0, 1, 2], [4, 4, 5]], "row 1 names an object twice"),
        ([[0, 1, 2.5]], "no whole number"),
        ([[0, 1, np.nan]], "NaN"),
        ([[0, 1]], "three columns"),
        (np.zeros((0, 3)), "empty"),
    ],
)
def test_rows_that_are_no_triplets_are_refused(rows, says):
    with pytest.raises(BadInput, match=says):
        triplets.choose(np.eye(30), rows)


def test_what_has_no_similarity_is_refused():
    with pytest.raises(BadInput, match="row 1 is all 0"):
        triplets.choose(np.array([[1.0, 0], [0, 0], [0, 1]]), [[0, 1, 2]], "cosine")
    with pytest.raises(BadInput, match="dot, cosine"):
        triplets.choose(LINE, [[0, 1, 2]], "manhattan")
    with pytest.raises(BadInput, match="NaN"):
        triplets.choose(np.where(LINE == 1, np.nan, LINE), [[0, 1, 2]])


def test_standard_error_is_the_sum_over_choices_that_share_an_object():
    rows, hits = random_rows(120, 12), (rng(5).random(120) < 0.6).astype(float)
    apart = hits - hits.mean()
    share = np.array([[bool(set(a) & set(b)) for b in rows.tolist()] for a in rows.tolist()])
    brute = apart @ share @ apart
    independent = apart @ apart
    assert standard_error(hits, rows) == pytest.approx(np.sqrt(max(brute, independent)) / 120)


@pytest.mark.parametrize("spread", [0.0, 1.0])
def test_interval_covers_the_truth_over_new_objects(spread):
    """SIMULATED: objects that are easy or hard to predict, or all alike; 95 % intervals must hold the mean."""
    covered, narrow = [], []
    for seed in range(300):
        r = rng(seed)
        ease = spread * r.standard_normal(60)
        rows = np.argsort(r.random((800, 60)), axis=1)[:, :3]
        hits = (ease[rows].mean(1) + r.standard_normal(800) > 0).astype(float)
        reach = 1.96 * standard_error(hits, rows)
        covered.append(abs(hits.mean() - 0.5) < reach)
        narrow.append(abs(hits.mean() - 0.5) < 1.96 * 0.5 / np.sqrt(800))
    assert 0.90 <= np.mean(covered) <= 0.985
    if spread:
        assert np.mean(narrow) < 0.75  # as if choices were independent: far too narrow


def test_ceiling_by_hand():
    rows = [[0, 1, 2], [1, 0, 2], [2, 1, 0], [3, 4, 5], [4, 3, 5], [6, 7, 8]]
    found = triplets.ceiling(rows)
    # Of three judgements two agree: each of them meets a tie of the others (1/2), the third never agrees.
    assert found.lower == pytest.approx((0.5 + 0.5 + 0 + 1 + 1) / 5)
    assert found.upper == pytest.approx((2 + 2) / 5)
    assert found.agreement == pytest.approx((0.5 + 0.5 + 0 + 1 + 1) / 5)
    assert (found.n_triplets, found.n_choices) == (2, 5)
    with pytest.raises(BadInput, match="more than once"):
        triplets.ceiling([[0, 1, 2], [3, 4, 5]])


def test_ceiling_encloses_the_best_possible_prediction():
    truth = simulate.sparse_embedding(60, 6, seed=1)
    choices = simulate.triplet_choices(truth, 1500, seed=2, repeats=15)
    best, found = triplets.accuracy(truth, choices), triplets.ceiling(choices)
    assert found.lower < best.accuracy + 0.005 and best.accuracy < found.upper + 0.005
    assert found.upper - found.lower < 0.08
    assert best.ceiling == found


def test_one_person_does_not_predict_themself():
    """SIMULATED: everybody repeats their own answer, and people differ at random."""
    truth = np.zeros((20, 2))
    choices = simulate.triplet_choices(truth, 400, temperature=np.inf, seed=3, repeats=4).rows
    twice, people = np.concatenate([choices, choices]), np.tile(np.arange(4), 800)
    assert triplets.ceiling(twice).lower > 0.4  # each answer is there twice
    assert abs(triplets.ceiling(twice, people).lower - 1 / 3) < 0.05
    assert abs(triplets.split_half(twice, people, 20) - 1 / 3) < 0.05
    with pytest.raises(BadInput, match="label for each"):
        triplets.ceiling(twice, people[1:])


def test_split_half_rises_with_agreement():
    truth = simulate.sparse_embedding(40, 5, seed=1)
    people = np.tile(np.arange(10), 300)
    sharp, dull = (
        triplets.split_half(simulate.triplet_choices(truth, 300, t, seed=4, repeats=10), people, 20) for t in (0.2, 5)
    )
    assert sharp > 0.85 and dull < 0.6


def test_similarity_matrix_is_the_mean_over_third_objects():
    values = rng(2).random((9, 4))
    dots, found = values @ values.T, triplets.similarity_matrix(values)
    for i, j in combinations(range(9), 2):
        each = [
            np.exp(dots[i, j]) / (np.exp(dots[i, j]) + np.exp(dots[i, k]) + np.exp(dots[j, k]))
            for k in range(9)
            if k not in (i, j)
        ]
        assert found[i, j] == found[j, i] == pytest.approx(np.mean(each), abs=1e-6)
    assert (np.diag(found) == 1).all()


def test_similarity_matrix_keeps_names_and_survives_large_dots():
    found = triplets.similarity_matrix(named(30 * rng(3).random((12, 5))))
    assert list(found.index) == list(found.columns) == [f"object {i}" for i in range(12)]
    assert np.isfinite(found.to_numpy()).all() and found.to_numpy().min() >= 0 and found.to_numpy().max() <= 1
    with pytest.raises(BadInput, match="scale it down"):
        triplets.similarity_matrix(100 * rng(3).random((12, 5)))
    even = triplets.similarity_matrix(np.ones((6, 2)))
    assert np.allclose(even[np.triu_indices(6, 1)], 1 / 3)


def test_categorisation_agrees_with_leaving_each_object_out():
    values, labels = rng(4).standard_normal((40, 3)), np.array(list("abcd") * 10)
    values[labels == "a"] += 2
    found = triplets.categorisation(values, labels)
    for i in range(40):
        rest = np.arange(40) != i
        centres = [values[rest & (labels == name)].mean(0) for name in "abcd"]
        nearest = "abcd"[np.argmin([np.linalg.norm(values[i] - centre) for centre in centres])]
        assert found.predicted.iloc[i] == nearest
    assert found.accuracy == pytest.approx((found.predicted.to_numpy() == labels).mean())
    assert found.majority == 0.25 and found.n_categories == 4 and found.by_category["n"].sum() == 40


def test_categorisation_joins_on_ids_and_is_at_chance_for_noise():
    values = named(rng(5).standard_normal((60, 4)))
    labels = pd.Series(list("xyz") * 10, index=values.index[:30])
    apart = values.copy()
    for k, name in enumerate("xyz"):
        apart.loc[labels.index[labels == name], k] += 8
    shuffled = apart.sample(frac=1, random_state=1)
    assert triplets.categorisation(shuffled, labels).accuracy == 1 and triplets.categorisation(shuffled, labels).n == 30
    assert triplets.categorisation(values, labels).low < 1 / 3
    with pytest.raises(BadInput, match="'q' has 1"):
        triplets.categorisation(values.iloc[:3], pd.Series(["x", "x", "q"], index=values.index[:3]))


def test_objects_without_a_category_are_left_out():
    values = named(rng(6).standard_normal((20, 3)))
    labels = pd.Series(list("xy") * 10, index=values.index)
    expected = triplets.categorisation(values.iloc[4:], labels.iloc[4:])
    missing = labels.mask(np.arange(20) < 4)
    for made in (
        triplets.categorisation(values, missing),
        triplets.categorisation(values, list(missing)),
        triplets.categorisation(values.to_numpy(), missing),
    ):
        assert made.n == 16 and made.predicted.equals(expected.predicted)
        assert made.by_category.equals(expected.by_category)
    for wrong in (list("xyx"), pd.Series(list("xyx"))):
        with pytest.raises(BadInput, match="categories: 3 labels for 20 objects"):
            triplets.categorisation(values if isinstance(wrong, list) else values.to_numpy(), wrong)
    with pytest.raises(BadInput, match="categories: 0 of 0 labelled objects; wanted at least 2"):
        triplets.categorisation(values, labels.mask(labels == labels))


def test_accuracy_by_dimensions_rises_to_the_whole():
    truth = simulate.sparse_embedding(80, 8, seed=1)
    choices = simulate.triplet_choices(truth, 4000, seed=2)
    for own in (False, True):
        table = triplets.accuracy_by_dimensions(truth, choices, own=own).set_index("k")["accuracy"]
        assert list(table.index) == [1, 2, 3, 5, 8] and table[8] == triplets.accuracy(truth, choices).accuracy
        assert table[1] < table[3] < table[8]


def test_simulated_choices_follow_the_softmax():
    values = np.array([[1.0, 0.5], [1.2, 0.0], [0.0, 1.0]])
    rows = simulate.triplet_choices(values, 20000, temperature=0.5, seed=1).rows
    dots = np.array([values[1] @ values[2], values[0] @ values[2], values[0] @ values[1]]) / 0.5
    expected = np.exp(dots) / np.exp(dots).sum()
    assert np.allclose(np.bincount(rows[:, 2], minlength=3) / 20000, expected, atol=0.01)
    assert (np.sort(rows, axis=1) == [0, 1, 2]).all()
