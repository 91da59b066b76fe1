"""The whole story in a real browser, on the page as `pentimento ui` serves it, one chapter after the other.

`PENTIMENTO_ALBUM=folder` keeps a screenshot of every state; those in docs/images/page are made so.
"""

from __future__ import annotations

import os
import re
import zipfile
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from skimage import data

from agent.runtime import open_store
from agent.settings import Settings
from sessions import history
from tests.browser.conftest import free_port
from tests.browser.person import Person, serving
from tests.browser.sessions import long_session


@pytest.fixture(scope="module")
def home(tmp_path_factory) -> Path:
    return tmp_path_factory.mktemp("home")


@pytest.fixture(scope="module")
def address(home):
    with serving(home, free_port()) as found:
        yield found


@pytest.fixture(scope="module")
def album() -> Path | None:
    wanted = os.environ.get("PENTIMENTO_ALBUM")
    return Path(wanted) if wanted else None


@pytest.fixture(scope="module")
def ada(context_of, address, album):
    """Her tab stays open from chapter to chapter."""
    page = context_of(False).new_page()
    page.set_viewport_size({"width": 1280, "height": 800})
    yield Person(page, address, album)
    page.close()


@pytest.fixture
def bob(tab, address, album):
    """Somebody who looks at the page anew; `bob(scheme="dark")` with other eyes."""
    return lambda *size, **how: Person(tab(*size, **how), address, album)


@pytest.fixture(scope="module")
def large(tmp_path_factory) -> Path:
    """A photo that takes a while: 12 megapixels."""
    path = tmp_path_factory.mktemp("photos") / "large.jpg"
    Image.fromarray(data.coffee()).resize((4200, 2800)).save(path, quality=90)
    return path


def test_an_empty_page_shows_what_one_can_do(ada):
    ada.opens()
    ada.sees("Works now, without any download")
    ada.page.get_by_role("button", name="Use the").nth(2).wait_for()
    ada.page.locator(".st-key-sentences button").nth(4).wait_for()
    ada.photographs("empty")


def test_a_message_of_three_steps_is_planned_done_and_told(ada):
    ada.takes_example("coffee")
    ada.says("crop it square, make it a little warmer and blur the background")
    ada.hears(re.compile("main is at #4"))
    ada.is_at(4)
    assert "0 pixels changed outside the mask" in ada.facts()
    assert ada.page.locator("ol.plan-rows li.done").count() == 3


def test_the_slider_shows_what_was_before(ada):
    ada.slides_to(0.25)
    assert abs(ada.divider() - 25) < 3
    ada.photographs("done")


def test_a_place_it_is_not_sure_of_is_shown_and_asked(ada):
    ada.says("make the cup brighter")
    ada.sees("yes, use it")
    ada.sees("Correct it with the brush")
    ada.photographs("asking")
    ada.presses("yes, use it")
    ada.hears(re.compile("main is at #5"))
    assert ada.page.locator(".said.you", has_text="yes, use it").count() == 1


def test_what_is_painted_is_where_it_happens(ada, home):
    ada.chooses("Brush")
    ada.strokes((0.2, 0.2), (0.4, 0.2), (0.4, 0.3))
    ada.photographs("brush")
    ada.page.locator("[data-do=use]").click()
    ada.sees("What you painted goes with your next message.")
    ada.says("make it black and white")
    ada.hears(re.compile("main is at #6"))
    ada.is_at(6)
    assert "0 pixels changed outside the mask" in ada.facts()
    mask = mask_of(home, 6)
    rows, columns = np.nonzero(mask > 127)
    assert 0.1 < columns.min() / mask.shape[1] < 0.2 and 0.4 < columns.max() / mask.shape[1] < 0.5
    assert 0.1 < rows.min() / mask.shape[0] < 0.2 and 0.3 < rows.max() / mask.shape[0] < 0.4


def mask_of(home: Path, seq: int) -> np.ndarray:
    store = open_store(Settings(home=home))
    [session] = store.sessions(1)
    revision = next(r for r in history.page(store, session.id) if r.seq == seq)
    assert revision.mask is not None
    return store.picture(session.id, revision.mask).pixels


def test_undo_takes_the_message_back_and_leaves_it_in_the_tree(ada):
    ada.presses("Undo")
    ada.hears("Undone: main is at #5")
    ada.is_at(5)
    ada.node(6).wait_for()


def test_an_older_picture_can_be_looked_at_and_continued(ada):
    ada.picks(1)
    ada.sees("You are looking at #1; main is at #5.")
    ada.says("make it sepia")
    ada.hears("sepia is at #7")
    ada.is_at(7)
    assert "sepia" in ada.branch()
    ada.photographs("branch")


def test_a_reload_finds_everything_where_it_was(ada):
    ada.page.reload()
    ada.is_at(7)
    assert "sepia" in ada.branch()
    ada.sees("make the cup brighter")


def test_the_conversation_goes_on(ada):
    ada.says("add dark corners")
    ada.hears("sepia is at #8")


def test_two_branches_are_compared_and_merged(ada):
    ada.goes_to_branch("main")
    ada.is_at(5)
    ada.presses("Compare")
    ada.presses("sepia, #8")
    ada.sees("mean difference")
    ada.page.wait_for_function(SHOWS_BESIDE)
    ada.photographs("compare")
    ada.presses("Merge sepia into main")
    ada.hears(re.compile("main is at #9"))
    ada.is_at(9)
    ada.page.locator(".stage .label", has_text="after · #9").wait_for()
    ada.photographs("merged")


