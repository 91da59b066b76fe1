"""The canvas of the page: one picture to look at, compare, see a mask on, paint a mask on or drag a box on.

Hands the scene to `static/stage.js` and checks what comes back; it edits nothing and knows no sessions.
"""

from __future__ import annotations

import base64
import binascii
import io
import math
import struct
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Literal

import numpy as np
import streamlit as st
from PIL import Image

from sessions.values import Pixels

MAX_BYTES = 6 * 1024 * 1024
"""Longest base64 text of a painted mask that is decoded: enough for the noisiest one that `static/mask.js` can make."""
MAX_SIDE = 2048

_STATIC = Path(__file__).parent / "static"
SCRIPTS = ("shared.js", "picture.js", "mask.js", "stage.js")
HTML = """
<div class="stage">
  <div class="area" tabindex="0" role="group">
    <div class="after fit zoomed"></div>
    <div class="before fit"><div class="zoomed"></div></div>
    <div class="over fit zoomed"><canvas></canvas><div class="box"></div></div>
    <div class="window fit">
      <span class="label" id="left"></span><span class="label" id="right"></span>
      <div class="divider" role="slider" tabindex="0" aria-orientation="horizontal"
           aria-valuemin="0" aria-valuemax="100" aria-label="How much of the earlier picture is shown">
        <svg viewBox="0 0 32 32" aria-hidden="true"><path d="M13 11l-5 5 5 5M19 11l5 5-5 5"/></svg>
      </div>
    </div>
    <div class="cursor"></div>
    <p class="lost" role="status"></p>
    <button class="zoom" type="button" title="Show the whole picture (0)"></button>
  </div>
  <div class="bar" role="progressbar" aria-label="Progress of this step" aria-valuemin="0" aria-valuemax="100"></div>
  <div class="tools" role="toolbar" aria-label="Mask">
    <span class="brushes">
      <button type="button" data-do="paint" title="Paint (X changes over)">Paint</button>
      <button type="button" data-do="erase" title="Erase (X changes over)">Erase</button>
      <button type="button" data-do="undo" title="Take back the last stroke (Ctrl+Z)">Undo stroke</button>
      <button type="button" data-do="clear">Clear</button>
      <label>Size <input type="range" min="1" max="40" step="0.5" value="8" title="Smaller [ and larger ]"></label>
    </span>
    <span class="note" role="status"></span>
    <button type="button" data-do="cancel" title="Esc">Cancel</button>
    <button type="button" data-do="use" title="Enter"></button>
  </div>
</div>
"""


@dataclass(frozen=True)
class Scene:
    """What the stage shows. Pictures are URLs of the page's own server (or data URLs).

    `width`, `height`: of the full picture, for the layout before it is loaded and for the brush. `mask`: an RGBA
    picture whose alpha is the mask; its colour does not matter. `busy`: 0…1, a thin bar under the picture.
    """

    after: str
    width: int
    height: int
    alt: str
    before: str | None = None
    labels: tuple[str, str] = ("before", "after")
    mask: str | None = None
    mode: Literal["look", "slide", "mask", "brush", "box"] = "look"
    busy: float | None = None


@dataclass(frozen=True, eq=False)
class Painted:
    """What came of `brush` or `box`: a mask, or a box (x0, y0, x1, y1) in fractions; neither where it was cancelled.

    `mask`: (h, w) uint8, 255 inside, in the picture's aspect with at most 1024 pixels on the longer side.
    """

    mask: Pixels | None = None
    box: tuple[float, float, float, float] | None = None

    @property
    def cancelled(self) -> bool:
        return self.mask is None and self.box is None


_mount = st.components.v2.component(
    "pentimento.stage",
    html=HTML,
    css=(_STATIC / "stage.css").read_text(encoding="utf-8"),
    js="\n".join((_STATIC / name).read_text(encoding="utf-8") for name in SCRIPTS),
)


def stage(scene: Scene, key: str) -> Painted | None:
    """Show a scene; what was painted or boxed and handed over since the last run of the script, or None."""
    result = _mount(key=key, data=asdict(scene), on_painted_change=_rerun, on_draft_change=_rerun)
    return painted(result.get("painted"))


def _rerun() -> None:
    """Streamlit keeps what a component says only where somebody listens."""


def draft(key: str, on: str) -> Painted | None:
    """What is being drawn on the picture of that address and not handed over yet; None where nothing is.

    The browser says it with everything it sends, so callbacks may ask too: a message that comes right after a stroke
    does not overtake it.
    """
    kept = st.session_state.get(key, {}).get("draft")
    return painted(kept) if isinstance(kept, dict) and kept.get("on") == on else None


def painted(value: object) -> Painted | None:
    """What the browser sent, or None where it is not what our script sends. Trusts nothing of it."""
    if not isinstance(value, dict):
        return None
    if value.get("cancelled") is True:
        return Painted()
    if "box" in value:
        box = _box(value["box"])
        return Painted(box=box) if box else None
    mask = _mask(value.get("mask"))
    return None if mask is None else Painted(mask=mask)


def _box(value: object) -> tuple[float, float, float, float] | None:
    if not isinstance(value, list) or len(value) != 4:
        return None
    if not all(type(v) in (int, float) and math.isfinite(v) and 0 <= v <= 1 for v in value):
        return None
    x0, y0, x1, y1 = map(float, value)
    return (x0, y0, x1, y1) if x0 < x1 and y0 < y1 else None


def _mask(text: object) -> Pixels | None:
    if not isinstance(text, str) or len(text) > MAX_BYTES:
        return None
    try:
        data = base64.b64decode(text, validate=True)
        return _alpha(data) if _fits(data) else None
    except (binascii.Error, OSError, ValueError, SyntaxError, struct.error):
        return None


def _fits(png: bytes) -> bool:
    """Whether the header says PNG of a size we are ready to decode."""
    if len(png) < 24 or png[:8] != b"\x89PNG\r\n\x1a\n" or png[12:16] != b"IHDR":
        return False
    return all(0 < side <= MAX_SIDE for side in struct.unpack(">II", png[16:24]))


def _alpha(png: bytes) -> Pixels | None:
    with Image.open(io.BytesIO(png), formats=["PNG"]) as image:
        return np.array(image.getchannel("A")) if "A" in image.getbands() else None
