"""Figures of measures of similarity: what is drawn, and refusals."""

from __future__ import annotations

import pandas as pd
import pytest
from conftest import spans

from neuroconverge import BadInput, plotting

TABLE = pd.DataFrame(
    {
        "n": [10, 100, 10, 100] * 2,
        "measure": ["CKA", "CKA", "RSA", "RSA"] * 2,
        "truth": ["one space"] * 4 + ["nothing"] * 4,
        "score": [0.5, 0.4, 0.3, 0.2] + [0.0] * 4,
        "low": [0.4, 0.3, 0.2, 0.1] + [-0.1] * 4,
        "high": [0.6, 0.5, 0.4, 0.3] + [0.1] * 4,
    }
)


def test_a_line_for_every_measure_in_every_panel():
    figure = plotting.curve_plot(TABLE, "n", "measure", "stimuli", panels="truth", log=True, title="SIMULATED")
    assert [ax.get_title(loc="left") for ax in figure.axes] == ["one space", "nothing"]
    lines = [line for line in figure.axes[0].lines if line.get_label() in ("CKA", "RSA")]
    assert lines[0].get_ydata().tolist() == [0.5, 0.4] and lines[0].get_marker() != lines[1].get_marker()
    assert len(figure.axes[0].collections) == 2 and figure.legends[0].get_title().get_text() == "SIMULATED"
    assert "bands: middle 95 % of the draws" in figure.get_supxlabel()


def test_the_null_is_dotted():
    figure = plotting.curve_plot(TABLE.iloc[:4].assign(null=0.05), "n", "measure", "stimuli")
    dotted = [line for line in figure.axes[0].lines if line.get_linestyle() == ":"]
    assert len(dotted) == 2 and dotted[0].get_ydata().tolist() == [0.05, 0.05]


def test_missing_columns_are_named():
    with pytest.raises(BadInput, match="table: lacks noise"):
        plotting.curve_plot(TABLE, "noise", "measure", "noise")


def test_pairs_stand_beside_their_nulls():
    rows = pd.DataFrame({"first": ["A", "A", "B"], "second": ["B", "C", "C"], "kind": ["text", "image", "text"]})
    rows = rows.assign(score=[0.8, 0.5, 0.3], low=0.2, high=0.9, within_null=0.2, threshold=0.1, n_photos=92)
    table = pd.concat([rows.assign(measure=name) for name in ("CKA", "RSA")])
    figure = plotting.pair_plot(table)
    first = figure.axes[0]
    assert [ax.get_title(loc="left") for ax in figure.axes] == ["CKA", "RSA"]
    assert [tick.get_text() for tick in first.get_yticklabels()] == ["A – C", "B – C", "A – B"]
    scores = dict(line.get_xydata()[0] for line in first.lines if line.get_marker() in ("o", "s"))
    assert scores == {0.8: 2, 0.3: 1, 0.5: 0} and "over 92 photographs" in figure.get_supxlabel()
    assert spans(first) == [(0.2, 0.9)] * 3
