"""The 1,854 THINGS objects as texts, and what networks make of these: shared by the studies of object concepts."""

from __future__ import annotations

import numpy as np

from .. import models
from ..datasets import things


def in_sentence() -> list[str]:
    """Each object's word at the end of a sentence: a lone word is a poor input for networks trained on text."""
    return [f"This is a photo of {'an' if word[0] in 'aeiou' else 'a'} {word}" for word in things().words.str.lower()]


def closed() -> list[str]:
    """The same sentences with their full stop, for encoders; a causal network is read at the word itself."""
    return [f"{text}." for text in in_sentence()]


def described() -> list[str]:
    """Each object's name and short definition: what Du 2025 told the language model."""
    return [f"{name}: {text}" for name, text in zip(things().names, things().definitions, strict=True)]


def network(identifier: str, seed: int | None = None):
    """A model; with a seed, its untrained twin."""
    model = models.load(identifier)
    return model if seed is None else models.randomise(model, seed)


def embedded(identifier: str, texts: list[str], seed: int | None = None) -> np.ndarray:
    """Mean of the last layer, or of word vectors (objects, d); with a seed, of the untrained twin."""
    return models.features(network(identifier, seed), texts, what="embed")


def word_layers(seed: int | None = None) -> dict[str, np.ndarray]:
    """Every layer of SmolLM2 (objects, 576) where it has just read the object's word in its sentence."""
    return models.features(network("smollm2-135m", seed), in_sentence(), what="layers", pool="last")


def glove_names() -> np.ndarray:
    """Mean vector of each name's words; names without a known word get the mean of all others, which says nothing."""
    glove, words = models.load("glove-50"), list(things().words)
    known = np.array([len(lost) < len(word.split()) for word, lost in zip(words, glove.missing(words), strict=True)])
    out = np.empty((len(words), glove.info.dim))
    out[known] = models.features(glove, [word for word, there in zip(words, known, strict=True) if there], what="embed")
    out[~known] = out[known].mean(0)
    return out
