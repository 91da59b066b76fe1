"""Whether words only state something ("customers keep telling me the mug is nicer", "boat listing") and ask for
nothing.

Statements change nothing; they are set aside where something else in the message asks. Whether a statement is a
complaint that asks after all ("it is too dark") is decided before, by those who know the edits.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache

from agent.planners.rules.clause import Clause
from agent.planners.rules.english import could_be_english, is_english
from agent.planners.rules.lexicon import inflected, lexicon, nouns
from agent.planners.rules.nounphrases import ARTICLES
from agent.planners.rules.patterns import matches
from agent.planners.rules.tables import listed
from agent.planners.rules.words import Word

_PRONOUNS = frozenset(
    "i we you he she it they this that these those there here someone somebody everyone everybody".split()
)
_OPENING = frozenset(listed("opens a statement"))
_LABEL_AT_MOST = 4
_INERT = {"thing", "adjective", "noun", "degree", "fill", "whole", "mood", "unknown", "det", "prep", "conj"}


@cache
def _verbs() -> frozenset[str]:
    """Forms of verbs that tell what happens or happened; a few of them are also nouns, which does no harm here."""
    told = {form for verb in listed("tells what happens") for form in inflected(verb)}
    return frozenset((told | set(listed("tells what happened"))) - nouns("noun") - set(listed("as often a noun")))


def states(words: Sequence[Word]) -> bool:
    """A subject and then a verb that tells: "the bride loves it", "she is looking left"; or only what happened:
    "scanned it"."""
    texts = [word.text for word in words if word.kind != "mark"]
    while texts and (texts[0] in _OPENING or texts[0].endswith("ly")):
        texts = texts[1:]
    if len(texts) < 2:
        return False
    if texts[:2] in (["what", "a"], ["what", "an"]) or texts[0] in listed("tells what happened"):
        return True
    strange = lexicon().single(texts[0]) is None and not could_be_english(texts[0]) and texts[0].isalpha()
    named = lexicon().single(texts[0]) is None and texts[0].isalpha() and len(texts[0]) > 2 and texts[1] in _COPULAS
    if named or (strange and texts[1] in _verbs()):
        return True
    if texts[1] in _COPULAS and (texts[0] in nouns("noun") or _names_picture(texts[0])):
        return True
    first = 2 if texts[0] in ARTICLES and texts[0] not in _PRONOUNS else 1
    return _is_subject(texts[0]) and any(text in _verbs() for text in texts[first:])


def recounts(words: Sequence[Word]) -> bool:
    """ "It was dark in there": how it was where the photo was taken; "it was too dark" is said of the photo."""
    text = " ".join(word.text for word in words if word.kind != "mark")
    return matches("how it was then", text) and not Clause.of(words).has("too", "enough", "not")


_COPULAS = frozenset("is are was were has have had looks look seems seem feels does did will".split())


def _names_picture(text: str) -> bool:
    entry = lexicon().single(text)
    return entry is not None and entry.kind == "whole" and entry.value == "picture"


def _is_subject(text: str) -> bool:
    """A pronoun, an article, or a noun in the plural: "customers keep telling me"."""
    if text in _PRONOUNS or text in ARTICLES or text.endswith("'s"):
        return True
    return text.endswith("s") and (text in nouns("noun") or (lexicon().single(text) is None and is_english(text)))


def is_label(words: Sequence[Word]) -> bool:
    """A few words that say what the picture is or is for: "boat listing", "ISO 12800", "wrong client"."""
    if len(words) > _LABEL_AT_MOST or any(word.kind not in {"word", "number"} for word in words):
        return False
    if any(word.text == "iso" for word in words):
        return True
    clause = Clause.of(words)
    if (
        {item.kind for item in clause.items} - _INERT
        or clause.has("det")
        or any(t.article for t in clause.all("thing"))
    ):
        return False
    known = all(could_be_english(str(word)) for word in clause.all("unknown"))
    return known and not {word.text for word in words} & (nouns("weather") | nouns("change of a person"))
