"""The rows of a bundle: each table as canonical JSON lines, and back again with every cell checked.

Written are all columns but the session (the manifest says it once, so that no row can name another) and leases. Ids of
moves, which count over all sessions of a database, become 1, 2, 3 …; the same session gives the same lines on any
engine. What the rows say together, ids, links and pixels, is checked by `fsck`, not here.

Texts are held to the rules of the door. They are cleaned and not refused for it: sessions that were begun before there
was a rule may hold any file name.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable, Iterator
from typing import Any

from sqlalchemy import Boolean, Column, Connection, Float, Integer, LargeBinary, Select, String, Table, select

from sessions import schema
from sessions.bundle_json import Facts, Outcome, Plan
from sessions.errors import PentimentoError, Refused
from sessions.identity import canonical
from sessions.limits import MESSAGE_CHARACTERS, PIXELS, SIDE
from sessions.moves import check_name
from sessions.rows import dumps
from sessions.tiles import CODEC, TILE
from sessions.turns import OPEN_STATES
from sessions.values import Json, Step
from sessions.words import clean_name, cleaned

TABLES = tuple(
    schema.metadata.tables[name]
    for name in (
        "assets",
        "pictures",
        "tiles",
        "revisions",
        "branches",
        "tags",
        "moves",
        "messages",
        "message_revisions",
        "turns",
    )
)
"""Every table but `sessions`, each after those it refers to."""

LINE = 4 * 2**20
"""The longest line in bytes."""
DEPTH = 32
ROWS = 1_000_000
"""The most lines of one table."""

TILE_BYTES = 2 * 4 * TILE * TILE
"""The longest encoded tile in bytes: twice its pixels."""

NOT_FINISHED = "This was not finished when its session was exported. Say it again to have it done."

_LEFT_OUT = {"session", "lease", "heartbeat"}
_ORDER = {"revisions": ("seq",), "moves": ("id",), "messages": ("created_at", "id")}
_MODES = ("L", "RGB", "RGBA")
_FORMS = {32: re.compile("[0-9a-f]{32}"), 64: re.compile("[0-9a-f]{64}"), 67: re.compile("r1:[0-9a-f]{64}")}
"""What a text of each length is: the id of a message, a hash, a revision."""
_DOCUMENTS: dict[str, type] = {
    "step": dict,
    "geometry": list,
    "made_with": dict,
    "facts": dict,
    "attachments": list,
    "plan": dict,
    "outcome": dict,
}
"""The columns that hold JSON."""


def damaged(sentence: str) -> Refused:
    return Refused(f"This bundle cannot be taken in: {sentence}.", "Export the session again; nothing was kept of it.")


def columns(table: Table) -> list[Column[Any]]:
    return [column for column in table.columns if column.name not in _LEFT_OUT]


# Out


def lines(connection: Connection, session: str, table: Table) -> Iterator[bytes]:
    """The rows of one table of a session, sorted, each a line of canonical JSON."""
    numbers: dict[int, int] = {}
    found = connection.execute(_sorted(connection, session, table), execution_options={"yield_per": 200})
    for number, row in enumerate(found, start=1):
        value = {column.name: _out(column, row._mapping[column.name]) for column in columns(table)}
        if table is schema.moves:
            numbers[row.id] = number
            value |= {"id": number, "inverts": numbers.get(row.inverts)}
        if table is schema.turns and row.state in OPEN_STATES:
            value |= {"state": "cancelled", "cancel": True, "outcome": {"reply": NOT_FINISHED}}
        yield canonical(value) + b"\n"


def _sorted(connection: Connection, session: str, table: Table) -> Select[Any]:
    """Texts by their bytes on both engines."""
    names = _ORDER.get(table.name) or [c.name for c in table.primary_key.columns if c.name != "session"]
    bytewise = "BINARY" if connection.dialect.name == "sqlite" else "C"
    keys = [
        table.c[name].collate(bytewise) if isinstance(table.c[name].type, String) else table.c[name] for name in names
    ]
    return select(table).where(table.c.session == session).order_by(*keys)


def _out(column: Column[Any], value: Any) -> Any:
    if isinstance(value, bytes):
        return value.hex()
    return json.loads(value) if column.name in _DOCUMENTS and value is not None else value


# In


def rows(table: Table, session: str, found: Iterable[bytes]) -> Iterator[dict[str, Any]]:
    """The rows that lines stand for, each checked; Refused at the first that is none."""
    for number, line in enumerate(found, start=1):
        if number > ROWS:
            raise damaged(f"{table.name} has more than {ROWS} lines")
        try:
            value = _parsed(line)
            row = {column.name: _in(column, value[column.name]) for column in columns(table)}
            fits = set(value) == set(row) and _RULES.get(table.name, _anything)(value, number)
        except (ValueError, KeyError, TypeError, AttributeError, RecursionError, PentimentoError):
            fits = False
        if not fits:
            raise damaged(f"line {number} of {table.name} is not as Pentimento writes it")
        leases = {name: None for name in ("lease", "heartbeat") if name in table.c}
        yield {"session": session, **leases, **row}


def _parsed(line: bytes) -> Json:
    value: Json = json.loads(line)
    if not _shallow(value, DEPTH) or canonical(value) + b"\n" != line:
        raise ValueError("not canonical")
    shown: Json = cleaned(value)
    return shown


def _shallow(value: Any, depth: int) -> bool:
    """Whether objects and lists are nested no deeper: what is too deep for a reader's stack is no row of ours."""
    inside = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    return depth > 0 and all(_shallow(one, depth - 1) for one in inside)


