"""Figures of objects in models and people say n, units and intervals, and tell cited numbers from measured ones."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from conftest import texts

from neuroconverge import BadInput, plotting

SYSTEMS = pd.DataFrame({"system": ["SPoSE-66", "word2vec, names"], "kind": ["fitted", "control"]})
CITED = {"language model, cited": 0.71, "people, cited": 0.9}


def similar():
    return SYSTEMS.assign(
        r=[0.9, 0.4],
        low=[0.85, 0.3],
        high=[0.93, 0.5],
        pairs_low=[0.88, 0.36],
        pairs_high=0.92,
        null_95=0.06,
        n_objects=48,
    )


def test_similarity_shows_both_intervals_the_null_and_cited_numbers():
    figure = plotting.similarity_plot(similar(), CITED)
    ax = figure.axes[0]
    drawn = {tuple(np.round(line.get_xdata(), 3)) for line in ax.lines}
    assert {(0.85, 0.93), (0.88, 0.92), (0.3, 0.5), (0.06, 0.06), (0.71,), (0.9,)} <= drawn
    diamonds = {float(line.get_xdata()[0]) for line in ax.lines if line.get_marker() == "D"}
    squares = {float(line.get_xdata()[0]) for line in ax.lines if line.get_marker() == "s"}
    assert diamonds == set(CITED.values()) and squares == {0.4}
    said = texts(figure)
    for part in ("48 objects", "over objects", "over pairs", "people, cited", "squares: controls", "(r)"):
        assert part in said
    assert figure.get_size_inches()[0] <= 9.4
    names = [text.get_text() for text in ax.get_yticklabels()]
    assert names == ["word2vec, names", "SPoSE-66", "people, cited", "language model, cited"]


def test_categories_show_the_largest_category():
    table = SYSTEMS.assign(
        accuracy=[0.88, 0.82], low=[0.86, 0.8], high=[0.9, 0.84], majority=0.23, n_objects=1112, n_categories=18
    )
    figure = plotting.category_plot(table)
    assert any(list(line.get_xdata()) == [0.23, 0.23] and line.get_linestyle() == "--" for line in figure.axes[0].lines)
    for part in ("1,112 objects", "18 categories", "largest category", "95 % interval"):
        assert part in texts(figure)
    assert figure.axes[0].get_xlim() == (0, 1)


def projections():
    table = pd.DataFrame({"model": ["dimensions", "untrained twin"], "score": [0.24, 0.1]}).assign(
        low=[0.15, 0.0], high=[0.33, 0.2], ceiling_low=0.45, ceiling_high=0.54, n_subjects=15, n_stimuli=92
    )
    both = pd.concat([table.assign(brain=name) for name in ("IT15", "EVC15")])
    random = pd.DataFrame({"kind": np.repeat(["random", "rotated"], 20), "IT15": np.linspace(0, 0.2, 40), "EVC15": 0.0})
    return both, random


def test_projections_show_clouds_ceiling_and_n():
    figure = plotting.projection_plot(*projections(), panels=("IT15", "EVC15"))
    assert len(figure.axes) == 2
    clouds = [line for line in figure.axes[0].lines if len(line.get_xdata()) == 20]
    assert len(clouds) == 2 and np.concatenate([one.get_xdata() for one in clouds]).max() == pytest.approx(0.2)
    said = texts(figure)
    for part in ("15 people × 92 photos", "20 maps each", "noise ceiling", "Spearman", "early visual cortex"):
        assert part in said
    assert any(line.get_marker() == "s" for line in figure.axes[0].lines)
    assert figure.get_size_inches()[0] <= 9.4


def test_missing_columns_are_named():
    for draw, wanted in ((plotting.similarity_plot, "pairs_low"), (plotting.category_plot, "majority")):
        with pytest.raises(BadInput, match=wanted):
            draw(SYSTEMS.assign(r=1, low=0, high=1, accuracy=1))
    with pytest.raises(BadInput, match="lacks EVC15"):
        plotting.projection_plot(projections()[0], projections()[1].drop(columns="EVC15"), panels=("IT15", "EVC15"))
