"""Sets of RDMs: making them, choosing among them, and matching them by the names of their items.

Two sets that do not hold the same items cannot be compared by mistake: rows are joined by the pattern
descriptor ``item``, never by their place.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from rsatoolbox.rdm import RDMs
from scipy.spatial.distance import pdist

from .checks import as_array, one_of, unique_labels
from .errors import BadInput

DISTANCES = ("correlation", "euclidean", "sqeuclidean", "cosine", "jaccard")
MIN_STIMULI = 3


def rdm(features, method: str = "correlation", ids: Sequence[str] | None = None) -> RDMs:
    """RDM of one feature matrix (stimuli, dimensions), or one RDM for each entry of a mapping of them.

    ``method``: correlation, euclidean, sqeuclidean, cosine or jaccard distance (no unit). ``ids``: one name
    for each stimulus. Raises BadInput for NaN, fewer than three stimuli, or a row without variance.
    """
    one_of(method, "method", DISTANCES)
    table = features if isinstance(features, Mapping) else {"features": features}
    if not table:
        raise BadInput("features: an empty mapping; wanted at least one feature matrix")
    vectors = [_distances(as_array(values, f"features[{name!r}]", 2), name, method) for name, values in table.items()]
    if len({len(vector) for vector in vectors}) > 1:
        raise BadInput("features: the matrices differ in their number of stimuli")
    patterns = None
    if ids is not None:
        patterns = {"item": unique_labels(ids, "ids", count_stimuli(len(vectors[0])))}
    return RDMs(
        np.array(vectors),
        dissimilarity_measure=method,
        rdm_descriptors={"model": list(table)},
        pattern_descriptors=patterns,
    )


def _distances(matrix: np.ndarray, name: str, method: str) -> np.ndarray:
    if len(matrix) < MIN_STIMULI:
        raise BadInput(f"features[{name!r}]: {len(matrix)} stimuli; an RDM needs at least {MIN_STIMULI}")
    # A row that is flat but for rounding has no pattern either.
    flat = matrix.std(axis=1) <= 1e-12 * np.abs(matrix).max(axis=1) if method == "correlation" else ~matrix.any(axis=1)
    if method in ("correlation", "cosine") and flat.any():
        raise BadInput(
            f"features[{name!r}]: row {np.argmax(flat)} has no variance, so its {method} distance is undefined; "
            "drop that stimulus or use method='euclidean'"
        )
    return pdist(matrix, method)


def stack(sets: Mapping[str, RDMs]) -> RDMs:
    """Join single RDMs of several models, by name, into one set; items are matched."""
    if not sets:
        raise BadInput("sets: an empty mapping; wanted at least one RDM")
    first = next(iter(sets.values()))
    vectors = [matched(first, other, name)[0] for name, other in sets.items()]
    return RDMs(
        np.array(vectors), rdm_descriptors={"model": list(sets)}, pattern_descriptors=dict(first.pattern_descriptors)
    )


def average(rdms: RDMs, by: str = "subject") -> RDMs:
    """Mean RDM for each value of an RDM descriptor, such as the sessions of each subject."""
    if by not in rdms.rdm_descriptors:
        raise BadInput(f"by: no RDM descriptor {by!r}; there are {', '.join(rdms.rdm_descriptors)}")
    labels = np.asarray(rdms.rdm_descriptors[by])
    values = list(dict.fromkeys(labels.tolist()))
    vectors = rdms.get_vectors()
    means = np.array([vectors[labels == value].mean(0) for value in values])
    return RDMs(means, rdm_descriptors={by: values}, pattern_descriptors=dict(rdms.pattern_descriptors))


def select(rdms: RDMs, items: Sequence[str]) -> RDMs:
    """The same RDMs for some of the items, in the order given."""
    known = item_names(rdms)
    unique_labels(items, "items", len(items))
    missing = [item for item in items if item not in known]
    if missing or len(items) < MIN_STIMULI:
        raise BadInput(f"items: unknown {missing[:5]}" if missing else f"items: {len(items)} given, at least 3 wanted")
    rows = [known.index(item) for item in items]
    upper = np.triu_indices(len(rows), 1)
    matrices = rdms.get_matrices()[:, rows][:, :, rows]
    return RDMs(
        matrices[:, upper[0], upper[1]],
        rdm_descriptors={key: list(value) for key, value in rdms.rdm_descriptors.items() if key != "index"},
        pattern_descriptors={"item": list(items)},
    )


def pick(rdms: RDMs, models: Sequence[str]) -> RDMs:
    """Some of the models, by name, in the order given."""
    known = model_names(rdms)
    unknown = [name for name in models if name not in known]
    if unknown:
        raise BadInput(f"models: no {', '.join(unknown)}; there are {', '.join(known)}")
    return RDMs(
        rdms.get_vectors()[[known.index(name) for name in models]],
        rdm_descriptors={"model": list(models)},
        pattern_descriptors=dict(rdms.pattern_descriptors),
    )


def count_stimuli(n_pairs: int, name: str = "rdm") -> int:
    """Number of stimuli behind a vector of pairs; raises BadInput when there is none."""
    n = round((1 + np.sqrt(1 + 8 * n_pairs)) / 2)
    if n * (n - 1) // 2 != n_pairs:
        raise BadInput(f"{name}: {n_pairs} entries are no upper triangle of a square matrix")
    if n < MIN_STIMULI:
        raise BadInput(f"{name}: {n} stimuli; an RDM needs at least {MIN_STIMULI}")
    return n


def vectors_of(rdms, name: str) -> np.ndarray:
    """Dissimilarities (k, pairs) of RDMs, of a (pairs,) or (k, pairs) array, or of (n, n) or (k, n, n) matrices."""
    values = rdms.get_vectors() if isinstance(rdms, RDMs) else as_array(rdms, name)
    # k RDMs of k pairs are square as well; only a matrix is symmetric around a diagonal of zeros.
    if values.ndim == 2 and _are_matrices(values[None]):
        values = values[None]
    if values.ndim == 3:
        if not _are_matrices(values):
            raise BadInput(f"{name}: {values.shape} holds no RDMs: wanted square, symmetric, zero on the diagonal")
        upper = np.triu_indices(values.shape[-1], 1)
        values = values[:, upper[0], upper[1]]
    values = as_array(np.atleast_2d(values), name, ndim=2)
    count_stimuli(values.shape[1], name)
    flat = np.ptp(values, axis=1) == 0
    if flat.any():
        raise BadInput(f"{name}: RDM {np.argmax(flat)} is constant, so nothing can agree or disagree with it")
    return values


def _are_matrices(values: np.ndarray) -> bool:
    if values.shape[1] != values.shape[2]:
        return False
    tolerance = 1e-8 * np.abs(values).max()
    diagonals = np.diagonal(values, axis1=1, axis2=2)
    return np.abs(diagonals).max() <= tolerance and np.abs(values - values.swapaxes(1, 2)).max() <= tolerance


def paired(model, brain) -> tuple[np.ndarray, np.ndarray]:
    """Vectors of both sets with their items in the same order; raises BadInput where that cannot be."""
    if isinstance(model, RDMs) != isinstance(brain, RDMs):
        raise BadInput("model, brain: one has item names and the other is a bare array; give both as RDMs, or neither")
    if isinstance(model, RDMs):
        return matched(brain, model, "model", squeeze=False), vectors_of(brain, "brain")
    left, right = vectors_of(model, "model"), vectors_of(brain, "brain")
    if left.shape[1] != right.shape[1]:
        raise BadInput(f"model, brain: {count_stimuli(left.shape[1])} and {count_stimuli(right.shape[1])} stimuli")
    return left, right


def matched(reference: RDMs, other: RDMs, name: str, squeeze: bool = True) -> np.ndarray:
    """Vectors of ``other`` with its items in the order of ``reference``."""
    wanted, got = item_names(reference), item_names(other)
    if bool(wanted) != bool(got):
        raise BadInput(f"{name}: only one of the two sets names its items; give ids= to rsa.rdm")
    if reference.n_cond < MIN_STIMULI:
        raise BadInput(f"{name}: {reference.n_cond} stimuli; an RDM needs at least {MIN_STIMULI}")
    if sorted(wanted) != sorted(got):
        missing, extra = sorted(set(wanted) - set(got))[:5], sorted(set(got) - set(wanted))[:5]
        raise BadInput(f"{name}: the items differ; missing {missing}, unexpected {extra}")
    if reference.n_cond != other.n_cond:
        raise BadInput(f"{name}: {other.n_cond} stimuli, {reference.n_cond} wanted")
    unique_labels(wanted or range(reference.n_cond), "item", reference.n_cond)
    if wanted != got:
        other = select(other, wanted)
    vectors = vectors_of(other, name)
    if squeeze and len(vectors) != 1:
        raise BadInput(f"{name}: holds {len(vectors)} RDMs; one is wanted")
    return vectors


def one_per_subject(brain, vectors: np.ndarray | None = None) -> np.ndarray:
    """Vectors of the subjects; a subject that appears twice would count as two people."""
    labels = brain.rdm_descriptors.get("subject") if isinstance(brain, RDMs) else None
    if labels is not None and len(set(labels)) < len(labels):
        raise BadInput("brain: a subject appears more than once; rsa.average(brain, by='subject') joins the sessions")
    return vectors_of(brain, "brain") if vectors is None else vectors


def item_names(rdms) -> list[str]:
    """Names of the items; empty for a bare array and for RDMs without them."""
    return [str(item) for item in getattr(rdms, "pattern_descriptors", {}).get("item", [])]


def model_names(models) -> list[str]:
    """The ``model`` descriptor, or ``model 0``, ``model 1``, ...; raises BadInput for a name used twice."""
    if isinstance(models, RDMs) and "model" in models.rdm_descriptors:
        return unique_labels(models.rdm_descriptors["model"], "models", models.n_rdm)
    return [f"model {i}" for i in range(len(vectors_of(models, "models")))]


def numbered_pairs(pairs: Sequence[tuple[str, str]], names: Sequence[str]) -> tuple[dict[str, list[str]], np.ndarray]:
    """Pairs of names as columns ``first`` and ``second`` of a table, and as places among ``names``, (2, pairs)."""
    unknown = sorted({name for pair in pairs for name in pair} - set(names))
    if unknown or not len(pairs):
        raise BadInput(f"pairs: no model {', '.join(unknown)}; there are {', '.join(names)}")
    columns = {"first": [a for a, _ in pairs], "second": [b for _, b in pairs]}
    return columns, np.array([[names.index(name) for name in column] for column in columns.values()])
