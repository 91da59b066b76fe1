"""The full-size public checkpoints fit the classes that load them, on the meta device, against committed tables."""

from __future__ import annotations

import math

import pytest
import torch

from tests.manifests import remake
from tests.manifests.remake import read
from tools.diffusion import model

LISTED = {"unet": 3_438_167_540, "vae": 334_643_276, "text_encoder": 492_265_874}
"""Bytes of the files of `stable-diffusion-v1-5/stable-diffusion-v1-5`, as public listings have them."""
BUILDS = {"unet": remake.unet, "vae": remake.vae, "text_encoder": remake.text_encoder, "controlnet": remake.controlnet}


def on_meta(name: str) -> torch.nn.Module:
    with torch.device("meta"):
        return BUILDS[name]()


def as_file(name: str) -> dict[str, torch.Tensor]:
    """The tensors of a table, without their numbers, under the names that loading gives them."""
    return {
        model._renamed(tensor): torch.empty(shape, dtype=torch.float32, device="meta")
        for tensor, (_, shape) in read(name).items()
    }


@pytest.mark.parametrize("name", BUILDS)
def test_a_checkpoint_fills_the_class_that_loads_it(name, tmp_path):
    model.fill(on_meta(name), as_file(name), tmp_path)


@pytest.mark.parametrize("channels", [8, 9])
def test_the_wider_unets_differ_in_their_first_convolution_only(channels):
    with torch.device("meta"):
        wide = remake.unet(channels).state_dict()
    table = {name: shape for name, (_, shape) in read("unet").items()}
    assert {name: tuple(tensor.shape) for name, tensor in wide.items()} == table | {
        "conv_in.weight": (320, channels, 3, 3)
    }


@pytest.mark.parametrize(("name", "size"), LISTED.items())
def test_a_table_weighs_what_the_listed_file_weighs(name, size):
    weigh = sum(4 * math.prod(shape) for _, shape in read(name).values())
    assert 0 < size - weigh < 100_000  # the header
    assert {kind for kind, _ in read(name).values()} == {"F32"}


def test_the_tables_are_those_of_the_classes():
    assert {name: remake.rows(on_meta(name)) for name in ("unet", "vae")} == {
        name: (remake.HERE / f"{name}.txt").read_text().splitlines() for name in ("unet", "vae")
    }
