"""Find a registered file on disk or get it from its sources, verified before anyone reads it."""

from __future__ import annotations

import os
import shutil
import time
import warnings
from contextlib import contextmanager
from pathlib import Path

import platformdirs
import pooch
from filelock import FileLock

from ..errors import CacheError, DataUnavailable
from . import rebuild, sources
from .registry import Row, names, rows

# (path, size, modification time) of what this process has verified: each file is hashed once.
_verified: set[tuple[str, int, int]] = set()


def cache_dir() -> Path:
    """Folder for fetched files: ``NEUROCONVERGE_CACHE``, else the platform's cache folder."""
    return Path(os.environ.get("NEUROCONVERGE_CACHE") or platformdirs.user_cache_dir("neuroconverge"))


def mirrors() -> list[Path]:
    """Folders of ``NEUROCONVERGE_MIRROR`` that hold copies laid out as ``group/file``."""
    listed = os.environ.get("NEUROCONVERGE_MIRROR", "").split(os.pathsep)
    return [Path(folder) for folder in listed if folder]


def fetch(name: str) -> Path:
    """Path of a registered file (``group/file``), verified by size and sha256.

    Looks in the cache, then in the mirrors, then at the sources. A wrong file is set aside, never
    used and never deleted. Raises UnknownName, DataUnavailable, or CacheError when the cache cannot
    be written.
    """
    row, tried = rows(name)[0], []
    for place in (cache_dir(), *mirrors()):
        path = place / name
        if is_intact(path, row):
            return path
        tried.append(f"{path}: {_problem(path, row)}")
    with _locked(name):
        target = cache_dir() / name
        if is_intact(target, row):  # another process finished while we waited
            return target
        if target.exists():
            set_aside(target)
        for row in rows(name):
            try:
                _obtain(row, target)
                return target
            except sources.SourceFailed as failure:
                tried.append(f"{row.source} {row.parts[0]}: {failure}")
    raise DataUnavailable(_explain(name, row, tried))


def fetch_group(group: str) -> dict[str, Path]:
    """Paths of all files of one data set by file name (the part after ``group/``)."""
    return {name.partition("/")[2]: fetch(name) for name in names(group)}


def where(name: str) -> Path | None:
    """Where an intact copy lies on this machine, or None."""
    row = rows(name)[0]
    candidates = (place / name for place in (cache_dir(), *mirrors()))
    return next((path for path in candidates if is_intact(path, row)), None)


def available(name: str) -> bool:
    """Whether a file, or every file of a group, lies on this machine already."""
    files = [name] if "/" in name else names(name)
    return all(where(file) is not None for file in files)


def is_intact(path: Path, row: Row) -> bool:
    """Whether the file is there with the registered size and sha256."""
    try:
        stat = path.stat()
        key = (str(path), stat.st_size, stat.st_mtime_ns)
        if key not in _verified and stat.st_size == row.bytes and pooch.file_hash(str(path), "sha256") == row.sha256:
            _verified.add(key)
    except OSError:
        return False
    return key in _verified


def set_aside(path: Path) -> Path:
    """Rename a wrong file so that it is neither used nor lost; returns the new path."""
    spare = path.with_name(f"{path.name}.wrong-{time.time_ns()}")
    path.replace(spare)
    warnings.warn(f"{path} is not the registered file; it was set aside as {spare.name}", stacklevel=3)
    return spare


def _obtain(row: Row, target: Path) -> None:
    """Download to a temporary file, verify, and only then give it its name."""
    part = target.with_name(f"{target.name}.part")
    try:
        if row.source == "mirror":
            raise sources.SourceFailed(f"only from a mirror folder ({row.locator})")
        if row.source == "github":
            sources.from_github(row, part)
        elif row.source == "openneuro":
            sources.from_openneuro(row, part)
        elif row.source == "package":
            sources.from_package(row, part, keep=_keep)
        else:
            rebuild.build(row, part)
        if not is_intact(part, row):
            set_aside(part)
            raise sources.SourceFailed("what came is not the registered file; it was set aside")
        part.replace(target)
    finally:
        part.unlink(missing_ok=True)


def _keep(row: Row, file: Path) -> None:
    target = cache_dir() / row.name
    if not target.exists() and is_intact(file, row):
        target.parent.mkdir(parents=True, exist_ok=True)
        file.replace(target)
    file.unlink(missing_ok=True)


@contextmanager
def _locked(name: str):
    """One process at a time per data set; the lock falls with its holder, so a kill blocks nobody."""
    folder = (cache_dir() / name).parent
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with FileLock(folder / ".lock"):
            yield
    except OSError as error:
        if error.errno is None:  # no trouble with the disk
            raise
        free = shutil.disk_usage(_existing(folder)).free
        raise CacheError(
            f"Cannot write to the cache folder {cache_dir()} ({error.strerror or error}; {free / 1e6:,.0f} MB free). "
            "Free some space or point NEUROCONVERGE_CACHE to a folder that can be written."
        ) from error


def _existing(folder: Path) -> Path:
    return next(path for path in (folder, *folder.parents) if os.path.exists(path))


def _problem(path: Path, row: Row) -> str:
    try:
        size = path.stat().st_size
    except (FileNotFoundError, NotADirectoryError):
        return "not there"
    except OSError as error:
        return f"cannot be read ({error.strerror})"
    if size != row.bytes:
        return f"{size:,} bytes, {row.bytes:,} wanted"
    return "sha256 differs" if os.access(path, os.R_OK) else "cannot be read (Permission denied)"


def _explain(name: str, row: Row, tried: list[str]) -> str:
    attempts = "\n".join(f"  - {attempt}" for attempt in tried)
    return (
        f"{name} ({row.bytes / 1e6:.1f} MB) is neither on disk nor reachable. Tried:\n{attempts}\n"
        "Three ways on: connect to a network and try again; set NEUROCONVERGE_MIRROR to a folder that holds "
        f"{name}; or put the file at {cache_dir() / name}."
    )
