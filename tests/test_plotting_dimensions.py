"""Figures about dimensions say units, n, intervals and nulls, name what is SIMULATED, and tell controls apart."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from conftest import texts

from neuroconverge import BadInput, plotting

BAND = {"accuracy": 0.5, "low": 0.48, "high": 0.52}


def curve() -> pd.DataFrame:
    ours = pd.DataFrame(
        {"source": "ours", "n_dims": [60, 12, 8, 8], "step": ["", "best likelihood", "chosen", "result"]}
    )
    static = pd.DataFrame({"source": "static", "n_dims": [2, 8, 60], "step": ""})
    return pd.concat([ours, static]).assign(**BAND, n_choices=50_000)


def match() -> pd.DataFrame:
    rows = {"reference": "SPoSE-49", "n_system": 3, "r": [0.9, 0.5, 0.1, np.nan], "null_95": 0.2}
    return pd.concat([pd.DataFrame({"system": name, **rows}) for name in ("a", "untrained")])


def meanings() -> pd.DataFrame:
    row = {"n_dims": 8, "n_objects": 1854, "n_features": 39, "r": 0.5, "low": 0.4, "high": 0.6, "rotated": 0.2}
    row |= {"rotated_95": 0.25, "permuted_95": 0.03}
    names = [{"system": s, "features": f} for s in ("a", "untrained") for f in ("categories", "norms")]
    return pd.DataFrame(names).assign(**row)


def planted() -> pd.DataFrame:
    rows = {"per_object": [4, 67], "n_dims": [0, 7], "true_dims": 49, "ceiling": 0.65, **BAND}
    return pd.concat([pd.DataFrame({"data": f"SIMULATED, {name}", **rows}) for name in ("truth", "guesses")])


def test_curve_marks_the_choice_of_the_fit_the_paper_and_chance():
    figure = plotting.dimension_plot(curve(), "ours", grey=("static",))
    said = texts(figure)
    for part in ("best held-out likelihood: 12", "what the fit keeps: 8", "66", "chance", "50,000 choices", "95 %"):
        assert part in said
    lines = {line.get_label(): line for line in figure.axes[0].lines}
    assert lines["static"].get_color() == plotting.GREY != lines["ours"].get_color()
    assert lines["ours"].get_xdata().tolist() == [8, 12, 60]
    assert figure.get_size_inches()[0] <= 9.4


def test_choices_of_people_are_averaged_over_draws_and_simulations_are_named():
    people = pd.DataFrame({"data": "people", "per_object": [16, 16, 67], "n_dims": [2, 4, 8], **BAND})
    figure = plotting.choices_plot(people, planted(), ("SIMULATED, guesses",), published=[(787, 49, "SPoSE-49")])
    said = texts(figure)
    assert "people and SIMULATED" in said and "49 planted" in said and "SPoSE-49" in said and "95 %" in said
    lines = {line.get_label(): line for line in figure.axes[0].lines}
    assert lines["people"].get_ydata().tolist() == [3, 8]
    assert lines["SIMULATED, guesses"].get_color() == plotting.GREY


def test_matches_are_counted_beside_their_null():
    figure = plotting.match_plot(match(), grey=("untrained",))
    said = texts(figure)
    assert (
        said.count("2 of 3") == 2 and "untrained (3)" in said and "SPoSE-49 (4)" in said and "95th percentile" in said
    )
    assert sum(len(line.get_xdata()) == 3 for line in figure.axes[0].lines) == 2


def test_meanings_stand_beside_turns_and_shuffles():
    figure = plotting.interpretability_plot(meanings(), grey=("untrained",))
    said = texts(figure)
    for part in ("39 features, 1,854 objects", "turned at random", "shuffled", "a (8)", "95 % interval", "controls"):
        assert part in said
    markers = [line.get_marker() for line in figure.axes[0].lines]
    assert markers.count("o") == markers.count("s") == 1 and markers.count("D") == 2
    assert len(figure.axes) == 2 and figure.get_size_inches()[0] <= 9.4


@pytest.mark.parametrize(
    ("draw", "lacks"),
    [
        (lambda: plotting.dimension_plot(curve().drop(columns="step"), "ours"), "step"),
        (lambda: plotting.choices_plot(planted(), planted().drop(columns="ceiling")), "ceiling"),
        (lambda: plotting.match_plot(match().drop(columns="null_95")), "null_95"),
        (lambda: plotting.interpretability_plot(meanings().iloc[:0]), "empty"),
    ],
)
def test_bad_tables_are_named(draw, lacks):
    with pytest.raises(BadInput, match=lacks):
        draw()
