"""Figures about dimensions: how many, against how many choices, shared with whom, and predicted by what."""

from __future__ import annotations

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from .style import COLOURS, GREY, interval_rows, need, styled

MARKS = ("o", "s", "^", "D", "v", "P")
LINES = ("-", "--", "-.", ":")


def _looks(names: list[str], grey: tuple[str, ...] = ()) -> dict[str, dict]:
    """A colour, a marker and a line for each name; controls are grey, dotted and hollow."""
    looks, others = {}, [name for name in names if name not in grey]
    for i, name in enumerate(others):
        looks[name] = {"color": COLOURS[i % 6], "marker": MARKS[i % 6], "linestyle": LINES[i % 4]}
    for i, name in enumerate(grey):
        looks[name] = {"color": GREY, "marker": "x+1"[i % 3], "linestyle": ":"}
    return looks


def _counts(ax: plt.Axes, ticks: list[int], which: str = "x") -> None:
    """A logarithmic axis with plain numbers."""
    axis = ax.xaxis if which == "x" else ax.yaxis
    (ax.set_xscale if which == "x" else ax.set_yscale)("log")
    axis.set_ticks(ticks, [f"{tick:,}" for tick in ticks])
    axis.set_minor_locator(plt.NullLocator())


@styled
def dimension_plot(table: pd.DataFrame, ours: str, grey: tuple[str, ...] = (), chance: float = 1 / 3) -> Figure:
    """Accuracy against the number of dimensions, one line a source with its 95 % band.

    ``ours``: the source whose rows have a ``step``; a ring marks its best likelihood and a star its result. ``grey``:
    sources drawn as controls. Of several steps with as many dimensions the last is drawn. Dotted: the paper's 66.
    """
    need(table, ("source", "n_dims", "accuracy", "low", "high", "step", "n_choices"))
    names = list(dict.fromkeys(table["source"]))
    looks = _looks(names, tuple(name for name in names if name in grey))
    figure, ax = plt.subplots(figsize=(8.4, 4.4))
    for name in names:
        here = table[(table["source"] == name) & (table["step"] != "result")]
        line = here.drop_duplicates("n_dims", keep="last").sort_values("n_dims")
        ax.plot(line["n_dims"], line["accuracy"], label=name, markersize=5, linewidth=1.6, **looks[name])
        ax.fill_between(line["n_dims"], line["low"], line["high"], color=looks[name]["color"], alpha=0.15, linewidth=0)
    own = table[table["source"] == ours]
    for step, mark, label in (
        ("best likelihood", "o", "best held-out likelihood"),
        ("result", "*", "what the fit keeps"),
    ):
        row = own[own["step"].str.startswith(step)].iloc[0]
        face = "none" if mark == "o" else looks[ours]["color"]
        style = {"marker": mark, "markersize": 15, "markerfacecolor": face, "markeredgecolor": "black", "linestyle": ""}
        ax.plot(row["n_dims"], row["accuracy"], label=f"{label}: {row['n_dims']} dimensions", zorder=5, **style)
    ax.axhline(chance, color="black", linewidth=0.8)
    ax.text(1, chance + 0.004, "chance", fontsize=9)
    ax.axvline(66, color="black", linewidth=0.8, linestyle=":")
    ax.text(63, ax.get_ylim()[1], "66", ha="right", va="top", fontsize=9)
    _counts(ax, [1, 2, 4, 8, 16, 32, 64])
    ax.set_xlabel("number of dimensions (logarithmic)")
    ax.set_ylabel(f"accuracy on {table['n_choices'].iloc[0]:,} choices of people\nbands: 95 % interval")
    figure.legend(loc="outside lower center", ncols=2, fontsize=9)
    return figure


@styled
def choices_plot(people: pd.DataFrame, planted: pd.DataFrame, grey: tuple[str, ...] = (), published=()) -> Figure:
    """Number of dimensions, and accuracy, against the number of choices: people, and SIMULATED choices.

    ``grey``: simulations drawn as controls. ``published``: (choices an object, dimensions, name) of other fits.
    """
    columns = ("data", "per_object", "n_dims", "accuracy", "low", "high")
    need(people, columns)
    need(planted, (*columns, "true_dims", "ceiling"))
    people = people.groupby(["data", "per_object"], as_index=False, sort=False)[["n_dims", "accuracy", "low", "high"]]
    both = pd.concat([people.mean(), planted])
    names = list(dict.fromkeys(both["data"]))
    looks = _looks(names, tuple(name for name in names if name in grey))
    figure, axes = plt.subplots(1, 2, figsize=(9.4, 4.6))
    for name in names:
        here = both[both["data"] == name].sort_values("per_object")
        axes[0].plot(here["per_object"], here["n_dims"], label=name, markersize=6, **looks[name])
        axes[1].plot(here["per_object"], here["accuracy"], markersize=6, **looks[name])
        axes[1].fill_between(
            here["per_object"], here["low"], here["high"], color=looks[name]["color"], alpha=0.15, lw=0
        )
    for true in sorted(set(planted["true_dims"]) - {0}):
        axes[0].axhline(true, color="black", linewidth=0.7, linestyle=":")
        axes[0].text(both["per_object"].min(), true + 0.7, f"{true} planted", fontsize=9)
    for per_object, n_dims, name in published:
        axes[0].plot(per_object, n_dims, "*", color="black", markersize=11)
        axes[0].text(per_object * 0.9, n_dims + 1, name, fontsize=9, ha="right")
    axes[1].axhline(1 / 3, color="black", linewidth=0.8)
    axes[1].text(4, 1 / 3 + 0.008, "chance", fontsize=9)
    for ax, title in zip(
        axes, ("dimensions kept", "accuracy on choices not fitted\n(bands: 95 % interval)"), strict=True
    ):
        _counts(ax, [4, 16, 64, 256, 1024])
        ax.set_ylabel(title)
    axes[0].set_title("How many dimensions: people and SIMULATED")
    axes[1].set_title("How good: people and SIMULATED")
    figure.supxlabel("training choices an object (logarithmic)", fontsize=10)
    figure.legend(loc="outside upper center", ncols=2, fontsize=9)
    return figure


