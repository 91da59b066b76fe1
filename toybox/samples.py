"""Something to try: two scenes and three sounds, as files. The page has copies of them; demo and docs make them anew.

python -m toybox.samples [FOLDER]
"""

from __future__ import annotations

import argparse
from pathlib import Path

import soundfile
from PIL import Image

from toybox.drawing import draw
from toybox.scenes import Scene, Thing
from toybox.sounds import RATE, sound

SCENES = {
    "scene": Scene(
        "gradient",
        "mint",
        (
            Thing("disc", "red", "plain", "top left", 17.0, 17.0, 13.0, 0.0),
            Thing("star", "yellow", "outlined", "top right", 47.0, 17.0, 13.0, 0.1),
            Thing("square", "purple", "striped", "bottom right", 46.0, 47.0, 10.0, -0.15),
        ),
    ),
    "other": Scene("plain", "teal", (Thing("cross", "orange", "dotted", "middle", 32.0, 32.0, 18.0, 0.1),)),
}
SOUNDS = ("crickets", "patter", "waltz")
TAKE = 500
"""Of sounds: none that anything has learnt from."""


def write(folder: Path) -> None:
    """`NAME.png` and `NAME.flac` into a folder, which is made."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, scene in SCENES.items():
        Image.fromarray(draw(scene).rgb).save(folder / f"{name}.png")
    for name in SOUNDS:
        soundfile.write(folder / f"{name}.flac", sound(name, TAKE), RATE)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(prog="python -m toybox.samples", description=__doc__)
    parser.add_argument("folder", type=Path, nargs="?", default=Path())
    write(parser.parse_args().folder)
