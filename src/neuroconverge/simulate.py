"""SIMULATED brains with a known truth: an effect to recover, and a null to leave alone."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from rsatoolbox.rdm import RDMs

from .checks import as_array
from .errors import BadInput
from .rdms import MIN_STIMULI, rdm
from .simulate_podcast import SimulatedRecording, podcast_subject
from .simulate_triplets import sparse_embedding, triplet_choices

__all__ = [
    "SimulatedRecording",
    "SimulatedStudy",
    "podcast_subject",
    "rsa_study",
    "sparse_embedding",
    "subjects",
    "triplet_choices",
    "two_views",
]


@dataclass(frozen=True)
class SimulatedStudy:
    """SIMULATED: ``models`` holds one RDM a feature space, ``brain`` one a subject, all with the same item ids."""

    models: RDMs
    brain: RDMs


def subjects(
    features,
    n_subjects: int = 15,
    noise: float = 1.0,
    subject_sd: float = 0.5,
    ids: Sequence[str] | None = None,
    seed: int | np.random.Generator = 0,
) -> RDMs:
    """SIMULATED subjects who respond to stimuli with the given features (stimuli, dimensions): one RDM a subject.

    ``noise``: standard deviation of the measurement noise in each response channel, in units of the standard
    deviation of the features. ``subject_sd``: how differently the subjects weigh the features (standard deviation
    of the log gain).
    """
    signal = as_array(features, "features", ndim=2)
    if n_subjects < 1 or noise < 0 or subject_sd < 0:
        raise BadInput("simulate.subjects: wanted at least one subject, and no negative noise or subject_sd")
    rng = np.random.default_rng(seed)
    spread = noise * (signal.std() or 1.0)
    names = [f"simulated {s + 1}" for s in range(n_subjects)]
    responses = {}
    for name in names:
        gains = np.exp(subject_sd * rng.standard_normal(signal.shape[1]))
        responses[name] = gains * signal + spread * rng.standard_normal(signal.shape)
    made = rdm(responses, ids=ids)
    patterns = None if ids is None else {"item": list(ids)}
    return RDMs(made.get_vectors(), rdm_descriptors={"subject": names}, pattern_descriptors=patterns)


def rsa_study(
    mixture=(1.0, 0.0),
    n_subjects: int = 8,
    n_stimuli: int = 40,
    noise: float = 1.0,
    subject_sd: float = 0.5,
    n_dims: int = 20,
    seed: int = 0,
) -> SimulatedStudy:
    """SIMULATED study whose subjects mix known feature spaces: ``model 0``, ``model 1``, ... by ``mixture``.

    A weight of 0 plants nothing. Stimuli and subjects are drawn anew for each seed, so that a score has a sampling
    distribution over both. Other arguments as in ``subjects``.
    """
    weights = as_array(mixture, "mixture", ndim=1)
    if n_dims < 1 or n_stimuli < MIN_STIMULI:
        raise BadInput(f"simulate.rsa_study: wanted at least {MIN_STIMULI} stimuli and one dimension")
    rng = np.random.default_rng(seed)
    spaces = rng.standard_normal((len(weights), n_stimuli, n_dims))
    ids = [f"stimulus {i + 1}" for i in range(n_stimuli)]
    models = rdm({f"model {i}": space for i, space in enumerate(spaces)}, ids=ids)
    # Noise is stated against features of unit variance, whatever the mixture.
    mixed = np.concatenate(list(weights[:, None, None] * spaces), axis=1)
    return SimulatedStudy(models, subjects(mixed, n_subjects, noise / (mixed.std() or 1.0), subject_sd, ids, rng))


def two_views(
    n_stimuli: int = 200,
    widths: tuple[int, int] = (60, 60),
    noise: float = 1.0,
    shared: float = 1.0,
    n_latent: int = 8,
    seed: int = 0,
) -> tuple[np.ndarray, np.ndarray]:
    """SIMULATED: two networks (stimuli, width) that see one latent space through random projections of their own.

    ``noise``: standard deviation of the noise of every feature, where the signal has 1. ``shared``: correlation of
    the two latent spaces, 1 for one space, 0 for nothing in common. Raises BadInput.
    """
    if n_stimuli < MIN_STIMULI or min(*widths, n_latent) < 1 or noise < 0 or not 0 <= shared <= 1:
        raise BadInput("simulate.two_views: wanted 3 stimuli, widths and n_latent from 1, noise from 0, shared 0 to 1")
    rng = np.random.default_rng(seed)
    first, own = rng.standard_normal((2, n_stimuli, n_latent))
    second = shared * first + np.sqrt(1 - shared**2) * own
    seen = [
        latent @ rng.standard_normal((n_latent, width)) / np.sqrt(n_latent)
        for latent, width in zip((first, second), widths, strict=True)
    ]
    return tuple(view + noise * rng.standard_normal(view.shape) for view in seen)
