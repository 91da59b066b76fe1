"""Everyday messages with what they should come to: the six histories they refer to, and how a plan is scored.

A plan is right when it is exactly what was expected: the tools in order, every expected argument in its range, nothing
more that changes the picture, the region, the version it starts from. Knows nothing of how a planner works.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from agent.plan import Command, Context, Plan, PlanStep
from sessions.values import IDENTITY, Json, Region, Revision, Step
from tools.edits.darkroom.crop import PRESETS

DEFAULTS: dict[str, Json] = {
    "blur": {"amount": 0.5},
    "sharpen": {"amount": 0.4},
    "denoise": {"amount": 0.8},
    "vignette": {"amount": 0.5},
    "auto": {"amount": 1.0},
    "border": {"width": 0.05, "color": "#ffffff"},
    "monochrome": {"tone": "neutral"},
    "flip": {"axis": "horizontal"},
    "straighten": {"degrees": "auto"},
    "text": {"at": "bottom"},
}
MOVING = {"undo", "redo", "switch", "reset", "merge", "replay"}


# --- the six histories ------------------------------------------------------------------------------------------------


@dataclass
class History:
    """Builds a Context: revisions numbered from 1, with made-up ids."""

    revisions: list[Revision] = field(default_factory=list)
    words: dict[str, str] = field(default_factory=dict)

    def add(
        self, parent: int | None, tool: str, args: Json | None = None, said: str = "", region: str | None = None
    ) -> None:
        """One revision; a root where `parent` is None, `tool` being the file's name then."""
        seq = len(self.revisions) + 1
        ident = hashlib.sha256(f"{seq}{tool}".encode()).hexdigest()
        parents = (self.revisions[parent - 1].id,) if parent else ()
        step = (
            Step(tool, "1", args or {}, parents[0], region=Region(words=region) if region else None) if parent else None
        )
        turn = hashlib.sha256(said.encode()).hexdigest()[:12] if said else f"turn {seq}"
        self.revisions.append(
            Revision(
                ident, "s", parents, step, ident, None, IDENTITY, "edit" if parent else "upload",
                1200, 800, seq, "2026-01-01T00:00:00Z", turn=turn, name="" if parent else tool,
            )
        )  # fmt: skip
        self.words[ident] = said

    def context(self, branch: str, heads: Mapping[str, int], undone: int | None = None) -> Context:
        branches = {name: self.revisions[seq - 1].id for name, seq in heads.items()}
        redo = self.revisions[undone - 1].id if undone else None
        return Context(branch, branches[branch], branches, tuple(self.revisions), self.words, redo)


def _fresh() -> Context:
    history = History()
    history.add(None, "cat.jpg")
    return history.context("main", {"main": 1})


def _line() -> Context:
    history = History()
    history.add(None, "kitchen.jpg")
    history.add(1, "crop", {"aspect": "1:1"}, "crop it square")
    history.add(2, "adjust", {"temperature": 0.2}, "a little warmer")
    history.add(3, "monochrome", {"tone": "neutral"}, "black and white please")
    history.add(4, "vignette", {"amount": 0.4}, "dark corners")
    return history.context("main", {"main": 5})


def _branches() -> Context:
    history = History()
    history.add(None, "portrait.jpg")
    history.add(1, "crop", {"aspect": "1:1"}, "square please")
    history.add(2, "adjust", {"temperature": 0.2}, "a little warmer and blur the background")
    history.add(3, "blur", {}, "a little warmer and blur the background", region="background")
    history.add(1, "monochrome", {"tone": "sepia"}, "try the original in sepia")
    history.add(5, "border", {"color": "#ffffff"}, "and a white border")
    history.add(3, "adjust", {"exposure": 0.4}, "from the warm one, brighter")
    return history.context("main", {"main": 4, "sepia": 6, "bright": 7})


def _undone() -> Context:
    history = History()
    history.add(None, "beach.jpg")
    history.add(1, "adjust", {"saturation": 0.3}, "more colour")
    history.add(2, "sharpen", {}, "sharpen")
    return history.context("main", {"main": 2}, undone=3)


