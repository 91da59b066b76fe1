"""Says what a file is from its first bytes: one of the media types that are opened, or a sentence that helps.

Looks at magic bytes only, never at names or declared types. Does not decode: a right beginning proves nothing yet.
"""

from __future__ import annotations

import codecs

from sessions.errors import Damaged, UnsupportedFormat

HEAD = 4096
"""Bytes from the beginning that are enough for `sniff`."""

_PICTURE = "Export it as PNG or JPEG first."
_SOUND = "Save it as WAV, FLAC, OGG or MP3 first."
_VIDEO = "Save one frame as PNG, or its sound as WAV, and attach that."
_ARCHIVE = "Unpack it and attach the pictures themselves."
_RAW = "Develop it in a photo program and export it as TIFF or JPEG."
_OTHER = "Attach a PNG, JPEG, WebP, AVIF, HEIC or TIFF picture, or a WAV, FLAC, OGG or MP3 sound."

_OPENED: tuple[tuple[bytes, str], ...] = (
    (b"\x89PNG\r\n\x1a\n", "image/png"),
    (b"\xff\xd8\xff", "image/jpeg"),
    (b"II*\0", "image/tiff"),
    (b"MM\0*", "image/tiff"),
    (b"II+\0", "image/tiff"),
    (b"MM\0+", "image/tiff"),
    (b"fLaC", "audio/flac"),
    (b"OggS", "audio/ogg"),
    (b"ID3", "audio/mpeg"),
)

_NOT_OPENED: tuple[tuple[bytes, str, str], ...] = (
    (b"GIF8", "a GIF, made for animations and few colours", _PICTURE),
    (b"BM", "a BMP picture", _PICTURE),
    (b"\0\0\1\0", "an icon file", _PICTURE),
    (b"8BPS", "a Photoshop document", _PICTURE),
    (b"gimp xcf", "a GIMP document", _PICTURE),
    (b"\0\0\0\x0cjP  ", "a JPEG 2000 picture", _PICTURE),
    (b"\xff\x4f\xff\x51", "a JPEG 2000 picture", _PICTURE),
    (b"\0\0\0\x0cJXL ", "a JPEG XL picture", _PICTURE),
    (b"\xff\x0a", "a JPEG XL picture", _PICTURE),
    (b"\x76\x2f\x31\x01", "an OpenEXR picture", _PICTURE),
    (b"#?RADIANCE", "a Radiance HDR picture", _PICTURE),
    (b"DDS ", "a game texture", _PICTURE),
    (b"%!PS", "a PostScript drawing, not a photo", _PICTURE),
    (b"\xc5\xd0\xd3\xc6", "a PostScript drawing, not a photo", _PICTURE),
    (b"AT&TFORM", "a DjVu document", _PICTURE),
    (b"FUJIFILMCCD-RAW", "a camera raw file (RAF)", _RAW),
    (b"IIRO", "a camera raw file (ORF)", _RAW),
    (b"IIRS", "a camera raw file (ORF)", _RAW),
    (b"IIU\0", "a camera raw file (RW2)", _RAW),
    (b"\0MRM", "a camera raw file (MRW)", _RAW),
    (b"FOVb", "a camera raw file (X3F)", _RAW),
    (b"\x1aE\xdf\xa3", "a video", _VIDEO),
    (b"FLV\1", "a video", _VIDEO),
    (b"\0\0\1\xba", "a video", _VIDEO),
    (b"\0\0\1\xb3", "a video", _VIDEO),
    (b"\x30\x26\xb2\x75\x8e\x66\xcf\x11", "a Windows Media file", _VIDEO),
    (b"MThd", "a MIDI file: notes, not sound", _SOUND),
    (b"#!AMR", "an AMR sound", _SOUND),
    (b"caff", "a Core Audio sound", _SOUND),
    (b".snd", "an AU sound", _SOUND),
    (b"PK\3\4", "a ZIP archive or an office document", _ARCHIVE),
    (b"\x1f\x8b", "a compressed archive", _ARCHIVE),
    (b"7z\xbc\xaf", "a compressed archive", _ARCHIVE),
    (b"Rar!", "a compressed archive", _ARCHIVE),
    (b"BZh", "a compressed archive", _ARCHIVE),
    (b"\xfd7zXZ", "a compressed archive", _ARCHIVE),
    (b"\x7fELF", "a program", _OTHER),
    (b"MZ", "a program", _OTHER),
)


