"""One look for all figures: colours safe for colour-blind readers, sizes legible on a phone."""

from __future__ import annotations

import functools
from collections.abc import Mapping, Sequence

import matplotlib.pyplot as plt
import pandas as pd

from ..errors import BadInput

# Okabe and Ito's palette; the grey is for controls and untrained networks.
COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9")
GREY = "#6b6b6b"
NAMES = {
    "IT4": "inferior temporal cortex (IT4)",
    "IT15": "inferior temporal cortex (IT15)",
    "EVC15": "early visual cortex (EVC15)",
    "behaviour": "similarity judgements",
}


# Sizes that stay legible on a phone; the ground stays white in dark mode, so that colours keep their contrast.
STYLE = {
    "figure.dpi": 110,
    "font.size": 11,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.titlesize": 11,
    "axes.titlelocation": "left",
    "legend.frameon": False,
    "figure.constrained_layout.use": True,
    "figure.facecolor": "white",
}


def styled(function):
    """Draw with STYLE and put back just those settings.

    matplotlib's own context puts back all of them, also the ``interactive`` that a notebook switches on at the
    first figure: every later figure would then be missing from the page.
    """

    @functools.wraps(function)
    def draw(*arguments, **options):
        before = {key: plt.rcParams[key] for key in STYLE}
        plt.rcParams.update(STYLE)
        try:
            return function(*arguments, **options)
        finally:
            plt.rcParams.update(before)

    return draw


def interval_rows(
    ax,
    rows: pd.DataFrame,
    order: Sequence[str],
    label: str,
    value: str = "score",
    low: str = "low",
    high: str = "high",
    grey: Sequence[str] = (),
    looks: Mapping[str, tuple[str, str]] | None = None,
) -> None:
    """A dot and its interval for each of ``rows``, at the height of its ``label`` in ``order``.

    Labels in ``grey`` are controls: squares, so that they differ by more than colour. ``looks``: colour and marker of
    each label instead.
    """
    order = list(order)
    for row in rows.to_dict("records"):
        y = order.index(row[label])
        colour, marker = looks[row[label]] if looks else (GREY, "s") if row[label] in grey else (COLOURS[0], "o")
        ax.plot([row[low], row[high]], [y, y], color=colour, linewidth=2, solid_capstyle="butt")
        ax.plot(row[value], y, marker, color=colour, markersize=6)
    ax.set_yticks(range(len(order)), order)
    ax.set_ylim(-0.6, len(order) - 0.4)
    ax.grid(axis="y", color="#e6e6e6", linewidth=0.7)
    ax.set_axisbelow(True)


def need(table: pd.DataFrame, columns: Sequence[str]) -> None:
    missing = [column for column in columns if column not in table]
    if missing or table.empty:
        raise BadInput(f"table: {'is empty' if table.empty else 'lacks ' + ', '.join(missing)}")
