"""What the planner is shown of a session: its pictures and sounds, in order of commit, and the 64 that have slots.

Which picture is meant is the pointer's to say, how they are written the prompt's; nothing here looks at pixels.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from agent.plan import Context
from agent.tokens import SLOTS
from sessions.values import Asset, Revision

RECENT = 24
"""So many of the newest always have a slot."""
_WORD = re.compile(r"[^\W\d_]{3,}")
_NUMBER = re.compile(r"#(\d{1,7})")


@dataclass(frozen=True)
class Item:
    """A picture or a sound that a plan may name.

    `name`: the revision's id, or the attached asset's hash. `content`: the hash of its pixels, or of the sound's file;
    the key of its embedding. `role`: one of `agent.heads.ROLES`. `done`: the tool that made it, or how it came
    ("photo", "merge"). `words`: the message that made it, or the name of the file it came as, which no prompt tells.
    `parent`: the item it was made from, by its name.
    """

    name: str
    content: str
    kind: Literal["picture", "sound"]
    role: Literal["upload", "result", "attached", "sound"]
    done: str = "photo"
    words: str = ""
    parent: str | None = None
    number: int = 0


def items(context: Context, text: str, most: int = SLOTS) -> tuple[Item, ...]:
    """What has a slot, in the order in which it came: at most 64, or `most`, what the message may mean first."""
    shown = [_of_revision(revision, context) for revision in context.revisions]
    sent = [_of_asset(asset) for asset in context.attachments if asset.kind in ("image", "audio")]
    room = max(most - len(sent), 1)
    return (*_chosen(shown, context, text, room), *sent)


def _chosen(shown: Sequence[Item], context: Context, text: str, room: int) -> list[Item]:
    """The head and what is named by its number, heads, roots and the newest, what was made with words of the message,
    then what is left from the end."""
    if len(shown) <= room:
        return list(shown)
    heads, said = {context.head, *context.branches.values()}, _words(text)
    named = {int(number) for number in _NUMBER.findall(text)}

    def rank(place: int) -> tuple[int, int]:
        item, age = shown[place], len(shown) - place
        if item.name == context.head or item.number in named:
            return 0, age
        if item.name in heads or item.role == "upload" or age <= RECENT:
            return 1, age
        return (2 if said & _words(f"{item.done} {item.words}") else 3), age

    best = sorted(range(len(shown)), key=rank)[:room]
    return [shown[place] for place in sorted(best)]


def _words(text: str) -> set[str]:
    return set(_WORD.findall(text.lower()))


def _of_revision(revision: Revision, context: Context) -> Item:
    made = revision.step is not None
    return Item(
        name=revision.id,
        content=revision.image,
        kind="picture",
        role="result" if made else "upload",
        done=revision.step.tool if revision.step else revision.source if revision.parents else "photo",
        words=context.words.get(revision.id, ""),
        parent=revision.parents[0] if revision.parents else None,
        number=revision.seq,
    )


def _of_asset(asset: Asset) -> Item:
    if asset.kind == "audio":
        return Item(asset.sha256, asset.sha256, "sound", "sound", "sound", asset.name)
    return Item(asset.sha256, asset.sha256, "picture", "attached", words=asset.name)
