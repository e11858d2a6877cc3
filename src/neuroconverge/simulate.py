"""SIMULATED brains with a known truth: an effect to recover, and a null to leave alone."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from rsatoolbox.rdm import RDMs

from .checks import as_array
from .errors import BadInput
from .rsa import rdm


@dataclass(frozen=True)
class SimulatedStudy:
    """SIMULATED: ``models`` holds one RDM a feature space, ``brain`` one a subject, all with the same item ids."""

    models: RDMs
    brain: RDMs


def rsa_study(
    mixture=(1.0, 0.0),
    n_subjects: int = 8,
    n_stimuli: int = 40,
    noise: float = 1.0,
    subject_sd: float = 0.5,
    n_dims: int = 20,
    seed: int = 0,
) -> SimulatedStudy:
    """SIMULATED subjects whose responses mix known feature spaces, plus noise of their own.

    ``mixture``: weight of each feature space (``model 0``, ``model 1``, ...); 0 plants nothing. ``noise``: standard
    deviation of the measurement noise in each response channel, in units of the signal. ``subject_sd``: how
    differently the subjects weigh the features (standard deviation of the log gain). Both stimuli and subjects
    are drawn anew for each seed, so that a score has a sampling distribution over both.
    """
    weights = as_array(mixture, "mixture", ndim=1)
    if min(n_subjects, n_dims) < 1 or n_stimuli < 3 or noise < 0 or subject_sd < 0:
        raise BadInput("simulate.rsa_study: wanted at least 1 subject, 1 dimension, 3 stimuli, and no negative spread")
    rng = np.random.default_rng(seed)
    spaces = rng.standard_normal((len(weights), n_stimuli, n_dims))
    subjects = {}
    for s in range(n_subjects):
        gains = np.exp(subject_sd * rng.standard_normal((len(weights), 1, n_dims)))
        channels = np.concatenate(list(weights[:, None, None] * gains * spaces), axis=1)
        subjects[f"simulated {s + 1}"] = channels + noise * rng.standard_normal(channels.shape)
    ids = [f"stimulus {i + 1}" for i in range(n_stimuli)]
    models = rdm({f"model {i}": space for i, space in enumerate(spaces)}, ids=ids)
    brain = rdm(subjects, ids=ids)
    return SimulatedStudy(
        models,
        RDMs(
            brain.get_vectors(),
            rdm_descriptors={"subject": list(subjects)},
            pattern_descriptors={"item": ids},
        ),
    )
