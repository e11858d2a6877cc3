"""Static word vectors: a text is the mean of its words, whatever their order."""

from __future__ import annotations

import copy
import re
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pyarrow.parquet

from ..checks import one_of
from ..errors import BadInput
from .base import as_list, check_texts
from .registry import Info

WORD = re.compile(r"\w+(?:[-'.]\w+)*")


class StaticModel:
    """A table of word vectors.

    Words are lower-cased, without punctuation. One that the table lacks is looked up by its parts between
    hyphens, dots and apostrophes; what is still unknown is left out of the mean (see ``missing``).
    """

    pools = ("mean",)
    layer_names = ["embedding"]

    def __init__(self, info: Info, table: Path, index: Path):
        self.info, self.table = info, np.load(table, mmap_mode="r")
        words = pyarrow.parquet.read_table(index)["index"].to_pylist()
        self.rows = {word: row for row, word in enumerate(words)}

    def missing(self, texts: Sequence[str]) -> list[list[str]]:
        """The words of each text that the table lacks, and that its mean therefore leaves out."""
        return [[word for word in self._split(text) if word not in self.rows] for text in check_texts(texts)]

    def vectors(self, words: Sequence[str]) -> np.ndarray:
        """Vectors of words as they are spelt in the table, (n, dim) float32; raises BadInput."""
        words = as_list(words, "words")
        unknown = [word for word in words if word not in self.rows]
        if unknown:
            lacks = ", ".join(map(str, unknown[:9]))
            raise BadInput(f"words: {self.info.id}, all in lower case, lacks {lacks}")
        return np.asarray(self.table[[self.rows[word] for word in words]], dtype=np.float32)

    def check(self, inputs: Sequence[str]) -> list[list[str]]:
        """The known words of each text; raises BadInput with the index of a text without any."""
        texts = check_texts(inputs)
        known = [[word for word in self._split(text) if word in self.rows] for text in texts]
        for i, words in enumerate(known):
            if not words:
                raise BadInput(f"texts[{i}]: no word of {texts[i][:60]!r} is in {self.info.id}")
        return known

    tokens = check

    def embed(self, inputs: Sequence[str], batch_size: int = 0) -> np.ndarray:
        """Mean of the word vectors of each text, (n, dim) float32; ``batch_size`` changes nothing here."""
        return np.stack([self.vectors(words).mean(0) for words in self.check(inputs)])

    def layers(self, inputs: Sequence[str], pool: str = "mean", batch_size: int = 0) -> dict[str, np.ndarray]:
        """The one layer that there is: ``embedding``, (n, dim) float32."""
        one_of(pool, "pool", self.pools)
        return {"embedding": self.embed(inputs)}

    def _randomised(self, seed: int) -> StaticModel:
        order = np.random.default_rng(seed).permutation(len(self.rows))
        rows = dict(zip(self.rows, order.tolist(), strict=True))
        return self._twin(f"+untrained{seed}", trained=False, rows=rows)

    def _degraded(self, noise: float, seed: int) -> StaticModel:
        drawn = np.random.default_rng(seed).standard_normal(self.table.shape, dtype=np.float32)
        table = self.table + np.float32(noise * self.table.std()) * drawn
        return self._twin(f"+noise{noise:g}seed{seed}", self.info.trained, table=table)

    def _split(self, text: str) -> list[str]:
        whole = WORD.findall(text.lower().replace("’", "'"))
        return [part for word in whole for part in ([word] if word in self.rows else re.split("[-'.]", word))]

    def _twin(self, suffix: str, trained: bool, **changed) -> StaticModel:
        twin = copy.copy(self)
        vars(twin).update(changed, info=replace(self.info, id=self.info.id + suffix, trained=trained))
        return twin
