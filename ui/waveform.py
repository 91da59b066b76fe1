"""A sound as the page shows it: its waveform as a small shape, how long it is, what it was understood as, and a player.

The shape is a mask, so that it has the page's own colours, light or dark. Reads nothing and plays nothing.
"""

from __future__ import annotations

from dataclasses import dataclass
from html import escape

from tools.sounds import Floats

COLUMNS = 96
"""Strokes of a waveform."""
HEIGHT = 64
QUIET = 0.1
"""The least loudness that fills the height, of 1; what is quieter is drawn lower."""
THIN = 1.0
"""Of HEIGHT: a stroke where nothing is heard."""


@dataclass(frozen=True)
class Shown:
    """`label`: "rain.wav, 2.0 s"; `wave`, `file`: addresses; `heard`: "heard as: rain (0.31, nearest of 40)", or "".

    `trouble`: why it is neither seen nor heard, as a sentence.
    """

    label: str
    wave: str
    file: str
    heard: str = ""
    trouble: str = ""


def svg(peaks: Floats) -> bytes:
    """Peaks (columns, 2) as strokes, the loudest as high as the picture unless it is quiet."""
    scale = HEIGHT / 2 / max(QUIET, float(abs(peaks).max()))
    middle = HEIGHT / 2
    strokes = "".join(
        f"M{x + 0.5:g} {middle - max(high * scale, THIN / 2):.1f}V{middle - min(low * scale, -THIN / 2):.1f}"
        for x, (low, high) in enumerate(peaks.tolist())
    )
    return (
        f"<svg xmlns='http://www.w3.org/2000/svg' viewBox='0 0 {len(peaks)} {HEIGHT}' preserveAspectRatio='none'>"
        f"<path d='{strokes}' stroke='#000' stroke-width='.6'/></svg>"
    ).encode()


def figure(shown: Shown) -> str:
    """The sound as HTML; where it cannot be read, its name and why."""
    label = escape(shown.label)
    if shown.trouble:
        return f"<span class='sound'><span class='heard'>{label}. {escape(shown.trouble)}</span></span>"
    said = f"{label} · {escape(shown.heard)}" if shown.heard else label
    mask = f"mask-image: url({escape(shown.wave)})"
    return (
        f"<span class='sound'><span class='wave' role='img' aria-label='{label}' style='{mask}'></span>"
        f"<audio controls preload='none' src='{escape(shown.file)}' aria-label='Play {label}'></audio>"
        f"<span class='heard'>{said}</span></span>"
    )
