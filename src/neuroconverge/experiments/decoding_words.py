"""Finding F1b with voxels: words that were read, and objects that were seen, by way of the embedding of their names."""

from __future__ import annotations

from itertools import combinations

import numpy as np
import pandas as pd
from sklearn.metrics.pairwise import cosine_similarity

from .. import decoding, models, splits, stats
from ..datasets import (
    MITCHELL_SUBJECTS,
    PEREIRA_SUBJECTS,
    coco_captions,
    haxby,
    mitchell_nouns,
    pereira_words,
)
from ..encoding import RidgeCV
from . import experiment, here
from .decoding import dealt_anew, place_of_right
from .images92 import all_captions, words


def patterns(responses: pd.DataFrame) -> pd.DataFrame:
    """Responses with each word's pattern z-scored: its level is arbitrary in this source."""
    return responses.sub(responses.mean(axis=1), axis=0).div(responses.std(axis=1), axis=0)


PEOPLE = {"Pereira": (pereira_words, PEREIRA_SUBJECTS), "Mitchell": (mitchell_nouns, MITCHELL_SUBJECTS)}
N_DIMS = 50  # of GloVe; sentence encoders are brought down to as many


def reduced(model, texts: list[str]) -> np.ndarray:
    """Embeddings in 50 principal components of other words, those of the captions (texts, 50)."""
    other = sorted({word for caption in all_captions() for word in words(caption)} - set(texts))
    basis = models.features(model, other, what="embed")
    axes = np.linalg.svd(basis - basis.mean(0), full_matrices=False)[2][:N_DIMS]
    return (models.features(model, texts, what="embed") - basis.mean(0)) @ axes.T


def word_targets(texts: list[str]) -> dict[str, np.ndarray]:
    """What is decoded: embeddings of words, and what must be ruled out (length in letters, log rank of frequency)."""
    glove, minilm = models.load("glove-50"), models.load("minilm-l6")
    return {
        "GloVe": glove.embed(texts),
        "MiniLM": reduced(minilm, texts),
        "MiniLM untrained": reduced(models.randomise(minilm, 0), texts),
        "random vectors": np.random.default_rng(0).standard_normal((len(texts), N_DIMS)),
        "word length": np.array([[len(text)] for text in texts], float),
        "word frequency": np.log([[glove.rows[text] + 1] for text in texts]),
    }


def alike(targets: dict[str, np.ndarray]) -> list[str]:
    """One label a word, equal for words of the same length and the same third of frequency."""
    thirds = pd.qcut(targets["word frequency"][:, 0], 3, labels=False)
    return [
        f"{length:.0f} letters, third {third}"
        for length, third in zip(targets["word length"][:, 0], thirds, strict=True)
    ]


def known_words(texts: list[str]) -> list[str]:
    """The words that GloVe has a vector for: all but one of Pereira's."""
    glove = models.load("glove-50")
    return [text for text in texts if text in glove.rows]


N_SHUFFLED = 40
WORD_DATA = ("pereira_words", "mitchell_nouns", "model-glove-50", "model-minilm-l6")


@experiment(needs=WORD_DATA, claims=("F1b",))
def word_decoding() -> pd.DataFrame:
    """Pairwise accuracy of words decoded from voxels, for each embedding and control, beside its empirical null.

    ``pairs``: all, or words of the same length and frequency. ``null_mean``, ``p``: whole pipeline with shuffled
    pairing, the same shufflings for all people; ``p_people``: sign flips of score minus own null over people.
    """
    tables = []
    for data, (load, people) in PEOPLE.items():
        texts = known_words(load(people[0]).words)
        voxels = [patterns(load(person).responses).loc[texts].to_numpy() for person in people]
        targets, orders = word_targets(texts), decoding.pairings(len(texts), N_SHUFFLED)
        labels = {"all": None, "same length and frequency": alike(targets)}
        found = [_ridges(X, targets, orders, labels) for X in voxels]
        for m, model in enumerate(targets):
            tables += _word_rows([(won[m], null[:, m]) for won, null in found], labels, data, model)
        found = [_nearest(X, targets["GloVe"], orders, labels) for X in voxels]
        tables += _word_rows(found, labels, data, "GloVe, nearest training word")
    table = pd.concat(tables, ignore_index=True)
    # Words of one length cannot be told apart by their length.
    return table[(table["model"] != "word length") | (table["pairs"] == "all")].reset_index(drop=True)


