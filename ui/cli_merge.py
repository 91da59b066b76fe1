"""The verbs about two lines of history at once: merge and compare."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import typer

from ui.shell import BranchOption, JsonOption, SessionOption, command, open_store, session_of

TakeOption = Annotated[
    Literal["ours", "theirs", "both"] | None,
    typer.Option("--take", help="What to keep where both did something; without it, each such place is asked about."),
]


@command
def merge(
    theirs: Annotated[str, typer.Argument(help="What comes: a branch, or a revision: #7, an id.")],
    into: Annotated[
        str, typer.Option("--into", help="The branch it goes onto, current from then on; default: here.")
    ] = "",
    take: TakeOption = None,
    session: SessionOption = "",
    request_id: Annotated[str, typer.Option(help="Send the same again safely: it never runs twice.")] = "",
    json_: JsonOption = False,
) -> None:
    """Bring what was done on another branch onto this one."""
    from agent.assistant import Assistant
    from agent.plan import Command, Plan
    from agent.planners.given import Given
    from sessions import history
    from ui.cli_conversation import tell

    store = open_store()
    where = session_of(store, session)
    options = {"take": {"*": take}} if take else {}
    told = Plan(command=Command(name="merge", target=theirs, other=into or None, options=options))
    words = f"merge {theirs} into {into or history.current_branch(store, where.id)}"
    tell(store, Assistant(store, Given(told)).turn(where.id, words, (), request_id or None), json_)


@command
def compare(
    one: Annotated[str, typer.Argument(help="A revision: #7, an id, a branch, head~2, original.")],
    other: Annotated[str, typer.Argument(help="Another; default: here.")] = "head",
    out: Annotated[Path | None, typer.Option("--out", "-o", help="Write the difference as a picture (.png).")] = None,
    force: Annotated[bool, typer.Option("--force", help="Write over a file that is there.")] = False,
    session: SessionOption = "",
    branch: BranchOption = "",
    json_: JsonOption = False,
) -> None:
    """Say what is different between two revisions, where, and by how much."""
    from agent import comparing
    from sessions import history
    from sessions.errors import BadArguments
    from sessions.tiles import encode
    from ui import pictures, terminal

    if out is not None and out.suffix.lower() != ".png":
        raise BadArguments(f"{out} does not end in .png.", "The picture of a difference is a PNG.")
    store = open_store()
    graph = history.graph(store, session_of(store, session).id)
    before, after = (history.resolve(graph, name, branch or None) for name in (one, other))
    found = comparing.compare(store, graph, before, after)
    if out is not None:
        pictures.save(encode(found.heat().pixels), out, force)
    if json_:
        terminal.out_json(found.to_json() | {"file": str(out) if out else None})
        return
    for line in terminal.comparison_lines(found):
        terminal.out(line)
    if out is not None:
        terminal.out(f"     {out}")
