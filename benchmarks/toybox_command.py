"""`pentimento eval toybox`: the words of `benchmarks.toybox` for the command line.

Measures nothing and registers nothing: the app of the group `pentimento.commands` does, by one line.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from sessions.errors import PentimentoError


def toybox_command(  # noqa: PLR0913  (the options of a command line)
    tool: Annotated[list[str] | None, typer.Option(help="Only this part; may be said again.")] = None,
    planner: Annotated[list[Path] | None, typer.Option(help="A planner's folder; again for other seeds.")] = None,
    count: Annotated[int | None, typer.Option(min=1, help="So many items of each part, for a quick look.")] = None,
    pack: Annotated[Path | None, typer.Option(help="A pack's folder; by default the starter's.")] = None,
    grader: Annotated[Path | None, typer.Option(help="An encoder's folder, of another seed, which judges too.")] = None,
    report: Annotated[Path | None, typer.Option(help="Write a page with the pictures into this folder.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object on stdout.")] = False,
) -> None:
    """What the tools and the planner can do in the toybox, with 95 % intervals and what costs nothing beside it."""
    import json

    from tools import devices
    from ui import terminal

    given = {"planners": planner or None, "pack": pack, "grader": grader, "report": report, "count": count}
    try:
        devices.require_torch()
        from benchmarks import toybox

        found = toybox.run(tool or (), **{name: value for name, value in given.items() if value is not None})
    except PentimentoError as failure:
        terminal.error(failure)
        raise typer.Exit(1) from None
    typer.echo(json.dumps(found, indent=1) if as_json else toybox.text(found))
