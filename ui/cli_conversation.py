"""The verbs of the conversation: new, say, plan, undo, redo, reset, cancel."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, NoReturn

import typer

from ui.shell import (
    AttachOption,
    BranchOption,
    JsonOption,
    PlannerOption,
    SessionOption,
    command,
    open_assistant,
    open_store,
    picture_file,
    read_files,
    session_of,
)

if TYPE_CHECKING:
    from agent.events import Event
    from sessions.store import Store
    from sessions.values import Branch


@command
def new(
    photo: Annotated[Path, typer.Argument(help="A photo: PNG, JPEG, WebP, AVIF, HEIC or TIFF.")],
    json_: JsonOption = False,
) -> None:
    """Start a session with a photo."""
    from ui import terminal

    [upload] = read_files([photo])
    session, revision = open_assistant().new(upload)
    if json_:
        terminal.out_json({"session": session.id, "revision": revision.id})
        return
    for notice in revision.facts.get("notices", []):
        terminal.log(notice)
    size = f"{revision.width}×{revision.height}"
    terminal.out(
        f"{revision.name} · main · #{revision.seq}  {size}   (session {session.id[:4]}, the default from now on)"
    )


@command
def say(
    message: Annotated[str, typer.Argument(help="What should change, in your words.")] = "",
    attach: AttachOption = [],
    answer: Annotated[str, typer.Option(help="Answer a question by number or label.")] = "",
    session: SessionOption = "",
    branch: BranchOption = "",
    request_id: Annotated[str, typer.Option(help="Send the same again safely: it never runs twice.")] = "",
    planner: PlannerOption = "",
    json_: JsonOption = False,
) -> None:
    """Say what should change; see the plan, the progress and what came of it."""
    assistant = open_assistant(planner)
    where = session_of(assistant.store, session)
    events = assistant.turn(where.id, answer or message, read_files(attach), request_id or None, branch or None)
    tell(assistant.store, events, json_)


def tell(store: Store, events: Iterator[Event], json_: bool) -> NoReturn:
    """Run a turn and print it as it happens, or what came of it as JSON; ends the command with its exit code."""
    from agent.events import Asked, Finished
    from ui import pictures, terminal

    seen: list[Event] = []
    if not json_:
        end = terminal.follow(_kept(events, seen), lambda shown: picture_file(store, shown))
        for path, made in pictures.deliver(store, seen):
            terminal.out(f"{path}   {made.describe()}")
        raise typer.Exit(_exit_code(end))
    seen += events
    end = next(event for event in seen if isinstance(event, Finished))
    asked = next((event.ask.model_dump(mode="json") for event in seen if isinstance(event, Asked)), None)
    result = {
        "revisions": list(end.revisions),
        "branch": end.branch,
        "reply": end.reply,
        "ask": asked,
        "state": end.state,
        "files": [str(path) for path, _ in pictures.deliver(store, seen)],
    }
    terminal.out_json(result)
    raise typer.Exit(_exit_code(end))


def _kept(events: Iterator[Event], seen: list[Event]) -> Iterator[Event]:
    """The events, kept as they pass."""
    for event in events:
        seen.append(event)
        yield event


def _exit_code(end: Any) -> int:
    return 0 if end.state in ("done", "waiting") else 1


@command
def plan(
    message: Annotated[str, typer.Argument(help="What should change.")],
    attach: AttachOption = [],
    session: SessionOption = "",
    branch: BranchOption = "",
    planner: PlannerOption = "",
    json_: JsonOption = False,
) -> None:
    """Show what a message would do, and do nothing."""
    from ui import terminal

    assistant = open_assistant(planner)
    where = session_of(assistant.store, session)
    made = assistant.preview(where.id, message, read_files(attach), branch or None)
    if json_:
        terminal.out_json(made.to_json())
        return
    asked = made.ask.question if made.ask else ""
    told = [terminal.plan_line(made) or made.chat or "", asked]
    terminal.out("\n".join(line for line in told if line) or "nothing to do")
    for place, candidate in enumerate(made.ask.candidates if made.ask else (), start=1):
        terminal.out(f"  {place}  {candidate.label}")


@command
def undo(
    step: Annotated[bool, typer.Option("--step", help="One revision instead of the whole last message.")] = False,
    session: SessionOption = "",
    branch: BranchOption = "",
    json_: JsonOption = False,
) -> None:
    """Take back the last message; nothing is deleted."""
    from sessions import moves

    _move(lambda store, where, name: moves.undo(store, where, name, step=step), session, branch, json_)


@command
def redo(session: SessionOption = "", branch: BranchOption = "", json_: JsonOption = False) -> None:
    """Take back the last undo."""
    from sessions import moves

    _move(moves.redo, session, branch, json_)


@command
def reset(session: SessionOption = "", branch: BranchOption = "", json_: JsonOption = False) -> None:
    """Back to the original photo; nothing is deleted."""
    from sessions import moves

    _move(moves.reset, session, branch, json_)


def _move(move: Callable[[Store, str, str], Branch], session: str, branch: str, json_: bool) -> None:
    from agent.telling import title
    from sessions import history
    from ui import terminal

    store = open_store()
    where = session_of(store, session)
    moved = move(store, where.id, branch or history.current_branch(store, where.id))
    here = store.revision(where.id, moved.head)
    if json_:
        terminal.out_json({"branch": moved.name, "head": moved.head, "revisions": []})
    else:
        terminal.out(f"{moved.name} → {title(here)}     {picture_file(store, here)}")


@command
def cancel(session: SessionOption = "", json_: JsonOption = False) -> None:
    """Stop whatever runs or waits in the session, in any window."""
    from sessions import turns
    from ui import terminal

    store = open_store()
    where = session_of(store, session)
    stopped = [turns.cancel(store, where.id, turn.request_id).request_id for turn in turns.open_turns(store, where.id)]
    if json_:
        terminal.out_json({"cancelled": stopped})
    else:
        terminal.out(f"cancelled {len(stopped)}" if stopped else "nothing is running")
