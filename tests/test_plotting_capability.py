"""Figures of accuracy against match with the brain say n, families, intervals and ceiling, and mark untrained ones."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from conftest import texts

from neuroconverge import BadInput, plotting

FOUND = pd.DataFrame(
    [
        ("wRSA", "as published", 0.17, -0.16, 0.47, 99, 37),
        ("wRSA", "with untrained", 0.78, 0.7, 0.84, 164, 38),
        ("regression", "as published", 0.3, -0.04, 0.57, 99, 37),
        ("regression", "with untrained", 0.81, 0.75, 0.86, 164, 38),
    ],
    columns=["score", "analysis", "rho", "low", "high", "n_models", "n_families"],
)


def networks(n=20) -> pd.DataFrame:
    rng = np.random.default_rng(0)
    made = pd.DataFrame({"top1": rng.uniform(50, 85, n), "wRSA": rng.uniform(0.6, 0.7, n), "trained": True})
    made["kind"], made["top1_of"] = np.resize(["Convolutional", "Transformer"], n), "classifier"
    untrained = made.assign(trained=False, top1=np.nan, wRSA=0.1)
    without = made.iloc[:2].assign(top1=np.nan)
    return pd.concat([made, untrained, without], ignore_index=True).assign(regression=lambda t: t["wRSA"] / 2)


def marks(ax):
    return np.concatenate([one.get_offsets() for one in ax.collections])


def test_scatter_shows_trained_networks_and_their_ceiling():
    figure = plotting.capability_scatter(networks(), FOUND[FOUND["analysis"] == "as published"], 0.8)
    said = texts(figure)
    for part in ("ρ = 0.17 [-0.16, 0.47] (99 / 37)", "noise ceiling 0.80", "Transformer", "ImageNet", "wRSA (r)"):
        assert part in said
    assert len(marks(figure.axes[0])) == 20 and figure.get_size_inches()[0] <= 9.4
    assert "noise ceiling" not in texts(figure.axes[1]), "there is none for the regression score"
    assert len({path.vertices.tobytes() for one in figure.axes[0].collections for path in one.get_paths()}) == 2


def test_simpson_shows_the_same_networks_with_and_without_untrained():
    figure = plotting.simpson_plot(networks().assign(top1=lambda t: t["top1"].where(t["trained"], 0.1)), FOUND, 0.8)
    above, below = figure.axes[0], figure.axes[2]
    assert len(marks(above)) == 40 and len(marks(below)) == 20
    assert np.isclose(marks(above)[:, 0].min(), 0.1)
    hollow = sum(len(one.get_offsets()) for one in above.collections if not len(one.get_facecolor()))
    assert hollow == 20 and [line.get_ydata()[0] for line in above.lines][-1] == 0.8
    said = texts(figure)
    for part in ("ρ = 0.78 [0.70, 0.84] (164 / 38)", "trained only", "at chance", "medians of five", "noise ceiling"):
        assert part in said


def test_figures_ask_for_what_they_need():
    with pytest.raises(BadInput, match="lacks trained"):
        plotting.simpson_plot(networks().drop(columns="trained"), FOUND, 0.8)
    with pytest.raises(BadInput, match="lacks rho"):
        plotting.capability_scatter(networks(), FOUND.drop(columns="rho"), 0.8)
    with pytest.raises(BadInput, match="lacks regression"):
        plotting.capability_scatter(networks().drop(columns="regression"), FOUND, 0.8)
