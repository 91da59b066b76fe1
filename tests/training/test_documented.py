"""Every command of docs/training.md is one that its recipe takes: its own words are read, and nothing is trained."""

import argparse
import importlib
import re
import shlex
import sys
from pathlib import Path

import pytest
import typer

from training import commands
from training.commands import RECIPES
from ui.cli import app

PAGE = Path(__file__).parents[2] / "docs/training.md"
MODULE = re.compile(r"python -m (training(?:\.\w+)*)([^`\n|]*)")
VERB = re.compile(r"pentimento train ([\w-]+)([^`\n|]*)")
WITHOUT = ("[", "]")
"""What says that a word may be left out."""


def text() -> str:
    """The page with each command on one line."""
    return re.sub(r"\\\n\s*", "", PAGE.read_text(encoding="utf-8")).replace("$stage", "1")


def words_of(said: str) -> list[str]:
    """What a shell would hand on: up to a comment, a second command, or the end of a loop."""
    plain = re.sub(r"(?<=\s)#.*|;.*|&&.*", "", said)
    return shlex.split("".join(letter for letter in plain if letter not in WITHOUT))


def documented() -> list[tuple[str, tuple[str, ...]]]:
    """(module, its words) of every command that is written out, once."""
    told = [(module, *words_of(rest)) for module, rest in MODULE.findall(text())]
    told += [(RECIPES[name][0], *words_of(rest)) for name, rest in VERB.findall(text()) if name in RECIPES]
    return [(one[0], one[1:]) for one in dict.fromkeys(told)]


class Read(Exception):
    """Its words were read."""


@pytest.mark.parametrize(
    ("module", "words"), documented(), ids=lambda one: one if isinstance(one, str) else " ".join(one)
)
def test_a_documented_command_is_taken(module, words, monkeypatch):
    recipe = importlib.import_module("training.__main__" if module == "training" else module)
    if not any(word.startswith("--") for word in words):
        assert callable(recipe.main)  # named, not written out
        return
    read = argparse.ArgumentParser.parse_args

    def stopped(self, *args, **kwargs):
        read(self, *args, **kwargs)
        raise Read

    monkeypatch.setattr(argparse.ArgumentParser, "parse_args", stopped)
    monkeypatch.setattr(sys, "argv", [module, *words])
    with pytest.raises(Read):
        recipe.main()


def test_the_page_writes_out_a_command_on_photos_for_every_recipe_that_takes_them():
    told = {module for module, words in documented() if "--photos" in words}
    takes = {
        path.stem
        for path in Path(commands.__file__).parent.glob("*.py")
        if re.search(r'"--photos"|\bask\(parser', path.read_text(encoding="utf-8")) and path.stem != "photos"
    }
    assert {f"training.{name}" for name in takes} == told and len(told) >= 8


def test_every_recipe_is_documented_and_every_verb_is_there():
    page = text()
    recipes = [module.removeprefix("training.") for module, _ in RECIPES.values()]
    assert [name for name in recipes if f"`{name}`" not in page and f"training.{name}" not in page] == ["training"]
    train = typer.main.get_command(commands.app)
    assert all(name in train.commands for name in re.findall(r"pentimento train ([a-z][\w-]*)", page))
    subject = typer.main.get_command(app).commands["subject"]
    assert all(name in subject.commands for name in re.findall(r"pentimento subject (\w+)", page))
