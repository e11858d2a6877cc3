"""Odd-one-out choices: what an embedding would choose, how well it does, and how well people could be predicted.

A row of a triplet names three objects, the odd one last. The odd one is the object whose two companions are the most
similar pair. Chance is one in three.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd
from scipy.spatial.distance import cdist
from scipy.stats import binomtest, norm

from .checks import aligned, as_array, one_of
from .errors import BadInput
from .triplets_data import (
    CHANCE,
    Triplets,
    best_pairs,
    joined,
    labels_of,
    pair_similarities,
    plain_rows,
    repeats,
    standard_error,
)
from .triplets_fit import EmbeddingSet, TripletEmbedding, fit_embedding, fit_many, match_dimensions
from .triplets_prompt import PromptChoices, choose_by_prompt

__all__ = [
    "CHANCE",
    "Accuracy",
    "Categorisation",
    "Ceiling",
    "Difference",
    "EmbeddingSet",
    "PromptChoices",
    "TripletEmbedding",
    "Triplets",
    "accuracy",
    "accuracy_by_dimensions",
    "categorisation",
    "ceiling",
    "choose",
    "choose_by_prompt",
    "difference",
    "fit_embedding",
    "fit_many",
    "hits",
    "match_dimensions",
    "similarity_matrix",
    "split_half",
]
SIMILARITIES = ("dot", "cosine", "euclidean")
_BLOCK = 256 * 1024  # numbers held at a time in similarity_matrix: they stay in the processor's cache
_REACH = norm.ppf(0.975)


@dataclass(frozen=True)
class Accuracy:
    """Share of choices predicted, with its 95 % interval; ``n`` choices, of which ``n_tied`` were ties.

    A tie counts as a third, or as a half when two pairs are tied, as if it were broken at random.
    ``ceiling``: agreement of repeated human choices, if any triplet was repeated.
    """

    accuracy: float
    low: float
    high: float
    n: int
    n_tied: int
    chance: float = CHANCE
    ceiling: Ceiling | None = None


@dataclass(frozen=True)
class Difference:
    """Accuracy ``first`` minus accuracy ``second`` on the same ``n`` choices, with its 95 % interval."""

    difference: float
    low: float
    high: float
    first: float
    second: float
    n: int


@dataclass(frozen=True)
class Ceiling:
    """How well any model could predict choices among triplets that were judged more than once.

    ``lower``: each choice predicted by the most frequent of the other choices for the same triplet, with its 95 %
    interval. ``upper``: the most frequent of all choices, the predicted one included. With two or three judgements a
    triplet the two lie far apart and the truth in between. ``agreement``: how often two judgements are the same.
    """

    lower: float
    low: float
    high: float
    upper: float
    agreement: float
    n_triplets: int
    n_choices: int


@dataclass(frozen=True)
class Categorisation:
    """Share of objects that fall into their own category, with a 95 % interval (Wilson) over objects.

    ``majority``: the share that always naming the largest category would get. ``by_category``: n and accuracy of each.
    ``predicted``: the category of the nearest centroid, one an object.
    """

    accuracy: float
    low: float
    high: float
    n: int
    n_categories: int
    majority: float
    by_category: pd.DataFrame
    predicted: pd.Series


def choose(embedding, triplets, similarity: str = "dot", seed: int = 0) -> np.ndarray:
    """Column (choices,), 0 to 2, of the odd one out: the object outside the most similar pair.

    ``embedding`` (objects, dims): array in the order of the object numbers, or a table with the objects' names, which
    is joined to named ``triplets``. ``similarity``: dot, cosine, or euclidean (the nearest pair stays). Ties are broken
    at random with ``seed``. Raises BadInput for objects out of range or missing, NaN, and rows of 0 with cosine.
    """
    one_of(similarity, "similarity", SIMILARITIES)
    best = best_pairs(pair_similarities(*joined(embedding, triplets), similarity))
    return np.where(best, np.random.default_rng(seed).random(best.shape), -1).argmax(1)


def accuracy(embedding_or_choices, triplets, similarity: str = "dot") -> Accuracy:
    """Share of people's choices that an embedding (objects, dims), or given columns (choices,), predict.

    The interval knows that choices with an object in common are not independent: it speaks of new choices about new
    objects of the same kind. If triplets repeat, the human ceiling comes along.
    """
    best, rows = _chosen(embedding_or_choices, triplets, similarity)
    predicted = best[:, 2] / best.sum(1)
    share, reach = predicted.mean(), _REACH * standard_error(predicted, rows)
    n_tied = int((best.sum(1) > 1).sum())
    limit = ceiling(rows) if len(np.unique(repeats(rows)[0])) < len(rows) else None
    low, high = float(max(share - reach, 0)), float(min(share + reach, 1))
    return Accuracy(float(share), low, high, len(rows), n_tied, ceiling=limit)


def difference(first, second, triplets, similarity: str = "dot") -> Difference:
    """How much better the first embedding (objects, dims), or given columns (choices,), predicts than the second.

    Both meet the same choices, so the interval is that of the paired difference, over new choices about new objects.
    ``similarity`` is for both; rows of unit length make a dot product a cosine.
    """
    one, other = (hits(given, triplets, similarity) for given in (first, second))
    apart = one - other
    gap, reach = apart.mean(), _REACH * standard_error(apart, plain_rows(triplets))
    return Difference(*map(float, (gap, gap - reach, gap + reach, one.mean(), other.mean())), n=len(apart))


def hits(embedding_or_choices, triplets, similarity: str = "dot") -> np.ndarray:
    """How far each choice (choices,) is predicted: 1, 0, or a half or a third where pairs are tied."""
    best, _ = _chosen(embedding_or_choices, triplets, similarity)
    return best[:, 2] / best.sum(1)


def _chosen(given, triplets, similarity: str) -> tuple[np.ndarray, np.ndarray]:
    """Mask (choices, 3) of the columns that an embedding, or given columns, calls odd, and the rows."""
    if np.ndim(given) == 1:
        rows = plain_rows(triplets)
        chosen = as_array(given, "choices", ndim=1)
        if len(chosen) != len(rows) or not np.isin(chosen, (0, 1, 2)).all():
            raise BadInput(f"choices: wanted {len(rows)} columns from 0 to 2, one a triplet; drop unanswered triplets")
        return chosen[:, None] == np.arange(3), rows
    one_of(similarity, "similarity", SIMILARITIES)
    values, rows = joined(given, triplets)
    return best_pairs(pair_similarities(values, rows, similarity)), rows


def accuracy_by_dimensions(embedding, triplets, ks=(1, 2, 3, 5, 8, 13, 21, 34, 55), own: bool = False) -> pd.DataFrame:
    """Accuracy with only k dimensions kept: columns ``k, accuracy, low, high``.

    The first k columns of the embedding for all objects, or with ``own`` the k largest weights of each object, as in
    the counts of Hebart 2020 and Du 2025.
    """
    values, rows = joined(embedding, triplets)
    order = (
        np.argsort(-values, axis=1, kind="stable") if own else np.broadcast_to(np.arange(values.shape[1]), values.shape)
    )
    place = np.argsort(order, axis=1)
    table = []
    for k in sorted({min(k, values.shape[1]) for k in ks}):
        kept = accuracy(np.where(place < k, values, 0), rows)
        table.append((k, kept.accuracy, kept.low, kept.high))
    return pd.DataFrame(table, columns=["k", "accuracy", "low", "high"])


def ceiling(triplets, people=None) -> Ceiling:
    """Human ceiling from triplets that were judged more than once, whatever the order of their three objects.

    ``people``: one label a choice; then each choice is predicted from other people's choices only. Ties among the
    others count as chance among those tied. Raises BadInput if no triplet has two judgements (by two people).
    """
    groups, odd = repeats(triplets)
    counts = np.zeros((groups.max() + 1, 3))
    np.add.at(counts, (groups, odd), 1)
    own = np.eye(3)[odd]
    if people is not None:
        own = _own_counts(groups, odd, people)
    others = counts[groups] - own
    seen = others.sum(1) > 0
    if not seen.any():
        raise BadInput("triplets: no triplet was judged more than once (by different people); a ceiling needs repeats")
    groups, odd, others = groups[seen], odd[seen], others[seen]
    top = others == others.max(1, keepdims=True)
    rows = np.arange(len(odd))
    predicted = top[rows, odd] / top.sum(1)
    agreement = others[rows, odd] / others.sum(1)
    # Whole triplets are what was sampled: the interval is over them.
    sums = np.bincount(groups, predicted - predicted.mean())
    used = np.unique(groups)
    reach = _REACH * np.sqrt((sums**2).sum()) / len(predicted)
    upper = counts[used].max(1).sum() / counts[used].sum()
    lower = predicted.mean()
    return Ceiling(
        *map(float, (lower, max(lower - reach, 0), min(lower + reach, 1), upper, agreement.mean())),
        n_triplets=len(used),
        n_choices=len(predicted),
    )


def _people(people, n: int) -> tuple[np.ndarray, np.ndarray]:
    codes, names = pd.factorize(np.asarray(people, dtype=object))
    if len(codes) != n or (codes < 0).any():
        raise BadInput(f"people: wanted a label for each of {n} choices, got {len(codes)}, {(codes < 0).sum()} missing")
    return codes, names


def _own_counts(groups: np.ndarray, odd: np.ndarray, people) -> np.ndarray:
    """Choices (choices, 3) of the same person about the same triplet, this one included."""
    codes, names = _people(people, len(odd))
    own = np.unique(groups * len(names) + codes, return_inverse=True)[1]
    counts = np.zeros((own.max() + 1, 3))
    np.add.at(counts, (own, odd), 1)
    return counts[own]


def split_half(triplets, people, n_splits: int = 100, seed: int = 0) -> float:
    """Mean agreement of the most frequent choices of two random halves of the people, over triplets both judged."""
    groups, odd = repeats(triplets)
    codes, names = _people(people, len(odd))
    if len(names) < 2:
        raise BadInput("people: only one; wanted at least two")
    rng, found = np.random.default_rng(seed), []
    for _ in range(n_splits):
        half = rng.permutation(len(names))[codes] < len(names) // 2
        counts = np.zeros((2, groups.max() + 1, 3))
        np.add.at(counts, (half.astype(int), groups, odd), 1)
        both = (counts.sum(2) > 0).all(0)
        top = counts[:, both] == counts[:, both].max(2, keepdims=True)
        if both.any():
            # The chance that the two agree when each breaks its ties at random.
            found.append((top[0] * top[1] / top[0].sum(1, keepdims=True) / top[1].sum(1, keepdims=True)).sum(1).mean())
    if not found:
        raise BadInput("people: no triplet was judged in both halves; a split needs repeated triplets")
    return float(np.mean(found))


def similarity_matrix(embedding):
    """How often two objects stay together, over all third objects: (objects, objects), from 0 to 1, diagonal 1.

    The probability is the softmax over the three dot products. Table in, table out. 1,854 objects take seconds.
    Source: Hebart 2020. Raises BadInput for fewer than 3 objects
    and dot products so far apart that every choice is certain.
    """
    values = as_array(embedding, "embedding", ndim=2)
    n = len(values)
    if n < 3:
        raise BadInput(f"embedding: {n} objects; wanted at least 3")
    dots = values @ values.T
    # Only ratios of exponentials count, so that the mid-point may be anything; float32 while its range allows. No
    # object meets itself, so that the diagonal may be anything too.
    np.fill_diagonal(dots, dots[0, 1])
    dots -= (dots.max() + dots.min()) / 2
    if dots.max() > 700:
        raise BadInput(f"embedding: dot products span {2 * dots.max():.0f}, too much for a softmax; scale it down")
    exps = np.exp(dots if dots.max() > 40 else dots.astype(np.float32))
    out, step = np.zeros((n, n)), max(1, _BLOCK // n)
    for i in range(n):
        for start in range(i + 1, n, step):
            stop = min(start + step, n)
            own, others = exps[i, start:stop], np.arange(start, stop)
            total = exps[start:stop] + exps[i]
            total += own[:, None]
            total = np.reciprocal(total, out=total).sum(1, dtype=np.float64)
            # The third object is neither of the two.
            for same in (exps[i, i], exps[others, others]):
                total -= np.reciprocal(same + exps[i, others] + own)
            out[i, start:stop] = own * total / (n - 2)
    out += out.T + np.eye(n)
    names = labels_of(embedding)
    return out if names is None else pd.DataFrame(out, index=names, columns=names)


def categorisation(embedding, categories) -> Categorisation:
    """Leave-one-out nearest centroid (Euclidean): does each object lie nearest to the others of its category?

    ``embedding`` (objects, dims), ``categories``: one label an object. A table and a Series are joined on their index;
    objects without a category are left out. Source: Hebart 2020, Du 2025. Raises BadInput for a category of one.
    """
    if isinstance(embedding, pd.DataFrame) and isinstance(categories, pd.Series):
        embedding = embedding.loc[embedding.index.isin(categories.index)]
        categories = aligned(categories, embedding.index, "categories")
    values = as_array(embedding, "embedding", ndim=2)
    if len(categories) != len(values):
        raise BadInput(f"categories: {len(categories)} labels for {len(values)} objects")
    labels = pd.Series(categories, index=labels_of(embedding), dtype=object)
    values, labels = values[labels.notna()], labels.dropna().astype(str)
    codes, names = pd.factorize(labels, sort=True)
    if len(names) < 2:
        raise BadInput(f"categories: {len(names)} of {len(values)} labelled objects; wanted at least 2")
    sizes = np.bincount(codes)
    if sizes.min() < 2:
        raise BadInput(
            f"categories: {names[sizes.argmin()]!r} has {sizes.min()} of {len(values)} objects; wanted 2 each"
        )
    centroids = np.stack([np.bincount(codes, column) / sizes for column in values.T], axis=1)
    distances = cdist(values, centroids)
    # Without the object itself, its own centroid lies further off by just this factor.
    distances[np.arange(len(codes)), codes] *= (sizes / (sizes - 1))[codes]
    found = distances.argmin(1)
    hits = found == codes
    low, high = binomtest(int(hits.sum()), len(hits)).proportion_ci(method="wilson")
    each = pd.DataFrame(
        {"n": sizes, "accuracy": np.bincount(codes, hits) / sizes}, index=pd.Index(names, name="category")
    )
    predicted = pd.Series(names[found], index=labels.index, name="predicted")
    share, majority = float(hits.mean()), float(sizes.max() / len(codes))
    return Categorisation(share, float(low), float(high), len(hits), len(names), majority, each, predicted)
