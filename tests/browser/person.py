"""A person in front of the page: what they do and what they see, for the story's tests, pictures and clock."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from playwright.sync_api import Locator, Page

ROOT = Path(__file__).parents[2]
MODES = {"Picture": "look", "Before / after": "slide", "Mask": "mask", "Brush": "brush", "Box": "box"}

PATIENCE = 120_000
"""Milliseconds; a test machine may be busy."""


@contextmanager
def serving(home: Path, port: int) -> Iterator[str]:
    """The page as `pentimento ui` serves it, over a data folder; its address, as the command prints it."""
    command = [sys.executable, "-m", "ui.cli", "ui", "--no-browser", "--port", str(port)]
    environment = os.environ | {"PENTIMENTO_HOME": str(home), "OMP_NUM_THREADS": "1"}
    with subprocess.Popen(command, cwd=ROOT, env=environment, stdout=subprocess.PIPE, text=True) as server:
        try:
            line = (server.stdout.readline() if server.stdout else "").strip()
            found = re.search(r"http://\S+", line)
            assert found, f"the page did not start: {line!r}"
            yield found[0]
        finally:
            server.send_signal(signal.SIGINT)


class Person:
    """Drives one tab."""

    def __init__(self, page: Page, address: str, album: Path | None = None) -> None:
        self.page = page
        self.address = address
        self.album = album
        page.set_default_timeout(PATIENCE)

    # What they do

    def opens(self, path: str = "/") -> None:
        self.page.goto(f"{self.address}{path}")

    def takes_example(self, name: str) -> None:
        self.presses(f"Use the {name}")
        self.is_at(1)

    def says(self, words: str, *photos: Path) -> None:
        if photos:
            self.page.locator("[data-testid=stChatInput] input[type=file]").set_input_files(photos)
            self.page.locator("[data-testid=stFileChip]").nth(len(photos) - 1).wait_for()
        field = self.page.get_by_test_id("stChatInputTextArea")
        field.fill(words)
        self.page.locator("[data-testid=stChatInputSubmitButton]:enabled").wait_for()  # all files are there
        field.press("Enter")

    def presses(self, label: str) -> None:
        self.page.get_by_role("button", name=label, exact=False).first.click()

    def chooses(self, mode: str) -> None:
        """What the canvas shows: Picture, Before / after, Mask, Brush, Box."""
        self.page.locator(".st-key-tools").get_by_role("radio", name=mode, exact=True).click()
        self.page.locator(f".stage[data-mode={MODES[mode]}]").wait_for()

    def slides_to(self, fraction: float) -> None:
        """Drag the slider's divider to a fraction of the picture's width."""
        box = self.window()
        x, y, width, height = box["x"], box["y"], box["width"], box["height"]
        self.page.mouse.move(x + width * self.divider() / 100, y + height / 2)
        self.page.mouse.down()
        self.page.mouse.move(x + width * fraction, y + height / 2, steps=4)
        self.page.mouse.up()

    def paints(self, *points: tuple[float, float]) -> None:
        """A stroke through points of the picture (fractions), then "use this mask"."""
        self.strokes(*points)
        self.page.locator("[data-do=use]").click()

    def strokes(self, *points: tuple[float, float]) -> None:
        box = self.window()
        spots = [(box["x"] + fx * box["width"], box["y"] + fy * box["height"]) for fx, fy in points]
        self.page.mouse.move(*spots[0])
        self.page.mouse.down()
        for spot in spots[1:]:
            self.page.mouse.move(*spot, steps=8)
        self.page.mouse.up()

    def picks(self, number: int) -> None:
        """Click a revision in the tree."""
        self.node(number).click()

    def goes_to_branch(self, name: str) -> None:
        self.page.locator(".st-key-header").get_by_role("button", name="branch", exact=False).click()
        self.page.get_by_test_id("stPopoverBody").get_by_role("button", name=f"{name} ·", exact=False).click()

    def downloads(self, label: str) -> Path:
        self.page.locator(".st-key-tools").get_by_role("button", name="Download", exact=False).click()
        with self.page.expect_download() as coming:
            self.page.get_by_role("link", name=label, exact=False).click()
        saved = coming.value.path()
        self.page.keyboard.press("Escape")
        return Path(saved)

    # What they see

    def sees(self, words: str | re.Pattern[str]) -> None:
        self.page.get_by_text(words).last.wait_for()

    def hears(self, words: str | re.Pattern[str]) -> None:
        """Wait for a reply of the assistant that has these words, and for the page to be still again."""
        self.page.locator(".said.pentimento", has_text=words).last.wait_for()
        self.page.locator(".st-key-working").wait_for(state="detached")

    def is_at(self, number: int) -> None:
        """Wait until the canvas stands at a revision and its picture is there."""
        self.page.locator(".facts strong", has_text=re.compile(rf"^#{number}\b")).wait_for()
        self.page.wait_for_function(DRAWN)

    def facts(self) -> str:
        return self.page.locator(".facts").first.inner_text()

    def branch(self) -> str:
        return self.page.locator(".st-key-header").get_by_role("button", name="branch", exact=False).inner_text()

    def node(self, number: int) -> Locator:
        return self.page.get_by_role("treeitem", name=re.compile(rf"^#{number}\b"))

    def divider(self) -> float:
        """Where the slider stands, in per cent."""
        return float(self.page.get_by_role("slider", name="earlier picture").get_attribute("aria-valuenow") or "nan")

    def window(self) -> dict[str, float]:
        """Where the picture lies on the screen."""
        box = self.page.locator(".stage .window").bounding_box()
        assert box is not None
        return dict(box)

    def photographs(self, name: str) -> None:
        """A screenshot into the album, where there is one."""
        if self.album is not None:
            self.page.wait_for_function(DRAWN)
            self.page.evaluate("document.querySelector('[data-testid=stMain]').scrollTo(0, 0)")
            self.page.mouse.move(640, 4)  # nothing is hovered
            self.page.screenshot(path=self.album / f"{name}.png")


DRAWN = """() => {
  const roots = [...document.querySelectorAll('*')].map((one) => one.shadowRoot).filter(Boolean);
  const seen = (root, img) => {
    const box = img.getBoundingClientRect();
    return root.elementsFromPoint(box.x + box.width / 2, box.y + box.height / 2).includes(img);
  };
  const loaded = (root, img) => img.complete || (img.loading === 'lazy' && !seen(root, img));
  return [document, ...roots].every((root) => [...root.querySelectorAll('img')].every((img) => loaded(root, img)));
}"""
"""Every picture that is in sight has been loaded."""