_HEIC_BRANDS = {b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"hevm", b"hevs", b"mif1", b"msf1"}
_AVIF_BRANDS = {b"avif", b"avis"}


def sniff(data: bytes) -> str:
    """The media type of a file that may be opened, from its first `HEAD` bytes.

    Raises Damaged for an empty file and UnsupportedFormat, saying what the file is, for everything else.
    """
    head = data[:HEAD]
    if not head:
        raise Damaged("This file is empty.", "Choose another one, or copy it again.")
    for magic, what, hint in _NOT_OPENED:
        if head.startswith(magic):
            raise _refusal(what, hint)
    _refuse_lookalikes(head)
    for magic, media_type in _OPENED:
        if head.startswith(magic):
            return media_type
    return _riff(head) or _boxes(head) or _mp3(head) or _stranger(head)


def _refusal(what: str, hint: str) -> UnsupportedFormat:
    return UnsupportedFormat(f"This is {what}; it cannot be opened here.", hint)


def _refuse_lookalikes(head: bytes) -> None:
    """What begins like a kind that is opened, and says otherwise a little later."""
    if head.startswith(b"II*\0") and head[8:10] == b"CR":
        raise _refusal("a camera raw file (CR2)", _RAW)
    if head.startswith(b"OggS") and b"\x80theora" in head[:64]:
        raise _refusal("a video", _VIDEO)
    if head.startswith(b"FORM") and head[8:12] in (b"AIFF", b"AIFC"):
        raise _refusal("an AIFF sound", _SOUND)


def _riff(head: bytes) -> str | None:
    if not head.startswith((b"RIFF", b"RF64")):
        return None
    match head[8:12]:
        case b"WEBP":
            return "image/webp"
        case b"WAVE":
            return "audio/wav"
        case b"AVI ":
            raise _refusal("a video", _VIDEO)
    return None


def _boxes(head: bytes) -> str | None:
    """The ISO base media family: HEIC, AVIF, raw files, sounds and films differ only in their brands."""
    if head[4:8] != b"ftyp":
        return None
    length = int.from_bytes(head[:4], "big")
    brands = {head[8:12]} | {head[at : at + 4] for at in range(16, min(length, len(head)), 4)}
    if brands & _AVIF_BRANDS:
        return "image/avif"
    if brands & _HEIC_BRANDS:
        return "image/heic"
    if b"crx " in brands:
        raise _refusal("a camera raw file (CR3)", _RAW)
    if head[8:11] in (b"M4A", b"M4B"):
        raise _refusal("an AAC sound (M4A)", _SOUND)
    raise _refusal("a video", _VIDEO)


def _mp3(head: bytes) -> str | None:
    """An MPEG frame header without an ID3 tag: sync, layer III, a bit rate and a sampling rate that exist."""
    if len(head) < 4 or head[0] != 0xFF or head[1] & 0xE0 != 0xE0:
        return None
    if head[1] & 0xF6 == 0xF0:
        raise _refusal("an AAC sound", _SOUND)
    layer_three = head[1] >> 1 & 3 == 1
    return "audio/mpeg" if layer_three and head[2] >> 4 != 15 and head[2] >> 2 & 3 != 3 else None


def _stranger(head: bytes) -> str:
    text = head.removeprefix(b"\xef\xbb\xbf").lstrip().lower()
    if text.startswith((b"<svg", b"<?xml", b"<!--", b"<!doctype svg")) and b"<svg" in text:
        raise _refusal("an SVG drawing, not a photo", "Export it as PNG first.")
    if b"%pdf-" in text[:1024]:
        raise _refusal("a PDF document", "Export the page as PNG or JPEG first.")
    if text.startswith((b"<!doctype html", b"<html")):
        raise _refusal("a web page, not a picture", "Save the picture itself and attach that.")
    if _is_text(text):
        raise _refusal("a text file", "Paste its words into the message instead.")
    raise UnsupportedFormat("This is not a picture or a sound of a kind that can be opened here.", _OTHER)


def _is_text(head: bytes) -> bool:
    try:
        words = codecs.getincrementaldecoder("utf-8")().decode(head)
    except UnicodeDecodeError:
        return False
    return words != "" and all(letter.isprintable() or letter.isspace() for letter in words)
