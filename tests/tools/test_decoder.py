"""A full-size any2pix is counted as it is, and the code that times one works, here on networks of no size."""

import json
import math
import sys

import numpy as np
import pytest
import torch
from torch.nn.attention import SDPBackend, sdpa_kernel

from benchmarks import decoder
from benchmarks.decoder_parts import FULL, SMALL, networks
from benchmarks.overhead import counted
from tests.manifests.remake import read
from tools import packs
from tools.diffusion import model, steps
from tools.edits.any2pix import Args

CPU = torch.device("cpu")
PUBLIC = {
    "unet": 2_567_463_684,
    "vae": 83_653_863,
    "text_encoder": 123_060_480,
    "text_encoder_2": 694_659_840,
}
"""Numbers of SDXL 1.0's parts."""


@pytest.fixture(scope="module")
def weighed():
    return decoder.weighed(FULL)


@pytest.fixture(scope="module")
def small():
    """Operations of three steps."""
    return decoder.teraflops(SMALL, 3)


@pytest.fixture
def both(tmp_path):
    return decoder.sides(SMALL, CPU, torch.float32, tmp_path)


def test_the_numbers_are_the_public_ones(weighed):
    assert {name: weighed[name]["numbers"] for name in PUBLIC} == PUBLIC
    assert {name for name, part in weighed.items() if part["bytes"] != 2 * part["numbers"]} == {"prior"}


@pytest.mark.parametrize(("role", "unet"), [("sdxl", "unet"), ("sdxl-refiner", "refiner")])
def test_a_pack_is_as_large_as_its_parts(weighed, role, unet):
    [source] = packs.sources(role)
    shared = ("vae", "text_encoder_2") if unet == "refiner" else ("vae", "text_encoder", "text_encoder_2")
    assert sum(weighed[name]["bytes"] for name in (unet, *shared)) == pytest.approx(source.bytes, abs=5e6)


def test_names_and_shapes_are_those_of_the_tables(tmp_path):
    """The U-Net's: `tests/tools/diffusion/test_sdxl.py`; ImageBind's, adapter's and prior's: `tests/tools/nets`."""
    with torch.device("meta"):
        parts = networks(FULL)
        for name in ("vae", "text_encoder"):
            listed = {model._renamed(place): torch.empty(shape) for place, (_, shape) in read(name).items()}
            model.fill(parts[name], listed, tmp_path)


def test_the_priors_operations_are_those_counted_by_hand(small):
    width, tokens, text, waves = 64, 11, 8, 8
    fed = 2 * width * (width + 2 * text + waves)
    block = 2 * tokens * width * (3 * width + width + 2 * 4 * width) + 2 * 2 * tokens**2 * width
    assert small["prior"] * 1e12 == pytest.approx(2 * (fed + block), rel=1e-9)


def test_an_edit_does_what_is_counted(both, small, monkeypatch):
    monkeypatch.setattr(steps, "EVERY", math.inf)  # no previews
    with sdpa_kernel(SDPBackend.MATH):  # torch does not count what the processor's fused kernel does
        done = counted(lambda: both.ours(Args(prompt=decoder.PROMPT, steps=3)))
    assert done / 1000 == pytest.approx(small["edit"], rel=1e-3)


def test_both_draw_a_picture_and_at_scale_0_the_same_one(both):
    args = Args(prompt=decoder.PROMPT, steps=3)
    ours, (latent, drawn) = both.ours(args), both.theirs(args)
    assert ours.image.pixels.shape == drawn.shape == (64, 64, 3) and ours.latent.shape == latent.shape == (1, 4, 8, 8)
    assert np.isfinite(drawn).all() and ours.latent.isfinite().all() and ours.image.pixels.std() > 0 < drawn.std()
    assert decoder.difference() < 1e-3 < decoder.relative(ours.latent, latent)


def test_what_is_timed():
    found = decoder.measured(SMALL, CPU, torch.float32, steps=2, rounds=2)
    assert found["decoder_ratio"] == pytest.approx(found["seconds"]["theirs"] / found["seconds"]["ours"])
    assert found["peak_gigabytes"] == {"theirs": None, "ours": None}
    assert (found["side"], found["steps"], found["precision"], found["device"]) == (64, 2, "float32", "cpu")


def test_what_is_printed(small, monkeypatch, capsys):
    monkeypatch.setattr(decoder, "FULL", SMALL)
    monkeypatch.setattr(decoder, "teraflops", lambda sizes, steps: small)
    monkeypatch.setattr(decoder.devices, "best", lambda: CPU)
    monkeypatch.setattr(sys, "argv", ["decoder", "--json"])
    decoder.main()
    found = json.loads(capsys.readouterr().out)
    assert found.keys() == {"steps", "parts", "gigabytes", "teraflop", "difference", "measured"}
    assert found["steps"] == 25 and found["measured"] is None
    assert found["parts"].keys() == PUBLIC.keys() | {"adapter", "prior", "imagebind", "refiner"}
    assert found["teraflop"].keys() == {"text", "unet", "refiner", "edit", *decoder.ONCE}
    assert min(found["teraflop"].values()) > 0
    assert decoder.table(found).splitlines()[-1] == "no CUDA: the edit was not timed"
    assert json.dumps({"a": 1}) in decoder.table(found | {"measured": {"a": 1}})
