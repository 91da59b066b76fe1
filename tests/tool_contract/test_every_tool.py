"""What is asked of every tool: the registered ones, and the example that docs/adding_a_tool.md shows."""

from __future__ import annotations

import importlib.util
import re
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from skimage import data

from agent.stepping import finished
from sessions.values import IDENTITY, Picture
from tests import tiny
from tests.reliability.test_cancel import NEEDED
from tests.tools.darkroom.tones import ellipse
from tools import adding, registry
from tools.base import EditContext, EditResult, Progress, Tool, drain

PAGE = Path(__file__).parents[2] / "docs/adding_a_tool.md"
PHOTO = np.ascontiguousarray(data.astronaut()[0:96, 160:288])
SKETCH = {"steps": 2, "maps": 2}
"""Arguments that make a network's work short, for tools that have them."""
GIVEN = NEEDED | {"analogist": {"prompt": "a red cat"}, "resize": {"scale": 0.7}}
SAID = "a red cat"

pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")  # of the Hub's editor


def example(folder: Path) -> Tool:
    """The tool of the page, imported as a file of its own."""
    text = re.findall(r"```python\n(.*?)```", PAGE.read_text(encoding="utf-8"), re.DOTALL)[0]
    (folder / "sdedit.py").write_text(text, encoding="utf-8")
    spec = importlib.util.spec_from_file_location("sdedit", folder / "sdedit.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module.sdedit


@pytest.fixture(scope="module")
def shelf(tiny_shelf, tmp_path_factory):
    """The tiny weights of every role, and an editor of the Hub."""
    folder = tmp_path_factory.mktemp("contract")
    adding.add(tiny_shelf, tiny.instruct_pix2pix(folder / "editor"), "hub:tiny/editor")
    return tiny_shelf


@pytest.fixture(scope="module")
def runs() -> dict[str, tuple[list[Progress], EditResult]]:
    """What each tool has told and given on the small photo, once it was run there."""
    return {}


@pytest.fixture(params=[*registry.registered(), "sdedit"])
def tool(request, tmp_path) -> Tool:
    return registry.registered().get(request.param) or example(tmp_path)


def args_of(tool: Tool) -> Any:
    """The schema's defaults, something for what has none, and short work."""
    fields = tool.args.model_fields
    given: dict[str, Any] = {name: SAID for name, field in fields.items() if field.is_required()}
    return tool.args(**given | {k: v for k, v in SKETCH.items() if k in fields} | GIVEN.get(tool.name, {}))


def context(tool: Tool, shelf, alpha: bool = False, seed: int = 1) -> EditContext:
    """A small photo with a region in its middle where the tool takes one, and as many others as it needs."""
    pixels = np.dstack([PHOTO, ellipse(*PHOTO.shape[:2], soft=0.5)]) if alpha else PHOTO.copy()
    mask = None if tool.region == "none" else ellipse(*PHOTO.shape[:2], soft=0.2)
    others = tuple(Picture(255 - PHOTO // (n + 1)) for n in range(tool.subjects[0]))
    return EditContext(Picture(pixels), mask, others, seed, confirmed=True, shelf=shelf)


def run(tool: Tool, ctx: EditContext) -> tuple[list[Progress], EditResult]:
    edit, told = tool.run(ctx, args_of(tool)), []
    while True:
        try:
            told.append(next(edit))
        except StopIteration as end:
            return told, end.value


@pytest.fixture
def made(tool, shelf, runs) -> tuple[list[Progress], EditResult]:
    """The first run of the tool on the small photo."""
    if tool.name not in runs:
        runs[tool.name] = run(tool, context(tool, shelf))
    return runs[tool.name]


def test_it_says_what_it_is(tool):
    assert re.fullmatch(r"[a-z][a-z0-9_]*", tool.name) and tool.summary.endswith((".", ".”", '"'))
    assert tool.region in ("none", "optional", "required") and tool.subjects[0] <= tool.subjects[1]


def bounded(schema: dict[str, Any]) -> bool:
    """Whether every number, string and list in a JSON schema has an end."""
    kinds = schema.get("anyOf", [schema])
    ends = {
        "number": ("minimum", "exclusiveMinimum"), "integer": ("minimum", "exclusiveMinimum"),
        "string": ("maxLength", "pattern", "enum", "const", "format"), "array": ("maxItems", "enum"),
    }  # fmt: skip
    return all(not (wanted := ends.get(kind.get("type", ""))) or any(end in kind for end in wanted) for kind in kinds)


def test_every_argument_is_described_and_bounded(tool):
    fields = tool.schema().get("properties", {})
    assert not [name for name, field in fields.items() if "description" not in field]
    assert not [name for name, field in fields.items() if not bounded(field)]


def tells_and_gives(ctx: EditContext, told: list[Progress], result: EditResult) -> None:
    fractions = [progress.fraction for progress in told]
    assert told and all(isinstance(progress, Progress) for progress in told)
    assert fractions == sorted(fractions) and fractions[0] >= 0 and fractions[-1] <= 1
    assert all(progress.preview is None or isinstance(progress.preview, Picture) for progress in told)
    assert isinstance(result, EditResult) and result.image.mode in ("RGB", "RGBA")
    assert result.image.size == ctx.image.size or result.geometry != IDENTITY
    assert result.mask is None or result.mask.shape == result.image.pixels.shape[:2]


def test_it_tells_how_far_it_is_and_gives_a_picture(tool, shelf, made):
    tells_and_gives(context(tool, shelf), *made)


def test_it_takes_a_picture_with_transparency_and_changes_none_that_it_is_given(tool, shelf):
    ctx = context(tool, shelf, alpha=True)
    before = ctx.image.pixels.copy()
    tells_and_gives(ctx, *run(tool, ctx))
    assert np.array_equal(ctx.image.pixels, before)


def test_outside_the_region_nothing_has_changed(tool, shelf, made):
    ctx = context(tool, shelf)
    result = finished(ctx.image, made[1], ctx.mask)
    where = result.mask if result.mask is not None else ctx.mask
    if where is not None and result.geometry == IDENTITY:
        assert np.array_equal(result.image.rgb[where == 0], ctx.image.rgb[where == 0])


def test_stopped_anywhere_it_raises_nothing_and_the_same_seed_gives_the_same_pixels_the_next_time(tool, shelf, made):
    start = partial(tool.run, context(tool, shelf), args_of(tool))
    told, result = made
    for yields in {0, 1, 2, len(told) // 2, len(told) - 1}:
        edit = start()
        for _ in range(yields):
            next(edit, None)
        edit.close()
    assert np.array_equal(drain(start()).image.pixels, result.image.pixels)


def test_it_takes_a_single_pixel(tool, shelf):
    """A picture, or one of our errors; the executor would turn anything else into "something broke"."""
    from sessions.errors import PentimentoError

    dot = Picture(np.full((1, 1, 3), 128, np.uint8))
    mask = None if tool.region == "none" else np.full((1, 1), 255, np.uint8)
    others = tuple(Picture(np.full((1, 1, 3), 30 * n, np.uint8)) for n in range(tool.subjects[0]))
    try:
        result = drain(tool.run(EditContext(dot, mask, others, 0, True, shelf), args_of(tool)))
    except PentimentoError as error:
        assert len(error.message) > 10
    else:
        assert result.image.mode in ("RGB", "RGBA")
