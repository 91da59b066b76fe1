"""What a face sees while it waits. Frozen values, yielded in order; `Finished` is always the last."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from agent.plan import Ask, Plan, PlanStep
from sessions.values import Branch, Json, Picture, Pixels, Revision, TurnState

if TYPE_CHECKING:
    from agent.comparing import Comparison


@dataclass(frozen=True)
class Planned:
    """The plan, stored and about to run; `elsewhere`: in the engine, perhaps after the turns of others."""

    request_id: str
    plan: Plan
    elsewhere: bool = False


@dataclass(frozen=True)
class Queued:
    """The engine has so many other turns to run before this one."""

    before: int


@dataclass(frozen=True)
class Asked:
    """A question; `pictures` are small pictures of the candidates by place. `mask`: what is not sure, if that is it."""

    ask: Ask
    pictures: dict[int, Picture] = field(default_factory=dict)
    mask: Pixels | None = None


@dataclass(frozen=True)
class Moved:
    """A command moved a head, or made another branch the current one."""

    branch: Branch
    sentence: str


@dataclass(frozen=True)
class Compared:
    """Two revisions laid onto each other; nothing was changed."""

    comparison: Comparison
    sentence: str


@dataclass(frozen=True)
class Working:
    """A step is running: `fraction` 0…1 of it is done, and it looks like `preview` so far."""

    index: int
    step: PlanStep
    fraction: float
    preview: Picture | None = None


@dataclass(frozen=True)
class Committed:
    """A step's result is durable."""

    revision: Revision
    branch: str


@dataclass(frozen=True)
class Forked:
    """The next revision opens a branch, because it does not continue from a head."""

    branch: str
    base: Revision


@dataclass(frozen=True)
class Exported:
    """A picture was asked for as a file (`options` as `agent.export` takes them): the face writes or offers it."""

    revision: Revision
    options: Json
    sentence: str = ""


@dataclass(frozen=True)
class Refused:
    """Something could not be done; nothing half-done is left. The sentence is for a person."""

    code: str
    message: str
    hint: str = ""


@dataclass(frozen=True)
class Finished:
    """The end of a turn: where it stands, what it made, what was said."""

    state: TurnState
    reply: str
    branch: str
    revisions: tuple[str, ...] = ()


Event = Planned | Queued | Asked | Moved | Compared | Working | Committed | Forked | Exported | Refused | Finished
