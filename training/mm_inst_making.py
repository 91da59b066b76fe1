"""Data in the manner of MM-Inst from one's own pictures and sounds: a chat model writes what is asked for of them.

    python -m training.mm_inst_making --media FOLDER --chat PROVIDER:MODEL --count N --out FOLDER

FOLDER/captions.json says what there is: {"picture": {"a pond at noon": "pond.jpg"}, "sound": {…}, "music": {…}}. Each
is looked at, or listened to, by ImageBind from the shelf. Of the results there are no pictures: the vectors of their
captions' words, in the same space, stand for them. Stopped, it goes on with what it has.
"""

from __future__ import annotations

import argparse
import json
import logging
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from pydantic import TypeAdapter, ValidationError

from agent.settings import Settings
from sessions import intake
from sessions.errors import BadWeights, Damaged, NotFound
from tools import chat_models, shelf
from tools.encoders.imagebind import ImageBindEncoder
from tools.sounds import read as heard
from training import mm_inst
from training.loop import in_words, logged
from training.mm_inst import INDEXES, WIDTH, Vector, bare, key
from training.mm_inst_writing import Kind, write

if TYPE_CHECKING:
    from langchain_core.language_models import BaseChatModel

log = logging.getLogger("training")
CAPTIONS, RECORDS = "captions.json", "records.json"
PORTION = 20
"""Records that are written between two looks at what is there."""
Captions = Mapping[Kind, Mapping[str, str]]


def captions(folder: Path) -> Captions:
    """What there is, by its kind: a caption and the name of its file."""
    try:
        told = TypeAdapter(dict[Kind, dict[str, str]]).validate_json((folder / CAPTIONS).read_bytes())
    except FileNotFoundError as error:
        raise NotFound(f"There is no {CAPTIONS} in {folder}.", "It says what the pictures and sounds are.") from error
    except (ValidationError, OSError) as error:
        raise Damaged(f"{folder / CAPTIONS} is no table of captions and files.") from error
    return {kind: {bare(name): file for name, file in files.items()} for kind, files in told.items()}


class Vectors:
    """The vectors of a folder, a file each, and the index that finds them by their captions."""

    def __init__(self, folder: Path) -> None:
        self._folder, self._path = folder, folder / INDEXES[0]
        folder.mkdir(parents=True, exist_ok=True)
        self._index: dict[str, dict[str, str]] = json.loads(self._path.read_bytes()) if self._path.exists() else {}

    def lacks(self, captions: Iterable[str]) -> list[str]:
        """Those that have none yet, each once."""
        return list({key(bare(one)): bare(one) for one in captions if key(bare(one)) not in self._index}.values())

    def keep(self, caption: str, kind: mm_inst.Kind, vector: Vector) -> None:
        """One more: first its file, then the index."""
        file = f"{len(self._index)}.npz"
        np.savez(self._folder / file, clip=vector[None])
        self._index[key(caption)] = {"fpath": file, "key": "clip", "kind": kind}
        _write(self._path, self._index)


def made(media: Path, out: Path, model: BaseChatModel, eyes: ImageBindEncoder, count: int) -> int:
    """So many records in all, or fewer where the model's replies are of no use; how many there are."""
    said, vectors = captions(media), Vectors(out)
    for kind, files in said.items():
        for name in vectors.lacks(files):
            vectors.keep(name, "picture" if kind == "picture" else "sound", _vector(eyes, media / files[name]))
    path, known = out / RECORDS, {kind: list(files) for kind, files in said.items()}
    records = list(mm_inst.read(path)) if path.exists() else []
    while len(records) < count:
        harvest = write(model, known, min(PORTION, count - len(records)), np.random.default_rng(len(records)))
        log.info("%d records; refused: %s", len(records) + len(harvest.records), dict(harvest.refused) or "none")
        if not harvest.records:
            break
        results = vectors.lacks(record.result for record in harvest.records)
        for name, vector in zip(results, eyes.texts(results) if results else (), strict=True):
            vectors.keep(name, "picture", vector)
        records += harvest.records
        _write(path, [record.model_dump(mode="json", by_alias=True) for record in records])
    return len(records)


def _vector(eyes: ImageBindEncoder, path: Path) -> Vector:
    found = intake.admit_file(path)
    if found.picture is not None:
        (vector,) = eyes.pictures([found.picture.pixels])
    else:
        (vector,) = eyes.sounds([heard(found.audio or b"")])
    return vector


def _write(path: Path, told: object) -> None:
    beside = path.with_suffix(".new")
    beside.write_text(json.dumps(told, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
    beside.replace(path)


def _eyes() -> ImageBindEncoder:
    """ImageBind, where it is what the shelf has."""
    found = shelf.at(Settings().home).encoder()
    if not isinstance(found, ImageBindEncoder) or found.width != WIDTH or found.words is None:
        raise BadWeights("The vectors of MM-Inst are ImageBind's.", "pentimento models pull imagebind")
    return found


@in_words()
def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m training.mm_inst_making", description=__doc__)
    parser.add_argument("--media", type=Path, required=True, help=f"a folder with {CAPTIONS}")
    parser.add_argument("--chat", required=True, help="PROVIDER:MODEL, as LangChain names it")
    parser.add_argument("--count", type=int, required=True)
    parser.add_argument("--out", type=Path, required=True)
    args = parser.parse_args()
    logged(args.out)
    made(args.media, args.out, chat_models.opened(args.chat), _eyes(), args.count)


if __name__ == "__main__":
    main()
