"""What comes out of the door: upright sRGB pixels, alpha, sound, facts, notices, limits; what bad workers lead to."""

from __future__ import annotations

import io
import os
import subprocess
import sys

import numpy as np
import piexif
import pytest
import soundfile
from PIL import Image

from sessions import colour, decode_picture, decode_sound, limits
from sessions.errors import DecoderFailed, Refused, TooLarge, UnsupportedFormat
from sessions.intake import admit, admit_file, check_attachments, check_message
from tests.reliability.hostile.files import (
    adobe_rgb,
    chunk,
    cmyk_profile,
    encoded,
    exif,
    grey_profile,
    photo,
    png,
    sound,
)

P3 = colour.matrix_profile(*colour._COLORANTS[12])


def pixels(data: bytes) -> np.ndarray:
    return admit(data).picture.pixels


def worst(a: np.ndarray, b: np.ndarray) -> int:
    return int(np.abs(a.astype(int) - b.astype(int)).max())


# ---- pixels


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "TIFF", "WEBP", "AVIF"])
@pytest.mark.parametrize("orientation", range(1, 9))
def test_orientation_is_applied(kind, orientation):
    upright = np.asarray(photo().crop((0, 0, 48, 32)))
    stored = {  # how a camera held that way writes the upright picture
        1: upright,
        2: upright[:, ::-1],
        3: upright[::-1, ::-1],
        4: upright[::-1],
        5: upright.transpose(1, 0, 2),
        6: np.rot90(upright, 1),
        7: upright[::-1, ::-1].transpose(1, 0, 2),
        8: np.rot90(upright, -1),
    }[orientation]
    options = {"JPEG": {"quality": 100, "subsampling": 0}, "WEBP": {"lossless": True}, "AVIF": {"quality": 95}}
    data = encoded(Image.fromarray(stored), kind, exif=exif(orientation), **options.get(kind, {}))
    got = pixels(data)
    assert got.shape == upright.shape
    assert np.abs(got.astype(int) - upright).mean() < (4 if kind in ("JPEG", "AVIF") else 0.001)


def test_heic_is_turned_once():
    """HEIC says it twice, in a box and in EXIF; only the box counts."""
    upright = np.asarray(photo().crop((0, 0, 48, 32)))
    got = pixels(encoded(Image.fromarray(np.rot90(upright, 1)), "HEIF", exif=exif(6).tobytes(), quality=95))
    assert np.abs(got.astype(int) - upright).mean() < 6


def test_alpha_is_kept():
    for mode in ("RGBA", "LA"):
        image = photo(mode)
        assert (pixels(encoded(image, "PNG")) == np.asarray(image.convert("RGBA"))).all()
    keyed = pixels(png(2, 1, b"\0" + bytes((1, 2, 3, 9, 9, 9)), extra=chunk(b"tRNS", bytes((0, 1, 0, 2, 0, 3)))))
    assert keyed.tolist() == [[[1, 2, 3, 0], [9, 9, 9, 255]]]


def test_palette_transparency_becomes_alpha():
    palette = chunk(b"PLTE", bytes((255, 0, 0, 0, 0, 255))) + chunk(b"tRNS", bytes((128,)))
    assert pixels(png(2, 1, bytes((0, 0, 1)), 8, 3, palette)).tolist() == [[[255, 0, 0, 128], [0, 0, 255, 255]]]


@pytest.mark.parametrize("colours", [0, 2])
def test_sixteen_bits_become_eight(colours):
    values = [0, 128, 257 * 77, 65535]
    row = b"".join(value.to_bytes(2, "big") * (3 if colours else 1) for value in values)
    admitted = admit(png(4, 1, b"\0" + row, 16, colours))
    assert worst(admitted.picture.pixels[0, :, 0], np.array([0, 0, 77, 255])) <= 1
    assert admitted.notices == (decode_picture.DEPTH,)


def test_a_sixteen_bit_colour_key_is_scaled_too():
    row = (b"\x4d\x20" * 3) + (b"\x10\x10" * 3)
    got = pixels(png(2, 1, b"\0" + row, 16, 2, chunk(b"tRNS", b"\x4d\x20" * 3)))
    assert got[..., 3].tolist() == [[0, 255]]


def test_pixels_are_read_only_and_lossless_and_outlive_the_door():
    image = photo()
    admitted = admit(encoded(image, "PNG"))
    got = admitted.picture.pixels
    del admitted
    assert type(got) is np.ndarray and not got.flags.writeable and (got == np.asarray(image)).all()


