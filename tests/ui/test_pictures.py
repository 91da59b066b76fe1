"""R19: a written picture holds pixels and nothing of the file they came from."""

import io
import random

import piexif
import pytest
from PIL import Image, ImageCms, PngImagePlugin
from skimage import data

from agent.assistant import Assistant
from sessions.store import Store
from tests.agent.conftest import ScriptedPlanner
from ui import pictures

SECRET = b"SECRETPLACE"
KINDS = ("JPEG", "PNG", "WEBP", "TIFF")


def laden(kind: str, seed: int) -> bytes:
    """A photo with EXIF, a GPS place, a thumbnail, XMP, a comment, a colour profile, and bytes behind its end."""
    at = random.Random(seed).randrange(200)
    picture = Image.fromarray(data.coffee()[at : at + 40, at : at + 60])
    thumbnail = io.BytesIO()
    picture.save(thumbnail, "JPEG")
    exif = piexif.dump(
        {
            "0th": {piexif.ImageIFD.Make: SECRET, piexif.ImageIFD.Orientation: seed % 8 + 1},
            "GPS": {piexif.GPSIFD.GPSMapDatum: SECRET},
            "Exif": {piexif.ExifIFD.UserComment: SECRET},
            "1st": {},
            "thumbnail": thumbnail.getvalue(),
        }
    )
    more: dict = {"exif": exif, "icc_profile": ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()}
    if kind == "PNG":
        more["pnginfo"] = PngImagePlugin.PngInfo()
        more["pnginfo"].add_text("Comment", SECRET.decode())
    if kind == "WEBP":
        more["xmp"] = SECRET
    file = io.BytesIO()
    picture.save(file, kind, **more)
    return file.getvalue() + (SECRET if kind != "TIFF" else b"")


@pytest.mark.parametrize("kind", KINDS)
def test_nothing_of_the_file_survives_but_pixels(tmp_path, kind):
    store = Store(tmp_path / "home")
    assistant = Assistant(store, ScriptedPlanner())
    for seed in range(8):
        file = laden(kind, seed)
        assert SECRET in file
        _, root = assistant.new((f"x.{kind.lower()}", file))
        for ending in ("png", "jpg", "webp", "tiff"):
            written = pictures.write(store, root, tmp_path / f"{seed}.{ending}").read_bytes()
            assert SECRET not in written
            assert b"Exif" not in written
            with Image.open(io.BytesIO(written)) as picture:
                assert not picture.getexif() or ending == "tiff"
                assert picture.size == ((60, 40) if root.width == 60 else (40, 60))
    store.close()


@pytest.mark.reliability
def test_two_hundred_laden_files(tmp_path):
    store = Store(tmp_path / "home")
    assistant = Assistant(store, ScriptedPlanner())
    for seed in range(200):
        _, root = assistant.new(("x", laden(KINDS[seed % 4], seed)))
        written = pictures.write(store, root, tmp_path / f"{seed}.png").read_bytes()
        assert SECRET not in written
        assert not any(chunk in written for chunk in (b"eXIf", b"iTXt", b"tEXt"))
    store.close()
