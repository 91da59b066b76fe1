"""Hand-made files for the door: honest ones of every kind, broken ones, bombs, polyglots, and what must be turned away.

Each case names the outcome that is promised: a mode of canonical pixels, "audio", or a class of refusal. Makes bytes
only; the tests do the asking.
"""

from __future__ import annotations

import io
import struct
import zlib
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache, partial

import numpy as np
import pillow_heif
import soundfile
import tifffile
from PIL import Image, ImageCms
from skimage import data as photos

from sessions.errors import Damaged, Refused, TooLarge, UnsupportedFormat

pillow_heif.register_heif_opener()


@dataclass(frozen=True)
class Case:
    """One file and what must become of it: `outcome`, and words that its notices or its refusal must hold.

    `made`: the file, or what makes it where that takes long.
    """

    name: str
    made: bytes | Callable[[], bytes]
    outcome: str | type[Refused]
    says: str = ""

    @property
    def data(self) -> bytes:
        return self.made if isinstance(self.made, bytes) else self.made()


def photo(mode: str = "RGB", size: int = 48) -> Image.Image:
    """The astronaut's face, small; alpha, where the mode has it, is a ramp from left to right."""
    face = _face().resize((size, size))
    if mode in ("RGBA", "LA", "PA"):
        face.putalpha(Image.linear_gradient("L").rotate(90).resize((size, size)))
    return face.convert(mode)


@cache
def _face() -> Image.Image:
    return Image.fromarray(photos.astronaut()[0:256, 96:352])


def encoded(image: Image.Image, kind: str, **options: object) -> bytes:
    """The file of that kind; `kind` as Pillow names formats."""
    file = io.BytesIO()
    image.save(file, kind, **options)
    return file.getvalue()


def film(kind: str) -> bytes:
    """Three pictures in one file."""
    first, *rest = (photo().rotate(angle) for angle in (30, 60, 90))
    return encoded(first, kind, save_all=True, append_images=rest)


def chunk(kind: bytes, body: bytes) -> bytes:
    """One PNG chunk with its length and checksum."""
    return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))


def png(width: int, height: int, rows: bytes, depth: int = 8, colour: int = 2, extra: bytes = b"") -> bytes:
    """A PNG put together by hand: `rows` are filtered scan lines, `extra` are chunks before the pixels."""
    header = chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, depth, colour, 0, 0, 0))
    pixels = chunk(b"IDAT", zlib.compress(rows, 9)) + chunk(b"IEND", b"")
    return b"\x89PNG\r\n\x1a\n" + header + extra + pixels


def png_bomb(side: int) -> bytes:
    """Black, `side` × `side`, honest in every byte: about a thousand times larger unpacked."""
    packer = zlib.compressobj(9)
    row = bytes(1 + side * 3)
    body = b"".join(packer.compress(row) for _ in range(side)) + packer.flush()
    header = chunk(b"IHDR", struct.pack(">IIBBBBB", side, side, 8, 2, 0, 0, 0))
    return b"\x89PNG\r\n\x1a\n" + header + chunk(b"IDAT", body) + chunk(b"IEND", b"")


def text_bomb() -> bytes:
    """A PNG of one pixel with a note of 80 million characters."""
    note = chunk(b"zTXt", b"note\0\0" + zlib.compress(bytes(80_000_000), 9))
    return png(1, 1, bytes(4), extra=note)


def webp_bomb(side: int) -> bytes:
    """Black, `side` × `side`."""
    return encoded(Image.new("RGB", (side, side)), "WEBP", lossless=True, quality=0, method=0)


def jpeg_sized(width: int, height: int) -> bytes:
    """A small JPEG whose header claims another size."""
    file = bytearray(encoded(photo(), "JPEG"))
    at = file.index(b"\xff\xc0") + 5
    file[at : at + 4] = struct.pack(">HH", height, width)
    return bytes(file)


def webp_sized(width: int, height: int) -> bytes:
    """An extended WebP whose canvas claims another size."""
    file = bytearray(encoded(photo("RGBA"), "WEBP", lossless=True, exif=exif(orientation=1)))
    at = file.index(b"VP8X") + 12
    file[at : at + 6] = (width - 1).to_bytes(3, "little") + (height - 1).to_bytes(3, "little")
    return bytes(file)


