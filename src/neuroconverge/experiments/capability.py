"""Finding F3b in published tables: are better networks closer to the brain, among vision and language models?"""

from __future__ import annotations

from itertools import product

import numpy as np
import pandas as pd
from scipy.stats import t as student

from .. import stats
from ..datasets import deepnsd, deepnsd_ceiling, human_alignment, vision_models
from ..datasets.deepnsd import METRICS
from ..errors import BadInput
from ..resampling import interval
from . import experiment, recorded
from .published import over_families

FILES = ("results_summary", "imagenet1k", "parameter_count", "dimensionality", "noise_ceilings")
TABLES = tuple(f"deepnsd/{name}.csv" for name in FILES)
SCORES = tuple(METRICS.values())
CHANCE_TOP1 = 0.1  # percent, of 1,000 classes: what an untrained network is given where it has to have a value
# Three networks stand in the table with their accuracy after fine-tuning, their smaller siblings with that of a linear
# read-out. The read-outs of the three, as their makers state them (Mu 2022; facebookresearch/SLIP at 2f95c15).
SLIP_READ_OUT = {"ViT-L-CLIP_slip": 70.5, "ViT-L-SimCLR_slip": 66.7, "ViT-L-SLIP_slip": 76.0}
ONE_SIZE = ("taskonomy", "vissl resnet50", "ipcl")  # families that the paper leaves out where size is the question
GATED_MLPS = ("gmixer_24_224_classification", "gmlp_s16_224_classification")  # "Convolutional" in the source


def detectable(low: float, high: float, n_families: int, power: float = 0.8) -> float:
    """Smallest true correlation that an interval over families as wide as this one would find with that power."""
    half, dof = np.diff(np.arctanh([low, high]))[0] / 2, n_families - 1
    return float(np.tanh(half * (1 + student.ppf(power, dof) / student.ppf(0.975, dof))))


def related(x, y, families, held=None) -> dict:
    """A rank correlation over models with families kept together, beside the usual one and what could be found.

    ``without_low``, ``without_high``: its range when one family at a time is left out. ``detectable``: see above.
    ``n_needed``: independent models that would show the correlation found in four of five samples.
    """
    found = over_families(x, y, families, held, "spearman")
    rho = found.pop("r")
    smallest = detectable(found["low"], found["high"], found["n_families"])
    return {"rho": rho, **found, "detectable": smallest, "n_needed": stats.n_needed(rho)}


def difference(values: pd.Series, first, families) -> dict:
    """Mean of the rows where ``first`` is True minus that of the others, with an interval over families.

    Leaves out one family at a time; degrees of freedom: families of the group that has fewer, less one. Raises
    BadInput for a group of one family.
    """
    values, first, families = (np.asarray(one) for one in (values, first, families))
    counts = [len(set(families[group])) for group in (first, ~first)]
    if min(counts) < 2:
        raise BadInput(f"families: {counts[0]} and {counts[1]} in the two groups; wanted at least 2 in each")
    names = np.unique(families)
    kept = [families != name for name in names]
    each = np.array([values[k & first].mean() - values[k & ~first].mean() for k in kept])
    found = values[first].mean() - values[~first].mean()
    low, high = interval(found, (len(names) - 1) * each.var(), min(counts) - 1)
    means = {"first": values[first].mean(), "second": values[~first].mean()}
    sizes = {"n_first": int(first.sum()), "n_second": int((~first).sum()), "n_families": len(names)}
    return {**means, "difference": found, "low": low, "high": high, **sizes}


def _pairs(first: pd.Series, second: pd.Series, families) -> dict:
    """The same for pairs of networks, those of a family kept together."""
    gain = stats.sign_flip(first - second, clusters=families)
    found = {
        "first": first.mean(),
        "second": second.mean(),
        "difference": gain.mean,
        "low": gain.low,
        "high": gain.high,
    }
    return {**found, "n_first": gain.n, "n_second": gain.n, "n_families": gain.n_clusters}


