"""What a process did to the disk, from strace's log, and what a power cut would leave of it.

Nothing is trusted but what was synced: a write or a change of length survives only if its file was synced after it, a
name (made, moved, removed) only if its folder was. That is less than any real file system keeps.
"""

from __future__ import annotations

import random
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Literal

CALLS = (
    "openat,open,creat,close,write,pwrite64,pwritev,pwritev2,writev,fsync,fdatasync,sync_file_range,rename,renameat,"
    "renameat2,unlink,unlinkat,rmdir,mkdir,mkdirat,ftruncate,truncate,fallocate,lseek,link,linkat,symlink,symlinkat,"
    "dup,dup2,dup3,mmap,sendfile,copy_file_range,splice"
)
"""Every call by which bytes or names can get to a disk. One we do not understand is an error, not an omission."""

_LINE = re.compile(r"(?P<pid>\d+)\s+(?P<call>\w+)\((?P<arguments>.*)\)\s+= (?P<result>-?\d+|0x[0-9a-f]+)(?P<rest>.*)")
_UNFINISHED = re.compile(r"(?P<pid>\d+)\s+(?P<begun>.*) <unfinished \.\.\.>$")
_RESUMED = re.compile(r"(?P<pid>\d+)\s+<\.\.\. \w+ resumed>(?P<ended>.*)$")
_DESCRIPTOR = re.compile(r"(-?\d+)<")

Cut = Literal["all unsynced dropped", "half of the unsynced dropped", "last write torn"]
CUTS: tuple[Cut, ...] = ("all unsynced dropped", "half of the unsynced dropped", "last write torn")


@dataclass(frozen=True)
class Step:
    """One thing done to the disk. `on`: what must be synced for it to last, a file's number or a folder's path."""

    kind: Literal["write", "length", "name", "unname", "move", "folder", "sync", "ack"]
    on: int | Path
    file: int = 0
    path: Path = Path()
    to: Path = Path()
    offset: int = 0
    data: bytes = b""


@dataclass
class _Open:
    file: int | Path
    position: int = 0


@dataclass
class Recorder:
    """Reads the log of one process. `root`: the disk that loses power; `acks`: the file of acknowledgements."""

    root: Path
    acks: Path
    steps: list[Step] = field(default_factory=list)
    _open: dict[int, _Open | None] = field(default_factory=dict)
    _names: dict[Path, int] = field(default_factory=dict)
    _lengths: dict[int, int] = field(default_factory=dict)

    def read(self, lines: Iterable[str]) -> list[Step]:
        for line in _whole(lines):
            match = _LINE.match(line)
            if match and not match["result"].startswith("-"):
                arguments = match["arguments"].split(", ")
                getattr(self, f"_{match['call']}", self._other)(arguments, match["result"], match["call"])
        return self.steps

    def _mine(self, argument: str) -> Path | None:
        path = Path(_text(argument).decode())
        return path if path == self.root or self.root in path.parents else None

    def _opened(self, argument: str) -> _Open | None:
        found = _DESCRIPTOR.match(argument)
        return self._open.get(int(found[1])) if found else None

    def _openat(self, arguments: list[str], result: str, _call: str) -> None:
        path, flags, descriptor = Path(_text(arguments[1]).decode()), arguments[2], int(result)
        self._open[descriptor] = None
        if path == self.acks:
            self._open[descriptor] = _Open(-1)
        if (self.root != path and self.root not in path.parents) or path.name.endswith("-shm"):
            return  # SQLite's shared memory is made anew after every crash
        if path not in self._names and "O_CREAT" in flags:
            self._names[path] = len(self._lengths) + 1
            self._lengths[self._names[path]] = 0
            self.steps.append(Step("name", path.parent, self._names[path], path))
        if path not in self._names:
            self._open[descriptor] = _Open(path)  # a folder
            return
        assert "O_APPEND" not in flags, path
        if "O_TRUNC" in flags:
            self._length(self._names[path], 0)
        self._open[descriptor] = _Open(self._names[path])

    def _close(self, arguments: list[str], _result: str, _call: str) -> None:
        self._open.pop(int(arguments[0].split("<")[0]), None)

    def _write(self, arguments: list[str], result: str, _call: str) -> None:
        if opened := self._opened(arguments[0]):
            data = _text(arguments[1])[: int(result)]
            if opened.file == -1:
                self.steps.append(Step("ack", -1, data=data))
            else:
                self._put(opened, opened.position, data)
                opened.position += len(data)

    def _pwrite64(self, arguments: list[str], result: str, _call: str) -> None:
        if opened := self._opened(arguments[0]):
            self._put(opened, int(arguments[3]), _text(arguments[1])[: int(result)])

    def _put(self, opened: _Open, offset: int, data: bytes) -> None:
        assert isinstance(opened.file, int)
        self.steps.append(Step("write", opened.file, opened.file, offset=offset, data=data))
        self._lengths[opened.file] = max(self._lengths[opened.file], offset + len(data))

    def _lseek(self, arguments: list[str], result: str, _call: str) -> None:
        if opened := self._opened(arguments[0]):
            opened.position = int(result)

    def _ftruncate(self, arguments: list[str], _result: str, _call: str) -> None:
        if opened := self._opened(arguments[0]):
            assert isinstance(opened.file, int)
            self._length(opened.file, int(arguments[1]))

    def _length(self, file: int, length: int) -> None:
        if self._lengths[file] != length:
            self.steps.append(Step("length", file, file, offset=length))
            self._lengths[file] = length

    def _fsync(self, arguments: list[str], _result: str, _call: str) -> None:
        if opened := self._opened(arguments[0]):
            self.steps.append(Step("sync", opened.file))

    _fdatasync = _fsync

    def _rename(self, arguments: list[str], _result: str, _call: str) -> None:
        old, new = self._mine(arguments[0]), self._mine(arguments[1])
        if old and new:
            assert old.parent == new.parent
            self._names[new] = self._names.pop(old)
            self.steps.append(Step("move", old.parent, self._names[new], old, new))

    def _unlink(self, arguments: list[str], _result: str, _call: str) -> None:
        path = self._mine(arguments[0])
        if path in self._names:
            self.steps.append(Step("unname", path.parent, self._names.pop(path), path))

    def _mkdir(self, arguments: list[str], _result: str, _call: str) -> None:
        if path := self._mine(arguments[0]):
            self.steps.append(Step("folder", path.parent, 0, path))

    def _mmap(self, arguments: list[str], _result: str, _call: str) -> None:
        shared = self._opened(arguments[4]) and "MAP_SHARED" in arguments[3] and "PROT_WRITE" in arguments[2]
        assert not shared, "a file is written through memory, which this log does not show"

    def _other(self, arguments: list[str], _result: str, call: str) -> None:
        touched = self._opened(arguments[0]) or any(self._mine(a) for a in arguments if a.startswith('"'))
        assert not touched, f"{call} is not understood here: {arguments}"


