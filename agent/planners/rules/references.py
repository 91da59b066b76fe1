"""Which version is meant: "#7", "the second one", "the black and white one", "the version before the crop", "sepia".

Resolves words against the revision graph; says all that fit and does not choose between them.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import pairwise

from agent.plan import Candidate, Command, Context
from agent.planners.rules import states
from agent.planners.rules.clause import Clause
from agent.planners.rules.lexicon import Head
from agent.planners.rules.numbers import CARDINALS, ORDINALS
from agent.planners.rules.patterns import every_match, match, matches
from agent.planners.rules.words import cut
from sessions.values import Revision


@dataclass(frozen=True)
class Reference:
    """What words may mean: a branch by its name, or revisions. Two revisions are two meanings."""

    revisions: tuple[Revision, ...]
    branch: str | None = None
    original: bool = False

    @property
    def target(self) -> str:
        """How a command names it."""
        if self.branch is not None:
            return self.branch
        return "original" if self.original else f"#{self.revisions[0].seq}"


_LEADING = re.compile(r"^(?:(?:the|my|that|our|your|to|an|a|old) )+")


def resolve(text: str, context: Context) -> Reference | None:
    """What the words mean; None where they mean no version of this session."""
    text = _LEADING.sub("", text.strip())
    for how in (
        _branch, _by_number, _original, _by_place, _around_step, _colored, _as_it_was, _nth, _crop, _on_branch,
        _by_step, _by_file, _other, _by_state, _twice,
    ):  # fmt: skip
        found = how(text, context)
        if found is not None:
            return found
    return None


def described(text: str, context: Context) -> list[Revision]:
    """The steps that the words describe: by tool and arguments, or by the words of the message that made them."""
    if re.search(r"\b(?:where|when|which)\b", text):
        return []
    words = re.sub(
        r"^(?:(?:the|a|an|my|its|it is|that|it|adding|applying|i|you|we|made|turned|put|added|did|had|first|just"
        r"|the picture|the photo) )+",
        "",
        text,
    )
    words = re.sub(r"^(?:gray|colorless|without color)$", "black and white", words)
    words = re.sub(r" (?:version|one|edit|step|change|thing|part|stuff|it|on|that)$", "", words)
    passive = re.fullmatch(
        r"(?:the )?(\w+(?: \w+)?) (?:was|were|got|became|went|turned|is|being) (\w+(?: \w+){0,2})", words
    )
    fits = by_tool(words, context) or (by_tool(f"{passive[1]} {passive[2]}", context) if passive else [])
    return fits or list(_said(words, context))


def by_tool(words: str, context: Context) -> list[Revision]:
    """The steps whose tool, arguments and region the words describe."""
    return [revision for revision in context.revisions if revision.step and _fits(words, revision)]


# --- the graph --------------------------------------------------------------------------------------------------------


def line(context: Context) -> list[Revision]:
    """The first-parent line from the head back to its root."""
    return line_to(context.head, context)


def before(step: Revision, context: Context) -> tuple[Revision, ...]:
    """What a step was made from; nothing for a root."""
    return tuple(revision for revision in context.revisions if revision.id in step.parents[:1])


def landing(command: Command, context: Context) -> str | None:
    """The id of the version that a command goes back to; None where it does something else."""
    back = line(context)
    match command.name:
        case "undo":
            return back[min(command.count, len(back) - 1)].id if back else None
        case "reset":
            return back[-1].id if back else None
        case "switch" | "compare" if command.target and command.other is None:
            meant = resolve(command.target, context)
            return meant.revisions[0].id if meant is not None and len(meant.revisions) == 1 else None
    return None


def alone(step: Revision, among: Sequence[Revision], context: Context) -> bool:
    """Whether the message that made a step made nothing else: then undo takes back just this."""
    turn = step.turn or context.words.get(step.id)
    others = (other for other in among if other is not step and other.parents)
    return not any((other.turn or context.words.get(other.id)) == turn for other in others)


def label(revision: Revision, context: Context) -> str:
    """ "#2 monochrome (main)": how a revision is called in a question."""
    branches = [name for name, head in context.branches.items() if revision in line_to(head, context)]
    own = [name for name in branches if context.branches[name] == revision.id] or branches
    what = revision.name if revision.step is None and revision.name else revision.tool
    return f"#{revision.seq} {what}" + (f" ({own[0]})" if own else "")


def candidates(revisions: Sequence[Revision], context: Context) -> tuple[Candidate, ...]:
    """Revisions as answers to a question."""
    return tuple(Candidate(label=label(revision, context), revision=revision.id) for revision in revisions)


def plain(name: str) -> str:
    """A name as its words would be normalised in a message."""
    return " ".join(word.text for word in cut(name))


def line_to(head: str | None, context: Context) -> list[Revision]:
    """The first-parent line from a revision back to its root."""
    known = {revision.id: revision for revision in context.revisions}
    found: list[Revision] = []
    while head is not None and head in known:
        found.append(known[head])
        head = known[head].parents[0] if known[head].parents else None
    return found


# --- one way of naming a version each ---------------------------------------------------------------------------------


def _branch(text: str, context: Context) -> Reference | None:
    name = text.removesuffix(" branch").removeprefix("branch ")
    for branch, head in context.branches.items():
        if plain(branch) in {name, re.sub(r" (?:version|one|state|variant)$", "", name)}:
            return Reference(tuple(r for r in context.revisions if r.id == head), branch=branch)
    return None


def _by_number(text: str, context: Context) -> Reference | None:
    slots = match("numbered", text)
    if slots is None:
        return None
    said = next(iter(slots.values())).lstrip("#")
    return _numbered(int(CARDINALS[said]) if said in CARDINALS else int(said), context)


def _numbered(number: int, context: Context) -> Reference | None:
    return next((Reference((revision,)) for revision in context.revisions if revision.seq == number), None)


def _original(text: str, context: Context) -> Reference | None:
    roots = line(context)[-1:]
    if not roots or not matches("original", text):
        return None
    uploads = [revision for revision in context.revisions if not revision.parents]
    if "first" in text.split() and len(uploads) > 1:
        return _by_file(plain(uploads[0].name.rpartition(".")[0]), context)
    return Reference(tuple(roots), original=True)


def _by_place(text: str, context: Context) -> Reference | None:
    """Ordinals over all versions, and places counted from the head."""
    ordinal = match("ordinal", text)
    if ordinal:
        said = ordinal["nth"]
        return _numbered(ORDINALS.get(said) or int(said[:-2]), context)
    back = line(context)
    if matches("current", text):
        return Reference((back[0],)) if back else None
    from_end = match("from the end", text)
    if from_end is None:
        return None
    steps = _ago(from_end["ago"]) if "ago" in from_end else ORDINALS.get(from_end.get("second", "second"), 2) - 1
    return Reference((back[steps],)) if len(back) > steps else None


def _ago(said: str) -> int:
    return {"a": 1, "a couple of": 2}.get(said) or int(CARDINALS.get(said, said))


def _around_step(text: str, context: Context) -> Reference | None:
    """ "Before the crop" is the parent of the crop, "the version after the crop" is the crop."""
    kinds = match("one kind without another", text)
    if kinds and (lacking := _lacking(kinds["kind"], kinds["what"], context)):
        return lacking
    for slots in every_match("before a step", text):
        if steps := described(slots["what"], context):
            return _reference(_parents(steps, context))
    later = (described(slots["what"], context) for slots in every_match("after a step", text))
    return _reference(next((steps for steps in later if steps), []))


def _parents(steps: Sequence[Revision], context: Context) -> list[Revision]:
    """What the steps were made from, each once."""
    return list({parent.id: parent for step in steps for parent in before(step, context)}.values())


def _reference(revisions: Sequence[Revision]) -> Reference | None:
    return Reference(tuple(revisions)) if revisions else None


def _lacking(kind: str, what: str, context: Context) -> Reference | None:
    """ "The sepia version without the border": before the border, but on the line of the sepia."""
    steps = described(kind, context)
    parents = _parents(described(what, context), context)
    return _reference([parent for parent in parents if any(step in line_to(parent.id, context) for step in steps)])


def _colored(text: str, context: Context) -> Reference | None:
    """ "The colour version": before the line became grey."""
    gray = [revision for revision in line(context) if revision.tool == "monochrome"]
    return _reference(before(gray[-1], context)) if gray and matches("colored", text) else None


def _as_it_was(text: str, context: Context) -> Reference | None:
    """ "When it was square", "where it was only cropped", "how it looked in sepia"."""
    slots = match("as it was", text)
    if slots is None:
        return None
    return _colored(f"{slots['what']} version", context) or _reference(described(slots["what"], context))


def _nth(text: str, context: Context) -> Reference | None:
    """ "The first black and white version"."""
    slots = match("nth of a kind", text)
    steps = described(slots["what"], context) if slots else []
    at = (ORDINALS.get(slots["nth"]) or int(slots["nth"][:-2])) - 1 if slots else 0
    return Reference((steps[at],)) if at < len(steps) else None


def _by_step(text: str, context: Context) -> Reference | None:
    slots = match("by its step", text)
    return _branch(slots["what"], context) or _reference(described(slots["what"], context)) if slots else None


def _crop(text: str, context: Context) -> Reference | None:
    """ "The square crop" is a version; other steps are called by their names only together with "version"."""
    return _reference(
        [step for step in by_tool(text, context) if step.tool == "crop"] if text.endswith(" crop") else []
    )


def _on_branch(text: str, context: Context) -> Reference | None:
    """ "The black and white on main"."""
    slots = match("of a branch", text)
    place = _branch(slots["branch"], context) if slots else None
    if slots is None or place is None:
        return None
    if matches("a version", slots["what"]):
        return place
    back = line_to(context.branches[str(place.branch)], context)
    return _reference([step for step in described(slots["what"], context) if step in back])


def _twice(text: str, context: Context) -> Reference | None:
    """ "The warm one from before it went grey", "the colour version number 3": what both descriptions fit."""
    numbered = re.fullmatch(r"(.+?) (?:from |at )?((?:(?:number|version|no) )?#?\d+)", text)
    if numbered:
        one, number = resolve(numbered[1], context), _by_number(numbered[2], context)
        return shared(one, number, context) if one and number else None
    for joint in re.finditer(r" (?:as it was |from )?(?=(?:before|without) )", text):
        first, second = resolve(text[: joint.start()], context), _around_step(f"version {text[joint.end() :]}", context)
        if first is not None and second is not None:
            return shared(first, second, context)
    return None


def shared(one: Reference, other: Reference, context: Context) -> Reference | None:
    """What two descriptions of one version both fit: the same revisions, or the earlier on the line of the later."""
    same = [revision for revision in other.revisions if revision in one.revisions]
    heads = [revision.id for revision in one.revisions]
    return _reference(same or [r for r in other.revisions if any(r in line_to(head, context) for head in heads)])


def _by_file(text: str, context: Context) -> Reference | None:
    """ "The cat" is the branch that shows cat.jpg, where there are several photos; "the original cat" is its upload."""
    upload, named = match("upload of a file", text), match("of a file", text)
    roots = [revision for revision in context.revisions if not revision.parents]
    for root in roots:
        name = plain(root.name.rpartition(".")[0])
        if upload is not None and upload["what"].removesuffix("'s") == name:
            return Reference((root,))
        if named is not None and named["what"] == name and len(roots) > 1:
            branches = [branch for branch, head in context.branches.items() if root in line_to(head, context)]
            return _branch(plain(branches[0]), context) if len(branches) == 1 else Reference((root,))
    return None


def _other(text: str, context: Context) -> Reference | None:
    """ "The other photo", where there are two; "the other black and white one"."""
    own = line(context)
    kind = match("other kind", text)
    if kind:
        return _reference([step for step in described(kind["what"], context) if step not in own])
    others = [name for name, head in context.branches.items() if own and own[-1] not in line_to(head, context)]
    if "branch" in text:
        others = [name for name in context.branches if name != context.branch]
    if not others and matches("other photo", text):
        others = [name for name in context.branches if name != context.branch]
    if not others or not matches("other photo", text):
        return None
    if len(others) == 1:
        return _branch(plain(others[0]), context)
    heads = {context.branches[name] for name in others}
    return _reference([revision for revision in context.revisions if revision.id in heads])


def _by_state(text: str, context: Context) -> Reference | None:
    """ "The uncropped photo", "square and still in colour": the latest of the line, or else of all, that fits."""
    for root in line(context)[-1:]:
        text = text.removeprefix(f"{plain(root.name.rpartition('.')[0])} ")
    state = states.described(text, lambda words: [] if _clause(words).has("direction") else by_tool(words, context))
    if state is None:
        return None
    own = next((revision for revision in line(context) if state.fits(line_to(revision.id, context))), None)
    if own is not None:
        return Reference((own,), original=not own.parents)
    return _reference([revision for revision in context.revisions if state.fits(line_to(revision.id, context))])


# --- does a step fit a description ------------------------------------------------------------------------------------


def _fits(text: str, revision: Revision) -> bool:
    """Whether every word is explained by the revision's tool, arguments and region."""
    clause = _clause(text).copy()
    things = clause.all("thing")
    heads = clause.heads() + [thing.inner.value for thing in things if thing.inner is not None]
    regions = [thing.words for thing in things if thing.inner is None]
    clause.take_all("head", "thing", "degree", "direction", "fill")
    colors, ratios = clause.take_all("color"), clause.take_all("ratio")
    if not heads or clause.items_but_articles() or revision.step is None or _unfinished(text):
        return False
    step = revision.step
    return (
        all(_head_fits(head, step.tool, step.args) for head in heads)
        and all(step.args.get("color") == color for color in colors)
        and all(step.args.get("aspect") == ratio for ratio in ratios)
        and all(step.region is not None and step.region.words == region for region in regions)
    )


