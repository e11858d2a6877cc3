"""Sparse non-negative embeddings fitted to odd-one-out choices, with as many dimensions as held-out choices support.

The model is that of SPoSE (Zheng 2019, Hebart 2020): of three objects the pair that stays is chosen with the softmax
of the three dot products. Weights are non-negative and penalised: strength x (share x |w| + (1 - share) x w^2 / 2),
summed, against the log-likelihood of all choices. The fit walks from a weak penalty to a strong one, each step from
where the last one ended; dimensions die on the way and stay dead. A penalty that is strong enough to find the right
zeros shrinks all other weights too much, so each step is also fitted with half the penalty and its zeros held fast
(the relaxed lasso of Meinshausen 2007). Held-out choices judge these relaxed fits and say where to stop.

All choices are used at every step: the dot products of all pairs of objects are one matrix product, and so is the
gradient. That is faster than minibatches, exact, and needs no learning schedule; it takes 12 bytes x objects^2.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from scipy.optimize import linear_sum_assignment, minimize_scalar
from scipy.special import logsumexp

from .checks import aligned, as_array, standardised
from .errors import BadInput
from .triplets_data import Triplets, best_pairs, checked_rows, triplet_keys

# Penalties in units of the square root of choices per object, the size of the noise in the gradient of one weight.
PENALTIES = (0.1, 0.2, *(0.3 * 1.2**step for step in range(12)))
STEPS, RELAX_STEPS, LEARNING_RATE = 80, 30, 0.02
RELAXED = 0.5
ALIVE = 0.01  # a dimension with less than this share of the total weight of the largest one is dead
HELD_OUT = (0.05, 0.2)  # least and most; a thousand triplets where that lies between


@dataclass(frozen=True)
class TripletEmbedding:
    """A fitted embedding and the path that led to it.

    ``weights``: table (objects, dims), non-negative, dimensions by falling total weight; their dot products are log
    odds, so that ``accuracy`` and ``similarity_matrix`` take them as they are. ``path``: one row a penalty, with
    ``penalty, n_dims, log_likelihood`` (held-out, nats a choice; chance is -1.099), ``accuracy`` (held-out),
    ``scale, train_log_likelihood``; ``chosen`` is its row, from which idle dimensions were then dropped.
    ``log_likelihood``: held-out, of the result. ``held_out``: numbers of the choices held out. Held-out scores chose
    penalty, dimensions and one scale, so they are a little too good: report other choices.
    """

    weights: pd.DataFrame
    path: pd.DataFrame
    chosen: int
    log_likelihood: float
    held_out: np.ndarray
    seed: int

    @property
    def n_dims(self) -> int:
        return self.weights.shape[1]


@dataclass(frozen=True)
class EmbeddingSet:
    """Fits from several seeds. ``best``: the one with the highest held-out likelihood; ``reproducibility``: one value
    a dimension of it, the mean over the other fits of the correlation with the dimension matched to it."""

    fits: list[TripletEmbedding]
    best: TripletEmbedding
    reproducibility: pd.Series

    @property
    def combined(self) -> pd.DataFrame:
        """All fits side by side, scaled so that dot products are the mean of theirs: chooses as they do together."""
        parts = [fit.weights.add_prefix(f"seed {fit.seed} ") for fit in self.fits]
        return pd.concat(parts, axis=1) / np.sqrt(len(parts))


def fit_embedding(
    triplets,
    n_objects: int | None = None,
    n_dims: int = 60,
    seed: int = 0,
    l1_share: float = 0.2,
    checkpoint: str | Path | None = None,
    device: str = "cpu",
) -> TripletEmbedding:
    """Sparse non-negative embedding of objects from odd-one-out choices (choices, 3), the odd one last.

    ``n_objects``: how many there are; named triplets know it. ``n_dims``: at most so many dimensions; held-out choices
    (a thousand triplets, but no less than 5 % and no more than 20 % of them, the same whatever the seed) decide how
    many stay: those of the strongest penalty whose held-out log-likelihood is within one standard error of the best,
    less those that are not missed there. ``seed``: starting weights. ``l1_share``: 1 for the L1 penalty of SPoSE
    alone; the squared part shares the weight among fewer dimensions. ``checkpoint``: a file (safetensors) written
    after each penalty, from which an interrupted fit goes on. ``device``: cpu, cuda, mps.

    1,854 objects, 120,000 choices, 60 dimensions: about 20 seconds. On a busy machine one thread
    (``torch.set_num_threads(1)``) can be faster than two. Planted dimensions are counted within a tenth; where choices
    are nearly certain, some are found in two parts. Raises BadInput for triplets that are not rows of three objects,
    fewer than 20 different triplets, and a checkpoint of other data.
    """
    ids, rows = _named(triplets, n_objects)
    if n_dims < 1 or not 0 <= l1_share <= 1:
        raise BadInput(f"n_dims, l1_share: got {n_dims}, {l1_share}; wanted at least 1, and 0 to 1")
    held_out = _held_out(rows, len(ids))
    problem = _Problem(rows, held_out, len(ids), l1_share, device)
    settings = json.dumps([problem.fingerprint, n_dims, seed, l1_share])
    weights, path, kept = _resumed(checkpoint, settings)
    if weights is None:
        weights = 0.4 * torch.rand(len(ids), n_dims, generator=torch.Generator().manual_seed(seed))
    weights = weights.to(device)
    while len(path) < len(PENALTIES) and not _past_best(path, kept):
        weights, relaxed, row, likelihoods = problem.step(weights, PENALTIES[len(path)])
        path.append(row)
        kept.append((relaxed.cpu().clone(), likelihoods))
        _save(checkpoint, settings, path, kept, weights)
    chosen = _choose_penalty([likelihoods for _, likelihoods in kept])
    weights, row = _without_idle(problem, kept, path, chosen)
    return _result(weights, path, chosen, row, ids, held_out, seed)


def fit_many(
    triplets,
    n_objects: int | None = None,
    n_dims: int = 60,
    seeds: Iterable[int] = range(5),
    l1_share: float = 0.2,
    checkpoint: str | Path | None = None,
    device: str = "cpu",
) -> EmbeddingSet:
    """``fit_embedding`` from several starting weights, on the same held-out choices; needs at least 2 seeds.

    ``checkpoint``: as there, with the seed added to the name of each file.
    """
    seeds = list(seeds)
    if len(seeds) < 2 or len(set(seeds)) < len(seeds):
        raise BadInput(f"seeds: got {seeds}; wanted at least 2 different ones")
    paths = [checkpoint and Path(checkpoint).with_suffix(f".seed{seed}.safetensors") for seed in seeds]
    fits = [
        fit_embedding(triplets, n_objects, n_dims, seed, l1_share, path, device)
        for seed, path in zip(seeds, paths, strict=True)
    ]
    best = max(fits, key=lambda fit: fit.log_likelihood)
    others = [match_dimensions(best.weights, fit.weights)["r"].fillna(0) for fit in fits if fit is not best]
    return EmbeddingSet(fits, best, sum(others).div(len(others)).rename("reproducibility"))


def match_dimensions(first, second, n_perm: int = 0, seed: int = 0) -> pd.DataFrame:
    """Dimensions of two embeddings of the same objects, paired one to one so that the summed correlation is largest.

    One row a dimension of ``first`` (objects, dims): ``dimension, matched, r`` (Pearson over objects). Without a
    partner, or constant: matched is None and r NaN. Tables are joined on their index. With ``n_perm``, ``null_95`` is
    the 95th percentile of the largest r after shuffling the objects of ``second``, the best partner chosen anew.
    """
    first, second = (one if isinstance(one, pd.DataFrame) else pd.DataFrame(np.asarray(one)) for one in (first, second))
    second = pd.DataFrame(aligned(second, first.index, "second"), first.index, second.columns)
    left, right = _standard(first), _standard(second)
    r = left.T @ right / len(first)
    out = pd.DataFrame({"dimension": first.columns, "matched": None, "r": np.nan})
    mine, theirs = linear_sum_assignment(-r)
    real = (left.any(0)[mine]) & (right.any(0)[theirs])
    out.loc[mine[real], "matched"] = np.asarray(second.columns, dtype=object)[theirs[real]]
    out.loc[mine[real], "r"] = r[mine[real], theirs[real]]
    if n_perm:
        rng = np.random.default_rng(seed)
        largest = [(left.T @ right[rng.permutation(len(right))]).max() / len(first) for _ in range(n_perm)]
        out["null_95"] = np.quantile(largest, 0.95)
    return out.set_index("dimension")


def _standard(table: pd.DataFrame) -> np.ndarray:
    """Columns with mean 0 and standard deviation 1; a constant one becomes 0."""
    values = as_array(table, "embedding", ndim=2) if table.shape[1] else np.zeros((len(table), 0))
    return standardised(values)


class _Problem:
    """The choices of one fit on one device: training and held-out pairs of objects as places in the Gram matrix."""

    def __init__(self, rows: np.ndarray, held_out: np.ndarray, n_objects: int, l1_share: float, device: str):
        self.n, self.l1_share = n_objects, l1_share
        train = np.delete(rows, held_out, axis=0)
        # Neighbours in memory are touched together.
        train = train[np.argsort(train[:, 0] * n_objects + train[:, 1], kind="stable")]
        self.pairs = _places(train, n_objects).to(device)
        self.held = _places(rows[held_out], n_objects).to(device)
        self.unit = np.sqrt(3 * len(train) / n_objects)
        digest = hashlib.sha256(np.ascontiguousarray(rows).tobytes() + held_out.tobytes())
        self.fingerprint = f"{digest.hexdigest()} {n_objects}"

    def step(self, weights: torch.Tensor, penalty: float) -> tuple:
        """Weights at this penalty, the same relaxed, and ``score`` of those."""
        weights = self.descend(weights, penalty, STEPS)
        relaxed = self.descend(weights, RELAXED * penalty, RELAX_STEPS, support=weights > 0)
        return weights, relaxed, *self.score(relaxed, penalty)

    @torch.no_grad()
    def descend(self, weights: torch.Tensor, penalty: float, steps: int, support=None) -> torch.Tensor:
        """Adam steps on the penalised likelihood, cut off at zero; dead dimensions are dropped at the end.

        ``support``: mask (objects, dims) of the weights that may differ from zero.
        """
        l1, l2 = (penalty * self.unit * share for share in (self.l1_share, 1 - self.l1_share))
        mean, square = torch.zeros_like(weights), torch.zeros_like(weights)
        per_object = self.n / self.pairs.shape[1]
        for step in range(1, steps + 1):
            gradient = per_object * (self._gradient(weights) + l1 + l2 * weights)
            mean.lerp_(gradient, 0.1)
            square.mul_(0.99).addcmul_(gradient, gradient, value=0.01)
            root = square.div(1 - 0.99**step).sqrt_().add_(1e-8)
            weights = (weights - LEARNING_RATE / (1 - 0.9**step) * mean / root).clamp_(min=0)
            if support is not None:
                weights *= support
        total = weights.sum(0)
        return weights[:, total > ALIVE * total.max()] if len(total) else weights

    def _gradient(self, weights: torch.Tensor) -> torch.Tensor:
        """Of the negative log-likelihood of all training choices, summed: (objects, dims)."""
        slopes = torch.softmax((weights @ weights.T).view(-1)[self.pairs], 0)
        slopes[0] -= 1
        gram = torch.zeros(self.n * self.n, device=weights.device)
        gram.index_add_(0, self.pairs.view(-1), slopes.view(-1))
        gram = gram.view(self.n, self.n)
        return torch.addmm(gram @ weights, gram.T, weights)

    @torch.no_grad()
    def score(self, weights: torch.Tensor, penalty: float, train: bool = True) -> tuple[dict, np.ndarray]:
        """Row of the path, and the log-likelihood of each held-out choice (nats) once the shrinking is undone."""
        dots = (weights @ weights.T).view(-1)
        held = dots[self.held].double().cpu().numpy().T
        # A penalty shrinks all weights; one factor for all, fitted on the held-out choices, takes that back.
        scale = 1.0
        if weights.shape[1]:
            scale = float(np.exp(minimize_scalar(lambda x: -_log_likelihood(held, np.exp(x)).mean(), bounds=(-2, 2)).x))
        likelihoods, best = _log_likelihood(held, scale), best_pairs(held)
        row = {
            "penalty": penalty,
            "n_dims": weights.shape[1],
            "log_likelihood": likelihoods.mean(),
            "accuracy": (best[:, 0] / best.sum(1)).mean(),
            "scale": scale,
            "train_log_likelihood": _log_likelihood(dots[self.pairs].cpu().numpy().T, scale).mean()
            if train
            else np.nan,
        }
        return {name: float(value) if name != "n_dims" else value for name, value in row.items()}, likelihoods


def _places(rows: np.ndarray, n: int) -> torch.Tensor:
    """Places (3, choices) in the flat Gram matrix: the pair that stayed first, then the two with the odd one."""
    first, second, odd = torch.from_numpy(rows).T
    return torch.stack([first * n + second, first * n + odd, second * n + odd])


def _log_likelihood(dots: np.ndarray, scale: float) -> np.ndarray:
    return scale * dots[:, 0] - logsumexp(scale * dots, axis=1)


def _named(triplets, n_objects: int | None) -> tuple[list, np.ndarray]:
    if isinstance(triplets, Triplets):
        if n_objects not in (None, len(triplets.ids)):
            raise BadInput(f"n_objects: got {n_objects}, but the triplets name {len(triplets.ids)} objects")
        return triplets.ids, triplets.rows
    if n_objects is None or n_objects < 3:
        raise BadInput(f"n_objects: got {n_objects}; wanted the number of objects, at least 3")
    return list(range(n_objects)), checked_rows(triplets, n_objects)


def _held_out(rows: np.ndarray, n_objects: int) -> np.ndarray:
    """Numbers of the choices held out. All judgements of a triplet stay on one side."""
    keys, groups = np.unique(triplet_keys(rows, n_objects), return_inverse=True)
    if len(keys) < 20:
        raise BadInput(f"triplets: {len(keys)} different ones; wanted at least 20, and thousands to learn anything")
    share = np.clip(1000 / len(keys), *HELD_OUT)
    chosen = np.random.default_rng(0).permutation(len(keys)) < share * len(keys)
    return np.flatnonzero(chosen[groups])


def _worse(likelihoods: np.ndarray, best: np.ndarray) -> float:
    """By how many standard errors of the paired difference these held-out choices are less likely."""
    apart = best - likelihoods
    spread = apart.std() / np.sqrt(len(apart))
    return float(apart.mean() / spread) if spread > 0 else 0.0


def _past_best(path: list[dict], kept: list) -> bool:
    if not path:
        return False
    likelihoods = [one for _, one in kept]
    best = max(likelihoods, key=np.mean)
    return path[-1]["n_dims"] == 0 or (len(kept) > 2 and all(_worse(one, best) > 2 for one in likelihoods[-2:]))


def _without_idle(problem: _Problem, kept: list, path: list[dict], chosen: int) -> tuple[torch.Tensor, dict]:
    """Drops one dimension after another while the others, fitted again, do no worse on the held-out choices.

    A dimension may have come in two parts, each alive because of what the other lacks; the penalty alone merges them
    late, when it already shrinks the rest too much. The one dropped is that whose absence costs least at once.
    """
    (relaxed, _), row = kept[chosen], path[chosen]
    while relaxed.shape[1] > 1:
        fewer = [relaxed[:, torch.arange(relaxed.shape[1]) != k] for k in range(relaxed.shape[1])]
        device = problem.pairs.device
        cheapest = max(fewer, key=lambda rest: problem.score(rest.to(device), 0, train=False)[0]["log_likelihood"])
        _, rest, found, _ = problem.step(cheapest.to(device), path[chosen]["penalty"])
        if found["log_likelihood"] < row["log_likelihood"]:
            break
        relaxed, row = rest.cpu(), found
    return relaxed, row


def _choose_penalty(likelihoods: list[np.ndarray]) -> int:
    best = int(np.argmax([one.mean() for one in likelihoods]))
    return max(step for step, one in enumerate(likelihoods) if step >= best and _worse(one, likelihoods[best]) <= 1)


def _result(weights, path: list[dict], chosen: int, row: dict, ids: list, held_out: np.ndarray, seed: int):
    weights = weights.numpy().astype(float) * np.sqrt(row["scale"])
    order = np.argsort(-weights.sum(0), kind="stable")
    table = pd.DataFrame(weights[:, order], index=ids, columns=[f"dim {k + 1}" for k in range(len(order))])
    return TripletEmbedding(table, pd.DataFrame(path), chosen, row["log_likelihood"], held_out, seed)


def _save(checkpoint, settings: str, path: list[dict], kept: list, weights: torch.Tensor) -> None:
    """Written beside and renamed: a killed process leaves the last whole checkpoint."""
    if checkpoint is None:
        return
    tensors = {"weights": weights.cpu()} | {f"relaxed {k}": relaxed for k, (relaxed, _) in enumerate(kept)}
    tensors |= {f"likelihoods {k}": torch.from_numpy(likelihoods) for k, (_, likelihoods) in enumerate(kept)}
    beside = Path(f"{checkpoint}.{os.getpid()}.part")
    notes = {"settings": settings, "path": json.dumps(path)}
    save_file({name: tensor.contiguous() for name, tensor in tensors.items()}, beside, notes)
    os.replace(beside, checkpoint)


def _resumed(checkpoint, settings: str) -> tuple[torch.Tensor | None, list[dict], list]:
    if checkpoint is None or not Path(checkpoint).exists():
        return None, [], []
    try:
        with safe_open(checkpoint, "pt") as file:
            notes = file.metadata() or {}
            path = json.loads(notes.get("path", "[]"))
            weights = file.get_tensor("weights")
            parts = ([file.get_tensor(f"{name} {k}") for name in ("relaxed", "likelihoods")] for k in range(len(path)))
            kept = [(relaxed, likelihoods.numpy()) for relaxed, likelihoods in parts]
    except (SafetensorError, ValueError) as error:
        raise BadInput(f"checkpoint: {checkpoint} cannot be read ({error}); delete it") from None
    if notes.get("settings") != settings or not path:
        raise BadInput(f"checkpoint: {checkpoint} belongs to other choices or settings; delete it or name another file")
    return weights, path, kept
