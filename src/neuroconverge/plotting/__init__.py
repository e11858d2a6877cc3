"""Figures of the book: intervals, ceilings and n always drawn; colours safe for colour-blind readers."""

from .rsa import coverage_plot, layer_plot, photos, rdm_plot, score_plot
from .style import COLOURS, GREY, NAMES, STYLE, styled

__all__ = [
    "COLOURS",
    "GREY",
    "NAMES",
    "STYLE",
    "coverage_plot",
    "layer_plot",
    "photos",
    "rdm_plot",
    "score_plot",
    "styled",
]
