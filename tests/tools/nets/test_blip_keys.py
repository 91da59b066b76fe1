"""Names and shapes of the public checkpoints, both layouts, and what is wrong with a folder."""

import json
import re
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

from sessions.errors import BadWeights
from tests import tiny
from tests.tools.nets import blip
from tools.nets import blip_keys
from tools.nets.qformer import SubjectConfig, SubjectEncoder

MANIFEST = Path(__file__).parents[2] / "manifests" / "blip_diffusion.txt"
CPU = torch.device("cpu")


def listed() -> list[tuple[str, list[int], str, list[int]]]:
    """(name, shape, LAVIS's name, its shape) of every tensor at full size."""
    found = []
    for line in MANIFEST.read_text("utf-8").splitlines():
        if line.startswith("#"):
            continue
        ours, shape, _, theirs, their_shape = line.split()
        numbers = re.search(r"\{(\d+)\.\.(\d+)\}", ours)
        for i in range(int(numbers[1]), int(numbers[2]) + 1) if numbers else [""]:
            names = (re.sub(r"\{.*\}", str(i), name) for name in (ours, theirs))
            sizes = ([int(n) for n in s.split("x")] for s in (shape, their_shape))
            found.append((next(names), next(sizes), next(names), next(sizes)))
    return found


def full_size() -> SubjectEncoder:
    with torch.device("meta"):
        return SubjectEncoder(SubjectConfig())


def test_our_names_and_shapes_are_those_of_the_public_folder():
    ours = {name: list(tensor.shape) for name, tensor in full_size().state_dict().items()}
    assert ours == {name: shape for name, shape, _, _ in listed()}


def test_the_table_gives_laviss_names_and_shapes():
    theirs = {name: list(tensor.shape) for name, tensor in blip_keys.to_lavis(full_size().state_dict()).items()}
    assert theirs == {name: shape for _, _, name, shape in listed()}


def test_a_checkpoint_goes_through_both_layouts_unchanged():
    encoder = blip.subject_encoder()
    state, args = encoder.state_dict(), (blip.pixels(1), *blip.words(3))
    lavis = blip_keys.to_lavis(state) | {
        "blip.Qformer.cls.predictions.bias": torch.zeros(3),
        "blip.temp": torch.ones(1),
    }
    for layout in (state, lavis, {"embeddings.position_ids": torch.arange(4)} | state):
        assert torch.equal(blip_keys.encoder_of(blip.SUBJECT, layout)(*args), encoder(*args))


def test_a_missing_tensor_is_named():
    state = blip.subject_encoder().state_dict()
    del state["proj_layer.dense1.bias"]
    with pytest.raises(BadWeights, match=r"proj_layer\.dense1\.bias"):
        blip_keys.encoder_of(blip.SUBJECT, state)


def test_a_tensor_of_another_shape_is_named():
    state = blip.subject_encoder().state_dict() | {"query_tokens": torch.zeros(1, 5, blip.SUBJECT.width)}
    with pytest.raises(BadWeights, match=r"query_tokens is \[1, 5, 32\]"):
        blip_keys.encoder_of(blip.SUBJECT, state)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    made = tmp_path_factory.mktemp("blip")
    tiny.subject_encoder(made / "qformer")
    return made


def test_a_folder_of_the_public_layout_is_read(folder):
    encoder, words = blip_keys.load(folder, CPU, torch.float64)
    ids, mask = words(["Dog", "a cup of tea"])
    assert encoder(torch.zeros(2, 3, 28, 28, dtype=torch.float64), ids, mask).shape == (2, 16, tiny.WIDTH)
    assert not any(weight.requires_grad for weight in encoder.parameters())


def test_words_are_wrapped_lowered_padded_and_spelt_out_where_unknown(folder):
    words = blip_keys.load(folder, CPU, torch.float32).words
    lines = (folder / "qformer" / "vocab.txt").read_text("utf-8").splitlines()
    ids, mask = words(["DOG", "zb"])
    spelt = [[lines[i] for i in row] for row in ids]
    assert spelt == [["[CLS]", "dog", "[SEP]", "[PAD]"], ["[CLS]", "z", "##b", "[SEP]"]]
    assert mask.tolist() == [[True, True, True, False], [True] * 4]


@pytest.mark.parametrize("file", ["vocab.txt", "config.json", "model.safetensors"])
def test_what_a_folder_lacks_is_said(folder, tmp_path, file):
    (tmp_path / "qformer").mkdir()
    for path in (folder / "qformer").iterdir():
        if path.name != file:
            (tmp_path / "qformer" / path.name).symlink_to(path)
    with pytest.raises(BadWeights, match="qformer"):
        blip_keys.load(tmp_path, CPU, torch.float32)


def test_a_config_that_is_none_is_refused(folder, tmp_path):
    (tmp_path / "config.json").write_text(json.dumps({"vision_config": 3}))
    with pytest.raises(BadWeights, match="does not describe"):
        blip_keys.config_of(tmp_path)


def test_a_vocabulary_that_is_not_berts_is_refused(folder, tmp_path):
    (tmp_path / "vocab.txt").write_text("dog\ncat\n")
    with pytest.raises(BadWeights, match="vocabulary"):
        blip_keys.Words(tmp_path / "vocab.txt")


def test_a_damaged_file_is_refused(folder, tmp_path):
    (tmp_path / "qformer").mkdir()
    save_file({"query_tokens": torch.zeros(3)}, tmp_path / "qformer" / "model.safetensors")
    data = (tmp_path / "qformer" / "model.safetensors").read_bytes()
    (tmp_path / "qformer" / "model.safetensors").write_bytes(data[:-4])
    with pytest.raises(BadWeights):
        blip_keys.load(tmp_path, CPU, torch.float32)
