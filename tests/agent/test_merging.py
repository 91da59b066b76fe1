"""Merge: what is composited, done again, asked about; that nothing is doubled, lost or settled silently."""

import json

import numpy as np
import pytest

from agent import merging
from agent.events import Asked, Committed, Moved, Working
from agent.plan import Plan
from sessions import commits, history, moves, turns
from sessions.errors import NotGrounded, PentimentoError
from sessions.fsck import fsck
from sessions.values import IDENTITY
from tests.agent.conftest import end
from tools import regions
from tools.base import drain

LEFT = {"box": [0.0, 0.0, 0.3, 1.0]}
RIGHT = {"box": [0.6, 0.0, 1.0, 1.0]}
BRIGHT = {"tool": "adjust", "args": {"exposure": 0.3}}
DARK = {"tool": "adjust", "args": {"exposure": -0.3}}
SEPIA = {"tool": "monochrome", "args": {"tone": "sepia"}}
CROP = {"tool": "crop", "args": {"box": [0.1, 0.2, 0.9, 1.0]}}
FLIP = {"tool": "flip", "args": {"axis": "horizontal"}}


@pytest.fixture
def history_of(say, store, session):
    """Two branches from #1, `main` and `theirs`, with these steps."""

    def make(ours: list[dict], theirs: list[dict]):
        moves.create_branch(store, session, "theirs", history.graph(store, session).head.id)
        for name, steps in (("theirs", theirs), ("main", ours)):
            for step in steps:
                assert end(say(step, branch=name)).state == "done"
        moves.switch(store, session, "main")

    return make


@pytest.fixture
def merge(say):
    def send(target: str = "theirs", into: str = "main", take: str | None = None, **kwargs) -> list:
        options = {"take": {"*": take}} if take else {}
        return say(command={"name": "merge", "target": target, "options": options}, branch=into, **kwargs)

    return send


@pytest.fixture
def head(store, session):
    def read(branch: str = "main"):
        return store.revision(session, moves.branch(store, session, branch).head)

    return read


@pytest.fixture
def pixels(store, session, head):
    def read(branch: str = "main") -> np.ndarray:
        return store.picture(session, head(branch).image).pixels

    return read


def said(events: list) -> str:
    return next(event.sentence for event in events if isinstance(event, Moved))


def asked(events: list) -> Asked:
    return next(event for event in events if isinstance(event, Asked))


# --- composite --------------------------------------------------------------------------------------------------------


def test_disjoint_edits_are_composited_bit_for_bit_and_one_revision_has_both_parents(
    history_of, merge, head, pixels, store, session
):
    history_of([BRIGHT | {"region": LEFT}], [DARK | {"region": RIGHT}])
    ours, theirs = head(), head("theirs")
    mine, other = pixels(), pixels("theirs")
    events = merge()
    made = head()
    assert [e.revision for e in events if isinstance(e, Committed)] == [made]
    assert (made.parents, made.source, made.step) == ((ours.id, theirs.id), "merge", None)
    assert made.facts["composited"] == [theirs.id]
    assert end(events).revisions == (made.id,)
    assert "1 step as they were" in said(events)
    expected = mine.copy()
    expected[:, 144:] = other[:, 144:]
    assert np.array_equal(pixels(), expected)
    changed = store.picture(session, made.mask).pixels > 0
    assert np.array_equal(changed, (pixels() != mine).any(axis=2))
    assert made.geometry == IDENTITY
    assert moves.made_by(store, session, made.turn) == 1
    assert history.moves(store, session)[0].kind == "merge"
    assert not [problem for problem in fsck(store, session) if problem.damage]


def test_merging_either_way_gives_the_same_pixels(history_of, merge, pixels):
    history_of(
        [BRIGHT | {"region": LEFT}, FLIP | {"tool": "blur", "args": {}, "region": LEFT}], [DARK | {"region": RIGHT}]
    )
    before = pixels()
    merge()
    one = pixels()
    assert not np.array_equal(one, before)
    merge("#4", into="theirs")
    assert np.array_equal(pixels("theirs"), one)


def test_merging_again_brings_nothing_or_only_what_is_new(history_of, merge, say, head, pixels):
    history_of([BRIGHT | {"region": LEFT}], [DARK | {"region": RIGHT}])
    merge()
    made, before = head(), pixels()
    assert "has everything of theirs already" in said(merge())
    assert "has everything of main already" in said(merge("main"))
    assert head() == made
    say({"tool": "adjust", "args": {"exposure": 0.1}, "region": {"box": [0.4, 0.0, 0.5, 1.0]}}, branch="theirs")
    merge()
    assert head().facts["composited"] == [head("theirs").id]
    assert (pixels() != before).any(axis=(0, 2)).nonzero()[0].tolist() == list(range(96, 120))


