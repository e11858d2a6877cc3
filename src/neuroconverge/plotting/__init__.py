"""Figures of the book: intervals, ceilings and n always drawn; colours safe for colour-blind readers."""

from .context import context_planted_plot, context_states_plot, context_surprisal_plot, syntaxgym_plot
from .decoding import accuracy_plot
from .encoding import electrode_plot, encoding_plot, penalty_plot, response_plot
from .ieeg import brain_plot, brain_view, distance_plot, lag_plot
from .models import cka_map, cka_plot, interval_plot, model_scatter, profile_plot
from .rsa import coverage_plot, layer_plot, photos, rdm_plot, score_plot
from .style import COLOURS, GREY, NAMES, STYLE, styled

__all__ = [
    "COLOURS",
    "GREY",
    "NAMES",
    "STYLE",
    "accuracy_plot",
    "brain_plot",
    "brain_view",
    "cka_map",
    "cka_plot",
    "context_planted_plot",
    "context_states_plot",
    "context_surprisal_plot",
    "coverage_plot",
    "distance_plot",
    "electrode_plot",
    "encoding_plot",
    "interval_plot",
    "lag_plot",
    "layer_plot",
    "model_scatter",
    "penalty_plot",
    "photos",
    "profile_plot",
    "rdm_plot",
    "response_plot",
    "score_plot",
    "styled",
    "syntaxgym_plot",
]
