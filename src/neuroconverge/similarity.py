"""How alike two networks represent the same stimuli, by several measures, each beside what chance and search give.

Measures: ``cka`` (debiased, or plain), ``rsa`` (Spearman over pairs of stimuli), ``mutual_knn``, ``procrustes``,
``predictivity`` (cross-validated ridge). ``all_pairs`` compares all layers with all layers; ``calibrate`` draws the
figure that is reported, the best pair included, between its permutation null and 1.
"""

from __future__ import annotations

from .similarity_cka import Null, cka, cka_matrix, permutation_test
from .similarity_pairs import (
    MEASURES,
    Calibrated,
    all_pairs,
    calibrate,
    jackknife,
    mutual_knn,
    n_curve,
    predictivity,
    procrustes,
    rsa,
    split_choice,
)

__all__ = [
    "MEASURES",
    "Calibrated",
    "Null",
    "all_pairs",
    "calibrate",
    "cka",
    "cka_matrix",
    "jackknife",
    "mutual_knn",
    "n_curve",
    "permutation_test",
    "predictivity",
    "procrustes",
    "rsa",
    "split_choice",
]
