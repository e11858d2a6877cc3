"""Findings as functions: each returns a tidy table, and the table as once computed is kept beside the code.

``caption_rsa()`` computes. ``caption_rsa.table()`` computes where the data can be had and otherwise returns the
recorded table, and says which of the two it did.
"""

from __future__ import annotations

import functools
import importlib
import json
import os
import tempfile
import textwrap
import time
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pandas as pd

from .. import __version__
from ..datasets import names as file_names
from ..datasets.registry import rows
from ..errors import BadInput, CacheError, DataUnavailable, UnknownName

RESULTS = Path(__file__).parent.parent / "results"
MODULES = (
    "images92",
    "ceilings",
    "decoding",
    "decoding_words",
    "published",
    "layers",
    "context",
    "ieeg",
    "speech",
    "eeg",
    "similarity",
    "architectures",
    "dimensions",
    "dimensions_named",
    "human_brain",
    "concepts_brain",
    "concepts",
    "concepts_trials",
    "prompts",
    "capability",
)
# Recomputed embeddings differ in the last digits between processors; scores then move in the fifth.
TOLERANCE = 2e-3
OUT_OF_REACH = (DataUnavailable, CacheError)

_registry: dict[str, Experiment] = {}


class Experiment:
    """A function that returns a result table, with the data it needs and the claims it speaks to.

    ``recorded``: whether its table is kept with the package; False where the data could not be had for that.
    """

    def __init__(self, function: Callable[..., pd.DataFrame], needs: Sequence[str], claims=(), recorded: bool = True):
        functools.update_wrapper(self, function)
        self.function, self.needs, self.claims, self.recorded = function, tuple(needs), tuple(claims), recorded
        self.name = function.__name__

    def __call__(self, **arguments) -> pd.DataFrame:
        return self.function(**arguments)

    def table(self) -> pd.DataFrame:
        """Result computed now if every need can be had, else the recorded one; prints which."""
        start = time.perf_counter()
        try:
            result = self.function()
            sources = dict.fromkeys(need.partition("/")[0].removeprefix("model-") for need in self.needs)
            said = f"Computed now in {time.perf_counter() - start:.0f} s from {', '.join(sources) or 'simulations'}."
        except OUT_OF_REACH as error:
            if not self.recorded:
                raise DataUnavailable(f"{self.name} has no recorded result to fall back on. {error}") from error
            result, provenance = recorded(self.name)
            reason = str(error).splitlines()[0].split(" is neither")[0].split(" (")[0]
            said = (
                f"RECORDED on {provenance['date']} with neuroconverge {provenance['version']}, not computed here: "
                f"{reason} can neither be found nor reached on this machine."
            )
        print(textwrap.fill(said, 80))
        return result

    def provenance(self) -> dict:
        """What a record of this experiment must say: when, with which code, from which files."""
        files = [name for need in self.needs for name in (file_names(need) if "/" not in need else [need])]
        return {
            "experiment": self.name,
            "date": datetime.now(UTC).date().isoformat(),
            "version": __version__,
            "claims": list(self.claims),
            "sha256": {name: rows(name)[0].sha256 for name in files},
        }


def here(load: Callable, what: str, instead: str = ""):
    """What ``load()`` returns, or None and a line that says so where its data can be neither found nor reached.

    ``what``: the data in words, as a subject in the plural; ``instead``: what the reader gets in their place.
    """
    try:
        return load()
    except OUT_OF_REACH:
        end = f"; {instead}." if instead else "."
        print(textwrap.fill(f"The {what} can neither be found nor reached on this machine{end}", 80))
        return None


def experiment(needs: Sequence[str], claims: Sequence[str] = (), recorded: bool = True) -> Callable:
    """Register a function as an experiment; ``needs`` are data groups or ``group/file`` names."""

    def register(function: Callable[..., pd.DataFrame]) -> Experiment:
        made = Experiment(function, needs, claims, recorded)
        _registry[made.name] = made
        return made

    return register


