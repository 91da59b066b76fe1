"""Turns that need weights: left to the one engine of the data folder, followed from anywhere, finished once."""

import errno
import json
import subprocess
import threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager
from pathlib import Path

import numpy as np
import pytest

from agent import lease
from agent.assistant import Assistant
from agent.engine import DEATHS, Engine
from agent.events import Asked, Committed, Compared, Finished, Moved, Planned, Queued, Refused, Working
from agent.journal import TOLD_SECONDS
from sessions import history, turns
from sessions.store import Store
from tests.agent import neural
from tests.agent.conftest import ScriptedPlanner, end
from tests.agent.neural import PATIENCE, serving, until
from tools import shelf

TINT = {"tool": "tint"}
FLIP = {"tool": "flip", "args": {"axis": "horizontal"}}


@pytest.fixture(autouse=True)
def tools(monkeypatch):
    neural.without_torch(monkeypatch.setattr)


@pytest.fixture
def home(store):
    neural.weights(store.home)
    return store.home


@pytest.fixture
def no_process(monkeypatch):
    """Nobody starts an engine by himself."""
    started = []
    monkeypatch.setattr(lease, "_start", lambda home, url: started.append(home) or _Nobody())
    return started


class _Nobody:
    def poll(self):
        return None


@contextmanager
def started(home, *args):
    """The engine in a process of its own."""
    process = neural.process(home, *args)
    try:
        yield process
    finally:
        killed(process)


def killed(process):
    process.kill()
    process.join(PATIENCE)
    assert process.exitcode is not None


def plan(*steps, **more):
    return json.dumps({"steps": steps} | more)


def ids(events):
    return [event.revision.id for event in events if isinstance(event, Committed)]


# Who runs what


def test_a_turn_without_weights_runs_here_and_asks_nobody(say, no_process):
    assert end(say(FLIP)).state == "done"
    assert not no_process


def test_a_turn_that_needs_weights_runs_in_the_engine(store, home, say, session):
    with serving(store):
        events = say(FLIP, TINT)
    assert events[0].elsewhere and end(events).state == "done"
    assert [type(event) for event in events if not isinstance(event, Working)] == [
        Planned, Committed, Committed, Finished
    ]  # fmt: skip
    assert tuple(ids(events)) == end(events).revisions
    made = store.revision(session, ids(events)[-1])
    assert made.made_with["device"] and made.made_with["dtype"] == "float32"
    assert [(one["role"], one["name"]) for one in made.made_with["weights"]] == [(neural.ROLE, "some")]
    assert (store.picture(session, made.image).pixels[..., 2] >= 127).all()


def test_followers_hear_how_far_a_step_is_and_see_it(store, assistant, session, home, tmp_path):
    gate, working = tmp_path / "gate", []
    with serving(store), closing(assistant.turn(session, plan(TINT | {"args": {"gate": str(gate)}}))) as events:
        for event in events:
            if isinstance(event, Working):
                working.append(event)
                assert len(working) * TOLD_SECONDS < PATIENCE
                if event.preview is not None:
                    gate.touch()
    assert [event.index for event in working] == [0] * len(working)
    fractions = [event.fraction for event in working]
    assert fractions[0] == 0 and fractions[-1] == 1 and fractions == sorted(fractions)
    seen = [event.preview for event in working if event.preview is not None]
    assert seen[0].size == (3, 2)


def test_commands_before_and_after_the_steps_are_told(store, home, say):
    with serving(store):
        say(FLIP)
        events = say(TINT, command={"name": "undo"}, then={"name": "compare", "target": "#1"})
    told = [type(event) for event in events if isinstance(event, Moved | Committed | Compared)]
    assert told == [Moved, Committed, Compared]
    assert "Undone" in end(events).reply


def test_weights_that_are_not_there_are_a_sentence_and_start_nothing(store, say, no_process, monkeypatch, tmp_path):
    monkeypatch.setattr(shelf, "STARTER", tmp_path / "none.json")
    refused, finished = say(TINT)[-2:]
    assert isinstance(refused, Refused) and refused.code == "missing_weights"
    assert refused.hint == f"pentimento models pull {neural.ROLE}"
    assert finished.state == "refused" and not no_process
    assert end(say(FLIP)).state == "done"


def test_without_torch_it_is_a_sentence_too(home, say, no_process, monkeypatch):
    monkeypatch.setattr("tools.devices.find_spec", lambda name: None)
    assert say(TINT)[-2].code == "missing_weights"
    assert not no_process


