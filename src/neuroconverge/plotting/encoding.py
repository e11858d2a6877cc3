"""Figures about encoding models: scores with intervals, electrodes in their places, responses in time."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from ..errors import BadInput
from .style import COLOURS, GREY, interval_rows, need, styled


@styled
def encoding_plot(
    table: pd.DataFrame,
    panels: str = "labels",
    grey: Sequence[str] = (),
    unit: str = "sentences",
    over: str = "",
) -> Figure:
    """Mean score over electrodes and 95 % interval of each model, one panel for each value of ``panels``.

    Expects ``score, low, high, n_found, n_electrodes`` and ``n_<unit>``, printed above each panel. ``over``: what the
    interval is over, where that is not the ``unit``. Models named in ``grey`` are drawn as controls. How many
    electrodes pass their null stands at the right.
    """
    need(table, ("model", panels, "score", "low", "high", "n_found", "n_electrodes", f"n_{unit}"))
    names = list(dict.fromkeys(table[panels]))
    height = 0.9 + 0.3 * table.groupby(panels)["model"].count().max()
    figure, axes = plt.subplots(len(names), 1, figsize=(8.4, height * len(names)), sharex=True, squeeze=False)
    for ax, name in zip(axes[:, 0], names, strict=True):
        part = table[table[panels] == name].iloc[::-1]
        ax.axvline(0, color="black", linewidth=0.8)
        interval_rows(ax, part, part["model"], "model", grey=grey)
        for y, row in enumerate(part.to_dict("records")):
            found = f"{row['n_found']:.0f} of {row['n_electrodes']:.0f}"
            ax.text(1.01, y, found, transform=ax.get_yaxis_transform(), fontsize=9, va="center")
        ax.set_title(f"{name} ({part[f'n_{unit}'].iloc[0]:.0f} {unit})")
    axes[0, 0].text(1.01, 1.02, "electrodes\nfound", transform=axes[0, 0].transAxes, fontsize=9, va="bottom")
    figure.supxlabel(f"correlation, mean over electrodes; bars: 95 % interval over {over or unit}", fontsize=10)
    return figure


@styled
def electrode_plot(table: pd.DataFrame) -> Figure:
    """Electrodes at their places on a picture (pixels), coloured by score; ring and name: p <= .05."""
    need(table, ("electrode", "x_px", "y_px", "sound", "p_sound"))
    figure, ax = plt.subplots(figsize=(6.4, 4.6))
    limit = float(np.nanmax(np.abs(table["sound"])))
    dots = ax.scatter(
        table["x_px"],
        table["y_px"],
        c=table["sound"],
        cmap="PuOr_r",
        vmin=-limit,
        vmax=limit,
        s=190,
        edgecolors="#bbbbbb",
    )
    found = table[table["p_sound"] <= 0.05]
    ax.scatter(found["x_px"], found["y_px"], s=190, facecolors="none", edgecolors="black", linewidths=2)
    for row in found.to_dict("records"):
        ax.annotate(
            row["electrode"], (row["x_px"], row["y_px"]), (0, 9), textcoords="offset points", fontsize=8, ha="center"
        )
    ax.invert_yaxis()
    ax.set_aspect("equal")
    ax.set(xlabel="x (pixels of the picture)", ylabel="y (pixels, downwards)")
    ax.set_title(f"{len(found)} of {len(table)} electrodes found (ring: p ≤ .05, largest electrode)")
    figure.colorbar(dots, ax=ax, shrink=0.8, label="correlation, held-out sentences")
    return figure


@styled
def response_plot(courses: Mapping[str, np.ndarray], time_s, marks: Mapping[str, float] | None = None) -> Figure:
    """Mean response (z) over sentences against time, with a band of two standard errors over sentences.

    ``courses``: name -> (sentences, times), NaN where nothing is held. ``marks``: name -> time in s of a dashed line.
    """
    time_s = np.asarray(time_s, float)
    if not courses or any(np.ndim(c) != 2 or np.shape(c)[1] != len(time_s) for c in courses.values()):
        raise BadInput(f"courses: wanted (sentences, {len(time_s)}) for each name")
    figure, ax = plt.subplots(figsize=(8.4, 3.6))
    for colour, (name, values) in zip((COLOURS[1], GREY, *COLOURS[2:]), courses.items(), strict=False):
        n = np.isfinite(values).sum(0)
        enough = n >= 5
        mean = np.nanmean(values[:, enough], axis=0)
        error = np.nanstd(values[:, enough], axis=0, ddof=1) / np.sqrt(n[enough])
        ax.plot(time_s[enough], mean, color=colour, linewidth=1.8, label=f"{name} (up to {n.max()} sentences)")
        ax.fill_between(time_s[enough], mean - 2 * error, mean + 2 * error, color=colour, alpha=0.2, linewidth=0)
    for name, at in (marks or {}).items():
        ax.axvline(at, color="black", linestyle="--", linewidth=1)
        ax.annotate(
            name,
            (at, 1.0),
            (4, -2),
            xycoords=("data", "axes fraction"),
            textcoords="offset points",
            va="top",
            fontsize=9,
        )
    ax.axhline(0, color="black", linewidth=0.8)
    ax.set_ylabel("high gamma (z of the baseline)")
    ax.set_xlabel("time from the start of the sound file (s); bands: two standard errors over sentences")
    ax.legend(loc="upper right", fontsize=9)
    return figure


@styled
def penalty_plot(table: pd.DataFrame, title: str = "") -> Figure:
    """Training and held-out r² against the penalty, one colour a target; the dot is the penalty chosen."""
    need(table, ("target", "alpha", "train", "held_out", "chosen"))
    figure, ax = plt.subplots(figsize=(7.4, 3.6))
    for colour, (name, part) in zip(COLOURS, table.groupby("target", sort=False), strict=False):
        ax.plot(part["alpha"], part["train"], ":", color=colour, linewidth=1.6, label=f"{name}, training rows")
        ax.plot(part["alpha"], part["held_out"], "-", color=colour, linewidth=1.8, label=f"{name}, held-out rows")
        best = part[part["chosen"]]
        ax.plot(best["alpha"], best["held_out"], "o", color=colour, markersize=7)
    ax.axhline(0, color="black", linewidth=0.8)
    ax.set(xscale="log", xlabel="penalty", ylabel="share of variance explained (r²)", title=title)
    ax.legend(fontsize=9)
    return figure
