"""The values everybody speaks: pictures, regions, steps, revisions, branches, turns. Frozen, without ids of rows.

No database, no files, no algorithms here. Coordinates of regions are fractions of width and height, origin top left.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

Pixels = NDArray[np.uint8]
"""uint8, (H, W, 3) RGB, (H, W, 4) RGBA or (H, W) greyscale for masks; sRGB, straight (not premultiplied) alpha."""

Json = dict[str, Any]
Geometry = tuple[float, float, float, float, float, float, float, float, float]
"""Row-major 3×3 matrix: homogeneous pixel coordinates of the first parent → of this picture (pixel centres at .5)."""

IDENTITY: Geometry = (1.0, 0.0, 0.0, 0.0, 1.0, 0.0, 0.0, 0.0, 1.0)

Mode = Literal["L", "RGB", "RGBA"]
AssetKind = Literal["image", "mask", "audio", "subject", "original"]
Source = Literal["upload", "edit", "merge", "replay", "import"]
TurnState = Literal["planned", "waiting", "running", "done", "failed", "cancelled", "refused"]
MoveKind = Literal["root", "append", "undo", "redo", "reset", "switch", "branch", "merge", "repair", "rename"]

_MODES: dict[tuple[int, int], Mode] = {(2, 1): "L", (3, 3): "RGB", (3, 4): "RGBA"}


@dataclass(frozen=True, eq=False)
class Picture:
    """Pixels in memory, read-only from here on: a tool makes a new array, it never writes into its input."""

    pixels: Pixels

    def __post_init__(self) -> None:
        shape = self.pixels.shape
        if (len(shape), shape[2] if len(shape) == 3 else 1) not in _MODES or self.pixels.dtype != np.uint8:
            raise ValueError(f"not picture pixels: {self.pixels.dtype} {shape}")
        self.pixels.flags.writeable = False

    @property
    def mode(self) -> Mode:
        shape = self.pixels.shape
        return _MODES[len(shape), shape[2] if len(shape) == 3 else 1]

    @property
    def width(self) -> int:
        return int(self.pixels.shape[1])

    @property
    def height(self) -> int:
        return int(self.pixels.shape[0])

    @property
    def size(self) -> tuple[int, int]:
        """(width, height) in pixels."""
        return self.width, self.height

    @property
    def rgb(self) -> Pixels:
        """The colour planes, (H, W, 3), a view."""
        return self.pixels[..., :3]

    @property
    def alpha(self) -> Pixels | None:
        """The alpha plane, (H, W), a view, or None."""
        return self.pixels[..., 3] if self.mode == "RGBA" else None


@dataclass(frozen=True, eq=False)
class LearntSubject(Picture):
    """The picture of a subject that was learnt, with the file of what was learnt: opaque here, a tool's to read."""

    learnt: bytes = b""


@dataclass(frozen=True)
class Region:
    """What was asked for, exactly one of: words, a box (x0, y0, x1, y1 as fractions), or the hash of a brush mask."""

    words: str | None = None
    box: tuple[float, float, float, float] | None = None
    mask: str | None = None

    def to_json(self) -> Json:
        if self.words is not None:
            return {"words": self.words}
        if self.box is not None:
            return {"box": list(self.box)}
        return {"mask": self.mask}

    @classmethod
    def from_json(cls, value: Json | None) -> Region | None:
        """The region that was written as JSON; ValueError where it is not exactly one of the three."""
        if value is None:
            return None
        match list(value.items()):
            case [("words", str(words))]:
                return cls(words=words)
            case [("box", [x0, y0, x1, y1])] if all(isinstance(edge, float | int) for edge in (x0, y0, x1, y1)):
                return cls(box=(x0, y0, x1, y1))
            case [("mask", str(mask))]:
                return cls(mask=mask)
        raise ValueError("a region is words, or a box of four numbers, or a mask")


@dataclass(frozen=True)
class Step:
    """One tool call, complete enough to replay. `base` and `subjects` are full revision or asset ids."""

    tool: str
    tool_version: str
    args: Json
    base: str
    subjects: tuple[str, ...] = ()
    region: Region | None = None
    seed: int = 0

    def to_json(self) -> Json:
        return {
            "tool": self.tool,
            "tool_version": self.tool_version,
            "args": self.args,
            "base": self.base,
            "subjects": list(self.subjects),
            "region": self.region.to_json() if self.region else None,
            "seed": self.seed,
        }

    @classmethod
    def from_json(cls, value: Json) -> Step:
        return cls(
            value["tool"],
            value["tool_version"],
            value["args"],
            value["base"],
            tuple(value["subjects"]),
            Region.from_json(value["region"]),
            value["seed"],
        )


@dataclass(frozen=True)
class Asset:
    """What came through the door. `sha256` is of the pixels (image, mask) or of the bytes (audio, original)."""

    sha256: str
    owner: str
    kind: AssetKind
    media_type: str
    width: int | None = None
    height: int | None = None
    seconds: float | None = None
    bytes: int = 0
    name: str = ""
    original: str | None = None
    facts: Json = field(default_factory=dict)


@dataclass(frozen=True)
class Revision:
    """One step's result, immutable. `image`, `mask`: pixel hashes; `geometry` maps the first parent's pixels here."""

    id: str
    session: str
    parents: tuple[str, ...]
    step: Step | None
    image: str
    mask: str | None
    geometry: Geometry
    source: Source
    width: int
    height: int
    seq: int
    created_at: str
    turn: str | None = None
    name: str = ""
    made_with: Json = field(default_factory=dict)
    facts: Json = field(default_factory=dict)

    @property
    def tool(self) -> str:
        """The tool's name, or the source (`upload`, `merge`) where no tool made it."""
        return self.step.tool if self.step else self.source


@dataclass(frozen=True)
class Branch:
    """The only mutable thing: a name that points at a head, moved by compare-and-set on `version`."""

    session: str
    name: str
    head: str
    version: int


@dataclass(frozen=True)
class Tag:
    """A user's name on a revision, accepted wherever a revision is. It stays where it is until somebody moves it."""

    session: str
    name: str
    revision: str
    created_at: str


@dataclass(frozen=True)
class Move:
    """One row of the reflog: a branch went from one head to another (None: it did not exist).

    `old_name`: what a branch was called before the move of kind `rename` that gave it the name in `branch`.
    """

    id: int
    session: str
    branch: str
    kind: MoveKind
    before: str | None
    after: str
    turn: str | None
    inverts: int | None
    created_at: str
    old_name: str | None = None


@dataclass(frozen=True)
class Message:
    """One utterance. `revisions` are what came of it, in order."""

    id: str
    session: str
    branch: str
    role: Literal["user", "assistant"]
    text: str
    attachments: tuple[str, ...]
    created_at: str
    revisions: tuple[str, ...] = ()


@dataclass(frozen=True)
class Turn:
    """The durable unit of work: one message, its plan, and how far it has come."""

    session: str
    request_id: str
    message: str
    branch: str
    planned_head: str | None
    plan: Json
    state: TurnState
    next_step: int
    cancel: bool
    lease: str | None
    heartbeat: float | None
    outcome: Json
    created_at: str


@dataclass(frozen=True)
class Session:
    """A conversation about some pictures, owned by one person."""

    id: str
    owner: str
    name: str
    seq: int
    created_at: str
    touched_at: str
