"""The command line `pentimento`: results on stdout (`--json`: one object), all else on stderr, exit code 1 on failure.

Holds no state: the session last touched is the default. Heavy parts are imported by the commands that need them.
"""

from __future__ import annotations

import signal
import sys
from typing import Any

from ui import (
    cli_conversation,
    cli_export,
    cli_history,
    cli_merge,
    cli_models,
    cli_names,
    cli_page,
    cli_planner,
    cli_recipes,
    cli_subjects,
    cli_tools,
)
from ui.shell import app

VERBS = (
    *(cli_conversation, cli_tools, cli_history, cli_merge, cli_names, cli_recipes, cli_export, cli_models),
    *(cli_subjects, cli_planner, cli_page),
)
"""Importing them has registered their commands, in the order of the help."""


def _stop(*_: Any) -> None:
    raise KeyboardInterrupt


def main() -> None:
    """Entry point: SIGTERM and Ctrl-C both end the running step cleanly."""
    signal.signal(signal.SIGTERM, _stop)
    try:
        app()
    except KeyboardInterrupt:  # before a command had begun: a command says what is kept
        sys.exit(130)


if __name__ == "__main__":
    main()
