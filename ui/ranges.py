"""Parts of a file, as players ask for them (RFC 9110, 14): one range of bytes. Several, or nonsense, is all of it."""

from __future__ import annotations

import re

from starlette.responses import Response

_ASKED = re.compile(r"bytes=(\d{0,15})-(\d{0,15})")


def answer(data: bytes, asked: str, media_type: str) -> Response:
    """200 with the whole, 206 with the part that was asked for, or 416 where the file has no such part."""
    part = _part(asked, len(data))
    if part is None:
        return Response(data, media_type=media_type, headers={"Accept-Ranges": "bytes"})
    if not part:
        return Response(status_code=416, headers={"Content-Range": f"bytes */{len(data)}"})
    told = {"Accept-Ranges": "bytes", "Content-Range": f"bytes {part[0]}-{part[-1]}/{len(data)}"}
    return Response(data[part.start : part.stop], 206, told, media_type)


def _part(asked: str, size: int) -> range | None:
    """The bytes asked for, none where there are no such; None where the whole is."""
    found = _ASKED.fullmatch(asked.strip())
    if found is None or found[0] == "bytes=-":
        return None
    first, last = found.groups()
    if not first:
        return range(max(0, size - int(last)), size)
    if last and int(last) < int(first):
        return None
    return range(int(first), min(size, int(last) + 1) if last else size)
