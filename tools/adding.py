"""Weights of one's own: a folder in the layout of diffusers, or a single file, is looked at and registered for a role.

A folder is not copied: its files stay where they are, and are refused when they change; so does an encoder in one file.
Another file is unfolded into the data folder. What InstructAny2Pix has released is put beside the SDXL that is there.
Fetches nothing.
"""

from __future__ import annotations

import json
import logging
import secrets
import shutil
from collections.abc import Callable, Iterable
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from sessions.errors import BadWeights, MissingWeights, StorageFull
from tools import devices, encoders, weights
from tools.shelf import PLANNER, Shelf
from tools.weights import GGUF, PICKLED, SUFFIX, Entry, File

if TYPE_CHECKING:
    from tools.nets.imagebind import ImageBindConfig

log = logging.getLogger(__name__)

TEXT = (".json", ".txt")
WORDS = (".model", ".jinja")
"""What a language model's tokenizer and its chat template are also written in."""
INDEX = "model_index.json"
HALF = ".fp16"
"""What the name of a half-precision file has before its ending."""
CHANNELS = {
    "text-to-image": 4,
    "instruct-pix2pix": 8,
    "inpainting": 9,
    "blip-diffusion": 4,
    "blip-diffusion-controlnet": 4,
    "sdxl": 4,
    "sdxl-refiner": 4,
    "any2pix": 4,
}
"""Input channels of the U-Net that each role asks for."""
SINGLE = ("text-to-image", "instruct-pix2pix", "inpainting")
"""Roles whose weights are also passed on as one file."""
VOCABULARY = "tokenizer/vocab.json"
CLIP = "hf download openai/clip-vit-large-patch14 vocab.json merges.txt"
ENCODERS = (encoders.IMAGEBIND, "tokenizer", "clap", "clip")
"""The folders that an encoder may have."""
NETWORKS = ("unet", "vae", "text_encoder")
"""The folders of SD 1.x that hold weights."""
PARTS = {
    "blip-diffusion": (*NETWORKS, "qformer"),
    "blip-diffusion-controlnet": (*NETWORKS, "qformer", "controlnet"),
    "sdxl": (*NETWORKS, "text_encoder_2"),
    "sdxl-refiner": ("unet", "vae", "text_encoder_2"),
    "any2pix": (*NETWORKS, "ip_adapter"),
}
"""Those of roles that need others."""
BESIDES = {"any2pix": ("prior", "text_encoder_2", "tokenizer_2")}
"""What a role takes where it is there."""
DECODER, BASE = "any2pix", "sdxl"
"""The role that InstructAny2Pix's release is for, and that of the model which its adapter goes with."""
READ = "ip_adapter/", "prior/"
"""What of such a decoder was published as torch writes tensors."""
TOLD = "add_embedding.linear_1.weight"
"""A tensor that the U-Nets of SDXL have, and no other's."""


def add(
    shelf: Shelf, path: Path, role: str, name: str = "", licence: str = "", tell: Callable[[str], None] = log.info
) -> Entry:
    """Hash and register a folder or file; MissingWeights where there is none, BadWeights where it does not fit.

    tell: is given sentences about what was found in it.
    """
    parts_of(role)
    if not path.exists():
        raise MissingWeights(f"There is no folder {path}.", "Name the folder that model_index.json lies in.")
    name = name or (path.stem if path.is_file() else path.name)
    if path.is_file() and role == encoders.ROLE:
        files = _in_one_file(shelf, path)
    elif path.is_file() and role == PLANNER:
        files = {f"{PLANNER}/{path.name}": described(path)}
    elif path.is_dir() and role == DECODER and not (path / "unet").is_dir():
        files, licence = _beside_sdxl(shelf, path, licence, tell)
    else:
        files = listed(unfolded(shelf, path, role) if path.is_file() else path, role)
    if any(place.startswith(f"{encoders.IMAGEBIND}/") for place in files):
        licence = licence or "CC BY-NC-SA 4.0 where it is Meta's: non-commercial use only"
    entry = Entry(role=role, name=name, pack="own", licence=licence, files=files)
    fits(entry)
    shelf.add(entry)
    return shelf.entry(role)


