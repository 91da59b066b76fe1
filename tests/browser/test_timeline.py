"""The history tree in a browser: picking, pairing, keys, the phone's filmstrip, and nodes that stay the same nodes."""

from __future__ import annotations

import pytest

SCRIPT = """
import streamlit as st
from sessions.history import Graph
from sessions.values import IDENTITY, Revision, Session, Step
from ui.timeline import Pick, layout, timeline

st.set_page_config(layout="wide")
size = int(st.query_params.get("size", 7)) + st.toggle("one more")

def revision(seq, *parents):
    step = Step("blur", "1", {"amount": 0.5}, "x") if parents else None
    ids = tuple(f"r1:{p}" for p in parents)
    return Revision(f"r1:{seq}", "s", ids, step, "", None, IDENTITY, "edit", 300, 200, seq, "", name="<b>cup</b>.jpg")

if size < 10:
    parents = {1: [], 2: [1], 3: [2], 4: [3], 5: [2], 6: [5], 7: [1], 8: [4]}
    heads = {"main": 4 if size == 7 else 8, "sepia": 6}
else:
    parents = {1: []} | {n: [max(1, n - 12)] for n in range(2, size + 1)}
    heads = {"main": size} | {f"branch-{n}": n for n in range(size - 11, size)}
graph = Graph(Session("s", "o", "n", 0, "", ""), tuple(revision(n, *p) for n, p in parents.items() if n <= size),
              {name: f"r1:{n}" for name, n in heads.items()}, "main", {"r1:5": "try it in <i>sepia</i>"}, None)
here = st.session_state.get("here")
got = timeline(layout(graph, lambda r: f"app/static/{['coffee', 'grey', 'cat'][r.seq % 3]}.webp", here), key="tree")
if isinstance(got, Pick):
    st.session_state.here = got.revision
    st.session_state.said = f"picked {got.revision}"
    st.rerun()
if got:
    st.session_state.said = f"{got.what} {got.a} {got.b}"
st.text(st.session_state.get("said", "nothing yet"))
"""


@pytest.fixture
def tree(page_of):
    def open_tree(query: str = "", **how):
        page = page_of(query, **how)
        page.locator(".node").first.wait_for()
        return page

    return open_tree


def node(page, seq: int):
    return page.locator(f'.node[data-id="r1:{seq}"]')


def middle(page, seq: int) -> tuple[float, float]:
    box = node(page, seq).bounding_box()
    return box["x"] + 28, box["y"] + 28


def drag(page, a: int, b: int) -> None:
    page.mouse.move(*middle(page, a))
    page.mouse.down()
    page.mouse.move(*middle(page, b), steps=6)
    page.mouse.up()


def focused(page) -> str:
    return page.evaluate(
        "document.querySelector('[data-testid=stBidiComponentIsolated]').shadowRoot.activeElement?.dataset.id"
    )


def test_rows_labels_and_here(tree):
    page = tree()
    assert page.locator(".lane").all_text_contents() == ["main", "sepia", "undone"]
    tops = [node(page, seq).bounding_box()["y"] for seq in range(1, 8)]
    assert tops[0] == tops[1] == tops[2] == tops[3] < tops[4] == tops[5] < tops[6]
    assert page.locator(".node.here .number").text_content() == "#4 here"
    assert "undone" in node(page, 7).get_attribute("aria-label")


def test_a_click_continues_from_there(tree):
    page = tree()
    node(page, 2).click()
    page.get_by_text("picked r1:2").wait_for()
    page.locator('.node.here[data-id="r1:2"]').wait_for()
    page.get_by_role("button", name="sepia").click()
    page.get_by_text("picked r1:6").wait_for()


@pytest.mark.parametrize("what", ["compare", "merge"])
def test_dragging_one_onto_another_asks_what_to_do(tree, what):
    page = tree()
    drag(page, 6, 3)
    page.get_by_role("menuitem", name=what.capitalize()).click()
    page.get_by_text(f"{what} r1:6 r1:3").wait_for()
    assert page.get_by_text("picked").count() == 0, "the end of a drag is not a click"


def test_a_drag_into_nothing_is_nothing(tree):
    page = tree()
    page.mouse.move(*middle(page, 5))
    page.mouse.down()
    x, y = middle(page, 7)
    page.mouse.move(x + 300, y, steps=6)
    page.mouse.up()
    assert page.locator(".menu:popover-open").count() == 0
    page.mouse.move(*middle(page, 5))
    page.mouse.down()
    page.mouse.move(x, y, steps=6)
    page.mouse.move(*middle(page, 5), steps=6)
    page.mouse.up()
    assert page.locator('.node[tabindex="0"]').get_attribute("data-id") == "r1:4", "back where it was is nothing, too"
    node(page, 5).press("Enter")
    page.get_by_text("picked r1:5").wait_for()


def test_the_menu_of_the_right_button(tree):
    page = tree()
    node(page, 6).click(button="right")
    assert page.get_by_role("menuitem").all_text_contents() == [
        "Continue from #6",
        "Compare #6 with #4",
        "Merge #6 into #4",
    ]
    page.keyboard.press("ArrowDown")
    page.keyboard.press("ArrowDown")
    page.keyboard.press("Enter")
    page.get_by_text("merge r1:6 r1:4").wait_for()


def test_the_menu_goes_away_by_escape_and_by_a_press_elsewhere(tree):
    page = tree()
    node(page, 6).click(button="right")
    page.keyboard.press("Escape")
    page.locator(".menu").wait_for(state="hidden")
    assert focused(page) == "r1:6"
    node(page, 6).click(button="right")
    page.mouse.click(640, 700)
    page.locator(".menu").wait_for(state="hidden")