def tiff(tags: dict[int, tuple[int, int, int]], next_ifd: int = 0, pixels: bytes = b"") -> bytes:
    """A little-endian TIFF of one directory at byte 8: tag → (type, count, value)."""
    entries = b"".join(struct.pack("<HHII", tag, *tags[tag]) for tag in sorted(tags))
    return b"II*\0" + struct.pack("<IH", 8, len(tags)) + entries + struct.pack("<I", next_ifd) + pixels


def grey_tiff(width: int = 4, height: int = 4, next_ifd: int = 0, **more: tuple[int, int, int]) -> bytes:
    """An uncompressed grey TIFF; `more` are further tags, named `t` and their number."""
    tags = {256: (4, 1, width), 257: (4, 1, height), 258: (3, 1, 8), 259: (3, 1, 1), 262: (3, 1, 1)}
    tags |= {int(name[1:]): value for name, value in more.items()}
    tags |= {277: (3, 1, 1), 278: (4, 1, height), 279: (4, 1, width * height), 273: (4, 1, 0)}
    tags[273] = (4, 1, 8 + 2 + 12 * len(tags) + 4)
    return tiff(tags, next_ifd, bytes(range(16)))


def exif(orientation: int = 1, **facts: object) -> Image.Exif:
    """An EXIF block with a place on earth in it, and what the caller adds (`taken`, `copyright`, `artist`)."""
    block = Image.Exif()
    block[0x0112] = orientation
    block[0x010F] = "SECRETCAM"
    for tag, name in ((0x8298, "copyright"), (0x013B, "artist")):
        if name in facts:
            block[tag] = facts[name]
    if "taken" in facts:
        block.get_ifd(0x8769)[0x9003] = facts["taken"]
    block.get_ifd(0x8825).update({1: "N", 2: (48.0, 51.0, 30.0), 3: "E", 4: (2.0, 17.0, 40.0)})
    return block


def sound(kind: str, subtype: str | None = None, seconds: float = 0.5, channels: int = 2, rate: int = 44_100) -> bytes:
    """A quiet chord, one note per channel."""
    times = np.arange(round(seconds * rate)) / rate
    notes = np.stack([0.3 * np.sin(2 * np.pi * 220 * (channel + 2) * times) for channel in range(channels)], axis=1)
    file = io.BytesIO()
    soundfile.write(file, notes, rate, format=kind, subtype=subtype)
    return file.getvalue()


def adobe_rgb() -> bytes:
    """AdobeRGB (1998) as a version-2 profile: primaries at D50, gamma 563/256."""
    gamma = struct.pack(">4s4xIH2x", b"curv", 1, 563)
    colorants = [(0.60974, 0.31111, 0.01947), (0.20528, 0.62567, 0.06087), (0.14919, 0.06322, 0.74457)]
    tags = {name: xyz(*value) for name, value in zip((b"rXYZ", b"gXYZ", b"bXYZ"), colorants, strict=True)}
    return profile(b"RGB ", b"XYZ ", tags | {b"rTRC": gamma, b"gTRC": gamma, b"bTRC": gamma})


def grey_profile(gamma: float) -> bytes:
    """A grey profile with a tone curve of its own."""
    return profile(b"GRAY", b"XYZ ", {b"kTRC": struct.pack(">4s4xIH2x", b"curv", 1, round(gamma * 256))})


def cmyk_profile(cyan: tuple[int, int, int]) -> bytes:
    """A print profile of sixteen inks and mixtures: paper is white, `cyan` (8-bit Lab) is cyan, black ink is black."""
    points = bytearray()
    for corner in range(16):  # the last ink, black, varies fastest
        c, m, y, k = (corner >> shift & 1 for shift in (3, 2, 1, 0))
        light = 0 if k else 255 * (3 - c - m - y) // 3
        points += bytes(cyan) if (c, m, y, k) == (1, 0, 0, 0) else bytes((light, 128, 128))
    identity = bytes(range(256))
    unit = struct.pack(">9i", *(65536 if at % 4 == 0 else 0 for at in range(9)))
    return profile(
        b"CMYK",
        b"Lab ",
        {b"A2B0": b"mft1" + bytes(4) + bytes((4, 3, 2, 0)) + unit + identity * 4 + points + identity * 3},
    )


