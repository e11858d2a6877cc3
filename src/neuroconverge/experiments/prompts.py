"""Finding F2a: which of three things a small language model calls the odd one out, when it is asked in words."""

from __future__ import annotations

import hashlib
from functools import cache
from pathlib import Path

import numpy as np
import pandas as pd

from .. import models, triplets, triplets_prompt
from ..datasets import spose, things, things_triplets, things_vectors
from ..store import kept
from . import experiment

NETWORK = "smollm2-135m"
# Read in under two minutes on two threads: the untrained twin and written answers get the first of the same triplets.
N_TRIPLETS, N_UNTRAINED, N_WRITTEN = 180, 60, 30
ANSWER_TOKENS = 10
SEED = 0


@cache
def asked_triplets(n: int = N_TRIPLETS) -> triplets.Triplets:
    """The first n human choices of a sample that is drawn once: a larger one holds a smaller one."""
    test = things_triplets("test")
    return test.subset(np.random.default_rng(SEED).permutation(len(test))[:n])


@cache
def prompted(trained: bool = True, n: int = N_TRIPLETS, answer_tokens: int = 0) -> triplets.PromptChoices:
    """What SmolLM2, or its untrained twin, chooses in the first n triplets: a second each, then kept on disk."""
    model = models.load(NETWORK)
    model = model if trained else models.randomise(model, SEED)
    names, rows = things().names.tolist(), asked_triplets(n).rows
    asked = [[names[k] for k in row] for row in rows]
    code = hashlib.sha256(Path(triplets_prompt.__file__).read_bytes()).hexdigest()
    facts = [code, model.info.id, model.info.revision, answer_tokens, asked]

    def make() -> dict[str, np.ndarray]:
        found = triplets.choose_by_prompt(model, names, rows, answer_tokens=answer_tokens)
        made = {"log_probabilities": found.log_probabilities, "neutral": found.neutral}
        return made if found.parsed is None else made | {"parsed": found.parsed}

    return triplets.PromptChoices.read(**kept(hashlib.sha256(repr(facts).encode()).hexdigest(), make))


@experiment(
    needs=("things", "things_triplets", "things_typicality", "model-smollm2-135m", "model-minilm-l6"), claims=("F2a",)
)
def prompt_choices() -> pd.DataFrame:
    """Agreement with people of a model that is asked in words, its bias for places, and embeddings on the same trials.

    ``accuracy``: after all six orders; ``one_order``: of a single order, drawn at random; ``order_of_file``: of the
    order of the file, in which the odd one comes last. ``first, second, third``: share of answers by place.
    """
    rows = [
        _prompted("SmolLM2-135M", prompted(), "calibrated"),
        _prompted("SmolLM2-135M", prompted(), "likelihood"),
        _prompted("SmolLM2-135M", prompted(n=N_WRITTEN, answer_tokens=ANSWER_TOKENS), "answer"),
        _prompted("SmolLM2-135M untrained", prompted(trained=False, n=N_UNTRAINED), "calibrated"),
        _prompted("SmolLM2-135M untrained", prompted(trained=False, n=N_UNTRAINED), "likelihood"),
    ]
    names = things().names
    minilm = models.features(models.load("minilm-l6"), list(names), what="embed")
    embeddings = {
        "word2vec": (things_vectors("word2vec"), "cosine"),
        "MiniLM": (pd.DataFrame(minilm, index=names.index), "cosine"),
        "SPoSE-66, fitted to people": (spose(66), "dot"),
    }
    for model, (table, similarity) in embeddings.items():
        found = triplets.accuracy(table, asked_triplets(), similarity)
        rows.append({"model": model, "scoring": "embedding", **_accuracy(found)})
    return pd.DataFrame(rows)


def _accuracy(found: triplets.Accuracy) -> dict:
    return {"accuracy": found.accuracy, "low": found.low, "high": found.high, "n": found.n}


def _prompted(model: str, reading: triplets.PromptChoices, scoring: str) -> dict:
    found = reading.by(scoring)
    answered = found.choices >= 0
    given = found.order_choices[found.order_choices >= 0]
    return {
        "model": model,
        "scoring": scoring,
        **_accuracy(triplets.accuracy(found.choices[answered], asked_triplets(len(answered)).subset(answered))),
        "one_order": (given == 2).mean(),
        "order_of_file": (found.order_choices[:, 0] == 2)[found.order_choices[:, 0] >= 0].mean(),
        **dict(zip(("first", "second", "third"), found.position_share, strict=True)),
        "agreement": found.agreement,
        "n_questions": found.order_choices.size,
        "n_unanswered": found.n_unanswered,
    }
