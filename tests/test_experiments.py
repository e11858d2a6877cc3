"""The recorded results: recomputed where the data can be had, and what the prose says of them."""

from __future__ import annotations

import json

import numpy as np
import pandas as pd
import pytest
from conftest import have

from neuroconverge import experiments
from neuroconverge.errors import BadInput, DataUnavailable, UnknownName
from neuroconverge.experiments import ieeg, images92

ALL = sorted(experiments.recorded_names())


@pytest.mark.parametrize("name", ALL)
def test_every_experiment_is_recorded_with_the_data_it_came_from(name):
    table, note = experiments.recorded(name)
    assert len(table) and note["experiment"] == name and note["version"] and note["date"]
    now = experiments.get(name).provenance()
    assert (note["sha256"], note["claims"]) == (now["sha256"], now["claims"]), "record it again"


@pytest.mark.timeout(1200)  # with no feature in the cache, on a busy machine
@pytest.mark.parametrize("name", ALL)
def test_recomputed_equals_recorded(name):
    computed = have(experiments.get(name))
    assert experiments.mismatch(name, computed) == []


def test_mismatch_is_seen():
    table, _ = experiments.recorded("noise_ceilings")
    assert experiments.mismatch("noise_ceilings", table) == []
    moved = table.assign(lower=table["lower"] + 0.01)
    assert "lower: differs by up to 0.01" in experiments.mismatch("noise_ceilings", moved)[0]
    assert "shape" in experiments.mismatch("noise_ceilings", table.iloc[1:])[0]
    renamed = table.assign(brain="other")
    assert experiments.mismatch("noise_ceilings", renamed) == ["brain: the labels differ"]


def _unreachable():
    raise DataUnavailable("net2brain78/fmri92_IT_RDMs.npz (1.0 MB) is neither on disk nor reachable. Tried: ...")


def test_table_falls_back_on_the_record_and_says_so(monkeypatch, capsys):
    found = experiments.get("noise_ceilings")
    monkeypatch.setattr(found, "function", _unreachable)
    table = found.table()
    said = " ".join(capsys.readouterr().out.split())
    assert said.startswith("RECORDED on 20") and "net2brain78/fmri92_IT_RDMs.npz can neither be found" in said
    pd.testing.assert_frame_equal(table, experiments.recorded("noise_ceilings")[0])


def test_an_experiment_with_no_recorded_result_says_so(monkeypatch):
    found = experiments.get("ieeg_encoding")
    assert not found.recorded and "ieeg_encoding" not in ALL
    monkeypatch.setattr(found, "function", _unreachable)
    with pytest.raises(DataUnavailable, match="ieeg_encoding has no recorded result to fall back on. net2brain78"):
        found.table()


def test_record_replaces_both_files_or_none(tmp_path, monkeypatch):
    monkeypatch.setattr(experiments, "RESULTS", tmp_path)
    made = experiments.get("caption_agreement")
    monkeypatch.setattr(made, "function", lambda: pd.DataFrame({"x": [1.5]}))
    experiments.record("caption_agreement")
    assert (tmp_path / "caption_agreement.csv").read_text() == "x\n1.5\n"
    assert json.loads((tmp_path / "caption_agreement.json").read_text())["claims"] == ["F1a"]
    monkeypatch.setattr(made, "function", _unreachable)
    with pytest.raises(DataUnavailable):
        experiments.record("caption_agreement")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["caption_agreement.csv", "caption_agreement.json"]


def test_unknown_names():
    with pytest.raises(UnknownName, match="Did you mean 'caption_rsa'"):
        experiments.get("caption_rs")
    with pytest.raises(UnknownName, match="recorded result"):
        experiments.recorded("nothing")
    with pytest.raises(BadInput, match="picks 4 rows"):
        experiments.phrase(pd.DataFrame({"a": [1] * 4}), a=1)