def test_a_long_press_opens_the_menu_and_picks_nothing(tree):
    page = tree(width=390, height=844, touch=True)
    finger = page.context.new_cdp_session(page)
    x, y = middle(page, 2)
    finger.send("Input.dispatchTouchEvent", {"type": "touchStart", "touchPoints": [{"x": x, "y": y}]})
    page.get_by_role("menuitem", name="Compare #2 with #4").wait_for()
    finger.send("Input.dispatchTouchEvent", {"type": "touchEnd", "touchPoints": []})
    page.get_by_role("menuitem", name="Compare #2 with #4").tap()
    page.get_by_text("compare r1:2 r1:4").wait_for()


def test_keys_walk_the_tree(tree):
    page = tree()
    node(page, 4).focus()
    walk = "ArrowLeft 3, ArrowLeft 2, ArrowRight 3, ArrowDown 5, ArrowRight 6, ArrowLeft 5, ArrowLeft 2, Home 1, End 4"
    for step in walk.split(", "):
        key, seq = step.split()
        page.keyboard.press(key)
        assert focused(page) == f"r1:{seq}", step
    assert page.locator('.node[tabindex="0"]').count() == 1
    page.keyboard.press("ArrowDown")
    page.keyboard.press("c")
    page.get_by_text("compare r1:6 r1:4").wait_for()
    page.keyboard.press("Enter")
    page.get_by_text("picked r1:6").wait_for()


def test_the_card_says_what_made_it_as_text(tree):
    page = tree()
    node(page, 5).hover()
    page.locator(".card:popover-open").wait_for()
    assert page.locator(".card .title").text_content() == "#5 blur 0.5"
    assert page.locator(".card .words").text_content() == "“try it in <i>sepia</i>”"
    card = page.locator(".card").bounding_box()
    assert card["y"] >= 0 and card["x"] >= 0
    node(page, 1).hover()
    page.wait_for_function(
        "document.querySelector('[data-testid=stBidiComponentIsolated]').shadowRoot"
        ".querySelector('.card .title').textContent === '#1 <b>cup</b>.jpg'"
    )
    page.mouse.move(5, 5)
    page.locator(".card:popover-open").wait_for(state="hidden")


def test_a_new_revision_leaves_the_other_nodes_as_they_are(tree):
    page = tree()
    page.locator(".tree").evaluate("tree => { window.kept = [...tree.querySelectorAll('.node')]; }")
    page.get_by_text("one more").click()
    node(page, 8).wait_for()
    assert page.locator(".tree").evaluate(
        "tree => window.kept.every((n, i) => n === tree.querySelectorAll('.node')[i])"
    )
    assert page.locator(".node.here").get_attribute("data-id") == "r1:8"


def test_two_hundred_revisions_scroll_in_their_own_box_to_here(tree):
    page = tree("size=200")
    assert page.locator(".node").count() == 200
    box = page.locator(".scroller").bounding_box()
    here = page.locator(".node.here").bounding_box()
    assert box["x"] < here["x"] and here["x"] + 56 < box["x"] + box["width"]
    assert box["y"] <= here["y"] and here["y"] + 56 < box["y"] + box["height"] <= box["y"] + 361
    assert page.evaluate("scrollY") == 0
    assert page.locator(".scroller").evaluate("s => s.scrollLeft") > 0


def test_on_a_phone_it_is_a_filmstrip(tree):
    page = tree(width=390, height=844, touch=True)
    shown = [n.get_attribute("data-id") for n in page.locator(".node").all() if n.is_visible()]
    assert shown == ["r1:1", "r1:2", "r1:3", "r1:4"]
    assert len({node(page, seq).bounding_box()["y"] for seq in (1, 2, 3, 4)}) == 1
    node(page, 2).tap()
    page.get_by_text("picked r1:2").wait_for()
    page.get_by_role("button", name="sepia").tap()
    page.get_by_text("picked r1:6").wait_for()
    page.locator('.node.here[data-id="r1:6"]').wait_for()
    assert node(page, 5).is_visible() and not node(page, 4).is_visible()
    assert page.evaluate("document.documentElement.scrollWidth") <= 390


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_words_can_be_read_in_both_themes(tree, scheme):
    page = tree(scheme=scheme)
    colours = page.locator(".lane.named").last.evaluate(
        """e => [getComputedStyle(e).color, getComputedStyle(document.querySelector('.stApp')).backgroundColor]"""
    )
    assert contrast(*colours) >= 7
    faint = page.locator(".node:not(.here) .number").first.evaluate(
        """e => { const c = document.createElement('canvas').getContext('2d', { willReadFrequently: true });
        c.fillStyle = getComputedStyle(e).color; c.fillRect(0, 0, 1, 1);
        return `rgb(${[...c.getImageData(0, 0, 1, 1).data].slice(0, 3)})`; }"""
    )
    assert contrast(faint, colours[1]) >= 4.5


def contrast(one: str, other: str) -> float:
    """WCAG 2.2's contrast ratio of two `rgb(r, g, b)`."""

    def luminance(colour: str) -> float:
        values = [int(v) / 255 for v in colour[colour.index("(") + 1 : -1].split(",")[:3]]
        linear = [v / 12.92 if v <= 0.04045 else ((v + 0.055) / 1.055) ** 2.4 for v in values]
        return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]

    high, low = sorted((luminance(one), luminance(other)), reverse=True)
    return (high + 0.05) / (low + 0.05)
