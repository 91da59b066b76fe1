"""Write a few words on the picture: where, how large, in which colour. Inside the picture, and legible.

The letters are those of the font that OpenCV carries (Rubik, and WenQuanYi where Rubik has no glyph): Latin, Greek,
Cyrillic, Chinese, Japanese and Korean. It cannot set from right to left or join letters, and has no emoji.
"""

from __future__ import annotations

import math
import re
import unicodedata
from dataclasses import dataclass
from functools import lru_cache
from typing import Annotated, Literal

import cv2
import numpy as np
from pydantic import AfterValidator, Field

from sessions.errors import BadArguments
from sessions.values import Picture, Pixels
from tools.base import Edit, EditContext, EditResult, Progress, ToolArgs, tool
from tools.geometry import Size
from tools.pixels import BAND_PIXELS, Color, Floats, bands, mask_box, rgb_of, shrink

Place = Literal[
    "top left", "top", "top right", "left", "center", "right", "bottom left", "bottom", "bottom right"
]  # fmt: skip
Fraction = Annotated[float, Field(ge=0, le=1)]

MARGIN = 0.05
"""Room between the text and the picture's edge, as a fraction of the shorter side."""

SMALLEST = 7
"""Letters smaller than this many pixels cannot be read, so none are made, even if asked for."""

SHADOW = 0.3
"""How far the shadow reaches, in sizes of the letters."""

LEADING = 1.22
WEIGHT = 500
_LIGHT, _DARK = "#ffffff", "#161616"


def _readable(text: str) -> str:
    """Composed letters, no invisible characters, single spaces; ValueError where nothing is left."""
    composed = unicodedata.normalize("NFC", text)
    seen = (c for c in composed if unicodedata.category(c) not in {"Cc", "Cf"} or c.isspace())
    shown = "".join(c for c in seen if not "\ufe00" <= c <= "\ufe0f")
    lines = [" ".join(line.split()) for line in shown.strip().splitlines()]
    if not lines:
        raise ValueError("there is no text to write")
    return "\n".join(lines)


class Args(ToolArgs):
    """`at` is a place by name, or [x, y] of the text's middle as fractions; `size` is a fraction of the height."""

    text: Annotated[str, Field(min_length=1, max_length=200), AfterValidator(_readable)] = Field(
        description="the words"
    )
    at: Place | tuple[Fraction, Fraction] = Field(default="bottom", description="a place, or [x, y] as fractions")
    size: float = Field(
        default=0.07, ge=0.01, le=0.5, description="size of the letters, as a fraction of the picture's height"
    )
    color: Color | None = Field(
        default=None, description="colour, #rrggbb; left out: white or black, what reads better"
    )


@dataclass(frozen=True)
class Block:
    """The text as set: `ink` (h, w) is how much of each pixel it covers, `px` the size of its letters."""

    ink: Pixels
    px: int


