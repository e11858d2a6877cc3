"""Image networks, with preprocessing in Pillow alone.

EfficientNet-lite (Tan & Le 2019, arXiv 1905.11946, with its publisher's ``lite`` settings) is written out
here: the library that keeps it, timm, brings torchvision along, which this environment cannot have.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from torch import nn
from torch.nn.functional import pad, relu6

from ..errors import BadInput
from .base import BATCH, TOKENS_PER_BATCH, TorchModel, as_list
from .registry import Info

# Width and depth.
SIZES = {"efficientnet-lite0": (1.0, 1.0), "efficientnet-lite1": (1.0, 1.1), "efficientnet-lite2": (1.1, 1.2)}
# Repeats, kernel, stride, expansion and channels of each stage.
STAGES = [(1, 3, 1, 1, 16), (2, 3, 2, 6, 24), (2, 5, 2, 6, 40), (3, 3, 2, 6, 80), (3, 5, 1, 6, 112)]
STAGES += [(4, 5, 2, 6, 192), (1, 3, 1, 6, 320)]
FLAT_LIMIT_BYTES = 2e9


class SameConv(nn.Conv2d):
    """Convolution with TensorFlow's padding: the stride alone shrinks the side; odd pixels go to the end."""

    def __init__(self, channels: int, out: int, kernel: int, stride: int = 1, groups: int = 1):
        super().__init__(channels, out, kernel, stride, groups=groups, bias=False)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        side, kernel, stride = x.shape[-1], self.kernel_size[0], self.stride[0]
        short = max((math.ceil(side / stride) - 1) * stride + kernel - side, 0)
        return super().forward(pad(x, [short // 2, short - short // 2] * 2))


def _norm(channels: int) -> nn.BatchNorm2d:
    return nn.BatchNorm2d(channels, eps=1e-3)


class Block(nn.Module):
    """Inverted bottleneck without squeeze-and-excitation; attributes are named as in the weight files."""

    def __init__(self, channels: int, out: int, kernel: int, stride: int, expand: int):
        super().__init__()
        wide = channels * expand
        self.expands, self.skips = expand > 1, stride == 1 and channels == out
        if self.expands:
            self._expand_conv, self._bn0 = SameConv(channels, wide, 1), _norm(wide)
        self._depthwise_conv, self._bn1 = SameConv(wide, wide, kernel, stride, groups=wide), _norm(wide)
        self._project_conv, self._bn2 = SameConv(wide, out, 1), _norm(out)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        y = relu6(self._bn0(self._expand_conv(x))) if self.expands else x
        y = relu6(self._bn1(self._depthwise_conv(y)))
        y = self._bn2(self._project_conv(y))
        return x + y if self.skips else y


class EfficientNetLite(nn.Module):
    """Images (n, 3, side, side) to the maps of all blocks (n, channels, h, w) and 1,000 ImageNet logits."""

    def __init__(self, width: float, depth: float):
        super().__init__()
        self.size, channels, blocks = (width, depth), 32, []
        self._conv_stem, self._bn0 = SameConv(3, channels, 3, stride=2), _norm(channels)
        for i, (repeats, kernel, stride, expand, out) in enumerate(STAGES):
            if 0 < i < len(STAGES) - 1:  # the lite variant leaves the depth of both ends alone
                repeats = math.ceil(repeats * depth)
            for j in range(repeats):
                blocks.append(Block(channels, _to_eight(out * width), kernel, 1 if j else stride, expand))
                channels = _to_eight(out * width)
        self._blocks = nn.ModuleList(blocks)
        self._conv_head, self._bn1 = SameConv(channels, 1280, 1), _norm(1280)
        self._fc = nn.Linear(1280, 1000)
        self.apply(_initialise)

    def forward(self, x: torch.Tensor) -> dict[str, torch.Tensor]:
        maps = {"stem": relu6(self._bn0(self._conv_stem(x)))}
        last = maps["stem"]
        for i, block in enumerate(self._blocks):
            last = maps[f"block{i + 1}"] = block(last)
        maps["head"] = relu6(self._bn1(self._conv_head(last)))
        maps["logits"] = self._fc(maps["head"].mean((2, 3)))[..., None, None]
        return maps


def _to_eight(channels: float) -> int:
    nearest = max(8, int(channels + 4) // 8 * 8)
    return nearest + 8 if nearest < 0.9 * channels else nearest


def _initialise(module: nn.Module) -> None:
    """The publisher's initial weights: normal by fan-out for convolutions, uniform for the classifier."""
    if isinstance(module, nn.Conv2d):
        fan_out = module.kernel_size[0] ** 2 * module.out_channels // module.groups
        nn.init.normal_(module.weight, std=math.sqrt(2 / fan_out))
    elif isinstance(module, nn.Linear):
        nn.init.uniform_(module.weight, -(module.out_features**-0.5), module.out_features**-0.5)
        nn.init.zeros_(module.bias)


class VisionModel(TorchModel):
    """A network that reads images: PIL, or uint8 arrays (height, width, 3).

    Layers pool over positions (``mean``), keep all of them (``flatten``: about 4 MB an image, refused above
    2 GB) or take the first (``cls``: transformers of images). ``embed`` is the mean of the last map.
    """

    pools = ("mean", "flatten", "cls")

    def __init__(self, info: Info, network: nn.Module, device: str):
        super().__init__(info, network, device)
        with torch.inference_mode():
            maps = self._maps([Image.new("RGB", (64, 64))])
        self.layer_names, self._flat_bytes = list(maps), 4 * sum(found.numel() for found in maps.values())

    def check(self, inputs: Sequence) -> list[Image.Image]:
        """Images as RGB; raises BadInput with the index of what is neither a PIL image nor such an array."""
        images = as_list(inputs, "images")
        for i, image in enumerate(images):
            if isinstance(image, np.ndarray):
                if image.dtype != np.uint8 or image.ndim != 3 or image.shape[2] != 3 or not image.size:
                    got = f"{image.dtype} {image.shape}"
                    raise BadInput(f"images[{i}]: got {got}; wanted uint8 (height, width, 3)")
                images[i] = image = Image.fromarray(image)
            if getattr(image, "mode", None) not in ("RGB", "L", "P", "1"):
                got = f"mode {image.mode}" if isinstance(image, Image.Image) else type(image).__name__
                raise BadInput(f"images[{i}]: got {got}; wanted a PIL image in RGB or grey, or a uint8 array")
        return [image.convert("RGB") for image in images]

    def layers(self, inputs: Sequence, pool: str = "mean", batch_size: int = BATCH) -> dict[str, np.ndarray]:
        """All layers from one forward pass: name -> (n, dim) float32, input first; raises BadInput."""
        inputs = as_list(inputs, "images")
        needed = len(inputs) * self._flat_bytes if pool == "flatten" else 0
        if needed > FLAT_LIMIT_BYTES:
            raise BadInput(f"images: all positions take {needed / 1e9:.1f} GB; pool the mean, or take fewer")
        return super().layers(inputs, pool, batch_size)

    def _length(self, item: Image.Image) -> int:
        return TOKENS_PER_BATCH // 8  # larger batches leave the processor's cache and are slower

    def _maps(self, images: list[Image.Image]) -> dict[str, torch.Tensor]:
        """Maps of all layers, each (images, dim, height, width)."""
        side = self.info.window
        pixels = torch.from_numpy(np.stack([preprocess(image, side) for image in images]))
        return self.network(pixels.to(self.device, memory_format=torch.channels_last))

    def _layers(self, items: list[Image.Image], pool: str) -> dict[str, torch.Tensor]:
        maps = {name: found.flatten(2) for name, found in self._maps(items).items()}
        if pool == "flatten":
            return {name: found.flatten(1) for name, found in maps.items()}
        return {name: found[..., 0] if pool == "cls" else found.mean(2) for name, found in maps.items()}

    def _embedding(self, items: list[Image.Image]) -> dict[str, torch.Tensor]:
        maps = self._layers(items, "mean")
        maps.pop("logits", None)
        return {"embedding": list(maps.values())[-1]}


def preprocess(image: Image.Image, side: int) -> np.ndarray:
    """The largest central square, bicubic, scaled as in training: (3, side, side) float32, -1 to 1.

    The publisher's evaluation cuts off a further eighth; that would hide from the model what people saw.
    """
    square = min(image.size)
    left, top = ((length - square) // 2 for length in image.size)
    box = (left, top, left + square, top + square)
    pixels = np.asarray(image.resize((side, side), Image.Resampling.BICUBIC, box), np.float32)
    return ((pixels - 127) / 128).transpose(2, 0, 1)


class EfficientNet(VisionModel):
    """EfficientNet-lite: layers ``stem``, ``block1`` and on, ``head`` and ``logits`` (ImageNet classes)."""

    pools = ("mean", "flatten")

    def __init__(self, info: Info, weights: Path, device: str = "auto"):
        network = EfficientNetLite(*SIZES[info.id])
        network.load_state_dict(torch.load(weights, weights_only=True, map_location="cpu"))
        super().__init__(info, network.to(memory_format=torch.channels_last), device)

    def _fresh(self) -> nn.Module:
        return EfficientNetLite(*self.network.size).to(memory_format=torch.channels_last)


class HubVision(VisionModel):
    """An image network of transformers, with the preprocessing that its repository states."""

    def __init__(self, info: Info, folder: Path, device: str = "auto"):
        from transformers import AutoImageProcessor, AutoModel

        from .text import LOCAL, from_folder

        self.processor = AutoImageProcessor.from_pretrained(folder, **LOCAL)
        network = from_folder(AutoModel, folder)
        # Of models that read images and texts: the tower that sees.
        super().__init__(info, getattr(network, "vision_model", network), device)

    def _maps(self, images: list[Image.Image]) -> dict[str, torch.Tensor]:
        pixels = self.processor(images, return_tensors="pt")["pixel_values"].to(self.device)
        found = self.network(pixels, output_hidden_states=True)
        states = (*found.hidden_states[:-1], found.last_hidden_state)
        maps = {f"layer{i}" if i else "embedding": state for i, state in enumerate(states)}
        return {name: state if state.ndim == 4 else state.mT[..., None] for name, state in maps.items()}
