"""Finding F1f, the side of the language model: what does a word's state owe to the words before it, and how far back?

Real words of the podcast story, real networks. The recordings of the people who heard it are public and were not
analysed here: every electrode in this module is SIMULATED, and says so.
"""

from __future__ import annotations

from functools import cache

import numpy as np
import pandas as pd
from scipy.stats import binomtest

from .. import ieeg, models, simulate_podcast, splits
from ..datasets import podcast_electrodes, podcast_words
from ..datasets.podcast import LABELS
from ..encoding import correlation_score
from . import experiment

MODEL = "smollm2-135m"
STATES = ("trained", "untrained")
NEEDS = ("podcast_ds005574/gpt2-xl_transcript.tsv", f"model-{MODEL}")
# The SIMULATED patient: real electrode positions, one layer, and a context for each electrode.
PATIENT, PLANTED_LAYER, PLANTED, HEARD = "06", "layer15", (2, 8, 32, 128), slice(0, 2000)
LAG_S, SNR, N_FOLDS = 0.2, 0.5, 5
FILES = ("participants.tsv", f"sub-{PATIENT}_{LABELS}", f"sub-{PATIENT}_task-podcast_channels.tsv")
SIMULATED_NEEDS = (*(f"podcast_ds005574/{name}" for name in FILES), *NEEDS)
CONTEXTS = (1, 2, 8, 32, 128, 512)
UNTRAINED = (1, 8, 512)  # a network that has learned nothing is soon described
STRETCH = slice(1000, 1400)  # words that are scored; those before them serve as context only
BLOCK = 20  # words drawn together by the bootstrap
FEW = 8  # tokens: the "few words" that longer contexts are set against
LAYERS = ("embedding", "layer5", "layer10", "layer15", "layer20", "layer25", "layer30")
SUITE_ITEMS = 4
CIRCUITS = {
    "number": "agreement",
    "center": "centre embedding",
    "mvrr": "garden paths",
    "npz": "garden paths",
    "subordination": "gross syntactic state",
    "npi": "licensing",
    "reflexive": "licensing",
    "cleft": "long-distance dependencies",
    "fgd": "long-distance dependencies",
}


@cache
def network(trained: bool = True):
    """SmolLM2, or its untrained twin."""
    model = models.load(MODEL)
    return model if trained else models.randomise(model, 0)


def stretch(context: int, words: slice = STRETCH) -> list[str]:
    """The words that are scored, led by as many as give each of them ``context`` tokens before it."""
    return podcast_words()["word"].tolist()[max(words.start - context - 1, 0) : words.stop]


def _both() -> list[tuple[str, int]]:
    return [("trained", n) for n in CONTEXTS] + [("untrained", n) for n in UNTRAINED]


@experiment(needs=NEEDS, claims=("F1f",))
def context_surprisal(n_boot: int = 2000, seed: int = 0) -> pd.DataFrame:
    """How much better are words expected with more context? Bits per byte of 400 words, against 8 tokens.

    ``gain``: bits per byte saved against 8 tokens of context. Intervals: blocks of 20 words, drawn with replacement.
    ``gpt2_xl``: bits per byte of GPT-2 XL (1.5 billion parameters) for these words, as published with the transcript.
    """
    target = stretch(0)[-(STRETCH.stop - STRETCH.start) :]
    size = np.array([len(word.encode()) + 1 for word in target])  # a word and its space
    n_blocks = len(target) // BLOCK
    drawn = np.random.default_rng(seed).integers(n_blocks, size=(n_boot, n_blocks))
    bits = {}
    for state, context in _both():
        found = network(state == "trained").surprisal(stretch(context), context)
        bits[state, context] = found[-len(target) :]
    rows = []
    for (state, context), values in bits.items():
        row = {"state": state, "context_tokens": context, **_interval("bits_per_byte", values, size, drawn)}
        saved = _interval("gain", bits[state, FEW] - values, size, drawn)
        row |= {"gain": saved["gain"], "gain_low": saved["low"], "gain_high": saved["high"]}
        rows.append(row | {"bits_per_word": values.mean(), "n_words": len(target), "n_bytes": size.sum()})
    return pd.DataFrame(rows).assign(gpt2_xl=podcast_words()["surprisal_bits"].iloc[STRETCH].sum() / size.sum())


def _interval(name: str, bits: np.ndarray, size: np.ndarray, drawn: np.ndarray) -> dict:
    by_block = [values.reshape(-1, BLOCK).sum(1) for values in (bits, size)]
    resampled = by_block[0][drawn].sum(1) / by_block[1][drawn].sum(1)
    low, high = np.quantile(resampled, [0.025, 0.975])
    return {name: bits.sum() / size.sum(), "low": low, "high": high}


