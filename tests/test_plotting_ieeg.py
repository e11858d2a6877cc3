"""Figures about intracranial recordings show what they were given, and say what is missing."""

from __future__ import annotations

import re

import numpy as np
import pandas as pd
import pytest
from conftest import texts

from neuroconverge import plotting
from neuroconverge.errors import BadInput


def electrodes(n: int = 6) -> pd.DataFrame:
    rng = np.random.default_rng(0)
    places = pd.DataFrame(rng.uniform(-40, 40, (n, 3)), columns=["x_mm", "y_mm", "z_mm"])
    return places.assign(subject=["01", "02"] * (n // 2))


def test_electrodes_without_a_place_are_left_out():
    table = electrodes()
    table.loc[0, "x_mm"] = np.nan
    figure = plotting.brain_plot(table)
    assert figure.get_suptitle().startswith("5 electrodes (1 more without a position) of 2 patients")
    dots = [dots for ax in figure.axes for dots in ax.collections]
    assert len(dots) >= 3 and not any(one.get_clip_on() for one in dots), "dots at the edge must not be cut"
    view = plotting.brain_view(table)
    assert view.width <= 745 and 'width="640" height="480"' in view.get_iframe()
    page = view.html
    assert '"_marker_x"' in page and not re.search(r"<(link|img|script)[^>]*(href|src)\s*=\s*.http", page)
    assert len(page) < 3e6
    with pytest.raises(BadInput, match="none has both"):
        plotting.brain_plot(table.assign(x_mm=np.nan))
    with pytest.raises(BadInput, match="3 for 6 electrodes"):
        plotting.brain_plot(table, [1, 2, 3])


def test_lag_curves_name_their_electrodes():
    rows = [
        {"SIMULATED": truth, "place": place, "lag_s": lag, "score": 0.1, "low": 0, "high": 0.2, "n_electrodes": 7}
        for truth in ("planted", "null")
        for place in ("near", "far")
        for lag in (0.0, 0.1)
    ]
    figure = plotting.lag_plot(pd.DataFrame(rows))
    assert [ax.get_title("left") for ax in figure.axes] == ["SIMULATED, planted", "SIMULATED, null"]
    assert "bands: 95 % interval over electrodes" in texts(figure)
    assert "near (7 electrodes)" in [text.get_text() for text in figure.axes[0].get_legend().texts]
    with pytest.raises(BadInput, match="lacks"):
        plotting.lag_plot(pd.DataFrame(rows).drop(columns="low"))


def test_unpredicted_electrodes_are_marked_apart():
    table = pd.DataFrame({"distance_mm": [1.0, 2, 3], "layer": [0, 0.5, 1], "planted_layer": [0, 0.5, 1]})
    figure = plotting.distance_plot(table.assign(SIMULATED="planted", predictive=[True, True, False]))
    assert "2 of 3" in figure.axes[0].get_title("left")
    assert [len(marks.get_offsets()) for marks in figure.axes[0].collections] == [1, 2]
