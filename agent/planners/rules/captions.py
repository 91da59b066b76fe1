"""Finds the words that are to be written on the picture where they are not in quotation marks.

"write Happy Birthday at the top", "text: Fresh bread. bottom, white", "a caption that says Hello", "copyright sign and my name Lena".
The found words become a quotation in the list of words, as typed.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from agent.planners.rules.words import Word

_LEADS = re.compile(
    r"\b(?:that says?|which says?|saying|says|that reads?|reading|with the (?:words?|text|caption|title|message)|"
    r"(?:add|put|write|place|insert|include) (?:the|a|some)? ?(?:words?|text|caption|title|label|watermark|message|line)(?: please)?|"
    r"(?:text|caption|title|label|watermark|headline)(?: please)?(?= ?:)|write|(?:caption|label|title|watermark|sign|stamp) (?:it|this|the photo|the picture|the image) (?:with|as)|"
    r"the words?|put my name|my name)\b(?P<colon>\s*[:,]?)\s+(?P<words>\S.*)",
    re.IGNORECASE | re.DOTALL,
)
_ENDS = re.compile(
    r"[.;!?](?:\s|$)|,\s|\n|\s+[-–—]\s+|\s+(?:in|at|on|to|across|along|near|over|using|with|below|above|into)\s+(?:the\s+|a\s+|my\s+|this\s+|it\b|big\b|small\b|white|black|red|yellow|blue|green|gold|large|tiny|bold|"
    r"top|bottom|upper|lower|middle|cent)|\s+(?:top|bottom|lower|upper)\s+(?:left|right|cent|middle|corner)|\s+(?:and\s+then|then|and\s+make|and\s+blur|and\s+crop|please|pls)\b|$",
    re.IGNORECASE,
)
_SIGN = re.compile(r"(?:a |the )?copyright (?:sign|symbol)(?: and| with| plus)?\s*", re.IGNORECASE)
_LONGEST = 120


def quoted(message: str, words: Sequence[Word]) -> list[Word]:
    """The words, with an unquoted inscription made a quotation."""
    if any(word.kind == "quote" for word in words):
        return list(words)
    lead = _LEADS.search(message)
    if lead is None:
        return list(words)
    start = lead.start("words")
    end = _ENDS.search(message, start)
    stop = end.start() if end else len(message)
    said = message[start:stop].strip()
    bare = lead[0][: lead.start("words") - lead.start()].lower()
    if not said or len(said) > _LONGEST or not _is_inscription(said, bare):
        return list(words)
    sign = _SIGN.search(message[: lead.start()] + " ")
    first = sign.start() if sign else start
    text = f"© {said}" if sign else said
    inside = [word for word in words if first <= word.start < stop]
    if not inside:
        return list(words)
    at = words.index(inside[0])
    quote = Word(text, "quote", first, stop)
    return [*words[:at], quote, *words[at + len(inside) :]]


def _is_inscription(said: str, lead: str) -> bool:
    """After "write" anything; after other words only what begins like an inscription."""
    if ":" in lead:
        return True
    first = said.split()[0].lower().strip(",.:;")
    if said[0].islower() and first in {"me", "us", "him", "her", "them", "your", "his", "our", "their", "an", "some", "anything", "code", "down", "about", "back", "over", "text", "words", "poem", "essay", "story"}:
        return False
    if first in {"in", "at", "on", "to", "it", "that", "this", "my", "the", "a", "something", "over", "across", "here", "there", "is", "are"}:
        return False
    return lead.startswith(("write", "say", "that", "which", "read")) or " with" in lead or not said[0].islower() or said[0].isdigit()
