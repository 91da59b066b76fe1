"""What can be wished of a picture of the world: the words, the tool that does it, and the scene that comes of it.

A wish is of one picture and needs no other; what needs several, and which one is meant, is `dialogues`' to say.
Edits of the scene are InstructPix2Pix's, in one sentence whatever was said; everyday work is the darkroom's.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace

from sessions.values import Json
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
    propose,
)
from toybox.phrases import FRAMES, PLACES, TEXTS, Voice, canonical
from toybox.scenes import HELD_OUT, Scene, Thing

EDITOR = "instruct_pix2pix"
WORLD: tuple[type[Edit], ...] = (
    *(Recolour, Recolour, Recolour, Retexture, Resize, Move, Reshape, Remove, Add),
    *(Background, Light, Light, Weather, Weather, Style),
)
"""The kinds of edits, as often as they are wished."""
TONES = {"black and white": "grey", "sepia": "sepia"}
DARK = {"night": "dark", "day": "light", "warm": "warm", "cool": "cool"}
"""How it got when a light came."""


@dataclass(frozen=True)
class Wish:
    """One change. `said` has `{it}` where the picture's name goes, if anywhere. `event`: what has then happened.

    `scene`: what the picture shows afterwards. `darkroom`: whether the tool's own pixels are the truth, not a drawing.
    """

    said: str
    tool: str
    args: Json
    scene: Scene
    event: str
    where: str | None = None
    darkroom: bool = False


@dataclass(frozen=True)
class Effect:
    """An everyday change: a tool with the arguments that are meant where no degree is said.

    `event`: what has then happened. `slider`: the argument that "a little" and "a lot" set, and to what. `part`: it may
    be wished of a part of the picture. `kept`: a scene stays a picture of 64 × 64 pixels under it.
    """

    tool: str
    args: Json = field(default_factory=dict)
    event: str = ""
    slider: tuple[str, float, float] | None = None
    part: bool = False
    kept: bool = True


def _slider(name: str, sign: int, event: str) -> Effect:
    return Effect("adjust", {name: 0.3 * sign}, event, (name, 0.2 * sign, 0.6 * sign), part=True)


EFFECTS = {
    "brighter": _slider("exposure", 1, "it got brighter"),
    "darker": _slider("exposure", -1, "it got darker"),
    "more contrast": _slider("contrast", 1, "it got more contrast"),
    "less contrast": _slider("contrast", -1, "it got less contrast"),
    "stronger": _slider("saturation", 1, "it got stronger colours"),
    "paler": _slider("saturation", -1, "it got paler"),
    "warmer": _slider("temperature", 1, "it got warmer"),
    "cooler": _slider("temperature", -1, "it got cooler"),
    "black and white": Effect("monochrome", {"tone": "neutral"}, "it got black and white", part=True),
    "sepia": Effect("monochrome", {"tone": "sepia"}, "it got sepia", part=True),
    "blur": Effect("blur", {}, "it was blurred", ("amount", 0.2, 0.8), part=True),
    "sharpen": Effect("sharpen", {}, "it was sharpened", ("amount", 0.2, 0.7), part=True),
    "vignette": Effect("vignette", {"amount": 0.4}, "it got a vignette", ("amount", 0.2, 0.7)),
    "square": Effect("crop", {"preset": "square"}, kept=False),
    "wide": Effect("crop", {"aspect": "16:9"}, kept=False),
    "right": Effect("rotate", {"degrees": 90}, "it was turned"),
    "left": Effect("rotate", {"degrees": -90}, "it was turned"),
    "upside down": Effect("rotate", {"degrees": 180}, "it was turned"),
    "mirror": Effect("flip", {"axis": "horizontal"}, "it was mirrored"),
    "flip down": Effect("flip", {"axis": "vertical"}, "it was mirrored"),
    "half": Effect("resize", {"scale": 0.5}, kept=False),
    "improve": Effect("auto", {}, kept=False),
}
KEPT = [name for name, effect in EFFECTS.items() if effect.kept]
PARTS = [name for name, effect in EFFECTS.items() if effect.part]


def worldly(voice: Voice, scene: Scene, kind: type[Edit] | None = None) -> Wish | None:
    """An edit of the scene; None where the scene allows none of the kind."""
    kind = kind or WORLD[voice.number(len(WORLD))]
    edit = _unseen(voice, scene) if kind is Recolour and voice.held_out and voice.chance(0.5) else None
    edit = edit or propose(voice.rng, scene, kind)
    if edit is None or (kind is Light and scene.tone != "colour"):
        return None
    return of_edit(edit, scene, voice.ask(edit))


def _unseen(voice: Voice, scene: Scene) -> Edit | None:
    """A thing in the colour that training never shows it in."""
    pairs = dict(HELD_OUT)
    found = [thing.shape for thing in scene.things if pairs[thing.shape] != thing.colour]
    if not found or scene.tone != "colour":
        return None
    shape = voice.pick(found)
    voice.unseen += 1
    return Recolour(shape, pairs[shape])


def of_edit(edit: Edit, scene: Scene, said: str) -> Wish:
    """An edit of the scene in these words."""
    return Wish(said, EDITOR, {"instruction": canonical(edit)}, edit.apply(scene), happened(edit))


def happened(edit: Edit) -> str:
    """What an edit has done, as people tell it afterwards."""
    match edit:
        case Recolour():
            return f"the {edit.shape} got {edit.colour}"
        case Retexture():
            return f"the {edit.shape} got {edit.texture}"
        case Resize():
            return f"the {edit.shape} got {edit.size}"
        case Move():
            return f"the {edit.shape} moved"
        case Reshape():
            return f"the {edit.shape} became a {edit.to}"
        case Remove():
            return f"the {edit.shape} went away"
        case Add():
            return f"the {edit.colour} {edit.shape} came"
        case Background():
            return f"the background got {edit.ground}"
        case Light():
            return f"it got {DARK[edit.light]}"
        case Weather():
            return f"it got {edit.weather}"
        case Style():
            return f"it got {edit.style}"
        case Tone():
            return f"it got {edit.tone}"


def everyday(voice: Voice, scene: Scene, names: list[str] | None = None) -> Wish | None:
    """Darkroom work on the whole picture; None for a tone where there is one already, or a style."""
    name = voice.pick(names or list(EFFECTS))
    if name in TONES and (scene.tone != "colour" or scene.style != "plain"):
        return None
    after = replace(scene, tone=TONES[name]) if name in TONES else scene
    said, args = _degree(voice, name, voice.say(name))
    effect = EFFECTS[name]
    return Wish(said, effect.tool, args, after, effect.event, darkroom=name not in TONES)


def _degree(voice: Voice, name: str, said: str) -> tuple[str, Json]:
    """The words with "a little" or "a lot" behind them, or without; and the arguments."""
    effect = EFFECTS[name]
    if effect.slider is None or voice.chance(0.6):
        return said, effect.args
    argument, small, big = effect.slider
    much = voice.chance(0.5)
    return f"{said} {voice.say('big' if much else 'small')}", {argument: big if much else small}


def partial(voice: Voice, scene: Scene) -> Wish | None:
    """Darkroom work on a part that is named: the background, or a thing; None where no thing's colour can be seen."""
    if voice.chance(0.25):
        return of_part(voice, scene, "the background", "the background")
    if not scene.things or not scene.coloured:
        return None
    thing = scene.things[voice.number(len(scene.things))]
    return of_part(voice, scene, seen(thing), called(voice, thing))


