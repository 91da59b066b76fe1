"""The command line: `pentimento new photo.jpg`, `pentimento say "…"`, and the verbs of history.

Results on stdout (`--json`: one object), everything else on stderr, exit code ≠ 0 on failure. Holds no state: the
session last touched is the default. Heavy parts are imported by the commands that need them.
"""

from __future__ import annotations

import signal
import sys
from collections.abc import Callable
from functools import wraps
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from sessions.errors import NotFound, PentimentoError

if TYPE_CHECKING:
    from agent.assistant import Assistant
    from agent.events import Event
    from sessions.store import Store
    from sessions.values import Branch, Revision, Session

app = typer.Typer(
    help="Edit photos by conversation; nothing is ever lost.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)

SessionOption = Annotated[
    str, typer.Option("--session", "-s", help="Session (id or its beginning); default: the last.")
]
BranchOption = Annotated[str, typer.Option("--branch", "-b", help="Branch; default: the session's current one.")]
JsonOption = Annotated[bool, typer.Option("--json", help="One JSON object on stdout.")]
AttachOption = Annotated[list[Path], typer.Option("--attach", "-a", help="A photo or sound; may be repeated.")]


def command(function: Callable[..., None]) -> Callable[..., None]:
    """Register a command whose known failures are one sentence, the next step, and exit code 1."""

    @wraps(function)
    def run(*args: Any, **kwargs: Any) -> None:
        from ui import terminal

        try:
            function(*args, **kwargs)
        except PentimentoError as failure:
            if kwargs.get("json_"):
                terminal.out_json({"error": {"code": failure.code, "message": failure.message, "hint": failure.hint}})
            terminal.error(failure)
            raise typer.Exit(1) from None

    app.command(function.__name__.rstrip("_"))(run)
    return run


def _assistant() -> Assistant:
    from agent.runtime import open_assistant

    return open_assistant()


def _store() -> Store:
    from agent.runtime import open_store

    return open_store()


def _session(store: Store, prefix: str) -> Session:
    if prefix:
        return store.session(prefix)
    latest = store.sessions(limit=1)
    if not latest:
        raise NotFound("There is no session yet.", "pentimento new PHOTO starts one.")
    return latest[0]


def _files(paths: list[Path]) -> list[tuple[str, bytes]]:
    from sessions import intake

    return [(path.name, intake.read_file(path)) for path in paths]


def _picture_file(store: Store, revision: Revision) -> Path:
    """The revision as an ordinary PNG in the data folder, for people who want to open it now."""
    from sessions.tiles import encode

    path = store.home / "pictures" / revision.session[:8] / f"{revision.seq}.png"
    if not path.exists():
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(encode(store.picture(revision.session, revision.image).pixels))
    return path


@command
def new(
    photo: Annotated[Path, typer.Argument(help="A photo: PNG, JPEG, WebP, AVIF, HEIC or TIFF.")],
    json_: JsonOption = False,
) -> None:
    """Start a session with a photo."""
    from ui import terminal

    [upload] = _files([photo])
    session, revision = _assistant().new(upload)
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
    json_: JsonOption = False,
) -> None:
    """Say what should change; see the plan, the progress and what came of it."""
    from agent.events import Asked, Finished
    from ui import terminal

    assistant = _assistant()
    where = _session(assistant.store, session)
    events = assistant.turn(where.id, answer or message, _files(attach), request_id or None, branch or None)
    if not json_:
        end = terminal.follow(events, lambda revision: _picture_file(assistant.store, revision))
        raise typer.Exit(_exit_code(end))
    seen: list[Event] = list(events)
    end = next(event for event in seen if isinstance(event, Finished))
    asked = next((event.ask.model_dump(mode="json") for event in seen if isinstance(event, Asked)), None)
    made = {
        "revisions": list(end.revisions),
        "branch": end.branch,
        "reply": end.reply,
        "ask": asked,
        "state": end.state,
    }
    terminal.out_json(made)
    raise typer.Exit(_exit_code(end))


def _exit_code(end: Any) -> int:
    return 0 if end.state in ("done", "waiting") else 1


