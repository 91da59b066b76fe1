"""Sessions made without a browser: long histories to look at."""

from __future__ import annotations

import io

from PIL import Image
from skimage import data

from agent.assistant import Assistant
from agent.events import Finished
from agent.plan import Plan, PlanStep
from agent.planners.given import Given
from sessions import history
from sessions.store import Store

LINE = 18
"""After how many revisions the next branch begins, at a revision of the line before."""


def long_session(store: Store, revisions: int, name: str = "journey.png") -> str:
    """A session of so many small edits, a new branch every LINE of them."""
    assistant = Assistant(store, Given(Plan()))
    file = io.BytesIO()
    Image.fromarray(data.coffee()[::2, ::2]).save(file, "PNG")
    session, _ = assistant.new((name, file.getvalue()))
    made = 1
    while made < revisions:
        graph = history.graph(store, session.id)
        count = min(LINE, revisions - made)
        start = graph.revisions[-7 if made > LINE else -1].id
        made += _line(store, session.id, start, count, made)
    return session.id


def _line(store: Store, session: str, start: str, count: int, made: int) -> int:
    """Some messages of three steps each, from a revision on."""
    base, branch, left = start, None, count
    while left:
        steps = tuple(_step(made + count - left + i, base if i == 0 else None) for i in range(min(3, left)))
        told = Plan(steps=steps)
        words = ", then ".join(step.tool for step in steps)
        *_, end = Assistant(store, Given(told)).turn(session, words, branch=branch)
        assert isinstance(end, Finished) and end.state == "done", end
        base, branch, left = end.revisions[-1], end.branch, left - len(steps)
    return count


def _step(number: int, base: str | None) -> PlanStep:
    sign = 1 if number % 2 else -1
    kinds = (
        ("adjust", {"exposure": round(sign * (0.06 + number % 7 / 100), 2)}),
        ("adjust", {"temperature": round(sign * (0.1 + number % 11 / 100), 2)}),
        ("adjust", {"saturation": round(sign * (0.1 + number % 5 / 100), 2)}),
        ("flip", {"axis": "horizontal"}),
    )
    tool, args = kinds[number // 2 % len(kinds)]
    if number % LINE == 0:
        tool, args = "monochrome", {"tone": ("neutral", "sepia", "cool", "warm")[number // LINE % 4]}
    return PlanStep(tool=tool, args=args, base=base)
