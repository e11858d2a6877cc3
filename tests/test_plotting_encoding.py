"""Figures of encoding models say n, unit, interval and which electrodes pass."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from conftest import texts

from neuroconverge import BadInput, plotting

MODELS = pd.DataFrame(
    {
        "labels": ["as published", "re-aligned", "re-aligned"],
        "model": ["sound", "sound", "clock"],
        "score": [0.1, 0.3, 0.2],
        "low": [0.0, 0.2, 0.1],
        "high": [0.2, 0.4, 0.3],
        "n_found": [0, 3, 2],
        "n_electrodes": [32, 32, 32],
        "n_sentences": [29, 29, 28],
    }
)


def test_encoding_plot_shows_interval_n_and_electrodes_found():
    figure = plotting.encoding_plot(MODELS, grey=["clock"])
    said = texts(figure)
    for part in ("as published (29 sentences)", "3 of 32", "95 % interval over sentences", "clock", "correlation"):
        assert part in said
    blocks = texts(plotting.encoding_plot(MODELS.assign(n_words=600), unit="words", over="blocks of 20 words"))
    assert "as published (600 words)" in blocks and "95 % interval over blocks of 20 words" in blocks
    lines = [line for line in figure.axes[1].lines if len(line.get_xdata()) == 2]
    assert (0.1, 0.3) in [tuple(line.get_xdata()) for line in lines]
    assert {line.get_marker() for line in figure.axes[1].lines} >= {"o", "s"}, "controls differ by shape as well"


def test_electrode_plot_rings_only_those_found():
    table = pd.DataFrame({"electrode": ["a", "b", "c"], "x_px": [1, 2, 3], "y_px": [3, 1, 2]})
    table = table.assign(sound=[0.5, -0.1, 0.2], p_sound=[0.01, 0.9, np.nan])
    figure = plotting.electrode_plot(table)
    said = texts(figure)
    assert "1 of 3 electrodes found" in said and "pixels" in said and "held-out" in said
    assert "a" in [t.get_text() for t in figure.axes[0].texts] and len(figure.axes[0].texts) == 1
    assert figure.axes[0].yaxis_inverted()
    np.testing.assert_array_equal(figure.axes[0].collections[1].get_offsets(), [[1, 3]])


def test_response_plot_leaves_out_times_with_few_sentences():
    values = np.ones((8, 4)) * np.arange(8)[:, None]
    values[:5, 3] = np.nan
    figure = plotting.response_plot({"found": values}, [0, 1, 2, 3], {"sound": 1.0})
    curve = figure.axes[0].lines[0]
    assert curve.get_xdata().tolist() == [0, 1, 2] and set(curve.get_ydata()) == {3.5}
    for part in ("up to 8 sentences", "(s)", "z of the baseline", "bands: two standard errors over sentences"):
        assert part in texts(figure)
    with pytest.raises(BadInput, match=r"wanted \(sentences, 3\)"):
        plotting.response_plot({"found": values}, [0, 1, 2])


def test_penalty_plot_marks_the_choice_and_refuses_a_table_without_it():
    table = pd.DataFrame({"target": "a", "alpha": [1.0, 10.0], "train": [0.9, 0.5], "held_out": [0.1, 0.4]})
    figure = plotting.penalty_plot(table.assign(chosen=[False, True]), title="SIMULATED")
    assert "variance explained" in texts(figure)
    dots = [line for line in figure.axes[0].lines if line.get_marker() == "o"]
    assert [tuple(d.get_xydata()[0]) for d in dots] == [(10.0, 0.4)] and figure.axes[0].get_xscale() == "log"
    with pytest.raises(BadInput, match="table: lacks chosen"):
        plotting.penalty_plot(table)