SHOWS_BESIDE = """() => {
  const wanted = new URL(location).searchParams.get('beside');
  const roots = [...document.querySelectorAll('*')].map((one) => one.shadowRoot).filter(Boolean);
  const shown = roots.flatMap((root) => [...root.querySelectorAll('.stage .before img')]);
  return wanted && shown.some((img) => img.src.includes(`${wanted}/onto`) && img.complete);
}"""
"""The slider has the picture that the address names."""


def test_what_cannot_be_done_is_said_with_a_way_out(ada):
    ada.says("blur the zebra on the left of the volcano")
    ada.page.locator(".st-key-ways-out, .st-key-answers").first.wait_for()
    ada.photographs("error")


def test_files_come_out(ada):
    with Image.open(ada.downloads("as .jpg")) as picture:
        assert picture.format == "JPEG"
    with zipfile.ZipFile(ada.downloads("as a bundle")) as bundle:
        assert bundle.testzip() is None


def test_a_plan_can_wait_be_changed_and_approved(bob):
    person = bob()
    person.opens()
    person.takes_example("cat")
    person.opens(f"/?{person.page.url.split('?')[1]}&review=1")
    person.says("crop it square, then brighten it, then sharpen it")
    person.sees("This is the plan.")
    person.page.get_by_role("spinbutton", name="exposure").wait_for()
    person.photographs("planning")
    person.page.get_by_role("button", name="Leave this step out: crop").click()
    person.page.get_by_role("spinbutton", name="exposure").fill("0.45")
    person.page.get_by_role("button", name="Later: adjust").click()
    person.presses("Run this plan")
    person.hears("main is at #3")
    steps = person.page.locator("ol.plan-rows .what").all_inner_texts()
    assert [step.split()[0] for step in steps] == ["sharpen", "adjust"] and "+0.45" in steps[1]


def test_what_is_painted_counts_before_it_is_handed_over(bob, home):
    person = bob()
    person.opens()
    person.takes_example("cat")
    person.chooses("Brush")
    person.strokes((0.2, 0.3), (0.6, 0.3))
    person.says("make it black and white")
    person.hears("main is at #2")
    rows, _ = np.nonzero(mask_of(home, 2) > 127)
    assert rows.min() / 300 > 0.2 and rows.max() / 300 < 0.4


def test_a_running_turn_survives_the_reload_and_can_be_cancelled(bob, large):
    person = bob()
    person.opens()
    person.sees("Works now, without any download")
    person.says("remove the noise", large)
    person.sees("Step 1 of 1: denoise")
    person.page.get_by_role("button", name="Cancel").wait_for()
    person.node(1).wait_for()
    person.photographs("running")
    person.page.reload()
    person.page.locator(".st-key-working").wait_for()
    person.presses("Cancel")
    person.hears("Stopped.")
    person.is_at(1)


def test_a_refused_file_is_one_sentence_and_the_next_message_works(bob, tmp_path):
    person = bob()
    broken = tmp_path / "holiday.jpg"
    broken.write_bytes(b"\xff\xd8\xff\xe0 this is no picture")
    person.opens()
    person.takes_example("rocket")
    person.says("put this in the corner", broken)
    person.sees(re.compile("holiday.jpg"))
    person.says("mirror it")
    person.hears("main is at #2")


@pytest.fixture(scope="module")
def two_hundred(home, address) -> str:
    """A session of 200 revisions on a dozen branches."""
    return long_session(open_store(Settings(home=home)), 200)


@pytest.mark.reliability
def test_two_hundred_revisions(bob, two_hundred):
    person = bob()
    person.opens(f"/?s={two_hundred}")
    person.is_at(200)
    person.node(200).wait_for()
    person.photographs("two-hundred")


def test_a_phone_has_the_picture_first(bob, two_hundred):
    person = bob(390, 844)
    person.opens(f"/?s={two_hundred}")
    person.is_at(200)
    picture, field = person.window(), person.page.get_by_test_id("stChatInputTextArea").bounding_box()
    assert picture["y"] < field["y"] and picture["width"] > 240
    header = [one.bounding_box()["y"] for one in person.page.locator(".st-key-header [data-testid=stPopover]").all()]
    assert max(header) - min(header) < 8, "one row"
    assert person.page.evaluate("document.documentElement.scrollWidth") <= 390
    person.photographs("phone")


def test_the_dark_theme(bob, two_hundred):
    person = bob(scheme="dark")
    person.opens(f"/?s={two_hundred}")
    person.is_at(200)
    color = person.page.evaluate("getComputedStyle(document.querySelector('.stApp')).backgroundColor")
    assert max(int(part) for part in re.findall(r"\d+", color)[:3]) < 60
    person.photographs("dark")


def test_the_theme_is_streamlits_to_choose_and_not_the_systems(bob, two_hundred):
    person = bob(scheme="light")
    person.opens(f"/?s={two_hundred}&embed=true&embed_options=dark_theme")
    person.is_at(200)
    primary = person.page.evaluate("getComputedStyle(document.documentElement).getPropertyValue('--primary')")
    assert primary == "#e58a5c"


def test_the_tree_is_seen_as_a_whole_or_scrolls_in_itself(bob, two_hundred):
    person = bob()
    person.opens(f"/?s={two_hundred}")
    person.is_at(200)
    tree = person.page.locator(".scroller").bounding_box()
    assert tree["y"] + tree["height"] <= 800 and tree["height"] > 190
