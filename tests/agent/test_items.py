"""Which pictures and sounds of a session are shown to the planner, and which 64 of many."""

from dataclasses import replace
from itertools import pairwise

import pytest

from agent.items import Item, items
from agent.plan import Context
from agent.tokens import SLOTS
from sessions.values import IDENTITY, Asset, Revision, Step


def revision(number: int, parent: int | None, tool: str = "adjust") -> Revision:
    step = Step(tool, "1", {}, f"r{parent}") if parent else None
    parents = (f"r{parent}",) if parent else ()
    return Revision(
        *(f"r{number}", "s", parents, step, f"p{number}", None, IDENTITY),
        *("edit" if parent else "upload", 4, 4, number, ""),
    )


def asset(name: str, kind: str) -> Asset:
    return Asset(name, "me", kind, "image/png")


def line(count: int) -> Context:
    """A session of one line, whose second half is undone."""
    revisions = tuple(revision(n, n - 1 if n > 1 else None) for n in range(1, count + 1))
    words = {r.id: f"say {r.seq}" for r in revisions}
    return Context("main", f"r{count // 2}", {"main": f"r{count // 2}"}, revisions, words)


def test_what_an_item_says_of_itself():
    context = replace(line(2), attachments=(asset("a", "image"), asset("b", "audio"), asset("o", "original")))
    assert items(context, "") == (
        Item("r1", "p1", "picture", "upload", "photo", "say 1", None, 1),
        Item("r2", "p2", "picture", "result", "adjust", "say 2", "r1", 2),
        Item("a", "a", "picture", "attached"),
        Item("b", "b", "sound", "sound", "sound"),
    )


@pytest.mark.parametrize(
    "message, told",
    [
        ("make it darker, then blur it and flip it", ["make it darker", "blur it", "flip it"]),
        ("first crop it square, then blur it", ["first crop it square, then blur it"] * 3),
        ("make it a poster", ["make it a poster"] * 3),
    ],
)
def test_what_is_made_by_a_message_of_several_steps_is_told_with_its_own_clause(message, told):
    context = line(5)
    revisions = [replace(one, turn="t" if one.seq > 2 else None) for one in context.revisions]
    words = {"r1": "say 1", "r2": "blur it and flip it"} | dict.fromkeys(("r3", "r4", "r5"), message)
    shown = items(replace(context, revisions=tuple(revisions), words=words), "")
    assert [item.words for item in shown] == ["say 1", "blur it and flip it", *told]


def test_of_many_those_that_may_be_meant_have_a_slot():
    context = line(300)
    words = {**context.words, "r40": "sprinkle glitter"}
    branches = {"main": "r150", "other": "r99"}
    context = replace(context, words=words, branches=branches, attachments=(asset("a", "image"),))
    shown = items(context, "the one before the glitter")
    names = [item.name for item in shown]
    assert len(shown) == SLOTS
    assert {"r1", "r40", "r99", "r150", "r300", "a"} <= set(names)
    assert len(set(names)) == SLOTS
    newest = [item.number for item in shown if item.number > 300 - 24]
    assert newest == list(range(277, 301)), "the newest are shown, in the order in which they came"


def test_what_is_shown_first_stays_for_a_block_of_turns():
    """Or the prompt would begin anew at every turn, and nothing of it could be kept."""
    shown = [items(line(n), f"the one of {n}") for n in range(90, 154)]
    kept = [_same(one, other) for one, other in pairwise(shown)]
    assert sum(one < 33 for one in kept) <= len(kept) / 8 + 1
    assert max(kept) < SLOTS


def _same(one, other) -> int:
    """How many items two lists begin with alike."""
    return next((i for i, (a, b) in enumerate(zip(one, other, strict=False)) if a != b), len(one))


def test_however_few_are_shown_the_head_is_among_them():
    for most in (1, 2, 7, 8, 9, 16, 32):
        shown = items(replace(line(300), head="r120"), "", most)
        assert len(shown) == most and "r120" in {item.name for item in shown}


def test_a_merge_and_an_import_are_named_as_what_they_are():
    merged = replace(revision(3, None), source="merge", parents=("r1", "r2"))
    context = Context("main", "r3", {"main": "r3"}, (revision(1, None), revision(2, 1), merged))
    assert [item.done for item in items(context, "")] == ["photo", "adjust", "merge"]
