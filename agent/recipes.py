"""A recipe: the steps of one line of history as portable JSON, and as a plan that does them again on another picture.

Reads the graph and makes values. Files and the pictures that travel in them are `recipe_files`; running is `replaying`.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated, Literal

from pydantic import Field, StringConstraints, TypeAdapter

from agent.plan import LONGEST_PLAN, PREV, Context, Plan, PlanStep, Wire
from sessions import lineage
from sessions.errors import NotFound, PlanError
from sessions.history import Graph, resolve
from sessions.identity import bytes_hash, canonical
from sessions.values import Asset, Json, Revision, Step
from tools import registry

PLANNER = "recipe@1"

LONGEST_NAME = 300
Name = Annotated[str, StringConstraints(max_length=LONGEST_NAME)]
Hash = Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{64}$")]
Reference = Annotated[str, StringConstraints(pattern=r"^(r1:)?[0-9a-f]{64}$")]


class Photo(Wire):
    """The photo that a recipe was made on: not its pixels, but their hash, by which it is known again."""

    name: Name
    image: Hash
    width: int = Field(ge=1)
    height: int = Field(ge=1)


class Words(Wire):
    """A place in words, to be found anew in every picture."""

    words: Annotated[str, StringConstraints(min_length=1, max_length=300)]


class Box(Wire):
    """A box as fractions of width and height: x0, y0, x1, y1."""

    box: tuple[float, float, float, float]


class Brush(Wire):
    """A mask that was painted; on a picture of another size it is scaled to that."""

    mask: Hash


class RecipeStep(Wire):
    """One step as it was done. `region` is what was asked for, not what came of it.

    `confirmed`: the person was shown an unsure region and accepted it, on the photo that the recipe was made on.
    """

    tool: Name
    tool_version: Name
    args: Json
    region: Words | Box | Brush | None = None
    subjects: tuple[Reference, ...] = Field(default=(), max_length=8)
    seed: int = Field(ge=0, lt=2**63)
    confirmed: bool = False


class Enclosed(Wire):
    """What steps refer to: base64 of a PNG, or of a sound's FLAC, or None where it was too large to travel."""

    kind: Literal["mask", "subject", "sound"]
    name: Name
    data: str | None


class Recipe(Wire):
    """The steps of a line, oldest first. `enclosed`: brush masks, other pictures and sounds by the names steps use."""

    format: Literal[1] = 1
    name: Name
    photo: Photo
    steps: tuple[RecipeStep, ...] = Field(min_length=1, max_length=LONGEST_PLAN)
    enclosed: dict[Reference, Enclosed] = Field(default_factory=dict, max_length=4 * LONGEST_PLAN)

    @property
    def key(self) -> str:
        """64 hex digits: the same steps by the same versions of the tools of this place, so the same results."""
        steps = [step.model_dump(mode="json") for step in self.steps]
        versions = {step.tool: registry.get(step.tool).version for step in self.steps}
        return bytes_hash(canonical([steps, versions]))


_REGION: TypeAdapter[Words | Box | Brush | None] = TypeAdapter(Words | Box | Brush | None)


def recipe_of(graph: Graph, revision: Revision) -> Recipe:
    """The steps from the photo to this revision; NotFound for a photo as it came, PlanError for too long a line.

    A merge counts as what is in its picture: the steps of ours that it kept, then those of theirs that it brought.
    """
    root = list(graph.line(revision.id))[-1]
    done = lineage.steps(graph, revision.id)
    if not done:
        raise NotFound(
            f"#{revision.seq} {root.name} is the photo as it came; there are no steps to do again.",
            "Name a version with edits: #7, a branch.",
        )
    if len(done) > LONGEST_PLAN:
        raise PlanError(f"This line has {len(done)} steps; a recipe holds at most {LONGEST_PLAN}.")
    here = next((name for name, head in sorted(graph.branches.items()) if head == revision.id), f"#{revision.seq}")
    called = root.name[: LONGEST_NAME - len(f" · {here}")]
    photo = Photo(name=called, image=root.image, width=root.width, height=root.height)
    steps = tuple(_recorded(one, one.step) for one in done if one.step)
    return Recipe(name=f"{called} · {here}", photo=photo, steps=steps)


def _recorded(revision: Revision, step: Step) -> RecipeStep:
    return RecipeStep(
        tool=step.tool,
        tool_version=step.tool_version,
        args=step.args,
        region=_REGION.validate_python(step.region.to_json() if step.region else None),
        subjects=step.subjects,
        seed=step.seed,
        confirmed=_was_unsure(revision),
    )


def _was_unsure(revision: Revision) -> bool:
    """A revision with a region below the confidence that needs no question exists because somebody said yes."""
    if "confidence" not in revision.facts:
        return False
    from tools import regions  # pulls in scikit-image, which recipes without places need not wait for

    return bool(revision.facts["confidence"] < regions.SURE)


def plan_of(recipe: Recipe, base: Revision | Asset | None) -> Plan:
    """The recipe as a plan that starts from `base` (None: the head, or the photo attached to the message).

    A region that the person accepted counts as accepted on the very photo where it was seen; elsewhere it is asked.
    """
    start = base.sha256 if isinstance(base, Asset) else base.id if base else None
    pixels = base.sha256 if isinstance(base, Asset) else base.image if base else None
    steps = steps_of(recipe, start, seen=pixels == recipe.photo.image)
    return Plan(steps=steps, planner=PLANNER, notes=tuple(differences(recipe)))


def steps_of(recipe: Recipe, start: str | None = None, seen: bool = False) -> tuple[PlanStep, ...]:
    """The steps as a plan has them; `seen`: what the person accepted is accepted here too."""
    return tuple(
        PlanStep(
            tool=step.tool,
            args=step.args,
            base=PREV if index else start,
            subjects=step.subjects,
            region=step.region.model_dump(mode="json") if step.region else None,
            confirmed=step.confirmed and seen,
            seed=step.seed,
        )
        for index, step in enumerate(recipe.steps)
    )


def differences(recipe: Recipe) -> Iterator[str]:
    """What keeps a replay here from giving the same bytes: tools of another version, a sentence each."""
    for tool, made_with in dict.fromkeys((step.tool, step.tool_version) for step in recipe.steps):
        here = registry.get(tool).version
        if here != made_with:
            yield f"{tool} is version {here} here and was {made_with} in the recipe: the result may differ."


def unfolded(plan: Plan, graph: Graph, context: Context) -> Plan:
    """A plan whose command is `replay` as the steps it stands for, so that it is shown, asked, run and stopped as any.

    `other` is the version whose steps are meant (by default the head), `target` where they are done again.
    """
    command = plan.command
    if command is None or command.name != "replay" or plan.ask is not None:
        return plan
    recipe = recipe_of(graph, resolve(graph, command.other or context.head or "head", context.branch))
    again = plan_of(recipe, resolve(graph, command.target, context.branch) if command.target else None)
    steps, notes = again.steps + plan.steps, plan.notes + again.notes
    return plan.model_copy(update={"command": None, "steps": steps, "notes": notes})
