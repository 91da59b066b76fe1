"""Subjects of one's own photos: a folder that says what each shows, the subject cut out of it, other backgrounds.

    DIR/subjects.json   {"rex.jpg": {"category": "dog", "caption": "lying on a sofa"}, …}
    DIR/backgrounds/    any pictures; without them, the other photos

What cannot be read, is not found, or has more to say than fits is left out before anything is learnt, and the log says
so.

As in BLIP-Diffusion's second stage (arXiv 2305.14720, section 4.1): a text-driven segmenter finds the category, two
thresholds make a trimap of its heat, closed-form matting makes it exact. The heat is CLIPSeg's (`--segmenter`), or that
of any other segmenter in a folder of pictures (`heat_maps`), or what `tools.regions` finds by words. Mattes are made
once and kept. Learns nothing.
"""

from __future__ import annotations

import json
import logging
import math
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
import torch
from numpy.random import Generator
from PIL import Image, ImageOps
from pydantic import BaseModel, ConfigDict, TypeAdapter, ValidationError

from sessions.errors import Damaged, NotFound, NotGrounded, PentimentoError
from sessions.values import Picture, Pixels, Region
from tools import regions
from tools.matte import foreground, reach_of
from tools.nets.clip_vision import square
from tools.pixels import Floats
from tools.subjects import phrase
from tools.weights import tensors, write, write_whole
from training.matting import composite, matte, trimap

log = logging.getLogger("training")
INDEX, BACKGROUNDS, MATTES, MISSED = "subjects.json", "backgrounds", "mattes", "missed.json"
SIDE = 512
UNREADABLE = (OSError, ValueError, SyntaxError, PentimentoError, Image.DecompressionBombError)
"""What Pillow and we raise of a file that is no picture."""
LARGEST, SMALLEST = 1.0, 0.7
"""How large a subject is where it is shown, as a share of what it is in its photo."""
MEAN, STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
"""CLIPSeg's, which are ImageNet's."""
EDGE = 1 / 40
"""How far the heat of a mask that words have found is spread, in sides: its edge is what a matte is for."""
Segmenter = Callable[[Pixels, str, str], Floats]
"""A photo (h, w, 3), its category and its name in its folder → how much each pixel (h, w) is of the category, 0…1.
NotGrounded where nothing is."""
PROPORTION = 0.02
"""By how much a heat map may be of another proportion than its photo."""


class Told(BaseModel):
    """What is said of a photo: what its subject is, and the rest of it."""

    model_config = ConfigDict(extra="forbid", frozen=True)
    category: str
    caption: str = ""


@dataclass(frozen=True, eq=False)
class Cut:
    """A subject of its photo: foreground (side, side, 3), levels, and α (side, side)."""

    fore: Floats
    alpha: Floats


