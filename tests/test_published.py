"""Published tables of other groups: read right, bad files named, and the analyses of models recover a planted truth."""

from __future__ import annotations

from itertools import product

import numpy as np
import pandas as pd
import pytest
from conftest import have

from neuroconverge import BadInput, datasets, experiments, stats
from neuroconverge.datasets import published as tables
from neuroconverge.experiments import layers, published

FILES = {
    "neural_nlp": "neural_nlp/precomputed-scores.csv",
    "neuroprobe": "neuroprobe/leaderboard_folds.tsv",
    "podcast_regions": "podcast_benchmark/region_lag_performance.tsv",
}


def real(name):
    return have(getattr(datasets, name))


def planted_scores(r=0.9, layers_each=9, seed=0) -> pd.DataFrame:
    """SIMULATED table in the form of the published one: next-word performance drives the score of the best layer."""
    facts, rng = datasets.language_models(), np.random.default_rng(seed)
    ability = rng.standard_normal(len(facts))
    score = r * ability + np.sqrt(1 - r**2) * rng.standard_normal(len(facts))
    rows = []
    for number, (model, suffix) in enumerate(product(facts.index, ("", "-untrained"))):
        at = number // 2
        gain = 0.1 * score[at] - 0.3 * bool(suffix)
        n_layers = layers_each + at % 4
        peak = 1 / (1 + np.exp(ability[at]))  # better models peak earlier
        for layer, name in product(range(n_layers), tables.BRAINS):
            value = 1 + gain - 0.2 * abs(layer / (n_layers - 1) - peak)
            rows.append((f"block.{layer}", name, model + suffix, value, 0.01))
        loss = 6 - ability[at] + 2 * bool(suffix)
        rows.append((np.nan, "wikitext-2", model + suffix, loss, np.nan))
        rows.append((np.nan, "glue-rte", model + suffix, rng.random(), np.nan))
    return pd.DataFrame(rows, columns=["layer", "benchmark", "model", "score", "error"])


@pytest.fixture
def as_published(tmp_path, monkeypatch):
    """Puts a table in the place of a published file."""

    def put(table: pd.DataFrame, sep=","):
        path = tmp_path / "table"
        table.to_csv(path, sep=sep, index=False)
        monkeypatch.setattr(tables, "fetch", lambda name: path)

    return put


def test_table_is_tidied(as_published):
    raw = planted_scores()
    raw.loc[raw["model"].eq("ETM-untrained") & raw["benchmark"].eq("wikitext-2"), "score"] = raw.loc[
        raw["model"].eq("ETM") & raw["benchmark"].eq("wikitext-2"), "score"
    ].item()
    raw.loc[3, "score"] = np.nan
    as_published(raw)
    table = datasets.neural_nlp()
    assert len(table) == len(raw) - 2, "the repeated untrained score and the row without a score are left out"
    words = table[table["benchmark"] == "next word"].set_index(["model", "trained"])["score"]
    assert ("ETM", False) not in words.index and words["gpt2", True] > words["gpt2", False], "more is better"
    gpt2 = table[(table["model"] == "gpt2") & (table["benchmark"] == "Pereira2018") & table["trained"]]
    assert list(gpt2["depth"]) == pytest.approx(np.linspace(0, 1, len(gpt2))) and set(gpt2["family"]) == {"gpt"}
    assert not table.duplicated(["benchmark", "model", "trained", "layer"]).any()


def test_every_model_has_a_family_and_a_width():
    facts = datasets.language_models()
    assert len(facts) == 44 and not facts.isna().any(axis=None)
    assert set(facts["attention"]) == {"causal", "bidirectional", "static"} and facts["width"].between(300, 5000).all()
    for name, family in (("distilgpt2", "gpt"), ("xlm-roberta-base", "roberta"), ("t5-11b", "t5")):
        assert facts.loc[name, "family"] == family


def test_planted_relations_are_recovered(as_published):
    as_published(planted_scores(r=0.9))
    found = published.neural_nlp_benchmarks().set_index(["recording", "analysis"])
    row = found.loc[("Pereira2018", "best layer")]
    assert row["r"] > 0.8 and row["low"] > 0.5 and row["p"] < 0.05 and row["n_models"] == 44
    tasks = published.neural_nlp_tasks().set_index(["recording", "task"])
    assert tasks.loc[("Blank2014", "next word"), "p_bh"] < 0.05 < tasks.loc[("Blank2014", "glue-rte"), "p_bh"]
    gain = published.neural_nlp_training().set_index("recording").loc["Blank2014"]
    assert gain["difference"] == pytest.approx(0.3, abs=1e-6) and gain["r"] > 0.99
    depth = layers.neural_nlp_depth().set_index(["recording", "measure", "held"])
    assert depth.loc[("Pereira2018", "best", "nothing"), "high"] < 0, "planted: better models peak earlier"


