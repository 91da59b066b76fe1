"""A revision as an ordinary file for people to keep: format, quality, size, budget, and what it may say of its photo.

Returns bytes and a name; where they go is the face's to decide. Nothing but pixels goes in unless it is asked for, and
the place where a photo was taken never does.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Annotated, Any, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError, model_validator

from agent.encoding import COARSEST, Fitted, Format, Imprint, encoder, fit, lossy, resized, weight
from sessions import history
from sessions.errors import BadArguments, NotFound
from sessions.store import Store
from sessions.values import Json, Picture, Revision
from tools import geometry

QUALITY = 90
"""What is used where no quality is asked for."""
ENDINGS: dict[Format, str] = {"jpeg": "jpg", "png": "png", "webp": "webp", "tiff": "tiff"}
_SYNONYMS = {"jpg": "jpeg", "tif": "tiff"}
_BYTES = re.compile(r"(\d{1,12}(?:\.\d{1,6})?)\s*([km]?)(?:i?b|bytes)?")
_SIZE = re.compile(r"(\d{1,6}(?:\.\d{1,6})?)%|(\d{1,6})|(\d{0,6})x(\d{0,6})")


def parse_format(value: Any) -> Any:
    """`JPG`, `.tif` … → the format's name."""
    name = str(value).lower().removeprefix(".")
    return _SYNONYMS.get(name, name)


def parse_bytes(value: Any) -> Any:
    """`500kB`, `2 MB`, `1.5m` or a number of bytes → bytes; a thousand to the kB, as shops and mail servers count."""
    match = _BYTES.fullmatch(str(value).strip().lower())
    if match is None:
        raise ValueError("a number of bytes is written 500kB or 2MB")
    return int(float(match[1]) * {"": 1, "k": 1_000, "m": 1_000_000}[match[2]])


def parse_size(value: Any) -> Any:
    """`1200`, `1200x800`, `1200x`, `x800` or `50%`, with any blanks and `×`, in one spelling."""
    text = str(value).lower().replace(" ", "").replace("×", "x").removesuffix("px")
    match = _SIZE.fullmatch(text)
    if match is None or not all(float(number) for number in match.groups() if number) or not any(match.groups()):
        raise ValueError("a size is written 1200, 1200x800 or 50%")
    return text


def parse_keep(value: Any) -> Any:
    """`date,copyright` or a list of names → the names."""
    return tuple(filter(None, value.replace(" ", "").split(","))) if isinstance(value, str) else value