def _text(argument: str) -> bytes:
    assert argument.startswith('"') and argument.endswith('"'), f"strace cut a string short: {argument[:80]}"
    return bytes.fromhex(argument[1:-1].replace("\\x", ""))


def _whole(lines: Iterable[str]) -> Iterator[str]:
    """The log with calls joined that another thread interrupted, at the place where they ended."""
    begun: dict[str, str] = {}
    for line in lines:
        if unfinished := _UNFINISHED.match(line):
            begun[unfinished["pid"]] = unfinished["begun"]
        elif resumed := _RESUMED.match(line):
            yield f"{resumed['pid']} {begun.pop(resumed['pid'])}{resumed['ended']}"
        else:
            yield line


class Tape:
    """The steps, and after which sync each of them is safe."""

    def __init__(self, steps: list[Step], root: Path) -> None:
        self.steps, self.root = steps, root
        self.safe_at = [len(steps)] * len(steps)
        next_sync: dict[int | Path, int] = {}
        for number in range(len(steps) - 1, -1, -1):
            step = steps[number]
            if step.kind == "sync":
                next_sync[step.on] = number
            else:
                self.safe_at[number] = next_sync.get(step.on, len(steps))

    def after_a_cut(self, at: int, cut: Cut, dice: random.Random) -> dict[Path, bytes | None]:
        """The disk when power goes after `at` steps: path → content, None for a folder."""
        kept, unsafe_write = [], -1
        for number, step in enumerate(self.steps[:at]):
            unsafe = self.safe_at[number] >= at
            if unsafe and cut == "all unsynced dropped":
                continue
            if unsafe and cut == "half of the unsynced dropped" and dice.random() < 0.5:
                continue
            if unsafe and step.kind == "write":
                unsafe_write = len(kept)
            kept.append(step)
        if cut == "last write torn" and unsafe_write >= 0:
            torn = kept[unsafe_write]
            kept[unsafe_write] = replace(torn, data=torn.data[: dice.randrange(len(torn.data))])
        return self.replay(kept)

    def acknowledged(self, at: int) -> list[bytes]:
        return [step.data for step in self.steps[:at] if step.kind == "ack"]

    def replay(self, steps: list[Step]) -> dict[Path, bytes | None]:
        files: dict[int, bytearray] = {}
        names: dict[Path, int] = {}
        for step in steps:
            content = files.setdefault(step.file, bytearray())
            if step.kind in ("write", "length"):
                content.extend(bytes(max(0, step.offset - len(content))))
                end = step.offset + len(step.data) if step.kind == "write" else len(content)
                content[step.offset : end] = step.data
            elif step.kind in ("name", "folder"):
                names[step.path] = step.file
            elif step.kind in ("unname", "move"):
                names.pop(step.path, None)
                if step.kind == "move":
                    names[step.to] = step.file
        reachable = (path for path in names if all(p in names for p in path.parents if self.root in p.parents))
        return {path: bytes(files[names[path]]) if names[path] else None for path in reachable}
