"""Whether weights are what they should be: every file hashed again, and the role loaded once. Edits nothing."""

from __future__ import annotations

from tools import devices, encoders
from tools.shelf import PLANNER, Shelf
from tools.weights import Entry


def once(shelf: Shelf, entry: Entry) -> None:
    """Hash and load an entry; MissingWeights, BadWeights or OutOfMemory says what is wrong."""
    whole = shelf.checked(entry, anew=True)
    devices.require_torch()
    if entry.role == encoders.ROLE:
        encoders.load(whole, shelf.device)
    elif entry.role != PLANNER and not entry.role.startswith("hub:"):
        model = shelf.load(whole)
        if (whole.folder / "ip_adapter").is_dir():
            from tools.diffusion import following

            following.parts(shelf, whole, model)
    if entry.role.startswith("blip-diffusion"):
        from tools.nets import blip_keys

        blip_keys.load(whole.folder, shelf.device, devices.precision(shelf.device, entry.bytes))
    shelf.clear()
