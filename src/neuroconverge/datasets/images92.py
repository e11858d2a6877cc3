"""The 92 object photographs: brains, judgements, models and captions for the same images."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from importlib.resources import files

import numpy as np
import pandas as pd
import scipy.io
from PIL import Image
from rsatoolbox.rdm import RDMs

from ..errors import BadInput
from .fetch import fetch

N_IMAGES = 92
# The source's twelve columns hold three that are no categories: two random halves and a mixed set.
CATEGORY_COLUMNS = ("animate", "inanim", "human", "nonhumani", "body", "face", "natObj", "artiObj", "monkeyape")


@dataclass(frozen=True)
class Images92:
    """92 photographs (175 x 175 pixels, RGB, uint8) and what people and brains make of them.

    ``ids``: ``image_01`` to ``image_92``, the order of every row below. ``captions``: five lists of 92
    (machine-written). ``categories``: table 92 x 12 of 0 and 1 as published; ``kinds``: one of six kinds
    per image. ``rdms``: rsatoolbox RDMs by name (``IT4``, ``IT15``, ``EVC15``, ``monkeyIT``, ``behaviour``,
    ``published_models``), each with descriptors for subject (and session) and image; loaded on first use.
    """

    ids: list[str]
    images: list[Image.Image]
    captions: list[list[str]]
    categories: pd.DataFrame
    kinds: list[str]
    rdms: LazyRdms


class LazyRdms:
    """RDM sets by name; each is read when first asked for, since they come from different sources."""

    def __init__(self, loaders: dict):
        self._loaders = loaders
        self._loaded: dict[str, RDMs] = {}

    def __getitem__(self, name: str) -> RDMs:
        if name not in self._loaded:
            if name not in self._loaders:
                raise BadInput(f"rdms: no set {name!r}; wanted one of {', '.join(self._loaders)}")
            self._loaded[name] = self._loaders[name]()
        return self._loaded[name]

    def __iter__(self):
        return iter(self._loaders)


def image_ids(n: int = N_IMAGES) -> list[str]:
    return [f"image_{i:02d}" for i in range(1, n + 1)]


def to_rdms(matrices: np.ndarray, label: str, **rdm_descriptors: list) -> RDMs:
    """Wrap dissimilarities (k, n, n) or (k, pairs) with image ids; refuses what is no RDM."""
    if matrices.ndim == 3:
        for i, matrix in enumerate(matrices):
            _check_matrix(matrix, f"{label}[{i}]")
        upper = np.triu_indices(matrices.shape[1], 1)
        matrices = matrices[:, upper[0], upper[1]]
    vectors = np.asarray(matrices, dtype=float)
    n_items = round((1 + np.sqrt(1 + 8 * vectors.shape[-1])) / 2)
    if vectors.ndim != 2 or vectors.shape[1] != n_items * (n_items - 1) // 2:
        raise BadInput(f"{label}: shape {vectors.shape}; wanted (k, n, n) or (k, n * (n - 1) / 2)")
    if not np.isfinite(vectors).all():
        raise BadInput(f"{label}: {np.sum(~np.isfinite(vectors))} dissimilarities are not finite")
    if np.any(vectors < 0):
        worst = np.argmin(vectors.min(axis=1))
        raise BadInput(f"{label}[{worst}]: has negative dissimilarities, down to {vectors.min():.3g}")
    return RDMs(vectors, rdm_descriptors=rdm_descriptors, pattern_descriptors={"item": image_ids(n_items)})


def _check_matrix(matrix: np.ndarray, label: str) -> None:
    if matrix.shape[0] != matrix.shape[1]:
        raise BadInput(f"{label}: shape {matrix.shape} is not square, so not an RDM")
    if not np.allclose(matrix, matrix.T, atol=1e-9, equal_nan=True):
        raise BadInput(f"{label}: not symmetric, so not an RDM")
    if np.any(np.diag(matrix) != 0):
        raise BadInput(f"{label}: the diagonal is not zero, so not an RDM")


def _mat(file: str) -> dict:
    return scipy.io.loadmat(fetch(f"rsatoolbox92/{file}"))


def _it4() -> RDMs:
    # A 1 x 4 x 2 array of structs: people by sessions; names read "hIT | BE | Session: 1".
    structs = _mat("92_brainRDMs.mat")["RDMs"][0]
    names = [str(entry["name"][0]).split(" | ") for entry in structs.ravel()]
    subjects, sessions = [name[1] for name in names], [int(name[2].split(": ")[1]) for name in names]
    if (len(set(subjects)), set(sessions)) != (4, {1, 2}):
        raise BadInput(f"92_brainRDMs.mat: wanted 4 people x 2 sessions, got {[' '.join(name[1:]) for name in names]}")
    matrices = np.stack([entry["RDM"] for entry in structs.ravel()]).astype(float)
    return to_rdms(matrices, "IT4", subject=subjects, session=sessions)


def _behaviour() -> RDMs:
    structs = _mat("92_behavRDMs.mat")["rdms_behav_92"][0]
    names = [str(entry["name"][0]).split(" | ")[1] for entry in structs]
    return to_rdms(np.stack([entry["RDM"] for entry in structs]), "behaviour", subject=names)


def _published_models() -> RDMs:
    structs = _mat("92_modelRDMs.mat")["Models"][0]
    names = [str(entry["name"][0]) for entry in structs]
    return to_rdms(np.stack([entry["RDM"] for entry in structs]).astype(float), "published_models", model=names)


def _monkey_it() -> RDMs:
    entry = _mat("Kriegeskorte_Neuron2008_supplementalData.mat")["RDMs_mIT_hIT_fig1"][0, 0]
    return to_rdms(np.asarray(entry["RDM"], float), "monkeyIT", subject=["two monkeys, 674 cells"])


def _net2brain(file: str, n_images: int) -> RDMs:
    """RDMs of 15 people (Cichy 2014, released with Net2Brain)."""
    archive = np.load(fetch(f"net2brain78/{file}"))
    matrices = archive[archive.files[0]]
    if matrices.shape != (15, n_images, n_images):
        raise BadInput(f"{file}: wanted (15, {n_images}, {n_images}), got {matrices.shape}")
    return to_rdms(matrices, file, subject=[f"p{i:02d}" for i in range(1, 16)])


@cache
def images92() -> Images92:
    """The 92 photographs with captions, categories and RDMs (Kriegeskorte 2008, Mur 2013, Cichy 2014).

    Raises DataUnavailable when a file can neither be found nor reached, BadInput when it is not as published.
    """
    mat = _mat("Kriegeskorte_Neuron2008_supplementalData.mat")
    stimuli = mat["stimuli_92objs"][0]
    labels = [str(label[0]) for label in mat["categoryLabels"][0]]
    if len(stimuli) != N_IMAGES or stimuli[0]["image"].shape != (175, 175, 3):
        raise BadInput(f"stimuli_92objs: wanted 92 images of 175 x 175 x 3, got {len(stimuli)}")
    return Images92(
        ids=image_ids(),
        images=[Image.fromarray(entry["image"]) for entry in stimuli],
        captions=captions92(),
        categories=pd.DataFrame(mat["categoryVectors"], index=image_ids(), columns=labels),
        kinds=[str(entry["category"][0]) for entry in stimuli],
        rdms=LazyRdms(
            {
                "IT4": _it4,
                "IT15": lambda: _net2brain("fmri92_IT_RDMs.npz", N_IMAGES),
                "EVC15": lambda: _net2brain("fmri92_EVC_RDMs.npz", N_IMAGES),
                "monkeyIT": _monkey_it,
                "behaviour": _behaviour,
                "published_models": _published_models,
            }
        ),
    )


def captions92() -> list[list[str]]:
    """Five lists of 92 captions, one list a rater, in image order (machine-written from the pictures; ours)."""
    text = files(__package__).joinpath("captions92.tsv").read_text(encoding="utf-8")
    lines = [line.split("\t") for line in text.splitlines()]
    if [line[0] for line in lines[1:]] != image_ids() or {len(line) for line in lines} != {6}:
        raise BadInput("captions92.tsv: wanted 92 rows image_01 to image_92 of five captions")
    return [[line[rater] for line in lines[1:]] for rater in range(1, 6)]


def images78(region: str = "IT", part: int = 1) -> RDMs:
    """fMRI RDMs of 15 people for 78 photographs that are not held: close to noise, kept as a warning.

    ``region``: ``IT`` or ``EVC``; ``part``: 1 or 2 (two sets of 78). Source: Net2Brain (Cichy 2019, inferred).
    """
    if region not in ("IT", "EVC") or part not in (1, 2):
        raise BadInput(f"region, part: got {region!r}, {part!r}; wanted 'IT' or 'EVC', and 1 or 2")
    return _net2brain(f"fmri_{'T2_' if part == 2 else ''}{region}_RDMs.npz", 78)


def caption_nouns() -> frozenset[str]:
    """The nouns among the words of the 92 x 5 captions, marked by hand (ours)."""
    return frozenset(files(__package__).joinpath("captions92_nouns.txt").read_text(encoding="utf-8").split())
