"""The plan: what a planner returns and what a face shows, as frozen pydantic models with the public JSON form.

A plan is untrusted until `agent.turns` has checked its tools, arguments and references. Nothing here runs anything.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, Protocol

from pydantic import BaseModel, ConfigDict, Field, field_validator

from sessions.errors import PlanError
from sessions.rows import readable
from sessions.values import Asset, Json, Region, Revision, Turn

PREV = "prev"
MAX_STEPS = 8
"""How many new steps one message may ask for."""
LONGEST_PLAN = 200
"""How many steps a plan may have together with recorded ones, which a replay brings."""

CommandName = Literal["undo", "redo", "switch", "branch", "rename", "merge", "compare", "reset", "replay", "export"]

AFTER_STEPS = ("export", "compare", "branch", "rename")
"""Commands that make sense of what a plan's steps have just made."""


class Wire(BaseModel):
    """Frozen, and strict about names; what every model of the plan shares."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class PlanStep(Wire):
    """One tool call. `base` None = the branch head for step 1, the step before for later ones.

    `region`: None, {"words": …}, {"box": [x0, y0, x1, y1]} or {"mask": asset}. `confirmed`: the person has seen the
    mask of an unsure region and accepted it. `seed`: a recorded one, where a step is done again; None: a new one.
    `replaces`: the revision of a step in the base's picture that this one is done instead of, from what was before it.
    `expected`: what the planner thinks the result will look like, as `agent.selfcheck.Expected` has it.
    `why`: in words, which picture it starts from and by what that was chosen; None where there is nothing to tell.
    """

    tool: str
    args: Json = Field(default_factory=dict)
    base: str | None = None
    subjects: tuple[str, ...] = ()
    region: Json | None = None
    confirmed: bool = False
    seed: int | None = None
    replaces: str | None = None
    expected: Json | None = None
    why: str | None = None

    @field_validator("region")
    @classmethod
    def _one_place(cls, region: Json | None) -> Json | None:
        Region.from_json(region)
        return region


_ANEW: Json = {"replaces": None, "expected": None, "why": None}
"""What was said of a step that begins with another picture now."""


class Command(Wire):
    """A session command; runs before the steps. `target`/`other`: id, `#7`, branch name or `original`.

    `options`: what else was said of an export, as `agent.export.Options` has it (`format`, `quality`, `max_bytes` …).
    Of a merge: `take`, the id of a step of theirs (or `*`, for all) → `ours`, `theirs` or `both`.
    """

    name: CommandName
    target: str | None = None
    other: str | None = None
    count: int = Field(default=1, ge=1, le=1000)
    options: Json = Field(default_factory=dict)


class Candidate(Wire):
    """One answer to a question: a value for the slot, or a revision id; `label` is what the person reads.

    `shown`: a picture of it comes with the question, as one of a revision always does.
    """

    label: str
    value: Any = None
    revision: str | None = None
    shown: bool = False


class Ask(Wire):
    """A question back. `slot` is the place of the plan that the answer fills, e.g. `steps.0.args.aspect`,
    `steps.1.base`, `steps.0.region`, `command.target`; `free`: the answer's own words may fill it. `mask`: it is about
    the place of a step, which a face shows as a mask; a box or a brush instead is an answer too. `about`: what was said
    and asked before the message that led to it, where this is not the first question about one wish."""

    question: str
    candidates: tuple[Candidate, ...] = ()
    slot: str | None = None
    free: bool = False
    mask: bool = False
    about: str = ""


class Plan(Wire):
    """Steps (perhaps after a command), or a question, or a reply. `notes`: what was understood and set aside.

    `then`: a command that runs after the steps, one of `AFTER_STEPS`; without a target it means what they made.
    `doubts`: questions that are asked when `ask` has been answered, one after the other.
    `refused`: the error code, where `chat` says why a plan that was made cannot be carried out.
    """

    command: Command | None = None
    steps: tuple[PlanStep, ...] = Field(default=(), max_length=LONGEST_PLAN)
    then: Command | None = None
    ask: Ask | None = None
    doubts: tuple[Ask, ...] = ()
    chat: str | None = None
    planner: str = ""
    confidence: float = Field(default=1.0, ge=0, le=1)
    notes: tuple[str, ...] = ()
    refused: str | None = None

    @field_validator("steps")
    @classmethod
    def _few_new_ones(cls, steps: tuple[PlanStep, ...]) -> tuple[PlanStep, ...]:
        if sum(step.seed is None for step in steps) > MAX_STEPS:
            raise ValueError(f"a plan has at most {MAX_STEPS} new steps")
        return steps

    @classmethod
    def of(cls, turn: Turn) -> Plan:
        """The plan of a stored turn; StorageError where what is stored is none."""
        with readable("a turn's plan"):
            return cls.model_validate(turn.plan)

    def to_json(self) -> Json:
        return self.model_dump(mode="json")

    def answered(self, value: Any) -> Plan:
        """This plan with the question's slot filled by `value`, and its next doubt as the question."""
        if self.ask is None or self.ask.slot is None:
            raise PlanError("this plan waits for no answer")
        data = self.to_json()
        *path, last = self.ask.slot.split(".")
        place: Any = data
        for key in path:
            place = place[int(key)] if isinstance(place, list) else place.setdefault(key, {})
        if isinstance(place, list):
            place[int(last) : int(last) + 1] = [value]
        else:
            place[last] = value
        if re.fullmatch(r"steps\.\d+\.(base|subjects.*)", self.ask.slot):
            data["steps"][int(path[1])] |= _ANEW
        ask, *doubts = data["doubts"] or [None]
        return Plan.model_validate(data | {"ask": ask, "doubts": doubts, "confidence": 1.0})


@dataclass(frozen=True)
class Context:
    """What a planner may know: the whole revision graph of the session, where we stand, and what was attached.

    `revisions` in order of `seq`, all branches, undone lines included. `words`: revision id → the message that made
    it. `branches`: name → head id. `head` is None in an empty session. `undone`: the revision that redo would return
    to, if any. `attachments`: assets that came with this message, in order. `session`: whose pictures these are.
    `asked`: the message before this one and the question it led to, where this one may be the answer. `meant`: the one
    of its candidates that this message names, where the question is about no place of a plan.
    """

    branch: str
    head: str | None
    branches: Mapping[str, str] = field(default_factory=dict)
    revisions: tuple[Revision, ...] = ()
    words: Mapping[str, str] = field(default_factory=dict)
    undone: str | None = None
    attachments: tuple[Asset, ...] = ()
    session: str = ""
    asked: tuple[str, Ask] | None = None
    meant: Candidate | None = None


class Planner(Protocol):
    """Implemented by `planners.rules` now; by token heads and chat models later. (Tests bring scripted ones.)"""

    def plan(self, text: str, context: Context) -> Plan: ...

    @property
    def name(self) -> str: ...
