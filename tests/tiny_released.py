"""The folder that InstructAny2Pix was released in, tiny and random: names, nesting and shapes as there."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import torch
from safetensors.torch import save_file
from torch import Tensor

from tests import tiny_encoders
from tests.tools.nets import test_ip_adapter, test_prior
from tools.nets import ip_adapter

SPACE = 64
"""Numbers of an embedding (1024): as many as one of GPT-2's heads has."""
SIZES = test_prior.SMALL | {"width": SPACE}
ADAPTER = "sdxl/ip_adapter_global_local_2_view.bin"
STOCK = "sdxl_models/ip-adapter_sdxl_vit-h.bin"
PRIOR = "prior/model.bin"


def adapter(net, views: int = 2, space: int = SPACE) -> dict[str, dict[str, Tensor]]:
    """An adapter's tensors, nested as all were published."""
    torch.manual_seed(65)
    sizes = ip_adapter.AdapterConfig(space, net.config.cross_attention_dim, ip_adapter.inner(net), views=views)
    made = ip_adapter.beside(net, sizes)
    for weight in made.parameters():
        torch.nn.init.normal_(weight, std=0.3)
    return test_ip_adapter.nested(made)


def prior() -> dict[str, Tensor]:
    """A prior's tensors, CLIP's text tower among them."""
    rng = torch.Generator().manual_seed(66)
    found = {}
    for name, shape in test_prior.listed(**SIZES).items():
        drawn = torch.randn(shape, generator=rng)
        found[name] = drawn * 0.1 if len(shape) > 1 else drawn * 0.3 + name.endswith(".weight")
    return found


def written(path: Path, tensors: dict) -> Path:
    """As torch writes it, or as safetensors, whose tables are flat."""
    path.parent.mkdir(parents=True, exist_ok=True)
    if path.suffix == ".bin":
        torch.save(tensors, path)
        return path
    flat: dict[str, Tensor] = {}
    for name, tensor in tensors.items():
        flat |= {f"{name}.{own}": one for own, one in tensor.items()} if isinstance(tensor, dict) else {name: tensor}
    save_file({name: tensor.contiguous() for name, tensor in flat.items()}, path)
    return path


def folder(root: Path, net, ending: str = ".bin") -> Path:
    """The adapter with two views and the prior."""
    written((root / ADAPTER).with_suffix(ending), adapter(net))
    written((root / PRIOR).with_suffix(ending), prior())
    return root


def imagebind(root: Path) -> Path:
    """An encoder of embeddings of so many numbers."""
    small, tiny_encoders.SMALL = tiny_encoders.SMALL, replace(tiny_encoders.SMALL, space=SPACE)
    try:
        return tiny_encoders.imagebind(root)
    finally:
        tiny_encoders.SMALL = small
