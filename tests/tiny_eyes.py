"""Tiny networks that pictures are measured with, random, laid out as the public ones: CLIP, DINO, LPIPS, a head."""

from __future__ import annotations

import json
from pathlib import Path

import torch
from safetensors.torch import save_file
from transformers import CLIPConfig, CLIPModel, Dinov2Config, Dinov2Model, ViTConfig, ViTModel

from tests.tiny import TOKENS, tokenizer, vocabulary
from tests.tiny_encoders import scatter

SIZE = {"hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 4, "intermediate_size": 64}
CHANNELS = {"alex": (64, 192, 384, 256, 256), "vgg": (64, 128, 256, 512, 512)}
ALEX = {0: (64, 3, 11), 3: (192, 64, 5), 6: (384, 192, 3), 8: (256, 384, 3), 10: (256, 256, 3)}
VGG = dict(
    zip(
        (0, 2, 5, 7, 10, 12, 14, 17, 19, 21, 24, 26, 28),
        [(64, 3), (64, 64), (128, 64), (128, 128), (256, 128), *[(256, 256)] * 2, (512, 256), *[(512, 512)] * 5],
        strict=True,
    )
)


def clip(folder: Path) -> Path:
    """As `openai/clip-vit-large-patch14` is, with words."""
    torch.manual_seed(5)
    words = len(vocabulary()[0])
    text = SIZE | {"hidden_size": 16, "vocab_size": words, "max_position_embeddings": TOKENS}
    ends = {"bos_token_id": words - 2, "eos_token_id": words - 1, "pad_token_id": words - 1}
    vision = SIZE | {"image_size": 56, "patch_size": 14}
    config = CLIPConfig(text_config=text | ends, vision_config=vision, projection_dim=16)
    scatter(CLIPModel(config)).save_pretrained(folder)
    tokenizer(folder)
    return folder


def dino(folder: Path, kind: str = "dinov2") -> Path:
    """As `facebook/dinov2-small` or `facebook/dino-vits16` are."""
    torch.manual_seed(6)
    size = SIZE | {"image_size": 56, "patch_size": 14}
    made = Dinov2Model(Dinov2Config(**size)) if kind == "dinov2" else ViTModel(ViTConfig(**size))
    scatter(made).save_pretrained(folder)
    looks = {"size": {"shortest_edge": 64}, "crop_size": {"height": 56, "width": 56}}
    means = {"image_mean": [0.485, 0.456, 0.406], "image_std": [0.229, 0.224, 0.225], "resample": 3}
    (folder / "preprocessor_config.json").write_text(json.dumps(looks | means))
    return folder


def lpips_state(kind: str = "alex") -> dict[str, torch.Tensor]:
    """torchvision's tensors and lpips's, the real sizes."""
    torch.manual_seed(7)
    state = {"classifier.1.weight": torch.zeros(3, 3)}
    for number, (wider, width, *side) in (ALEX if kind == "alex" else VGG).items():
        shape = (wider, width, *((side or [3]) * 2))
        state[f"features.{number}.weight"] = torch.randn(shape) * (2 / shape[1] / shape[2] ** 2) ** 0.5
        state[f"features.{number}.bias"] = torch.randn(wider) * 0.1
    for number, width in enumerate(CHANNELS[kind]):
        state[f"lin{number}.model.1.weight"] = torch.rand(1, width, 1, 1)
    return state


def lpips(path: Path, kind: str = "alex") -> Path:
    """One file of both."""
    if path.suffix == ".safetensors":
        save_file(lpips_state(kind), path)
    else:
        torch.save(lpips_state(kind), path)
    return path


def aesthetic(path: Path) -> Path:
    """As `sac+logos+ava1-l14-linearMSE.pth` is: linear layers at every other place."""
    torch.manual_seed(8)
    sizes = {0: (12, 16), 2: (6, 12), 4: (1, 6)}
    state = {f"layers.{n}.weight": torch.randn(size) for n, size in sizes.items()}
    torch.save(state | {f"layers.{n}.bias": torch.randn(size[0]) for n, size in sizes.items()}, path)
    return path
