"""Turns the bytes of one PNG, JPEG, WebP, AVIF, HEIC or TIFF into canonical pixels: 8-bit sRGB, RGB or RGBA, upright.

Runs inside the decode worker: the size is judged from the header before anything is decoded, only the first picture of
the file counts, and of its metadata only the date and the copyright line leave, as short text. Never reads a path.
"""

from __future__ import annotations

import importlib
import re
import warnings
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from io import BytesIO
from typing import Any

from PIL import Image, ImageFile

from sessions import limits
from sessions.errors import Damaged, TooLarge, UnsupportedFormat

_PLUGINS = {
    "image/png": ("PIL.PngImagePlugin", "PngImageFile"),
    "image/jpeg": ("PIL.JpegImagePlugin", "JpegImageFile"),
    "image/webp": ("PIL.WebPImagePlugin", "WebPImageFile"),
    "image/avif": ("PIL.AvifImagePlugin", "AvifImageFile"),
    "image/heic": ("pillow_heif", "HeifImageFile"),
    "image/tiff": ("PIL.TiffImagePlugin", "TiffImageFile"),
}

FRAMES = "Only the first picture of this file was kept; it holds more."
DEPTH = "The picture has more than 8 bits per colour; it was reduced to 8."

_EXIF_IFD, _ORIENTATION, _TAKEN, _ARTIST, _COPYRIGHT = 0x8769, 0x0112, 0x9003, 0x013B, 0x8298
_NEW_SUBFILE_TYPE, _SUB_IFDS, _DNG_VERSION, _BITS_PER_SAMPLE = 254, 330, 50706, 258
_TURNS = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}
_EXIF_ERRORS = (OSError, SyntaxError, ValueError, TypeError, LookupError, ArithmeticError, AttributeError, RuntimeError)


