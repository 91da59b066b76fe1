"""Puts the parts together for a face: settings → store → planner → `Assistant`."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path

from agent.assistant import Assistant
from agent.planners.cascade import Cascade
from agent.planners.rules import RulesPlanner
from agent.settings import Settings
from sessions.errors import EditError
from sessions.store import Store
from tools.base import Tool


def open_store(settings: Settings | None = None) -> Store:
    """The store of the settings' data folder."""
    settings = settings or Settings()
    return Store(settings.home, settings.database_url, settings.owner)


def open_assistant(settings: Settings | None = None) -> Assistant:
    """An assistant over the settings' data folder."""
    settings = settings or Settings()
    return Assistant(open_store(settings), Cascade(RulesPlanner(), able(settings.home)))


def able(home: Path) -> Callable[[Tool], bool]:
    """Whether the weights of a tool are in a data folder, and were made for photos."""
    return partial(_able, home)


def _able(home: Path, tool: Tool) -> bool:
    from tools import shelf  # most messages need none

    try:
        return all(shelf.at(home).entry(role).world == "photos" for role in tool.weights)
    except EditError:
        return False
