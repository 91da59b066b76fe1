"""A recipe as a file: the pictures that travel in it, reading one that anybody may have written, and moving in.

Brush masks always travel, other pictures as far as they are small. All go as PNG of their pixels and never as the file
that was uploaded, which may know where it was taken. What comes back passes `sessions.intake` like any upload.
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Iterator, Mapping

from pydantic import ValidationError

from agent.plan import PlanStep
from agent.recipes import Brush, Enclosed, Recipe, RecipeStep, steps_of
from agent.turns import check_call
from sessions import intake, uploads
from sessions.errors import Damaged, NotFound, PentimentoError, PlanError, Refused, TooLarge
from sessions.identity import REVISION_PREFIX, bytes_hash
from sessions.intake import Admitted
from sessions.limits import PIXELS
from sessions.store import Store
from sessions.tiles import encode
from sessions.values import Asset, LearntSubject, Picture

FILE_BYTES = 24 * 2**20
"""The longest recipe file that is read."""
SUBJECT_BYTES = 8 * 2**20
"""How many bytes of PNG the other pictures of a recipe may have together; those that do not fit are named only."""
UNPACKED_BYTES = 4 * PIXELS
"""How many bytes of pixels all of them may have: as the largest picture has, or 250 masks as the page draws them."""

Pictures = Mapping[str, Picture]
"""What a recipe's steps refer to, by the names they use: masks (H, W), subjects RGB or RGBA."""


def pictures_of(store: Store, session: str, recipe: Recipe) -> dict[str, Picture]:
    """The pictures that the steps refer to, read from the session in which the recipe was made."""
    return {name: _picture(store, session, name) for name in (*masks(recipe), *subjects(recipe))}


def masks(recipe: Recipe) -> Iterator[str]:
    """The brush masks of the steps, each once."""
    yield from dict.fromkeys(step.region.mask for step in recipe.steps if isinstance(step.region, Brush))


def subjects(recipe: Recipe) -> Iterator[str]:
    """The other pictures of the steps, each once."""
    yield from dict.fromkeys(name for step in recipe.steps for name in step.subjects)


def _picture(store: Store, session: str, name: str) -> Picture:
    image = store.revision(session, name).image if name.startswith(REVISION_PREFIX) else name
    return uploads.picture(store, session, image)


def enclosing(recipe: Recipe, pictures: Pictures) -> Recipe:
    """The recipe with its pictures enclosed, so that it can travel."""
    enclosed = {name: Enclosed(kind="mask", name="brush", data=_text(pictures[name])) for name in masks(recipe)}
    left, room = SUBJECT_BYTES, UNPACKED_BYTES - sum(pictures[name].pixels.nbytes for name in masks(recipe))
    for name in subjects(recipe):
        data, unpacked = _text(pictures[name]), pictures[name].pixels.nbytes
        fits = len(data) * 3 // 4 <= left and unpacked <= room and not isinstance(pictures[name], LearntSubject)
        if fits:
            left, room = left - len(data) * 3 // 4, room - unpacked
        enclosed[name] = Enclosed(kind="subject", name=name[:11], data=data if fits else None)
    return recipe.model_copy(update={"enclosed": enclosed})


def _text(picture: Picture) -> str:
    return base64.b64encode(encode(picture.pixels)).decode()


def left_out(recipe: Recipe) -> list[str]:
    """The names of pictures that were too large to travel."""
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


def admitted(recipe: Recipe) -> dict[str, Picture]:
    """The enclosed pictures, through the door; NotFound where one that a step needs did not travel.

    TooLarge as soon as they have more than UNPACKED_BYTES: a flat picture of 64 megapixels has 65 kB in the file.
    """
    if missing := [name for name in (*masks(recipe), *subjects(recipe)) if not _data(recipe, name)]:
        raise NotFound(
            f"The recipe needs {len(missing)} pictures that did not travel in it.",
            "Replay it in the session where it was made: pentimento replay '#7' PHOTO -s SESSION",
        )
    drawn, room = set(masks(recipe)), UNPACKED_BYTES
    found: dict[str, Picture] = {}
    for name in (*masks(recipe), *subjects(recipe)):
        picture = _admit(name, recipe.enclosed[name].data)
        found[name] = Picture(picture.pixels[..., 0].copy()) if name in drawn else picture
        room -= found[name].pixels.nbytes
        if room < 0:
            raise TooLarge(f"The pictures in this recipe unpack to more than {UNPACKED_BYTES // 2**20} MiB.")
    return found


def _data(recipe: Recipe, name: str) -> str | None:
    return recipe.enclosed[name].data if name in recipe.enclosed else None


def _admit(name: str, data: str | None) -> Picture:
    try:
        picture = intake.admit(base64.b64decode(data or "", validate=True)).picture
    except (binascii.Error, ValueError):
        raise Damaged(f"The picture {name[:11]} in the recipe is damaged.", "Write the recipe again.") from None
    if picture is None:
        raise Refused(f"The recipe encloses a sound as {name[:11]}, where a picture is needed.")
    return picture


# Moving in


def bring(store: Store, session: str, recipe: Recipe, pictures: Pictures) -> Recipe:
    """The recipe in the terms of a session: its pictures are there, under the names that its steps then use."""
    names = {name: _kept(store, session, name, picture) for name, picture in pictures.items()}
    return recipe.model_copy(update={"steps": tuple(_renamed(step, names) for step in recipe.steps), "enclosed": {}})


def _kept(store: Store, session: str, name: str, picture: Picture) -> str:
    """The name of a picture in the session: the one it has, where it is there already."""
    try:
        _picture(store, session, name)
    except NotFound:
        return receive(store, session, picture).sha256
    return name


def receive(store: Store, session: str, picture: Picture, name: str = "") -> Asset:
    """Keep a picture of ours in a session: a brush mask (H, W) as a mask, another as an image."""
    if picture.mode == "L":
        return uploads.drawn(store, session, picture.pixels)
    if isinstance(picture, LearntSubject):
        return uploads.learnt(store, session, picture, name or f"subject {bytes_hash(picture.learnt)[:6]}")
    admitted = Admitted("image", "image/png", picture, None, None, encode(picture.pixels))
    return uploads.receive(store, session, admitted, name)


def _renamed(step: RecipeStep, names: Mapping[str, str]) -> RecipeStep:
    region = Brush(mask=names[step.region.mask]) if isinstance(step.region, Brush) else step.region
    return step.model_copy(update={"region": region, "subjects": tuple(names[name] for name in step.subjects)})
