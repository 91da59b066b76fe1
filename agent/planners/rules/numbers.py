"""Numbers in words and digits with their units: "20 %", "ninety degrees", "1200 px", "twice", "a quarter", "two
thirds".

What a number is for is decided by the edits.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from agent.planners.rules.tables import listed
from agent.planners.rules.words import Word

_ONES = listed("zero to nineteen")
_TENS = listed("twenty to ninety")
CARDINALS: Mapping[str, float] = {word: n for n, word in enumerate(_ONES)} | {
    word: 20 + 10 * n for n, word in enumerate(_TENS)
}
ORDINALS: dict[str, int] = {word: n for n, word in enumerate(listed("first to tenth"), start=1)}
_PHRASES: dict[tuple[str, ...], tuple[float, str]] = {
    tuple(phrase.strip().split()): (float(value), unit)
    for row in """
0.5 part: half, by half, a half, one half, halfway, half way, by a half, by one half, fifty fifty
0.25 part: a quarter, one quarter, by a quarter, quarter, a fourth, one fourth, by one quarter
0.333 part: a third, one third, by a third, third, by one third
0.667 part: two thirds, by two thirds
0.667 stops: two thirds of a stop, two thirds stop
0.75 part: three quarters, by three quarters, three fourths
0.2 part: a fifth, one fifth, by a fifth
0.1 part: a tenth, one tenth, by a tenth
2 times: twice, double, doubled, by two times, two times, by double, doubling
3 times: triple, thrice, three times, threefold, tripled
4 times: quadruple, four times, fourfold
2 : a couple of, a couple, couple of, a pair of
1.5 : one and a half, one and half, a one and a half
0.5 degrees: half a degree, half degree, a half degree
1 degrees: a degree, one degree
0.5 stops: half a stop, half stop, a half stop
1 stops: a stop, one stop, a full stop, one full stop
0.333 stops: a third of a stop, third of a stop, one third of a stop
100 percent: a hundred percent, hundred percent
""".strip().splitlines()
    for value, unit in [row.partition(":")[0].split(" ", 1)]
    for phrase in row.partition(":")[2].split(",")
}
_UNITS = {
    name.strip(): unit.strip()
    for unit, _, names in (
        row.partition(":")
        for row in """
    percent: percent, pct, per cent, percents, prcent
    degrees: degrees, degree, deg, degs, grad
    px: px, pixels, pixel
    times: times, x, fold, ×
    stops: stop, stops, ev, f-stop
    length: cm, mm, inch, inches, centimeters, centimeter, millimeters, millimeter
    bytes: kb, mb, kilobytes, megabytes, kbytes, mbytes
    dpi: dpi, ppi
    thousand: thousand, k
    points: points, point, pts, pt, units, notches
""".strip().splitlines()
    )
    for name in names.split(",")
}


@dataclass(frozen=True)
class Quantity:
    """`value` in `unit`: "" (bare), part (of one), percent, degrees, px, times, stops, length, bytes, dpi."""

    value: float
    unit: str = ""
    signed: bool = False

    @property
    def share(self) -> float:
        """As a fraction of one: 20 %, 20 and 0.2 are all 0.2."""
        if self.unit == "percent" or (self.unit in ("", "points") and abs(self.value) > 1):
            return self.value / 100
        if self.unit == "stops":
            return self.value / 2
        return self.value


def quantity_at(words: Sequence[Word], at: int) -> tuple[Quantity, int] | None:
    """The quantity that begins at `at`, and where it stops."""
    found = _phrase(words, at) or _counted(words, at)
    after = _phrase(words, at + 1) if words[at].text == "by" else None
    return after if after is not None and (found is None or after[1] > found[1]) else found


def is_part(texts: Sequence[str]) -> bool:
    """Whether the words begin with a part of something: "by a fifth", "a third"."""
    return any(tuple(texts[:length]) in _PHRASES for length in range(1, 5))


def _phrase(words: Sequence[Word], at: int) -> tuple[Quantity, int] | None:
    for length in range(min(5, len(words) - at), 0, -1):
        known = _PHRASES.get(tuple(word.text for word in words[at : at + length]))
        if known is not None:
            value, unit = known
            unit, stop = (unit, at + length) if unit else _unit(words, at + length)
            return Quantity(value, unit), stop
    return None


def _counted(words: Sequence[Word], at: int) -> tuple[Quantity, int] | None:
    found = _number(words, at)
    if found is None:
        return None
    value, stop = found
    if stop + 2 < len(words) and [word.text for word in words[stop : stop + 3]] == ["and", "a", "half"]:
        value, stop = value + 0.5, stop + 3
    unit, stop = _unit(words, stop)
    if unit == "thousand":
        unit, stop = _unit(words, stop)
        value *= 1000
    return Quantity(value, unit, signed=words[at].text[0] in "+-"), stop


def _number(words: Sequence[Word], at: int) -> tuple[float, int] | None:
    first = words[at]
    if first.kind == "number":
        return float(first.text), at + 1
    if first.kind != "word" or first.text not in CARDINALS:
        return None
    value, stop = CARDINALS[first.text], at + 1
    following = words[stop].text if stop < len(words) else ""
    if value >= 20 and 0 < CARDINALS.get(following, 0) < 10:
        value, stop = value + CARDINALS[following], stop + 1
    if stop < len(words) and words[stop].text == "hundred":
        value, stop = value * 100, stop + 1
    return value, stop


def _unit(words: Sequence[Word], at: int) -> tuple[str, int]:
    pair = " ".join(word.text for word in words[at : at + 2])
    if pair in _UNITS:
        return _UNITS[pair], at + 2
    if at < len(words) and words[at].text in _UNITS:
        return _UNITS[words[at].text], at + 1
    return "", at
