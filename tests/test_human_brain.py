"""Agreement about objects: planted effects and nulls first, then what the records and the prose rest on."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from conftest import have
from scipy.stats import pearsonr
from sklearn.metrics import confusion_matrix

from neuroconverge import BadInput, claims, experiments, simulate
from neuroconverge.agreement import agreement, paired_hits
from neuroconverge.experiments import concepts_brain, human_brain


def similarity(rng, n=40, d=5, shared=None, noise=1.0):
    """SIMULATED similarity matrix of n objects, and the features it came from."""
    own = rng.standard_normal((n, d))
    features = own if shared is None else shared + noise * own
    return features @ features.T, features


def named(matrix, ids):
    return pd.DataFrame(matrix, index=ids, columns=ids)


# Similarity matrices ---------------------------------------------------------------------------------------


def test_r_is_the_correlation_of_the_pairs_and_a_weight_is_a_copy():
    rng = np.random.default_rng(0)
    reference, features = similarity(rng, 12)
    other = similarity(rng, 12, shared=features)[0]
    found = agreement({"other": other, "same": 3 * reference + 1}, reference, n_boot=50, n_perm=20)
    upper = np.triu_indices(12, 1)
    assert found.r == pytest.approx([pearsonr(other[upper], reference[upper])[0], 1])
    # A drawn sample by hand: pairs of an object with its own copy are left out.
    counts = np.random.default_rng(0).multinomial(12, np.full(12, 1 / 12), size=50)[0]
    rows = np.repeat(np.arange(12), counts)
    first, second = np.triu_indices(len(rows), 1)
    kept = rows[first] != rows[second]
    pairs = rows[first][kept], rows[second][kept]
    assert found.draws[0, 0] == pytest.approx(pearsonr(other[pairs], reference[pairs])[0])


def test_intervals_over_objects_hold_the_truth_and_those_over_pairs_do_not():
    """SIMULATED: 40 objects from a population whose r is known from many."""
    rng = np.random.default_rng(1)
    many, features = similarity(rng, 1500)
    other = similarity(rng, 1500, shared=features)[0]
    upper = np.triu_indices(1500, 1)
    truth = pearsonr(many[upper], other[upper])[0]
    rows = []
    for seed in range(150):
        some = np.ix_(*[rng.choice(1500, 40, replace=False)] * 2)
        rows.append(agreement({"a": other[some]}, many[some], n_boot=200, n_perm=1, seed=seed).table())
    found = pd.concat(rows)
    objects, pairs = (
        ((found[low] < truth) & (found[high] > truth)).mean()
        for low, high in (("low", "high"), ("pairs_low", "pairs_high"))
    )
    # A little too wide, and not much: the spread of the 150 estimates is what the intervals should tell.
    width = (found["high"] - found["low"]).mean() / (2 * 1.96 * found["r"].std())
    assert objects >= 0.92 and pairs < 0.8 and 0.9 < width < 1.5


def test_nothing_is_found_where_nothing_is_planted():
    p, excluded = [], []
    for seed in range(100):
        rng = np.random.default_rng(seed)
        one = agreement({"a": similarity(rng)[0]}, similarity(rng)[0], n_boot=200, n_perm=99).table().iloc[0]
        p.append(one["p"])
        excluded.append(not one["low"] < 0 < one["high"])
    assert 0.01 <= np.mean(np.array(p) <= 0.05) <= 0.12 and np.mean(excluded) <= 0.12


def test_differences_use_the_same_objects():
    rng = np.random.default_rng(2)
    reference, features = similarity(rng, 60)
    near, far = (similarity(rng, 60, shared=features, noise=noise)[0] for noise in (0.5, 2.0))
    found = agreement({"near": near, "far": far, "twin": near}, reference, n_boot=300, n_perm=1)
    table = found.differences([("near", "far"), ("near", "twin")])
    assert table["low"][0] > 0 and table["difference"][0] == pytest.approx(found.r[0] - found.r[1])
    assert table.loc[1, ["low", "high"]].to_numpy(float) == pytest.approx(0)
    with pytest.raises(BadInput, match="no model nobody"):
        found.differences([("near", "nobody")])


def test_tables_are_joined_on_their_objects():
    rng = np.random.default_rng(3)
    ids = [f"object {i}" for i in range(20)]
    reference, features = similarity(rng, 20)
    other = named(similarity(rng, 20, shared=features)[0], ids)
    order = rng.permutation(20)
    mixed = other.iloc[order, order]
    both = agreement({"a": other, "b": mixed}, named(reference, ids), n_boot=20, n_perm=5)
    assert both.r[0] == pytest.approx(both.r[1])
    renamed = other.rename(index={"object 3": "x"}, columns={"object 3": "x"})
    with pytest.raises(BadInput, match="a: rows do not match.*object 3"):
        agreement({"a": renamed}, named(reference, ids))


def test_bad_matrices_are_refused():
    rng = np.random.default_rng(4)
    good = similarity(rng, 10)[0]
    lop = good.copy()
    lop[0, 1] += 1
    holed = good.copy()
    holed[2, 3] = holed[3, 2] = np.nan
    for bad, said in (
        (lop, "symmetric"),
        (holed, "NaN"),
        (np.ones((10, 10)), "equally similar"),
        (good[:5, :5], "5 obj"),
    ):
        with pytest.raises(BadInput, match=said):
            agreement({"a": bad}, good)
    with pytest.raises(BadInput, match="none"):
        agreement({}, good)


# Hits on the same objects ----------------------------------------------------------------------------------


def test_paired_hits_recover_a_planted_difference_and_leave_a_null_alone():
    held, p = [], []
    for seed in range(400):
        rng = np.random.default_rng(seed)
        ease = rng.random(200)  # objects that are hard for one system are hard for the other
        first, second = (rng.random(200) < np.clip(ease + gain, 0, 1) for gain in (0.1, 0.0))
        truth = np.clip(ease + 0.1, 0, 1).mean() - ease.mean()
        one = paired_hits(first, second)
        held.append(one["low"] < truth < one["high"])
        p.append(paired_hits(rng.random(200) < ease, second)["p"])
    assert 0.92 <= np.mean(held) <= 0.98 and np.mean(np.array(p) < 0.05) <= 0.07


def test_paired_hits_count_and_join():
    first, second = pd.Series([1, 1, 0, 0, 1], list("abcde")), pd.Series([0, 1, 0, 1, 0], list("abcde"))
    one = paired_hits(first, second.iloc[::-1])
    table = confusion_matrix(first, second)
    assert (one["first_only"], one["second_only"]) == (table[1, 0], table[0, 1]) == (2, 1)
    assert one["difference"] == pytest.approx(0.2) and paired_hits(first, first)["p"] == 1
    with pytest.raises(BadInput, match="hits, 0 or 1"):
        paired_hits([0, 2], [1, 0])
    with pytest.raises(BadInput, match="do not match"):
        paired_hits(first, second.rename({"a": "z"}))


# The experiments -------------------------------------------------------------------------------------------


def test_choices_of_a_system_follow_its_similarities():
    ids = list("abcd")
    line = np.array([0.0, 1.0, 3.0, 7.0])
    found = human_brain.asked(named(-np.abs(line[:, None] - line), ids))
    # Of the triplets that hold a pair, two each: a and b stay together in both, c and d in none.
    assert found.loc["a", "b"] == 1 and found.loc["c", "d"] == 0
    off = found.to_numpy()[np.triu_indices(4, 1)]
    assert off.sum() * 2 == 4  # each of the four triplets keeps one pair
    tied = human_brain.asked(named(np.ones((4, 4)), ids)).to_numpy()
    assert tied[np.triu_indices(4, 1)] == pytest.approx(np.full(6, 1 / 3))


def test_anchors_recomputed_while_planning():
    table = experiments.recorded("similarity_1854")[0].set_index(["system", "form"])["r"]
    assert table["VICE", "choice probability"] == pytest.approx(0.965, abs=0.001)
    assert table["CLIP, images", "raw cosine"] == pytest.approx(0.420, abs=0.001)
    assert table["word2vec, names", "raw cosine"] == pytest.approx(0.452, abs=0.001)
    sorted_ = experiments.recorded("categories")[0].set_index("system")
    for name, share in (("SPoSE-49", 0.864), ("VICE", 0.850), ("word2vec, names", 0.823), ("CLIP, images", 0.728)):
        assert sorted_.loc[name, "accuracy"] == pytest.approx(share, abs=0.0006)
    assert set(sorted_["n_objects"]) == {1112} and set(sorted_["n_categories"]) == {18}


def test_published_numbers_are_those_of_the_claims():
    said = " ".join(one["value"] for one in claims.load()["F2a"]["published"])
    for name, share in human_brain.PUBLISHED_CATEGORIES.items():
        assert f"{name} {100 * share:.1f} %" in said
    for name, r in human_brain.PUBLISHED_SIMILARITY.items():
        assert f"{name} {r:.2f}".replace("0.", ".") in said


def test_what_the_chapter_says_of_similarity_and_categories():
    read = {
        name: experiments.recorded(name)[0] for name in ("similarity_48", "category_contests", "similarity_contests")
    }
    plain = read["similarity_48"][~read["similarity_48"]["form"].isin(("raw cosine", "its choices"))].set_index(
        "system"
    )
    best = plain.loc[plain["kind"] == "model", "high"].max()
    assert best < human_brain.PUBLISHED_SIMILARITY["language model"], "no open system reaches the paper's number"
    few = read["similarity_contests"].set_index(["target", "first", "second"])
    word2vec = few.loc["48 objects, judged", "MiniLM, name + definition", "word2vec, names"]
    assert word2vec["low"] < 0 < word2vec["high"]
    glove = few.loc["1,854 objects, SPoSE-49", "MiniLM, name + definition", "GloVe, name + definition"]
    assert glove["high"] < 0, "mean word vectors of the definition do better"
    sorted_ = read["category_contests"].set_index(["first", "second"])
    assert sorted_.loc[("MiniLM, name + definition", "word2vec, names"), "low"] > 0
    people = sorted_.loc[("SPoSE-66", "MiniLM, name + definition")]
    assert people["low"] < 0 < people["high"]


def test_what_the_chapter_says_of_typicality():
    table = experiments.recorded("typicality")[0].dropna(subset=["over_frequency"])
    assert (table["over_low"] < 0).all(), "no system predicts typicality better than the frequency of the word"


def test_what_the_chapter_says_of_the_brain():
    table = experiments.recorded("concepts_contests")[0].set_index(["brain", "second"])
    for name, where in (("all 384 features", "IT15"), ("27 categories", "IT15"), ("27 categories", "behaviour")):
        assert table.loc[(where, name), "low"] < 0 < table.loc[(where, name), "high"]
    for name, where in (("random projections", "IT15"), ("all 384 features", "behaviour")):
        assert table.loc[(where, name), "low"] > 0
    unique = experiments.recorded("concepts_unique")[0].set_index(["brain", "model"])["low"]
    assert unique["IT15", concepts_brain.CHOSEN] < 0 < unique["behaviour", concepts_brain.CHOSEN]


def test_a_mapping_sees_other_objects_only():
    """Planted: where the vectors are the dimensions themselves the held-out rows come back; from noise nothing does."""
    judged = have(human_brain.human_similarity_48)
    own = human_brain.similarity_of("SPoSE-66").loc[judged.index, judged.index]
    found = agreement(
        {name: human_brain.mapped(name, judged.index) for name in ("SPoSE-66", "random numbers")},
        own,
        n_boot=50,
        n_perm=9,
    )
    assert found.r[0] > 0.97 and abs(found.r[1]) < 0.15


def test_split_halves_need_the_correction():
    table = experiments.recorded("split_half_SIMULATED")[0].set_index("what")
    right = table.loc[[name for name in table.index if "corrected" in name]]
    assert right["found"].to_numpy() == pytest.approx(right["truth"].to_numpy(), abs=0.01)
    wrong = table.loc["reliability of the mean, halves as found"]
    assert wrong["high"] < wrong["truth"]
    inflated = table.loc["model, over the ceiling from halves as found"]
    assert inflated["low"] > inflated["truth"]


def test_released_errors_on_noise():
    table = concepts_brain.released_errors_SIMULATED(n_voxels=200, n_images=200, n_boot=100).set_index(
        ["planted", "measure", "method"]
    )["found"]
    noise = table["noise alone"]
    assert noise["ceiling", "as released"] > 0.55
    assert noise["ceiling", "corrected"] < 0.15
    assert noise["voxels with p < .05", "as released"] == 1
    assert noise["voxels with p < .05", "corrected"] < 0.12
    signal = table["a signal"]
    assert signal["ceiling", "corrected"] == pytest.approx(0.655, abs=0.02)
    assert signal["voxels with p < .05", "corrected"] > 0.95


def test_planted_brains_are_told_apart():
    """The contest with all features tells what was planted; random projections lose even where choices are nothing."""
    table = experiments.recorded("concepts_planted_SIMULATED")[0].set_index(["planted", "second"])
    assert table.loc[("the 66 dimensions", "all 384 features"), "seen"] >= 0.9
    assert table.loc[("the 66 dimensions", "random projections"), "seen"] >= 0.9
    assert table.loc[("all features", "all 384 features"), "seen"] == 0
    assert table.loc[("all features", "all 384 features"), "against"] >= 0.9
    assert table.loc[("all features", "random projections"), "difference"] > 0


def test_maps_are_linear_and_null_maps_know_nothing():
    features = have(concepts_brain.photo_features)
    spaces, drawn = concepts_brain.spaces(), concepts_brain.nulls(n=2)
    assert spaces[concepts_brain.CHOSEN].shape == (92, 66) and features.shape == (92, 384)
    real = concepts_brain.weights(concepts_brain.CHOSEN)
    # Rotated maps keep the sizes of the dimensions, and the real fit comes back where no object changes place.
    size = np.linalg.norm(spaces[concepts_brain.CHOSEN])
    assert all(one.shape == (92, 66) for maps in drawn.values() for one in maps)
    assert np.linalg.norm(drawn["dimensions of other objects"][0]) < 0.7 * size
    assert np.linalg.matrix_rank(features @ real) == 66


def test_a_brain_of_the_dimensions_is_recovered_here_and_now():
    space = have(concepts_brain.spaces)[concepts_brain.CHOSEN]
    people = simulate.subjects(space, 8, noise=3.0, ids=concepts_brain.images92().ids, seed=5)
    table = concepts_brain.contests(people, n_boot=60, n_null=3).set_index("second")
    assert table.loc["all 384 features", "low"] > 0 and table.loc["random projections", "low"] > 0