@dataclass(frozen=True)
class Canvas:
    """A decoded picture on its way out: `image` has mode RGB or RGBA."""

    image: Image.Image
    notices: tuple[str, ...]
    taken_at: str | None
    copyright: str | None

    def rows(self) -> Iterator[bytes]:
        """The pixels, interleaved, from top to bottom, in pieces of about a megabyte."""
        width, height = self.image.size
        step = max(1, 2**20 // (width * 4))
        for top in range(0, height, step):
            yield self.image.crop((0, top, width, min(top + step, height))).tobytes()


def decode_picture(data: bytes, media_type: str) -> Canvas:
    """Decode one picture. Raises UnsupportedFormat, Damaged or TooLarge; whatever Pillow raises passes through."""
    _set_guards()
    image = _open(data, media_type)
    check_size(*image.size)
    more, deep = getattr(image, "is_animated", False), _bits(image, data, media_type) > 8
    profile = image.info.get("icc_profile")
    image.load()
    turn, taken_at, copyright_line = _exif(image)
    flat = _flatten(image, deep)
    del image  # its decoder may hold the whole picture a second time
    if turn is not None:
        flat = flat.transpose(turn)
    flat, lost = _to_srgb(flat, profile, _coded(data, media_type))
    notices = [FRAMES] * more + [DEPTH] * deep + lost
    return Canvas(flat, tuple(notices), taken_at, copyright_line)


def check_size(width: int, height: int) -> None:
    """Raise Damaged or TooLarge unless a picture of this size may be decoded."""
    if width < 1 or height < 1:
        raise Damaged("This picture has no pixels.")
    if max(width, height) > limits.SIDE or width * height > limits.PIXELS:
        raise TooLarge(
            f"This picture has {width} × {height} pixels; the limits are 64 megapixels and {limits.SIDE} on a side.",
            "Make it smaller first.",
        )


def _set_guards() -> None:
    Image.MAX_IMAGE_PIXELS = limits.PIXELS
    ImageFile.LOAD_TRUNCATED_IMAGES = False
    warnings.simplefilter("ignore")
    warnings.simplefilter("error", Image.DecompressionBombWarning)


def _open(data: bytes, media_type: str) -> Image.Image:
    """Read the header only. The plugin is called by name, so that no other format ever gets to see the bytes."""
    module, name = _PLUGINS[media_type]
    plugin: Any = importlib.import_module(module)
    if media_type == "image/heic":
        plugin.options.DECODE_THREADS = 1
        plugin.options.THUMBNAILS = plugin.options.DEPTH_IMAGES = plugin.options.AUX_IMAGES = False
    if media_type == "image/avif":
        plugin.DEFAULT_MAX_THREADS = 1
    try:
        image: Image.Image = getattr(plugin, name)(BytesIO(data))
    except Image.DecompressionBombError:
        raise TooLarge(
            "This picture has too many pixels; the limit is 64 megapixels.", "Make it smaller first."
        ) from None
    if media_type == "image/tiff":
        _refuse_raw(image)
    return image


def _refuse_raw(image: Image.Image) -> None:
    """Camera raw files are TIFFs whose first picture is a thumbnail, the real one lying in a sub-directory."""
    tags = image.tag_v2  # type: ignore[attr-defined]
    thumbnail = tags.get(_NEW_SUBFILE_TYPE, 0) == 1 and _SUB_IFDS in tags
    if thumbnail or _DNG_VERSION in tags:
        raise UnsupportedFormat(
            "This is a camera raw file; it cannot be opened here.",
            "Develop it in a photo program and export it as TIFF or JPEG.",
        )
    if image.mode in ("F", "I"):
        raise UnsupportedFormat(
            "This TIFF holds measurements (32 bits per pixel), not a photo.", "Export it with 8 or 16 bits per colour."
        )


def _bits(image: Image.Image, data: bytes, media_type: str) -> int:
    """Bits per channel as the file has them; Pillow hands out 8 in most cases."""
    match media_type:
        case "image/png":
            return data[24]
        case "image/tiff":
            return int(max(image.tag_v2.get(_BITS_PER_SAMPLE, (8,))))  # type: ignore[attr-defined]
        case "image/heic":
            return int(image.info.get("bit_depth", 8))
        case "image/avif":
            at = data.find(b"av1C")
            return 10 if at >= 0 and data[at + 6 : at + 7] > b"\x3f" and data[at + 6] & 0x40 else 8
    return 8


def _coded(data: bytes, media_type: str) -> tuple[int, int] | None:
    """Colour primaries and transfer characteristics (H.273) of a `colr` box or a `cICP` chunk."""
    head = data[: 2**16]
    if media_type in ("image/heic", "image/avif") and (at := head.find(b"colrnclx")) >= 0:
        return int.from_bytes(head[at + 8 : at + 10], "big"), int.from_bytes(head[at + 10 : at + 12], "big")
    if media_type == "image/png" and 0 <= (at := head.find(b"cICP")) < head.find(b"IDAT"):
        return head[at + 4], head[at + 5]
    return None


def _flatten(image: Image.Image, deep: bool) -> Image.Image:
    """Any mode of Pillow → L, LA, RGB, RGBA, CMYK or LAB with 8 bits."""
    if image.mode.startswith("I"):
        # Pillow clips 16-bit grey at 255 when asked for L; the table divides by 257 and rounds
        return image.convert("I").point([(value + 128) // 257 for value in range(65536)], "L")
    if image.mode in ("L", "LA", "RGB", "RGBA", "CMYK", "LAB") and "transparency" not in image.info:
        return image.copy()
    key = image.info.get("transparency")
    if deep and isinstance(key, tuple):
        image.info["transparency"] = tuple(value >> 8 for value in key)
    grey = image.mode in ("1", "L", "La")
    alpha = image.has_transparency_data
    return image.convert(("LA" if alpha else "L") if grey else ("RGBA" if alpha else "RGB"))


def _to_srgb(image: Image.Image, profile: bytes | None, coded: tuple[int, int] | None) -> tuple[Image.Image, list[str]]:
    if not profile and not coded and image.mode in ("L", "LA", "RGB", "RGBA"):
        return image if image.mode.startswith("RGB") else image.convert("RGBA" if image.mode == "LA" else "RGB"), []
    from sessions.colour import to_srgb  # the colour engine is loaded only for pictures that need it

    return to_srgb(image, profile, coded)


def _exif(image: Image.Image) -> tuple[Image.Transpose | None, str | None, str | None]:
    """How to turn the picture upright, when it was taken, whose it is. A damaged EXIF block counts as none."""
    try:
        exif = image.getexif()
        turn = _TURNS.get(exif.get(_ORIENTATION, 1))
        taken = exif.get_ifd(_EXIF_IFD).get(_TAKEN)
        return turn, _date(taken), _line(exif.get(_COPYRIGHT)) or _line(exif.get(_ARTIST))
    except _EXIF_ERRORS:
        return None, None, None


def _date(value: object) -> str | None:
    """DateTimeOriginal in its EXIF spelling, `2024:05:01 12:30:00`, and nothing else."""
    text = _line(value) or ""
    return text if re.fullmatch(r"\d{4}:\d\d:\d\d \d\d:\d\d:\d\d", text, re.ASCII) else None


def _line(value: object) -> str | None:
    """At most 200 printable characters, or None."""
    if not isinstance(value, str):
        return None
    with suppress(UnicodeError):  # EXIF names no encoding: Pillow assumes Latin-1, cameras write UTF-8
        value = value.encode("latin-1").decode()
    return "".join(letter for letter in value[:1000] if letter.isprintable()).strip()[:200] or None