def test_a_line_that_goes_on_from_ours_is_one_merge_that_undo_takes_back(history_of, merge, say, head):
    history_of([], [BRIGHT, SEPIA])
    ours = head()
    merge()
    assert head().parents == (ours.id, head("theirs").id)
    assert head().image == head("theirs").image
    assert end(say(command={"name": "undo"})).state == "done"
    assert head() == ours
    assert end(say(command={"name": "redo"})).state == "done"
    assert head().source == "merge"


def test_what_both_did_alike_in_another_order_is_done_once(history_of, merge, head):
    history_of([FLIP, BRIGHT], [BRIGHT, SEPIA])
    merge()
    assert len(head().facts["already"]) == 1
    assert len(head().facts["replayed"]) == 1


def test_a_mask_that_covers_what_ours_left_as_it_was_is_composited(history_of, merge, head, pixels):
    history_of([BRIGHT | {"region": LEFT}], [DARK | {"region": {"box": [0.3, 0.0, 1.0, 1.0]}}, SEPIA])
    merge()
    assert [len(head().facts[name]) for name in ("composited", "replayed")] == [1, 1]
    grey = pixels().astype(int)
    assert (grey[..., 0] >= grey[..., 2]).mean() > 0.99  # sepia everywhere, where ours made it brighter too


# --- done again -------------------------------------------------------------------------------------------------------


def test_a_whole_picture_edit_is_done_again_on_ours_with_its_seed(history_of, merge, head, pixels, say):
    history_of([BRIGHT | {"region": LEFT}], [SEPIA])
    events = merge()
    assert [e.index for e in events if isinstance(e, Working)]
    merged = pixels()
    assert head().facts["replayed"] == [head("theirs").id]
    assert head().mask is None
    say(command={"name": "undo"})
    say(SEPIA)
    assert np.array_equal(pixels(), merged)


def test_a_box_travels_with_the_pixels_it_was_drawn_on(history_of, merge, pixels):
    box = {"box": [0.5, 0.5, 0.75, 0.75]}
    history_of([FLIP], [DARK | {"region": box}])
    before, theirs = pixels(), pixels("theirs")
    merge()
    assert np.array_equal(pixels(), theirs[:, ::-1])
    changed = (pixels() != before).any(axis=2)
    assert changed[100:150, 60:120].mean() > 0.9
    changed[100:150, 60:120] = False
    assert not changed.any()


def test_a_crop_box_and_a_point_travel_too(history_of, merge, pixels, head):
    caption = {"tool": "text", "args": {"text": "hello", "at": [0.25, 0.5]}}
    history_of(
        [FLIP],
        [CROP | {"args": {"box": [0.0, 0.0, 0.5, 1.0]}}, caption | {"args": caption["args"] | {"at": [0.5, 0.5]}}],
    )
    flipped = pixels()
    merge()
    assert pixels().shape == (200, 120, 3)
    assert head().width == 120
    same = (pixels() == flipped[:, 120:]).all(axis=2)
    assert 0.5 < same.mean() < 1
    assert not same[90:110, 40:80].all()


def test_geometry_is_from_the_first_parent(history_of, merge, head):
    history_of([BRIGHT | {"region": LEFT}], [CROP])
    merge()
    made = head()
    assert (made.width, made.height) == (192, 160)
    assert made.geometry == pytest.approx((1, 0, -24, 0, 1, -40, 0, 0, 1))
    assert made.mask is None


def test_steps_after_a_replayed_crop_are_composited_again_where_pixels_agree(history_of, merge, head):
    history_of([BRIGHT | {"region": LEFT}], [CROP, DARK | {"region": {"box": [0.8, 0.0, 1.0, 1.0]}}])
    merge()
    assert [len(head().facts[name]) for name in ("composited", "replayed")] == [1, 1]


# --- conflicts --------------------------------------------------------------------------------------------------------


