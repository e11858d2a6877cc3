"""Figures about context: what a language model gains by words that came before, and how its states move."""

from __future__ import annotations

import matplotlib.pyplot as plt
import pandas as pd
from matplotlib.figure import Figure

from .style import COLOURS, GREY, need, styled

SEEN = "context (tokens, log scale); a word sees at least so many, at most twice as many"


def _tokens(ax, contexts) -> None:
    ax.set_xscale("log", base=2)
    ax.set_xticks(sorted(set(contexts)), [f"{n:g}" for n in sorted(set(contexts))], fontsize=9)
    ax.minorticks_off()


@styled
def context_surprisal_plot(table: pd.DataFrame) -> Figure:
    """Bits per byte against context, trained and untrained, with 95 % intervals (left); bits saved (right)."""
    need(table, ("state", "context_tokens", "bits_per_byte", "low", "high", "gain", "gain_low", "gain_high", "n_words"))
    figure, axes = plt.subplots(1, 2, figsize=(9.4, 3.6))
    panels = (("bits_per_byte", "low", "high"), ("gain", "gain_low", "gain_high"))
    for ax, (value, low, high) in zip(axes, panels, strict=True):
        for state, colour, style in (("trained", COLOURS[0], "o-"), ("untrained", GREY, "s:")):
            here = table[table["state"] == state].sort_values("context_tokens")
            ax.plot(here["context_tokens"], here[value], style, color=colour, markersize=5, label=state)
            ax.fill_between(here["context_tokens"], here[low], here[high], color=colour, alpha=0.2, linewidth=0)
        _tokens(ax, table["context_tokens"])
    if "gpt2_xl" in table:
        axes[0].axhline(table["gpt2_xl"].iloc[0], color=COLOURS[1], linestyle="--", linewidth=1.2, label="GPT-2 XL")
    axes[0].set(
        ylabel="bits per byte (lower is better)", ylim=(0, None), title=f"{table['n_words'].iloc[0]} real words"
    )
    axes[1].axhline(0, color="black", linewidth=0.8)
    axes[1].set(ylabel="bits per byte saved\nagainst 8 tokens", title="bands: 95 % interval, blocks of words")
    axes[0].legend(loc="center right", fontsize=9)
    figure.supxlabel(SEEN, fontsize=10)
    return figure


@styled
def context_states_plot(table: pd.DataFrame) -> Figure:
    """How far states lie from those at the longest context: one panel a state of training, one line a layer."""
    need(table, ("state", "context_tokens", "layer", "change", "n_words"))
    states, layers = list(dict.fromkeys(table["state"])), list(dict.fromkeys(table["layer"]))
    shades = plt.get_cmap("viridis")(pd.Series(range(len(layers))) / max(len(layers) - 1, 1) * 0.9)
    figure, axes = plt.subplots(1, len(states), figsize=(9.4, 3.6), sharex=True, sharey=True, squeeze=False)
    for ax, state in zip(axes[0], states, strict=True):
        here = table[table["state"] == state]
        for layer, shade in zip(layers, shades, strict=True):
            part = here[here["layer"] == layer].sort_values("context_tokens")
            ax.plot(part["context_tokens"], part["change"], "o-", color=shade, markersize=4, label=layer)
        ax.axhline(1, color=GREY, linestyle="--", linewidth=1, label="unrelated")
        _tokens(ax, table["context_tokens"])
        ax.set_title(f"{state}, {here['n_words'].iloc[0]} words")
    axes[0, 0].set_ylabel("change against 512 tokens\n(1 - correlation over words)")
    handles, labels = axes[0, 0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside right center", fontsize=9)
    figure.supxlabel(SEEN, fontsize=10)
    return figure


@styled
def context_planted_plot(table: pd.DataFrame) -> Figure:
    """SIMULATED: mean test correlation at every context, one line a planted context, a ring where it was planted.

    Expects ``at_2`` and ``half_2``, and so on: the mean over electrodes and half its 95 % interval.
    """
    need(table, ("planted_tokens", "n_electrodes", "n_words"))
    contexts = [int(name.removeprefix("at_")) for name in table if name.startswith("at_")]
    need(table, [f"half_{n}" for n in contexts])
    figure, ax = plt.subplots(figsize=(7.4, 3.8))
    colours = dict(zip(sorted(set(table["planted_tokens"]) - {0}), COLOURS, strict=False))
    for _, row in table.iterrows():
        planted = int(row["planted_tokens"])
        scores = [row[f"at_{n}"] for n in contexts]
        half, colour = [row[f"half_{n}"] for n in contexts], colours.get(planted, GREY)
        label = f"{planted or 'nothing'} ({row['n_electrodes']:g} electrodes)"
        ax.errorbar(contexts, scores, half, fmt="o-", color=colour, markersize=4, elinewidth=1, label=label)
        if planted in contexts:
            place = contexts.index(planted)
            ax.plot(planted, scores[place], "o", markersize=12, fillstyle="none", color=colours[planted], mew=2)
    ax.axhline(0, color="black", linewidth=0.8)
    _tokens(ax, contexts)
    figure.supxlabel(SEEN, fontsize=10)
    ax.set_ylabel("test correlation (mean over electrodes)")
    ax.set_title(f"SIMULATED electrodes, {table['n_words'].iloc[0]:,} real words; bars: 95 % interval over electrodes")
    figure.legend(title="planted context", loc="outside right center", fontsize=9)
    return figure


@styled
def syntaxgym_plot(table: pd.DataFrame, title: str = "") -> Figure:
    """Share of items whose prediction holds by kind of grammar, with 95 % intervals, chance and the untrained twin."""
    need(table, ("circuit", "state", "score", "low", "high", "chance", "n_items"))
    circuits = list(dict.fromkeys(table["circuit"]))[::-1]
    figure, ax = plt.subplots(figsize=(7.4, 0.9 + 0.42 * len(circuits)))
    for state, colour, mark, shift in (("trained", COLOURS[0], "o", 0.12), ("untrained", GREY, "s", -0.12)):
        here = table[table["state"] == state].set_index("circuit").loc[circuits]
        y = pd.Series(range(len(circuits))) + shift
        ax.hlines(y, here["low"], here["high"], color=colour, linewidth=2)
        ax.plot(here["score"], y, mark, color=colour, markersize=6, label=state)
    ax.plot(here["chance"], range(len(circuits)), "|", color=COLOURS[1], markersize=14, mew=2, label="random surprisal")
    ax.set_yticks(range(len(circuits)), [f"{name} ({here['n_items'][name]} items)" for name in circuits])
    ax.set_xlim(-0.02, 1.02)
    ax.set_title(title)
    figure.supxlabel("share of items whose prediction holds; bars: 95 % interval over items", fontsize=10)
    figure.legend(loc="outside upper right", ncols=3, fontsize=9)
    return figure
