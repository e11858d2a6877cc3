"""Figures about measures of similarity: how a score moves with noise, width, number of stimuli, search."""

from __future__ import annotations

import matplotlib.pyplot as plt
import pandas as pd
from matplotlib.figure import Figure
from matplotlib.ticker import NullFormatter, ScalarFormatter

from .style import COLOURS, GREY, interval_rows, need, styled

MARKERS = ("o", "s", "^", "D", "v", "P")


@styled
def curve_plot(
    table: pd.DataFrame,
    x: str,
    label: str,
    xlabel: str,
    ylabel: str = "similarity",
    panels: str | None = None,
    log: bool = False,
    bands: str = "middle 95 % of the draws",
    title: str = "",
) -> Figure:
    """``score`` against ``x``, one line for each value of ``label`` with a band from ``low`` to ``high``.

    ``panels``: one panel for each value of this column. A column ``null`` is drawn dotted, in the colour of its line.
    """
    need(table, [x, label, "score", "low", "high", *([panels] if panels else [])])
    names = list(dict.fromkeys(table[panels])) if panels else [""]
    looks = dict(zip(dict.fromkeys(table[label]), zip(COLOURS, MARKERS, strict=True), strict=False))
    figure, axes = plt.subplots(1, len(names), figsize=(min(6.2 * len(names), 9.4), 4), sharey=True, squeeze=False)
    for ax, name in zip(axes[0], names, strict=True):
        here = table[table[panels] == name] if panels else table
        ax.axhline(0, color="black", linewidth=0.8)
        for one, (colour, marker) in looks.items():
            part = here[here[label] == one].sort_values(x)
            ax.plot(part[x], part["score"], marker=marker, color=colour, linewidth=1.8, markersize=5.5, label=one)
            ax.fill_between(part[x], part["low"], part["high"], color=colour, alpha=0.15, linewidth=0)
            if "null" in part:
                ax.plot(part[x], part["null"], ":", color=colour, linewidth=1.8, label=f"{one}, stimuli permuted")
        if log:
            ax.set_xscale("log")
            ax.xaxis.set_major_formatter(ScalarFormatter())
            ax.xaxis.set_minor_formatter(NullFormatter())
            ax.set_xticks(sorted(here[x].unique()))
        ax.set_title(str(name), fontsize=10)
    # Above the legend: a title of the whole figure would lie upon it.
    where = {"loc": "outside upper center", "ncols": 3, "fontsize": 9, "title": title or None, "title_fontsize": 11}
    figure.legend(*axes[0, 0].get_legend_handles_labels(), **where)
    figure.supxlabel(f"{xlabel}\nbands: {bands}", fontsize=10)
    figure.supylabel(ylabel, fontsize=10)
    return figure


@styled
def pair_plot(table: pd.DataFrame) -> Figure:
    """Each pair of networks beside what permuted stimuli give, one panel a measure; ``kind`` groups the rows.

    Filled: the score, with its interval; open diamond: mean after permuting stimuli within their groups; bar: the 95 %
    point after permuting all of them.
    """
    need(table, ("first", "second", "kind", "measure", "score", "low", "high", "within_null", "threshold", "n_photos"))
    table = table.assign(pair=table["first"] + " – " + table["second"])
    measures, kinds = list(dict.fromkeys(table["measure"])), list(dict.fromkeys(table["kind"]))
    order = list(dict.fromkeys(table.sort_values("kind", key=lambda kind: kind.map(kinds.index))["pair"]))[::-1]
    looks = dict(zip(kinds, zip(COLOURS, MARKERS, strict=True), strict=False))
    size = (9.4, 1.7 + 0.27 * len(order))
    figure, axes = plt.subplots(1, len(measures), figsize=size, sharey=True, squeeze=False)
    for ax, measure in zip(axes[0], measures, strict=True):
        ax.axvline(0, color="black", linewidth=0.8)
        part = table[table["measure"] == measure]
        interval_rows(ax, part, order, "pair", looks={row.pair: looks[row.kind] for row in part.itertuples()})
        y = [order.index(pair) for pair in part["pair"]]
        ax.plot(part["within_null"], y, "d", color=GREY, markerfacecolor="none", markersize=6)
        ax.plot(part["threshold"], y, "|", color=GREY, markersize=11, markeredgewidth=2)
        ax.set_title(measure, fontsize=10)
        ax.set_xlim(-0.05, 1.05)
    axes[0, 0].set_yticks(range(len(order)), order, fontsize=9)
    marks = [plt.Line2D([], [], linestyle="", marker=marker, color=colour) for colour, marker in looks.values()]
    marks += [
        plt.Line2D([], [], linestyle="", marker="d", color=GREY, markerfacecolor="none"),
        plt.Line2D([], [], linestyle="", marker="|", color=GREY, markersize=11, markeredgewidth=2),
    ]
    names = [*looks, "mean, permuted within kinds of photograph", "95 % point, all permuted"]
    figure.legend(marks, names, loc="outside upper center", ncols=2, fontsize=9)
    n = table["n_photos"].iloc[0]
    figure.supxlabel(f"similarity of the best pair of layers\nlines: 95 % interval over {n} photographs", fontsize=10)
    return figure
