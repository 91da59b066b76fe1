"""`text`: where it stands, that it fits, that it can be read, and that nothing else changes."""

from typing import get_args

import numpy as np
import pytest

from sessions.errors import BadArguments
from sessions.values import IDENTITY
from tests.tools.darkroom.shapes import PHOTOS, refused, run, translucent
from tools.edits.darkroom.text import MARGIN, SHADOW, SMALLEST, Place, break_lines, legible, text
from tools.pixels import mask_box

GREY = np.full((400, 600, 3), 90, np.uint8)


def letters(result, color=(255, 255, 255)) -> tuple[int, int, int, int]:
    """x0, y0, x1, y1 of the pixels that have the text's colour."""
    box = mask_box((result.image.pixels[..., :3] == color).all(axis=2).astype(np.uint8))
    assert box is not None
    return box


@pytest.mark.parametrize("name", PHOTOS)
def test_only_what_the_mask_says_changes(name):
    pixels = PHOTOS[name]
    result = run(text, pixels, text="Hello world", at="center", size=0.1)
    changed = (result.image.pixels != pixels).any(axis=2)
    assert set(np.unique(result.mask)) == {0, 255} and result.geometry == IDENTITY
    assert not changed[result.mask == 0].any()
    assert changed[result.mask == 255].mean() > 0.8 and changed.mean() < 0.25


@pytest.mark.parametrize("at", get_args(Place))
def test_nine_places(at):
    x0, y0, x1, y1 = letters(run(text, GREY, text="Hxxx", at=at, size=0.08))
    room = round(MARGIN * 400)
    if "left" in at:
        assert x0 == pytest.approx(room, abs=2)
    elif "right" in at:
        assert x1 == pytest.approx(600 - room, abs=2)
    else:
        assert (x0 + x1) / 2 == pytest.approx(300, abs=2)
    if "top" in at:
        assert y0 == pytest.approx(room, abs=2)
    elif "bottom" in at:
        assert y1 == pytest.approx(400 - room, abs=2)
    else:
        assert (y0 + y1) / 2 == pytest.approx(200, abs=2)


def test_a_point_is_the_middle_of_the_text_if_it_can_be():
    x0, y0, x1, y1 = letters(run(text, GREY, text="HHHH", at=[0.4, 0.3], size=0.08))
    assert ((x0 + x1) / 2, (y0 + y1) / 2) == pytest.approx((240, 120), abs=2)
    for at in ([0, 0], [1, 1], [0, 1]):
        x0, y0, x1, y1 = letters(run(text, GREY, text="HHHH", at=at, size=0.08))
        assert x0 >= 19 and y0 >= 19 and x1 <= 581 and y1 <= 381


def test_size_is_a_fraction_of_the_height():
    heights = [letters(run(text, GREY, text="HH", size=size))[3::-2] for size in (0.1, 0.2)]
    small, large = (bottom - top for bottom, top in heights)
    assert large / small == pytest.approx(2, rel=0.1)
    assert small == pytest.approx(0.7 * 40, abs=3)


@pytest.mark.parametrize("size", [0.05, 0.2, 0.5])
@pytest.mark.parametrize(
    "words",
    ["A long line that has to be broken somewhere " * 4, "x" * 200, "日本語の文章" * 20, "one\ntwo\n\nthree", "jÅ"],
)
@pytest.mark.parametrize("shape", [(400, 600), (600, 130), (90, 600), (150, 150)])
def test_the_text_stays_inside(words, size, shape):
    result = run(text, np.full((*shape, 3), 90, np.uint8), text=words.strip()[:200], size=size, at="top left")
    room = round(MARGIN * min(shape))
    x0, y0, x1, y1 = letters(result) if result.facts["size"] * shape[0] > 12 else (room, room, room, room)
    assert x0 >= room and y0 >= room and x1 <= shape[1] - room and y1 <= shape[0] - room
    assert result.facts["size"] <= max(size, SMALLEST / shape[0]) + 0.01


def test_lines_are_broken_evenly_and_no_word_is_left_alone():
    words = "The quick brown fox jumps over the lazy dog and back"
    lines = break_lines(words, 500, 40)
    assert " ".join(lines) == words and len(lines) > 1
    lengths = [len(line) for line in lines]
    assert max(lengths) - min(lengths) <= 8
    assert break_lines("one\ntwo", 500, 40) == ["one", "two"]


def test_letters_shrink_before_words_break():
    result = run(text, np.full((400, 200, 3), 90, np.uint8), text="Extraordinary", size=0.3)
    _, y0, _, y1 = letters(result)
    assert result.facts["size"] < 0.1 and y1 - y0 < 0.1 * 400


def test_what_cannot_fit_is_refused():
    for shape in ((1, 1, 3), (8, 8, 3), (5, 500, 3)):
        with pytest.raises(BadArguments, match="no room"):
            run(text, np.zeros(shape, np.uint8), text="Hello", size=0.5)