def test_an_engine_that_cannot_be_started_is_a_sentence(home, say, monkeypatch):
    monkeypatch.setattr(lease, "COMMAND", ["false"])
    events = say(TINT)
    assert events[-2].code == "tool_failed" and "engine.log" in events[-2].hint
    assert end(events).state == "refused"


def test_a_plan_that_only_asks_asks_at_once(store, home, say, no_process):
    events = say(TINT, ask={"question": "Which one?", "candidates": []})
    assert end(events).state == "waiting" and not no_process


def test_a_held_plan_waits_until_it_is_sent_again(store, home, assistant, session):
    held = assistant.propose(session, plan(TINT), request_id="r")
    with serving(store):
        end(list(assistant.turn(session, plan(TINT), request_id="other")))
        assert turns.get(store, session, held.request_id).state == "planned"
        assert end(list(assistant.turn(session, "", request_id="r"))).state == "done"


def test_a_turn_that_was_begun_here_is_not_waited_for(store, home, session, assistant, no_process):
    assistant.propose(session, plan(TINT), request_id="r")
    turns.take(store, session, "r", "host/1/gone")
    with store.database.write() as connection:
        connection.exec_driver_sql("UPDATE turns SET heartbeat = 0")
    assert end(list(assistant.turn(session, "", request_id="r"))).state == "done"


def test_an_engine_is_told_where_things_are_from_wherever_it_stands(tmp_path, cat, monkeypatch):
    monkeypatch.chdir(tmp_path)
    told = []
    monkeypatch.setattr(subprocess, "Popen", lambda *_, **given: told.append(given["env"]) or _Nobody())
    for folder, url in (("here", ""), ("there", "sqlite:///other.db")):
        with closing(Store(Path(folder), url)) as store:
            lease.rouse(store)
    assert [one["PENTIMENTO_HOME"] for one in told] == [str(tmp_path / "here"), str(tmp_path / "there")]
    assert [one["PENTIMENTO_DATABASE_URL"] for one in told] == [
        f"sqlite:///{tmp_path}/here/sessions.db", f"sqlite:///{tmp_path}/other.db"
    ]  # fmt: skip


def test_who_waits_is_told_for_how_many(store, home, assistant, cat, say):
    gate, busy = home / "gate", [assistant.new(("cat.png", cat))[0].id for _ in range(2)]
    message = plan({"tool": "tint", "args": {"gate": str(gate)}})
    with ThreadPoolExecutor(3) as pool, serving(store):
        pool.submit(lambda: list(assistant.turn(busy[0], message)))
        until(lambda: neural.lines(home / "begun"))
        pool.submit(lambda: list(assistant.turn(busy[1], message)))
        until(lambda: len(turns.queue(store.database)) == 2)
        told = pool.submit(say, TINT)
        until(lambda: len(turns.queue(store.database)) == 3)
        gate.touch()
        events = told.result(PATIENCE)
    assert [event for event in events if isinstance(event, Queued)] == [Queued(2)] == events[1:2]


def test_who_need_not_wait_is_told_nothing(store, home, say):
    with serving(store):
        assert not [event for event in say(TINT) if isinstance(event, Queued)]


# Questions and failures


@pytest.mark.parametrize("broken", ["live", "pid", "question"])
def test_where_only_the_news_cannot_be_written_the_turn_is_done(store, home, say, monkeypatch, broken):
    written, text = [], Path.write_text

    def full(path, *given, **more):
        if broken == "pid" and path.name != lease.LOCK:
            return text(path, *given, **more)
        written.append(path)
        raise OSError(errno.ENOSPC, "No space left on device")

    if broken == "live":
        (home / "live").write_text("not a folder")
    else:
        monkeypatch.setattr(Path, {"pid": "write_text", "question": "write_bytes"}[broken], full)
    with serving(store):
        events = say(TINT | {"args": {"fails": "unsure"}})
        assert end(events).state == "waiting" and any(isinstance(event, Asked) for event in events)
    assert bool(written) == (broken != "live")


def test_a_picture_of_a_question_that_was_lost_is_not_shown(store, home, say, session, assistant):
    with serving(store):
        say(TINT | {"args": {"fails": "unsure"}}, request_id="r")
    kept = sorted((home / "live" / session).glob("*.png"))
    for path, data in zip(kept, (b"", kept[0].read_bytes()[:50]), strict=True):
        path.write_bytes(data)
    again = list(assistant.turn(session, "", request_id="r"))
    assert not again[1].pictures and again[1].mask is None


