"""Names of one line, and words without what cannot be shown."""

from __future__ import annotations

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sessions.limits import NAME_CHARACTERS
from sessions.words import UNSHOWN, clean_name, cleaned

ANYTHING = st.text(st.characters(), max_size=300) | st.text(
    st.sampled_from("a \x00\x1b\x9b\n\ud800\u202e"), max_size=300
)


@pytest.mark.parametrize(
    ("said", "kept"),
    [
        ("cat.png", "cat.png"),
        ("Zoë, 猫 🐈.jpg", "Zoë, 猫 🐈.jpg"),
        ("a\x1b]0;owned\x07\x1b[31mb.png", "a]0;owned[31mb.png"),
        ("bad\udcff.png", "bad\ufffd.png"),
        ("a\0b\u202e.png", "ab.png"),
        (" Photo at 3.04\u202fPM\n.png ", "Photo at 3.04 PM .png"),
        ("\x00\x1b", ""),
        ("x" * 199 + ".png", "x" * 100 + "…" + "x" * 95 + ".png"),
    ],
)
def test_names(said, kept):
    assert clean_name(said) == kept


@given(ANYTHING)
def test_a_clean_name_is_clean_and_stays_as_it_is(text):
    name = clean_name(text)
    assert name.isprintable() and len(name) <= NAME_CHARACTERS and clean_name(name) == name == name.strip()
    name.encode()
    assert not UNSHOWN.search(name)


def test_what_cannot_be_shown_is_control_characters_and_surrogates():
    every = map(chr, range(0x110000))
    unshown = {letter for letter in every if unicodedata.category(letter) in ("Cc", "Cs")} - {"\n", "\t"}
    assert set(UNSHOWN.findall("".join(map(chr, range(0x110000))))) == unshown


def test_json_is_cleaned_wherever_a_text_is():
    assert cleaned({"a\x07": ["b\x1b[m", {"c": "d\ne\x00"}], "n": 5, "t": True, "x": None}) == {
        "a": ["b[m", {"c": "d\ne"}], "n": 5, "t": True, "x": None
    }  # fmt: skip
