"""Language models that read words in time: states of every layer for each word, surprisal, bits per byte.

A text is cut into windows, each read after the begin-of-text token. ``exact``: one window for each word, which ends
with it, so that it sees exactly its last N tokens. ``rolling``: windows of 2N tokens that overlap, of which the
later half is kept, so that a word sees between N and 2N tokens; some N / 2 times less work.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import torch
from tqdm import tqdm

from ..checks import one_of
from ..errors import BadInput
from .base import as_list
from .text import TextModel

MODES = ("exact", "rolling")
PRECISIONS = ("float32", "bfloat16")
TOKENS = 1024  # read at once: larger batches are no faster on a CPU
LONGEST = 8192  # tokens of context, for networks that would read without end
SCORES = 1 << 24  # held at once: 64 MB, where those of all tokens of a story would take gigabytes


class CausalLM(TextModel):
    """A causal language model. To what a TextModel does, it adds words in their running text."""

    def word_states(
        self,
        words: Sequence[str],
        context: int = 64,
        layers: Sequence[str] | None = None,
        pool: str = "last",
        mode: str = "rolling",
        precision: str = "float32",
    ) -> np.ndarray:
        """States of each word in its text, (layers, words, dim) float32; never a look at a later word.

        ``words``: the text in order, joined by spaces; a space belongs to the word after it. ``context``: tokens
        that a word sees, its own last one included: exactly so many (``exact``), or up to twice so many
        (``rolling``); fewer only at the start of the text. ``layers``: some of ``layer_names``, None for all.
        ``pool``: a word is its last token (``last``), or the mean of all its tokens. ``precision``: bfloat16 is two
        to three times faster on processors that have it, and off by half a per cent on average. Raises BadInput.
        """
        one_of(pool, "pool", ("last", "mean"))
        one_of(precision, "precision", PRECISIONS)
        chosen = self._chosen(layers)
        ids, owner = self._aligned(words)
        last = np.flatnonzero(np.r_[np.diff(owner) > 0, True])
        first = last if pool == "last" else np.r_[0, last[:-1] + 1]
        windows = self._windows(first, last, context, mode)
        wanted = np.zeros(len(ids) + 1, bool)  # the extra one, found at index -1, is the begin-of-text token
        wanted[last if pool == "last" else slice(len(ids))] = True
        out = np.zeros((len(chosen), len(last), self.info.dim), np.float32)

        def keep(states: list[torch.Tensor], rows: np.ndarray, places: np.ndarray, tokens: np.ndarray) -> None:
            use = wanted[tokens]
            rows, places, slots = rows[use], places[use], owner[tokens[use]]
            for layer, values in zip(states, out, strict=True):
                np.add.at(values, slots, layer[rows, places].float().cpu().numpy())

        self._read(ids, windows, chosen, keep, precision)
        return out / (last - first + 1)[:, None].astype(np.float32)

    def surprisal(self, words: Sequence[str], context: int | None = None, mode: str = "rolling") -> np.ndarray:
        """Bits by which each word surprises, (words,): minus log2 of its probability, summed over its tokens.

        ``context``: tokens before each token, exactly or up to twice so many as in ``word_states``; None: at least
        half of the model's window. Raises BadInput.
        """
        ids, owner = self._aligned(words)
        return np.bincount(owner, self._bits(ids, context, mode))

    def surprisals(self, texts: Sequence[Sequence[str]]) -> list[np.ndarray]:
        """``surprisal`` of many short texts at once, each a list of words that starts afresh; raises BadInput."""
        aligned = [self._aligned(words, f"texts[{i}]") for i, words in enumerate(as_list(texts, "texts"))]
        for i, (ids, _) in enumerate(aligned):
            if len(ids) > self.window:
                raise BadInput(f"texts[{i}]: {len(ids)} tokens; {self.info.id} reads at most {self.window} at once")
        stops = np.cumsum([len(ids) for ids, _ in aligned])
        starts = np.r_[0, stops[:-1]]
        bits = self._scored(np.concatenate([ids for ids, _ in aligned]), np.c_[starts, starts - 1, stops - 1])
        parts = np.split(bits, stops[:-1])
        return [np.bincount(owner, part) for (_, owner), part in zip(aligned, parts, strict=True)]

    def bits_per_byte(self, text: str, context: int | None = None) -> float:
        """Mean surprisal for each byte of the text in UTF-8, so that models with other tokens compare.

        Long texts are read in overlapping windows: every token has at least ``context`` tokens before it, None for
        half of the model's window; fewer only at the start, where the first has the begin-of-text token. Raises
        BadInput.
        """
        if not isinstance(text, str) or not text:
            raise BadInput(f"text: got {'an empty text' if text == '' else type(text).__name__}; wanted one text")
        ids = np.array(self.tokenizer(text, add_special_tokens=False, verbose=False)["input_ids"])
        if not len(ids):
            raise BadInput(f"text: {text[:40]!r} holds nothing that {self.info.id} has a token for")
        return float(self._bits(ids, context, "rolling").sum() / len(text.encode()))

    # --- from words to tokens

    def _aligned(self, words: Sequence[str], name: str = "words") -> tuple[np.ndarray, np.ndarray]:
        """Token ids of the running text, and for each token the index of its word."""
        words = as_list(words, name)
        for i, word in enumerate(words):
            if not isinstance(word, str) or not word.strip():
                got = "an empty word" if isinstance(word, str) else type(word).__name__
                raise BadInput(f"{name}[{i}]: got {got}; wanted a word, so drop it together with its times")
        text = " ".join(words)
        # A space counts to the word after it, as in byte-pair tokens.
        owners = np.repeat(np.arange(len(words)), [len(word) + (i > 0) for i, word in enumerate(words)])
        found = self.tokenizer(text, add_special_tokens=False, return_offsets_mapping=True, verbose=False)
        ends = [start + max(len(text[start:stop].rstrip()), 1) - 1 for start, stop in found["offset_mapping"]]
        owner = owners[np.minimum(np.array(ends, int), len(text) - 1)]
        without = np.flatnonzero(np.bincount(owner, minlength=len(words)) == 0)
        if len(without):
            i = without[0]
            raise BadInput(f"{name}[{i}]: {words[i]!r} has no token of its own in {self.info.id}; drop it")
        return np.array(found["input_ids"]), owner

    def _chosen(self, layers: Sequence[str] | None) -> list[int]:
        names = self.layer_names if layers is None else as_list(layers, "layers")
        for name in names:
            if name not in self.layer_names:
                raise BadInput(
                    f"layers: {name!r} is not a layer; {self.info.id} has embedding to {self.layer_names[-1]}"
                )
        return [self.layer_names.index(name) for name in names]

    # --- from tokens to windows: (start, keep, stop) reads tokens start to stop, and keeps them from ``keep`` on

    def _windows(self, first: np.ndarray, last: np.ndarray, context: int, mode: str) -> np.ndarray:
        exact = one_of(mode, "mode", MODES) == "exact"
        whole, longest = isinstance(context, (int, np.integer)), (self.window - 1) // (1 if exact else 2)
        if not whole or not 1 <= context <= longest:
            room = f"{self.info.id} reads at most {self.window} at once, the begin-of-text token included"
            raise BadInput(
                f"context: got {context!r}; wanted a whole number of tokens, 1 to {longest} ({mode}): {room}"
            )
        if not exact:
            return rolling(int(last[-1]) + 1, int(context))
        cut = np.flatnonzero(last - first >= context)
        if len(cut):
            longest = int((last - first).max()) + 1
            raise BadInput(f"context: words[{cut[0]}] alone has more than {context} tokens, and pool='mean' takes all; "
                           f"wanted at least {longest}")  # fmt: skip
        return np.c_[np.maximum(last - context + 1, 0), first, last + 1]

    @torch.inference_mode()
    def _read(self, ids, windows: np.ndarray, layers: list[int], keep: Callable, precision: str = "float32") -> None:
        """Run the windows in batches; ``keep`` gets states of the layers, and where in them which token stands."""
        final = len(self.layer_names) - 1
        windows = windows[np.argsort(windows[:, 0] - windows[:, 2], kind="stable")]  # longest first
        half = torch.autocast(self.device.type, torch.bfloat16, enabled=precision == "bfloat16")
        with half, tqdm(total=len(windows), desc=self.info.id, delay=2, leave=False) as bar:
            while len(windows):
                length = int(windows[0, 2] - windows[0, 0]) + 1
                size = max(1, TOKENS // length)
                batch, windows = windows[:size], windows[size:]
                # What fills up shorter windows comes after them, where a causal network does not look.
                tokens = np.full((len(batch), length), self.begin)
                for row, (start, _, stop) in zip(tokens, batch, strict=True):
                    row[1 : stop - start + 1] = ids[start:stop]
                options = {"output_hidden_states": layers != [final], "use_cache": False}
                found = self.network.base_model(torch.from_numpy(tokens).to(self.device), **options)
                states = [found.last_hidden_state if i == final else found.hidden_states[i] for i in layers]
                rows = np.repeat(np.arange(len(batch)), batch[:, 2] - batch[:, 1])
                kept = np.concatenate([np.arange(begin, stop) for _, begin, stop in batch])
                keep(states, rows, kept - batch[rows, 0] + 1, kept)
                bar.update(len(batch))

    # --- from states to probabilities

    def _bits(self, ids: np.ndarray, context: int | None, mode: str) -> np.ndarray:
        """Surprisal of each token; that of token t is read from the state of token t - 1."""
        if context is None:
            context = (min(self.window, LONGEST) - 1) // (1 if mode == "exact" else 2)
        before = np.arange(-1, len(ids) - 1)
        return self._scored(ids, self._windows(before, before, context, mode))

    def _scored(self, ids: np.ndarray, windows: np.ndarray) -> np.ndarray:
        head, bits = self._head(), np.zeros(len(ids))
        targets = torch.from_numpy(ids).to(self.device)

        def keep(states: list[torch.Tensor], rows: np.ndarray, places: np.ndarray, tokens: np.ndarray) -> None:
            size = max(1, SCORES // head.weight.shape[0])
            for i in range(0, len(rows), size):
                scores = head(states[0][rows[i : i + size], places[i : i + size]])
                nexts = tokens[i : i + size] + 1
                right = scores.gather(1, targets[nexts, None])[:, 0]
                bits[nexts] = ((scores.logsumexp(1) - right).double() / np.log(2)).cpu().numpy()

        self._read(ids, windows, [len(self.layer_names) - 1], keep)
        return bits

    @torch.inference_mode()
    def _head(self) -> torch.nn.Module:
        """The output layer; refuses a network that changes the scores after it, since it is applied alone here."""
        head, probe = self.network.get_output_embeddings(), torch.tensor([[self.begin, 0]], device=self.device)
        whole = self.network(probe, use_cache=False).logits
        if not torch.allclose(head(self.network.base_model(probe, use_cache=False)[0]), whole, rtol=1e-3, atol=1e-3):
            raise BadInput(f"model: {self.info.id} changes its scores after its output layer; no surprisal from it")
        return head


def rolling(n: int, context: int) -> np.ndarray:
    """Windows over n tokens, (windows, 3): the first keeps all it reads, the others what has ``context`` tokens."""
    starts = np.arange(0, max(n - context + 1, 1), context + 1)
    stops = np.minimum(starts + 2 * context, n)
    keep = np.r_[-1, stops[:-1]]
    return np.c_[starts, keep, stops]
