"""Every worked example of the documentation prints what the page says."""

import pytest

from tests.docs.console import BLOCK, ROOT, commands, filled

PAGES = [path for path in sorted((ROOT / "docs").glob("*.md")) if BLOCK.search(path.read_text(encoding="utf-8"))]


@pytest.mark.reliability
@pytest.mark.parametrize("path", PAGES, ids=[path.name for path in PAGES])
def test_the_commands_of_a_page_print_what_it_says(path):
    page = path.read_text(encoding="utf-8")
    assert filled(page) == page, f"python -m tests.docs.console docs/{path.name}"


def test_there_are_examples():
    assert sum(len(list(commands(path.read_text(encoding="utf-8")))) for path in PAGES) >= 20