@styled
def match_plot(match: pd.DataFrame, threshold: float = 0.4, grey: tuple[str, ...] = ()) -> Figure:
    """One dot a pair of matched dimensions, one row a system, with the 95th percentile of the largest r by chance.

    ``match``: rows of one ``reference``. Beside each row: pairs above the threshold, of those there could be.
    """
    need(match, ("reference", "system", "n_system", "r", "null_95"))
    names = list(dict.fromkeys(match["system"]))[::-1]
    figure, ax = plt.subplots(figsize=(8.4, 1.4 + 0.5 * len(names)))
    for y, name in enumerate(names):
        here = match[match["system"] == name]
        r = np.sort(here["r"].dropna())
        colour, mark = (GREY, "x") if name in grey else (COLOURS[0], "o")
        shift = 0.28 * np.sin(2.4 * np.arange(len(r)))  # spreads the dots without chance
        ax.plot(r, y + shift, mark, color=colour, markersize=4.5, alpha=0.75)
        ax.plot([here["null_95"].iloc[0]] * 2, [y - 0.42, y + 0.42], color=COLOURS[1], linewidth=2)
        possible = min(len(here), here["n_system"].iloc[0])
        ax.text(1.03, y, f"{(r > threshold).sum()} of {possible}", va="center", fontsize=10)
    ax.axvline(threshold, color="black", linewidth=0.8, linestyle=":")
    ax.set_yticks(range(len(names)), [f"{n} ({_size(match, n)})" for n in names])
    ax.set_xlim(min(-0.05, match["r"].min() - 0.02), 1.01)
    ax.grid(axis="y", color="#e6e6e6", linewidth=0.7)
    n = match["reference"].value_counts().iloc[0] // len(names)
    figure.supxlabel(
        f"r over objects with the matched dimension of {match['reference'].iloc[0]} ({n}); in brackets: dimensions\n"
        "tall bars: 95th percentile of the largest r with objects shuffled\n"
        f"on the right: pairs above r = {threshold:g}, of those there could be",
        fontsize=9,
    )
    return figure


def _size(table: pd.DataFrame, name: str) -> int:
    return table.loc[table["system"] == name, "n_system"].iloc[0]


@styled
def interpretability_plot(table: pd.DataFrame, grey: tuple[str, ...] = ()) -> Figure:
    """How well single dimensions stand for features, a panel for each set of features, beside turns and shuffles.

    ``grey``: systems drawn as controls, with squares.
    """
    turned = ["rotated", "rotated_95", "permuted_95", "n_dims", "n_objects", "n_features"]
    need(table, ["system", "features", "r", "low", "high", *turned])
    panels, names = list(dict.fromkeys(table["features"])), list(dict.fromkeys(table["system"]))[::-1]
    size = (min(4.2 + 2.6 * len(panels), 9.4), 1.9 + 0.36 * len(names))
    figure, axes = plt.subplots(1, len(panels), figsize=size, sharey=True, squeeze=False)
    for ax, panel in zip(axes[0], panels, strict=True):
        here = table[table["features"] == panel]
        interval_rows(ax, here, names, "system", "r", grey=grey)
        for row in here.to_dict("records"):
            y = names.index(row["system"]) - 0.25
            ax.plot([row["rotated"], row["rotated_95"]], [y, y], color=COLOURS[1], linewidth=1.5)
            ax.plot(row["rotated"], y, "D", color=COLOURS[1], markersize=5, markerfacecolor="white")
            ax.plot([row["permuted_95"]] * 2, [y - 0.1, y + 0.5], color="black", linewidth=1.5)
        ax.set_title(f"{panel}\n{row['n_features']} features, {row['n_objects']:,} objects", fontsize=10)
        ax.axvline(0, color="black", linewidth=0.8)
    dims = table.groupby("system")["n_dims"].first()
    axes[0, 0].set_yticks(range(len(names)), [f"{name} ({dims[name]})" for name in names])
    figure.supxlabel(
        "r of a feature with its best single dimension, mean over features, on objects that did not choose it\n"
        "bars: 95 % interval over features; diamonds: the same embedding turned at random, up to the 95th percentile\n"
        "upright: objects shuffled, 95th percentile; squares: controls; in brackets: dimensions",
        fontsize=9,
    )
    return figure
