"""The figure of accuracies says n, unit, interval, chance and ceiling."""

import pandas as pd
import pytest
from conftest import texts

from neuroconverge import BadInput, plotting

TABLE = pd.DataFrame(
    {
        "model": ["captions", "pixels"] * 2,
        "brain": ["IT15", "IT15", "made", "made"],
        "score": [0.9, 0.7, 0.6, 0.55],
        "low": [0.85, 0.6, 0.5, 0.45],
        "high": [0.95, 0.8, 0.7, 0.65],
        "null_mean": [0.5, 0.49, 0.48, 0.47],
        "ceiling": [0.97, 0.97, 0.8, 0.8],
        "n_subjects": 15,
        "n_stimuli": 92,
    }
)


def test_accuracy_plot_shows_n_interval_chance_and_ceiling():
    figure = plotting.accuracy_plot(TABLE, grey=["pixels"], ceiling="other people")
    said = texts(figure)
    for part in ("15 people × 92 images", "inferior temporal", "95 % interval", "other people", "shuffled pairing"):
        assert part in said
    for ax, (_, part) in zip(figure.axes, TABLE.groupby("brain"), strict=True):
        drawn = [tuple(line.get_xdata()) for line in ax.lines]
        assert {(row.low, row.high) for row in part.itertuples()} <= set(drawn)
        assert tuple(part["null_mean"]) in drawn, "chance is drawn where it was measured"
        assert (part["ceiling"].iloc[0],) * 2 in drawn
        assert {line.get_marker() for line in ax.lines} >= {"o", "s", "x"}, "controls differ by shape too"
    assert figure.get_size_inches()[0] <= 9.4


def test_columns_that_are_absent_are_not_drawn():
    figure = plotting.accuracy_plot(TABLE.drop(columns=["null_mean", "ceiling"]), unit="words")
    assert "shuffled" not in texts(figure) and "15 people × 92 words" in texts(figure)


def test_bad_input_is_named():
    with pytest.raises(BadInput, match="table: lacks low"):
        plotting.accuracy_plot(TABLE.drop(columns="low"))
