"""Encoding of word-level scalp EEG: word vectors against neighbours in the recording, on honest and shuffled folds."""

from __future__ import annotations

import numpy as np
import pandas as pd

from .. import encoding, models, splits
from ..datasets.speech import word_eeg
from . import experiment
from .electrode_scores import out_of_fold, over_electrodes, within_folds

RECORDINGS = ("ucl", "naturalspeech")  # n400 has 140 words, too few for five folds of anything
ALPHAS = tuple(float(alpha) for alpha in np.logspace(-1, 7, 9))
FOLDS, GAP, BLOCK = 5, 20, 20  # words
N_MOVES = 199


def word_spaces(words: list[str]) -> dict[str, np.ndarray]:
    """Feature spaces of words that GloVe knows: (words, features) by name.

    Log rank in GloVe's list stands in for log frequency: the list is sorted by how often a word occurs, roughly.
    """
    glove, minilm = models.load("glove-50"), models.load("minilm-l6")
    length = np.array([len(word) for word in words], float)
    rank = np.log([1 + glove.rows[word] for word in words])
    plain = np.c_[length, rank]
    return {
        "length and frequency": (plain - plain.mean(0)) / plain.std(0),
        "GloVe": glove.vectors(words).astype(float),
        "GloVe, words exchanged": models.randomise(glove, 0).vectors(words).astype(float),
        "MiniLM": unit_spread(models.features(minilm, words, what="embed")),
        "MiniLM untrained": unit_spread(models.features(models.randomise(minilm, 0), words, what="embed")),
    }


def unit_spread(features: np.ndarray) -> np.ndarray:
    """Features of mean 0 and a mean variance of 1, so that one list of penalties fits all spaces."""
    centred = features - features.mean(0)
    return (centred / centred.std()).astype(float)


def neighbours(responses: np.ndarray, at: np.ndarray, pairs: splits.Pairs, width: float = 1.0) -> np.ndarray:
    """Predictions that know no word, only which rows stood near in the recording (Gaussian weights, ``width`` rows)."""
    predicted = np.empty(responses.shape)
    for train, test in pairs:
        far = ((at[test, None] - at[train]) / width) ** 2 / 2
        weights = np.exp(far.min(1, keepdims=True) - far)
        predicted[test] = weights @ responses[train] / weights.sum(1, keepdims=True)
    return predicted


def held_out(features: np.ndarray, responses: np.ndarray, pairs: splits.Pairs, gap: int) -> np.ndarray:
    """Predictions (rows, electrodes) of rows that the model was not fitted on; penalties chosen in training."""
    return out_of_fold(features, responses, pairs, lambda _: encoding.RidgeCV(ALPHAS, FOLDS, gap))


@experiment(needs=("cognival_eeg", "model-glove-50", "model-minilm-l6"), claims=("F1d",))
def eeg_encoding() -> pd.DataFrame:
    """Score of each space on each recording, on contiguous folds with a gap and on shuffled ones (the trap).

    ``score``: correlation, mean over electrodes; ``low`` and ``high``: over blocks of 20 words, all electrodes drawn
    together. ``n_found``: electrodes above the largest null score of any electrode (p <= .05; responses turned
    against predictions). ``neighbours in the recording`` knows no word at all, as the control of Hadidi et al.
    """
    tables = []
    for which in RECORDINGS:
        table, known = word_eeg(which), models.load("glove-50").rows
        at = np.flatnonzero([word in known for word in table.index])
        words, responses = table.index[at].tolist(), table.to_numpy(float)[at]
        n, spaces = len(words), word_spaces(words)
        folds = {"contiguous": splits.contiguous(n, FOLDS, GAP), "shuffled": splits.shuffled(n, FOLDS, 0)}
        for kind, pairs in folds.items():
            gap = GAP if kind == "contiguous" else 0
            predictions = {name: held_out(space, responses, pairs, gap) for name, space in spaces.items()}
            predictions["neighbours in the recording"] = neighbours(responses, at, pairs)
            truth = within_folds(responses, pairs)
            for name, predicted in predictions.items():
                row = summary(within_folds(predicted, pairs), truth)
                tables.append({"recording": which, "folds": kind, "model": name} | row)
    return pd.DataFrame(tables)


def summary(predicted: np.ndarray, truth: np.ndarray) -> dict:
    """``over_electrodes``, the interval over blocks of words, the null of responses turned against predictions."""
    null = encoding.null_of_predictions(truth, predicted, N_MOVES, "circular", least=GAP)
    blocks = np.arange(len(truth)) // BLOCK
    return over_electrodes(predicted, truth, blocks, null) | {"n_words": len(truth)}