def _two_photos() -> Context:
    history = History()
    history.add(None, "cat.jpg")
    history.add(1, "flip", {"axis": "horizontal"}, "mirror it")
    history.add(None, "dog.jpg")
    history.add(3, "adjust", {"exposure": 0.3}, "brighter")
    return history.context("dog", {"main": 2, "dog": 4})


def _two_bw() -> Context:
    history = History()
    history.add(None, "street.jpg")
    history.add(1, "monochrome", {"tone": "neutral"}, "black and white")
    history.add(1, "monochrome", {"tone": "neutral"}, "from the original, mono")
    history.add(3, "adjust", {"contrast": 0.3}, "more contrast")
    return history.context("mono", {"main": 2, "mono": 4})


CONTEXTS: dict[str, Context] = {
    "fresh": _fresh(),
    "line": _line(),
    "branches": _branches(),
    "undone": _undone(),
    "two_photos": _two_photos(),
    "two_bw": _two_bw(),
}


# --- messages ---------------------------------------------------------------------------------------------------------


def messages(path: Path) -> Iterator[Json]:
    """The messages of a file, one JSON object a line."""
    for row in path.read_text(encoding="utf-8").splitlines():
        if row.strip():
            yield json.loads(row)


@dataclass(frozen=True)
class Verdict:
    """`right`: exactly as expected. `asked`: a question or refusal where the message has one clear meaning.
    `wrong_edit`: it would have changed the picture or moved the head otherwise than expected."""

    right: bool
    asked: bool
    wrong_edit: bool


def judged(expect: Json, plan: Plan, context: Context) -> Verdict:
    """The verdict on a plan."""
    allowed = [one for reading in expect.get("any_of", [expect]) for one in _spelled(reading)]
    right = any(_fits(one, plan, context) for one in allowed)
    clear = all(_kinds(one) <= {"edit", "command"} for one in allowed)
    kind = kind_of(plan)
    changes = kind == "edit" or (plan.ask is None and plan.command is not None and plan.command.name in MOVING)
    return Verdict(right, clear and kind in {"ask", "refuse"}, changes and not right)


def _spelled(expect: Json) -> Iterator[Json]:
    """One expectation for each version that a step's command may go to."""
    command = expect.get("command") or {}
    if not (expect["kind"] == "edit" and isinstance(command.get("target"), dict)):
        yield expect
        return
    for target in command["target"]["one_of"]:
        yield {**expect, "command": {**command, "target": target}}


def kind_of(plan: Plan) -> str:
    if plan.ask is not None:
        return "ask"
    if plan.steps:
        return "edit"
    return "command" if plan.command is not None else "refuse"


def _kinds(expect: Json) -> set[str]:
    kind = expect["kind"]
    return set(kind) if isinstance(kind, list) else {kind}


def _fits(expect: Json, plan: Plan, context: Context) -> bool:
    kind = kind_of(plan)
    if kind not in _kinds(expect):
        return False
    if kind == "command":
        return plan.command is not None and _command_fits(expect["command"], plan.command, context)
    return kind != "edit" or _edit_fits(expect, plan, context)


# --- commands ---------------------------------------------------------------------------------------------------------


def _command_fits(expect: Json, command: Command, context: Context) -> bool:
    if expect["name"] != command.name:
        return False
    said = {key: value for key, value in expect.items() if key != "name"}
    match command.name:
        case "undo" | "redo":
            return bool(said.get("count", 1) == command.count)
        case "compare":
            return not said or any(
                _pair(a, b, context) == _pair(command.target, command.other, context) for a, b in _pairs(said)
            )
        case "branch" | "rename":
            given = {str(value).lower() for value in (command.target, command.other) if value}
            return all(_any(value, lambda one: str(one).lower() in given) for value in said.values())
        case "export":
            return all(
                _any(
                    value, lambda one, key=key: _same_option(one, command.options.get(key, getattr(command, key, None)))
                )
                for key, value in said.items()
            )
        case _:
            return "target" not in said or _any(
                said["target"], lambda one: _place(one, context) == _place(command.target, context)
            )


def _same_option(one: Any, other: Any) -> bool:
    return str(one).lower().replace("jpg", "jpeg") == str(other).lower()


