"""A latent diffusion model as it is loaded: U-Net, autoencoder, text encoder, tokenizer, schedule.

Reads a folder in diffusers' layout, safetensors only; whatever is wrong is a BadWeights that names it. A U-Net that is
told pooled texts and sizes (SDXL, Podell et al., arXiv 2307.01952) brings a second text encoder. Downloads nothing and
keeps nothing: `tools.shelf` decides what is loaded and for how long.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, Literal

import torch
from accelerate import init_empty_weights  # type: ignore[import-untyped]
from diffusers import AutoencoderKL, UNet2DConditionModel
from torch import Tensor, nn
from transformers import CLIPTextConfig, CLIPTextModel, CLIPTextModelWithProjection, CLIPTokenizer

from sessions.errors import BadWeights
from sessions.values import Json
from tools import devices, weights
from tools.diffusion import previews
from tools.diffusion.schedules import NoiseSchedule, from_config
from tools.diffusion.unet import added_width, check
from tools.diffusion.upsampling import fold

Prediction = Literal["epsilon", "v_prediction"]

FILES = ("diffusion_pytorch_model.safetensors", "model.safetensors")
"""Names under which a part keeps its weights."""
INDEX = "model_index.json"
RENAMED = {
    "text_model.": "",
    ".query.": ".to_q.",
    ".key.": ".to_k.",
    ".value.": ".to_v.",
    ".proj_attn.": ".to_out.0.",
}
"""Names in older files, and what most classes call them now."""
PULL_AGAIN = "Get them again: `pentimento models pull`."
SIZES, SIZES_AND_SCORE = 6, 5
"""Numbers that SDXL and its refiner are told of a picture."""


@dataclass(frozen=True, eq=False)
class Second:
    """What SDXL has besides: a text encoder with a pooled vector, its words, and how it was trained to be asked.

    zeros: whether an empty text is zeros and not what the encoders make of it. scored: whether a picture's size as it
    shall be is replaced by an aesthetic score, as in the refiner.
    """

    text_encoder: CLIPTextModelWithProjection
    tokenizer: CLIPTokenizer
    zeros: bool
    scored: bool

    @property
    def sizes(self) -> int:
        """How many numbers the U-Net is told of a picture."""
        return SIZES_AND_SCORE if self.scored else SIZES


@dataclass(frozen=True, eq=False)
class LatentDiffusion:
    """side: pixels it was trained on. digest: SHA-256 over the files of weights, for keys of caches.

    second: of SDXL only. Its refiner has no other text encoder: `text_encoder` and `tokenizer` are None there.
    """

    unet: Any  # diffusers.UNet2DConditionModel
    vae: Any  # diffusers.AutoencoderKL
    text_encoder: Any  # transformers.CLIPTextModel
    tokenizer: Any  # transformers.CLIPTokenizer
    schedule: NoiseSchedule
    prediction: Prediction
    side: int
    digest: str
    name: str
    second: Second | None = None

    @cached_property
    def device(self) -> torch.device:
        return torch.device(self.unet.device)

    @cached_property
    def dtype(self) -> torch.dtype:
        """Of the U-Net's weights."""
        dtype: torch.dtype = self.unet.dtype
        return dtype

    @property
    def channels(self) -> int:
        """Of the U-Net's input: 4, 8 (a picture to edit) or 9 (mask and masked picture)."""
        return int(self.unet.config.in_channels)

    @property
    def factor(self) -> int:
        """Pixels per latent cell, along a side."""
        return int(2 ** (len(self.vae.config.block_out_channels) - 1))

    @cached_property
    def colours(self) -> Tensor:
        """What `previews.preview` needs of the autoencoder."""
        return previews.colours_of(self.vae)


