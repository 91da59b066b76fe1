"""A Stable Diffusion 1.x checkpoint in one file, as people pass them on, unfolded into diffusers' layout.

Sizes are read off the tensors. What no tensor tells (heads, groups, noise, the autoencoder's scale) is as Stable
Diffusion 1.x has it; the translation of names is diffusers' own. Registers nothing, fetches nothing.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from pathlib import Path

from accelerate import init_empty_weights  # type: ignore[import-untyped]
from diffusers import AutoencoderKL, UNet2DConditionModel
from diffusers.loaders import single_file_utils as names
from torch import Tensor, nn
from transformers import CLIPTextConfig, CLIPTextModel

from sessions.errors import BadWeights
from sessions.values import Json
from tools import weights
from tools.diffusion import model

UNET, VAE, TEXT = "model.diffusion_model.", "first_stage_model.", "cond_stage_model.transformer."
FIRST = f"{UNET}input_blocks.0.0.weight"
"""The U-Net's first convolution, (channels, input channels, 3, 3)."""
HEADS, WIDTH_OF_HEAD = 8, 64
"""Heads of each of the U-Net's attentions; numbers in each head of the text encoder."""
GET_AGAIN = "Get the file again, or add a folder in the layout of diffusers."
NOISE: Json = {
    "_class_name": "PNDMScheduler",
    "num_train_timesteps": 1000,
    "beta_start": 0.00085,
    "beta_end": 0.012,
    "beta_schedule": "scaled_linear",
    "set_alpha_to_one": False,
    "skip_prk_steps": True,
    "steps_offset": 1,
}
TOKENIZER: Json = {
    "tokenizer_class": "CLIPTokenizer",
    "model_max_length": 77,
    "bos_token": "<|startoftext|>",
    "eos_token": "<|endoftext|>",
    "pad_token": "<|endoftext|>",
    "unk_token": "<|endoftext|>",
}

Sizes = Mapping[str, tuple[int, ...]]


def sizes(path: Path) -> Sizes:
    """The shape of each tensor; BadWeights where this is not a whole checkpoint of Stable Diffusion 1.x."""
    found = {name: shape.shape for name, shape in weights.header(path).items()}
    for beginning, part in ((FIRST, "U-Net"), (VAE, "autoencoder"), (TEXT, "text encoder")):
        if not any(name.startswith(beginning) for name in found):
            raise BadWeights(
                f"{path.name} is no whole checkpoint of Stable Diffusion 1.x: it has no {part} of that kind.",
                "Other kinds are added as a folder in the layout of diffusers.",
            )
    return found


def unfold(path: Path, tokenizer: Path, folder: Path) -> None:
    """Fill a folder with the networks of a checkpoint, its noise schedule, and the tokenizer of another folder.

    BadWeights, before anything is written, where a tensor is missing or of another shape than the rest asks for.
    """
    try:
        parts = _parts(path)
    except BadWeights as wrong:
        raise BadWeights(wrong.message, GET_AGAIN) from wrong
    except (ArithmeticError, AttributeError, LookupError, RuntimeError, TypeError, ValueError) as error:
        raise BadWeights(f"The tensors of {path.name} do not fit each other: {error}", GET_AGAIN) from error
    for part, (config, tensors) in parts.items():
        _write(folder / part / "config.json", config)
        weights.write(folder / part / model.FILES[part == "text_encoder"], tensors)
    _write(folder / "scheduler/scheduler_config.json", NOISE)
    _write(folder / "tokenizer/tokenizer_config.json", TOKENIZER)
    for name in ("vocab.json", "merges.txt"):
        (folder / "tokenizer" / name).write_bytes((tokenizer / name).read_bytes())


BUILDS: dict[str, Callable[[Json], nn.Module]] = {
    "unet": UNet2DConditionModel.from_config,
    "vae": AutoencoderKL.from_config,
    "text_encoder": lambda config: CLIPTextModel(CLIPTextConfig(**config)),
}


def _parts(path: Path) -> dict[str, tuple[Json, dict[str, Tensor]]]:
    """Config and tensors of each network, which have been tried on each other."""
    found, state = sizes(path), _averaged(weights.tensors(path))
    configs = {"unet": _unet(found), "vae": _vae(found), "text_encoder": _text(found)}
    parts = {part: (config, _translated(state, part, config)) for part, config in configs.items()}
    for part, (config, tensors) in parts.items():
        with init_empty_weights():
            network = BUILDS[part](config)
        model.fill(network, {key.removeprefix("text_model."): value for key, value in tensors.items()}, path)
    return parts


