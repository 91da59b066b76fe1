"""`make demo`: the main job without a screen. A conversation over a real photo through the command line itself.

Every command is printed as a person would type it and run in a process of its own; the pictures, the tree and a contact
sheet land in `demo-out/`. The photo is scikit-image's coffee cup.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

from PIL import Image, ImageDraw, ImageFont

OUT = Path("demo-out")
TALK = (
    ("say", "please straighten it by 2 degrees, brighten it a bit and make the colours warmer"),
    ("say", "blur the background a little"),
    ("say", "make the cup brighter"),
    ("say", "yes"),
    ("say", "black and white please"),
    ("say", "undo"),
    ("say", "crop it"),
    ("say", "square"),
    ("say", "add some dark corners and a thin white border"),
    ("say", "try #1 in sepia instead"),
    ("say", "sharpen it a little, then write 'Coffee, 8 am' at the bottom"),
    ("say", "put a hat on the cup"),
    ("say", "go back to main"),
    ("graph",),
)


def main() -> None:
    """Hold the conversation, then gather what came of it."""
    shutil.rmtree(OUT, ignore_errors=True)
    OUT.mkdir()
    photo = OUT / "coffee.png"
    shutil.copy(_bundled("coffee.png"), photo)
    for words in (("new", str(photo)), *TALK):
        typed(OUT, *words)
    history = told(OUT, "log", "--all")["revisions"]
    for revision in history:
        name = f"{revision['seq']:02d}-{revision['tool']}.png"
        told(OUT, "show", f"#{revision['seq']}", "--out", str(OUT / name))
    sheet(sorted(OUT.glob("[0-9]*.png"))).save(OUT / "contact-sheet.png")
    print(f"\n{len(history)} pictures and contact-sheet.png are in {OUT}/")


def typed(out: Path, *words: str) -> None:
    """A command as a person types it, and what it answers; its data folder is in `out`."""
    print(f"\n$ pentimento {' '.join(map(_quoted, words))}", flush=True)
    subprocess.run([sys.executable, "-m", "ui.cli", *words], env=_home(out), check=True)


def told(out: Path, *words: str) -> dict[str, Any]:
    """What a command answers as JSON."""
    done = subprocess.run(
        [sys.executable, "-m", "ui.cli", *words, "--json"], env=_home(out), check=True, capture_output=True
    )
    answer: dict[str, Any] = json.loads(done.stdout)
    return answer


def _home(out: Path) -> dict[str, str]:
    """The environment without one's own settings: the demo is the same for everybody."""
    ours = {name: value for name, value in os.environ.items() if not name.startswith("PENTIMENTO_")}
    return ours | {"PENTIMENTO_HOME": str(out / "data")}


def _quoted(word: str) -> str:
    """A word as a person would type it: in double quotes where it has blanks."""
    return f'"{word}"' if " " in word else word


def _bundled(name: str) -> Path:
    import skimage

    return Path(skimage.__file__).parent / "data" / name


def sheet(paths: list[Path], columns: int = 4, side: int = 300) -> Image.Image:
    """All pictures side by side, each with its name below."""
    margin, caption = 16, 24
    rows = -(-len(paths) // columns)
    page = Image.new("RGB", (columns * (side + margin) + margin, rows * (side + caption + margin) + margin), "#f4f2ee")
    draw, font = ImageDraw.Draw(page), ImageFont.load_default(15)
    for place, path in enumerate(paths):
        left = margin + place % columns * (side + margin)
        top = margin + place // columns * (side + caption + margin)
        with Image.open(path) as picture:
            small = picture.convert("RGB")
        small.thumbnail((side, side))
        page.paste(small, (left + (side - small.width) // 2, top + (side - small.height) // 2))
        draw.text((left, top + side + 4), f"#{path.stem.replace('-', '  ', 1).lstrip('0')}", "#444444", font)
    return page


if __name__ == "__main__":
    main()
