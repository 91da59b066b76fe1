"""Turns: a request is planned once and each of its steps is made once, whoever retries, whichever process dies."""

import pytest

from sessions import commits, history, moves, turns
from sessions.errors import NotFound, TurnBusy
from tests import making
from tests.making import planned


@pytest.fixture
def head(store, session) -> str:
    return making.upload(store, session, making.picture(1))[0].id


def claimed(store, session, index, holder, seed):
    here = moves.branch(store, session, "main").head
    claim = commits.Claim("ask", index, holder)
    draft = commits.Draft(
        store.keep(session, making.picture(seed)), (here,), making.step(here, seed), claim=claim, turn="ask"
    )
    return commits.append(store, session, "main", draft, here)


def test_a_turn_is_begun_once(store, session, head):
    first = turns.begin(store, planned(session, "ask", "main", head), "make it sepia")
    again = turns.begin(store, planned(session, "ask", "other"), "something else")
    assert again == first
    assert [m.text for m in turns.messages(store, session)] == ["make it sepia"]
    assert turns.get(store, session, "ask") == turns.find(store, session, "ask") == first


def test_a_turn_that_was_never_begun(store, session):
    assert turns.find(store, session, "ask") is None
    with pytest.raises(NotFound):
        turns.get(store, session, "ask")


def test_a_whole_turn_sent_again_makes_nothing_new(store, session, head):
    shown = [making.picture(2), making.picture(3)]
    made = making.work(store, session, "main", "ask", shown)
    moved = history.moves(store, session)
    assert making.work(store, session, "main", "ask", shown) == made
    assert history.moves(store, session) == moved
    (message, reply) = turns.messages(store, session)
    assert message.revisions == tuple(revision.id for revision in made)
    assert (reply.role, reply.text) == ("assistant", "Done.")


def test_only_one_may_run_a_turn(store, session, head):
    turns.begin(store, planned(session, "ask", "main"), "make it sepia")
    assert turns.take(store, session, "ask", "one").state == "running"
    with pytest.raises(TurnBusy):
        turns.take(store, session, "ask", "two")
    assert turns.take(store, session, "ask", "one").lease == "one"


def test_a_dead_holder_is_taken_over_and_loses_its_say(store, session, head, monkeypatch):
    turns.begin(store, planned(session, "ask", "main"), "make it sepia")
    turns.take(store, session, "ask", "one")
    assert turns.beat(store, session, "ask", "one")
    clock = turns.time.time() + turns.LEASE_SECONDS + 1
    monkeypatch.setattr(turns.time, "time", lambda: clock)
    turns.take(store, session, "ask", "two")
    assert not turns.beat(store, session, "ask", "one")
    with pytest.raises(TurnBusy):
        claimed(store, session, 0, "one", 2)
    assert moves.branch(store, session, "main").head == head
    assert claimed(store, session, 0, "two", 2).seq == 2


def test_a_holder_known_to_be_dead_need_not_be_waited_for(store, session, head):
    turns.begin(store, planned(session, "ask", "main"), "make it sepia")
    turns.take(store, session, "ask", "one")
    assert turns.take(store, session, "ask", "two", dead="one").lease == "two"


def test_each_step_is_ticked_off_once(store, session, head):
    turns.begin(store, planned(session, "ask", "main"), "make it sepia")
    turns.take(store, session, "ask", "me")
    claimed(store, session, 0, "me", 2)
    with pytest.raises(TurnBusy):
        claimed(store, session, 0, "me", 3)
    with pytest.raises(TurnBusy):
        claimed(store, session, 2, "me", 3)
    claimed(store, session, 1, "me", 3)
    assert turns.get(store, session, "ask").next_step == 2
    assert len(history.page(store, session)) == 3


def test_a_turn_interrupted_between_its_steps_goes_on_where_it_was(store, session, head):
    turns.begin(store, planned(session, "ask", "main"), "make it sepia")
    turns.take(store, session, "ask", "me")
    first = claimed(store, session, 0, "me", 2)
    made = making.work(store, session, "main", "ask", [making.picture(2), making.picture(3)])
    assert made[0] == first
    assert len(made) == 2
    assert turns.get(store, session, "ask").state == "done"


@pytest.mark.parametrize("state", ["planned", "waiting"])
def test_cancelling_what_does_not_run_ends_it(store, session, head, state):
    turn = turns.begin(store, planned(session, "ask", "main"), "make it sepia")
    if state == "waiting":
        turns.wait(store, turn, {"ask": "which?"}, "Which?")
    assert turns.cancel(store, session, "ask").state == "cancelled"
    with pytest.raises(TurnBusy):
        turns.take(store, session, "ask", "me")


