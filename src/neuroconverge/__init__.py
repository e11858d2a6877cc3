"""Measure how well deep networks, brains and behaviour agree, and say how sure one may be."""

from __future__ import annotations

import importlib

from .errors import BadInput, CacheError, DataUnavailable, NeuroconvergeError, UnknownName

__version__ = "0.1.0"

_SUBMODULES = (
    "agreement",
    "claims",
    "datasets",
    "decoding",
    "encoding",
    "experiments",
    "ieeg",
    "models",
    "plotting",
    "rsa",
    "similarity",
    "simulate",
    "splits",
    "stats",
    "triplets",
)
__all__ = ["BadInput", "CacheError", "DataUnavailable", "NeuroconvergeError", "UnknownName", *_SUBMODULES]


def __getattr__(name: str):
    # Loaded on first use, so that statistics on RDMs never pay for importing torch.
    if name in _SUBMODULES:
        return importlib.import_module(f"{__name__}.{name}")
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted({*globals(), *_SUBMODULES})
