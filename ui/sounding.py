"""The sounds of a session as the page shows them: found through the gallery, so only one's own."""

from __future__ import annotations

import streamlit as st

from sessions.errors import PentimentoError
from ui import place, server
from ui.waveform import Shown

BEAT_SECONDS = 1.0
"""How often the page looks whether a sound has been understood."""


def shown(session: str, name: str) -> Shown | None:
    """An attachment as a sound; None for what is none, or is not there."""
    gallery = server.desk().gallery
    asset = gallery.sound_if_any(session, name)
    if asset is None:
        return None
    label = f"{asset.name or 'a sound'}, {asset.seconds or 0:.1f} s"
    wave, file = place.waveform(session, name), place.sound(session, name)
    try:
        gallery.wave(session, asset)
    except PentimentoError as trouble:
        return Shown(label, wave, file, trouble=str(trouble))
    understood = gallery.ears.heard(session, name)
    return Shown(label, wave, file, str(understood) if understood else "")


def follow() -> None:
    """Draw the page anew once what is being listened to has been understood."""
    if server.desk().gallery.ears.busy:
        st.fragment(_listening, run_every=BEAT_SECONDS)()


def _listening() -> None:
    if not server.desk().gallery.ears.busy:
        st.rerun(scope="app")