def test_two_values_of_one_tool_on_one_place_are_asked_about_with_thumbnails(history_of, merge, say, pixels, head):
    history_of([BRIGHT], [DARK])
    ours = head()
    events = merge(request_id="m")
    assert end(events).state == "waiting"
    assert head() == ours
    ask = asked(events)
    assert [c.label for c in ask.ask.candidates] == ["ours", "theirs", "both in order"]
    assert "#2 adjust" in ask.ask.question
    assert "#3 adjust" in ask.ask.question
    assert sorted(ask.pictures) == [0, 1, 2]
    again = asked(merge(request_id="m"))
    assert all(np.array_equal(again.pictures[i].pixels, ask.pictures[i].pixels) for i in range(3))


@pytest.mark.parametrize(
    ("words", "took"), [("ours", "ours"), ("2", "theirs"), ("both", "both"), ("take theirs", "theirs")]
)
def test_the_answer_settles_it_and_is_written_down(history_of, merge, assistant, session, head, pixels, words, took):
    history_of([BRIGHT, SEPIA], [DARK])
    ours, theirs = head(), head("theirs")
    merge()
    events = list(assistant.turn(session, words))
    assert end(events).state == "done"
    made = head()
    assert made.parents == (ours.id, theirs.id)
    assert made.facts["decided"] == [{"step": theirs.id, "took": took}]
    assert end(events).revisions == (made.id,)


def test_theirs_is_ours_without_its_step_and_what_came_after_is_done_again(
    history_of, merge, say, head, pixels, store, session
):
    history_of([BRIGHT, {"tool": "blur", "args": {}}], [DARK])
    merge(take="theirs")
    merged = pixels()
    assert len(head().facts["left_out"]) == 1
    moves.create_branch(store, session, "by-hand", history.resolve(history.graph(store, session), "#1").id)
    say({"tool": "blur", "args": {}}, branch="by-hand")
    say(DARK, branch="by-hand")
    assert np.array_equal(merged, pixels("by-hand"))


def test_both_is_theirs_after_ours(history_of, merge, say, pixels):
    history_of([BRIGHT], [DARK])
    merge(take="both")
    merged = pixels()
    say(command={"name": "undo"})
    say(DARK)
    assert np.array_equal(merged, pixels())


def test_ours_leaves_their_step_out_and_later_merges_do_so_too(history_of, merge, pixels, head, store, session, say):
    history_of([BRIGHT], [DARK])
    before = pixels()
    merge(take="ours")
    assert np.array_equal(pixels(), before)
    assert head().facts["left_out"] == [head("theirs").id]
    moves.create_branch(store, session, "third", history.resolve(history.graph(store, session), "#1").id)
    say(FLIP, branch="third")
    merge("main", into="third")
    assert np.array_equal(pixels("third"), before[:, ::-1])


def test_two_values_of_different_sliders_are_no_conflict(history_of, merge, head):
    history_of([BRIGHT], [{"tool": "adjust", "args": {"temperature": 0.4}}])
    assert end(merge()).state == "done"
    assert head().facts["replayed"] == [head("theirs").id]


@pytest.mark.parametrize(
    "tool", [("crop", {"aspect": "1:1"}, {"box": [0.0, 0.0, 0.5, 0.5]}), ("monochrome", {}, {"tone": "cool"})]
)
def test_two_shapes_and_two_tones_are_a_conflict(history_of, merge, tool):
    name, ours, theirs = tool
    history_of([{"tool": name, "args": ours}], [{"tool": name, "args": theirs}])
    assert end(merge()).state == "waiting"


def test_two_captions_in_one_place_are_a_conflict_and_in_two_places_are_not(history_of, merge, head):
    def caption(text: str, at: str) -> dict:
        return {"tool": "text", "args": {"text": text, "at": at}}

    history_of([caption("one", "top")], [caption("two", "bottom"), caption("two", "top")])
    events = merge()
    assert "#3" in asked(events).ask.question
    assert "text two" in asked(events).ask.question.replace("at top ", "")


@pytest.fixture
def forgetful(monkeypatch):
    """Words that were found while history was made are not found again."""
    ground_steps = regions.ground_steps

    def lost(image, region, brush=None):
        if region.words is not None:
            raise NotGrounded("No such thing can be found.")
        return (yield from ground_steps(image, region, brush))

    return lambda: monkeypatch.setattr(regions, "ground_steps", lost)


def test_words_that_are_not_found_in_ours_are_a_conflict_and_both_uses_the_place_they_had(
    history_of, merge, pixels, assistant, session, forgetful
):
    history_of([FLIP], [DARK | {"region": {"words": "the left half"}}])
    theirs = pixels("theirs")
    forgetful()
    events = merge()
    assert "No such thing can be found" in asked(events).ask.question
    assert [c.label for c in asked(events).ask.candidates] == ["ours", "theirs", "both in order"]
    assert end(list(assistant.turn(session, "both"))).state == "done"
    assert np.array_equal(pixels(), theirs[:, ::-1])