@experiment(needs=TABLES, claims=("F3b",))
def deepnsd_trained() -> pd.DataFrame:
    """Trained against untrained vision networks: all of them as published, and 64 pairs of one architecture."""
    table, ceiling, rows = deepnsd(), deepnsd_ceiling().mean(), []
    labelled = table["task"] != "random"
    twins = table[~labelled]
    partners = table.loc[twins.index.str.replace("_random", "_classification")]
    for score in SCORES:
        values = partners[score].set_axis(twins.index)
        found = {
            "as published": difference(table[score], labelled, table["family"]),
            "by weights": difference(table[score], table["trained"], table["family"]),
            "64 pairs": _pairs(values, twins[score], twins["family"]),
        }
        best = twins[score].max()
        for name, row in found.items():
            row = {"trained" if k == "first" else "untrained" if k == "second" else k: v for k, v in row.items()}
            row |= {"best_untrained": best, "ceiling": np.nan if score == "regression" else ceiling}
            rows.append({"score": score, "comparison": name, **row})
    return pd.DataFrame(rows).rename(columns={"n_first": "n_trained", "n_second": "n_untrained"})


def by_read_out(table: pd.DataFrame) -> pd.DataFrame:
    """The table with the read-out accuracy of the three networks whose accuracy after fine-tuning was published."""
    changed = table["top1"].copy()
    changed.update(pd.Series(SLIP_READ_OUT))
    return table.assign(top1=changed, top1_of=table["top1_of"].mask(table.index.isin(SLIP_READ_OUT), "read-out"))


def at_chance(table: pd.DataFrame) -> pd.DataFrame:
    """The table with the accuracy of chance for untrained networks, which nobody measured."""
    return table.assign(top1=table["top1"].where(table["trained"], CHANCE_TOP1))


def _analyses(table: pd.DataFrame) -> dict[tuple[str, str], tuple[pd.DataFrame, list[str]]]:
    """Networks and covariates of each (capability, analysis); capability is a column of the networks."""
    trained = table[table["trained"]]
    stated = trained[trained["top1"].notna()]
    classifiers, even = stated[stated["top1_of"] == "classifier"], by_read_out(stated)
    resnet50 = stated[stated["architecture"].str.lower().eq("resnet50") & stated["diet"].eq("imagenet")]
    top1 = {
        "as published": (stated, []),
        "parameters held": (stated, ["log parameters"]),
        "parameters and images held": (stated, ["log parameters", "log images"]),
        "three SLIP accuracies even": (even, []),
        "classifiers": (classifiers, []),
        "classifiers, parameters held": (classifiers, ["log parameters"]),
        "read-outs": (even[even["top1_of"] == "read-out"], []),
        "ResNet-50, ImageNet": (resnet50.assign(family=resnet50.index), []),
        "with untrained": (at_chance(table)[lambda t: t["top1"].notna()], []),
    }
    sizes = trained[~trained["family"].isin(ONE_SIZE)]
    others = {("parameters", "as published"): (sizes, []), ("dimensions", "as published"): (trained, [])}
    return {("top1", name): choice for name, choice in top1.items()} | others


@experiment(needs=TABLES, claims=("F3b",))
def deepnsd_capability() -> pd.DataFrame:
    """ImageNet accuracy against match with visual cortex, over vision networks: as published, and in other ways.

    Rank correlations. In "ResNet-50, ImageNet" architecture and images are the same and each training objective
    counts as a family. "with untrained" gives untrained networks the accuracy of chance.
    """
    table, rows = deepnsd(), []
    logs = {f"log {name}": np.log10(table[name]) for name in ("parameters", "images")}
    for score, ((capability, name), (models, held)) in product(SCORES, _analyses(table.assign(**logs)).items()):
        found = related(models[capability], models[score], models["family"], models[held] if held else None)
        rows.append({"score": score, "capability": capability, "analysis": name, **found})
    return pd.DataFrame(rows)


