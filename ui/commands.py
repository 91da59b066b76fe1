"""Commands that other packages bring, and our own workshop's: the Typer apps of the group `pentimento.commands`.

They are looked for only where a word is none of ours, and for the list of commands; so they cost nothing otherwise.
Knows none of them by name.
"""

from __future__ import annotations

from functools import cache
from importlib.metadata import EntryPoint, entry_points
from typing import Any

import typer
from typer.core import TyperGroup
from typer.main import get_command as built

from sessions.errors import PlanError

GROUP = "pentimento.commands"


class Verbs(TyperGroup):
    """The commands of `pentimento`: those that are registered here come first, a name of theirs is taken by nobody."""

    def list_commands(self, ctx: Any) -> list[str]:
        """Ours in their order, then the others by name; one that does not load is named on stderr and left out."""
        ours = super().list_commands(ctx)
        return [*ours, *(name for name in sorted(_points()) if name not in ours and self.get_command(ctx, name))]

    def get_command(self, ctx: Any, cmd_name: str) -> Any:
        """The command of that name, None where there is none."""
        ours = super().get_command(ctx, cmd_name)
        if ours is not None or cmd_name not in _points():
            return ours
        return _loaded(_points()[cmd_name])


@cache
def _points() -> dict[str, EntryPoint]:
    return {point.name: point for point in entry_points(group=GROUP)}


def _loaded(point: EntryPoint) -> Any:
    """What an entry point brings; None, and a sentence on stderr, where it is no app or breaks."""
    try:
        found = point.load()
    except Exception as error:  # noqa: BLE001  (other people's code)
        found, why = None, f"does not load: {error}"
    else:
        why = "is no Typer app"
    if isinstance(found, typer.Typer):
        return built(found)
    from ui import terminal

    whose = f"the package {point.dist.name}" if point.dist else "another package"
    said = f"{whose} offers the command {point.name} ({point.value}), but it {why}."
    terminal.error(PlanError(said, "Mend the package, or uninstall it."))
    return None
