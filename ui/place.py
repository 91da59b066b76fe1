"""Where a tab of the page stands: ids in its address, so that a reload, a bookmark and a second tab find the same.

Also the addresses of pictures and files. Holds no pictures and asks no store.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from urllib.parse import urlencode

import streamlit as st

from agent import asking
from sessions.identity import REVISION_PREFIX
from sessions.values import Revision, Turn


@dataclass(frozen=True)
class Place:
    """`at`: the revision looked at, where that is not the branch's head; `beside`: the one it is compared with.

    `request`: the turn this tab waits for. `mark`: what was drawn on the picture, for the next message. `review`: plans
    wait for approval. `planner`: who understands messages. `mode`: what the canvas shows.
    """

    session: str = ""
    branch: str = ""
    at: str = ""
    beside: str = ""
    request: str = ""
    mark: str = ""
    review: str = ""
    planner: str = ""
    mode: str = ""


_NAMES = {
    "session": "s",
    "branch": "b",
    "at": "at",
    "beside": "beside",
    "request": "turn",
    "mark": "mark",
    "review": "review",
    "planner": "planner",
}


def here() -> Place:
    """Where this tab stands."""
    asked = st.query_params
    return Place(
        **{name: asked.get(short, "") for name, short in _NAMES.items()}, mode=st.session_state.get("mode", "")
    )


def go(**changes: str) -> None:
    """Stand somewhere else from the next run on, which begins now."""
    move(**changes)
    st.rerun()


def move(**changes: str) -> None:
    """Stand somewhere else from the next run on."""
    to = replace(here(), **changes)
    st.session_state["mode"] = to.mode
    values = {short: getattr(to, name) for name, short in _NAMES.items()}
    st.query_params.from_dict({short: value for short, value in values.items() if value})


def short(revision: str) -> str:
    """A revision's id without its prefix, as addresses have it."""
    return revision.removeprefix(REVISION_PREFIX)


def picture(revision: Revision, name: str = "view") -> str:
    """The address of a revision's preview (`thumb`, `view`) or mask (`mask`)."""
    return f"/pictures/{revision.session}/{short(revision.id)}/{name}.webp"


def onto(revision: Revision, other: Revision) -> str:
    """The address of a revision's picture laid onto the frame of another, for the slider."""
    return f"/pictures/{revision.session}/{short(revision.id)}/onto/{short(other.id)}.webp"


def compared(a: Revision, b: Revision) -> str:
    """The address of the difference map of two revisions."""
    return f"/pictures/{a.session}/compared/{short(a.id)}/{short(b.id)}.webp"


def asked(turn: Turn, name: str) -> str:
    """The address of what a waiting turn's question shows: its `mask`, or the picture of a candidate by its place."""
    return f"/pictures/{turn.session}/asked/{turn.request_id}/{asking.name(turn)}/{name}.webp"


def drawn(session: str, sha256: str) -> str:
    """The address of a mask drawn with the brush."""
    return f"/pictures/{session}/drawn/{sha256}.webp"


def live(request_id: str, look: int) -> str:
    """The address of what a running step looks like so far, another one for every look."""
    return f"/live/{request_id}/{look}.webp"


def attachment(session: str, sha256: str) -> str:
    return f"/pictures/{session}/attached/{sha256}.webp"


def sound(session: str, sha256: str) -> str:
    """The address of an attached sound, as FLAC."""
    return f"/sounds/{session}/{sha256}.flac"


def waveform(session: str, sha256: str) -> str:
    return f"/sounds/{session}/{sha256}.svg"


def export(revision: Revision, ending: str, **options: str) -> str:
    """The address that gives a revision as a file."""
    query = urlencode({name: value for name, value in options.items() if value})
    return f"/files/{revision.session}/{short(revision.id)}.{ending}{'?' if query else ''}{query}"
