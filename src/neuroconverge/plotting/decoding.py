"""Figures about decoding: accuracy beside what shuffled pairing gives, and beside what other people reach."""

from __future__ import annotations

from collections.abc import Sequence

import matplotlib.pyplot as plt
import pandas as pd
from matplotlib.figure import Figure

from .style import COLOURS, NAMES, interval_rows, need, styled


@styled
def accuracy_plot(
    table: pd.DataFrame,
    label: str = "model",
    panels: str = "brain",
    grey: Sequence[str] = (),
    ceiling: str | None = None,
    unit: str = "images",
) -> Figure:
    """Accuracy and 95 % interval a row, one panel for each value of ``panels``; a cross where shuffled pairing lies.

    Expects ``score, low, high, n_subjects, n_stimuli``; drawn where the table has them: ``null_mean`` and, as a dashed
    line, ``ceiling``, which the argument of that name explains. ``grey``: rows drawn as controls. ``unit``: what the
    stimuli are.
    """
    need(table, (label, panels, "score", "low", "high", "n_subjects", "n_stimuli"))
    names, order = list(dict.fromkeys(table[panels])), list(dict.fromkeys(table[label]))[::-1]
    columns = min(2, len(names))
    lines = -(-len(names) // columns)
    size = (3.4 + 3.0 * columns, lines * (1.2 + 0.27 * len(order)))
    figure, axes = plt.subplots(lines, columns, figsize=size, sharey=True, sharex=True, squeeze=False)
    for ax, name in zip(axes.ravel(), names, strict=False):
        _panel(ax, table[table[panels] == name], label, order, grey, ceiling)
        first = table[table[panels] == name].iloc[0]
        ax.set_title(f"{NAMES.get(name, name)}\n{first['n_subjects']} people × {first['n_stimuli']} {unit}")
    for ax in axes.ravel()[len(names) :]:
        ax.set_visible(False)
    figure.supxlabel(f"pairwise accuracy (share of pairs); bars: 95 % interval over people and {unit}", fontsize=10)
    handles, labels = axes[0, 0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside upper right", fontsize=9, ncols=len(labels))
    return figure


def _panel(ax, part: pd.DataFrame, label: str, order: list, grey: Sequence[str], ceiling: str | None) -> None:
    ax.axvline(0.5, color="black", linewidth=0.8)
    if ceiling is not None and "ceiling" in part:
        ax.axvline(part["ceiling"].iloc[0], color="#8a7d00", linestyle="--", linewidth=1.3, label=ceiling)
    interval_rows(ax, part, order, label, grey=grey)
    if "null_mean" in part:
        places = [order.index(name) for name in part[label]]
        ax.plot(part["null_mean"], places, "x", color=COLOURS[1], markersize=6, label="shuffled pairing")
