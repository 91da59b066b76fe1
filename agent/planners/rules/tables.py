"""Reads the tables of words in `tables/`: plain text, a heading and then indented words, or `key: words` on one
line."""

from __future__ import annotations

from functools import cache
from pathlib import Path

_FOLDER = Path(__file__).parent / "tables"


def text(name: str) -> str:
    """The file without its comments."""
    lines = (_FOLDER / name).read_text(encoding="utf-8").splitlines()
    return "\n".join(line for line in lines if not line.startswith("# "))


def blocks(name: str) -> list[tuple[str, list[str]]]:
    """(heading, its indented lines) in the order of the file."""
    found: list[tuple[str, list[str]]] = []
    for line in text(name).splitlines():
        if line.startswith(" "):
            found[-1][1].append(line.strip())
        elif line:
            found.append((line.strip(), []))
    return found


def phrases(lines: list[str]) -> list[tuple[str, ...]]:
    """Phrases parted by commas, each as its words."""
    return [tuple(phrase.split()) for phrase in " ".join(lines).split(",") if phrase.strip()]


@cache
def listed(heading: str) -> tuple[str, ...]:
    """One of the lists of `lists.txt`, in its order."""
    entries = " ".join(dict(blocks("lists.txt"))[heading]).split()
    return tuple(entry.replace("-", " ") for entry in entries)


def keyed(name: str) -> dict[str, str]:
    """`left: a, b` lines → {a: left, b: left}."""
    found: dict[str, str] = {}
    for row in text(name).splitlines():
        left, _, right = row.partition(": ")
        for key in right.split(","):
            if key.strip():
                found[key.strip()] = left
    return found
