"""Weights from the Hub: the files that a role needs, at a pinned commit, resumed, checked by their hashes, registered.

Downloads with huggingface_hub into its own cache, which `HF_HOME` moves; safetensors, JSON and text only. Network
failures are a sentence with the next command. Runs when a person asks for it, never by itself.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

from sessions.errors import BadWeights, MissingWeights, StorageFull
from tools import adding, devices, weights
from tools.packs import Extra, Source
from tools.shelf import Shelf
from tools.weights import PICKLED, SUFFIX, Entry, File, Pack

SPARE = 1_000_000_000
"""Bytes of the disk that a pull leaves free."""
RANGE_REFUSED = 416
"""The answer to whoever asks for what lies behind the end of a file."""


@dataclass(frozen=True)
class Remote:
    """A file as the Hub lists it; `sha256` "" for small ones, which it knows by another hash."""

    name: str
    bytes: int
    sha256: str


@dataclass(frozen=True)
class Listing:
    """What a pull will fetch: `files` by their place in the entry; `missing`: bytes not in the cache yet."""

    source: Source
    commit: str
    files: dict[str, Remote]
    missing: int


def listing(source: Source) -> Listing:
    """Ask the Hub (or, without a network, its cache) what there is; BadWeights where a part is no safetensors."""
    if find_spec("huggingface_hub") is None:
        devices.require_torch()
    with hub_errors(source):
        commit, found = _asked(source)
    placed = source.files or adding.placed(found, source.role)
    if absent := [name for name in placed.values() if name not in found]:
        raise BadWeights(
            f"{source.repository} has no {absent[0]}.", "It has been laid out anew since it was named here."
        )
    files = {place: found[name] for place, name in placed.items()}
    extras = [Remote(extra.file, extra.bytes, extra.sha256) for extra in source.extra]
    adding.complete(source.repository, [*files, *(extra.place for extra in source.extra)], source.role)
    missing = [file.bytes for file in files.values() if not _cached(source.repository, commit, file)]
    for extra, file in zip(source.extra, extras, strict=True):
        missing += [file.bytes] if not _cached(extra.repository, extra.revision, file) else []
    return Listing(source, commit, files, sum(missing))


def _asked(source: Source) -> tuple[str, dict[str, Remote]]:
    """The commit and all files of a repository; what its cache has, where the network is switched off."""
    from huggingface_hub import HfApi
    from huggingface_hub.errors import OfflineModeIsEnabled

    try:
        info = HfApi().model_info(source.repository, revision=source.revision or None, files_metadata=True)
    except OfflineModeIsEnabled:
        folder = _kept(source)
        found = [path.relative_to(folder) for path in folder.glob("**/*") if path.is_file()]
        if not any(path.suffix in (SUFFIX, *PICKLED) for path in found):
            raise
        return folder.name, {str(path): Remote(str(path), (folder / path).stat().st_size, "") for path in found}
    listed = [
        Remote(file.rfilename, file.size or 0, file.lfs.sha256 if file.lfs else "") for file in info.siblings or ()
    ]
    return info.sha or "", {file.name: file for file in listed}


def _kept(source: Source) -> Path:
    """Where huggingface_hub keeps this revision on this machine, whether it has it or not."""
    storage = _storage(source.repository)
    named = storage / "refs" / (source.revision or "main")
    return storage / "snapshots" / (named.read_text(encoding="utf-8") if named.is_file() else source.revision)


def _storage(repository: str) -> Path:
    from huggingface_hub.constants import HF_HUB_CACHE
    from huggingface_hub.file_download import repo_folder_name

    return Path(HF_HUB_CACHE) / repo_folder_name(repo_id=repository, repo_type="model")


def _cached(repository: str, commit: str, file: Remote) -> bool:
    from huggingface_hub import try_to_load_from_cache

    return isinstance(try_to_load_from_cache(repository, file.name, revision=commit), str)


def pull(shelf: Shelf, listed: Listing, pack: Pack) -> Entry:
    """Fetch what is missing, check it and register it. Stopped at any moment it goes on from there at the next call."""
    source = listed.source
    _room(listed)
    with hub_errors(source):
        folder = _fetched(listed)
        extras = {extra.place: _extra(extra) for extra in source.extra}
    files = {place: _checked(place, folder / remote.name, remote, source) for place, remote in listed.files.items()}
    entry = Entry(
        role=source.role,
        name=source.repository.rpartition("/")[2],
        pack=pack,
        licence=source.licence,
        repository=source.repository,
        commit=listed.commit,
        files=files | extras,
    )
    adding.fits(entry)
    shelf.add(entry)
    return entry


def _room(listed: Listing) -> None:
    from huggingface_hub.constants import HF_HUB_CACHE

    folder = Path(HF_HUB_CACHE)
    while not folder.exists():
        folder = folder.parent
    free = shutil.disk_usage(folder).free
    if listed.missing + SPARE > free:
        raise StorageFull(
            f"{listed.source.repository} needs {listed.missing / 1e9:.1f} GB, and {free / 1e9:.1f} GB is free.",
            f"Free some space, or set HF_HOME to a larger disk: {folder} is too full.",
        )


def _fetched(listed: Listing) -> Path:
    from huggingface_hub import snapshot_download

    for file in listed.files.values():
        if file.sha256:
            _resumed(listed.source.repository, listed.commit, file)
    names = [file.name for file in listed.files.values()]
    return Path(snapshot_download(listed.source.repository, revision=listed.commit, allow_patterns=names))


def _resumed(repository: str, commit: str, file: Remote) -> None:
    """A large file into huggingface_hub's cache, from where an earlier pull stopped; by itself it begins anew."""
    from huggingface_hub import hf_hub_url
    from huggingface_hub.errors import HfHubHTTPError
    from huggingface_hub.file_download import http_get
    from huggingface_hub.utils._headers import build_hf_headers

    blob = _storage(repository) / "blobs" / file.sha256
    if blob.exists():
        return
    blob.parent.mkdir(parents=True, exist_ok=True)
    part = blob.with_name(f"{file.sha256}.part")
    part.touch()
    url = hf_hub_url(repository, file.name, revision=commit)
    try:
        with part.open("r+b") as arriving:
            there = arriving.seek(0, os.SEEK_END)
            http_get(url, arriving, resume_size=there, headers=build_hf_headers(), expected_size=file.bytes)
    except HfHubHTTPError as error:
        if error.response.status_code == RANGE_REFUSED:
            raise _damaged(part) from error
        raise
    if weights.sha256(part) != file.sha256:
        raise _damaged(part)
    part.replace(blob)