class Options(BaseModel):
    """How to export. `size`: `1200` the longer side, `1200x800` a box to fit into (`1200x` and `x800`: one side), none
    of which enlarges; or `50%`, which does above 100. `max_bytes`: the quality, then the size, give way to it.
    `original`: the uploaded file itself, byte for byte, so that nothing else may be asked for."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    format: Annotated[Format, BeforeValidator(parse_format)] = "jpeg"
    quality: int | None = Field(default=None, ge=1, le=100)
    max_bytes: Annotated[int, BeforeValidator(parse_bytes), Field(ge=1)] | None = None
    size: Annotated[str, BeforeValidator(parse_size)] | None = None
    keep: Annotated[tuple[Literal["date", "copyright"], ...], BeforeValidator(parse_keep)] = ()
    original: bool = False

    @model_validator(mode="after")
    def _original_alone(self) -> Options:
        if self.original and self.model_fields_set != {"original"}:
            raise ValueError("the original file comes back as it was sent, without other options")
        return self


def options_of(said: Json) -> Options:
    """Options from what was said or typed; BadArguments in words where something does not fit."""
    try:
        return Options.model_validate(said)
    except ValidationError as error:
        [first, *_] = error.errors()
        where = ".".join(str(part) for part in first["loc"][:1]).replace("_", " ")
        what = str(first["msg"]).removeprefix("Value error, ")
        raise BadArguments(f"{f'{where}: ' if where else ''}{what}.", "pentimento export --help says more.") from None


def check(options: Options, revision: Revision) -> None:
    """BadArguments where the size that is asked for is more than a picture may have; encodes nothing."""
    factor = _factor(options.size or "100%", revision.width, revision.height)
    if (options.size or "").endswith("%"):
        geometry.check_size(round(revision.width * factor), round(revision.height * factor))


@dataclass(frozen=True)
class PictureFile:
    """A file that is ready to be written, sent or offered. `quality` is None where the format has none."""

    data: bytes
    media_type: str
    name: str
    width: int
    height: int
    quality: int | None = None
    notes: tuple[str, ...] = ()

    def describe(self) -> str:
        """`1200×800   212 kB   quality 84`"""
        quality = f"   quality {self.quality}" if self.quality is not None else ""
        return f"{self.width}×{self.height}   {weight(len(self.data))}{quality}"


def encode(store: Store, revision: Revision, options: Options) -> PictureFile:
    """The revision as a file. BadArguments where the options do not fit this picture."""
    revision = store.revision(revision.session, revision.id)  # of one's own, or NotFound
    root = history.log(store, revision.session, revision.id, revision.seq)[-1]
    if options.original:
        return _original(store, root)
    picture = store.picture(revision.session, revision.image)
    notes = [*_about_alpha(picture, options), *_about_quality(options)]
    imprint, missing = _imprint(root, options)
    small, unmoved = _sized(picture, options.size)
    fitted = _encoded(small, options, imprint)
    if fitted.picture is not small:
        notes.append(f"Made smaller, to {fitted.picture.width}×{fitted.picture.height}, to stay within the bytes.")
    return PictureFile(
        data=fitted.data,
        media_type=f"image/{options.format}",
        name=f"{_stem(root.name)}-{revision.seq}.{ENDINGS[options.format]}",
        width=fitted.picture.width,
        height=fitted.picture.height,
        quality=fitted.quality if lossy(options.format) else None,
        notes=(*notes, *missing, *unmoved),
    )


def _encoded(picture: Picture, options: Options, imprint: Imprint) -> Fitted:
    encode = encoder(options.format, imprint)
    quality = options.quality or QUALITY
    if options.max_bytes is None:
        return Fitted(encode(picture, quality), quality, picture)
    lowest = min(COARSEST, quality) if lossy(options.format) else quality
    return fit(picture, encode, range(lowest, quality + 1), options.max_bytes, shrink=options.size is None)


def _sized(picture: Picture, size: str | None) -> tuple[Picture, list[str]]:
    """The picture in the size asked for, and a note where it is too small for that."""
    factor = _factor(size or "100%", *picture.size)
    if factor > 1 and not (size or "").endswith("%"):
        shown = f"{picture.width}×{picture.height}"
        return picture, [f"The picture has only {shown} pixels and was not enlarged; a size in % does that."]
    return resized(picture, factor), []


def _factor(size: str, width: int, height: int) -> float:
    """What both sides are multiplied by."""
    if size.endswith("%"):
        return float(size[:-1]) / 100
    if "x" not in size:
        return int(size) / max(width, height)
    return min(int(new) / old for new, old in zip(size.split("x"), (width, height), strict=True) if new)


def _about_alpha(picture: Picture, options: Options) -> list[str]:
    see_through = options.format == "jpeg" and picture.alpha is not None and bool((picture.alpha < 255).any())
    return ["JPEG has no transparency: white shows through."] if see_through else []


def _about_quality(options: Options) -> list[str]:
    needless = options.quality is not None and not lossy(options.format)
    return [f"{options.format.upper()} keeps every pixel as it is; the quality does not matter."] if needless else []


def _imprint(root: Revision, options: Options) -> tuple[Imprint, list[str]]:
    """What the file may say of its photo, and notes about what is not known."""
    known = {"date": root.facts.get("taken_at"), "copyright": root.facts.get("copyright")}
    kept = {name: known[name] for name in options.keep}
    missing = [f"The photo carries no {name}." for name, value in kept.items() if not value]
    return Imprint(kept.get("date"), kept.get("copyright")), missing


def _original(store: Store, root: Revision) -> PictureFile:
    """The uploaded file of a line; its bytes and its name are its owner's and are not looked into."""
    asset = store.asset(root.session, root.image)
    if asset.original is None:
        raise NotFound("The uploaded file of this picture is not here.", "Export the picture itself: #1 as PNG.")
    data = store.asset_bytes(root.session, asset.original)
    name = _plain(asset.name) or f"original.{asset.media_type.rpartition('/')[2]}"
    return PictureFile(data, asset.media_type, name, root.width, root.height)


def _stem(name: str) -> str:
    return _plain(name).rpartition(".")[0] or _plain(name) or "photo"


def _plain(name: str) -> str:
    """A file name without folders, control characters or a leading dot: it came from outside."""
    last = re.split(r"[/\\]", name)[-1]
    return "".join(letter for letter in last if letter.isprintable()).strip(" .")[-100:]
