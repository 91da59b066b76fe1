"""Between planner and executor: a plan is checked and every reference written out; an answer is fitted to its question.

What leaves here names only registered tools with arguments they accept, and only revisions and assets of this session.
Nothing here runs a tool or writes to the store.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from contextlib import suppress

from pydantic import ValidationError

from agent import export, recipes
from agent.plan import AFTER_STEPS, PREV, Ask, Candidate, Command, Context, Plan, PlanStep
from sessions.errors import Ambiguous, BadArguments, NotFound, PlanError
from sessions.history import Graph, resolve
from sessions.values import Asset, Json, Region
from sessions.words import cleaned
from tools import registry
from tools.base import Tool


def context_of(graph: Graph, branch: str | None, attachments: tuple[Asset, ...] = ()) -> Context:
    """What the planner may know, seen from `branch` (by default the current one)."""
    here = branch or graph.current or "main"
    return Context(
        branch=here,
        head=graph.branches.get(here),
        branches=graph.branches,
        revisions=graph.revisions,
        words=graph.words,
        undone=graph.undone if here == graph.current else None,
        attachments=attachments,
        session=graph.session.id,
    )


def check(plan: Plan, graph: Graph, context: Context) -> Plan:
    """The plan with every base written out (a full id or `prev`); PlanError, NotFound or Ambiguous if it cannot be.

    `context.head` is where the steps begin: the branch's head, or the revision that the plan's command will lead to.
    """
    plan = recipes.unfolded(plan, graph, context)
    start = _start(plan, graph, context)
    _check_then(plan, graph, context)
    assets = {asset.sha256: asset for asset in context.attachments if asset.kind == "image"}
    sounds = {**graph.sounds, **{asset.sha256: asset.name for asset in context.attachments if asset.kind == "audio"}}
    plan = _given_subjects(_by_hash(plan, graph, context), context)
    bases = {name: asset for name, asset in assets.items() if not any(name in step.subjects for step in plan.steps)}
    if plan.steps and plan.ask is None and plan.steps[0].base is None and plan.command is None and bases:
        if len(bases) > 1:
            return _which_photo(plan, tuple(bases.values()))
        start = next(iter(bases))
    used = {subject for revision in graph.revisions if revision.step for subject in revision.step.subjects}
    for step in plan.steps:
        check_kinds(step, sounds)
    steps = []
    for index, step in enumerate(plan.steps):
        if plan.ask is None:
            check_call(step)
        usual = start if index == 0 else PREV
        base = _base(step.base, usual, index, graph, assets)
        here = {*assets, *sounds, *used}
        known = here if step.seed is None else set(step.subjects)  # what is recorded names them in full
        known |= {PREV} if index > 0 else set()
        subjects = tuple(_subject(subject, known, graph) for subject in step.subjects)
        replaces = resolve(graph, step.replaces).id if step.replaces else None
        why = step.why or _elsewhere(base, start if index == 0 else PREV, graph, assets)
        steps.append(step.model_copy(update={"base": base, "subjects": subjects, "replaces": replaces, "why": why}))
    ask = plan.ask or _wanting(plan.steps)
    return plan.model_copy(update={"steps": tuple(steps), "ask": ask})


def check_kinds(step: PlanStep, sounds: Mapping[str, str]) -> None:
    """PlanError where a step works on a sound, or with one and its tool does not hear. `sounds`: asset → its name."""
    if step.base is not None and step.base in sounds:
        raise PlanError(f"{step.tool} needs a picture, and {sounds[step.base]} is a sound.", "Name a picture.")
    heard = [sounds[name] for name in step.subjects if name in sounds]
    if heard and not registry.get(step.tool).hears:
        raise PlanError(f"{step.tool} works with pictures; {heard[0]} is a sound.", "Name a picture.")


def _wanting(steps: tuple[PlanStep, ...]) -> Ask | None:
    """The question for the first argument that a step cannot begin without as things stand here."""
    for index, step in enumerate(steps):
        tool = registry.get(step.tool)
        if argument := tool.args.model_validate(step.args).wanting():
            return asked_for(tool, argument, index)
    return None


def asked_for(tool: Tool, argument: str, index: int = 0) -> Ask:
    """The question for an argument of step `index`, in the words that describe it."""
    what = tool.args.model_fields[argument].description or f"the {argument}"
    question = f"{tool.name} needs to be told {what[0].lower()}{what[1:]}"
    return Ask(question=question, slot=f"steps.{index}.args.{argument}", free=True)


def _subject(name: str, known: set[str], graph: Graph) -> str:
    """What a step works with besides its base, in full: a picture it knows, a learnt subject by name, a revision."""
    if asset := graph.learnt.get(name.removeprefix("@")):
        return asset
    return name if name in known or name in graph.learnt.values() else resolve(graph, name).id


def _by_hash(plan: Plan, graph: Graph, context: Context) -> Plan:
    """The plan with what came with the message by its hash where a step works with A1, A2 …"""
    taken = {*graph.learnt, *graph.branches, *graph.tags}
    sent = {name: asset.sha256 for name, asset in attached(context).items() if name not in taken}
    steps = [
        step.model_copy(update={"subjects": tuple(sent.get(name, name) for name in step.subjects)})
        for step in plan.steps
    ]
    return plan.model_copy(update={"steps": tuple(steps)})


def attached(context: Context) -> dict[str, Asset]:
    """What came with the message, by the name it has in a plan: A1, A2 …"""
    return {f"A{place}": asset for place, asset in enumerate(context.attachments, start=1)}


def _given_subjects(plan: Plan, context: Context) -> Plan:
    """What was attached is what steps work with, as far as `attached_to` says so."""
    if plan.ask is not None:
        return plan
    given = [step.model_copy(update={"subjects": attached_to(step, plan, context)}) for step in plan.steps]
    return plan.model_copy(update={"steps": tuple(given)})


def attached_to(step: PlanStep, plan: Plan, context: Context) -> tuple[str, ...]:
    """The other pictures and sounds of a step, together with what was attached and nobody has named.

    Sounds are all for the steps that hear. Photos are for a step that names none, where it needs just so many others,
    counted with those sounds or without; elsewhere one is where the plan begins.
    """
    if step.seed is not None:
        return step.subjects
    named = {name for one in plan.steps for name in one.subjects}
    tool, sent = registry.get(step.tool), context.attachments
    photos = tuple(asset.sha256 for asset in sent if asset.kind == "image")
    heard = tuple(asset.sha256 for asset in sent if asset.kind == "audio" and asset.sha256 not in named and tool.hears)
    lacks = not step.subjects and tool.subjects[0] in (len(photos), len(photos) + len(heard))
    return (*step.subjects, *(photos if lacks else ()), *heard)


def _start(plan: Plan, graph: Graph, context: Context) -> str | None:
    if plan.command is None:
        return context.head
    if plan.command.name in ("merge", "compare") and plan.steps:
        raise PlanError(f"A {plan.command.name} is a message of its own.", "Say the edits after it.")
    _check_command(plan.command, graph, context)
    return context.head


def _check_then(plan: Plan, graph: Graph, context: Context) -> None:
    if plan.then is None:
        return
    if plan.then.name not in AFTER_STEPS:
        raise PlanError(f"I cannot {plan.then.name} after the edits of one message.", "Say it as a message of its own.")
    _check_command(plan.then, graph, context)


def _check_command(command: Command, graph: Graph, context: Context) -> None:
    """What a command names must exist, and be possible, before anything runs."""
    if command.target is not None and command.name in ("switch", "compare", "merge", "export"):
        resolve(graph, command.target, context.branch)
    if command.name == "export":
        try:
            export.options_of(command.options)
        except BadArguments as error:
            raise PlanError(error.message, error.hint) from None


def _base(base: str | None, usual: str | None, index: int, graph: Graph, assets: dict[str, Asset]) -> str | None:
    wanted = base if base is not None else usual
    if wanted in assets or (wanted == PREV and index > 0):
        return wanted
    if wanted is None or wanted == PREV:
        if graph.current is None and wanted is None:
            raise NotFound("There is no picture to edit yet.", "Attach a photo, or: pentimento new PHOTO")
        raise PlanError("the first step has nothing before it")
    return resolve(graph, wanted).id


def _elsewhere(base: str | None, usual: str | None, graph: Graph, assets: dict[str, Asset]) -> str | None:
    """Where a step starts that does not go on from where one stands, or from the step before it."""
    if base in assets:
        return f"starts from {assets[base].name or 'the attached photo'}"
    if base is None or base in (PREV, usual):
        return None
    return f"starts from #{graph.by_id[base].seq}"


def _which_photo(plan: Plan, assets: tuple[Asset, ...]) -> Plan:
    candidates = tuple(Candidate(label=asset.name or asset.sha256[:8], value=asset.sha256) for asset in assets)
    question = Ask(question="Which of the attached photos shall I edit?", candidates=candidates, slot="steps.0.base")
    return plan.model_copy(update={"ask": question})


def check_call(step: PlanStep) -> None:
    """Arguments, region and subjects against the tool's own declaration; PlanError where they do not fit."""
    tool = registry.get(step.tool)
    arguments_of(tool, step.args)
    low, high = tool.subjects
    if not low <= len(step.subjects) <= high:
        raise _pictures(tool, len(step.subjects))
    if step.region is not None:
        if tool.region == "none":
            raise PlanError(f"{tool.name} always works on the whole picture.", "Say it without a place.")
        region_of(step.region)
    elif tool.region == "required":
        raise PlanError(f"{tool.name} needs to know where.", "Name a place, draw a box or use the brush.")


