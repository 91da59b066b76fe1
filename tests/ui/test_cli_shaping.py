"""A sound shapes a picture from the command line: planned by the starter's planner, done by its any2pix, undone."""

from __future__ import annotations

import json
import os
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from tests import terminal
from tests.agent.planners.played import file
from tests.agent.planners.shaping import BY_DAY, LIGHTS, light_of, sound
from toybox.history import Item
from ui.cli import main

ROOT = Path(__file__).parents[2]


@pytest.fixture
def cli(tmp_path):
    own = {"PENTIMENTO_HOME": str(tmp_path / "home"), "PENTIMENTO_PLANNER": "token_heads", "OMP_NUM_THREADS": "1"}

    def run(*words: str) -> str:
        done = terminal.run(main, [*words], os.environ | own, ROOT)
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    return run


def sent(folder: Path, item: Item, name: str) -> str:
    """An item as a file; where it lies."""
    name, data = file(item, name)
    (folder / name).write_bytes(data)
    return str(folder / name)


def test_the_class_of_the_result_follows_the_sound(cli, tmp_path):
    cli("new", sent(tmp_path, Item("picture", BY_DAY), "scene"))
    for number, name in enumerate(("crickets", "fire"), start=2):
        said = cli("say", "add the sound to it", "--attach", sent(tmp_path, sound(name), name))
        assert "any2pix" in said and f"main → #{number}" in said
        picture = Path(said.split()[-1])
        assert light_of(np.asarray(Image.open(picture).convert("RGB")), BY_DAY) == LIGHTS[name]
        assert "main → #1" in cli("undo")
    recorded = json.loads(cli("show", "#2", "--json"))
    assert recorded["tool"] == "any2pix" and recorded["step"]["args"]["meant"]