def test_null_is_left_alone(as_published):
    hits = []
    for seed in range(40):
        as_published(planted_scores(r=0.0, layers_each=2, seed=seed))
        best = published.per_model().xs(True, level="trained").loc["Pereira2018"]
        hits.append(stats.correlation(best["next word"], best["score"], best["family"], n_boot=199).p < 0.05)
    assert np.mean(hits) < 0.2


def test_simulated_models_carry_what_was_planted():
    draws = [published.simulated_models((40,) * 10, 0.5, 0.6, seed) for seed in range(40)]
    assert np.mean([np.corrcoef(x, y)[0, 1] for x, y, _ in draws]) == pytest.approx(0.6, abs=0.05)
    x, _, family = published.simulated_models((3, 2), 1.0, 0.0, 0)
    assert list(family) == [0, 0, 0, 1, 1] and np.ptp(x[family == 0]) == 0


def test_simulation_says_what_twelve_models_can_show():
    table = experiments.recorded("simulated_benchmark")[0]
    keys = ["SIMULATED design", "shared", "inference", "planted"]
    found = table.set_index(keys)
    twelve = found.loc["12 models, 5 families"]
    assert twelve.loc[(0.8, "models counted", 0.0), "p_below_05"] > 0.15
    assert twelve.loc[(0.8, "families kept together", 0.8), "beyond_zero"] < 0.5
    kept = table[table["inference"] == "families kept together"]
    assert kept["covered"].between(0.9, 0.98).all()


def test_published_numbers_come_out_to_the_digit():
    real("neural_nlp")
    found = published.neural_nlp_benchmarks().set_index(["recording", "analysis"])
    best = found.xs("best layer", level="analysis")
    assert best["r"].round(3).to_dict() == {
        "Pereira2018": 0.742,
        "Fedorenko2016": 0.298,
        "Blank2014": 0.501,
        "Futrell2018": 0.177,
    }
    assert list(best["n_models"]) == [42, 42, 43, 43]
    training = published.neural_nlp_training().set_index("recording").round(3)
    assert tuple(training.loc["Pereira2018", ["trained", "untrained"]]) == (0.614, 0.341)
    assert training.loc["Pereira2018", "r"] == 0.697


# What chapters and verdicts say in words, against the recorded numbers.


@pytest.fixture(scope="module")
def benchmarks():
    return experiments.recorded("neural_nlp_benchmarks")[0].set_index(["recording", "analysis"])


def test_one_recording_of_three_holds_up(benchmarks):
    pereira, fedorenko, blank = (benchmarks.loc[name] for name in layers.DEEP_RECORDINGS)
    for choice in published.CHOICES:
        assert pereira.loc[choice, "low"] > 0.2
        assert fedorenko.loc[choice, "low"] < 0 < fedorenko.loc[choice, "high"]
    assert blank.loc["best layer", "low"] > 0 > blank.loc["without GPT", "low"]
    assert pereira.loc["attention held", "low"] < 0 < pereira.loc["width held", "low"]
    assert pereira.loc["trained and untrained", "r"] < pereira.loc["best layer", "r"] / 2


def test_part_of_the_relation_remains_within_kinds_of_attention(benchmarks):
    assert benchmarks.loc[("Pereira2018", "width and attention held"), "low"] > 0
    found = benchmarks.loc["Pereira2018", "r"]
    assert found["untrained only"] < found["trained and untrained"] < found["best layer"]


def test_no_other_task_and_only_one_gain_from_training():
    tasks = experiments.recorded("neural_nlp_tasks")[0]
    glue = tasks[tasks["task"] != "next word"]
    assert (glue["p_bh"] > 0.3).all() and (glue["low"] < 0).all()
    training = experiments.recorded("neural_nlp_training")[0].set_index("recording")
    assert training.loc["Pereira2018", "low"] > 0
    others = training.drop("Pereira2018")
    assert (others["low"] < 0).all() and (others["high"] > 0).all()
    assert training.loc["Fedorenko2016", "r_low"] < 0 < training.loc["Blank2014", "r_low"]
    assert training.loc["Blank2014", "high"] < training.loc["Blank2014", "untrained"], "most was there before training"


def test_no_support_for_an_earlier_peak():
    depth = experiments.recorded("neural_nlp_depth")[0]
    assert (depth["low"] < 0).all() and (depth["high"] > 0).all()
    assert (depth["low"] > -0.81).all(), "the paper's relation, as it is remembered, lies outside every interval"
    assert depth["near_best"].between(0.3, 0.4).all()


def test_damage_takes_words_away_and_overlap_is_no_convergence():
    table = experiments.recorded("layer_cka_tests")[0]
    found = table[table["layer"] == 20].set_index(["state", "reference"])
    word, text, own, twin = (layers.REFERENCES[i] for i in range(4))
    damage = ["intact", "noise 0.1", "noise 0.2", "noise 0.4", "untrained"]
    assert found["bits_per_word"].xs(word, level="reference")[damage[:4]].is_monotonic_increasing
    assert found["cka"].xs(word, level="reference")[damage].is_monotonic_decreasing
    assert found["cka"].xs(own, level="reference")[damage[1:4]].is_monotonic_decreasing
    assert found.loc[("untrained", text), "cka"] > found.loc[("intact", text), "cka"]
    assert found.loc[("untrained", text), "p"] > 0.05 > found.loc[("intact", text), "p"]
    assert (
        found.loc[("untrained", twin), "cka"]
        > 0.85
        > found.drop(index=own, level="reference")
        .drop(index=["untrained", "untrained, other seed"], level="state")["cka"]
        .max()
    )
    assert (table["plain"] > table["cka"]).all()


