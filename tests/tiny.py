"""Tiny checkpoints with random weights, in exactly the public folder layouts, of the real classes.

For code that loads and runs networks: nothing here has learnt anything. `stable_diffusion`, `instruct_pix2pix`,
`inpainting`, `blip_diffusion`, `sdxl` and `sdxl_refiner` each fill a folder; `shelf` is a shelf with all of them on it.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from diffusers import AutoencoderKL, ControlNetModel, UNet2DConditionModel
from diffusers.pipelines.deprecated.blip_diffusion.modeling_blip2 import Blip2QFormerModel
from safetensors.torch import load_file, save_file
from tokenizers.pre_tokenizers import ByteLevel
from transformers import Blip2Config, CLIPTextConfig, CLIPTextModel, CLIPTextModelWithProjection

from tools import adding
from tools import shelf as shelves
from tools.diffusion.model import LatentDiffusion
from tools.nets import ip_adapter, prior
from tools.shelf import Shelf

WIDTH = 32
"""Channels of the text states (768 in the full-size checkpoints)."""
WIDTH_2, POOLED, ANGLES = 24, 20, 8
"""Of SDXL's second text encoder (1280), of its pooled texts (1280), and of a size as sines and cosines (256)."""
TOKENS = 77
WORDS = (
    "a the of in on and with to it make turn into photo picture painting cat dog cup apple tree house car sky sea sand"
    " man woman face hat dress red green blue yellow black white orange pink purple big small round square circle"
    " triangle star stripe background sunglasses winter night snow fire gold wood left right remove add replace"
).split()
NOISE = {
    "num_train_timesteps": 1000,
    "beta_start": 0.00085,
    "beta_end": 0.012,
    "beta_schedule": "scaled_linear",
    "prediction_type": "epsilon",
    "set_alpha_to_one": False,
    "clip_sample": False,
    "trained_betas": None,
}
SCHEDULERS = {
    "PNDMScheduler": {"skip_prk_steps": True, "steps_offset": 1},
    "EulerAncestralDiscreteScheduler": {"steps_offset": 1, "timestep_spacing": "linspace"},
    "DDIMScheduler": {"steps_offset": 1},
    "EulerDiscreteScheduler": {"steps_offset": 1, "timestep_spacing": "leading", "interpolation_type": "linear"},
}


