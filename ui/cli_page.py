"""The verb `ui`: serves the chat page on this machine."""

from __future__ import annotations

from typing import Annotated

import typer

from sessions.errors import NotFound
from ui.shell import command


@command
def ui(
    host: Annotated[str, typer.Option(help="The address to listen on; another one than this opens it to others.")] = (
        "127.0.0.1"
    ),
    port: Annotated[int, typer.Option(min=1, max=65535, help="The next free port is taken where it is busy.")] = 8501,
    browser: Annotated[bool, typer.Option(help="Open the page in the browser.")] = True,
) -> None:
    """Open the chat page."""
    try:
        from ui import server
    except ModuleNotFoundError as missing:
        raise NotFound(f"The page needs {missing.name}.", "pip install 'pentimento[ui]'") from missing
    server.serve(host, port, lambda address: _opened(address, browser))


def _opened(address: str, browser: bool) -> None:
    from ui import terminal

    terminal.out(f"Pentimento is at {address}  (Ctrl-C stops it)")
    if browser:
        import webbrowser

        webbrowser.open(address)
