"""What the planner says when it does not edit: sentences for people, each with what is possible."""

from __future__ import annotations

import re
from collections.abc import Sequence
from itertools import pairwise

from agent.planners.rules import asides
from agent.planners.rules.clause import Clause
from agent.planners.rules.lexicon import Head, nouns
from agent.planners.rules.segments import Segment
from agent.planners.rules.statements import states
from agent.planners.rules.words import Word

POSSIBLE = (
    "I can crop, resize, rotate, straighten and flip a photo, change its light and colours, make it black and white or "
    "sepia, blur, sharpen, remove noise or things, change the background, add a vignette, a border or words, put in "
    "what another photo shows or take over its colours, and go back to any version."
)
NOT_UNDERSTOOD = f"I did not understand all of that, so I changed nothing. {POSSIBLE}"
IMPOSSIBLE = f"I cannot do that, so I changed nothing. {POSSIBLE}"
NO_ADDING = (
    "I cannot put things into a photo that are in no other, so I changed nothing. Attach a photo of it and say where "
    f"it goes. {POSSIBLE}"
)
NO_PEOPLE = f"I cannot change how a person or an animal looks, so I changed nothing. {POSSIBLE}"
NO_WEATHER = f"I cannot change the weather, the season or the time of day, so I changed nothing. {POSSIBLE}"
QUESTION = f"I only edit the photo and cannot answer that; nothing was changed. {POSSIBLE}"
WELCOME = "You're welcome. Say what should change when you want to go on."
HELLO = f"Hello. {POSSIBLE}"
NOTHING_TO_UNDO = "There is nothing to undo: this is the photo as it came."
NOTHING_TO_REDO = "There is nothing to redo: nothing was undone here."
NOTHING_ASKED = "Nothing was changed, as nothing was asked for. Say what should change."
WHAT_CHANGE = "What should I change in the photo?"
ONE_AT_A_TIME = (
    "I can do one command of the history at a time, and before the edits. Please say them one after the other."
)
TOO_MANY = "That is more than eight steps at once. Please say the first ones, and the others after them."
WHAT_IN = "Which words name the part of the picture that is meant?"
UNFINISHED = "That seems to break off in the middle, so I changed nothing. How does it go on?"
REFUSALS = frozenset({NOT_UNDERSTOOD, IMPOSSIBLE, NO_ADDING, NO_PEOPLE, NO_WEATHER})
"""What is said of a wish that no tool of the darkroom can grant."""
CONTRADICTION = "Two parts of that contradict each other, so I changed nothing. Which one should count?"


_ADDING = re.compile(r"\b(?:add|put|insert|draw|place|paint|generate|paste|give|create|include|swap|photoshop)\b")
_PEOPLE = nouns("change of a person")
_WEATHER = nouns("weather")


def refusal(unread: Sequence[Segment]) -> str:
    """The sentence that fits what was not understood."""
    text = " ".join(segment.text for segment in unread)
    words = set(text.split())
    if words & _PEOPLE:
        return NO_PEOPLE
    if words & _WEATHER:
        return NO_WEATHER
    return NO_ADDING if _ADDING.search(text) else NOT_UNDERSTOOD


_DESCRIBING = {"adjust", "denoise", "sharpen", "blur", "flip", "straighten", "auto", "rotate", "text", "monochrome"}


def _describes(head: Head, words: Sequence[Word]) -> bool:
    """Whether a word for an edit may only describe: an adjective or a noun of light and sharpness; "is much nicer"."""
    if head.form == "verb" and _in_the_past(words):
        return True
    if head.tool not in _DESCRIBING or head.form == "verb" or Clause.of(words).has("direction"):
        return head.tool == "text"
    return head.form != "comparative" or Clause.of(words).has("be")


def _in_the_past(words: Sequence[Word]) -> bool:
    """ "Pictures get cropped there", "it was blurred by my phone"."""
    return any(
        one.text in {"is", "are", "was", "were", "get", "gets", "got", "been", "being", "have", "has", "had"}
        and (other.text.endswith("ed") or other.text == "gone")
        for one, other in pairwise(words)
    )


_ELSEWHERE = re.compile(
    r"\b(?:that|this|it|those|these|they)(?:'s| is| was| are|'re| were) (?:about |from |for )?(?:a |an |the )?"
    r"(?:different|another|other) (?:set|photo|picture|image|shot|shoot|album|one|story|matter|job|file)s?$"
)


def lost(number: str) -> str:
    """Of a version that is named and not there: `#9`."""
    return f"There is no {number} in this session, so I changed nothing. The tree and the log show what there is."


def is_elsewhere(words: Sequence[Word]) -> bool:
    """ "(The bathroom should be brighter,) but that's a different set": what was said is not about this picture."""
    return _ELSEWHERE.search(" ".join(word.text for word in words)) is not None


def names_other(words: Sequence[Word], tools: set[str]) -> bool:
    """Whether a remark names an edit that was not asked for: then it may be more than a remark.

    A statement may describe ("clouds have no detail", "the negative was scanned back to front"); only what could be a
    request in it counts.
    """
    if states(words):
        heads = Clause.of(words).heads()
        return any(head.tool not in tools and not _describes(head, words) for head in heads)
    return bool(asides.tools_of([Segment(tuple(words))]) - tools)


def small_talk(remarks: Sequence[Segment], greeted: bool) -> str:
    """The answer where nothing was asked for."""
    if greeted and not remarks:
        return HELLO
    return NOTHING_ASKED if remarks else WELCOME
