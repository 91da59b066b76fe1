"""The verbs of planners, `pentimento planner`: who can understand a message here, and their export for llama.cpp."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import typer

from ui.shell import JsonOption, app, verbs_of

planner = typer.Typer(help="Planners, which understand what is said: list, export.", no_args_is_help=True)
app.add_typer(planner, name="planner")
command = verbs_of(planner)


@command
def list_(json_: JsonOption = False) -> None:
    """The planners there are, and which one is used: PENTIMENTO_PLANNER, or --planner of a message."""
    from agent import runtime
    from agent.settings import Settings
    from ui import terminal

    used = Settings().planner.strip() or "cascade"
    found = [
        {
            "name": name,
            "used": name == used,
            "lacks": runtime.lacks(name, Settings().home),
            "drawn_only": runtime.drawn_only(name, Settings().home),
        }
        for name in dict.fromkeys((*runtime.PLANNERS, used))
    ]
    if json_:
        terminal.out_json({"planners": found})
        return
    for one in found:
        mark = "→" if one["used"] else " "
        ready = "ready, for drawn scenes only" if one["drawn_only"] else "ready"
        terminal.out(f"{mark} {one['name']:<24} {one['lacks'] or ready}")


@command
def export(
    folder: Annotated[Path, typer.Argument(help="Where to: model.gguf, heads, tokenizer and card.")],
    gguf: Annotated[bool, typer.Option("--gguf", help="For llama.cpp; there is no other form yet.")] = False,
    kind: Annotated[Literal["F32", "F16", "Q8_0"], typer.Option(help="How precise its numbers are.")] = "F16",
    json_: JsonOption = False,
) -> None:
    """Write the planner on the shelf as a GGUF file with its heads: pentimento planner export --gguf DIR."""
    from agent.planners import exporting, shelved
    from agent.settings import Settings
    from sessions.errors import BadArguments
    from tools import shelf
    from ui import terminal

    if not gguf:
        raise BadArguments("A planner is exported as GGUF: say --gguf.", "pentimento planner export --gguf DIR")
    there = shelf.at(Settings().home)
    entry = there.checked(shelved.suited(there, "torch"))
    made = exporting.export(entry.folder / shelf.PLANNER, folder, kind)
    files = {path.name: path.stat().st_size for path in sorted(made.iterdir())}
    if json_:
        terminal.out_json({"folder": str(made), "files": files})
        return
    for name, size in files.items():
        terminal.out(f"{name:<20} {size / 1e6:8.1f} MB")