def arguments_of(tool: Tool, args: Json) -> Json:
    """All arguments of a call with the defaults filled in, as JSON; PlanError in words where one does not fit."""
    try:
        checked = tool.args.model_validate(args)
    except ValidationError as error:
        said = "; ".join(_sentence(tool.name, dict(detail)) for detail in error.errors())
        raise PlanError(said, f"pentimento tools {tool.name} lists its arguments.") from None
    called: Json = checked.model_dump(mode="json", exclude_none=True)
    if cleaned(called) != called:
        raise PlanError(f"{tool.name}: its words hold a control character that cannot be shown.")
    return called


def _pictures(tool: Tool, named: int) -> PlanError:
    """`analogist needs 2 other pictures, and 1 is named.`"""
    low, high = tool.subjects
    if not high:
        return PlanError(f"{tool.name} works with no other picture.", "Leave the others out.")
    kinds = ("other picture", "sound")[: 1 + tool.hears]
    others = " or ".join(f"{kind}s" if high > 1 else kind for kind in kinds)
    needs = f"{low if low == high else f'{low} to {high}'} {others}"
    said = f"{named or 'none'} {'are' if named > 1 else 'is'} named"
    hint = f"Attach photos{' or sounds' if tool.hears else ''}, or name pictures of this session: #1 and #4."
    return PlanError(f"{tool.name} needs {needs}, and {said}.", hint)


