"""Embeddings of the THINGS objects, fitted to the choices of people and of models; a fit is kept on disk once made."""

from __future__ import annotations

import hashlib
import inspect
import tempfile
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import numpy as np
import pandas as pd
from safetensors.numpy import load_file

from .. import triplets, triplets_data, triplets_fit
from ..datasets import things, things_training, things_triplets, things_vectors
from ..store import kept
from ..triplets import Triplets
from .objects import closed, embedded

PEOPLE, TWIN = "people", "MiniLM untrained"
MODELS = ("CLIP, photographs", "word2vec", "MiniLM", TWIN)
SYSTEMS = (PEOPLE, *MODELS)
SEEDS = (0, 1)
_FILES = {"CLIP, photographs": "clip", "word2vec": "word2vec"}
_STAYS = np.array([[1, 2, 0], [0, 2, 1], [0, 1, 2]])  # the columns of a row once the odd one, 0 to 2, is put last


@dataclass(frozen=True)
class Fit:
    """``weights``: table (objects, dims) as chosen. ``path``: one row a penalty, as in ``TripletEmbedding``, with the
    relaxed weights of each in ``steps``, float32 arrays (objects, dims)."""

    weights: pd.DataFrame
    path: pd.DataFrame
    chosen: int
    log_likelihood: float
    steps: list[np.ndarray]

    @property
    def best(self) -> int:
        """The step with the highest held-out likelihood."""
        return int(self.path["log_likelihood"].idxmax())


def fit(choices: Triplets, seed: int = 0, n_dims: int = 60) -> Fit:
    """``triplets.fit_embedding``, read from the cache where it holds a fit of just these choices by just this code."""
    digest = hashlib.sha256(repr((choices.ids, seed, n_dims)).encode() + np.ascontiguousarray(choices.rows).tobytes())
    for code in (triplets_fit, triplets_data.triplet_keys, triplets_data.best_pairs):
        digest.update(inspect.getsource(code).encode())

    def make() -> dict[str, np.ndarray]:
        with tempfile.TemporaryDirectory() as folder:
            checkpoint = Path(folder) / "path.safetensors"
            made = triplets.fit_embedding(choices, n_dims=n_dims, seed=seed, checkpoint=checkpoint)
            tensors = load_file(checkpoint)
        arrays = {"weights": made.weights.to_numpy(), "path": made.path.to_numpy(float)}
        arrays |= {"columns": np.array(made.path.columns, str), "result": np.array([made.chosen, made.log_likelihood])}
        return arrays | {f"step {k}": tensors[f"relaxed {k}"] for k in range(len(made.path))}

    found = kept(digest.hexdigest(), make)
    columns = [f"dim {k + 1}" for k in range(found["weights"].shape[1])]
    path = pd.DataFrame(found["path"], columns=found["columns"].tolist()).astype({"n_dims": int})
    chosen, log_likelihood = found["result"]
    steps = [found[f"step {k}"] for k in range(len(path))]
    return Fit(pd.DataFrame(found["weights"], choices.ids, columns), path, int(chosen), float(log_likelihood), steps)


@cache
def vectors(model: str) -> pd.DataFrame:
    """Vectors of the 1,854 objects as a model has them, means over objects taken off: table (objects, d)."""
    if model in _FILES:
        table = things_vectors(_FILES[model])
    else:
        table = pd.DataFrame(embedded("minilm-l6", closed(), 0 if model == TWIN else None), things().words.index)
    return table - table.mean()


@cache
def choices(system: str, part: str = "train") -> Triplets:
    """What people, or a model by the cosine of its vectors, chose: 124,121 training and 50,000 other triplets."""
    asked = things_training() if part == "train" else things_triplets(part)
    if system == PEOPLE:
        return asked
    odd = triplets.choose(vectors(system), asked, "cosine")
    return Triplets(np.take_along_axis(asked.rows, _STAYS[odd], axis=1), asked.ids)


@cache
def fitted(system: str, seed: int = 0) -> Fit:
    """The fit to all training choices of a system."""
    return fit(choices(system), seed)
