"""Figures about many models say n, families, units and intervals, and tell controls apart without colour."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from conftest import texts

from neuroconverge import BadInput, plotting

FOUND = pd.DataFrame(
    {"recording": ["Pereira2018"], "r": [0.74], "low": [0.36], "high": [0.91], "n_models": [42], "n_families": [14]}
)


def models(n=9):
    rng = np.random.default_rng(0)
    table = pd.DataFrame({"model": [f"m{i}" for i in range(n)], "family": [f"f{i}" for i in range(n)]})
    both = pd.concat([table.assign(trained=state) for state in (True, False)])
    return both.assign(recording="Pereira2018", next_word=rng.random(2 * n), score=rng.random(2 * n))


def test_scatter_says_r_n_and_families_and_tells_untrained_apart():
    figure = plotting.model_scatter(models(), FOUND)
    said = texts(figure)
    for part in ("r = 0.74 [0.36, 0.91]", "42 models, 14 families", "other families", "hollow: untrained", "nats"):
        assert part in said
    marks = figure.axes[0].collections
    assert sum(len(mark.get_offsets()) for mark in marks) == 18
    assert sum(len(mark.get_offsets()) for mark in marks if len(mark.get_facecolor())) == 9
    assert "hollow" not in texts(plotting.model_scatter(models()[lambda t: t["trained"]], FOUND))
    assert figure.get_size_inches()[0] <= 9.4


def test_intervals_are_drawn_with_their_null_and_n():
    table = pd.DataFrame(
        {"what": ["a", "b"], "r": [0.2, 0.5], "low": [0.1, 0.4], "high": [0.3, 0.6], "ul": [0.15, 0.45]}
    ).assign(uh=0.55, count=[7, 9], split="one")
    figure = plotting.interval_plot(table, "r", "what", "r", panels="split", usual=("ul", "uh"), null=0.5, n="count")
    drawn = {tuple(line.get_xdata()) for line in figure.axes[0].lines}
    assert {(0.1, 0.3), (0.4, 0.6), (0.5, 0.5)} <= drawn
    thin = [tuple(path.vertices[:, 0]) for path in figure.axes[0].collections[0].get_paths()]
    assert thin == [(0.15, 0.55), (0.45, 0.55)]
    said = texts(figure)
    for part in ("a (7)", "b (9)", "95 % interval over families", "counted as independent", "one"):
        assert part in said
    assert "independent" not in texts(plotting.interval_plot(table, "r", "what", "r"))


def test_profiles_and_layers():
    depth = np.linspace(0, 1, 4)
    rows = pd.DataFrame({"depth": depth, "score": depth, "low": depth - 0.1, "high": depth + 0.1})
    rows = rows.assign(recording="Pereira2018", n_models=37, n_families=9)
    both = pd.concat([rows.assign(state=state) for state in ("trained", "untrained")])
    said = texts(plotting.profile_plot(both))
    for part in ("37 models, 9 families", "relative depth", "95 % interval over families", "untrained"):
        assert part in said
    cka = pd.DataFrame({"depth": depth, "debiased": depth}).assign(reference="GloVe", n_words=800)
    cka = pd.concat([cka.assign(state=state) for state in ("intact", "untrained")])
    figure = plotting.cka_plot(cka)
    assert "800 words" in texts(figure) and "linear CKA, debiased" in texts(figure)
    assert {line.get_linestyle() for line in figure.axes[0].lines} == {"-", "--"}


@pytest.mark.parametrize(
    "call, message",
    [
        (lambda: plotting.model_scatter(models().drop(columns="family"), FOUND), "table: lacks family"),
        (lambda: plotting.model_scatter(models(), FOUND.drop(columns="n_families")), "table: lacks n_families"),
        (lambda: plotting.interval_plot(pd.DataFrame({"r": [1]}), "r", "what", "r"), "table: lacks what, low, high"),
        (lambda: plotting.profile_plot(FOUND), "table: lacks state"),
        (lambda: plotting.cka_plot(FOUND), "table: lacks state"),
    ],
)
def test_bad_input_is_named(call, message):
    with pytest.raises(BadInput, match=message):
        call()
