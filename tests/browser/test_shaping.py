"""A sound shapes a picture on the page, planned by the starter's planner: the same words, and the class is the sound's.

`PENTIMENTO_ALBUM=folder` keeps screenshots.
"""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from agent.assistant import Assistant
from agent.plan import Plan
from agent.planners.given import Given
from agent.runtime import open_store
from agent.settings import Settings
from sessions import history
from tests.agent.planners.played import file
from tests.agent.planners.shaping import BY_DAY, LIGHTS, light_of, sound
from tests.browser.conftest import free_port
from tests.browser.person import Person, serving
from toybox.history import Item


@pytest.fixture
def ada(context_of, tmp_path, monkeypatch):
    monkeypatch.setenv("PENTIMENTO_PLANNER", "token_heads")
    wanted = os.environ.get("PENTIMENTO_ALBUM")
    with serving(tmp_path / "home", free_port()) as address:
        page = context_of(False).new_page()
        page.set_viewport_size({"width": 1280, "height": 800})
        yield Person(page, address, Path(wanted) if wanted else None)
        page.close()


def test_the_class_of_the_result_follows_the_sound(ada, tmp_path):
    store = open_store(Settings(home=tmp_path / "home"))
    session, _ = Assistant(store, Given(Plan())).new(file(Item("picture", BY_DAY), "scene"))
    ada.opens(f"/?s={session.id}&b=main")
    ada.is_at(1)
    for number, name in enumerate(("crickets", "fire"), start=2):
        sent, data = file(sound(name), name)
        (tmp_path / sent).write_bytes(data)
        ada.says("add the sound to it", tmp_path / sent)
        ada.hears(f"main is at #{number}")
        ada.is_at(number)
        ada.photographs(f"shaped by {name}")
        (made,) = (one for one in history.graph(store, session.id).revisions if one.seq == number)
        assert made.step.tool == "any2pix"
        assert light_of(store.picture(session.id, made.image).rgb, BY_DAY) == LIGHTS[name]
        ada.presses("Undo")
        ada.is_at(1)
    store.close()
