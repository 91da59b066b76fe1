"""Messages that ask for no edit: thanks, greetings, questions, and wishes that no tool can fulfil → what to answer.

Decides only on whole messages and plain signs; everything else is left to the reading.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from agent.planners.rules import replies
from agent.planners.rules.words import Word

_THANKS = re.compile(r"(?:thanks|thank you|cheers|great|perfect|nice|ok|okay|awesome|cool|good|love it|lovely|wonderful|super|amazing|excellent|brilliant|wow|haha|lol|yes|no|yeah|so|much|very|a lot|again|that is|it is|this is|looks|is|you are|the best|i love it|i like it|it|for now|done|bye|all|fine|now|beautiful|great job|good job|well done|,|!|\.| )+")
_QUESTION = re.compile(
    r"^(?:(?:hey|hi|hello|ok|okay|so|and|um|well|please|tell me|sorry|excuse me|can you tell me|could you tell me|do you know|i wonder|explain|i want to know|just|quick question|question|by the way|but|wait|hmm|oh) ?[,:]? ?)*"
    r"(?:who|whose|whom|why(?! not| do not (?:you|we))|what(?! about)|when|where|which|how(?! about)|does|did|do you|do i|are you|is there|are there|have you|were|was|is it (?!possible)|is this|is that|is the|are these|are the|are they|has|have i|did you|will you be|should i|shall i|am i|would it|will it|"
    r"could it|can it|can i|may i|explain|define|tell me)\b"
)
_FINE = re.compile(r"\b(?:how about|what about|can i (?:get|have|see)|may i (?:get|have|see)|would it be possible|could it be|can it be|is it possible)\b")


def reply(words: Sequence[Word]) -> str | None:
    """The answer to a message that asks for nothing that could be done, or None."""
    text = " ".join(word.text for word in words)
    asks = any(word.text == "?" for word in words)
    if _QUESTION.match(text) and not _FINE.search(text) and (asks or _no_request(text)):
        return replies.QUESTION
    return None


_REQUEST = re.compile(r"[.!;] (?:please |then |so )?(?:make|crop|blur|remove|turn|rotate|add|flip|undo|go back|sharpen|brighten|darken)\b")


def _no_request(text: str) -> bool:
    return not _REQUEST.search(text)
