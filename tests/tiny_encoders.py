"""Tiny encoders with random weights, in exactly the layouts of the public ones, of the real classes.

Nothing here has learnt anything. `imagebind` and `clap_clip` each fill a folder as the shelf lays their entries out;
`imagebind_file` writes a checkpoint as ImageBind's authors did.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import TypeVar

import torch
from safetensors.torch import save_file
from torch import nn
from transformers import (
    ClapAudioConfig,
    ClapConfig,
    ClapFeatureExtractor,
    ClapModel,
    ClapTextConfig,
    CLIPConfig,
    CLIPModel,
    CLIPTextConfig,
    CLIPVisionConfig,
)

from tests.tiny import tokenizer, vocabulary
from tools.nets.imagebind import ImageBind, ImageBindConfig, Trunk

M = TypeVar("M", bound=nn.Module)

SMALL = ImageBindConfig(
    space=20,
    vision=Trunk(32, 2, 4),
    text=Trunk(16, 2, 2),
    audio=Trunk(24, 2, 3),
    side=56,
    words=len(vocabulary()[0]),
)
"""Its sound and picture inputs, but for the picture's side, are the released ones."""


def scatter(network: M) -> M:
    """Weights so large that every part of a network tells in its output; LayerNorms and positions too."""
    with torch.no_grad():
        for name, weight in network.named_parameters():
            if weight.dim() == 0:
                continue
            spread = 0.3 if weight.dim() == 1 or "pos" in name or "bias" in name else weight[0].numel() ** -0.5
            weight.normal_(1.0 if "norm" in name and name.endswith("weight") else 0.0, spread)
    return network


def imagebind_file(path: Path, network: ImageBind, prefix: str = "") -> Path:
    """A checkpoint with these tensors and some of other modalities, as .pth or .safetensors."""
    state = {f"{prefix}{name}": tensor.clone() for name, tensor in network.state_dict().items()}
    state[f"{prefix}modality_trunks.depth.blocks.0.attn.bias_k"] = torch.zeros(1, 1, 8)
    state[f"{prefix}modality_preprocessors.imu.pos_embed"] = torch.zeros(1, 3, 8)
    path.parent.mkdir(parents=True, exist_ok=True)
    if path.suffix == ".safetensors":
        save_file(state, path)
    else:
        torch.save(state, path)
    return path


def imagebind(folder: Path, name: str = "imagebind_huge.pth") -> Path:
    """`imagebind/` with weights and sizes, and CLIP's words in `tokenizer/`."""
    torch.manual_seed(2)
    imagebind_file(folder / "imagebind" / name, scatter(ImageBind(SMALL)))
    sizes = {"out_embed_dim": SMALL.space, "image_size": SMALL.side, "vocab_size": SMALL.words}
    for modality in ("vision", "text", "audio"):
        for field, value in zip(("embed_dim", "num_blocks", "num_heads"), getattr(SMALL, modality), strict=True):
            sizes[f"{modality}_{field}"] = value
    (folder / "imagebind/config.json").write_text(json.dumps(sizes))
    tokenizer(folder / "tokenizer")
    return folder


def clap_clip(folder: Path) -> Path:
    """`clap/` as `laion/clap-htsat-unfused` is, its weights as torch wrote them; `clip/` as `openai/clip-*` are."""
    torch.manual_seed(3)
    clap_model(folder / "clap")
    clip_model(folder / "clip")
    return folder


def clap_model(folder: Path) -> None:
    audio = {"depths": [1, 1], "num_attention_heads": [2, 2], "patch_embeds_hidden_size": 16, "hidden_size": 32}
    audio |= {"spec_size": 64, "window_size": 4, "num_mel_bins": 16, "projection_dim": 12, "num_hidden_layers": 2}
    text = {"vocab_size": 50, "hidden_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2}
    text |= {"intermediate_size": 16, "projection_dim": 12, "max_position_embeddings": 20}
    config = ClapConfig(
        text_config=ClapTextConfig(**text).to_dict(),
        audio_config=ClapAudioConfig(**audio).to_dict(),
        projection_dim=12,
    )
    model = scatter(ClapModel(config))
    config.save_pretrained(folder)
    torch.save(model.state_dict(), folder / "pytorch_model.bin")
    heard = ClapFeatureExtractor(feature_size=16, truncation="rand_trunc", frequency_min=50, hop_length=1920)
    heard.save_pretrained(folder)


def clip_model(folder: Path) -> None:
    vision = {"hidden_size": 32, "intermediate_size": 64, "num_hidden_layers": 2, "num_attention_heads": 4}
    vision |= {"image_size": 56, "patch_size": 14, "projection_dim": 16}
    text = {"vocab_size": 50, "hidden_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2}
    text |= {"intermediate_size": 16, "projection_dim": 16}
    config = CLIPConfig(
        text_config=CLIPTextConfig(**text).to_dict(),
        vision_config=CLIPVisionConfig(**vision).to_dict(),
        projection_dim=16,
    )
    scatter(CLIPModel(config)).save_pretrained(folder)
