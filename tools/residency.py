"""What is loaded, under a memory budget: least recently used goes first. Knows no files, roles or networks' insides."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Hashable, Iterator
from dataclasses import fields, is_dataclass
from threading import RLock
from typing import Any, TypeVar

from sessions.errors import OutOfMemory
from tools import devices

T = TypeVar("T")


class Residents:
    """Loaded things by key. `room`: bytes that may still be taken, given those that are held."""

    def __init__(self, room: Callable[[int], int]) -> None:
        self._room = room
        self._things: OrderedDict[Hashable, Any] = OrderedDict()
        self._lock = RLock()

    def get(self, key: Hashable, needed: Callable[[], int], load: Callable[[], T]) -> T:
        """The thing of that key, loaded where it is not there; OutOfMemory where it does not fit even alone.

        needed: says how many bytes it takes, and is asked only then.
        """
        with self._lock:
            if key not in self._things:
                self._make_room(needed())
                self._things[key] = self._loaded(load)
            self._things.move_to_end(key)
            thing: T = self._things[key]
            return thing

    def _make_room(self, needed: int) -> None:
        while self._things and needed > self._room(self.held()):
            self._things.popitem(last=False)
            devices.empty(devices.best())
        if needed > (room := self._room(self.held())):
            raise _too_large(
                f"These weights need {needed / 1e9:.1f} GB of memory, and {max(room, 0) / 1e9:.1f} GB is free."
            )

    def _loaded(self, load: Callable[[], T]) -> T:
        """Loaded, at the second try with nothing else in memory."""
        import torch

        for last in (False, True):
            try:
                return load()
            except (torch.OutOfMemoryError, MemoryError):
                if last:
                    raise _too_large("There is not enough memory for these weights.") from None
            self.clear()
        raise AssertionError("the second try returns or raises")

    def held(self) -> int:
        """Bytes of all loaded tensors; what two things share counts once."""
        return sum(
            {tensor.data_ptr(): tensor.nbytes for thing in self._things.values() for tensor in _tensors(thing)}.values()
        )

    def clear(self) -> None:
        """Let go of everything."""
        with self._lock:
            self._things.clear()
            devices.empty(devices.best())


def _tensors(thing: Any) -> Iterator[Any]:
    """The tensors of a module, of a dataclass, of a pipeline's components, of a wrapped network, of a collection."""
    import torch

    if isinstance(thing, torch.Tensor):
        yield thing
    elif isinstance(thing, torch.nn.Module):
        yield from thing.parameters()
        yield from thing.buffers()
    elif is_dataclass(thing):
        for field in fields(thing):
            yield from _tensors(getattr(thing, field.name))
    elif hasattr(thing, "components"):
        yield from _tensors(thing.components)
    elif hasattr(thing, "network"):
        yield from _tensors(thing.network)
    elif isinstance(thing, dict | list | tuple):
        for part in thing.values() if isinstance(thing, dict) else thing:
            yield from _tensors(part)


def _too_large(sentence: str) -> OutOfMemory:
    return OutOfMemory(sentence, "Close other programs, or use a machine with more memory.")
