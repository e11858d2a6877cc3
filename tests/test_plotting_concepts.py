"""Figures about odd-one-out choices, and the triplets to try: what is measured is on the page, in the right place."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from bs4 import BeautifulSoup
from conftest import spans, texts

from neuroconverge import plotting
from neuroconverge.errors import BadInput
from neuroconverge.plotting.concepts import KINDS


def systems() -> pd.DataFrame:
    values = np.linspace(0.6, 0.34, len(KINDS))
    return pd.DataFrame(
        {"system": [f"system {k}" for k in range(len(KINDS))], "kind": list(KINDS), "accuracy": values, "n": 50_000}
    ).assign(low=values - 0.01, high=values + 0.02)


def test_triplet_systems_plot():
    table = systems()
    figure = plotting.triplet_systems_plot(table.sample(frac=1, random_state=0), (0.59, 0.77), published=0.67)
    said = texts(figure)
    for part in ("50,000 human choices", "95 % interval", "chance (1 in 3)", "human ceiling", "published", *KINDS):
        assert part in said
    ax = figure.axes[0]
    labels = [label.get_text() for label in ax.get_yticklabels()]
    assert labels == list(table["system"][::-1])  # the best on top
    assert set(spans(ax)) == set(zip(table["low"], table["high"], strict=True))
    shapes = {line.get_marker() for line in ax.lines if line.get_linestyle() == "None"}
    assert len(shapes) == len(KINDS)  # told apart without colour
    assert figure.get_size_inches()[0] <= 9.4
    with pytest.raises(BadInput, match="kind"):
        plotting.triplet_systems_plot(table.drop(columns="kind"))


def test_triplet_ceiling_plot():
    table = pd.DataFrame(
        {"choices": ["test file", "published"], "lower": [0.6, 0.67], "low": [0.55, 0.66], "high": [0.65, 0.68],
         "upper": [0.8, np.nan], "n_triplets": [338, np.nan]}
    )  # fmt: skip
    figure = plotting.triplet_ceiling_plot(table)
    said = texts(figure)
    for part in ("test file\n338 triplets", "published", "upper ceiling", "95 % over triplets", "chance"):
        assert part in said
    spans = [path.vertices[:, 0].tolist() for lines in figure.axes[0].collections for path in lines.get_paths()]
    assert [0.6, 0.8] in spans and [0.55, 0.65] in spans and [0.66, 0.68] in spans


def test_triplet_layers_plot():
    rows = [
        {"network": network, "state": state, "depth": depth, "accuracy": 0.4, "low": 0.39, "high": 0.42, "raw": 0.35}
        for network in ("SmolLM2", "MiniLM")
        for state in ("trained", "untrained")
        for depth in (0, 0.5, 1)
    ]
    figure = plotting.triplet_layers_plot(pd.DataFrame(rows).assign(n=50_000), {"word2vec": 0.48})
    said = texts(figure)
    for part in (
        "SmolLM2, 3 layers",
        "MiniLM",
        "untrained",
        "plain cosine",
        "word2vec",
        "50,000",
        "95 % interval",
        "depth",
    ):
        assert part in said
    bands = [one.get_paths()[0].vertices[:, 1] for one in figure.axes[0].collections]
    assert len(bands) == 2 and all((band.min(), band.max()) == (0.39, 0.42) for band in bands)


def test_triplet_contest_plot_puts_the_better_system_on_the_side_of_its_dot():
    table = pd.DataFrame(
        {"system": ["winner", "loser"], "against": ["worse", "better"], "difference": [0.1, -0.02], "n": 50_000,
         "low": [0.09, -0.03], "high": [0.12, -0.01]}
    )  # fmt: skip
    figure = plotting.triplet_contest_plot(table)
    left, right = figure.axes
    assert [[label.get_text() for label in ax.get_yticklabels()] for ax in (left, right)] == [
        ["better", "worse"],
        ["loser", "winner"],
    ]
    dots = [tuple(line.get_xydata()[0]) for line in left.lines if line.get_marker() == "o"]
    assert dots == [(-0.02, 0), (0.1, 1)] and left.get_ylim() == right.get_ylim()
    assert spans(left) == [(-0.03, -0.01), (0.09, 0.12)] and left.get_xlim()[0] == -left.get_xlim()[1]
    for part in ("50,000 choices", "95 % interval", "predicts more"):
        assert part in texts(figure)


def examples() -> pd.DataFrame:
    names = {"first": ["bat (animal)", "a<b"], "second": ["spoon", "cup"], "third": ["zebra", "dog"]}
    return pd.DataFrame(names | {"one person": ["spoon", "dog"], "word2vec": ["zebra", "a<b"]})


def test_triplets_to_try_hide_the_answers_until_asked():
    page = BeautifulSoup(plotting.try_triplets(examples()).data, "html.parser")
    folded = page.find_all("details")
    assert len(folded) == 2 and not any(one.has_attr("open") for one in folded)
    assert [one.summary.get_text() for one in folded] == ["1. bat (animal), spoon, zebra", "2. a<b, cup, dog"]
    answers = [item.get_text() for item in folded[1].find_all("li")]
    assert answers == ["one person: dog", "word2vec: a<b"]
    assert not page.find_all(["script", "input", "table"]) and page.div["aria-label"]


def test_an_answer_that_is_none_of_the_three_is_refused():
    with pytest.raises(BadInput, match="row 1: one person says 'fork'"):
        plotting.try_triplets(examples().assign(**{"one person": ["spoon", "fork"]}))
    with pytest.raises(BadInput, match="lacks third"):
        plotting.try_triplets(examples().drop(columns="third"))
