"""A pack as training leaves it, of random networks: text to image, and an encoder that reads words."""

from __future__ import annotations

from pathlib import Path

from tests.tiny_encoders import scatter
from tools.diffusion import model
from training import encoder, encoder_pack, export, tokens, vae
from training.diffusion import networks

WIDTHS = (16, 16, 16)


def small_pack(folder: Path) -> Path:
    """What `python -m training` and `python -m training.encoder` export, untrained."""
    tokens.write(folder / "words")
    words = model.tokenizer(folder / "words")
    export.pack(folder / "pack", vae.network(), {"base": networks(words, 0, WIDTHS)}, folder / "words")
    encoder_pack.write(scatter(encoder.network(encoder.config(len(words)))), folder / "encoder")
    encoder_pack.install(folder / "encoder", folder / "pack")
    return folder / "pack"
