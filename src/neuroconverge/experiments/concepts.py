"""Finding F2a, the part of the choices: which of three objects do people, networks and plain rivals call odd?

Every system is a set of vectors of the 1,854 THINGS objects. How they are read out (as they are, with the mean over
objects taken off, or with each dimension standardised too) and from which layer is chosen on training choices, which
hold no triplet of the 50,000 that test.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache, partial

import numpy as np
import pandas as pd

from .. import models, triplets
from ..datasets import spose, things, things_training, things_triplets, things_vectors, vice
from ..triplets_data import standard_error
from . import experiment
from .dimensions_fits import PEOPLE, fitted
from .objects import closed, embedded, glove_names, network, word_layers

READOUTS = ("raw", "centred", "standardised")
FITTED, IMAGES, TEXT, STATIC, UNTRAINED, RIVAL = (
    "fitted to people", "images", "language model", "static words", "untrained", "rival",
)  # fmt: skip
DATA = ("things", "things_triplets", "things_typicality")
WEIGHTS = ("model-minilm-l6", "model-smollm2-135m", "model-glove-50")
MINILM, SMOLLM2 = "minilm-l6", "smollm2-135m"
SHOWN = ("word2vec, names", "CLIP, photographs", "MiniLM, definitions")


@dataclass(frozen=True)
class System:
    """``layers()``: vectors (objects, d) by layer; one layer where there is no choice. ``how``: ways to read them."""

    kind: str
    layers: Callable[[], dict[str, np.ndarray]]
    how: tuple[str, ...] = READOUTS


def layers_of(identifier: str, seed: int | None = None) -> dict[str, np.ndarray]:
    """Layers for the words in a sentence: a causal model at the last token of the word, an encoder over all."""
    if identifier == SMOLLM2:
        return _every_second(word_layers(seed))
    return models.features(network(identifier, seed), closed(), what="layers", pool="mean")


def _every_second(layers: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    """SmolLM2 has thirty layers, and neighbours hardly differ: 0, 2, 4 and so on to the last."""
    return dict(list(layers.items())[::2])


def _embedded(identifier: str, texts: Callable[[], list[str]], seed: int | None = None) -> dict[str, np.ndarray]:
    return {"embedding": embedded(identifier, texts(), seed)}


def _smollm2_names() -> dict[str, np.ndarray]:
    return _every_second(models.features(models.load(SMOLLM2), _words(), what="layers"))


def _one(make: Callable[[], pd.DataFrame | np.ndarray]) -> Callable[[], dict[str, np.ndarray]]:
    return lambda: {"vectors": np.asarray(make(), float)}


def _words() -> list[str]:
    return things().words.tolist()


def _definitions() -> list[str]:
    return things().definitions.tolist()


def _length() -> np.ndarray:
    return things().words.str.len().to_numpy(float)[:, None]


def _frequency() -> np.ndarray:
    # Four words are not in the counts: as rare as can be.
    return np.log1p(things().ratings["subtlex_count"].fillna(0).to_numpy())[:, None]


def _random() -> np.ndarray:
    return np.random.default_rng(0).standard_normal((len(things().ids), 300))


SYSTEMS = {
    "SPoSE, 66 dimensions": System(FITTED, _one(lambda: spose(66)), ("dot",)),
    "SPoSE, 49 dimensions": System(FITTED, _one(lambda: spose(49)), ("dot",)),
    "VICE, 42 dimensions": System(FITTED, _one(vice), ("dot",)),
    "our fit, 124,121 choices": System(FITTED, _one(lambda: fitted(PEOPLE).weights), ("dot",)),
    "CLIP, photographs": System(IMAGES, _one(lambda: things_vectors("clip"))),
    "MiniLM, names": System(TEXT, partial(_embedded, MINILM, _words)),
    "MiniLM, names in a sentence": System(TEXT, partial(_embedded, MINILM, closed)),
    "MiniLM, definitions": System(TEXT, partial(_embedded, MINILM, _definitions)),
    "SmolLM2, names": System(TEXT, _smollm2_names),
    "SmolLM2, names in a sentence": System(TEXT, partial(layers_of, SMOLLM2)),
    "word2vec, names": System(STATIC, _one(lambda: things_vectors("word2vec"))),
    "GloVe, names": System(STATIC, _one(glove_names)),
    "GloVe, definitions": System(STATIC, partial(_embedded, "glove-50", _definitions)),
    "MiniLM untrained, sentence": System(UNTRAINED, partial(_embedded, MINILM, closed, seed=0)),
    "MiniLM untrained, definitions": System(UNTRAINED, partial(_embedded, MINILM, _definitions, seed=0)),
    "SmolLM2 untrained, sentence": System(UNTRAINED, partial(layers_of, SMOLLM2, seed=0)),
    "shared category (27)": System(RIVAL, _one(lambda: things().categories.iloc[:, :27])),
    "word length": System(RIVAL, _one(_length), ("euclidean",)),
    "word frequency": System(RIVAL, _one(_frequency), ("euclidean",)),
    "random vectors": System(RIVAL, _one(_random)),
}


# Not in the comparison of systems: all layers of the sentence encoder.
NETWORKS = {
    ("SmolLM2", "trained"): SYSTEMS["SmolLM2, names in a sentence"],
    ("SmolLM2", "untrained"): SYSTEMS["SmolLM2 untrained, sentence"],
    ("MiniLM", "trained"): System(TEXT, partial(layers_of, MINILM)),
    ("MiniLM", "untrained"): System(UNTRAINED, partial(layers_of, MINILM, seed=0)),
}


def read_out(vectors: np.ndarray, how: str) -> pd.DataFrame:
    """Table (objects, d) whose dot products are the cosines of the vectors: raw, centred or standardised.

    A vector of zeros stays one: it is like nothing. ``dot`` and ``euclidean`` leave all as it is.
    """
    values = np.array(vectors, float)
    if how in READOUTS:
        if how != "raw":
            values -= values.mean(0)
        if how == "standardised":
            # A few dimensions of a language model are so large that they alone would decide (Timkey 2021).
            values /= np.where(values.std(0) > 0, values.std(0), 1)
        norm = np.linalg.norm(values, axis=1, keepdims=True)
        values /= np.where(norm > 0, norm, 1)
    return pd.DataFrame(values, things().ids)


def _similarity(how: str) -> str:
    return "euclidean" if how == "euclidean" else "dot"


@cache
def _all_choices() -> triplets.Triplets:
    """The test choices, then the training choices: one matrix of similarities serves both."""
    test, train = things_triplets("test"), things_training()
    return triplets.Triplets(np.vstack([test.rows, train.rows]), test.ids)


def share(hits: np.ndarray, rows: np.ndarray) -> dict:
    """Mean of hits with its 95 % interval over new choices about new objects."""
    mean, reach = hits.mean(), 1.96 * standard_error(hits, rows)
    return {"accuracy": mean, "low": mean - reach, "high": mean + reach, "n": len(hits)}


@cache
def candidates(system: System) -> pd.DataFrame:
    """Each layer and way to read a system out: accuracy in training choices, and in test choices with interval."""
    test, rows = things_triplets("test").rows, []
    for layer, vectors in system.layers().items():
        for how in system.how:
            hits = triplets.hits(read_out(vectors, how), _all_choices(), _similarity(how))
            row = {"layer": layer, "readout": how, "train": hits[len(test) :].mean(), "n_dims": vectors.shape[1]}
            rows.append(row | share(hits[: len(test)], test))
    return pd.DataFrame(rows)


def best(name: str) -> pd.Series:
    """The candidate that predicts training choices best."""
    table = candidates(SYSTEMS[name])
    return table.loc[table["train"].idxmax()]


@cache
def vectors_of(name: str) -> pd.DataFrame:
    """Table (objects, d) of a system, read out in the way and from the layer chosen on training choices."""
    found = best(name)
    return read_out(SYSTEMS[name].layers()[found["layer"]], found["readout"])


def same_categories() -> np.ndarray:
    """Mask of the test choices about three objects in just the same of the 27 categories, or in none."""
    members = things().categories.iloc[:, :27].to_numpy()[things_triplets("test").rows]
    return (members == members[:, :1]).all((1, 2))


@experiment(needs=(*DATA, "vice", *WEIGHTS), claims=("F2a",))
def triplet_accuracy() -> pd.DataFrame:
    """Share of 50,000 human choices (chance 1 in 3) that each system predicts, with 95 % interval.

    ``layer`` and ``readout`` are chosen on other choices; ``naive``: the best of all candidates on these. ``within``:
    accuracy in the ``n_within`` choices about three objects of the same categories.
    """
    test, alike, rows = things_triplets("test").rows, same_categories(), []
    for name, system in SYSTEMS.items():
        found, table = best(name), candidates(system)
        hits = triplets.hits(vectors_of(name), things_triplets("test"), _similarity(found["readout"]))
        row = {"system": name, "kind": system.kind, "layer": found["layer"], "readout": found["readout"]}
        row |= found[["accuracy", "low", "high"]].to_dict() | {"naive": table["accuracy"].max()}
        within = share(hits[alike], test[alike])
        row |= {"within": within["accuracy"], "within_low": within["low"], "within_high": within["high"]}
        rows.append(row | {"n": len(test), "n_within": within["n"], "n_dims": found["n_dims"]})
    return pd.DataFrame(rows)


@experiment(needs=(*DATA, *WEIGHTS[:2]), claims=("F2a",))
def triplet_layers() -> pd.DataFrame:
    """Accuracy of every layer for words in a sentence, trained and untrained, dimensions standardised, with interval.

    ``raw``: with the plain cosine. ``train``: in training choices. ``depth``: 0 input, 1 output.
    """
    tables = []
    for (name, state), system in NETWORKS.items():
        by = {how: part.set_index("layer", drop=False) for how, part in candidates(system).groupby("readout")}
        table = by["standardised"].assign(raw=by["raw"]["accuracy"], network=name, state=state)
        tables.append(table.assign(depth=np.linspace(0, 1, len(table))))
    columns = ["network", "state", "layer", "depth", "accuracy", "low", "high", "raw", "train", "n", "n_dims"]
    return pd.concat(tables, ignore_index=True)[columns]


PAIRS = (
    ("MiniLM, names in a sentence", "word2vec, names"),
    ("SmolLM2, names in a sentence", "word2vec, names"),
    ("MiniLM, definitions", "word2vec, names"),
    ("MiniLM, definitions", "GloVe, definitions"),
    ("MiniLM, definitions", "MiniLM untrained, definitions"),
    ("MiniLM, definitions", "CLIP, photographs"),
    ("CLIP, photographs", "word2vec, names"),
    ("SmolLM2, names in a sentence", "SmolLM2 untrained, sentence"),
    ("MiniLM, names in a sentence", "MiniLM untrained, sentence"),
    ("SmolLM2, names in a sentence", "SmolLM2, names"),
    ("MiniLM, names in a sentence", "shared category (27)"),
    ("SPoSE, 66 dimensions", "our fit, 124,121 choices"),
)


@experiment(needs=(*DATA, *WEIGHTS), claims=("F2a",))
def triplet_differences() -> pd.DataFrame:
    """Accuracy of one system minus that of another on the same 50,000 choices, with the interval of the difference."""
    rows = []
    for first, second in PAIRS:
        found = triplets.difference(vectors_of(first), vectors_of(second), things_triplets("test"))
        row = {"system": first, "against": second, "difference": found.difference}
        rows.append(row | {"low": found.low, "high": found.high, "n": found.n})
    return pd.DataFrame(rows)


@experiment(needs=(*DATA, *WEIGHTS[:1]), claims=("F2a",))
def triplet_examples(n: int = 6, seed: int = 2) -> pd.DataFrame:
    """Test triplets drawn at random, names in alphabetical order; what one person and three systems called odd."""
    test, names = things_triplets("test"), things().names
    drawn = test.subset(np.random.default_rng(seed).choice(len(test), n, replace=False))
    table = pd.DataFrame(np.sort(names.to_numpy()[drawn.rows], axis=1), columns=["first", "second", "third"])
    table["one person"] = names.to_numpy()[drawn.rows[:, 2]]
    for name in SHOWN:
        odd = triplets.choose(vectors_of(name), drawn)
        table[name] = names.to_numpy()[drawn.rows[np.arange(n), odd]]
    return table
