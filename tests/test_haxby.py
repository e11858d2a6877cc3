"""Haxby 2001: shapes, cleaning within runs, and categories that can be read across runs."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from conftest import have
from sklearn.discriminant_analysis import LinearDiscriminantAnalysis
from sklearn.model_selection import GroupKFold, LeaveOneGroupOut, cross_val_predict

from neuroconverge import BadInput, datasets
from neuroconverge.datasets import haxby as loader  # the function; the module is reached through it


@pytest.fixture(scope="module")
def data():
    return have(datasets.haxby)


def test_volumes_labels_and_runs_belong_together(data):
    assert data.responses.shape == (1452, 530) and data.responses.dtype == np.float32
    assert np.bincount(data.runs).tolist() == [121] * 12
    counts = pd.Series(data.labels).value_counts()
    assert counts.pop("rest") == 588 and set(counts) == {108} and len(counts) == 8
    blocks = pd.Series(data.labels)[data.labels != "rest"]
    assert (np.diff(np.flatnonzero(data.labels == "face")) == 1).sum() == 12 * 8, f"faces in blocks: {len(blocks)}"


def test_every_run_is_cleaned_by_itself(data):
    for run in range(12):
        part = data.responses[data.runs == run]
        np.testing.assert_allclose(part.mean(0), 0, atol=1e-4)
        np.testing.assert_allclose(part.std(0), 1, atol=0.01)
        slopes = np.polyfit(np.arange(len(part)), part, 1)[0]
        assert np.abs(slopes).max() < 1e-4


def test_rows_turn_into_images(data):
    image = data.masker.inverse_transform(data.responses[:2])
    assert image.shape == (40, 20, 1, 2)
    assert np.count_nonzero(np.asanyarray(image.dataobj)[..., 0]) == 530


def test_categories_are_read_across_runs_and_shuffled_ones_are_not(data):
    """Nine volumes a block, one run left out; the probabilities of a block's volumes are averaged. Chance is 1 in 8."""
    seen = data.labels != "rest"
    x, y, runs = data.responses[seen], data.labels[seen], data.runs[seen]
    model = LinearDiscriminantAnalysis(solver="lsqr", shrinkage=0.5)
    chances = cross_val_predict(model, x, y, groups=runs, cv=LeaveOneGroupOut(), method="predict_proba")
    names = np.unique(y)
    volumes = (names[chances.argmax(1)] == y).mean()
    blocks = pd.DataFrame(chances).groupby([runs, y]).mean()
    right = names[blocks.to_numpy().argmax(1)] == np.array(blocks.index.get_level_values(1), str)
    assert len(right) == 96 and volumes > 0.65 and right.mean() > 0.8
    rng = np.random.default_rng(0)
    order = np.lexsort((rng.random(len(y)), runs))  # labels change places within their run
    null = cross_val_predict(model, x, y[order], groups=runs, cv=GroupKFold(3))
    assert abs((null == y[order]).mean() - 1 / 8) < 0.05


def test_labels_that_are_not_as_published_are_refused(tmp_path, monkeypatch):
    file = tmp_path / "attributes_literal.txt"
    file.write_text("rest 0\nface 0\n", encoding="utf-8")
    monkeypatch.setitem(loader.__wrapped__.__globals__, "fetch", lambda name: file)
    with pytest.raises(BadInput, match="wanted 9 volumes of bottle, cat"):
        loader.__wrapped__()
