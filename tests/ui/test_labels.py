"""What people call their photos and branches is text in labels, whatever it looks like."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ui.labels import plain


@pytest.mark.parametrize(
    ("text", "label"),
    [
        ("kitchen table", "kitchen table"),
        ("$a$ *b* :red[c]", r"\$a\$ \*b\* \:red\[c\]"),
        ("![x](https://example.org/a.png)", r"\!\[x\]\(https\:\/\/example\.org\/a\.png\)"),
        ("16:9", r"16\:9"),
        (":cat:.jpg", "\\:\u2060cat\\:\\.jpg"),
        (":material/add:", "\\:\u2060material\\/add\\:"),
        ("two\n\n# lines", r"two \# lines"),
    ],
)
def test_nothing_is_left_that_markdown_means_something_by(text, label):
    assert plain(text) == label


@given(st.text())
def test_without_its_backslashes_it_is_the_text(text):
    shown = re.sub(r"\\([!-/:-@\[-`{-~])", r"\1", plain(text))
    assert shown.replace("\u2060", "") == " ".join(text.split()).replace("\u2060", "")
