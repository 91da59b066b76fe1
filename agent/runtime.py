"""Puts the parts together for a face: settings → store → planner → `Assistant`."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

from agent.assistant import Assistant
from agent.plan import Context, Planner
from agent.planners.cascade import Cascade
from agent.planners.rules import RulesPlanner
from agent.settings import Settings
from sessions.errors import EditError, PentimentoError, PlanError
from sessions.store import Store
from tools.base import Tool

if TYPE_CHECKING:
    from tools.weights import Entry

PLANNERS = ("cascade", "rules", "token_heads", "token_heads:llama.cpp", "chat:<provider:model>")
"""What `PENTIMENTO_PLANNER` may say; nothing is `cascade`."""


def open_store(settings: Settings | None = None) -> Store:
    """The store of the settings' data folder."""
    settings = settings or Settings()
    return Store(settings.home, settings.database_url, settings.owner)


def open_assistant(settings: Settings | None = None) -> Assistant:
    """An assistant over the settings' data folder."""
    settings = settings or Settings()
    store = open_store(settings)
    return Assistant(store, planner_of(settings, store))


def planner_of(settings: Settings, store: Store) -> Planner:
    """Who understands messages: `rules` alone, or the `cascade`, behind whose rules another planner may be named.

    Where none is, the small one that comes with Pentimento stands there, for sessions of drawn scenes alone.
    `token_heads`: the planner on the shelf, on torch or llama.cpp. `chat:<provider:model>`: a LangChain chat model.
    PlanError where there is no planner of that name.
    """
    name = settings.planner.strip()
    if name == "rules":
        return RulesPlanner()
    if name not in ("", "cascade"):
        return Cascade(RulesPlanner(), able(settings.home), _second(name, store))
    second = _second("token_heads", store)
    return Cascade(RulesPlanner(), able(settings.home), second, partial(_of_scenes, store), chosen=False)


def _of_scenes(store: Store, context: Context) -> bool:
    """Whether the planner on the shelf is the small one, can run, and this session has come of drawn scenes alone, or
    that planner has learnt to plan sessions of photos without seeing them."""
    from agent.planners import shelved
    from agent.sight import Sight

    entry = _small(store.home)
    if entry is None:
        return False
    sent = [asset.sha256 for asset in context.attachments if asset.kind == "image"]
    return shelved.plans_photos(entry) or Sight(store).drawn(context.session, context.revisions, sent)


def _small(home: Path) -> Entry | None:
    """The planner of drawn scenes on the shelf; None where there is none, another is better, or nothing runs it."""
    from agent.planners import shelved

    entry = _shelved("token_heads", home) if find_spec("torch") is not None else None
    return entry if entry is not None and shelved.world_of(entry) == "toybox" else None


def repaints_scenes(settings: Settings) -> bool:
    """Whether who names no planner may ask for anything that drawn scenes can show."""
    return settings.planner.strip() in ("", "cascade", "token_heads") and _small(settings.home) is not None


def planners(settings: Settings, store: Store) -> dict[str, Planner]:
    """What a page may choose from, by name; the first is what the settings say. They alone name a chat model.

    None of them opens a model before it is asked something.
    """
    shelved = ("token_heads",) if _has_planner(settings.home) else ()
    names = dict.fromkeys((settings.planner.strip() or "cascade", *shelved, "cascade", "rules"))
    return {name: planner_of(settings.model_copy(update={"planner": name}), store) for name in names}


def _second(name: str, store: Store) -> Planner:
    kind, _, which = name.partition(":")
    if kind == "chat" and which:
        from agent.planners.chat_model import ChatPlanner  # most messages need none
        from agent.sight import Sight

        return ChatPlanner(which, Sight(store).picture)
    if name in ("token_heads", "token_heads:llama.cpp"):
        from agent.planners.shelved import Shelved
        from agent.sight import Sight

        return Shelved(store.home, Sight(store), "llama.cpp" if which else "torch")
    raise PlanError(f"There is no planner called {name!r}.", f"PENTIMENTO_PLANNER is one of: {', '.join(PLANNERS)}.")


def lacks(name: str, home: Path) -> str:
    """What a planner of that name lacks on this machine, as a sentence; "" where it can be used."""
    kind, _, which = name.partition(":")
    try:
        if kind == "token_heads":
            _require(home, which)
        elif name == PLANNERS[-1]:
            return "needs the provider and model of a chat model"
        elif kind == "chat":
            from tools import chat_models

            chat_models.opened(which)
    except PentimentoError as error:
        return str(error)
    return ""


def drawn_only(name: str, home: Path) -> bool:
    """Whether a planner of that name plans sessions of drawn scenes only, as the small one does that comes with
    Pentimento."""
    from agent.planners import shelved

    entry = _shelved(name, home)
    return entry is not None and not shelved.plans_photos(entry)


def _shelved(name: str, home: Path) -> Entry | None:
    """The planner on the shelf that a name stands for; None where there is none."""
    kind, _, which = name.partition(":")
    if kind != "token_heads":
        return None
    from agent.planners import shelved
    from tools import shelf

    try:
        return shelved.suited(shelf.at(home), "llama.cpp" if which else "torch")
    except EditError:
        return None


def _require(home: Path, backend: str) -> None:
    """MissingWeights where there is no planner with token heads, or nothing that runs it."""
    from agent.planners import shelved
    from tools import encoders, shelf

    there = shelf.at(home)
    there.require([encoders.ROLE])
    shelved.suited(there, "llama.cpp" if backend else "torch")
    if backend:
        from agent.llm import llama_cpp

        llama_cpp.library()


def _has_planner(home: Path) -> bool:
    from tools import shelf

    try:
        return any(entry.role == shelf.PLANNER for entry in shelf.at(home).entries())
    except EditError:
        return False


def able(home: Path) -> Callable[[Tool], bool]:
    """Whether the weights of a tool are in a data folder, and were made for photos."""
    return partial(_able, home)


def _able(home: Path, tool: Tool) -> bool:
    from tools import shelf  # most messages need none

    try:
        return all(shelf.at(home).entry(role).world == "photos" for role in tool.weights)
    except EditError:
        return False
