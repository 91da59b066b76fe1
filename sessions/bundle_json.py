"""The JSON in the rows of a bundle that is read again one day: what a revision notes, what a turn planned and came to.

Whoever reads it later need not look again whether a list is a list. Only the shapes: which tools there are, and what
their arguments mean, is not known here.
"""

from __future__ import annotations

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, field_validator

from sessions.values import Json, Region

Share = Annotated[float, Field(ge=0, le=1)]
Amount = Annotated[float, Field(ge=0)]
Finite = Annotated[float, Field(allow_inf_nan=False)]
Count = Annotated[int, Field(ge=0)]


class _Noted(BaseModel):
    """What is noted besides is nobody's business but its writer's."""

    model_config = ConfigDict(strict=True, extra="ignore")


class _Told(BaseModel):
    model_config = ConfigDict(strict=True, extra="forbid")


class Drift(_Told):
    """How far a picture has come from the photo that its line began with."""

    since: str
    frame: list[Finite] = Field(default=[], min_length=9, max_length=9)
    changed: Share
    detail: Amount = 1


class Facts(_Noted):
    """Of a revision or an asset: what merges, recipes, exports and the faces read of it."""

    composited: list[str] = []
    replayed: list[str] = []
    already: list[str] = []
    left_out: list[str] = []
    notices: list[str] = []
    region: str = ""
    taken_at: str = ""
    copyright: str = ""
    confidence: Share = 0
    mask_fraction: Share = 0
    seconds: Amount = 0
    pixels_changed: Count = 0
    pixels_changed_outside: Count = 0
    drift: Drift | None = None


class PlanStep(_Told):
    """One tool call of a plan, as `agent.plan` writes it."""

    tool: str
    args: Json = {}
    base: str | None = None
    subjects: list[str] = []
    region: Json | None = None
    confirmed: bool = False
    seed: int | None = None
    replaces: str | None = None
    expected: Json | None = None
    why: str | None = None

    @field_validator("region")
    @classmethod
    def _a_place(cls, region: Json | None) -> Json | None:
        Region.from_json(region)
        return region


class Plan(_Told):
    """A turn's plan, as `agent.plan` writes it; a turn that answers another has none."""

    command: Json | None = None
    steps: list[PlanStep] = []
    then: Json | None = None
    ask: Json | None = None
    doubts: list[Json] = []
    chat: str | None = None
    planner: str = ""
    confidence: Share = 1
    notes: list[str] = []
    refused: str | None = None


class Failure(_Told):
    code: str
    message: str
    hint: str


class File(_Told):
    revision: str
    options: Json
    sentence: str


class Outcome(_Noted):
    """What a turn came to, and is told again when it is sent again."""

    reply: str = ""
    branch: str = ""
    answers: str = ""
    error: Failure | None = None
    files: list[File] = []
