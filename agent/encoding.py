"""A picture as the bytes of an ordinary file: JPEG, PNG, WebP or TIFF, at a quality or within a budget of bytes.

Knows no revision, no store and no file name. What a file says besides its pixels is a colour profile (sRGB) and the
`Imprint` it is given, nothing else.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache, partial
from io import BytesIO
from math import sqrt
from typing import Any, Literal

import cv2
import numpy as np

from sessions.errors import BadArguments, EditError
from sessions.values import Picture
from tools import geometry
from tools.base import EditContext, drain
from tools.edits.darkroom.resize import Args, resize

Format = Literal["jpeg", "png", "webp", "tiff"]

FULL_COLOR = 91
"""From this JPEG quality on every pixel keeps its own colour (4:4:4); below, two by two share one (4:2:0)."""
DECENT = 60
"""Below this quality a smaller picture looks better than a coarser one."""
COARSEST = 10
"""The lowest quality of all, for pictures that may not become smaller."""
SMALLEST = 320
"""How far a picture may shrink to fit into a budget: its longer side, in pixels."""
WEBP_SIDE = 16_383

_SAMPLE_PIXELS = 1_000_000
_BAND = 64
"""Rows of a sample that lie together; a multiple of what JPEG and WebP code as one block."""


@dataclass(frozen=True)
class Imprint:
    """What a file may say of its photo. `taken_at`: `2024:05:01 12:30:00`, as EXIF spells it."""

    taken_at: str | None = None
    copyright: str | None = None


Encode = Callable[[Picture, int], bytes]
"""A picture at a quality of 1…100, which lossless formats do not mind, as a file."""


def encoder(kind: Format, imprint: Imprint) -> Encode:
    """How pictures become files of this kind."""
    return partial(_jpeg if kind == "jpeg" else _by_pillow(kind), imprint=imprint)


def lossy(kind: Format) -> bool:
    """Whether the format has a quality."""
    return kind in ("jpeg", "webp")


def resized(picture: Picture, factor: float) -> Picture:
    """The picture with both sides times `factor`, by the tool `resize`; BadArguments where it is too large for that."""
    width, height = (max(1, round(side * factor)) for side in picture.size)
    if (width, height) == picture.size:
        return picture
    geometry.check_size(width, height)
    return drain(resize.run(EditContext(picture), Args(width=width, height=height))).image


def weight(count: int) -> str:
    """A number of bytes for people: `812 bytes`, `212 kB`, `4.6 MB`."""
    if count < 1_000:
        return f"{count} bytes"
    return f"{count / 1_000:.0f} kB" if count < 1_000_000 else f"{count / 1_000_000:.1f} MB"


def on_white(picture: Picture) -> Picture:
    """Without alpha: what is transparent shows white."""
    if picture.alpha is None:
        return picture
    alpha = picture.alpha[..., None].astype(np.uint16)
    return Picture(((picture.rgb * alpha + 255 * (255 - alpha) + 127) // 255).astype(np.uint8))


# --- a budget of bytes ------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Fitted:
    """The file that fits, its quality (as wanted, where the format has none) and the picture that is in it."""

    data: bytes
    quality: int
    picture: Picture


def fit(picture: Picture, encode: Encode, qualities: range, limit: int, shrink: bool) -> Fitted:
    """The best file of at most `limit` bytes: the highest of the `qualities` that fits, then smaller pictures.

    Where it may `shrink`, no quality below `DECENT` is taken as long as the longer side is above `SMALLEST`.
    BadArguments, with what the smallest file would take, where none fits.
    """
    here = picture
    while True:
        last = not shrink or max(here.size) <= SMALLEST
        allowed = qualities if last else range(min(max(DECENT, qualities.start), qualities[-1]), qualities.stop)
        quality, data = best_quality(here, encode, allowed, limit)
        if len(data) <= limit:
            return Fitted(data, quality, here)
        if last:
            raise _impossible(here, limit, len(data))
        smaller = max(here.size) * min(0.9, sqrt(limit / len(data)))
        here = resized(picture, max(SMALLEST, smaller) / max(picture.size))


def best_quality(picture: Picture, encode: Encode, qualities: range, limit: int) -> tuple[int, bytes]:
    """The highest quality whose file has at most `limit` bytes, with that file; the lowest and its file if none has.

    Bisection alone would encode the whole picture seven times. Here a sample is bisected for a guess, which is tried on
    the whole; what comes out teaches how far the sample is off, and narrows the next guess: mostly two files, or three.
    """
    sample = _sample(picture)
    bytes_of = cache(lambda quality: len(encode(sample, quality)))
    ratio = picture.pixels.size / sample.pixels.size
    low, high = qualities.start - 1, qualities.stop  # low fits, or is below all; high does not, or is above all
    best: tuple[int, bytes] | None = None
    while low + 1 < high:
        untried = range(low + 1, high)
        fitting = bisect_right(untried, limit, key=lambda quality: int(ratio * bytes_of(quality)))
        guess = untried[max(0, fitting - 1)]
        data = encode(picture, guess)
        ratio = len(data) / bytes_of(guess)
        if len(data) <= limit:
            low, best = guess, (guess, data)
        else:
            high = guess
    return best or (guess, data)


def _sample(picture: Picture) -> Picture:
    """Bands of rows from all over the picture, about a megapixel of it; all of a small one."""
    every = round(picture.width * picture.height / _SAMPLE_PIXELS)
    bands = [picture.pixels[top : top + _BAND] for top in range(0, picture.height, _BAND * max(1, every))]
    return Picture(np.concatenate(bands))


def _impossible(picture: Picture, limit: int, least: int) -> BadArguments:
    return BadArguments(
        f"{weight(limit)} are too few: the smallest file has {weight(least)}, at {picture.width}×{picture.height}.",
        "Allow more bytes, or ask for a smaller size or another format.",
    )


# --- formats ----------------------------------------------------------------------------------------------------------


def _jpeg(picture: Picture, quality: int, imprint: Imprint) -> bytes:
    """Progressive, with Huffman tables of its own. By OpenCV, as Pillow gives up on such files of noisy pictures."""
    sampling = cv2.IMWRITE_JPEG_SAMPLING_FACTOR_444 if quality >= FULL_COLOR else cv2.IMWRITE_JPEG_SAMPLING_FACTOR_420
    settings = {
        cv2.IMWRITE_JPEG_QUALITY: quality,
        cv2.IMWRITE_JPEG_SAMPLING_FACTOR: sampling,
        cv2.IMWRITE_JPEG_PROGRESSIVE: 1,
        cv2.IMWRITE_JPEG_OPTIMIZE: 1,
    }
    said = {cv2.IMAGE_METADATA_ICCP: srgb(), cv2.IMAGE_METADATA_EXIF: _exif(imprint)}
    parts = {kind: np.frombuffer(data, np.uint8)[None] for kind, data in said.items() if data}
    bgr = cv2.cvtColor(on_white(picture).pixels, cv2.COLOR_RGB2BGR)
    done, data = cv2.imencodeWithMetadata(
        ".jpg", bgr, list(parts), list(parts.values()), [number for pair in settings.items() for number in pair]
    )
    if not done:
        raise EditError("The picture could not be written as JPEG.", "Try PNG.")
    return data.tobytes()


def _by_pillow(kind: Format) -> Callable[..., bytes]:
    def encode(picture: Picture, quality: int, imprint: Imprint) -> bytes:
        from PIL import Image

        if kind == "webp" and max(picture.size) > WEBP_SIDE:
            raise BadArguments(f"WebP takes at most {WEBP_SIDE} pixels a side.", "Ask for a smaller size, or for JPEG.")
        file = BytesIO()
        settings = _SETTINGS[kind](quality, imprint)
        Image.fromarray(picture.pixels).save(file, kind, icc_profile=srgb(), **settings)
        return file.getvalue()

    return encode


def _webp(quality: int, imprint: Imprint) -> dict[str, Any]:
    # method 2: five per cent larger than libwebp's own choice (4), in less than half the time
    return {"quality": quality, "method": 2, "exif": _exif(imprint)}


def _png(_: int, imprint: Imprint) -> dict[str, Any]:
    # run lengths (zlib's RLE): photos come out as at level 6, within five per cent, in a third of the time
    return {"compress_level": 6, "compress_type": 3, "exif": _exif(imprint) or None}


def _tiff(_: int, imprint: Imprint) -> dict[str, Any]:
    """Deflate over differences of neighbours. The date goes into TIFF's own tag: libtiff takes no EXIF directory."""
    said = {_DATE_TIME: imprint.taken_at, _COPYRIGHT: imprint.copyright}
    tags = {tag: text.encode() for tag, text in said.items() if text}
    return {"compression": "tiff_adobe_deflate", "tiffinfo": {_PREDICTOR: 2, **tags}}


_SETTINGS = {"webp": _webp, "png": _png, "tiff": _tiff}
_EXIF_IFD, _DATE_TIME_ORIGINAL, _DATE_TIME, _COPYRIGHT, _PREDICTOR = 0x8769, 0x9003, 0x0132, 0x8298, 0x013D


def _exif(imprint: Imprint) -> bytes:
    """An EXIF block with the date and the copyright line, in UTF-8; empty where there is neither."""
    from PIL import Image

    exif = Image.Exif()
    if imprint.taken_at:
        exif.get_ifd(_EXIF_IFD)[_DATE_TIME_ORIGINAL] = imprint.taken_at
    if imprint.copyright:
        exif[_COPYRIGHT] = imprint.copyright.encode()
    return exif.tobytes() if imprint != Imprint() else b""


@cache
def srgb() -> bytes:
    """An sRGB profile in 588 bytes. The date of its making is left out: the same picture gives the same file."""
    from PIL import ImageCms

    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    return profile[:24] + bytes(12) + profile[36:]
