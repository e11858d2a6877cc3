"""Responses to single words (fMRI patterns, one a word), and sentences about photographs to retrieve from."""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import numpy as np
import pandas as pd

from ..errors import BadInput, UnknownName
from .fetch import fetch

PEREIRA_SUBJECTS = tuple(f"M{i:02d}" for i in (*range(1, 11), 13, 14, 15, 16, 17))
MITCHELL_SUBJECTS = tuple(range(1, 10))
N_VOXELS = 1000  # drawn at random from all voxels by the source


@dataclass(frozen=True)
class WordResponses:
    """fMRI patterns of one person: one a word, averaged over its presentations.

    ``responses``: table (words, voxels) float32 with the words as index, in the scaling of CogniVal (no unit).
    ``words``: that index as a list, in lower case as in the source. Voxels have no positions.
    """

    subject: str | int
    words: list[str]
    responses: pd.DataFrame


def pereira_words(subject: str) -> WordResponses:
    """180 words read with sentences, pictures or word clouds: words (180) x voxels (1,000), alphabetical.

    ``subject``: one of PEREIRA_SUBJECTS. CogniVal divided each word's pattern by its own largest value, which is
    therefore 1: the overall level of a response is lost, and a word's gain is noise; use correlations between
    patterns, or standardise each row. Raises UnknownName, DataUnavailable, or BadInput for a file that is not as
    published. Source: Pereira 2018 in the CogniVal form of Hollenstein 2019.
    """
    _known(subject, "participant of pereira_words", PEREIRA_SUBJECTS)
    return _responses(f"pereira_words/scaled_1000_pereira_targets_{subject}.txt", subject, 180)


def mitchell_nouns(subject: int) -> WordResponses:
    """60 concrete nouns, five in each of twelve categories: words (60) x voxels (1,000), as ordered by the source.

    ``subject``: 1 to 9. Raises UnknownName, DataUnavailable, or BadInput for a file that is not as published.
    Source: Mitchell 2008 in the CogniVal form of Hollenstein 2019.
    """
    _known(subject, "participant of mitchell_nouns", MITCHELL_SUBJECTS)
    return _responses(f"mitchell_nouns/scaled_1000_mitchell_targets_{subject}.txt", subject, 60)


@cache
def coco_captions() -> pd.DataFrame:
    """25,014 captions that people wrote for 5,000 photographs: columns ``image_id`` (COCO id) and ``caption``.

    Line ends and double spaces inside a caption become one space. Source: Lin 2014, COCO val2017.
    """
    path = fetch("coco/captions_val2017.json")
    try:
        notes = json.loads(path.read_text(encoding="utf-8"))["annotations"]
        table = pd.DataFrame(
            {
                "image_id": [int(note["image_id"]) for note in notes],
                "caption": [" ".join(note["caption"].split()) for note in notes],
            }
        )
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise BadInput(f"{path.name}: not a COCO caption file ({type(error).__name__}: {error})") from None
    empty = np.flatnonzero(table["caption"] == "")
    if len(empty) or table.empty:
        raise BadInput(f"{path.name}: {f'caption {empty[0]} is empty' if len(empty) else 'holds no captions'}")
    return table


def read_word_table(path: Path, n_words: int, n_columns: int) -> pd.DataFrame:
    """A CogniVal text file: a header, then one word a line and its values, separated by one space.

    Returns a table (words, columns) float32 with the words as index; raises BadInput with the row or the column.
    """
    # "null", "nan" and "none" are words, so nothing is read as missing.
    table = pd.read_csv(path, sep=" ", index_col=0, keep_default_na=False, dtype={0: str}, encoding="utf-8")
    if table.shape != (n_words, n_columns) or table.index.name != "word":
        raise BadInput(
            f"{path.name}: {table.shape[0]} words x {table.shape[1]} columns under {table.index.name!r}; "
            f"wanted {n_words} x {n_columns} under 'word'"
        )
    text = [str(name) for name, kind in table.dtypes.items() if not pd.api.types.is_numeric_dtype(kind)]
    if text:
        raise BadInput(f"{path.name}: column {text[0]} holds something that is no number")
    bad = np.argwhere(~np.isfinite(table.to_numpy(float)))
    if len(bad):
        raise BadInput(f"{path.name}: {len(bad)} values are not finite, the first for {table.index[bad[0][0]]!r}")
    twice = table.index[table.index.duplicated()]
    if len(twice):
        raise BadInput(f"{path.name}: the word {twice[0]!r} has more than one row")
    flat = table.columns[table.nunique() == 1]
    if len(flat):
        raise BadInput(f"{path.name}: column {flat[0]} is constant")
    return table.astype(np.float32)


@cache
def _responses(name: str, subject: str | int, n_words: int) -> WordResponses:
    table = read_word_table(fetch(name), n_words, N_VOXELS)
    return WordResponses(subject, table.index.tolist(), table)


def _known(subject, kind: str, subjects: tuple) -> None:
    if subject not in subjects:
        raise UnknownName(kind, subject, map(str, subjects))