_UNFINISHED = {"the", "a", "and", "my", "an", "or", "but", "with", "to", "of", "it", "is", "less", "more", "up", "down"}


def _unfinished(text: str) -> bool:
    """ "Black and white and", "black and white and lift": something else begins in it; "flip this one" is an order."""
    items = _clause(text).items
    if any(one.kind == "head" and one.value.form == "verb" and two.value == "it" for one, two in pairwise(items)):
        return True
    verb = len(items) > 1 and items[-1].kind in {"direction", "make", "add", "head"} and items[-2].kind == "conj"
    return text.split()[-1] in _UNFINISHED or verb


@lru_cache(maxsize=256)
def _clause(text: str) -> Clause:
    return Clause.of(cut(text))


def _head_fits(head: Head, tool: str, args: dict[str, object]) -> bool:
    if head.args.get("instead", head.tool) != tool:
        return False
    for name, value in head.args.items():
        given = args.get(name)
        if name in {"tone", "axis"} and given != value:
            return False
        if name == "aspect" and given != value and args.get("preset") != "square":
            return False
        if tool == "adjust" and not (isinstance(given, int | float) and (given * value > 0 or head.form == "noun")):
            return False
    return True


def _said(text: str, context: Context) -> Iterator[Revision]:
    """Revisions whose message has all the words."""
    words = plain(text).split()
    wanted = set(words) if words and words[-1] not in _UNFINISHED and len(set(words)) == len(words) else set()
    for revision in context.revisions:
        said = set(plain(context.words.get(revision.id, "")).split())
        if wanted and revision.step is not None and wanted <= said:
            yield revision
