"""MM-Inst records: instructions whose pictures and sounds are named by captions, with the embeddings of these.

A record (InstructAny2Pix, arXiv 2312.06738) names everything by a caption in square brackets; `media.json` says in
which .npz the ImageBind vector of a caption lies. What has no vector is words, as for a planner that cannot see it.
Fetches nothing, and tokenises nothing: that is for whoever trains on it.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError

from sessions.errors import Damaged, NotFound

Vector = NDArray[np.float32]
Kind = Literal["picture", "sound"]
INDEXES = ("media.json", "media_map.json")
"""Which file holds a caption's vector: as it is called in the evaluation set, and beside the training set."""
SOUNDS = ("mtat", "audioset")
"""How archives of sounds begin, of which the index does not say that they are some."""
WIDTH = 1024
"""Of ImageBind's space."""
AS_TEXT = 0.2
"""How often what could be shown is said instead."""
_BRACKETED = re.compile(r"\[([^\[\]]+)\]")


class Turn(BaseModel):
    """One side of a conversation."""

    model_config = ConfigDict(extra="ignore", frozen=True, populate_by_name=True)

    speaker: Literal["human", "gpt"] = Field(alias="from")
    value: str = Field(min_length=1)


class Record(BaseModel):
    """A record as it is stored. `added`: what is put into the picture, by its name and caption."""

    model_config = ConfigDict(extra="ignore", frozen=True)

    task: str = "any2any"
    base: str = Field(min_length=1)
    result: str = Field(min_length=1)
    added: tuple[tuple[str, str], ...] = ()
    conversations: tuple[Turn, ...] = Field(min_length=2)

    def said(self, speaker: Literal["human", "gpt"]) -> str:
        """The first thing that one of them says, "" where nothing is."""
        return next((turn.value for turn in self.conversations if turn.speaker == speaker), "")


@dataclass(frozen=True, eq=False)
class Reference:
    """Something an instruction names: by its vector (1024,), or in words where there is none."""

    caption: str
    vector: Vector | None = None
    kind: Kind = "picture"

    @property
    def shown(self) -> bool:
        return self.vector is not None

    def in_words(self) -> Reference:
        """The same without its vector."""
        return replace(self, vector=None)


@dataclass(frozen=True, eq=False)
class Instruction:
    """What training takes. `pieces`: the message, words and references in order; one of these is the base, perhaps.

    `reply`: the words before the plan. `target`: the result's caption, `gen` its vector, None where there is none.
    `additions`: each thing that is put in, by its name.
    """

    pieces: tuple[str | Reference, ...]
    reply: str
    base: Reference
    target: str
    gen: Vector | None
    additions: tuple[tuple[str, Reference], ...] = ()

    @property
    def references(self) -> tuple[Reference, ...]:
        """What is shown, in the order of the message."""
        return tuple(piece for piece in self.pieces if isinstance(piece, Reference) and piece.shown)

    def text(self, mark: str) -> str:
        """The message with a mark for each thing that is shown."""
        return "".join(
            piece if isinstance(piece, str) else mark if piece.shown else piece.caption for piece in self.pieces
        )


def key(caption: str) -> str:
    """How a caption is looked up: in lower case, without full stops and the blanks around it."""
    return caption.lower().replace(".", "").strip()


def bare(caption: str) -> str:
    """A caption without its brackets."""
    found = _BRACKETED.fullmatch(caption.strip())
    return (found[1] if found else caption).strip()


class _Medium(BaseModel):
    """`kind`: ours; the released index has none."""

    fpath: str
    key: str = "clip"
    kind: Kind | None = None

    @property
    def known(self) -> Kind:
        """What it is: as it is said, else by the archive that it came in."""
        return self.kind or ("sound" if self.fpath.lower().startswith(SOUNDS) else "picture")


