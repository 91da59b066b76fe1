"""The door for checkpoints that torch has written: tensors come out, and nothing that a file names is ever called."""

import pickle
import zipfile

import pytest
import torch

from sessions.errors import BadWeights, MissingWeights
from tools import weights


class Trap:
    """Whoever unpickles it makes a folder."""

    def __init__(self, folder):
        self.folder = folder

    def __reduce__(self):
        import os

        return os.mkdir, (str(self.folder),)


def test_tensors_come_out_as_they_are(tmp_path):
    state = {"a.weight": torch.arange(6.0).reshape(2, 3), "b": torch.tensor(3), "c": torch.ones(2).bfloat16()}
    for name, zipped in (("new.pth", True), ("old.bin", False)):
        torch.save(state, tmp_path / name, _use_new_zipfile_serialization=zipped)
        found = weights.pickled(tmp_path / name)
        assert list(found) == list(state)
        for key, tensor in state.items():
            torch.testing.assert_close(found[key], tensor, rtol=0, atol=0)
        assert weights.shapes(tmp_path / name) == {"a.weight": (2, 3), "b": (), "c": (2,)}


@pytest.mark.parametrize("zipped", [True, False])
def test_what_a_file_wants_to_call_is_not_called(zipped, tmp_path):
    path = tmp_path / "trap.pth"
    torch.save({"a": Trap(tmp_path / "caught")}, path, _use_new_zipfile_serialization=zipped)
    with pytest.raises(BadWeights, match=r"trap\.pth is damaged, or holds more than tensors"):
        weights.pickled(path)
    (tmp_path / "bare.pth").write_bytes(pickle.dumps(Trap(tmp_path / "caught")))
    with pytest.raises(BadWeights):
        weights.pickled(tmp_path / "bare.pth")
    assert not (tmp_path / "caught").exists()


@pytest.mark.parametrize("told", [[torch.ones(1)], {"model": {"a": torch.ones(1)}}, {1: torch.ones(1)}, {"a": "b"}])
def test_what_is_no_flat_table_is_refused(told, tmp_path):
    torch.save(told, tmp_path / "nested.pth")
    with pytest.raises(BadWeights, match="no flat table"):
        weights.pickled(tmp_path / "nested.pth")


def test_tables_of_tables_are_joined_where_they_are_asked_for(tmp_path):
    state = {"a": {"x.weight": torch.ones(2), "y": torch.zeros(1)}, "b": {"x.weight": torch.arange(3)}, "c": {}}
    torch.save(state, tmp_path / "parts.bin")
    found = weights.pickled_parts(tmp_path / "parts.bin")
    assert list(found) == ["a.x.weight", "a.y", "b.x.weight"]
    assert torch.equal(found["b.x.weight"], state["b"]["x.weight"])
    torch.save({"a.x": torch.ones(2)}, tmp_path / "flat.bin")
    assert list(weights.pickled_parts(tmp_path / "flat.bin")) == ["a.x"]
    assert weights.shapes(tmp_path / "parts.bin") == {"a.x.weight": (2,), "a.y": (1,), "b.x.weight": (3,)}


@pytest.mark.parametrize(
    "told",
    [
        [torch.ones(1)],
        {"a": torch.ones(1), "b": {"c": torch.ones(1)}},
        {"a": {"b": {"c": torch.ones(1)}}},
        {"a": {"b": torch.ones(1)}, "epoch": 3},
        {"a.b": {"c": torch.ones(1)}, "a": {"b.c": torch.ones(1)}},
        {1: {"a": torch.ones(1)}},
    ],
)
def test_what_is_neither_is_refused(told, tmp_path):
    torch.save(told, tmp_path / "other.bin")
    with pytest.raises(BadWeights, match=r"other\.bin"):
        weights.pickled_parts(tmp_path / "other.bin")


def test_no_trap_in_a_part_is_sprung(tmp_path):
    torch.save({"a": {"b": Trap(tmp_path / "caught")}}, tmp_path / "trap.bin")
    with pytest.raises(BadWeights, match=r"trap\.bin is damaged, or holds more than tensors"):
        weights.pickled_parts(tmp_path / "trap.bin")
    assert not (tmp_path / "caught").exists()


def test_damaged_and_absent_files_are_sentences(tmp_path):
    torch.save({"a": torch.ones(10_000)}, tmp_path / "whole.pth")
    data = (tmp_path / "whole.pth").read_bytes()
    for number, broken in enumerate((b"", b"PK\3\4", data[:-100], data[:20_000], b"\x80\x02" + data[:50], bytes(900))):
        path = tmp_path / f"{number}.bin"
        path.write_bytes(broken)
        with pytest.raises(BadWeights):
            weights.pickled(path)
    with zipfile.ZipFile(tmp_path / "other.bin", "w") as other:
        other.writestr("hello.txt", "hello")
    with pytest.raises(BadWeights):
        weights.pickled(tmp_path / "other.bin")
    with pytest.raises(MissingWeights):
        weights.pickled(tmp_path / "nowhere.bin")
