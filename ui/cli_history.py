"""The verbs that look at history and at what there is: log, graph, branch, switch, show, sessions, tools, doctor."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from ui.shell import BranchOption, JsonOption, SessionOption, command, open_store, picture_file, session_of

if TYPE_CHECKING:
    from tools.base import Tool


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

    store = open_store()
    where = session_of(store, session)
    name = branch or history.current_branch(store, where.id)
    head = moves.branch(store, where.id, name).head
    found = history.page(store, where.id, limit) if all_ else history.log(store, where.id, head, limit)
    tags = {tag.name: tag.revision for tag in history.tags(store, where.id)}
    if json_:
        revisions = [terminal.revision_json(r) for r in found]
        terminal.out_json({"session": where.id, "branch": name, "tags": tags, "revisions": revisions})
        return
    for revision in found:
        marks = "".join(f"   [{tag}]" for tag in terminal.tags_at(tags, revision))
        terminal.out(terminal.step_line(revision) + marks)


@command
def graph(session: SessionOption = "", json_: JsonOption = False) -> None:
    """The whole history as a tree."""
    from sessions import history
    from ui import terminal

    store = open_store()
    found = history.graph(store, session_of(store, session).id)
    if json_:
        revisions = [terminal.revision_json(r) for r in found.revisions]
        names = {"branches": dict(found.branches), "tags": dict(found.tags), "current": found.current}
        terminal.out_json(names | {"revisions": revisions})
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

    store = open_store()
    where = session_of(store, session)
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
    from ui import terminal

    store = open_store()
    where = session_of(store, session)
    here = history.current_branch(store, where.id)
    moved = commands.once(store, where.id, here, Command(name="switch", target=target), None)
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
    from agent.telling import began, title
    from sessions import history
    from ui import pictures, terminal

    store = open_store()
    found = history.graph(store, session_of(store, session).id)
    revision = history.resolve(found, what, branch or None)
    path = pictures.write(store, revision, out) if out else picture_file(store, revision)
    if json_:
        tags = terminal.tags_at(found.tags, revision)
        terminal.out_json(terminal.revision_json(revision) | {"tags": tags, "file": str(path)})
        return
    terminal.out(f"{title(revision)}   {revision.width}×{revision.height}   {path}")
    terminal.out(f"id      {revision.id}")
    for tag in terminal.tags_at(found.tags, revision):
        terminal.out(f"tag     {tag}")
    for parent in revision.parents:
        terminal.out(f"from    {title(found.by_id[parent])}")
    if words := found.words.get(revision.id):
        terminal.out(f'said    "{words}"')
    if replaced := began(found, revision).partition(", ")[2]:
        terminal.out(f"done    {replaced}")
    for name, value in revision.facts.items():
        terminal.out(f"{name:<24} {terminal.fact(found, name, value)}")


@command
def sessions(json_: JsonOption = False, limit: Annotated[int, typer.Option("--limit", "-n", min=1)] = 50) -> None:
    """Your sessions, last touched first."""
    from ui import terminal

    found = open_store().sessions(limit)
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
        for line in _arguments(tool) if name else ():
            terminal.out(f"    {line}")


def _arguments(tool: Tool) -> Iterator[str]:
    """What `pentimento do` can be told of a tool: arguments, with what is usual, then place and pictures."""
    schema = tool.schema()
    for name, said in schema.get("properties", {}).items():
        kinds = said.get("anyOf", [said])
        usual = said.get("default")
        others = [choice for kind in kinds for choice in kind.get("enum", ()) if choice != usual]
        known = [usual if isinstance(usual, str) else json.dumps(usual)] if usual not in (None, "") else []
        brackets = "; or ".join([*known, *([", ".join(map(str, others))] if others else [])])
        end = " (needed)" if name in schema.get("required", ()) else f" [{brackets}]" if brackets else ""
        yield f"{name:<16} {said.get('description', '')}{end}"
    if tool.region != "none":
        yield f"{'--where':<16} Words, or a box: 0.1,0.2,0.5,1.{' (needed)' if tool.region == 'required' else ''}"
    low, high = tool.subjects
    if high:
        what = "Other pictures or sounds" if tool.hears else "Other pictures"
        yield f"{'--subject':<16} {what}, or --attach FILE: {low if low == high else f'{low} to {high}'}."


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
