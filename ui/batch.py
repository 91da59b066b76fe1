"""A recipe over photos on disk: every photo a session of its own, every result a file, and a report of it all.

The originals are only read, and no file is ever overwritten that says something else, but a report by a later one of
the same call. Stopped or killed at any point, the same call goes on where it was: what a photo's session has already is
not done again. Prints nothing.
"""

from __future__ import annotations

from collections.abc import Generator, Iterator, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Literal, get_args

from agent.assistant import Assistant
from agent.events import Event
from agent.export import ENDINGS, Options, encode, parse_format
from agent.plan import Plan
from agent.planners.given import Given
from agent.recipe_files import Pictures, bring
from agent.recipes import Recipe
from agent.replaying import Done, Replayed, replay
from sessions import history, intake
from sessions.errors import NameTaken, NotFound, PentimentoError, StorageFull
from sessions.identity import bytes_hash, canonical
from sessions.store import Store
from sessions.values import Json, Revision
from ui import pictures

PHOTOS = {".png", ".jpg", ".jpeg", ".webp", ".avif", ".heic", ".heif", ".tif", ".tiff"}
"""Endings of the files in a folder that are taken for photos."""
QUALITY = 95

State = Literal["whole", "partly", "nothing", "stopped", "refused"]
"""All steps were done; some; none; some up to one that could not be (`strict`); the photo or its file was not taken."""


@dataclass(frozen=True)
class Order:
    """What to do: `out` is the folder of the results, `strict` keeps photos back on which a step cannot be done."""

    recipe: Recipe
    pictures: Pictures
    photos: tuple[Path, ...]
    out: Path
    strict: bool = False


@dataclass(frozen=True)
class Started:
    """The next photo: `number` counts from 1."""

    photo: Path
    number: int
    total: int


@dataclass(frozen=True)
class Row:
    """What became of one photo. `result`: the file, if there is one; `why`: a sentence where the photo was refused."""

    photo: str
    state: State
    steps: tuple[Done, ...] = ()
    result: str | None = None
    session: str | None = None
    revision: str | None = None
    why: str = ""

    @property
    def seconds(self) -> float:
        """How long its steps took."""
        return sum(step.seconds for step in self.steps)

    def to_json(self) -> Json:
        return asdict(self) | {"seconds": round(self.seconds, 3)}


@dataclass
class Report:
    """What became of the photos so far."""

    order: Order
    rows: list[Row] = field(default_factory=list)

    @property
    def whole(self) -> bool:
        """Whether every photo was tried and nothing was left out."""
        return len(self.rows) == len(self.order.photos) and all(row.state == "whole" for row in self.rows)

    @property
    def sentence(self) -> str:
        """`3 of 5 photos whole   photos-edited/replay-b809904a.txt`"""
        whole = sum(row.state == "whole" for row in self.rows)
        return f"{whole} of {len(self.rows)} photos whole   {self.stem.with_suffix('.txt')}"

    @property
    def stem(self) -> Path:
        """The report's files without their endings; another recipe has others, and so have other photos."""
        order = self.order
        photos = [str(photo.absolute()) for photo in order.photos]
        name = bytes_hash(canonical([order.recipe.key, order.strict, *photos]))
        return order.out / f"replay-{name[:8]}"

    def to_json(self) -> Json:
        counts = {state: sum(row.state == state for row in self.rows) for state in get_args(State)}
        photos = [row.to_json() for row in self.rows]
        return {"recipe": self.order.recipe.name, "key": self.order.recipe.key} | counts | {"photos": photos}

    def table(self) -> str:
        """A line for each photo, and one for each step that was left out."""
        return "".join(f"{line}\n" for row in self.rows for line in lines(row))

    def write(self) -> None:
        """Both forms of the report, beside the results."""
        pictures.save(canonical(self.to_json()) + b"\n", self.stem.with_suffix(".json"), force=True)
        pictures.save(self.table().encode(), self.stem.with_suffix(".txt"), force=True)