class Photos:
    """The photos of a folder, as the recipes take them. Pictures are squares, uint8 RGB (side, side, 3)."""

    def __init__(self, folder: Path, told: dict[str, Told], side: int, mattes: Path = Path(MATTES)) -> None:
        self._folder, self._told, self._names, self._side, self._mattes = folder, told, [*told], side, mattes
        self._behind = [path for path in sorted((folder / BACKGROUNDS).glob("*")) if readable(path, side)]

    @classmethod
    def at(cls, folder: Path, side: int = SIDE) -> Photos:
        """All photos that can be read, not cut out."""
        told = {name: one for name, one in index(folder).items() if readable(folder / name, side)}
        if not told:
            raise NotFound(f"No photo of {folder} can be read.")
        return cls(folder, told, side)

    @classmethod
    def cut(
        cls,
        folder: Path,
        side: int,
        where: Path,
        segment: Segmenter,
        fits: Callable[[str], bool] = lambda said: True,
        deadline: float = math.inf,
    ) -> Photos | None:
        """Those whose subject is found, and whose words `fits`, cut out; None where the time is over before all are.

        Mattes are kept in `where`, at least one more at each call. NotFound where there is no subject, or nothing to
        show the only one on.
        """
        mattes, found, made = where / MATTES, {}, 0
        missed = _missed(mattes)
        for name, told in index(folder).items():
            if not fits(phrase(told.category, told.caption)):
                log.info("%s: %r is too long, so it is left out", name, phrase(told.category, told.caption))
            elif _matte_of(mattes, name).exists():
                found[name] = told
            elif missed.get(name) != told.category and readable(folder / name, side):
                if made and time.monotonic() > deadline:
                    return None
                made += 1
                try:
                    _keep(_matte_of(mattes, name), cut(opened(folder / name, side), told.category, segment, name))
                    found[name] = told
                except NotGrounded:
                    log.info("%s: no %s is found, so it is left out", name, told.category)
                    missed[name] = told.category
                    write_whole(mattes / MISSED, json.dumps(missed, indent=1, ensure_ascii=False) + "\n")
        if not found:
            raise NotFound(f"In no photo of {folder} its subject is found.")
        photos = cls(folder, found, side, mattes)
        if not photos._behind and len(found) < 2:
            raise NotFound(
                f"There is nothing to show the subject of {folder} on.", f"Put pictures into its {BACKGROUNDS}/."
            )
        return photos

    def __len__(self) -> int:
        return len(self._names)

    def target(self, number: int) -> Pixels:
        """The photo itself."""
        return opened(self._folder / self._names[number], self._side)

    def said(self, number: int) -> tuple[str, str]:
        """What the subject is, and the rest."""
        told = self._told[self._names[number]]
        return told.category, told.caption

    def shown(self, number: int, rng: Generator) -> Pixels:
        """The subject on another background, moved and smaller."""
        kept = tensors(_matte_of(self._mattes, self._names[number]))
        mine = Cut(kept["fore"].numpy().astype(np.float32), kept["alpha"].float().numpy())
        behind = opened(self._other(number, rng), self._side)
        moved = placed(mine, rng)
        return composite(moved.fore, moved.alpha, behind)

    def _other(self, number: int, rng: Generator) -> Path:
        """A background, or where there is none a photo that is not its own."""
        names = [name for at, name in enumerate(self._names) if at != number]
        paths = self._behind or [self._folder / name for name in names]
        return paths[int(rng.integers(len(paths)))]

    def pair(self, rng: Generator) -> tuple[Pixels, str]:
        """A photo and what it shows."""
        number = int(rng.integers(len(self)))
        return self.target(number), phrase(*self.said(number))


def index(folder: Path) -> dict[str, Told]:
    """What a folder says of its photos."""
    try:
        return TypeAdapter(dict[str, Told]).validate_json((folder / INDEX).read_bytes())
    except FileNotFoundError as error:
        raise NotFound(f"There is no {INDEX} in {folder}.", "It says what the photos show.") from error
    except ValidationError as error:
        raise Damaged(f"{folder / INDEX} is no table of photos, categories and captions.") from error


def opened(path: Path, side: int) -> Pixels:
    """The middle square of a photo, as its EXIF says it is held."""
    with Image.open(path) as image:
        return square(Picture(np.asarray(ImageOps.exif_transpose(image).convert("RGB"))), side)


def readable(path: Path, side: int) -> bool:
    """Whether a file is a picture; where it is none, the log says why."""
    try:
        opened(path, side)
    except UNREADABLE as error:
        log.info("%s cannot be read, so it is left out: %s", path, error)
        return False
    return True


def cut(rgb: Pixels, category: str, segment: Segmenter, name: str = "") -> Cut:
    """Heat, trimap, matte, foreground."""
    alpha = matte(rgb, trimap(segment(rgb, category, name)))
    if not alpha.any():
        raise NotGrounded(f"There is no {category} in this photo.")
    return Cut(foreground(rgb.astype(np.float32), alpha, reach_of((rgb.shape[1], rgb.shape[0]))), alpha)