def stable_diffusion(
    folder: Path, channels: int = 4, side: int = 64, scheduler: str = "PNDMScheduler", seed: int = 0
) -> Path:
    """Fill `folder` as a Stable Diffusion 1.x repository is; `channels` of the U-Net's input, `side` in pixels."""
    torch.manual_seed(seed)
    unet(channels, side // 8).save_pretrained(folder / "unet")
    vae(side).save_pretrained(folder / "vae")
    text_encoder(folder / "text_encoder")
    tokenizer(folder / "tokenizer")
    write(folder / "scheduler/scheduler_config.json", noise(scheduler))
    write(folder / "model_index.json", index("StableDiffusionPipeline", scheduler))
    return folder


def instruct_pix2pix(folder: Path, side: int = 64) -> Path:
    """`timbrooks/instruct-pix2pix`: eight channels into the U-Net, the picture's latent behind the noise."""
    stable_diffusion(folder, 8, side, "EulerAncestralDiscreteScheduler", seed=8)
    name = "StableDiffusionInstructPix2PixPipeline"
    write(folder / "model_index.json", index(name, "EulerAncestralDiscreteScheduler"))
    return folder


def inpainting(folder: Path, side: int = 64) -> Path:
    """`stable-diffusion-v1-5/stable-diffusion-inpainting`: nine channels, mask and masked latent behind the noise."""
    stable_diffusion(folder, 9, side, "DDIMScheduler", seed=9)
    write(folder / "model_index.json", index("StableDiffusionInpaintPipeline", "DDIMScheduler"))
    return folder


def blip_diffusion(folder: Path, side: int = 64) -> Path:
    """`Salesforce/blipdiffusion`: a text-to-image model with a subject encoder, and BERT's `vocab.txt` beside it."""
    stable_diffusion(folder, 4, side, "PNDMScheduler", seed=16)
    subject_encoder(folder / "qformer")
    write(folder / "scheduler/scheduler_config.json", noise("PNDMScheduler") | {"steps_offset": 0})
    parts = {"qformer": ["blip_diffusion", "Blip2QFormerModel"], "image_processor": [None, None], "ctx_begin_pos": 2}
    write(folder / "model_index.json", index("BlipDiffusionPipeline", "PNDMScheduler") | parts)
    return folder


def blip_diffusion_controlnet(folder: Path, side: int = 64) -> Path:
    """`Salesforce/blipdiffusion-controlnet`: the same with a ControlNet, which has learnt nothing either."""
    blip_diffusion(folder, side)
    control = ControlNetModel.from_unet(unet(4, side // 8), conditioning_embedding_out_channels=(4, 8, 8, 16))
    for name, weight in control.named_parameters():  # a fresh one ends in zeros and would change nothing
        if name.startswith(("controlnet_down", "controlnet_mid", "controlnet_cond_embedding.conv_out")):
            torch.nn.init.normal_(weight, std=0.02)
    control.save_pretrained(folder / "controlnet")
    return folder


def sdxl(folder: Path, side: int = 64) -> Path:
    """`stabilityai/stable-diffusion-xl-base-1.0`: two text encoders; a pooled text and six sizes join the time."""
    torch.manual_seed(32)
    wide_unet(WIDTH + WIDTH_2, 6, side // 8, (8, 16, 16), (1, 2, 3)).save_pretrained(folder / "unet")
    wide_parts(folder, side)
    text_encoder(folder / "text_encoder")
    tokenizer(folder / "tokenizer")
    wide_index(folder, "StableDiffusionXLPipeline", {"force_zeros_for_empty_prompt": True})
    return folder


def sdxl_refiner(folder: Path, side: int = 64) -> Path:
    """`stabilityai/stable-diffusion-xl-refiner-1.0`: the second text encoder alone, a score as the fifth size."""
    torch.manual_seed(33)
    wide_unet(WIDTH_2, 5, side // 8, (8, 16, 16, 16), 2).save_pretrained(folder / "unet")
    wide_parts(folder, side)
    told = {"requires_aesthetics_score": True, "force_zeros_for_empty_prompt": False}
    absent = {"text_encoder": [None, None], "tokenizer": [None, None]}
    wide_index(folder, "StableDiffusionXLImg2ImgPipeline", told | absent)
    return folder


def any2pix(folder: Path, base: Callable[[Path], Path] = stable_diffusion, space: int = 20, encoder: str = "") -> Path:
    """A model of `base` with an adapter for embeddings of `space` numbers and a prior, both random, as we save them."""
    net = UNet2DConditionModel.from_pretrained(base(folder) / "unet")
    torch.manual_seed(64)
    context, inner = net.config.cross_attention_dim, ip_adapter.inner(net)
    sizes = ip_adapter.AdapterConfig(space, context, inner, views=2, encoder=encoder, together=True)
    adapter = ip_adapter.beside(net, sizes)
    for weight in adapter.parameters():
        torch.nn.init.normal_(weight, std=0.3)
    ip_adapter.save(adapter, folder / "ip_adapter")
    own = prior.Prior(prior.PriorConfig(space=space, width=16, blocks=1, waves=4, encoder=encoder))
    torch.nn.init.normal_(own.leave.weight, std=0.3)
    prior.save(own, folder / "prior")
    return folder


def wide_index(folder: Path, pipeline: str, more: dict[str, Any]) -> None:
    """SDXL's `model_index.json`."""
    told = index(pipeline, "EulerDiscreteScheduler")
    del told["requires_safety_checker"], told["safety_checker"]
    told["text_encoder_2"] = ["transformers", "CLIPTextModelWithProjection"]
    told["tokenizer_2"] = ["transformers", "CLIPTokenizer"]
    write(folder / "model_index.json", told | {"image_encoder": [None, None]} | more)


def wide_parts(folder: Path, side: int) -> None:
    """What SDXL and its refiner have in common."""
    vae(side, scale=0.13025, force_upcast=True).save_pretrained(folder / "vae")
    text_encoder_2(folder / "text_encoder_2")
    tokenizer(folder / "tokenizer_2", pad="!")
    write(folder / "scheduler/scheduler_config.json", noise("EulerDiscreteScheduler"))


def wide_unet(
    text: int, sizes: int, size: int, widths: tuple[int, ...], depths: int | tuple[int, ...]
) -> UNet2DConditionModel:
    """SDXL's: no attention at the first level, `depths` transformer blocks at the others, `sizes` numbers told."""
    down = ("DownBlock2D", "CrossAttnDownBlock2D", "CrossAttnDownBlock2D", "DownBlock2D")[: len(widths)]
    return UNet2DConditionModel(
        sample_size=size,
        block_out_channels=widths,
        down_block_types=down,
        up_block_types=tuple(name.replace("Down", "Up") for name in reversed(down)),
        transformer_layers_per_block=depths,
        attention_head_dim=(1, 2, 4, 4)[: len(widths)],
        cross_attention_dim=text,
        norm_num_groups=4,
        use_linear_projection=True,
        addition_embed_type="text_time",
        addition_time_embed_dim=ANGLES,
        projection_class_embeddings_input_dim=POOLED + sizes * ANGLES,
    )


def unet(channels: int = 4, size: int = 8) -> UNet2DConditionModel:
    """The U-Net of SD 1.x with all its 16 transformer blocks, each some channels wide."""
    return UNet2DConditionModel(
        sample_size=size,
        in_channels=channels,
        block_out_channels=(16, 16, 32, 32),
        attention_head_dim=4,
        cross_attention_dim=WIDTH,
        norm_num_groups=8,
    )


def shallow(model: LatentDiffusion) -> LatentDiffusion:
    """The same model with three levels of one block each instead of four of two: for tests that run it often.

    It has seven transformer blocks; those of the third level, a quarter of the latent's sides, are in its middle.
    """
    torch.manual_seed(0)
    attending = "CrossAttnDownBlock2D", "CrossAttnUpBlock2D"
    made = UNet2DConditionModel(
        sample_size=8,
        in_channels=model.channels,
        block_out_channels=(8, 16, 16),
        layers_per_block=1,
        down_block_types=(attending[0], attending[0], "DownBlock2D"),
        up_block_types=("UpBlock2D", attending[1], attending[1]),
        attention_head_dim=2,
        cross_attention_dim=WIDTH,
        norm_num_groups=4,
    )
    return replace(model, unet=made.eval().requires_grad_(False), digest=f"{model.digest} shallow")


def vae(side: int = 64, scale: float = 0.18215, **more: Any) -> AutoencoderKL:
    """The autoencoder of SD 1.x: three halvings, four latent channels."""
    return AutoencoderKL(
        down_block_types=("DownEncoderBlock2D",) * 4,
        up_block_types=("UpDecoderBlock2D",) * 4,
        block_out_channels=(8, 8, 16, 16),
        layers_per_block=1,
        norm_num_groups=4,
        sample_size=side,
        scaling_factor=scale,
        **more,
    )


def text_encoder(folder: Path) -> None:
    """CLIP's text model with two layers, over the vocabulary of `tokenizer`; under the names of the public files."""
    config = CLIPTextConfig(
        vocab_size=len(vocabulary()[0]),
        hidden_size=WIDTH,
        intermediate_size=2 * WIDTH,
        num_hidden_layers=2,
        num_attention_heads=4,
        max_position_embeddings=TOKENS,
        bos_token_id=len(vocabulary()[0]) - 2,
        eos_token_id=len(vocabulary()[0]) - 1,
        pad_token_id=1,
        projection_dim=WIDTH,
    )
    CLIPTextModel(config).save_pretrained(folder)  # for its config; the names of the tensors have lost their beginning
    state = {f"text_model.{name}": tensor for name, tensor in load_file(folder / "model.safetensors").items()}
    save_file(state | {"text_model.embeddings.position_ids": torch.arange(TOKENS)[None]}, folder / "model.safetensors")


def text_encoder_2(folder: Path) -> None:
    """SDXL's OpenCLIP text model: its projection, its own sizes, and the end-of-text number that public files have."""
    config = CLIPTextConfig(
        vocab_size=len(vocabulary()[0]),
        hidden_size=WIDTH_2,
        intermediate_size=2 * WIDTH_2,
        num_hidden_layers=3,
        num_attention_heads=2,
        max_position_embeddings=TOKENS,
        hidden_act="gelu",
        bos_token_id=0,
        eos_token_id=2,
        pad_token_id=1,
        projection_dim=POOLED,
    )
    CLIPTextModelWithProjection(config).save_pretrained(folder)


def subject_encoder(folder: Path) -> None:
    """The part `qformer` of BLIP-Diffusion: ViT, Q-Former and projection, and BERT's words beside them."""
    folder.mkdir(parents=True, exist_ok=True)
    letters = "abcdefghijklmnopqrstuvwxyz"
    words = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *WORDS, *letters, *(f"##{letter}" for letter in letters)]
    words = list(dict.fromkeys(words))
    (folder / "vocab.txt").write_text("\n".join([*words, ""]), encoding="utf-8")
    size = {"hidden_size": WIDTH, "intermediate_size": 2 * WIDTH, "num_hidden_layers": 2, "num_attention_heads": 4}
    bert = {"vocab_size": len(words) + 1, "cross_attention_frequency": 1, "encoder_hidden_size": WIDTH}
    config = Blip2Config(
        vision_config=size | {"image_size": 28, "patch_size": 14},
        qformer_config=size | bert | {"max_position_embeddings": 64},
        num_query_tokens=16,
    )
    config.tokenizer = str(folder)
    model = Blip2QFormerModel(config)
    with torch.no_grad():  # as released, pictures would hardly count
        for weight in model.parameters():
            if weight.dim() > 1:
                weight.normal_(std=weight[0].numel() ** -0.5)
    save_file(model.state_dict(), folder / "model.safetensors")
    write(folder / "config.json", {**config.to_dict(), "tokenizer": None})


def vocabulary() -> tuple[dict[str, int], list[str]]:
    """(token → id, merges) of a byte-level BPE in CLIP's manner, which knows `WORDS` whole and spells out all else."""
    letters = sorted(ByteLevel.alphabet())
    merges: dict[str, None] = {}
    for word in WORDS:
        parts = [*word[:-1], f"{word[-1]}</w>"]
        while len(parts) > 1:
            merges.setdefault(f"{parts[0]} {parts[1]}")
            parts[:2] = [parts[0] + parts[1]]
    tokens = [*letters, *(f"{letter}</w>" for letter in letters), *(pair.replace(" ", "") for pair in merges)]
    tokens = [*dict.fromkeys(tokens), "<|startoftext|>", "<|endoftext|>"]
    return {token: number for number, token in enumerate(tokens)}, list(merges)


def tokenizer(folder: Path, pad: str = "<|endoftext|>") -> None:
    """The files of a CLIP tokenizer, as repositories of SD 1.x have them; SDXL's second pads with "!"."""
    ids, merges = vocabulary()
    write(folder / "vocab.json", ids)
    (folder / "merges.txt").write_text("\n".join(["#version: 0.2", *merges, ""]), encoding="utf-8")
    special = {"bos_token": "<|startoftext|>", "eos_token": "<|endoftext|>", "unk_token": "<|endoftext|>"}
    special["pad_token"] = pad
    write(folder / "special_tokens_map.json", special)
    settings = {"model_max_length": TOKENS, "tokenizer_class": "CLIPTokenizer", "do_lower_case": True}
    write(folder / "tokenizer_config.json", {**settings, **special, "add_prefix_space": False, "errors": "replace"})


def noise(scheduler: str) -> dict[str, Any]:
    """A `scheduler_config.json`."""
    return {"_class_name": scheduler, "_diffusers_version": "0.6.0", **NOISE, **SCHEDULERS[scheduler]}


def index(pipeline: str, scheduler: str) -> dict[str, Any]:
    """A `model_index.json`."""
    return {
        "_class_name": pipeline,
        "_diffusers_version": "0.6.0",
        "feature_extractor": [None, None],
        "requires_safety_checker": False,
        "safety_checker": [None, None],
        "scheduler": ["diffusers", scheduler],
        "text_encoder": ["transformers", "CLIPTextModel"],
        "tokenizer": ["transformers", "CLIPTokenizer"],
        "unet": ["diffusers", "UNet2DConditionModel"],
        "vae": ["diffusers", "AutoencoderKL"],
    }


CHECKPOINTS = {
    "text-to-image": stable_diffusion,
    "instruct-pix2pix": instruct_pix2pix,
    "inpainting": inpainting,
    "blip-diffusion": blip_diffusion,
    "blip-diffusion-controlnet": blip_diffusion_controlnet,
    "sdxl": sdxl,
    "sdxl-refiner": sdxl_refiner,
    "any2pix": any2pix,
}
"""What fills a folder for each role."""


def shelf(home: Path) -> Shelf:
    """A shelf of that data folder, with tiny weights for every role."""
    made = shelves.at(home)
    for role, fill in CHECKPOINTS.items():
        adding.add(made, fill(home / "tiny" / role), role)
    return made


def write(path: Path, value: Any) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(value, indent=2), encoding="utf-8")
