"""What all models share: checks at the door, batches by length, and one float32 row for each input."""

from __future__ import annotations

import copy
from collections.abc import Callable, Sequence
from contextlib import contextmanager
from dataclasses import replace
from functools import partial

import numpy as np
import torch
from tqdm import tqdm

from ..checks import one_of
from ..errors import BadInput
from .registry import Info

BATCH = 32
# The states of all layers are held for one batch: this bounds them (300 MB for 30 layers of 576).
TOKENS_PER_BATCH = 4096


def as_list(inputs: Sequence, name: str) -> list:
    """Inputs as a list of at least one; raises BadInput, also for one bare text or image."""
    if isinstance(inputs, (str, bytes)) or not hasattr(inputs, "__iter__"):
        raise BadInput(f"{name}: got one {type(inputs).__name__}; wanted a list")
    inputs = list(inputs)
    if not inputs:
        raise BadInput(f"{name}: an empty list; wanted at least one")
    return inputs


def check_texts(texts: Sequence[str]) -> list[str]:
    """Texts as a list; raises BadInput with the index of an empty one, or of what is no text."""
    texts = as_list(texts, "texts")
    for i, text in enumerate(texts):
        if not isinstance(text, str) or not text.strip():
            got = "an empty text" if isinstance(text, str) else type(text).__name__
            raise BadInput(f"texts[{i}]: got {got}; wanted a text with at least one word")
    return texts


def pick_device(device: str) -> torch.device:
    """``auto``: the first of cuda, mps and cpu that is there; raises BadInput for one that is not."""
    if device == "auto":
        mps = "mps" if torch.backends.mps.is_available() else "cpu"
        device = "cuda" if torch.cuda.is_available() else mps
    try:
        return torch.empty(0, device=device).device
    except (RuntimeError, AssertionError) as error:
        raise BadInput(f"device: {device!r} cannot be used ({str(error).splitlines()[0]})") from None


@contextmanager
def quiet():
    """Hide the loading bars and remarks of transformers for as long as a model loads."""
    from transformers.utils import logging

    level, bars = logging.get_verbosity(), logging.is_progress_bar_enabled()
    logging.set_verbosity_error()
    logging.disable_progress_bar()
    try:
        yield
    finally:
        logging.set_verbosity(level)
        if bars:
            logging.enable_progress_bar()


class TorchModel:
    """A network that maps inputs to arrays; kinds of model add how to check, run and pool.

    ``info``: facts. ``layer_names``: keys of what ``layers`` returns, from input to output. ``pools``: the
    ways in which it can pool.
    """

    pools: tuple[str, ...]
    layer_names: list[str]

    def __init__(self, info: Info, network: torch.nn.Module, device: str):
        self.info, self.device = info, pick_device(device)
        self.network = network.eval().to(self.device)

    def embed(self, inputs: Sequence, batch_size: int = BATCH) -> np.ndarray:
        """One vector for each input, (n, dim) float32; raises BadInput with the index of a bad input."""
        return self._run(inputs, self._embedding, batch_size)["embedding"]

    def layers(self, inputs: Sequence, pool: str = "mean", batch_size: int = BATCH) -> dict[str, np.ndarray]:
        """All layers from one forward pass: name -> (n, dim) float32, input first; raises BadInput."""
        one_of(pool, "pool", self.pools)
        return self._run(inputs, partial(self._layers, pool=pool), batch_size)

    def _run(self, inputs: Sequence, step: Callable, batch_size: int) -> dict[str, np.ndarray]:
        if batch_size < 1:
            raise BadInput(f"batch_size: got {batch_size}; wanted at least 1")
        items, out, start = self.check(inputs), {}, 0
        # Longest first, so that a lack of memory shows at once and not at the end.
        order = sorted(range(len(items)), key=lambda i: -self._length(items[i]))
        # TF32 convolutions would cost three digits on a GPU.
        exact = torch.backends.cudnn.flags(enabled=True, deterministic=True, allow_tf32=False)
        bar = tqdm(total=len(items), desc=self.info.id, delay=2, leave=False)
        with torch.inference_mode(), exact, bar:
            while start < len(items):
                size = min(batch_size, TOKENS_PER_BATCH // self._length(items[order[start]]))
                chosen = order[start : start + max(1, size)]
                for name, values in step([items[i] for i in chosen]).items():
                    if name not in out:
                        out[name] = np.empty((len(items), values.shape[1]), np.float32)
                    out[name][chosen] = values.float().cpu().numpy()
                start += len(chosen)
                bar.update(len(chosen))
        return out

    def _randomised(self, seed: int) -> TorchModel:
        with torch.random.fork_rng(devices=[]):
            torch.default_generator.manual_seed(seed)
            network = self._fresh()
        return self._twin(network, f"+untrained{seed}", trained=False)

    def _degraded(self, noise: float, seed: int) -> TorchModel:
        network, generator = copy.deepcopy(self.network), torch.Generator().manual_seed(seed)
        with torch.no_grad():
            for weight in network.parameters():
                if weight.numel() > 1:
                    drawn = torch.randn(weight.shape, generator=generator).to(weight.device)
                    weight += noise * weight.std() * drawn
        return self._twin(network, f"+noise{noise:g}seed{seed}", self.info.trained)

    def _fresh(self) -> torch.nn.Module:
        """The same architecture, initialised by its own rule."""
        return type(self.network)(copy.deepcopy(self.network.config))

    def _twin(self, network: torch.nn.Module, suffix: str, trained: bool) -> TorchModel:
        twin = copy.copy(self)
        twin.network = network.eval().to(self.device)
        twin.info = replace(self.info, id=self.info.id + suffix, trained=trained)
        return twin
