"""Word patterns and captions: shapes, ids, order; files that are not as published are refused with the place."""

from __future__ import annotations

import json

import numpy as np
import pytest
from conftest import have

from neuroconverge import BadInput, UnknownName, datasets
from neuroconverge.datasets import words as module


@pytest.mark.parametrize("subject", datasets.PEREIRA_SUBJECTS)
def test_pereira_has_180_words_in_alphabetical_order(subject):
    data = have(datasets.pereira_words, subject)
    assert data.responses.shape == (180, 1000) and data.subject == subject
    assert data.words == data.responses.index.tolist() == sorted(set(data.words))
    assert all(word == word.lower() for word in data.words)
    values = data.responses.to_numpy()
    assert values.dtype == np.float32 and np.isfinite(values).all()
    np.testing.assert_allclose(values.max(1), 1, atol=1e-6)  # the scaling that the docstring warns of
    assert data.words == have(datasets.pereira_words, "M01").words


@pytest.mark.parametrize("subject", datasets.MITCHELL_SUBJECTS)
def test_mitchell_has_60_nouns_in_the_same_order(subject):
    data = have(datasets.mitchell_nouns, subject)
    assert data.responses.shape == (60, 1000) and len(set(data.words)) == 60
    assert data.words[:3] == ["refrigerator", "barn", "bell"] and data.words == have(datasets.mitchell_nouns, 1).words


def test_people_differ_and_unknown_people_are_named():
    first, second = (have(datasets.pereira_words, s).responses for s in ("M01", "M02"))
    assert np.abs(first.to_numpy() - second.to_numpy()).mean() > 0.05
    assert len(datasets.PEREIRA_SUBJECTS) == 15 and "M11" not in datasets.PEREIRA_SUBJECTS
    with pytest.raises(UnknownName, match="M11.*Did you mean"):
        datasets.pereira_words("M11")
    with pytest.raises(UnknownName, match="participant of mitchell_nouns is called 10"):
        datasets.mitchell_nouns(10)


def test_captions_of_coco():
    table = have(datasets.coco_captions)
    assert table.shape == (25_014, 2) and table["image_id"].nunique() == 5000
    assert set(table["image_id"].value_counts()) == {5, 6, 7}
    assert not table["caption"].str.contains(r"^\s|\s$|\n|  |^$").any()


def write(path, lines):
    path.write_text("\n".join(lines), encoding="utf-8")
    return path


GOOD = ["word v0 v1", "null 0.1 0.2", "nan 0.3 0.5", "café -1 2"]


def test_table_keeps_words_that_look_like_missing_values(tmp_path):
    table = module.read_word_table(write(tmp_path / "w.txt", GOOD), 3, 2)
    assert table.index.tolist() == ["null", "nan", "café"] and (table.dtypes == np.float32).all()


@pytest.mark.parametrize(
    "change, message",
    [
        ({3: None}, "2 words x 2 columns under 'word'; wanted 3 x 2"),
        ({0: "name v0 v1"}, "under 'name'"),
        ({2: "nan 0.3 inf"}, "1 values are not finite, the first for 'nan'"),
        ({2: "nan 0.3 much"}, "column v1 holds something that is no number"),
        ({2: "null 0.3 0.5"}, "the word 'null' has more than one row"),
        ({1: "null 7 0.2", 2: "nan 7 0.5", 3: "café 7 2"}, "column v0 is constant"),
    ],
)
def test_table_that_is_not_as_published_is_refused(tmp_path, change, message):
    lines = [change.get(i, line) for i, line in enumerate(GOOD)]
    with pytest.raises(BadInput, match=message):
        module.read_word_table(write(tmp_path / "w.txt", [line for line in lines if line]), 3, 2)


@pytest.mark.parametrize(
    "content, message",
    [
        ({"annotations": [{"image_id": 1, "caption": " \n"}]}, "caption 0 is empty"),
        ({"annotations": []}, "holds no captions"),
        ({"images": []}, "not a COCO caption file"),
        ({"annotations": [{"image_id": 1, "caption": None}]}, "not a COCO caption file"),
    ],
)
def test_captions_that_are_not_as_published_are_refused(tmp_path, monkeypatch, content, message):
    file = tmp_path / "captions.json"
    file.write_text(json.dumps(content), encoding="utf-8")
    monkeypatch.setattr(module, "fetch", lambda name: file)
    with pytest.raises(BadInput, match=message):
        module.coco_captions.__wrapped__()
