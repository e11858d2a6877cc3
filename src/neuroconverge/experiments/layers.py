"""Finding F1e: which layer predicts best, how well a best layer is defined, and which layers of two models agree."""

from __future__ import annotations

from functools import cache

import numpy as np
import pandas as pd

from .. import models, similarity, stats
from ..datasets import neural_nlp, podcast_words
from . import experiment
from .published import SCORES

DEEP_RECORDINGS = ("Pereira2018", "Fedorenko2016", "Blank2014")  # those whose every layer was published
MIN_LAYERS = 7  # an embedding and six layers
BINS = 6


def deep_models() -> pd.DataFrame:
    """Layers of the trained models that have at least seven, with next-word performance where it is known."""
    table = neural_nlp()
    words = table[(table["benchmark"] == "next word") & table["trained"]].set_index("model")["score"]
    layers = table[table["benchmark"].isin(DEEP_RECORDINGS) & table["depth"].notna()]
    count = layers.groupby(["benchmark", "model", "trained"])["score"].transform("size")
    return layers[count >= MIN_LAYERS].join(words.rename("next_word"), on="model")


def best_depths() -> pd.DataFrame:
    """One row a recording and trained model: where its best layer lies, and how flat the way there is.

    ``best``: depth of the best layer (0 first, 1 last). ``enough``: depth of the first layer within one stated error
    of the best. ``near_best``: share of the layers within that error; NaN where the source states no error.
    ``spread``: best minus worst layer.
    """
    rows = []
    layers = deep_models()
    layers = layers[layers["trained"]].sort_values("benchmark", key=_in_order, kind="stable")
    for (recording, model), here in layers.groupby(["benchmark", "model"], sort=False):
        top = here.loc[here["score"].idxmax()]
        near = here[here["score"] >= top["score"] - top["error"]]
        rows.append(
            {
                "recording": recording,
                "model": model,
                "family": top["family"],
                "next_word": top["next_word"],
                "n_layers": len(here),
                "score": top["score"],
                "best": top["depth"],
                "enough": near["depth"].min(),
                "near_best": len(near) / len(here) if len(near) else np.nan,
                "spread": top["score"] - here["score"].min(),
            }
        )
    return pd.DataFrame(rows)


@experiment(needs=(SCORES,), claims=("F1e",))
def neural_nlp_depth() -> pd.DataFrame:
    """Do models that predict words better peak earlier? Depth of the best layer against next-word performance."""
    rows = []
    for recording, here in best_depths().groupby("recording", sort=False):
        for measure in ("best", "enough"):
            known = here.dropna(subset=["next_word", measure])
            for held in ("nothing", "number of layers"):
                covariates = None if held == "nothing" else known["n_layers"]
                found = stats.partial_correlation(known["next_word"], known[measure], covariates, known["family"])
                without = stats.leave_one_cluster_out(
                    known["next_word"], known[measure], known["family"], covariates=covariates
                )
                rows.append(
                    {
                        "recording": recording,
                        "measure": measure,
                        "held": held,
                        "r": found.r,
                        "low": found.low,
                        "high": found.high,
                        "p": found.p,
                        "without_low": without["r"].min(),
                        "without_high": without["r"].max(),
                        "mean_depth": known[measure].mean(),
                        "near_best": known["near_best"].mean(),
                        "n_models": found.n,
                        "n_families": found.n_clusters,
                    }
                )
    return pd.DataFrame(rows)


def _in_order(values: pd.Series) -> pd.Series:
    return values.map(DEEP_RECORDINGS.index) if values.name == "benchmark" else values


@experiment(needs=(SCORES,), claims=("F1e",))
def neural_nlp_profiles() -> pd.DataFrame:
    """Mean score by relative depth, trained and untrained models, families kept together in the interval."""
    layers = deep_models()
    layers["bin"] = np.minimum((layers["depth"] * BINS + 1e-9).astype(int), BINS - 1)
    keys = ["benchmark", "trained", "bin", "family", "model"]
    each = layers.groupby(keys, sort=False)["score"].mean().reset_index()
    each = each.sort_values(["benchmark", "trained", "bin"], key=_in_order, kind="stable")
    rows = []
    for (recording, trained, number), here in each.groupby(["benchmark", "trained", "bin"], sort=False):
        found = stats.sign_flip(here["score"], n_perm=99, clusters=here["family"])
        rows.append(
            {
                "recording": recording,
                "state": "trained" if trained else "untrained",
                "depth": (number + 0.5) / BINS,
                "score": found.mean,
                "low": found.low,
                "high": found.high,
                "n_models": found.n,
                "n_families": found.n_clusters,
            }
        )
    return pd.DataFrame(rows)