@command
def plan(
    message: Annotated[str, typer.Argument(help="What should change.")],
    attach: AttachOption = [],
    session: SessionOption = "",
    branch: BranchOption = "",
    json_: JsonOption = False,
) -> None:
    """Show what a message would do, and do nothing."""
    from ui import terminal

    assistant = _assistant()
    where = _session(assistant.store, session)
    made = assistant.preview(where.id, message, _files(attach), branch or None)
    if json_:
        terminal.out_json(made.to_json())
        return
    terminal.out(terminal.plan_line(made) or made.chat or (made.ask.question if made.ask else "nothing to do"))
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

    store = _store()
    where = _session(store, session)
    moved = move(store, where.id, branch or history.current_branch(store, where.id))
    here = store.revision(where.id, moved.head)
    if json_:
        terminal.out_json({"branch": moved.name, "head": moved.head, "revisions": []})
    else:
        terminal.out(f"{moved.name} → {title(here)}     {_picture_file(store, here)}")


@command
def cancel(session: SessionOption = "", json_: JsonOption = False) -> None:
    """Stop whatever runs or waits in the session, in any window."""
    from sessions import turns
    from ui import terminal

    store = _store()
    where = _session(store, session)
    stopped = [turns.cancel(store, where.id, turn.request_id).request_id for turn in turns.open_turns(store, where.id)]
    if json_:
        terminal.out_json({"cancelled": stopped})
    else:
        terminal.out(f"cancelled {len(stopped)}" if stopped else "nothing is running")


@command
def log(
    all_: Annotated[bool, typer.Option("--all", help="All branches, undone lines included.")] = False,
    limit: Annotated[int, typer.Option("--limit", "-n", min=1, help="How many.")] = 1000,
    session: SessionOption = "",
    branch: BranchOption = "",
    json_: JsonOption = False,
) -> None:
    """The revisions of the branch, newest first."""
    from sessions import history, moves
    from ui import terminal

    store = _store()
    where = _session(store, session)
    name = branch or history.current_branch(store, where.id)
    head = moves.branch(store, where.id, name).head
    found = history.page(store, where.id, limit) if all_ else history.log(store, where.id, head, limit)
    if json_:
        terminal.out_json(
            {"session": where.id, "branch": name, "revisions": [terminal.revision_json(r) for r in found]}
        )
        return
    for revision in found:
        terminal.out(terminal.step_line(revision))


@command
def graph(session: SessionOption = "", json_: JsonOption = False) -> None:
    """The whole history as a tree."""
    from sessions import history
    from ui import terminal

    store = _store()
    found = history.graph(store, _session(store, session).id)
    if json_:
        revisions = [terminal.revision_json(r) for r in found.revisions]
        terminal.out_json({"branches": dict(found.branches), "current": found.current, "revisions": revisions})
    else:
        terminal.show_tree(found)


@command
def branch_(
    name: Annotated[str, typer.Argument(help="Name of a new branch; without it, the branches are listed.")] = "",
    at: Annotated[str, typer.Option("--at", help="Where it starts: #7, an id, a branch; default: here.")] = "head",
    session: SessionOption = "",
    json_: JsonOption = False,
) -> None:
    """List the branches, or open one."""
    from sessions import history, moves
    from ui import terminal

    store = _store()
    where = _session(store, session)
    if name:
        start = history.resolve(history.graph(store, where.id), at)
        moves.create_branch(store, where.id, name, start.id)
    found = history.graph(store, where.id)
    if json_:
        terminal.out_json({"branches": dict(found.branches), "current": found.current})
        return
    for head_name, head in sorted(found.branches.items()):
        mark = "*" if head_name == found.current else " "
        terminal.out(f"{mark} {head_name:<20} #{found.by_id[head].seq}")


