"""What the commands share: the Typer app, errors as sentences, the options, the session that is meant."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from sessions.errors import NotFound, PentimentoError
from ui.commands import Verbs

if TYPE_CHECKING:
    from agent.assistant import Assistant
    from sessions.store import Store
    from sessions.values import Picture, Revision, Session

app = typer.Typer(
    cls=Verbs,
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
PlannerOption = Annotated[
    str,
    typer.Option(
        "--planner", help="Who understands it: cascade, rules, token_heads, chat:PROVIDER:MODEL. [PENTIMENTO_PLANNER]"
    ),
]
AttachOption = Annotated[list[Path], typer.Option("--attach", "-a", help="A photo or sound; may be repeated.")]


def verbs_of(group: typer.Typer) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """A decorator: register a command whose known failures are one sentence, the next step, and exit code 1."""

    def command(function: Callable[..., None]) -> Callable[..., None]:
        @wraps(function)
        def run(*args: Any, **kwargs: Any) -> None:
            from ui import terminal

            try:
                function(*args, **kwargs)
            except PentimentoError as failure:
                if kwargs.get("json_"):
                    told = {"code": failure.code, "message": failure.message, "hint": failure.hint}
                    terminal.out_json({"error": told})
                terminal.error(failure)
                raise typer.Exit(1) from None
            except KeyboardInterrupt:
                terminal.stopped("Nothing of the step that was running is kept.")
                raise typer.Exit(130) from None

        group.command(function.__name__.rstrip("_"))(run)
        return run

    return command


command = verbs_of(app)
"""Registers a command of `pentimento` itself."""


def open_assistant(planner: str = "") -> Assistant:
    from agent import runtime
    from agent.settings import Settings

    return runtime.open_assistant(Settings(planner=planner) if planner else None)


def open_store() -> Store:
    from agent import runtime

    return runtime.open_store()


def session_of(store: Store, prefix: str) -> Session:
    if prefix:
        return store.session(prefix)
    latest = store.sessions(limit=1)
    if not latest:
        raise NotFound("There is no session yet.", "pentimento new PHOTO starts one.")
    return latest[0]


def read_files(paths: list[Path]) -> list[tuple[str, bytes]]:
    from sessions import intake

    return [(path.name, intake.read_file(path)) for path in paths]


def picture_file(store: Store, shown: Revision | Picture) -> Path:
    """A revision, or a picture to look at, as an ordinary PNG in the data folder, for people to open now."""
    from sessions.tiles import encode
    from sessions.values import Revision

    folder = store.home / "pictures"
    if isinstance(shown, Revision):
        path = folder / shown.session[:8] / f"{shown.seq}.png"
        pixels = None if path.exists() else store.picture(shown.session, shown.image).pixels
    else:
        path, pixels = folder / "asked.png", shown.pixels
    if pixels is not None:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(encode(pixels))
    return path
