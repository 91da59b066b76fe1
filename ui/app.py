"""The page: a conversation on the left, the picture and its history on the right.

Streamlit runs this file anew at every turn. Reads what there is to show, draws it, and turns what was done into
messages for the worker. Keeps no state but ids.
"""

from __future__ import annotations

from pathlib import Path

import streamlit as st

from sessions.errors import PentimentoError
from ui import canvas, chat, frame, place, welcome
from ui.server import desk
from ui.view import look

STATIC = Path(__file__).parent / "static"


def page() -> None:
    st.set_page_config("Pentimento", page_icon=str(STATIC / "icon.svg"), layout="wide")
    st.html(f"<style>{_colors()}{(STATIC / 'page.css').read_text(encoding='utf-8')}</style>")
    try:
        _stand(place.here())
    except PentimentoError as failure:
        frame.failed(failure)


def _colors() -> str:
    """The theme's colours that our own markup needs; which theme it is, a person may choose in Streamlit's menu."""
    kind = st.context.theme.type or "light"
    primary, paper = (st.get_option(f"theme.{kind}.{name}") for name in ("primaryColor", "backgroundColor"))
    return f":root {{ --primary: {primary}; --paper: {paper}; --scheme: {kind}; }}\n"


def _stand(here: place.Place) -> None:
    """The page of a session, or the one that begins a session."""
    worker, store = desk().worker, desk().gallery.store
    first = st.empty()  # the two pages share no places, or the one would show through the other for a moment
    if not here.session:
        welcome.show(worker, first, desk().repaints)
        return
    view = look(store, worker, here)
    frame.settle(view)
    frame.header(worker, view)
    left, right = st.columns([5, 8], gap="medium")
    with right, st.container(key="picture-side"):
        canvas.show(worker, view)
    with left, st.container(key="talk-side"):
        chat.show(worker, view)


page()
