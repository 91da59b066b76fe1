"""A folder of small photos with captions, as the recipes on photos take them; no two are alike, and words say how."""

from __future__ import annotations

import json
import wave
from pathlib import Path

import numpy as np
from PIL import Image

COLOURS = {"red": (220, 40, 40), "green": (40, 190, 60), "blue": (40, 60, 220), "yellow": (240, 220, 60)}


def photograph(number: int, side: int = 64) -> np.ndarray:
    """A square of one colour on a ground with some noise, (side, side, 3)."""
    rng = np.random.default_rng(number)
    rgb = rng.integers(90, 160, (side, side, 3)).astype(np.uint8)
    x, y = rng.integers(side // 2, size=2)
    rgb[y : y + side // 2, x : x + side // 2] = list(COLOURS.values())[number % len(COLOURS)]
    return rgb


def folder(where: Path, count: int = 4, side: int = 64, sounds: tuple[int, ...] = ()) -> Path:
    """Photos 0…, and one line about each; those of these numbers name a sound, which is there."""
    where.mkdir(parents=True, exist_ok=True)
    lines = []
    for number in range(count):
        Image.fromarray(photograph(number, side)).save(where / f"{number}.png")
        told = {"file_name": f"{number}.png", "text": f"a {list(COLOURS)[number % len(COLOURS)]} square", "width": side}
        if number in sounds:
            told["sound"] = f"{number}.wav"
            beep(where / f"{number}.wav", 220 * (number + 1))
        lines.append(json.dumps(told))
    (where / "metadata.jsonl").write_text("\n".join(lines) + "\n", encoding="utf-8")
    return where


def beep(path: Path, pitch: float) -> None:
    """Two seconds of one tone."""
    tone = (12000 * np.sin(2 * np.pi * pitch * np.arange(32000) / 16000)).astype("<i2")
    with wave.open(str(path), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(16000)
        file.writeframes(tone.tobytes())
