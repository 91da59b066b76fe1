"""How quick the page is, in a real browser, and what the work behind it costs: `python -m benchmarks.page [--json]`.

`first_answer_s`: from Enter to the first edited picture drawn, a photo of 1 megapixel, the server warm (median); beside
it the very first message of a server just started. `rerun_ms_200`: a click on the canvas of a session with 200
revisions until the page has drawn what it asked for (median). Chromium must be installed.
"""

from __future__ import annotations

import shutil
import statistics
import tempfile
import time
from pathlib import Path
from typing import Any

from PIL import Image

from agent.runtime import open_store
from agent.settings import Settings
from benchmarks import merge, replay
from benchmarks.measure import photo, report
from tests.browser.conftest import CHROMIUM, QUIET, free_port
from tests.browser.person import Person, serving
from tests.browser.sessions import long_session

MESSAGES = (
    "make it a little warmer",
    "add some contrast",
    "brighten it a bit",
    "make it a bit cooler",
    "add dark corners",
)
RERUNS = 12
REVISIONS = 200


def first_answers(person: Person, picture: Path) -> list[float]:
    """Seconds of each message, the first of them to a server that has just started."""
    person.opens()
    person.says("", picture)
    person.is_at(1)
    taken = []
    for number, words in enumerate(MESSAGES, start=2):
        field = person.page.get_by_test_id("stChatInputTextArea")
        field.fill(words)
        began = time.perf_counter()
        field.press("Enter")
        person.is_at(number)
        taken.append(time.perf_counter() - began)
        person.hears(f"main is at #{number}")
    return taken


def reruns(person: Person, session: str) -> list[float]:
    """Milliseconds from a click to what it asked for, again and again."""
    person.opens(f"/?s={session}")
    person.is_at(REVISIONS)
    person.node(REVISIONS).wait_for()
    taken = []
    for number in range(RERUNS):
        began = time.perf_counter()
        person.chooses("Picture" if number % 2 == 0 else "Before / after")
        taken.append((time.perf_counter() - began) * 1000)
        person.node(REVISIONS).wait_for()
    return taken


def run() -> dict[str, Any]:
    """All figures, in a temporary folder."""
    from playwright.sync_api import sync_playwright

    home = Path(tempfile.mkdtemp(prefix="pentimento-"))
    picture = home / "photo.jpg"
    Image.fromarray(photo(1152, 868).pixels).save(picture, quality=92)
    try:
        with sync_playwright() as playwright, serving(home / "data", free_port()) as address:
            chromium = playwright.chromium.launch(executable_path=CHROMIUM, args=QUIET.split())
            person = Person(chromium.new_page(viewport={"width": 1280, "height": 800}), address)
            cold, *warm = first_answers(person, picture)
            clicks = reruns(person, long_session(open_store(Settings(home=home / "data")), REVISIONS))
            chromium.close()
    finally:
        shutil.rmtree(home)
    return {
        "first_answer_s": round(statistics.median(warm), 2),
        "first_answer_cold_s": round(cold, 2),
        "rerun_ms_200": round(statistics.median(clicks)),
        **{name: value for name, value in merge.run().items() if name.startswith("merge_ms")},
        "replay_photos_per_min": replay.measured()["replay_photos_per_min"],
    }


if __name__ == "__main__":
    report("The page's figures", run)
