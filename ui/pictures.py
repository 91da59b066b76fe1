"""Pictures as ordinary files: what `show --out` writes. Nothing but pixels goes into them: no place, no camera."""

from __future__ import annotations

from pathlib import Path

from sessions.errors import BadArguments
from sessions.files import storage_errors
from sessions.store import Store
from sessions.values import Revision

FORMATS = {".png": "PNG", ".jpg": "JPEG", ".jpeg": "JPEG", ".webp": "WEBP", ".tif": "TIFF", ".tiff": "TIFF"}


def write(store: Store, revision: Revision, path: Path) -> Path:
    """Write a revision in the format that the file's ending names. JPEG has no alpha: white shows through."""
    from PIL import Image

    kind = FORMATS.get(path.suffix.lower())
    if kind is None:
        raise BadArguments(
            f"I cannot write {path.suffix or 'a file without ending'}.", "Use .png, .jpg, .webp or .tiff."
        )
    image = Image.fromarray(store.picture(revision.session, revision.image).pixels)
    if kind == "JPEG" and image.mode == "RGBA":
        ground = Image.new("RGBA", image.size, "white")
        image = Image.alpha_composite(ground, image).convert("RGB")
    with storage_errors():
        path.parent.mkdir(parents=True, exist_ok=True)
        image.save(path, kind, quality=95)
    return path
