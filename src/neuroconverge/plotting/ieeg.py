"""Figures about intracranial recordings: electrodes on the brain, lag curves, layers by distance."""

from __future__ import annotations

import re

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from ..anatomy import AXES, auditory_distance
from ..errors import BadInput
from .style import COLOURS, GREY, need, styled


@styled
def brain_plot(electrodes: pd.DataFrame, values=None, label: str = "distance from Heschl's gyrus (mm)") -> Figure:
    """Electrodes (MNI mm) on a glass brain, seen from both sides and above, coloured by one value each.

    ``electrodes``: as from ``datasets.podcast_electrodes``. ``values``: one an electrode; by default the distance from
    auditory cortex. Electrodes without a position are left out, and counted in the title. Drawn by nilearn.
    """
    from nilearn.plotting import plot_markers

    places, values = _places(electrodes, values)
    figure = plt.figure(figsize=(9.4, 3.4), layout="none")
    plot_markers(
        values, places, node_cmap="cividis", node_size=11, display_mode="lzr", figure=figure, node_vmin=values.min()
    )
    for dots in [dots for ax in figure.axes for dots in ax.collections]:
        dots.set_clip_on(False)  # electrodes on the surface lie at the edge of the axes, and were cut there
    missing = len(electrodes) - len(places)
    left_out = f" ({missing} more without a position)" if missing else ""
    title = f"{len(places):,} electrodes{left_out} of {electrodes['subject'].nunique()} patients; colour: {label}"
    figure.suptitle(title, fontsize=11)
    return figure


def brain_view(electrodes: pd.DataFrame, size: float = 4.0):
    """Electrodes (MNI mm) in a brain that can be turned, coloured by patient; an nilearn HTML view."""
    from nilearn.plotting import view_markers

    places, codes = _places(electrodes, pd.factorize(electrodes["subject"])[0])
    colours = [(*COLOURS, GREY, "#F0E442", "#000000")[int(code) % 9] for code in codes]
    view = view_markers(places, marker_color=colours, marker_size=size)
    view.html = re.sub(r"<link[^>]*rel=.icon.[^>]*>", "", view.html)  # an address: the page asks no other host
    return view.resize(640, 480)  # the column of the book is 745 pixels wide


def _places(electrodes: pd.DataFrame, values) -> tuple[np.ndarray, np.ndarray]:
    need(electrodes, (*AXES, "subject"))
    values = auditory_distance(electrodes) if values is None else values
    values = np.asarray(values, dtype=float)
    if len(values) != len(electrodes):
        raise BadInput(f"values: {len(values)} for {len(electrodes)} electrodes; wanted one each")
    there = electrodes[AXES].notna().all(axis=1).to_numpy() & np.isfinite(values)
    if not there.any():
        raise BadInput("electrodes: none has both a position and a value")
    return electrodes.loc[there, AXES].to_numpy(float), values[there]


@styled
def lag_plot(table: pd.DataFrame) -> Figure:
    """Score against lag with 95 % interval over electrodes: a panel a truth, a line for near and far electrodes."""
    need(table, ("SIMULATED", "place", "lag_s", "score", "low", "high", "n_electrodes"))
    truths = list(dict.fromkeys(table["SIMULATED"]))
    figure, axes = plt.subplots(1, len(truths), figsize=(4.5 * len(truths), 3.4), sharey=True, squeeze=False)
    for ax, truth in zip(axes[0], truths, strict=True):
        for (place, part), style, colour in zip(
            table[table["SIMULATED"] == truth].groupby("place", sort=False), ("-", "--"), COLOURS, strict=False
        ):
            name = f"{place} ({part['n_electrodes'].iloc[0]} electrodes)"
            ax.plot(part["lag_s"], part["score"], style, color=colour, label=name)
            ax.fill_between(part["lag_s"], part["low"], part["high"], color=colour, alpha=0.15, linewidth=0)
        ax.axhline(0, color="black", linewidth=0.8)
        ax.set_title(f"SIMULATED, {truth}")
    axes[0, 0].set_ylabel("correlation with test words (r)")
    axes[0, 0].legend(fontsize=9)
    figure.supxlabel("lag from word onset (s); bands: 95 % interval over electrodes", fontsize=10)
    return figure


@styled
def distance_plot(table: pd.DataFrame) -> Figure:
    """Peak layer against distance from auditory cortex, an electrode a mark, what was planted as a line of crosses."""
    need(table, ("SIMULATED", "distance_mm", "layer", "planted_layer", "predictive"))
    truths = list(dict.fromkeys(table["SIMULATED"]))
    figure, axes = plt.subplots(1, len(truths), figsize=(4.5 * len(truths), 3.4), sharey=True, squeeze=False)
    for ax, truth in zip(axes[0], truths, strict=True):
        part = table[table["SIMULATED"] == truth]
        kept = part["predictive"].astype(bool)
        ax.scatter(part.loc[~kept, "distance_mm"], part.loc[~kept, "layer"], s=16, color=GREY, marker="x", label="not")
        ax.scatter(part.loc[kept, "distance_mm"], part.loc[kept, "layer"], s=22, color=COLOURS[0], label="predicted")
        planted = part.dropna(subset=["planted_layer"]).sort_values("distance_mm")
        ax.plot(planted["distance_mm"], planted["planted_layer"], color=COLOURS[1], linewidth=1, label="planted")
        ax.set_title(f"SIMULATED, {truth}: {kept.sum()} of {len(part)}\nelectrodes predicted in training words")
        ax.set_xlabel("distance from Heschl's gyrus (mm)")
    axes[0, 0].set_ylabel("depth of best layer (0 to 1)")
    axes[0, 0].legend(fontsize=9)
    return figure
