"""What ``encoding`` reads and multiplies: targets in batches, on any device, and cross-products over sets of rows."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from functools import cache
from threading import RLock

import numpy as np
import torch
from scipy.linalg.lapack import dpotrf, dpotri
from threadpoolctl import ThreadpoolController

from .errors import BadInput

FAR = 25.0  # targets whose squared mean exceeds so many variances are centred before they are multiplied
LOCK = RLock()  # the number of BLAS threads belongs to the process
NUMPY = {torch.float32: np.float32, torch.float64: np.float64}
Rows = slice | torch.Tensor


def matrix(values, name: str):
    """(rows, targets) as a float32 or float64 array, or a tensor where it is on a GPU; copied only to convert."""
    if hasattr(values, "detach"):
        values = values.detach()
        if values.dtype not in NUMPY:
            values = values.float()
        values = values if values.is_cuda else values.numpy()
    else:
        try:
            values = np.asarray(values)
            if values.dtype not in (np.float32, np.float64):
                values = values.astype(np.float32 if values.dtype == np.float16 else np.float64)
        except (TypeError, ValueError) as error:
            raise BadInput(f"{name}: not an array of numbers ({error})") from None
    if values.ndim == 1:
        values = values[:, None]
    if values.ndim != 2 or 0 in values.shape:
        raise BadInput(f"{name}: wanted rows by targets, got shape {tuple(values.shape)}")
    return values


def rows_of(index: np.ndarray, device) -> Rows:
    """Row numbers as a slice, which copies nothing, where they follow one another."""
    if index[-1] - index[0] + 1 == len(index) and (np.diff(index) == 1).all():
        return slice(int(index[0]), int(index[-1]) + 1)
    return torch.as_tensor(index, device=device)


def product(a: torch.Tensor, b: torch.Tensor) -> torch.Tensor:
    """a @ b. On a CPU by NumPy, whose BLAS is faster than PyTorch's on processors that are not Intel's."""
    if a.device.type != "cpu":
        return a @ b
    with np.errstate(invalid="ignore", over="ignore"):
        return torch.from_numpy(a.numpy() @ b.numpy())


def slices(n: int, size: int) -> Iterator[slice]:
    return (slice(start, min(start + size, n)) for start in range(0, n, size))


def map_now(function: Callable, items) -> list:
    return [function(item) for item in items]


@contextmanager
def threads(device):
    """A ``map`` that runs on as many CPU threads as PyTorch may use, each with a BLAS of one thread; plain on a GPU.

    Whole batches do not wait for one another, as the threads within a matrix product do; on a processor that other
    programs use too, these waits cost far more than the products.
    """
    count = torch.get_num_threads()
    if count == 1 or device.type != "cpu":
        yield map_now
        return
    with LOCK, _blas().limit(limits=1, user_api="blas"):
        try:
            with ThreadPoolExecutor(count, "ridge", torch.set_num_threads, (1,)) as pool:
                yield lambda function, items: list(pool.map(function, items))
        finally:
            torch.set_num_threads(count)


_blas = cache(ThreadpoolController)


def inverse(matrix: torch.Tensor, all_threads: bool) -> torch.Tensor:
    """Inverse of a positive definite matrix; on a CPU in its place, by all threads or by one."""
    if matrix.device.type != "cpu":
        return torch.cholesky_inverse(torch.linalg.cholesky(matrix))
    array = matrix.numpy()
    with _blas().limit(limits=torch.get_num_threads(), user_api="blas") if all_threads else nullcontext():
        factor, failed = dpotrf(array.T, lower=1, overwrite_a=1, clean=0)
        factor, also = dpotri(factor, lower=1, overwrite_c=1)
    if failed or also:
        raise np.linalg.LinAlgError("the kernel plus the penalty is not positive definite")
    array = factor.T
    for rows in slices(len(array), 256):  # the result is in the upper triangle
        array[rows.stop :, rows] = array[rows, rows.stop :].T
        block = array[rows, rows]
        block[:] = np.triu(block) + np.triu(block, 1).T
    return torch.from_numpy(array)


def kernel(X: torch.Tensor, other: torch.Tensor, spread: Callable) -> torch.Tensor:
    """X @ other.T, from blocks of rows on all threads."""
    return torch.cat(spread(lambda rows: product(X[rows], other.T), slices(len(X), 256)))


@dataclass
class Sums:
    """Cross-products (targets, features + 1) and sums of squares of each set of rows, of targets minus ``shift``."""

    products: list[torch.Tensor]
    squares: list[np.ndarray]
    total: torch.Tensor
    mean: np.ndarray  # over all rows, of the targets themselves
    spread: np.ndarray  # sum of squares about the mean over all rows: 0 if constant, NaN if not finite


class Targets:
    """Targets (rows, targets), converted, moved and centred a batch at a time."""

    def __init__(self, values, device, dtype, budget: float):
        self.values, self.device, self.dtype, self.budget = values, device, dtype, budget
        self.n, self.count = values.shape
        self.same = torch.is_tensor(values) or values.dtype == NUMPY[dtype]
        if not (torch.is_tensor(values) or any(step < 0 or step % values.itemsize for step in values.strides)):
            with warnings.catch_warnings():  # read-only arrays are welcome: nothing is ever written into the targets
                warnings.simplefilter("ignore", UserWarning)
                self.values = torch.from_numpy(values)

    def batches(self, bytes_per_target: float) -> list[slice]:
        """Batches within the budget when all threads work at once, and enough of them to keep the threads busy."""
        threads = torch.get_num_threads() if self.device.type == "cpu" else 1
        size = min(self.budget // (bytes_per_target * threads), max(-(-self.count // (2 * threads)), 1024))
        return list(slices(self.count, int(max(size, 16))))

    def raw(self, cols) -> torch.Tensor:
        part = self.values[:, cols]
        return part if torch.is_tensor(part) else torch.from_numpy(part.copy())

    def take(self, block: torch.Tensor, rows: Rows, shift: torch.Tensor | None = None) -> torch.Tensor:
        part = block[rows if isinstance(rows, slice) else rows.to(block.device)].to(self.device, self.dtype)
        return part if shift is None else part - shift

    def sums(self, cols, sets: list[Rows], whole: list[int], features: torch.Tensor) -> Sums:
        """Products with ``features``, whose last column is 1, over each set; the sets in ``whole`` make up all rows."""
        block, shift = self.raw(cols), None
        while True:
            parts = [self._set(self.take(block, rows, shift), features[rows]) for rows in sets]
            products, squares = map(list, zip(*parts, strict=True))
            total = sum(products[i] for i in whole) if len(whole) > 1 else products[whole[0]]
            mean = total[:, -1].double().cpu().numpy() / self.n
            with np.errstate(invalid="ignore", over="ignore"):
                raw = sum(squares[i] for i in whole)
                spread = raw - self.n * mean**2
                spread[~np.isfinite(spread)] = np.nan
                flat = np.flatnonzero((spread <= 1e-5 * raw) if shift is None else spread <= 0)
                if len(flat):
                    columns = block[:, torch.as_tensor(flat, device=block.device)]
                    same = (columns == columns[0]).all(0).cpu().numpy()
                    spread[flat[same]] = 0
                far = (spread != 0) & (self.n * mean**2 > FAR * spread)
            if shift is not None or not far.any():
                offset = 0 if shift is None else shift.double().cpu().numpy()
                return Sums(products, squares, total, mean + offset, spread)
            shift = torch.as_tensor(np.where(np.isfinite(mean), mean, 0), dtype=self.dtype, device=self.device)

    def _set(self, part: torch.Tensor, features: torch.Tensor):
        return product(part.T, features), squares(part)


def squares(part: torch.Tensor) -> np.ndarray:
    """Sum of squares of each column, in float64 over short runs of rows."""
    if part.device.type != "cpu":
        return (torch.linalg.vector_norm(part, dim=0, dtype=torch.float64) ** 2).cpu().numpy()
    values, out = part.numpy(), np.zeros(part.shape[1])
    with np.errstate(invalid="ignore", over="ignore"):
        for rows in slices(len(values), 256):
            out += np.einsum("nt,nt->t", values[rows], values[rows])
    return out