@experiment(needs=NEEDS, claims=("F1f",))
def context_states() -> pd.DataFrame:
    """How far is a word's state from the one it has with 512 tokens of context? Layer by layer.

    ``change``: one minus the correlation over words of a dimension at both contexts, mean over dimensions. 0: the same
    to an encoding model, which standardises; 1: unrelated.
    """
    rows = []
    for state in STATES:
        contexts = [n for which, n in _both() if which == state]
        states = {n: _states(state == "trained", n) for n in contexts}
        full = states[CONTEXTS[-1]]
        for context in contexts[:-1]:
            change = _change(states[context], full)
            for layer, value in zip(LAYERS, change, strict=True):
                row = {"state": state, "context_tokens": context, "layer": layer, "change": value}
                rows.append(row | {"n_words": full.shape[1]})
    return pd.DataFrame(rows)


def _states(trained: bool, context: int) -> np.ndarray:
    found = models.word_states(network(trained), stretch(context), context, layers=LAYERS)
    return found[:, -(STRETCH.stop - STRETCH.start) :]


def _change(states: np.ndarray, reference: np.ndarray) -> np.ndarray:
    """One minus the correlation over words, mean over the dimensions of each layer."""
    return 1 - np.array([np.nanmean(correlation_score(a, b)) for a, b in zip(reference, states, strict=True)])


@experiment(needs=NEEDS, claims=("F1f",))
def context_modes(n_words: int = 80) -> pd.DataFrame:
    """What does the fast way of reading cost? States in rolling and in exact windows, and with more context.

    ``change``, as in ``context_states``: against exact windows of ``context_tokens`` tokens, of rolling windows with
    the same number, and of exact windows with four times as many.
    """
    model, words = network(), slice(STRETCH.start, STRETCH.start + n_words)

    def states(context: int, mode: str) -> np.ndarray:
        found = models.word_states(model, stretch(context, words), context, layers=LAYERS, mode=mode)
        return found[:, -n_words:]

    exact = {context: states(context, "exact") for context in (4, 16, 64)}
    pairs = [(n, "rolling", states(n, "rolling")) for n in exact] + [
        (n, f"exact, {4 * n}", exact[4 * n]) for n in (4, 16)
    ]
    return pd.DataFrame(
        {"context_tokens": n, "against": name, "layer": layer, "change": value, "n_words": n_words}
        for n, name, other in pairs
        for layer, value in zip(LAYERS, _change(other, exact[n]), strict=True)
    )


@experiment(needs=("syntaxgym", f"model-{MODEL}"))
def syntaxgym() -> pd.DataFrame:
    """Does SmolLM2 know English grammar, and its untrained twin? The first four items of each of 31 SyntaxGym suites.

    One row a circuit of Hu et al. (2020); ``score``: share of its items and predictions that hold, with the Wilson
    interval; ``chance``: the share that random surprisals would reach.
    """
    rows = []
    for state in STATES:
        table = models.syntaxgym(network(state == "trained"), n_items=SUITE_ITEMS)
        circuits = table["suite"].map(lambda name: CIRCUITS[name.partition("_")[0]])
        for circuit, here in [*table.groupby(circuits), ("all", table)]:
            n, hits = here["n_items"].sum(), (here["accuracy"] * here["n_items"]).sum()
            low, high = binomtest(round(hits), int(n)).proportion_ci(method="wilson")
            row = {"circuit": circuit, "state": state, "score": hits / n, "low": low, "high": high}
            rows.append(row | {"chance": here["chance"].mean(), "n_items": n, "n_suites": here["suite"].nunique()})
    return pd.DataFrame(rows)


# --- SIMULATED electrodes that carry a known context


@cache
def simulated_responses() -> tuple[np.ndarray, np.ndarray, pd.Series]:
    """SIMULATED: states (contexts, words, dim), responses (words, electrodes, 1), planted context of each electrode.

    Responses are high gamma around each word, made by ``simulate_podcast``: real positions, real words in time, and
    1/f noise. Electrodes take turns: nothing, then each of the planted contexts.
    """
    words, electrodes = podcast_words().iloc[HEARD], podcast_electrodes(PATIENT)
    states = np.stack([_heard(context) for context in PLANTED])
    turn = np.arange(len(electrodes)) % (len(PLANTED) + 1)
    length_s = float(words["end_s"].max()) + 5
    made = simulate_podcast.podcast_subject(
        electrodes, words, states, sfreq_hz=64.0, length_s=length_s, layer_of=np.where(turn > 0, turn - 1, np.nan),
        lag_of=np.full(len(electrodes), LAG_S), snr=SNR,
    )  # fmt: skip
    context = made.truth["layer"].map(lambda k: PLANTED[int(k)] if np.isfinite(k) else 0)
    return states, ieeg.responses(made.signal, made.sfreq_hz, words["start_s"], [LAG_S]), context


