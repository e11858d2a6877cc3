"""Faces and objects in ventral temporal cortex of one person (Haxby 2001), cleaned by nilearn."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

import nibabel
import numpy as np
import pandas as pd

from ..errors import BadInput
from .fetch import fetch

N_VOLUMES, N_VOXELS, N_RUNS = 1452, 530, 12
TR_S = 2.5
CATEGORIES = ("bottle", "cat", "chair", "face", "house", "scissors", "scrambledpix", "shoe")


@dataclass(frozen=True)
class Haxby:
    """fMRI of one person who saw eight categories in blocks of nine volumes, one block a category and run.

    ``responses``: volumes (1,452) x voxels (530) float32, without trend and z-scored within each run (no unit).
    ``labels``: a category or ``rest`` for each volume; the delay of the blood flow is NOT taken into account.
    ``runs``: 0 to 11, for each volume. ``tr_s``: seconds a volume. ``masker``: the fitted nilearn NiftiMasker;
    ``masker.inverse_transform`` turns rows into images. The image is the one slice that the source gives.
    """

    responses: np.ndarray
    labels: np.ndarray
    runs: np.ndarray
    masker: object
    tr_s: float = TR_S


@cache
def haxby() -> Haxby:
    """The volumes, labels and runs (Haxby 2001, as given with PyMVPA).

    Raises DataUnavailable, or BadInput when a file is not as published.
    """
    from nilearn.maskers import NiftiMasker

    table = pd.read_csv(fetch("haxby2001/attributes_literal.txt"), sep=" ", header=None, names=["label", "run"])
    labels, runs = table["label"].to_numpy(str), table["run"].to_numpy()
    counts = pd.crosstab(runs, labels)
    if set(labels) != {*CATEGORIES, "rest"} or (counts[list(CATEGORIES)] != 9).to_numpy().any():
        raise BadInput(f"attributes_literal.txt: wanted 9 volumes of {', '.join(CATEGORIES)} in every run")
    if len(table) != N_VOLUMES or not np.array_equal(runs, np.repeat(np.arange(N_RUNS), N_VOLUMES // N_RUNS)):
        raise BadInput(f"attributes_literal.txt: {len(table)} volumes; wanted {N_RUNS} runs of 121, in order")
    bold, mask = (nibabel.load(fetch(f"haxby2001/{name}.nii.gz")) for name in ("bold", "mask"))
    if bold.shape[-1] != N_VOLUMES or np.count_nonzero(mask.dataobj) != N_VOXELS:
        raise BadInput(
            f"bold.nii.gz and mask.nii.gz: {bold.shape[-1]} volumes, {np.count_nonzero(mask.dataobj)} voxels"
        )
    masker = NiftiMasker(mask_img=mask, runs=runs, detrend=True, standardize="zscore_sample")
    responses = masker.fit_transform(bold).astype(np.float32)
    still = np.flatnonzero(~np.isfinite(responses).all(0) | (responses.std(0) == 0))
    if len(still):
        raise BadInput(f"bold.nii.gz: voxel {still[0]} of the mask is constant or not finite")
    return Haxby(responses, labels, runs, masker)
