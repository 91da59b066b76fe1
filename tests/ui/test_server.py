"""The page's own addresses: pictures, files, health; whose they are, and who is answered."""

import errno
import io
import json
import socket
import zipfile

import numpy as np
import pytest
from PIL import Image
from starlette.applications import Starlette
from starlette.testclient import TestClient

from agent.assistant import Assistant
from agent.plan import Command, Plan, PlanStep
from agent.planners.given import Given
from agent.planners.rules import RulesPlanner
from agent.settings import Settings
from sessions import history, turns
from sessions.errors import StorageError
from sessions.store import Store
from tests.agent.conftest import cat, png  # noqa: F401
from tools import regions, shelf
from tools.weights import Entry, File
from ui import place, server
from ui.gallery import Cache, Gallery
from ui.place import short
from ui.worker import Call, Worker

BOXED = Plan(steps=(PlanStep(tool="blur", args={"amount": 0.8}, region={"box": [0.25, 0.25, 0.75, 0.75]}),))


@pytest.fixture
def store(tmp_path, monkeypatch):
    opened = Store(tmp_path / "home")
    gallery = Gallery(opened)
    desk = server.Desk(Worker(Assistant(opened, Given(BOXED)), gallery.keep), gallery)
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
    with client() as opened:
        yield opened


def client(host: str = "127.0.0.1", *hosts: str) -> TestClient:
    return TestClient(Starlette(routes=server.routes(), middleware=server.guards(host, hosts)), "http://localhost")


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


TWO_PLACES = Plan(
    steps=(
        PlanStep(tool="blur", region={"words": "top left"}),
        PlanStep(tool="adjust", args={"exposure": 0.5}, region={"words": "bottom right"}),
    )
)


def asked(graph, plan=None, text="go"):
    """The turn that waits once this has been said."""
    worker, session = server.desk().worker, graph.session.id
    worker.assistant.planner = RulesPlanner()
    worker.start(call := Call(session, text, branch="main", plan=plan))
    assert worker.wait(call.request_id, 20) and worker.live(call.request_id).finished.state == "waiting"
    return turns.open_turns(worker.assistant.store, session)[0]


@pytest.fixture
def doubtful(monkeypatch):
    ground_steps = regions.ground_steps

    def unsure(*args):
        found = yield from ground_steps(*args)
        return regions.Grounding(found.mask, 0.3, found.label)

    monkeypatch.setattr(regions, "ground_steps", unsure)


@pytest.mark.usefixtures("doubtful")
def test_each_doubt_of_a_turn_shows_its_own_mask(browser, graph):
    """What somebody says yes to is what they have seen."""
    first = asked(graph, TWO_PLACES)
    corner = np.asarray(opened(browser.get(place.asked(first, "mask"))))[..., 3]
    second = asked(graph, text="yes, use it")
    other = np.asarray(opened(browser.get(place.asked(second, "mask"))))[..., 3]
    assert first.request_id == second.request_id
    assert corner[10, 10] == other[-10, -10] == 255 and corner[-10, -10] == other[10, 10] == 0
    assert browser.get(place.asked(first, "mask")).status_code == 404


@pytest.mark.usefixtures("doubtful")
@pytest.mark.parametrize("name", ["mask", "0"])
def test_what_a_question_shows_is_found_again(browser, graph, monkeypatch, name):
    address = place.asked(asked(graph, TWO_PLACES), name)
    kept = browser.get(address)
    monkeypatch.setattr(server.desk().gallery, "cache", Cache())
    assert opened(kept).size == (240, 200) and browser.get(address).content == kept.content
    assert browser.get(address.replace(f"{name}.webp", "7.webp")).status_code == 404