@experiment(needs=TABLES, claims=("F3b",))
def deepnsd_architecture() -> pd.DataFrame:
    """Kinds of architecture trained to classify the same images, and two diets of the same architectures."""
    table, rows = deepnsd(), []
    same = table[(table["task"] == "classification") & (table["diet"] == "imagenet")]
    moved = same.assign(kind=same["kind"].mask(same.index.isin(GATED_MLPS), "MLP-Mixer"))
    large = table[table["diet"] == "imagenet21k"].set_index("architecture")
    small = same.set_index("architecture").loc[lambda t: t.index.intersection(large.index)]
    for score in SCORES:
        for name, models in (("as published", same), ("gated MLPs moved", moved)):
            for kind in ("Convolutional", "MLP-Mixer", "Hybrid"):
                two = models[models["kind"].isin([kind, "Transformer"])]
                found = difference(two[score], two["kind"] == kind, two["family"])
                rows.append({"score": score, "contrast": f"{kind} - Transformer", "kinds": name, **found})
        found = _pairs(large.loc[small.index, score], small[score], small["family"])
        rows.append({"score": score, "contrast": "ImageNet-21k - ImageNet-1k", "kinds": "as published", **found})
    return pd.DataFrame(rows)


# The same network in both tables, under another name than X and X_classification.
SAME = {
    "barlowtwins-rn50": "ResNet50-BarlowTwins-BS2048_selfsupervised",
    "swav-rn50": "ResNet50-SwAV-BS4096-2x224+6x96_selfsupervised",
    "mocov2-rn50": "ResNet50-MoCoV2-BS256_selfsupervised",
    "rotnet-rn50": "ResNet50-RotNet_selfsupervised",
    "jigsaw-rn50": "ResNet50-JigSaw-P100_selfsupervised",
    "clip_RN50": "RN50_clip",
    "clip_RN101": "RN101_clip",
    "clip_ViT-B/32": "ViT-B/32_clip",
    "clip_ViT-B/16": "ViT-B/16_clip",
    "clip_ViT-L/14": "ViT-L/14_clip",
}


@experiment(needs=("human_alignment/networks.csv", *TABLES), claims=("F3b",))
def human_alignment_capability() -> pd.DataFrame:
    """Is a larger network a better one, and does a network have one accuracy? 87 networks of a second table.

    ``largest_gap``: percent between the accuracies that the two tables give to one network, ``gap_of``. The table has
    no score against brains or people.
    """
    each = human_alignment().drop_duplicates("network", keep="last")
    sized, vision = each.dropna(subset=["parameters"]), deepnsd().dropna(subset=["top1"])
    names = pd.Series([SAME.get(name, f"{name}_classification") for name in each.index], each.index)
    names = names[names.isin(vision.index)]
    here, there = each.loc[names.index], vision["top1"].loc[names].set_axis(names.index)
    classifiers = sized[~sized["family"].isin(["clip", "vissl resnet50"])]
    gap = (here["top1"] - there).abs()
    rows = {
        "accuracy and parameters": related(sized["top1"], sized["parameters"], sized["family"]),
        "accuracy and parameters, classifiers": related(*(classifiers[c] for c in ("top1", "parameters", "family"))),
        "accuracy here and in deepnsd": related(here["top1"], there, here["family"]),
    }
    table = pd.DataFrame([{"relation": name, **found} for name, found in rows.items()])
    both = table["relation"] == "accuracy here and in deepnsd"
    return table.assign(largest_gap=np.where(both, gap.max(), np.nan), gap_of=np.where(both, gap.idxmax(), "none"))