def load(
    folder: Path, device: torch.device | str, dtype: torch.dtype, digest: str = "", name: str = ""
) -> LatentDiffusion:
    """The model in a folder of diffusers' layout (unet, vae, text_encoder, tokenizer, scheduler).

    Where the U-Net's `addition_embed_type` is text_time, also model_index.json, text_encoder_2 and tokenizer_2. The
    autoencoder is not given a float16 that it would overflow in.
    """
    scheduler = read_json(folder / "scheduler" / "scheduler_config.json")
    prediction = scheduler.get("prediction_type", "epsilon")
    if prediction not in ("epsilon", "v_prediction"):
        raise BadWeights(f"These weights predict {prediction!r}; I know epsilon and v_prediction.")
    unet = part(folder / "unet", UNet2DConditionModel.from_config, device, dtype)
    vae = part(folder / "vae", AutoencoderKL.from_config, device, _unbounded(folder / "vae", device, dtype))
    check(unet)
    _scaled_only(vae, folder / "vae")
    second = _second(folder, device, dtype) if added_width(unet) else None
    alone = second is not None and not _has_first(folder)
    text_encoder = None if alone else part(folder / "text_encoder", _text_encoder, device, dtype)
    if second is not None:
        _fits(unet, text_encoder, second, folder)
    side = int(unet.config.sample_size) * 2 ** (len(vae.config.block_out_channels) - 1)
    return LatentDiffusion(
        optimise(unet), optimise(vae), text_encoder, None if alone else tokenizer(folder / "tokenizer"),
        from_config(scheduler), prediction, side, digest or digest_of(folder), name or folder.name, second,
    )  # fmt: skip


def _has_first(folder: Path) -> bool:
    """Whether SDXL's own index names a first text encoder; the refiner's names none."""
    return read_json(folder / INDEX).get("text_encoder") not in (None, [None, None])


def _second(folder: Path, device: torch.device | str, dtype: torch.dtype) -> Second:
    told = read_json(folder / INDEX)
    encoder = part(folder / "text_encoder_2", _text_encoder_2, device, dtype)
    return Second(
        encoder,
        tokenizer(folder / "tokenizer_2"),
        zeros=bool(told.get("force_zeros_for_empty_prompt", True)),
        scored=bool(told.get("requires_aesthetics_score", False)),
    )


def _fits(unet: Any, first: CLIPTextModel | None, second: Second, folder: Path) -> None:
    """BadWeights where a U-Net is told other widths than its text encoders give."""
    config, told = unet.config, second.text_encoder.config
    text = told.hidden_size + (first.config.hidden_size if first is not None else 0)
    if text != config.cross_attention_dim:
        raise BadWeights(
            f"{folder}: the U-Net reads texts {config.cross_attention_dim} wide, the text encoders give {text}.",
            PULL_AGAIN,
        )
    added = told.projection_dim + second.sizes * config.addition_time_embed_dim
    if added != added_width(unet):
        raise BadWeights(
            f"{folder}: the U-Net is told {added_width(unet)} numbers besides the time; a pooled text of "
            f"{told.projection_dim} and {second.sizes} sizes of {config.addition_time_embed_dim} are {added}.",
            PULL_AGAIN,
        )


def _unbounded(folder: Path, device: torch.device | str, dtype: torch.dtype) -> torch.dtype:
    """bfloat16 where a device computes in it, else float32, for an autoencoder that float16 overflows in."""
    if dtype is torch.float16 and read_json(folder / "config.json").get("force_upcast"):
        return devices.precision(torch.device(device), devices.FULL_SIZE + 1)
    return dtype


def _scaled_only(vae: Any, folder: Path) -> None:
    """BadWeights for an autoencoder whose latents are also shifted, which `latents` does not do."""
    for name in ("latents_mean", "latents_std", "shift_factor"):
        if vae.config.get(name) is not None:
            raise BadWeights(f"{folder} has a {name}: I know latents that are scaled by one factor only.")


def optimise(network: Any) -> Any:
    """The same network, rewritten to compute the same sooner: folded doublings, and channels last in memory.

    Channels last saves 7 % of an evaluation on a CPU. It is not taken on MPS, where nobody has measured it.
    """
    fold(network)
    if network.device.type != "mps":
        network.to(memory_format=torch.channels_last)
    return network


def needs(model: LatentDiffusion, channels: int, tool: str) -> None:
    """BadWeights unless the U-Net takes so many channels."""
    if model.channels != channels:
        raise BadWeights(
            f"The U-Net of {model.name} takes {model.channels} channels; {tool} needs one of {channels}.",
            "See which weights are here: `pentimento models list`.",
        )


def part(folder: Path, build: Callable[[Json], nn.Module], device: torch.device | str, dtype: torch.dtype) -> Any:
    """A network of a folder with config.json and one safetensors file, built without weights and then given them."""
    network = _built(folder, build)
    present = {_renamed(name): name for name in network.state_dict()}
    state = {present.get(name, name): tensor for name, tensor in tensors(folder, device, dtype).items()}
    fill(network, state, folder)
    return network.eval().requires_grad_(False).to(device)


