"""The starter's planner end to end, on both back ends: dialogues that it has not learnt, as sessions of a real store.

It reads the session's own history and looks at its own pictures; nothing it says was written here.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from itertools import islice

import pytest

from agent.assistant import Assistant
from agent.events import Committed, Planned
from agent.plan import Plan, PlanStep
from agent.planners.given import Given
from agent.planners.shelved import Shelved
from agent.sight import Sight
from sessions import history, intake, uploads
from sessions.store import Store
from sessions.values import Json
from tests.agent.conftest import end
from tests.agent.llm.conftest import need_llama_cpp
from tests.agent.neural import serving
from tests.agent.planners.played import Played, file, play, playable, stand
from toybox.dialogues import Dialogue, Item, WrittenStep, dialogue, pair, shaping
from toybox.scenes import Scene, Thing

UNSEEN = 7_000_000
"""The number from which on the planner has learnt no dialogue, and δ was not found on any."""
DIALOGUES, PAIRS = 24, 12


@dataclass(frozen=True)
class World:
    """Sessions, played once for both back ends."""

    store: Store
    dialogues: list[tuple[Dialogue, Played]]
    pairs: list[tuple[tuple[Dialogue, Played], tuple[Dialogue, Played]]]
    shaped: list[tuple[Dialogue, Played]]


@cache
def _unseen() -> list[Dialogue]:
    """Clear ones, of every kind."""
    found = (one for n in range(UNSEEN, UNSEEN + 2000) for one in playable([dialogue(n)]) if one.written.steps)
    return list(islice(found, DIALOGUES))


def _shaped() -> Iterator[Dialogue]:
    """Those in which a sound or another picture shapes a picture."""
    return islice(playable(shaping(n) for n in range(UNSEEN, UNSEEN + 200)), DIALOGUES)


def _exchanged() -> Iterator[tuple[Dialogue, Dialogue]]:
    for n in range(UNSEEN, UNSEEN + 2000):
        both = pair(n, longest=3)
        if len(playable(both)) == 2:
            yield both


@pytest.fixture(scope="module")
def world(new_database, tmp_path_factory) -> Iterator[World]:
    home = tmp_path_factory.mktemp("world")
    shutil.copy(new_database, home)
    store = Store(home)
    dialogues = [(one, play(store, one)) for one in _unseen()]
    pairs = [((a, play(store, a)), (b, play(store, b))) for a, b in islice(_exchanged(), PAIRS)]
    shaped = [(one, play(store, one)) for one in _shaped()]
    yield World(store, dialogues, pairs, shaped)
    store.close()


@pytest.fixture(scope="module", params=["torch", "llama.cpp"])
def planner(request, world) -> Shelved:
    if request.param == "llama.cpp":
        need_llama_cpp()
    return Shelved(world.store.home, Sight(world.store), request.param)


def planned(world: World, planner: Shelved, one: Dialogue, played: Played) -> Plan:
    return Plan.of(Assistant(world.store, planner).propose(played.session, one.message, played.files))


def fits(said: Sequence[PlanStep], meant: Sequence[WrittenStep], played: Played) -> bool:
    """Whether it is the plan that was meant: tools, pictures, places and arguments."""

    def step(one: PlanStep, true: WrittenStep) -> bool:
        return (
            (one.tool, one.args) == (true.tool, true.args)
            and one.base == played.named(true.base)
            and list(one.subjects) == [played.named(ref) for ref in true.subjects]
            and (one.region or {}).get("words") == true.where
        )

    return len(said) == len(meant) and all(map(step, said, meant))


def test_what_is_said_in_unseen_dialogues_is_planned(world, planner):
    hits = [fits(planned(world, planner, *each).steps, each[0].written.steps, each[1]) for each in world.dialogues]
    assert sum(hits) / len(hits) >= 0.5, hits


def test_what_a_sound_or_another_picture_shapes_is_any2pixs(world, planner):
    hits = [fits(planned(world, planner, *each).steps, each[0].written.steps, each[1]) for each in world.shaped]
    assert sum(hits) / len(hits) >= 0.5, hits


def test_two_pictures_change_places_and_so_does_the_base(world, planner):
    """The messages are the same, and so is all that is written of the sessions: only what is seen decides."""

    def right(one: Dialogue, played: Played) -> bool:
        steps = planned(world, planner, one, played).steps
        return bool(steps) and steps[0].base == played.named(one.written.steps[0].base)

    both = [right(*a) and right(*b) for a, b in world.pairs]
    assert sum(both) >= PAIRS // 2, both


# A conversation


@dataclass(frozen=True)
class Said:
    """A message with what comes with it, and the steps that it means: tool, arguments, and where it starts from."""

    text: str
    steps: tuple[tuple[str, Json, str], ...]
    sent: tuple[Item, ...] = ()


def alone(shape: str, colour: str, pattern: str, ground: str) -> Scene:
    """One thing in the middle."""
    return Scene(pattern, ground, (Thing(shape, colour, "plain", "middle", 32, 32, 17, 0),))


WORKED = Item("picture", alone("disc", "red", "plain", "white"))
OTHERS = {
    "star": Item("picture", alone("star", "yellow", "plain", "teal")),
    "triangle": Item("picture", alone("triangle", "green", "plain", "beige")),
}
SHOWN = Item("picture", alone("square", "pink", "plain", "black"))
CRICKETS = Item("sound", sound="crickets", jitter=5)
TALK = (
    Said(
        "make it darker, then flip it", (("adjust", {"exposure": -0.3}, "#1"), ("flip", {"axis": "horizontal"}, "prev"))
    ),
    Said("make it like the sound", (("instruct_pix2pix", {"instruction": "make it night"}, "#5"),), (CRICKETS,)),
    Said("give it the colours of the attached picture", (("match_colors", {}, "#6"),), (SHOWN,)),
    Said("take the original and make it sepia", (("monochrome", {"tone": "sepia"}, "#1"),)),
    Said("go back to the picture with the yellow star and sharpen it", (("sharpen", {}, "star"),)),
    Said(
        "make it darker, then soften it, then flip it",
        (("adjust", {"exposure": -0.3}, "#9"), ("blur", {}, "prev"), ("flip", {"axis": "horizontal"}, "prev")),
    ),
)
"""Several steps, a sound, a picture, what came first, and what a picture shows.

