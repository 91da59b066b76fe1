"""The second half of `make demo` is as strict as it says: every change is there, and networks have made every step."""

from dataclasses import replace

import pytest
from PIL import Image

from toybox import demo
from toybox.demo import Message, thing
from toybox.drawing import draw
from toybox.scenes import Scene, Thing

SCENE = Scene("plain", "mint", (Thing("disc", "blue", "plain", "top left", 17, 17, 9, 0),))
BLUE = Message("make the disc blue", thing("top left", "disc", "blue"))


@pytest.fixture
def conversation(monkeypatch):
    """A log that grows by one message, and the scene in which it ends; the grader is the real one."""

    def held(message: Message, scene: Scene, *weights: bool) -> bool:
        steps = [{"id": str(n), "seq": n, "tool": "t", "made_with": _by(one)} for n, one in enumerate(weights)]
        logs = iter([{"revisions": []}, {"revisions": steps}])
        monkeypatch.setattr(demo, "typed", lambda *words: None)
        monkeypatch.setattr(demo, "told", lambda *words: next(logs))
        monkeypatch.setattr(demo, "head", lambda: draw(scene).rgb)
        return demo.held(message)

    return held


def _by(network: bool):
    return {"weights": [{"name": "toybox"}] if network else []}


def test_what_was_asked_for_and_painted_is_held(conversation):
    assert conversation(BLUE, SCENE, True)


@pytest.mark.parametrize("colour", ["red", "yellow"])
def test_another_result_is_not(conversation, colour):
    assert not conversation(BLUE, replace(SCENE, things=(replace(SCENE.things[0], colour=colour),)), True)


@pytest.mark.parametrize("made", [(), (False,), (True, False)])
def test_a_step_that_no_network_has_painted_is_not(conversation, made):
    assert not conversation(BLUE, SCENE, *made)


def test_what_needs_no_network_must_have_none(conversation):
    undone = replace(BLUE, neural=False)
    assert conversation(undone, SCENE) and not conversation(undone, SCENE, True)


@pytest.mark.reliability
def test_the_networks_that_come_along_do_all_that_it_asks(tmp_path, monkeypatch, capfd):
    """The conversation itself, by the program: every change is found, and the pictures lie there."""
    monkeypatch.chdir(tmp_path)
    demo.main()
    said = capfd.readouterr().out
    assert all(f'pentimento say "{message.said}"' in said for message in demo.TALK if " " in message.said)
    assert len(list((tmp_path / demo.OUT).glob("[0-9]*.png"))) >= len(demo.TALK)


def test_one_message_missed_ends_with_an_error(monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    for name, said in {"typed": None, "told": {"revisions": []}}.items():
        monkeypatch.setattr(demo, name, lambda *words, said=said: said)
    monkeypatch.setattr(demo, "sheet", lambda paths: Image.new("RGB", (8, 8)))
    monkeypatch.setattr(demo, "held", lambda message: message is not demo.TALK[2])
    with pytest.raises(SystemExit, match=demo.TALK[2].said):
        demo.main()
