"""Dialogues of the toybox as sessions of a real store: photos uploaded, history made by the tools themselves.

Only dialogues whose history needs no weights; what their message asks for may. Pictures are the world's, to the pixel.
"""

from __future__ import annotations

import io
from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
import soundfile

from agent.assistant import Assistant
from agent.plan import Command, Plan, PlanStep
from agent.planners.given import Given
from sessions import history, intake, uploads
from sessions.store import Store
from tests.agent.conftest import png
from toybox.dialogues import Dialogue, Item, pixels, samples
from toybox.sounds import RATE

WEIGHED = ("instruct_pix2pix", "any2pix")
"""Tools that need weights."""
TONES = {"grey": "neutral", "sepia": "sepia"}


@dataclass(frozen=True)
class Played:
    """A session and, by a dialogue's places, its revisions; what comes with the message, and the attached assets."""

    session: str
    revisions: dict[int, str]
    files: list[tuple[str, bytes]]
    attached: dict[int, str]

    def named(self, place: int | str) -> str:
        """What a plan calls an item."""
        if isinstance(place, str):
            return place
        return self.revisions.get(place) or self.attached[place]


def playable(dialogues: Iterable[Dialogue]) -> list[Dialogue]:
    """Those of these dialogues whose history the darkroom can make, and short ones."""
    return [one for one in dialogues if len(one.items) <= 5 and all(item.tool not in WEIGHED for item in one.items)]


def play(store: Store, one: Dialogue) -> Played:
    """Make the session that a dialogue's message is said in."""
    revisions: dict[int, str] = {}
    session = ""
    for place, item in enumerate(one.items):
        if place in one.attachments:
            continue
        if not session:
            made, first = Assistant(store, Given(Plan())).new((f"{place}.png", png(pixels(item))))
            session, revisions[place] = made.id, first.id
        elif item.parent is None:
            asset = uploads.receive(store, session, intake.admit(png(pixels(item)), f"{place}.png"), f"{place}.png")
            revisions[place] = uploads.root(store, session, asset, f"photo-{place}")[0].id
        else:
            revisions[place] = _done(store, session, item, revisions[item.parent])
    stand(store, session, revisions[one.head])
    files = [file(one.items[place], str(place)) for place in one.attachments]
    attached = {
        place: uploads.receive(store, session, intake.admit(data, name), name).sha256
        for place, (name, data) in zip(one.attachments, files, strict=True)
    }
    return Played(session, revisions, files, attached)


def _done(store: Store, session: str, item: Item, base: str) -> str:
    """The revision of an edit that was said in words, as the tool makes it."""
    assert item.tool and item.made_by and item.scene
    args = item.darkroom[-1][1] if item.tool != "monochrome" else {"tone": TONES[item.scene.tone]}
    plan = Plan(steps=(PlanStep(tool=item.tool, args=args, base=base),))
    for _ in Assistant(store, Given(plan)).turn(session, item.made_by):
        pass
    return history.graph(store, session).revisions[-1].id


def stand(store: Store, session: str, revision: str) -> None:
    """Make a revision the session's head."""
    graph = history.graph(store, session)
    if graph.head is None or graph.head.id != revision:
        plan = Plan(command=Command(name="switch", target=revision))
        for _ in Assistant(store, Given(plan)).turn(session, "switch"):
            pass


def file(item: Item, name: str) -> tuple[str, bytes]:
    """An item as people send it, losslessly: name and content."""
    if item.kind == "picture":
        return f"{name}.png", png(pixels(item))
    written = io.BytesIO()
    soundfile.write(written, np.asarray(samples(item)), RATE, format="FLAC", subtype="PCM_16")
    return f"{name}.flac", written.getvalue()
