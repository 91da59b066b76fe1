"""Nobody can tell another owner's session, revision, branch, asset or turn from one that never was.

The table is checked against the code: a new function that takes a session cannot be forgotten here.
"""

import inspect
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from sessions import commits, history, moves, turns, uploads
from sessions.errors import PentimentoError
from sessions.identity import new_id
from sessions.store import Kept, Store
from sessions.tiles import measure
from sessions.values import Asset
from tests import making
from tests.making import Made, planned

Call = Callable[[Store, str, "Names"], Any]


class Names:
    """What the stranger asks for: real names of somebody else's, or names of the same form that never were."""

    def __init__(self, made: Made | None, sound: str, message: str = "") -> None:
        self.revision = made.revisions[0].id if made else "r1:" + 2 * new_id()
        self.image = made.revisions[0].image if made else 2 * new_id()
        self.sound = sound if made else 2 * new_id()
        self.turn = "turn-0" if made else new_id()
        self.branch = "main"
        self.message = message or new_id()


def turn(session: str, names: Names):
    return replace(planned(session, names.turn, names.branch), message=names.message)


def draft(names: Names) -> commits.Draft:
    tiled = measure(making.picture(1))
    return commits.Draft(Kept(tiled, None, ()), (names.revision,), making.step(names.revision, 1))


def asset(store: Store, names: Names) -> Asset:
    return Asset(names.image, store.owner, "image", "image/png", 24, 8)


CALLS: dict[str, Call] = {
    "Store.session": lambda s, i, n: s.session(i),
    "Store.keep": lambda s, i, n: s.keep(i, making.picture(77)),
    "Store.picture": lambda s, i, n: s.picture(i, n.image),
    "Store.picture_and_tiles": lambda s, i, n: s.picture_and_tiles(i, n.image),
    "Store.add_asset": lambda s, i, n: s.add_asset(i, asset(s, n), b"original", None, None),
    "Store.asset": lambda s, i, n: s.asset(i, n.sound),
    "Store.asset_bytes": lambda s, i, n: s.asset_bytes(i, n.sound),
    "Store.revision": lambda s, i, n: s.revision(i, n.revision),
    "commits.append": lambda s, i, n: commits.append(s, i, n.branch, draft(n), n.revision),
    "commits.append_on_new_branch": lambda s, i, n: commits.append_on_new_branch(s, i, "mine", draft(n)),
    "moves.undo": lambda s, i, n: moves.undo(s, i, n.branch),
    "moves.redo": lambda s, i, n: moves.redo(s, i, n.branch),
    "moves.reset": lambda s, i, n: moves.reset(s, i, n.branch),
    "moves.switch": lambda s, i, n: moves.switch(s, i, n.branch),
    "moves.create_branch": lambda s, i, n: moves.create_branch(s, i, "mine", n.revision),
    "moves.made_by": lambda s, i, n: moves.made_by(s, i, n.turn),
    "moves.branch": lambda s, i, n: moves.branch(s, i, n.branch),
    "turns.find": lambda s, i, n: turns.find(s, i, n.turn),
    "turns.get": lambda s, i, n: turns.get(s, i, n.turn),
    "turns.begin": lambda s, i, n: turns.begin(s, turn(i, n), "hello"),
    "turns.take": lambda s, i, n: turns.take(s, i, n.turn, "me"),
    "turns.beat": lambda s, i, n: turns.beat(s, i, n.turn, "holder"),
    "turns.cancel_asked": lambda s, i, n: turns.cancel_asked(s, i, n.turn),
    "turns.cancel": lambda s, i, n: turns.cancel(s, i, n.turn),
    "turns.finish": lambda s, i, n: turns.finish(s, turn(i, n), "failed", {}, "No."),
    "turns.wait": lambda s, i, n: turns.wait(s, turn(i, n), {}, "Which?"),
    "turns.resume": lambda s, i, n: turns.resume(s, turn(i, n), {}),
    "turns.open_turns": lambda s, i, n: turns.open_turns(s, i),
    "turns.revisions": lambda s, i, n: turns.revisions(s, turn(i, n)),
    "turns.say": lambda s, i, n: turns.say(s, i, n.branch, "hello"),
    "turns.messages": lambda s, i, n: turns.messages(s, i),
    "history.graph": lambda s, i, n: history.graph(s, i),
    "history.current_branch": lambda s, i, n: history.current_branch(s, i),
    "history.branches": lambda s, i, n: history.branches(s, i),
    "history.page": lambda s, i, n: history.page(s, i),
    "history.log": lambda s, i, n: history.log(s, i, n.revision),
    "history.moves": lambda s, i, n: history.moves(s, i),
    "uploads.root": lambda s, i, n: uploads.root(s, i, asset(s, n), "mine"),
    "uploads.receive": lambda s, i, n: making.sound(s, i, 99),
}
INNER = {"Store.mine", "Store.insert_pixels", "Store.known"}
"""Parts of other functions' work, inside a transaction that has proved ownership."""


