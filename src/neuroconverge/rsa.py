"""Representational similarity analysis: how well RDMs agree, and how sure one may be of it.

Sets of RDMs go in and out as ``rsatoolbox.rdm.RDMs`` and are joined by the names of their items.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd
from rsatoolbox.rdm import RDMs
from rsatoolbox.rdm import compare as toolbox_compare

from . import resampling
from .checks import one_of
from .errors import BadInput
from .rdms import (
    MIN_STIMULI,
    average,
    count_stimuli,
    item_names,
    model_names,
    numbered_pairs,
    one_per_subject,
    paired,
    pick,
    rdm,
    select,
    stack,
)
from .resampling import Draws, group_codes, p_greater, p_value, pairings, scaled, semipartial, similarity

__all__ = [
    "average",
    "compare",
    "crossed_bootstrap",
    "crossed_draws",
    "differences",
    "nested_choice",
    "noise_ceiling",
    "permutation_test",
    "pick",
    "rdm",
    "region_difference",
    "select",
    "stack",
    "unique_variance",
]
METHODS = (*resampling.METHODS, "tau-a")


def compare(model, brain, method: str = "spearman") -> np.ndarray:
    """Agreement of every model RDM with every brain RDM: (models, subjects).

    ``method``: pearson, spearman, rho-a, tau-a or cosine. Models that predict ties want rho-a or tau-a.
    Agrees with rsatoolbox. Raises BadInput for different items, NaN, or a constant RDM.
    """
    one_of(method, "method", METHODS)
    left, right = paired(model, brain)
    if method == "tau-a":
        return toolbox_compare(left, right, method="tau-a")
    return similarity(_unit(left, method), _unit(right, method))


def _unit(vectors: np.ndarray, method: str) -> np.ndarray:
    return scaled(vectors, np.ones((1, vectors.shape[1])), method)[0]


def noise_ceiling(brain, method: str = "spearman") -> tuple[float, float]:
    """Bounds on what a perfect model could reach on these subjects: (lower, upper).

    Lower: each subject against the mean of the others. Upper: each against the mean of all, itself included.
    Source: Nili 2014. Raises BadInput for fewer than two subjects or one subject twice.
    """
    one_of(method, "method", METHODS)
    vectors = one_per_subject(brain)
    if len(vectors) < 2:
        raise BadInput("brain: one subject only; a noise ceiling needs at least two")
    pool = "spearman" if method == "tau-a" else method
    everyone = compare(resampling.pooled(vectors, pool)[None], vectors, method).mean()
    others = [
        compare(resampling.pooled(np.delete(vectors, s, 0), pool)[None], vectors[s : s + 1], method).item()
        for s in range(len(vectors))
    ]
    return float(np.mean(others)), float(everyone)


def crossed_draws(
    models, brain, method: str = "spearman", n_boot: int = 1000, seed: int = 0, statistic=similarity
) -> Draws:
    """Scores under resampled subjects, resampled stimuli, and both: what every interval below is made of."""
    left, right = paired(models, brain)
    return _draws(left, one_per_subject(brain, right), method, n_boot, seed, statistic)


def _draws(left, right, method, n_boot, seed, statistic) -> Draws:
    one_of(method, "method", resampling.METHODS)
    if len(right) < 2:
        raise BadInput("brain: one subject only; a bootstrap over subjects needs at least two")
    if n_boot < 2:
        raise BadInput(f"n_boot: got {n_boot}, wanted at least 2")
    draws = resampling.crossed_draws(left, right, method, n_boot, np.random.default_rng(seed), statistic)
    if not np.isfinite(draws.both).all():
        raise BadInput("models: a model RDM is constant in some bootstrap samples; it tells too few stimuli apart")
    return draws


def crossed_bootstrap(models, brain, method: str = "spearman", n_boot: int = 1000, seed: int = 0) -> pd.DataFrame:
    """Score of every model with an interval that generalises to new subjects and to new stimuli.

    Columns: ``model, score`` (mean over subjects), ``low, high`` (95 %), ``se, n_subjects, n_stimuli, p_zero``
    (one-sided, score above 0), ``p_ceiling`` (one-sided, score below the lower noise ceiling), ``ceiling_low,
    ceiling_high``. Source: two-factor bootstrap of Schuett 2023, t-distributed with the smaller n.
    """
    draws = crossed_draws(models, brain, method, n_boot, seed)
    table = draws.table("score", {"model": model_names(models)})
    lower, upper = noise_ceiling(brain, method)
    usable = np.isfinite(draws.ceilings).all(0)
    parts = zip((draws.both, draws.subjects, draws.stimuli), draws.ceilings, strict=True)
    gaps = [np.var((ceiling[:, None] - scores)[usable], axis=0, ddof=1) for scores, ceiling in parts]
    gap_variance = resampling.two_factor_variance(*gaps, draws.n_subjects, draws.n_stimuli)
    return table.assign(
        p_zero=p_greater(draws.full, table["se"] ** 2, draws.dof),
        p_ceiling=p_greater(lower - draws.full, gap_variance, draws.dof),
        ceiling_low=lower,
        ceiling_high=upper,
    )


def differences(
    models,
    brain,
    pairs: Sequence[tuple[str, str]] | None = None,
    method: str = "spearman",
    n_boot: int = 1000,
    seed: int = 0,
) -> pd.DataFrame:
    """Difference in score between models, subjects and stimuli crossed; all pairs unless ``pairs`` names some.

    Columns: ``first, second, difference, low, high`` (95 %), ``se, n_subjects, n_stimuli, p`` (two-sided).
    """
    names = model_names(models)
    if pairs is None:
        pairs = [(a, b) for i, a in enumerate(names) for b in names[i + 1 :]]
    labels, (first, second) = numbered_pairs(pairs, names)
    draws = crossed_draws(models, brain, method, n_boot, seed)
    table = draws.table("difference", labels, lambda part: part[:, first] - part[:, second])
    return table.assign(p=2 * p_greater(table["difference"].abs(), table["se"] ** 2, draws.dof))


def region_difference(
    models, brain, other, method: str = "spearman", n_boot: int = 1000, seed: int = 0
) -> pd.DataFrame:
    """Score in ``brain`` minus score in ``other``, two regions of the same subjects, person by person.

    Columns: ``model, difference, low, high`` (95 %), ``se, n_subjects, n_stimuli, p`` (two-sided). Scores are not
    divided by a ceiling: where regions differ in reliability, show both ceilings.
    """
    left, right = paired(models, brain)
    second, _ = paired(other, brain)
    right, second = one_per_subject(brain, right), one_per_subject(other, second)
    people = [list(rdms.rdm_descriptors.get("subject", [])) for rdms in (brain, other) if isinstance(rdms, RDMs)]
    if len(right) != len(second) or (people and people[0] != people[1]):
        raise BadInput("other: must hold the same subjects as brain, in the same order")
    n = len(right)

    def between_regions(a, b):
        both = similarity(a, b)
        return both[..., :n] - both[..., n:]

    draws = _draws(left, np.concatenate([right, second]), method, n_boot, seed, between_regions)
    table = draws.table("difference", {"model": model_names(models)})
    return table.assign(p=2 * p_greater(table["difference"].abs(), table["se"] ** 2, draws.dof))


def unique_variance(models, brain, method: str = "spearman", n_boot: int = 1000, seed: int = 0) -> pd.DataFrame:
    """How much of each subject's RDM only this model explains, over all the other models given.

    Columns: ``model, semipartial`` (signed correlation with what the other models leave, mean over subjects),
    ``low, high`` (95 %), ``se, n_subjects, n_stimuli, p_zero`` (one-sided), ``unique`` (share of variance, the mean
    squared semipartial). Raises BadInput when two models are the same.
    """
    one_of(method, "method", ("spearman", "pearson"))
    names = model_names(models)
    left, right = paired(models, brain)
    unit = _unit(left, method)
    agreement = np.abs(unit @ unit.T) - np.eye(len(unit))
    i, j = np.unravel_index(np.argmax(agreement), agreement.shape)
    same = BadInput(f"models: {names[i]} and {names[j]} carry the same information; keep one of them")
    if np.linalg.cond(unit @ unit.T) > 1e8:
        raise same
    try:
        draws = crossed_draws(models, brain, method, n_boot, seed, semipartial)
    except np.linalg.LinAlgError:  # in some bootstrap sample
        raise same from None
    table = draws.table("semipartial", {"model": names})
    each = semipartial(unit[None], _unit(right, method)[None])[0]
    return table.assign(p_zero=p_greater(draws.full, table["se"] ** 2, draws.dof), unique=(each**2).mean(1))


def permutation_test(
    models,
    brain,
    method: str = "spearman",
    n_perm: int = 5000,
    seed: int = 0,
    groups: Sequence | Mapping | None = None,
) -> pd.DataFrame:
    """Is the agreement larger than with shuffled stimulus labels? One p for each model, and one for the best.

    ``groups``: labels are shuffled only within groups (categories), which asks for agreement beyond them: a mapping
    from item to group, or a sequence in the order of the brain's items; some group must hold two items.
    Columns: ``model, score, p`` (one-sided), ``p_max`` (against the largest of all models in each shuffle, each in
    units of its own null, so corrected for having looked at all of them), ``null_mean, null_95``. The inference
    is about these subjects and these stimuli only.
    """
    one_of(method, "method", resampling.METHODS)
    left, right = paired(models, brain)
    n = count_stimuli(left.shape[1])
    codes = group_codes(groups, n, item_names(brain), "groups")
    unit, target = _unit(left, method), _unit(right, method).mean(0)
    score = unit @ target
    null = _shuffled(unit, target, pairings(n, n_perm, codes, seed, "groups"))
    # In units of each model's own null, so that a model whose null is high does not decide for all.
    spread = np.maximum(null.std(0), 1e-12)
    largest = ((null - null.mean(0)) / spread).max(1)
    beyond = largest[:, None] >= (score - null.mean(0)) / spread - 1e-9
    return pd.DataFrame(
        {
            "model": model_names(models),
            "score": score,
            "p": p_value(score, null),
            "p_max": (1 + beyond.sum(0)) / (1 + n_perm),
            "null_mean": null.mean(0),
            "null_95": np.quantile(null, 0.95, axis=0),
        }
    )


def _shuffled(unit: np.ndarray, target: np.ndarray, orders: np.ndarray) -> np.ndarray:
    """Scores (n_perm, models) with the stimuli of the mean brain RDM in each of the orders (n_perm, n)."""
    n = orders.shape[1]
    index = np.zeros((n, n), int)
    upper = np.triu_indices(n, 1)
    index[upper] = np.arange(len(upper[0]))
    index += index.T
    return np.array([unit @ target[index[order[upper[0]], order[upper[1]]]] for order in orders])


def nested_choice(layers, brain, method: str = "spearman", n_splits: int = 50, seed: int = 0) -> dict[str, float | str]:
    """Best layer chosen on one half of the stimuli and scored on the other, beside the naive choice.

    Returns ``layer`` (best on all stimuli), ``naive`` (score of the best layer on the half that chose it, so that
    both numbers rest on equally many stimuli), ``nested`` (score of the layer that the other half chose),
    ``share`` (how often the halves chose ``layer``). Averaged over subjects and random halves.
    """
    one_of(method, "method", resampling.METHODS)
    left, right = paired(layers, brain)
    n = count_stimuli(left.shape[1])
    if n_splits < 1:
        raise BadInput(f"n_splits: got {n_splits}, wanted at least 1")
    if n < 2 * MIN_STIMULI:
        raise BadInput(f"layers: {n} stimuli; two halves of at least {MIN_STIMULI} are wanted")
    rng = np.random.default_rng(seed)
    first, second = np.triu_indices(n, 1)
    naive, nested, chosen = [], [], []
    for _ in range(n_splits):
        here = np.zeros(n, bool)
        here[rng.permutation(n)[: n // 2]] = True
        halves = [half[first] & half[second] for half in (here, ~here)]
        scores = [similarity(_unit(left[:, h], method), _unit(right[:, h], method)).mean(1) for h in halves]
        if not np.isfinite(scores).all():
            raise BadInput("layers: an RDM is constant on half of the stimuli; it tells too few of them apart")
        for choosing, testing in (scores, scores[::-1]):
            best = int(np.argmax(choosing))
            chosen.append(best)
            naive.append(choosing[best])
            nested.append(testing[best])
    best = int(np.argmax(compare(left, right, method).mean(1)))
    return {
        "layer": model_names(layers)[best],
        "naive": float(np.mean(naive)),
        "nested": float(np.mean(nested)),
        "share": float(np.mean(np.array(chosen) == best)),
    }
