"""The page's own addresses: pictures, files, health; whose they are, and who is answered."""

import io
import json
import socket
import zipfile

import numpy as np
import pytest
from PIL import Image
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.middleware.trustedhost import TrustedHostMiddleware
from starlette.testclient import TestClient

from agent.assistant import Assistant
from agent.plan import Plan, PlanStep
from agent.planners.given import Given
from sessions import history
from sessions.errors import StorageError
from sessions.store import Store
from tests.agent.conftest import cat, png  # noqa: F401
from ui import server
from ui.gallery import Gallery
from ui.place import short
from ui.worker import Worker

BOXED = Plan(steps=(PlanStep(tool="blur", args={"amount": 0.8}, region={"box": [0.25, 0.25, 0.75, 0.75]}),))


@pytest.fixture
def store(tmp_path, monkeypatch):
    opened = Store(tmp_path / "home")
    desk = server.Desk(Worker(Assistant(opened, Given(BOXED))), Gallery(opened))
    monkeypatch.setattr(server, "desk", lambda: desk)
    yield opened
    opened.close()


@pytest.fixture
def graph(store, cat):  # noqa: F811
    assistant = Assistant(store, Given(BOXED))
    session, _ = assistant.new(("cat.png", cat))
    list(assistant.turn(session.id, "blur the middle"))
    return history.graph(store, session.id)


@pytest.fixture
def browser():
    guard = Middleware(TrustedHostMiddleware, allowed_hosts=server.LOCAL)
    with TestClient(Starlette(routes=server.routes(), middleware=[guard]), "http://localhost") as client:
        yield client


def address(graph, seq=2):
    revision = graph.revisions[seq - 1]
    return f"/pictures/{revision.session}/{short(revision.id)}"


def opened(response):
    assert response.status_code == 200, response.text
    return Image.open(io.BytesIO(response.content))


def test_pictures_are_small_webp_that_browsers_may_keep_and_foreign_pages_may_not_show(browser, graph):
    thumb = browser.get(f"{address(graph)}/thumb.webp")
    assert opened(thumb).size == (240, 200)
    assert "immutable" in thumb.headers["cache-control"]
    assert thumb.headers["cross-origin-resource-policy"] == "same-origin"
    assert thumb.headers["x-content-type-options"] == "nosniff"
    assert opened(browser.get(f"{address(graph)}/view.webp")).size == (240, 200)


def test_a_mask_is_a_shape_of_what_the_step_changed(browser, graph):
    alpha = np.asarray(opened(browser.get(f"{address(graph)}/mask.webp")))[..., 3]
    assert alpha[100, 120] == 255 and alpha[5, 5] == 0
    assert browser.get(f"{address(graph, 1)}/mask.webp").status_code == 404


def test_one_picture_on_the_frame_of_another_and_their_difference(browser, graph):
    one, two = (short(revision.id) for revision in graph.revisions)
    session = graph.session.id
    assert opened(browser.get(f"/pictures/{session}/{one}/onto/{two}.webp")).size == (240, 200)
    heat = np.asarray(opened(browser.get(f"/pictures/{session}/compared/{one}/{two}.webp")).convert("L"))
    assert heat[60:140, 80:160].mean() > 1.2 * heat[:20, :40].mean()


def test_a_whole_photo_is_laid_onto_what_was_cropped_out_of_it(browser, store, graph):
    """The sepia of the whole photo, where the crop is: the same place, the other colours."""
    told = Plan(steps=(PlanStep(tool="crop", args={"aspect": "1:1"}, base=graph.revisions[0].id),))
    sepia = Plan(steps=(PlanStep(tool="monochrome", args={"tone": "sepia"}, base=graph.revisions[0].id),))
    for plan in (told, sepia):
        list(Assistant(store, Given(plan)).turn(graph.session.id, "go"))
    square, brown = history.graph(store, graph.session.id).revisions[-2:]
    laid = opened(browser.get(f"/pictures/{square.session}/{short(brown.id)}/onto/{short(square.id)}.webp"))
    cropped = opened(browser.get(f"/pictures/{square.session}/{short(square.id)}/view.webp"))
    assert laid.size == cropped.size == (200, 200)
    grey, brownish = np.asarray(cropped.convert("L"), float), np.asarray(laid.convert("L"), float)
    assert np.corrcoef(grey.ravel(), brownish.ravel())[0, 1] > 0.97
    assert np.ptp(np.asarray(laid, float).mean((0, 1))) > 15  # brown, as sepia is, and not the crop itself
    assert np.abs(np.asarray(laid, float) - np.asarray(cropped, float)).mean() > 5