def unfolded(shelf: Shelf, path: Path, role: str) -> Path:
    """A folder in the data folder with what a single file holds, made at the first time; whole or not at all."""
    if role == DECODER:
        raise BadWeights(f"{role} is more than one file.", f"pentimento models add '{path.parent}' --as {role}")
    if path.suffix != SUFFIX:
        raise BadWeights(
            f"{path.name} is no safetensors file, and no other kind is opened for this role.",
            "Its publisher may have it as .safetensors; converting a .ckpt runs whatever is hidden in it.",
        )
    if role not in SINGLE:
        raise BadWeights(f"One file cannot hold all that {role} needs.", "Add a folder in the layout of diffusers.")
    devices.require_torch()
    from tools.diffusion import single_file

    found = single_file.sizes(path)
    _takes(found[single_file.FIRST][1:2], path.stem, role)
    tokenizer = _tokenizer(shelf, path, single_file.words(found))
    return _once(shelf, path, lambda folder: single_file.unfold(path, tokenizer, folder))


def _once(shelf: Shelf, path: Path, unfold: Callable[[Path], None]) -> Path:
    """The folder in the data folder that a file is unfolded into at the first time; whole or not at all."""
    folder = shelf.unfolded / weights.sha256(path)[:16]
    if not folder.exists():
        _room(path, shelf.folder)
        part = folder.with_name(f"{folder.name}.{secrets.token_hex(4)}.part")
        try:
            unfold(part)
            part.replace(folder)
        finally:
            shutil.rmtree(part, ignore_errors=True)
    return folder


def _beside_sdxl(shelf: Shelf, path: Path, licence: str, tell: Callable[[str], None]) -> tuple[dict[str, File], str]:
    """The files of a released decoder and of the SDXL that is on the shelf, and whose licences they are under."""
    devices.require_torch()
    from tools import released

    adapter, prior = released.files(path)
    base = shelf.entry(BASE)
    found = released.decoder(adapter, prior, base, _space(shelf, tell), partial(_once, shelf))
    for name, ignored in found.ignored.items():
        if ignored:
            tell(f"{name}: {len(ignored)} tensors are no part of it, the first {ignored[0]}, and are not used.")
    tell(f"Beside it: {base.name} ({base.role}), whose files stay where they are.")
    return base.files | {place: described(file) for place, file in found.files.items()}, licence or found.licence


def _space(shelf: Shelf, tell: Callable[[str], None]) -> int:
    """How many numbers an embedding has: of the ImageBind that was pulled or added, or of the released one."""
    from tools.nets.imagebind import ImageBindConfig

    there = shelf.imagebind()
    if there is not None:
        return _sizes(there).space
    tell("It reads embeddings of ImageBind, which is not here: pentimento models pull imagebind (non-commercial use).")
    return ImageBindConfig().space


def _in_one_file(shelf: Shelf, path: Path) -> dict[str, File]:
    """ImageBind as it was released, with CLIP's words where there are any here."""
    if path.suffix not in (SUFFIX, *PICKLED):
        raise BadWeights(f"{path.name} is no weight file.", f"They end in {', '.join((SUFFIX, *PICKLED))}.")
    devices.require_torch()
    from tools.nets import imagebind_keys

    files = {f"{encoders.IMAGEBIND}/{path.name}": described(path)}
    try:
        folder = _tokenizer(shelf, path, imagebind_keys.words(weights.shapes(path)))
    except MissingWeights:  # it still sees and hears
        return files
    return files | {f"tokenizer/{name}": described(folder / name) for name in ("vocab.json", "merges.txt")}


def _tokenizer(shelf: Shelf, path: Path, words: int) -> Path:
    """A folder with a vocabulary of so many words: the file's own, or that of other weights on the shelf."""
    others = (Path(file.source).parent for one in shelf.entries() if (file := one.files.get(VOCABULARY)))
    for folder in (path.parent, *others):
        try:
            if len(json.loads((folder / "vocab.json").read_bytes())) == words and (folder / "merges.txt").is_file():
                return folder
        except (OSError, ValueError, TypeError):
            continue
    raise MissingWeights(
        f"{path.name} brings no tokenizer, and there is none of {words} words here.",
        f"Put CLIP's vocab.json and merges.txt beside it: {CLIP} --local-dir '{path.parent}'",
    )


