"""Pictures as files: what is in them and what never is, sizes, budgets, metadata, the original as it came."""

import io

import numpy as np
import piexif
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image, ImageCms
from pydantic import ValidationError
from skimage import data

from agent.encoding import SMALLEST, Imprint, best_quality, encoder
from agent.export import Options, encode, options_of, parse_bytes, weight
from sessions import history, intake, uploads
from sessions.errors import BadArguments, NotFound
from sessions.store import Store
from sessions.values import Picture
from tests.agent.conftest import png

FORMATS = ("jpeg", "png", "webp", "tiff")
TAKEN, OWNER, SECRET = "2024:05:01 12:30:00", "© 2024 Zoë", b"SECRETPLACE"


def opened(data: bytes) -> Image.Image:
    image = Image.open(io.BytesIO(data))
    image.load()
    return image


def jpeg_with_everything() -> bytes:
    """A photo with a date, a copyright line, and much that must never come out again."""
    exif = piexif.dump(
        {
            "0th": {piexif.ImageIFD.Copyright: OWNER.encode(), piexif.ImageIFD.Make: SECRET},
            "Exif": {piexif.ExifIFD.DateTimeOriginal: TAKEN, piexif.ExifIFD.UserComment: SECRET},
            "GPS": {piexif.GPSIFD.GPSMapDatum: SECRET},
        }
    )
    file = io.BytesIO()
    Image.fromarray(data.coffee()).save(file, "JPEG", exif=exif, quality=95)
    return file.getvalue()


def add(store: Store, file: bytes, name: str = "cup.jpg"):
    """A session that begins with this file; its root."""
    session = store.create_session(name).id
    asset = uploads.receive(store, session, intake.admit(file, name), name)
    return uploads.root(store, session, asset, "main")[0]


@pytest.fixture
def cup(store):
    return add(store, jpeg_with_everything())


# --- formats ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", FORMATS)
def test_each_format_holds_the_picture_and_an_srgb_profile(store, cup, kind):
    made = encode(store, cup, Options(format=kind))
    image = opened(made.data)
    assert (image.format, image.size) == (kind.upper(), (600, 400))
    assert made.media_type == f"image/{kind}"
    assert made.name == f"cup-1.{'jpg' if kind == 'jpeg' else kind}"
    profile = ImageCms.ImageCmsProfile(io.BytesIO(image.info["icc_profile"]))
    assert "sRGB" in ImageCms.getProfileDescription(profile)
    off = np.abs(np.asarray(image).astype(int) - store.picture(cup.session, cup.image).pixels)
    assert off.max() == 0 if kind in ("png", "tiff") else off.mean() < 3


@pytest.mark.parametrize("kind", FORMATS)
def test_the_same_picture_gives_the_same_file(store, cup, kind):
    assert encode(store, cup, Options(format=kind)).data == encode(store, cup, Options(format=kind)).data


def test_a_jpeg_is_progressive_and_keeps_all_colour_at_high_quality(store, cup):
    high, low = (opened(encode(store, cup, Options(quality=q)).data) for q in (95, 80))
    assert high.info["progressive"]
    assert [part[1:3] for part in high.layer] == [(1, 1)] * 3
    assert [part[1:3] for part in low.layer] == [(2, 2), (1, 1), (1, 1)]


def test_noise_can_be_written_too():
    noise = Picture(np.random.default_rng(0).integers(0, 256, (900, 900, 3), np.uint8))
    for kind in FORMATS:
        assert opened(encoder(kind, Imprint())(noise, 100)).size == (900, 900)


def test_transparency_turns_white_in_a_jpeg_and_stays_elsewhere(store):
    pixels = np.zeros((40, 60, 4), np.uint8)
    pixels[:, 30:] = (200, 30, 30, 255)
    root = add(store, png(pixels), "logo.png")
    made = encode(store, root, Options(quality=100))
    assert "white" in made.notes[0]
    assert np.asarray(opened(made.data))[20, 5].min() > 250
    for kind in ("png", "webp", "tiff"):
        made = encode(store, root, Options(format=kind))
        assert made.notes == ()
        assert np.array_equal(np.asarray(opened(made.data))[..., 3], pixels[..., 3])


def test_webp_says_how_wide_it_may_be():
    with pytest.raises(BadArguments, match="16383"):
        encoder("webp", Imprint())(Picture(np.zeros((2, 16_384, 3), np.uint8)), 90)