def test_the_unmirrored_photo_is_mirrored_onto_what_was_made_of_its_mirror_image(browser, store, graph):
    """Neither end of the way is a flip, but the way between them is."""
    steps = (PlanStep(tool="flip", args={"axis": "horizontal"}), PlanStep(tool="adjust", args={"exposure": 0.2}))
    list(Assistant(store, Given(Plan(steps=steps))).turn(graph.session.id, "go"))
    first, *_, last = history.graph(store, graph.session.id).revisions
    laid = opened(browser.get(f"/pictures/{last.session}/{short(first.id)}/onto/{short(last.id)}.webp"))
    original = opened(browser.get(f"{address(graph, 1)}/view.webp"))
    apart = np.abs(np.asarray(laid, float) - np.asarray(original, float)[:, ::-1]).mean()
    assert apart < 4 < np.abs(np.asarray(laid, float) - np.asarray(original, float)).mean()


def test_files_have_safe_names_and_the_bytes_they_promise(browser, graph, cat):  # noqa: F811
    session, revision = graph.session.id, short(graph.revisions[1].id)
    jpeg = browser.get(f"/files/{session}/{revision}.jpg?quality=70")
    assert opened(jpeg).format == "JPEG" and "attachment" in jpeg.headers["content-disposition"]
    assert browser.get(f"/files/{session}/original/{revision}").content == cat
    recipe = json.loads(browser.get(f"/files/{session}/recipe/{revision}.json").content)
    assert [step["tool"] for step in recipe["steps"]] == ["blur"]
    with zipfile.ZipFile(io.BytesIO(browser.get(f"/files/{session}/bundle.zip").content)) as bundle:
        assert bundle.testzip() is None


def test_wrong_options_are_a_sentence(browser, graph):
    wrong = browser.get(f"/files/{graph.session.id}/{short(graph.revisions[1].id)}.jpg?quality=many")
    assert wrong.status_code == 400 and "quality" in wrong.json()["message"]


def test_what_is_somebody_elses_is_not_there(browser, graph, tmp_path, monkeypatch):
    """The same answer as for a random name."""
    eve = Store(tmp_path / "home", owner="eve")
    monkeypatch.setattr(server, "desk", lambda: server.Desk(Worker(Assistant(eve, Given(BOXED))), Gallery(eve)))
    session, revision = graph.session.id, short(graph.revisions[1].id)
    for path in (
        "/pictures/{}/{}/thumb.webp",
        "/pictures/{}/{}/mask.webp",
        "/files/{}/{}.jpg",
        "/files/{}/original/{}",
        "/files/{}/recipe/{}.json",
    ):
        theirs = browser.get(path.format(session, revision))
        nobodys = browser.get(path.format("0" * 32, "1" * 64))
        assert theirs.status_code == nobodys.status_code == 404, path
        assert theirs.json() == nobodys.json(), path
    assert browser.get(f"/files/{session}/bundle.zip").status_code == 404
    eve.close()


def test_health_asks_nothing_and_readiness_asks_the_database(browser, store, monkeypatch):
    assert browser.get("/readyz").status_code == 200
    monkeypatch.setattr(store.database, "schema", lambda: "0000")
    assert browser.get("/readyz").status_code == 503
    monkeypatch.setattr(server, "desk", lambda: 1 / 0)
    assert browser.get("/healthz").text == "ok\n"


def test_only_local_names_are_answered(browser):
    assert browser.get("/healthz", headers={"host": "rebound.example"}).status_code == 400


def test_a_busy_port_makes_way_for_the_next_free_one():
    with socket.socket() as busy:
        busy.bind(("127.0.0.1", 0))
        busy.listen()
        taken = busy.getsockname()[1]
        with server.listen("127.0.0.1", taken) as found:
            assert taken < found.getsockname()[1] < taken + server.TRIES


def test_no_free_port_is_a_sentence(monkeypatch):
    monkeypatch.setattr(server, "TRIES", 1)
    with socket.socket() as busy:
        busy.bind(("127.0.0.1", 0))
        busy.listen()
        with pytest.raises(StorageError, match="is free"):
            server.listen("127.0.0.1", busy.getsockname()[1])


def test_examples_are_pictures(browser):
    assert opened(browser.get("/examples/coffee.webp")).width == 480
    assert browser.get("/examples/../secrets.webp").status_code == 404