@command
def switch(
    target: Annotated[str, typer.Argument(help="A branch, or a revision: #7, an id, head~2, original.")],
    session: SessionOption = "",
    json_: JsonOption = False,
) -> None:
    """Continue from a branch or a revision."""
    from agent import commands
    from agent.plan import Command
    from sessions import history
    from sessions.identity import new_id
    from ui import terminal

    store = _store()
    where = _session(store, session)
    here = history.current_branch(store, where.id)
    [moved] = commands.run(store, where.id, here, Command(name="switch", target=target), new_id())
    if json_:
        terminal.out_json({"branch": moved.branch.name, "head": moved.branch.head, "revisions": []})
    else:
        terminal.out(moved.sentence)


@command
def show(
    what: Annotated[str, typer.Argument(help="A revision: #7, an id, a branch, head~2, original.")] = "head",
    out: Annotated[
        Path | None, typer.Option("--out", "-o", help="Write the picture here (PNG, JPEG, WebP, TIFF).")
    ] = None,
    session: SessionOption = "",
    branch: BranchOption = "",
    json_: JsonOption = False,
) -> None:
    """Everything about one revision, and its picture as a file."""
    from agent.telling import title
    from sessions import history
    from ui import pictures, terminal

    store = _store()
    found = history.graph(store, _session(store, session).id)
    revision = history.resolve(found, what, branch or None)
    path = pictures.write(store, revision, out) if out else _picture_file(store, revision)
    if json_:
        terminal.out_json(terminal.revision_json(revision) | {"file": str(path)})
        return
    terminal.out(f"{title(revision)}   {revision.width}×{revision.height}   {path}")
    terminal.out(f"id      {revision.id}")
    for parent in revision.parents:
        terminal.out(f"from    {title(found.by_id[parent])}")
    if words := found.words.get(revision.id):
        terminal.out(f'said    "{words}"')
    for name, value in revision.facts.items():
        terminal.out(f"{name:<24} {value}")


@command
def sessions(json_: JsonOption = False, limit: Annotated[int, typer.Option("--limit", "-n", min=1)] = 50) -> None:
    """Your sessions, last touched first."""
    from ui import terminal

    found = _store().sessions(limit)
    if json_:
        rows = [{"id": s.id, "name": s.name, "revisions": s.seq, "touched_at": s.touched_at} for s in found]
        terminal.out_json({"sessions": rows})
        return
    for number, one in enumerate(found):
        terminal.out(
            f"{'*' if number == 0 else ' '} {one.id[:8]}  {one.name:<28} {one.seq:>4} revisions   {one.touched_at[:16]}"
        )


@command
def tools(
    name: Annotated[str, typer.Argument(help="One tool, with its arguments.")] = "", json_: JsonOption = False
) -> None:
    """What can be done."""
    from tools import registry
    from ui import terminal

    found = [registry.get(name)] if name else list(registry.registered().values())
    if json_:
        rows = [{"name": t.name, "version": t.version, "summary": t.summary, "region": t.region} for t in found]
        terminal.out_json({"tools": [row | {"args": t.schema()} for row, t in zip(rows, found, strict=True)]})
        return
    for tool in found:
        terminal.out(f"{tool.name:<20} {tool.summary}")
        for argument, field in tool.args.model_fields.items() if name else ():
            terminal.out(f"    {argument:<16} {field.description or ''}")


@command
def doctor(json_: JsonOption = False) -> None:
    """Is everything in order? The data folder, the database, free space, the tools."""
    from ui import checkup, terminal

    found = checkup.run()
    if json_:
        terminal.out_json({"ok": all(ok for _, ok, _ in found), "checks": [list(row) for row in found]})
    for name, ok, words in () if json_ else found:
        terminal.out(f"{'ok ' if ok else 'NOT'}  {name:<14} {words}")
    raise typer.Exit(0 if all(ok for _, ok, _ in found) else 1)


def _stop(*_: Any) -> None:
    raise KeyboardInterrupt


def main() -> None:
    """Entry point: SIGTERM and Ctrl-C both end the running step cleanly."""
    signal.signal(signal.SIGTERM, _stop)
    try:
        app()
    except KeyboardInterrupt:
        sys.stderr.write("Stopped. Nothing of the step that was running is kept.\n")
        sys.exit(130)


if __name__ == "__main__":
    main()
