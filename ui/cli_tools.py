"""The verb `do`: one tool by its name, with its arguments as they are, for scripts and for what words say badly."""

from __future__ import annotations

import json
from typing import Annotated, Any

import typer

from sessions.errors import PlanError
from ui.cli_conversation import tell
from ui.shell import AttachOption, BranchOption, JsonOption, SessionOption, command, open_store, read_files, session_of

SUBJECT = "Another picture of the session: #7, a branch; A1: the first file attached, for tools that hear also a sound."


@command
def do(
    tool: Annotated[str, typer.Argument(help="The tool: `pentimento tools` lists them.")],
    arguments: Annotated[list[str], typer.Argument(help="name=value, as `pentimento tools TOOL` names them.")] = [],
    where: Annotated[str, typer.Option("--where", "-w", help="A place in words, or a box x0,y0,x1,y1.")] = "",
    subject: Annotated[list[str], typer.Option("--subject", help=SUBJECT)] = [],
    base: Annotated[str, typer.Option("--base", help="The picture to begin with; default: the branch's head.")] = "",
    attach: AttachOption = [],
    session: SessionOption = "",
    branch: BranchOption = "",
    json_: JsonOption = False,
) -> None:
    """Run one tool: pentimento do diffedit query="a bowl of pears" --where "the bowl"."""
    from agent.assistant import Assistant
    from agent.plan import Plan, PlanStep
    from agent.planners.given import Given
    from agent.telling import describe
    from sessions.values import Region

    store = open_store()
    step = PlanStep(
        tool=tool,
        args=dict(argument(one) for one in arguments),
        base=base or None,
        subjects=tuple(subject),
        region=place(where),
    )
    words = describe(step.tool, step.args, Region.from_json(step.region))
    turn = Assistant(store, Given(Plan(steps=(step,)))).turn(
        session_of(store, session).id, words, read_files(attach), branch=branch or None
    )
    tell(store, turn, json_)


def argument(said: str) -> tuple[str, Any]:
    """`steps=20` → ("steps", 20); what is no JSON is taken as words; PlanError where there is no `=`."""
    name, equals, value = said.partition("=")
    if not equals or not name.isidentifier():
        raise PlanError(f"{said!r} is no argument.", "Arguments are written name=value.")
    try:
        return name, json.loads(value)
    except ValueError:
        return name, value


def place(where: str) -> dict[str, Any] | None:
    """A box where it is four numbers, words otherwise; None for the whole picture."""
    try:
        box = [float(edge) for edge in where.split(",")]
    except ValueError:
        box = []
    if len(box) == 4:
        return {"box": box}
    return {"words": where} if where else None