def words(found: Sizes) -> int:
    """How many tokens the text encoder knows."""
    return _size(found, _text_name(found, "embeddings.token_embedding.weight"))[0]


def _averaged(state: dict[str, Tensor]) -> dict[str, Tensor]:
    """The tensors, those of the U-Net as running averages of training where the file has these too."""
    averages = {
        name: state.get(f"model_ema.{name.removeprefix('model.').replace('.', '')}")
        for name in state
        if name.startswith(UNET)
    }
    return state | {name: average for name, average in averages.items() if average is not None}


def _translated(state: dict[str, Tensor], part: str, config: Json) -> dict[str, Tensor]:
    """The tensors of a part under diffusers' names."""
    beginning = {"unet": UNET, "vae": VAE, "text_encoder": TEXT}[part]
    mine = {name: tensor for name, tensor in state.items() if name.startswith(beginning)}
    if part == "unet":
        found = names.convert_ldm_unet_checkpoint(mine, config)  # type: ignore[no-untyped-call]
    elif part == "vae":
        found = names.convert_ldm_vae_checkpoint(mine, config)  # type: ignore[no-untyped-call]
    else:
        found = names.convert_ldm_clip_checkpoint(mine)  # type: ignore[no-untyped-call]
    return {name: tensor.contiguous() for name, tensor in found.items() if not name.endswith("position_ids")}


def _unet(found: Sizes) -> Json:
    """input_blocks: a convolution; then, at each resolution, so many layers and, but for the last, a halving."""
    blocks = _numbered(found, f"{UNET}input_blocks.")
    levels = 1 + sum(name.startswith(f"{UNET}input_blocks.") and name.endswith(".0.op.weight") for name in found)
    layers = blocks // levels - 1
    firsts = [f"{UNET}input_blocks.{1 + level * (layers + 1)}" for level in range(levels)]
    attention = "1.transformer_blocks.0.attn2.to_k.weight"
    attended = [f"{first}.{attention}" in found for first in firsts]
    return {
        "_class_name": "UNet2DConditionModel",
        "sample_size": 64,
        "in_channels": _size(found, FIRST)[1],
        "out_channels": _size(found, f"{UNET}out.2.weight")[0],
        "block_out_channels": [_size(found, f"{first}.0.out_layers.3.weight")[0] for first in firsts],
        "layers_per_block": layers,
        "down_block_types": ["CrossAttnDownBlock2D" if here else "DownBlock2D" for here in attended],
        "up_block_types": ["CrossAttnUpBlock2D" if here else "UpBlock2D" for here in reversed(attended)],
        "attention_head_dim": HEADS,
        "cross_attention_dim": _size(found, f"{firsts[0]}.{attention}")[1],
    }


def _vae(found: Sizes) -> Json:
    levels = _numbered(found, f"{VAE}encoder.down.")
    return {
        "_class_name": "AutoencoderKL",
        "sample_size": 512,
        "latent_channels": _size(found, f"{VAE}post_quant_conv.weight")[1],
        "block_out_channels": [
            _size(found, f"{VAE}encoder.down.{level}.block.0.conv1.weight")[0] for level in range(levels)
        ],
        "layers_per_block": _numbered(found, f"{VAE}encoder.down.0.block."),
        "down_block_types": ["DownEncoderBlock2D"] * levels,
        "up_block_types": ["UpDecoderBlock2D"] * levels,
        "scaling_factor": 0.18215,
    }


def _text(found: Sizes) -> Json:
    positions, width = _size(found, _text_name(found, "embeddings.position_embedding.weight"))
    return {
        "model_type": "clip_text_model",
        "vocab_size": words(found),
        "hidden_size": width,
        "intermediate_size": _size(found, _text_name(found, "encoder.layers.0.mlp.fc1.weight"))[0],
        "num_hidden_layers": _numbered(found, _text_name(found, "encoder.layers.")),
        "num_attention_heads": width // WIDTH_OF_HEAD,
        "max_position_embeddings": positions,
    }


def _text_name(found: Sizes, name: str) -> str:
    """Files written with an older transformers have no `text_model.` in these names."""
    newer = f"{TEXT}text_model."
    return (newer if any(known.startswith(newer) for known in found) else TEXT) + name


def _numbered(found: Sizes, beginning: str) -> int:
    """How many numbered blocks have names that begin so."""
    return len({name.removeprefix(beginning).partition(".")[0] for name in found if name.startswith(beginning)})


def _size(found: Sizes, name: str) -> tuple[int, ...]:
    if name not in found:
        raise BadWeights(f"The checkpoint lacks {name}.", GET_AGAIN)
    return found[name]


def _write(path: Path, value: Json) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(value, indent=2), encoding="utf-8")
