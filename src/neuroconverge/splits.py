"""Training and test rows: contiguous blocks with a gap, whole groups, unseen word types.

Every function returns a list of ``(train, test)`` pairs of sorted row indices; no row is in both.
"""

from __future__ import annotations

import string
from collections.abc import Sequence

import numpy as np

from .errors import BadInput

Pairs = list[tuple[np.ndarray, np.ndarray]]


def contiguous(n: int, k: int, gap: int = 0) -> Pairs:
    """k folds of neighbouring rows, for anything recorded in order.

    The first ``n % k`` test blocks are one row longer, as in scikit-learn's KFold. ``gap``: rows left out of the
    training part on each side of the test block; at least the longest lag that the features or the noise span.
    Raises BadInput for k < 2, k > n, or a gap that leaves no training rows.
    """
    n, k, gap = _count(n, "n", 1), _count(k, "k", 2), _count(gap, "gap", 0)
    if k > n:
        raise BadInput(f"k: {k} folds of {n} rows; wanted at most one fold a row")
    edges = np.cumsum(np.r_[0, np.full(k, n // k) + (np.arange(k) < n % k)])
    rows = np.arange(n)
    return _kept(
        [
            (np.r_[rows[: max(start - gap, 0)], rows[stop + gap :]], rows[start:stop])
            for start, stop in zip(edges[:-1], edges[1:], strict=True)
        ],
        f"gap: {gap} rows on each side of {k} test blocks in {n} rows",
    )


def grouped(groups: Sequence, k: int | None = None) -> Pairs:
    """Folds that never divide a group (a story, a passage, a run, a patient).

    ``groups``: one label a row. ``k``: number of folds, filled largest group first so that they hold about as many
    rows; None leaves out one group at a time, in order of appearance. Raises BadInput for more folds than groups.
    """
    codes, n_groups = _codes(groups, "groups")
    k = n_groups if k is None else _count(k, "k", 2)
    if n_groups < 2 or k > n_groups:
        raise BadInput(f"k: {k} folds of {n_groups} groups; wanted at least 2 groups and at most one fold a group")
    return _whole_groups(codes, np.arange(n_groups), k)


def disjoint_words(words: Sequence[str], k: int, seed: int) -> Pairs:
    """Folds whose test words never occur in training: all tokens of a word type fall on the same side.

    Case and surrounding punctuation do not make another word. Types are dealt out at random, each to the fold that
    has the fewest rows so far. Tests whether a model knows words it was not fitted on, as in zero-shot decoding; it
    does not keep neighbours in time apart, so noise that drifts still leaks. Raises BadInput for more folds than types.
    """
    words = [str(word) for word in words]
    bare = [word.casefold().strip(string.punctuation + string.whitespace + "“”‘’…–—") for word in words]
    codes, n_types = _codes([b or w for b, w in zip(bare, words, strict=True)], "words")
    k = _count(k, "k", 2)
    if k > n_types:
        raise BadInput(f"k: {k} folds of {n_types} different words; wanted at most one fold a word")
    return _whole_groups(codes, np.random.default_rng(seed).permutation(n_types), k)


def shuffled(n: int, k: int, seed: int) -> Pairs:
    """k folds of rows drawn at random. ONLY to demonstrate the trap: never for ordered data.

    With autocorrelated rows each test row has a neighbour in training, so that noise predicts noise. Use
    ``contiguous`` with a gap for time series and ``grouped`` for repeated stimuli.
    """
    order = np.random.default_rng(seed).permutation(_count(n, "n", 1))
    return [(np.sort(order[train]), np.sort(order[test])) for train, test in contiguous(n, k)]


def folds(cv, n: int, gap: int = 0) -> Pairs:
    """``cv`` as pairs: ``contiguous`` folds with that gap if it is a number, else the pairs given, ``checked``."""
    return contiguous(n, cv, gap) if isinstance(cv, (int, np.integer)) else checked(cv, n)


def checked(pairs, n: int, name: str = "cv") -> Pairs:
    """The pairs as arrays of row indices; raises BadInput if one is empty, out of range, doubled or on both sides."""
    try:
        pairs = [(np.asarray(train), np.asarray(test)) for train, test in pairs]
    except (TypeError, ValueError):
        raise BadInput(f"{name}: wanted a number of folds or a list of (train, test) pairs of row indices") from None
    if not pairs:
        raise BadInput(f"{name}: an empty list; wanted at least one (train, test) pair")
    for number, pair in enumerate(pairs):
        for side, rows in zip(("train", "test"), pair, strict=True):
            where = f"{name}[{number}] {side}"
            if rows.ndim != 1 or rows.size == 0 or rows.dtype.kind not in "iu":
                raise BadInput(f"{where}: wanted a non-empty vector of row indices, got {rows.dtype} {rows.shape}")
            if rows.min() < 0 or rows.max() >= n:
                raise BadInput(f"{where}: rows {rows.min()} to {rows.max()}, but the data have rows 0 to {n - 1}")
            if len(np.unique(rows)) < len(rows):
                raise BadInput(f"{where}: a row is listed more than once")
        both = np.intersect1d(*pair)
        if len(both):
            raise BadInput(f"{name}[{number}]: {len(both)} rows in training and in test, the first is row {both[0]}")
    return pairs


def _count(value, name: str, least: int) -> int:
    if isinstance(value, bool) or not isinstance(value, (int, np.integer)) or value < least:
        raise BadInput(f"{name}: got {value!r}; wanted a whole number of at least {least}")
    return int(value)


def _codes(labels: Sequence, name: str) -> tuple[np.ndarray, int]:
    """Labels as numbers in order of appearance, and how many there are."""
    order: dict = {}
    codes = np.array([order.setdefault(label, len(order)) for label in np.asarray(labels).tolist()], dtype=int)
    if codes.size == 0:
        raise BadInput(f"{name}: empty; wanted one label a row")
    return codes, len(order)


def _whole_groups(codes: np.ndarray, order: np.ndarray, k: int) -> Pairs:
    """Groups into k folds, the largest first (ties in the order given), each to the fold with the fewest rows."""
    sizes = np.bincount(codes)
    fold_of, rows_in = np.empty(len(sizes), int), np.zeros(k)
    for group in order[np.argsort(-sizes[order], kind="stable")]:
        fold_of[group] = np.argmin(rows_in)
        rows_in[fold_of[group]] += sizes[group]
    if k == len(sizes):
        fold_of = np.arange(k)
    folds = fold_of[codes]
    return [(np.flatnonzero(folds != fold), np.flatnonzero(folds == fold)) for fold in range(k)]


def _kept(pairs: Pairs, what: str) -> Pairs:
    empty = [str(number) for number, (train, _) in enumerate(pairs) if len(train) == 0]
    if empty:
        raise BadInput(f"{what} leave no training rows in fold {', '.join(empty)}; make it smaller")
    return pairs
