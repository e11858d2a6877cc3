"""Models from the Hugging Face hub, at one revision. Both libraries heed HF_HOME and HF_HUB_OFFLINE."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

from PIL import Image

from ..errors import BadInput, DataUnavailable
from .registry import Info

ID = re.compile(r"hf:(?P<repository>[\w.-]+(?:/[\w.-]+)?)(?:@(?P<revision>[\w./-]+))?")
# Of weights, safetensors alone: other formats can run code when opened.
FILES = ["*.json", "*.txt", "*.model", "*.safetensors"]
SKIPPED = ["*/*", "consolidated*"]  # exports to other libraries, and second copies


def snapshot(id: str, **options) -> Path:
    """Folder with the files of ``hf:organisation/name@revision``; raises BadInput or DataUnavailable."""
    from huggingface_hub import snapshot_download

    parts = ID.fullmatch(id)
    if parts is None or parts["revision"] in (None, "main"):
        raise BadInput(
            f"id: {id!r} pins no revision; wanted hf:organisation/name@revision. Its commit hash stands on "
            "the page of the model (Files, History) and in huggingface_hub.HfApi().model_info(name).sha."
        )
    options |= {"revision": parts["revision"], "allow_patterns": FILES, "ignore_patterns": SKIPPED}
    try:
        return Path(snapshot_download(parts["repository"], **options))
    except Exception as error:  # the hub's errors and those of its network library share no base class
        reason = f"{type(error).__name__}: {str(error).partition(chr(10))[0]}"
        raise DataUnavailable(
            f"{id} is neither on disk nor reachable ({reason}). Check the name, connect to a network with "
            "HF_HUB_OFFLINE unset, or point HF_HOME to a folder that holds the model."
        ) from error


def load(id: str, device: str):
    """The model, its kind guessed from its configuration; raises BadInput or DataUnavailable."""
    folder = snapshot(id)
    from transformers import AutoConfig

    from .causal import CausalLM
    from .text import LOCAL, TextModel
    from .vision import HubVision

    config = AutoConfig.from_pretrained(folder, **LOCAL)
    if config.is_encoder_decoder:
        raise BadInput(f"id: {id} is an encoder-decoder; wanted an encoder, a causal or an image model")
    head = (config.architectures or [""])[0]
    kind = "causal" if head.endswith(("ForCausalLM", "LMHeadModel")) else "text"
    if hasattr(config, "vision_config") or hasattr(config, "num_channels"):
        kind = "vision"
    repository = id[3:].partition("@")[0]
    facts = Info(id, kind, "hub", repository, folder.name, note="Licence and citation: see the model's page.")
    model = {"vision": HubVision, "text": TextModel, "causal": CausalLM}[kind](facts, folder, device)
    one = model.embed([Image.new("RGB", (64, 64))] if kind == "vision" else ["one"])
    model.info = replace(
        facts,
        parameters=sum(weight.numel() for weight in model.network.parameters()),
        layers=len(model.layer_names) - 1,
        dim=one.shape[1],
        window=getattr(model, "window", None),
    )
    return model