# ---- colour


def primaries(*points: tuple[float, float]) -> np.ndarray:
    """RGB → XYZ at D65 from the xy chromaticities of red, green and blue."""
    columns = np.array([(x / y, 1.0, (1 - x - y) / y) for x, y in points]).T
    white = np.array([0.3127 / 0.3290, 1.0, (1 - 0.3127 - 0.3290) / 0.3290])
    return columns * np.linalg.solve(columns, white)


SRGB = primaries((0.64, 0.33), (0.30, 0.60), (0.15, 0.06))


def srgb_curve(linear: np.ndarray) -> np.ndarray:
    return np.where(linear <= 0.0031308, 12.92 * linear, 1.055 * np.maximum(linear, 1e-9) ** (1 / 2.4) - 0.055)


def linear_srgb(value: np.ndarray) -> np.ndarray:
    return np.where(value <= 0.04045, value / 12.92, ((value + 0.055) / 1.055) ** 2.4)


def expected(rgb: np.ndarray, space: np.ndarray, curve) -> np.ndarray:
    linear = curve(rgb / 255) @ space.T @ np.linalg.inv(SRGB).T
    return np.rint(255 * srgb_curve(linear.clip(0, 1)))


def muted() -> np.ndarray:
    """Colours that lie inside sRGB whatever wide space they are read in."""
    return np.random.default_rng(7).integers(96, 160, (24, 24, 3)).astype(np.uint8)


WIDE = {
    "Display P3": (P3, primaries((0.68, 0.32), (0.265, 0.69), (0.15, 0.06)), linear_srgb),
    "AdobeRGB": (adobe_rgb(), primaries((0.64, 0.33), (0.21, 0.71), (0.15, 0.06)), lambda v: v ** (563 / 256)),
}


@pytest.mark.parametrize("name", WIDE)
def test_wide_colours_are_converted(name):
    profile, space, curve = WIDE[name]
    stored = muted()
    admitted = admit(encoded(Image.fromarray(stored), "PNG", icc_profile=profile))
    assert worst(admitted.picture.pixels, expected(stored, space, curve)) <= 1
    assert worst(admitted.picture.pixels, stored) > 3
    assert admitted.notices == ()


@pytest.mark.parametrize("name", WIDE)
def test_a_notice_where_colours_do_not_fit_into_srgb(name):
    profile, space, curve = WIDE[name]
    stored = np.zeros((8, 8, 3), np.uint8)
    stored[..., 1] = 255
    admitted = admit(encoded(Image.fromarray(stored), "PNG", icc_profile=profile))
    assert admitted.notices == (colour.VIVID,)
    assert worst(admitted.picture.pixels, expected(stored, space, curve)) <= 2


def test_alpha_and_grey_under_a_wide_profile():
    rgba = np.dstack([muted(), np.arange(576, dtype=np.uint8).reshape(24, 24)])
    got = pixels(encoded(Image.fromarray(rgba), "PNG", icc_profile=P3))
    assert (got[..., 3] == rgba[..., 3]).all() and worst(got[..., :3], rgba[..., :3]) > 3
    grey = photo("LA")
    got = pixels(encoded(grey, "PNG", icc_profile=P3))
    assert worst(got, np.asarray(grey.convert("RGBA"))) <= 1


def test_a_grey_profile_is_applied():
    stored = np.arange(256, dtype=np.uint8).reshape(16, 16)
    got = pixels(encoded(Image.fromarray(stored), "PNG", icc_profile=grey_profile(1.0)))
    assert worst(got[..., 0], np.rint(255 * srgb_curve(stored / 255))) <= 1
    alpha = Image.merge("LA", [Image.fromarray(stored), Image.fromarray(stored.T.copy())])
    assert (pixels(encoded(alpha, "PNG", icc_profile=grey_profile(1.0)))[..., 3] == stored.T).all()


def test_an_srgb_profile_changes_no_pixel():
    image, srgb = photo(), colour.ImageCms.ImageCmsProfile(colour.ImageCms.createProfile("sRGB")).tobytes()
    admitted = admit(encoded(image, "PNG", icc_profile=srgb))
    assert (admitted.picture.pixels == np.asarray(image)).all() and admitted.notices == ()


