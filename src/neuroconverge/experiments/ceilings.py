"""What a perfect model could reach: noise ceilings of every set of RDMs in the book."""

from __future__ import annotations

import pandas as pd

from .. import rsa
from ..datasets import images78, images92
from . import experiment
from .images92 import BRAINS, PEOPLE15, PHOTOS, brain

NOISY = tuple(f"net2brain78/fmri_{part}{region}_RDMs.npz" for part in ("", "T2_") for region in ("IT", "EVC"))


@experiment(needs=(PHOTOS, *PEOPLE15, *NOISY), claims=("F1a",))
def noise_ceilings() -> pd.DataFrame:
    """Lower and upper ceiling of each set, spearman; the sets of 78 images are near noise."""
    sets = {name: brain(name) for name in BRAINS}
    sets |= {f"{region}, 78 images, set {part}": images78(region, part) for region in ("IT", "EVC") for part in (1, 2)}
    rows = []
    for name, rdms in sets.items():
        lower, upper = rsa.noise_ceiling(rdms)
        rows.append({"brain": name, "lower": lower, "upper": upper, "n_subjects": rdms.n_rdm, "n_stimuli": rdms.n_cond})
    return pd.DataFrame(rows)


@experiment(needs=(PHOTOS,), claims=("F1a",))
def session_reliability() -> pd.DataFrame:
    """Agreement of the two sessions of each IT4 subject, and what doubling the data does to it (Spearman-Brown)."""
    rdms = images92().rdms["IT4"]
    subjects, vectors = rdms.rdm_descriptors["subject"], rdms.get_vectors()
    rows = []
    for subject in dict.fromkeys(subjects):
        first, second = vectors[[s == subject for s in subjects]]
        r = rsa.compare(first[None], second[None]).item()
        rows.append({"subject": subject, "between_sessions": r, "both_sessions": 2 * r / (1 + r)})
    return pd.DataFrame(rows)


@experiment(needs=(PHOTOS, *PEOPLE15), claims=("F1a",))
def image_order() -> pd.DataFrame:
    """Do the files of two laboratories number the photographs alike? Mean IT4 against mean IT15, order shuffled."""
    first, second = (brain(name).get_vectors().mean(0) for name in ("IT4", "IT15"))
    return rsa.permutation_test(first[None], second[None], n_perm=1000).drop(columns=["model", "p_max"])
