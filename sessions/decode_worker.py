"""The process that decodes one foreign file and ends: `python -I -m sessions.decode_worker image/png < file > answer`.

It confines itself before it reads a byte: address space, processor seconds, size of what it writes, no core dump. The
answer is one line of JSON, followed by raw pixels or FLAC; everything else a decoder prints goes nowhere. It is started
by `intake` only, which trusts none of what it says. Does not open files, does not know names.
"""

from __future__ import annotations

import errno
import json
import os
import resource
import struct
import sys
import zlib
from typing import Any, BinaryIO

from sessions import limits
from sessions.errors import Damaged, DecoderFailed, Refused

_DECODER_ERRORS = (
    OSError,
    SyntaxError,
    ValueError,
    TypeError,
    LookupError,
    ArithmeticError,
    AssertionError,
    AttributeError,
    EOFError,
    RuntimeError,
    struct.error,
    zlib.error,
)
_NO_ROOM = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}


def main() -> None:
    """Decode standard input, of the media type named in the first argument, into standard output."""
    confine()
    answer = _private_stdout()
    try:
        decode(sys.stdin.buffer.read(limits.PICTURE_BYTES + 1), sys.argv[1], answer)
    except Refused as refusal:
        answer.seek(0)
        answer.truncate()
        detail = repr(refusal.__cause__)[:300] if refusal.__cause__ else ""
        _say(answer, {"refused": refusal.code, "message": refusal.message, "hint": refusal.hint, "detail": detail})
    answer.flush()


def confine() -> None:
    """Give up, for good, what decoding does not need."""
    for what, most in (
        (resource.RLIMIT_AS, limits.DECODER_MEMORY),
        (resource.RLIMIT_CPU, limits.DECODER_CPU_SECONDS),
        (resource.RLIMIT_FSIZE, limits.PIXELS * 4 + limits.ANSWER_LINE),
        (resource.RLIMIT_CORE, 0),
    ):
        resource.setrlimit(what, (most, most))


def decode(data: bytes, media_type: str, answer: BinaryIO) -> None:
    """Write the answer for one file. Raises Refused, whatever the decoder underneath raised."""
    try:
        if media_type.startswith("audio/"):
            _answer_sound(data, answer)
        else:
            _answer_picture(data, media_type, answer)
    except MemoryError as error:
        raise DecoderFailed(
            "This file needs more memory to open than it may have.", "Make it smaller first."
        ) from error
    except _DECODER_ERRORS as error:
        if isinstance(error, OSError) and error.errno in _NO_ROOM:
            raise DecoderFailed(
                "There is no room to unpack this file.", "Free some disk space and try again."
            ) from error
        raise _damaged(media_type) from error


def _damaged(media_type: str) -> Damaged:
    kind = media_type.partition("/")[2]
    name = {"jpeg": "JPEG", "webp": "WebP", "mpeg": "MP3"}.get(kind, kind.upper())
    return Damaged(
        f"This {name} file is cut off, damaged, or of a kind that cannot be read.",
        "Copy it again from where it came, or open it in another program and export it anew.",
    )


def _answer_picture(data: bytes, media_type: str, answer: BinaryIO) -> None:
    from sessions.decode_picture import decode_picture

    canvas = decode_picture(data, media_type)
    width, height = canvas.image.size
    _say(
        answer,
        {
            "mode": canvas.image.mode,
            "width": width,
            "height": height,
            "notices": canvas.notices,
            "taken_at": canvas.taken_at,
            "copyright": canvas.copyright,
        },
    )
    for rows in canvas.rows():
        answer.write(rows)


def _answer_sound(data: bytes, answer: BinaryIO) -> None:
    from sessions.decode_sound import decode_sound

    sound = decode_sound(data)
    _say(answer, {"seconds": sound.seconds, "notices": sound.notices})
    answer.write(sound.flac)


def _say(answer: BinaryIO, line: dict[str, Any]) -> None:
    answer.write(json.dumps(line).encode() + b"\n")


def _private_stdout() -> BinaryIO:
    """The real standard output for us alone: what a decoder written in C prints there would spoil the answer."""
    answer = os.fdopen(os.dup(1), "wb")
    os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
    return answer


if __name__ == "__main__":
    main()
