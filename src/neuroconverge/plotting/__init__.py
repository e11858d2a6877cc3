"""Figures of the book: intervals, ceilings and n always drawn; colours safe for colour-blind readers."""

from .capability import capability_scatter, simpson_plot
from .concepts import (
    triplet_ceiling_plot,
    triplet_contest_plot,
    triplet_layers_plot,
    triplet_systems_plot,
    try_triplets,
)
from .context import context_planted_plot, context_states_plot, context_surprisal_plot, syntaxgym_plot
from .decoding import accuracy_plot
from .dimensions import choices_plot, dimension_plot, interpretability_plot, match_plot
from .encoding import electrode_plot, encoding_plot, penalty_plot, response_plot
from .human_brain import category_plot, projection_plot, similarity_plot
from .ieeg import brain_plot, brain_view, distance_plot, lag_plot
from .models import cka_plot, interval_plot, model_scatter, profile_plot
from .rsa import coverage_plot, layer_plot, photos, rdm_plot, score_plot
from .similarity import curve_plot, pair_plot
from .style import COLOURS, GREY, NAMES, STYLE, styled

__all__ = [
    "COLOURS",
    "GREY",
    "NAMES",
    "STYLE",
    "accuracy_plot",
    "brain_plot",
    "brain_view",
    "choices_plot",
    "capability_scatter",
    "category_plot",
    "cka_plot",
    "context_planted_plot",
    "context_states_plot",
    "context_surprisal_plot",
    "coverage_plot",
    "curve_plot",
    "dimension_plot",
    "distance_plot",
    "electrode_plot",
    "encoding_plot",
    "interpretability_plot",
    "interval_plot",
    "lag_plot",
    "layer_plot",
    "match_plot",
    "model_scatter",
    "pair_plot",
    "penalty_plot",
    "photos",
    "profile_plot",
    "projection_plot",
    "rdm_plot",
    "response_plot",
    "score_plot",
    "simpson_plot",
    "similarity_plot",
    "styled",
    "syntaxgym_plot",
    "triplet_ceiling_plot",
    "triplet_contest_plot",
    "triplet_layers_plot",
    "triplet_systems_plot",
    "try_triplets",
]