@pytest.mark.parametrize("profile", [b"\0" * 200, P3[:150], P3[:-40], grey_profile(2.2), cmyk_profile((1, 2, 3))])
def test_a_broken_or_wrong_profile_is_a_notice(profile):
    image = photo()
    admitted = admit(encoded(image, "PNG", icc_profile=profile))
    assert admitted.notices == (colour.BROKEN,)
    assert (admitted.picture.pixels == np.asarray(image)).all()


def test_cmyk_goes_through_its_own_profile():
    cyan = Image.new("CMYK", (8, 8), (255, 0, 0, 0))
    plain, managed = (
        admit(encoded(cyan, "TIFF", **options)) for options in ({}, {"icc_profile": cmyk_profile((140, 91, 78))})
    )
    assert plain.picture.pixels[0, 0].tolist() == [0, 255, 255]
    assert worst(managed.picture.pixels[0, 0], np.array([0, 145, 216])) <= 6  # Lab (55, −37, −50)
    assert plain.notices == managed.notices == (colour.CMYK,)


def test_jpeg_cmyk_is_not_inverted():
    white = admit(encoded(Image.new("CMYK", (8, 8), (0, 0, 0, 0)), "JPEG"))
    assert white.picture.pixels.min() >= 254


@pytest.mark.parametrize("kind", ["AVIF", "HEIF"])
def test_coded_primaries_count_where_there_is_no_profile(kind):
    flat = Image.new("RGB", (32, 32), (160, 110, 96))
    data = encoded(flat, kind, quality=95)
    at = data.index(b"colrnclx") + 8
    coded = data[:at] + (12).to_bytes(2, "big") + (13).to_bytes(2, "big") + data[at + 4 :]
    want = expected(np.array([160, 110, 96]), WIDE["Display P3"][1], linear_srgb)
    assert worst(pixels(coded)[8, 8], want) <= 4
    assert worst(pixels(data)[8, 8], np.array([160, 110, 96])) <= 4 < worst(want, np.array([160, 110, 96]))
    hdr = data[:at] + (9).to_bytes(2, "big") + (16).to_bytes(2, "big") + data[at + 4 :]
    assert colour.HDR in admit(hdr).notices


def test_png_cicp_counts_too():
    rows = b"".join(b"\0" + row.tobytes() for row in muted())
    got = pixels(png(24, 24, rows, extra=chunk(b"cICP", bytes((12, 13, 0, 1)))))
    assert worst(got, expected(muted(), *WIDE["Display P3"][1:])) <= 1


# ---- what is kept of the file


def test_facts_are_read_and_nothing_else():
    block = piexif.load(exif(taken="2024:05:01 12:30:00", artist="nobody").tobytes())
    block["0th"][piexif.ImageIFD.Copyright] = ("© Ada\n Lovelace " + "x" * 500).encode()
    data = encoded(photo(), "JPEG", exif=piexif.dump(block), comment=b"SECRETCOMMENT")
    admitted = admit(data)
    assert admitted.taken_at == "2024:05:01 12:30:00"
    assert admitted.copyright.startswith("© Ada Lovelace xxx") and len(admitted.copyright) == 200
    assert admitted.original == data
    values = repr([value for name, value in vars(admitted).items() if name not in ("original", "picture")])
    assert "SECRET" not in values and "48" not in values
    assert set(vars(admitted.picture)) == {"pixels"} and admitted.picture.size == (48, 48)


@pytest.mark.parametrize("taken", ["yesterday", "2024-05-01", "2024:05:01 12:30:00; DROP"])
def test_a_date_is_a_date(taken):
    admitted = admit(encoded(photo(), "JPEG", exif=exif(taken=taken, artist="Ada")))
    assert admitted.taken_at is None and admitted.copyright == "Ada"


def test_damaged_exif_counts_as_none():
    good = piexif.dump({"0th": {piexif.ImageIFD.Orientation: 6}})
    for cut in (b"Exif\0\0", good[:14], good[:10] + b"\xff" * 40, b"Exif\0\0MM\0*\xff\xff\xff\xff"):
        assert admit(encoded(photo(), "JPEG", exif=cut)).picture.size == (48, 48)


# ---- sound


def samples(flac: bytes) -> tuple[np.ndarray, soundfile._SoundFileInfo]:
    data, _ = soundfile.read(io.BytesIO(flac), dtype="int32", always_2d=True)
    return data, soundfile.info(io.BytesIO(flac))


