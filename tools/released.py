"""What InstructAny2Pix has released to draw with: an adapter to SDXL, and a refinement prior (arXiv 2312.06738).

A folder with them is searched as it was downloaded; IP-Adapter's own file for SDXL and embeddings of ViT-H, which the
release drew with before, may lie in the adapter's place. Both are read whole, so that nothing is registered that does
not fit. Registers and copies nothing; SDXL itself is none of it (`tools.adding` puts them beside the one on the shelf).
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple

from sessions.errors import BadWeights
from tools.diffusion import model
from tools.nets import ip_adapter, prior
from tools.weights import PICKLED, SUFFIX, Entry

UNSTATED = "InstructAny2Pix states none"
ADAPTERS = {"ip_adapter_global_local_2_view": UNSTATED, "ip-adapter_sdxl_vit-h": "Apache-2.0 (IP-Adapter)"}
"""The adapters' licences by the names of their files, the better one first."""
FOLDERS = ("sdxl", "sdxl_models", "ip_adapter", "")
"""Where their publishers and we have them."""
ENDINGS = (SUFFIX, *PICKLED)


class Decoder(NamedTuple):
    """files: by their place in an entry. ignored: by file, names of tensors that are no part of what is made of it."""

    files: dict[str, Path]
    ignored: dict[str, tuple[str, ...]]
    licence: str


def files(folder: Path) -> tuple[Path, Path | None]:
    """The adapter and, where there is one, the prior of a folder; BadWeights where there is no adapter."""
    names = [f"{name}{ending}" for name in ADAPTERS for ending in ENDINGS]
    adapter = _first(folder / place / name for name in names for place in FOLDERS)
    if adapter is None:
        raise BadWeights(
            f"{folder.name} has neither a model in the layout of diffusers nor a released adapter.",
            f"That would be sdxl/{next(iter(ADAPTERS))}.bin as InstructAny2Pix released it, or IP-Adapter's "
            f"ip-adapter_sdxl_vit-h{SUFFIX}.",
        )
    return adapter, _first(folder / "prior" / f"model{ending}" for ending in ENDINGS)


def decoder(adapter: Path, refiner: Path | None, base: Entry, width: int) -> Decoder:
    """What an entry has of an adapter and perhaps a prior beside the SDXL of a laid out entry.

    width: numbers of an embedding. BadWeights names what is missing or does not fit.
    """
    files = {f"ip_adapter/{adapter.name}": adapter}
    ignored = {adapter.name: ip_adapter.load(adapter, model.outline(base.folder), width).ignored}
    licences = [base.licence, ADAPTERS[adapter.stem]]
    if refiner is not None:
        files[f"prior/{refiner.name}"] = refiner
        ignored[f"prior/{refiner.name}"] = _prior_fits(refiner, width)
        licences.append(UNSTATED)
    return Decoder(files, ignored, "; ".join(dict.fromkeys(filter(None, licences))))


def _first(paths: Iterable[Path]) -> Path | None:
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
