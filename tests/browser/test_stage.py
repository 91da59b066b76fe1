"""The stage in a browser: pictures change without a gap, the slider slides, what is painted is what arrives."""

from __future__ import annotations

import io

import numpy as np
import pytest
from PIL import Image, ImageDraw

from tests.browser.conftest import ROOT
from ui.stage import HTML, SCRIPTS

SCRIPT = """
from contextlib import nullcontext
from pathlib import Path
from threading import Event
import numpy as np
import streamlit as st
from ui.stage import Scene, draft, stage

st.set_page_config(layout="wide")
query = st.query_params
flip = st.toggle("other picture")
scenes = {
    "look": Scene("app/static/grey.webp" if flip else "app/static/coffee.webp", 300, 200, "a cup of coffee"),
    "crop": Scene("app/static/square.webp" if flip else "app/static/coffee.webp", 200 if flip else 300, 200, "coffee"),
    "lost": Scene("app/static/lost.webp" if flip else "app/static/coffee.webp", 300, 200, "a cup of coffee"),
    "slide": Scene("app/static/grey.webp", 300, 200, "coffee", before="app/static/coffee.webp",
                   labels=("#1 <b>coffee</b>", "#2 grey"), mode="slide"),
    "mask": Scene("app/static/coffee.webp", 300, 200, "coffee", mask="app/static/disc.webp", mode="mask"),
    "brush": Scene("app/static/coffee.webp", 3000, 2000, "coffee", mode="brush", busy=0.5 if flip else None),
    "mend": Scene("app/static/coffee.webp", 300, 200, "coffee", mask="app/static/disc.webp", mode="brush"),
    "box": Scene("app/static/coffee.webp", 300, 200, "coffee", mode="box"),
    "anew": Scene("app/static/coffee.webp", 300, 200, "coffee", mode="box" if flip else "brush"),
    "busy": Scene("app/static/coffee.webp", 300, 200, "coffee", busy=0.25),
}
scenes |= {"moved": scenes["look"], "hasty": scenes["mend"]}
with st.container() if flip and query["scene"] == "moved" else nullcontext():
    painted = stage(scenes[query["scene"]], key="stage")
drawn = draft("stage", "app/static/coffee.webp")
assert draft("stage", "app/static/grey.webp") is None
st.text("drawing " + ("nothing" if drawn is None else "a box" if drawn.box else "a mask"))
if painted is not None:
    if painted.mask is not None:
        np.save("mask.npy", painted.mask)
    st.text(f"painted {painted.box or 'mask' if not painted.cancelled else 'nothing'}")

def said():
    st.session_state.seen = draft("stage", "app/static/coffee.webp") is not None

if query["scene"] == "hasty":
    st.chat_input("say", key="say", on_submit=said)
    st.text(f"the message saw it: {st.session_state.get('seen')}")
    while flip and not Path("go").exists():
        Path("busy").touch()
        Event().wait(0.05)
"""

BOX = "document.querySelector('[data-testid=stBidiComponentIsolated]').shadowRoot"


@pytest.fixture
def stage(page_of):
    def open_stage(scene: str, **how):
        page = page_of(f"scene={scene}", **how)
        page.locator(".after .picture").wait_for()
        return page

    return open_stage


def area(page):
    """The picture's rectangle on the screen: x, y, width, height."""
    box = page.locator(".window").bounding_box()
    return box["x"], box["y"], box["width"], box["height"]


def at(page, u: float, v: float) -> tuple[float, float]:
    x, y, width, height = area(page)
    return x + u * width, y + v * height


def drag(page, *spots: tuple[float, float]) -> None:
    page.mouse.move(*at(page, *spots[0]))
    page.mouse.down()
    for spot in spots[1:]:
        page.mouse.move(*at(page, *spot), steps=8)
    page.mouse.up()


def iou(a: np.ndarray, b: np.ndarray) -> float:
    return float((a & b).sum() / (a | b).sum())


def expected(shape: tuple[int, int], spots, diameter: float) -> np.ndarray:
    """The stroke as a drawing program draws it: thick lines with round ends."""
    height, width = shape
    image = Image.new("L", (width, height))
    draw = ImageDraw.Draw(image)
    points = [(u * width, v * height) for u, v in spots]
    draw.line(points, fill=255, width=round(diameter))
    for x, y in points:
        draw.ellipse([x - diameter / 2, y - diameter / 2, x + diameter / 2, y + diameter / 2], fill=255)
    return np.array(image) > 127