def _ridges(X, targets, orders, labels) -> tuple[np.ndarray, np.ndarray]:
    """For one person, outcomes of all pairs (models, n, n) and accuracies when shuffled (n_perm, models, pairs)."""
    stacked = np.hstack(list(targets.values()))  # a ridge fits each column on its own: one fit does for all
    edges = np.cumsum([target.shape[1] for target in targets.values()])[:-1]

    def outcomes(predicted, target):
        return [
            _wins(*parts)
            for parts in zip(*(np.split(both, edges, axis=1) for both in (predicted, target)), strict=True)
        ]

    def score(predicted, target):
        return [
            [decoding.person_scores(won[None], w)[0] for w in labels.values()] for won in outcomes(predicted, target)
        ]

    null = decoding.shuffled_pairing_null(X, stacked, orders=orders, score=score)
    return np.array(outcomes(decoding.fit(X, stacked), stacked)), null


def _wins(predicted, target) -> np.ndarray:
    return decoding.wins(predicted, target, "cosine" if target.shape[1] > 1 else "euclidean")


def _nearest(X, target, orders, labels) -> tuple[np.ndarray, np.ndarray]:
    """The same for the embedding of the nearest training word (n, n) and (n_perm, pairs)."""
    at = decoding.nearest_training_item(X, np.arange(len(target))[:, None]).astype(int)[:, 0]
    dealt = [target[order] for order in orders]
    null = [[decoding.pairwise_accuracy(new[at], new, w) for w in labels.values()] for new in dealt]
    return decoding.wins(target[at], target), np.array(null)


def _word_rows(found, labels, data: str, model: str) -> list[pd.DataFrame]:
    won, null = np.array([one for one, _ in found]), np.array([two for _, two in found])
    rows = []
    for k, (pairs, within) in enumerate(labels.items()):
        table = decoding.accuracy_table({model: won}, within, null={model: null[:, :, k].T}, n_boot=1000)
        beyond = decoding.person_scores(won, within) - null[:, :, k].mean(1)
        p = stats.sign_flip(beyond).p if beyond.any() else np.nan
        rows.append(table.assign(p_people=p, n_above=int((beyond > 0).sum()), data=data, pairs=pairs))
    return rows


@experiment(needs=("haxby2001", "model-glove-50"), claims=("F1b",))
def object_decoding() -> pd.DataFrame:
    """Objects that one person saw (Haxby 2001), two ways of leaving out, embeddings of their names and random vectors.

    ``left_out`` run: every category was seen in training, so that any vectors do. Two categories: both were never
    seen in training, so that only vectors that say how categories resemble one another can do. Null (mean, 95 % range)
    and ``p``: names dealt to other categories, whole pipeline. Random vectors: mean and range of 100 draws.
    """
    X, labels, runs = _blocks()
    names = sorted(set(labels))
    codes = np.array([names.index(label) for label in labels])
    glove, rng = models.load("glove-50").embed(names), np.random.default_rng(0)
    orders = np.vstack([np.arange(len(names)), decoding.pairings(len(names), 99)])
    made = {"GloVe": glove[orders], "random vectors": rng.standard_normal((100, len(names), N_DIMS))}
    rows = []
    for model, dealt in made.items():
        for left_out, score in (("run", _leave_run), ("two categories", _leave_two)):
            scores = score(X, codes, runs, dealt)
            null, real = scores[1:], model == "GloVe"
            low, high = np.quantile(null, [0.025, 0.975])
            row = {"model": model, "left_out": left_out, "score": scores[0] if real else scores.mean()}
            row |= {"null_mean": null.mean(), "null_low": low, "null_high": high}
            row |= {"p": decoding.p_value(scores[0], null) if real else np.nan, "n_subjects": 1}
            rows.append(row | {"n_categories": len(names), "n_runs": len(set(runs))})
    return pd.DataFrame(rows)


