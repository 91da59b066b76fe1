"""Finds the tools: every `Tool` in the modules below `tools.edits`, and those of the group `pentimento.tools`.

Loading is lazy and happens once; order is by name. Does not run tools.
"""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Iterator
from functools import cache
from importlib.metadata import entry_points

import tools.edits
from sessions.errors import PlanError
from tools.base import Tool


def _modules() -> Iterator[str]:
    for module in pkgutil.walk_packages(tools.edits.__path__, "tools.edits."):
        if not module.ispkg:
            yield module.name


def _tools_in(name: str) -> Iterator[Tool]:
    for value in vars(importlib.import_module(name)).values():
        if isinstance(value, Tool):
            yield value


@cache
def registered() -> dict[str, Tool]:
    """All tools by name. Two tools of one name are a PlanError that names them."""
    found: dict[str, Tool] = {}
    builtin = [(tool, name) for name in _modules() for tool in _tools_in(name)]
    foreign = [(point.load(), point.value) for point in entry_points(group="pentimento.tools")]
    for tool, where in builtin + foreign:
        if found.setdefault(tool.name, tool) is not tool:
            raise PlanError(f"two tools are called {tool.name}; the second is in {where}")
    return dict(sorted(found.items()))


def get(name: str) -> Tool:
    """The tool of that name, or a PlanError that lists what there is."""
    try:
        return registered()[name]
    except KeyError:
        raise PlanError(f"there is no tool called {name!r}.", f"Tools: {', '.join(registered())}.") from None
