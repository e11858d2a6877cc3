"""THINGS loaders: ids, orders, overlaps, and the accuracies seen when the book was planned."""

import importlib

import numpy as np
import pandas as pd
import pytest
from conftest import have

from neuroconverge import BadInput, UnknownName, datasets, triplets

module = importlib.import_module("neuroconverge.datasets.things")  # the function of that name hides it
pytestmark = pytest.mark.usefixtures("reachable")
PLANNED = [  # published or public embeddings on the 50,000 choices: accuracy as recomputed while planning
    ("spose66", 0.649),
    ("spose49", 0.641),
    ("vice", 0.636),
    ("clip", 0.484),
    ("clip centred", 0.503),
    ("word2vec", 0.466),  # .459 by dot product
    ("word2vec centred", 0.483),
]
SORTED = [("spose49", 0.864), ("vice", 0.850), ("word2vec", 0.823), ("clip", 0.728)]


@pytest.fixture(scope="module")
def reachable():
    have(datasets.fetch, "things/unique_id.txt")


def embedding(name):
    kind = name.split()[0]
    if kind.startswith("spose"):
        return datasets.spose(int(kind[5:])), "dot"
    if kind == "vice":
        return datasets.vice(), "dot"
    table = datasets.things_vectors(kind)
    return (table - table.mean() if name.endswith("centred") else table), "cosine"


def test_ids_are_normalised_and_every_table_has_them():
    found = datasets.things()
    ids = found.ids
    assert len(ids) == 1854 and not any(" " in one for one in ids)
    assert sum(one != other for one, other in zip(ids, sorted(ids), strict=True)) == 20  # the trap: do not sort
    for table in (found.words, found.names, found.definitions, found.categories, found.typicality, found.ratings):
        assert list(table.index) == ids
    assert found.words["air_conditioner"] == "air conditioner"
    assert found.names["bat1"] != found.names["bat2"] and found.words["bat1"] == found.words["bat2"] == "bat"
    for name, _ in PLANNED:
        assert list(embedding(name)[0].index) == ids


def test_the_source_of_categories_writes_spaces():
    """The trap: 273 of 1,854 names do not meet without normalising."""
    raw = pd.read_csv(datasets.fetch("things/Categories_final_20200131_fixedUniqueID.tsv"), sep="\t", dtype=str)
    assert (raw["uniqueID"] != datasets.things().ids).sum() == 273
    assert (raw["uniqueID"].map(module.normalised_id) == datasets.things().ids).all()


def test_categories_typicality_and_ratings_make_sense():
    found = datasets.things()
    assert found.categories.shape == (1854, 53) and found.categories.to_numpy().dtype == bool
    assert found.categories.loc["aardvark", "animal"] and not found.categories.loc["aardvark", "tool"]
    assert found.typicality.shape == (1854, 27) and found.typicality.notna().to_numpy().sum() == 1619
    rated = found.typicality.notna()
    assert (rated & ~found.categories.iloc[:, :27]).to_numpy().sum() == 0  # numbers counted from 1 in the source
    assert {"carrot", "corn"} <= set(found.typicality["vegetable"].nlargest(10).index)
    assert found.ratings["concreteness"].between(1, 5).all() and found.ratings["memorability"].between(0, 1).all()


def test_eighteen_categories_of_1112_objects():
    single = datasets.things().single_category
    assert len(single) == 1112 and single.nunique() == 18
    assert not set(single) & set(module.SUBORDINATE)
    assert single.value_counts(normalize=True).iloc[0] == pytest.approx(0.230, abs=0.001)


def test_triplets_count_from_zero_with_the_odd_one_last():
    for part, n in (("test", 50_000), ("train", 127_304)):
        choices = datasets.things_triplets(part)
        assert len(choices) == n and (choices.rows.min(), choices.rows.max()) == (0, 1853)
        assert set(np.unique(choices.rows)) == set(range(1854))
        counts = np.bincount(triplets.choose(datasets.spose(66), choices)) / n
        assert counts[2] > 0.64 and abs(counts[0] - counts[1]) < 0.01  # odd in the last column, the others alike
    with pytest.raises(UnknownName, match="part of the triplets"):
        datasets.things_triplets("validation")


def test_numbers_follow_the_order_of_the_ids():
    """The trap: another order of the objects, or counting from 1, leaves accuracy at chance."""
    choices, right = datasets.things_triplets("test"), datasets.spose(66).to_numpy()
    assert triplets.accuracy(np.roll(right, 1, axis=0), choices.rows).accuracy < 0.40
    shuffled = right[np.random.default_rng(0).permutation(1854)]
    assert triplets.accuracy(shuffled, choices.rows).accuracy == pytest.approx(1 / 3, abs=0.01)


def test_test_and_train_share_rows_and_the_training_part_does_not():
    test, train, training = (
        datasets.things_triplets("test"),
        datasets.things_triplets("train"),
        datasets.things_training(),
    )
    shared = np.isin(train.keys, test.keys)
    assert shared.sum() == 3183 and len(training) == 124_121
    # Not chance: where each file has the triplet once, the row is the same trial, its order included.
    mine = pd.DataFrame(test.rows).assign(key=test.keys).drop_duplicates("key", keep=False).set_index("key")
    theirs = pd.DataFrame(train.rows).assign(key=train.keys).drop_duplicates("key", keep=False).set_index("key")
    both = mine.join(theirs, suffixes=("", " train"), how="inner")
    same = (both.iloc[:, :3].to_numpy() == both.iloc[:, 3:].to_numpy()).all(1)
    assert len(both) == 1441 and same.mean() > 0.95
    assert not set(training.keys) & set(test.keys)


