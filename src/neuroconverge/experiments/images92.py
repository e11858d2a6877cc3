"""Findings F1a and F1c on the 92 photographs: captions, their rivals and their controls against brains."""

from __future__ import annotations

import re
from collections.abc import Sequence
from functools import cache, partial

import numpy as np
import pandas as pd
from rsatoolbox.rdm import RDMs

from .. import models, rsa
from ..datasets import caption_nouns, captions92, images92
from ..datasets.images92 import CATEGORY_COLUMNS
from . import experiment, here

BRAINS = ("IT4", "IT15", "EVC15", "behaviour")
PHOTOS = "rsatoolbox92"
PEOPLE15 = ("net2brain78/fmri92_IT_RDMs.npz", "net2brain78/fmri92_EVC_RDMs.npz")
WEIGHTS = ("model-minilm-l6", "model-smollm2-135m", "model-glove-50", "model-efficientnet-lite0")
N_SEEDS = 3


def brain(name: str, *instead: str) -> RDMs:
    """One RDM a person; the two sessions of the IT4 subjects are averaged first.

    ``instead``: sets to use when the first cannot be had on this machine; says so. Raises DataUnavailable.
    """

    def load() -> RDMs:
        return images92().rdms[name]

    rdms = here(load, f"responses called {name}", f"{instead[0]} stands in") if instead else load()
    if rdms is None:
        return brain(*instead)
    return rsa.average(rdms, by="subject") if name == "IT4" else rdms


def brains_here(names: Sequence[str] = BRAINS) -> dict[str, RDMs]:
    """The sets that can be had on this machine; says which cannot."""
    found = {name: here(partial(brain, name), f"responses called {name}") for name in names}
    return {name: rdms for name, rdms in found.items() if rdms is not None}


def words(text: str) -> list[str]:
    return re.findall(r"[a-z]+(?:['-][a-z]+)*", text.lower())


def mean_over_raters(features: np.ndarray) -> np.ndarray:
    """Features of 5 x 92 captions, rater by rater, as one mean vector an image (92, d)."""
    return features.reshape(5, -1, features.shape[-1]).mean(axis=0)


def all_captions() -> list[str]:
    """5 x 92 captions in one list, rater by rater."""
    return [caption for rater in captions92() for caption in rater]


def shuffled_captions(seed: int = 0) -> list[str]:
    """The same words of every caption in random order."""
    rng = np.random.default_rng(seed)
    return [" ".join(rng.permutation(words(caption))) for caption in all_captions()]


def noun_captions() -> list[str]:
    """The nouns of every caption, in order."""
    nouns = caption_nouns()
    return [" ".join(word for word in words(caption) if word in nouns) for caption in all_captions()]


def embed(model, texts: list[str]) -> np.ndarray:
    return mean_over_raters(models.features(model, texts, what="embed"))


def caption_layers(identifier: str) -> dict[str, np.ndarray]:
    """Every layer of a language model for all 5 x 92 captions."""
    return models.features(models.load(identifier), all_captions(), what="layers")


def word_average(model) -> np.ndarray:
    """Mean of the embeddings of single words: what is left of a sentence encoder without the sentence."""
    vocabulary = sorted({word for caption in all_captions() for word in words(caption)})
    vectors = dict(zip(vocabulary, models.features(model, vocabulary, what="embed"), strict=True))
    return mean_over_raters(np.array([np.mean([vectors[w] for w in words(c)], axis=0) for c in all_captions()]))


def bag_of_words() -> np.ndarray:
    vocabulary = sorted({word for caption in all_captions() for word in words(caption)})
    counts = [[words(caption).count(word) for word in vocabulary] for caption in all_captions()]
    return mean_over_raters(np.array(counts, float))


def caption_length() -> np.ndarray:
    """Mean number of words in the five captions of an image (92, 1)."""
    return mean_over_raters(np.array([[len(words(caption))] for caption in all_captions()], float))


def pixels(size: int = 32) -> np.ndarray:
    """Photographs scaled to size x size pixels, RGB, flattened (92, 3 size^2)."""
    return np.array([np.asarray(image.resize((size, size))).ravel() for image in images92().images], float)


def untrained(identifier: str, make) -> np.ndarray:
    """Mean RDM (pairs,) over several random initialisations of one architecture."""
    base = models.load(identifier)
    each = [rsa.rdm(make(models.randomise(base, seed))).get_vectors()[0] for seed in range(N_SEEDS)]
    return np.mean(each, axis=0)


@cache
def chosen_layer(identifier: str) -> str:
    """Layer of a network that agrees best with the four IT4 people, so that other people can test the choice."""
    rdms = layer_rdms(identifier)
    return rdms.rdm_descriptors["model"][int(np.argmax(rsa.compare(rdms, brain("IT4")).mean(1)))]


def image_features(model) -> np.ndarray:
    """That layer, mean over space, for the 92 photographs (92, d)."""
    return models.features(model, images92().images, what="layers")[chosen_layer("efficientnet-lite0")]


