"""Published scores of vision networks: 224 against visual cortex (DeepNSD), and the accuracy and size of 89."""

from __future__ import annotations

from importlib.resources import files

import numpy as np
import pandas as pd

from ..errors import BadInput
from .fetch import fetch
from .published import need_columns, need_within

# Names in the source, and the names used here. The paper calls wRSA "voxel-encoding RSA".
METRICS = {"crsa": "cRSA", "wrsa": "wRSA", "srpr": "regression"}
RANDOM_WEIGHTS = "random_weights_taskonomy"  # stands among the trained ones in the source
# Millions of training images, as the makers of each set state them; other sets are not stated alike.
DIET_IMAGES = {"imagenet": 1.28, "imagenet21k": 14.2, "YFCC15M": 14.6, "openai400M": 400.0, "random1B": 1000.0}
TOP1_OF = ("classifier", "read-out", "fine-tuned")


def vision_models() -> pd.DataFrame:
    """The 160 networks of ``deepnsd`` that are no untrained twins, indexed by name: ``family``, ``top1_of``.

    ``family``: networks of one architecture and recipe (supervised ViTs with DeiT, all Taskonomy ResNets, all of SLIP).
    ``top1_of``: what reached the ImageNet accuracy: the network trained as a classifier, a linear read-out on frozen
    features, or the network fine-tuned first; empty where no accuracy is stated. Compiled for this book from names,
    tasks and the tables of those who trained the networks.
    """
    return _compiled("deepnsd_models.csv")


def deepnsd() -> pd.DataFrame:
    """Scores of 224 vision networks against occipito-temporal cortex, one row a network, indexed by ``model``.

    Columns: ``name``, ``architecture``, ``kind`` (Convolutional, Transformer, MLP-Mixer, Hybrid; as published, empty
    for one), ``task``, ``diet``, ``trained`` (False for 64 untrained twins and a control with random weights),
    ``family`` and ``top1_of`` (see ``vision_models``; twins have the family of their network), ``top1`` (ImageNet, %;
    99 networks), ``parameters`` (count), ``images`` (millions seen in training, for five diets), ``dimensions``
    (effective, of the chosen layer after random projection), and the scores ``cRSA``, ``wRSA`` and
    ``regression``: correlations at the layer chosen on half of 1,000 images and scored on the other half, mean of
    four people. Source: Conwell 2024. Raises DataUnavailable, or BadInput if a file is not as published.
    """
    table = _scores()
    table["top1"] = _joined("imagenet1k", "imagnet1k_top1", table.index)
    parameters = _joined("parameter_count", "total_params", table.index)
    table["parameters"] = parameters.fillna(table.pop("total_parameter_count"))
    table["images"] = table["diet"].map(DIET_IMAGES)
    table["dimensions"] = _joined("dimensionality", "effective_dimensions", table.index)
    need_within(table["top1"].dropna(), 0.1, 100, "imagenet1k.csv", "imagnet1k_top1")
    facts = vision_models()
    twin_of = table.index.str.replace(r"_random$", "_classification", regex=True)
    unknown = sorted(set(twin_of) - set(facts.index))
    if unknown:
        raise BadInput(f"results_summary.csv: models without a family: {', '.join(unknown[:5])}")
    table["family"] = facts["family"].reindex(twin_of).to_numpy()
    table["top1_of"] = facts["top1_of"].reindex(table.index).fillna("")
    if ((table["top1_of"] != "") != table["top1"].notna()).any():
        raise BadInput("imagenet1k.csv: the networks with an accuracy are not those of vision_models()")
    front = ["name", "architecture", "kind", "task", "diet", "trained", "family", "top1_of"]
    return table[[*front, "top1", "parameters", "images", "dimensions", *METRICS.values()]]


def deepnsd_ceiling() -> pd.Series:
    """Noise ceiling of RSA in DeepNSD for each of four people, indexed by ``subject`` (mean of five simulations).

    A correlation. It is for RSA; none was published for the regression score. Source and errors as for ``deepnsd``.
    """
    path = fetch("deepnsd/noise_ceilings.csv")
    table = pd.read_csv(path)
    need_columns(table, ("subj_id", "sim_id", "value"), path.name)
    need_within(table["value"], 0, 1, path.name, "value")
    if table.duplicated(["subj_id", "sim_id"]).any():
        raise BadInput(f"{path.name}: row {int(table.duplicated(['subj_id', 'sim_id']).argmax())} repeats a simulation")
    return table.groupby("subj_id")["value"].mean().rename_axis("subject").rename("ceiling")


