"""What people write, in letters that can be shown: names of one line, and words of any length.

A control character would speak to the terminal that shows it; a lone surrogate, which stands for bytes of a file name
that are no UTF-8, goes into no database. Text in, text out; what is refused for it is the door's to say.
"""

from __future__ import annotations

import re
from typing import Any

from sessions.limits import NAME_CHARACTERS

UNSHOWN = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\ud800-\udfff]")
"""Control characters but tab and newline (Unicode's Cc), and lone surrogates (Cs)."""

_HALF = NAME_CHARACTERS // 2


def clean_name(text: str) -> str:
    """One line of at most NAME_CHARACTERS printable letters, which it may be already; "" where nothing is left.

    The middle of a longer one goes: its beginning says what it is of, its end what kind of file.
    """
    name = "".join(_printable(letter) for letter in text).strip()
    return name if len(name) <= NAME_CHARACTERS else f"{name[:_HALF]}…{name[1 - _HALF :]}"


def _printable(letter: str) -> str:
    if letter.isprintable():
        return letter
    return "\ufffd" if "\ud800" <= letter <= "\udfff" else " " if letter.isspace() else ""


def cleaned(value: Any) -> Any:
    """JSON in whose texts everything can be shown: what cannot is left out, wherever it is."""
    if isinstance(value, str):
        return UNSHOWN.sub("", value)
    if isinstance(value, list):
        return [cleaned(one) for one in value]
    if isinstance(value, dict):
        return {cleaned(name): cleaned(one) for name, one in value.items()}
    return value
