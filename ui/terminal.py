"""What the command line prints: plans, steps, trees, errors. Colours only on a terminal; results on stdout."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from agent.drift import FACT
from agent.events import Asked, Committed, Compared, Event, Finished, Forked, Moved, Planned, Queued, Refused, Working
from agent.plan import Plan, PlanStep
from agent.telling import describe, title
from sessions.errors import PentimentoError
from sessions.history import Graph
from sessions.values import Picture, Region, Revision
from ui.tree import Row, tree

if TYPE_CHECKING:
    from agent.comparing import Comparison

_DIM, _BOLD, _RED, _RESET = "\x1b[2m", "\x1b[1m", "\x1b[31m", "\x1b[0m"


def style(text: str, code: str, stream: Any = None) -> str:
    """The text in a style where the stream is a terminal."""
    stream = stream or sys.stdout
    return f"{code}{text}{_RESET}" if text and stream.isatty() else text


def out(line: str = "") -> None:
    sys.stdout.write(line + "\n")
    sys.stdout.flush()


def log(line: str) -> None:
    sys.stderr.write(line + "\n")


def out_json(value: Any) -> None:
    out(json.dumps(value, ensure_ascii=False))


def error(failure: PentimentoError) -> None:
    log(style(failure.message, _RED, sys.stderr) + (f"\n{failure.hint}" if failure.hint else ""))


def stopped(kept: str) -> None:
    """What is left after Ctrl-C or SIGTERM."""
    clear()
    log(f"Stopped. {kept}")


def revision_json(revision: Revision) -> dict[str, Any]:
    """A revision as `log --json` gives it."""
    return {
        "id": revision.id,
        "seq": revision.seq,
        "parents": list(revision.parents),
        "tool": revision.tool,
        "step": revision.step.to_json() if revision.step else None,
        "image": revision.image,
        "mask": revision.mask,
        "geometry": list(revision.geometry),
        "source": revision.source,
        "width": revision.width,
        "height": revision.height,
        "name": revision.name,
        "turn": revision.turn,
        "made_with": revision.made_with,
        "facts": revision.facts,
        "created_at": revision.created_at,
    }


def plan_line(plan: Plan) -> str:
    """`plan   1 crop 1:1    2 adjust temperature +0.2`; each on its own line where one says why it starts there."""
    steps = [f"{i} {_step(step)}{_why(step)}" for i, step in enumerate(plan.steps, start=1)]
    if plan.command is not None:
        named = " ".join(str(part) for part in (plan.command.name, plan.command.target) if part)
        steps.insert(0, named + (f" ×{plan.command.count}" if plan.command.count > 1 else ""))
    if plan.then is not None:
        steps.append(" ".join(str(part) for part in ("then", plan.then.name, plan.then.target) if part))
    apart = "\n       " if any(step.why for step in plan.steps) else "    "
    return "plan   " + apart.join(steps) if steps else ""


def _step(step: PlanStep) -> str:
    return describe(step.tool, step.args, Region.from_json(step.region))


def _why(step: PlanStep) -> str:
    return f"\n         {step.why}" if step.why else ""


def step_line(revision: Revision) -> str:
    """`#4 blur      background (mask 62 %, sure)   240 ms   0 pixels changed outside the mask`"""
    facts = revision.facts
    milliseconds = f"{facts['seconds'] * 1000:.0f} ms" if "seconds" in facts else ""
    line = f" #{revision.seq:<3} {revision.tool:<12} {_where(revision):<32} {milliseconds:>8}"
    if "pixels_changed_outside" in facts:
        line += f"   {facts['pixels_changed_outside']} pixels changed outside the mask"
    return line.rstrip()


def _where(revision: Revision) -> str:
    facts = revision.facts
    if "region" in facts:
        return f"{facts['region']} (mask {facts.get('mask_fraction', 0):.0%}, {facts['confidence']:.0%} sure)"
    if revision.geometry != (1.0, 0.0, 0.0, 0.0, 1.0, 0.0, 0.0, 0.0, 1.0):
        return f"{revision.width}×{revision.height}"
    return "whole picture" if revision.mask is None else f"mask {facts.get('mask_fraction', 0):.0%}"


Draw = Callable[["Revision | Picture"], Path]
"""Writes a revision's picture, or a picture to be looked at, as a file and names it."""


def follow(events: Iterator[Event], picture: Draw | None = None) -> Finished:
    """Print a turn as it happens; the end of it comes back."""
    last: Revision | None = None
    for event in events:
        match event:
            case Planned(plan=plan) if plan_line(plan):
                out(plan_line(plan))
            case Queued(before=before):
                log("waits for another turn" if before == 1 else f"waits for {before} other turns")
            case Working():
                progress(event)
            case Forked(branch=branch, base=base):
                clear()
                out(f"branch {style(branch, _BOLD)} from {title(base)}")
            case Committed(revision=revision):
                clear()
                out(step_line(revision))
                last = revision
            case Moved(sentence=sentence):
                out(sentence)
            case Compared(comparison=comparison):
                for line in comparison_lines(comparison):
                    out(line)
            case Asked(ask=ask):
                clear()
                out(ask.question)
                if event.pictures and picture is not None:
                    out(f"     {picture(_side_by_side(list(event.pictures.values())))}")
                for place, candidate in enumerate(ask.candidates, start=1):
                    out(f"  {place}  {candidate.label}")
            case Refused(message=message, hint=hint):
                clear()
                log(style(message, _RED, sys.stderr) + (f"\n{hint}" if hint else ""))
            case Finished():
                clear()
                _finished(event, last, picture)
                return event
            case _:
                pass
    raise RuntimeError("a turn ended without saying so")