def correlations() -> pd.DataFrame:
    """Every correlation between capability and alignment in this book, from the recorded tables: one row each.

    Columns: ``alignment``, ``capability``, ``models`` (trained, size held, with untrained), ``statistic`` (r, or ρ on
    ranks), ``r``, ``low``, ``high`` (families kept together), ``n_models``, ``n_families``. Size is the number of
    parameters of a vision network, and the width of a layer of a language model.
    """
    keep = ["alignment", "capability", "models", "statistic", "r", "low", "high", "n_models", "n_families"]
    vision, words = recorded("deepnsd_capability")[0], recorded("neural_nlp_benchmarks")[0]
    names = {"top1": "accuracy", "parameters": "size", "dimensions": "dimensionality"}
    vision = vision.rename(columns={"rho": "r", "score": "alignment"}).assign(statistic="ρ")
    vision["capability"] = vision["capability"].map(names)
    vision["models"] = vision["analysis"].map(
        {"as published": "trained", "parameters held": "size held", "with untrained": "with untrained"}
    )
    words = words.rename(columns={"recording": "alignment"}).assign(capability="next word", statistic="r")
    words["models"] = words["analysis"].map(
        {"best layer": "trained", "width held": "size held", "trained and untrained": "with untrained"}
    )
    glue = recorded("neural_nlp_tasks")[0].rename(columns={"recording": "alignment", "task": "capability"})
    glue = glue[glue["capability"] != "next word"].assign(models="trained", statistic="r")
    both = pd.concat([vision.dropna(subset=["models"]), words.dropna(subset=["models"]), glue])
    return both[keep].reset_index(drop=True)


def simulated_networks(between: float, within: float, untrained: float = 0.0, share: float = 0.5, seed: int = 0):
    """SIMULATED capability and score of networks in the families of the 99 published ones: a table with ``family``.

    ``between``, ``within``: planted correlations of family means and inside a family; ``share``: of the variance
    that lies between families. ``untrained``: if not 0, every network gets an untrained twin that lies so many
    standard deviations lower in both, and whose values are otherwise noise.
    """
    rng, facts = np.random.default_rng(seed), vision_models()
    family, names = pd.factorize(facts.loc[facts["top1_of"] != "", "family"])
    shared, own = (
        rng.standard_normal((n, 2)) @ np.linalg.cholesky([[1, r], [r, 1]]).T
        for n, r in ((len(names), between), (len(family), within))
    )
    values = np.sqrt(share) * shared[family] + np.sqrt(1 - share) * own
    made = pd.DataFrame(values, columns=["capability", "score"]).assign(family=names[family], trained=True)
    if not untrained:
        return made
    lower = made.assign(trained=False)
    lower[["capability", "score"]] = 0.2 * rng.standard_normal(values.shape) - untrained
    return pd.concat([made, lower], ignore_index=True)


PLANTED = {  # correlation between families, correlation within them, distance of untrained twins
    "none": (0, 0, 0),
    "between and within families": (0.6, 0.6, 0),
    "between families only": (0.6, 0, 0),
    "within families only": (0, 0.6, 0),
    "none, untrained twins added": (0, 0, 4),
}


@experiment(needs=(), claims=("F3b",))
def capability_planted_SIMULATED() -> pd.DataFrame:
    """SIMULATED: a rank correlation planted in 99 networks of 37 families, and what is recovered of it.

    ``covered``: how often the interval holds what was planted among trained networks; ``beyond_zero``: how often it
    excludes zero. With untrained twins the truth asked for is still that among trained networks.
    """
    rows = []
    for relation, (between, within, untrained) in PLANTED.items():
        truth = 6 / np.pi * np.arcsin((between + within) / 4)  # Spearman's, of a bivariate normal
        found = {"models counted": [], "families kept together": []}
        for seed in range(150):
            made = simulated_networks(between, within, untrained, seed=seed)
            for name, clusters in (("models counted", None), ("families kept together", made["family"])):
                options = {"clusters": clusters, "method": "spearman", "n_boot": 49}
                found[name].append(stats.correlation(made["capability"], made["score"], **options))
        for name, draws in found.items():
            row = {"planted": truth, "recovered": np.mean([f.r for f in draws])}
            row |= {"width": np.median([f.high - f.low for f in draws])}
            row |= {"covered": np.mean([f.low <= truth <= f.high for f in draws])}
            row |= {"beyond_zero": np.mean([f.low > 0 or f.high < 0 for f in draws]), "n_simulations": len(draws)}
            rows.append({"SIMULATED relation": relation, "inference": name, **row})
    return pd.DataFrame(rows)
