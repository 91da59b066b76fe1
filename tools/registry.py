"""Finds the tools: every `Tool` in the modules below `tools.edits`, and those of the group `pentimento.tools`.

Loading is lazy and happens once; order is by name. Does not run tools.
"""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Iterator
from functools import cache
from importlib.metadata import EntryPoint, entry_points

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


def _foreign() -> Iterator[tuple[Tool, str]]:
    """The tools of other packages; PlanError names the one that offers something else, or breaks."""
    for point in entry_points(group="pentimento.tools"):
        try:
            found = point.load()
        except Exception as error:  # other people's code
            raise _no_tool(point, f"it does not load: {error}") from error
        if not isinstance(found, Tool):
            raise _no_tool(point, "it is no tool")
        yield found, point.value


def _no_tool(point: EntryPoint, why: str) -> PlanError:
    package = f"the package {point.dist.name}" if point.dist else "another package"
    return PlanError(f"{package} offers the tool {point.value}, but {why}.", "Mend the package, or uninstall it.")


@cache
def registered() -> dict[str, Tool]:
    """All tools by name. Two tools of one name are a PlanError that names them."""
    found: dict[str, Tool] = {}
    builtin = [(tool, name) for name in _modules() for tool in _tools_in(name)]
    for tool, where in [*builtin, *_foreign()]:
        if found.setdefault(tool.name, tool) is not tool:
            raise PlanError(f"two tools are called {tool.name}; the second is in {where}")
    return dict(sorted(found.items()))


def get(name: str) -> Tool:
    """The tool of that name, or a PlanError that lists what there is."""
    try:
        return registered()[name]
    except KeyError:
        raise PlanError(f"there is no tool called {name!r}.", f"Tools: {', '.join(registered())}.") from None
