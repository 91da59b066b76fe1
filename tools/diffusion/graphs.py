"""A denoiser as a CUDA graph: at two or three rows the host is slower than the device, and a graph takes it out.

The network and its guidance are recorded at their second evaluation of a shape and replayed from then on; a sampler's
own few operations stay outside. On other devices a denoiser is left as it is. What it records must not look at a
number on the device, nor depend on anything but x, σ and the phase.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable

import torch
from torch import Tensor

Denoiser = Callable[[Tensor, Tensor], Tensor]
"""D(x, σ): the estimate of x0, of x's shape (B, 4, h, w). σ: 0-dim, not 0."""


def replayed(D: Denoiser, phase: Callable[[], Hashable]) -> Denoiser:
    """D, on CUDA recorded once for every shape and phase. A phase of None is never recorded."""
    recordings: dict[Hashable, Recording | None] = {}

    def replay(x: Tensor, sigma: Tensor) -> Tensor:
        if not x.is_cuda or (now := phase()) is None:
            return D(x, sigma)
        key = (now, x.shape, x.dtype)
        if key not in recordings:
            recordings[key] = None
            return D(x, sigma.to(x.device))  # what is made once a run is made here, before anything is recorded
        recording = recordings[key] = recordings[key] or Recording(D, x)
        return recording(x, sigma)

    return replay


class Recording:
    """D on static tensors. Its answers are copies, so that the next replay does not write into them."""

    def __init__(self, D: Denoiser, x: Tensor) -> None:
        self._x = x.clone()
        self._sigma = torch.ones((), dtype=torch.float64, device=x.device)
        self._graph = torch.cuda.CUDAGraph()
        with torch.cuda.graph(self._graph):
            self._denoised = D(self._x, self._sigma)

    def __call__(self, x: Tensor, sigma: Tensor) -> Tensor:
        self._x.copy_(x)
        self._sigma.copy_(sigma, non_blocking=True)
        self._graph.replay()
        return self._denoised.clone()
