"""The encoder `imagebind`: pictures, sounds and words in one space, in which a sound may be likened to a picture.

The released weights may not be used commercially (CC BY-NC-SA 4.0). Downloads nothing.
"""

from __future__ import annotations

import html
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from transformers import CLIPTokenizer

from sessions.errors import BadWeights, MissingWeights
from sessions.values import Pixels
from tools.encoders import IMAGEBIND, Vectors
from tools.encoders.batches import encoded, squares
from tools.nets import imagebind_keys
from tools.nets.imagebind import ImageBind
from tools.sounds import Sound, imagebind_features
from tools.weights import PICKLED, SUFFIX

TOKENIZER = "tokenizer"
"""The folder of CLIP's words; without it there is no text branch."""


@dataclass(frozen=True, eq=False)
class ImageBindEncoder:
    """`words`: CLIP's tokenizer, None where the weights came without one."""

    network: ImageBind
    words: CLIPTokenizer | None
    digest: str
    name: str = "imagebind"

    @property
    def width(self) -> int:
        return self.network.config.space

    def pictures(self, pixels: Sequence[Pixels]) -> Vectors:
        """uint8 (H, W, 3) or (H, W, 4) each → (n, D)."""
        side = self.network.config.side
        return encoded(pixels, self.width, lambda some: self.network.vision(self._there(squares(some, side))))

    def sounds(self, sounds: Sequence[Sound]) -> Vectors:
        """(n, D): of three clips of two seconds each."""
        return encoded(sounds, self.width, lambda some: self.network.audio(self._there(self._heard(some))))

    def texts(self, texts: Sequence[str]) -> Vectors:
        """(n, D), at most 77 tokens of each; MissingWeights where there are no words."""
        return encoded(texts, self.width, lambda some: self.network.text(self._ids(some)))

    def _heard(self, sounds: Sequence[Sound]) -> torch.Tensor:
        config = self.network.config
        return torch.stack([torch.from_numpy(imagebind_features(one, config.bins, config.frames)) for one in sounds])

    def _ids(self, texts: Sequence[str]) -> torch.Tensor:
        """(n, context), 0 behind the token that ends a text."""
        if self.words is None:
            raise MissingWeights("This ImageBind came without words.", "pentimento models pull imagebind")
        context = self.network.config.context
        plain = [html.unescape(html.unescape(text)).strip() for text in texts]
        ids = torch.zeros(len(texts), context, dtype=torch.long)
        for row, found in zip(ids, self.words(plain, truncation=True, max_length=context)["input_ids"], strict=True):
            row[: len(found)] = torch.tensor(found)
        return ids.to(self._weight().device)

    def _there(self, inputs: torch.Tensor) -> torch.Tensor:
        return inputs.to(self._weight())

    def _weight(self) -> torch.Tensor:
        return next(self.network.parameters())


def load(folder: Path, device: torch.device | str, dtype: torch.dtype, digest: str) -> ImageBindEncoder:
    """From `imagebind/` (one weight file, perhaps a config.json) and `tokenizer/` where there is one."""
    files = [path for path in sorted((folder / IMAGEBIND).iterdir()) if path.suffix in (SUFFIX, *PICKLED)]
    if len(files) != 1:
        raise BadWeights(f"{folder / IMAGEBIND} has {len(files)} weight files, and one is meant.", imagebind_keys.AGAIN)
    config = imagebind_keys.config_of(folder / IMAGEBIND / "config.json")
    words = _words(folder / TOKENIZER, config.words) if (folder / TOKENIZER).is_dir() else None
    network = imagebind_keys.load(
        files[0], config, device, dtype, ("vision", "text", "audio") if words else ("vision", "audio")
    )
    return ImageBindEncoder(network, words, digest)


def _words(folder: Path, count: int) -> CLIPTokenizer:
    try:
        words: CLIPTokenizer = CLIPTokenizer.from_pretrained(folder, local_files_only=True, split_special_tokens=True)
    except Exception as error:  # foreign code: of files that are no words it raises whatever it falls over
        raise BadWeights(f"{folder} is not CLIP's tokenizer: {error}", imagebind_keys.AGAIN) from error
    if len(words) != count:
        raise BadWeights(f"{folder} has {len(words)} words, and ImageBind {count}.", imagebind_keys.AGAIN)
    return words
