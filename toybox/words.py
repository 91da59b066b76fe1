"""Scenes and edits in words: captions, instructions, and the closed vocabulary they are made of.

Phrasings marked held-out are made of words that training knows, in an order it has never seen.
"""

from __future__ import annotations

import re
from dataclasses import replace

from numpy.random import Generator

from toybox.edits import (
    Add,
    Background,
    Edit,
    Light,
    Move,
    Recolour,
    Remove,
    Reshape,
    Resize,
    Retexture,
    Style,
    Tone,
    Weather,
)
from toybox.scenes import (
    COLOURS,
    CORNERS,
    GROUNDS,
    LIGHTS,
    PATTERNS,
    SHAPES,
    SIZES,
    STATES,
    STYLES,
    TEXTURES,
    TONES,
    WEATHERS,
    Scene,
    Thing,
    pick,
)

PHRASINGS: dict[type[Edit], tuple[str, ...]] = {
    Recolour: (
        "make the {shape} {colour}",
        "turn the {shape} {colour}",
        "paint the {shape} {colour}",
        "change the colour of the {shape} to {colour}",
    ),
    Retexture: ("make the {shape} {texture}", "turn the {shape} {texture}", "give the {shape} a {texture} texture"),
    Resize: ("make the {shape} {size}", "change the size of the {shape} to {size}"),
    Move: ("move the {shape} to the {slot}", "put the {shape} at the {slot}"),
    Reshape: ("turn the {shape} into a {to}", "replace the {shape} with a {to}", "make the {shape} a {to}"),
    Remove: ("remove the {shape}", "delete the {shape}", "take away the {shape}"),
    Add: ("add a {colour} {shape} at the {slot}", "put a {colour} {shape} in the {slot}"),
    Background: (
        "make the background {pattern} {ground}",
        "change the background to {pattern} {ground}",
        "put it on a {pattern} {ground} background",
    ),
    Light: ("make it {light}", "change the light to {light}", "turn it to {light}"),
    Weather: ("make it {weather}", "change the weather to {weather}", "turn it {weather}"),
    Style: ("make it {style}", "change the style to {style}", "turn it into a {style} picture"),
    Tone: ("make it {tone}", "turn it {tone}", "turn it into {tone}"),
}
HELD_OUT_PHRASINGS: dict[type[Edit], str] = {
    Recolour: "change the {shape} to {colour}",
    Retexture: "change the texture of the {shape} to {texture}",
    Resize: "turn the {shape} {size}",
    Move: "move the {shape} in the {slot}",
    Reshape: "change the {shape} into a {to}",
    Remove: "take the {shape} away",
    Add: "add a {colour} {shape} in the {slot}",
    Background: "turn the background {pattern} {ground}",
    Light: "make the light {light}",
    Weather: "make the weather {weather}",
    Style: "turn the style to {style}",
    Tone: "change it to {tone}",
}


def filled(phrasing: str, edit: Edit) -> str:
    """The phrasing with the edit's words; an empty word leaves no gap, and before a vowel stands "an"."""
    said = re.sub(" +", " ", phrasing.format(**vars(edit))).strip()
    return re.sub(r"\ba (?=[aeiou])", "an ", said)


def instruction(rng: Generator, edit: Edit, held_out: bool = False) -> str:
    """One way of asking for this edit."""
    kind = type(edit)
    return filled(HELD_OUT_PHRASINGS[kind] if held_out else pick(rng, PHRASINGS[kind]), edit)


def named(thing: Thing, place: bool = False) -> str:
    """An object in words, as "a small dotted red disc", perhaps with its place."""
    words = ("" if thing.size == "medium" else thing.size, thing.texture, thing.colour, thing.shape)
    said = " ".join(word for word in words if word not in ("", "plain"))
    where = f" {'in' if thing.slot == 'middle' else 'at'} the {thing.slot}" if place else ""
    return f"{'an' if said[0] in 'aeiou' else 'a'} {said}{where}"


def caption(scene: Scene, behind: bool = True, places: bool = False) -> str:
    """The whole scene in words; without its background where `behind` is False, with things' `places` where True."""
    things = " and ".join(named(thing, places) for thing in scene.things)
    pattern = "" if scene.pattern == "plain" else f"{scene.pattern} "
    ground = f"a {pattern}{scene.ground} background"
    said = f"{things} on {ground}" if things and behind else things or ground
    for name, usual in STATES.items():
        state = getattr(scene, name)
        said += f", {state}" if state != usual else ""
    return said


def shapes(scene: Scene) -> str:
    """What a scene has, without a word on how it looks: "a disc and a star"; nothing where there is nothing."""
    return " and ".join(named(replace(thing, colour="", texture="", radius=SIZES["medium"])) for thing in scene.things)


def some_caption(rng: Generator, scene: Scene) -> str:
    """A caption as people vary it: one in five leaves the background unsaid, three in ten say places."""
    return caption(scene, behind=rng.random() >= 0.2, places=rng.random() < 0.3)


def vocabulary() -> list[str]:
    """Every word of captions and instructions, sorted."""
    names = (*SHAPES, *COLOURS, *GROUNDS, *TEXTURES, *PATTERNS, *LIGHTS, *TONES, *STYLES, *WEATHERS, *SIZES, *CORNERS)
    phrases = [p for options in PHRASINGS.values() for p in options] + list(HELD_OUT_PHRASINGS.values())
    said = " ".join([*names, *phrases, "a an and on in at the middle background , ."])
    return sorted(set(re.sub(r"\{\w+\}", " ", said).split()))
