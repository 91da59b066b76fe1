"""Other people's networks that pictures are measured with, from local files: CLIP, DINO, LPIPS, LAION's predictor.

Two small ones are written here: the feature stacks of LPIPS (Zhang et al. 2018, arXiv 1801.03924: AlexNet and VGG-16
as torchvision names them) and LAION's head. Downloads nothing; knows no pairs and no captions (`benchmarks.pairs`).
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image
from torch import Tensor, nn
from torch.nn import functional as F
from transformers import Dinov2Config, Dinov2Model, PretrainedConfig, ViTConfig, ViTModel
from transformers.utils.logging import disable_progress_bar

from sessions.errors import BadWeights, MissingWeights
from sessions.values import Json, Pixels
from tools import devices, weights
from tools.encoders import Vectors, clip_folder
from tools.encoders.batches import encoded
from tools.encoders.clap_clip import tensors, told
from tools.encoders.clip_folder import ClipFolder
from tools.nets.filling import fill

MEAN, STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
"""ImageNet's."""
SHIFT, SCALE = (-0.030, -0.088, -0.188), (0.458, 0.448, 0.450)
"""What LPIPS takes off a picture in −1…1, and divides it by."""
SMALLEST, LARGEST = 32, 512
"""Sides that LPIPS is measured at: below the first AlexNet sees nothing, above the second a picture is made smaller."""
KINDS: dict[str, tuple[type[Any], type[PretrainedConfig]]] = {
    "dinov2": (Dinov2Model, Dinov2Config),
    "vit": (ViTModel, ViTConfig),
}
DINO_HINT = "A folder of transformers' Dinov2Model or ViTModel is meant, as the Hub has facebook/dino-vits16."
LPIPS_HINT = "docs/measuring.md says how such a file is made."
AESTHETIC_HINT = "The file of LAION's predictor is meant, of the same CLIP as --clip: docs/measuring.md."


def flat(path: Path, hint: str) -> dict[str, Tensor]:
    """The tensors of a local safetensors, .pth, .pt or .bin file; runs nothing of it."""
    if not path.is_file():
        raise MissingWeights(f"There is no file {path}.", hint)
    if path.suffix == weights.SUFFIX:
        return weights.tensors(path)
    if path.suffix not in (*weights.PICKLED, ".pt"):
        raise BadWeights(f"{path.name} is neither safetensors nor a table of torch (.pth, .pt, .bin).", hint)
    return weights.pickled(path)


@dataclass(frozen=True)
class Sight:
    """How pictures reach a network: `side` pixels, cut from the middle of `short` (None: squeezed whole)."""

    side: int
    short: int | None
    mean: tuple[float, ...] = MEAN
    std: tuple[float, ...] = STD
    filter: int = Image.Resampling.BICUBIC

    @classmethod
    def read(cls, said: Json, side: int) -> Sight:
        """Of a preprocessor_config.json; `side`: where it says none."""
        size, cut = said.get("size", side), said.get("crop_size", side)
        wide = size if isinstance(size, int) else size.get("height", side)
        short = None if isinstance(size, int) else size.get("shortest_edge")
        looks = {name: tuple(said[f"image_{name}"]) for name in ("mean", "std") if f"image_{name}" in said}
        inner = wide if short is None else cut if isinstance(cut, int) else cut["height"]
        return cls(int(inner), short, filter=int(said.get("resample", Image.Resampling.BICUBIC)), **looks)

    def seen(self, pixels: Sequence[Pixels]) -> Tensor:
        """(n, 3, side, side) of pictures (H, W, 3 or 4)."""
        unit = np.stack([np.asarray(self._cut(one), np.float32) / 255 for one in pixels])
        return torch.from_numpy((unit - np.float32(self.mean)) / np.float32(self.std)).permute(0, 3, 1, 2).contiguous()

    def _cut(self, pixels: Pixels) -> Image.Image:
        image = opaque(pixels)
        if self.short is None:
            return image.resize((self.side, self.side), self.filter)
        edge = min(image.size) * self.side / self.short
        x, y = ((length - edge) / 2 for length in image.size)
        box = (max(x, 0), max(y, 0), min(x + edge, image.width), min(y + edge, image.height))
        return image.resize((self.side, self.side), self.filter, box)


def opaque(pixels: Pixels) -> Image.Image:
    """RGB; what is transparent is white."""
    image = Image.fromarray(pixels)
    if image.mode == "RGBA":
        image = Image.alpha_composite(Image.new("RGBA", image.size, "white"), image)
    return image.convert("RGB")


