"""Real photos through small models: what the model is shown, and how its edit comes back to the photo.

A photo larger than the model's size is shrunk to it, a smaller one enlarged by a whole factor, and reflection below and
at the right fills it up to a multiple of what the network asks for; every shape, even one pixel, keeps its proportions.
On the way back the change is enlarged, not the picture (`tools.guided`): out = photo + U(edit − seen).

Does not composite and keeps alpha: transparent places are shown to the model on grey, and their colours change along.
"""

from __future__ import annotations

from collections.abc import Generator
from dataclasses import dataclass

import cv2
import numpy as np

from sessions.values import Picture, Pixels
from tools import guided
from tools.base import EditContext, Progress, mapped
from tools.color import to_bytes
from tools.parts import Box, edit_parts

LEAST = 64
"""No side shown to a network is shorter: eight cells of latent, which three halvings leave one of."""

DRAWN = 0.97
"""How far a tool is when its network is done and only the photo is left to do."""


@dataclass(frozen=True, eq=False)
class Fitted:
    """What the model sees: `rgb` uint8 (h, w, 3); of it `inside` (width, height) is the photo, whose size is `of`."""

    rgb: Pixels
    inside: tuple[int, int]
    of: tuple[int, int]


def fit(picture: Picture, side: int, multiple: int = 8) -> Fitted:
    """The picture with its longer side at most `side` pixels, h and w multiples of `multiple` and at least LEAST."""
    longest = max(picture.size)
    scale = side / longest if longest > side else side // longest
    inside = max(1, round(picture.width * scale)), max(1, round(picture.height * scale))
    return Fitted(padded(resized(on_grey(picture), inside), multiple), inside, picture.size)


def fit_mask(mask: Pixels, fitted: Fitted) -> Pixels:
    """A mask (H, W) of the photo as it lies on `fitted.rgb`, (h, w), mirrored like it."""
    inside = resized(mask, fitted.inside)
    height, width = fitted.rgb.shape[:2]
    return np.pad(inside, ((0, height - inside.shape[0]), (0, width - inside.shape[1])), "reflect")


def fit_back(mask: Pixels, fitted: Fitted) -> Pixels:
    """A mask (h, w) of `fitted.rgb` at the photo's size, (H, W)."""
    return resized(cut(mask, fitted), fitted.of)


def restore(
    picture: Picture, fitted: Fitted, edited: Pixels, seen: Pixels | None = None, mask: Pixels | None = None
) -> Generator[Progress, None, Picture]:
    """The photo with what was done to `fitted.rgb`, whose edit is `edited` (h, w, 3).

    seen: what the model makes of `fitted.rgb` where it edits nothing (its autoencoder's reconstruction), so that what
    the model cannot draw is not lost; without it `fitted.rgb`. Where `mask` (H, W) is 0 nothing is worked out.
    Its progress is that of a tool's end, from DRAWN to 1.
    """
    before = cut(fitted.rgb if seen is None else seen, fitted)
    after = cut(edited, fitted)
    if max(fitted.inside) > max(fitted.of):
        before, after = resized(before, fitted.of), resized(after, fitted.of)
    change = yield from mapped(guided.change_of(before, after), lambda _: Progress(DRAWN))

    def at_full_size(rgb: Pixels, box: Box) -> Pixels:
        return to_bytes(guided.carried_out(change, rgb, box, picture.size))

    drawing = edit_parts(EditContext(picture, mask), at_full_size)
    return (yield from mapped(drawing, lambda done: Progress(DRAWN + (1 - DRAWN) * done.fraction))).image


def on_grey(picture: Picture) -> Pixels:
    """The colours (H, W, 3) as they look on mid grey."""
    if picture.alpha is None:
        return picture.rgb
    alpha = cv2.cvtColor(np.ascontiguousarray(picture.alpha), cv2.COLOR_GRAY2RGB)
    light = cv2.multiply(np.ascontiguousarray(picture.rgb), alpha, scale=1 / 255)
    return np.asarray(cv2.addWeighted(light, 1.0, cv2.bitwise_not(alpha), 128 / 255, 0.0), np.uint8)


def padded(rgb: Pixels, multiple: int) -> Pixels:
    """Reflected below and at the right, as often as it takes."""
    height, width = (max(LEAST, n) + -max(LEAST, n) % multiple for n in rgb.shape[:2])
    return np.pad(rgb, ((0, height - rgb.shape[0]), (0, width - rgb.shape[1]), (0, 0)), "reflect")


def cut(planes: Pixels, fitted: Fitted) -> Pixels:
    """What of (h, w) or (h, w, 3) is the photo."""
    width, height = fitted.inside
    return np.ascontiguousarray(planes[:height, :width])


def resized(planes: Pixels, size: tuple[int, int]) -> Pixels:
    """Another size (width, height): means over areas where it is smaller, cubic where it is larger."""
    if size == planes.shape[1::-1]:
        return planes
    smaller = size[0] * size[1] < planes.shape[0] * planes.shape[1]
    how = cv2.INTER_AREA if smaller else cv2.INTER_CUBIC
    return np.asarray(cv2.resize(planes, size, interpolation=how), np.uint8)