def _heard(context: int) -> np.ndarray:
    words = podcast_words()["word"].tolist()[HEARD]
    return models.word_states(network(), words, context, layers=[PLANTED_LAYER])[0]


@experiment(needs=SIMULATED_NEEDS, claims=("F1f",))
def context_planted_SIMULATED() -> pd.DataFrame:
    """SIMULATED: electrodes that carry the states at one known context. Is that context found?

    One row a planted context: ``found``: chosen in the training words of a fold most often, ``hit``: share of
    electrodes and folds where it is the planted one (chance: 1 in 4); ``score``: test correlation at the chosen
    context (nested), ``naive``: at the best on the test words; ``at_2`` and on: mean test correlation at each context,
    and ``half_2`` half its 95 % interval over electrodes. ``ahead``: the planted context less the best other one,
    ``rival``, with the interval of the difference, paired over electrodes.
    """
    states, responses, context = simulated_responses()
    pairs = ieeg.time_folds(podcast_words()["start_s"].to_numpy()[HEARD], N_FOLDS)
    found = ieeg.encode(states, responses, pairs)
    table = ieeg.peaks(found, [LAG_S])
    chosen = np.array(PLANTED)[ieeg.chosen(found)[0]]
    rows = []
    for planted in (0, *PLANTED):
        mine = (context == planted).to_numpy()
        each = found.scores[:, :, mine, 0].mean(0)  # contexts, electrodes
        row = {"data": "SIMULATED", "planted_tokens": planted, "found": float(np.median(chosen[:, mine]))}
        row |= {"hit": (chosen[:, mine] == planted).mean() if planted else np.nan}
        row |= {"score": table["score"][mine].mean(), "naive": table["naive"][mine].mean()}
        row |= {f"at_{n}": scores.mean() for n, scores in zip(PLANTED, each, strict=True)}
        row |= {f"half_{n}": _half(scores) for n, scores in zip(PLANTED, each, strict=True)}
        row |= _ahead(each, planted)
        rows.append(row | {"n_electrodes": mine.sum(), "n_words": states.shape[1]})
    return pd.DataFrame(rows)


def _half(values: np.ndarray) -> float:
    """Half the 95 % interval of a mean over electrodes."""
    return 1.96 * values.std(ddof=1) / np.sqrt(len(values))


def _ahead(each: np.ndarray, planted: int) -> dict:
    if not planted:
        return dict.fromkeys(("rival", "ahead", "ahead_low", "ahead_high"), np.nan)
    own = PLANTED.index(planted)
    rival = next(k for k in np.argsort(-each.mean(1)) if k != own)
    less = each[own] - each[rival]
    mean, half = less.mean(), _half(less)
    return {"rival": PLANTED[rival], "ahead": mean, "ahead_low": mean - half, "ahead_high": mean + half}


@experiment(needs=SIMULATED_NEEDS, claims=("F1f",))
def context_trap_SIMULATED() -> pd.DataFrame:
    """SIMULATED electrodes in which nothing is planted: does more context "help" all the same, and with which folds?

    Mean test correlation over electrodes with the standard error over electrodes, for folds of neighbouring words with
    a gap and for shuffled words.
    """
    states, responses, context = simulated_responses()
    nothing = responses[:, (context == 0).to_numpy()]
    folds = {
        "contiguous, gap": ieeg.time_folds(podcast_words()["start_s"].to_numpy()[HEARD], N_FOLDS),
        "shuffled (the trap)": splits.shuffled(len(nothing), N_FOLDS, seed=0),
    }
    rows = []
    for name, pairs in folds.items():
        each = ieeg.encode(states, nothing, pairs, gap=0).scores[..., 0].mean(0)  # contexts, electrodes
        for tokens, scores in zip(PLANTED, each, strict=True):
            row = {"data": "SIMULATED", "folds": name, "context_tokens": tokens, "score": scores.mean()}
            half = _half(scores)
            rows.append(row | {"low": row["score"] - half, "high": row["score"] + half, "n_electrodes": len(scores)})
    return pd.DataFrame(rows)