@cache
def model_rdms() -> RDMs:
    """RDMs of every caption model, rival and control, each with its name (features and layers fixed beforehand)."""
    photos = images92()
    minilm, glove = models.load("minilm-l6"), models.load("glove-50")
    features = {
        "captions, MiniLM": embed(minilm, all_captions()),
        "captions, MiniLM chosen layer": mean_over_raters(caption_layers("minilm-l6")[chosen_layer("minilm-l6")]),
        "captions, SmolLM2": mean_over_raters(list(caption_layers("smollm2-135m").values())[-1]),
        "captions, words shuffled": embed(minilm, shuffled_captions()),
        "captions, word average": word_average(minilm),
        "captions, nouns only": embed(minilm, noun_captions()),
        "captions, GloVe": embed(glove, all_captions()),
        "captions, bag of words": bag_of_words(),
        "categories": photos.categories[list(CATEGORY_COLUMNS)].to_numpy(float),
        "EfficientNet-lite0": image_features(models.load("efficientnet-lite0")),
        "pixels": pixels(),
    }
    made = rsa.rdm(features, ids=photos.ids)
    vectors = dict(zip(features, made.get_vectors(), strict=True))
    vectors["caption length"] = rsa.rdm(caption_length(), method="euclidean").get_vectors()[0]
    vectors["captions, MiniLM untrained"] = untrained("minilm-l6", lambda model: embed(model, all_captions()))
    vectors["EfficientNet-lite0 untrained"] = untrained("efficientnet-lite0", image_features)
    published = photos.rdms["published_models"]
    for name, vector in zip(published.rdm_descriptors["model"], published.get_vectors(), strict=True):
        if name in ("animacy", "V1", "HMAX", "Silhouette"):
            vectors[name.lower() if name == "Silhouette" else name] = vector
    return RDMs(
        np.array(list(vectors.values())),
        rdm_descriptors={"model": list(vectors)},
        pattern_descriptors={"item": photos.ids},
    )


def _for_each_brain(score, names=BRAINS) -> pd.DataFrame:
    tables = {name: score(brain(name)) for name in names}
    return pd.concat([table.assign(brain=name) for name, table in tables.items()], ignore_index=True)


@experiment(needs=(PHOTOS, *PEOPLE15, *WEIGHTS), claims=("F1a", "F1c"))
def caption_rsa() -> pd.DataFrame:
    """Score of every model in every brain set, with rank correlation (spearman) and its tie-safe form (rho-a)."""
    rdms = model_rdms()
    tables = [
        _for_each_brain(lambda people, m=method: rsa.crossed_bootstrap(rdms, people, method=m)).assign(method=method)
        for method in ("spearman", "rho-a")
    ]
    return pd.concat(tables, ignore_index=True)


RIVALS = (
    "categories",
    "captions, GloVe",
    "captions, nouns only",
    "captions, words shuffled",
    "captions, bag of words",
    "captions, MiniLM untrained",
    "caption length",
    "EfficientNet-lite0",
    "pixels",
    "silhouette",
    "V1",
)


@experiment(needs=(PHOTOS, *PEOPLE15, *WEIGHTS), claims=("F1c",))
def caption_rivals() -> pd.DataFrame:
    """How much better whole captions do than each rival, with both ways of treating ties."""
    rdms = model_rdms()
    pairs = [("captions, MiniLM", rival) for rival in RIVALS]
    pairs += [(other, "categories") for other in ("captions, MiniLM chosen layer", "captions, SmolLM2")]
    tables = [
        _for_each_brain(lambda people, m=method: rsa.differences(rdms, people, pairs, method=m)).assign(method=method)
        for method in ("spearman", "rho-a")
    ]
    return pd.concat(tables, ignore_index=True)


@experiment(needs=(PHOTOS, *PEOPLE15, *WEIGHTS), claims=("F1a",))
def caption_regions() -> pd.DataFrame:
    """Score in IT minus score in early visual cortex of the same 15 people, model by model."""
    rdms = model_rdms()
    return rsa.region_difference(rdms, brain("IT15"), brain("EVC15"))


UNIQUE = ("captions, MiniLM", "categories", "EfficientNet-lite0", "caption length", "silhouette", "pixels")


@experiment(needs=(PHOTOS, *PEOPLE15, *WEIGHTS), claims=("F1a", "F1c"))
def caption_unique() -> pd.DataFrame:
    """What only the captions explain, over categories, an image network, length, silhouette and pixels."""
    rdms = rsa.pick(model_rdms(), UNIQUE)
    return _for_each_brain(lambda people: rsa.unique_variance(rdms, people))


def kind_pairs() -> dict[str, np.ndarray]:
    """One RDM vector for each pair of the six kinds of image but one: free distances between kinds."""
    kinds = np.array(images92().kinds)
    names = list(dict.fromkeys(kinds))
    first, second = (kinds[index] for index in np.triu_indices(len(kinds), 1))
    pairs = [(a, b) for i, a in enumerate(names) for b in names[i:]][1:]
    return {f"{a} | {b}": ((first == a) & (second == b) | (first == b) & (second == a)) * 1.0 for a, b in pairs}


