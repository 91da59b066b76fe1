"""What a tool is: a pydantic `Args`, one decorated generator function, and nothing about ids, paths or sessions.

A tool's function receives an `EditContext` and its checked `Args`, yields `Progress` at least every 200 ms and at every
place where it may be stopped, and returns an `EditResult`. It does not composite: what it changed outside `ctx.mask` is
put back, bit for bit, by the executor. It does not write into `ctx.image.pixels`.
"""

from __future__ import annotations

from collections.abc import Callable, Generator
from contextlib import closing
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any, Literal, TypeVar

import numpy as np
from pydantic import BaseModel, ConfigDict, JsonValue
from pydantic.fields import FieldInfo

from sessions.errors import EditError, MissingWeights
from sessions.values import IDENTITY, Geometry, Json, Picture, Pixels

if TYPE_CHECKING:
    from torch import Tensor

    from tools.shelf import Shelf
    from tools.sounds import Sound

S = TypeVar("S")
T = TypeVar("T")
U = TypeVar("U")

KEPT: dict[str, JsonValue] = {"kept": True}
"""What `json_schema_extra` of an argument is that nobody says: the tool finds it, and the step keeps it."""
RegionUse = Literal["none", "optional", "required"]


class ToolArgs(BaseModel):
    """Base of every tool's `Args`: unknown names are errors, values are checked, instances are frozen."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)

    def wanting(self) -> str:
        """The argument that somebody has to say as things stand here, although it has a default; "" for none."""
        return ""


@dataclass(frozen=True)
class Progress:
    """How far a step is: `fraction` 0…1, and perhaps a small picture of where it stands."""

    fraction: float
    preview: Picture | None = None


@dataclass(frozen=True)
class EditContext:
    """All a tool may see.

    `mask` is the grounded region, uint8 (H, W) of the image's size, 0 = leave alone … 255 = change fully (soft edges
    between), or None for the whole picture. `subjects` are the other pictures of the step, in order, and `sounds` its
    sounds, in theirs; a tool that does not hear is given none. `confirmed`: the person has seen what this step is not
    sure of, and wants it. `shelf`: the weights on this machine, for tools that say which they need. `latent`: what a
    network of those weights decoded `image` from, (1, 4, h, w), where it did: a tool that goes on from it loses nothing
    to decoding and encoding again. `familiar`: such a network made `image` or what it was made from, so it is of a kind
    that these weights know.
    """

    image: Picture
    mask: Pixels | None = None
    subjects: tuple[Picture, ...] = ()
    seed: int = 0
    confirmed: bool = False
    shelf: Shelf | None = None
    latent: Tensor | None = None
    familiar: bool = False
    sounds: tuple[Sound, ...] = ()

    def weights(self) -> Shelf:
        """The shelf; MissingWeights where a caller gave the tool none."""
        if self.shelf is None:
            raise MissingWeights("This tool needs weights, and was given no shelf to take them from.")
        return self.shelf

    def rng(self) -> np.random.Generator:
        """The only source of randomness a tool may use."""
        return np.random.default_rng(self.seed)


@dataclass(frozen=True)
class EditResult:
    """What a tool returns. `mask`: where it meant to change something (None: everywhere, or as `ctx.mask` says).

    `latent`: the latent of the whole image, float32 (1, 4, h, w): inside the mask what was decoded, outside the latent
    of what was there before. `args`: arguments that the tool has found for itself where none were said; they are
    recorded as if they had been, so that doing it again needs nobody to find them.
    """

    image: Picture
    mask: Pixels | None = None
    geometry: Geometry = IDENTITY
    facts: Json = field(default_factory=dict)
    latent: Tensor | None = None
    args: Json = field(default_factory=dict)


Edit = Generator[Progress, None, EditResult]
"""The type of every tool's generator: yields `Progress`, returns `EditResult`."""


@dataclass(frozen=True)
class Tool:
    """One registered tool. Grammar, CLI help, page form, MCP tool and docs derive from this.

    `usual`: the words of the region that is meant where none is named; "" for the whole picture. `subjects`: how many
    others a step needs at least, and takes at most. `weights`: the roles of the weights it takes from the shelf
    ("text-to-image"); such a tool runs in the engine. `hears`: the others may be sounds as well as pictures.
    """

    name: str
    version: str
    summary: str
    args: type[ToolArgs]
    run: Callable[[EditContext, Any], Edit]
    region: RegionUse = "none"
    usual: str = ""
    subjects: tuple[int, int] = (0, 0)
    weights: tuple[str, ...] = ()
    hears: bool = False

    def schema(self) -> Json:
        """JSON Schema of the arguments that people and planners say."""
        whole = self.args.model_json_schema()
        return whole | {"properties": {name: whole["properties"][name] for name in self.said}}

    @cached_property
    def said(self) -> dict[str, FieldInfo]:
        """The arguments that people and planners say; the others (`KEPT`) are only kept, to do a step again."""
        return {name: field for name, field in self.args.model_fields.items() if field.json_schema_extra != KEPT}


def tool(  # noqa: PLR0913  (a declaration, written once a tool)
    name: str,
    *,
    args: type[ToolArgs],
    version: str = "1",
    region: RegionUse = "none",
    usual: str = "",
    subjects: tuple[int, int] = (0, 0),
    weights: tuple[str, ...] = (),
    hears: bool = False,
) -> Callable[[Callable[[EditContext, Any], Edit]], Tool]:
    """Make a `Tool` of a generator function; the first line of its docstring is what users are told."""

    def register(run: Callable[[EditContext, Any], Edit]) -> Tool:
        summary = (run.__doc__ or "").strip().splitlines()
        if not summary:
            raise EditError(f"the tool {name} has no docstring")
        return Tool(name, version, summary[0], args, run, region, usual, subjects, weights, hears)

    return register


def drain(steps: Generator[Any, None, T]) -> T:
    """Run a generator to its end and return its result, for callers that do not watch: a tool, a sampler, a step."""
    while True:
        try:
            next(steps)
        except StopIteration as end:
            result: T = end.value
            return result


def mapped(steps: Generator[S, None, T], turn: Callable[[S], U]) -> Generator[U, None, T]:
    """The same work, each thing it yields turned into another; closing it closes the work."""
    with closing(steps):
        while True:
            try:
                step = next(steps)
            except StopIteration as end:
                result: T = end.value
                return result
            yield turn(step)
