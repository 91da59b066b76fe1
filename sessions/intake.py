"""The only door for foreign bytes: files become checked, bounded, canonical pixels or sound, or are Refused.

This process never decodes. It looks at magic bytes and sizes, then hands the bytes to a confined process of their own
(`decode_worker`) and maps the pixels that come back. Stores nothing; a file's name is a word for messages only.
"""

from __future__ import annotations

import json
import logging
import os
import stat
import subprocess
import sys
import tempfile
import threading
import unicodedata
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any, Literal

import numpy as np

from sessions import limits
from sessions.errors import Damaged, DecoderFailed, Refused, TooLarge, UnsupportedFormat
from sessions.sniff import HEAD, sniff
from sessions.values import Json, Picture, Pixels
from sessions.words import UNSHOWN, clean_name

log = logging.getLogger(__name__)

_EXPORT_ANEW = "Open it in another program, export it as PNG or JPEG (a sound as WAV), and try again."
_REFUSALS: dict[str, type[Refused]] = {
    kind.code: kind for kind in (UnsupportedFormat, Damaged, TooLarge, DecoderFailed)
}
_seats = threading.BoundedSemaphore(limits.DECODERS)


@dataclass(frozen=True)
class Admitted:
    """What came through the door.

    `picture`: 8-bit sRGB, RGB or RGBA, upright, backed by an unlinked file so that it costs no anonymous memory.
    `audio`: FLAC, mono or stereo, 16 or 24 bits. `original`: the file as uploaded, byte for byte, opaque.
    `taken_at` ("2024:05:01 12:30:00") and `copyright` are the only metadata that is read, for exports that ask for it.
    """

    kind: Literal["image", "audio"]
    media_type: str
    picture: Picture | None
    audio: bytes | None
    seconds: float | None
    original: bytes
    notices: tuple[str, ...] = ()
    taken_at: str | None = None
    copyright: str | None = None


def admit(data: bytes, name: str = "") -> Admitted:
    """Take in one uploaded file. Raises a subclass of Refused with a sentence that says what to do instead."""
    try:
        media_type = _check(data[:HEAD], len(data))
        return _decode(data, media_type)
    except Refused as refusal:
        raise _named(refusal, name) from refusal


def admit_file(path: Path) -> Admitted:
    """Take in a local file of the person at the command line."""
    return admit(read_file(path), path.name)


def read_file(path: Path) -> bytes:
    """The bytes of a local file: an ordinary one, judged before it is read. Raises a subclass of Refused."""
    try:
        found = path.stat()
        if not stat.S_ISREG(found.st_mode):
            raise UnsupportedFormat("This is a folder or a device, not a file.", "Name one picture or one sound.")
        with path.open("rb") as file:
            _check(file.read(HEAD), found.st_size)
            file.seek(0)
            return file.read(limits.PICTURE_BYTES + 1)
    except OSError as error:
        raise Refused(f"{path} cannot be read: {error.strerror}.", "Check the name and try again.") from error
    except Refused as refusal:
        raise _named(refusal, path.name) from refusal


def check_message(text: str) -> str:
    """The message with plain newlines and composed letters (NFC). Raises Refused for control characters, TooLarge."""
    text = text.replace("\r\n", "\n").replace("\r", "\n").strip()
    if len(text) <= limits.MESSAGE_CHARACTERS:
        text = unicodedata.normalize("NFC", text)
    if len(text) > limits.MESSAGE_CHARACTERS:
        raise TooLarge(
            f"The message has {len(text)} characters; the limit is {limits.MESSAGE_CHARACTERS}.",
            "Say it in fewer words.",
        )
    if unshown := UNSHOWN.search(text):
        raise Refused(
            f"The message holds a control character (U+{ord(unshown[0]):04X}) that cannot be shown.",
            "Type the words instead of pasting them.",
        )
    return text


def check_attachments(count: int) -> None:
    """Raise TooLarge for more attachments than one message may carry."""
    if count > limits.ATTACHMENTS:
        raise TooLarge(
            f"There are {count} attachments; the limit is {limits.ATTACHMENTS}.", "Send the rest with the next message."
        )


def _named(refusal: Refused, name: str) -> Refused:
    log.info("refused: %s: %s", refusal.code, refusal.__cause__ or refusal.message)
    words = clean_name(name)[-100:]
    return type(refusal)(f"{words}: {refusal.message}" if words else refusal.message, refusal.hint)


