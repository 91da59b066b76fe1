"""Commands of the history in words: undo, redo, reset, switch, branch, rename, compare, merge, replay, export.

A command is a whole segment (or a whole message) that one of the patterns explains from its first word to its last; the
words for a version are resolved by `references`. What is only partly explained is no command.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from agent.plan import Ask, Candidate, Command, Context
from agent.planners.rules import antecedents, exports, references, replays
from agent.planners.rules.clause import Clause
from agent.planners.rules.courtesy import stripped, texts
from agent.planners.rules.numbers import CARDINALS
from agent.planners.rules.patterns import every_match, match, matches
from agent.planners.rules.references import Reference, resolve
from agent.planners.rules.words import Word, cut
from sessions.values import Revision


@dataclass(frozen=True)
class Said:
    """A command, or the question that must be answered first (with the command as far as it is known)."""

    command: Command
    ask: Ask | None = None
    looks: bool = False
    """Whether a version is only looked at, as far as was said."""


def read(text: str, context: Context) -> Said | None:
    """The command that the words are, or None. `text`: normalised words without courtesy and marks."""
    for rule in RULES:
        said = rule(text, context)
        if said is not None:
            return said
    return None


def spoken(words: Sequence[Word], context: Context) -> Said | None:
    """The command that words of a message are, with courtesy around them or as they stand."""
    return next((said for text in texts(words) if (said := read(text, context))), None)


# --- one rule per command ---------------------------------------------------------------------------------------------

_COUNTS = {"once": 1, "twice": 2, "thrice": 3, "both": 2, "a couple of": 2} | {w: int(n) for w, n in CARDINALS.items()}


def _count(slots: dict[str, str]) -> int:
    said = slots.get("n", "1")
    return _COUNTS[said] if said in _COUNTS else min(1000, max(1, int(said)))


def _undo(text: str, context: Context) -> Said | None:
    slots = match("undo", text)
    return None if slots is None else Said(Command(name="undo", count=_count(slots)))


def _redo(text: str, context: Context) -> Said | None:
    slots = match("redo", text)
    if slots is not None:
        return Said(Command(name="redo", count=_count(slots)))
    return Said(Command(name="redo")) if context.undone and _brings_back(text, context) else None


def _undone_number(text: str, context: Context) -> bool:
    """ "Do step 3 again", where that is what was undone."""
    slots = match("redo a numbered step", text)
    meant = resolve(f"version {slots['n']}" if slots["n"].isdigit() else slots["n"], context) if slots else None
    return meant is not None and antecedents.undone_among(meant.revisions, context)


def _brings_back(text: str, context: Context) -> bool:
    """ "Bring that back", "I want the sharpened one back", after an undo."""
    if matches("bring back what was undone", text) or _undone_number(text, context):
        return True
    if not re.search(r"\b(?:back|again|redo|restore|keep)\b", text):
        return False
    meant = (references.described(slots["what"], context) for slots in every_match("bring back something undone", text))
    return any(context.undone == revision.id for revisions in meant for revision in revisions)


def _reset(text: str, context: Context) -> Said | None:
    slots = match("reset", text)
    if slots is None:
        return None
    if "what" in slots:
        meant = resolve(slots["what"], context)
        own = meant is not None and (
            meant.target == context.branch or list(meant.revisions) == references.line(context)[-1:]
        )
        return Said(Command(name="reset")) if own else None
    return Said(Command(name="reset"))


def _before_after(text: str, context: Context) -> Said | None:
    return Said(Command(name="compare", target="original")) if matches("before and after", text) else None


def _switch(text: str, context: Context) -> Said | None:
    for slots in every_match("switch", text):
        meant = None if matches("current", slots["ref"]) else _picture(slots["ref"], context)
        if meant is not None:
            return _to(meant, context, text)
    back = match("go back to a step", text)
    if back and len(back["ref"].split()) <= 4:
        steps = references.described(re.sub(r"^(?:the|my|that) ", "", back["ref"]), context)
        return _to(Reference(tuple(steps)), context) if steps else None
    if matches("current", text):
        return None
    bare = resolve(re.sub(r"(?: (?:again|back|instead|after all|better|now))+$", "", text), context)
    return None if bare is None else _to(bare, context)


def _picture(text: str, context: Context) -> Reference | None:
    """A version; after "go to" and the like also "the warm picture"."""
    return resolve(text, context) or resolve(re.sub(r" (?:picture|photo|image|shot)$", " version", text), context)


_LOOK = re.compile(r"(?:show|let me see|see|view|display)\b")


def _to(meant: Reference, context: Context, text: str = "") -> Said:
    if meant.original:
        look = Said(Command(name="compare", target="original"), looks=True)
        return look if _LOOK.match(text) else Said(Command(name="reset"))
    if len(meant.revisions) > 1:
        return _which(Command(name="switch"), meant, "command.target", context)
    return Said(Command(name="switch", target=meant.target))


def _which(command: Command, meant: Reference, slot: str, context: Context) -> Said:
    fits = references.candidates(meant.revisions, context)
    return Said(command, Ask(question="Which version do you mean?", candidates=fits, slot=slot))


def _compare(text: str, context: Context) -> Said | None:
    both = match("compare both", text)
    if both:
        return _compare_both(both["what"], context)
    if text == "compare":
        return Said(Command(name="compare"), _other_branch(context, "Compare it with what?"))
    return next((said for slots in every_match("compare", text) if (said := _compared(slots, context))), None)


def _compared(slots: dict[str, str], context: Context) -> Said | None:
    names = [f"#{name}" if name.isdigit() else name for name in slots.values()]
    meant = [(name, resolve(name, context) or resolve(f"{name} version", context)) for name in names]
    some = [(name, one) for name, one in meant if one is not None]
    if len(some) < len(names):
        return None
    for (_, one), slot in zip(some, ("target", "other"), strict=False):
        if len(one.revisions) > 1:
            return _which(Command(name="compare"), one, f"command.{slot}", context)
    targets = [one.target for name, one in some if not matches("current", name)] or [some[0][1].target]
    return Said(Command(name="compare", target=targets[0], other=targets[1] if len(targets) > 1 else None))


def _compare_both(what: str, context: Context) -> Said | None:
    """ "Compare the two photos", "the two black and white ones", "both branches"."""
    roots = [revision for revision in context.revisions if not revision.parents]
    if what in {"photos", "pictures", "images"}:
        found = [resolve(references.plain(root.name.rpartition(".")[0]), context) for root in roots]
        targets = [one.target for one in found if one is not None]
    elif what in {"branches", "versions"}:
        targets = list(context.branches)
    else:
        kind = re.sub(r" (?:ones|versions|pictures|photos)$", "", what)
        targets = [f"#{revision.seq}" for revision in references.described(kind, context)]
    return Said(Command(name="compare", target=targets[0], other=targets[1])) if len(targets) == 2 else None


_HERE = {"this", "it", "here", "this one", "this branch", "the current branch", "the current one", "current"}


def _merge(text: str, context: Context) -> Said | None:
    if text == "merge" or matches("merge what", text):
        return Said(Command(name="merge"), _other_branch(context, "Merge which branch into this one?"))
    text = re.sub(
        r"(?:the )?(\S+?)(?: branch)?'s? (changes|edits|edit|work|adjustments|steps)", r"the \2 from \1", text
    )
    return next((said for slots in every_match("merge", text) if (said := _merged(slots, text, context))), None)


def _merged(slots: dict[str, str], text: str, context: Context) -> Said | None:
    meant = resolve(slots["ref"], context)
    into = slots.get("into")
    if meant is not None and into is not None and " into " not in text and _is_current(slots["ref"], context):
        meant, into = resolve(into, context), None
    if meant is None:
        return None
    if into is not None and into not in _HERE and not _is_current(into, context):
        place = resolve(into, context)
        if place is None:
            return None
        if place.branch != context.branch:
            return Said(Command(name="merge"), _other_branch(context, f"Merge which branch into {context.branch}?"))
    if meant.branch == context.branch or (meant.branch is None and meant.revisions[0] in references.line(context)):
        return None
    if len(meant.revisions) > 1:
        return _which(Command(name="merge"), meant, "command.target", context)
    return Said(Command(name="merge", target=meant.target))


def _is_current(text: str, context: Context) -> bool:
    """ "This one", "what I have here", the name of the branch."""
    meant = resolve(text, context)
    own = meant is not None and (meant.branch == context.branch)
    return own or text in _HERE or matches("current", text)


def _other_branch(context: Context, question: str) -> Ask:
    others = [name for name in context.branches if name != context.branch]
    answers = tuple(Candidate(label=name, value=name) for name in others)
    return Ask(question=question, candidates=answers, slot="command.target", free=True)


def _branch(text: str, context: Context) -> Said | None:
    slots = match("branch", text)
    if slots is None or slots.get("name") in {"change", "switch", "other"}:
        return None
    start = resolve(slots["ref"], context) if "ref" in slots else None
    if "ref" in slots and (start is None or len(start.revisions) != 1):
        return None
    other = start.target if start else None
    if "name" not in slots or re.match(r"(?:the|my|a|an|this|that) ", slots["name"]):
        ask = Ask(question="What should the new branch be called?", slot="command.target", free=True)
        return Said(Command(name="branch", other=other), ask)
    return Said(Command(name="branch", target=_slug(slots["name"]), other=other))


def _slug(name: str) -> str:
    return re.sub(r"\s+", "-", name.strip())


def _rename(text: str, context: Context) -> Said | None:
    named = [match("rename to what", text), *every_match("rename", text)]
    return next((said for slots in named if slots is not None and (said := _renamed(slots, context))), None)


def _renamed(slots: dict[str, str], context: Context) -> Said | None:
    meant = resolve(slots["ref"], context) if "ref" in slots else None
    if "ref" in slots and (meant is None or meant.branch is None):
        return None
    if slots.get("name", "").startswith("a "):
        return None
    old = context.branch if meant is None else meant.branch
    if "name" not in slots:
        ask = Ask(question="What should it be called?", slot="command.other", free=True)
        return Said(Command(name="rename", target=old), ask)
    return Said(Command(name="rename", target=old, other=_slug(slots["name"])))


def _export(text: str, context: Context) -> Said | None:
    command = exports.read(text, context)
    return None if command is None else Said(command)


def _original_file(text: str, context: Context) -> Said | None:
    """ "Give me the original file back" moves nothing, "give me the original back" does."""
    return _export(text, context) if matches("export the original", text) else None


def _replay(text: str, context: Context) -> Said | None:
    found = replays.read(text, context)
    return None if found is None else Said(*found)


# --- taking one step out of the line ----------------------------------------------------------------------------------

_UNDOING = {"undo", "revert", "reverse", "cancel", "take back"}
_PUT_THERE = {"vignette", "border", "blur", "monochrome", "text", "crop", "sharpen", "adjust", "flip", "rotate"}
"""Tools whose work is taken back by "remove"; things are removed from the picture instead."""


def _take_back(text: str, context: Context) -> Said | None:
    """ "Undo the blur", "drop the border from sepia": back to where it was not there yet, if it was the last step."""
    disliked = match("dislike", text)
    slots = {"verb": "remove", "what": disliked["what"]} if disliked else match("take back", text)
    if slots is None or (
        re.match(r"(?:all|any|every|most|some|half) ", slots["what"]) and slots["verb"] not in _UNDOING
    ):
        return None
    here = "where" in slots and matches("subject", re.sub(r" again$", "", slots["where"]))
    if here:
        del slots["where"]
    place = _elsewhere(slots["where"], context) if "where" in slots else context
    if place is None:
        return None
    line = references.line(place)
    several = _several(slots["what"], line, place) if place is context else None
    if several is not None:
        return several
    what = re.sub(r"^(?:the|that|my|this|those) | (?:too|as well)$", "", slots["what"])
    steps = [revision for revision in references.described(what, context) if revision in line]
    named = bool(Clause.of(cut(what)).heads()) and what not in {"color", "colors"}
    if not steps or not (slots["verb"] in _UNDOING or (named and steps[0].tool in _PUT_THERE)):
        return None
    step = steps[0]
    parent = references.before(step, context)
    if step is not line[0]:
        question = f"Later edits stand on #{step.seq} {step.tool}. Go back to before it?"
        ask = Ask(question=question, candidates=references.candidates(parent, context), slot="command.target")
        return Said(Command(name="switch"), ask)
    if place is context and references.alone(step, line, context):
        return Said(Command(name="undo"))
    return Said(Command(name="switch", target=f"#{parent[0].seq}"))


def _several(what: str, line: Sequence[Revision], context: Context) -> Said | None:
    """ "(Undo) the vignette and the black and white": the last two steps, or a question."""
    for joint in re.finditer(r" and ", what):
        parts = (re.sub(r"^(?:both |the |my )+", "", part) for part in (what[: joint.start()], what[joint.end() :]))
        found = [[step for step in references.by_tool(part, context) if step in line] for part in parts]
        if not all(found):
            continue
        steps = {steps[0].id for steps in found}
        if steps == {step.id for step in line[: len(steps)]}:
            return Said(Command(name="undo", count=len(steps)))
        ask = Ask(question="Later edits stand on these. Which version should I go back to?",
                  candidates=references.candidates(line[:4], context), slot="command.target")  # fmt: skip
        return Said(Command(name="switch"), ask)
    return None


def _recalled(text: str, context: Context) -> Said | None:
    """ "The contrast was a mistake, undo it", "I liked it better in colour, take me there"."""
    found = antecedents.recalled(text, context)
    if found is None:
        better = match("better before", text)
        return Said(Command(name="undo")) if better and _is_here(better["what"], context) else None
    if found.there is None:
        return _take_back(f"undo {found.unwanted}", context) if found.unwanted else Said(Command(name="undo"))
    if antecedents.undone_among(found.there.revisions, context):
        return Said(Command(name="redo"))
    return _to(found.there, context)


def _is_here(what: str, context: Context) -> bool:
    """Whether the words mean the picture as it is."""
    meant = resolve(what, context)
    return matches("subject", what) or (meant is not None and meant.target == context.branch)


def _elsewhere(name: str, context: Context) -> Context | None:
    """The context as it would be on another branch."""
    meant = resolve(name, context)
    if meant is None or meant.branch is None:
        return None
    return Context(meant.branch, meant.revisions[0].id, context.branches, context.revisions, context.words)


def _color_back(text: str, context: Context) -> Said | None:
    """ "Bring the colour back": to before the line became grey."""
    gray = [revision for revision in references.line(context) if revision.tool == "monochrome"]
    if not gray or not matches("color back", text):
        return None
    return Said(Command(name="switch", target=f"#{references.before(gray[-1], context)[0].seq}"))


RULES: tuple[Callable[[str, Context], Said | None], ...] = (
    _original_file, _undo, _redo, _reset, _before_after, _recalled, _take_back, _color_back, _replay, _rename, _branch,
    _merge, _compare, _export, _switch,
)  # fmt: skip


__all__ = ["RULES", "Said", "read", "spoken", "stripped"]
