"""What frames the page: the header with session, branch and settings, sending a message, and where a tab goes then."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import streamlit as st

from agent import runtime
from agent.assistant import Upload
from agent.plan import Command, Plan
from agent.planning import Focus
from sessions import uploads
from sessions.errors import NotFound, PentimentoError
from sessions.identity import REVISION_PREFIX
from sessions.store import Store
from sessions.values import Region
from ui import place, plancard
from ui.labels import plain
from ui.stage import Painted, draft
from ui.view import View
from ui.worker import Call, Worker

STAGE = "stage"
"""The key of the canvas's stage."""

QUICK_SECONDS = 0.4
"""How long a message may hold up the drawing of the page."""

TOLD = 400
"""Longest message, in characters, that tells what was clicked."""

LISTED = 12
"""How many sessions the menu offers, last touched first."""


def send(worker: Worker, view: View, text: str, files: Sequence[Upload] = (), plan: Plan | None = None) -> None:
    """Send a message, or a click as a plan with the words for it, and draw the page anew."""
    begin(worker, view, text, files, plan)
    st.rerun()


def begin(worker: Worker, view: View, text: str, files: Sequence[Upload] = (), plan: Plan | None = None) -> None:
    """Send a message and wait for it in this tab: for a moment here, so that what is quick is drawn at once, and then
    as a turn that runs."""
    here = view.place
    at = REVISION_PREFIX + here.at if here.at else None
    mark = "" if plan is not None else here.mark or _drafted(worker, view)  # what is drawn is for words, not a click
    focus = Focus(at, region(mark))
    mine = any(live.call.request_id == here.request and live.call.branch == view.branch for live in view.going)
    held, after = bool(here.review) and plan is None, here.request if mine else ""
    call = worker.start(Call(here.session, text, files, view.branch, focus, plan, held, after, here.planner)).call
    worker.wait(call.request_id, QUICK_SECONDS)
    place.move(request=call.request_id, branch=view.branch, beside="", mode="", mark="" if plan is None else here.mark)


def instead(worker: Worker, view: View, plan: Plan) -> None:
    """Take the last message back and do its plan again, changed; the line taken back stays in the tree."""
    first, *rest = plan.steps
    if not (first.base or "").startswith(REVISION_PREFIX):
        first = first.model_copy(update={"base": None})  # an attached photo is where the undo leads
    told = ", ".join(plancard.words(step) for step in plan.steps)
    changes = {"command": Command(name="undo"), "steps": (first, *rest), "then": None, "ask": None}
    send(worker, view, f"Instead: {told}"[:TOLD], plan=plan.model_copy(update=changes))


def command(worker: Worker, view: View, text: str, **what: object) -> None:
    """Send a session command that was clicked."""
    send(worker, view, text, plan=Plan(command=Command.model_validate(what)))


def mark_of(store: Store, session: str, drawn: Painted) -> str:
    """What was drawn on the picture as an address has it; a mask is kept among the session's assets for it."""
    if drawn.mask is not None:
        return f"mask:{uploads.drawn(store, session, drawn.mask).sha256}"
    return "box:" + ",".join(f"{edge:.4f}" for edge in drawn.box or ())


def _drafted(worker: Worker, view: View) -> str:
    """The mark of what is being drawn; empty where nothing is, or where it is drawn as an answer or a correction."""
    drawing = place.here().mode in ("brush", "box") and not view.marking
    drawn = draft(STAGE, place.picture(view.shown)) if drawing else None
    return mark_of(worker.assistant.store, view.place.session, drawn) if drawn is not None else ""


def region(mark: str) -> Region | None:
    """What was drawn on the picture, from the address: `box:0.1,0.2,0.6,0.9` or `mask:<hash>`."""
    kind, _, value = mark.partition(":")
    if kind == "mask" and value:
        return Region(mask=value)
    try:
        x0, y0, x1, y1 = (float(part) for part in value.split(","))
    except ValueError:
        return None
    return Region(box=(x0, y0, x1, y1)) if kind == "box" else None


