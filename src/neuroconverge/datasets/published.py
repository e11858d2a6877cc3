"""Published result tables of other groups, made tidy and checked: what can be re-analysed without the recordings."""

from __future__ import annotations

from importlib.resources import files

import numpy as np
import pandas as pd

from ..errors import BadInput
from .fetch import fetch

# Names in the source, and the names used here.
BRAINS = {
    "Pereira2018-encoding": "Pereira2018",
    "Fedorenko2016v3-encoding": "Fedorenko2016",
    "Blank2014fROI-encoding": "Blank2014",
    "Futrell2018-encoding": "Futrell2018",
}
NEXT_WORD = "wikitext-2"
# Electrodes of all patients in the left-hemisphere regions of the podcast decoding results, counted from the source's
# list by atlas label (hassonlab/podcast-benchmark, processed_data/regions.txt at 68337ed) and its grouping of labels.
REGION_ELECTRODES = {"eac": 162, "pc": 132, "ifg": 124, "prc": 103, "tpj": 90, "mtg": 71, "itg": 26, "tp": 22}
REGION_NAMES = {
    "eac": "superior temporal (EAC)",
    "pc": "postcentral",
    "ifg": "inferior frontal (IFG)",
    "prc": "precentral",
    "tpj": "temporo-parietal",
    "mtg": "middle temporal",
    "itg": "inferior temporal",
    "tp": "temporal pole",
}
METRICS = {"word_embedding": "word_avg_auc_roc", "volume_level": "corr"}
CHANCE = {"word_embedding": 0.5, "volume_level": 0.0}


def language_models() -> pd.DataFrame:
    """The 44 models of ``neural_nlp``, indexed by name: ``family``, ``attention``, ``width`` (features a layer).

    ``family``: models of one architecture and training recipe, a distilled one with its teacher, XLM-R with RoBERTa.
    ``attention``: causal, bidirectional or static. ``width``: hidden size of the published configuration, or what the
    source's code states (mschrimpf/neural-nlp). Compiled for this book.
    """
    return pd.read_csv(files(__package__).joinpath("neural_nlp_models.csv")).set_index("model")


def neural_nlp() -> pd.DataFrame:
    """Scores of 44 language models and their untrained twins: one row a benchmark, model and layer.

    Columns: ``benchmark`` (Pereira2018 fMRI, Fedorenko2016 ECoG, Blank2014 fMRI, Futrell2018 reading times, each
    divided by its ceiling; ``next word``; GLUE tasks), ``model``, ``trained``, ``family``, ``attention``, ``width``,
    ``layer``, ``number`` and ``depth`` (0 first, 1 last; NaN for a single layer), ``score``, ``error``.
    ``next word`` is minus the loss in nats a token on WikiText-2 of a read-out trained on the model, so that more is
    better; four untrained rows repeat the trained value and are left out, as are 8 layers without a score.
    Source: Schrimpf 2021. Raises DataUnavailable, or BadInput if the file is not as published.
    """
    path = fetch("neural_nlp/precomputed-scores.csv")
    table = pd.read_csv(path, encoding="utf-8-sig")
    need_columns(table, ("layer", "benchmark", "model", "score", "error"), path.name)
    table["trained"] = ~table["model"].str.endswith("-untrained")
    table["model"] = table["model"].str.removesuffix("-untrained")
    unknown = sorted(set(table["model"]) - set(language_models().index))
    if unknown:
        raise BadInput(f"{path.name}: models without a family: {', '.join(unknown)}")
    twice = table.duplicated(["benchmark", "model", "trained", "layer"])
    if twice.any():
        raise BadInput(f"{path.name}: row {int(np.argmax(twice))} repeats a benchmark, model and layer")
    table["benchmark"] = table["benchmark"].replace(BRAINS | {NEXT_WORD: "next word"})
    words = table["benchmark"] == "next word"
    table.loc[words, "score"] *= -1
    # Layers are listed from first to last.
    each = table.groupby(["benchmark", "model", "trained"])["score"]
    table["number"], last = each.cumcount(), each.transform("size") - 1
    table["depth"] = table["number"] / last.where(last > 0)
    rounded = table[["benchmark", "model"]].assign(score=table["score"].round(6))
    copies = words & rounded.duplicated() & ~table["trained"]
    table = table[table["score"].notna() & ~copies].join(language_models(), on="model").reset_index(drop=True)
    if not np.isfinite(table["score"]).all():
        raise BadInput(f"{path.name}: a score is infinite")
    front = ["benchmark", "model", "trained", "family", "attention", "width", "layer", "number", "depth"]
    return table[[*front, "score", "error"]]