def _room(path: Path, folder: Path) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    if path.stat().st_size > (free := shutil.disk_usage(folder).free):
        raise StorageFull(
            f"{path.name} is unfolded into {folder}, where {free / 1e9:.1f} GB is free.",
            "Free some space, or set PENTIMENTO_HOME to a larger disk.",
        )


def listed(folder: Path, role: str) -> dict[str, File]:
    """The files of a folder that a role needs, hashed, by their place in an entry."""
    names = [str(path.relative_to(folder)) for path in folder.glob("**/*") if path.is_file()]
    return {place: described(folder / name) for place, name in placed(names, role).items()}


def described(path: Path) -> File:
    """A file as registers name it."""
    return File(source=str(path.resolve()), sha256=weights.sha256(path), bytes=path.stat().st_size)


def placed(names: Iterable[str], role: str) -> dict[str, str]:
    """Of the names in a repository those that a role needs, by their place in an entry.

    Each part's main file, or its half-precision one where there is no other. Nothing but safetensors, JSON and text;
    of the files beside the parts only `model_index.json`, since whole models lie there too.
    """
    parts = parts_of(role)
    found: dict[str, str] = {}
    if role == encoders.ROLE:
        return _of_encoder(names)
    if role == PLANNER:
        return _of_planner(names)
    for name in sorted(names, key=lambda name: (HALF in name, name)):
        folder, _, file = name.rpartition("/")
        plain = file.replace(HALF, "") if file.endswith(SUFFIX) else file
        read = plain.endswith(TEXT) or (plain.endswith(SUFFIX) and plain.count(".") == 1)
        if read and (folder in parts if parts else folder and "/" not in folder and not folder.startswith(".")):
            found.setdefault(f"{folder}/{plain}", name)
        elif name == INDEX:
            found[INDEX] = name
    return found


def _of_encoder(names: Iterable[str]) -> dict[str, str]:
    """Of the names in a folder those of an encoder: in folders of their own, or all of ImageBind beside each other.

    Weights as torch wrote them only where a folder has none as safetensors.
    """
    found: dict[str, str] = {}
    for name in sorted(names, key=lambda name: (not name.endswith(SUFFIX), name)):
        folder, _, file = name.rpartition("/")
        weighs = file.endswith((SUFFIX, *PICKLED))
        if folder in ENCODERS and (weighs or file.endswith(TEXT)):
            found[name] = name
        elif not folder and (weighs or file == "config.json"):
            found[f"{encoders.IMAGEBIND}/{file}"] = name
    safe = {place.partition("/")[0] for place in found if place.endswith(SUFFIX)}
    return {
        place: name
        for place, name in found.items()
        if not (place.endswith(PICKLED) and place.partition("/")[0] in safe)
    }


def _of_planner(names: Iterable[str]) -> dict[str, str]:
    """Of the names in a folder those of a language model: its weights, what describes it, and its tokenizer."""
    kinds = (SUFFIX, GGUF, *PICKLED, *TEXT, *WORDS)
    mine = [name for name in names if name.endswith(kinds) and name.rpartition("/")[0] in ("", "tokenizer")]
    return {f"{PLANNER}/{name}": name for name in sorted(mine)}


def parts_of(role: str) -> tuple[str, ...]:
    """The folders that a role needs; none where it takes whatever there is."""
    if role.startswith("hub:"):
        return ()
    if role == encoders.ROLE:
        return ENCODERS
    if role == PLANNER:
        return (PLANNER,)
    if role not in CHANNELS:
        known = ", ".join((*CHANNELS, encoders.ROLE, PLANNER))
        raise BadWeights(f"There is no role {role!r}.", f"Roles: {known}, hub:OWNER/NAME.")
    networks = PARTS.get(role, NETWORKS)
    words = (part.replace("text_encoder", "tokenizer") for part in networks if part.startswith("text_encoder"))
    return (*networks, *words, "scheduler", *BESIDES.get(role, ()))