def _in(column: Column[Any], value: Any) -> Any:
    """One cell as it is stored; ValueError where it cannot be."""
    kind = column.type
    if value is None and column.nullable:
        return None
    if column.name in _DOCUMENTS:
        fits = isinstance(value, _DOCUMENTS[column.name])
        value = dumps(value)
    elif isinstance(kind, Boolean | Float):
        fits = type(value) is (bool if isinstance(kind, Boolean) else float)
    elif isinstance(kind, Integer):
        fits = type(value) is int and abs(value) < 2**31
    elif isinstance(kind, LargeBinary):
        fits, value = value == value.lower(), bytes.fromhex(value)
    else:
        form = _FORMS.get(getattr(kind, "length", None) or 0)
        fits = isinstance(value, str) and (form is None or form.fullmatch(value) is not None)
        value = clean_name(value) if fits and column.name == "name" else value
    if not fits:
        raise ValueError(f"{column.name} cannot be that")
    return value


Rule = Callable[[Json, int], bool]
"""Whether a row, the number-th of its table, makes sense by itself."""


def _anything(_row: Json, _number: int) -> bool:
    return True


def _picture(row: Json, _number: int) -> bool:
    width, height = row["width"], row["height"]
    if not (1 <= width <= SIDE and 1 <= height <= SIDE and width * height <= PIXELS and row["mode"] in _MODES):
        return False
    return bool(len(row["tiles"]) == 64 * -(-width // TILE) * -(-height // TILE))


def _tile(row: Json, _number: int) -> bool:
    return bool(row["codec"] == CODEC and row["offset"] >= 0 and 0 < row["length"] <= TILE_BYTES)


def _asset(row: Json, _number: int) -> bool:
    return bool(Facts.model_validate(row["facts"]))


def _revision(row: Json, number: int) -> bool:
    Facts.model_validate(row["facts"])
    geometry = row["geometry"]
    shaped = geometry is None or [type(number) for number in geometry] == [float] * 9
    return row["seq"] == number and shaped and (row["step"] is None or _step(row["step"]))


def _step(value: Json) -> bool:
    step = Step.from_json(value)
    texts = (step.tool, step.tool_version, step.base, *step.subjects)
    typed = all(isinstance(text, str) for text in texts) and isinstance(step.args, dict) and type(step.seed) is int
    return typed and step.to_json() == value


def _named(row: Json, _number: int) -> bool:
    return bool(check_name(row["name"]))


def _move(row: Json, number: int) -> bool:
    return bool(row["id"] == number and (row["inverts"] is None or 1 <= row["inverts"] < number))


def _message(row: Json, _number: int) -> bool:
    said = row["role"] == "assistant" or len(row["text"]) <= MESSAGE_CHARACTERS
    return said and all(isinstance(name, str) for name in row["attachments"])


def _turn(row: Json, _number: int) -> bool:
    Plan.model_validate(row["plan"])
    Outcome.model_validate(row["outcome"])
    return row["state"] not in OPEN_STATES


_RULES: dict[str, Rule] = {
    "assets": _asset,
    "pictures": _picture,
    "tiles": _tile,
    "revisions": _revision,
    "branches": _named,
    "tags": _named,
    "moves": _move,
    "messages": _message,
    "turns": _turn,
}
