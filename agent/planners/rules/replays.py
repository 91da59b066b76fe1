"""Steps done again elsewhere, in words: "apply the cat's edits to the dog", "do the same to the attached photo".

Says from where to where; what the steps are is read from the history when the plan is checked.
"""

from __future__ import annotations

import re

from agent.plan import Ask, Command, Context
from agent.planners.rules import references
from agent.planners.rules.patterns import every_match, matches
from agent.planners.rules.references import Reference, resolve
from sessions.values import Revision

Replay = tuple[Command, Ask | None]
"""The command, and the question that must be answered first."""

_CLAUSE = re.compile(
    r"(?:(?:that|which|what|as|like) )?(?:(?:i|you|we) (?:have )?(?:just )?(?:did|done|made|applied|used|gave) )?"
    r"(?:(?:to|with|on|for|from|in) )?"
)


def read(text: str, context: Context) -> Replay | None:
    """The replay that the words are, or None. `other` is left out where the steps are those of the current version."""
    for slots in every_match("replay", text):
        found = _read(slots["ref"], slots.get("src"), context)
        if found is not None:
            return found
    return _where(context) if matches("replay where", text) else None


def _read(ref: str, src: str | None, context: Context) -> Replay | None:
    source = _source(src, context) if src is not None else None
    if src is not None and source is None:
        return None
    other = _target(source) if source is not None and not _here(source, context) else None
    if source is not None and len(source.revisions) > 1:
        return _which("Whose steps do you mean?", "command.other", source, Command(name="replay"), context)
    if _attached(ref, context):
        return Command(name="replay", other=other), None
    if matches("sent with the message", ref):
        return _where(context)
    meant = resolve(ref, context)
    if meant is None:
        return None
    if len(meant.revisions) > 1:
        again = Command(name="replay", other=other)
        return _which("Which version do you mean?", "command.target", meant, again, context)
    if other is None and _here(meant, context):
        return _where(context)
    return Command(name="replay", target=meant.target, other=other), None


def _attached(ref: str, context: Context) -> bool:
    """Whether a photo that came with the message is meant."""
    if not any(asset.kind == "image" for asset in context.attachments):
        return False
    return matches("sent with the message", ref) or matches("may be sent with the message", ref)


def _source(src: str, context: Context) -> Reference | None:
    """The version whose steps are meant; of a photo, the versions that were made of it."""
    meant = resolve(_CLAUSE.sub("", src, count=1).removesuffix("'s"), context)
    if meant is None or len(meant.revisions) > 1 or meant.revisions[0].parents:
        return meant
    made = tuple(head for head in _heads(context) if meant.revisions[0] in references.line_to(head.id, context))
    return Reference(made) if made else meant


def _heads(context: Context) -> list[Revision]:
    """The heads of branches on which something was done, each once."""
    heads = set(context.branches.values())
    return [revision for revision in context.revisions if revision.id in heads and revision.parents]


def _here(meant: Reference, context: Context) -> bool:
    return len(meant.revisions) == 1 and meant.revisions[0].id == context.head


def _target(meant: Reference) -> str:
    """How a command names a version; `original` would be that of another line here."""
    return f"#{meant.revisions[0].seq}" if meant.original else meant.target


def _which(question: str, slot: str, meant: Reference, command: Command, context: Context) -> Replay:
    return command, Ask(question=question, candidates=references.candidates(meant.revisions, context), slot=slot)


def _where(context: Context) -> Replay:
    own = references.line(context)
    others = [revision for revision in context.revisions if not revision.parents and revision not in own]
    fits = references.candidates(others, context)
    question = "Apply the same steps to which photo or version?"
    return Command(name="replay"), Ask(question=question, candidates=fits, slot="command.target", free=True)
