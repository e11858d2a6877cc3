"""Findings F1d and F1e in published tables: language models, their benchmarks, and how well they predict brains."""

from __future__ import annotations

from itertools import product

import numpy as np
import pandas as pd

from .. import stats
from ..datasets import neural_nlp, neuroprobe, podcast_regions
from ..datasets.published import BRAINS, CHANCE, REGION_ELECTRODES, REGION_NAMES
from . import experiment

SCORES = "neural_nlp/precomputed-scores.csv"
REGIONS = "podcast_benchmark/region_lag_performance.tsv"
FOLDS = "neuroprobe/leaderboard_folds.tsv"
RECORDINGS = tuple(BRAINS.values())
FIXED_LAG_MS = 300
SHARED_LAGS_MS = (275, 350)  # every region and patient has these lags and those between them
CHOICES = {
    "best layer": lambda layers: layers["score"].max(),
    "mean of layers": lambda layers: layers["score"].mean(),
    "last layer": lambda layers: layers["score"].iloc[-1],
    "two thirds deep": lambda layers: layers["score"].iloc[round(2 / 3 * (len(layers) - 1))],
}


def per_model(choice: str = "best layer") -> pd.DataFrame:
    """One score a recording, model and state (trained or not), beside the model's benchmarks.

    ``choice``: how the layers become one score. Indexed by (recording, model, trained).
    """
    table = neural_nlp()
    keys = ["benchmark", "model", "trained"]
    brains = table[table["benchmark"].isin(RECORDINGS)].groupby(keys)
    scores = brains.apply(CHOICES[choice], include_groups=False).rename("score")
    facts = brains[["family", "attention", "width"]].first()
    tasks = table[~table["benchmark"].isin(RECORDINGS)].pivot(
        index=["model", "trained"], columns="benchmark", values="score"
    )
    made = pd.concat([scores, facts], axis=1).join(tasks, on=["model", "trained"])
    return made.rename_axis(["recording", "model", "trained"]).loc[list(RECORDINGS)]


def over_families(x, y, families, covariates=None, method="pearson") -> dict:
    """A correlation with families kept together, beside the usual one and its range without one family each."""
    both = stats.partial_correlation(x, y, covariates, families, method=method)
    usual = stats.partial_correlation(x, y, covariates, method=method)
    without = stats.leave_one_cluster_out(x, y, families, method, covariates)
    least = without.loc[without["r"].idxmin()]
    return {
        "r": both.r,
        "low": both.low,
        "high": both.high,
        "p": both.p,
        "usual_low": usual.low,
        "usual_high": usual.high,
        "usual_p": usual.p,
        "without_low": least["r"],
        "without_high": without["r"].max(),
        "weakest_without": least["left_out"],
        "n_models": both.n,
        "n_families": both.n_clusters,
    }


def _analyses(best: pd.DataFrame) -> dict[str, tuple[pd.DataFrame, list[str], str]]:
    """Models to use, covariates to hold and method of each analysis of the best layer against next-word performance."""
    trained = best[best["trained"]]
    one_state = best["next word"].notna() & best.groupby("model")["next word"].transform("count").eq(2)
    return {
        "best layer": (trained, [], "pearson"),
        "best layer, ranks": (trained, [], "spearman"),
        "width held": (trained, ["log width"], "pearson"),
        "attention held": (trained, ["causal", "static"], "pearson"),
        "width and attention held": (trained, ["log width", "causal", "static"], "pearson"),
        "without GPT": (trained[trained["family"] != "gpt"], [], "pearson"),
        "causal only": (trained[trained["attention"] == "causal"], [], "pearson"),
        "untrained only": (best[~best["trained"]], [], "pearson"),
        "trained and untrained": (best[one_state], [], "pearson"),
    }


@experiment(needs=(SCORES,), claims=("F1d",))
def neural_nlp_benchmarks() -> pd.DataFrame:
    """Next-word performance against prediction of each recording, over models: as published, and in other ways."""
    rows = []
    for choice in CHOICES:
        each = per_model(choice).reset_index()
        each["log width"], each["causal"] = np.log2(each["width"]), (each["attention"] == "causal") * 1.0
        each["static"] = (each["attention"] == "static") * 1.0
        for recording in RECORDINGS:
            here = each[each["recording"] == recording]
            if choice != "best layer":
                if recording != "Futrell2018":  # one layer was published
                    chosen = here[here["trained"]].dropna(subset=["next word"])
                    found = over_families(chosen["next word"], chosen["score"], chosen["family"])
                    rows.append({"recording": recording, "analysis": choice, **found})
                continue
            for name, (models, held, method) in _analyses(here).items():
                models = models.dropna(subset=["next word"])
                found = over_families(
                    models["next word"], models["score"], models["family"], models[held] if held else None, method
                )
                rows.append({"recording": recording, "analysis": name, **found})
    return pd.DataFrame(rows)