# --- size -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("size", "came"),
    [
        ("300", (300, 200)),
        ("300x150", (225, 150)),
        ("150x", (150, 100)),
        ("x100", (150, 100)),
        ("50%", (300, 200)),
        ("200 %", (1200, 800)),
        ("1200", (600, 400)),
        ("1200x800", (600, 400)),
        ("300 px", (300, 200)),
        ("300 × 150", (225, 150)),
    ],
)
def test_sizes(store, cup, size, came):
    made = encode(store, cup, Options(size=size))
    assert (made.width, made.height) == opened(made.data).size == came
    assert bool(made.notes) == size.startswith("1200")


def test_a_size_beyond_all_bounds_is_a_sentence(store, cup):
    with pytest.raises(BadArguments, match="megapixels"):
        encode(store, cup, Options(size="2000%"))


# --- budgets ----------------------------------------------------------------------------------------------------------


def test_the_budget_is_met_with_the_highest_quality_that_does(store, cup):
    for kind in ("jpeg", "webp"):
        limit = 45_000
        made = encode(store, cup, Options(format=kind, max_bytes=limit))
        assert len(made.data) <= limit
        assert (made.width, made.height) == (600, 400)
        assert len(encode(store, cup, Options(format=kind, quality=made.quality + 1)).data) > limit


def test_a_quality_asked_for_is_never_exceeded(store, cup):
    made = encode(store, cup, Options(quality=40, max_bytes="5MB"))
    assert made.quality == 40
    assert made.data == encode(store, cup, Options(quality=40)).data


def test_a_small_budget_makes_the_picture_smaller_and_says_so(store, cup):
    for kind in ("jpeg", "png"):
        made = encode(store, cup, Options(format=kind, max_bytes=150_000 if kind == "png" else 12_000))
        assert len(made.data) <= (150_000 if kind == "png" else 12_000)
        assert SMALLEST <= made.width < 600
        assert f"{made.width}×{made.height}" in made.notes[0]
        assert made.quality is None or made.quality >= 60


def test_a_size_asked_for_is_kept_and_the_quality_gives_way(store, cup):
    made = encode(store, cup, Options(size="500", max_bytes=8_000))
    assert (made.width, made.quality < 60) == (500, True)
    assert len(made.data) <= 8_000


@pytest.mark.parametrize("kind", FORMATS)
def test_an_impossible_budget_is_a_sentence_that_names_the_least(store, cup, kind):
    with pytest.raises(BadArguments, match=r"^900 bytes are too few: the smallest file has \d+ kB, at \d+×\d+\. Allow"):
        encode(store, cup, Options(format=kind, max_bytes=900))


@settings(deadline=None, max_examples=60)
@given(
    st.lists(st.integers(1, 50), min_size=100, max_size=100),
    st.integers(0, 3000),
    st.floats(0.2, 5),
    st.integers(1, 100),
)
def test_the_search_is_exact_however_far_the_sample_is_off(steps, limit, off, start):
    """A pretended encoder whose files grow with quality; the sample's grow too, but otherwise."""
    sizes = np.cumsum(steps)
    whole = Picture(np.zeros((2000, 2000, 3), np.uint8))

    def pretend(picture: Picture, quality: int) -> bytes:
        exact = int(sizes[quality - 1])
        return bytes(exact if picture is whole else max(1, int(exact * off / 4)))

    quality, file = best_quality(whole, pretend, range(start, 101), limit)
    fits = [q for q in range(start, 101) if sizes[q - 1] <= limit]
    assert quality == (fits[-1] if fits else start)
    assert len(file) == sizes[quality - 1]


def test_the_search_encodes_the_whole_picture_three_times_at_most():
    large = Picture(np.tile(data.coffee(), (5, 5, 1)))
    whole: list[int] = []
    write = encoder("jpeg", Imprint())

    def counted(picture: Picture, quality: int) -> bytes:
        whole.extend([quality] if picture is large else [])
        return write(picture, quality)

    for limit in (400_000, 700_000, 1_500_000):
        whole.clear()
        best_quality(large, counted, range(10, 96), limit)
        assert len(whole) <= 3


# --- what a file says -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", FORMATS)
def test_nothing_but_pixels_unless_asked_and_never_the_place(store, cup, kind):
    plain = encode(store, cup, Options(format=kind)).data
    for unwanted in (SECRET, TAKEN.encode(), OWNER.encode(), b"Exif"):
        assert unwanted not in plain
    kept = encode(store, cup, Options(format=kind, keep="date, copyright"))
    assert kept.notes == ()
    assert SECRET not in kept.data
    assert TAKEN.encode() in kept.data
    assert OWNER.encode() in kept.data
    assert not opened(kept.data).getexif().get_ifd(0x8825)


