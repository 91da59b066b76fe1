"""People's text where Streamlit reads Markdown: in the labels of buttons and popovers, in errors and captions.

Makes it show as it was typed, and nothing else: no formulas, no colours, no pictures from elsewhere.
"""

from __future__ import annotations

import re

_MARKUP = re.compile(r"[!-/:-@\[-`{-~]")
_SHORTCODE = re.compile(r":(?=[\w+/-]+:)")
"""The beginning of `:smile:` or `:material/add:`, which Streamlit looks for even behind a backslash."""


def plain(text: str) -> str:
    """Markdown that shows a line of text as it is (CommonMark 0.31, 2.4: ASCII punctuation behind a backslash)."""
    return _MARKUP.sub(r"\\\g<0>", _SHORTCODE.sub(":\u2060", " ".join(text.split())))