def test_words_are_found_anew_in_ours(history_of, merge, pixels):
    history_of([FLIP], [DARK | {"region": {"words": "the left half"}}])
    before = pixels()
    merge()
    assert (pixels() != before).any(axis=(0, 2)).nonzero()[0].max() == 119


def test_a_box_that_ours_cut_away_is_a_conflict_and_theirs_brings_it_back(
    history_of, merge, assistant, session, pixels, head
):
    history_of([CROP | {"args": {"box": [0.0, 0.0, 0.5, 1.0]}}], [DARK | {"region": RIGHT}])
    events = merge()
    assert "not in this picture any more" in asked(events).ask.question
    assert [c.label for c in asked(events).ask.candidates] == ["ours", "theirs"]
    list(assistant.turn(session, "theirs"))
    assert np.array_equal(pixels(), pixels("theirs"))
    assert head().geometry == pytest.approx(IDENTITY)


def test_a_choice_for_all_that_one_conflict_does_not_offer_is_asked_about(history_of, merge):
    history_of([CROP | {"args": {"box": [0.0, 0.0, 0.5, 1.0]}}], [DARK | {"region": RIGHT}])
    assert end(merge(take="both")).state == "waiting"


def test_nonsense_about_conflicts_is_a_sentence(history_of, merge):
    history_of([BRIGHT], [DARK])
    assert "ours, theirs or both" in end(merge(take="mine")).reply


def test_different_photos_cannot_be_merged(say, merge, cup):
    say(BRIGHT, files=[("cup.png", cup)])
    assert "different photos" in end(merge("cup")).reply


def test_a_merge_with_edits_in_one_message_is_a_sentence(history_of, say):
    history_of([BRIGHT | {"region": LEFT}], [DARK | {"region": RIGHT}])
    assert "message of its own" in end(say(FLIP, command={"name": "merge", "target": "theirs"})).reply


# --- as a turn --------------------------------------------------------------------------------------------------------


def test_a_merge_sent_again_is_made_once(history_of, merge, head):
    history_of([BRIGHT | {"region": LEFT}], [DARK | {"region": RIGHT}])
    first = merge(request_id="m")
    made = head()
    again = merge(request_id="m")
    assert end(again) == end(first)
    assert head() == made


def test_killed_after_the_commit_the_merge_is_told_and_not_made_again(
    history_of, merge, head, store, session, monkeypatch
):
    history_of([BRIGHT | {"region": LEFT}], [DARK | {"region": RIGHT}])
    finish = turns.finish
    with monkeypatch.context() as patch:
        patch.setattr(turns, "finish", lambda store, turn, *rest: turn)  # as if the process were gone before it
        merge(request_id="m")
    made = head()
    assert turns.get(store, session, "m").state == "running"
    with store.database.write() as connection:
        connection.exec_driver_sql("UPDATE turns SET lease = 'elsewhere/1/x', heartbeat = 0")
    assert turns.finish is finish
    events = merge(request_id="m")
    assert head() == made
    assert end(events).state == "done"
    assert "Merge theirs" in end(events).reply
    assert len(history.graph(store, session).revisions) == 4


def test_a_lost_lease_commits_nothing(history_of, store, session, head):
    history_of([BRIGHT | {"region": LEFT}], [DARK | {"region": RIGHT}])
    graph = history.graph(store, session)
    merged = drain(merging.merge(store, graph, head(), head("theirs"), {}))
    with pytest.raises(PentimentoError, match="Another process"):
        merging.commit(store, "main", merged, "theirs", commits.Claim("nobody", commits.COMMAND, "x"))
    assert len(head().parents) == 1


def test_a_cancelled_merge_changes_nothing(history_of, assistant, store, session, head):
    history_of([FLIP], [SEPIA, {"tool": "denoise", "args": {}}])
    before = head()
    plan = Plan.model_validate({"command": {"name": "merge", "target": "theirs"}})
    events = []
    for event in assistant.turn(session, json.dumps(plan.to_json()), request_id="m"):
        events.append(event)
        if isinstance(event, Working):
            turns.cancel(store, session, "m")
    assert end(events).state == "cancelled"
    assert head() == before
