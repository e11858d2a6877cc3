"""Arrays kept on disk under a name made of all that they depend on: features of models, fits, readings."""

from __future__ import annotations

import hashlib
import os
import tempfile
import warnings
import zipfile
import zlib
from collections.abc import Callable
from pathlib import Path

import numpy as np

from .datasets import cache_dir

DIGEST = "sha256"


def kept(key: str, make: Callable[[], dict[str, np.ndarray]]) -> dict[str, np.ndarray]:
    """The arrays kept under ``key``, a digest of what they were made from and by; made and kept if there are none.

    A damaged entry is made again. A cache that cannot be written costs time and one warning.
    """
    path = cache_dir() / "features" / f"{key}.npz"
    found = _read(path, key)
    if found is None:
        found = make()
        _write(path, key, found)
    return found


def _digest(key: str, arrays: dict[str, np.ndarray]) -> str:
    digest = hashlib.sha256(key.encode())
    for name, values in arrays.items():
        digest.update(f"{name} {values.dtype} {values.shape}".encode())
        digest.update(np.ascontiguousarray(values))
    return digest.hexdigest()


def _read(path: Path, key: str) -> dict[str, np.ndarray] | None:
    if not path.is_file():
        return None
    try:
        with np.load(path, allow_pickle=False) as stored:
            arrays = dict(stored)
        if str(arrays.pop(DIGEST)) == _digest(key, arrays):
            return arrays
    except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile, zlib.error):
        pass
    warnings.warn(f"{path} is damaged; it is made again", stacklevel=3)
    return None


def _write(path: Path, key: str, arrays: dict[str, np.ndarray]) -> None:
    part = None
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.NamedTemporaryFile(dir=path.parent, suffix=".part", delete=False) as file:
            part = Path(file.name)
            np.savez(file, **arrays, **{DIGEST: np.array(_digest(key, arrays))})
        os.replace(part, path)
    except OSError as error:
        if part:
            part.unlink(missing_ok=True)
        message = f"results are not kept: {path.parent} cannot be written ({error.strerror})"
        warnings.warn(message, stacklevel=1)  # located here, so shown once and not for every caller
