"""The verbs about names: rename a branch or the session, tag a revision."""

from __future__ import annotations

from typing import Annotated

import typer

from ui.shell import JsonOption, SessionOption, command, open_store, session_of


@command
def rename(
    old: Annotated[str, typer.Argument(help="The branch as it is called now.")] = "",
    new: Annotated[str, typer.Argument(help="What it shall be called.")] = "",
    session_name: Annotated[str, typer.Option("--session-name", help="Rename the session instead.")] = "",
    session: SessionOption = "",
    json_: JsonOption = False,
) -> None:
    """Give a branch, or the session, another name."""
    from sessions import names
    from ui import terminal

    if bool(session_name) == bool(old or new) or bool(old) != bool(new):
        raise typer.BadParameter("pentimento rename OLD NEW, or pentimento rename --session-name NAME")
    store = open_store()
    where = session_of(store, session)
    if session_name:
        found = names.rename_session(store, where.id, session_name)
        said, value = f"This session is called {found.name} now.", {"session": found.id, "name": found.name}
    else:
        branch = names.rename_branch(store, where.id, old, new)
        said, value = f"{old} is called {branch.name} now.", {"branch": branch.name, "head": branch.head}
    if json_:
        terminal.out_json(value)
    else:
        terminal.out(said)


@command
def tag(
    name: Annotated[str, typer.Argument(help="The name; without it, the tags are listed.")] = "",
    revision: Annotated[str, typer.Argument(help="What it stands for: #7, an id, a branch, head~2.")] = "head",
    delete: Annotated[bool, typer.Option("--delete", "-d", help="Take the name off; the revision stays.")] = False,
    move: Annotated[bool, typer.Option("--move", help="Take the name from the revision that has it.")] = False,
    session: SessionOption = "",
    json_: JsonOption = False,
) -> None:
    """Name a revision, list the names, or take one off."""
    from agent.telling import title
    from sessions import history, names
    from ui import terminal

    store = open_store()
    where = session_of(store, session)
    if delete:
        names.untag(store, where.id, name)
    elif name:
        meant = history.resolve(history.graph(store, where.id), revision)
        names.tag(store, where.id, name, meant.id, move=move)
    found = history.graph(store, where.id)
    if json_:
        terminal.out_json({"tags": dict(found.tags)})
        return
    for one, at in found.tags.items():
        terminal.out(f"{one:<20} {title(found.by_id[at])}")
