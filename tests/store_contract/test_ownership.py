"""R14, the store's part: nobody can tell another owner's session, revision, branch, tag, asset or turn from none.

The calls are made from the code: every public function of `sessions` that is given a store, its arguments chosen by
their names. A new function is called as soon as it is there; one with an argument nobody has a value for fails here.
"""

from __future__ import annotations

import ast
import inspect
import itertools
import pkgutil
import random
import re
from collections.abc import Callable
from dataclasses import dataclass, replace
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest

import sessions
from sessions import commits, history, names, turns
from sessions.errors import PentimentoError
from sessions.identity import new_id
from sessions.intake import Admitted
from sessions.store import Kept, Store
from sessions.tiles import measure
from sessions.values import Asset, LearntSubject, Turn
from tests import making
from tests.making import Made, planned

ROOT = Path(__file__).parents[2]
SECRET = "a word of somebody else's"

INNER = {"Store.mine", "Store.insert_pixels", "Store.known", "history.newest_branch"}
"""Parts of other functions' work, inside a transaction that has proved ownership."""

OPERATORS = {"backup", "erase", "fsck", "repair", "upkeep", "check_pixels", "bundle_pixels"}
"""Modules that see every owner's: only `python -m sessions` and each other use them."""


@dataclass(frozen=True)
class Names:
    """What is asked for: real names of somebody else's, or names of the same form that never were."""

    revision: str
    image: str
    sound: str
    turn: str
    message: str
    branch: str = "main"
    tag: str = "favourite"

    @classmethod
    def of(cls, store: Store, made: Made) -> Names:
        sound = next(a for m in turns.messages(store, made.session) for a in m.attachments)
        turn = turns.get(store, made.session, next(r.turn for r in made.revisions if r.turn))
        return cls(made.revisions[0].id, made.revisions[0].image, sound, turn.request_id, turn.message)

    @classmethod
    def never(cls) -> Names:
        return cls("r1:" + 2 * new_id(), 2 * new_id(), 2 * new_id(), new_id(), new_id())


def turn(session: str, given: Names) -> Turn:
    return replace(planned(session, given.turn, given.branch), message=given.message)


def draft(given: Names) -> commits.Draft:
    tiled = measure(making.picture(1))
    return commits.Draft(Kept(tiled, None, ()), (given.revision,), making.step(given.revision, 1))


def admitted() -> Admitted:
    return Admitted("audio", "audio/mpeg", None, b"fLaC", 1.5, b"ID3")


Call = Callable[[Store, str, Names], Any]
_files = itertools.count()

VALUES: dict[str, Call] = {
    "session": lambda s, i, n: i,
    "prefix": lambda s, i, n: i,
    "branch": lambda s, i, n: n.branch,
    "old": lambda s, i, n: n.branch,
    "new": lambda s, i, n: "mine",
    "wanted": lambda s, i, n: "mine",
    "name": lambda s, i, n: n.tag,
    "revision": lambda s, i, n: n.revision,
    "at": lambda s, i, n: n.revision,
    "expect": lambda s, i, n: n.revision,
    "image": lambda s, i, n: n.image,
    "sha256": lambda s, i, n: n.sound,
    "request_id": lambda s, i, n: n.turn,
    "turn": lambda s, i, n: n.turn,
    "turn: Turn": lambda s, i, n: turn(i, n),
    "image: Picture": lambda s, i, n: making.picture(77),
    "subject: LearntSubject": lambda s, i, n: LearntSubject(making.picture(78).pixels, b"learnt"),
    "mask": lambda s, i, n: making.mask(5),
    "draft": lambda s, i, n: draft(n),
    "asset": lambda s, i, n: Asset(n.image, s.owner, "image", "image/png", 24, 8),
    "admitted": lambda s, i, n: admitted(),
    "original": lambda s, i, n: b"original",
    "kept": lambda s, i, n: None,
    "audio": lambda s, i, n: None,
    "holder": lambda s, i, n: "holder",
    "text": lambda s, i, n: "hello",
    "state": lambda s, i, n: "failed",
    "outcome": lambda s, i, n: {},
    "plan": lambda s, i, n: {},
    "reply": lambda s, i, n: "No.",
    "box": lambda s, i, n: (0, 0, 8, 8),
    "path": lambda s, i, n: s.home.parent / f"bundle-{next(_files)}.zip",
}
"""What to give, by the parameter's name, or by its name and type where it has several."""

