"""The toybox's figures as the README's table: what was measured, beside what is required, aimed at, and costs nothing.

    python -m benchmarks.toybox_table FOUND.json…       # what `python -m benchmarks.toybox --json` has printed
    python -m benchmarks.toybox_table docs/toybox.json --into README.md

Several files are the parts of one measurement, made one by one. Bold is what misses what is required, in italics what
misses only what is aimed at; a dash, what nobody has measured. Measures nothing, and rounds.
"""

from __future__ import annotations

import argparse
import json
import operator
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

START, END = "<!-- toybox -->\n", "<!-- /toybox -->"
Beside = Mapping[str, str]
"""A name for people → the key of a figure to compare with."""


@dataclass(frozen=True)
class Line:
    """A figure of the table. `required`, `aim`: bounds, at least, or at most where `low`; None: none is set.

    `beats`: what stands beside it too, and above whose interval its own is required to be. `apart`: its whole interval
    is required to be above `required`.
    """

    said: str
    key: str
    required: float | None = None
    aim: float | None = None
    beside: Beside = field(default_factory=dict)
    beats: Beside = field(default_factory=dict)
    low: bool = False
    apart: bool = False
    unit: str = ""

    def passes(self, found: Mapping[str, Any]) -> bool:
        """Whether it is all that is required of it."""
        value = found[self.key]
        least = found.get(f"{self.key}_ci", [value])[0]
        beaten = all(least > _most(found, key) for key in self.beats.values() if found.get(key) is not None)
        return beaten and self.holds(value, self.required) and not (self.apart and least <= (self.required or 0))

    def holds(self, value: float, bound: float | None) -> bool:
        """Whether a value keeps to a bound."""
        compare: Callable[[float, float], bool] = operator.le if self.low else operator.ge
        return bound is None or compare(value, bound)


def _most(found: Mapping[str, Any], key: str) -> float:
    """The upper end of a figure's interval."""
    return float(found.get(f"{key}_ci", [0, found[key]])[1])


def _ways(key: str, **said: str) -> Beside:
    """Figures named after another one: `_ways("x", copy="copying")` → {"copying": "x_copy"}."""
    return {words: f"{key}_{way}" for way, words in said.items()}


TAKEN = {"blinded": "blind and deaf", "held_out": "held-out words"}
"""What is taken away from a planner, and what it never learnt."""
LINES: Mapping[str, tuple[Line, ...]] = {
    "planner": (
        Line("replies that are plans", "parse_rate", 1.0, beside={"no grammar": "parse_rate_free"}),
        Line(
            *("tools", "tool_accuracy", 0.95, 0.97),
            _ways("tool_accuracy", rules="rules", **TAKEN),
        ),
        Line(
            *("which picture, in sessions of eight or more", "base_at_1_of_8", 0.90, 0.95),
            _ways(
                "base_at_1_of_8",
                **TAKEN,
                latest="latest",
                original="original",
                random="random",
                cosine="cosine alone",
                rules="rules",
            ),
        ),
        Line(
            *("… where the message names one", "base_at_1_history"),
            beside=_ways("base_at_1_history", latest="latest", original="original", cosine="cosine alone"),
        ),
        Line("… more than by taking the latest", "base_at_1_history_gain", 0.25),
        Line(
            *("which other pictures and sounds", "sub_at_1", 0.90, 0.95),
            _ways("sub_at_1", cosine="cosine alone", **TAKEN),
        ),
        Line(
            *("ends in the right picture, one step", "state_single", 0.85, 0.92),
            _ways("state_single", rules="rules", **TAKEN),
        ),
        Line(
            *("… two or three steps", "state_2_3", 0.65, 0.80),
            _ways("state_2_3", rules="rules", **TAKEN),
        ),
        Line("… four, which it never learnt", "state_4", None, 0.70, _ways("state_4", rules="rules")),
        Line("… what is heard", "state_sounds", beside=_ways("state_sounds", unheard="deaf", shuffled="other sounds")),
        Line("… lost by the deaf", "sound_blind_drop", None, 0.30),
        Line(
            *("knows when to ask (AUROC)", "ask_auroc", None, 0.90),
            _ways("ask_auroc", named="of those that name a picture", held_out="held-out words"),
        ),
    ),
    "encoder": (
        Line(
            *("picture to text, first of 256", "perception_image_to_text", 0.80, 0.90),
            _ways("perception_image_to_text", random="random"),
        ),
        Line(
            *("sound to picture, first of 256", "perception_sound_to_image", 0.80, 0.90),
            _ways("perception_sound_to_image", random="random"),
        ),
    ),
    "instruct_pix2pix": (
        Line(
            *("done, as the grader reads it", "ip2p_success", 0.60, 0.90),
            beside=_ways("ip2p_success", held_out_phrasing="held-out words", autoencoder="the autoencoder's limit"),
            beats=_ways("ip2p_success", copy="the input"),
        ),
        Line("kinds of edit that beat the input, intervals apart", "ip2p_kinds_above_copy", 1),
        Line("more s_T, more change, at every step", "ip2p_text_monotone", 1),
        Line("more s_I, less change, at every step", "ip2p_image_monotone", 1),
        Line(
            *("elsewhere as before", "ip2p_psnr", None, 30),
            _ways("ip2p_psnr", autoencoder="the autoencoder's limit"),
            unit=" dB",
        ),
    ),
    "diffedit": (
        Line(
            *("mask, IoU, median", "diffedit_iou_median", 0.40, 0.70),
            beside={"mean": "diffedit_iou"},
            beats=_ways("diffedit_iou", random="random", block="a square", whole="whole picture"),
        ),
        Line("… ten noises more than one", "diffedit_iou_gain_one_map", 0, apart=True),
        Line("… at a threshold of .5 more than of .25", "diffedit_iou_gain_at_0.25", 0, apart=True),
        Line("… and of .75", "diffedit_iou_gain_at_0.75", 0, apart=True),
        Line("latents outside are the input's", "diffedit_outside_exact", 1),
        Line(
            *("done", "diffedit_success", None, 0.85),
            beside=_ways("diffedit_success", unmasked="no mask"),
            beats=_ways("diffedit_success", copy="the input"),
        ),
        Line(
            *("elsewhere as before", "diffedit_psnr"),
            beats=_ways("diffedit_psnr", unmasked="no mask"),
            unit=" dB",
        ),
    ),
    "analogist": (
        Line(
            *("done", "analogist_success", 0.50, 0.75),
            beside=_ways("analogist_success", cam="no SAC", sac="no CAM", swapped="swapped grid"),
            beats=_ways("analogist_success", neither="neither", copy="the input"),
        ),
        Line("… SAC and CAM more than neither", "analogist_success_gain", 0, apart=True),
        Line(
            "structure, IoU", "analogist_iou", None, 0.80, _ways("analogist_iou", neither="neither", copy="the input")
        ),
    ),
    "blip_diffusion": (
        Line(
            *("the subject is there", "blip_subject", 0.50, 0.85),
            beats=_ways("blip_subject", without="no subject", swapped="another's"),
        ),
        Line(
            *("on the ground asked for", "blip_background", None, 0.85),
            beats=_ways("blip_background", shuffled="another's"),
        ),
        Line("vectors alike on two grounds", "blip_cosine", None, 0.9, {"of two subjects": "blip_cosine_others"}),
    ),
    "any2pix": (
        Line(
            *("shows what the sound means", "any2pix_sound", 0.30, 0.80),
            beats=_ways("any2pix_sound", shuffled="another's", copy="the input"),
        ),
        Line("gained by the prior", "any2pix_refinement_gain", 0, apart=True),
    ),
    "ten turns": (
        Line(
            *("levels off outside the regions", "drift_outside_ten_turns", 0, 0),
            {"naive chaining": "drift_outside_chained"},
            low=True,
        ),
    ),
    "two CPU cores": (
        Line("a plan", "plan_s", 0.5, 0.5, low=True, unit=" s"),
        Line("an edit: instruct_pix2pix", "edit_s", 2, 2, low=True, unit=" s"),
        *(
            Line(tool, f"edit_s_{tool}", 2, 2, low=True, unit=" s")
            for tool in ("diffedit", "analogist", "blip_diffusion", "any2pix")
        ),
    ),
}
"""Parts in the order of the table."""


