"""A recording for the next message, by the browser's microphone: one small button beside the field.

What is recorded can be listened to and thrown away until the message is sent; it then goes through the door like any
file. Where a browser has no microphone, or may not use it, Streamlit's control says so.
"""

from __future__ import annotations

import streamlit as st

from agent.assistant import Upload

HERTZ = 48_000
TAKES = "takes"
"""Where a tab counts what it has recorded, so that each take has a control of its own."""


def button() -> None:
    """The button and, behind it, the recorder."""
    with st.popover("", icon=":material/mic:", help="Record a sound for your next message"):
        st.audio_input("Record a sound, a minute at most", sample_rate=HERTZ, key=_key())


def waiting() -> None:
    """What has been recorded and not been sent, and a way to leave it."""
    for name, _ in recorded():
        with st.container(key="take", horizontal=True, vertical_alignment="center"):
            st.html(f"<p class='hint'>{name} goes with your next message.</p>")
            st.button("Take it away", key="untake", on_click=forget)


def recorded() -> list[Upload]:
    """The take that waits, as a file."""
    take = st.session_state.get(_key())
    return [] if take is None else [(f"recording {_take()}.wav", take.getvalue())]


def taken() -> list[Upload]:
    """The take that waits, to be sent; the recorder is empty from now on."""
    if files := recorded():
        forget()
    return files


def forget() -> None:
    """Begin with an empty recorder."""
    st.session_state[TAKES] = _take()


def _take() -> int:
    return int(st.session_state.get(TAKES, 0)) + 1


def _key() -> str:
    return f"take-{_take()}"
