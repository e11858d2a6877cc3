"""Figures about odd-one-out choices: what could be predicted at best, who predicts how much, and triplets to try."""

from __future__ import annotations

from html import escape

import matplotlib.pyplot as plt
import pandas as pd
from matplotlib.figure import Figure

from ..errors import BadInput
from .style import COLOURS, GREY, interval_rows, need, styled

CHANCE = 1 / 3
# Kinds of system, each with a colour and a shape of its own.
KINDS = {
    "fitted to people": (COLOURS[3], "D"),
    "images": (COLOURS[2], "^"),
    "language model": (COLOURS[0], "o"),
    "static words": (COLOURS[1], "s"),
    "rival": (COLOURS[4], "P"),
    "untrained": (GREY, "v"),
}


def _chance(ax) -> None:
    ax.axvline(CHANCE, color="black", linewidth=0.9, linestyle="--")


@styled
def triplet_systems_plot(
    table: pd.DataFrame, ceiling: tuple[float, float] | None = None, published: float | None = None
) -> Figure:
    """Share of choices that each system predicts, best first, with 95 % intervals; a kind has its colour and shape.

    ``ceiling``: lower and upper human ceiling, a shaded band. ``published``: a published one, a dotted line.
    """
    need(table, ("system", "kind", "accuracy", "low", "high", "n"))
    table = table.sort_values("accuracy", kind="stable").reset_index(drop=True)
    figure, ax = plt.subplots(figsize=(8.6, 1.5 + 0.29 * len(table)))
    if ceiling:
        ax.axvspan(*ceiling, color="#f0e442", alpha=0.45, linewidth=0, label="human ceiling, lower to upper")
    if published:
        ax.axvline(published, color="black", linewidth=1.2, linestyle=":", label="published ceiling")
    _chance(ax)
    looks = {row.system: KINDS[row.kind] for row in table.itertuples()}
    interval_rows(ax, table, table["system"], "system", "accuracy", looks=looks)
    for kind in KINDS:
        if kind in set(table["kind"]):
            ax.plot([], [], KINDS[kind][1], color=KINDS[kind][0], markersize=6.5, label=kind)
    n = f"{table['n'].iloc[0]:,.0f}"
    figure.supxlabel(f"share of {n} human choices predicted; bars: 95 % interval; dashed: chance (1 in 3)", fontsize=10)
    figure.legend(*ax.get_legend_handles_labels(), loc="outside upper center", ncols=4, fontsize=9)
    return figure


@styled
def triplet_ceiling_plot(table: pd.DataFrame) -> Figure:
    """What the best possible prediction lies between, from repeated triplets, with the interval of the lower end."""
    need(table, ("choices", "lower", "low", "high", "upper", "n_triplets"))
    table = table.iloc[::-1].reset_index(drop=True)
    figure, ax = plt.subplots(figsize=(8.6, 1.1 + 0.42 * len(table)))
    _chance(ax)
    between = table["upper"].notna()
    ax.hlines(
        table.index[between],
        table["lower"][between],
        table["upper"][between],
        color="#f0e442",
        linewidth=11,
        label="between lower and upper ceiling",
    )
    ax.hlines(
        table.index,
        table["low"],
        table["high"],
        color=COLOURS[0],
        linewidth=2.2,
        label="interval (of the published one as in their code)",
    )
    ax.plot(table["lower"], table.index, "o", color=COLOURS[0], markersize=6, label="lower ceiling, or published value")
    ax.plot(table["upper"], table.index, "|", color="black", markersize=15, mew=2, label="upper ceiling")
    counts = [f"{n:,.0f} triplets" if n == n else "" for n in table["n_triplets"]]
    labels = [f"{name}\n{count}" if count else name for name, count in zip(table["choices"], counts, strict=True)]
    ax.set_yticks(table.index, labels, fontsize=9)
    ax.set_ylim(-0.6, len(table) - 0.4)
    ax.set_xlim(0.3, 1)
    figure.supxlabel("share of answers predicted; interval: 95 % over triplets; dashed: chance (1 in 3)", fontsize=10)
    figure.legend(*ax.get_legend_handles_labels(), loc="outside upper center", ncols=2, fontsize=9)
    return figure


