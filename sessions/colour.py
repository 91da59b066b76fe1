"""Brings a decoded picture to sRGB: embedded ICC profiles, coded primaries (HEIC, AVIF, PNG), CMYK, Lab.

Runs inside the decode worker, on Pillow images; says in a notice what could not be carried over. Alpha is untouched.
"""

from __future__ import annotations

import itertools
import struct
from functools import cache
from io import BytesIO

from PIL import Image, ImageChops, ImageCms

_INTENT = ImageCms.Intent.RELATIVE_COLORIMETRIC
_FLAGS = ImageCms.Flags.BLACKPOINTCOMPENSATION

_PROFILE_ERRORS = (ImageCms.PyCMSError, OSError, ValueError, TypeError, AttributeError)

CMYK = "Print colours (CMYK) were converted to sRGB; some shades may look different."
VIVID = "The most vivid colours of this picture lie outside sRGB; they were brought to its edge."
BROKEN = "The colour profile is damaged or does not fit; it was ignored, so colours may be slightly off."
HDR = "This is an HDR picture; its brightness was read as an ordinary one, so it may look flat."

XYZ = tuple[float, float, float]

# Columns of the RGB → XYZ matrix at D50 (Bradford), by H.273 colour primaries: BT.2020 and Display P3.
_COLORANTS = {
    9: ((0.67348, 0.27904, -0.00194), (0.16567, 0.67535, 0.02998), (0.12505, 0.04561, 0.79686)),
    12: ((0.51512, 0.24120, -0.00105), (0.29198, 0.69225, 0.04189), (0.15710, 0.06657, 0.78407)),
}
_HDR_TRANSFERS = {16, 18}
_D50 = (0.9642, 1.0, 0.8249)
_SRGB_CURVE = (2.4, 1 / 1.055, 0.055 / 1.055, 1 / 12.92, 0.04045)


def to_srgb(image: Image.Image, profile: bytes | None, coded: tuple[int, int] | None) -> tuple[Image.Image, list[str]]:
    """The picture in sRGB, mode RGB or RGBA, and what was lost on the way.

    `image` has mode L, LA, RGB, RGBA, CMYK or LAB. `profile`: the embedded ICC profile. `coded`: colour primaries and
    transfer characteristics as numbers of ITU-T H.273, which count only where there is no profile.
    """
    notices = [CMYK] if image.mode == "CMYK" else []
    if profile is None and coded and coded[0] in _COLORANTS and image.mode in ("RGB", "RGBA"):
        profile = matrix_profile(*_COLORANTS[coded[0]])
    if coded and coded[1] in _HDR_TRANSFERS:
        notices.append(HDR)
    if profile:
        try:
            image, vivid = _through(image, ImageCms.ImageCmsProfile(BytesIO(profile)))
            notices += [VIVID] if vivid else []
        except _PROFILE_ERRORS:
            notices.append(BROKEN)
    return _plain(image), notices


def _plain(image: Image.Image) -> Image.Image:
    if image.mode == "LAB":
        lab = ImageCms.ImageCmsProfile(ImageCms.createProfile("LAB"))
        return _transform(lab, _srgb(), "LAB", "RGB").apply(image)
    mode = "RGBA" if image.mode in ("LA", "RGBA") else "RGB"
    return image if image.mode == mode else image.convert(mode)


def _through(image: Image.Image, profile: ImageCms.ImageCmsProfile) -> tuple[Image.Image, bool]:
    """The picture brought through its profile, and whether visible colour was lost. Raises ValueError for a misfit."""
    space = profile.profile.xcolor_space.strip()
    match space, image.mode:
        case "GRAY", "L" | "LA":
            return _grey_through(image, profile), False
        case "CMYK", "CMYK":
            return _transform(profile, _srgb(), "CMYK", "RGB").apply(image), False
        case "Lab", "LAB":
            return image, False
        case "RGB", "L" | "LA" | "RGB" | "RGBA":
            return _rgb_through(_plain(image), profile)
    raise ValueError(f"a {space} profile on {image.mode} pixels")


