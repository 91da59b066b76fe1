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

`instructany2pix.txt` is a released InstructAny2Pix checkpoint: Vicuna-7B-v1.5's tensors for 32 009 tokens, the four
projectors, and what is no part of the planner (the two for sounds, LLaVA's projector, CLIP ViT-H), whose shapes nothing
here depends on. Kept as it was trained, in bfloat16; `tests/agent/planners/test_released_files.py` writes such files.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import torch
from diffusers import AutoencoderKL, ControlNetModel, UNet2DConditionModel
from torch import nn
from transformers import CLIPTextConfig, CLIPTextModel, CLIPVisionConfig, CLIPVisionModel, LlamaConfig, LlamaForCausalLM

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


def instructany2pix() -> nn.Module:
    """Modules of the names and sizes that the checkpoint's tensors have; not a network."""
    llm = LlamaForCausalLM(LlamaConfig(vocab_size=32009, rms_norm_eps=1e-5, max_position_embeddings=4096))
    for kind in ("image", "audio"):
        llm.model.add_module(f"vae_projector_{kind}", _projector(1024, 4096, 4096))
        llm.model.add_module(f"vae_predictor_{kind}", _projector(4096, 4096, 1024))
    llm.model.add_module("mm_projector", _projector(1024, 4096, 4096))
    sizes = {"hidden_size": 1280, "intermediate_size": 5120, "num_hidden_layers": 32, "num_attention_heads": 16}
    tower = nn.ModuleDict({"vision_model": CLIPVisionModel(CLIPVisionConfig(**sizes, patch_size=14))})
    llm.model.add_module("vision_tower", nn.ModuleDict({"vision_tower": tower}))
    return llm.bfloat16()


def _projector(inside: int, inner: int, outside: int) -> nn.Sequential:
    return nn.Sequential(nn.Linear(inside, inner), nn.GELU(), nn.Linear(inner, outside))


PUBLIC: dict[str, Callable[[], nn.Module]] = {
    "unet": unet,
    "vae": vae,
    "text_encoder": text_encoder,
    "controlnet": controlnet,
    "instructany2pix": instructany2pix,
}


def rows(module: nn.Module, beginning: str = "") -> list[str]:
    """One line per tensor, "NAME F32 AxB", in the order of names; positions that are merely counted left out."""
    kinds = {torch.float32: "F32", torch.bfloat16: "BF16", torch.int64: "I64"}
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