def _any(value: Any, test: Any) -> bool:
    return any(test(one) for one in (value["one_of"] if isinstance(value, dict) else [value]))


def _pairs(said: Json) -> Iterator[tuple[Any, Any]]:
    def each(value: Any) -> list[Any]:
        return value["one_of"] if isinstance(value, dict) else [value]

    for a in each(said.get("target")):
        for b in each(said.get("other")):
            yield a, b


def _pair(a: str | None, b: str | None, context: Context) -> frozenset[str | None]:
    return frozenset(_place(one, context) if one else context.head for one in (a, b))


def _place(target: str | None, context: Context) -> str | None:
    """The id that a target means: a branch stands for its head, "original" for the root of the head's line."""
    if target is None:
        return None
    if target in context.branches:
        return context.branches[target]
    if target.lstrip("#").isdigit():
        return next((revision.id for revision in context.revisions if revision.seq == int(target.lstrip("#"))), target)
    return _root(context) if target == "original" else target


def _root(context: Context) -> str | None:
    known = {revision.id: revision for revision in context.revisions}
    at = context.head
    while at is not None and known[at].parents:
        at = known[at].parents[0]
    return at


# --- edits ------------------------------------------------------------------------------------------------------------


@dataclass
class Made:
    """One step, expected or planned, in the same terms. `base`: the id it starts from, or "prev"."""

    tool: str
    args: Json
    region: str | None
    base: str | None


def _edit_fits(expect: Json, plan: Plan, context: Context) -> bool:
    wanted, given = _as_move(expect.get("command")), plan.command
    if given is not None and given.name == "reset":
        given = Command(name="switch", target="original")
    start_wanted, start_given = context.head, context.head
    if wanted is not None and wanted["name"] == "switch":
        start_wanted, wanted = _place(wanted["target"], context), None
    if given is not None and given.name == "switch":
        start_given, given = _place(given.target, context), None
    if (wanted is None) != (given is None) or (wanted and given and not _command_fits(wanted, given, context)):
        return False
    expected = _merged([_expected(step, i, start_wanted, context) for i, step in enumerate(expect["steps"])])
    planned = [_planned(step, i, start_given) for i, step in enumerate(plan.steps)]
    return any(_steps_fit(expected, _merged(steps)) for steps in (planned, _each_alone(planned)))


def _steps_fit(expected: Sequence[Made], planned: Sequence[Made]) -> bool:
    return len(expected) == len(planned) and all(
        _step_fits(one, other, planned[:i]) for i, (one, other) in enumerate(zip(expected, planned, strict=True))
    )


def _each_alone(planned: Sequence[Made]) -> list[Made]:
    """One step on "the ceiling and the floor" is two steps, one on each."""
    out: list[Made] = []
    for step in planned:
        parts = [_plain(part) for part in step.region.split(" and ")] if step.region else [None]
        out += [Made(step.tool, step.args, part, "prev" if i else step.base) for i, part in enumerate(parts)]
    return out


def _as_move(command: Json | None) -> Json | None:
    """A reset is a switch to the original."""
    return {"name": "switch", "target": "original"} if command is not None and command["name"] == "reset" else command


def _expected(step: Json, index: int, start: str | None, context: Context) -> Made:
    base = step.get("base") or ("prev" if index else "head")
    at = start if base == "head" else base if base == "prev" else _place(base, context)
    return Made(step["tool"], dict(step.get("args", {})), _region(step.get("region")), at)


def _planned(step: PlanStep, index: int, start: str | None) -> Made:
    return Made(step.tool, dict(step.args), _region(step.region), step.base or ("prev" if index else start))


def _merged(steps: Sequence[Made]) -> list[Made]:
    """Neighbouring adjustments of one region are one."""
    out: list[Made] = []
    for step in steps:
        last = out[-1] if out else None
        same = last is not None and last.tool == step.tool == "adjust" and last.region == step.region
        if last is not None and same and step.base == "prev" and not set(last.args) & set(step.args):
            last.args |= step.args
        else:
            out.append(step)
    return out