def _sentence(tool: str, detail: Json) -> str:
    where = ".".join(str(part) for part in detail["loc"])
    if detail["type"] == "missing":
        return f"{tool} needs to be told its {where}."
    return f"{tool}{f' {where}' if where else ''}: {str(detail['msg']).removeprefix('Value error, ')}"


def region_of(value: Json) -> Region:
    """A region from its JSON form, checked: exactly one kind, a box inside the picture and not empty."""
    region = None
    with suppress(ValueError):
        region = Region.from_json(value)
    if region is None:
        raise PlanError("A region is words, or a box of four numbers, or a mask.")
    if cleaned(value) != value:
        raise PlanError("The words of a region hold a control character that cannot be shown.")
    if region.box is not None:
        x0, y0, x1, y1 = region.box
        if not (0 <= x0 < x1 <= 1 and 0 <= y0 < y1 <= 1):
            raise PlanError("A box is four fractions x0 < x1, y0 < y1 between 0 and 1.")
    return region


_NUMBER = re.compile(r"(?:(?:number|no\.?|option|answer)\s*)?(\d{1,2})[.)]?")
_ORDINALS = {"first": 1, "second": 2, "third": 3, "fourth": 4, "fifth": 5, "last": -1}
_YES = {"yes", "y", "yep", "yeah", "ok", "okay", "sure", "yes please", "do it", "use it", "go ahead"}
_NO = {"no", "n", "nope", "no thanks", "cancel", "stop"}


def answer(text: str, ask: Ask, graph: Graph) -> Candidate | None:
    """The one candidate that a message names: by its number, its label, `#7`, or yes and no; None if it names none."""
    said = _plain(text.lower())
    for article in ("the ", "use ", "take "):
        said = said.removeprefix(article)
    said = said.removesuffix(" one").removesuffix(" please").strip()
    if said.startswith("#"):
        return _by_revision(said, ask, graph)
    labels = [c for c in ask.candidates if said in _names(c)]
    if len(labels) == 1:
        return labels[0]
    number = _NUMBER.fullmatch(said)
    place = int(number[1]) if number else _ORDINALS.get(said)
    if place is not None and (place == -1 or 1 <= place <= len(ask.candidates)):
        return ask.candidates[place - 1 if place > 0 else -1]
    return None


def _plain(text: str) -> str:
    return re.sub(r"[^\w\s#.:%/-]", "", text).strip(" .")


def _names(candidate: Candidate) -> set[str]:
    label = candidate.label.lower().strip()
    names = {label, _plain(label), label.split(" (")[0]} | set(re.findall(r"(?<!#)\b[\w:]+", label))
    if candidate.value is True:
        names |= _YES
    if candidate.value is False:
        names |= _NO
    return names


def _by_revision(said: str, ask: Ask, graph: Graph) -> Candidate | None:
    try:
        meant = resolve(graph, said.split()[0]).id
    except (NotFound, Ambiguous):
        return None
    return next((c for c in ask.candidates if c.revision == meant), None)
