"""The rules planner on dialogues: a session as planners are told of it, and its plan in a dialogue's places.

Says nothing about whether a plan is right: `benchmarks.toybox_planner` counts that.
"""

from __future__ import annotations

from agent import turns
from agent.decoding import Decoded
from agent.grammar import Ref, Written, WrittenStep
from agent.plan import PREV, Context, Plan, PlanStep
from agent.planners.rules import RulesPlanner, references
from sessions.values import IDENTITY, Asset, Region, Revision, Step
from toybox.dialogues import Dialogue, Item
from toybox.scenes import SIDE
from training.dialogue_turns import order
from training.examining import Answer
from training.lessons import Lesson

PHOTO = (1200, 800)
"""The size of a picture of which no scene is known."""
GOING = ("switch", "reset", "undo")
"""Commands that do no more than go to a version, from which the steps then begin."""


def ruled(lesson: Lesson) -> Answer:
    """The rules' answer to a lesson's message; nothing where their plan does what no step says."""
    there = context(lesson.dialogue)
    plan = RulesPlanner().plan(lesson.dialogue.message, there)
    return Answer(lesson, written(plan, there) or Written(), Decoded(), float(plan.ask is not None))


# A dialogue as a session


def context(one: Dialogue) -> Context:
    """A dialogue as planners are told of sessions; branches as they come about."""
    past = [place for place in order(one) if place not in one.attachments]
    branches: dict[str, str] = {}
    for place in past:
        parent = one.items[place].parent
        grown = [name for name, head in branches.items() if parent is not None and head == name_of(parent)]
        branches[grown[0] if grown else f"line-{place}"] = name_of(place)
    here = next((name for name, head in branches.items() if head == name_of(one.head)), "here")
    return Context(
        here,
        name_of(one.head),
        branches | {here: name_of(one.head)},
        tuple(_revision(one.items[place], place) for place in past),
        {name_of(place): one.items[place].made_by or "" for place in past},
        attachments=tuple(_asset(one.items[place], place) for place in one.attachments),
    )


def name_of(place: int) -> str:
    """What the item of a place is called there: 64 digits, like every revision and asset."""
    return f"{place + 1:064x}"


def place_of(name: str) -> int:
    """The other way round."""
    return int(name, 16) - 1


def _revision(item: Item, place: int) -> Revision:
    name = name_of(place)
    parents = () if item.parent is None else (name_of(item.parent),)
    step = Step(item.tool or "", "1", _args(item), parents[0], region=_region(item)) if parents else None
    source = "edit" if step else "upload"
    when = "2026-01-01T00:00:00Z"
    return Revision(name, "s", parents, step, name, None, IDENTITY, source, *_size(item), place + 1, when, turn=name)  # type: ignore[arg-type]


def _args(item: Item) -> dict[str, object]:
    """With what an item was made."""
    tool, args = item.darkroom[-1] if item.darkroom else ("", {})
    return dict(args) if tool == item.tool else {"instruction": item.made_by}


def _region(item: Item) -> Region | None:
    return Region(words=item.where) if item.where else None


def _size(item: Item) -> tuple[int, int]:
    return PHOTO if item.scene is None else (SIDE, SIDE)


def _asset(item: Item, place: int) -> Asset:
    if item.kind == "sound":
        return Asset(name_of(place), "", "audio", "audio/wav", seconds=2.0, name="sound.wav")
    return Asset(name_of(place), "", "image", "image/png", *_size(item), name="photo.png")


# A plan of a session


def written(plan: Plan, there: Context) -> Written | None:
    """A plan in a dialogue's places, its attachments where the product puts them (`agent.turns.check`): with steps that
    need them, else where the plan begins, else to be asked about. None where a command does more than go to a version.
    """
    if plan.ask is not None:
        return _asked(plan.ask.question, *(one.revision or one.value for one in plan.ask.candidates))
    if plan.chat is not None:
        return Written(chat=plan.chat)
    head = there.head
    if plan.command is not None:
        head = references.landing(plan.command, there) if plan.command.name in GOING else None
    if head is None:
        return None
    subjects = [turns.attached_to(step, plan, there) for step in plan.steps]
    used = {name for some in subjects for name in some}
    free = [asset.sha256 for asset in there.attachments if asset.kind == "image" and asset.sha256 not in used]
    begun = plan.command is not None or not plan.steps or plan.steps[0].base is not None
    if len(free) > 1 and not begun:
        return _asked("Which photo?", *free)
    start = free[0] if free and not begun else head
    pairs = enumerate(zip(plan.steps, subjects, strict=True))
    return Written(tuple(_step(step, some, PREV if place else start) for place, (step, some) in pairs))


def _asked(question: str, *among: object) -> Written:
    """A question; candidates that are no pictures are left out."""
    names = [name for name in among if isinstance(name, str) and len(name) == len(name_of(0))]
    return Written(ask=question, candidates=tuple(place_of(name) for name in names))


def _step(step: PlanStep, subjects: tuple[str, ...], usual: str) -> WrittenStep:
    """`usual`: what it works on where it does not say."""
    return WrittenStep(
        step.tool, _ref(step.base or usual), tuple(map(_ref, subjects)), (step.region or {}).get("words"), step.args
    )


def _ref(name: str) -> Ref:
    return "prev" if name == PREV else place_of(name)