def all_experiments() -> dict[str, Experiment]:
    """Every experiment by name."""
    for module in MODULES:
        importlib.import_module(f"{__name__}.{module}")
    return dict(_registry)


def recorded_names() -> list[str]:
    """Names of the experiments whose tables are kept with the package."""
    return [name for name, found in all_experiments().items() if found.recorded]


def get(name: str) -> Experiment:
    known = all_experiments()
    if name not in known:
        raise UnknownName("experiment", name, known)
    return known[name]


def recorded(name: str) -> tuple[pd.DataFrame, dict]:
    """The recorded table of an experiment and its provenance (date, version, sha256 of the data)."""
    table, note = RESULTS / f"{name}.csv", RESULTS / f"{name}.json"
    if not table.exists() or not note.exists():
        raise UnknownName("recorded result", name, [path.stem for path in RESULTS.glob("*.csv")])
    # "null" and "none" are labels here, and only an empty field is missing.
    made = pd.read_csv(table, keep_default_na=False, na_values=[""])
    return made, json.loads(note.read_text(encoding="utf-8"))


def record(name: str) -> pd.DataFrame:
    """Compute an experiment and keep its table; the files change together or not at all."""
    found = get(name)
    result = found()
    RESULTS.mkdir(exist_ok=True)
    _write(RESULTS / f"{name}.csv", result.to_csv(index=False, float_format="%.6g", lineterminator="\n"))
    _write(RESULTS / f"{name}.json", json.dumps(found.provenance(), indent=1) + "\n")
    return result


def _write(path: Path, text: str) -> None:
    with tempfile.NamedTemporaryFile("w", dir=path.parent, delete=False, encoding="utf-8", newline="") as part:
        part.write(text)
    os.chmod(part.name, 0o644)
    os.replace(part.name, path)


def mismatch(name: str, computed: pd.DataFrame | None = None) -> list[str]:
    """What differs between the record and a fresh computation, one line a column; empty when they agree."""
    kept, _ = recorded(name)
    fresh = get(name)() if computed is None else computed
    if list(kept.columns) != list(fresh.columns) or len(kept) != len(fresh):
        return [f"shape: recorded {kept.shape} {list(kept.columns)}, computed {fresh.shape} {list(fresh.columns)}"]
    problems = []
    for column in kept.columns:
        if pd.api.types.is_numeric_dtype(kept[column]):
            old, new = kept[column].to_numpy(float), fresh[column].to_numpy(float)
            gap = np.abs(old - new)
            if not np.allclose(old, new, atol=TOLERANCE, rtol=TOLERANCE, equal_nan=True):
                problems.append(f"{column}: differs by up to {np.nanmax(gap):.4f}, row {np.nanargmax(gap)}")
        elif list(kept[column].astype(str)) != list(fresh[column].astype(str)):
            problems.append(f"{column}: the labels differ")
    return problems


def _picked(table: pd.DataFrame, where: dict) -> pd.Series:
    found = table
    for key, wanted in where.items():
        found = found[found[key] == wanted]
    if len(found) != 1:
        raise BadInput(f"where: {where} picks {len(found)} rows, one is wanted")
    return found.iloc[0]


def phrase(table: pd.DataFrame, value: str = "score", **where) -> str:
    """The one row that ``where`` picks, for prose: ``0.24 [0.16, 0.32]``; raises BadInput for none or several."""
    row = _picked(table, where)
    return f"{row[value]:.2f} [{row['low']:.2f}, {row['high']:.2f}]"


def percent(table: pd.DataFrame, value: str = "accuracy", low: str = "low", high: str = "high", **where) -> str:
    """The same in percent: ``48.3 % [47.5, 49.0]``."""
    row = 100 * _picked(table, where)[[value, low, high]].astype(float)
    return f"{row[value]:.1f} % [{row[low]:.1f}, {row[high]:.1f}]"
