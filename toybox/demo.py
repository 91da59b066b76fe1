"""`make demo`, second half: networks paint on a drawn scene, told by words, by a picture and by sounds.

The commands are typed as people type them. After each, a network that shares nothing with those that paint
(`toybox.reading`) says whether what was asked for is there; where it once is not, this ends with an error. Everything
lands in `demo-out/toybox/`.
"""

from __future__ import annotations

import shutil
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from toybox import samples
from toybox.reading import Key, readings
from ui.demo import sheet, told, typed

OUT = Path("demo-out/toybox")


@dataclass(frozen=True)
class Message:
    """What is said, what comes with it, and what is to be read in the picture then: of slots and of the whole ("")."""

    said: str
    wanted: Mapping[Key, str] = field(default_factory=dict)
    sent: tuple[str, ...] = ()


TALK = (
    Message("make the disc blue", {("top left", "colour"): "blue"}),
    Message("remove the square, then make it snowy", {("bottom right", "there"): "no", ("", "weather"): "snowy"}),
    Message("make it like the sound", {("", "light"): "night"}, ("crickets.flac",)),
    Message("undo", {("", "light"): "day", ("top left", "colour"): "blue"}),
    Message("turn the star into a cross", {("top right", "shape"): "cross"}),
    Message("take the original and fit it to the music", {("", "tone"): "sepia"}, ("waltz.flac",)),
    Message("make the original look like the attached picture", {("", "ground"): "teal"}, ("other.png",)),
)
"""By words, a sound, words, music and a picture; the last two through any2pix, which draws anew."""


def main() -> None:
    """Hold the conversation; exit code 1 where the grader does not find what was asked for."""
    shutil.rmtree(OUT, ignore_errors=True)
    samples.write(OUT)
    typed(OUT, "new", str(OUT / "scene.png"))
    missed = [message.said for message in TALK if not all(held(message))]
    typed(OUT, "graph")
    history = told(OUT, "log", "--all")["revisions"]
    for revision in history:
        told(OUT, "show", f"#{revision['seq']}", "--out", str(OUT / f"{revision['seq']:02d}-{revision['tool']}.png"))
    sheet(sorted(OUT.glob("[0-9]*.png"))).save(OUT / "contact-sheet.png")
    print(f"\n{len(history)} pictures and contact-sheet.png are in {OUT}/")
    if missed:
        sys.exit(f"The grader does not find: {'; '.join(missed)}.")


def held(message: Message) -> Iterator[bool]:
    """Say it, tell what painted, and ask the grader; of each thing that was asked for, whether it is there."""
    before = {revision["id"] for revision in told(OUT, "log", "--all")["revisions"]}
    sent = [word for name in message.sent for word in ("--attach", str(OUT / name))]
    typed(OUT, "say", message.said, *sent)
    made = [one for one in told(OUT, "log", "--all")["revisions"] if one["id"] not in before and one["tool"]]
    for one in made:
        print(by_whom(one))
    [seen] = readings([head()])
    for (slot, name), value in message.wanted.items():
        yield seen.value(slot, name) == value
        print(f"grader {_of(slot, name)}: {seen.value(slot, name)}, {seen.probability(slot, name, value):.0%} {value}")


def by_whom(one: Mapping[str, Any]) -> str:
    """One revision's step, and which network's weights have painted it, if any has."""
    names = [weights["name"] for weights in one["made_with"].get("weights", ())]
    return f"#{one['seq']} {one['tool']}: " + (f"neural, {', '.join(names)}" if names else "no network")


def head() -> np.ndarray[Any, np.dtype[np.uint8]]:
    """The picture where the conversation stands."""
    told(OUT, "show", "--out", str(OUT / "head.png"))
    with Image.open(OUT / "head.png") as picture:
        return np.asarray(picture.convert("RGB"))


def _of(slot: str, name: str) -> str:
    return f"{name} {slot}" if slot else name


if __name__ == "__main__":
    main()
