"""`pentimento doctor`: cheap checks of what the product stands on, each a name, a verdict and a sentence."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path

from agent.runtime import PLANNERS, open_store
from agent.settings import Settings
from sessions import history
from sessions.database import SCHEMA
from sessions.errors import PentimentoError
from tools import registry, shelf

Check = tuple[str, bool, str]
LEAST_FREE = 1_000_000_000


def run() -> list[Check]:
    """All checks, in order; a failing one does not stop the others."""
    return list(_checks())


def _checks() -> Iterator[Check]:
    settings = Settings()
    yield "data folder", True, str(settings.home)
    try:
        store = open_store(settings)
        yield "database", store.database.schema() == SCHEMA, f"{store.database.engine.dialect.name}, schema {SCHEMA}"
    except PentimentoError as failure:
        yield "database", False, str(failure)
        return
    free = shutil.disk_usage(settings.home).free
    yield "free space", free > LEAST_FREE, f"{free / 1e9:.1f} GB"
    sessions = store.sessions(limit=1)
    if sessions:
        newest = history.page(store, sessions[0].id, limit=1)
        for revision in newest:
            store.picture(revision.session, revision.image)
        yield "last picture", True, "reads back and matches its hash"
    yield "tools", True, ", ".join(registry.registered())
    yield from _networks(settings)
    yield "chat model", *_chat(settings.chat_model)
    yield "planner", *_planner(settings.planner)


def _networks(settings: Settings) -> Iterator[Check]:
    """Weights and what runs them, without loading either."""
    try:
        roles = dict.fromkeys(f"{entry.role} ({entry.pack})" for entry in shelf.at(settings.home).entries())
    except PentimentoError as failure:
        yield "weights", False, str(failure)
        return
    yield "weights", True, ", ".join(roles) or "none; pentimento models pull sd15 fetches them"
    yield "networks", True, _torch()


def _chat(name: str) -> tuple[bool, str]:
    """Who is asked for words that analogist lacks; nobody is asked here."""
    if not name:
        return True, "none; PENTIMENTO_CHAT_MODEL=provider:model names one"
    if find_spec("langchain") is None:
        return False, f"{name}; pip install 'pentimento[neural]'"
    return True, name


def _planner(name: str) -> tuple[bool, str]:
    """Who understands messages; nobody is asked here."""
    kind, _, model = name.partition(":")
    if kind == "chat" and model:
        return _chat(model)
    known = name in ("", *PLANNERS)
    return known, (name or "cascade") if known else f"{name}; PENTIMENTO_PLANNER is one of: {', '.join(PLANNERS)}"


def _torch() -> str:
    if find_spec("torch") is None:
        return "not installed; pip install 'pentimento[neural]'"
    graphics = "an NVIDIA device" if Path("/dev/nvidia0").exists() else "no NVIDIA device"
    return f"torch {version('torch')}, {graphics}"