def _extra(extra: Extra) -> File:
    from huggingface_hub import hf_hub_download

    if extra.bytes and extra.sha256:
        _resumed(extra.repository, extra.revision, Remote(extra.file, extra.bytes, extra.sha256))
    path = Path(hf_hub_download(extra.repository, extra.file, revision=extra.revision))
    file = adding.described(path)
    if extra.sha256 and file.sha256 != extra.sha256:
        raise _damaged(path)
    return file


def _checked(place: str, path: Path, remote: Remote, source: Source) -> File:
    """The file as registers name it; BadWeights where it is not what the pack, or the Hub, says it is."""
    file = adding.described(path)
    expected = source.known.get(place) or remote.sha256
    if expected and file.sha256 != expected:
        raise _damaged(path)
    return file


def _damaged(path: Path) -> BadWeights:
    path.resolve().unlink(missing_ok=True)
    return BadWeights(f"{path.name} did not arrive as it is at the Hub, and was removed.", "Pull it again.")


@contextmanager
def hub_errors(source: Source) -> Iterator[None]:
    """What huggingface_hub raises becomes a sentence with the next command."""
    from httpx2 import HTTPError  # the client of huggingface_hub
    from huggingface_hub import errors

    again = f"pentimento models pull {source.word}"
    try:
        yield
    except errors.GatedRepoError as error:
        raise MissingWeights(f"{source.repository} asks for a login.", f"hf auth login, then: {again}") from error
    except (errors.RepositoryNotFoundError, errors.RevisionNotFoundError) as error:
        raise MissingWeights(f"The Hub has no {source.repository} at {source.revision or 'main'}.", again) from error
    except (errors.OfflineModeIsEnabled, errors.LocalEntryNotFoundError) as error:
        raise MissingWeights(
            f"{source.repository} is not all here, and the network is switched off or away.",
            f"With a network, and HF_HUB_OFFLINE unset: {again}. What has arrived is kept.",
        ) from error
    except (HTTPError, errors.HfHubHTTPError) as error:
        raise MissingWeights(f"The Hub did not answer as it should: {error}.", f"{again} goes on from here.") from error
    except OSError as error:
        if error.errno is None:  # the end of a file came too early or too late
            raise MissingWeights(
                f"The Hub did not answer as it should: {error}", f"{again} goes on from here."
            ) from error
        raise StorageFull(f"The disk refused: {error.strerror}.", f"{again} goes on from here.") from error
