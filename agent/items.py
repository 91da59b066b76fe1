"""What the planner is shown of a session: its pictures and sounds, and which 64 of many have slots.

Which picture is meant is the pointer's to say, how they are written the prompt's; nothing here looks at pixels.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Literal

from agent.plan import Context
from agent.planners.rules.segments import clauses
from agent.tokens import SLOTS
from sessions.values import Asset, Revision

BLOCKS = 8
"""The room is dealt out in so many: one for the first photos, four to five for the newest, the others by need."""
_WORD = re.compile(r"[^\W\d_]{3,}")
_NUMBER = re.compile(r"#(\d{1,7})")


@dataclass(frozen=True)
class Item:
    """A picture or a sound that a plan may name.

    `name`: the revision's id, or the attached asset's hash. `content`: the hash of its pixels, or of the sound's file;
    the key of its embedding. `role`: one of `agent.heads.ROLES`. `done`: the tool that made it, or how it came
    ("photo", "merge"). `words`: what of a message made it, or the name of the file it came as, which no prompt tells.
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
    """What has a slot: at most 64, or `most`; in the order in which it came, unless there is more than that."""
    told = _told(context)
    shown = [_of_revision(revision, told.get(revision.id, "")) for revision in context.revisions]
    sent = [_of_asset(asset) for asset in context.attachments if asset.kind in ("image", "audio")]
    room = max(most - len(sent), 1)
    return (*_chosen(shown, context, text, room), *sent)


def _chosen(shown: Sequence[Item], context: Context, text: str, room: int) -> list[Item]:
    """The first photos and the newest items; behind them, of the others, those that the message may mean.

    The newest begin at a whole block of commits, so that what is shown first stays for a block of turns, and with it
    the beginning of the prompt.
    """
    if len(shown) <= room:
        return list(shown)
    block = room // BLOCKS
    first = len(shown)
    if block:
        first = max(0, -(-(len(shown) - room + 3 * block) // block) * block)
    photos = [place for place in range(first) if shown[place].role == "upload"][:block]
    steady = [*photos, *range(first, len(shown))]
    rank = _nearness(shown, context, text)
    others = sorted(set(range(first)) - set(photos), key=rank)
    needed = sum(rank(place)[0] == 0 for place in others)
    steady = steady[max(0, len(steady) + needed - room) :]  # many names take the place of what is not named
    return [shown[place] for place in (*steady, *sorted(others[: room - len(steady)]))]


def _nearness(shown: Sequence[Item], context: Context, text: str) -> Callable[[int], tuple[int, int]]:
    """By which older items come first: the head and what is named by its number, other heads and photos, what was made
    with words of the message, then the newer."""
    heads, said = set(context.branches.values()), _words(text)
    named = {int(number) for number in _NUMBER.findall(text)}

    def rank(place: int) -> tuple[int, int]:
        item, age = shown[place], len(shown) - place
        if item.name == context.head or item.number in named:
            return 0, age
        if item.name in heads or item.role == "upload":
            return 1, age
        return (2 if said & _words(f"{item.done} {item.words}") else 3), age

    return rank


def _words(text: str) -> set[str]:
    return set(_WORD.findall(text.lower()))


def _told(context: Context) -> dict[str, str]:
    """Revision → the words that made it: its own clause, where a message had one for each of the steps it led to."""
    turns: dict[str | None, list[str]] = defaultdict(list)
    for revision in context.revisions:
        turns[revision.turn].append(revision.id)
    told = dict(context.words)
    for turn, made in turns.items():
        parts = _clauses(context.words.get(made[0], "")) if turn is not None and len(made) > 1 else ()
        if len(parts) == len(made):
            told |= zip(made, parts, strict=True)
    return told


@lru_cache(maxsize=256)
def _clauses(message: str) -> tuple[str, ...]:
    return tuple(clauses(message))


def _of_revision(revision: Revision, words: str) -> Item:
    made = revision.step is not None
    return Item(
        name=revision.id,
        content=revision.image,
        kind="picture",
        role="result" if made else "upload",
        done=revision.step.tool if revision.step else revision.source if revision.parents else "photo",
        words=words,
        parent=revision.parents[0] if revision.parents else None,
        number=revision.seq,
    )


def _of_asset(asset: Asset) -> Item:
    if asset.kind == "audio":
        return Item(asset.sha256, asset.sha256, "sound", "sound", "sound", asset.name)
    return Item(asset.sha256, asset.sha256, "picture", "attached", words=asset.name)
