"""How steps and revisions are named in sentences, in logs and as branches. Words only; decides nothing."""

from __future__ import annotations

from collections.abc import Sequence

from sessions.history import Graph
from sessions.lineage import LEFT_OUT, REPLAYED
from sessions.moves import branch_name
from sessions.values import Json, Region, Revision
from tools import registry


def branch_for(revision: Revision) -> str:
    """The name of a branch that starts with, or at, this revision: what its step did, or its photo."""
    if revision.step is None:
        return branch_name(revision.name, "photo")
    return name_for(revision.step.tool, revision.step.args)


_EFFECTS = {
    "exposure": ("darker", "brighter"),
    "contrast": ("softer", "crisper"),
    "saturation": ("paler", "richer"),
    "temperature": ("cooler", "warmer"),
}
"""What an amount below 0 and one above it make of a picture."""


def name_for(tool: str, args: Json) -> str:
    """`sepia` for a sepia monochrome, `warmer` for what is mostly that, otherwise the tool's name."""
    words = _spoken(tool, args)
    if words:
        return branch_name(" ".join(words.split()[:4]))
    tone = args.get("tone")
    if isinstance(tone, str) and tone not in ("neutral", ""):
        return branch_name(tone)
    amounts = {name: args[name] for name in _EFFECTS if isinstance(args.get(name), float | int) and args[name]}
    if not amounts:
        return branch_name(tool)
    most = max(amounts, key=lambda name: abs(amounts[name]))
    return _EFFECTS[most][amounts[most] > 0]


def title(revision: Revision) -> str:
    """`#7 blur background`: how a revision is named in sentences."""
    if revision.step is None:
        return f"#{revision.seq} {revision.name or revision.source}"
    return f"#{revision.seq} {describe(revision.step.tool, revision.step.args, revision.step.region)}"


def began(graph: Graph, revision: Revision) -> str:
    """`from #2`, or `from #1, instead of #2, with #3 done again` for a step done instead of one; "" for a photo."""
    if not revision.parents or revision.step is None:
        return ""
    parent, fed = graph.by_id[revision.parents[0]], graph.by_id.get(revision.step.base)
    if fed is None or fed.id == parent.id:
        return f"from #{parent.seq}"
    gone, redone = (
        ", ".join(f"#{graph.by_id[one].seq}" for one in revision.facts.get(fact, ()) if one in graph.by_id)
        for fact in (LEFT_OUT, REPLAYED)
    )
    kept = f", with {redone} done again" if redone else ""
    return f"from #{fed.seq}, instead of {gone or 'what came after it'}{kept}"


def describe(tool: str, args: Json, region: Region | None) -> str:
    """A step in a few words: the tool, the arguments that differ from nothing, and where."""
    words = _spoken(tool, args)
    telling = {name: value for name, value in _chosen(tool, args).items() if value not in (0, None, "", [], words)}
    said = f"“{words}”" if words else ""
    order = sorted(telling, key=lambda name: name not in _BARE)
    parts = [_shown(name, telling[name], signed=_signed(tool, name)) for name in order]
    return " ".join(part for part in (tool, said, *parts, f"· {place(region)}" if region else "") if part)


SPOKEN = ("instruction", "query", "prompt")
"""The argument in which a tool with weights is told what to do, first found first."""


def _spoken(tool: str, args: Json) -> str:
    """What a tool with weights was told in words."""
    found = registry.registered().get(tool)
    if found is None or not found.weights:
        return ""
    return next((str(args[name]) for name in SPOKEN if args.get(name)), "")


def _chosen(tool: str, args: Json) -> Json:
    """The arguments worth telling: of a tool with weights, which has many, only those that are not as always."""
    found = registry.registered().get(tool)
    if found is None or not found.weights:
        return args
    fields = found.args.model_fields.items()
    defaults = {name: field.get_default(call_default_factory=True) for name, field in fields if not field.is_required()}
    usual = found.args.model_construct(**defaults).model_dump(mode="json")
    told = {name: value for name, value in args.items() if name in found.said or name not in usual}
    return {name: value for name, value in told.items() if name not in usual or value != usual[name]}


def place(region: Region) -> str:
    """A region in a word or two."""
    return region.words or ("box" if region.box else "brush")


_BARE = {"aspect", "tone", "preset", "color", "axis", "amount", "text", "degrees"}


def _signed(tool: str, name: str) -> bool:
    """Whether a number may be below zero, so that a plus says something."""
    found = registry.registered().get(tool)
    field = found.args.model_fields.get(name) if found else None
    return field is not None and name not in _BARE and any(getattr(rule, "ge", 0) < 0 for rule in field.metadata)


def _shown(name: str, value: object, *, signed: bool) -> str:
    if isinstance(value, bool) or value is None:
        return name if value else ""
    if isinstance(value, float | int):
        number = f"{value:+g}" if signed else f"{value:g}"
        unit = "°" if name == "degrees" else ""
        return f"{number}{unit}" if name in _BARE else f"{name} {number}"
    if isinstance(value, list):
        return f"{name} {'×'.join(f'{v:g}' if isinstance(v, float | int) else str(v) for v in value)}"
    return str(value) if name in _BARE else f"{name} {value}"


def duration(seconds: float) -> str:
    """`0.6 s`, or `12 ms` where it is less than a tenth."""
    return f"{seconds:.1f} s" if seconds >= 0.1 else f"{max(1, round(seconds * 1000))} ms"


def done(made: Sequence[Revision], branch: str, before: str = "", start: int = 0) -> str:
    """What a turn came to: `Done in 0.6 s: crop 1:1, blur · background. main is at #4.`

    `before`: the branch it was spoken on, where another one was opened, from revision number `start`.
    """
    if not made:
        return "Nothing was to be done."
    seconds = sum(r.facts.get("seconds", 0.0) for r in made)
    steps = ", ".join(title(r).split(" ", 1)[1] for r in made)
    outside = [r.facts["pixels_changed_outside"] for r in made if "pixels_changed_outside" in r.facts]
    marked = ", ".join(f"#{r.seq}" for r in made if "pixels_changed_outside" in r.facts)
    which = "the mask" if len(made) == 1 else f"the mask of {marked}"
    promise = f" {sum(outside)} pixels changed outside {which}." if outside else ""
    opened = f"New branch {branch} from #{start}; {before} stays where it was. " if before not in ("", branch) else ""
    return f"{opened}Done in {duration(seconds)}: {steps}. {branch} is at #{made[-1].seq}.{promise}"