def test_brain_set_that_cannot_be_had_is_replaced_aloud(monkeypatch, capsys):
    def images():
        return type("Photos", (), {"rdms": Missing()})

    class Missing(dict):
        def __missing__(self, name):
            raise DataUnavailable(f"{name} is neither on disk nor reachable")

    monkeypatch.setattr(images92, "images92", images)
    with pytest.raises(DataUnavailable):
        images92.brain("IT15", "EVC15")
    assert images92.brains_here() == {}
    assert "EVC15 stands in" in capsys.readouterr().out


@pytest.mark.parametrize("lost", ["podcast_electrodes", "podcast_words"])
def test_table_of_the_story_that_cannot_be_had_is_none_and_named(monkeypatch, capsys, lost):
    here = dict.fromkeys(("podcast_electrodes", "podcast_words"), lambda: "a table") | {lost: _unreachable}
    for name, load in here.items():
        monkeypatch.setattr(ieeg, name, load)
    assert dict(zip(here, ieeg.tables_here(), strict=True))[lost] is None
    said = capsys.readouterr().out.splitlines()
    assert len(said) == 1 and said[0].endswith("can neither be found nor reached on this machine.")
    assert {"podcast_electrodes": "electrodes", "podcast_words": "words"}[lost] in said[0]


# What the chapters and verdicts say in words, against the recorded numbers.


def test_every_patient_has_an_electrode_near_auditory_cortex_and_one_has_no_more():
    table = experiments.recorded("podcast_coverage")[0].set_index("subject")
    assert table["within_20_mm"].idxmin() == "sub-01" and table["within_20_mm"].min() == 1
    assert (table["left"] + table["right"] + table["unplaced"] == table["good"]).all()
    # The text to the figure of the brain: on the right those of patient 01 and some of 03 and 04.
    assert table.index[table["right"] > 2].tolist() == ["sub-01", "sub-03", "sub-04"]


def test_surprising_words_are_mostly_longer_words():
    row = experiments.recorded("podcast_rhythm")[0].iloc[0]
    assert 0 < row["rho_per_letter"] < row["rho_duration"] / 2


@pytest.fixture(scope="module")
def scores() -> pd.DataFrame:
    table, _ = experiments.recorded("caption_rsa")
    return table[table["method"] == "spearman"].set_index(["brain", "model"])


@pytest.fixture(scope="module")
def rivals() -> pd.DataFrame:
    table, _ = experiments.recorded("caption_rivals")
    return table[table["first"] == "captions, MiniLM"].set_index(["method", "brain", "second"])


def test_captions_match_it_and_not_early_visual_cortex(scores):
    for model in ("captions, MiniLM", "captions, SmolLM2"):
        assert scores.loc[("IT15", model), "low"] > 0 and scores.loc[("IT4", model), "low"] > 0
        assert scores.loc[("EVC15", model), "low"] < 0 < scores.loc[("EVC15", model), "high"]
        assert scores.loc[("IT15", model), "high"] < scores.loc[("IT15", model), "ceiling_low"]
    assert scores.loc[("EVC15", "silhouette"), "low"] > 0
    regions = experiments.recorded("caption_regions")[0].set_index("model")
    assert regions.loc["captions, MiniLM", "low"] > 0


def test_untrained_twin_and_length_score_too_and_less(scores, rivals):
    assert scores.loc[("IT15", "captions, MiniLM untrained"), "low"] > 0
    assert scores.loc[("IT15", "caption length"), "low"] > 0
    assert rivals.loc[("spearman", "IT15", "captions, MiniLM untrained"), "low"] > 0
    assert rivals.loc[("spearman", "IT15", "caption length"), "low"] > 0


@pytest.mark.parametrize("method", ["spearman", "rho-a"])
def test_captions_beat_some_rivals_and_not_others(rivals, method):
    for rival in ("captions, nouns only", "captions, bag of words", "pixels", "V1"):
        assert rivals.loc[(method, "IT15", rival), "low"] > 0
    for rival in ("categories", "captions, GloVe", "EfficientNet-lite0", "captions, words shuffled"):
        assert rivals.loc[(method, "IT15", rival), "low"] < 0 < rivals.loc[(method, "IT15", rival), "high"]
    assert rivals.loc[(method, "behaviour", "categories"), "high"] < 0