def seen(thing: Thing) -> str:
    """A thing as a plan has it: with its colour, by which tools find it, whether or not it was said."""
    return f"the {thing.colour} {thing.shape}"


def called(voice: Voice, thing: Thing) -> str:
    """A thing as a message has it."""
    return seen(thing) if voice.chance(0.5) else f"the {thing.shape}"


def of_part(voice: Voice, scene: Scene, where: str, said_as: str) -> Wish:
    """Darkroom work on the part `where` that the message calls so, or otherwise."""
    name = voice.pick(PARTS)
    said, args = _degree(voice, name, voice.say(name, it=said_as))
    return Wish(said, EFFECTS[name].tool, args, scene, "", where, darkroom=True)


def lettered(voice: Voice, scene: Scene) -> Wish:
    """Words on the picture, perhaps at a place."""
    text = voice.pick(TEXTS)
    said, args = voice.say("text", text=text), {"text": text}
    if voice.chance(0.5):
        place = voice.pick(PLACES)
        said, args = f"{said} at the {place}", args | {"at": place}
    return Wish(said, "text", args, scene, "", darkroom=True)


def bordered(voice: Voice, scene: Scene) -> Wish:
    """A border of a colour."""
    colour = voice.pick(list(FRAMES))
    return Wish(
        voice.say("border", colour=colour), "border", {"color": FRAMES[colour]}, scene, "it got a border", darkroom=True
    )


SORTS: tuple[tuple[float, Callable[[Voice, Scene], Wish | None]], ...] = (
    (0.45, worldly),
    (0.75, everyday),
    (0.92, partial),
    (0.97, lettered),
    (1.0, bordered),
)
"""Kinds of wishes, up to which share of all."""


def any_wish(voice: Voice, scene: Scene) -> Wish:
    """A wish that fits the scene."""
    while True:
        r = voice.rng.random()
        wish = next(sort for share, sort in SORTS if r < share)(voice, scene)
        if wish is not None:
            return wish


def edit_wish(voice: Voice, scene: Scene) -> Wish:
    """An edit of the scene, of any kind that it allows."""
    while True:
        wish = worldly(voice, scene)
        if wish is not None:
            return wish


def lasting(voice: Voice, scene: Scene) -> Wish:
    """A wish whose result is again a picture of the world: what a session's history is made of."""
    while True:
        wish = worldly(voice, scene) if voice.chance(0.65) else everyday(voice, scene, KEPT)
        if wish is not None:
            return wish
