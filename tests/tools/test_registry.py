"""Tools of other packages: found by their entry points, and named where they are none."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from sessions.errors import PlanError
from tools import registry

PAGE = Path(__file__).parents[2] / "docs/adding_a_tool.md"


@pytest.fixture
def package(tmp_path, monkeypatch):
    """Installs a package that offers what it is told to; the registry looks anew before and after."""

    def install(offers: str, text: str = "") -> None:
        (tmp_path / "their_tools.py").write_text(text, encoding="utf-8")
        about = tmp_path / "their_package-1.dist-info"
        about.mkdir()
        (about / "METADATA").write_text("Metadata-Version: 2.1\nName: their-package\nVersion: 1\n", encoding="utf-8")
        (about / "entry_points.txt").write_text(f"[pentimento.tools]\ntheirs = {offers}\n", encoding="utf-8")
        monkeypatch.syspath_prepend(str(tmp_path))

    monkeypatch.delitem(sys.modules, "their_tools", raising=False)
    registry.registered.cache_clear()
    yield install
    sys.modules.pop("their_tools", None)
    registry.registered.cache_clear()


def test_the_tool_of_the_page_works_from_a_package_of_ones_own(package):
    page = PAGE.read_text(encoding="utf-8")
    package("their_tools:sdedit", page.partition("```python\n")[2].partition("```")[0])
    assert "your_package.sdedit:sdedit" in page
    assert registry.get("sdedit").weights == ("text-to-image",)
    assert registry.get("crop")


@pytest.mark.parametrize(
    ("offers", "text", "said"),
    [
        ("their_tools:sdedit", "import nothing_that_is_here", "does not load: No module named 'nothing_that_is_here'"),
        ("their_tools:other", "", "does not load: "),
        ("their_tools", "", "it is no tool"),
        ("their_tools:mine", "from tools.edits.darkroom.crop import Args\nfrom tools.base import tool\n"
         "@tool('crop', args=Args)\ndef mine(ctx, args):\n    \"\"\"Another crop.\"\"\"\n    yield\n",
         "two tools are called crop"),
    ],
)  # fmt: skip
def test_what_is_no_tool_is_named_with_its_package(package, offers, text, said):
    package(offers, text)
    with pytest.raises(PlanError, match=said) as refused:
        registry.registered()
    assert "their-package" in refused.value.message or "their_tools" in refused.value.message
