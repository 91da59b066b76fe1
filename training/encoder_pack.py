"""The trained encoder as a folder of the starter pack: ImageBind's names, its sizes, a tokenizer; its register's line.

`tools.nets.imagebind_keys` reads it. Trains nothing.
"""

from __future__ import annotations

import json
import shutil
from pathlib import Path

from safetensors.torch import save_file

from tools.nets.imagebind import ImageBind
from training.export import register

ROLE, NAME = "encoder", "toybox-encoder"
FILES = ("config.json", "model.safetensors")


def write(net: ImageBind, folder: Path) -> None:
    """config.json and float16 weights."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "config.json").write_text(json.dumps(sizes(net), indent=2) + "\n", encoding="utf-8")
    state = {name: tensor.detach().cpu().half().contiguous() for name, tensor in net.state_dict().items()}
    save_file(state, folder / "model.safetensors", {"format": "pt"})


def sizes(net: ImageBind) -> dict[str, str | int | list[int]]:
    """The arguments of the original's class, as `tools.nets.imagebind_keys.Sizes` reads them."""
    c = net.config
    trunks = {"vision": c.vision, "text": c.text, "audio": c.audio}
    told: dict[str, str | int | list[int]] = {"out_embed_dim": c.space}
    for name, trunk in trunks.items():
        told |= {f"{name}_embed_dim": trunk.width, f"{name}_num_blocks": trunk.blocks, f"{name}_num_heads": trunk.heads}
    return told | {
        "kernel_size": [2, c.patch, c.patch],
        "image_size": c.side,
        "vocab_size": c.words,
        "context_length": c.context,
        "audio_kernel_size": c.square,
        "audio_stride": c.stride,
        "audio_num_mel_bins": c.bins,
        "audio_target_len": c.frames,
    }


def install(folder: Path, pack: Path) -> None:
    """Copy the encoder into a pack that has a tokenizer, and name it in the pack's register."""
    (pack / "encoder").mkdir(exist_ok=True)
    for name in FILES:
        shutil.copyfile(folder / name, pack / "encoder" / name)
    paths = {f"imagebind/{name}": pack / "encoder" / name for name in FILES}
    register(pack, ROLE, NAME, paths | {f"tokenizer/{path.name}": path for path in (pack / "tokenizer").iterdir()})
