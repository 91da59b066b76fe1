"""CLIP with both towers, from a folder as transformers writes a CLIPModel: pictures and words in one space.

Radford et al. 2021 (arXiv 2103.00020). For measuring and for filtering data; a planner's encoder is `clap_clip`, or
`imagebind`. Downloads nothing.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from transformers import CLIPConfig, CLIPModel, CLIPTokenizer

from sessions.errors import BadWeights
from sessions.values import Pixels
from tools.encoders import Vectors
from tools.encoders.batches import encoded, squares
from tools.encoders.clap_clip import network

HINT = "A folder of transformers' CLIPModel is meant, as the Hub has openai/clip-vit-large-patch14."


@dataclass(frozen=True, eq=False)
class ClipFolder:
    """`network`: both towers. Rows of both methods have L2 norm 1 and may be compared with each other."""

    network: Any  # transformers.CLIPModel
    words: CLIPTokenizer

    @property
    def width(self) -> int:
        """D: numbers of a vector."""
        return int(self.network.config.projection_dim)

    def pictures(self, pixels: Sequence[Pixels]) -> Vectors:
        """uint8 (H, W, 3) or (H, W, 4) each → (n, D); only the central square is seen."""
        return encoded(pixels, self.width, self._look)

    def texts(self, texts: Sequence[str]) -> Vectors:
        """(n, D); what is longer than CLIP reads is cut off."""
        return encoded(texts, self.width, self._read)

    def _look(self, pixels: Sequence[Pixels]) -> torch.Tensor:
        side = int(self.network.config.vision_config.image_size)
        seen = self.network.vision_model(squares(pixels, side).to(self.network.device, self.network.dtype))
        out: torch.Tensor = self.network.visual_projection(seen.pooler_output)
        return out

    def _read(self, texts: Sequence[str]) -> torch.Tensor:
        length = int(self.network.config.text_config.max_position_embeddings)
        said = self.words(list(texts), padding=True, truncation=True, max_length=length, return_tensors="pt")
        read = self.network.text_model(said["input_ids"].to(self.network.device))
        out: torch.Tensor = self.network.text_projection(read.pooler_output)
        return out


def load(folder: Path, device: torch.device | str, dtype: torch.dtype) -> ClipFolder:
    """BadWeights, with a sentence, for a folder that is missing or is something else."""
    made = network(CLIPModel, CLIPConfig, folder, HINT)
    return ClipFolder(made.to(device, dtype), _words(folder, made.config.text_config.vocab_size))


def _words(folder: Path, count: int) -> CLIPTokenizer:
    for file in ("vocab.json", "merges.txt"):
        if not (folder / file).is_file():
            raise BadWeights(f"{folder / file} is missing: these are CLIP's words.", HINT)
    try:
        words: CLIPTokenizer = CLIPTokenizer.from_pretrained(folder, local_files_only=True)
    except (OSError, ValueError, TypeError, KeyError) as error:
        raise BadWeights(f"{folder} is not CLIP's tokenizer: {error}", HINT) from error
    if len(words) > count:
        raise BadWeights(f"{folder} has {len(words)} words, and its network reads {count}.", HINT)
    return words
