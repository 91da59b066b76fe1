"""Trained networks as folders in diffusers' layout, in half precision: what `tools.diffusion.model.load` reads."""

from __future__ import annotations

import copy
import json
import shutil
from pathlib import Path

import torch
from torch import nn

from training.diffusion import SCHEDULER


def folder(where: Path, vae: nn.Module, net: nn.ModuleDict, tokenizer: Path) -> None:
    """unet, vae, text_encoder, tokenizer, scheduler; whatever stood there is replaced."""
    shutil.rmtree(where, ignore_errors=True)
    for name, part in {"unet": net["unet"], "vae": vae, "text_encoder": net["text_encoder"]}.items():
        copy.deepcopy(part).to("cpu", torch.float16, memory_format=torch.contiguous_format).save_pretrained(
            where / name
        )
    shutil.copytree(tokenizer, where / "tokenizer")
    (where / "scheduler").mkdir()
    (where / "scheduler" / "scheduler_config.json").write_text(json.dumps(SCHEDULER, indent=2), encoding="utf-8")