def test_a_question_shows_what_the_engine_found_and_the_answer_goes_on(store, home, say, session, assistant):
    with serving(store):
        first = say(FLIP, {"tool": "tint", "args": {"fails": "unsure"}}, request_id="r")
        asked = next(event for event in first if isinstance(event, Asked))
        assert end(first).state == "waiting"
        assert asked.pictures[0].size == (3, 2) and (asked.mask == 9).all()
        again = list(assistant.turn(session, "", request_id="r"))
        assert np.array_equal(again[1].mask, asked.mask)
        answered = list(assistant.turn(session, "yes, use it"))
    assert end(answered).state == "done"
    assert len(ids(answered)) == 1 and len(end(answered).revisions) == 2


@pytest.mark.parametrize("index", [0, 1, 2])
def test_out_of_memory_is_an_answer_and_the_next_turn_works(store, home, say, index):
    steps = [TINT] * 3
    steps[index] = {"tool": "tint", "args": {"fails": "memory"}}
    with serving(store):
        events = say(*steps)
        assert events[-2].code == "out_of_memory"
        assert end(events).state == ("failed" if index else "refused")
        assert len(end(events).revisions) == len(ids(events)) == index
        assert end(say(TINT)).state == "done"


def test_a_step_that_kills_every_engine_is_given_up(store, home, say, monkeypatch, no_process):
    monkeypatch.setattr("agent.engine.DEATHS", 1)
    with ThreadPoolExecutor(1) as pool, started(home) as first:
        told = pool.submit(say, {"tool": "tint", "args": {"fails": "dies"}})
        until(lambda: first.exitcode is not None)
        with serving(store):
            events = told.result(PATIENCE)
    assert end(events).state == "failed" and events[-2].code == "tool_failed"


def test_deaths_count_for_one_step_only(store, session, assistant, home):
    turn = assistant.propose(session, plan(TINT, TINT), request_id="r")
    turn = turns.take(store, session, "r", "host/1/gone")
    for times in range(1, DEATHS):
        assert turns.lost(store, turn) == times
        turn = turns.get(store, session, "r")
    with store.database.write() as connection:
        connection.exec_driver_sql("UPDATE turns SET next_step = 1")
    assert turns.lost(store, turns.get(store, session, "r")) == 1


# One engine, many processes


def test_two_followers_hear_the_same_and_weights_are_loaded_once(store, home, session, assistant, no_process):
    gate = home / "gate"
    message = plan(TINT, {"tool": "tint", "args": {"gate": str(gate)}}, FLIP)
    with ThreadPoolExecutor(2) as pool, started(home):
        told = [pool.submit(lambda: list(assistant.turn(session, message, request_id="r"))) for _ in range(2)]
        until(lambda: len(neural.lines(home / "begun")) == 2)
        gate.touch()
        one, other = (future.result(PATIENCE) for future in told)
        assert ids(one) == ids(other) == list(end(one).revisions) and len(ids(one)) == 3
        assert end(one) == end(other)
    assert len(neural.lines(home / "loads")) == 1
    assert len(history.graph(store, session).revisions) == 4


def test_cancelled_from_another_process_it_stops_in_the_middle(store, home, session, assistant, say):
    with ThreadPoolExecutor(1) as pool, started(home):
        message = plan(FLIP, {"tool": "tint", "args": {"gate": str(home / "never")}})
        told = pool.submit(lambda: list(assistant.turn(session, message, request_id="r")))
        until(lambda: neural.lines(home / "begun"))
        turns.cancel(store, session, "r")
        events = told.result(PATIENCE)
        assert end(events).state == "cancelled" and len(ids(events)) == 1
        assert end(say(TINT)).state == "done"


def test_cancelled_while_it_waits_it_never_begins(store, home, session, assistant, no_process):
    with ThreadPoolExecutor(1) as pool:
        told = pool.submit(lambda: list(assistant.turn(session, plan(TINT), request_id="r")))
        until(lambda: turns.find(store, session, "r") and turns.queue(store.database))
        turns.cancel(store, session, "r")
        assert end(told.result(PATIENCE)).state == "cancelled"
    assert not turns.queue(store.database)


def test_to_close_a_follower_is_to_cancel(store, home, session, assistant, no_process):
    following = assistant.turn(session, plan(TINT), request_id="r")
    with serving(store):
        gate = home / "gate"
        held = assistant.turn(session, plan({"tool": "tint", "args": {"gate": str(gate)}}), request_id="first")
        while not neural.lines(home / "begun"):
            next(held)
        held.close()
        until(lambda: turns.get(store, session, "first").state == "cancelled")
    following.close()