@pytest.mark.parametrize(
    "word", ["Łódź", "Größe", "Çağlar", "€5 ½ © ®", "Привет", "Ωμέγα", "你好", "こんにちは", "안녕", "e\u0301"]
)
def test_letters_of_many_languages(word):
    assert run(text, GREY, text=word).mask.any()


@pytest.mark.parametrize(
    ("words", "named"), [("nice 😀!", "😀"), ("مرحبا", "م"), ("שלום", "ש"), ("नमस्ते", "न"), ("a👩‍👩b", "👩")]
)
def test_letters_the_font_lacks_are_named(words, named):
    with pytest.raises(BadArguments) as caught:
        run(text, GREY, text=words)
    assert named in caught.value.message and "nice" not in caught.value.message and caught.value.hint


def test_a_question_mark_can_be_shown():
    assert run(text, GREY, text="Why?").mask.any()


# --- colour -----------------------------------------------------------------------------------------------------------


def contrast(a: float, b: float) -> float:
    return (max(a, b) + 0.05) / (min(a, b) + 0.05)


@pytest.mark.parametrize("grey", [0, 60, 120, 150, 180, 200, 255])
def test_the_colour_left_out_can_be_read(grey):
    """Large letters need a contrast of 3 against what is around them, here with their shadow (WCAG 2.2, 1.4.3)."""
    plain = np.full((300, 300, 3), grey, np.uint8)
    result = run(text, plain, text="HHH", at="center", size=0.3)
    value = int(legible(plain)[1:3], 16)
    out = result.image.pixels[..., 0]
    x0, y0, _, y1 = letters(result, (value,) * 3)
    beside = out[y0:y1, x0 - 4 : x0 - 1].mean()
    assert contrast((value / 255) ** 2.2, (beside / 255) ** 2.2) >= 3


def test_white_on_dark_and_black_on_light():
    assert run(text, PHOTOS["rocket"], text="Hi", at="top").facts["color"] == "#ffffff"
    assert run(text, np.full((200, 300, 3), 250, np.uint8), text="Hi").facts["color"] == "#161616"


def test_a_colour_that_was_given_is_used():
    result = run(text, GREY, text="HHH", size=0.2, color="#FFD400")
    x0, _, x1, _ = letters(result, (255, 212, 0))
    assert x1 - x0 > 50 and result.facts["color"] == "#ffd400"


def test_the_shadow_is_soft_and_ends():
    result = run(text, GREY, text="H", at="center", size=0.3)
    x0, y0, x1, y1 = letters(result)
    reach = SHADOW * 0.3 * 400 + 3
    bx0, by0, bx1, by1 = mask_box(result.mask)
    assert x0 - reach <= bx0 < x0 - 10 and x1 + 10 < bx1 <= x1 + reach and y0 - reach <= by0 and by1 <= y1 + reach
    row = result.image.pixels[(y0 + y1) // 2, bx0 : x0 - 2, 0].astype(int)
    assert (np.diff(row) <= 0).all() and row[0] > 86 and row[-1] < 70 and np.abs(np.diff(row)).max() < 20


# --- alpha ------------------------------------------------------------------------------------------------------------


def test_text_shows_on_transparent_ground_and_the_rest_stays():
    pixels = translucent(PHOTOS["cat"])
    result = run(text, pixels, text="HHHHHH", at="left", size=0.2)
    out = result.image.pixels
    assert np.array_equal(out[result.mask == 0], pixels[result.mask == 0])
    white = (out[..., :3] == 255).all(axis=2) & (result.mask > 0)
    assert white.sum() > 500 and (out[white, 3] == 255).mean() > 0.8
    assert (out[..., 3] >= pixels[..., 3]).all()


def test_hidden_colours_do_not_shine_through_the_letters_edges():
    clear_green = np.zeros((200, 300, 4), np.uint8)
    clear_green[..., 1] = 255
    out = run(text, clear_green, text="Hey", at="center", size=0.3).image.pixels
    drawn = out[out[..., 3] > 0].astype(int)
    assert len(drawn) > 2000 and np.abs(drawn[:, 1] - drawn[:, 0]).max() <= 1


# --- arguments --------------------------------------------------------------------------------------------------------


def test_what_is_refused():
    assert "no text" in refused(text, text=" \n ") and refused(text, text="")
    assert refused(text, text="x" * 201)
    assert (
        refused(text, text="x", at="above")
        and refused(text, text="x", at=[0.5, 1.2])
        and refused(text, text="x", size=0)
    )


def test_invisible_characters_are_left_out():
    assert text.args(text=" a\u200b\ufe0f  b\t c\x07 \n d ").text == "a b c\nd"


def test_the_same_words_give_the_same_pixels():
    a, b = (run(text, PHOTOS["coffee"], text="Twice").image.pixels for _ in range(2))
    assert np.array_equal(a, b)
