"""Which pictures of a session are photos, and which are drawn scenes of the toybox or were made from those alone.

An encoder that has only seen drawn scenes has nothing to say of the others. Where a picture comes from decides, not how
it looks by now: what the darkroom makes of a photo is a photo. Looks at no pixels itself.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence

from agent.items import Item
from agent.plan import Context
from sessions.identity import REVISION_PREFIX
from sessions.values import Revision

Drawn = Callable[[str], bool | None]
"""Whether what has this hash is a drawn scene, or a sound; None where it cannot be read."""


def photos(context: Context, items: Sequence[Item], drawn: Drawn) -> frozenset[str]:
    """The items, by name, that are photos or were made with one; sounds are none, nor is what nobody can read."""
    scenes = _scenes(context.revisions, drawn)
    pictures = [item for item in items if item.kind == "picture"]
    return frozenset(
        item.name for item in pictures if (scenes[item.name] if item.name in scenes else drawn(item.content)) is False
    )


def _scenes(revisions: Sequence[Revision], drawn: Drawn) -> dict[str, bool | None]:
    """Of every revision, whether it is a scene: it came as one, or all that it was made from are."""
    known: dict[str, bool | None] = {}
    for revision in revisions:
        came = list(_came(revision, known, drawn))
        lost = None in came and False not in came
        known[revision.id] = all(came) if came and not lost else drawn(revision.image)
    return known


def _came(revision: Revision, known: Mapping[str, bool | None], drawn: Drawn) -> Iterator[bool | None]:
    """Of each picture that a revision was made from, and of each other that its step was given."""
    yield from (known.get(parent) for parent in revision.parents)
    for name in revision.step.subjects if revision.step else ():
        yield known.get(name) if name.startswith(REVISION_PREFIX) else drawn(name)
