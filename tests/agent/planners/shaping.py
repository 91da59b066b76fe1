"""A drawn scene, sounds of lights, and which light a picture is in: what a sound has made of it, by exact truth."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from PIL import Image

from toybox.drawing import Pixels, draw
from toybox.history import Item
from toybox.scenes import Scene, Thing
from toybox.sounds import MEANINGS

BY_DAY = Scene("plain", "beige", (Thing("disc", "green", "plain", "middle", 32, 32, 17, 0),))
LIGHTS = {name: meaning.value for name, meaning in MEANINGS.items() if meaning.kind == "light"}
"""Sound → the light that it stands for."""


def sound(name: str) -> Item:
    """A take of it that nothing has learnt."""
    return Item("sound", sound=name, jitter=7001)


def light_of(rgb: Pixels, scene: Scene) -> str:
    """Of night, warm and cool the light in which the scene comes nearest to a picture, by mean square of its colours.

    rgb: uint8 (h, w, 3) of any size.
    """
    seen = np.asarray(Image.fromarray(rgb).resize((64, 64)), np.float64)
    drawn = {light: draw(replace(scene, light=light)).rgb for light in LIGHTS.values()}
    return min(drawn, key=lambda light: float(np.square(seen - drawn[light]).mean()))
