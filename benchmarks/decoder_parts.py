"""The parts of an any2pix over SDXL, of full size or of none, as configs and as networks without meaning.

What `benchmarks.decoder` counts and times. Reads no weights.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from diffusers import AutoencoderKL, UNet2DConditionModel
from torch import nn
from transformers import CLIPTextConfig, CLIPTextModel, CLIPTextModelWithProjection

from benchmarks.diffedit import NOISE
from benchmarks.overhead import SDXL
from tools.diffusion.model import LatentDiffusion, Second, optimise
from tools.diffusion.schedules import from_config
from tools.nets import ip_adapter
from tools.nets.imagebind import ImageBind, ImageBindConfig, Trunk
from tools.nets.ip_adapter import AdapterConfig, IpAdapter
from tools.nets.prior import ReleasedConfig, ReleasedPrior


@dataclass(frozen=True)
class Sizes:
    """An any2pix. side: pixels; the others are configs of the classes that `networks` builds."""

    side: int
    unet: dict[str, Any]
    refiner: dict[str, Any]
    vae: dict[str, Any]
    text: dict[str, Any]
    text_2: dict[str, Any]
    prior: ReleasedConfig
    eyes: ImageBindConfig


SDXL_REFINER = SDXL | {
    "block_out_channels": (384, 768, 1536, 1536),
    "down_block_types": ("DownBlock2D", "CrossAttnDownBlock2D", "CrossAttnDownBlock2D", "DownBlock2D"),
    "up_block_types": ("UpBlock2D", "CrossAttnUpBlock2D", "CrossAttnUpBlock2D", "UpBlock2D"),
    "transformer_layers_per_block": 4,
    "attention_head_dim": (6, 12, 24, 24),
    "cross_attention_dim": 1280,
    "projection_class_embeddings_input_dim": 2560,
}
"""The U-Net of stabilityai/stable-diffusion-xl-refiner-1.0."""
VAE = {
    "down_block_types": ("DownEncoderBlock2D",) * 4,
    "up_block_types": ("UpDecoderBlock2D",) * 4,
    "block_out_channels": (128, 256, 512, 512),
    "layers_per_block": 2,
    "sample_size": 1024,
    "scaling_factor": 0.13025,
}
WORDS = {"vocab_size": 49408, "bos_token_id": 0, "eos_token_id": 2, "pad_token_id": 1}
CLIP_L = WORDS | {"hidden_size": 768, "intermediate_size": 3072, "num_hidden_layers": 12, "num_attention_heads": 12}
BIG_G = WORDS | {"hidden_size": 1280, "intermediate_size": 5120, "num_hidden_layers": 32, "num_attention_heads": 20}
PROJECTED = {"projection_dim": 1280, "hidden_act": "gelu"}
FULL = Sizes(1024, SDXL, SDXL_REFINER, VAE, CLIP_L, BIG_G | PROJECTED, ReleasedConfig(), ImageBindConfig())
"""SDXL 1.0 with its refiner, InstructAny2Pix's adapter and prior, ImageBind huge."""
NARROW = {
    "block_out_channels": (8, 16, 16),
    "transformer_layers_per_block": (1, 1, 2),
    "attention_head_dim": (1, 2, 2),
    "cross_attention_dim": 48,
    "addition_time_embed_dim": 8,
    "projection_class_embeddings_input_dim": 16 + 6 * 8,
    "norm_num_groups": 4,
    "sample_size": 8,
}
NARROW_REFINER = NARROW | {
    "block_out_channels": (8, 16, 16, 16),
    "transformer_layers_per_block": 1,
    "attention_head_dim": (1, 2, 2, 2),
    "cross_attention_dim": 16,
    "projection_class_embeddings_input_dim": 16 + 5 * 8,
}
NARROW_VAE = {"block_out_channels": (8, 8, 16, 16), "layers_per_block": 1, "norm_num_groups": 4, "sample_size": 64}
SHORT = {"vocab_size": 1000, "num_hidden_layers": 2, "num_attention_heads": 2}
SMALL = Sizes(
    64,
    SDXL | NARROW,
    SDXL_REFINER | NARROW_REFINER,
    VAE | NARROW_VAE,
    CLIP_L | SHORT | {"hidden_size": 32, "intermediate_size": 64},
    BIG_G | PROJECTED | SHORT | {"hidden_size": 16, "intermediate_size": 32, "projection_dim": 16},
    ReleasedConfig(layers=1, width=64, heads=1, positions=16, text=8, waves=8),
    ImageBindConfig(64, Trunk(32, 1, 2), Trunk(16, 1, 2), Trunk(24, 1, 3), side=56, words=1000),
)
"""The same of no size."""


def networks(sizes: Sizes) -> dict[str, nn.Module]:
    """Every part but the refiner, with the numbers that new ones have; where zeros would be silent, others."""
    unet = UNet2DConditionModel(**sizes.unet)
    context = unet.config.cross_attention_dim
    made = {
        "unet": unet,
        "vae": AutoencoderKL(**sizes.vae),
        "text_encoder": CLIPTextModel(CLIPTextConfig(**sizes.text)),
        "text_encoder_2": CLIPTextModelWithProjection(CLIPTextConfig(**sizes.text_2)),
        "adapter": IpAdapter(AdapterConfig(sizes.eyes.space, context, ip_adapter.inner(unet), views=2)),
        "prior": ReleasedPrior(sizes.prior),
        "imagebind": ImageBind(sizes.eyes),
    }
    for weight in made["imagebind"].parameters():
        if weight.dim() > 1:
            nn.init.normal_(weight, std=weight[0].numel() ** -0.5)
    return {name: part.eval().requires_grad_(False) for name, part in made.items()}


def refiner(sizes: Sizes) -> Any:
    """Its U-Net; all else it shares with the base."""
    return UNet2DConditionModel(**sizes.refiner).eval().requires_grad_(False)


def modelled(parts: dict[str, Any], sizes: Sizes, words: tuple[Any, Any] = (None, None)) -> LatentDiffusion:
    """Parts as `tools.diffusion.model` makes them ready: U-Net and autoencoder are rewritten."""
    first, other = words
    second = Second(parts["text_encoder_2"], other, zeros=True, scored=False)
    return LatentDiffusion(
        optimise(parts["unet"]), optimise(parts["vae"]), parts["text_encoder"], first,
        from_config(NOISE), "epsilon", sizes.side, "random", "random", second,
    )  # fmt: skip