def profile(space: bytes, connection: bytes, tags: dict[bytes, bytes]) -> bytes:
    """An ICC profile, version 2, of these tags."""
    tags = {b"wtpt": xyz(0.9642, 1.0, 0.8249)} | tags
    start = 128 + 4 + 12 * len(tags)
    table, body = struct.pack(">I", len(tags)), b""
    for name, value in tags.items():
        table += struct.pack(">4sII", name, start + len(body), len(value))
        body += value + bytes(-len(value) % 4)
    device = b"prtr" if space == b"CMYK" else b"mntr"
    head = struct.pack(">I4xI4s4s4s12x4s28x", start + len(body), 0x02400000, device, space, connection, b"acsp")
    return head + struct.pack(">3i", 63190, 65536, 54061) + bytes(48) + table + body


def xyz(x: float, y: float, z: float) -> bytes:
    """An XYZ tag of ICC."""
    return struct.pack(">4s4x3i", b"XYZ ", *(round(value * 65536) for value in (x, y, z)))


def _pictures() -> list[Case]:
    rgb16 = np.asarray(photo()).astype(np.uint16) * 257
    grey16 = Image.fromarray(rgb16[..., 0])
    heif16 = io.BytesIO()
    pillow_heif.encode("RGB;16", (48, 48), rgb16.tobytes(), heif16)
    tiff16 = io.BytesIO()
    tifffile.imwrite(tiff16, rgb16, photometric="rgb")
    lab = ImageCms.profileToProfile(
        photo(), ImageCms.createProfile("sRGB"), ImageCms.createProfile("LAB"), outputMode="LAB"
    )
    rows16 = b"".join(b"\0" + row.astype(">u2").tobytes() for row in rgb16)
    return [
        Case("png rgb", encoded(photo(), "PNG"), "RGB"),
        Case("png rgba", encoded(photo("RGBA"), "PNG"), "RGBA"),
        Case("png grey", encoded(photo("L"), "PNG"), "RGB"),
        Case("png grey and alpha", encoded(photo("LA"), "PNG"), "RGBA"),
        Case("png palette", encoded(photo("P"), "PNG"), "RGB"),
        Case("png palette with transparency", encoded(photo("P"), "PNG", transparency=3), "RGBA"),
        Case("png with a transparent colour", encoded(photo(), "PNG", transparency=(1, 2, 3)), "RGBA"),
        Case("png one bit", encoded(photo("1"), "PNG"), "RGB"),
        Case("png 16 bit grey", encoded(grey16, "PNG"), "RGB", "reduced to 8"),
        Case("png 16 bit", png(48, 48, rows16, 16), "RGB", "reduced to 8"),
        Case("png 16 bit, keyed", png(48, 48, rows16, 16, 2, chunk(b"tRNS", bytes(6))), "RGBA", "reduced to 8"),
        Case("png animated", film("PNG"), "RGB", "first picture"),
        Case("png as .jpg", encoded(photo(), "PNG"), "RGB"),
        Case("png and html", encoded(photo(), "PNG") + b"<html><script>alert(1)</script></html>", "RGB"),
        Case("jpeg", encoded(photo(), "JPEG"), "RGB"),
        Case("jpeg progressive", encoded(photo(), "JPEG", progressive=True), "RGB"),
        Case("jpeg grey", encoded(photo("L"), "JPEG"), "RGB"),
        Case("jpeg cmyk", encoded(photo("CMYK"), "JPEG"), "RGB", "CMYK"),
        Case("jpeg and zip", encoded(photo(), "JPEG") + b"PK\3\4" + bytes(60), "RGB"),
        Case("jpeg with a comment of html", encoded(photo(), "JPEG", comment=b"<html>" * 20), "RGB"),
        Case("mpo", film("MPO"), "RGB"),
        Case("webp", encoded(photo(), "WEBP"), "RGB"),
        Case("webp lossless alpha", encoded(photo("RGBA"), "WEBP", lossless=True), "RGBA"),
        Case("webp animated", film("WEBP"), "RGB", "first picture"),
        Case("avif", encoded(photo(), "AVIF"), "RGB"),
        Case("avif alpha", encoded(photo("RGBA"), "AVIF"), "RGBA"),
        Case("avif animated", film("AVIF"), "RGB", "first picture"),
        Case("heic", encoded(photo(), "HEIF"), "RGB"),
        Case("heic alpha", encoded(photo("RGBA"), "HEIF"), "RGBA"),
        Case("heic 10 bit", heif16.getvalue(), "RGB", "reduced to 8"),
        Case("heic of several", film("HEIF"), "RGB", "first picture"),
        Case("tiff", encoded(photo(), "TIFF"), "RGB"),
        Case("tiff lzw", encoded(photo("RGBA"), "TIFF", compression="tiff_lzw"), "RGBA"),
        Case("tiff fax", encoded(photo("1"), "TIFF", compression="group4"), "RGB"),
        Case("tiff with jpeg inside", encoded(photo(), "TIFF", compression="jpeg"), "RGB"),
        Case("tiff 16 bit", tiff16.getvalue(), "RGB", "reduced to 8"),
        Case("tiff 16 bit grey", encoded(grey16, "TIFF"), "RGB", "reduced to 8"),
        Case("tiff cmyk", encoded(photo("CMYK"), "TIFF"), "RGB", "CMYK"),
        Case("tiff lab", encoded(lab, "TIFF"), "RGB"),
        Case("tiff big", encoded(photo(), "TIFF", big_tiff=True), "RGB"),
        Case("tiff of pages", film("TIFF"), "RGB", "first picture"),
        Case("tiff, ifd loop", grey_tiff(next_ifd=8), "RGB"),
    ]