def _blocks() -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Mean pattern of each category and run, 5 s later than the labels; scrambled pictures have no name to embed."""
    data = haxby()
    late = round(5 / data.tr_s)
    table = pd.DataFrame(data.responses[late:])
    means = table.groupby([data.runs[:-late], data.labels[:-late]]).mean()
    means = means.drop(index=["rest", "scrambledpix"], level=1)
    runs, labels = (means.index.get_level_values(level).to_numpy() for level in (0, 1))
    return means.to_numpy(float), labels, runs


def _leave_run(X, codes, runs, dealt) -> np.ndarray:
    """Accuracy on pairs of one run, for each dealing of vectors (dealings, categories, dims)."""
    width = dealt.shape[2]
    predicted = decoding.fit(X, np.hstack(list(dealt[:, codes])), splits.grouped(runs))
    parts = np.split(predicted, range(width, predicted.shape[1], width), axis=1)
    return np.array([decoding.pairwise_accuracy(p, v[codes], runs) for p, v in zip(parts, dealt, strict=True)])


def _leave_two(X, codes, runs, dealt) -> np.ndarray:
    """Accuracy on pairs of categories, both left out of training, each prediction averaged over runs."""
    won = []
    for pair in combinations(range(dealt.shape[1]), 2):
        train = ~np.isin(codes, pair)
        centre, spread = X[train].mean(0), X[train].std(0)
        model = RidgeCV(decoding.ALPHAS, splits.grouped(codes[train]))
        model.fit((X[train] - centre) / spread, np.hstack(list(dealt[:, codes[train]])))
        tested = np.array([X[codes == category].mean(0) for category in pair])
        # Both predictions come from one fit, so its mean favours neither.
        parts = model.predict((tested - centre) / spread).reshape(2, len(dealt), -1).swapaxes(0, 1)
        won.append([decoding.pairwise_accuracy(p, v[list(pair)]) for p, v in zip(parts, dealt, strict=True)])
    return np.mean(won, axis=0)


def word_queries() -> tuple[list[str], dict[str, np.ndarray]]:
    """Pereira's words, and what stands for each: decoded (mean over 15 people), true, nearest training word (n, 50)."""
    texts = known_words(pereira_words(PEREIRA_SUBJECTS[0]).words)
    target = models.load("glove-50").embed(texts).astype(float)
    voxels = [patterns(pereira_words(person).responses).loc[texts].to_numpy() for person in PEREIRA_SUBJECTS]
    found = {
        "decoded from 15 people": np.mean([decoding.fit(X, target) for X in voxels], axis=0),
        "nearest training word": np.mean([decoding.nearest_training_item(X, target) for X in voxels], axis=0),
        "true embedding": target,
    }
    return texts, {name: query - target.mean(0) for name, query in found.items()}


def caption_dictionary(captions: list[str]) -> np.ndarray:
    """GloVe vectors of captions less their mean (captions, 50): all sentences share the direction of small words."""
    entries = models.load("glove-50").embed(captions).astype(float)
    return entries - entries.mean(0)


def mentioned(texts: list[str], captions: list[str]) -> np.ndarray:
    """Which captions hold which word (words, captions)."""
    spoken = [set(words(caption)) for caption in captions]
    return np.array([[text in said for said in spoken] for text in texts])


@experiment(needs=("pereira_words", "coco", "model-glove-50"), claims=("F1b",))
def word_retrieval() -> pd.DataFrame:
    """Look up what 15 people read in 25,014 captions: do captions that mention the word come out on top?

    ``score``: chance that a caption with the word is nearer than one without (.5 by chance), mean over the words that
    five captions or more mention; ``null_mean``, ``p``: predictions dealt to other words. ``top10``: share of words
    that one of the ten nearest captions mentions.
    """
    texts, queries = word_queries()
    captions = coco_captions()["caption"].tolist()
    entries, holds = caption_dictionary(captions), mentioned(texts, captions)
    common, rows = holds.sum(1) >= 5, []
    for name, query in queries.items():
        places = place_of_right(cosine_similarity(query[common], entries), holds[common])
        top, _ = decoding.retrieve(query[common], entries, 10)
        hit = np.take_along_axis(holds[common], top, 1).any(1).mean()
        rows.append({"query": name, "score": np.diag(places).mean(), **dealt_anew(places), "top10": hit})
    return pd.DataFrame(rows).assign(n_words=int(common.sum()), n_captions=len(captions))


def caption_list() -> list[str]:
    """COCO's 25,014 captions where they can be had, else the 460 that ship with this package; says which."""
    shipped = all_captions()
    found = here(coco_captions, "captions of COCO", f"the {len(shipped)} captions that ship stand in")
    if found is None:
        return shipped
    print(f"Dictionary: {len(found):,} captions by people (COCO).")
    return found["caption"].tolist()


def word_cases() -> pd.DataFrame:
    """Best, median and worst of Pereira's words: nearest caption of the decoded and of the true embedding.

    Among the words that five captions or more mention. Empty, and says so, where the recordings cannot be had.
    """
    captions = caption_list()
    loaded = here(word_queries, "recordings", "no cases are shown")
    if loaded is None:
        return pd.DataFrame(columns=["word", "score", "decoded", "true embedding"])
    texts, queries = loaded
    entries, holds = caption_dictionary(captions), mentioned(texts, captions)
    common = holds.sum(1) >= 5
    decoded, true = (queries[name][common] for name in ("decoded from 15 people", "true embedding"))
    score = np.diag(place_of_right(cosine_similarity(decoded, entries), holds[common]))
    order = np.argsort(-score)
    shown = order[[0, 1, len(order) // 2, len(order) // 2 + 1, -2, -1]]
    found = {"word": np.array(texts)[common][shown], "score": score[shown]}
    for name, query in (("decoded", decoded), ("true embedding", true)):
        found[name] = [captions[row] for row in decoding.retrieve(query[shown], entries, 1)[0][:, 0]]
    return pd.DataFrame(found, index=["best", "second", "median", "next", "last but one", "worst"])
