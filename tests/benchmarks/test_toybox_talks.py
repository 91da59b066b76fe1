"""The planner's dialogues as the report shows them: the right pictures in their places, and what is said of plans."""

from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import torch

from agent.decoding import Decoded
from agent.grammar import Written
from benchmarks import dialogues, toybox_report
from benchmarks import toybox_talks as bench
from tools.shelf import PLANNER, STARTER
from toybox.dialogues import dialogue, pixels
from training.examining import Answer
from training.lessons import Lesson

SOME = [dialogue(n) for n in range(60)]


def answered(one, written=None):
    return Answer(Lesson(one, torch.ones(len(one.items), 3), torch.zeros(0, 3)), written or one.written, Decoded(), 0.0)


def named():
    """One in which another picture than the head is meant."""
    return next(d for d in SOME if d.kind == "history" and d.written.steps[0].base not in (d.head, *d.attachments))


def test_head_picked_and_meant_stand_side_by_side():
    one = named()
    (step, *rest) = one.written.steps
    row = bench.row(answered(one, Written((replace(step, base=one.head), *rest))))
    head, picked, meant = row.pictures
    assert np.array_equal(head, picked) and np.array_equal(meant, bench.picture(one, step.base))
    assert not np.array_equal(picked, meant) and not row.good
    assert row.verdict.startswith(f"wrong: #{one.head + 1} {step.tool}") and f"meant: #{step.base + 1} " in row.verdict
    right = bench.row(answered(one))
    assert right.good and right.verdict == f"right: {bench.told(one.written, one)}"
    assert np.array_equal(right.pictures[1], meant)


def test_what_begins_nowhere_is_grey_and_what_is_attached_stands_beside_the_words():
    asks = next(d for d in SOME if d.written.ask is not None)
    row = bench.row(answered(asks))
    assert row.pictures[1] is row.pictures[2] is bench.NOTHING and row.verdict.startswith("right: asks about #")
    silent = bench.row(answered(named(), Written(chat="Hello.")))
    assert silent.verdict.startswith("wrong: talks; meant: #") and silent.pictures[1] is bench.NOTHING
    sent = next(d for d in SOME if d.attachments and d.items[d.attachments[0]].kind == "picture")
    assert np.array_equal(bench.row(answered(sent)).shown[0], pixels(sent.items[sent.attachments[0]])[..., :3])
    heard = next(d for d in SOME if d.attachments and d.items[d.attachments[0]].kind == "sound")
    assert bench.row(answered(heard)).asked.endswith(f"[{heard.items[heard.attachments[0]].sound}]")


def test_the_planner_of_a_folder_answers(monkeypatch):
    """The starter's, to whom every picture is a noise."""
    folder = STARTER.parent / PLANNER
    width = dialogues.candidate(folder).heads.space
    noise = SimpleNamespace(width=width, pictures=lambda some: np.ones((len(some), width), np.float32))
    noise.sounds = noise.pictures
    monkeypatch.setattr(bench, "eyes_of", lambda folder, weights: noise)
    (row,) = bench.rows(folder, None, 1)
    assert row.asked.startswith(dialogue(dialogues.EXAMINED).message) and len(row.pictures) == 3
    monkeypatch.setattr(bench, "replies", lambda who, lessons: [answered(one.dialogue) for one in lessons])
    assert len(bench.rows(folder, None, 100)) == bench.SHOWN and all(row.good for row in bench.rows(folder, None, 3))


def test_all_are_of_one_size_whatever_was_done_to_them():
    rows = [bench.row(answered(one)) for one in SOME]
    assert {rgb.shape for row in rows for rgb in row.pictures} == {(64, 64, 3)}
    assert toybox_report.sheet(rows[:5]).ndim == 3
    assert "<th>picked" in toybox_report.html({}, {"planner": rows[:1]})
    assert "<th>after 10" in toybox_report.html({}, {"drift": rows[:1]})
    assert "<th>result" in toybox_report.html({}, {"diffedit": rows[:1]})
