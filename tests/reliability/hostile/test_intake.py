"""R16, hand-made half: every file is refused with a sentence or becomes clean pixels or sound. Real door."""

from __future__ import annotations

import pytest

from sessions.errors import Damaged, Refused
from sessions.intake import Admitted, admit
from tests.reliability.hostile.files import Case, cases, chunk, encoded, photo, png, sound


@pytest.mark.parametrize("case", cases(), ids=lambda case: case.name)
def test_hand_made_files(case: Case, capfd):
    try:
        outcome = admit(case.data, "IMG 1.jpg")
    except Refused as refusal:
        assert type(refusal) is case.outcome
        assert case.says in refusal.message and refusal.message.startswith("IMG 1.jpg: ")
    else:
        check_clean(outcome, case)
    assert capfd.readouterr() == ("", "")


def check_clean(outcome: Admitted, case: Case) -> None:
    assert outcome.original == case.data
    assert case.says in " ".join(outcome.notices) and bool(case.says) == bool(outcome.notices)
    if case.outcome == "audio":
        assert outcome.audio is not None and outcome.audio.startswith(b"fLaC") and outcome.picture is None
    else:
        assert outcome.picture is not None and outcome.picture.mode == case.outcome and outcome.audio is None


def test_refusals_help():
    with pytest.raises(Refused) as caught:
        admit(b"<svg/>")
    assert str(caught.value) == (
        "This is an SVG drawing, not a photo; it cannot be opened here. Export it as PNG first."
    )


def cuts(data: bytes, marks: tuple[bytes, ...]) -> list[int]:
    """The places just before and after every mark, and one in the middle of what follows."""
    places = {at + shift for mark in marks for at in range(len(data)) if data.startswith(mark, at) for shift in (0, 9)}
    return sorted(place for place in places if 0 < place < len(data))


BOXES = (b"meta", b"iloc", b"ispe", b"mdat")


@pytest.mark.parametrize(
    ("kind", "options", "marks"),
    [
        ("PNG", {"dpi": (72, 72)}, (b"IHDR", b"pHYs", b"IDAT")),
        ("JPEG", {"quality": 30}, (b"\xff\xdb", b"\xff\xc0", b"\xff\xc4", b"\xff\xda")),
        ("WEBP", {"exif": b"Exif\0\0"}, (b"VP8X", b"VP8 ")),
        pytest.param("AVIF", {}, BOXES, marks=pytest.mark.reliability),
        ("HEIF", {}, BOXES),
        ("TIFF", {"compression": "tiff_lzw"}, (b"II*\0",)),
    ],
)
def test_truncated_at_every_chunk(kind, options, marks):
    data = encoded(photo(), kind, **options)
    places = cuts(data, marks)
    assert places
    for place in places:
        with pytest.raises(Refused):
            admit(data[:place])


def test_a_png_cut_after_its_pixels_is_whole():
    data = encoded(photo(), "PNG")
    whole, cut = admit(data), admit(data[: data.rindex(b"IEND") - 4])
    assert (whole.picture.pixels == cut.picture.pixels).all()


def test_a_profile_bomb_is_refused_or_ignored():
    import zlib

    bomb = chunk(b"iCCP", b"x\0\0" + zlib.compress(bytes(100_000_000), 9))
    try:
        admitted = admit(png(1, 1, bytes(4), extra=bomb))
    except Damaged:
        return
    assert admitted.picture.pixels.tolist() == [[[0, 0, 0]]]


def test_a_sound_under_a_picture_name_is_a_sound():
    assert admit(sound("WAV"), "photo.png").kind == "audio"
