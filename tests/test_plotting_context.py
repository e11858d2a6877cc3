"""Figures about context: units, n, intervals and what is simulated are on the page."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from conftest import texts

from neuroconverge import plotting
from neuroconverge.errors import BadInput


def by_state(values: dict) -> pd.DataFrame:
    rows = [{"state": s, "context_tokens": n} | values for s in ("trained", "untrained") for n in (1, 8, 64)]
    return pd.DataFrame(rows)


def test_context_surprisal_plot():
    values = {"bits_per_byte": 2.0, "low": 1.5, "high": 2.5, "gain": 0.1, "gain_low": 0.0, "gain_high": 0.2}
    table = by_state(values | {"n_words": 600, "gpt2_xl": 1.1})
    figure = plotting.context_surprisal_plot(table)
    said = texts(figure)
    for part in (
        "bits per byte",
        "600 real words",
        "95 % interval",
        "a word sees at least so many",
        "untrained",
        "64",
        "GPT-2 XL",
    ):
        assert part in said
    bands = [collection.get_paths()[0].vertices[:, 1] for collection in figure.axes[0].collections]
    assert all((band.min(), band.max()) == (1.5, 2.5) for band in bands) and len(bands) == 2
    with pytest.raises(BadInput, match="gain"):
        plotting.context_surprisal_plot(table.drop(columns="gain"))


def test_context_states_plot():
    parts = [by_state({"change": 0.5, "n_words": 600}).assign(layer=name) for name in ("layer1", "layer2")]
    table = pd.concat(parts)
    figure = plotting.context_states_plot(table[(table["state"] == "trained") | (table["context_tokens"] < 64)])
    said = texts(figure)
    for part in ("trained, 600 words", "untrained", "correlation over words", "layer2", "unrelated"):
        assert part in said
    assert len(figure.axes[0].lines) == 3  # two layers and the mark
    left, right = figure.axes
    assert left.get_xlim() == right.get_xlim() and list(left.get_xticks()) == list(right.get_xticks()) == [1, 8, 64]


def test_context_planted_plot():
    table = pd.DataFrame({"planted_tokens": [0, 1, 8], "n_electrodes": 20, "n_words": 2500, "at_1": 0.1, "at_8": 0.3})
    table = table.assign(half_1=0.02, half_8=0.05)
    figure = plotting.context_planted_plot(table)
    said = texts(figure)
    for part in ("SIMULATED", "2,500 real words", "nothing (20 electrodes)", "95 % interval over", "planted context"):
        assert part in said
    ends = [path.vertices[:, 1] for bars in figure.axes[0].collections for path in bars.get_paths()]
    np.testing.assert_allclose(ends, [[0.08, 0.12], [0.25, 0.35]] * 3)
    with pytest.raises(BadInput, match="table: lacks half_8"):
        plotting.context_planted_plot(table.drop(columns="half_8"))
    rings = [line for line in figure.axes[0].lines if line.get_markersize() == 12]
    assert [(line.get_xdata()[0], line.get_ydata()[0]) for line in rings] == [(1, 0.1), (8, 0.3)]


def test_syntaxgym_plot():
    kinds = pd.DataFrame({"circuit": ["agreement", "all"], "chance": 0.25, "n_items": [18, 192]})
    parts = [
        kinds.assign(state=s, score=v, low=v - 0.1, high=v + 0.1) for s, v in {"trained": 0.8, "untrained": 0.2}.items()
    ]
    figure = plotting.syntaxgym_plot(pd.concat(parts), title="SyntaxGym, first items")
    said = texts(figure)
    assert "SyntaxGym, first items" in said
    for part in ("agreement (18 items)", "all (192 items)", "95 % interval", "random surprisal", "untrained"):
        assert part in said
    assert {line.get_marker() for line in figure.axes[0].lines} >= {"o", "s", "|"}
