"""What a step works with besides its picture: other pictures and sounds, read from a session by their names.

A step names them in one order; a tool gets its pictures and its sounds apart. Which tools hear is theirs to say, and
that a step names nothing else `agent.turns` has checked.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import TypeAlias

from sessions import uploads
from sessions.errors import NotFound
from sessions.identity import REVISION_PREFIX
from sessions.store import Store
from sessions.values import Picture
from tools import sounds
from tools.sounds import Sound

Other: TypeAlias = Picture | Sound
Others: TypeAlias = tuple[tuple[Picture, ...], tuple[Sound, ...]]
"""Pictures and sounds, each in the order in which the step names them."""


def other(store: Store, session: str, name: str) -> Other:
    """A picture, by a revision's id or its own hash, or an attached sound by its hash.

    NotFound where there is neither; BlobMissing, BlobDamaged, or Damaged where what is stored cannot be read.
    """
    if name.startswith(REVISION_PREFIX):
        name = store.revision(session, name).image
    if is_sound(store, session, name):
        return sounds.read(store.asset_bytes(session, name))
    return uploads.picture(store, session, name)


def is_sound(store: Store, session: str, name: str) -> bool:
    """Whether what has this hash is an attached sound, and no picture."""
    try:
        return store.asset(session, name).kind == "audio"
    except NotFound:  # a revision's picture
        return False


def apart(found: Iterable[Other]) -> Others:
    """The pictures among them, and the sounds."""
    every = tuple(found)
    pictures = tuple(one for one in every if isinstance(one, Picture))
    return pictures, tuple(one for one in every if isinstance(one, Sound))
