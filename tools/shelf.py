"""The shelf: which weights there are for a role, and what of them is loaded.

For each role the newest that the person has added comes first, then the pulled pack, then the starter pack. What is
loaded stays until the memory budget asks for it back, least recently used first; equal autoencoders and text encoders
are kept once. Fetches nothing (`tools/pulling.py`), and needs no torch until something is loaded.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import cache, cached_property
from pathlib import Path
from threading import Lock
from typing import TYPE_CHECKING, Any, TypeVar
from weakref import WeakSet, WeakValueDictionary

from sessions.errors import BadWeights, MissingWeights, NotFound
from tools import devices, packs, weights
from tools.residency import Residents
from tools.weights import Entry

if TYPE_CHECKING:
    import torch

    from tools.caches import Cache
    from tools.diffusion.model import LatentDiffusion
    from tools.encoders import Encoder

T = TypeVar("T")

NETWORKS = ("unet", "vae", "text_encoder", "text_encoder_2")
"""The folders of a latent diffusion model that hold weights, where it has them."""
LAST, FIRST = "starter", "own"
"""Whose weights come last and first where several are there for a role; what was pulled is between."""
STARTER = Path(__file__).parent / "packs/starter/register.json"
PLANNER = "planner"
"""The role of a language model that plans (`agent.planners`)."""
HUB = "hub:"
"""What the role of a repository of the Hub begins with; alone, whichever is there."""
CACHE_LIMIT = 4_000_000_000
"""Bytes on disk for what was computed and may be needed again."""
SHARE = 0.8
"""The part of the free memory that weights may take."""

_shelves: WeakSet[Shelf] = WeakSet()


@cache
def at(home: Path) -> Shelf:
    """The shelf of a data folder; one per process."""
    return Shelf(home)


def let_go() -> None:
    """Everything that this process has loaded is let go; its memory comes back when the last user is done."""
    for shelf in list(_shelves):
        shelf.clear()


class Shelf:
    """The weights of a data folder. `budget`: bytes for what is loaded; by default most of what the device has free.
    `pack`: the register of those that are there without a pull, by default the starter pack's."""

    def __init__(self, home: Path, budget: int | None = None, pack: Path | None = None) -> None:
        self.folder = home / "weights"
        self._home = home
        self._budget = budget
        self._pack = pack
        self._seen = weights.Seen(self.folder / "seen.json")
        self._residents = Residents(self._room)
        self._shared: WeakValueDictionary[str, Any] = WeakValueDictionary()
        self._registering = Lock()
        _shelves.add(self)

    @property
    def register(self) -> Path:
        """The file that says what was pulled and added."""
        return self.folder / "register.json"

    @property
    def unfolded(self) -> Path:
        """Where what came in single files lies, a folder each."""
        return self.folder / "unfolded"

    def entries(self) -> tuple[Entry, ...]:
        """All that is registered, the best of each role first."""
        found = reversed(weights.read_register(self._pack or STARTER) + weights.read_register(self.register))
        return tuple(sorted(found, key=lambda entry: (entry.pack == LAST) - (entry.pack == FIRST)))

    def add(self, entry: Entry) -> None:
        """Register weights; an entry of the same role, pack and name is replaced."""
        same = (entry.role, entry.pack, entry.name)
        with self._registering:
            others = [old for old in weights.read_register(self.register) if (old.role, old.pack, old.name) != same]
            weights.write_register(self.register, (*others, entry))

    def remove(self, name: str) -> tuple[Entry, ...]:
        """Forget the weights of that name, which come back; NotFound where none were added or pulled under it.

        Of their files only what was unfolded here is deleted.
        """
        with self._registering:
            known = weights.read_register(self.register)
            kept = tuple(entry for entry in known if entry.name != name)
            if len(kept) == len(known):
                raise NotFound(f"No weights called {name!r} were added or pulled.", "pentimento models list")
            weights.write_register(self.register, kept)
        needed = {Path(file.source).parents[1] for entry in kept for file in entry.files.values()}
        for folder in set(self.unfolded.glob("*")) - needed:
            shutil.rmtree(folder)
        return tuple(entry for entry in known if entry.name == name)

    def entry(self, role: str) -> Entry:
        """The best weights of a role, their files unchanged and laid out as a folder.

        MissingWeights, with the command that gets them, where there are none; BadWeights where a file has changed.
        """
        for entry in self.taken(role):
            return self.checked(entry)
        raise missing(role)

    def taken(self, role: str) -> tuple[Entry, ...]:
        """What a tool that names a role may take: its best weights; of the role "hub:" those of each repository."""
        best: dict[str, Entry] = {}
        for entry in self.entries():
            if entry.role == role or (role == HUB and entry.role.startswith(HUB)):
                best.setdefault(entry.role, entry)
        return tuple(best.values())

    def checked(self, entry: Entry, *, anew: bool = False) -> Entry:
        """An entry whose files are those that were registered. `anew`: hashed again, whatever they look like."""
        self._seen.check(entry.files, anew=anew)
        return weights.laid_out(entry, self.folder / "laid_out" / entry.digest[:16])

    def lies_there(self) -> None:
        """MissingWeights or BadWeights where a registered file is gone or has another size; reads none of them."""
        for entry in self.entries():
            for name, file in entry.files.items():
                if not (path := Path(file.source)).is_file():
                    raise MissingWeights(f"The weight file {path} is gone.", "pentimento models doctor")
                if path.stat().st_size != file.bytes:
                    raise BadWeights(
                        f"{name} is not the file that was registered ({path}).", "pentimento models doctor"
                    )

    def require(self, roles: Sequence[str]) -> None:
        """MissingWeights where this installation cannot load networks, or has no weights for one of the roles."""
        devices.require_torch()
        for role in roles:
            if not self.taken(role):
                raise missing(role)

    @property
    def device(self) -> torch.device:
        """Where networks run."""
        return devices.best()

    @property
    def dtype(self) -> torch.dtype:
        """The precision of full-size networks there."""
        return devices.precision(self.device, devices.FULL_SIZE + 1)

    @cached_property
    def cache(self) -> Cache:
        """What was computed with these weights and may be needed again."""
        from tools.caches import Cache

        return Cache(self._home / "cache", CACHE_LIMIT)

    def diffusion(self, role: str) -> LatentDiffusion:
        """The latent diffusion model of a role, loaded at its first use."""
        devices.require_torch()
        return self.load(self.entry(role))

    def load(self, entry: Entry) -> LatentDiffusion:
        """The latent diffusion model of a checked entry."""
        dtype = devices.precision(self.device, entry.bytes)
        return self._residents.get(
            (entry.digest, "diffusion"), lambda: self._needed(entry, NETWORKS), lambda: self._loaded(entry, dtype)
        )

    def _loaded(self, entry: Entry, dtype: torch.dtype) -> LatentDiffusion:
        from tools.diffusion import model

        loaded = model.load(entry.folder, self.device, dtype, entry.digest, entry.name)

        def once(part: str, network: Any) -> Any:
            return self._shared.setdefault(f"{entry.part(part)} {dtype}", network)

        shared = replace(loaded, vae=once("vae", loaded.vae))
        if loaded.text_encoder is not None:
            shared = replace(shared, text_encoder=once("text_encoder", loaded.text_encoder))
        if loaded.second is not None:
            second = replace(loaded.second, text_encoder=once("text_encoder_2", loaded.second.text_encoder))
            shared = replace(shared, second=second)
        return shared

    def part(
        self, role: str, name: str, load: Callable[[Path, torch.device], T], folders: Sequence[str] | None = None
    ) -> T:
        """Anything else made of a role's weights, under the same budget; `name` tells the parts of a role apart.

        `folders`: those of the entry whose weights it holds, by default all.
        """
        devices.require_torch()
        return self.part_of(self.entry(role), name, load, folders)

    def part_of(
        self, entry: Entry, name: str, load: Callable[[Path, torch.device], T], folders: Sequence[str] | None = None
    ) -> T:
        """The same of a checked entry."""
        held = sorted({place.partition("/")[0] for place in entry.files}) if folders is None else folders
        return self._residents.get(
            (entry.digest, name), lambda: self._needed(entry, held), lambda: load(entry.folder, self.device)
        )

    def encoder(self, digest: str = "") -> Encoder:
        """The best encoder of pictures and sounds, or the one with these weights, loaded at its first use."""
        from tools import encoders

        devices.require_torch()
        of_it = [e for e in self.entries() if e.role == encoders.ROLE and e.digest == digest]
        if digest and not of_it:
            raise MissingWeights("The encoder that this needs is not on this machine.", "pentimento models list")
        entry = self.checked(of_it[0]) if of_it else self.entry(encoders.ROLE)
        return self.part_of(entry, encoders.ROLE, lambda folder, device: encoders.load(entry, device))

    def imagebind(self) -> Entry | None:
        """The newest ImageBind that was pulled or added, which is what its authors have released."""
        from tools import encoders

        own = (one for one in self.entries() if one.role == encoders.ROLE and one.pack != LAST)
        return next((one for one in own if any(name.startswith(f"{encoders.IMAGEBIND}/") for name in one.files)), None)

    def _needed(self, entry: Entry, folders: Sequence[str]) -> int:
        """Bytes of memory that the weights in some folders of an entry take here."""
        dtype = devices.precision(self.device, entry.bytes)
        as_they_are = sum(file.bytes for place, file in entry.files.items() if place.endswith(weights.GGUF))
        return sum(weights.numbers(entry, folder) for folder in folders) * dtype.itemsize + as_they_are

    def clear(self) -> None:
        """Let go of everything loaded."""
        self._residents.clear()

    def held(self) -> int:
        """Bytes of everything loaded."""
        return self._residents.held()

    def _room(self, held: int) -> int:
        return int(SHARE * devices.free(self.device)) if self._budget is None else self._budget - held


def missing(role: str) -> MissingWeights:
    """The error for a role without weights, which says how to get them."""
    if role == HUB:
        return MissingWeights("No editor of the Hub is on this machine.", "pentimento models pull hub:OWNER/NAME")
    if role.startswith(HUB):
        return MissingWeights(f"The weights of {role[4:]} are not on this machine.", f"pentimento models pull {role}")
    if role == "any2pix":
        return MissingWeights(
            f"There are no weights for {role} on this machine.",
            "pentimento models pull sdxl, pull imagebind, and then add CKPTS --as any2pix (docs/models.md)",
        )
    words = [source.word for pack in packs.packs().values() for source in pack if source.role == role]
    if not words:
        return MissingWeights(f"There is no {role} on this machine.", f"pentimento models add PATH --as {role}")
    pull = " or ".join(f"pentimento models pull {word}" for word in words)
    return MissingWeights(f"There are no weights for {role} on this machine.", pull)