def placed(one: Cut, rng: Generator) -> Cut:
    """The same subject smaller and elsewhere, inside the square as far as it was."""
    h, w = one.alpha.shape
    scale = rng.uniform(SMALLEST, LARGEST)
    dx, dy = rng.uniform(0, 1 - scale, 2)
    moved = np.array([[scale, 0, dx * w], [0, scale, dy * h]], np.float32)
    fore = cv2.warpAffine(one.fore, moved, (w, h), flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
    alpha = cv2.warpAffine(one.alpha, moved, (w, h), flags=cv2.INTER_LINEAR)
    return Cut(np.asarray(fore, np.float32), np.asarray(alpha, np.float32))


def segmenter(there: Path, photos: Path) -> Segmenter:
    """What a folder holds: a CLIPSeg, which has a config.json, else the heat maps of another folder's photos."""
    return clipseg(there) if (there / "config.json").exists() else heat_maps(there, photos)


def heat_maps(there: Path, photos: Path) -> Segmenter:
    """Of each photo a PNG of the same name and proportions, as any segmenter may have left it: white is the category.

    NotGrounded where a photo has none; Damaged where it is no picture of greys like the photo.
    """

    def heat(rgb: Pixels, category: str, name: str) -> Floats:
        path = (there / name).with_suffix(".png")
        if not path.is_file():
            raise NotGrounded(f"There is no heat map {path}.")
        with Image.open(path) as image, Image.open(photos / name) as photo:
            (w, h), (width, height) = image.size, ImageOps.exif_transpose(photo).size
            if image.mode not in ("L", "1", "P", "RGB", "RGBA", "LA"):
                raise Damaged(f"The heat map {path} is no picture of 8 bits.", "0 is nothing, 255 is the category.")
        if abs(w * height / (h * width) - 1) > PROPORTION:
            raise Damaged(f"The heat map {path} is {w} × {h}, and its photo {width} × {height}.")
        return np.asarray(opened(path, len(rgb))[..., 0] / np.float32(255), np.float32)

    return heat


def by_words(rgb: Pixels, category: str, name: str = "") -> Floats:
    """What `tools.regions` takes for the category, without weights, its edge spread."""
    mask = regions.ground(Picture(rgb), Region(words=f"the {category}")).mask
    return np.asarray(cv2.GaussianBlur(mask.astype(np.float32) / 255, (0, 0), EDGE * max(mask.shape)), np.float32)


def clipseg(folder: Path) -> Segmenter:
    """CLIPSeg (Lüddecke & Ecker, arXiv 2112.10003) of a local folder, `CIDAS/clipseg-rd64-refined`."""
    from transformers import CLIPSegForImageSegmentation, CLIPTokenizer

    net = CLIPSegForImageSegmentation.from_pretrained(folder, local_files_only=True, use_safetensors=True).eval()
    words = CLIPTokenizer.from_pretrained(folder, local_files_only=True)
    side = int(net.config.vision_config.image_size)

    @torch.no_grad()
    def heat(rgb: Pixels, category: str, name: str = "") -> Floats:
        small = np.asarray(Image.fromarray(rgb).resize((side, side), Image.Resampling.BICUBIC), np.float32) / 255
        x = torch.from_numpy((small - np.float32(MEAN)) / np.float32(STD)).permute(2, 0, 1)[None]
        said = torch.tensor([words(f"a {category}").input_ids])
        logits = net(input_ids=said, attention_mask=torch.ones_like(said), pixel_values=x).logits
        found = logits.sigmoid().reshape(side, side).numpy()
        return np.asarray(cv2.resize(found, rgb.shape[1::-1], interpolation=cv2.INTER_LINEAR), np.float32)

    return heat


def _matte_of(folder: Path, name: str) -> Path:
    return folder / f"{name.replace('/', '_')}.safetensors"


def _missed(mattes: Path) -> dict[str, str]:
    """Photos with the category that is not found in each."""
    path = mattes / MISSED
    found: dict[str, str] = json.loads(path.read_bytes()) if path.exists() else {}
    return found


def _keep(path: Path, one: Cut) -> None:
    fore = torch.from_numpy(np.rint(one.fore).astype(np.uint8))
    beside = path.with_suffix(".new")
    write(beside, {"fore": fore, "alpha": torch.from_numpy(one.alpha).half()})
    beside.replace(path)