@experiment(needs=(SCORES,), claims=("F1d",))
def neural_nlp_tasks() -> pd.DataFrame:
    """The same for every benchmark in the table: does next-word prediction stand out among language tasks?"""
    best = per_model().xs(True, level="trained").reset_index()
    tasks = ["next word", *sorted(column for column in best if str(column).startswith("glue-"))]
    rows = []
    for recording, task in product(RECORDINGS, tasks):
        here = best[best["recording"] == recording].dropna(subset=[task])
        found = stats.correlation(here[task], here["score"], here["family"])
        row = {"r": found.r, "low": found.low, "high": found.high, "p": found.p}
        rows.append({"recording": recording, "task": task, **row, "n_models": found.n, "n_families": found.n_clusters})
    table = pd.DataFrame(rows)
    return table.assign(p_bh=table.groupby("recording")["p"].transform(stats.bh))


@experiment(needs=(SCORES,), claims=("F1d",))
def neural_nlp_training() -> pd.DataFrame:
    """Trained against untrained models, best layer each: means, their difference, and whether the two agree."""
    best, rows = per_model(), []
    for recording in RECORDINGS:
        pair = best.loc[recording][["score", "family"]].unstack("trained").dropna()
        families = pair[("family", True)]
        trained, untrained = pair[("score", True)], pair[("score", False)]
        gain = stats.sign_flip(trained - untrained, clusters=families)
        agree = stats.correlation(untrained, trained, families)
        rows.append(
            {
                "recording": recording,
                "trained": trained.mean(),
                "untrained": untrained.mean(),
                "difference": gain.mean,
                "low": gain.low,
                "high": gain.high,
                "p": gain.p,
                "r": agree.r,
                "r_low": agree.low,
                "r_high": agree.high,
                "n_models": gain.n,
                "n_families": gain.n_clusters,
            }
        )
    return pd.DataFrame(rows)


@experiment(needs=(SCORES,), claims=("F1d", "F1e"))
def neural_nlp_models() -> pd.DataFrame:
    """Every model, trained and untrained: score of its best layer on each recording, its benchmark, its facts."""
    best = per_model().reset_index()
    columns = ["recording", "model", "trained", "family", "attention", "width", "score", "next word"]
    return best[columns].rename(columns={"next word": "next_word"})


@experiment(needs=(REGIONS,), claims=("F1d", "F1e"))
def podcast_decoding() -> pd.DataFrame:
    """Where words and loudness can be read from the podcast recordings: by region (patients pooled) and by patient.

    At a fixed lag, and at the best of the lags that all units share (chosen on the test scores: optimistic).
    """
    table = podcast_regions()
    rows = []
    for (task, level, unit), folds in table.groupby(["task", "level", "unit"], sort=False):
        lags = folds[folds["lag_ms"].between(*SHARED_LAGS_MS)].groupby("lag_ms")["score"].mean()
        for rule, lag in (("fixed lag", FIXED_LAG_MS), ("best lag", int(lags.idxmax()))):
            scores = folds.loc[folds["lag_ms"] == lag, "score"]
            rows.append(
                {
                    "task": task,
                    "level": level,
                    "unit": unit,
                    "name": REGION_NAMES.get(unit, f"patient {unit}"),
                    "rule": rule,
                    "lag_ms": lag,
                    "score": scores.mean(),
                    "lowest_fold": scores.min(),
                    "highest_fold": scores.max(),
                    "chance": CHANCE[task],
                    "n_folds": len(scores),
                    "n_electrodes": REGION_ELECTRODES.get(unit, np.nan),
                }
            )
    return pd.DataFrame(rows)


