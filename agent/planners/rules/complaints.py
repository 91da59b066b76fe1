"""How people complain of light and colour: "it has a magenta cast", "the contrast is weak", "my lens makes the
corners dark".

Each function turns one form of speech in a clause into the words that the rules know, as those of `idioms`.
"""

from __future__ import annotations

from dataclasses import replace

from agent.planners.rules.clause import Clause
from agent.planners.rules.lexicon import Head
from agent.planners.rules.tables import listed

_CASTING = {"cast", "tint", "tinge", "hue", "haze", "noise", "glow"}
_HAVING = {"has", "have", "got", "there", "shows"}


def has_cast(clause: Clause) -> None:
    """ "It has a slight magenta cast", "there is a yellow tint": it is complained of."""
    if clause.has("direction", "fix", "add", "make", "not", "too") or not clause.says(*_HAVING):
        return
    casts = [
        item
        for item in clause.head_items("adjust")
        if item.value.form == "noun" and clause.words[item.stop - 1].text in _CASTING
    ]
    verbs = [
        item
        for item in clause.items
        if clause.words[item.start].text in _HAVING and item.kind in {"unknown", "fill", "be"}
    ]
    if len(casts) != 1 or not verbs or verbs[0].start > casts[0].start:
        return
    clause.swap(casts[0], "head", replace(casts[0].value, form="adjective"))
    clause.swap(verbs[0], "be", "has")
    clause.drop([item for item in clause.items if item.kind == "unknown" and clause.words[item.start].text in _HAVING])


_POOR = {"weak", "low", "poor", "faint", "lacking", "missing"}
_RICH = {"strong", "high", "intense", "extreme", "heavy", "hot", "much"}


def rated(clause: Clause) -> None:
    """ "The contrast is weak", "the highlights are a touch hot": too little of it, too much of it."""
    nouns = [item for item in clause.head_items("adjust") if item.value.form == "noun"]
    if (
        not nouns
        or len(clause.head_items("adjust")) > len(nouns)
        or not clause.has("be")
        or clause.has("too", "not", "make")
    ):
        return
    verb = next(item for item in clause.items if item.kind == "be")
    said = [
        item for item in clause.items if item.kind in {"degree", "unknown", "adjective"} and item.start > verb.start
    ]
    last = clause.words[said[-1].stop - 1].text if said else ""
    if verb.start > nouns[0].start and last in _POOR | _RICH:
        clause.swap(said[-1], "too" if last in _RICH else "lacking", last)


_CAUSING = {"makes", "make", "made", "turns", "turned", "leaves", "left"}


def _cause(clause: Clause) -> None:
    """ "My lens makes the corners dark", "the neon lights make it green": how it looks, and not what is wanted."""
    verb = next((item for item in clause.items if clause.words[item.start].text in _CAUSING and item.start), None)
    if (
        verb is None
        or verb.kind not in {"make", "unknown", "turn", "thing"}
        or clause.has("add", "fix", "should", "direction")
    ):
        return
    before = [item for item in clause.items if item.stop <= verb.start and item.kind not in {"fill", "det"}]
    named = len(before) == 1 and before[0].kind == "thing" and not before[0].value.prep and not before[0].value.whole
    after = [item for item in clause.items if item.start > verb.start]
    formed = [item for item in after if item.kind == "head" and item.value.form in {"adjective", "flaw"}]
    colored = [item for item in after if item.kind == "color"]
    about = any(item.kind in {"whole", "thing"} and clause.words[item.start].text != "them" for item in after)
    if named and about and len(formed) + len(colored) == 1:
        clause.drop(before)
        clause.swap(verb, "be", "makes")


_PURPOSES = frozenset(listed("is a purpose"))


def caused(clause: Clause) -> None:
    """ "Too much purple from the stage lights": from where a flaw comes is not where it is; nor is "for the paper"."""
    _cause(clause)
    things = [item for item in clause.items if item.kind == "thing" and item.value.prep == "for"]
    clause.drop([item for item in things if _PURPOSES & set(item.value.words.split())])
    if clause.has("too", "be") and not clause.has("make", "add", "fix"):
        clause.drop(
            [
                item
                for item in clause.items
                if item.kind == "thing" and item.value.prep in {"from", "due to", "because of", "with", "through"}
            ]
        )


_TINGES = {
    "blue": ("temperature", -1),
    "yellow": ("temperature", 1),
    "orange": ("temperature", 1),
    "red": ("temperature", 1),
    "green": ("tint", -1),
    "pink": ("tint", 1),
    "magenta": ("tint", 1),
    "purple": ("tint", 1),
}


def color_complaint(clause: Clause) -> None:
    """ "Everything is blue": the whole picture has a cast; "tint slightly green" says where to."""
    if any("tint" in head.args and head.form == "noun" for head in clause.heads("adjust")) and not clause.has(
        "direction"
    ):
        for item in [item for item in clause.items if item.kind == "color"]:
            tinge = _TINGES.get(clause.words[item.stop - 1].text)
            if tinge and tinge[0] == "tint":
                clause.swap(item, "head", Head("adjust", "comparative", dict([tinge])))
    reduced = set(clause.all("direction")) == {-1} and not clause.has("head", "make", "quote", "ref")
    for item in [item for item in clause.items if item.kind == "color"] if reduced else ():
        tinge = _TINGES.get(clause.words[item.stop - 1].text)
        if tinge and tinge[0] + clause.words[item.stop - 1].text != "temperaturered":
            clause.swap(item, "head", Head("adjust", "noun", dict([tinge])))
    much = clause.has("too") and not clause.has("be")
    if not (clause.has("be") or much) or clause.has("make", "add", "should", "head", "place"):
        return
    if clause.has("thing") and not much and any(not thing.article and thing.prep for thing in clause.all("thing")):
        return
    for item in list(clause.items):
        tinge = _TINGES.get(clause.words[item.stop - 1].text) if item.kind == "color" else None
        own = any(thing.prep == "of" for thing in clause.all("thing"))
        tinge = ("saturation", 1) if tinge and own else tinge
        if tinge:
            clause.swap(item, "head", Head("adjust", "adjective", dict([tinge])))