def outcome(call: Call, store: Store, session: str, names: Names) -> tuple[str, str]:
    try:
        return "value", repr(call(store, session, names))
    except PentimentoError as error:
        return error.code, str(error)


def everything_stored(store: Store, session: str) -> list[object]:
    graph = history.graph(store, session)
    talk = [turns.messages(store, session), turns.open_turns(store, session), history.moves(store, session)]
    files = sorted(path.name for path in (store.home / "blobs" / session).iterdir())
    return [graph.session, graph.revisions, graph.branches, talk, files]


@pytest.fixture
def made(store) -> Made:
    made = making.everything(store)
    turns.take(store, made.session, "ask", "holder")
    return made


def names_of(store: Store, made: Made) -> Names:
    sound = next(a for m in turns.messages(store, made.session) for a in m.attachments)
    return Names(made, sound, turns.get(store, made.session, "turn-0").message)


@pytest.mark.parametrize("name", CALLS)
def test_a_stranger_learns_nothing_and_changes_nothing(store, stranger, made, name):
    before = everything_stored(store, made.session)
    there = outcome(CALLS[name], stranger, made.session, names_of(store, made))
    nowhere = outcome(CALLS[name], stranger, new_id(), Names(None, ""))
    assert there == nowhere
    assert there[0] in ("not_found", "value")
    assert everything_stored(store, made.session) == before


def test_a_stranger_leaves_no_file(store, stranger, made):
    for call in CALLS.values():
        outcome(call, stranger, "../../escaped", names_of(store, made))
    assert {path.name for path in (store.home / "blobs").iterdir()} == {made.session}
    assert not (store.home / "escaped").exists()


def test_the_owner_sees_what_a_stranger_does_not(store, stranger, made):
    """The table can fail: for the owner nearly every call has another outcome."""
    names = names_of(store, made)
    same = {
        name
        for name, call in CALLS.items()
        if outcome(call, store, made.session, names) == outcome(call, stranger, made.session, names)
    }
    assert same <= {"turns.beat", "turns.cancel_asked", "moves.made_by"}


def test_no_function_is_forgotten():
    found = {f"Store.{n}" for n, f in inspect.getmembers(Store, inspect.isfunction) if _takes_a_session(n, f)}
    for module in (commits, moves, turns, history, uploads):
        kind = module.__name__.split(".")[-1]
        for name, function in inspect.getmembers(module, inspect.isfunction):
            first = next(iter(inspect.signature(function).parameters), "")
            if function.__module__ == module.__name__ and first == "store" and not name.startswith("_"):
                found.add(f"{kind}.{name}")
    assert found - INNER == set(CALLS)


def _takes_a_session(name: str, function: Callable[..., Any]) -> bool:
    return not name.startswith("_") and bool({"session", "prefix"} & set(inspect.signature(function).parameters))
