"""Requests that lean on what was done before: "less vignette", "a bit more", "sepia instead", "instead of the crop".

Turns drafts that only make sense against the history into ordinary ones: with a version to start from, or with the
amounts of an earlier step. What stands in the middle of a line is not taken out silently; it is asked about.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from agent.plan import Context
from agent.planners.rules import references
from agent.planners.rules.amounts import SCALES
from agent.planners.rules.asides import Ban
from agent.planners.rules.clause import Draft, Need
from agent.planners.rules.patterns import matches
from agent.planners.rules.references import Reference
from sessions.values import Json, Revision

START = "start of what is replaced"
"""The key of a draft's base when it replaces an earlier step."""
_STRENGTH = {"blur", "sharpen", "denoise", "vignette", "auto"}


def settled(drafts: Sequence[Draft], context: Context, said: str = "") -> tuple[list[Draft], dict[str, Reference]]:
    """The drafts with "less", "more" and "half of it" worked out, and where replaced steps start. `said`: the words."""
    if matches("also as before", said):
        drafts = [_likewise(draft, context) for draft in drafts]
    out: list[Draft] = []
    starts: dict[str, Reference] = {}
    for draft in drafts:
        if draft.factor is None:
            out.append(_there(draft, context))
            continue
        weaker, start = _scaled(draft, context)
        out.append(weaker)
        starts |= {START: start} if start else {}
    return out, starts


def _likewise(draft: Draft, context: Context) -> Draft:
    """ "Flip this one too": the way that another was flipped, where all were flipped the same way."""
    flips = [revision.step for revision in context.revisions if revision.step is not None and revision.tool == "flip"]
    axes = {str(step.args.get("axis", "horizontal")) for step in flips}
    if draft.tool != "flip" or draft.need is None or len(axes) != 1:
        return draft
    return replace(draft, args={"axis": axes.pop()}, need=None)


def _there(draft: Draft, context: Context) -> Draft:
    """ "Blur it more", right after a blur of the background, is about the background."""
    last = references.line(context)[:1]
    if draft.tool == "remove" and draft.region and references.described(draft.region, context):
        return replace(
            draft,
            need=Need(f"Was the {draft.region} added here? Then say “undo the {draft.region}”.", "region", free=True),
        )
    again = draft.more and draft.refers and draft.region is None and last and last[0].tool == draft.tool
    return replace(draft, region=_region(last[0])) if again else draft


def _scaled(draft: Draft, context: Context) -> tuple[Draft, Reference | None]:
    """One draft that asks for more or less of what an earlier step did."""
    line = references.line(context)
    step = next((revision for revision in line if _same(draft, revision)), None)
    factor = draft.factor or 0.5
    plain = replace(draft, factor=None)
    if step is None and draft.tool == "adjust" and draft.args:
        return replace(
            plain, args={name: (1 if value > 0 else -1) * abs(factor - 1) for name, value in draft.args.items()}
        ), None
    if step is None or step.step is None:
        return replace(
            plain, need=Need("Nothing of that kind was done yet. What should I change?", "args", free=True)
        ), None
    if step.tool == "adjust":
        wanted = draft.args or step.step.args
        change = {
            name: round(float(step.step.args[name]) * (factor - 1), 3) for name in wanted if name in step.step.args
        }
        return replace(plain, tool="adjust", args=change, region=draft.region or _region(step)), None
    if step is not line[0] or step.tool not in _STRENGTH:
        return replace(
            plain, need=Need(f"Later edits stand on #{step.seq} {step.tool}. What should I change?", "args", free=True)
        ), None
    amount = float(step.step.args.get("amount", SCALES[step.tool].get("medium", 0.5)))
    weaker = replace(
        plain, tool=step.tool, args={"amount": round(min(1.0, amount * factor), 3)}, region=_region(step), base=START
    )
    return weaker, _before(step, context)


def _same(draft: Draft, revision: Revision) -> bool:
    if revision.step is None:
        return False
    if draft.tool == "":
        return True
    return revision.tool == draft.tool and (draft.tool != "adjust" or set(draft.args) <= set(revision.step.args))


def _region(step: Revision) -> str | None:
    return step.step.region.words if step.step and step.step.region else None


def _parents(step: Revision, context: Context) -> tuple[Revision, ...]:
    return tuple(revision for revision in context.revisions if revision.id in step.parents)


def _before(step: Revision, context: Context) -> Reference | None:
    parents = _parents(step, context)
    return Reference(parents) if parents else None


def replaced(
    drafts: Sequence[Draft], bans: Sequence[Ban], instead_of: str | None, context: Context
) -> Reference | None:
    """Where to start for "sepia instead", "sepia instead of black and white": before the step that it replaces.

    `instead_of`: the words after "instead of", "" for a bare "instead".
    """
    line = [revision for revision in references.line(context) if revision.step is not None]
    if not line or not drafts:
        return None
    if instead_of:
        steps = [revision for revision in references.described(instead_of, context) if revision in line]
        if not steps and references.described(instead_of, context):
            return None
        return _before(steps[0], context) if len(steps) == 1 else Reference(tuple(steps))
    unwanted = {tool for ban in bans for tool in ban.tools}
    rivals = [revision for revision in line if revision.tool in unwanted or _rivals(drafts[0], revision)]
    if rivals:
        return (
            _before(rivals[0], context) if rivals[0] is line[0] else Reference((*_parents(rivals[0], context), line[0]))
        )
    return _before(line[0], context)


def _rivals(draft: Draft, revision: Revision) -> bool:
    args: Json = revision.step.args if revision.step else {}
    return revision.tool == draft.tool and (draft.tool != "adjust" or bool(set(draft.args) & set(args)))