def test_captions_explain_something_of_their_own_in_it_only():
    unique = experiments.recorded("caption_unique")[0].set_index(["brain", "model"])
    assert unique.loc[("IT15", "captions, MiniLM"), "low"] > 0 and unique.loc[("IT15", "categories"), "low"] > 0
    assert unique.loc[("EVC15", "captions, MiniLM"), "low"] < 0
    free = experiments.recorded("caption_beyond_kinds")[0].set_index(["brain", "model"])
    left = free.loc[("IT15", "captions, MiniLM")]
    assert left["low"] < 0 < left["semipartial"] < unique.loc[("IT15", "captions, MiniLM"), "semipartial"] / 2


def test_contest_with_labels_hangs_on_layer_and_ties():
    table, _ = experiments.recorded("caption_rivals")
    rows = table[(table["second"] == "categories") & (table["brain"] == "IT15")].set_index(["first", "method"])
    assert rows.loc[("captions, MiniLM", "spearman"), "low"] < 0
    assert rows.loc[("captions, MiniLM chosen layer", "spearman"), "low"] < 0
    assert rows.loc[("captions, MiniLM chosen layer", "rho-a"), "low"] > 0


def test_most_of_the_score_is_knowledge_of_kinds():
    tests = experiments.recorded("caption_permutation")[0].set_index(["shuffle", "brain", "model"])
    row = tests.loc[("within kinds", "IT15", "captions, MiniLM")]
    assert row["p_max"] < 0.05 and row["null_mean"] > row["score"] / 2


def test_naive_layer_choice_is_never_below_the_nested_one():
    choice, _ = experiments.recorded("layer_choice")
    assert (choice["naive"] >= choice["nested"]).all() and (choice["naive"] - choice["nested"]).max() > 0.02


def test_a_small_model_asked_in_words_is_at_chance_and_has_favourite_places():
    table = experiments.recorded("prompt_choices")[0].set_index(["model", "scoring"])
    asked = table[table["n_questions"].notna()]
    assert (asked["low"] < 1 / 3).all() and (asked["high"] > 1 / 3).all()
    assert (table.loc[["word2vec", "MiniLM", "SPoSE-66, fitted to people"], "low"] > 1 / 3).all()
    likely, calibrated = (table.loc[("SmolLM2-135M", how)] for how in ("likelihood", "calibrated"))
    assert likely["first"] > 0.6 and likely["third"] > likely["second"] and likely["agreement"] < 0.5
    assert calibrated["first"] < likely["first"] and calibrated["agreement"] > likely["agreement"]
    answers = table.loc[("SmolLM2-135M", "answer")]
    assert 0.3 < answers["n_unanswered"] / answers["n_questions"] < 0.45


def test_context_helps_the_model_mostly_within_64_tokens_and_a_planted_one_is_found():
    table, _ = experiments.recorded("context_surprisal")
    bits = table.set_index(["state", "context_tokens"])["bits_per_byte"]
    trained, untrained = bits["trained"], bits["untrained"]
    assert trained[1] - trained[32] > 0.8 * (trained[1] - trained[512])  # 32 stands for 32 to 64
    assert untrained[1] - untrained[512] < 0.05 * (trained[1] - trained[512])
    planted = experiments.recorded("context_planted_SIMULATED")[0].query("planted_tokens > 0")
    assert (planted["found"] == planted["planted_tokens"]).all() and (planted["ahead_low"] > 0).all()


def test_the_word_null_is_a_label_and_no_gap(tmp_path, monkeypatch):
    monkeypatch.setattr(experiments, "RESULTS", tmp_path)
    made = experiments.get("caption_agreement")
    monkeypatch.setattr(made, "function", lambda: pd.DataFrame({"truth": ["null", "planted"], "x": [np.nan, 1.0]}))
    experiments.record("caption_agreement")
    table, _ = experiments.recorded("caption_agreement")
    assert list(table["truth"]) == ["null", "planted"] and list(table["x"].isna()) == [True, False]
    assert experiments.mismatch("caption_agreement") == []
