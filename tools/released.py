"""What InstructAny2Pix has released to draw with: an adapter to SDXL, and a refinement prior (arXiv 2312.06738).

A folder with them is searched as it was downloaded. In the adapter's place may lie what the release drew with before:
IP-Adapter's own file for SDXL and embeddings of ViT-H, or unCLIP-XL, a U-Net with two projections among its tensors.
All is read whole, so that nothing is registered that does not fit. Registers nothing; the rest of SDXL is none of it
(`tools.adding` puts the parts beside the one on the shelf).
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

from sessions.errors import BadWeights
from tools import weights
from tools.diffusion import model
from tools.nets import ip_adapter, prior
from tools.weights import PICKLED, SUFFIX, Entry

UNSTATED = "InstructAny2Pix states none"
ADAPTERS = {"ip_adapter_global_local_2_view": UNSTATED, "ip-adapter_sdxl_vit-h": "Apache-2.0 (IP-Adapter)"}
"""The adapters' licences by the names of their files, the better one first."""
FOLDERS = ("sdxl", "sdxl_models", "ip_adapter", "")
"""Where their publishers and we have them."""
UNCLIP = "diffusion_pytorch_model"
"""The file of unCLIP-XL in `sdxl/unet/`, whose licence is not stated either."""
ENDINGS = (SUFFIX, *PICKLED)


Once = Callable[[Path, Callable[[Path], None]], Path]


class Decoder(NamedTuple):
    """files: by their place in an entry. ignored: by file, names of tensors that are no part of what is made of it."""

    files: dict[str, Path]
    ignored: dict[str, tuple[str, ...]]
    licence: str


def files(folder: Path) -> tuple[Path, Path | None]:
    """The adapter and, where there is one, the prior of a folder; BadWeights where there is no adapter."""
    adapters = [folder / place / name for name in ADAPTERS for place in FOLDERS]
    adapter = _first(*adapters, folder / "sdxl/unet" / UNCLIP)
    if adapter is None:
        raise BadWeights(
            f"{folder.name} has neither a model in the layout of diffusers nor a released adapter.",
            f"That would be sdxl/{next(iter(ADAPTERS))}.bin as InstructAny2Pix released it, or IP-Adapter's "
            f"ip-adapter_sdxl_vit-h{SUFFIX}.",
        )
    return adapter, _first(folder / "prior/model")


def decoder(adapter: Path, refiner: Path | None, base: Entry, width: int, once: Once) -> Decoder:
    """What an entry has of an adapter and perhaps a prior beside the SDXL of a laid out entry.

    width: numbers of an embedding. once: gives a folder that a file was unfolded into. BadWeights names what is missing
    or does not fit.
    """
    files, ignored = {}, {}
    if adapter.stem != UNCLIP:
        files[f"ip_adapter/{adapter.name}"] = adapter
        ignored[adapter.name] = ip_adapter.load(adapter, model.outline(base.folder), width).ignored
    if refiner is not None:
        files[f"prior/{refiner.name}"] = refiner
        ignored[f"prior/{refiner.name}"] = _prior_fits(refiner, width)
    if adapter.stem == UNCLIP:
        folder = once(adapter, lambda folder: _unfold(adapter, base, width, folder))
        files |= {str(path.relative_to(folder)): path for path in sorted(folder.glob(f"*/*{SUFFIX}"))}
    licences = (base.licence, ADAPTERS.get(adapter.stem, UNSTATED), UNSTATED if refiner else "")
    return Decoder(files, ignored, "; ".join(dict.fromkeys(filter(None, licences))))


def _unfold(path: Path, base: Entry, width: int, folder: Path) -> None:
    """Fill a folder with the U-Net of unCLIP-XL and, apart from it, its projections; BadWeights before it is."""
    found = {name: tensor.contiguous() for name, tensor in ip_adapter.tensors(path).items()}
    own = {name: tensor for name, tensor in found.items() if name.startswith(ip_adapter.UNCLIP)}
    others = {name: tensor for name, tensor in found.items() if name not in own}
    unet = model.outline(base.folder)
    ip_adapter.load_unclip(path, unet, width)
    model.fill(unet, others, path)
    weights.write(folder / "unet" / model.FILES[0], others)
    weights.write(folder / "ip_adapter" / ip_adapter.MODEL, own)


def _first(*stems: Path) -> Path | None:
    paths = (stem.with_name(f"{stem.name}{ending}") for stem in stems for ending in ENDINGS)
    return next((path for path in paths if path.is_file()), None)


def _prior_fits(path: Path, width: int) -> tuple[str, ...]:
    """The names of tensors that are ignored; BadWeights where it is no prior, or one for other embeddings."""
    loaded, ignored = prior.released(path)
    if loaded.config.width != width:
        raise BadWeights(
            f"In {path.name} model.ln_f.weight is [{loaded.config.width}], and [{width}] is meant: "
            f"the encoder's embeddings have so many numbers.",
            prior.AGAIN,
        )
    return ignored
