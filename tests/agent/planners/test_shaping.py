"""any2pix from a message to pixels, with the starter's own planner and weights: what is heard decides what is seen."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from agent.assistant import Assistant
from agent.events import Committed
from agent.plan import Command, Plan
from agent.planners.given import Given
from agent.planners.shelved import Shelved
from agent.sight import Sight
from sessions import history
from sessions.store import Store
from sessions.values import Revision
from tests.agent.conftest import end
from tests.agent.neural import serving
from tests.agent.planners.played import file
from tests.agent.planners.shaping import BY_DAY, LIGHTS, light_of, sound
from toybox.history import Item
from toybox.scenes import GROUNDS, Scene, Thing


@pytest.fixture(scope="module")
def store(new_database: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Store]:
    home = tmp_path_factory.mktemp("shaping")
    shutil.copy(new_database, home)
    made = Store(home)
    with serving(made):
        yield made
    made.close()


def said(store: Store, text: str, *sent: Item) -> Revision:
    """What the one step that the planner makes of a message has made of the scene by day, in a session of its own."""
    session, _ = Assistant(store, Given(Plan())).new(file(Item("picture", BY_DAY), "scene"))
    assistant = Assistant(store, Shelved(store.home, Sight(store), "torch"))
    events = list(assistant.turn(session.id, text, [file(item, str(place)) for place, item in enumerate(sent)]))
    assert end(events).state == "done", events[-1]
    (made,) = (event.revision for event in events if isinstance(event, Committed))
    return made


def seen(store: Store, one: Revision) -> np.ndarray:
    return store.picture(one.session, one.image).pixels


@pytest.fixture(scope="module")
def heard(store: Store) -> dict[str, Revision]:
    """The same words with each sound of a light."""
    return {name: said(store, "add the sound to it", sound(name)) for name in LIGHTS}


def test_the_light_is_the_sound_s_when_only_the_sound_is_exchanged(store, heard):
    assert {name: light_of(seen(store, one), BY_DAY) for name, one in heard.items()} == LIGHTS


def test_the_planner_said_what_is_meant_and_history_keeps_it(store, heard):
    """Each step hears its own sound, has a [gen] of its own, and stands on the photo, to which undo returns."""
    steps = [one.step for one in heard.values()]
    assert {step.tool for step in steps} == {"any2pix"} and len({step.args["meant"] for step in steps}) == 3
    for one in heard.values():
        (subject,) = one.step.subjects
        assert store.asset(one.session, subject).kind == "audio"
        (upload,) = one.parents
        undo = Given(Plan(command=Command(name="undo")))
        assert end(list(Assistant(store, undo).turn(one.session, "undo"))).state == "done"
        assert history.graph(store, one.session).head.id == upload


LIKE = {
    "teal": Scene("plain", "teal", (Thing("square", "yellow", "plain", "top left", 17, 17, 12, 0),)),
    "black": Scene("plain", "black", (Thing("square", "yellow", "plain", "top left", 17, 17, 12, 0),)),
}
WITH = Scene("plain", "white", (Thing("star", "red", "plain", "middle", 32, 32, 17, 0),))


def test_a_picture_looks_like_another_with_the_subject_of_a_third(store):
    """The step is shown both, in their order; which background there is then is the other's to say."""
    text = "make it look like the first attached picture with the star of the second attached picture"
    grounds = {}
    for name, scene in LIKE.items():
        made = said(store, text, Item("picture", scene), Item("picture", WITH))
        photos = [store.picture(made.session, subject).pixels for subject in made.step.subjects]
        assert [tuple(photo[2, 60]) for photo in photos] == [GROUNDS[name], GROUNDS["white"]]
        grounds[name] = seen(store, made)[[3, 3, -4, -4], [3, -4, 3, -4]].astype(float).mean(0)
    apart = [float(np.square(grounds[a] - GROUNDS[b]).sum()) for a, b in (("teal", "teal"), ("black", "black"))]
    exchanged = [float(np.square(grounds[a] - GROUNDS[b]).sum()) for a, b in (("teal", "black"), ("black", "teal"))]
    assert sum(apart) < sum(exchanged), grounds
