"""Figures say what a reader needs: n, units, interval, ceiling; and the README's ten lines run."""

from __future__ import annotations

import re

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest
from conftest import ROOT, texts

from neuroconverge import plotting, rsa, simulate
from neuroconverge.errors import BadInput


@pytest.fixture(scope="module")
def scores() -> pd.DataFrame:
    study = simulate.rsa_study(n_subjects=5, n_stimuli=12)
    return rsa.crossed_bootstrap(study.models, study.brain, n_boot=20).assign(brain="IT15")


def test_score_plot_shows_n_ceiling_interval_and_unit(scores):
    figure = plotting.score_plot(pd.concat([scores, scores.assign(brain="other")]), grey=["model 1"])
    said = texts(figure)
    for part in ("5 people × 12 images", "noise ceiling", "95 % interval", "Spearman's ρ", "model 0", "other"):
        assert part in said
    ax = figure.axes[0]
    drawn = sorted(tuple(line.get_xdata()) for line in ax.lines if len(line.get_xdata()) == 2)
    for _, row in scores.iterrows():
        assert (row["low"], row["high"]) in drawn
    assert {line.get_marker() for line in ax.lines} >= {"o", "s"}, "controls differ by shape, not by colour alone"


def test_layer_plot_and_coverage_plot(scores):
    table = pd.concat([scores.assign(layer=[0, 1], network="net", state=state) for state in ("trained", "untrained")])
    said = texts(plotting.layer_plot(table))
    assert "net, untrained" in said and "lower noise ceiling" in said and "relative depth" in said
    figure = plotting.coverage_plot(scores, truth=2.0, title="SIMULATED")
    assert {line.get_marker() for line in figure.axes[0].lines} >= {"x"}, "a miss is seen without colour"


def test_rdm_plot_draws_ranks_and_blocks():
    study = simulate.rsa_study(n_subjects=2, n_stimuli=6)
    figure = plotting.rdm_plot(study.models, blocks=list("aabbcc"))
    image = figure.axes[0].images[0].get_array()
    assert np.nanmin(image) == 0 and np.nanmax(image) == 1 and image.shape == (6, 6)
    assert "rank, 0 to 1" in texts(figure) and "6 images" in texts(figure)


def test_style_is_not_left_behind(scores):
    before = dict(plt.rcParams)
    plotting.score_plot(scores)
    assert dict(plt.rcParams) == before


@pytest.mark.parametrize(
    "call, message",
    [
        (lambda: plotting.score_plot(pd.DataFrame({"model": ["a"]})), "table: lacks score, low"),
        (lambda: plotting.photos([]), "images: an empty list"),
    ],
)
def test_bad_input_is_named(call, message):
    with pytest.raises(BadInput, match=message):
        call()


def test_ten_lines_of_the_readme_run(monkeypatch, capsys):
    code = re.search(r"```python\n(.*?)```", (ROOT / "README.md").read_text(encoding="utf-8"), re.S)[1]
    assert len(code.strip().splitlines()) <= 10
    rng = np.random.default_rng(0)

    class Encoder:
        def embed(self, texts):
            return rng.standard_normal((len(texts), 8))

    monkeypatch.setattr("neuroconverge.models.load", lambda name: Encoder())
    mine = {
        "my_sentences": [f"sentence {i}" for i in range(10)],
        "my_pixels": rng.standard_normal((10, 5)),
        "my_ids": [f"picture {i}" for i in range(10)],
        "my_subjects": {f"person {s}": rng.standard_normal((10, 20)) for s in range(4)},
    }
    exec(code, mine)
    assert "captions" in capsys.readouterr().out