@dataclass(frozen=True, eq=False)
class Dino:
    """A self-supervised ViT: what its class token has come to (Caron et al. 2021; Oquab et al. 2023)."""

    network: Any  # transformers.Dinov2Model or ViTModel
    sight: Sight

    @torch.no_grad()
    def pictures(self, pixels: Sequence[Pixels]) -> Vectors:
        """(n, D), L2 norm 1."""
        return encoded(pixels, int(self.network.config.hidden_size), self._look)

    def _look(self, pixels: Sequence[Pixels]) -> Tensor:
        x = self.sight.seen(pixels).to(self.network.device, self.network.dtype)
        out: Tensor = self.network(x).last_hidden_state[:, 0]
        return out


def dino(folder: Path, device: torch.device) -> Dino:
    """From a folder; BadWeights where it is missing, of another kind, or lacks a tensor."""
    said = told(folder / "config.json", DINO_HINT)
    kind = said.get("model_type")
    if kind not in KINDS:
        raise BadWeights(f"{folder} is a {kind!r}; I know {' and '.join(KINDS)}.", DINO_HINT)
    network, config = KINDS[kind]
    state = tensors(folder, DINO_HINT)
    prefixes = {name.partition(".")[0] for name in state} & {"dinov2", "vit"}
    state = {name.partition(".")[2] if name.startswith(tuple(prefixes)) else name: t for name, t in state.items()}
    disable_progress_bar()
    made, report = network.from_pretrained(
        None, config=config.from_dict(said), state_dict=state, output_loading_info=True
    )
    lacking = sorted(name for name in report["missing_keys"] if not name.startswith("pooler."))
    if lacking or report["mismatched_keys"]:
        wrong = lacking[0] if lacking else str(sorted(report["mismatched_keys"])[0])
        raise BadWeights(f"{folder} lacks {wrong}, or has it of another size.", DINO_HINT)
    looks = folder / "preprocessor_config.json"
    sight = Sight.read(told(looks, DINO_HINT) if looks.is_file() else {}, int(made.config.image_size))
    return Dino(made.eval().requires_grad_(False).to(device), sight)


def _alex() -> tuple[nn.Sequential, tuple[int, ...]]:
    layers: list[nn.Module] = [nn.Conv2d(3, 64, 11, 4, 2), nn.ReLU(), nn.MaxPool2d(3, 2)]
    layers += [nn.Conv2d(64, 192, 5, padding=2), nn.ReLU(), nn.MaxPool2d(3, 2)]
    for width, wider in ((192, 384), (384, 256), (256, 256)):
        layers += [nn.Conv2d(width, wider, 3, padding=1), nn.ReLU()]
    return nn.Sequential(*layers), (1, 4, 7, 9, 11)


def _vgg() -> tuple[nn.Sequential, tuple[int, ...]]:
    layers: list[nn.Module] = []
    taps, width = [], 3
    for wider, times in ((64, 2), (128, 2), (256, 3), (512, 3), (512, 3)):
        layers += [nn.MaxPool2d(2)] if layers else []
        for _ in range(times):
            layers += [nn.Conv2d(width, wider, 3, padding=1), nn.ReLU()]
            width = wider
        taps.append(len(layers) - 1)
    return nn.Sequential(*layers), tuple(taps)