@pytest.mark.parametrize(("subtype", "kept"), [("PCM_16", "PCM_16"), ("PCM_24", "PCM_24"), ("FLOAT", "PCM_24")])
@pytest.mark.parametrize("channels", [1, 2])
def test_sound_is_kept_to_the_last_bit(subtype, kept, channels):
    data = sound("WAV", subtype, channels=channels)
    admitted = admit(data)
    got, info = samples(admitted.audio)
    want, _ = soundfile.read(io.BytesIO(data), always_2d=True)
    assert np.abs(got / 2**31 - want).max() <= (2**-23 if subtype == "FLOAT" else 0)
    assert (info.subtype, info.channels, info.samplerate) == (kept, channels, 44_100)
    assert admitted.seconds == 0.5 and admitted.picture is None and admitted.notices == ()


@pytest.mark.parametrize("kind", ["OGG", "MP3", "FLAC"])
def test_other_sounds_become_flac(kind):
    admitted = admit(sound(kind))
    got, info = samples(admitted.audio)
    assert info.subtype == "PCM_16" and abs(admitted.seconds - 0.5) < 0.03
    assert 0.15 < np.abs(got / 2**31).mean() * np.pi / 2 < 0.45


def test_six_channels_are_mixed_into_one():
    got, info = samples(admit(sound("WAV", channels=6)).audio)
    want, _ = soundfile.read(io.BytesIO(sound("WAV", channels=6)), dtype="int16")
    assert info.channels == 1 and worst(got[:, 0] >> 16, want.mean(axis=1)) <= 1


def test_what_is_too_loud_is_cut_and_said():
    loud, fine = io.BytesIO(), io.BytesIO()
    soundfile.write(loud, np.array([0.0, 3.0, -3.0, 0.5]), 8000, format="WAV", subtype="FLOAT")
    soundfile.write(fine, np.array([0.0, 1.0, -1.0, 0.5]), 8000, format="WAV", subtype="FLOAT")
    admitted = admit(loud.getvalue())
    got, _ = samples(admitted.audio)
    assert worst(got[:, 0] >> 8, np.array([0, 2**23 - 1, -(2**23), 2**22])) <= 1
    assert admitted.notices == (decode_sound.CLIPPED,) and admit(fine.getvalue()).notices == ()


def test_sixty_seconds_pass():
    assert admit(sound("WAV", seconds=60, channels=1, rate=8000)).seconds == 60


# ---- limits and words


def test_too_many_bytes():
    with pytest.raises(TooLarge, match=r"picture has 50\.0 MB; the limit is 50 MB"):
        admit(b"\xff\xd8\xff" + bytes(limits.PICTURE_BYTES))
    with pytest.raises(TooLarge, match="limit is 20 MB"):
        admit(b"fLaC" + bytes(limits.SOUND_BYTES))


def test_a_local_file(tmp_path):
    good, pipe = tmp_path / "photo.txt", tmp_path / "pipe.png"
    good.write_bytes(encoded(photo(), "PNG"))
    os.mkfifo(pipe)
    assert admit_file(good).picture.size == (48, 48)
    for path, words in ((pipe, "not a file"), (tmp_path, "not a file"), (tmp_path / "no.png", "cannot be read")):
        with pytest.raises(Refused, match=words):
            admit_file(path)


def test_a_large_local_file_is_judged_before_it_is_read(tmp_path, monkeypatch):
    sparse = tmp_path / "big.png"
    sparse.write_bytes(encoded(photo(), "PNG"))
    os.truncate(sparse, 2**40)
    with pytest.raises(TooLarge, match=r"big\.png: This picture has 1099511\.6 MB"):
        admit_file(sparse)


def test_names_are_words_only():
    with pytest.raises(UnsupportedFormat) as caught:
        admit(b"GIF89a", "../../etc/\x1b[31mpasswd\n" * 30)
    assert caught.value.message.isprintable() and len(caught.value.message) < 250


def test_messages():
    assert check_message("  make it\r\nwarmer\tcafe\u0301 \n") == "make it\nwarmer\tcafé"
    assert check_message("") == ""
    assert check_message("é" * limits.MESSAGE_CHARACTERS) == "é" * 4000
    for text in ("x" * 4001, "\u0344" * 4000):  # the second doubles when it is normalised
        with pytest.raises(TooLarge):
            check_message(text)
    for text in ("a\0b", "a\x1b[0m", "a\x7f", "a\ud800"):
        with pytest.raises(Refused, match="control character"):
            check_message(text)


