"""How similar people find two words: published sets of pairs, one table each."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import numpy as np
import pandas as pd

from ..errors import BadInput, UnknownName
from .fetch import fetch


@dataclass(frozen=True)
class WordSimilarity:
    """Judged pairs of words: ``pairs`` with columns ``word1, word2, score``, and ``pos`` where the source has it.

    ``raters``: table (pairs, raters) of single judgements, NaN where there is none, or None. ``scale``: lowest and
    highest answer. ``asks``: similarity (cup and mug) or relatedness (cup and coffee).
    """

    pairs: pd.DataFrame
    raters: pd.DataFrame | None
    scale: tuple[float, float]
    asks: str


@dataclass(frozen=True)
class _Set:
    file: str
    n: int
    scale: tuple[float, float]
    asks: str
    read: Callable[[Path], tuple[pd.DataFrame, pd.DataFrame | None]]


def word_similarity(which: str) -> WordSimilarity:
    """One set by name: ``multisimlex`` (13 raters), ``simlex``, ``men``, ``wordsim``, ``wordsim-raters`` (13 raters
    of its first 153 pairs), ``rw`` (7 to 10 raters), ``rg65``, ``mturk771``.

    Scores are means over raters as published; ``rw`` leaves raters out of its means who were far from the others.
    Raises UnknownName, DataUnavailable, or BadInput for a file that is not as published. Sources: Vulic 2020, Hill
    2015, Bruni 2014, Finkelstein 2002, Luong 2013, Rubenstein and Goodenough 1965, Halawi 2012.
    """
    if which not in _SETS:
        raise UnknownName("set of word pairs", which, _SETS)
    return _loaded(which)


@cache
def _loaded(which: str) -> WordSimilarity:
    one = _SETS[which]
    path = fetch(f"word_similarity/{one.file}")
    try:
        pairs, raters = one.read(path)
    except (KeyError, ValueError, IndexError) as error:
        raise BadInput(f"{path.name}: not read as a table of word pairs ({type(error).__name__}: {error})") from None
    if len(pairs) != one.n:
        raise BadInput(f"{path.name}: {len(pairs)} pairs; wanted {one.n}")
    for name, values in (("score", pairs[["score"]]), ("raters", raters)):
        if values is not None:
            numbers = values.to_numpy(float)
            inside = (numbers >= one.scale[0]) & (numbers <= one.scale[1])
            wrong = ~(inside | (np.isnan(numbers) & (name == "raters"))).all(1)
            if wrong.any():
                raise BadInput(f"{path.name}: {name} of pair {int(np.argmax(wrong))} outside {one.scale} or missing")
    return WordSimilarity(pairs, raters, one.scale, one.asks)


def _table(path: Path, sep: str = ",", header: int | None = 0) -> pd.DataFrame:
    # "null" and "nan" are words, so nothing is read as missing.
    return pd.read_csv(path, sep=sep, header=header, keep_default_na=False, encoding="utf-8-sig")


def _named(words: pd.DataFrame, score: pd.Series, **more: pd.Series) -> pd.DataFrame:
    first, second = words.iloc[:, 0].astype(str), words.iloc[:, 1].astype(str)
    return pd.DataFrame({"word1": first, "word2": second, "score": score.astype(float), **more})


def _raters(table: pd.DataFrame) -> pd.DataFrame:
    # Only an empty cell is a missing answer; any other text is an error.
    return table.replace("", np.nan).astype(float).set_axis([f"rater {k + 1}" for k in range(table.shape[1])], axis=1)


def _plain(sep: str, header: int | None):
    def read(path: Path):
        table = _table(path, sep, header)
        return _named(table, table.iloc[:, 2]), None

    return read


def _multisimlex(path: Path):
    table = _table(path)
    return _named(table, table["Average Score"]), _raters(table.iloc[:, 2:15])


def _simlex(path: Path):
    table = _table(path, "\t")
    return _named(table, table["SimLex999"], pos=table["POS"]), None


def _men(path: Path):
    """Words carry their part of speech after a dash: ``berry-n``."""
    table = _table(path, " ", None)
    words = table.iloc[:, :2].apply(lambda column: column.str.rpartition("-")[0])
    pos = table[0].str.rpartition("-")[2] + table[1].str.rpartition("-")[2]
    return _named(words, table[2], pos=pos), None


def _rated(sep: str, header: int | None):
    """Words, mean, then one column a rater."""

    def read(path: Path):
        table = _table(path, sep, header)
        return _named(table, table.iloc[:, 2]), _raters(table.iloc[:, 3:])

    return read


_SETS = {
    "multisimlex": _Set("MSimLex999_English.txt", 999, (0, 10), "similarity", _multisimlex),
    "simlex": _Set("SimLex-999.txt", 999, (0, 10), "similarity", _simlex),
    "men": _Set("MEN_dataset_lemma_form.all", 3000, (0, 50), "relatedness", _men),
    "wordsim": _Set("wordsim353_combined.csv", 353, (0, 10), "relatedness", _plain(",", 0)),
    "wordsim-raters": _Set("wordsim353_set1.csv", 153, (0, 10), "relatedness", _rated(",", 0)),
    "rw": _Set("rw-all.csv", 2034, (0, 10), "similarity", _rated("\t", None)),
    "rg65": _Set("EN-RG-65.txt", 65, (0, 4), "similarity", _plain("\t", None)),
    "mturk771": _Set("MTURK-771.csv", 771, (1, 5), "relatedness", _plain(",", None)),
}
