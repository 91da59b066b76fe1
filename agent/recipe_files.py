"""A recipe as a file: the pictures that travel in it, reading one that anybody may have written, and moving in.

Brush masks always travel, other pictures and sounds as far as they are small. All go as PNG of their pixels, sounds as
the FLAC that the session keeps, and never as the file that was uploaded, which may know where it was taken. What comes
back passes `sessions.intake` like any upload.
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Iterator, Mapping
from typing import Literal, TypeAlias

from pydantic import ValidationError

from agent import others
from agent.plan import PlanStep
from agent.recipes import Brush, Enclosed, Recipe, RecipeStep, steps_of
from agent.turns import check_call
from sessions import intake, uploads
from sessions.errors import Damaged, NotFound, PentimentoError, PlanError, Refused, TooLarge
from sessions.identity import bytes_hash
from sessions.intake import Admitted
from sessions.limits import PIXELS
from sessions.store import Store
from sessions.tiles import encode
from sessions.values import Asset, LearntSubject, Picture
from tools import registry

FLAC = "audio/flac"
FILE_BYTES = 24 * 2**20
"""The longest recipe file that is read."""
SUBJECT_BYTES = 8 * 2**20
"""How many bytes of files the other pictures and sounds of a recipe may have; those that do not fit are named only."""
UNPACKED_BYTES = 4 * PIXELS
"""How many bytes of pixels all of them may have: as the largest picture has, or 250 masks as the page draws them."""

Enclosure: TypeAlias = Picture | Admitted
"""A picture, or a sound as the door lets it in."""
Pictures = Mapping[str, Enclosure]
"""What a recipe's steps refer to, by the names they use: masks (H, W), subjects RGB or RGBA, sounds."""


def pictures_of(store: Store, session: str, recipe: Recipe) -> dict[str, Enclosure]:
    """The pictures and sounds that the steps refer to, read from the session in which the recipe was made."""
    return {name: _there(store, session, name) for name in (*masks(recipe), *subjects(recipe))}


def masks(recipe: Recipe) -> Iterator[str]:
    """The brush masks of the steps, each once."""
    yield from dict.fromkeys(step.region.mask for step in recipe.steps if isinstance(step.region, Brush))


def subjects(recipe: Recipe) -> Iterator[str]:
    """The other pictures and sounds of the steps, each once."""
    yield from dict.fromkeys(name for step in recipe.steps for name in step.subjects)


def _there(store: Store, session: str, name: str) -> Enclosure:
    """What a session has under a name that steps use; NotFound where that is nothing."""
    found = others.other(store, session, name)
    if isinstance(found, Picture):
        return found
    flac = store.asset_bytes(session, name)
    return Admitted("audio", FLAC, None, flac, found.seconds, flac)


def enclosing(recipe: Recipe, pictures: Pictures) -> Recipe:
    """The recipe with its pictures and sounds enclosed, so that it can travel."""
    enclosed = {name: Enclosed(kind="mask", name="brush", data=_text(pictures[name])) for name in masks(recipe)}
    left, room = SUBJECT_BYTES, UNPACKED_BYTES - sum(_unpacked(pictures[name]) for name in masks(recipe))
    for name in subjects(recipe):
        data, unpacked = _text(pictures[name]), _unpacked(pictures[name])
        fits = len(data) * 3 // 4 <= left and unpacked <= room and not isinstance(pictures[name], LearntSubject)
        if fits:
            left, room = left - len(data) * 3 // 4, room - unpacked
        kind: Literal["sound", "subject"] = "sound" if isinstance(pictures[name], Admitted) else "subject"
        enclosed[name] = Enclosed(kind=kind, name=name[:11], data=data if fits else None)
    return recipe.model_copy(update={"enclosed": enclosed})


def _text(one: Enclosure) -> str:
    return base64.b64encode(encode(one.pixels) if isinstance(one, Picture) else one.original).decode()


def _unpacked(one: Enclosure) -> int:
    """Bytes of pixels. A sound stays packed until a step hears it."""
    return one.pixels.nbytes if isinstance(one, Picture) else 0


def left_out(recipe: Recipe) -> list[str]:
    """The names of pictures and sounds that were too large to travel."""
    return [one.name for one in recipe.enclosed.values() if one.data is None]


# Reading


def read_recipe(data: bytes) -> Recipe:
    """A recipe from a file that anybody may have written.

    TooLarge, Damaged or PlanError, each with a sentence: what is no recipe, an unknown tool, arguments that do not fit.
    """
    if len(data) > FILE_BYTES:
        raise TooLarge(f"This recipe has {len(data) / 1e6:.1f} MB; the limit is {FILE_BYTES // 10**6} MB.")
    try:
        recipe = Recipe.model_validate_json(data)
    except ValidationError as error:
        raise Damaged(
            f"This is not a recipe: {_first(error)}.", "pentimento recipe --out FILE.json writes one."
        ) from None
    for number, step in enumerate(steps_of(recipe), start=1):
        _check(number, step)
    return recipe