@tool("text", args=Args)
def text(ctx: EditContext, args: Args) -> Edit:
    """Write words on the picture, in a legible colour with a soft shadow.

    Long lines are broken evenly; letters become smaller where a word or the whole would not fit. Only the pixels of
    letters and shadow change. Nothing is drawn that the font cannot show.
    """
    yield Progress(0.0)
    image = ctx.image
    _check_letters(args.text)
    block = typeset(args, image)
    yield Progress(0.3)
    x, y = _corner(args.at, image, block)
    height, width = block.ink.shape
    color = args.color or legible(shrink(image.rgb[y : y + height, x : x + width], 256))
    reach = math.ceil(SHADOW * block.px)
    x0, y0 = max(0, x - reach), max(0, y - reach)
    x1, y1 = min(image.width, x + width + reach), min(image.height, y + height + reach)
    ink = np.zeros((y1 - y0, x1 - x0), np.uint8)
    ink[y - y0 : y - y0 + height, x - x0 : x - x0 + width] = block.ink
    shadow = shadow_of(ink, block.px)
    shade = _DARK if _luminance(np.array([[rgb_of(color)]], np.uint8)) > 0.2 else _LIGHT
    out = image.pixels.copy()
    window = out[y0:y1, x0:x1]
    for rows, _, _ in bands(ink.shape[0], ink.shape[1], pixels=BAND_PIXELS // 4):
        yield Progress(0.5 + 0.5 * rows.start / len(ink))
        drawn = np.rint(_over(_over(window[rows], shade, shadow[rows]), color, ink[rows]))
        np.copyto(window[rows], drawn, casting="unsafe", where=(ink[rows] | shadow[rows])[..., None] > 0)
    touched = np.zeros(image.pixels.shape[:2], np.uint8)
    touched[y0:y1, x0:x1][(ink | shadow) > 0] = 255
    return EditResult(Picture(out), touched, facts={"color": color, "size": round(block.px / image.height, 4)})


# --- letters ----------------------------------------------------------------------------------------------------------


def _face() -> cv2.FontFace:
    return cv2.FontFace("sans")


def _draw(canvas: Pixels, line: str, x: int, baseline: int, px: int) -> None:
    cv2.putText(canvas, line, (x, baseline), (255, 255, 255), _face(), px, WEIGHT)


@lru_cache(maxsize=4096)
def _reach(unit: str, px: int) -> float:
    """How far some letters reach, in pixels; measured four times over, since OpenCV rounds up to whole pixels.

    Beyond 200 pixels it grows with the size, and measuring takes long.
    """
    measured = min(px, 200)
    return int(cv2.getTextSize((0, 0), unit * 4, (0, 0), _face(), measured, WEIGHT)[2]) / 4 * px / measured


def _width(line: str, px: int) -> float:
    """How wide a line is, in pixels, with room for a j or an f that reach beyond the box their font gives them."""
    return sum(_reach(unit, px) for unit in _UNITS.findall(line)) + px / 8


def _check_letters(words: str) -> None:
    """BadArguments that names the characters the font cannot show: it draws a question mark in their place."""
    missing = [c for c in dict.fromkeys(words) if not c.isspace() and not _can_show(c)]
    if missing:
        raise BadArguments(
            f"The built-in font cannot show {' '.join(missing)}.",
            "Leave these characters out; it has Latin, Greek, Cyrillic, Chinese, Japanese and Korean letters.",
        )


def _can_show(character: str) -> bool:
    if unicodedata.bidirectional(character) in {"AL", "R"}:
        return False
    drawn, unknown = np.zeros((48, 64), np.uint8), np.zeros((48, 64), np.uint8)
    _draw(drawn, character, 8, 36, 24)
    _draw(unknown, "?", 8, 36, 24)
    return character == "?" or not np.array_equal(drawn, unknown)


# --- setting ----------------------------------------------------------------------------------------------------------


def typeset(args: Args, image: Picture) -> Block:
    """The text in lines that fit the picture less its margins, in letters as large as asked or as large as fit.

    Letters rather become smaller than that a word is broken; only one that would not fit otherwise is.
    """
    margin = _margin(image)
    room = image.width - 2 * margin, image.height - 2 * margin
    asked = max(SMALLEST, round(args.size * image.height))
    align = _anchor(args.at)[0] if isinstance(args.at, str) else 0.5
    for breaking in (False, True):
        px = asked if _fits(args.text, room, asked, breaking) else _largest(args.text, room, asked, breaking)
        if px >= SMALLEST:
            return Block(_ink(break_lines(args.text, room[0], px, breaking), align, px), px)
    raise BadArguments(
        "There is no room for this text in the picture.", "Write fewer words or larger letters, or enlarge the picture."
    )


def _largest(words: str, room: Size, below: int, breaking: bool) -> int:
    """The largest size below `below` in which the words fit; SMALLEST − 1 where none does."""
    low, high = SMALLEST - 1, max(SMALLEST, below)
    while high - low > 1:
        middle = (low + high) // 2
        if _fits(words, room, middle, breaking):
            low = middle
        else:
            high = middle
    return low


def _fits(words: str, room: Size, px: int, breaking: bool) -> bool:
    lines = [line for paragraph in words.split("\n") for line in _greedy(paragraph, room[0], px, breaking)]
    wide = max(_width(line, px) for line in lines)
    return wide <= room[0] and LEADING * px * len(lines) <= room[1]


def break_lines(words: str, room: int, px: int, breaking: bool = False) -> list[str]:
    """The text in as few lines as fit into `room` pixels, all about equally long."""
    lines: list[str] = []
    for paragraph in words.split("\n"):
        broken = _greedy(paragraph, room, px, breaking)
        # The narrowest room that needs no more lines leaves no single word behind on the last one.
        low, high = room // 4, room
        while len(broken) > 1 and high - low > max(1, px // 4):
            middle = (low + high) // 2
            trial = _greedy(paragraph, middle, px, breaking)
            if len(trial) > len(broken) or max(_width(line, px) for line in trial) > middle:
                low = middle
            else:
                high, broken = middle, trial
        lines += broken
    return lines


_UNITS = re.compile(r" ?(?:[\u2e80-\u9fff]|[^ \u2e80-\u9fff]+)")
"""What stays together on a line: a word, or one Chinese or Japanese character."""


def _greedy(paragraph: str, room: int, px: int, breaking: bool) -> list[str]:
    """Each line as long as it can be; with `breaking`, words may be broken anywhere."""
    lines = [""]
    for unit in _UNITS.findall(paragraph) if not breaking else paragraph:
        if lines[-1] and _width(lines[-1] + unit, px) > room:
            lines[-1] = lines[-1].rstrip()
            lines.append("")
        lines[-1] += unit if lines[-1] else unit.lstrip()
    return lines


def _margin(image: Picture) -> int:
    return round(MARGIN * min(image.size))


def _anchor(at: Place | tuple[float, float]) -> tuple[float, float]:
    """The place as fractions of width and height."""
    if not isinstance(at, str):
        return at
    x = 0.0 if "left" in at else 1.0 if "right" in at else 0.5
    y = 0.0 if "top" in at else 1.0 if "bottom" in at else 0.5
    return x, y


def _ink(lines: list[str], align: float, px: int) -> Pixels:
    """(h, w) coverage of the lines, cut to the ink; `align` 0: all begin at one place, 1: end there, ½: centred."""
    widths = [math.ceil(_width(line, px)) for line in lines]
    pad = px
    canvas = np.zeros((round(LEADING * px * len(lines)) + 2 * pad, max(widths) + 2 * pad), np.uint8)
    for i, (line, width) in enumerate(zip(lines, widths, strict=True)):
        if line:
            _draw(canvas, line, pad + round(align * (max(widths) - width)), round(pad + px * (1 + LEADING * i)), px)
    x0, y0, x1, y1 = mask_box(canvas) or (0, 0, 1, 1)
    return canvas[y0:y1, x0:x1]


def _corner(at: Place | tuple[float, float], image: Picture, block: Block) -> tuple[int, int]:
    """Top left corner (x, y) of the ink, moved as far as needed to keep it off the picture's edge."""
    (fx, fy), (height, width), margin = _anchor(at), block.ink.shape, _margin(image)
    x = _clamp(round(fx * image.width - width / 2), margin, image.width - margin - width)
    y = _clamp(round(fy * image.height - height / 2), margin, image.height - margin - height)
    return x, y


def _clamp(value: int, low: int, high: int) -> int:
    return max(low, min(value, high))


# --- light ------------------------------------------------------------------------------------------------------------


def _luminance(rgb: Pixels) -> float:
    """Mean relative luminance 0…1 of (H, W, 3) sRGB (WCAG 2.2)."""
    c = rgb.reshape(-1, 3).astype(np.float32) / 255
    linear = np.where(c <= 0.04045, c / 12.92, ((c + 0.055) / 1.055) ** 2.4)
    return float(linear.mean(axis=0) @ (0.2126, 0.7152, 0.0722))


def legible(rgb: Pixels) -> str:
    """White, or near-black where white would have less than twice the luminance of what is behind the text."""
    return _LIGHT if (1 + 0.05) / (_luminance(rgb) + 0.05) >= 2.0 else _DARK


def shadow_of(ink: Pixels, px: int) -> Pixels:
    """The shadow of the ink (h, w): a tight one that holds the letters' edges, a wide one that calms what is behind."""
    tight, wide = _soft(ink, 0.05 * px, 0.5), _soft(ink, SHADOW * px, 1.0)
    return cv2.max(tight, wide).astype(np.uint8, copy=False)


def _soft(ink: Pixels, radius: float, strength: float) -> Pixels:
    side = 2 * max(1, round(radius)) + 1
    return cv2.convertScaleAbs(cv2.stackBlur(ink, (side, side)), alpha=strength).astype(np.uint8, copy=False)


def _over(below: Pixels | Floats, color: str, cover: Pixels) -> Floats:
    """`color` over (h, w, 3 or 4) where `cover` (h, w) says, with straight alpha: Porter and Duff's source over."""
    a = cover[..., None].astype(np.float32) / 255
    b = below.astype(np.float32)
    if b.shape[2] == 3:
        mixed = b + (np.array(rgb_of(color), np.float32) - b) * a
        return mixed.astype(np.float32, copy=False)
    behind = b[..., 3:] / 255 * (1 - a)
    alpha = a + behind
    rgb = (np.array(rgb_of(color), np.float32) * a + b[..., :3] * behind) / np.maximum(alpha, 1e-6)
    return np.concatenate([rgb, alpha * 255], axis=2).astype(np.float32, copy=False)