def _step_fits(expected: Made, planned: Made, before: Sequence[Made]) -> bool:
    if expected.tool != planned.tool or expected.base != planned.base:
        return False
    if not _region_fits(expected.region, planned.region, before) or _extras(expected, planned):
        return False
    values = DEFAULTS.get(planned.tool, {}) | planned.args
    return all(_value_fits(name, value, values, planned.tool) for name, value in expected.args.items())


def _region_fits(expected: str | None, planned: str | None, before: Sequence[Made]) -> bool:
    if expected == "rest" and planned is not None and before and before[-1].region:
        return planned in {"rest", f"everything but {before[-1].region}"}
    return expected == planned


def _extras(expected: Made, planned: Made) -> bool:
    """Whether the plan names something more that changes the picture by itself."""
    extra = {name for name, value in planned.args.items() if value not in (None, 0, 0.0)} - set(expected.args)
    match planned.tool:
        case "adjust":
            return bool(extra) and bool(expected.args)
        case "resize":
            return bool(extra) and bool(expected.args)
        case "crop":
            free = not expected.args and expected.region is None
            return not free and (
                bool(extra - {"preset", "aspect"}) or (bool(extra) and not set(expected.args) & {"preset", "aspect"})
            )
        case _:
            return False


def _value_fits(name: str, expected: Any, values: Json, tool: str) -> bool:
    if isinstance(expected, dict):
        return any(_value_fits(name, one, values, tool) for one in expected["one_of"])
    if tool == "crop" and name in {"aspect", "preset"}:
        return _ratio(expected) == _ratio(values.get("aspect") or values.get("preset"))
    value = values.get(name, 0 if tool == "adjust" else None)
    if isinstance(expected, list) and len(expected) == 2:
        return isinstance(value, int | float) and expected[0] - 1e-9 <= value <= expected[1] + 1e-9
    if isinstance(expected, list):
        return isinstance(value, list) and all(abs(a - b) <= 0.02 for a, b in zip(expected, value, strict=True))
    if isinstance(expected, int | float):
        return isinstance(value, int | float) and abs(value - expected) < 1e-6
    if name == "text":
        return bool(value == expected)
    return _plain(str(value)) == _plain(str(expected))


def _ratio(shape: Any) -> float | None:
    if shape in PRESETS:
        width, height = PRESETS[shape]
        return round(width / height, 3)
    numbers = re.findall(r"\d+(?:\.\d+)?", str(shape))
    return round(float(numbers[0]) / float(numbers[1]), 3) if len(numbers) == 2 else None


_OUTSIDE = r"except for|except|but|apart from|other than|besides|outside"
_SAME = (
    (r"\b(?:centre|center|central|middle part|midsection)\b", "middle"),
    (r"\bupper\b", "top"),
    (r"\blower\b", "bottom"),
    (rf"\b(?:everything|all|anything) (?:{_OUTSIDE})\b", "everything but"),
    (r"\b(?:the|a|an|my|your|his|her|its|our|their|this|that|these|those)\b(?! *$)", " "),
    (r"\bgrey\b", "gray"),
    (r"\bof (?:the )?(?:picture|photo|image|frame|shot)\b", " "),
    (r"\b(left|right|top|bottom)(?:most)?(?:[ -]hand)? (?:side|part|area|corner)\b", r"\1"),
    (r"\b(top|bottom) middle\b", r"\1"),
    (r"-", " "),
    (r"'", ""),
    (
        r"\b(?:(?:everything|whatevers?|whats?|all|anything|things|area|stuff)(?: (?:is|thats?|that is))? )?"
        r"(?:around|behind)\b",
        "everything but",
    ),
    (r"\b(?:of|on|from|inside|in|at)\b", " "),
    (r"\bcolour", "color"),
    (r"\bbackdrop\b", "background"),
)
"""Ways to say the same place."""


def _plain(words: str) -> str:
    """Words of a region or place in one spelling."""
    text = words.lower().strip(" .!?")
    for pattern, to in _SAME:
        text = re.sub(pattern, to, text)
    return " ".join(text.split())


def _region(region: Json | None) -> str | None:
    if region is None:
        return None
    words = region.get("words") or region.get("place")
    return _plain(str(words)) if words else json.dumps(region.get("box") or region.get("mask"))