def table(found: Mapping[str, Any]) -> str:
    """The whole table in Markdown, from the figures of `benchmarks.toybox`."""
    head = "| part | | measured | required | aim | beside it |\n|---|---|---|---|---|---|\n"
    return head + "".join(f"{row}\n" for part, lines in LINES.items() for row in _rows(part, lines, found))


def _rows(part: str, lines: tuple[Line, ...], found: Mapping[str, Any]) -> Iterator[str]:
    for place, line in enumerate(lines):
        cells = (part if place == 0 else "", line.said, measured(line, found), *bounds(line), beside(line, found))
        yield f"| {' | '.join(cells)} |"


def measured(line: Line, found: Mapping[str, Any]) -> str:
    """A figure with its interval, as what it misses is shown."""
    value = found.get(line.key)
    if value is None:
        return "–"
    ends = found.get(f"{line.key}_ci")
    said = rounded(value) + (f" [{rounded(ends[0])}, {rounded(ends[1])}]" if ends else "") + line.unit
    if not line.passes(found):
        return f"**{said}**"
    return said if line.holds(value, line.aim) else f"*{said}*"


def bounds(line: Line) -> tuple[str, str]:
    """What is required and what is aimed at."""
    sign = "≤" if line.low else ">" if line.apart else "≥"
    above = [] if not line.beats else [f"> {', '.join(line.beats)}"]
    required = ([] if line.required is None else [f"{sign} {line.required:g}"]) + above
    return "; ".join(required), "" if line.aim is None else f"{sign} {line.aim:g}"


def beside(line: Line, found: Mapping[str, Any]) -> str:
    """What the figure is to be compared with."""
    there = {said: found[key] for said, key in {**line.beats, **line.beside}.items() if found.get(key) is not None}
    return ", ".join(f"{said} {rounded(value)}" for said, value in there.items())


def rounded(value: float) -> str:
    """Two digits behind the point; of decibels and the like one."""
    return f"{value:.1f}" if abs(value) >= 10 else f"{value:.2f}"


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.toybox_table", description=__doc__)
    parser.add_argument("found", type=Path, nargs="+", help="what benchmarks.toybox has printed with --json")
    parser.add_argument("--into", type=Path, metavar="FILE", help="a text with marks, between which the table stands")
    asked = parser.parse_args()
    found: dict[str, Any] = {}
    for path in asked.found:
        found |= {key: value for key, value in json.loads(path.read_bytes()).items() if value is not None}
    if asked.into is None:
        print(table(found), end="")
    else:
        asked.into.write_text(within(asked.into.read_text(encoding="utf-8"), table(found)), encoding="utf-8")


def within(text: str, shown: str) -> str:
    """A text with a table between its marks, in place of the one there."""
    before, rest = text.split(START)
    return before + START + shown + END + rest.split(END)[1]


if __name__ == "__main__":
    main()