def _side_by_side(pictures: Sequence[Picture]) -> Picture:
    """Some small pictures as one, left to right as they are asked about."""
    import numpy as np

    if len(pictures) == 1:
        return pictures[0]
    height = max(one.height for one in pictures)
    boards = (np.pad(one.rgb, ((0, height - one.height), (0, 4), (0, 0))) for one in pictures)
    return Picture(np.concatenate(list(boards), axis=1))


def comparison_lines(found: Comparison) -> Iterator[str]:
    """What two revisions have apart: their steps, how much is different, and where."""
    yield f"{title(found.before)}   →   {title(found.after)}"
    for revision, steps in zip((found.before, found.after), found.steps, strict=True):
        for step in steps:
            yield f"  only in #{revision.seq:<4} {title(step)}"
    yield f"{found.changed:.1%} of the pixels differ, {found.visible:.1%} visibly"
    yield f"ΔE  mean {found.mean:.2f}   largest {found.largest:.1f}"
    if found.changed:
        for row in range(0, len(found.places), 3):
            cells = (f"{one.where:<13}{one.changed:>5.0%} ΔE {one.mean:<5.1f}" for one in found.places[row : row + 3])
            yield "  " + "  ".join(cells).rstrip()
    for one in found.regions:
        yield f"  {one.where:<28} {one.changed:>5.0%} ΔE {one.mean:.1f}"
    yield from found.notes


def _finished(event: Finished, last: Revision | None, picture: Draw | None) -> None:
    if last is not None:
        where = f"     {picture(last)}" if picture else ""
        out(f"{style(event.branch, _BOLD)} → #{last.seq}{where}")
    elif event.state == "refused" and not shown_together():
        out(event.reply)


def shown_together() -> bool:
    """Whether one person reads results and errors on one terminal, where saying both would be saying it twice."""
    return sys.stdout.isatty() and sys.stderr.isatty()


def progress(event: Working, before: str = "") -> None:
    """How far a step is, on a terminal, over the line it stood on; `before`: what the step is part of."""
    if sys.stderr.isatty():
        filled = round(event.fraction * 20)
        sys.stderr.write(f"\r{before} {event.step.tool:<12} {'█' * filled}{'░' * (20 - filled)}")
        sys.stderr.flush()


def clear() -> None:
    """Wipe the line of the progress."""
    if sys.stderr.isatty():
        sys.stderr.write("\r\x1b[K")
        sys.stderr.flush()


def _names(row: Row, graph: Graph) -> str:
    """`main ◀ [final]`: the branches that stand here, and the tags."""
    tags = [f"[{tag}]" for tag in tags_at(graph.tags, row.revision)]
    return " ".join([", ".join(row.branches) + (" ◀" if row.current else ""), *tags]).strip()


def tags_at(tags: Mapping[str, str], revision: Revision | None) -> list[str]:
    """The tags on a revision, by name; `tags`: name → revision."""
    return sorted(name for name, tagged in tags.items() if revision is not None and tagged == revision.id)


def fact(graph: Graph, name: str, value: Any) -> str:
    """A recorded fact as a person reads it; revisions by their numbers."""
    if name == FACT and isinstance(value, dict):
        detail = f", fine detail {value['detail']:.0%} of the photo's" if "detail" in value else ""
        return f"colours {value['changed']:.1%} from the photo's{detail}"
    if isinstance(value, list):
        return ", ".join(
            f"#{graph.by_id[one].seq}" if isinstance(one, str) and one in graph.by_id else str(one) for one in value
        )
    return str(value)


def show_tree(graph: Graph) -> None:
    """The whole history, newest first."""
    rows = list(tree(graph))
    lanes = max((len(row.lanes) for row in rows), default=0)
    names = max((len(_names(row, graph)) for row in rows), default=0)
    told = [row.title + ("" if row.live else " (undone)") for row in rows]
    titles = max(map(len, told), default=0)
    for row, done in zip(rows, told, strict=True):
        if row.revision is None:
            out(row.lanes)
            continue
        number = f"#{row.revision.seq}"
        words = f'"{row.words[:48]}{"…" if len(row.words) > 48 else ""}"' if row.words else ""
        heads = _names(row, graph)
        line = f"{row.lanes:<{lanes}} {number:<5} {heads:<{names}} {done:<{titles}}  {words}".rstrip()
        out(style(line, _DIM) if not row.live else line)
