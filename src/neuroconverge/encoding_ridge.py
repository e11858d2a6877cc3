"""Ridge regression of all penalties at once, in Gram space and in kernel space, for ``encoding.RidgeCV``.

Targets come first in all arrays between (targets, features). ``total`` always means over all training rows.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass

import numpy as np
import torch

from .encoding_data import NUMPY, Sums, Targets, inverse, kernel, map_now, product, rows_of, slices

# Largest eigenvalue over smallest penalty up to which float32 products with the targets keep scores within 1e-3.
SINGLE_GRAM, SINGLE_KERNEL = 1e7, 1e5
SMALL = 1000  # rows of a kernel so small that the threads share out the penalties
TIE = 1e-10  # share of variance explained that a penalty e times as large is worth: ties go to the larger one
TOLERANCE = {torch.float32: 2e-5, torch.float64: 1e-12}  # of predictions in the inner folds


class Result:
    """What is known of each target after the fit; ``weights`` (targets, features or training rows)."""

    def __init__(self, count: int, width: int, dtype):
        self.weights = np.empty((count, width), NUMPY[dtype])
        self.best = np.zeros(count, int)
        self.cv_scores, self.mean, self.spread = np.empty(count), np.empty(count), np.empty(count)


def choose(gains: np.ndarray, spread: np.ndarray, n: int, alphas: np.ndarray) -> np.ndarray:
    """Index of the best penalty from the mean squared error it saves (targets, alphas)."""
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.argmax(gains * (n / spread)[:, None] + TIE * np.log(alphas), axis=1)


class Plan:
    """Which sets of rows must be multiplied so that all folds follow by addition and subtraction."""

    def __init__(self, folds, n: int, device):
        self.sets = [rows_of(val, device) for _, val in folds]
        self.whole = list(range(len(folds)))
        self.folds = []
        all_rows = np.arange(n)
        if not np.array_equal(np.sort(np.concatenate([val for _, val in folds])), all_rows):
            self.whole = [len(self.sets)]
            self.sets.append(slice(0, n))
        for train, val in folds:
            out = np.setdiff1d(all_rows, np.concatenate([train, val]))
            direct = len(train) <= len(out)
            extra = len(self.sets) if direct or len(out) else None
            if extra is not None:
                self.sets.append(rows_of(train if direct else out, device))
            self.folds.append((direct, extra, len(train), len(val)))

    def train(self, fold: int, products: list, total, part=slice(None)):
        """Cross-products over the training rows of a fold."""
        direct, extra, _, _ = self.folds[fold]
        if direct:
            return products[extra][part]
        rest = total[part] - products[fold][part]
        return rest if extra is None else rest.sub_(products[extra][part])


@dataclass
class GramFold:
    """One inner fold in the eigenvectors of its training Gram matrix.

    ``rotate`` (features + 1, features) takes cross-products to centred coordinates; ``offset`` is the sum of the
    validation features there and ``root`` (triangular) the root of their Gram. ``basis`` (r, features) and ``mix``
    (alphas, r): 1/(eigenvalue + alpha) of every alpha from r functions of the eigenvalue; mix None: r = alphas.
    """

    rotate: torch.Tensor
    offset: torch.Tensor
    root: torch.Tensor
    basis: torch.Tensor
    mix: np.ndarray | None


class Gram:
    """Ridge of all alphas from Gram matrices and cross-products: more rows than features.

    ``X``: centred features and a column of ones, float64. ``spread``: a map from ``threads``.
    """

    def __init__(self, X: torch.Tensor, folds, alphas: np.ndarray, single: bool, spread: Callable):
        self.n, self.width = len(X), X.shape[1] - 1
        self.alphas, self.plan, self.spread = alphas, Plan(folds, self.n, X.device), spread
        products = spread(lambda rows: product(X[rows].T, X[rows]), self.plan.sets)
        total = sum(products[i] for i in self.plan.whole)
        kappa = float(total[:-1, :-1].norm()) / alphas.min()  # the norm is no less than the largest eigenvalue
        self.dtype = torch.float32 if single and kappa <= SINGLE_GRAM else torch.float64
        self.folds = spread(lambda f: self._fold(f, X, products, total), range(-1, len(folds)))
        self.rotate, self.vectors, self.values = self.folds.pop(0)
        self.X = X.to(self.dtype)

    def _fold(self, f: int, X: torch.Tensor, products: list, total: torch.Tensor):
        """One inner fold; for f = -1, what ``decompose`` says of all rows."""
        if f < 0:
            rotate, vectors, values = decompose(total)
            return rotate.to(self.dtype), vectors.to(self.dtype), values
        rotate, _, values = decompose(self.plan.train(f, products, total))
        val = product(X[self.plan.sets[f]], rotate)
        basis, mix = functions(values.cpu().numpy(), self.alphas, TOLERANCE[self.dtype])
        basis = torch.as_tensor(basis, dtype=self.dtype, device=rotate.device)
        parts = (part.to(self.dtype) for part in (rotate, val.sum(0), torch.linalg.qr(val, mode="r").R))
        return GramFold(*parts, basis, mix)

    def run(self, targets: Targets, result: Result) -> None:
        size = torch.finfo(self.dtype).bits // 8
        copied = 0 if targets.same else self.n
        each = ((len(self.plan.sets) + 3) * (self.width + 1) + copied) * size + 32 * len(self.alphas)

        def fit(cols):
            sums = targets.sums(cols, self.plan.sets, self.plan.whole, self.X)
            gains, worst = self._gains(sums)
            best = choose(gains, sums.spread, self.n, self.alphas)
            result.best[cols], result.mean[cols], result.spread[cols] = best, sums.mean, sums.spread
            result.cv_scores[cols] = gains[np.arange(len(best)), best] - worst
            self._solve(sums.total, self.alphas[best], result.weights[cols])

        self.spread(fit, targets.batches(each))

    def _gains(self, sums: Sums):
        """Mean squared error saved by each alpha (targets, alphas), and that of the training mean (targets,)."""
        gains, worst = np.zeros((len(sums.total), len(self.alphas))), np.zeros(len(sums.total))
        for f, fold in enumerate(self.folds):
            _, _, n_train, n_val = self.plan.folds[f]
            share = 1 / (n_val * len(self.folds))
            blocks = triangle(fold)
            step = int(np.clip(3e6 / fold.basis.numel(), 256, 4096))
            for part in slices(len(gains), step):
                train, val = self.plan.train(f, sums.products, sums.total, part), sums.products[f][part]
                mean = train[:, -1] / n_train
                z = product(train, fold.rotate)
                u = product(val, fold.rotate).addr_(mean, fold.offset, alpha=-1)
                gains[part] += share * saved(z, u, fold, blocks)
                mean, sum_val = mean.double().cpu().numpy(), val[:, -1].double().cpu().numpy()
                worst[part] += share * (sums.squares[f][part] - 2 * mean * sum_val + n_val * mean**2)
        return gains, worst

    def _solve(self, total: torch.Tensor, alphas: np.ndarray, out: np.ndarray) -> None:
        for part in slices(len(out), 4096):
            z = product(total[part], self.rotate)
            alpha = torch.as_tensor(alphas[part], device=z.device)[:, None]
            z /= (self.values + alpha).to(z.dtype)
            out[part] = product(z, self.vectors.T).cpu().numpy()


def decompose(moments: torch.Tensor):
    """Rotation of cross-products, eigenvectors and eigenvalues of the centred Gram, from that of features and ones."""
    mean = moments[:-1, -1:] / moments[-1, -1]
    values, vectors = torch.linalg.eigh(moments[:-1, :-1] - moments[-1, -1] * (mean @ mean.T))
    # Directions without variance carry rounding only: an infinite eigenvalue keeps them out.
    values[values <= values[-1].clamp_min(0) * len(values) * 4e-16] = torch.inf
    return torch.cat([vectors, -mean.T @ vectors]), vectors, values


def functions(values: np.ndarray, alphas: np.ndarray, tolerance: float):
    """1/(value + alpha) of every alpha from few functions of the value: basis (r, values), mix (alphas, r) or None.

    Each is scaled to what it does to a prediction, which then errs by ``tolerance`` of its size.
    """
    exact = 1 / (values + alphas[:, None])
    finite = np.where(np.isfinite(values), values, 0)
    top = finite.max(initial=0)
    if top == 0:
        return exact, None
    reach = (top + alphas[:, None]) / top
    left, sizes, right = np.linalg.svd(exact * finite * reach, full_matrices=False)
    rank = int((sizes > tolerance * sizes[0]).sum())
    if rank >= len(alphas):
        return exact, None
    basis = np.divide(right[:rank], finite, out=np.zeros((rank, len(finite))), where=finite > 0)
    return basis, left[:, :rank] * sizes[:rank] / reach


def triangle(fold: GramFold) -> list[torch.Tensor]:
    """The root times each basis function, in blocks of rows less the zeros left of them: (features left, r, rows)."""
    p = fold.basis.shape[1]
    return [
        (fold.root[rows, rows.start :].T[:, None, :] * fold.basis[:, rows.start :].T[:, :, None]).contiguous()
        for rows in slices(len(fold.root), 128 if p > 256 else p)
    ]


def saved(z: torch.Tensor, u: torch.Tensor, fold: GramFold, blocks: list[torch.Tensor]) -> np.ndarray:
    """2 w'u - w'Gw for the weights w of every alpha (targets, alphas), all in the eigenvectors of the fold."""
    linear = product(u.mul_(z), fold.basis.T).double().cpu().numpy()
    r, p = fold.basis.shape
    square = 0
    for block in blocks:
        y = product(z[:, p - len(block) :], block.flatten(1)).view(len(z), r, -1)
        square += torch.bmm(y, y.transpose(1, 2)) if fold.mix is not None else y.square_().sum(2)
    square = square.view(len(z), -1).double().cpu().numpy()
    if fold.mix is None:
        return 2 * linear - square
    pairs = (fold.mix[:, :, None] * fold.mix[:, None, :]).reshape(len(fold.mix), r * r)
    return 2 * linear @ fold.mix.T - square @ pairs.T


class Kernel:
    """Ridge of all alphas from the kernel of all rows: no more rows than features.

    With R = (K + alpha)^-1 of the centred kernel, rows S left out are predicted as -R_SS^-1 R_S,rest times the
    others, exactly as if ridge with an intercept had been fitted without them.
    """

    def __init__(self, X: torch.Tensor, folds, alphas: np.ndarray, single: bool, spread: Callable):
        self.n = self.width = len(X)
        self.alphas, self.spread, X = alphas, spread, X[:, :-1]
        self.kernel = kernel(X, X, spread)
        self.dtype = torch.float32 if single and self._top() / alphas.min() <= SINGLE_KERNEL else torch.float64
        self.X = X.to(self.dtype, memory_format=torch.contiguous_format)
        self.folds = [tuple(torch.as_tensor(rows, device=X.device) for rows in fold) for fold in folds]
        self.val = torch.cat([val for _, val in self.folds])
        self.fold_of = torch.repeat_interleave(
            torch.arange(len(folds), device=X.device), torch.tensor([len(val) for _, val in folds], device=X.device)
        )
        self.share = (1 / (torch.bincount(self.fold_of) * len(folds)).double())[self.fold_of].to(self.dtype)
        self.means = torch.zeros(len(folds), self.n, dtype=self.dtype, device=X.device)
        for mean, (train, _) in zip(self.means, self.folds, strict=True):
            mean[train] = 1 / len(train)

    def _top(self) -> float:
        """The largest eigenvalue, by power iteration."""
        vector = self.kernel[:, self.kernel.diagonal().argmax()]
        for _ in range(30):
            vector = self.kernel @ (vector / vector.norm().clamp_min(1e-300))
        return float(vector.norm())

    def _each(self, function: Callable, alphas) -> Iterable:
        """The function of every alpha: of small kernels side by side, of large ones in turn, each by all threads."""
        if self.n <= SMALL:
            return self.spread(lambda alpha: function(alpha, False), alphas)
        return (function(alpha, True) for alpha in alphas)

    def inverse(self, alpha: float, large: bool) -> torch.Tensor:
        """(K + alpha)^-1 for centred vectors; constants, which the centred kernel does not see, are taken out."""
        lift = float(self.kernel.diagonal().mean()) + alpha
        shifted = self.kernel + lift / self.n
        shifted.diagonal().add_(alpha)
        return inverse(shifted, large).sub_(1 / (self.n * (alpha + lift)))

    def held_out(self, alpha: float, large: bool) -> torch.Tensor:
        """(validation rows, rows): takes targets to their predictions minus the training mean, fold by fold."""
        whole = self.inverse(alpha, large)
        out = torch.zeros(len(self.val), self.n, dtype=self.dtype, device=whole.device)

        def fold(f):
            train, val = self.folds[f]
            other = torch.ones(self.n, dtype=torch.bool, device=whole.device)
            other[train] = other[val] = False
            gone = torch.cat([val, torch.nonzero(other)[:, 0]])
            rows = whole[gone]
            weights = -torch.cholesky_solve(rows[:, train], torch.linalg.cholesky(rows[:, gone]))[: len(val)]
            start = int(torch.searchsorted(self.fold_of, f))
            out[start : start + len(val), train] = weights.sub_(1 / len(train)).to(self.dtype)

        (self.spread if large else map_now)(fold, range(len(self.folds)))
        return out

    def run(self, targets: Targets, result: Result) -> None:
        size = torch.finfo(self.dtype).bits // 8
        each = (3 * len(self.val) + (2 if targets.same else 3) * self.n) * size
        batches = targets.batches(each)
        ones = torch.ones(self.n, 1, dtype=self.dtype, device=self.X.device)
        gains, worst = np.zeros((targets.count, len(self.alphas))), np.zeros(targets.count)

        def describe(cols):
            sums = targets.sums(cols, [slice(0, self.n)], [0], ones)
            result.mean[cols], result.spread[cols] = sums.mean, sums.spread
            worst[cols] = (self.share @ self._truth(self._centred(targets, cols, result)).square_()).cpu().numpy()

        self.spread(describe, batches)
        for gain, hat in zip(gains.T, self._each(self.held_out, self.alphas), strict=True):
            self._try(hat, gain, targets, result, batches)
        result.best = choose(gains, result.spread, self.n, self.alphas)
        result.cv_scores = gains[np.arange(targets.count), result.best] - worst
        self._solve(targets, result, batches[0].stop)

    def _try(self, hat: torch.Tensor, gains: np.ndarray, targets: Targets, result: Result, batches) -> None:
        """The mean squared error that one alpha saves, into ``gains`` (targets,)."""

        def save(cols):
            block = self._centred(targets, cols, result)
            predicted = product(hat, block)
            saving = self._truth(block).mul_(2).sub_(predicted).mul_(predicted)
            gains[cols] = (self.share @ saving).cpu().numpy()

        self.spread(save, batches)

    def _centred(self, targets: Targets, cols, result: Result) -> torch.Tensor:
        shift = torch.as_tensor(result.mean[cols], dtype=self.dtype, device=self.X.device)
        return targets.take(targets.raw(cols), slice(0, self.n), shift)

    def _truth(self, block: torch.Tensor) -> torch.Tensor:
        """Validation targets minus the training mean of their fold."""
        return block[self.val].sub_(product(self.means, block)[self.fold_of])

    def _solve(self, targets: Targets, result: Result, size: int) -> None:
        """Dual weights, the targets of one alpha at a time."""

        def single(alpha, large):
            return self.inverse(alpha, large).to(self.dtype)

        used = np.unique(result.best)
        for a, whole in zip(used, self._each(single, self.alphas[used]), strict=True):
            chosen = np.flatnonzero(result.best == a)

            def solve(part, chosen=chosen, whole=whole):
                block = self._centred(targets, chosen[part], result)
                result.weights[chosen[part]] = product(block.T, whole).cpu().numpy()

            self.spread(solve, slices(len(chosen), size))
