"""Exceptions of the package: each names the argument, what was got, and what is wanted."""

from __future__ import annotations

import difflib
from collections.abc import Iterable


class NeuroconvergeError(Exception):
    """Base of every error that this package raises on purpose."""


class BadInput(NeuroconvergeError, ValueError):
    """An argument that cannot be used: says which, what was got and what is wanted."""


class UnknownName(NeuroconvergeError, LookupError):
    """A name that no registry holds; the nearest known names are in the message."""

    def __init__(self, kind: str, name: object, known: Iterable[str]):
        known = sorted(known)
        near = difflib.get_close_matches(str(name), known, n=3, cutoff=0.4)
        hint = f"Did you mean {' or '.join(map(repr, near))}?" if near else f"Known: {', '.join(known[:12])}."
        super().__init__(f"No {kind} is called {name!r}. {hint}")


class DataUnavailable(NeuroconvergeError):
    """Data that is neither on disk nor reachable; the message lists what was tried and the ways on."""


class CacheError(NeuroconvergeError, OSError):
    """The cache folder cannot be written: read-only, full, or not a folder."""