def test_killed_in_the_middle_it_is_finished_by_the_next_and_each_step_once(
    store, home, session, assistant, monkeypatch
):
    monkeypatch.setattr(lease, "COMMAND", neural.COMMAND)
    gate = home / "gate"
    message = plan(FLIP, {"tool": "tint", "args": {"gate": str(gate)}}, TINT)
    with ThreadPoolExecutor(1) as pool, started(home) as first:
        told = pool.submit(lambda: list(assistant.turn(session, message, request_id="r")))
        until(lambda: neural.lines(home / "begun"))
        killed(first)
        until(lambda: len(neural.lines(home / "begun")) == 2)
        gate.touch()
        events = told.result(PATIENCE)
        second = lease._started.pop(home.resolve())
        second.terminate()
        assert second.wait(PATIENCE) == -15
    assert end(events).state == "done" and ids(events) == list(end(events).revisions) and len(ids(events)) == 3
    assert len(history.graph(store, session).revisions) == 4
    assert [line == str(first.pid) for line in neural.lines(home / "begun")[:2]] == [True, False]
    assert len(neural.lines(home / "loads")) == 2


def test_an_engine_with_nothing_to_do_leaves_and_another_comes(store, home, say):
    with started(home, 0.001) as first:
        first.join(PATIENCE)
        assert first.exitcode == 0
        assert not lease.held(home)
    with serving(store):
        until(lambda: lease.held(home))
        with lease.lease(home) as ours:
            assert not ours
        assert end(say(TINT)).state == "done"
    assert not lease.held(home)


def test_an_engine_that_shall_not_stay_does_what_is_left_to_it(store, home, session, assistant):
    turns.enqueue(store, assistant.propose(session, plan(TINT), request_id="r"))
    Engine(store).run(0)
    assert turns.get(store, session, "r").state == "done"


def test_an_engine_that_fails_and_fails_leaves(store, home, monkeypatch):
    monkeypatch.setattr("agent.engine.AGAIN_SECONDS", 0)
    monkeypatch.setattr("agent.engine.turns.queue", lambda _: 1 / 0)
    Engine(store).run(0.2)


def test_the_page_takes_over_when_the_engine_before_it_goes(store, home, say):
    with started(home) as first, serving(store) as kept:
        assert end(say(TINT)).state == "done"
        assert neural.lines(home / "loads") == [str(first.pid)]
        killed(first)
        assert end(say(TINT)).state == "done"
        assert len(neural.lines(home / "loads")) == 2
        assert kept is not None


# Fairness


def test_sessions_take_turns_and_each_keeps_its_order(store, home, assistant, cat):
    places = [assistant.new(("cat.png", cat))[0].id for _ in range(3)]
    for name in places[:2]:
        for number in range(3):
            turn = assistant.propose(name, plan(FLIP), request_id=f"{number}")
            turns.enqueue(store, turn)
    turns.enqueue(store, assistant.propose(places[2], plan(FLIP), request_id="0"))
    with serving(store):
        until(lambda: not turns.queue(store.database))
    made = [(one, at) for at, place in enumerate(places) for one in history.graph(store, place).revisions if one.step]
    assert [at for _, at in sorted(made, key=lambda pair: pair[0].created_at)] == [0, 1, 2, 0, 1, 0, 1]
    assert [one.turn for one, at in made if at == 0] == ["0", "1", "2"]


def test_another_owner_is_served_by_the_same_engine(store, home, cat):
    other = store.of("other")
    assistant = Assistant(other, ScriptedPlanner())
    session = assistant.new(("cat.png", cat))[0].id
    with serving(store):
        assert end(list(assistant.turn(session, plan(TINT)))).state == "done"
    assert other.database is store.database and not store.sessions()


def test_darkroom_turns_go_on_beside_the_engine(store, home, assistant, cat, say):
    gate, busy = home / "gate", assistant.new(("cat.png", cat))[0].id
    with ThreadPoolExecutor(1) as pool, serving(store):
        message = plan({"tool": "tint", "args": {"gate": str(gate)}})
        told = pool.submit(lambda: list(assistant.turn(busy, message)))
        until(lambda: neural.lines(home / "begun"))
        assert end(say(FLIP)).state == "done" and not told.done()
        gate.touch()
        assert end(told.result(PATIENCE)).state == "done"


def test_nothing_is_left_running():
    assert not [thread for thread in threading.enumerate() if thread.name == "engine"]
    assert not [one for one in lease._started.values() if isinstance(one, subprocess.Popen) and one.poll() is None]
