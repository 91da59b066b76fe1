"""An export in words: which version, and as what file: "#4 as webp at quality 80", "in 1200 px, under 500 kB".

What is said of the file is taken out of the words first; what is left must be a plain "save it (as …)".
"""

from __future__ import annotations

from collections.abc import Callable

from agent.plan import Command, Context
from agent.planners.rules.patterns import cut_out, match, matches
from agent.planners.rules.references import resolve
from sessions.values import Json

_FORMATS = {"jpg": "jpeg", "jpegs": "jpeg", "tif": "tiff"}
_UNITS = {"k": "kB", "m": "MB"}
_FACTS = {"date": "date", "copyright": "copyright"}


def read(text: str, context: Context) -> Command | None:
    """The export that the words are, or None where one of them stays unexplained."""
    if matches("export the original", text):
        return Command(name="export", options={"original": True})
    text, options = _options(text)
    slots = match("export", text) if options is not None else None
    if slots is None or options is None:
        return None
    target = None
    if "ref" in slots:
        meant = resolve(slots["ref"], context)
        if meant is None or len(meant.revisions) != 1:
            return None
        target = meant.target
    if "format" in slots:
        options = {"format": _FORMATS.get(slots["format"], slots["format"])} | options
    return Command(name="export", target=target, options=options)


def _options(text: str) -> tuple[str, Json | None]:
    """The words without what they say of the file, and that; None for a quality that there is not."""
    options: Json = {}
    for name in ("quality", "budget", "size", "keep"):
        text, slots = cut_out(f"export {name}", text)
        options |= _OPTIONS[name](slots) if slots is not None else {}
    return text, None if options.get("quality", 1) not in range(1, 101) else options


def _size(slots: dict[str, str]) -> str:
    """As `agent.export.Options` writes it."""
    if "percent" in slots:
        return f"{slots['percent']}%"
    if "width" in slots:
        return f"{slots['width']}x"
    if "height" in slots:
        return f"x{slots['height']}"
    return slots.get("box") or slots.get("longest") or "50%"


_OPTIONS: dict[str, Callable[[dict[str, str]], Json]] = {
    "quality": lambda slots: {"quality": int(slots["quality"])},
    "budget": lambda slots: {"max_bytes": slots["bytes"] + _UNITS[slots["unit"][0]]},
    "size": lambda slots: {"size": _size(slots)},
    "keep": lambda slots: {"keep": [fact for word, fact in _FACTS.items() if word in slots["kept"]]},
}
