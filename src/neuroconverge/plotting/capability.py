"""Figures about better and worse networks: accuracy against match with the brain, with and without untrained ones."""

from __future__ import annotations

import matplotlib.pyplot as plt
import pandas as pd
from matplotlib.figure import Figure

from .style import COLOURS, GREY, need, styled

MARKS = ("o", "^", "s", "D")


@styled
def capability_scatter(
    table: pd.DataFrame,
    found: pd.DataFrame,
    ceiling: float,
    marks: str = "kind",
    x: str = "top1",
    xlabel: str = "ImageNet top-1 accuracy (%)",
) -> Figure:
    """One mark a trained network, one panel a score; shape and colour by the column ``marks``.

    ``found``: one row a ``score`` and ``analysis`` with ``rho, low, high, n_models, n_families``, printed above its
    panel; its scores are the panels, and columns of ``table``. ``ceiling``: noise ceiling of RSA.
    """
    need(table, (x, marks, "trained", *dict.fromkeys(found.get("score", ()))))
    need(found, ("score", "analysis", "rho", "low", "high", "n_models", "n_families"))
    shown = table[table["trained"]].dropna(subset=[x])
    scores, looks = list(dict.fromkeys(found["score"])), _looks(shown[marks])
    lines = found.groupby("score").size().max()
    figure, axes = plt.subplots(1, len(scores), figsize=(9.4, 3.2 + 0.4 * lines), squeeze=False)
    for ax, score in zip(axes[0], scores, strict=True):
        _cloud(ax, shown, x, score, marks, looks)
        said = [f"{row['analysis']}\n{_rho(row)}" for _, row in found[found["score"] == score].iterrows()]
        ax.set_title("\n".join(said), fontsize=9)
        ax.set_ylabel(f"{score} (r)")
        if score.endswith("RSA"):
            ax.text(0.02, 0.02, f"noise ceiling {ceiling:.2f}, above this panel", transform=ax.transAxes, fontsize=8)
    _legend(figure, looks)
    figure.supxlabel(f"{xlabel}; ρ with 95 % interval over families (networks / families)", fontsize=10)
    return figure


@styled
def simpson_plot(table: pd.DataFrame, found: pd.DataFrame, ceiling: float, marks: str = "kind") -> Figure:
    """The same networks twice: above with untrained ones, below without; one column a score.

    Untrained networks are hollow; ``table`` gives them the accuracy of chance. ``found``: one row a ``score`` and
    ``analysis`` (with untrained, as published); lines join the medians of five equal groups by accuracy, a line drawn
    by least squares would follow the few networks of low accuracy. Dashed lines: the ceiling of RSA.
    """
    need(table, ("top1", marks, "trained", *dict.fromkeys(found.get("score", ()))))
    need(found, ("score", "analysis", "rho", "low", "high", "n_models", "n_families"))
    table = table[table["top1"].notna()]
    rows = {"with untrained": table, "as published": table[table["trained"]]}
    scores, looks = list(dict.fromkeys(found["score"])), _looks(rows["as published"][marks])
    figure, axes = plt.subplots(2, len(scores), figsize=(9.4, 6.2), sharex="row", squeeze=False)
    names = {"with untrained": "with untrained", "as published": "trained only, enlarged"}
    for (analysis, here), line in zip(rows.items(), axes, strict=True):
        for ax, score in zip(line, scores, strict=True):
            _cloud(ax, here, "top1", score, marks, looks)
            fifths = (
                here[["top1", score]].groupby(pd.qcut(here["top1"].rank(method="first"), 5), observed=True).median()
            )
            ax.plot(fifths["top1"], fifths[score], "-", color="black", linewidth=1.6)
            if score.endswith("RSA") and analysis == "with untrained":
                ax.axhline(ceiling, color="black", linestyle="--", linewidth=1)
            row = found[(found["score"] == score) & (found["analysis"] == analysis)].iloc[0]
            ax.set_title(f"{names[analysis]}\n{_rho(row)}", fontsize=9)
            ax.set_ylabel(f"{score} (r)")
    _legend(figure, looks, hollow=True)
    figure.supxlabel(
        "ImageNet top-1 accuracy (%); ρ with 95 % interval over families (networks / families)\n"
        "line: medians of five equal groups by accuracy; dashed: noise ceiling of RSA, mean of 4 people",
        fontsize=10,
    )
    return figure


def _looks(labels: pd.Series) -> dict:
    """Colour and shape of each label, the most frequent first."""
    names = list(labels.value_counts().index)
    return {name: (COLOURS[i % len(COLOURS)], MARKS[i % len(MARKS)]) for i, name in enumerate(names)}


def _rho(row: pd.Series) -> str:
    return f"ρ = {row['rho']:.2f} [{row['low']:.2f}, {row['high']:.2f}] ({row['n_models']} / {row['n_families']})"


def _cloud(ax, table: pd.DataFrame, x: str, y: str, marks: str, looks: dict) -> None:
    for (label, trained), part in table.groupby([marks, "trained"], sort=False):
        colour, marker = looks.get(label, (GREY, "X"))
        face = colour if trained else "none"
        ax.scatter(part[x], part[y], s=26, marker=marker, facecolors=face, edgecolors=colour, linewidths=1.1)


def _legend(figure: Figure, looks: dict, hollow: bool = False) -> None:
    dots = [plt.Line2D([], [], linestyle="", color=c, marker=m, label=name) for name, (c, m) in looks.items()]
    if hollow:
        look = {"linestyle": "", "color": GREY, "marker": "o", "markerfacecolor": "none"}
        dots.append(plt.Line2D([], [], **look, label="hollow: untrained, at chance"))
    figure.legend(handles=dots, loc="outside upper center", ncols=5, fontsize=9)
