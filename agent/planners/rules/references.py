"""Which version is meant: "#7", "the second one", "the black and white one", "the version before the crop", "sepia", "original".

Resolves words against the revision graph; says all that fit and does not choose between them.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from functools import lru_cache
from dataclasses import dataclass

from agent.plan import Candidate, Context
from agent.planners.rules.clause import Clause
from agent.planners.rules.lexicon import Head
from agent.planners.rules.numbers import CARDINALS, ORDINALS
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


NOUN = r"(?:version|one|revision|edit|state|variant|attempt|branch|try|result|step)"
PICTURE = r"(?:picture|photo|photograph|image|shot|pic|snap|file)"
_ORIGINAL = re.compile(
    rf"(?:very )?(?:original|untouched|unedited|unmodified|initial|uploaded|raw|untouced|unaltered|starting|source)(?: (?:{NOUN}|{PICTURE}|upload|one|file|state))?|"
    rf"upload|(?:very )?(?:beginning|start)|(?:very )?first (?:{NOUN}|{PICTURE}|upload)|how it (?:was|looked) (?:at|in) the (?:very )?(?:beginning|start)|"
    r"what i uploaded|(?:the )?(?:photo|picture|image|one|version) i uploaded|(?:the )?way (?:i|it) (?:uploaded it|was at the (?:beginning|start)|started|was originally)|how it was originally|how it (?:was|looked) when i uploaded it|how i uploaded it|scratch"
)
_NUMBERED = re.compile(rf"(?:{NOUN}|{PICTURE}|number|no|nr|v|version number|revision number|step number)? ?#?(\d+|{'|'.join(CARDINALS)})")
_ORDINAL = re.compile(rf"({'|'.join(ORDINALS)}|\d+(?:st|nd|rd|th)) (?:{NOUN}|{PICTURE}|upload)")
_FROM_LAST = re.compile(
    rf"(?:(second|third|fourth) (?:to|from) (?:the )?last|(next) to (?:the )?last|(penultimate)|(previous|prior|preceding|earlier))(?: (?:{NOUN}|{PICTURE}))?|(one|version|{PICTURE}) before (?:that|this|it|the last|the current one)"
)
_CURRENT = re.compile(rf"(?:current|present|latest|newest|last|most recent|final)(?: (?:{NOUN}|{PICTURE}))?|this|this {NOUN}|it|now|this {PICTURE}|what i have now|(?:the )?one i have now")
_BEFORE = re.compile(
    rf"(?:(?:{NOUN}|{PICTURE}|point|moment|way it was|how it was|how it looked|way it looked|it was|what it was|time) )?(?:from )?(?:right |just |immediately )?before (?:(?:i|we|you) (?:added|put|made|did|applied|turned|changed|had)? ?|it (?:was|became|got|turned) |adding |applying |doing |making |it )?(?P<what>.+)"
)
_AFTER = re.compile(rf"(?:{NOUN}|{PICTURE}|state|point) (?:right |just )?after (?:(?:i|we|you) (?:added|put|made|did|applied)? ?|adding |applying )?(?P<what>.+)")
_WITH = re.compile(rf"(?:{NOUN}|{PICTURE}) (?:with|that has|having|in|where (?:i|you|we)|that (?:is|was)|i made) (?P<what>.+)")
_WITHOUT = re.compile(rf"(?:{NOUN}|{PICTURE}) without (?P<what>.+)")
_OTHER = re.compile(rf"other (?:{NOUN}|{PICTURE}|one)")
_KIND = re.compile(rf"(?P<what>.+?) (?:{NOUN}|look)")
_OFPICTURE = re.compile(rf"(?:{PICTURE} of (?:the |my )?)?(?P<what>.+?)(?: {PICTURE})?")
_LEADING = re.compile(r"^(?:the|my|that|our|your|to|an|a|branch|old) ")


def resolve(text: str, context: Context) -> Reference | None:
    """What the words mean; None where they mean no version of this session."""
    text = text.strip()
    while (shorter := _LEADING.sub("", text)) != text:
        text = shorter
    for how in (_branch, _by_number, _original, _by_place, _around_step, _by_words, _by_file, _other):
        found = how(text, context)
        if found is not None:
            return found
    return None


def line(context: Context) -> list[Revision]:
    """The first-parent line from the head back to its root."""
    known = {revision.id: revision for revision in context.revisions}
    found: list[Revision] = []
    at = context.head
    while at is not None and at in known:
        found.append(known[at])
        at = known[at].parents[0] if known[at].parents else None
    return found


def label(revision: Revision, context: Context) -> str:
    """ "#2 monochrome (main)": how a revision is called in a question."""
    branches = [name for name, head in context.branches.items() if revision in _back(head, context)]
    own = [name for name in branches if context.branches[name] == revision.id] or branches
    what = revision.name if revision.step is None and revision.name else revision.tool
    return f"#{revision.seq} {what}" + (f" ({own[0]})" if own else "")


def candidates(revisions: Sequence[Revision], context: Context) -> tuple[Candidate, ...]:
    """Revisions as answers to a question."""
    return tuple(Candidate(label=label(revision, context), revision=revision.id) for revision in revisions)


def _back(head: str, context: Context) -> list[Revision]:
    known = {revision.id: revision for revision in context.revisions}
    found: list[Revision] = []
    at: str | None = head
    while at is not None and at in known:
        found.append(known[at])
        at = known[at].parents[0] if known[at].parents else None
    return found


def _one(revision: Revision | None) -> Reference | None:
    return Reference((revision,)) if revision is not None else None


def plain(name: str) -> str:
    """A name as its words would be normalised in a message."""
    return " ".join(word.text for word in cut(name))


def _branch(text: str, context: Context) -> Reference | None:
    name = text.removesuffix(" branch")
    for trial in (name, re.sub(rf" {NOUN}$", "", name)):
        for branch, head in context.branches.items():
            if plain(branch) == trial:
                return Reference(tuple(r for r in context.revisions if r.id == head), branch=branch)
    return None


def _by_number(text: str, context: Context) -> Reference | None:
    found = _NUMBERED.fullmatch(text)
    if found is None:
        return None
    number = int(CARDINALS[found[1]]) if found[1] in CARDINALS else int(found[1])
    if text == found[1]:
        return None
    return _one(next((revision for revision in context.revisions if revision.seq == number), None))


def _original(text: str, context: Context) -> Reference | None:
    if not _ORIGINAL.fullmatch(text):
        return None
    roots = line(context)[-1:]
    return Reference(tuple(roots), original=True) if roots else None


def _by_place(text: str, context: Context) -> Reference | None:
    """Ordinals over all versions, and places counted from the head."""
    back = line(context)
    if _CURRENT.fullmatch(text):
        return _one(back[0] if back else None)
    ordinal = _ORDINAL.fullmatch(text)
    if ordinal:
        number = ORDINALS.get(ordinal[1]) or int(ordinal[1][:-2])
        return _one(next((revision for revision in context.revisions if revision.seq == number), None))
    last = _FROM_LAST.fullmatch(text)
    if last:
        steps = {"second": 1, "third": 2, "fourth": 3}.get(last[1] or "", 1)
        return _one(back[steps] if len(back) > steps else None)
    return None


def _around_step(text: str, context: Context) -> Reference | None:
    """ "Before the crop" is the parent of the crop, "the version after the crop" is the crop."""
    before, after = _BEFORE.fullmatch(text) or _WITHOUT.fullmatch(text), _AFTER.fullmatch(text)
    if before:
        known = {revision.id: revision for revision in context.revisions}
        steps = described(before["what"], context)
        parents = {step.parents[0]: known[step.parents[0]] for step in steps if step.parents}
        return Reference(tuple(parents.values())) if parents else None
    if after:
        steps = described(after["what"], context)
        return Reference(tuple(steps)) if steps else None
    return None


def _by_words(text: str, context: Context) -> Reference | None:
    for pattern in (_KIND, _WITH):
        found = pattern.fullmatch(text)
        if found:
            branch = _branch(found["what"], context)
            if branch is not None:
                return branch
            steps = described(found["what"], context)
            if steps:
                return Reference(tuple(steps))
    return None


def _by_file(text: str, context: Context) -> Reference | None:
    """ "The cat" is the branch that shows cat.jpg, where there are several photos."""
    found = _OFPICTURE.fullmatch(text)
    roots = [revision for revision in context.revisions if not revision.parents]
    if found is None or len(roots) < 2:
        return None
    for root in roots:
        if plain(root.name.rpartition(".")[0]) == found["what"]:
            heads = {name: head for name, head in context.branches.items() if root in _back(head, context)}
            if len(heads) == 1:
                name, head = heads.popitem()
                return Reference(tuple(r for r in context.revisions if r.id == head), branch=name)
            return Reference((root,))
    return None


def _other(text: str, context: Context) -> Reference | None:
    """ "The other photo", where there are two."""
    own = line(context)[-1:]
    others = [name for name, head in context.branches.items() if own and own[0] not in _back(head, context)]
    if not _OTHER.fullmatch(text) or len(others) != 1:
        return None
    return _branch(plain(others[0]), context)


def described(text: str, context: Context) -> list[Revision]:
    """The steps that the words describe: by tool and arguments, or by the words of the message that made them."""
    words = re.sub(r"^(?:the|a|an|my|that|it|adding|applying|i|you|we) ", "", text)
    words = re.sub(rf" (?:{NOUN}|thing|part|stuff|edit|change|it|on|that)$", "", words)
    by_tool = [revision for revision in context.revisions if revision.step and _fits(words, revision)]
    return by_tool or list(_said(words, context))


def _fits(text: str, revision: Revision) -> bool:
    """Whether every content word is explained by the revision's tool, arguments and region."""
    clause = _clause(text).copy()
    heads = [item.value for item in clause.items if item.kind == "head"]
    heads += [item.value.inner.value for item in clause.items if item.kind == "thing" and item.value.inner is not None]
    regions = [item.value.words for item in clause.items if item.kind == "thing" and item.value.inner is None]
    clause.take_all("head", "thing", "degree", "direction", "fill")
    colors, ratios = clause.take_all("color"), clause.take_all("ratio")
    if not heads or clause.unexplained() or revision.step is None:
        return False
    step = revision.step
    fits = all(_head_fits(head, step.tool, step.args) for head in heads)
    fits &= all(step.args.get("color") == color for color in colors)
    fits &= all(step.args.get("aspect") == ratio for ratio in ratios)
    return fits and all(step.region is not None and step.region.words == region for region in regions)


@lru_cache(maxsize=256)
def _clause(text: str) -> Clause:
    return Clause.of(cut(text))


def _head_fits(head: Head, tool: str, args: dict[str, object]) -> bool:
    meant = str(head.args.get("instead", head.tool))
    if meant != tool:
        return False
    for name, value in head.args.items():
        if name in {"tone", "axis"} and args.get(name) != value:
            return False
        if name == "aspect" and args.get("aspect") != value and args.get("preset") != "square":
            return False
        if tool == "adjust":
            given = args.get(name)
            if not isinstance(given, int | float) or (given * value <= 0 and head.form != "noun"):
                return False
    return True


def _said(text: str, context: Context) -> Iterator[Revision]:
    """Revisions whose message has all the words."""
    wanted = set(plain(text).split())
    for revision in context.revisions:
        said = set(plain(context.words.get(revision.id, "")).split())
        if wanted and revision.step is not None and wanted <= said:
            yield revision