@experiment(needs=(PHOTOS, *PEOPLE15, *WEIGHTS), claims=("F1a", "F1c"))
def caption_beyond_kinds() -> pd.DataFrame:
    """What only the captions explain when every pair of kinds may have its own distance."""
    shown = [name for name in UNIQUE if name != "categories"]
    chosen, free = rsa.pick(model_rdms(), shown), kind_pairs()
    rdms = RDMs(
        np.vstack([chosen.get_vectors(), list(free.values())]),
        rdm_descriptors={"model": [*shown, *free]},
        pattern_descriptors={"item": images92().ids},
    )
    table = _for_each_brain(lambda people: rsa.unique_variance(rdms, people, n_boot=500))
    return table[table["model"].isin(shown)].reset_index(drop=True)


@experiment(needs=(PHOTOS, *PEOPLE15, *WEIGHTS), claims=("F1a", "F1c"))
def caption_within() -> pd.DataFrame:
    """The same scores within the animate and within the inanimate images: is it all the animacy split?"""
    photos = images92()
    rdms = rsa.pick(model_rdms(), (*UNIQUE, "captions, GloVe"))
    tables = []
    for half, column in (("animate", "animate"), ("inanimate", "inanim")):
        items = [item for item in photos.ids if photos.categories.loc[item, column]]
        some = rsa.select(rdms, items)
        table = _for_each_brain(lambda people, m=some, i=items: rsa.crossed_bootstrap(m, rsa.select(people, i)))
        tables.append(table.assign(images=half))
    return pd.concat(tables, ignore_index=True)


@experiment(needs=(PHOTOS, *PEOPLE15, *WEIGHTS), claims=("F1a",))
def caption_permutation() -> pd.DataFrame:
    """Shuffled image labels: over all images, and only within the six kinds of image."""
    photos = images92()
    rdms = rsa.pick(model_rdms(), ("captions, MiniLM", "captions, SmolLM2", "captions, GloVe", "EfficientNet-lite0"))
    tables = [
        _for_each_brain(lambda people, g=groups: rsa.permutation_test(rdms, people, groups=g)).assign(shuffle=label)
        for label, groups in (("all images", None), ("within kinds", photos.kinds))
    ]
    return pd.concat(tables, ignore_index=True)


LAYERED = {"MiniLM": "minilm-l6", "SmolLM2": "smollm2-135m", "EfficientNet-lite0": "efficientnet-lite0"}


def layer_rdms(identifier: str, seed: int | None = None) -> RDMs:
    """RDM of every layer: captions for language models, photographs for image networks."""
    model = models.load(identifier)
    if seed is not None:
        model = models.randomise(model, seed)
    photos = images92()
    if model.info.kind == "vision":
        layers = models.features(model, photos.images, what="layers")
    else:
        layers = {k: mean_over_raters(v) for k, v in models.features(model, all_captions(), what="layers").items()}
    return rsa.rdm(layers, ids=photos.ids)


@experiment(needs=(PHOTOS, *PEOPLE15, *WEIGHTS), claims=("F1a", "F1c"))
def layer_rsa() -> pd.DataFrame:
    """Score of every layer of three networks and of their untrained twins."""
    tables = []
    for label, identifier in LAYERED.items():
        for state, seed in (("trained", None), ("untrained", 0)):
            rdms = layer_rdms(identifier, seed)
            table = _for_each_brain(lambda people, m=rdms: rsa.crossed_bootstrap(m, people, n_boot=300))
            table["layer"] = table.groupby("brain").cumcount()
            tables.append(table.assign(network=label, state=state))
    return pd.concat(tables, ignore_index=True)


@experiment(needs=(PHOTOS, *PEOPLE15, *WEIGHTS), claims=("F1a", "F1c"))
def layer_choice() -> pd.DataFrame:
    """Best layer chosen and scored on the same images, beside the layer chosen on other images."""
    rows = []
    for label, identifier in LAYERED.items():
        rdms = layer_rdms(identifier)
        rows += [{"network": label, "brain": name, **rsa.nested_choice(rdms, brain(name))} for name in BRAINS]
    return pd.DataFrame(rows)


@experiment(needs=("model-minilm-l6",), claims=("F1a",))
def caption_agreement() -> pd.DataFrame:
    """Each rater against the mean of the other four: cosine of embeddings, and rho of RDMs over the 92 images."""
    embedded = models.features(models.load("minilm-l6"), all_captions(), what="embed").reshape(5, 92, -1)
    rows = []
    for rater in range(5):
        others = np.delete(embedded, rater, 0).mean(0)
        cosine = np.sum(embedded[rater] * others, 1) / np.linalg.norm(embedded[rater], axis=1)
        cosine /= np.linalg.norm(others, axis=1)
        rho = rsa.compare(rsa.rdm(embedded[rater]), rsa.rdm(others)).item()
        rows.append({"rater": rater + 1, "cosine": cosine.mean(), "cosine_sd": cosine.std(ddof=1), "rdm_rho": rho})
    return pd.DataFrame(rows)