def _grey_through(image: Image.Image, profile: ImageCms.ImageCmsProfile) -> Image.Image:
    """By a table of all 256 greys: the engine's own shortcut for grey pictures is off by up to ten levels."""
    ramp = Image.frombytes("L", (256, 1), bytes(range(256)))
    exact = ImageCms.ImageCmsTransform(profile, _srgb(), "L", "RGB", _INTENT, flags=_FLAGS | ImageCms.Flags.NOOPTIMIZE)
    tables = [list(channel.tobytes()) for channel in exact.apply(ramp).split()]
    grey, *alpha = image.split()
    return Image.merge("RGBA" if alpha else "RGB", [*(grey.point(table) for table in tables), *alpha])


def _rgb_through(image: Image.Image, profile: ImageCms.ImageCmsProfile) -> tuple[Image.Image, bool]:
    if _same_as_srgb(profile):
        return image, False
    vivid = _loses_colour(image, profile)
    _transform(profile, _srgb(), image.mode, image.mode).apply_in_place(image)
    return image, vivid


def _same_as_srgb(profile: ImageCms.ImageCmsProfile) -> bool:
    """Measured on a grid of colours, not believed from the name: then the pixels can stay as they are, bit for bit."""
    grid = bytes(itertools.chain.from_iterable(itertools.product(range(0, 256, 15), repeat=3)))
    probe = Image.frombytes("RGB", (18 * 18, 18), grid)
    return not any(_differences(probe, _transform(profile, _srgb(), "RGB", "RGB").apply(probe))[3:])


def _loses_colour(image: Image.Image, profile: ImageCms.ImageCmsProfile) -> bool:
    """Whether more than one pixel in a thousand of a sample does not come back from sRGB."""
    size = min(image.width, 256), min(image.height, 256)
    sample = image.resize(size, Image.Resampling.NEAREST).convert("RGB")
    there = _transform(profile, _srgb(), "RGB", "RGB").apply(sample)
    try:
        back = _transform(_srgb(), profile, "RGB", "RGB").apply(there)
    except _PROFILE_ERRORS:
        return False  # a profile of a scanner: it can only be read from
    return sum(_differences(sample, back)[9:]) * 1000 > size[0] * size[1]


def _differences(a: Image.Image, b: Image.Image) -> list[int]:
    """How many pixels differ by 0, 1, … 255 levels in their worst channel."""
    red, green, blue = ImageChops.difference(a, b).split()
    return ImageChops.lighter(ImageChops.lighter(red, green), blue).histogram()


def _transform(
    source: ImageCms.ImageCmsProfile, target: ImageCms.ImageCmsProfile, in_mode: str, out_mode: str
) -> ImageCms.ImageCmsTransform:
    return ImageCms.ImageCmsTransform(source, target, in_mode, out_mode, _INTENT, flags=_FLAGS)


@cache
def _srgb() -> ImageCms.ImageCmsProfile:
    return ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB"))


def matrix_profile(red: XYZ, green: XYZ, blue: XYZ) -> bytes:
    """An ICC display profile (version 4) of three primaries, as XYZ at D50, under the sRGB curve."""
    curve = b"para" + struct.pack(">4xHxx5i", 3, *map(_fixed, _SRGB_CURVE))
    blocks = [_xyz(red), _xyz(green), _xyz(blue), _xyz(_D50), curve]
    names = [(b"rXYZ", 0), (b"gXYZ", 1), (b"bXYZ", 2), (b"wtpt", 3), (b"rTRC", 4), (b"gTRC", 4), (b"bTRC", 4)]
    start = 128 + 4 + 12 * len(names)
    offsets = [start + sum(map(len, blocks[:index])) for index in range(len(blocks))]
    table = b"".join(struct.pack(">4sII", name, offsets[index], len(blocks[index])) for name, index in names)
    body = struct.pack(">I", len(names)) + table + b"".join(blocks)
    header = struct.pack(">I4xI4s4s4s12x4s28x", 128 + len(body), 0x04300000, b"mntr", b"RGB ", b"XYZ ", b"acsp")
    return header + struct.pack(">3i", *map(_fixed, _D50)) + bytes(48) + body


def _xyz(value: XYZ) -> bytes:
    return b"XYZ " + struct.pack(">4x3i", *map(_fixed, value))


def _fixed(value: float) -> int:
    """s15Fixed16, the number format of ICC."""
    return round(value * 65536)