def mask_of(page, site) -> np.ndarray:
    page.get_by_text("painted mask").wait_for()
    return np.load(site[1] / "mask.npy")


def test_the_picture_is_there_with_its_words(stage):
    page = stage("look")
    assert page.locator(".after .picture").get_attribute("alt") == "a cup of coffee"
    _, _, width, height = area(page)
    assert width / height == pytest.approx(1.5, abs=0.02)
    assert height <= 0.7 * 800 + 1


WATCH = """
root => {
  const layers = root.querySelector(".after");
  window.least = 9;
  new MutationObserver(() => {
    const ready = [...layers.children].filter(i => i.complete && i.naturalWidth);
    window.least = Math.min(window.least, ready.length);
  }).observe(layers, { childList: true });
}
"""


@pytest.mark.parametrize("scene", ["look", "crop"])
def test_a_new_picture_never_leaves_a_gap_and_moves_nothing_below(stage, scene):
    page = stage(scene)
    page.locator(".stage").evaluate(WATCH)
    before = page.locator(".bar").bounding_box()
    page.get_by_text("other picture").click()
    name = "grey" if scene == "look" else "square"
    page.locator(f".after .picture[src*={name}]").wait_for()
    page.wait_for_function(f"{BOX}.querySelectorAll('.after .picture').length === 1")
    assert page.evaluate("window.least") == 1
    assert page.locator(".bar").bounding_box() == before


def test_a_picture_that_cannot_be_loaded_leaves_the_old_one(stage):
    page = stage("lost")
    page.get_by_text("other picture").click()
    page.get_by_text("could not be loaded").wait_for()
    assert "coffee" in page.locator(".after .picture").get_attribute("src")


def test_a_stage_put_elsewhere_in_the_page_goes_on_from_the_old_picture(stage):
    page = stage("moved")
    page.route("**/grey.webp", lambda route: None)  # never answered
    page.locator(".stage").evaluate("stage => { stage.dataset.old = 1; }")
    page.get_by_text("other picture").click()
    page.locator(".stage:not([data-old]) .after .picture[src*=coffee]").wait_for()


PUT_ELSEWHERE = """
async ([script, html, leaves]) => {
  const { default: mount } = await import(URL.createObjectURL(new Blob([script], { type: "text/javascript" })));
  const put = (after) => {
    const parentElement = document.body.appendChild(document.createElement("div"));
    parentElement.innerHTML = html;
    const data = { after, before: null, mask: null, width: 300, height: 200, alt: "", labels: ["", ""], mode: "look" };
    const leave = mount({ parentElement, data, setTriggerValue() {}, setStateValue() {} });
    return { leave, shown: () => parentElement.querySelector(".after .picture")?.shows };
  };
  const old = put("app/static/coffee.webp");
  while (!old.shown()) await new Promise((later) => setTimeout(later, 20));
  if (leaves === "before") old.leave();
  return put("app/static/grey.webp").shown();
}
"""


@pytest.mark.parametrize("leaves", ["before", "later"])
def test_it_goes_on_whether_the_old_stage_leaves_before_or_after_the_new_one_comes(stage, leaves):
    page = stage("look")
    page.route("**/grey.webp", lambda route: None)  # never answered
    script = "\n".join((ROOT / "ui/static" / name).read_text(encoding="utf-8") for name in SCRIPTS)
    assert page.evaluate(PUT_ELSEWHERE, [script, HTML, leaves]) == "app/static/coffee.webp"


def test_the_slider_by_mouse(stage):
    page = stage("slide")
    slider = page.get_by_role("slider")
    assert slider.get_attribute("aria-valuenow") == "50"
    drag(page, (0.3, 0.2), (0.8, 0.9))
    assert slider.get_attribute("aria-valuenow") == "80"
    page.mouse.dblclick(*at(page, 0.1, 0.1))
    assert slider.get_attribute("aria-valuenow") == "50"


def test_the_slider_by_keys(stage):
    page = stage("slide")
    slider = page.get_by_role("slider")
    slider.focus()
    for key, value in (("ArrowRight", 55), ("ArrowLeft", 50), ("Home", 0), ("End", 100), ("PageDown", 80)):
        page.keyboard.press(key)
        assert slider.get_attribute("aria-valuenow") == str(value)


