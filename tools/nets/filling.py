"""Giving a network its tensors: all of them, no others, each of its size, each finite. Reads no files."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import nn

from sessions.errors import BadWeights


def fill(network: nn.Module, taken: Mapping[str, torch.Tensor], whose: str, hint: str) -> None:
    """BadWeights names the first tensor that is missing, foreign, of another size or kind, or not finite.

    `whose`: what the network is called. A mask may be infinite: that is what it is for.
    """
    fits(network, {name: tuple(tensor.shape) for name, tensor in taken.items()}, whose, hint)
    for name, place in network.state_dict().items():
        if taken[name].is_floating_point() != place.is_floating_point():
            raise BadWeights(f"In these weights {name} is {taken[name].dtype}, and {place.dtype} is meant.", hint)
        if not name.endswith(".mask") and not taken[name].abs().amax().isfinite():
            raise BadWeights(f"In these weights {name} has infinite or undefined numbers.", hint)
    network.load_state_dict(dict(taken), assign=True)


def fits(network: nn.Module, sizes: Mapping[str, tuple[int, ...]], whose: str, hint: str) -> None:
    """As `fill`, as far as the sizes of tensors tell."""
    wanted = network.state_dict()
    if missing := [name for name in wanted if name not in sizes]:
        first = f"{missing[0]}, {list(wanted[missing[0]].shape)}"
        raise BadWeights(f"These weights lack {len(missing)} tensors of {whose}, the first {first}.", hint)
    if foreign := [name for name in sizes if name not in wanted]:
        raise BadWeights(f"{whose} has no {foreign[0]}, which these weights have ({len(foreign)} in all).", hint)
    for name, place in wanted.items():
        if sizes[name] != tuple(place.shape):
            found, meant = list(sizes[name]), list(place.shape)
            raise BadWeights(f"In these weights {name} is {found}, and {meant} is meant.", hint)