def test_the_choices_of_a_merge_have_their_pictures(browser, store, graph):
    root = graph.revisions[0].id
    for branch, exposure in (("main", 0.5), ("other", -0.5)):
        step = PlanStep(tool="adjust", args={"exposure": exposure}, base=root)
        list(Assistant(store, Given(Plan(steps=(step,)))).turn(graph.session.id, branch))
    ours, theirs = (f"#{revision.seq}" for revision in history.graph(store, graph.session.id).revisions[-2:])
    list(Assistant(store, Given(Plan(command=Command(name="switch", target=ours)))).turn(graph.session.id, "there"))
    worker = server.desk().worker
    branch = history.graph(store, graph.session.id).current
    plan = Plan(command=Command(name="merge", target=theirs))
    worker.start(call := Call(graph.session.id, "merge", branch=branch, plan=plan))
    assert worker.wait(call.request_id, 20)
    turn = turns.get(store, graph.session.id, call.request_id)
    shown = [np.asarray(opened(browser.get(place.asked(turn, str(at)))), float).mean() for at in (0, 1)]
    assert shown[0] > shown[1] + 20


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


def test_readiness_asks_for_the_weights_that_are_registered(browser, store):
    source = store.home / "away.safetensors"
    files = {"unet/model.safetensors": File(source=str(source), sha256="0" * 64, bytes=4)}
    shelf.at(store.home).add(Entry(role="text-to-image", name="away", pack="own", files=files))
    assert browser.get("/readyz").status_code == 503
    source.write_bytes(b"here")
    assert browser.get("/readyz").status_code == 200


def test_only_local_names_are_answered(browser):
    assert browser.get("/healthz", headers={"host": "rebound.example"}).status_code == 400
    assert browser.get("/healthz", headers={"host": "[::1]:8501"}).status_code == 200


def test_what_is_opened_to_others_answers_to_the_names_it_is_given_and_to_any_without():
    def answer(name: str, *hosts: str) -> int:
        return client("0.0.0.0", *hosts).get("/healthz", headers={"host": name}).status_code

    assert answer("photos.example:80", "photos.example") == answer("127.0.0.1:8501", "photos.example") == 200
    assert answer("rebound.example", "photos.example") == 400
    assert answer("rebound.example") == 200


def test_the_names_are_a_setting(monkeypatch):
    monkeypatch.setenv("PENTIMENTO_HOSTS", "photos.example, 192.168.1.7")
    assert Settings().names == ("photos.example", "192.168.1.7")
    monkeypatch.delenv("PENTIMENTO_HOSTS")
    assert Settings().names == ()


def test_a_busy_port_makes_way_for_the_next_free_one():
    with socket.socket() as busy:
        busy.bind(("127.0.0.1", 0))
        busy.listen()
        taken = busy.getsockname()[1]
        with server.listen("127.0.0.1", taken) as found:
            assert taken < found.getsockname()[1] < taken + server.TRIES


def test_the_desk_is_opened_before_anybody_can_come(monkeypatch):
    """Two first visitors must not open two."""
    came = []

    def listen(*_):
        came.append("listening")
        raise StorageError("That is enough.")

    monkeypatch.setattr(server, "desk", lambda: came.append("desk") or server.Desk(None, None))
    monkeypatch.setattr(server, "listen", listen)
    with pytest.raises(StorageError, match="enough"):
        server.serve()
    assert came == ["desk", "listening"]


def test_the_address_is_one_for_browsers():
    assert server.address("0.0.0.0", 8501) == server.address("127.0.0.1", 8501) == "http://localhost:8501"
    assert server.address("::1", 8502) == "http://[::1]:8502"
    assert server.address("photos.example", 80) == "http://photos.example:80"


@pytest.mark.parametrize("host", ["no-such-host.invalid", "192.0.2.1"])
def test_an_address_of_another_machine_is_a_sentence(host):
    with pytest.raises(StorageError, match="is no address of this machine"):
        server.listen(host, 8501)


def test_after_the_last_port_there_is_none(monkeypatch):
    def taken(*_):
        raise OSError(errno.EADDRINUSE, "taken")

    monkeypatch.setattr(server.socket.socket, "listen", taken)
    with pytest.raises(StorageError, match="from 65530 to 65535"):
        server.listen("127.0.0.1", 65530)


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
