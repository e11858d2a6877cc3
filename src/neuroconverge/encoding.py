"""Ridge regression from features to many targets (voxels, electrodes x lags), one penalty a target.

The inner cross-validation never predicts row by row. With more rows than features, each fold keeps the Gram matrix
of its features and their cross-products with the targets, and the validation error of every penalty follows from
these: ||y - Xw||^2 = yy - 2 w'X'y + w'X'Xw. With fewer, the rows held out follow from the inverse of the kernel of
all rows. Means are those of the training rows of the fold. Grams and decompositions are float64; products with the
targets have the precision of the targets, unless the penalties are too small for float32.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import chain, combinations

import numpy as np
import pandas as pd
import torch
from sklearn.base import BaseEstimator, clone
from sklearn.exceptions import NotFittedError

from . import splits
from .checks import as_array, one_of
from .encoding_data import Targets, kernel, matrix, product, rows_of, slices, threads
from .encoding_ridge import Gram, Kernel, Result
from .encoding_stats import (
    METHODS,
    correlation_score,
    explainable_variance,
    from_moments,
    moved_rows,
    normalised,
    null_of_predictions,
    null_scores,
    r2_score,
    significance,
    spearman_brown,
)
from .errors import BadInput

ALPHAS = tuple(float(alpha) for alpha in np.logspace(0, 10, 10))
SCORES = {"correlation": correlation_score, "r2": r2_score}
CHUNK = 2048  # targets predicted at a time
__all__ = [
    "BandedRidgeCV",
    "RidgeCV",
    "correlation_score",
    "cross_val_scores",
    "explainable_variance",
    "moved_rows",
    "normalised",
    "null_of_predictions",
    "null_scores",
    "r2_score",
    "significance",
    "spearman_brown",
    "variance_partition",
]


class RidgeCV(BaseEstimator):
    """Ridge with the penalty chosen for each target by the mean squared error of inner folds, as himalaya does.

    ``alphas``: penalties to try, all positive. ``cv``: number of contiguous inner folds, or (train, test) pairs of
    row indices. ``gap``: rows left out of inner training on each side of a contiguous fold. ``device``: auto (where
    the data are, else a GPU if there is one), cpu or cuda. ``memory_mb``: working memory of one batch of targets;
    None takes a quarter of the size of Y, between 16 and 512 MB. Equal errors go to the larger penalty.

    A target that is constant, or holds NaN or infinity, in training gets NaN as its penalty and as all its scores,
    without a warning; its weights are 0 (constant: it is predicted) or NaN. The other targets are not touched.

    After ``fit``: ``best_alphas_`` (targets,), ``coef_`` (features, targets), ``intercept_`` (targets,);
    ``cv_scores_`` (targets,): minus the mean squared error over inner folds; ``at_edge_``: share of the usable
    targets whose penalty is the smallest or the largest tried; ``at_low_edge_``: the smallest (try smaller ones).
    """

    def __init__(self, alphas=ALPHAS, cv=5, gap=0, device="auto", memory_mb=None):
        self.alphas, self.cv, self.gap, self.device, self.memory_mb = alphas, cv, gap, device, memory_mb

    def fit(self, X, Y) -> RidgeCV:
        """Fit on X (rows, features) and Y (rows, targets); raises BadInput for NaN in X or fewer rows than folds."""
        alphas, values = _penalties(self.alphas), matrix(Y, "Y")
        self._device, self._on_gpu = _device(self.device, X, Y)
        single = values.dtype in (np.float32, torch.float32)
        with threads(self._device) as spread:
            centred, self._x_mean = _centred(_features(X))
            n, self.n_features_in_ = centred.shape[0], centred.shape[1] - 1
            if n != len(values):
                raise BadInput(f"X and Y: {n} and {len(values)} rows; wanted the same number")
            space = Gram if n > self.n_features_in_ else Kernel
            solver = space(centred.to(self._device), _folds(self.cv, self.gap, n), alphas, single, spread)
            del centred
            result = Result(values.shape[1], solver.width, solver.dtype)
            solver.run(Targets(values, self._device, solver.dtype, self._budget(values)), result)
            self._keep(result, alphas, solver.X if space is Kernel else None, spread)
        return self

    def _keep(self, result: Result, alphas: np.ndarray, rows: torch.Tensor | None, spread) -> None:
        usable = result.spread > 0
        chosen = alphas[result.best]
        result.weights[~usable] = np.where(np.isnan(result.spread[~usable]), np.nan, 0)[:, None]
        result.mean[np.isnan(result.spread)] = np.nan
        result.cv_scores[~usable] = np.nan
        self._weights, self._mean, self._rows = result.weights, result.mean, rows
        self._usable, self._primal = usable, result.weights if rows is None else None
        mean = torch.from_numpy(self._x_mean).to(self._device)
        mean = (mean if rows is None else rows.to(mean) @ mean).cpu().numpy()
        self.best_alphas_ = self._out(np.where(usable, chosen, np.nan))
        self.cv_scores_ = self._out(result.cv_scores)
        at_mean = spread(lambda cols: self._weights[cols] @ mean, slices(len(usable), CHUNK))
        self.intercept_ = self._out(self._mean - np.concatenate(at_mean))
        picked = chosen[usable] if len(alphas) > 1 and usable.any() else np.array([np.nan])
        shares = [np.where(np.isnan(picked), np.nan, picked == end).mean() for end in (alphas.min(), alphas.max())]
        self.at_low_edge_, self.at_edge_ = float(shares[0]), float(sum(shares))

    @property
    def coef_(self):
        """Weights (features, targets); with fewer rows than features they are computed when first asked for."""
        self._fitted()
        if self._primal is None:
            self._primal = np.empty((len(self._weights), self.n_features_in_), self._weights.dtype)

            def fill(cols):
                self._primal[cols] = product(self._part(cols), self._rows).cpu().numpy()

            with threads(self._device) as spread:
                spread(fill, slices(len(self._weights), CHUNK))
        return self._out(self._primal.T)

    def predict(self, X):
        """Predictions (rows, targets), in the precision of the fit."""
        features = self._features(X)
        out = np.empty((len(features), len(self._weights)), self._weights.dtype)
        with threads(self._device) as spread:
            test = self._test(features, spread)

            def fill(cols):
                out[:, cols] = product(test, self._part(cols).T).cpu().numpy()
                out[:, cols] += self._mean[cols]

            spread(fill, slices(out.shape[1], CHUNK))
        return self._out(out)

    def score(self, X, Y, method: str = "correlation"):
        """Score of each target on other rows (targets,): correlation, or r2 against the mean of those rows.

        From cross-products where the weights are fewer than the rows: no prediction is made. NaN for a target that
        was unusable in training, or is constant or not finite in Y; and for the correlation of a flat prediction.
        """
        one_of(method, "method", METHODS)
        features, values = self._features(X), matrix(Y, "Y")
        wanted = (len(features), len(self._weights))
        if values.shape != wanted:
            raise BadInput(f"Y: shape {tuple(values.shape)}; wanted {wanted}: rows of X, targets of the fit")
        scores = np.full(len(self._weights), np.nan)
        with threads(self._device) as spread:
            test = self._test(features, spread)
            targets = Targets(values, self._device, test.dtype, self._budget(values))
            size = test.element_size()
            if test.shape[1] < len(test):
                products = _Products(test, spread)
                each = (6 * test.shape[1] + (not targets.same) * len(test)) * size

                def score(cols):
                    scores[cols] = products.score(targets, cols, self._part(cols), self._mean[cols], method)
            else:
                each = 24 * len(test)

                def score(cols):
                    predicted = product(test, self._part(cols).T).double().cpu().numpy() + self._mean[cols]
                    scores[cols] = SCORES[method](targets.raw(cols), predicted)

            spread(score, targets.batches(each))
        scores[~self._usable] = np.nan
        return self._out(scores)

    def _features(self, X) -> np.ndarray:
        self._fitted()
        features = _features(X)
        if features.shape[1] != self.n_features_in_:
            raise BadInput(f"X: {features.shape[1]} features; the model was fitted on {self.n_features_in_}")
        return features

    def _test(self, features: np.ndarray, spread) -> torch.Tensor:
        """What the kept weights multiply: centred features, or their kernel with the training rows."""
        test = np.subtract(features, self._x_mean, dtype=np.float64).astype(self._weights.dtype)
        test = torch.from_numpy(test).to(self._device)
        return test if self._rows is None else kernel(test, self._rows, spread)

    def _part(self, cols) -> torch.Tensor:
        return torch.from_numpy(self._weights[cols]).to(self._device)

    def _budget(self, values) -> float:
        if self.memory_mb is not None:
            if not self.memory_mb > 0:
                raise BadInput(f"memory_mb: got {self.memory_mb!r}; wanted a positive number, or None")
            return self.memory_mb * 1e6
        return float(np.clip(values.nbytes / 4, 16e6, 512e6))

    def _out(self, array: np.ndarray):
        return torch.from_numpy(array).to(self._device) if self._on_gpu else array

    def _fitted(self) -> None:
        if not hasattr(self, "_weights"):
            raise NotFittedError("RidgeCV: call fit(X, Y) first")


class _Products:
    """Scores from cross-products of centred test features and targets: cov = w'X'y, var = w'X'Xw."""

    def __init__(self, test: torch.Tensor, spread):
        self.mean = test.mean(0, dtype=torch.float64)

        def gram(rows):
            part = test[rows].double() - self.mean
            return product(part.T, part)

        self.gram = sum(spread(gram, slices(len(test), 512))).to(test.dtype)
        self.features = torch.ones(len(test), test.shape[1] + 1, dtype=test.dtype, device=test.device)
        torch.sub(test, self.mean.to(test.dtype), out=self.features[:, :-1])

    def score(self, targets: Targets, cols, weights: torch.Tensor, offset: np.ndarray, method: str) -> np.ndarray:
        sums = targets.sums(cols, [slice(0, targets.n)], [0], self.features)
        scale = weights.abs().amax(1, keepdim=True).clamp_min(1e-30)  # squares of tiny weights must not vanish
        unit = weights / scale
        shared = ((unit * sums.total[:, :-1]).sum(1).double() * scale[:, 0]).cpu().numpy()
        spread = ((product(unit, self.gram) * unit).sum(1).double() * scale[:, 0].double() ** 2).cpu().numpy()
        bias = sums.mean - offset - (weights.double() @ self.mean).cpu().numpy()
        return from_moments(shared, spread, sums.spread, targets.n * bias**2, method)


class BandedRidgeCV(BaseEstimator):
    """Ridge with another penalty for each of two or three feature spaces, by himalaya's random search (extra ``ieeg``).

    ``alphas``, ``cv``, ``gap``: as in RidgeCV. ``n_iter``: mixtures of the spaces to try, equal shares first;
    ``seed``: of their draw. Targets that are constant or not finite get NaN scores, as in RidgeCV.

    After ``fit``: ``shares_`` (spaces, targets): weight of each space, adding to 1; ``best_alphas_`` (targets,),
    ``coef_`` (features of all spaces, targets), ``intercept_`` (targets,).
    """

    def __init__(self, alphas=ALPHAS, cv=5, gap=0, n_iter=20, seed=0):
        self.alphas, self.cv, self.gap, self.n_iter, self.seed = alphas, cv, gap, n_iter, seed

    def fit(self, spaces: Sequence, Y) -> BandedRidgeCV:
        """Fit on two or three arrays (rows, features) and Y (rows, targets)."""
        try:
            from himalaya import backend
            from himalaya.ridge import GroupRidgeCV
        except ImportError:
            raise ImportError("banded ridge needs himalaya: pip install 'neuroconverge[ieeg]'") from None
        alphas, values = _penalties(self.alphas), np.asarray(_on_cpu(matrix(Y, "Y")))
        parts = [part.astype(values.dtype) for part in _spaces(spaces, len(values))]
        with np.errstate(invalid="ignore"):
            finite = np.isfinite(values.sum(0))
            self._usable = finite & (values != values[0]).any(0)
        options = dict(alphas=alphas, n_iter=self.n_iter, progress_bar=False, warn=False, n_targets_batch=CHUNK)
        pairs = _folds(self.cv, self.gap, len(values))
        solver = GroupRidgeCV("input", solver_params=options, fit_intercept=True, cv=pairs, random_state=self.seed)
        before = backend.get_backend()
        backend.set_backend("numpy")
        try:
            count, width = len(finite), sum(part.shape[1] for part in parts)
            self.coef_ = np.where(finite, np.zeros((width, 1)), np.nan).astype(values.dtype)
            self.intercept_ = np.where(finite, values[0], np.nan)
            self.best_alphas_, self.shares_ = np.full(count, np.nan), np.full((len(parts), count), np.nan)
            if self._usable.any():
                solver.fit(parts, np.ascontiguousarray(values[:, self._usable]))
                self._keep(solver)
        finally:
            backend.set_backend(before)
        return self

    def _keep(self, solver) -> None:
        scale = np.exp(solver.deltas_)
        self.coef_[:, self._usable], self.intercept_[self._usable] = solver.coef_, solver.intercept_
        self.best_alphas_[self._usable], self.shares_[:, self._usable] = 1 / scale.sum(0), scale / scale.sum(0)

    def predict(self, spaces: Sequence) -> np.ndarray:
        """Predictions (rows, targets) from the same spaces in the same order."""
        if not hasattr(self, "coef_"):
            raise NotFittedError("BandedRidgeCV: call fit(spaces, Y) first")
        features = np.concatenate(_spaces(spaces, None), axis=1)
        if features.shape[1] != len(self.coef_):
            raise BadInput(f"spaces: {features.shape[1]} features; the model was fitted on {len(self.coef_)}")
        return features.astype(self.coef_.dtype) @ self.coef_ + self.intercept_

    def score(self, spaces: Sequence, Y, method: str = "correlation") -> np.ndarray:
        """Correlation or r2 of each target (targets,); NaN as in RidgeCV."""
        return np.where(self._usable, SCORES[one_of(method, "method", METHODS)](Y, self.predict(spaces)), np.nan)


def cross_val_scores(model, X, Y, pairs, method: str = "correlation") -> np.ndarray:
    """Scores (folds, targets): the model is fitted anew on each training part and scored on its test part.

    ``pairs``: (train, test) row indices from ``splits``. ``X``: features, or a list of spaces for BandedRidgeCV.
    """
    values, scores = matrix(Y, "Y"), []
    for train, test in splits.checked(pairs, len(values), "pairs"):
        fitted = clone(model).fit(_pick(X, train), _pick(values, train))
        scores.append(np.asarray(_on_cpu(fitted.score(_pick(X, test), _pick(values, test), method))))
    return np.array(scores)


def variance_partition(spaces: Mapping, Y, pairs, model=None) -> pd.DataFrame:
    """Variance of each target (rows of the table) that one, two or all of 2-3 feature spaces explain, and the total.

    ``spaces``: name -> (rows, features). ``pairs``: outer folds; r2 is averaged over them. ``model``: fitted on every
    combination of spaces; RidgeCV on the joined features by default, or BandedRidgeCV. Column ``a``: what only a
    explains; ``a & b``: what a and b explain equally well, and no other space; the parts add up to ``total``, the r2
    of all spaces together. They are differences of estimates: below 0, a joint model did worse than its parts.
    """
    if not isinstance(spaces, Mapping) or len(spaces) not in (2, 3):
        raise BadInput("spaces: wanted a mapping of two or three names to feature arrays")
    model, pairs = RidgeCV() if model is None else model, list(pairs)
    names = tuple(spaces)
    some = list(chain.from_iterable(combinations(names, size) for size in range(1, len(names) + 1)))
    r2 = {}
    for subset in some:
        parts = _spaces([spaces[name] for name in subset], None)
        banded = isinstance(model, BandedRidgeCV) and len(parts) > 1
        single = RidgeCV(model.alphas, model.cv, model.gap) if isinstance(model, BandedRidgeCV) else model
        scores = cross_val_scores(*((model, parts) if banded else (single, np.hstack(parts))), Y, pairs, "r2")
        r2[frozenset(subset)] = scores.mean(0)
    return pd.DataFrame({" & ".join(s): _exactly(frozenset(s), frozenset(names), r2) for s in some}).assign(
        total=r2[frozenset(names)]
    )


def _exactly(subset: frozenset, names: frozenset, r2: dict) -> np.ndarray:
    """Variance explained by each member of the subset and by nothing outside it (inclusion and exclusion)."""
    inner = chain.from_iterable(combinations(subset, size) for size in range(len(subset) + 1))
    terms = [((-1) ** (len(part) + 1), (names - subset) | frozenset(part)) for part in inner]
    return sum(sign * r2[union] for sign, union in terms if union)


def _penalties(alphas) -> np.ndarray:
    alphas = as_array(alphas, "alphas", ndim=1)
    if alphas.min() <= 0:
        raise BadInput(f"alphas: got {alphas.min():g}; wanted positive penalties")
    return alphas


def _features(X, name: str = "X") -> np.ndarray:
    """Finite features (rows, features), in float32 or float64 as they come."""
    features = _on_cpu(matrix(X, name))
    if np.ndim(X) != 2:
        raise BadInput(f"{name}: wanted rows by features, got one dimension; use X[:, None] for a single feature")
    features = features.numpy() if torch.is_tensor(features) else features
    with np.errstate(invalid="ignore", over="ignore"):
        finite = np.isfinite(features.sum(0, dtype=np.float64)).all()
    return features if finite else as_array(features, name)  # which says where the first bad value is


def _centred(features: np.ndarray) -> tuple[torch.Tensor, np.ndarray]:
    """Features less their mean beside a column of ones, and the mean."""
    mean, out = features.mean(0, dtype=np.float64), np.ones((len(features), features.shape[1] + 1))
    np.subtract(features, mean, out=out[:, :-1])
    return torch.from_numpy(out), mean


def _spaces(spaces: Sequence, n: int | None) -> list[np.ndarray]:
    if hasattr(spaces, "shape") or len(spaces) not in (1, 2, 3):
        raise BadInput("spaces: wanted a list of two or three arrays (rows, features)")
    parts = [_features(part, f"spaces[{i}]") for i, part in enumerate(spaces)]
    rows = {len(part) for part in parts} | ({n} if n else set())
    if len(rows) > 1:
        raise BadInput(f"spaces: {sorted(rows)} rows; wanted the same number in all of them and in Y")
    return parts


def _folds(cv, gap: int, n: int) -> splits.Pairs:
    folds = splits.folds(cv, n, gap)
    if min(len(train) for train, _ in folds) < 2:
        raise BadInput("cv: a fold with a single training row; wanted at least 2")
    return folds


def _device(name: str, *arrays) -> tuple[torch.device, bool]:
    one_of(name, "device", ("auto", "cpu", "cuda"))
    given = [array.device for array in arrays if getattr(array, "is_cuda", False)]
    if name == "auto":
        name = given[0] if given else "cuda" if torch.cuda.is_available() else "cpu"
    elif name == "cuda" and not torch.cuda.is_available():
        raise BadInput("device: cuda wanted, but torch sees no GPU; use device='auto'")
    return torch.device(name), bool(given)


def _on_cpu(array):
    return array.cpu() if torch.is_tensor(array) else array


def _pick(X, index: np.ndarray):
    """Rows of features, or of each of a list of spaces; a view where they follow one another."""
    if isinstance(X, (list, tuple)):
        return [_pick(part, index) for part in X]
    return matrix(X, "X")[rows_of(index, "cpu")]
