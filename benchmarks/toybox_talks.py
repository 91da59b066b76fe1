"""Some of the planner's dialogues for the report: what was said, which picture was picked and which was meant.

Part of `python -m benchmarks.toybox --report`: the first dialogues of those that
`benchmarks.toybox_planner` counts, planned once more. Counts nothing itself.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
from PIL import Image

from agent.grammar import Ref, Written
from benchmarks import dialogues
from benchmarks.dialogues import EXAMINED, ended
from benchmarks.toybox_planner import eyes_of, replies
from benchmarks.toybox_report import Row
from sessions.values import Pixels
from tools.shelf import Shelf
from toybox.dialogues import Dialogue, pixels
from toybox.scenes import SIDE
from training.examining import Answer
from training.lessons import looked_at

SHOWN = 24
NOTHING = np.full((SIDE, SIDE, 3), 160, np.uint8)
"""Stands where no picture is picked, or none is meant."""


def rows(folder: Path, weights: Shelf, count: int) -> list[Row]:
    """The first so many dialogues as a planner answers them, `SHOWN` at most."""
    lessons = looked_at(eyes_of(folder, weights), range(EXAMINED, EXAMINED + min(count, SHOWN)))
    return [row(one) for one in replies(dialogues.candidate(folder), lessons)]


def row(one: Answer) -> Row:
    """An answer: the session's head, the picture that the plan begins with, and the one that was meant; beside the
    words what is attached."""
    talk = one.lesson.dialogue
    sent = [talk.items[place] for place in talk.attachments]
    heard = "".join(f" [{item.sound}]" for item in sent if item.kind == "sound")
    right = ended(one)
    verdict = f"{'right' if right else 'wrong'}: {told(one.written, talk)}" + (
        "" if one.written == one.truth else f"; meant: {told(one.truth, talk)}"
    )
    pictures = (picture(talk, talk.head), *(picture(talk, begun(plan)) for plan in (one.written, one.truth)))
    shown = tuple(picture(talk, place) for place in talk.attachments if talk.items[place].kind == "picture")
    return Row(talk.message + heard, pictures, right, verdict, shown)


def begun(plan: Written) -> Ref | None:
    """The picture that a plan's first step works on."""
    return plan.steps[0].base if plan.steps else None


def picture(talk: Dialogue, place: Ref | None) -> Pixels:
    """A picture of a dialogue, as large as a scene; a grey one where there is none."""
    if not isinstance(place, int) or talk.items[place].kind != "picture":
        return NOTHING
    rgb = pixels(talk.items[place])[..., :3]
    return rgb if rgb.shape == NOTHING.shape else np.asarray(Image.fromarray(rgb).resize((SIDE, SIDE)))


def told(plan: Written, talk: Dialogue) -> str:
    """A plan in brief: "#4 instruct_pix2pix, then border"."""
    if plan.ask is not None:
        return f"asks about {', '.join(called(place, talk) for place in plan.candidates) or 'no picture'}"
    if not plan.steps:
        return "talks"
    return f"{called(plan.steps[0].base, talk)} {', then '.join(step.tool for step in plan.steps)}"


def called(place: Ref, talk: Dialogue) -> str:
    """A place of a dialogue as a session numbers it."""
    if place in talk.attachments:
        return "the attached" if len(talk.attachments) == 1 else f"attached {talk.attachments.index(place) + 1}"
    return f"#{place + 1}" if isinstance(place, int) else str(place)
