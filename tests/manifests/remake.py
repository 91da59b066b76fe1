"""`python -m tests.manifests.remake`: the tables of full-size checkpoints, from the libraries' classes.

No weights are needed: the classes are built on the meta device, with the configs of the public repository
`stable-diffusion-v1-5/stable-diffusion-v1-5`; they differ from the defaults of diffusers 0.42.1 and transformers 5.23
as written here. BLIP-Diffusion's fine-tuned U-Net, autoencoder and text encoder have the same tensors; its subject
encoder has a table of its own. The sizes of three files are known from public listings too: `tests/test_manifests.py`
holds the tables against them.

`ldm.txt` is not made here: the names and shapes of the same weights in one file, as public lists of model mergers have
them (sd1-ldm of ljleb/sd-mecha at b8d4d88); `tests/tools/test_single_file.py` holds it against the other three.
Nor is `imagebind.txt`: the names and shapes of `imagebind_huge`, as the class of facebookresearch/ImageBind at 53680b0
has them on the meta device; `tests/tools/nets/test_imagebind.py` holds our branches against it.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import torch
from diffusers import AutoencoderKL, ControlNetModel, UNet2DConditionModel
from torch import nn
from transformers import CLIPTextConfig, CLIPTextModel

HERE = Path(__file__).parent
SD_UNET = {"sample_size": 64, "cross_attention_dim": 768, "attention_head_dim": 8}
SD_VAE = {
    "down_block_types": ("DownEncoderBlock2D",) * 4,
    "up_block_types": ("UpDecoderBlock2D",) * 4,
    "block_out_channels": (128, 256, 512, 512),
    "layers_per_block": 2,
    "sample_size": 512,
}
CLIP_L = {
    "vocab_size": 49408,
    "hidden_size": 768,
    "intermediate_size": 3072,
    "num_hidden_layers": 12,
    "num_attention_heads": 12,
    "projection_dim": 768,
}


def unet(channels: int = 4) -> UNet2DConditionModel:
    return UNet2DConditionModel(in_channels=channels, **SD_UNET)


def vae() -> AutoencoderKL:
    return AutoencoderKL(**SD_VAE)


def text_encoder() -> CLIPTextModel:
    return CLIPTextModel(CLIPTextConfig(**CLIP_L))


def controlnet() -> ControlNetModel:
    return ControlNetModel(cross_attention_dim=768, attention_head_dim=8)


PUBLIC: dict[str, Callable[[], nn.Module]] = {
    "unet": unet,
    "vae": vae,
    "text_encoder": text_encoder,
    "controlnet": controlnet,
}


def rows(module: nn.Module, beginning: str = "") -> list[str]:
    """One line per tensor, "NAME F32 AxB", in the order of names; positions that are merely counted left out."""
    kinds = {torch.float32: "F32", torch.int64: "I64"}
    found = module.state_dict().items()
    lines = [f"{beginning}{name} {kinds[tensor.dtype]} {'x'.join(map(str, tensor.shape))}" for name, tensor in found]
    return sorted(line for line in lines if "position_ids" not in line)


def read(name: str) -> dict[str, tuple[str, tuple[int, ...]]]:
    """A table as name → (kind, shape)."""
    found = (line.split(" ") for line in (HERE / f"{name}.txt").read_text(encoding="utf-8").splitlines())
    return {tensor: (kind, tuple(int(side) for side in shape.split("x") if side)) for tensor, kind, shape in found}


def main() -> None:
    with torch.device("meta"):
        for name, build in PUBLIC.items():
            beginning = "text_model." if name == "text_encoder" else ""
            (HERE / f"{name}.txt").write_text("\n".join([*rows(build(), beginning), ""]), encoding="utf-8")


if __name__ == "__main__":
    main()
