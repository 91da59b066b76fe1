"""ImageBind from a file: the names that its copies have, the sizes that a config.json says, the branches asked for.

Takes `imagebind_huge.pth` as it was released and copies as safetensors, with or without `model.` before all names.
Tensors of other modalities are passed over, unread. BadWeights names what is missing or of another size.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

import torch
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from sessions.errors import BadWeights
from tools import weights
from tools.nets import filling
from tools.nets.imagebind import MODALITIES, ImageBind, ImageBindConfig, Modality, Trunk

PARTS = ("modality_preprocessors", "modality_trunks", "modality_heads", "modality_postprocessors")
"""What the names of tensors begin with, before the modality."""
PREFIX = "model."
"""What some copies have before all names."""
AGAIN = "Get the weights again: pentimento models pull imagebind."


class Sizes(BaseModel):
    """A `config.json`: the arguments of the original's class under their names, and three that it has not."""

    model_config = ConfigDict(extra="ignore", frozen=True)

    out_embed_dim: int = Field(1024, gt=0)
    vision_embed_dim: int = Field(1280, gt=0)
    vision_num_blocks: int = Field(32, gt=0)
    vision_num_heads: int = Field(16, gt=0)
    text_embed_dim: int = Field(1024, gt=0)
    text_num_blocks: int = Field(24, gt=0)
    text_num_heads: int = Field(16, gt=0)
    audio_embed_dim: int = Field(768, gt=0)
    audio_num_blocks: int = Field(12, gt=0)
    audio_num_heads: int = Field(12, gt=0)
    kernel_size: tuple[int, int, int] = (2, 14, 14)
    audio_kernel_size: int = Field(16, gt=0)
    audio_stride: int = Field(10, gt=0)
    audio_num_mel_bins: int = Field(128, gt=0)
    audio_target_len: int = Field(204, gt=0)
    image_size: int = Field(224, gt=0)
    vocab_size: int = Field(49408, gt=0)
    context_length: int = Field(77, gt=0)

    def config(self) -> ImageBindConfig:
        return ImageBindConfig(
            space=self.out_embed_dim,
            vision=Trunk(self.vision_embed_dim, self.vision_num_blocks, self.vision_num_heads),
            text=Trunk(self.text_embed_dim, self.text_num_blocks, self.text_num_heads),
            audio=Trunk(self.audio_embed_dim, self.audio_num_blocks, self.audio_num_heads),
            side=self.image_size,
            patch=self.kernel_size[1],
            words=self.vocab_size,
            context=self.context_length,
            bins=self.audio_num_mel_bins,
            frames=self.audio_target_len,
            square=self.audio_kernel_size,
            stride=self.audio_stride,
        )


def config_of(file: Path) -> ImageBindConfig:
    """What a `config.json` says; the released sizes where it says nothing, or is not there."""
    try:
        return Sizes.model_validate_json(file.read_bytes()).config()
    except FileNotFoundError:
        return ImageBindConfig()
    except (OSError, ValidationError) as error:
        raise BadWeights(f"{file} does not say the sizes of an ImageBind.", AGAIN) from error


def load(
    file: Path,
    config: ImageBindConfig,
    device: torch.device | str = "cpu",
    dtype: torch.dtype = torch.float32,
    modalities: Sequence[Modality] = MODALITIES,
) -> ImageBind:
    """The branches asked for, with the tensors of a .pth, .bin or .safetensors file."""
    found = weights.tensors(file) if file.suffix == weights.SUFFIX else weights.pickled(file)
    with torch.device("meta"):
        network = ImageBind(config, modalities)
    filling.fill(
        network, {name: found[stored] for name, stored in names(found, modalities).items()}, "ImageBind", AGAIN
    )
    return network.to(device, dtype).eval().requires_grad_(False)


def names(stored: Iterable[str], modalities: Sequence[Modality] = MODALITIES) -> dict[str, str]:
    """Of the names in a file those of some modalities, by the name that they were released under."""
    beginnings = tuple(f"{part}.{modality}." for part in PARTS for modality in modalities)
    plain = {name.removeprefix(PREFIX): name for name in stored}
    return {name: stored for name, stored in plain.items() if name.startswith(beginnings)}


def fits(sizes: Mapping[str, tuple[int, ...]], config: ImageBindConfig, modalities: Sequence[Modality]) -> None:
    """BadWeights where tensors of these sizes do not make the branches asked for."""
    with torch.device("meta"):
        network = ImageBind(config, modalities)
    taken = {name: sizes[stored] for name, stored in names(sizes, modalities).items()}
    filling.fits(network, taken, "ImageBind", AGAIN)


def words(sizes: Mapping[str, tuple[int, ...]]) -> int:
    """How many tokens the text branch knows; 0 where there is none."""
    stored = names(sizes, ["text"]).get("modality_preprocessors.text.token_embedding.weight")
    return sizes[stored][0] if stored else 0