def neuroprobe() -> pd.DataFrame:
    """Decoding from Brain Treebank recordings, one row a model, split, task and session: ``roc_auc``, ``accuracy``.

    Columns also: ``subject`` (patient) and ``session``; folds of a session are averaged. Chance is .5. Features of all
    electrodes of a patient in the second after a word's onset. Source: Zahorodnii 2025. Raises DataUnavailable, or
    BadInput if the file is not as published.
    """
    path = fetch("neuroprobe/leaderboard_folds.tsv")
    table = pd.read_csv(path, sep="\t")
    wanted = ("model", "split", "task", "subject_trial", "region", "time_bin", "fold", "test_accuracy", "test_roc_auc")
    need_columns(table, wanted, path.name)
    need_within(table["test_roc_auc"], 0, 1, path.name, "test_roc_auc")
    named = table["subject_trial"].str.extract(r"^(btbank\d+)_(\d+)$")
    if named.isna().any(axis=None):
        raise BadInput(f"{path.name}: subject_trial in row {int(named.isna().any(axis=1).argmax())} is not btbankN_M")
    if table["region"].nunique() > 1 or table["time_bin"].nunique() > 1:
        raise BadInput(f"{path.name}: more than one region or time bin; one of each was published")
    table = table.assign(subject=named[0], session=table["subject_trial"])
    keys = ["model", "split", "task", "subject", "session"]
    scores = table.groupby(keys, sort=False)[["test_roc_auc", "test_accuracy"]].mean()
    return scores.rename(columns=lambda name: name.removeprefix("test_")).reset_index()


def podcast_regions() -> pd.DataFrame:
    """Decoding from the podcast recordings (ds005574) by region and by patient, one row a unit, lag and fold.

    Columns: ``task`` (word_embedding: GloVe, score ROC-AUC with chance .5; volume_level: score r with chance 0),
    ``level`` (region: patients pooled; subject), ``unit``, ``lag_ms``, ``fold``, ``score``. Partial: selected rows and
    lags, words at both levels, volume by region only; windows of 1,000 ms, so neighbouring lags share most of their
    data. Source: hassonlab/podcast-benchmark; Zada 2025. Raises DataUnavailable, or BadInput as for the other tables.
    """
    path = fetch("podcast_benchmark/region_lag_performance.tsv")
    table = pd.read_csv(path, sep="\t", dtype={"unit": str})
    need_columns(table, ("task", "level", "unit", "lag_ms", "metric", "split", "value"), path.name)
    expected = table["task"].map(METRICS)
    if expected.isna().any() or (table["split"] != "test").any():
        raise BadInput(f"{path.name}: an unknown task or split; wanted {', '.join(METRICS)} on the test split")
    regions = set(table.loc[table["level"] == "region", "unit"])
    if regions != set(REGION_ELECTRODES):
        raise BadInput(f"{path.name}: regions {', '.join(sorted(regions))}; wanted {', '.join(REGION_ELECTRODES)}")
    found = table["metric"].str.extract(r"^(.*)_(mean|std|fold_(\d))$")
    if (found[0] != expected).any():
        raise BadInput(f"{path.name}: metric {table['metric'][(found[0] != expected).argmax()]!r} of the wrong task")
    folds = table.assign(fold=found[2].astype(float))[found[2].notna()].rename(columns={"value": "score"})
    folds["fold"] = folds["fold"].astype(int)
    need_within(folds["score"], -1, 1, path.name, "value")
    keys = ["task", "level", "unit", "lag_ms"]
    stated = table[found[1] == "mean"].set_index(keys)["value"]
    means = folds.groupby(keys)["score"].agg(["mean", "size"])
    if (means["size"] != 5).any() or not np.allclose(means["mean"], stated.loc[means.index], atol=1e-6):
        raise BadInput(f"{path.name}: the five folds do not give the mean that the source states")
    return folds[[*keys, "fold", "score"]].reset_index(drop=True)


def need_columns(table: pd.DataFrame, wanted: tuple[str, ...], file: str) -> None:
    missing = [name for name in wanted if name not in table]
    if missing or table.empty:
        raise BadInput(f"{file}: {'holds no rows' if table.empty else 'lacks the columns ' + ', '.join(missing)}")


def need_within(values: pd.Series, low: float, high: float, file: str, name: str) -> None:
    outside = ~values.between(low, high)
    if outside.any():
        row = int(np.argmax(outside))
        raise BadInput(f"{file}: {name} in row {row} is {values.iloc[row]}; wanted {low} to {high}")
