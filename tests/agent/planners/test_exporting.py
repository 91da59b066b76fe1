"""A planner exported for llama.cpp: whole, or not at all with a sentence that says why."""

import pytest

from agent.planners import exporting
from agent.planners.checkpoint import GGUF, HEADS, Card
from sessions.errors import BadArguments, MissingWeights, StorageFull
from tests import tiny_planner


@pytest.fixture
def folder(tmp_path):
    return tiny_planner.planner(tmp_path / "tiny", Card(name="tiny@1", template="brief"))


def test_all_that_llama_cpp_needs_is_there(folder, tmp_path):
    made = exporting.export(folder, tmp_path / "made", "F32")
    assert {path.name for path in made.iterdir()} == {GGUF, *exporting.BESIDE}


def test_a_part_that_is_missing_is_said_before_anything_is_written(folder, tmp_path):
    (folder / HEADS).unlink()
    with pytest.raises(MissingWeights, match=HEADS):
        exporting.export(folder, tmp_path / "made")
    assert not (tmp_path / "made").exists()


def test_the_planner_is_not_written_over_itself(folder):
    before = {path.name: path.read_bytes() for path in folder.iterdir()}
    with pytest.raises(BadArguments, match="own folder"):
        exporting.export(folder, folder / ".." / folder.name)
    assert {path.name: path.read_bytes() for path in folder.iterdir()} == before


def test_a_file_is_no_place(folder, tmp_path):
    (tmp_path / "made").write_text("a letter")
    with pytest.raises(StorageFull):
        exporting.export(folder, tmp_path / "made")
    assert (tmp_path / "made").read_text() == "a letter"
