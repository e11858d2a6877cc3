"""Networks as models of the mind: load one, embed, take all its layers, break it on purpose."""

from __future__ import annotations

from numbers import Integral

from .. import datasets
from ..errors import BadInput, DataUnavailable
from .features import features, word_states
from .registry import Info, info, names
from .syntaxgym import syntaxgym

__all__ = ["Info", "available", "degrade", "features", "info", "load", "names", "randomise", "syntaxgym", "word_states"]


def load(id: str, device: str = "auto", accept_terms: bool = False):
    """A model by registered id, or from the Hugging Face hub as ``hf:organisation/name@revision``.

    It has ``.info``, ``.layer_names``, ``.embed(inputs)`` and ``.layers(inputs, pool)``; inputs are texts, or
    images. ``device``: auto, cpu, cuda or mps. ``accept_terms``: for a licence that restricts use.
    Raises UnknownName, BadInput, DataUnavailable or CacheError.
    """
    # Imported here, so that looking up a model never pays for torch.
    if id.startswith("hf:"):
        from .hub import load as load_from_hub

        return load_from_hub(id, device)
    facts = info(id)
    if facts.opt_in and not accept_terms:
        terms = f"{id} comes under the {facts.licence}. {facts.note}"
        raise BadInput(f"accept_terms: {terms} If you have read and accept them, pass accept_terms=True.")
    files = datasets.fetch_group(facts.locator)
    first = next(iter(files.values()))
    if facts.kind == "static":
        from .static import StaticModel

        return StaticModel(facts, files["glove_6B_50d_emb.npy"], files["glove_6B_index.parquet"])
    if facts.kind == "vision":
        from .vision import EfficientNet

        return EfficientNet(facts, first, device)
    from .text import TextModel

    if facts.kind == "text":
        return TextModel(facts, first.parent, device)
    from .causal import CausalLM
    from .convert import converted

    return CausalLM(facts, converted(facts, files), device)


def available(id: str) -> bool:
    """Whether the weights are on this machine already; raises UnknownName."""
    if not id.startswith("hf:"):
        return datasets.available(info(id).locator)
    from .hub import snapshot

    try:
        return snapshot(id, local_files_only=True).is_dir()
    except DataUnavailable:
        return False


def randomise(model, seed: int):
    """The untrained twin: same architecture, weights drawn anew by its own initialiser; ``model`` is kept.

    Static vectors have no architecture: there, the same vectors are dealt to other words.
    """
    return model._randomised(_seed(seed))


def degrade(model, noise: float, seed: int):
    """A damaged twin: each weight tensor plus Gaussian noise of ``noise`` times its standard deviation."""
    if not 0 <= noise < float("inf"):
        raise BadInput(f"noise: got {noise}; wanted a number of standard deviations, 0 or more")
    return model._degraded(noise, _seed(seed))


def _seed(seed: int) -> int:
    if isinstance(seed, bool) or not isinstance(seed, Integral) or seed < 0:
        raise BadInput(f"seed: got {seed!r}; wanted an integer, 0 or more")
    return int(seed)
