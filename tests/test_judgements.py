"""Word similarity: every published set reads as published, means agree with raters, words are never missing."""

import numpy as np
import pytest
from conftest import have
from scipy.stats import spearmanr

from neuroconverge import BadInput, UnknownName, datasets
from neuroconverge.datasets import judgements

SETS = {  # pairs, raters
    "multisimlex": (999, 13),
    "simlex": (999, None),
    "men": (3000, None),
    "wordsim": (353, None),
    "wordsim-raters": (153, 13),
    "rw": (2034, 10),
    "rg65": (65, None),
    "mturk771": (771, None),
}


@pytest.mark.parametrize("which", SETS)
def test_every_set_reads_as_published(which):
    found, (pairs, raters) = have(datasets.word_similarity, which), SETS[which]
    assert len(found.pairs) == pairs and list(found.pairs.columns[:3]) == ["word1", "word2", "score"]
    assert found.pairs["score"].between(*found.scale).all()
    assert (found.pairs[["word1", "word2"]] != "").to_numpy().all()
    assert (found.raters is None) == (raters is None)
    if raters:
        assert found.raters.shape == (pairs, raters)


@pytest.mark.parametrize("which", ["multisimlex", "wordsim-raters"])
def test_published_means_are_the_means_of_the_raters(which):
    found = have(datasets.word_similarity, which)
    apart = (found.raters.mean(axis=1) - found.pairs["score"]).abs()
    assert (apart < 0.02).mean() > 0.99


def test_sets_with_the_same_pairs_agree():
    multi, simlex = have(datasets.word_similarity, "multisimlex").pairs, have(datasets.word_similarity, "simlex").pairs
    joined = multi.merge(simlex, on=["word1", "word2"], suffixes=(" multi", " simlex"))
    assert len(joined) > 900
    assert spearmanr(joined["score multi"], joined["score simlex"]).statistic > 0.7


def test_part_of_speech_is_taken_off_the_words_of_men():
    found = have(datasets.word_similarity, "men").pairs
    assert not found["word1"].str.contains("-[nvj]$").any() and set("".join(found["pos"])) == set("nvj")
    assert tuple(found.loc[0, ["word1", "word2", "score"]]) == ("berry", "seed", 37.0)


def test_raters_agree_with_one_another():
    raters = have(datasets.word_similarity, "multisimlex").raters.dropna().to_numpy()
    left_out = [spearmanr(raters[:, k], np.delete(raters, k, 1).mean(1)).statistic for k in range(13)]
    assert min(left_out) > 0.4


def test_missing_answers_are_nan_and_not_zero():
    raters = have(datasets.word_similarity, "multisimlex").raters
    assert raters.isna().to_numpy().sum() == 1 and np.isnan(raters.loc[852, "rater 7"])
    answers = have(datasets.word_similarity, "rw").raters.notna().sum(axis=1)
    assert (answers.min(), answers.max()) == (7, 10)


def test_an_unknown_set_is_named():
    with pytest.raises(UnknownName, match="multisimlex"):
        datasets.word_similarity("multisimplex")


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("gem\tjewel\t3.94\n", "1 pairs; wanted 65"),
        ("gem\tjewel\t3.94\n" * 64 + "noon\tstring\t9\n", "score of pair 64 outside"),
        ("gem\tjewel\tmuch\n" * 65, "not read as a table of word pairs"),
    ],
)
def test_a_file_that_is_not_as_published_is_refused(tmp_path, monkeypatch, text, says):
    (tmp_path / "rg.txt").write_text(text)
    monkeypatch.setattr(judgements, "fetch", lambda name: tmp_path / "rg.txt")
    judgements._loaded.cache_clear()
    with pytest.raises(BadInput, match=says):
        datasets.word_similarity("rg65")
    judgements._loaded.cache_clear()
