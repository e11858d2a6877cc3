"""GGUF weights turned once into a folder that loads in a second, verified at every load."""

from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Mapping
from pathlib import Path
from unittest import mock

import torch
from filelock import FileLock
from safetensors.torch import save_model
from transformers import AutoModelForCausalLM, AutoTokenizer, modeling_gguf_pytorch_utils

from ..datasets import cache_dir
from ..errors import CacheError
from .base import quiet
from .registry import Info

MANIFEST = "manifest.json"


def converted(info: Info, files: Mapping[str, Path]) -> Path:
    """Folder with safetensors and tokenizer made from one GGUF file, or from its parts in order of name.

    Takes some 20 s at first. Appears whole or not at all, also with several processes; a damaged one is made
    again. Float32, since 4-bit weights times their scales fit no 16-bit format. Raises CacheError.
    """
    folder = cache_dir() / "converted" / info.id
    if _is_intact(folder, info):
        return folder
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        with FileLock(folder.with_suffix(".lock")):
            if not _is_intact(folder, info):  # another process may have finished while we waited
                part = folder.with_suffix(".part")
                for stale in (part, folder):
                    shutil.rmtree(stale, ignore_errors=True)
                part.mkdir()
                _convert([files[name] for name in sorted(files)], part)
                facts = {file.name: _facts(file) for file in sorted(part.iterdir())}
                (part / MANIFEST).write_text(json.dumps({"source": info.revision, "files": facts}, indent=1))
                part.replace(folder)
    except OSError as error:
        raise CacheError(
            f"Cannot keep the converted {info.id} in {folder} ({error}). It takes "
            f"{info.parameters / 2.4e5:,.0f} MB; make room, or point NEUROCONVERGE_CACHE elsewhere."
        ) from error
    return folder


def _convert(parts: list[Path], folder: Path) -> None:
    joined, gguf = folder / "joined.gguf", parts[0]
    if len(parts) > 1:
        with joined.open("wb") as out:
            for part in parts:
                out.write(part.read_bytes())
        gguf = joined
    options = {"gguf_file": gguf.name, "local_files_only": True}
    # Its bar cannot be switched off, and in a notebook it would leave a widget on the page.
    with quiet(), mock.patch.object(modeling_gguf_pytorch_utils, "tqdm", lambda tensors, **_: tensors):
        tokenizer = AutoTokenizer.from_pretrained(gguf.parent, **options)
        network = AutoModelForCausalLM.from_pretrained(gguf.parent, dtype=torch.float32, **options)
    plain = {key: value for key, value in network.config.to_dict().items() if key != "quantization_config"}
    type(network.config).from_dict(plain).save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    save_model(network, folder / "model.safetensors", metadata={"format": "pt"})
    joined.unlink(missing_ok=True)


def _facts(file: Path) -> list:
    with file.open("rb") as stream:
        return [file.stat().st_size, hashlib.file_digest(stream, "sha256").hexdigest()]


def _is_intact(folder: Path, info: Info) -> bool:
    try:
        manifest = json.loads((folder / MANIFEST).read_text())
        same = all(_facts(folder / name) == facts for name, facts in manifest["files"].items())
        return same and manifest["source"] == info.revision
    except (OSError, ValueError, KeyError):
        return False
