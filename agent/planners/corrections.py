"""Corrections of what an instruction has just come to: "no, red", "make it red instead", "rather a star".

Such a step replaces the one it corrects: it runs from the picture before that one, so that nothing is painted over
what was painted wrong. Only steps of tools that take an instruction are read; the rules know their own corrections.
"""

from __future__ import annotations

import re

from agent.plan import Context, PlanStep
from agent.restating import COLORS, instructed

_TAKEN_BACK = re.compile(
    r"^(?:(?:no|nope|not that|not \w+|wrong|sorry|actually|wait|oops)\b[\s,.;:!-]*)+(?P<after>.*)$", re.IGNORECASE
)
_LEAD = re.compile(r"^(?:(?:rather|but|better|in)\s+)*", re.IGNORECASE)
_MAKE = re.compile(r"^(?:make|turn) (?:it|that|them)(?: into)?\s+", re.IGNORECASE)
_VERB = re.compile(r"^(?:make|turn|change|put|add|remove)\b.* ", re.IGNORECASE)
_LONGEST = 6
"""Words of a correction; a longer one is a wish of its own."""


def corrected(text: str, context: Context) -> PlanStep | None:
    """The step that a correction asks for; None where the message is none, or there is nothing it could correct."""
    wanted = _wanted(text)
    last = instructed(context)
    if wanted is None or last is None or last.step is None:
        return None
    instruction = _instead(str(last.step.args["instruction"]), wanted)
    if instruction is None:
        return None
    region = last.step.region.to_json() if last.step.region else None
    args = last.step.args | {"instruction": instruction}
    return PlanStep(tool=last.tool, args=args, region=region, replaces=last.id)


def _wanted(text: str) -> str | None:
    """What is wanted instead: after "no," and the like, or before "instead"."""
    said = text.strip().rstrip(".!")
    taken_back = _TAKEN_BACK.match(said)
    instead = re.search(r"\binstead$", said, re.IGNORECASE)
    if not taken_back and not instead:
        return None
    rest = (taken_back["after"] if taken_back else said).strip()
    rest = _LEAD.sub("", re.sub(r"[\s,]*\binstead$", "", rest, flags=re.IGNORECASE))
    return rest if 0 < len(rest.split()) <= _LONGEST else None


def _instead(instruction: str, wanted: str) -> str | None:
    """The instruction with its colour, or what something was to become, exchanged for what is wanted."""
    words, bare = instruction.split(), _MAKE.sub("", wanted)
    if bare.lower() in COLORS:
        places = [at for at, word in enumerate(words) if word.lower().strip(",.") in COLORS]
        return " ".join([*words[: places[-1]], bare, *words[places[-1] + 1 :]]) if places else None
    became = re.match(r"(?P<before>.*\b(?:into|to|as|look like)\s+)(?:an?|the)\s+.+$", instruction, re.IGNORECASE)
    if became and re.match(r"(?:an?|the)\s", bare, re.IGNORECASE):
        return became["before"] + bare
    return wanted if _VERB.match(wanted) else None