def lines(row: Row) -> Iterator[str]:
    """`cat.jpg   2 of 3 steps   0.8 s   → out/cat.jpg`, and what was left out below it."""
    name = Path(row.photo).name
    done = len(row.steps) - sum(bool(step.why) for step in row.steps)
    said = f"{row.state:<8} {done} steps   {row.seconds:5.1f} s" if row.steps else f"{row.state:<8}"
    yield f"{name:<28} {said}   {f'→ {row.result}' if row.result else row.why}".rstrip()
    for number, step in enumerate(row.steps, start=1):
        if step.why:
            yield f"    left out: {number} {step.tool}: {step.why}"


def photos_of(targets: Sequence[Path]) -> tuple[Path, ...]:
    """The photos that are named, and those in the folders that are named, by name; NotFound where there is none."""
    found = [photo for target in targets for photo in (_inside(target) if target.is_dir() else (target,))]
    if not found:
        raise NotFound(f"There is no photo in {targets[0]}.", "Name a folder with photos.")
    return tuple(dict.fromkeys(found))


def _inside(folder: Path) -> list[Path]:
    files = (path for path in folder.iterdir() if path.is_file() and not path.name.startswith("."))
    return sorted(path for path in files if path.suffix.lower() in PHOTOS)


def beside(target: Path) -> Path:
    """Where results go if nothing is said: `photos-edited` for `photos`, and for a photo that lies in it."""
    folder = target if target.is_dir() else target.parent
    folder = folder if folder.name.strip(".") else folder.resolve()
    return folder.with_name(f"{folder.name}-edited")


def run(store: Store, report: Report) -> Generator[Started | Event | Row, None, None]:
    """Replay on every photo, one after the other. A photo that cannot be done is a row; a full disk ends it all.

    The report fills, and is written at the end and when it is stopped.
    """
    order = report.order
    try:
        for number, photo in enumerate(order.photos, start=1):
            yield Started(photo, number, len(order.photos))
            row = yield from _photo(store, order, photo)
            report.rows.append(row)
            yield row
    finally:
        report.write()


def _photo(store: Store, order: Order, photo: Path) -> Generator[Event, None, Row]:
    try:
        data = intake.read_file(photo)
        request_id = f"replay-{bytes_hash(canonical([order.recipe.key, bytes_hash(data)]))}"
        base = _root(store, (photo.name, data), request_id)
        mine = bring(store, base.session, order.recipe, order.pictures)
        come = yield from replay(store, mine, base, request_id, order.strict)
        return _delivered(store, order, photo, base, come)
    except StorageFull:
        raise
    except PentimentoError as error:
        return Row(str(photo), "refused", why=str(error))


def _root(store: Store, upload: tuple[str, bytes], request_id: str) -> Revision:
    """The photo as a root revision of its own session; opened once, however often this is asked."""
    session = store.requested(request_id)
    begun = history.graph(store, session.id).revisions if session is not None else ()
    return begun[0] if begun else Assistant(store, Given(Plan())).new(upload, request_id)[1]


def _delivered(store: Store, order: Order, photo: Path, base: Revision, come: Replayed) -> Row:
    """The result as a file; none where nothing was done, or where `strict` keeps it back."""
    left, tried = len(come.left_out), len(come.steps)
    state: State = "whole" if not left else "stopped" if order.strict else "partly" if left < tried else "nothing"
    row = Row(str(photo), state, come.steps, session=base.session, revision=come.head)
    if state in ("stopped", "nothing"):
        return row
    path = order.out / _name(photo)
    try:
        _put(encode(store, store.revision(base.session, come.head), _options(path)).data, path)
    except NameTaken as error:
        return Row(**vars(row) | {"state": "refused", "why": str(error)})
    return Row(**vars(row) | {"result": str(path)})


def _name(photo: Path) -> str:
    """The photo's own name; with `.jpg` after it where its format is one that we open but do not write."""
    writable = parse_format(photo.suffix) in ENDINGS
    return photo.name if writable else f"{photo.name}.jpg"


def _options(path: Path) -> Options:
    return Options(format=parse_format(path.suffix), quality=QUALITY)


def _put(data: bytes, path: Path) -> None:
    """Write a result, unless it stands there already; NameTaken where something else does."""
    if path.exists():
        if path.read_bytes() != data:
            raise NameTaken(f"{path} is another file; it was left as it is.", "Name another folder with --out.")
        return
    pictures.save(data, path)
