"""The worked examples of the documentation: ```console blocks whose commands are run, one page in one folder.

`python -m tests.docs.console docs/history.md` writes what the commands print into the page; the tests hold that it is
still so. Times, ids of sessions and folders differ from run to run and are written the same always.
"""

from __future__ import annotations

import os
import re
import shlex
import shutil
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

from tests import terminal
from ui.cli import main

ROOT = Path(__file__).parents[2]
BLOCK = re.compile(r"```console\n(.*?)```", re.DOTALL)
VARYING = (
    (re.compile(r" +\d+ ms\b"), "12 ms"),
    (re.compile(r" +\d+\.\d s\b"), "0.6 s"),
    (re.compile(r"\(session [0-9a-f]{4}"), "(session 7f3a"),
    (re.compile(r"log -s [0-9a-f]{8}"), "log -s 7f3a90c1"),
    (re.compile(r"\S*/pictures/[0-9a-f]{8}/"), "~/pictures/7f3a90c1/"),
    (re.compile(r"\S*/pictures/asked"), "~/pictures/asked"),
    (re.compile(r"replay-[0-9a-f]{8}"), "replay-95a04605"),
)


def commands(page: str) -> Iterator[str]:
    """The commands of all examples of a page, in order."""
    for block in BLOCK.findall(page):
        yield from (line[2:] for line in block.splitlines() if line.startswith("$ "))


def filled(page: str) -> str:
    """The page with what its commands print now."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        _furnish(folder)
        return BLOCK.sub(lambda block: f"```console\n{_printed(block[1], folder)}```", page)


def _furnish(folder: Path) -> None:
    """What the examples find: a photo, and a shop with two photos and a file that is none."""
    import skimage

    photos = Path(skimage.__file__).parent / "data"
    (folder / "shop").mkdir()
    shutil.copy(photos / "coffee.png", folder / "coffee.png")
    shutil.copy(photos / "chelsea.png", folder / "shop" / "cat.png")
    shutil.copy(photos / "rocket.jpg", folder / "shop" / "rocket.jpg")
    (folder / "shop" / "broken.jpg").write_text("no picture", encoding="utf-8")


def _printed(block: str, folder: Path) -> str:
    lines = [line for line in block.splitlines() if line.startswith("$ ")]
    return "".join(f"{line}\n{steady(run(line[2:], folder))}" for line in lines)


def run(command: str, folder: Path) -> str:
    """What a command of ours prints, errors included."""
    program, *words = shlex.split(command)
    assert program == "pentimento", command
    done = terminal.run(main, words, os.environ | {"PENTIMENTO_HOME": str(folder / "data")}, folder)
    return done.stderr + done.stdout


def steady(text: str) -> str:
    for pattern, word in VARYING:
        text = pattern.sub(lambda found, word=word: word.rjust(len(found[0])) if found[0][0] == " " else word, text)
    return text


if __name__ == "__main__":
    for name in sys.argv[1:]:
        path = ROOT / name
        path.write_text(filled(path.read_text(encoding="utf-8")), encoding="utf-8")
