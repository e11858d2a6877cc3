"""Finding F3a: do networks of different design represent the same things alike, and more so than chance and search?"""

from __future__ import annotations

from functools import cache
from itertools import combinations

import numpy as np
import pandas as pd

from .. import models, similarity
from ..datasets import images92, objectome_activations
from . import experiment
from .images92 import WEIGHTS, all_captions, mean_over_raters, pixels

PHOTOS = "rsatoolbox92"
K = 5  # of 92 photographs
N_PERM = 99
MEASURES = {"CKA, debiased": ("cka", {}), "RSA": ("rsa", {}), "mutual k-NN": ("mutual_knn", {"k": K})}
TEXT = {"MiniLM": "minilm-l6", "SmolLM2": "smollm2-135m", "GloVe": "glove-50"}
IMAGES = {f"EfficientNet-lite{size}": f"efficientnet-lite{size}" for size in (0, 1, 2)}
TWINS = ("MiniLM", "SmolLM2", "EfficientNet-lite0")


@cache
def network_layers() -> dict[str, dict[str, np.ndarray]]:
    """Layers (92, d) of every network: image networks see the photographs, language models their five captions.

    A language model's features are the mean over the five captions of a photograph. Twins have random weights.
    """
    found = {}
    for name, identifier in (TEXT | IMAGES).items():
        model = models.load(identifier)
        found[name] = _layers(model)
        if name in TWINS:
            found[f"{name}, untrained"] = _layers(models.randomise(model, 0))
    return found | {"pixels": {"pixels": pixels()}}


def _layers(model) -> dict[str, np.ndarray]:
    if model.info.kind == "vision":
        return models.features(model, images92().images, what="layers")
    if model.info.kind == "static":
        return {"mean of words": mean_over_raters(models.features(model, all_captions(), what="embed"))}
    each = models.features(model, all_captions(), what="layers")
    return {layer: mean_over_raters(values) for layer, values in each.items()}


def side(name: str) -> str:
    return "image" if name.startswith(("EfficientNet", "pixels")) else "text"


def kind_of(first: str, second: str) -> str:
    """What a pair of networks is: trained with trained, or one of them a control."""
    if "untrained" in first + second:
        return "with an untrained network"
    if "pixels" in (first, second):
        return "with pixels"
    sides = {side(first), side(second)}
    return "image with text" if len(sides) == 2 else f"{sides.pop()} with {side(first)}"


@experiment(needs=(PHOTOS, *WEIGHTS, "model-efficientnet-lite1", "model-efficientnet-lite2"), claims=("F3a",))
def network_pairs() -> pd.DataFrame:
    """Every pair of networks on the 92 photographs or their captions, by three measures, the best pair of layers.

    ``score``: best pair, with ``low`` and ``high`` over photographs as if that pair had been named beforehand;
    ``null_mean`` and ``threshold``: the same search after permuting the photographs (its 95 % point); ``calibrated``: 0
    at the threshold, 1 at most; ``p``: one-sided, add-one, 1 in 100 at least; ``within_null`` and ``p_within``:
    photographs permuted within their six kinds only. ``half``: pair of layers chosen on a random half of the
    photographs and scored on the other, mean of five.
    """
    networks, kinds, rows = network_layers(), images92().kinds, []
    for (first, a), (second, b) in combinations(networks.items(), 2):
        for measure, (metric, options) in MEASURES.items():
            found = similarity.calibrate(a, b, metric, n_perm=N_PERM, **options)
            halves = similarity.split_choice(a, b, metric, n_splits=5, **options)["score"]
            row = {"first": first, "second": second, "kind": kind_of(first, second), "measure": measure}
            row |= {name: getattr(found, name) for name in ("score", "null_mean", "threshold", "calibrated", "p")}
            chosen = a[found.pair[0]], b[found.pair[1]]
            row["low"], row["high"] = similarity.jackknife(*chosen, metric, **options)[1:]
            within = similarity.calibrate(a, b, metric, n_perm=N_PERM, groups=kinds, **options)
            row |= {"within_null": within.null_mean, "p_within": within.p}
            row |= {"half": halves.mean(), "layer_first": found.pair[0], "layer_second": found.pair[1]}
            rows.append(row | {"n_layer_pairs": found.n_pairs, "n_photos": found.n, "n_perm": found.n_perm})
    return pd.DataFrame(rows)


@experiment(needs=("objectome_activations",), claims=("F3a",))
def image_networks() -> pd.DataFrame:
    """AlexNet, ResNet-18 and ResNet-34 on up to 2,400 pictures: three measures as the number of pictures grows.

    One layer each. ``low`` and ``high``: middle 95 % of ten draws of pictures; ``null``: the pictures of one network in
    reversed order.
    """
    networks, rng, rows = objectome_activations(), np.random.default_rng(0), []
    names = {"alexnet": "AlexNet", "resnet18": "ResNet-18", "resnet34": "ResNet-34"}
    layers = [networks[name].to_numpy() for name in names]
    for n in (100, 300, 900, len(layers[0])):
        n_draws = 10 if n < len(layers[0]) else 1
        draws = [rng.permutation(len(layers[0]))[:n] for _ in range(n_draws)]
        for measure, (metric, options) in (MEASURES | {"mutual k-NN": ("mutual_knn", {"k": 10})}).items():
            some = [[layer[draw] for layer in layers] for draw in draws]
            real = np.array([similarity.all_pairs(each, each, metric, **options) for each in some])
            moved = [similarity.all_pairs(each, [layer[::-1] for layer in each], metric, **options) for each in some]
            for (i, first), (j, second) in combinations(enumerate(names.values()), 2):
                low, high = np.quantile(real[:, i, j], (0.025, 0.975))
                row = {"pair": f"{first}, {second}", "measure": measure, "n_images": n, "score": real[:, i, j].mean()}
                null = np.mean(moved, axis=0)[i, j]
                rows.append(row | {"low": low, "high": high, "null": null, "n_draws": n_draws})
    return pd.DataFrame(rows)
