"""The small latent diffusion model: its networks, its noise, the error that its recipes learn from.

Stable Diffusion 1's schedule (scaled-linear, 1000 steps) and layout, so that the same code runs the result; v instead
of ε is predicted because it learns faster at this size. No loop, no data.
"""

from __future__ import annotations

import torch
from diffusers import UNet2DConditionModel
from torch import Tensor, nn
from transformers import CLIPTextConfig, CLIPTextModel, CLIPTokenizer

from tools.diffusion import learning
from tools.diffusion.learning import Learner
from tools.diffusion.schedules import scaled_linear
from training.tokens import LENGTH

WIDTH, LAYERS = 96, 3
"""Of a text state, and so of cross-attention's keys; and how many layers the text encoder has."""
WIDTHS = (64, 128, 192)
"""Of the U-Net's levels."""
SCHEDULER = {
    "_class_name": "PNDMScheduler",
    "beta_start": 0.00085,
    "beta_end": 0.012,
    "beta_schedule": "scaled_linear",
    "num_train_timesteps": 1000,
    "prediction_type": "v_prediction",
    "set_alpha_to_one": False,
    "skip_prk_steps": True,
    "steps_offset": 1,
}
"""scheduler_config.json."""
SCHEDULE = scaled_linear()


def unet(channels: int = 4, widths: tuple[int, ...] = WIDTHS) -> UNet2DConditionModel:
    """10.8 million parameters: three levels, cross-attention at the two lower ones."""
    low = len(widths) - 1
    return UNet2DConditionModel(
        sample_size=16,
        in_channels=channels,
        out_channels=4,
        layers_per_block=1,
        block_out_channels=widths,
        down_block_types=("DownBlock2D",) + ("CrossAttnDownBlock2D",) * low,
        up_block_types=("CrossAttnUpBlock2D",) * low + ("UpBlock2D",),
        cross_attention_dim=WIDTH,
        attention_head_dim=4,
        norm_num_groups=16,
    )


def text_encoder(tokenizer: CLIPTokenizer) -> CLIPTextModel:
    """Three layers, trained together with the U-Net."""
    return CLIPTextModel(
        CLIPTextConfig(
            vocab_size=len(tokenizer),
            hidden_size=WIDTH,
            intermediate_size=4 * WIDTH,
            num_hidden_layers=LAYERS,
            num_attention_heads=4,
            max_position_embeddings=LENGTH,
            projection_dim=WIDTH,
            bos_token_id=tokenizer.bos_token_id,
            eos_token_id=tokenizer.eos_token_id,
            pad_token_id=tokenizer.pad_token_id,
        )
    )


def networks(tokenizer: CLIPTokenizer, seed: int, widths: tuple[int, ...] = WIDTHS) -> nn.ModuleDict:
    """U-Net and text encoder, random."""
    torch.manual_seed(seed)
    return nn.ModuleDict({"unet": unet(4, widths), "text_encoder": text_encoder(tokenizer)})


def errors(
    net: nn.ModuleDict,
    z: Tensor,
    ids: Tensor,
    noise: torch.Generator,
    channels: Tensor | None = None,
    prediction: str = "v_prediction",
) -> Tensor:
    """`tools.diffusion.learning`'s, (B, 4, h, w), where the text encoder learns beside the U-Net.

    z: (B, 4, h, w) of unit variance. ids: (B, 77). channels: what stands behind the latent in the U-Net's input.
    """
    text = net["text_encoder"](ids).last_hidden_state
    return learning.errors(Learner(net["unet"], prediction, SCHEDULE), z, text, noise, channels)