SPECIAL: dict[str, dict[str, Call]] = {
    "moves.branch": {"name": VALUES["branch"]},
    "moves.create_branch": {"name": VALUES["new"]},
    "uploads.root": {"branch": VALUES["new"], "turn": lambda s, i, n: None},
}


def functions() -> dict[str, Callable[..., Any]]:
    """Every public function that is given a store, and every method of it, by module and name."""
    found = {f"Store.{name}": method for name, method in inspect.getmembers(Store, inspect.isfunction)}
    for info in pkgutil.iter_modules(sessions.__path__):
        if info.name not in OPERATORS and not info.name.startswith("_"):
            module = import_module(f"sessions.{info.name}")
            for name, function in inspect.getmembers(module, inspect.isfunction):
                typed = "Store" in [str(p.annotation) for p in inspect.signature(function).parameters.values()]
                if function.__module__ == module.__name__ and typed:
                    found[f"{info.name}.{name}"] = function
    return {name: function for name, function in found.items() if "._" not in name and name not in INNER}


def about_a_session(function: Callable[..., Any]) -> bool:
    parameters = inspect.signature(function).parameters
    return bool({"session", "prefix"} & set(parameters)) or str(parameters.get("turn", "")) == "turn: 'Turn'"


def call_of(name: str, function: Callable[..., Any]) -> Call:
    """The function with arguments chosen by the names of its parameters; those with a default may stay without."""
    first, *parameters = inspect.signature(function).parameters.values()
    chosen: dict[str, Call] = {}
    for parameter in parameters:
        typed = f"{parameter.name}: {parameter.annotation}"
        value = SPECIAL.get(name, {}).get(parameter.name) or VALUES.get(typed) or VALUES.get(parameter.name)
        if value is not None:
            chosen[parameter.name] = value
        elif parameter.default is inspect.Parameter.empty:
            raise AssertionError(f"{name} is given {typed}: say above what a stranger would give")
    assert first.name in ("self", "store")
    return lambda s, i, n: function(s, **{key: value(s, i, n) for key, value in chosen.items()})


CALLS = {name: call_of(name, function) for name, function in functions().items() if about_a_session(function)}


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
def made(made, store) -> Made:
    turns.take(store, made.session, "ask", "holder")
    return made


def check_stranger(store: Store, stranger: Store, made: Made, name: str) -> None:
    """A call learns nothing of another owner's session and changes nothing in it."""
    before = everything_stored(store, made.session)
    there = outcome(CALLS[name], stranger, made.session, Names.of(store, made))
    nowhere = outcome(CALLS[name], stranger, new_id(), Names.never())
    assert there == nowhere, name
    assert there[0] in ("not_found", "value"), name
    assert everything_stored(store, made.session) == before, name


def test_a_stranger_learns_nothing_and_changes_nothing(store, stranger, made):
    for name in CALLS:
        check_stranger(store, stranger, made, name)


def test_a_stranger_leaves_no_file(store, stranger, made):
    for call in CALLS.values():
        outcome(call, stranger, "../../escaped", Names.of(store, made))
    assert {path.name for path in (store.home / "blobs").iterdir()} == {made.session}
    assert not (store.home / "escaped").exists()


def test_the_owner_sees_what_a_stranger_does_not(store, stranger, made):
    """The table can fail: for the owner nearly every call has another outcome."""
    given = Names.of(store, made)
    same = {
        name
        for name, call in CALLS.items()
        if outcome(call, store, made.session, given) == outcome(call, stranger, made.session, given)
    }
    assert same <= {"turns.beat", "turns.cancel_asked", "moves.made_by", "history.undone", "uploads.check_name"}