Said in words that it understands; how often it understands is for the dialogues above to show.
"""


def three_photos(store: Store, order: Sequence[str]) -> str:
    """A session of three photos that stands at the first; the others come in this order."""
    (name, data), *others = [file(WORKED, "disc"), *(file(OTHERS[name], name) for name in order)]
    made, first = Assistant(store, Given(Plan())).new((name, data))
    for name, data in others:
        asset = uploads.receive(store, made.id, intake.admit(data, name), name)
        uploads.root(store, made.id, asset, name)
    stand(store, made.id, first.id)
    return made.id


@pytest.mark.parametrize("order", [("star", "triangle"), ("triangle", "star")], ids=" then ".join)
def test_a_conversation(world, planner, order):
    """Each message is planned by the planner alone and done by the tools themselves, on what those before it made."""
    store, session = world.store, three_photos(world.store, order)
    called = {name: f"#{2 + order.index(name)}" for name in order}
    assistant, number = Assistant(store, planner), 3
    with serving(store):
        for said in TALK:
            files = [file(item, str(place)) for place, item in enumerate(said.sent)]
            events = list(assistant.turn(session, said.text, files))
            assert end(events).state == "done", said.text
            (plan,) = (event.plan for event in events if isinstance(event, Planned))
            made = [event.revision for event in events if isinstance(event, Committed)]
            seqs = {r.id: f"#{r.seq}" for r in history.graph(store, session).revisions}
            bases = [base if base != "prev" else f"#{number + place}" for place, (*_, base) in enumerate(said.steps)]
            meant = [
                (tool, args, called.get(base, base)) for (tool, args, _), base in zip(said.steps, bases, strict=True)
            ]
            starts = [seqs[revision.parents[0]] for revision in made]
            assert [(step.tool, step.args, base) for step, base in zip(plan.steps, starts, strict=True)] == meant
            assert all(step.args.items() <= r.step.args.items() for step, r in zip(plan.steps, made, strict=True))
            number += len(made)
