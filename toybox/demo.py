"""`make demo`, second half: networks paint on a drawn scene, told by words, by a picture and by sounds.

The commands are typed as people type them. After each, a network that shares nothing with those that paint
(`toybox.reading`) says whether what was asked for is there; where it once is not, this ends with an error. Everything
lands in `demo-out/toybox/`.
"""

from __future__ import annotations

import shutil
import sys
from collections.abc import Mapping
from dataclasses import dataclass
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
    """What is said, what comes with it, what is to be read in the picture then, of slots and of the whole (""), and
    whether networks are to have painted all of its steps."""

    said: str
    wanted: Mapping[Key, str]
    sent: tuple[str, ...] = ()
    neural: bool = True


def thing(slot: str, shape: str, colour: str) -> dict[Key, str]:
    """A thing that is to be read in a slot."""
    return {(slot, "there"): "yes", (slot, "shape"): shape, (slot, "colour"): colour}


TALK = (
    Message("make the disc blue", thing("top left", "disc", "blue")),
    Message("remove the square, then make it snowy", {("bottom right", "there"): "no", ("", "weather"): "snowy"}),
    Message("make it like the sound", {("", "light"): "night"}, ("crickets.flac",)),
    Message("undo", {("", "light"): "day"} | thing("top left", "disc", "blue"), neural=False),
    Message("turn the star into a cross", thing("top right", "cross", "yellow")),
    Message("take the original and fit it to the music", {("", "tone"): "sepia"}, ("waltz.flac",)),
    Message("make the original look like the attached picture", {("", "ground"): "teal"}, ("other.png",)),
)
"""By words, a sound, words, music and a picture; the last two through any2pix, which draws anew."""


def main() -> None:
    """Hold the conversation; exit code 1 where the grader does not find what was asked for."""
    shutil.rmtree(OUT, ignore_errors=True)
    samples.write(OUT)
    typed(OUT, "new", str(OUT / "scene.png"))
    missed = [message.said for message in TALK if not held(message)]
    typed(OUT, "graph")
    history = told(OUT, "log", "--all")["revisions"]
    for revision in history:
        told(OUT, "show", f"#{revision['seq']}", "--out", str(OUT / f"{revision['seq']:02d}-{revision['tool']}.png"))
    sheet(sorted(OUT.glob("[0-9]*.png"))).save(OUT / "contact-sheet.png")
    print(f"\n{len(history)} pictures and contact-sheet.png are in {OUT}/")
    if missed:
        sys.exit(f"Not done, or by no network: {'; '.join(missed)}.")


def held(message: Message) -> bool:
    """Say it, tell what painted, and ask the grader: whether everything that was asked for is there, painted so."""
    before = {revision["id"] for revision in told(OUT, "log", "--all")["revisions"]}
    sent = [word for name in message.sent for word in ("--attach", str(OUT / name))]
    typed(OUT, "say", message.said, *sent)
    made = [one for one in told(OUT, "log", "--all")["revisions"] if one["id"] not in before and one["tool"]]
    for one in made:
        print(by_whom(one))
    [seen] = readings([head()])
    for (slot, name), value in message.wanted.items():
        print(f"grader {_of(slot, name)}: {seen.value(slot, name)}, {seen.probability(slot, name, value):.0%} {value}")
    found = all(seen.value(slot, name) == value for (slot, name), value in message.wanted.items())
    painted = bool(made) and all(one["made_with"].get("weights") for one in made)
    return found and message.neural == painted


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