STORY = "podcast_ds005574/gpt2-xl_transcript.tsv"
NETWORK, WINDOW = "smollm2-135m", 10
CONTEXT = 64  # tokens that every word sees at least; as many words at the start are left out
N_WORDS = 500
DAMAGE = (0.1, 0.2, 0.4)  # noise on the weights, in standard deviations of each weight tensor
N_SHIFTS, TESTED = 200, (10, 20, 30)
REFERENCES = (
    "GloVe, the word",
    f"MiniLM, last {WINDOW} words",
    "intact twin, same layer",
    "untrained twin, same layer",
)


def _twin(base, name: str):
    if name.startswith("noise"):
        return models.degrade(base, float(name.split()[1]), seed=0)
    return base if name == "intact" else models.randomise(base, seed=int("other" in name))


@cache
def story_states() -> tuple[dict[str, np.ndarray], dict[str, float], dict[str, np.ndarray]]:
    """Words of the podcast as a network and its damaged twins hold them, and as two other models do.

    States by name of the twin (layers, words, d); bits a word of each; references by name (words, d). Words that GloVe
    does not know are left out of all.
    """
    words = podcast_words()["word"].tolist()[: N_WORDS + CONTEXT]
    glove, minilm, base = (models.load(name) for name in ("glove-50", "minilm-l6", NETWORK))
    use = np.array([i for i, lacks in enumerate(glove.missing(words)) if i >= CONTEXT and not lacks])
    states, bits = {}, {}
    for name in ("intact", *(f"noise {noise:g}" for noise in DAMAGE), "untrained", "untrained, other seed"):
        twin = _twin(base, name)
        states[name] = models.word_states(twin, words, context=CONTEXT)[:, use]
        bits[name] = float(twin.surprisal(words[: 4 * CONTEXT])[CONTEXT:].mean())
    windows = [" ".join(words[i - WINDOW + 1 : i + 1]) for i in use]
    others = {
        REFERENCES[0]: models.features(glove, [words[i] for i in use], what="embed"),
        REFERENCES[1]: models.features(minilm, windows, what="embed"),
    }
    return states, bits, others


def _compared(name: str) -> dict[str, list[np.ndarray]]:
    """What to set beside the layers of this twin: one representation for all, or one for each; never itself."""
    states, _, others = story_states()
    found = {key: [value] for key, value in others.items()}
    if name != "intact":
        found[REFERENCES[2]] = list(states["intact"])
    return found | {REFERENCES[3]: list(states["untrained, other seed" if name == "untrained" else "untrained"])}


CKA_NEEDS = (STORY, "model-smollm2-135m", "model-minilm-l6", "model-glove-50")


@experiment(needs=CKA_NEEDS, claims=("F1e",))
def layer_cka() -> pd.DataFrame:
    """CKA of every layer of SmolLM2, damaged twins and untrained twins with other models, on words of a story.

    ``top_share``: share of a layer's variance that one of its dimensions holds. ``without_top``: CKA without that one.
    """
    states, bits, _ = story_states()
    tables = []
    for name, layers in states.items():
        spread = layers.var(axis=1)  # layers, d
        rest = [np.delete(layer, top, axis=1) for layer, top in zip(layers, spread.argmax(axis=1), strict=True)]
        facts = {"bits_per_word": bits[name], "n_words": layers.shape[1]}
        for reference, others in _compared(name).items():
            table = pd.DataFrame({"state": name, "reference": reference, "layer": np.arange(len(layers))})
            table["depth"] = table["layer"] / (len(layers) - 1)
            for column, kept in (("debiased", list(layers)), ("without_top", rest)):
                scores = similarity.cka_matrix(kept, others)
                table[column] = np.diag(scores) if len(others) > 1 else scores[:, 0]
            tables.append(table.assign(top_share=spread.max(axis=1) / spread.sum(axis=1), **facts))
    return pd.concat(tables, ignore_index=True)


@experiment(needs=CKA_NEEDS, claims=("F1e",))
def layer_cka_tests() -> pd.DataFrame:
    """The same at three layers fixed beforehand, against the words of one model shifted in time."""
    states, bits, _ = story_states()
    rows = []
    for name, layers in states.items():
        for reference, others in _compared(name).items():
            for number in TESTED:
                other = others[number] if len(others) > 1 else others[0]
                found = similarity.permutation_test(layers[number], other, N_SHIFTS, kind="circular")
                row = {"state": name, "bits_per_word": bits[name], "reference": reference, "layer": number}
                row |= {"cka": found.score, "plain": similarity.cka(layers[number], other, debiased=False)}
                row |= {"null_mean": found.null_mean, "null_95": found.null_95, "p": found.p}
                rows.append({**row, "n_words": found.n, "n_shifts": found.n_perm})
    return pd.DataFrame(rows)
