"""What a model makes of its inputs, kept on disk under a name made of all that it depends on."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from functools import cache
from pathlib import Path

import numpy as np

from ..checks import one_of
from ..errors import BadInput
from ..store import kept


def features(model, inputs: Sequence, what: str = "layers", **options) -> dict[str, np.ndarray] | np.ndarray:
    """``model.layers`` or ``model.embed`` of the inputs, read from the cache where it holds them.

    ``what``: layers or embed; ``options`` go to that method. An entry is found by model id and revision,
    code of this subpackage, content of the inputs and options. Raises BadInput as the method does.
    """
    one_of(what, "what", ("layers", "embed"))
    facts = {name: value for name, value in options.items() if name != "batch_size"} | {"what": what}

    def make() -> dict[str, np.ndarray]:
        made = getattr(model, what)(inputs, **options)
        return made if what == "layers" else {"embedding": made}

    found = kept(_key(model, model.check(inputs), facts), make)
    return found if what == "layers" else found["embedding"]


def word_states(
    model,
    words: Sequence[str],
    context: int = 64,
    layers: Sequence[str] | None = None,
    pool: str = "last",
    mode: str = "rolling",
    precision: str = "float32",
) -> np.ndarray:
    """``model.word_states``, (layers, words, dim) float32, read from the cache where it holds just these layers.

    All layers of a half-hour story take hundreds of megabytes: ask for those you need. Raises BadInput.
    """
    if not hasattr(model, "word_states"):
        raise BadInput(f"model: {model.info.id} is {model.info.kind}, and only causal models read words in time")
    from .base import as_list  # not above: base imports torch

    words = as_list(words, "words")
    options = {"context": context, "mode": mode, "pool": pool, "precision": precision}
    options["layers"] = layers if layers is None else [str(name) for name in as_list(layers, "layers")]

    def make() -> dict[str, np.ndarray]:
        return {"states": model.word_states(words, **options)}

    return kept(_key(model, words, {**options, "context": str(context), "what": "word_states"}), make)["states"]


def _key(model, items: list, facts: dict) -> str:
    facts = facts | {"model": model.info.id, "revision": model.info.revision, "code": _code()}
    digest = hashlib.sha256(json.dumps(facts, sort_keys=True).encode())
    for item in items:  # lists of tokens, RGB images, or words
        image = hasattr(item, "tobytes")
        content = repr(item.size).encode() + item.tobytes() if image else repr(item).encode()
        digest.update(hashlib.sha256(content).digest())
    return digest.hexdigest()


@cache
def _code() -> str:
    """Fingerprint of the code that makes features: a change of preprocessing must not find old entries."""
    digest = hashlib.sha256()
    for file in sorted(Path(__file__).parent.glob("*.py")):
        digest.update(file.read_bytes())
    return digest.hexdigest()