def _broken() -> list[Case]:
    jpeg, bad_crc = encoded(photo(), "JPEG"), bytearray(encoded(photo(), "PNG"))
    bad_crc[bad_crc.index(b"IDAT") + 9] ^= 0xFF
    return [
        Case("empty", b"", Damaged, "empty"),
        Case("png 0 × 0", png(0, 0, b""), Damaged),
        Case("png 0 × 5", png(0, 5, bytes(5)), Damaged),
        Case("png 65535 × 1", png(65535, 1, bytes(1 + 65535 * 3)), TooLarge, "16384"),
        Case("png 16385 × 1", png(16385, 1, bytes(1 + 16385 * 3)), TooLarge, "16384"),
        Case("png 1 × 16385", png(1, 16385, bytes(4 * 16385)), TooLarge, "16384"),
        Case("png 16384 × 1", png(16384, 1, bytes(1 + 16384 * 3)), "RGB"),
        Case("png bomb", partial(png_bomb, 9_000), TooLarge, "64 megapixels"),
        Case("png claims 2³¹", png(2**31 - 1, 2**31 - 1, bytes(99)), TooLarge),
        Case("png with a text bomb", text_bomb, Damaged),
        Case("png with a wrong checksum", bytes(bad_crc), Damaged),
        Case("png without pixels", png(4, 4, b""), Damaged),
        Case("png signature only", b"\x89PNG\r\n\x1a\n", Damaged),
        Case("jpeg 65535 × 1", jpeg_sized(65535, 1), TooLarge),
        Case("jpeg 65500 × 65500", jpeg_sized(65500, 65500), TooLarge),
        Case("jpeg 0 rows", jpeg_sized(48, 0), Damaged),
        Case("jpeg cut in half", jpeg[: len(jpeg) // 2], Damaged),
        Case("jpeg of two bytes", b"\xff\xd8", UnsupportedFormat),
        Case("jpeg start only", b"\xff\xd8\xff\xe0", Damaged),
        Case("webp 16384 × 16384", webp_sized(16384, 16384), TooLarge),
        Case("webp 9000 × 9000", partial(webp_bomb, 9_000), TooLarge),
        Case("webp header only", b"RIFF\x0c\0\0\0WEBPVP8 ", Damaged),
        Case("avif header only", b"\0\0\0\x18ftypavif\0\0\0\0avifmif1", Damaged),
        Case("heic header only", b"\0\0\0\x18ftypheic\0\0\0\0heicmif1", Damaged),
        Case("tiff header only", b"II*\0\x08\0\0\0", Damaged),
        Case("tiff 16385 × 1", grey_tiff(16385, 1), TooLarge),
        Case("tiff 16384 × 16384", grey_tiff(16384, 16384), TooLarge),
        Case("tiff without pixels", tiff({256: (4, 1, 4), 257: (4, 1, 4)}), Damaged),
        Case("tiff of measurements", encoded(photo("F"), "TIFF"), UnsupportedFormat, "measurements"),
        Case("wav header only", b"RIFF\x04\0\0\0WAVE", Damaged),
        Case("flac header only", b"fLaC", Damaged),
    ]


def _foreign() -> list[Case]:
    def box(brand: bytes) -> bytes:
        return b"\0\0\0\x14ftyp" + brand + b"\0\0\0\0" + brand + bytes(100)

    refused = {
        "a GIF": encoded(photo(), "GIF"),
        "a BMP": encoded(photo(), "BMP"),
        "an icon": encoded(photo(), "ICO"),
        "an SVG drawing, not a photo": b'<svg xmlns="http://www.w3.org/2000/svg"/>',
        "an SVG drawing": b'\xef\xbb\xbf<?xml version="1.0"?>\n<!DOCTYPE svg>\n<svg/>',
        "a PostScript": b"%!PS-Adobe-3.0 EPSF-3.0\n",
        "a PDF": b"%PDF-1.7\n",
        "a PDF document": b"junk before %PDF-1.4\n",
        "a web page": b"<!DOCTYPE html><html></html>",
        "a text": b"Dear diary,\n",
        "a Photoshop": b"8BPS\0\1" + bytes(40),
        "a JPEG 2000": encoded(photo(), "JPEG2000"),
        "a JPEG XL": b"\xff\x0a" + bytes(40),
        "a camera raw file (CR2)": b"II*\0\x10\0\0\0CR\2\0" + bytes(40),
        "a camera raw file (CR3)": box(b"crx "),
        "a camera raw file (RAF)": b"FUJIFILMCCD-RAW 0201" + bytes(40),
        "a camera raw file;": grey_tiff(t254=(4, 1, 1), t330=(4, 1, 8)),
        "a camera raw": grey_tiff(t50706=(1, 4, 0x00000401)),
        "a video": box(b"isom"),
        "a video;": b"\x1aE\xdf\xa3" + bytes(40),
        "a video; it": b"RIFF\x40\0\0\0AVI LIST" + bytes(40),
        "an AAC": box(b"M4A "),
        "an AIFF": sound("AIFF"),
        "a ZIP": b"PK\3\4" + bytes(40),
        "a compressed": b"\x1f\x8b\x08" + bytes(40),
        "a program": b"\x7fELF" + bytes(40),
        "not a picture or a sound": b"\x07\x93\x11\xfe" * 20,
    }
    return [Case(f"foreign: {says}", data, UnsupportedFormat, says) for says, data in refused.items()]


def _sounds() -> list[Case]:
    wav = sound("WAV")
    endless = wav[:40] + b"\xff\xff\xff\xff" + wav[44:]
    loud = io.BytesIO()
    soundfile.write(loud, np.array([0.0, 3.0, -3.0, np.nan]), 8000, format="WAV", subtype="FLOAT")
    return [
        Case("wav 16", wav, "audio"),
        Case("wav 8 bit mono", sound("WAV", "PCM_U8", channels=1), "audio"),
        Case("wav 24", sound("WAV", "PCM_24"), "audio"),
        Case("wav float, too loud", loud.getvalue(), "audio", "peaks were cut"),
        Case("wav that claims four gigabytes", endless, "audio"),
        Case("wav of six channels", sound("WAV", channels=6), "audio", "6 channels"),
        Case("flac", sound("FLAC"), "audio"),
        Case("ogg", sound("OGG"), "audio"),
        Case("mp3", sound("MP3"), "audio"),
        Case("flac cut in half", sound("FLAC")[:9000], Damaged),
        Case("wav cut in half", wav[:40_000], "audio", "ends early"),
        Case("wav without sound", sound("WAV", seconds=0), Damaged),
        Case("wav of 61 seconds", sound("WAV", seconds=61, channels=1, rate=8000), TooLarge, "60 seconds"),
        Case("mp3 of 61 seconds", sound("MP3", seconds=61, channels=1, rate=8000), TooLarge, "60 seconds"),
        Case("wav at 200 kHz", sound("WAV", rate=200_000), TooLarge, "200000"),
        Case("wav of nine channels", sound("WAV", channels=9), TooLarge, "9 channels"),
    ]


def cases() -> list[Case]:
    """All of them."""
    return _pictures() + _broken() + _foreign() + _sounds()
