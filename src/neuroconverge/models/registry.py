"""The table of models: what each is, where its weights come from and under which licence."""

from __future__ import annotations

import csv
import hashlib
from dataclasses import dataclass
from functools import cache
from importlib.resources import files

from .. import datasets
from ..datasets.registry import rows
from ..errors import UnknownName


@dataclass(frozen=True)
class Info:
    """One model.

    ``kind``: text (encoder), causal, static or vision. ``locator``: data group, or repository on the hub.
    ``revision``: hash of the weights. ``window``: longest text in tokens, or side of images in pixels.
    ``capability``: a published score, explained in ``note``. ``trained``: False for untrained twins.
    """

    id: str
    kind: str
    source: str
    locator: str
    revision: str
    parameters: int = 0
    layers: int = 0
    dim: int = 0
    window: int | None = None
    opt_in: bool = False
    licence: str = ""
    citation: str = ""
    capability: float | None = None
    note: str = ""
    trained: bool = True


@cache
def _table() -> dict[str, Info]:
    text = files(__package__).joinpath("registry.csv").read_text(encoding="utf-8")
    return {row["id"]: _typed(row) for row in csv.DictReader(text.splitlines())}


def _typed(row: dict) -> Info:
    hashes = "".join(rows(name)[0].sha256 for name in datasets.names(row["locator"]))
    typed = {name: int(row[name] or 0) for name in ("parameters", "layers", "dim", "window")}
    typed["window"] = typed["window"] or None
    typed["opt_in"] = row["opt_in"] == "yes"
    typed["capability"] = float(row["capability"]) if row["capability"] else None
    return Info(**row | typed, revision=hashlib.sha256(hashes.encode()).hexdigest()[:12])


def names() -> list[str]:
    """Ids of the models that come with the package."""
    return list(_table())


def info(id: str) -> Info:
    """Facts about a registered model; raises UnknownName with the nearest id."""
    if id not in _table():
        raise UnknownName("model", id, names())
    return _table()[id]