def _first(error: ValidationError) -> str:
    """The first fault in words; what the file says is never repeated at length."""
    detail = error.errors(include_url=False, include_context=False, include_input=False)[0]
    where = ".".join(str(part)[:40] for part in detail["loc"][:6])
    said = str(detail["msg"])[:120]
    return f"{where}: {said}" if where else said


def _check(number: int, step: PlanStep) -> None:
    try:
        check_call(step)
    except PentimentoError as error:
        raise PlanError(f"Step {number} of the recipe cannot be done here: {error.message}", error.hint) from None


def admitted(recipe: Recipe) -> dict[str, Enclosure]:
    """What is enclosed, through the door; NotFound where something that a step needs did not travel.

    Refused for a sound where a mask or another picture is needed. TooLarge as soon as the pictures have more than
    UNPACKED_BYTES: a flat picture of 64 megapixels has 65 kB in the file.
    """
    if missing := [name for name in (*masks(recipe), *subjects(recipe)) if not _data(recipe, name)]:
        raise NotFound(
            f"The recipe needs {len(missing)} {_what(recipe, missing)} that did not travel in it.",
            "Replay it in the session where it was made: pentimento replay '#7' PHOTO -s SESSION",
        )
    drawn, seen, room = set(masks(recipe)), _seen(recipe), UNPACKED_BYTES
    found: dict[str, Enclosure] = {}
    for name in (*masks(recipe), *subjects(recipe)):
        one = _admit(name, recipe.enclosed[name].data)
        if isinstance(one, Picture):
            one = Picture(one.pixels[..., 0].copy()) if name in drawn else one
        elif name in seen:
            raise Refused(f"The recipe encloses a sound as {name[:11]}, where a picture is needed.")
        found[name] = one
        room -= _unpacked(one)
        if room < 0:
            raise TooLarge(f"The pictures in this recipe unpack to more than {UNPACKED_BYTES // 2**20} MiB.")
    return found


def _what(recipe: Recipe, names: list[str]) -> str:
    kinds = {recipe.enclosed[name].kind if name in recipe.enclosed else "subject" for name in names}
    return "sounds" if kinds == {"sound"} else "pictures or sounds" if "sound" in kinds else "pictures"


def _seen(recipe: Recipe) -> set[str]:
    """What must be a picture: the masks, and the subjects of tools that do not hear."""
    deaf = (step for step in recipe.steps if not registry.get(step.tool).hears)
    return {*masks(recipe), *(name for step in deaf for name in step.subjects)}


def _data(recipe: Recipe, name: str) -> str | None:
    return recipe.enclosed[name].data if name in recipe.enclosed else None


def _admit(name: str, data: str | None) -> Enclosure:
    try:
        one = intake.admit(base64.b64decode(data or "", validate=True))
    except (binascii.Error, ValueError):
        raise Damaged(f"The picture {name[:11]} in the recipe is damaged.", "Write the recipe again.") from None
    return one if one.picture is None else one.picture


# Moving in


def bring(store: Store, session: str, recipe: Recipe, pictures: Pictures) -> Recipe:
    """The recipe in the terms of a session: what it encloses is there, under the names that its steps then use."""
    names = {name: _kept(store, session, name, one) for name, one in pictures.items()}
    return recipe.model_copy(update={"steps": tuple(_renamed(step, names) for step in recipe.steps), "enclosed": {}})


def _kept(store: Store, session: str, name: str, one: Enclosure) -> str:
    """The name of a picture or a sound in the session: the one it has, where it is there already."""
    try:
        _there(store, session, name)
    except NotFound:
        return receive(store, session, one).sha256
    return name


def receive(store: Store, session: str, picture: Enclosure, name: str = "") -> Asset:
    """Keep a picture of ours in a session: a brush mask (H, W) as a mask, another as an image; or a sound."""
    if isinstance(picture, Admitted):
        return uploads.receive(store, session, picture, name or "sound")
    if picture.mode == "L":
        return uploads.drawn(store, session, picture.pixels)
    if isinstance(picture, LearntSubject):
        return uploads.learnt(store, session, picture, name or f"subject {bytes_hash(picture.learnt)[:6]}")
    admitted = Admitted("image", "image/png", picture, None, None, encode(picture.pixels))
    return uploads.receive(store, session, admitted, name)


def _renamed(step: RecipeStep, names: Mapping[str, str]) -> RecipeStep:
    region = Brush(mask=names[step.region.mask]) if isinstance(step.region, Brush) else step.region
    return step.model_copy(update={"region": region, "subjects": tuple(names[name] for name in step.subjects)})
