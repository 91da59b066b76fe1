"""Puts the parts together for a face: settings → store → planner → `Assistant`."""

from __future__ import annotations

from agent.assistant import Assistant
from agent.planners.rules import RulesPlanner
from agent.settings import Settings
from sessions.store import Store


def open_store(settings: Settings | None = None) -> Store:
    """The store of the settings' data folder."""
    settings = settings or Settings()
    return Store(settings.home, settings.database_url, settings.owner)


def open_assistant(settings: Settings | None = None) -> Assistant:
    """An assistant over the settings' data folder."""
    return Assistant(open_store(settings), RulesPlanner())
