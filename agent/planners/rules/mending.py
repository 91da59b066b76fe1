"""What leans on something just said: "… is too dark, fix that", "the window is blown out, pull the highlights back
there".

`mends` and `mended` turn a complaint into the request that answers it; `placed` finds where "there" is. No table of
edits is asked here: what is complained of, and where, has been read before.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace

from agent.planners.rules.amounts import LIGHTS, RELATIVE, SCALES
from agent.planners.rules.clause import REGIONAL, Clause, Draft
from agent.planners.rules.idioms import gathered
from agent.planners.rules.lexicon import Head
from agent.planners.rules.words import Word

_ASKING = {"fix", "direction", "make", "auto"}
_WITH = {"fill", "whole", "degree", "quantity", "prep", "det", "again", "only", *_ASKING}
_THERE = ("there", "that area", "that part", "that bit", "that region", "that spot", "this area", "this part", "in it")


def mends(words: Sequence[Word], complaints: Sequence[Draft] = ()) -> bool:
    """Nothing but the wish that it be otherwise: "fix that", "lift it by 10 %", "can you calm it down a bit".

    What the complaints were about may be named again: "(it is too green,) fix the tint".
    """
    clause = Clause.of(gathered(words))
    about = {name for draft in complaints for name in (draft.args if draft.tool == "adjust" else [])}
    named = [
        item
        for item in clause.items
        if item.kind == "head" and item.value.form == "noun" and set(item.value.args) & about
    ]
    if clause.has("fix") and named:
        clause.items = [replace(item, kind="whole", value="it") if item in named else item for item in clause.items]
    lights = [item for item in clause.items if item.kind == "head" and _counters(item.value, complaints)]
    if lights:
        clause.items = [replace(item, kind="fix") if item in lights else item for item in clause.items]
    kinds = {item.kind for item in clause.items if not (item.kind == "head" and item.value == Head("blur"))}
    kinds -= {"adjective"} if set(clause.all("adjective")) <= {"open"} else set()
    kinds -= {"unknown"} if set(clause.all("unknown")) <= {"both", "open"} else set()
    whole = clause.says("both") or any(item.kind == "whole" and item.value == "it" for item in clause.items)
    telling = kinds & {"fix", "direction"} or clause.says("help", "better", "nicer", "soften", "open")
    return bool(whole and telling) and not kinds - _WITH


def _counters(head: Head, complaints: Sequence[Draft]) -> bool:
    """ "(The shadows are too dark,) can that be made lighter": no more than the complaint already asks for."""
    asked = {name: value for draft in complaints for name, value in draft.args.items() if draft.tool == "adjust"}
    light = head.tool == "adjust" and head.form == "comparative" and set(head.args) == {"exposure"}
    return light and bool(asked) and set(asked) <= LIGHTS and all(v * head.args["exposure"] > 0 for v in asked.values())


def mended(complaints: Sequence[Draft], words: Sequence[Word]) -> list[Draft] | None:
    """The complaints as requests of the strength that the words name."""
    clause = Clause.of(gathered(words))
    quantity, degree = clause.quantity(*RELATIVE), clause.degree()
    requests = []
    for draft in complaints:
        size = round(abs(quantity.share), 3) if quantity else SCALES.get(draft.tool, {}).get(degree or "-")
        if quantity and (draft.tool not in SCALES or not 0 < abs(quantity.share) <= 1):
            return None
        requests.append(replace(draft, args=_sized(draft, size), complaint=False))
    return requests


def _sized(draft: Draft, size: float | None) -> dict[str, float]:
    if size is None:
        return draft.args
    if draft.tool == "adjust":
        return {name: size if value > 0 else -size for name, value in draft.args.items()}
    return draft.args | {"amount": size} if draft.tool != "border" else draft.args


def says_there(words: Sequence[Word]) -> bool:
    """Whether the words end with "there", "that area" or the like."""
    text = re.sub(
        r"(?: (?:please|only|too|as well|also|instead|a bit|a little|a lot|by|percent|[\d.]+))+$",
        "",
        " ".join(word.text for word in words),
    )
    return text.endswith(tuple(f" {there}" for there in _THERE))


def placed(drafts: Sequence[Draft], where: str) -> list[Draft]:
    """Every step that has no place of its own, put there."""
    return [
        replace(draft, region=where) if draft.tool in REGIONAL and draft.region is None else draft for draft in drafts
    ]
