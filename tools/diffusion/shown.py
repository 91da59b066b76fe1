"""What a latent model is shown of a step's picture: its pixels as they fit, its latent, a mask as cells of that.

Goes on from the latent that the picture was decoded from, where the step before has left one; any other picture must be
of the world that the weights have seen, or their own work. Edits nothing.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
import torch
from torch import Tensor

from sessions.values import Pixels
from tools import photos
from tools.base import EditContext
from tools.diffusion import kept, world
from tools.diffusion.model import LatentDiffusion
from tools.photos import Fitted
from tools.shelf import missing


@dataclass(frozen=True, eq=False)
class Shown:
    """A picture as `model` sees it: fitted pixels, and z0 (1, 4, h, w), their latent times the scaling factor."""

    model: LatentDiffusion
    fitted: Fitted
    z0: Tensor

    def cells(self, mask: Pixels) -> Tensor:
        """bool (h, w): the cells of the latent that a mask (H, W) of the picture touches."""
        f = self.model.factor
        height, width = (side // f for side in self.fitted.rgb.shape[:2])
        touched = photos.fit_mask(np.where(mask > 0, 255, 0).astype(np.uint8), self.fitted) > 0
        return torch.from_numpy(touched.reshape(height, f, width, f).any((1, 3))).to(self.z0.device)

    def at_photo(self, cells: Tensor) -> Pixels:
        """A mask bool (h, w) of the latent as uint8 (H, W) of the picture: 0 outside, from there up to 255 inside, soft
        within a few pixels of the edge.
        """
        f = self.model.factor
        mask = np.kron(cells.cpu().numpy(), np.ones((f, f), np.uint8)) * np.uint8(255)
        soft = np.minimum(mask, cv2.blur(mask, (5, 5), borderType=cv2.BORDER_REPLICATE))
        return photos.fit_back(soft, self.fitted)

    def kept_outside(self, z: Tensor, mask: Pixels | None) -> Tensor:
        """z (1, 4, h, w) where the mask touches, z0 elsewhere: the latent of the picture after the step."""
        return z if mask is None else z.where(self.cells(mask), self.z0)


def shown(ctx: EditContext, role: str, model: LatentDiffusion, multiple: int) -> Shown:
    """The step's picture, sides multiples of `multiple`, encoded, or the latent that it came from if that fits."""
    shelf = ctx.weights()
    fitted = photos.fit(ctx.image, model.side, multiple)
    cells = tuple(side // model.factor for side in fitted.rgb.shape[:2])
    if ctx.latent is not None and ctx.latent.shape[-2:] == cells:
        return Shown(model, fitted, ctx.latent.to(model.device))
    require_known(ctx, role, fitted.rgb)
    return Shown(model, fitted, kept.latent(shelf.cache, model, fitted.rgb))


def require_known(ctx: EditContext, role: str, rgb: Pixels) -> None:
    """OutsideWorld for pixels (h, w, 3) of the model's size that weights of a small world were never shown.

    What such weights have made is not looked at: of their own edits one in four looks like nothing they were shown.
    """
    if ctx.weights().entry(role).world == "toybox" and not ctx.familiar:
        world.require(rgb, missing(role).hint)


def halvings(model: LatentDiffusion) -> int:
    """Pixels that a side must be a multiple of, so that every level of the U-Net halves it evenly."""
    return int(model.factor * 2 ** (len(model.unet.config.block_out_channels) - 1))
