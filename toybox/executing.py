"""Plans carried out over exact scenes: what a plan makes of a dialogue's pictures, and whether that is what was meant.

    executed(written, dialogue) → whether a plan ends where the true one does

Edits in words are read back into edits of the scene, in any phrasing of the toybox; what only a tool's pixels know is
kept as it was called, one after the other. Draws nothing and runs no tool.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, replace
from functools import cache

from pydantic import ValidationError

from agent.grammar import Ref, Written, WrittenStep
from tools.registry import registered
from toybox.dialogues import Dialogue
from toybox.edits import Edit
from toybox.history import Item
from toybox.scenes import (
    COLOURS,
    CORNERS,
    GROUNDS,
    LIGHTS,
    PATTERNS,
    SHAPES,
    SIZES,
    STYLES,
    TEXTURES,
    TONES,
    WEATHERS,
    Scene,
)
from toybox.wishes import EDITOR
from toybox.words import HELD_OUT_PHRASINGS, PHRASINGS

WORDS = {
    **{"shape": SHAPES, "to": SHAPES, "colour": COLOURS, "texture": TEXTURES, "size": SIZES, "slot": CORNERS},
    **{"ground": GROUNDS, "pattern": PATTERNS, "light": LIGHTS, "weather": WEATHERS, "style": STYLES, "tone": TONES},
}
"""What may stand in the gaps of a phrasing."""
PRINTS = {"neutral": "grey", "sepia": "sepia"}
"""The darkroom's prints of a whole picture that are states of a scene."""


@dataclass(frozen=True)
class State:
    """A picture as it is known: a scene, which of several drawings of it, and what was done since that no scene shows.

    `done`: calls of tools, and edits after the first of those, in order. Of a photo `scene` is None.
    """

    scene: Scene | None
    jitter: int
    done: tuple[object, ...] = ()


@dataclass(frozen=True)
class Call:
    """A tool's call that no scene shows: its arguments as JSON, on which part, with which pictures and sounds."""

    tool: str
    args: str
    part: str
    subjects: tuple[State | str, ...]


def edit_of(instruction: str) -> Edit | None:
    """The edit that a sentence asks for, in any phrasing, seen or held out; None where it is none of them."""
    said = " ".join(re.findall(r"[a-z0-9]+", instruction.lower()))
    for kind, pattern in _patterns():
        if found := pattern.fullmatch(said):
            return kind(**{name: word or "" for name, word in found.groupdict().items()})
    return None


@cache
def _patterns() -> tuple[tuple[type[Edit], re.Pattern[str]], ...]:
    phrasings = [(kind, said) for kind, options in PHRASINGS.items() for said in (*options, HELD_OUT_PHRASINGS[kind])]
    return tuple((kind, re.compile(_gaps(said))) for kind, said in phrasings)


def _gaps(phrasing: str) -> str:
    """A phrasing as a regular expression; a background's pattern need not be said."""
    phrasing = re.sub(r"\ba (?=\{)", "an? ", phrasing)
    for name, words in WORDS.items():
        gap = f"(?P<{name}>{'|'.join(words)})"
        phrasing = phrasing.replace("{pattern} ", f"(?:{gap} )?") if name == "pattern" else phrasing
        phrasing = phrasing.replace(f"{{{name}}}", gap)
    return phrasing


def executed(written: Written, dialogue: Dialogue) -> bool:
    """Whether a plan ends in the picture that was meant; of questions, whether it asks about the same pictures, and of
    talk, whether it says something and changes nothing."""
    true = dialogue.written
    if true.steps:
        found = outcome(written, dialogue)
        return found is not None and found == outcome(true, dialogue)
    if true.ask is not None:
        return written.ask is not None and set(written.candidates) == set(true.candidates)
    return not written.steps and written.ask is None and bool(written.chat)


def outcome(written: Written, dialogue: Dialogue) -> State | None:
    """What the last step of a plan makes; None where there is no step, one that cannot be carried out, or one whose
    result the next does not use: nobody asked for that picture."""
    last: State | None = None
    for step in written.steps:
        if last is not None and "prev" not in (step.base, *step.subjects):
            return None
        last = _after(step, dialogue, last)
        if last is None:
            return None
    return last


def _after(step: WrittenStep, dialogue: Dialogue, last: State | None) -> State | None:
    base = _known(step.base, dialogue, last)
    subjects = [_known(ref, dialogue, last) for ref in step.subjects]
    if not isinstance(base, State) or None in subjects:
        return None
    if step.tool == EDITOR:
        return _edited(base, step)
    try:
        args = registered()[step.tool].args.model_validate(step.args).model_dump(mode="json")
    except ValidationError:
        return None
    scene = base.scene
    if scene and step.tool == "monochrome" and step.where is None and scene.tone == "colour" and args["tone"] in PRINTS:
        return _stated(base, replace(scene, tone=PRINTS[args["tone"]]), args["tone"])
    shown = tuple(subject for subject in subjects if subject is not None)
    if shown and isinstance(shown[0], State) and args.get("subject"):
        args["subject"] = part_of(shown[0].scene, args["subject"])
    part = part_of(base.scene, step.where) if step.where else ""
    call = Call(step.tool, json.dumps(args, sort_keys=True), part, shown)
    return replace(base, done=(*base.done, call))


def _known(ref: Ref, dialogue: Dialogue, last: State | None) -> State | str | None:
    """A picture, or what a sound is called; None for what is not there."""
    if ref == "prev":
        return last
    item: Item = dialogue.items[int(ref)]
    if item.kind == "sound":
        return f"{item.sound} {item.jitter}"
    if item.scene is None:
        return State(None, item.jitter)
    done = tuple(Call(tool, json.dumps(args, sort_keys=True), "", ()) for tool, args in item.darkroom)
    return State(item.scene, item.jitter, done)


def _edited(base: State, step: WrittenStep) -> State | None:
    """An edit of the scene; where tools have made more of it than a scene, one of what may be there. None of a part: an
    instruction says itself what it is about."""
    edit = edit_of(str(step.args.get("instruction", "")))
    if edit is None or base.scene is None or step.where is not None:
        return None
    try:
        return _stated(base, edit.apply(base.scene), edit)
    except ValueError:
        return replace(base, done=(*base.done, edit)) if base.done else None


def _stated(base: State, scene: Scene, by: object) -> State:
    """Another scene; after tools that no scene shows it counts what came when."""
    return replace(base, scene=scene, done=(*base.done, by) if base.done else ())


def part_of(scene: Scene | None, words: str) -> str:
    """A part of a picture by the one thing that it names, so that "the disc" and "the red disc" are one; other words
    without their article."""
    words = words.removeprefix("the ")
    said = words.split()
    for thing in scene.things if scene else ():
        if said and said[-1] == thing.shape and set(said[:-1]) <= {thing.colour, thing.texture, thing.size}:
            return thing.shape
    return words