def human_alignment() -> pd.DataFrame:
    """Accuracy and size of 89 networks used in a study of human similarity judgements, indexed by ``model``.

    Columns: ``top1`` (ImageNet, %), ``parameters`` (count; 49 networks), ``family``, ``network`` (two networks stand
    in the table under two names each). It holds no score against people. Source: Muttenthaler 2023. Raises
    DataUnavailable, or BadInput if the file is not as published.
    """
    path = fetch("human_alignment/networks.csv")
    table = pd.read_csv(path)
    need_columns(table, ("model", "imagenet_accuracy", "param_count"), path.name)
    facts = _compiled("human_alignment_models.csv")
    if table["model"].duplicated().any() or set(table["model"]) != set(facts.index):
        odd = sorted(set(table["model"]) ^ set(facts.index)) or list(table.loc[table["model"].duplicated(), "model"])
        raise BadInput(f"{path.name}: unknown, missing or repeated networks: {', '.join(odd[:5])}")
    need_within(table["imagenet_accuracy"], 0.1, 100, path.name, "imagenet_accuracy")
    need_within(table["param_count"].dropna(), 0.1, 1e4, path.name, "param_count (millions)")
    made = table.set_index("model").rename(columns={"imagenet_accuracy": "top1"})
    made["parameters"] = made["param_count"] * 1e6
    return made[["top1", "parameters"]].join(facts)


def _compiled(file: str) -> pd.DataFrame:
    return pd.read_csv(files(__package__).joinpath(file), keep_default_na=False).set_index("model")


def _scores() -> pd.DataFrame:
    """The main table, one row a network: facts and the three scores."""
    path = fetch("deepnsd/results_summary.csv")
    table = pd.read_csv(path)
    facts = ("display_name", "architecture", "model_class", "train_task", "train_data", "total_parameter_count")
    need_columns(table, ("model_string", "metric", "score", *facts), path.name)
    twice = table.duplicated(["model_string", "metric"])
    if twice.any():
        raise BadInput(f"{path.name}: row {int(np.argmax(twice))} repeats a model and metric")
    if set(table["metric"]) != set(METRICS):
        raise BadInput(f"{path.name}: metrics {', '.join(sorted(set(table['metric'])))}; wanted {', '.join(METRICS)}")
    need_within(table["score"], -1, 1, path.name, "score")
    scores = table.pivot(index="model_string", columns="metric", values="score").rename(columns=METRICS)
    if scores.isna().any(axis=None):
        raise BadInput(
            f"{path.name}: {scores.isna().any(axis=1).idxmax()} lacks one of the scores {', '.join(METRICS)}"
        )
    made = table.drop_duplicates("model_string").set_index("model_string")[list(facts)]
    made.columns = ["name", "architecture", "kind", "task", "diet", "total_parameter_count"]
    made[["name", "kind", "diet"]] = made[["name", "kind", "diet"]].fillna("")
    made["trained"] = (made["task"] != "random") & (made.index != RANDOM_WEIGHTS)
    return made.join(scores).rename_axis("model").sort_index()


def _joined(file: str, column: str, index: pd.Index) -> pd.Series:
    """A column of one of the smaller files, on the names of the main table; NaN where it has no row."""
    path = fetch(f"deepnsd/{file}.csv")
    table = pd.read_csv(path)
    need_columns(table, ("model_string", column), path.name)
    if "random_projection" in table:
        table = table[table["random_projection"]]
    # Four networks carry their task twice in the main table, and once in the others.
    names = table["model_string"].where(table["model_string"].isin(index), table["model_string"] + "_ipcl")
    if names.duplicated().any():
        raise BadInput(f"{path.name}: {names[names.duplicated()].iloc[0]} stands there twice")
    return table.set_index(names)[column].astype(float).reindex(index)