def complete(name: str, places: Iterable[str], role: str) -> None:
    """BadWeights where a part that a role needs has no safetensors; an encoder's may be what torch wrote.

    So may the adapter and the prior of what draws with embeddings.
    """
    if role == encoders.ROLE:
        return _complete_encoder(name, places)
    if role == PLANNER:
        return _complete_planner(name, places)
    kinds = ((place, (SUFFIX, *PICKLED) if place.startswith(READ) else SUFFIX) for place in places)
    there = {place.partition("/")[0] for place, kind in kinds if place.endswith(kind)}
    for part in () if role.startswith("hub:") else PARTS.get(role, NETWORKS):
        if part not in there:
            raise BadWeights(
                f"{name} has no safetensors in {part}/.", "Other kinds of files are not opened for this role."
            )
    if not there:
        raise BadWeights(f"{name} has no safetensors.", "Other kinds of files are not opened for this role.")


def _complete_encoder(name: str, places: Iterable[str]) -> None:
    there = {place.partition("/")[0] for place in places if place.endswith((SUFFIX, *PICKLED))}
    if encoders.IMAGEBIND not in there and not there.issuperset(("clap", "clip")):
        raise BadWeights(
            f"{name} is no encoder: it has neither ImageBind's weights nor both of clap/ and clip/.",
            "Name imagebind_huge.pth, a folder with it, or a folder with clap/ and clip/ in it.",
        )


def _complete_planner(name: str, places: Iterable[str]) -> None:
    there = set(places)
    weighs = any(place.endswith((SUFFIX, *PICKLED)) for place in there) and f"{PLANNER}/config.json" in there
    if not weighs and not any(place.endswith(GGUF) for place in there):
        raise BadWeights(
            f"{name} is no planner: it has neither config.json with weights nor a .gguf file.",
            "Name the folder of a language model, or what pentimento planner export --gguf has written.",
        )


def fits(entry: Entry) -> None:
    """BadWeights where an entry is not what its role needs, as far as names and headers tell."""
    complete(entry.name, entry.files, entry.role)
    if entry.role == encoders.ROLE:
        return _encoder_fits(entry)
    for name, file in entry.files.items():
        found = weights.header(Path(file.source)) if name.endswith(SUFFIX) else {}
        if found and name.startswith("unet/") and entry.role in CHANNELS:
            if first := found.get("conv_in.weight"):
                _takes(first.shape[1:2], entry.name, entry.role)
            if entry.role not in BESIDES:
                _of_its_kind(TOLD in found, entry)


def _encoder_fits(entry: Entry) -> None:
    devices.require_torch()
    from tools.nets import imagebind_keys

    sizes = {place: weights.shapes(Path(file.source), place, nested=False) for place, file in entry.files.items()}
    mine = [place for place in sizes if sizes[place] and place.startswith(f"{encoders.IMAGEBIND}/")]
    if len(mine) > 1:
        raise BadWeights(f"{entry.name} has {len(mine)} weight files for ImageBind.", "Leave one of them there.")
    for place in mine:
        reads = any(name.startswith("tokenizer/") for name in entry.files)
        imagebind_keys.fits(sizes[place], _sizes(entry), ("vision", "text", "audio") if reads else ("vision", "audio"))


def _sizes(entry: Entry) -> ImageBindConfig:
    """Those of an entry's ImageBind, the released ones where it does not say."""
    from tools.nets import imagebind_keys
    from tools.nets.imagebind import ImageBindConfig

    told = entry.files.get(f"{encoders.IMAGEBIND}/config.json")
    return imagebind_keys.config_of(Path(told.source)) if told else ImageBindConfig()


def _of_its_kind(told: bool, entry: Entry) -> None:
    """BadWeights for SDXL in a role of SD 1.x, and the other way round."""
    if told != entry.role.startswith("sdxl"):
        raise BadWeights(
            f"The U-Net of {entry.name} is {'SDXL' if told else 'no SDXL'}; {entry.role} needs "
            f"{'another' if told else 'one'}.",
            "Register it for the role that it was trained for.",
        )


def _takes(shape: tuple[int, ...], name: str, role: str) -> None:
    found, needed = "×".join(map(str, shape)), CHANNELS[role]
    if found != str(needed):
        raise BadWeights(
            f"The U-Net of {name} takes {found} channels; {role} needs {needed}.",
            "Register it for the role that it was trained for.",
        )
