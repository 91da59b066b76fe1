"""Recipe 3: InstructPix2Pix (Brooks et al., arXiv 2211.09800) as a fine-tune of the base on exact pairs.

The U-Net's first convolution takes four more channels, whose weights start at zero, and keeps its bias: before training
it computes what the base computes, whatever the picture. The picture enters as the VAE's mode, not scaled; the target
latent is scaled. One uniform number per item decides what is dropped (`kept`). The text encoder goes on learning:
instructions have words that captions lack. Cells that an edit changes count more than those it leaves (`weights`).
"""

from __future__ import annotations

import copy

import torch
from diffusers import UNet2DConditionModel
from torch import Tensor, nn
from transformers import CLIPTokenizer

from training.data import Data
from training.diffusion import v_errors
from training.loop import Recipe, generator
from training.tokens import ids

BATCH, STEPS, UNCONDITIONAL = 32, 10000, 0.05
CHANGED, DIFFERENCE = 5.0, 0.2


def widened(unet: UNet2DConditionModel, channels: int = 8) -> UNet2DConditionModel:
    """The same network with a first convolution that takes more channels, those behind the first four weighing zero."""
    config = {**unet.config, "in_channels": channels}
    wide = UNet2DConditionModel.from_config(config)
    state = unet.state_dict()
    narrow = state["conv_in.weight"]
    state["conv_in.weight"] = torch.cat([narrow, narrow.new_zeros(len(narrow), channels - 4, 3, 3)], 1)
    wide.load_state_dict(state)
    return wide


def kept(r: Tensor, u: float = UNCONDITIONAL) -> tuple[Tensor, Tensor]:
    """Whether text and picture are kept for r uniform in [0, 1): no text below 2u, no picture in [u, 3u)."""
    return r >= 2 * u, (r < u) | (r >= 3 * u)


def weights(source: Tensor, target: Tensor) -> Tensor:
    """How much each cell counts, (B, 1, h, w), mean 1: more where target and source (B, 4, h, w) differ.

    A recoloured object is a few cells of 256, and all others are a copy. Where the picture is given the target follows
    from it, so the weight is no function of chance and the optimum is the same.
    """
    changed = (target - source).abs().mean(1, keepdim=True) > DIFFERENCE
    weight = torch.where(changed, CHANGED, 1.0)
    return weight / weight.mean((1, 2, 3), keepdim=True)


def recipe(
    base: nn.ModuleDict, data: Data, scale: float, tokenizer: CLIPTokenizer, seed: int = 2, steps: int = STEPS
) -> Recipe:
    """Fine-tune a trained base; `scale` is the autoencoder's scaling factor."""
    device = next(base.parameters()).device
    unet = widened(base["unet"]).to(device, memory_format=torch.channels_last)
    net = nn.ModuleDict({"unet": unet, "text_encoder": copy.deepcopy(base["text_encoder"])})
    null = ids(tokenizer, [""])

    def loss(step: int) -> Tensor:
        rng = generator(seed, step)
        scene = torch.randint(len(data), (BATCH,), generator=rng)
        edit = torch.randint(data.instructions.shape[1], (BATCH,), generator=rng)
        text, picture = kept(torch.rand(BATCH, generator=rng))
        said = torch.where(text[:, None], data.instructions[scene, edit], null)
        source, target, given = data.z[scene, 0], data.z[scene, edit + 1], picture[:, None, None, None]
        errors = v_errors(net, target.to(device), said.to(device), rng, (source / scale * given).to(device))
        return (torch.where(given, weights(source, target), 1.0).to(device) * errors).mean()

    return Recipe("instruct_pix2pix", net, loss, steps, rate=5e-4, halved=True)
