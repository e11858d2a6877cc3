"""Finding F2a, what choices can tell at all: ceilings, copied answers, trials that mislead, a planted truth."""

from __future__ import annotations

from dataclasses import asdict

import numpy as np
import pandas as pd
from scipy.special import softmax

from .. import simulate, triplets
from ..datasets import du_llm, spose, things_training, things_triplets, things_vectors
from ..triplets_data import best_pairs, pair_similarities
from . import experiment
from .concepts import read_out, share

# Du 2025, a constant in their code: share of the most frequent answer to triplets that many people judged.
PUBLISHED_CEILING, PUBLISHED_REACH = 0.6722, 0.0104


@experiment(needs=("things/unique_id.txt", "things_triplets"), claims=("F2a",))
def triplet_ceiling() -> pd.DataFrame:
    """How often do two answers to one triplet agree? Ceilings from triplets judged more than once, without names.

    ``lower``: predicted by the most frequent of the other answers, with ``low`` and ``high``; ``upper``: that answer
    included. The row of both files as they are is a trap: they hold many answers twice. The last is a published value.
    """
    test, train, clean = things_triplets("test"), things_triplets("train"), things_training()
    pools = {
        "test file": [test],
        "training file, no triplet of the test file": [clean],
        "both of these": [test, clean],
        "both files as they are (the trap)": [test, train],
    }
    rows = []
    for name, parts in pools.items():
        pooled = triplets.Triplets(np.vstack([part.rows for part in parts]), test.ids)
        rows.append({"choices": name, **asdict(triplets.ceiling(pooled))})
    low, high = PUBLISHED_CEILING - PUBLISHED_REACH, PUBLISHED_CEILING + PUBLISHED_REACH
    rows.append({"choices": "published (Du 2025, in their code)", "lower": PUBLISHED_CEILING, "low": low, "high": high})
    return pd.DataFrame(rows)


@experiment(needs=("things/unique_id.txt", "things_triplets"), claims=("F2a",))
def triplet_copies() -> pd.DataFrame:
    """How often the odd one is the same in two answers to one triplet: within a file, and from one file to the other.

    Only triplets with two answers in all. People differ; copies do not.
    """
    odd = {part: _odd(things_triplets(part)) for part in ("test", "train")}
    rows = []
    for part, table in odd.items():
        twice = table.groupby("key").filter(lambda some: len(some) == 2).groupby("key")["odd"].nunique() == 1
        rows.append({"answers": f"both in the {part} file", "same": twice.mean(), "n": len(twice)})
    once = [table.drop_duplicates("key", keep=False).set_index("key")["odd"] for table in odd.values()]
    both = pd.concat(once, axis=1, join="inner")
    same = both.iloc[:, 0] == both.iloc[:, 1]
    rows.append({"answers": "one in each file", "same": same.mean(), "n": len(same)})
    return pd.DataFrame(rows)


def _odd(choices: triplets.Triplets) -> pd.DataFrame:
    return pd.DataFrame({"key": choices.keys, "odd": choices.rows[:, 2]})


@experiment(needs=("things", "things_triplets", "du_llm"), claims=("F2a",))
def du_trials() -> pd.DataFrame:
    """The 2,171 trials released with Du 2025: how well people, GPT-3.5, GPT-4 and two embeddings predict one another.

    ``if_alone``: agreement expected if two answers had nothing in common but what SPoSE knows, wrong answers at random.
    """
    trials = du_llm()
    spose_hits = {who: triplets.hits(spose(66), choices).mean() for who, choices in trials.items()}
    rows = []
    for k, (who, answers) in enumerate(trials.items()):
        for other in list(trials)[:k]:
            column = (answers.rows == trials[other].rows[:, 2:]).argmax(1)
            found = asdict(triplets.accuracy(column, answers))
            right, too = spose_hits[who], spose_hits[other]
            alone = right * too + (1 - right) * (1 - too) / 2
            rows.append({"predictor": other, "predicted": who, **found, "if_alone": alone})
    for name, vectors in (("SPoSE, 66 dimensions", spose(66)), ("word2vec, names", _word2vec())):
        rows += [
            {"predictor": name, "predicted": who, **asdict(triplets.accuracy(vectors, choices))}
            for who, choices in trials.items()
        ]
    return pd.DataFrame(rows)[["predictor", "predicted", "accuracy", "low", "high", "if_alone", "n"]]


def _word2vec() -> pd.DataFrame:
    return read_out(things_vectors("word2vec"), "centred")


@experiment(needs=(), claims=("F2a",))
def triplet_planted_SIMULATED(n_choices: int = 20_000) -> pd.DataFrame:
    """SIMULATED choices from a known embedding: is each accuracy, difference and ceiling what it must be?

    ``truth``: what it is over endless choices about these triplets, from the probabilities that made them.
    """
    truth = simulate.sparse_embedding(300, 10, seed=1)
    made = simulate.triplet_choices(truth, n_choices, temperature=1.5, seed=2)
    probability = softmax(pair_similarities(truth.to_numpy(), made.rows, "dot") / 1.5, axis=1)
    rng = np.random.default_rng(3)
    noisy, as_noisy = (truth + 1.5 * rng.standard_normal(truth.shape) for _ in range(2))
    unrelated = pd.DataFrame(rng.standard_normal(truth.shape), truth.index)
    systems = {"the planted embedding": truth, "with noise": noisy, "with as much other noise": as_noisy}
    rows, expected = [], {}
    for name, embedding in (systems | {"unrelated": unrelated}).items():
        best_pair = best_pairs(pair_similarities(embedding.to_numpy(), made.rows, "dot"))
        expected[name] = ((best_pair / best_pair.sum(1, keepdims=True)) * probability).sum(1).mean()
        rows.append({"what": name, **share(triplets.hits(embedding, made), made.rows), "truth": expected[name]})
    for first, second in (("the planted embedding", "with noise"), ("with noise", "with as much other noise")):
        found = triplets.difference(systems[first], systems[second], made)
        row = {"what": f"{first} minus {second}", "accuracy": found.difference, "low": found.low, "high": found.high}
        rows.append(row | {"n": found.n, "truth": expected[first] - expected[second]})
    again = triplets.ceiling(simulate.triplet_choices(truth, n_choices // 10, temperature=1.5, seed=4, repeats=3))
    for name, value in (("ceiling, lower (3 answers a triplet)", again.lower), ("ceiling, upper", again.upper)):
        row = {"what": name, "accuracy": value, "n": again.n_choices, "truth": expected["the planted embedding"]}
        rows.append(row | ({"low": again.low, "high": again.high} if "lower" in name else {}))
    return pd.DataFrame(rows).rename(columns={"accuracy": "value"})
