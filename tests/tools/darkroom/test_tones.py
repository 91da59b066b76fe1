"""What holds for every tool that changes tones and detail: seams, alpha, regions, tiny pictures, yields."""

import importlib

import numpy as np
import pytest

from sessions.values import Picture
from tests.tools.darkroom.tones import PHOTOS, edited, ellipse, far, noise, yields
from tools import parts
from tools.base import EditContext, Tool, drain

CASES = {
    "adjust": {
        "exposure": 0.4,
        "contrast": 0.3,
        "saturation": 0.5,
        "temperature": 0.4,
        "highlights": -0.5,
        "shadows": 0.6,
    },
    "auto": {},
    "monochrome": {"tone": "sepia"},
    "blur": {"amount": 0.35},
    "blur ": {"amount": 0.9},
    "sharpen": {},
    "denoise": {},
    "vignette": {},
    "vignette ": {"amount": -0.7},
}
REGIONAL = [case for case in CASES if not case.startswith("vignette")]


def module(case: str):
    return importlib.import_module(f"tools.edits.darkroom.{case.strip()}")


def tool(case: str) -> Tool:
    return getattr(module(case), case.strip())


def small_parts(monkeypatch: pytest.MonkeyPatch, case: str) -> None:
    """Cut the work of a tool into parts of odd sizes. (Denoise has tiles of its own, see its tests.)"""
    monkeypatch.setattr(parts, "CACHED_PIXELS", 7919)
    for name, size in (("CACHED_PIXELS", 7919), ("PART", (61, 47))):
        if hasattr(module(case), name):
            monkeypatch.setattr(module(case), name, size)


@pytest.mark.parametrize("case", CASES)
def test_cutting_into_parts_changes_nothing(monkeypatch, case):
    pixels = PHOTOS["coffee"][:301, :403]
    whole = edited(tool(case), pixels, **CASES[case])
    small_parts(monkeypatch, case)
    assert np.array_equal(edited(tool(case), pixels, **CASES[case]), whole)


@pytest.mark.parametrize("case", REGIONAL)
def test_a_region_cut_into_parts_is_the_same_region(monkeypatch, case):
    pixels, mask = PHOTOS["coffee"][:301, :403], ellipse(301, 403, soft=0.2)
    whole = edited(tool(case), pixels, mask, **CASES[case])
    small_parts(monkeypatch, case)
    assert np.array_equal(edited(tool(case), pixels, mask, **CASES[case])[mask > 0], whole[mask > 0])


@pytest.mark.parametrize("case", CASES)
def test_alpha_is_kept_and_opaque_colours_do_not_depend_on_it(case):
    pixels = PHOTOS["cat"][:120, :160]
    opaque = np.dstack([pixels, np.full(pixels.shape[:2], 255, np.uint8)])
    assert far(edited(tool(case), opaque, **CASES[case])[..., :3], edited(tool(case), pixels, **CASES[case])) <= 1
    veiled = np.dstack([pixels, ellipse(120, 160, soft=0.5)])
    assert np.array_equal(edited(tool(case), veiled, **CASES[case])[..., 3], veiled[..., 3])


@pytest.mark.parametrize("case", CASES)
@pytest.mark.parametrize("shape", [(1, 1), (1, 2), (3, 1), (1, 40), (17, 5)])
def test_tiny_pictures_work(case, shape):
    for channels in (3, 4):
        assert edited(tool(case), noise(*shape, channels), **CASES[case]).shape == (*shape, channels)


@pytest.mark.parametrize("case", REGIONAL)
def test_outside_the_box_of_the_region_nothing_changes(case):
    pixels, mask = noise(90, 120), np.zeros((90, 120), np.uint8)
    mask[20:60, 30:80] = 255
    after = edited(tool(case), pixels, mask, **CASES[case])
    outside = np.ones((90, 120), bool)
    outside[20:60, 30:80] = False
    assert np.array_equal(after[outside], pixels[outside]) and not np.array_equal(after, pixels)


@pytest.mark.parametrize("case", REGIONAL)
def test_an_empty_region_changes_nothing(case):
    pixels = noise(20, 30)
    assert np.array_equal(edited(tool(case), pixels, np.zeros((20, 30), np.uint8), **CASES[case]), pixels)


@pytest.mark.parametrize("case", CASES)
def test_yields_several_times_a_megapixel_and_in_order(case):
    pixels = np.tile(PHOTOS["coffee"], (4, 4, 1))[:1200, :1700]
    often = 2
    if case == "denoise":
        pixels, often = pixels[:600], 12
    fractions = yields(tool(case), pixels, **CASES[case])
    assert len(fractions) >= often * pixels.shape[0] * pixels.shape[1] / 1e6
    assert fractions == sorted(fractions) and fractions[-1] == pytest.approx(1)


@pytest.mark.parametrize("case", CASES)
def test_the_input_is_left_alone_and_twice_is_the_same(case):
    picture = Picture(PHOTOS["rocket"][:100, :150].copy())
    first, second = (drain(tool(case).run(EditContext(picture), tool(case).args(**CASES[case]))) for _ in range(2))
    assert np.array_equal(picture.pixels, PHOTOS["rocket"][:100, :150])
    assert np.array_equal(first.image.pixels, second.image.pixels)


@pytest.mark.parametrize("case", ["adjust", "blur", "sharpen", "denoise", "vignette", "auto"])
def test_nothing_asked_is_nothing_done(case):
    for channels in (3, 4):
        pixels = noise(40, 50, channels)
        args = {} if case == "adjust" else {"amount": 0}
        assert np.array_equal(edited(tool(case), pixels, **args), pixels)


@pytest.mark.parametrize("case", CASES)
def test_only_the_vignette_knows_no_region(case):
    assert tool(case).region == ("none" if case.startswith("vignette") else "optional")