@experiment(needs=(REGIONS,), claims=("F1d", "F1e"))
def podcast_tests() -> pd.DataFrame:
    """Over patients: are words read above chance? Over regions: does the score follow the number of electrodes?"""
    scores = podcast_decoding()
    rows = []
    for rule, here in scores.groupby("rule", sort=False):
        patients = here[here["level"] == "subject"]
        found = stats.sign_flip(patients["score"] - patients["chance"])
        row = {"estimate": found.mean + 0.5, "low": found.low + 0.5, "high": found.high + 0.5, "p": found.p}
        rows.append({"test": "words, patients", "rule": rule, **row, "n": found.n, "n_positive": found.n_positive})
        for task in CHANCE:
            regions = here[(here["level"] == "region") & (here["task"] == task)]
            found = stats.correlation(regions["n_electrodes"], regions["score"], method="spearman")
            row = {"estimate": found.r, "low": found.low, "high": found.high, "p": found.p, "n": found.n}
            rows.append({"test": f"{task} and electrodes, regions", "rule": rule, **row, "n_positive": np.nan})
    return pd.DataFrame(rows)


TRAINED, UNTRAINED = "BrainBERT (frozen; Wang et al. 2023)", "BrainBERT (untrained, frozen)"
BASELINE = "Linear (spectrogram)"


@experiment(needs=(FOLDS,), claims=("F1d",))
def neuroprobe_models() -> pd.DataFrame:
    """Brain Treebank: a trained network for recordings against its untrained twin and a linear baseline, by task.

    ``difference``: trained minus untrained, over sessions, the sessions of a patient kept together.
    """
    wide = neuroprobe().pivot(index=["split", "task", "subject", "session"], columns="model", values="roc_auc")
    every = wide.groupby(["split", "subject", "session"]).mean()
    every = pd.concat({"all tasks": every}, names=["task"]).reorder_levels(["split", "task", "subject", "session"])
    rows = []
    for (split, task), here in pd.concat([wide, every]).groupby(["split", "task"], sort=False):
        subjects = here.index.get_level_values("subject")
        gain = stats.sign_flip((here[TRAINED] - here[UNTRAINED]).to_numpy(), clusters=subjects)
        above = stats.sign_flip((here[UNTRAINED] - 0.5).to_numpy(), clusters=subjects)
        rows.append(
            {
                "split": split,
                "task": task,
                "trained": here[TRAINED].mean(),
                "untrained": here[UNTRAINED].mean(),
                "linear": here[BASELINE].mean(),
                "difference": gain.mean,
                "low": gain.low,
                "high": gain.high,
                "p": gain.p,
                "untrained_p": above.p,
                "floor": gain.floor,
                "n_sessions": gain.n,
                "n_patients": gain.n_clusters,
            }
        )
    return pd.DataFrame(rows)


DESIGNS = {"12 models, 5 families": (3, 3, 2, 2, 2), "42 models, 13 families": (8, 7, 5, 5, 3, 3, 3, 2, 2, 1, 1, 1, 1)}


def simulated_models(sizes, within: float = 0.8, r: float = 0.0, seed: int = 0):
    """SIMULATED benchmark and predictivity of models in families: (benchmark, predictivity, family), each (models,).

    ``sizes``: models in each family; ``within``: share of the variance that the members of a family have in common;
    ``r``: planted correlation, the same between and within families.
    """
    rng = np.random.default_rng(seed)
    family, root = np.repeat(np.arange(len(sizes)), sizes), np.linalg.cholesky([[1, r], [r, 1]])
    shared, own = (rng.standard_normal((n, 2)) @ root.T for n in (len(sizes), len(family)))
    benchmark, predictivity = (np.sqrt(within) * shared[family] + np.sqrt(1 - within) * own).T
    return benchmark, predictivity, family


@experiment(needs=(), claims=("F1d",))
def simulated_benchmark() -> pd.DataFrame:
    """SIMULATED: what the correlation over models recovers of a planted one, counting models or keeping families."""
    rows = []
    for (design, sizes), within, r in product(DESIGNS.items(), (0.0, 0.8), (0.0, 0.5, 0.8)):
        draws = [simulated_models(sizes, within, r, seed) for seed in range(300)]
        usual = [stats.correlation(x, y) for x, y, _ in draws]
        kept = [stats.correlation(x, y, family, n_boot=299) for x, y, family in draws]
        for name, found in (("models counted", usual), ("families kept together", kept)):
            covered = np.mean([f.low <= r <= f.high for f in found])
            beyond = np.mean([f.low > 0 or f.high < 0 for f in found])
            width, middle = np.median([(f.high - f.low, f.r) for f in found], axis=0)
            row = {"planted": r, "recovered": middle, "width": width, "covered": covered, "beyond_zero": beyond}
            row |= {"p_below_05": np.mean([f.p < 0.05 for f in found]), "n_simulations": len(found)}
            rows.append({"SIMULATED design": design, "shared": within, "inference": name, **row})
    return pd.DataFrame(rows)
