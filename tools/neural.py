"""The frame of a tool with weights: nothing asked for is nothing done, and a device without memory is an answer.

Loads nothing, and imports torch only where there is something to do.
"""

from __future__ import annotations

from tools.base import Edit, EditContext
from tools.parts import unchanged


def worked(ctx: EditContext, edit: Edit, asked: bool = True) -> Edit:
    """The edit, or the picture as it is unless something is `asked`. OutOfMemory where the device has none left."""
    if not asked:
        return (yield from unchanged(ctx))
    from tools.diffusion.steps import guarded_device

    with guarded_device():
        return (yield from edit)