def settle(view: View) -> None:
    """After a turn: stand on the branch it ended on, at its head."""
    live, here = view.live, view.place
    if live is None or live.finished is None:
        return
    end = live.finished
    if end.branch in view.graph.branches and end.branch != here.branch:
        place.go(branch=end.branch, at="")
    if here.at and end.revisions and end.state == "done":
        place.go(at="")


def header(worker: Worker, view: View) -> None:
    """Pentimento · session ▾ · branch ▾ · settings."""
    store = worker.assistant.store
    with st.container(key="header", horizontal=True, vertical_alignment="center"):
        st.html("<h1 class='wordmark'>Pentimento</h1>")
        with st.popover(plain(view.graph.session.name or view.place.session[:8]), help="Your sessions"):
            _sessions(store, view)
        with st.popover(f"branch {plain(view.branch)}", help="The branches of this session"):
            _branches(view)
        with st.popover("", icon=":material/settings:", help="Settings"):
            _settings(worker, view)


def _sessions(store: Store, view: View) -> None:
    if st.button("New session", icon=":material/add:", width="stretch"):
        place.go(session="", branch="", at="", beside="", request="", mark="", mode="")
    for session in store.sessions(LISTED):
        here = session.id == view.place.session
        label = f"{plain(session.name)} · {session.seq} pictures"
        if st.button(label, key=f"session-{session.id}", disabled=here, width="stretch"):
            place.go(session=session.id, branch="", at="", beside="", request="", mark="", mode="")


def _branches(view: View) -> None:
    for name, head in sorted(view.graph.branches.items()):
        label = f"{plain(name)} · #{view.graph.by_id[head].seq}"
        if st.button(label, key=f"branch-{name}", disabled=name == view.branch, width="stretch"):
            place.go(branch=name, at="", beside="", request="", mark="", mode="")


def _settings(worker: Worker, view: View) -> None:
    review = st.toggle(
        "Show me each plan before it runs", bool(view.place.review), help="Change amounts, drop or reorder steps first."
    )
    if review != bool(view.place.review):
        place.go(review="1" if review else "")
    _planner(list(worker.planners), view, worker.assistant.store.home)
    st.caption("Light or dark: the menu at the top right, Settings.")
    st.caption("Everything else here works without a model, a GPU or the network. Your data stays in one folder:")
    st.code(str(worker.assistant.store.home), language=None)


def _planner(names: list[str], view: View, home: Path) -> None:
    """Who understands messages, of those that this place offers; the first is the usual. `home`: the data folder."""
    if not names:
        return
    here = names.index(view.place.planner) if view.place.planner in names else 0
    chosen = st.selectbox("Who understands messages", names, here, format_func=_called)
    if chosen.startswith("chat:"):
        st.caption(f"What the rules leave goes to {plain(chosen[5:])}: your words, and small copies of the pictures.")
    if chosen.startswith("token_heads") and (lacking := runtime.lacks(chosen, home)):
        st.caption(plain(lacking))
    elif runtime.drawn_only(chosen, home):
        st.caption(
            "It knows drawn scenes only: in sessions with photos, what the rules do not understand stays undone."
        )
    if chosen != names[here]:
        place.go(planner="" if chosen == names[0] else chosen)


def _called(planner: str) -> str:
    """A planner's name for people."""
    kind, _, which = planner.partition(":")
    said = {
        "cascade": "The rules, and tools called by name",
        "rules": "The rules alone",
        "token_heads": "The rules, then the planner on this machine",
        "token_heads:llama.cpp": "The rules, then the planner on this machine, by llama.cpp",
    }
    return said.get(planner, f"The rules, then {which or kind}")


def failed(failure: PentimentoError) -> None:
    """Instead of a page that cannot be shown: why, and what can be done."""
    st.error(plain(str(failure)))
    if not isinstance(failure, NotFound) and st.button("Try again"):
        st.rerun()
    if st.button("Start with a photo"):
        st.query_params.clear()
        st.rerun()
