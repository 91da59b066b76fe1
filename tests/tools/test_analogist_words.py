"""Analogist's grid to the pixel, and the words of B' from a chat model that is shown it."""

from __future__ import annotations

import base64

import cv2
import numpy as np
import pytest
from langchain_core.language_models.fake_chat_models import GenericFakeChatModel
from langchain_core.messages import AIMessage

from sessions.errors import BadArguments
from tools import describing, grids
from tools.describing import SETTING, captions, chat_model, describe

TILES = tuple(np.full((253, 253, 3), colour, np.uint8) for colour in ((200, 0, 0), (0, 200, 0), (0, 0, 200)))


class Seeing(GenericFakeChatModel):
    """A chat model that keeps what it was shown."""

    seen: list = []  # noqa: RUF012  (a pydantic field)

    def _generate(self, messages, *args, **kwargs):
        self.seen.extend(messages)
        return super()._generate(messages, *args, **kwargs)


def saying(*replies: str) -> Seeing:
    return Seeing(messages=iter([AIMessage(reply) for reply in replies]), seen=[])


def test_the_papers_numbers():
    assert (grids.tile_side(256), *grids.offsets(256)) == (253, 2, 257)
    assert (grids.tile_side(512), *grids.offsets(512)) == (509, 2, 513)
    grid = grids.laid(*TILES)
    assert grid.shape == (512, 512, 3)
    for y, x, colour in ((2, 2, TILES[0]), (2, 257, TILES[1]), (257, 2, TILES[2])):
        assert np.array_equal(grid[y : y + 253, x : x + 253], colour)
    assert not grid[257:510, 257:510].any()
    grid[2:255, 2:255] = grid[2:255, 257:510] = grid[257:510, 2:255] = grid[257:510, 257:510] = 255
    assert (grid == 255).all()


def test_what_is_hidden_is_the_last_quadrant():
    mask = grids.hidden(512)
    assert mask.sum() == 256 * 256 and mask[256:512, 256:512].all()
    assert grids.hidden(64).sum() == 32 * 32 and grids.hidden(64)[32:, 32:].all()


def test_drawing_begins_from_b_in_its_place_in_the_quadrant():
    b = np.arange(253 * 253 * 3, dtype=np.uint32).astype(np.uint8).reshape(253, 253, 3)
    grid = grids.begun(grids.laid(TILES[0], TILES[1], b))
    assert np.array_equal(grid[256:, 256:], grid[256:, :256])
    assert np.array_equal(grid[257:510, 258:511], b)
    assert np.array_equal(grids.drawn(grid), b)
    assert (grid[256, 256:] == 255).all() and (grid[256:, 511] == 255).all()


def test_marks_of_the_grid():
    grid = grids.laid(*TILES)
    marked = grids.marked(grid)
    for y, x in ((2, 2), (2, 257), (257, 2), (257, 257)):
        box = marked[y : y + 36, x : x + 36]
        assert box[0, 0].sum() == 0 and (box == 255).all(2).sum() > 60
    assert np.array_equal(marked[2 + 36, 2:38], grid[2 + 36, 2:38])
    for row in (128, 383):
        assert (marked[row, 236:276] == grids.RED).all() and (marked[row, 220] != grids.RED).any()
        assert (marked[row - 20] != grids.RED).any(1).all()
    assert not np.array_equal(marked, grid)


def test_two_letters_are_told_apart():
    marked = grids.marked(grids.laid(*TILES))
    boxes = [marked[y : y + 36, x : x + 36] for y in (2, 257) for x in (2, 257)]
    assert all((one != other).any() for i, one in enumerate(boxes) for other in boxes[:i])


@pytest.mark.parametrize("g", [64, 100, 256, 512])
def test_grids_of_other_sizes_fit_themselves(g):
    tile = np.full((grids.tile_side(g), grids.tile_side(g), 3), 9, np.uint8)
    grid = grids.laid(tile, tile, tile)
    assert grid.shape == (2 * g, 2 * g, 3)
    assert np.array_equal(grids.drawn(grids.begun(grid)), tile)
    assert grids.marked(grid).shape == grid.shape


def test_a_chat_model_sees_the_marked_grid_and_is_asked_for_captions():
    model, grid = saying("a grey cat, cat drawn in pencil, old photo of a cat"), grids.marked(grids.laid(*TILES))
    assert describe(model, grid) == ("a grey cat", "cat drawn in pencil", "old photo of a cat")
    words, picture = model.seen[0].content
    assert words["type"] == "text" and "A'" in words["text"] and "B'" in words["text"]
    assert (picture["type"], picture["mime_type"]) == ("image", "image/png")
    shown = cv2.imdecode(np.frombuffer(base64.b64decode(picture["base64"]), np.uint8), cv2.IMREAD_COLOR)
    assert np.array_equal(shown[..., ::-1], grid)


@pytest.mark.parametrize(
    ("reply", "found"),
    [
        ("A sketch of a cat.", ("A sketch of a cat",)),
        ('1. "a cat"\n2. "a grey cat"\n3) sketch', ("a cat", "a grey cat", "sketch")),
        ("- a cat\n- a cat\n- dog", ("a cat", "dog")),
        ("one, two, three, four", ("one", "two", "three")),
        ("this caption is far too long to be one, a cat", ("a cat",)),
        ("2 cats on a sofa, 3 dogs", ("2 cats on a sofa", "3 dogs")),
        ("", ()),
        (" ,\n, .", ()),
    ],
)
def test_captions_of_a_reply(reply, found):
    assert captions(reply) == found


def test_a_model_that_says_nothing_is_told_to_the_person():
    with pytest.raises(BadArguments) as caught:
        describe(saying("I cannot help with that request, I am afraid it is beyond me"), grids.laid(*TILES))
    assert caught.value.hint == describing.SAY_IT


def test_a_model_that_fails_is_told_to_the_person():
    with pytest.raises(BadArguments, match="could not be asked") as caught:
        describe(saying(), grids.laid(*TILES))
    assert caught.value.hint == describing.SAY_IT


def test_the_environment_names_the_model(monkeypatch):
    made = []
    monkeypatch.delenv(SETTING, raising=False)
    assert chat_model() is None
    monkeypatch.setattr("langchain.chat_models.init_chat_model", lambda name: made.append(name) or saying("a cat"))
    monkeypatch.setenv(SETTING, "somebody:some-model")
    assert describe(chat_model(), grids.laid(*TILES)) == ("a cat",)
    assert made == ["somebody:some-model"]


def test_a_model_of_nobody_is_named(monkeypatch):
    monkeypatch.setenv(SETTING, "nobody:nothing")
    with pytest.raises(BadArguments, match="PENTIMENTO_CHAT_MODEL=nobody:nothing"):
        chat_model()