def outline(folder: Path) -> Any:
    """The U-Net of a model's folder without its weights, for what has to fit it; BadWeights as `load`."""
    return _built(folder / "unet", UNet2DConditionModel.from_config)


def _built(folder: Path, build: Callable[[Json], nn.Module]) -> nn.Module:
    config = read_json(folder / "config.json")
    try:
        with init_empty_weights():
            return build(config)
    except (TypeError, ValueError, KeyError, AttributeError, IndexError) as error:
        raise BadWeights(f"{folder / 'config.json'} describes no network that I can build: {error}") from error


def fill(network: nn.Module, state: dict[str, Tensor], where: Path) -> None:
    """Give a network its tensors; BadWeights for one that is missing, foreign or of another shape."""
    wanted = {key: tensor.shape for key, tensor in network.state_dict().items() if not key.endswith("position_ids")}
    if missing := sorted(wanted.keys() - state.keys()):
        raise BadWeights(f"{where} lacks {_some(missing)}.", PULL_AGAIN)
    if foreign := sorted(state.keys() - wanted.keys()):
        raise BadWeights(f"{where} has tensors that its config does not ask for: {_some(foreign)}.", PULL_AGAIN)
    for key, shape in wanted.items():
        if state[key].shape != shape:
            found, asked = list(state[key].shape), list(shape)
            raise BadWeights(f"{where}: {key} is {found}, its config asks for {asked}.", PULL_AGAIN)
    network.load_state_dict(state, strict=False, assign=True)


def tensors(folder: Path, device: torch.device | str, dtype: torch.dtype) -> dict[str, Tensor]:
    """The tensors of a part under their present names; BadWeights where they are absent, damaged or not finite."""
    file = next((folder / name for name in FILES if (folder / name).is_file()), None)
    if file is None:
        raise BadWeights(f"{folder} has no safetensors file.", PULL_AGAIN)
    state = {_renamed(key): tensor for key, tensor in weights.tensors(file, str(device)).items()}
    for key, tensor in state.items():
        if tensor.is_floating_point() and not tensor.abs().amax().isfinite():
            raise BadWeights(f"{file}: {key} has infinite or undefined numbers.", PULL_AGAIN)
    return {key: tensor.to(dtype) for key, tensor in state.items() if not key.endswith("position_ids")}


def read_json(file: Path) -> Json:
    """A JSON object; BadWeights where it is absent or is none."""
    try:
        value = json.loads(file.read_text(encoding="utf-8"))
    except OSError as error:
        raise BadWeights(f"{file} is missing or cannot be read.", PULL_AGAIN) from error
    except ValueError as error:
        raise BadWeights(f"{file} is not JSON: {error}", PULL_AGAIN) from error
    if not isinstance(value, dict):
        raise BadWeights(f"{file} is not a JSON object.", PULL_AGAIN)
    return value


def tokenizer(folder: Path) -> CLIPTokenizer:
    """CLIP's tokenizer with the folder's vocabulary."""
    for file in ("vocab.json", "merges.txt"):
        if not (folder / file).is_file():
            raise BadWeights(f"{folder / file} is missing.", PULL_AGAIN)
    try:
        read: CLIPTokenizer = CLIPTokenizer.from_pretrained(folder, local_files_only=True)
    except (OSError, ValueError, TypeError, KeyError) as error:
        raise BadWeights(f"{folder} is not CLIP's tokenizer: {error}", PULL_AGAIN) from error
    return read


def digest_of(folder: Path) -> str:
    """sha256 over the names and bytes of all safetensors files below a folder."""
    digest = hashlib.sha256()
    for file in sorted(folder.rglob("*.safetensors")):
        digest.update(str(file.relative_to(folder)).encode())
        with file.open("rb") as opened:
            digest.update(hashlib.file_digest(opened, "sha256").digest())
    return digest.hexdigest()


def _text_encoder(config: Json) -> CLIPTextModel:
    return CLIPTextModel(CLIPTextConfig(**config))


def _text_encoder_2(config: Json) -> CLIPTextModelWithProjection:
    return CLIPTextModelWithProjection(CLIPTextConfig(**config))


def _renamed(key: str) -> str:
    for old, new in RENAMED.items():
        key = key.replace(old, new)
    return key


def _some(keys: list[str]) -> str:
    return ", ".join(keys[:3]) + (f" and {len(keys) - 3} more" if len(keys) > 3 else "")
