"""A small Hub on this machine: repositories are folders, over the addresses that huggingface_hub asks.

Speaks what a pull needs (a repository's files at a revision, and the files in ranges), can break off in the middle of a
file, and remembers what was asked.
"""

from __future__ import annotations

import hashlib
import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

SMALL = 20_000
"""Bytes up to which a file is no large file, and so has no SHA-256 in listings."""


class Hub:
    """`root` / OWNER / NAME are the repositories. `stop_after`: bytes of a large file after which an answer breaks off;
    one that goes on from there breaks off at once. `halt`: there it waits instead until whoever asked has gone, and
    `halted` is set. `ranges`: whether parts of a file can be asked for."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.stop_after = 0
        self.halt = False
        self.halted = threading.Event()
        self.ranges = True
        self.asked: list[tuple[str, str, str]] = []
        self.address = ""

    def commit(self, name: str) -> str:
        return hashlib.sha1(name.encode()).hexdigest()

    def files(self, name: str) -> dict[str, Path]:
        folder = self.root / name
        return {str(path.relative_to(folder)): path for path in sorted(folder.rglob("*")) if path.is_file()}

    def listed(self, name: str) -> list[dict[str, Any]]:
        """The files as both listings have them."""
        found = []
        for path, file in self.files(name).items():
            data = file.read_bytes()
            row: dict[str, Any] = {"size": len(data), "oid": _git(data), "blobId": _git(data)}
            if len(data) > SMALL:
                row["lfs"] = {"sha256": _sha256(data), "oid": _sha256(data), "size": len(data), "pointerSize": 130}
            found.append({"type": "file", "path": path, "rfilename": path, **row})
        return found


@contextmanager
def serving(root: Path) -> Iterator[Hub]:
    """The Hub over a folder, until the block ends."""
    hub = Hub(root)
    server = ThreadingHTTPServer(("127.0.0.1", 0), type("Bound", (_Answers,), {"hub": hub}))
    hub.address = f"http://127.0.0.1:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield hub
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


class _Answers(BaseHTTPRequestHandler):
    hub: Hub
    protocol_version = "HTTP/1.1"

    def log_message(self, *_: Any) -> None:
        pass

    def do_HEAD(self) -> None:
        self.do_GET()

    def do_GET(self) -> None:
        path = unquote(urlsplit(self.path).path)
        self.hub.asked.append((self.command, path, self.headers.get("Range", "")))
        if path.startswith("/api/models/"):
            self._api(path.removeprefix("/api/models/"))
        else:
            name, _, rest = path.strip("/").partition("/resolve/")
            commit, _, file = rest.partition("/")
            self._file(name, commit, file)

    def _api(self, path: str) -> None:
        owner, name, kind, *_ = (*path.split("/"), "")
        repository = f"{owner}/{name}"
        if not (self.hub.root / repository).is_dir():
            self._send(404, b"{}", {"X-Error-Code": "RepoNotFound"})
        elif kind == "tree":
            self._send(200, json.dumps(self.hub.listed(repository)).encode())
        else:
            revision = path.rpartition("/revision/")[2]
            commit = revision if len(revision) == 40 else self.hub.commit(repository)
            told = {"id": repository, "sha": commit, "siblings": self.hub.listed(repository)}
            self._send(200, json.dumps(told).encode())

    def _file(self, repository: str, commit: str, path: str) -> None:
        file = self.hub.files(repository).get(path)
        if file is None:
            self._send(404, b"", {"X-Error-Code": "EntryNotFound"})
            return
        data = file.read_bytes()
        etag = _sha256(data) if len(data) > SMALL else _git(data)
        headers = {"ETag": f'"{etag}"', "X-Repo-Commit": commit, "Accept-Ranges": "bytes"}
        begin = int(self.headers.get("Range", "bytes=0-").removeprefix("bytes=").partition("-")[0])
        begin = begin if self.hub.ranges else 0
        if begin and begin >= len(data):
            self._send(416, b"")
            return
        if begin:
            headers["Content-Range"] = f"bytes {begin}-{len(data) - 1}/{len(data)}"
        stop = self.hub.stop_after if len(data) > SMALL and self.command == "GET" else 0
        self._send(206 if begin else 200, data[begin:], headers, 1 if begin and stop else stop)

    def _send(self, status: int, data: bytes, headers: dict[str, str] | None = None, stop: int = 0) -> None:
        self.send_response(status)
        for name, value in (headers or {}).items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        if self.command == "HEAD":
            return
        self.wfile.write(data[: stop or None])
        if stop and self.hub.halt:
            self.hub.halted.set()
            self.rfile.read(1)
        self.close_connection = 0 < stop < len(data)


def _sha256(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def _git(data: bytes) -> str:
    return hashlib.sha1(b"blob %d\0" % len(data) + data).hexdigest()