def test_left_of_the_divider_is_before_and_right_of_it_is_after(stage, site):
    page = stage("slide")
    page.locator(".before .picture").wait_for()
    shot = np.array(Image.open(io.BytesIO(page.screenshot())).convert("RGB")).astype(int)
    x, y, width, height = map(round, area(page))
    shot = shot[y + 40 : y + height - 40, x : x + width]
    colour = shot.max(2) - shot.min(2)
    assert colour[:, width * 5 // 8 :].max() <= 2, "the right half is the grey one"
    assert colour[:, : width * 3 // 8].mean() > 40
    assert page.locator("#left").text_content() == "#1 <b>coffee</b>", "names are text, never markup"


def test_a_mask_is_shown_over_its_place_only_and_hidden_while_m_is_held(stage):
    page = stage("mask")
    alpha = "c => c.getContext('2d').getImageData(0, 0, c.width, c.height).data.filter((v, i) => i % 4 === 3)"
    page.wait_for_function(f"{BOX}.querySelector('canvas').getContext('2d').getImageData(150, 100, 1, 1).data[3] > 0")
    shown = page.locator("canvas").evaluate(f"c => [...({alpha})(c)]")
    shown = np.array(shown).reshape(200, 300)
    assert 100 < shown[100, 150] < 130, "translucent inside"
    assert shown[100, 90] > 150, "an outline"
    assert shown[100, 80] == 0 and shown[10, 10] == 0
    page.locator(".area").focus()
    page.keyboard.down("m")
    assert page.locator("canvas").evaluate("c => getComputedStyle(c).opacity") == "0"
    page.keyboard.up("m")
    assert page.locator("canvas").evaluate("c => getComputedStyle(c).opacity") == "1"


def test_what_is_painted_is_what_arrives(stage, site):
    page = stage("brush")
    spots = [(0.2, 0.3), (0.6, 0.4), (0.7, 0.8)]
    drag(page, *spots)
    page.get_by_role("button", name="Use this mask").click()
    mask = mask_of(page, site)
    assert mask.shape == (683, 1024), "the picture's aspect, at most 1024"
    assert iou(mask > 127, expected(mask.shape, spots, 0.08 * 1024)) >= 0.95


def test_a_message_that_comes_right_after_a_stroke_does_not_overtake_it(stage, site):
    page = stage("hasty")
    page.get_by_text("other picture").click()
    while not (site[1] / "busy").exists():  # the script runs, until `go` is there
        page.wait_for_timeout(50)
    drag(page, (0.2, 0.3), (0.6, 0.3))
    page.get_by_test_id("stChatInputTextArea").fill("make it red")
    page.get_by_test_id("stChatInputTextArea").press("Enter")
    page.wait_for_timeout(300)
    (site[1] / "go").touch()
    page.get_by_text("the message saw it: True").wait_for()


def test_what_was_drawn_is_gone_where_the_stage_begins_anew(stage):
    page = stage("anew")
    drag(page, (0.2, 0.3), (0.6, 0.3))
    page.get_by_text("drawing a mask").wait_for()
    page.get_by_text("other picture").click()
    page.get_by_text("drawing nothing").wait_for()


def test_erase_undo_clear_and_an_empty_mask(stage, site):
    page = stage("brush")
    drag(page, (0.2, 0.5), (0.8, 0.5))
    page.keyboard.press("x")
    drag(page, (0.5, 0.1), (0.5, 0.9))
    page.keyboard.press("Enter")
    mask = mask_of(page, site) > 127
    assert not mask[341, 512] and mask[341, 300] and mask[341, 700]
    page.keyboard.press("Control+z")
    page.keyboard.press("Control+z")
    page.keyboard.press("Enter")
    page.get_by_text("Nothing is painted yet").wait_for()


def test_a_wrong_mask_is_corrected(stage, site):
    page = stage("mend")
    page.wait_for_function(f"{BOX}.querySelector('canvas').getContext('2d').getImageData(150, 100, 1, 1).data[3] > 0")
    drag(page, (0.8, 0.2), (0.9, 0.2))
    page.keyboard.press("Enter")
    mask = mask_of(page, site) > 127
    disc = np.hypot(*(np.mgrid[:200, :300] - np.array([100, 150])[:, None, None])) < 60
    assert iou(mask, disc | expected((200, 300), [(0.8, 0.2), (0.9, 0.2)], 24)) > 0.95


def test_a_rerun_keeps_the_strokes(stage, site):
    page = stage("brush")
    drag(page, (0.2, 0.5), (0.8, 0.5))
    page.get_by_text("other picture").click()
    page.wait_for_function(f"{BOX}.querySelector('.bar').classList.contains('busy')")
    page.get_by_role("button", name="Use this mask").click()
    assert mask_of(page, site)[341, 512] == 255


def test_what_is_drawn_is_told_before_it_is_handed_over(stage):
    page = stage("brush")
    drag(page, (0.2, 0.5), (0.8, 0.5))
    page.get_by_text("drawing a mask").wait_for()
    page.get_by_role("button", name="Undo stroke").click()
    page.get_by_text("drawing nothing").wait_for()


def test_painting_by_keys(stage, site):
    page = stage("brush")
    page.locator(".area").focus()
    page.keyboard.press("Space")
    for _ in range(16):
        page.keyboard.press("ArrowRight")
    page.keyboard.press("Space")
    page.keyboard.press("Enter")
    mask = mask_of(page, site) > 127
    assert iou(mask, expected(mask.shape, [(0.5, 0.5), (0.75, 0.5)], 0.08 * 1024)) >= 0.9


def test_brush_size_by_keys(stage):
    page = stage("brush")
    page.locator(".area").focus()
    page.keyboard.press("]")
    assert float(page.get_by_label("Size").input_value()) == 10
    page.keyboard.press("[")
    assert float(page.get_by_label("Size").input_value()) == 8


def test_a_box_in_fractions(stage):
    page = stage("box")
    assert page.get_by_role("button", name="Use this box").is_disabled()
    drag(page, (0.75, 0.8), (0.25, 0.2))
    page.get_by_role("button", name="Use this box").click()
    text = page.get_by_text("painted (").text_content()
    box = [float(part) for part in text.removeprefix("painted (").removesuffix(")").split(",")]
    assert box == pytest.approx([0.25, 0.2, 0.75, 0.8], abs=0.003)


def test_a_box_by_keys(stage):
    page = stage("box")
    page.locator(".area").focus()
    for key in ("ArrowLeft", "Shift+ArrowRight", "Enter"):
        page.keyboard.press(key)
    page.get_by_text("painted (0.23, 0.25, 0.75, 0.75)").wait_for()


@pytest.mark.parametrize("scene", ["brush", "box"])
def test_cancel(stage, scene):
    page = stage(scene)
    page.get_by_role("button", name="Cancel").click()
    page.get_by_text("painted nothing").wait_for()


def test_zoom_keeps_what_is_under_the_pointer_and_paints_there(stage, site):
    page = stage("brush")
    page.mouse.move(*at(page, 0.25, 0.25))
    page.mouse.wheel(0, -600)
    page.locator(".deep").wait_for()
    drag(page, (0.25, 0.25), (0.26, 0.25))
    page.keyboard.press("0")
    page.keyboard.press("Enter")
    rows, columns = np.nonzero(mask_of(page, site) > 127)
    assert columns.mean() / 1024 == pytest.approx(0.25, abs=0.01)
    assert rows.mean() / 683 == pytest.approx(0.25, abs=0.01)
    assert np.ptp(columns) < 0.05 * 1024, "a finer brush the closer one looks"


def test_the_bar_says_how_far_a_step_is(stage):
    page = stage("busy")
    assert page.get_by_role("progressbar").get_attribute("aria-valuenow") == "25"


def test_on_a_phone_it_fits_and_slides_under_a_finger(stage):
    page = stage("slide", width=390, height=844, touch=True)
    x, _, width, _ = area(page)
    assert x >= 0 and x + width <= 390
    page.touchscreen.tap(*at(page, 0.2, 0.5))
    assert page.get_by_role("slider").get_attribute("aria-valuenow") == "20"
    assert page.evaluate("document.documentElement.scrollWidth") <= 390


def test_two_fingers_magnify_and_leave_no_stroke(stage):
    page = stage("brush", width=390, height=844, touch=True)
    fingers = page.context.new_cdp_session(page)

    def touch(kind: str, *spots: tuple[float, float]) -> None:
        points = [{"x": x, "y": y, "id": i} for i, (x, y) in enumerate(at(page, *spot) for spot in spots)]
        fingers.send("Input.dispatchTouchEvent", {"type": kind, "touchPoints": points})

    touch("touchStart", (0.4, 0.5))
    touch("touchStart", (0.4, 0.5), (0.6, 0.5))
    touch("touchMove", (0.3, 0.5), (0.7, 0.5))
    touch("touchEnd")
    assert page.locator(".zoom").text_content() == "2.0×"
    assert page.get_by_role("button", name="Undo").is_disabled()