def test_every_function_is_called_but_those_that_name_no_session():
    assert set(functions()) - set(CALLS) == {
        "Store.close",
        "Store.create_session",
        "Store.of",
        "Store.requested",
        "Store.sessions",
        "bundle.import_session",
    }
    assert len(CALLS) > 45


def test_what_sees_every_owner_is_for_operators_only():
    for path in itertools.chain(*((ROOT / folder).rglob("*.py") for folder in ("agent", "tools", "ui"))):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            imported = [alias.name for alias in node.names] if isinstance(node, ast.Import | ast.ImportFrom) else []
            inside = getattr(node, "module", "") == "sessions" and set(imported) & OPERATORS
            assert not inside and getattr(node, "module", None) not in {f"sessions.{o}" for o in OPERATORS}, path


# Another's names in one's own session


def plain(said: tuple[str, str]) -> tuple[str, str]:
    """An outcome without its hashes, ids, times and temporary names."""
    return said[0], re.sub(
        r"\d{4}-\d\d-\d\dT[\d:.+]+|bundle-\d+|\bid=\d+|\b\d{10}\.\d+", "·", re.sub(r"[0-9a-f]{12,64}", "·", said[1])
    )


def test_another_owners_names_are_nothing_in_ones_own_session(store, stranger, made):
    for name, call in CALLS.items():
        said = []
        for given in (Names.of(store, made), Names.never()):
            own = stranger.create_session("mine").id
            making.upload(stranger, own, making.picture(300))
            given = replace(given, turn=f"turn-{new_id()}") if name == "turns.begin" else given
            said.append(plain(outcome(call, stranger, own, given)))
        assert said[0] == said[1], name


# At random


def secrets_of(store: Store, made: Made) -> set[str]:
    """Texts that say something of a session: what was said, its name and id, its revisions, pictures and files."""
    graph = history.graph(store, made.session)
    found = {SECRET, made.session}
    for revision in graph.revisions:
        found |= {revision.id, revision.image, revision.mask or revision.image}
    return found | {path.name for path in (store.home / "blobs" / made.session).iterdir()}


def given_away(secrets: set[str], given: tuple[str, Names]) -> set[str]:
    """The secrets that the caller did not know already."""
    return secrets - {given[0], *vars(given[1]).values()}


def call_at_random(store: Store, stranger: Store, made: Made, count: int) -> None:
    """Any function with any mix of names, one's own, another's and none: never a byte of the other's comes back."""
    names.rename_session(store, made.session, SECRET)
    turns.say(store, made.session, "main", SECRET)
    dice, secrets, before = random.Random(1), secrets_of(store, made), everything_stored(store, made.session)
    own = making.everything(stranger, 200)
    pool = [Names.of(store, made), Names.of(stranger, own), Names.never()]
    answered = set()
    for _ in range(count):
        name, session = dice.choice(list(CALLS)), dice.choice((made.session, own.session, new_id()))
        given = Names(**{field: getattr(dice.choice(pool), field) for field in vars(pool[0])})
        kind, said = outcome(CALLS[name], stranger, session, given)
        answered |= {name} if kind == "value" else set()
        assert not [s for s in given_away(secrets, (session, given)) if s in said], (name, session, given)
    assert everything_stored(store, made.session) == before
    assert len(answered) > len(CALLS) // 3
    for folder in (store.home / "blobs").iterdir():
        if folder.name != made.session:
            assert not {path.name for path in folder.iterdir()} & secrets


def test_a_few_hundred_random_calls(store, stranger, made):
    call_at_random(store, stranger, made, 400)


@pytest.mark.reliability
def test_ten_thousand_random_calls(store, stranger, made):
    call_at_random(store, stranger, made, 10_000)
