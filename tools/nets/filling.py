"""Giving a network its tensors: all of them, no others, each of its size, each finite. Reads no files."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import nn

from sessions.errors import BadWeights


def fill(network: nn.Module, taken: Mapping[str, torch.Tensor], whose: str, hint: str) -> None:
    """BadWeights names the first tensor that is missing, foreign, of another size or not finite.

    `whose`: what the network is called. A mask may be infinite: that is what it is for.
    """
    wanted = network.state_dict()
    if missing := [name for name in wanted if name not in taken]:
        raise BadWeights(f"These weights lack {len(missing)} tensors of {whose}, the first {missing[0]}.", hint)
    if foreign := [name for name in taken if name not in wanted]:
        raise BadWeights(f"{whose} has no {foreign[0]}, which these weights have ({len(foreign)} in all).", hint)
    for name, place in wanted.items():
        tensor = taken[name]
        if tensor.shape != place.shape:
            found, meant = list(tensor.shape), list(place.shape)
            raise BadWeights(f"In these weights {name} is {found}, and {meant} is meant.", hint)
        if not name.endswith(".mask") and not tensor.abs().amax().isfinite():
            raise BadWeights(f"In these weights {name} has infinite or undefined numbers.", hint)
    network.load_state_dict(dict(taken), assign=True)
