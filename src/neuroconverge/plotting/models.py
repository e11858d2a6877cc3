"""Figures about many models: benchmarks against predictivity, layers by depth."""

from __future__ import annotations

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from .style import COLOURS, GREY, interval_rows, need, styled

MARKERS = ("o", "s", "^", "D", "v", "P")
MAIN_FAMILIES = 6  # as many as there are colours; the others share one grey mark


@styled
def model_scatter(
    table: pd.DataFrame,
    found: pd.DataFrame,
    x: str = "next_word",
    y: str = "score",
    panels: str = "recording",
    xlabel: str = "next-word performance (minus nats a token)",
    ylabel: str = "score of the best layer (share of ceiling)",
) -> Figure:
    """One mark a model, one panel a recording; filled marks are trained models, hollow ones untrained.

    ``found``: one row a panel with ``r, low, high, n_models, n_families``, printed above it. The largest families have
    a colour and a shape of their own.
    """
    need(table, (x, y, panels, "family", "trained", "model"))
    need(found, (panels, "r", "low", "high", "n_models", "n_families"))
    table = table.dropna(subset=[x, y])
    sizes = table[table["trained"]].groupby("family")["model"].nunique().sort_values(ascending=False, kind="stable")
    main = list(sizes.index[:MAIN_FAMILIES])
    looks = {family: (COLOURS[i], MARKERS[i]) for i, family in enumerate(main)} | {"other families": (GREY, "X")}
    named = table.assign(family=table["family"].where(table["family"].isin(main), "other families"))
    names = list(dict.fromkeys(table[panels]))
    columns = min(3, len(names))
    lines = -(-len(names) // columns)
    figure, axes = plt.subplots(lines, columns, figsize=(9.4, 3.7 * lines), sharex=True, squeeze=False)
    for ax, name in zip(axes.ravel(), names, strict=False):
        for (family, trained), part in named[named[panels] == name].groupby(["family", "trained"], sort=False):
            colour, marker = looks[family]
            face = colour if trained else "none"
            ax.scatter(part[x], part[y], s=34, marker=marker, facecolors=face, edgecolors=colour, linewidths=1.2)
        row = found[found[panels] == name].iloc[0]
        ax.set_title(
            f"{name}\nr = {row['r']:.2f} [{row['low']:.2f}, {row['high']:.2f}]\n"
            f"{row['n_models']} models, {row['n_families']} families",
            fontsize=10,
        )
    for ax in axes.ravel()[len(names) :]:
        ax.set_visible(False)
    marks = [plt.Line2D([], [], linestyle="", color=c, marker=m, label=family) for family, (c, m) in looks.items()]
    if not table["trained"].all():
        hollow = {"linestyle": "", "color": GREY, "marker": "o", "markerfacecolor": "none"}
        marks.append(plt.Line2D([], [], **hollow, label="hollow: untrained"))
    figure.legend(handles=marks, loc="outside upper center", ncols=4, fontsize=9)
    figure.supxlabel(f"{xlabel}; r of trained models, 95 % interval over families", fontsize=10)
    figure.supylabel(ylabel, fontsize=10)
    return figure


@styled
def interval_plot(
    table: pd.DataFrame,
    value: str,
    label: str,
    xlabel: str,
    panels: str | None = None,
    low: str = "low",
    high: str = "high",
    bars: str = "95 % interval over families",
    usual: tuple[str, str] | None = None,
    null: float = 0.0,
    n: str | None = None,
) -> Figure:
    """One dot and interval a row of ``label``, one panel for each value of ``panels``, a line at the null value.

    ``bars``: what the intervals from ``low`` to ``high`` are. ``usual``: columns of a second interval, drawn thin and
    grey beside the first (models counted as independent). ``n``: column whose value is printed after each label.
    """
    need(table, [value, label, low, high, *(usual or ()), *([panels] if panels else []), *([n] if n else [])])
    names = list(dict.fromkeys(table[panels])) if panels else [""]
    order = list(dict.fromkeys(table[label]))[::-1]
    size = (min(3.2 + 2.7 * len(names), 9.4), 1.2 + 0.3 * len(order))
    figure, axes = plt.subplots(1, len(names), figsize=size, sharex=True, sharey=True, squeeze=False)
    for ax, name in zip(axes[0], names, strict=True):
        here = table[table[panels] == name] if panels else table
        ax.axvline(null, color="black", linewidth=0.8)
        interval_rows(ax, here, order, label, value, low, high)
        if usual:
            places = [order.index(one) - 0.22 for one in here[label]]
            ax.hlines(places, here[usual[0]], here[usual[1]], color=GREY, linewidth=1.2)
        if n:
            counts = here.set_index(label)[n]
            ax.set_yticks(range(len(order)), [f"{one} ({counts[one]:.0f})" for one in order])
        ax.set_title(name)
    beside = "; thin grey: rows counted as independent" if usual else ""
    figure.supxlabel(f"{xlabel}\nbars: {bars}{beside}", fontsize=10)
    return figure


@styled
def profile_plot(table: pd.DataFrame) -> Figure:
    """Mean score of many models by relative depth, one panel a recording; untrained models dotted."""
    need(table, ("recording", "state", "depth", "score", "low", "high", "n_models", "n_families"))
    names = list(dict.fromkeys(table["recording"]))
    figure, axes = plt.subplots(1, len(names), figsize=(9.4, 3.3), sharex=True, squeeze=False)
    for ax, name in zip(axes[0], names, strict=True):
        for state, style, colour in (("trained", "-o", COLOURS[0]), ("untrained", ":s", GREY)):
            part = table[(table["recording"] == name) & (table["state"] == state)].sort_values("depth")
            ax.plot(part["depth"], part["score"], style, color=colour, linewidth=1.8, markersize=5, label=state)
            ax.fill_between(part["depth"], part["low"], part["high"], color=colour, alpha=0.15, linewidth=0)
        ax.axhline(0, color="black", linewidth=0.8)
        first = table[table["recording"] == name].iloc[0]
        ax.set_title(f"{name}\n{first['n_models']} models, {first['n_families']} families", fontsize=10)
    figure.legend(*axes[0, 0].get_legend_handles_labels(), loc="outside upper center", ncols=2, fontsize=9)
    figure.supxlabel("relative depth (0 input, 1 output); bands: 95 % interval over families", fontsize=10)
    figure.supylabel("score (share of ceiling)", fontsize=10)
    return figure


@styled
def cka_plot(table: pd.DataFrame) -> Figure:
    """CKA of every layer of a network and of its damaged twins with other representations, one panel for each."""
    need(table, ("state", "reference", "depth", "debiased", "n_words"))
    names, states = list(dict.fromkeys(table["reference"])), list(dict.fromkeys(table["state"]))
    shades = dict(zip(states, plt.get_cmap("viridis")(np.linspace(0, 0.85, len(states))), strict=True))
    figure, axes = plt.subplots(1, len(names), figsize=(9.4, 3.6), sharey=True, squeeze=False)
    for ax, name in zip(axes[0], names, strict=True):
        for state in states:
            part = table[(table["reference"] == name) & (table["state"] == state)].sort_values("depth")
            style = "--" if "untrained" in state else "-"
            ax.plot(part["depth"], part["debiased"], style, color=shades[state], linewidth=1.8, label=state)
        ax.axhline(0, color="black", linewidth=0.8)
        ax.set_title(name, fontsize=10)
    figure.legend(*axes[0, 0].get_legend_handles_labels(), loc="outside upper center", ncols=4, fontsize=9)
    figure.supxlabel(f"relative depth (0 input, 1 output); {table['n_words'].iloc[0]} words of a story", fontsize=10)
    figure.supylabel("linear CKA, debiased", fontsize=10)
    return figure