def test_some_triplets_were_judged_more_than_once():
    for part, n_triplets, lower in (("test", 338, 0.594), ("train", 732, 0.616)):
        found = triplets.ceiling(datasets.things_triplets(part))
        assert found.n_triplets == n_triplets and found.lower == pytest.approx(lower, abs=0.002)
        assert found.low < 0.649 < found.upper  # SPoSE lies between


@pytest.mark.parametrize(("name", "planned"), PLANNED)
def test_accuracy_on_the_fifty_thousand(name, planned):
    found = triplets.accuracy(*_with_test(name))
    assert found.accuracy == pytest.approx(planned, abs=0.001)
    assert found.low < planned < found.high and found.high - found.low < 0.025


def _with_test(name):
    table, similarity = embedding(name)
    return table, datasets.things_triplets("test"), similarity


@pytest.mark.parametrize(("name", "planned"), SORTED)
def test_categories_by_nearest_centroid(name, planned):
    found = triplets.categorisation(embedding(name)[0], datasets.things().single_category)
    assert (found.n, found.n_categories) == (1112, 18)
    assert found.accuracy == pytest.approx(planned, abs=0.0015)


def test_labels_and_shapes_of_published_embeddings():
    assert datasets.spose(49).shape == (1854, 49) and datasets.spose(49).columns.is_unique
    assert datasets.spose(66).shape == (1854, 66) and datasets.spose(66).columns.is_unique
    assert datasets.vice().shape == (1854, 42) and (datasets.vice() >= 0).to_numpy().all()
    assert datasets.spose(66).columns[2] == "animal-related"
    animals = datasets.things().categories["animal"]
    assert animals[datasets.spose(66)["animal-related"].nlargest(20).index].all()
    clothes = datasets.spose(49).iloc[:, 3]
    assert "clothing" in clothes.name and datasets.things().categories.loc[clothes.nlargest(5).index, "clothing"].any()
    with pytest.raises(UnknownName, match="SPoSE"):
        datasets.spose(50)
    with pytest.raises(UnknownName, match="vectors"):
        datasets.things_vectors("glove")


def test_forty_eight_objects_are_in_the_order_of_their_matrix():
    people = datasets.human_similarity_48()
    weights = datasets.spose(66).loc[people.index]
    upper = np.triu_indices(48, 1)
    every = triplets.similarity_matrix(datasets.spose(66))
    model = every.loc[people.index, people.index]
    r = np.corrcoef(people.to_numpy()[upper], model.to_numpy()[upper])[0, 1]
    assert r > 0.85
    # In the source the row of camera1 holds the number and the weights of camera_lens; people say which it is.
    place, others = list(people.index).index("camera1"), people.index != "camera1"
    fits = [
        np.corrcoef(people.to_numpy()[place, others], every.loc[name, people.index[others]])[0, 1]
        for name in ("camera1", "camera_lens")
    ]
    assert fits[0] > fits[1]
    wrong = weights.sort_index().to_numpy()
    assert np.corrcoef(people.to_numpy()[upper], (wrong @ wrong.T)[upper])[0, 1] < 0.2


def test_people_and_gpt_35_agree_at_chance_but_not_for_want_of_order():
    """Du 2025: were a column wrong, an embedding fitted to people could not predict the file of people."""
    found = datasets.du_llm()
    odd = {who: choices.rows[:, 2] for who, choices in found.items()}
    n = len(odd["humans"])
    assert n == 2171
    three = 1.96 * np.sqrt(2 / 9 / n)
    assert np.mean(odd["humans"] == odd["gpt-3.5"]) == pytest.approx(0.347, abs=0.0005)
    assert abs(np.mean(odd["humans"] == odd["gpt-3.5"]) - 1 / 3) < three
    assert np.mean(odd["humans"] == odd["gpt-4"]) == pytest.approx(0.457, abs=0.0005)
    assert np.mean(odd["gpt-3.5"] == odd["gpt-4"]) == pytest.approx(0.562, abs=0.0005)
    known = {who: triplets.accuracy(datasets.spose(66), choices).accuracy for who, choices in found.items()}
    assert known["humans"] == pytest.approx(0.655, abs=0.001)  # as on the fifty thousand
    assert known["gpt-3.5"] == pytest.approx(0.459, abs=0.001)
    # Two observers who share no more than what the embedding knows would agree this often; these two do less.
    p, q = known["humans"], known["gpt-3.5"]
    assert np.mean(odd["humans"] == odd["gpt-3.5"]) < p * q + (1 - p) * (1 - q) / 2 - three


def test_feature_norms_are_about_things():
    found = datasets.gpt_feature_norms()
    assert found["id"].nunique() == 317 and set(found["id"]) <= set(datasets.things().ids)
    assert list(found.columns) == ["id", "feature", "runs"] and found["runs"].between(1, 30).all()
    assert not found.duplicated(["id", "feature"]).any()
    assert "is made of paper" in set(found.loc[found["id"] == "envelope", "feature"])


def test_a_file_with_other_ids_is_refused(tmp_path, monkeypatch):
    table = pd.read_csv(datasets.fetch("things/words.csv"), dtype=str, keep_default_na=False)
    table.loc[3, "id"] = "acron"
    table.to_csv(tmp_path / "words.csv", index=False)
    monkeypatch.setattr(module, "fetch", lambda name: tmp_path / "words.csv")
    module.things_ids.cache_clear()
    monkeypatch.setattr(module, "things_ids", lambda: tuple(sorted(set(table["id"]) - {"acron"} | {"acorn"})))
    with pytest.raises(BadInput, match="acorn, acron"):
        module._by_id("things/words.csv", "id")