def test_dip_of_the_layers_is_one_dimension():
    table = experiments.recorded("layer_cka")[0]
    found = table[table["state"].eq("intact") & table["reference"].eq(layers.REFERENCES[0])].set_index("layer")
    dip = found[found["top_share"] > 0.25]
    assert list(dip.index) == list(range(3, 10))
    assert dip["debiased"].max() < 0.3 and dip["without_top"].min() > 0.5


def test_where_words_and_loudness_are_read():
    real("podcast_regions")
    scores = published.podcast_decoding().set_index(["task", "rule", "unit"]).sort_index()["score"]
    loud, words = scores["volume_level", "fixed lag"], scores["word_embedding", "fixed lag"]
    assert loud["eac"] > 1.8 * loud["ifg"] and abs(words["eac"] - words["ifg"]) < 0.03
    patients = set(published.podcast_decoding().query("level == 'subject'")["unit"])
    assert patients == set("13456789"), "both chapters say that patient 2 is missing"
    tests = published.podcast_tests().set_index(["test", "rule"])
    for rule in ("fixed lag", "best lag"):
        row = tests.loc[("words, patients", rule)]
        assert row["n_positive"] == row["n"] == 8 and row["p"] == pytest.approx(2 / 2**8)
        loudness = tests.loc[("volume_level and electrodes, regions", rule)]
        assert loudness["estimate"] > 0.95 and np.isnan(loudness["n_positive"])  # which is of mean differences


def test_trained_and_untrained_tie_on_surprisal():
    table = real("neuroprobe")
    assert len(table) == 3060 and table["subject"].nunique() == 6 and table["session"].nunique() == 12
    found = published.neuroprobe_models().set_index(["split", "task"])
    for split in ("Cross-Session", "Within-Session"):
        row = found.loc[(split, "gpt2_surprisal")]
        assert row["low"] < 0 < row["high"] and row["untrained"] > 0.55 and row["n_patients"] == 6
    assert found.loc[("Cross-Session", "speech"), "low"] > 0
    assert found.loc[("Cross-Session", "speech"), "linear"] > found.loc[("Cross-Session", "speech"), "trained"] + 0.2


def test_electrode_counts_are_of_the_regions_in_the_table():
    table = real("podcast_regions")
    assert set(table.loc[table["level"] == "region", "unit"]) == set(tables.REGION_ELECTRODES)
    assert set(tables.REGION_NAMES) == set(tables.REGION_ELECTRODES)


def damaged(name, change):
    raw = datasets.fetch(FILES[name])
    return change(pd.read_csv(raw, sep="," if name == "neural_nlp" else "\t", encoding="utf-8-sig"))


def first(column, value):
    def change(table):
        table[column] = table[column].astype(object)
        table.loc[0, column] = value
        return table

    return change


@pytest.mark.parametrize(
    "name, change, message",
    [
        ("neural_nlp", lambda t: t.drop(columns="score"), "lacks the columns score"),
        ("neural_nlp", lambda t: t.iloc[:0], "holds no rows"),
        ("neural_nlp", first("model", "gpt5"), "models without a family: gpt5"),
        ("neural_nlp", lambda t: pd.concat([t, t.iloc[[7]]]), "row 4885 repeats a benchmark, model and layer"),
        ("neural_nlp", first("score", np.inf), "a score is infinite"),
        ("neuroprobe", first("test_roc_auc", 1.2), "test_roc_auc in row 0 is 1.2; wanted 0 to 1"),
        ("neuroprobe", first("test_roc_auc", np.nan), "test_roc_auc in row 0 is nan"),
        ("neuroprobe", first("subject_trial", "patient 1"), "subject_trial in row 0 is not btbankN_M"),
        ("neuroprobe", first("region", "STG"), "more than one region or time bin"),
        ("podcast_regions", first("task", "pitch"), "an unknown task or split"),
        ("podcast_regions", lambda t: t[t["unit"] != "tp"], "regions .*; wanted eac"),
        ("podcast_regions", first("metric", "corr"), "metric 'corr' of the wrong task"),
        ("podcast_regions", first("value", 0.9), "do not give the mean that the source states"),
        ("podcast_regions", lambda t: t.drop(index=2), "do not give the mean that the source states"),
    ],
)
def test_files_that_are_not_as_published_are_named(name, change, message, as_published):
    real(name)
    as_published(damaged(name, change), "," if name == "neural_nlp" else "\t")
    with pytest.raises(BadInput, match=message):
        getattr(datasets, name)()