def test_attachments():
    check_attachments(8)
    with pytest.raises(TooLarge):
        check_attachments(9)


# ---- the process behind the door


def test_the_door_is_cheap_to_import():
    script = "import sys, sessions.intake; print(sys.modules.keys() & {'PIL', 'soundfile', 'pillow_heif', 'cv2'})"
    assert (
        subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True).stdout == "set()\n"
    )


def instead_of_the_worker(tmp_path, monkeypatch, script: str) -> None:
    """Run a shell script where the door would run Python; $4 is the media type, $PYTHON the real interpreter."""
    fake = tmp_path / "python"
    fake.write_text(f"#!/bin/sh\nPYTHON='{sys.executable}'\n{script}\n")
    fake.chmod(0o755)
    monkeypatch.setattr(sys, "executable", str(fake))


@pytest.mark.parametrize(
    "script",
    [
        "exit 3",
        "kill -SEGV $$",
        "exit 0",
        "echo garbage",
        "echo '[]'",
        "echo 7",
        'echo \'{"refused": "not_found"}\'',
        'printf \'{"mode": "RGB", "width": 9, "height": 9, "notices": []}\\nshort\'',
        'printf \'{"mode": "RGB", "width": 1, "height": 1, "notices": []}\\nabcd\'',
        'printf \'{"mode": "L", "width": 1, "height": 1, "notices": []}\\nx\'',
        'printf \'{"mode": "RGB", "width": -1, "height": -1, "notices": []}\\nabc\'',
        'printf \'{"mode": "RGB", "width": 1, "height": 1, "notices": 5}\\nabc\'',
        'printf \'{"mode": "RGB", "width": 1e999, "height": 1, "notices": []}\\nabc\'',
        "head -c 200000 /dev/zero",
        "head -c 60000 /dev/zero | tr '\\0' '['",
    ],
)
def test_a_worker_that_fails_or_lies_is_a_refusal(tmp_path, monkeypatch, script):
    instead_of_the_worker(tmp_path, monkeypatch, script)
    with pytest.raises(DecoderFailed):
        admit(encoded(photo(), "PNG"))


def test_what_a_decoder_prints_does_not_spoil_the_answer(tmp_path, monkeypatch, capfd):
    noisy = "import os; from sessions import decode_worker as w; decode = w.decode\n"
    noisy += "w.decode = lambda *a: (os.write(1, b'noise'), os.write(2, b'noise'), decode(*a))\nw.main()"
    instead_of_the_worker(tmp_path, monkeypatch, f'exec "$PYTHON" -I -c "{noisy}" "$4"')
    assert (pixels(encoded(photo(), "PNG")) == np.asarray(photo())).all()
    assert capfd.readouterr() == ("", "")


def test_a_worker_that_hangs_is_killed(tmp_path, monkeypatch):
    instead_of_the_worker(tmp_path, monkeypatch, "exec tail -f /dev/null")
    monkeypatch.setattr(limits, "DECODER_WALL_SECONDS", 0.2)
    with pytest.raises(DecoderFailed, match="too long"):
        admit(encoded(photo(), "PNG"))


def test_a_worker_that_spins_runs_out_of_processor_time(tmp_path, monkeypatch):
    spin = "from sessions import decode_worker as w; w.limits.DECODER_CPU_SECONDS = 1; w.confine()\nwhile True: pass"
    instead_of_the_worker(tmp_path, monkeypatch, f'exec "$PYTHON" -I -c "{spin}"')
    with pytest.raises(DecoderFailed, match="gave up"):
        admit(encoded(photo(), "PNG"))


def test_no_room_is_said(monkeypatch):
    def full(**_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("tempfile.TemporaryFile", full)
    with pytest.raises(DecoderFailed, match="no room"):
        admit(encoded(photo(), "PNG"))


def test_the_worker_sees_no_secrets(tmp_path, monkeypatch):
    monkeypatch.setenv("PENTIMENTO_TOKEN", "hush")
    instead_of_the_worker(tmp_path, monkeypatch, f'env > "{tmp_path}/seen"; pwd >> "{tmp_path}/seen"')
    with pytest.raises(DecoderFailed):
        admit(encoded(photo(), "PNG"))
    seen = (tmp_path / "seen").read_text()
    assert "hush" not in seen and seen.endswith("\n/\n")
