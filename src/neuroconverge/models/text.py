"""Sentence encoders and causal language models, read from a folder of safetensors."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import torch
from torch.nn.functional import normalize
from torch.nn.utils.rnn import pad_sequence
from transformers import AutoModel, AutoModelForCausalLM, AutoTokenizer

from ..errors import BadInput
from .base import TorchModel, check_texts, quiet
from .registry import Info

LOCAL = {"local_files_only": True, "trust_remote_code": False}


def from_folder(loader: type, folder: Path) -> torch.nn.Module:
    """A float32 network from files on disk, running no code of theirs; raises BadInput."""
    options = LOCAL | {"dtype": torch.float32, "use_safetensors": True, "output_loading_info": True}
    with quiet():
        network, report = loader.from_pretrained(folder, **options)
    # Poolers are not used here, and many checkpoints come without one.
    absent = sorted(name for name in report["missing_keys"] if "pooler" not in name)
    if absent:
        raise BadInput(f"{folder}: the checkpoint lacks {len(absent)} weights, such as {absent[0]}")
    return network


class TextModel(TorchModel):
    """A transformer that reads texts.

    Layers are the hidden states: ``embedding``, ``layer1`` and on to the last, after its final norm.
    Encoders pool over all tokens (``mean``), or take the first (``cls``) or last; ``embed`` is the mean of
    the last layer at unit length, as sentence-transformers has it. Causal models read a begin-of-text token
    first, which is not pooled: they park a constant activation there, in SmolLM2 a hundred times the norm of
    any word, and a mean that held it would say little but how long the text is.
    """

    def __init__(self, info: Info, folder: Path, device: str = "auto"):
        self.causal = info.kind == "causal"
        self.pools = ("mean", "last") if self.causal else ("mean", "last", "cls")
        loader = AutoModelForCausalLM if self.causal else AutoModel
        super().__init__(info, from_folder(loader, folder), device)
        with quiet():
            self.tokenizer = AutoTokenizer.from_pretrained(folder, **LOCAL)
        begin = self.tokenizer.bos_token_id
        self.begin = self.tokenizer.eos_token_id if begin is None else begin
        config = self.network.config
        limits = (self.tokenizer.model_max_length, getattr(config, "max_position_embeddings", 10**9))
        self.window = info.window or min(limits)
        self.layer_names = ["embedding", *(f"layer{i + 1}" for i in range(config.num_hidden_layers))]

    def tokens(self, texts: Sequence[str]) -> list[list[str]]:
        """The tokens of each text as the model reads them, special ones included; raises BadInput."""
        return [self.tokenizer.convert_ids_to_tokens(ids) for ids in self.check(texts)]

    def check(self, inputs: Sequence[str]) -> list[list[int]]:
        """Token ids of each text; raises BadInput with the index of a text that cannot be read."""
        texts = check_texts(inputs)
        encoded = self.tokenizer(texts, verbose=False)["input_ids"]
        special = self.tokenizer.num_special_tokens_to_add()
        if self.causal:
            encoded = [ids if ids[:1] == [self.begin] else [self.begin, *ids] for ids in encoded]
            special = max(special, 1)
        for i, ids in enumerate(encoded):
            if len(ids) <= special:
                raise BadInput(f"texts[{i}]: {texts[i]!r} holds nothing that {self.info.id} has a token for")
            if len(ids) > self.window:
                raise BadInput(
                    f"texts[{i}]: {len(ids)} tokens, and {self.info.id} reads at most {self.window} at once; "
                    f"split the text that begins {texts[i][:40]!r}"
                )
        return encoded

    def _length(self, item: list[int]) -> int:
        return len(item)

    def _states(self, items: list[list[int]]) -> tuple[tuple[torch.Tensor, ...], torch.Tensor]:
        """Hidden states of all layers, each (texts, tokens, dim), and the mask of tokens that are there."""
        ids = pad_sequence([torch.tensor(item) for item in items], batch_first=True).to(self.device)
        lengths = torch.tensor([len(item) for item in items], device=self.device)
        mask = torch.arange(ids.shape[1], device=self.device) < lengths[:, None]
        options = {"use_cache": False} if self.causal else {}
        # Below the vocabulary: 50,000 scores for each token would be thrown away.
        found = self.network.base_model(ids, attention_mask=mask.long(), output_hidden_states=True, **options)
        return (*found.hidden_states[:-1], found.last_hidden_state), mask

    def _pooled(self, states: torch.Tensor, mask: torch.Tensor, pool: str) -> torch.Tensor:
        if pool == "cls":
            return states[:, 0]
        if pool == "last":
            return states[torch.arange(len(states)), mask.sum(1) - 1]
        begin = int(self.causal)
        weights = mask[:, begin:, None].float()
        return (states[:, begin:] * weights).sum(1) / weights.sum(1)

    def _layers(self, items: list[list[int]], pool: str) -> dict[str, torch.Tensor]:
        states, mask = self._states(items)
        pooled = [self._pooled(layer, mask, pool) for layer in states]
        return dict(zip(self.layer_names, pooled, strict=True))

    def _embedding(self, items: list[list[int]]) -> dict[str, torch.Tensor]:
        states, mask = self._states(items)
        mean = self._pooled(states[-1], mask, "mean")
        return {"embedding": mean if self.causal else normalize(mean)}
