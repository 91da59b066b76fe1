"""Scenes and edits in words: captions, instructions, and the closed vocabulary they are made of.

Phrasings marked held-out are made of words that training knows, in an order it has never seen.
"""

from __future__ import annotations

import re

from numpy.random import Generator

from toybox.edits import Add, Background, Edit, Light, Recolour, Remove, Reshape, Tone
from toybox.scenes import COLOURS, CORNERS, GROUNDS, LIGHTS, PATTERNS, SHAPES, TEXTURES, TONES, Scene, Thing, pick

PHRASINGS: dict[type[Edit], tuple[str, ...]] = {
    Recolour: (
        "make the {shape} {colour}",
        "turn the {shape} {colour}",
        "paint the {shape} {colour}",
        "change the colour of the {shape} to {colour}",
    ),
    Reshape: ("turn the {shape} into a {to}", "replace the {shape} with a {to}", "make the {shape} a {to}"),
    Remove: ("remove the {shape}", "delete the {shape}", "take away the {shape}"),
    Add: ("add a {colour} {shape} at the {slot}", "put a {colour} {shape} in the {slot}"),
    Background: (
        "make the background {pattern} {ground}",
        "change the background to {pattern} {ground}",
        "put it on a {pattern} {ground} background",
    ),
    Light: ("make it {light}", "change the light to {light}", "turn it to {light}"),
    Tone: ("make it {tone}", "turn it {tone}", "turn it into {tone}"),
}
HELD_OUT_PHRASINGS: dict[type[Edit], str] = {
    Recolour: "change the {shape} to {colour}",
    Reshape: "change the {shape} into a {to}",
    Remove: "take the {shape} away",
    Add: "add a {colour} {shape} in the {slot}",
    Background: "turn the background {pattern} {ground}",
    Light: "make the light {light}",
    Tone: "change it to {tone}",
}


def filled(phrasing: str, edit: Edit) -> str:
    """The phrasing with the edit's words; an empty word leaves no gap."""
    return re.sub(" +", " ", phrasing.format(**vars(edit))).strip()


def instruction(rng: Generator, edit: Edit, held_out: bool = False) -> str:
    """One way of asking for this edit."""
    kind = type(edit)
    return filled(HELD_OUT_PHRASINGS[kind] if held_out else pick(rng, PHRASINGS[kind]), edit)


def named(thing: Thing) -> str:
    """An object in words, as "a dotted red disc"."""
    words = (thing.texture, thing.colour, thing.shape)
    said = " ".join(word for word in words if word != "plain")
    return f"{'an' if said[0] in 'aeiou' else 'a'} {said}"


def caption(scene: Scene, behind: bool = True) -> str:
    """The whole scene in words; without its background where `behind` is False."""
    things = " and ".join(named(thing) for thing in scene.things)
    pattern = "" if scene.pattern == "plain" else f"{scene.pattern} "
    ground = f"a {pattern}{scene.ground} background"
    said = f"{things} on {ground}" if things and behind else things or ground
    for state, usual in ((scene.tone, "colour"), (scene.light, "day")):
        said += f", {state}" if state != usual else ""
    return said


def some_caption(rng: Generator, scene: Scene) -> str:
    """A caption as people vary it: one in five leaves the background unsaid."""
    return caption(scene, behind=rng.random() >= 0.2)


def vocabulary() -> list[str]:
    """Every word of captions and instructions, sorted."""
    names = (*SHAPES, *COLOURS, *GROUNDS, *TEXTURES, *PATTERNS, *LIGHTS, *TONES, *CORNERS)
    phrases = [p for options in PHRASINGS.values() for p in options] + list(HELD_OUT_PHRASINGS.values())
    said = " ".join([*names, *phrases, "a an and on background , ."])
    return sorted(set(re.sub(r"\{\w+\}", " ", said).split()))
