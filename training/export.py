"""Trained networks as a pack: folders in diffusers' layout, in half precision, and the register that names them.

What two roles share (autoencoder, tokenizer, scheduler) is stored once and named by both. `tools.weights` reads it.
"""

from __future__ import annotations

import copy
import json
import shutil
from collections.abc import Iterable, Mapping
from pathlib import Path

import torch
from torch import nn

from tools.weights import Entry, File, read_register, sha256, write_register

ROLES = {"base": "text-to-image", "instruct_pix2pix": "instruct-pix2pix", "inpainting": "inpainting"}
"""What each recipe's network is good for."""
SAMPLING: dict[str, dict[str, int | float | str | tuple[int, ...]]] = {
    "base": {"clamp": "quantile"},
    "instruct_pix2pix": {"text_guidance": 3.0, "image_guidance": 2.0, "steps": 20},
    "any2pix": {"guidance": 4.0, "alpha": 0.9},
    "inpainting": {"guidance": 4.0, "steps": 20, "layers": (0, 7)},
    "blip-diffusion": {"guidance": 3.0, "steps": 20, "rate": 1e-3},
}
"""What a recipe's network is drawn with best, where that is not what its tool does by itself (`benchmarks.toybox`,
`benchmarks.any2pix` and `benchmarks.analogist`)."""
ANY2PIX, SUBJECTS = "any2pix", "blip-diffusion"
SHARED = ("vae", "tokenizer", "scheduler")
OWN = ("unet", "text_encoder")
"""What roles have in common, and what each has of its own."""


def pack(where: Path, vae: nn.Module, nets: Mapping[str, nn.ModuleDict], tokenizer: Path) -> None:
    """Write vae, tokenizer, scheduler, and of each recipe unet and text_encoder; and name them in register.json."""
    from training.diffusion import SCHEDULER  # brings all of diffusers, which whoever only registers does without

    saved(vae, where / "vae")
    shutil.copytree(tokenizer, where / "tokenizer", dirs_exist_ok=True)
    (where / "scheduler").mkdir(exist_ok=True)
    (where / "scheduler/scheduler_config.json").write_text(json.dumps(SCHEDULER, indent=2) + "\n", encoding="utf-8")
    for name, net in nets.items():
        added(where, name, net)


def added(pack: Path, name: str, net: nn.ModuleDict) -> None:
    """One recipe's unet and text_encoder into a pack that has what is shared, and into its register."""
    each_saved(net, pack / name)
    _put(pack, entry(pack, name))


def each_saved(nets: nn.Module, folder: Path) -> None:
    """Networks that were trained together, each into its own folder."""
    for part, net in nets.named_children():
        saved(net, folder / part)


def saved(network: nn.Module, folder: Path) -> None:
    """config.json and weights of one network, float16."""
    half = copy.deepcopy(network).to("cpu", torch.float16, memory_format=torch.contiguous_format)
    half.save_pretrained(folder)


def entry(where: Path, name: str) -> Entry:
    """The register's line on one recipe's result: its own folders and the shared ones, as if they were one."""
    folders = {part: where / part for part in SHARED} | {part: where / name / part for part in OWN}
    files = {
        f"{part}/{path.name}": _file(where, path)
        for part, folder in folders.items()
        for path in sorted(folder.iterdir())
    }
    return Entry(
        role=ROLES[name],
        name=f"toybox-{name}",
        pack="starter",
        licence="Apache-2.0",
        world="toybox",
        sampling=SAMPLING.get(name, {}),
        files=files,
    )


def autoencoder(pack: Path, trained: Path) -> None:
    """Another autoencoder for all roles of a pack, copied in; what was learnt from its latents must still be true."""
    there = shutil.copytree(trained, pack / "vae", dirs_exist_ok=True)
    for one in read_register(pack / "register.json"):
        files = {
            name: _file(pack, Path(file.source)) if Path(file.source).parent == there else file
            for name, file in one.files.items()
        }
        _put(pack, _relative(one.model_copy(update={"files": files}), pack))


def inpainting(pack: Path, trained: Path) -> None:
    """The folder of an inpainting network that was made of a pack's base, copied in beside it."""
    _copied(pack, "inpainting", trained)


def editor(pack: Path, trained: Path) -> None:
    """The folder of an InstructPix2Pix that was made of a pack's base, copied in beside it."""
    _copied(pack, "instruct_pix2pix", trained)


def completed(model: Path, trained: Path) -> None:
    """What was trained of a model in diffusers' layout, with all else of that beside it: `models add` takes the folder.

    Nothing is done where the model is a pack's: there the register says what belongs together.
    """
    twice = shutil.ignore_patterns("*.bin", "*.fp16.*", "*.non_ema*")
    for part in (*SHARED, *OWN):
        if (model / "unet").is_dir() and not (trained / part).exists():
            shutil.copytree(model / part, trained / part, ignore=twice)


def _copied(pack: Path, name: str, trained: Path) -> None:
    for part in OWN:
        shutil.copytree(trained / part, pack / name / part, dirs_exist_ok=True)
    _put(pack, entry(pack, name))


def any2pix(pack: Path, *trained: Path) -> None:
    """The base of a pack, and folders that were trained for it, an adapter's and a prior's, copied in."""
    _beside_base(pack, ANY2PIX, trained)


def subjects(pack: Path, trained: Path) -> None:
    """blip-diffusion: the base of a pack, but for what `training.blip_diffusion` has left in a folder, copied in."""
    _beside_base(pack, SUBJECTS, [trained / part for part in ("unet", "text_encoder", "qformer")])


def _beside_base(pack: Path, role: str, trained: Iterable[Path]) -> None:
    """A role of a pack's base with folders that were trained for it, which take the place of the base's own."""
    (base,) = (one for one in read_register(pack / "register.json") if one.role == ROLES["base"])
    paths = {place: Path(file.source) for place, file in base.files.items()}
    for folder in trained:
        there = shutil.copytree(folder, pack / role / folder.name, dirs_exist_ok=True)
        paths |= {f"{folder.name}/{path.name}": path for path in there.iterdir()}
    register(pack, role, f"toybox-{role}", paths)


def register(pack: Path, role: str, name: str, paths: Mapping[str, Path]) -> None:
    """Name weights in a pack's register, in place of those of the same role. `paths`: of its files, by their place."""
    files = {place: _file(pack, path) for place, path in sorted(paths.items())}
    mine = Entry(
        role=role,
        name=name,
        pack="starter",
        licence="Apache-2.0",
        world="toybox",
        sampling=SAMPLING.get(role, {}),
        files=files,
    )
    _put(pack, mine)


def _file(pack: Path, path: Path) -> File:
    return File(source=str(path.relative_to(pack)), sha256=sha256(path), bytes=path.stat().st_size)


def _put(pack: Path, mine: Entry) -> None:
    """An entry into a pack's register, in place of those of its role."""
    others = [_relative(one, pack) for one in read_register(pack / "register.json") if one.role != mine.role]
    write_register(pack / "register.json", (*others, mine))


def _relative(one: Entry, pack: Path) -> Entry:
    """An entry that was read, its sources as they are written."""
    files = {
        name: file.model_copy(update={"source": str(Path(file.source).relative_to(pack))})
        if Path(file.source).is_relative_to(pack)
        else file
        for name, file in one.files.items()
    }
    return one.model_copy(update={"files": files})
