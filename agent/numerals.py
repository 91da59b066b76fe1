"""Regular expressions of the numbers that a JSON schema allows, written with at most three decimals.

No exponents, no leading zeros, no -0. What else a schema may say of a number, such as `multipleOf`, is not looked at.
"""

from __future__ import annotations

from math import ceil, floor

from sessions.values import Json

LARGEST = 999_999
"""The largest number, where its schema sets no bound."""
THOUSAND = 1000
"""Numbers with three decimals are counted in thousandths."""


def numbers(schema: Json) -> tuple[str, int] | None:
    """A regex of the numbers within the schema's bounds, and the length of the longest; None if there are none."""
    unit = 1 if schema["type"] == "integer" else THOUSAND
    low, high = _bounds(schema, unit)
    if low > high:
        return None
    signs = [numerals(max(0, low), high, unit)] if high >= 0 else []
    if low < 0:
        signs.append(f"-{numerals(max(1, -high), -low, unit)}")
    digits = max(len(str(abs(bound) // unit)) for bound in (low, high))
    return "|".join(signs), 1 + digits + (0 if unit == 1 else 4)


def _bounds(schema: Json, unit: int) -> tuple[int, int]:
    """The least and the greatest, in units. A bound such as 0.07 is not quite 70 thousandths: hence the rounding."""
    least, more = schema.get("minimum", -LARGEST), schema.get("exclusiveMinimum", -LARGEST - 1)
    most, less = schema.get("maximum", LARGEST), schema.get("exclusiveMaximum", LARGEST + 1)
    low = max(ceil(round(least * unit, 6)), floor(round(more * unit, 6)) + 1)
    return low, min(floor(round(most * unit, 6)), ceil(round(less * unit, 6)) - 1)


def numerals(low: int, high: int, unit: int) -> str:
    """A regex of the numbers low/unit … high/unit, 0 ≤ low ≤ high, unit 1 or 1000 (up to three decimals)."""
    if unit == 1:
        return whole(low, high)
    first, last = low // unit, high // unit
    if first == last:
        return f"({_with_decimals(str(first), low % unit, high % unit)})"
    parts = [_with_decimals(str(first), low % unit, THOUSAND - 1), _with_decimals(str(last), 0, high % unit)]
    if first + 1 < last:
        parts.append(_with_decimals(whole(first + 1, last - 1), 0, THOUSAND - 1))
    return f"({'|'.join(parts)})"


def _with_decimals(integer: str, low: int, high: int) -> str:
    """An integer part and low … high thousandths, 0 … 999, written in one to three digits, none needed if low is 0."""
    digits = []
    for count in (1, 2, 3):
        coarse = 10 ** (3 - count)
        first, last = -(-low // coarse), high // coarse
        if first <= last:
            digits.append(between(f"{first:0{count}}", f"{last:0{count}}"))
    decimals = f"\\.({'|'.join(digits)})"
    return f"{integer}({decimals})?" if low == 0 else f"{integer}{decimals}"


def whole(low: int, high: int) -> str:
    """A regex of the integers 0 ≤ low … high, without leading zeros."""
    parts = []
    while low <= high:
        end = min(high, 10 ** len(str(low)) - 1)
        parts.append(between(str(low), str(end)))
        low = end + 1
    return f"({'|'.join(parts)})"


def between(low: str, high: str) -> str:
    """A regex of the digit strings of one length from low to high."""
    if not low:
        return ""
    rest = len(low) - 1
    if low[0] == high[0]:
        return low[0] + between(low[1:], high[1:])
    if low[1:] == "0" * rest and high[1:] == "9" * rest:
        return f"[{low[0]}-{high[0]}]" + (f"[0-9]{{{rest}}}" if rest else "")
    parts, first, last = [], int(low[0]), int(high[0])
    if low[1:] != "0" * rest:
        parts.append(low[0] + between(low[1:], "9" * rest))
        first += 1
    if high[1:] != "9" * rest:
        parts.append(high[0] + between("0" * rest, high[1:]))
        last -= 1
    if first <= last:
        parts.append(between(f"{first}{'0' * rest}", f"{last}{'9' * rest}"))
    return f"({'|'.join(parts)})"
