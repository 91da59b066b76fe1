"""Any tool by hand: chosen from a list, its arguments filled in, sent as a message with a plan. Knows none by name."""

from __future__ import annotations

import streamlit as st

from agent.plan import Plan, PlanStep
from agent.stepping import recommended, shelf_for
from agent.telling import title
from sessions.values import Json
from tools import registry
from tools.base import Tool
from ui import frame, plancard
from ui.labels import plain
from ui.view import View
from ui.worker import Worker

OFFERED = 20
"""How many pictures of the session can be chosen to work with, newest first."""


def show(worker: Worker, view: View) -> None:
    """The button, and behind it the list and the form."""
    with st.popover("Tools", icon=":material/construction:", help="Any tool, by hand"):
        names = [tool.name for tool in sorted(registry.registered().values(), key=_rank)]
        tool = registry.get(st.selectbox("Tool", names, key="tool"))
        st.caption(plain(tool.summary))
        step = _step(worker, view, tool)
        decided = plancard.editor(Plan(steps=(step,)), f"tool-{tool.name}", "Do it")
        if decided is not None:
            [chosen] = decided.steps
            step = chosen.model_copy(update={"region": step.region, "subjects": step.subjects})
            frame.send(worker, view, plancard.words(step)[: frame.TOLD], plan=Plan(steps=(step,)))


def _rank(tool: Tool) -> tuple[bool, int, str]:
    """What words say badly comes first, what needs other pictures later."""
    return not tool.weights, tool.subjects[0], tool.name


def _step(worker: Worker, view: View, tool: Tool) -> PlanStep:
    """A call of the tool as the list and the mark on the picture have it, its arguments still as usual."""
    args = usual(tool) | recommended(tool, shelf_for(tool.name, worker.assistant.store.home))
    return PlanStep(tool=tool.name, args=args, subjects=_subjects(view, tool), region=_region(view, tool))


def usual(tool: Tool) -> Json:
    """Every argument with its default; words that have none are empty, to be written."""
    fields = tool.said
    defaults = {n: f.get_default(call_default_factory=True) for n, f in fields.items() if not f.is_required()}
    required = {name: "" for name, kind in tool.schema()["properties"].items() if kind.get("type") == "string"}
    checked = tool.args.model_construct(**defaults).model_dump(mode="json", exclude_none=True)
    return {name: (required | checked)[name] for name in fields if name in required | checked}


def _region(view: View, tool: Tool) -> Json | None:
    if tool.region == "none":
        return None
    marked = frame.region(view.place.mark)
    if marked is not None:
        st.caption("It works where you marked the picture.")
        return marked.to_json()
    words = st.text_input("Where", placeholder=tool.usual or "the whole picture", key=f"where-{tool.name}")
    return {"words": words} if words else None


def _subjects(view: View, tool: Tool) -> tuple[str, ...]:
    """Pictures of this session, in the order in which they were chosen."""
    if not tool.subjects[1]:
        return ()
    others = {f"#{one.seq}": one for one in reversed(view.graph.revisions) if one.id != view.shown.id}
    chosen = st.multiselect(
        "Other pictures, in order",
        list(others)[:OFFERED],
        format_func=lambda name: plain(title(others[name])),
        max_selections=tool.subjects[1],
        key=f"others-{tool.name}",
    )
    return tuple(others[name].id for name in chosen)