@styled
def triplet_layers_plot(table: pd.DataFrame, marks: dict[str, float] | None = None) -> Figure:
    """Accuracy by relative depth, one panel a network, trained and untrained, with 95 % bands.

    ``marks``: accuracies of other systems, drawn as labelled lines.
    """
    need(table, ("network", "state", "depth", "accuracy", "low", "high", "raw", "n"))
    names = list(dict.fromkeys(table["network"]))
    figure, axes = plt.subplots(1, len(names), figsize=(9.2, 3.9), sharey=True, squeeze=False)
    for ax, name in zip(axes[0], names, strict=True):
        for state, colour, style in (("trained", COLOURS[0], "o-"), ("untrained", GREY, "v-")):
            part = table[(table["network"] == name) & (table["state"] == state)]
            ax.fill_between(part["depth"], part["low"], part["high"], color=colour, alpha=0.2, linewidth=0)
            ax.plot(part["depth"], part["accuracy"], style, color=colour, markersize=5, label=state)
            if state == "trained":
                ax.plot(part["depth"], part["raw"], "x:", color=COLOURS[1], markersize=5, label="trained, plain cosine")
        ax.axhline(CHANCE, color="black", linewidth=0.9, linestyle="--")
        for label, value in (marks or {}).items():
            ax.axhline(value, color=GREY, linewidth=0.9)
            ax.text(0.99, value, f"{label} ", ha="right", va="bottom", fontsize=9, color=GREY)
        ax.set_title(f"{name}, {len(part)} layers read")
    axes[0, 0].set_ylabel("share of choices predicted")
    n = f"{table['n'].iloc[0]:,.0f}"
    figure.supxlabel(
        f"relative depth (0 input, 1 output); {n} choices, bands: 95 % interval; dashed: chance", fontsize=10
    )
    figure.legend(*axes[0, 0].get_legend_handles_labels(), loc="outside upper center", ncols=3, fontsize=9)
    return figure


@styled
def triplet_contest_plot(table: pd.DataFrame) -> Figure:
    """Differences in accuracy on the same choices, with 95 % intervals; a dot lies on the side of the better system."""
    need(table, ("system", "against", "difference", "low", "high", "n"))
    table = table.iloc[::-1].reset_index(drop=True)
    figure, ax = plt.subplots(figsize=(9.2, 1.3 + 0.3 * len(table)))
    ax.axvline(0, color="black", linewidth=0.9)
    interval_rows(ax, table.assign(row=table.index), table.index, "row", "difference")
    reach = 1.08 * table[["low", "high"]].abs().to_numpy().max()
    ax.set_xlim(-reach, reach)
    ax.set_yticks(table.index, table["against"], fontsize=9)
    other = ax.twinx()
    for side in (ax, other):
        side.set_ylim(-0.6, len(table) - 0.4)
        side.spines[["left", "right"]].set_visible(False)
        side.tick_params(axis="y", length=0)
    other.set_yticks(table.index, table["system"], fontsize=9)
    ax.set_title("← this one predicts more    |    this one predicts more →", loc="center", fontsize=10)
    n = f"{table['n'].iloc[0]:,.0f}"
    figure.supxlabel(f"difference in share of the same {n} choices predicted; bars: 95 % interval", fontsize=10)
    return figure


def try_triplets(table: pd.DataFrame):
    """Triplets to try: three names each, and what people and models called odd, folded away until asked for.

    ``table``: columns ``first, second, third``, then one column a judge with the name that it called odd. Plain HTML,
    which needs no Python and no script. Raises BadInput for an answer that is not one of the three.
    """
    from IPython.display import HTML  # a part of the book, not of the package

    objects = ["first", "second", "third"]
    need(table, objects)
    judges = [column for column in table if column not in objects]
    parts = []
    for number, (_, row) in enumerate(table.iterrows(), 1):
        names = [str(row[column]) for column in objects]
        wrong = [judge for judge in judges if row[judge] not in names]
        if wrong:
            raise BadInput(f"table: row {number - 1}: {wrong[0]} says {row[wrong[0]]!r}, which is none of {names}")
        answers = "".join(f"<li>{escape(judge)}: <strong>{escape(row[judge])}</strong></li>" for judge in judges)
        asked = ", ".join(escape(name) for name in names)
        parts.append(
            f'<details style="margin: 0.4em 0"><summary style="padding: 0.5em 0; cursor: pointer">'
            f"<strong>{number}.</strong> {asked}</summary><ul>{answers}</ul></details>"
        )
    return HTML(f'<div role="group" aria-label="Triplets to try">{"".join(parts)}</div>')