def test_cancelling_what_runs_tells_its_holder(store, session, head):
    turns.begin(store, planned(session, "ask", "main"), "make it sepia")
    turns.take(store, session, "ask", "me")
    assert not turns.cancel_asked(store, session, "ask")
    assert turns.cancel(store, session, "ask").state == "running"
    assert turns.cancel_asked(store, session, "ask")
    assert not turns.beat(store, session, "ask", "me")


def test_a_closed_turn_stays_closed(store, session, head):
    making.work(store, session, "main", "ask", [making.picture(2)])
    done = turns.get(store, session, "ask")
    assert turns.cancel(store, session, "ask") == done
    assert turns.finish(store, done, "failed", {}, "No.") == done
    assert len(turns.messages(store, session)) == 2


def test_who_lost_the_lease_neither_ends_the_turn_nor_asks(store, session, head):
    turns.begin(store, planned(session, "ask", "main"), "make it sepia")
    lost = turns.take(store, session, "ask", "one")
    held = turns.take(store, session, "ask", "two", dead="one")
    assert turns.finish(store, lost, "refused", {}, "No.") == held
    with pytest.raises(TurnBusy):
        turns.wait(store, lost, {"ask": "which?"}, "Which?")
    assert turns.get(store, session, "ask") == held
    assert claimed(store, session, 0, "two", 2).seq == 2
    assert turns.finish(store, held, "done", {}, "Done.").state == "done"
    assert [m.text for m in turns.messages(store, session)] == ["make it sepia", "Done."]


def test_who_holds_nothing_ends_only_what_nobody_runs(store, session, head):
    idle = turns.begin(store, planned(session, "ask", "main"), "make it sepia")
    held = turns.take(store, session, "ask", "me")
    assert turns.finish(store, idle, "refused", {}, "No.") == held
    waiting = turns.wait(store, held, {"ask": "which?"}, "Which?")
    assert turns.finish(store, waiting, "cancelled", {}, "").state == "cancelled"


def test_what_a_turn_says_last_is_said_on_the_branch_it_went_to(store, session, head):
    turns.begin(store, planned(session, "ask", "main"), "a new branch")
    turn = turns.take(store, session, "ask", "me")
    moves.create_branch(store, session, "warm", head, turn="ask")
    assert turns.get(store, session, "ask").branch == "warm"
    assert turns.wait(store, turn, {"ask": "which?"}, "Which?").branch == "warm"
    assert [m.branch for m in turns.messages(store, session)] == ["main", "warm"]


def test_a_turn_stands_where_it_opened_or_went_to_and_nobody_else_moves_it(store, session, head):
    turns.begin(store, planned(session, "ask", "main"), "look at this")
    moves.create_branch(store, session, "warm", head)
    moves.switch(store, session, "warm")
    assert turns.get(store, session, "ask").branch == "main"
    making.upload(store, session, making.picture(2), "dog", turn="ask")
    assert turns.get(store, session, "ask").branch == "dog"
    moves.switch(store, session, "warm", turn="ask")
    assert turns.get(store, session, "ask").branch == "warm"


def test_the_message_of_a_turn_is_found_however_long_ago(store, session, head):
    sound = making.sound(store, session, 1)
    begun = turns.begin(store, planned(session, "ask", "main"), "like this sound", (sound,))
    for number in range(60):
        turns.say(store, session, "main", f"{number}")
    said = turns.said(store, begun)
    assert (said.id, said.text, said.attachments) == (begun.message, "like this sound", (sound,))
    with pytest.raises(NotFound):
        turns.said(store, planned(session, "other", "main"))


def test_a_question_waits_and_is_answered_once(store, session, head):
    turns.begin(store, planned(session, "ask", "main"), "that one")
    turn = turns.take(store, session, "ask", "me")
    waiting = turns.wait(store, turn, {"ask": "which?"}, "Which?")
    assert (waiting.state, waiting.lease, waiting.plan) == ("waiting", None, {"ask": "which?"})
    assert turns.open_turns(store, session, "main") == [waiting]
    assert turns.open_turns(store, session, "other") == []
    assert turns.resume(store, waiting, {"steps": [1]}).state == "planned"
    with pytest.raises(TurnBusy):
        turns.resume(store, waiting, {"steps": [2]})
    assert turns.get(store, session, "ask").plan == {"steps": [1]}


def test_messages_come_in_order_and_bounded(store, session):
    for number in range(5):
        turns.say(store, session, "main", f"{number}")
    assert [m.text for m in turns.messages(store, session, limit=3)] == ["2", "3", "4"]
