"""The encoder `clap_clip`: CLIP's vectors of pictures and CLAP's of sounds, with weights for commercial use too.

The two were never trained together, so they share no space. A vector here is CLIP's numbers followed by CLAP's, and
those of the other are 0: pictures are likened to pictures and sounds to sounds, and a sound is likened to no picture at
all (cosine 0). Radford et al. 2021 (arXiv 2103.00020); Wu et al. 2023 (arXiv 2211.06687). The networks are
transformers'. Downloads nothing.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from accelerate import init_empty_weights  # type: ignore[import-untyped]
from huggingface_hub.errors import StrictDataclassError
from torch.nn import functional as F
from transformers import (
    ClapAudioConfig,
    ClapAudioModelWithProjection,
    ClapFeatureExtractor,
    CLIPVisionConfig,
    CLIPVisionModelWithProjection,
    PretrainedConfig,
)

from sessions.errors import BadWeights
from sessions.values import Json, Pixels
from tools import weights
from tools.encoders import Vectors
from tools.encoders.batches import encoded, squares
from tools.nets.filling import fill
from tools.sounds import Sound, clips, resampled

CLIPS = 3
"""Clips of a sound that is longer than CLAP hears at once."""
FILES = ("model.safetensors", "pytorch_model.bin")
AGAIN = "Get the weights again: pentimento models pull clap_clip."


@dataclass(frozen=True, eq=False)
class ClapClipEncoder:
    """`seeing`: CLIP's image tower; `hearing`: CLAP's audio tower; `ears`: what makes spectrograms for it."""

    seeing: Any  # transformers.CLIPVisionModelWithProjection
    hearing: Any  # transformers.ClapAudioModelWithProjection
    ears: ClapFeatureExtractor
    digest: str
    name: str = "clap_clip"

    @property
    def width(self) -> int:
        return self._seen + self._heard

    @property
    def _seen(self) -> int:
        return int(self.seeing.config.projection_dim)

    @property
    def _heard(self) -> int:
        return int(self.hearing.config.projection_dim)

    def pictures(self, pixels: Sequence[Pixels]) -> Vectors:
        """uint8 (H, W, 3) or (H, W, 4) each → (n, D), CLAP's part 0."""
        return encoded(pixels, self.width, lambda some: F.pad(self._look(some), (0, self._heard)))

    def sounds(self, sounds: Sequence[Sound]) -> Vectors:
        """(n, D), CLIP's part 0."""
        return encoded(sounds, self.width, lambda some: F.pad(self._hear(some), (self._seen, 0)))

    def _look(self, pixels: Sequence[Pixels]) -> torch.Tensor:
        inputs = squares(pixels, self.seeing.config.image_size).to(self.seeing.device, self.seeing.dtype)
        out: torch.Tensor = self.seeing(inputs).image_embeds
        return out

    def _hear(self, sounds: Sequence[Sound]) -> torch.Tensor:
        return torch.cat([self._listen(one) for one in sounds])

    def _listen(self, sound: Sound) -> torch.Tensor:
        """(1, D of CLAP): of the whole sound, or the mean of clips evenly spaced over it; never of a random one."""
        heard = resampled(sound, self.ears.sampling_rate)
        seconds = self.ears.max_length_s
        pieces = clips(heard, seconds, CLIPS if heard.seconds > seconds else 1)
        features = self.ears(pieces, sampling_rate=heard.rate, return_tensors="pt")["input_features"]
        found = self.hearing(features.to(self.hearing.device, self.hearing.dtype)).audio_embeds
        return F.normalize(found.float(), dim=1).mean(0, keepdim=True)


def load(folder: Path, device: torch.device | str, dtype: torch.dtype, digest: str) -> ClapClipEncoder:
    """From `clap/` and `clip/`, each as its repository is; of their towers for text nothing is read."""
    seeing = network(CLIPVisionModelWithProjection, CLIPVisionConfig, folder / "clip", AGAIN, "vision_config")
    hearing = network(ClapAudioModelWithProjection, ClapAudioConfig, folder / "clap", AGAIN, "audio_config")
    if hearing.config.enable_fusion:
        raise BadWeights("This CLAP fuses clips taken at random: it hears no sound twice alike.", AGAIN)
    ears = _ears(told(folder / "clap/preprocessor_config.json", AGAIN))
    return ClapClipEncoder(seeing.to(device, dtype), hearing.to(device, dtype), ears, digest)


def told(file: Path, hint: str) -> Json:
    """A JSON object; BadWeights, with the hint, where it is absent or is none."""
    try:
        found = json.loads(file.read_bytes())
    except (OSError, ValueError, RecursionError) as error:
        raise BadWeights(f"{file} is missing, or no JSON.", hint) from error
    if not isinstance(found, dict):
        raise BadWeights(f"{file} is no table.", hint)
    return found


def network(kind: type[Any], config: type[PretrainedConfig], folder: Path, hint: str, part: str = "") -> Any:
    """A network of transformers with its tensors, picked from a file that may have more. `part`: of config.json."""
    said = told(folder / "config.json", hint)
    try:
        with init_empty_weights():
            made = kind(config(**(said[part] if part else said)))
    except (StrictDataclassError, TypeError, ValueError, LookupError, AttributeError, ArithmeticError) as error:
        raise BadWeights(f"{folder / 'config.json'} describes no network that I can build: {error}", hint) from error
    beginnings = tuple({f"{name.partition('.')[0]}." for name in made.state_dict() if "." in name})
    alone = {name for name in made.state_dict() if "." not in name}
    taken = {name: t for name, t in tensors(folder, hint).items() if name.startswith(beginnings) or name in alone}
    for name in [name for name in taken if name.endswith("position_ids")]:
        del taken[name]
    fill(made, taken, folder.name.upper(), hint)
    return made.eval().requires_grad_(False)


def tensors(folder: Path, hint: str) -> dict[str, torch.Tensor]:
    """The one weight file of a folder of transformers; BadWeights where there is none."""
    for name in FILES:
        if (file := folder / name).is_file():
            return weights.tensors(file) if file.suffix == weights.SUFFIX else weights.pickled(file)
    raise BadWeights(f"{folder} has no weights: none of {', '.join(FILES)}.", hint)


def _ears(said: Json) -> ClapFeatureExtractor:
    try:
        return ClapFeatureExtractor(**said | {"truncation": "rand_trunc"})
    except (TypeError, ValueError, KeyError, ArithmeticError) as error:
        raise BadWeights(f"CLAP's preprocessor_config.json cannot be used: {error}", AGAIN) from error
