"""Figures about RDMs and their scores: intervals, ceilings and n always drawn."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.figure import Figure
from rsatoolbox.rdm import RDMs
from scipy.stats import rankdata

from ..errors import BadInput
from .style import COLOURS, NAMES, interval_rows, need, styled


@styled
def score_plot(
    table: pd.DataFrame,
    value: str = "score",
    label: str = "model",
    xlabel: str = "agreement with the brain RDM (Spearman's ρ)",
    grey: Sequence[str] = (),
    panels: str = "brain",
) -> Figure:
    """One dot and 95 % interval a row, one panel for each value of ``panels``, noise ceiling as a band.

    Expects the columns of the rsa tables: ``low, high, n_subjects, n_stimuli`` and, for a ceiling,
    ``ceiling_low, ceiling_high``. Rows named in ``grey`` are drawn as controls.
    """
    need(table, (value, label, "low", "high", panels, "n_subjects", "n_stimuli"))
    names = list(dict.fromkeys(table[panels]))
    order = list(dict.fromkeys(table[label]))[::-1]
    columns = min(2, len(names))
    lines = -(-len(names) // columns)
    size = (3.4 + 3.0 * columns, lines * (1.1 + 0.26 * len(order)))
    figure, axes = plt.subplots(lines, columns, figsize=size, sharey=True, sharex=True, squeeze=False)
    for ax, name in zip(axes.ravel(), names, strict=False):
        part = table[table[panels] == name]
        _ceiling_band(ax, part)
        ax.axvline(0, color="black", linewidth=0.8)
        interval_rows(ax, part, order, label, value, grey=grey)
        first = part.iloc[0]
        ax.set_title(f"{NAMES.get(name, name)}\n{first['n_subjects']} people × {first['n_stimuli']} images")
    for ax in axes.ravel()[len(names) :]:
        ax.set_visible(False)
    figure.supxlabel(f"{xlabel}; bars: 95 % interval over people and images", fontsize=10)
    handles, labels = axes[0, 0].get_legend_handles_labels()
    if handles:
        figure.legend(handles, labels, loc="outside upper right", fontsize=9)
    return figure


def _ceiling_band(ax, part: pd.DataFrame) -> None:
    if "ceiling_low" in part:
        low, high = part["ceiling_low"].iloc[0], part["ceiling_high"].iloc[0]
        ax.axvspan(low, high, color="#F0E442", alpha=0.45, linewidth=0, label="noise ceiling, lower to upper")


@styled
def layer_plot(table: pd.DataFrame, value: str = "score") -> Figure:
    """Score against relative depth, one panel a brain set, one colour a network, dashed for untrained."""
    need(table, (value, "layer", "network", "state", "brain", "low", "high", "ceiling_low"))
    brains, networks = list(dict.fromkeys(table["brain"])), list(dict.fromkeys(table["network"]))
    lines = -(-len(brains) // 2)
    figure, axes = plt.subplots(lines, 2, figsize=(9.4, 3.1 * lines), sharey=True, sharex=True, squeeze=False)
    for ax, name in zip(axes.ravel(), brains, strict=False):
        here = table[table["brain"] == name]
        for colour, network in zip(COLOURS, networks, strict=False):
            for state, style in (("trained", "-"), ("untrained", ":")):
                part = here[(here["network"] == network) & (here["state"] == state)].sort_values("layer")
                depth = part["layer"] / part["layer"].max()
                ax.plot(depth, part[value], style, color=colour, linewidth=1.8, label=f"{network}, {state}")
                if state == "trained":
                    ax.fill_between(depth, part["low"], part["high"], color=colour, alpha=0.12, linewidth=0)
        ax.axhline(0, color="black", linewidth=0.8)
        ceiling = here["ceiling_low"].iloc[0]
        ax.axhline(ceiling, color="#8a7d00", linestyle="--", linewidth=1.2, label="lower noise ceiling")
        first = here.iloc[0]
        ax.set_title(f"{NAMES.get(name, name)}\n{first['n_subjects']} people × {first['n_stimuli']} images")
    figure.supxlabel("relative depth (0 input, 1 output); bands: 95 % interval over people and images", fontsize=10)
    figure.supylabel("Spearman's ρ", fontsize=10)
    handles, labels = axes[0, 0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside upper center", ncols=3, fontsize=9)
    return figure


@styled
def rdm_plot(rdms: RDMs | Mapping[str, RDMs], blocks: Sequence[str] | None = None) -> Figure:
    """RDMs as images of ranks (0 to 1, no unit); ``blocks`` names the group of each item, drawn as lines."""
    sets = rdms if isinstance(rdms, Mapping) else {str(k): v for k, v in _each(rdms)}
    columns = 2 if len(sets) == 4 else min(3, len(sets))
    lines = -(-len(sets) // columns)
    figure, axes = plt.subplots(lines, columns, figsize=(3.1 * columns + 0.6, 3.2 * lines), squeeze=False)
    for ax, (name, one) in zip(axes.ravel(), sets.items(), strict=False):
        matrix = _ranked(one)
        image = ax.imshow(matrix, cmap="cividis", vmin=0, vmax=1, interpolation="nearest")
        ax.set_title(f"{name}\n{one.n_cond} images", fontsize=10)
        _block_lines(ax, blocks)
    for ax in axes.ravel()[len(sets) :]:
        ax.set_visible(False)
    figure.colorbar(image, ax=axes.ravel().tolist(), shrink=0.7, label="dissimilarity (rank, 0 to 1)")
    return figure


def _each(rdms: RDMs):
    key = next((key for key in ("model", "subject") if key in rdms.rdm_descriptors), "index")
    names = rdms.rdm_descriptors[key]
    return [(name, rdms[i]) for i, name in enumerate(names)]


def _ranked(one: RDMs) -> np.ndarray:
    vector = one.get_vectors().mean(0)
    upper = np.triu_indices(one.n_cond, 1)
    matrix = np.full((one.n_cond, one.n_cond), np.nan)
    matrix[upper] = (rankdata(vector) - 1) / (len(vector) - 1)
    matrix.T[upper] = matrix[upper]
    return matrix


def _block_lines(ax, blocks: Sequence[str] | None) -> None:
    ax.set_xticks([])
    ax.set_yticks([])
    if blocks is None:
        return
    starts = [i for i in range(len(blocks)) if i == 0 or blocks[i] != blocks[i - 1]]
    for start in starts[1:]:
        ax.axhline(start - 0.5, color="white", linewidth=0.8)
        ax.axvline(start - 0.5, color="white", linewidth=0.8)
    middles = (np.array(starts) + np.array([*starts[1:], len(blocks)])) / 2
    ax.set_yticks(middles, [blocks[start] for start in starts], fontsize=7)


@styled
def coverage_plot(table: pd.DataFrame, truth: float, title: str) -> Figure:
    """Interval of one study a row, sorted by score, against the true score; misses in a second colour."""
    need(table, ("score", "low", "high"))
    table = table.sort_values("score")
    figure, ax = plt.subplots(figsize=(7, 0.09 * len(table) + 1.6))
    for y, (low, high, score) in enumerate(zip(table["low"], table["high"], table["score"], strict=True)):
        missed = not low < truth < high
        ax.plot([low, high], [y, y], color=COLOURS[1] if missed else COLOURS[0], linewidth=1.6)
        ax.plot(score, y, "x" if missed else "o", color=COLOURS[1] if missed else COLOURS[0], markersize=4)
    ax.axvline(truth, color="black", linewidth=1, label="true score")
    ax.set(title=title, xlabel="score (Spearman's ρ) with 95 % interval; × misses", yticks=[], ylabel="study")
    ax.legend(loc="lower right")
    return figure


@styled
def photos(images: Sequence, titles: Sequence[str] | None = None) -> Figure:
    """Photographs side by side, each with a short title."""
    if not len(images):
        raise BadInput("images: an empty list; wanted at least one photograph")
    figure, axes = plt.subplots(1, len(images), figsize=(1.7 * len(images), 2.0), squeeze=False)
    for i, ax in enumerate(axes[0]):
        ax.imshow(images[i])
        ax.set_title(titles[i] if titles else "", fontsize=9, wrap=True)
        ax.axis("off")
    return figure