class Media:
    """The vectors of captions. `folder`: where one of `INDEXES` and what it names lie."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder.resolve()
        index = next((name for name in INDEXES if (folder / name).is_file()), INDEXES[0])
        try:
            told = TypeAdapter(dict[str, _Medium]).validate_json((folder / index).read_bytes())
        except FileNotFoundError as error:
            raise NotFound(f"There is no {index} in {folder}.", "It comes with the data set.") from error
        except (ValidationError, OSError) as error:
            raise Damaged(f"{folder / index} is no table of captions and files.") from error
        self._places = {key(caption): medium for caption, medium in told.items()}

    def vector(self, caption: str) -> Vector | None:
        """(1024,), or None where there is no such medium here; Damaged for a file that holds something else."""
        medium = self._places.get(key(caption))
        if medium is None:
            return None
        path = (self.folder / medium.fpath).resolve()
        if not path.is_relative_to(self.folder):
            raise Damaged(f"media.json names a file outside its folder: {medium.fpath}")
        if not path.is_file():
            return None
        return _loaded(path, medium.key)

    def reference(self, caption: str) -> Reference:
        """A caption with its vector, or in words."""
        medium = self._places.get(key(bare(caption)))
        return Reference(bare(caption), self.vector(bare(caption)), medium.known if medium else "picture")


def _loaded(path: Path, name: str) -> Vector:
    try:
        with np.load(path, allow_pickle=False) as file:
            vector = np.asarray(file[name], np.float32)
    except (OSError, ValueError, KeyError, TypeError, EOFError) as error:
        raise Damaged(f"{path.name} holds no vector called {name!r}.") from error
    if vector.shape not in ((1, WIDTH), (WIDTH,)) or not np.isfinite(vector).all():
        raise Damaged(f"{path.name} holds {list(vector.shape)}; [1, {WIDTH}] finite numbers are meant.")
    return vector.reshape(WIDTH)


def read(file: Path) -> tuple[Record, ...]:
    """The records of a file; Damaged names the first one that is none."""
    try:
        return TypeAdapter(tuple[Record, ...]).validate_json(file.read_bytes())
    except ValidationError as error:
        first = error.errors()[0]
        raise Damaged(f"{file.name}, {'.'.join(map(str, first['loc'])) or 'all'}: {first['msg']}.") from error
    except OSError as error:
        raise NotFound(f"{file} cannot be read: {error.strerror}.") from error


def sifted(file: Path) -> tuple[tuple[Record, ...], int]:
    """The records of a file, and how many of its entries are none; Damaged where it is no list of entries."""
    records, strange = [], 0
    try:
        entries = TypeAdapter(list[Any]).validate_json(file.read_bytes())
    except (ValidationError, OSError) as error:
        raise Damaged(f"{file.name} is no list of records.") from error
    for entry in entries:
        try:
            records.append(Record.model_validate(entry))
        except ValidationError:
            strange += 1
    return tuple(records), strange


def instruction(record: Record, media: Media) -> Instruction:
    """A record with the vectors of all it names. A caption that comes twice is the same thing twice."""
    known: dict[str, Reference] = {}

    def reference(caption: str) -> Reference:
        return known.setdefault(key(bare(caption)), media.reference(caption))

    pieces = tuple(_pieces(record.said("human"), reference))
    added = tuple((name.strip(), reference(caption)) for name, caption in record.added)
    target = bare(record.result)
    lead = _BRACKETED.split(record.said("gpt"))[0].strip()
    return Instruction(pieces, lead, reference(record.base), target, media.vector(target), added)


def captions(record: Record) -> tuple[str, ...]:
    """Those of all that a record names."""
    message = _BRACKETED.findall(record.said("human"))
    named = (record.base, record.result, *(caption for _, caption in record.added), *message)
    return tuple(bare(caption) for caption in named)


def _pieces(text: str, reference: Callable[[str], Reference]) -> Iterator[str | Reference]:
    """Words and references in turns; empty words are left out."""
    for place, part in enumerate(_BRACKETED.split(text)):
        if place % 2:
            yield reference(part)
        elif part:
            yield part


def augmented(one: Instruction, rng: Generator, p: float = AS_TEXT, base: bool = True) -> Instruction:
    """The same, its base (unless `base` is False) and each other reference said in words, each with probability p.

    What is added keeps its vector as a target where it is still shown in the message; what was said cannot be found.
    """
    shown = {key(r.caption): r for r in (one.base, *(r for _, r in one.additions), *one.references)}
    after: dict[str, Reference] = {name: r.in_words() if rng.random() < p else r for name, r in shown.items()}
    if not base:
        after[key(one.base.caption)] = one.base

    def now(piece: str | Reference) -> str | Reference:
        return piece if isinstance(piece, str) else after.get(key(piece.caption), piece)

    return replace(
        one,
        pieces=tuple(now(piece) for piece in one.pieces),
        base=after[key(one.base.caption)],
        additions=tuple((name, after[key(r.caption)]) for name, r in one.additions),
    )
