"""Figures about objects in models and people: similarity, categories, and what a projection adds in the brain."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from .style import COLOURS, GREY, NAMES, interval_rows, need, styled


@styled
def similarity_plot(table: pd.DataFrame, published: Mapping[str, float] | None = None) -> Figure:
    """Correlation with people's similarities, a system a row: interval over objects thick, over pairs thin below.

    Squares: controls. Diamonds: what no experiment here measured, ``published``.
    """
    need(table, ("system", "kind", "r", "low", "high", "pairs_low", "pairs_high", "null_95", "n_objects"))
    order = list(table["system"])[::-1]
    figure, ax = plt.subplots(figsize=(8.2, 1.5 + 0.33 * len(order)))
    ax.axvline(0, color="black", linewidth=0.8)
    controls = list(table.loc[table["kind"] == "control", "system"])
    interval_rows(ax, table, order, "system", "r", grey=controls)
    for row in table.to_dict("records"):
        y = order.index(row["system"]) - 0.27
        ax.plot([row["pairs_low"], row["pairs_high"]], [y, y], color="black", linewidth=1)
    ax.plot(table["null_95"], [order.index(name) for name in table["system"]], "|", color="black", markersize=9)
    _cited(ax, published, len(order))
    n = int(table["n_objects"].iloc[0])
    figure.supxlabel(
        f"correlation with people's similarities (r), {n:,} objects; squares: controls\n"
        "bars: 95 % interval, thick over objects, thin over pairs; |: 95 % of shuffled orders lie below",
        fontsize=10,
    )
    return figure


@styled
def category_plot(table: pd.DataFrame, published: Mapping[str, float] | None = None) -> Figure:
    """Share of objects sorted into their category, a system a row; dashed: always naming the largest category."""
    need(table, ("system", "kind", "accuracy", "low", "high", "majority", "n_objects", "n_categories"))
    order = list(table["system"])[::-1]
    figure, ax = plt.subplots(figsize=(8.2, 1.5 + 0.31 * len(order)))
    first = table.iloc[0]
    ax.axvline(first["majority"], color="black", linestyle="--", linewidth=1)
    ax.text(first["majority"] + 0.008, -0.45, "largest category", fontsize=9)
    interval_rows(ax, table, order, "system", "accuracy", grey=list(table.loc[table["kind"] == "control", "system"]))
    _cited(ax, published, len(order))
    ax.set_xlim(0, 1)
    figure.supxlabel(
        f"share of {first['n_objects']:,} objects nearest to their own of {first['n_categories']} categories\n"
        "bars: 95 % interval over objects; squares: controls",
        fontsize=10,
    )
    return figure


def _cited(ax, published: Mapping[str, float] | None, top: int) -> None:
    """Published numbers as open diamonds above the rows, each with its own label, and no interval."""
    labels = list(published or {})
    for place, label in enumerate(labels):
        y = top + len(labels) - 1 - place
        ax.plot(published[label], y, "D", markerfacecolor="white", color=COLOURS[1], markersize=7)
        ax.axvline(published[label], color=COLOURS[1], linewidth=0.6, alpha=0.5)
    if labels:
        ticks, names = list(ax.get_yticks()), [text.get_text() for text in ax.get_yticklabels()]
        ax.set_yticks(ticks + [top + k for k in range(len(labels))], names + labels[::-1])
        ax.set_ylim(-0.6, top + len(labels) - 0.4)
        ax.axhline(top - 0.5, color="black", linewidth=0.6)


@styled
def projection_plot(
    table: pd.DataFrame, random: pd.DataFrame, panels: Sequence[str] = ("IT15", "EVC15", "behaviour")
) -> Figure:
    """Scores of maps of the same features, a map a row, above clouds of maps that know nothing of choices.

    ``table``: ``model, score, low, high, ceiling_low, ceiling_high, brain``. ``random``: ``kind`` and one column of
    scores for each of ``panels``.
    """
    need(table, ("model", "brain", "score", "low", "high", "ceiling_low", "ceiling_high", "n_subjects", "n_stimuli"))
    need(random, ("kind", *panels))
    kinds = list(dict.fromkeys(random["kind"]))
    order = [*kinds[::-1], *list(dict.fromkeys(table["model"]))[::-1]]
    figure, axes = plt.subplots(1, len(panels), figsize=(9.4, 1.6 + 0.34 * len(order)), sharey=True, squeeze=False)
    jitter = np.random.default_rng(0)
    for ax, name in zip(axes[0], panels, strict=True):
        part = table[table["brain"] == name]
        first = part.iloc[0]
        ax.axvspan(first["ceiling_low"], first["ceiling_high"], color="#F0E442", alpha=0.45, linewidth=0)
        ax.axvline(0, color="black", linewidth=0.8)
        interval_rows(ax, part, order, "model", grey=[one for one in part["model"] if "untrained" in one])
        for kind in kinds:
            scores = random.loc[random["kind"] == kind, name]
            heights = order.index(kind) + jitter.uniform(-0.28, 0.28, len(scores))
            ax.plot(scores, heights, ".", color=GREY, markersize=3, alpha=0.6)
            ax.plot(scores.mean(), order.index(kind), "|", color="black", markersize=14)
        people = f"{first['n_subjects']} people × {first['n_stimuli']} photos"
        ax.set_title(f"{NAMES.get(name, name).replace(' (', chr(10) + '(')}\n{people}", fontsize=10)
    n = int((random["kind"] == kinds[0]).sum())
    figure.supxlabel(
        "Spearman's ρ; bars: 95 % interval over people and photos; "
        f"small dots: {n} maps each, |: their mean; band: noise ceiling",
        fontsize=10,
    )
    return figure