class Lin(nn.Module):
    """The learnt weights of one layer's channels, named as `lpips` names them."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.model = nn.Sequential(nn.Identity(), nn.Conv2d(width, 1, 1, bias=False))


class Lpips(nn.Module):
    """d = Σ_l mean over places of Σ_c w_lc (ŷ_lc(a) − ŷ_lc(b))², ŷ of unit length over channels (eq. 1)."""

    def __init__(self, deep: bool) -> None:
        super().__init__()
        self.features, self.taps = _vgg() if deep else _alex()
        convolutions = [self.features[tap - 1] for tap in self.taps]
        self.lins = [Lin(int(one.out_channels)) for one in convolutions if isinstance(one, nn.Conv2d)]
        for number, lin in enumerate(self.lins):
            self.add_module(f"lin{number}", lin)

    def forward(self, a: Tensor, b: Tensor) -> Tensor:
        """(n,): the distances of pictures (n, 3, h, w) in −1…1."""
        pairs = zip(self.lins, self._layers(a), self._layers(b), strict=True)
        return torch.stack([lin.model((x - y).square()).mean((1, 2, 3)) for lin, x, y in pairs]).sum(0)

    def _layers(self, x: Tensor) -> list[Tensor]:
        x = (x - x.new_tensor(SHIFT).view(3, 1, 1)) / x.new_tensor(SCALE).view(3, 1, 1)
        found = []
        for number, layer in enumerate(self.features):
            x = layer(x)
            if number in self.taps:
                found.append(F.normalize(x, dim=1, eps=1e-10))
        return found

    @torch.no_grad()
    def between(self, before: Pixels, after: Pixels) -> float | None:
        """Of two pictures, at the first one's size, at most `LARGEST`; None below `SMALLEST`."""
        image = opaque(before)
        scale = min(1.0, LARGEST / max(image.size))
        width, height = (round(length * scale) for length in image.size)
        if min(width, height) < SMALLEST:
            return None
        place = next(self.parameters())
        a, b = (
            torch.from_numpy(np.asarray(one.resize((width, height), Image.Resampling.BICUBIC), np.float32))
            for one in (image, opaque(after))
        )
        return float(self(*((x / 127.5 - 1).permute(2, 0, 1)[None].to(place) for x in (a, b)))[0])


def lpips(path: Path, device: torch.device) -> Lpips:
    """From one file with torchvision's `features.N.*` and lpips's `linN.model.1.weight`; which net its sizes say."""
    state = {re.sub(r"^net\.slice\d+\.(\d+)\.", r"features.\1.", name): t for name, t in flat(path, LPIPS_HINT).items()}
    first = state.get("features.0.weight")
    if first is None:
        raise BadWeights(f"{path.name} has no features.0.weight: no layers of AlexNet or VGG.", LPIPS_HINT)
    network = Lpips(deep=first.shape[-1] == 3)
    taken = {name: t for name, t in state.items() if re.match(r"features\.|lin\d+\.", name)}
    fill(network, taken, "LPIPS", LPIPS_HINT)
    return network.eval().requires_grad_(False).to(device, torch.float32)


@dataclass(frozen=True, eq=False)
class Aesthetic:
    """LAION's predictor: linear layers, nothing between them, over CLIP's vector of length 1; people's marks, 1…10."""

    layers: tuple[tuple[Tensor, Tensor], ...]

    @property
    def width(self) -> int:
        """Numbers of the vector that it reads."""
        return int(self.layers[0][0].shape[1])

    def of(self, vector: Tensor) -> float:
        """vector: (D,), L2 norm 1."""
        for weight, bias in self.layers:
            vector = F.linear(vector, weight, bias)
        return float(vector)


def aesthetic(path: Path) -> Aesthetic:
    """From `weight` and `bias` of one layer, or `layers.N.weight` and `layers.N.bias` of several."""
    state = flat(path, AESTHETIC_HINT)
    names = sorted((name.removesuffix("weight") for name in state if name.endswith("weight")), key=_number)
    layers = tuple((state[f"{n}weight"].float(), state[f"{n}bias"].float()) for n in names if f"{n}bias" in state)
    widths = [(weight.shape[1], weight.shape[0]) for weight, bias in layers if weight.dim() == 2]
    chained = all(a[1] == b[0] for a, b in pairwise(widths))
    if not layers or len(widths) < len(names) or not chained or widths[-1][1] != 1:
        raise BadWeights(f"{path.name} is no chain of linear layers that ends in one number.", AESTHETIC_HINT)
    return Aesthetic(layers)


def _number(name: str) -> int:
    found = re.search(r"\d+", name)
    return int(found[0]) if found else 0


@dataclass(frozen=True, eq=False)
class Eyes:
    """The networks that were given; None: that one was not."""

    clip: ClipFolder | None = None
    dino: Dino | None = None
    lpips: Lpips | None = None
    aesthetic: Aesthetic | None = None

    @classmethod
    def load(cls, clip: Path | None, dino_: Path | None, lpips_: Path | None, head: Path | None) -> Eyes:
        """From local folders and files, float32; BadWeights or MissingWeights says what is wrong with which."""
        device = devices.best()
        read = aesthetic(head) if head else None
        seen = clip_folder.load(clip, device, torch.float32) if clip else None
        if read and seen and read.width != seen.width:
            raise BadWeights(
                f"The aesthetic predictor reads {read.width} numbers and this CLIP gives {seen.width}.", AESTHETIC_HINT
            )
        return cls(seen, dino(dino_, device) if dino_ else None, lpips(lpips_, device) if lpips_ else None, read)