@pytest.mark.parametrize("kind", ["jpeg", "png", "webp"])
def test_what_was_kept_comes_in_again_through_the_door(store, cup, kind):
    admitted = intake.admit(encode(store, cup, Options(format=kind, keep=("date", "copyright"))).data)
    assert (admitted.taken_at, admitted.copyright) == (TAKEN, OWNER)
    admitted = intake.admit(encode(store, cup, Options(format=kind, keep=("copyright",))).data)
    assert (admitted.taken_at, admitted.copyright) == (None, OWNER)


def test_what_the_photo_does_not_carry_is_said(store):
    made = encode(store, add(store, png(data.chelsea()[:50, :50])), Options(keep=("date",)))
    assert made.notes == ("The photo carries no date.",)


# --- the original -----------------------------------------------------------------------------------------------------


def test_the_original_comes_back_byte_for_byte(say, store, session, cat):
    say({"tool": "flip", "args": {"axis": "horizontal"}})
    head = history.graph(store, session).head
    made = encode(store, head, Options(original=True))
    assert (made.data, made.name, made.media_type) == (cat, "cat.png", "image/png")


def test_the_original_keeps_its_own_name_and_type_but_no_folders(store):
    file = jpeg_with_everything()
    made = encode(store, add(store, file, "../../etc/.my cup.JPG"), Options(original=True))
    assert (made.data, made.name, made.media_type) == (file, "my cup.JPG", "image/jpeg")


def test_another_owner_gets_nothing(store, cup):
    other = Store(store.home, owner="eve")
    for options in (Options(original=True), Options()):
        with pytest.raises(NotFound):
            encode(other, cup, options)
    other.close()


# --- options ----------------------------------------------------------------------------------------------------------


def test_options_in_the_words_of_people():
    said = {"format": "JPG", "max_bytes": "1.5 MB", "size": "1200 × 800", "keep": "date,copyright", "quality": 80}
    made = options_of(said)
    assert (made.format, made.max_bytes, made.size, made.keep) == (
        "jpeg",
        1_500_000,
        "1200x800",
        ("date", "copyright"),
    )
    assert Options.model_validate(made.model_dump(mode="json", exclude_defaults=True)) == made
    assert [parse_bytes(one) for one in ("900", "500kB", "500 k", "2MB", "1 MiB")] == [
        900,
        500_000,
        500_000,
        2_000_000,
        1_000_000,
    ]
    assert [weight(n) for n in (900, 212_300, 4_560_000)] == ["900 bytes", "212 kB", "4.6 MB"]


@pytest.mark.parametrize("size", ["20000%", "999999%", "3000%"])
@pytest.mark.parametrize("kind", ["jpeg", "webp"])
def test_a_size_beyond_what_a_picture_may_have_is_a_sentence(store, cup, kind, size):
    with pytest.raises(BadArguments, match="Ask for a smaller size"):
        encode(store, cup, Options(format=kind, size=size))


@pytest.mark.parametrize(
    "said",
    [
        {"format": "gif"},
        {"quality": 0},
        {"quality": 101},
        {"size": "big"},
        {"size": "x"},
        {"size": "0x100"},
        {"size": "0%"},
        {"max_bytes": "lots"},
        {"max_bytes": 0},
        {"max_bytes": "9" * 400},
        {"size": "9" * 5000},
        {"size": "9" * 5000 + "%"},
        {"size": "1x" + "9" * 5000},
        {"keep": "gps"},
        {"keep": "location"},
        {"original": True, "format": "png"},
        {"frame": 3},
    ],
)
def test_what_does_not_fit_is_a_sentence(said):
    with pytest.raises(BadArguments) as caught:
        options_of(said)
    assert "\n" not in caught.value.message
    with pytest.raises(ValidationError):
        Options.model_validate(said)


def test_lossless_formats_say_that_quality_is_nothing_to_them(store, cup):
    made = encode(store, cup, Options(format="png", quality=50))
    assert made.quality is None
    assert "PNG" in made.notes[0]


@pytest.mark.parametrize(("name", "file"), [("", "photo-1.jpg"), ("a/b\\c.d.png", "c.d-1.jpg"), ("..", "photo-1.jpg")])
def test_names_of_files(store, name, file):
    assert encode(store, add(store, png(data.chelsea()[:20, :20]), name), Options()).name == file