def _check(head: bytes, size: int) -> str:
    media_type = sniff(head)
    what, most = ("sound", limits.SOUND_BYTES) if media_type.startswith("audio/") else ("picture", limits.PICTURE_BYTES)
    if size > most:
        raise TooLarge(
            f"This {what} has {size / 1e6:.1f} MB; the limit is {most // 10**6} MB.", "Save it smaller or compressed."
        )
    return media_type


def _decode(data: bytes, media_type: str) -> Admitted:
    try:
        with tempfile.TemporaryFile(prefix="pentimento-") as answer:
            with _seats:
                _run_worker(data, media_type, answer)
            return _read_answer(data, media_type, answer)
    except OSError as error:
        raise DecoderFailed("There is no room to unpack this file.", "Free some disk space and try again.") from error


def _run_worker(data: bytes, media_type: str, answer: IO[bytes]) -> None:
    command = [sys.executable, "-I", "-m", "sessions.decode_worker", media_type]
    try:
        worker = subprocess.run(
            command,
            input=data,
            stdout=answer,
            stderr=subprocess.DEVNULL,
            env=_environment(),
            cwd="/",
            timeout=limits.DECODER_WALL_SECONDS,
        )
    except subprocess.TimeoutExpired:
        raise DecoderFailed("This file takes too long to open.", _EXPORT_ANEW) from None
    if worker.returncode != 0:
        raise DecoderFailed("The program that opens files gave up on this one.", _EXPORT_ANEW) from (
            ChildProcessError(f"decode worker ended with {worker.returncode}")
        )


def _environment() -> dict[str, str]:
    """Nothing of ours: tokens and settings have no business next to foreign bytes."""
    kept = {name: os.environ[name] for name in ("LD_LIBRARY_PATH", "DYLD_LIBRARY_PATH") if name in os.environ}
    # threads that numpy and glibc would prepare for every core count against the worker's address space
    return kept | {"MALLOC_ARENA_MAX": "2", "OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}


def _read_answer(data: bytes, media_type: str, answer: IO[bytes]) -> Admitted:
    """Turn what the worker wrote into values, believing nothing: a damaged decoder may say anything."""
    answer.seek(0)
    line = answer.readline(limits.ANSWER_LINE)
    start, end = len(line), os.fstat(answer.fileno()).st_size
    try:
        says: Json = json.loads(line)
        if "refused" in says:
            raise _refusal(says)
        facts = _facts(says)
        if media_type.startswith("audio/"):
            return _admit_sound(data, media_type, answer.read(), float(says["seconds"]), facts)
        pixels = _map(answer, start, end, says)
    except (ValueError, LookupError, TypeError, ArithmeticError, RecursionError) as error:
        raise DecoderFailed("The program that opens files gave no clear answer.", _EXPORT_ANEW) from error
    return Admitted("image", media_type, Picture(pixels), None, None, data, **facts)


def _refusal(says: Json) -> Refused:
    refusal = _REFUSALS[says["refused"]](str(says["message"]), str(says["hint"]))
    if says.get("detail"):
        refusal.__cause__ = ChildProcessError(str(says["detail"]))
    return refusal


def _facts(says: Json) -> dict[str, Any]:
    return {
        "notices": tuple(str(notice)[:300] for notice in says["notices"][:10]),
        "taken_at": _text(says.get("taken_at")),
        "copyright": _text(says.get("copyright")),
    }


def _text(value: object) -> str | None:
    return clean_name(value) if isinstance(value, str) else None


def _admit_sound(data: bytes, media_type: str, flac: bytes, seconds: float, facts: dict[str, Any]) -> Admitted:
    if not flac.startswith(b"fLaC") or not 0 < seconds <= limits.SOUND_SECONDS:
        raise ValueError("not a sound")
    return Admitted("audio", media_type, None, flac, seconds, data, **facts)


def _map(answer: IO[bytes], start: int, end: int, says: Json) -> Pixels:
    """(H, W, 3 or 4), read-only, straight from the file, which disappears with the array."""
    width, height, channels = int(says["width"]), int(says["height"]), {"RGB": 3, "RGBA": 4}[says["mode"]]
    if min(width, height) < 1 or end - start != width * height * channels:
        raise ValueError(f"{end - start} bytes for {width} × {height} × {channels}")
    return np.asarray(np.memmap(answer, np.uint8, "r", start, (height, width, channels)))
