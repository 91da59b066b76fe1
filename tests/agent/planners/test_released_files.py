"""A released InstructAny2Pix checkpoint to the letter: names, shapes, kinds and files, at full size, without numbers.

The files are as large as the real ones and hold nothing: the disk keeps no room for what was never written. What such
a planner says is `test_released.py`'s.
"""

import json
import logging
import math
from types import SimpleNamespace

import pytest
import torch
from tokenizers import AddedToken, Tokenizer, models, normalizers
from torch._subclasses.fake_tensor import FakeTensorMode

from agent.llm import checkpoint
from agent.planners import released, shelved
from agent.planners.released import TOKENS
from sessions.errors import BadWeights, MissingWeights
from tests.manifests import remake
from tools import weights

LISTED = remake.read("instructany2pix")
ROWS, BASE = 32009, 32000
FILE = 5 * 10**9
"""Bytes of a file, at most."""
CONFIG = {
    **{"model_type": "instructany2pix", "architectures": ["LlavaLlamaForCausalLM"], "vocab_size": ROWS},
    **{"hidden_size": 4096, "intermediate_size": 11008, "num_hidden_layers": 32, "num_attention_heads": 32},
    **{"num_key_value_heads": 32, "max_position_embeddings": 4096, "rms_norm_eps": 1e-5, "hidden_act": "silu"},
    **{"mm_projector_type": "mlp2x_gelu", "mm_hidden_size": 1024, "mm_vision_tower": "clip", "rope_scaling": None},
    **{"vae_image": "vq-npz", "vae_audio": "vq-npz", "bos_token_id": 1, "eos_token_id": 2},
}
PROJECTORS = [name for name in LISTED if "vae_" in name and "_image." in name]
META = torch.device("meta")
IMAGEBIND = SimpleNamespace(encoder=SimpleNamespace(width=1024, name="imagebind"))


def written(folder, pickled, listed=LISTED, before=""):
    """The folder: files with these tensors, their index, config.json, and the tokenizer in its own folder."""
    folder.mkdir()
    stem, suffix = ("pytorch_model", "bin") if pickled else ("model", "safetensors")
    parts, places = split(listed), {}
    for number, part in enumerate(parts, start=1):
        file = f"{stem}-{number:05}-of-{len(parts):05}.{suffix}"
        (_torch_file if pickled else _safetensors)(folder / file, {before + name: listed[name] for name in part})
        places |= {before + name: file for name in part}
    index = {"metadata": {"total_size": 0}, "weight_map": places}
    (folder / f"{stem}.{suffix}.index.json").write_text(json.dumps(index))
    (folder / "config.json").write_text(json.dumps(CONFIG))
    (folder / "tokenizer").mkdir()
    tokenizer(TOKENS).save(str(folder / "tokenizer/tokenizer.json"))
    return folder


def split(listed):
    """The names file by file, none of them too large."""
    parts, room = [[]], FILE
    for name, (kind, shape) in listed.items():
        size = math.prod(shape) * weights.WIDTHS[kind]
        if size > room:
            parts, room = [*parts, []], FILE
        parts[-1].append(name)
        room -= size
    return parts


def _torch_file(path, listed):
    with FakeTensorMode():
        state = {name: torch.empty(shape, dtype=torch.bfloat16) for name, (_, shape) in listed.items()}
    with torch.serialization.skip_data(materialize_fake_tensors=True):
        torch.save(state, path)


def _safetensors(path, listed):
    header, end = {"__metadata__": {"format": "pt"}}, 0
    for name, (kind, shape) in listed.items():
        begin, end = end, end + math.prod(shape) * weights.WIDTHS[kind]
        header[name] = {"dtype": kind, "shape": list(shape), "data_offsets": [begin, end]}
    told = json.dumps(header).encode()
    with path.open("wb") as file:
        file.write(len(told).to_bytes(8, "little") + told)
        file.truncate(8 + len(told) + end)


def tokenizer(added) -> Tokenizer:
    """Of Vicuna's kind and size, its pieces made up, and these tokens added behind them."""
    first = ["<unk>", "<s>", "</s>", *(f"<0x{byte:02X}>" for byte in range(256))]
    pieces = [*first, *(f"▁piece{number}" for number in range(BASE - len(first)))]
    vocabulary = {piece: number for number, piece in enumerate(pieces)}
    made = Tokenizer(models.BPE(vocabulary, [], unk_token="<unk>", fuse_unk=True, byte_fallback=True))
    made.normalizer = normalizers.Sequence([normalizers.Prepend("▁"), normalizers.Replace(" ", "▁")])
    made.add_special_tokens([AddedToken(token, normalized=False) for token in (*first[:3], *added)])
    return made


def without(*names):
    return {name: said for name, said in LISTED.items() if name not in names}


def rows(count):
    tables = ("model.embed_tokens.weight", "lm_head.weight")
    return LISTED | dict.fromkeys(tables, ("BF16", (count, 4096)))


def test_the_table_is_that_of_the_classes():
    with META:
        assert remake.rows(remake.instructany2pix()) == (remake.HERE / "instructany2pix.txt").read_text().splitlines()
    ours = [name for name in LISTED if "vision_tower" not in name]
    assert len(ours) == 32 * 9 + 3 + 4 * 4 + 4 and len(PROJECTORS) == 8


@pytest.mark.parametrize(("pickled", "before"), [(False, ""), (True, ""), (True, "base_model.model.")])
def test_the_released_names_shapes_and_kinds_are_read(tmp_path, pickled, before, caplog):
    folder = written(tmp_path / "llm-retrained", pickled, before=before)
    files = list(folder.glob("*-of-*"))
    assert len(files) > 2 and sum(file.stat().st_size for file in files) > 14.5e9
    assert sum(file.stat().st_blocks * 512 for file in files) < 10**7, "nothing is written"
    kinds = {tensor.dtype for shard in checkpoint.shards(folder) for tensor in shard.values()}
    assert kinds == {torch.bfloat16}
    with caplog.at_level(logging.INFO, "agent.planners.released"):
        planner = released.load(folder, IMAGEBIND, META)
    assert (planner.llm.width, planner.llm.vocabulary, planner.llm.context) == (4096, ROWS, 4096)
    held = {name: tuple(tensor.shape) for name, tensor in planner.llm.network.state_dict().items()}
    assert set(held) | set(planner.llm.ignored) == set(LISTED) and not set(held) & set(planner.llm.ignored)
    assert all(LISTED[name][1] == shape for name, shape in held.items())
    assert planner.heads.width == 4096 and planner.heads.space == 1024
    assert [planner.vocabulary.ids[token] for token in TOKENS] == list(range(BASE, ROWS))
    said = "no part of the planner, and left where they are: mm_projector, vae_predictor_audio, vae_projector_audio"
    assert f"{said}, vision_tower" in caplog.text


@pytest.mark.parametrize("gone", PROJECTORS)
def test_a_missing_projector_is_refused_by_name(tmp_path, gone):
    folder = written(tmp_path / "less", pickled=gone != PROJECTORS[0], listed=without(gone))
    with pytest.raises(BadWeights, match=f"projector {gone} is missing"):
        released.load(folder, IMAGEBIND, META)


def test_a_projector_for_another_model_is_refused_by_name(tmp_path):
    name = "model.vae_predictor_image.0.weight"
    folder = written(tmp_path / "other", True, LISTED | {name: ("BF16", (5120, 5120))})
    with pytest.raises(BadWeights, match=f"projector {name} is for an LLM of another width than 4096"):
        released.load(folder, IMAGEBIND, META)


@pytest.mark.parametrize("name", ["model.layers.31.mlp.down_proj.weight", "lm_head.weight", "model.norm.weight"])
def test_a_missing_tensor_of_the_model_is_refused_by_name(tmp_path, name):
    folder = written(tmp_path / "less", True, without(name))
    with pytest.raises(BadWeights, match=rf"{name} should be .*, and is missing"):
        released.load(folder, IMAGEBIND, META)


def test_a_missing_file_is_named(tmp_path):
    folder = written(tmp_path / "half", False)
    next(folder.glob("model-00002-of-*")).unlink()
    with pytest.raises(MissingWeights, match="model-00002-of-"):
        released.load(folder, IMAGEBIND, META)


def test_an_encoder_of_another_space_is_refused(tmp_path):
    folder = written(tmp_path / "whole", True)
    other = SimpleNamespace(encoder=SimpleNamespace(width=1280, name="clap_clip"))
    with pytest.raises(BadWeights, match="wants ImageBind's embeddings of 1024 numbers; the encoder's have 1280"):
        released.load(folder, other, META)


@pytest.mark.parametrize(("count", "fits"), [(32064, True), (32000, False)])
def test_a_table_of_more_rows_than_tokens_does_and_one_of_fewer_does_not(tmp_path, count, fits):
    """Tables are padded to what computes well; one without rows for the nine tokens was never taught them."""
    folder = written(tmp_path / "rows", True, rows(count))
    if fits:
        assert released.load(folder, IMAGEBIND, META).vocabulary.size == count
        return
    with pytest.raises(BadWeights, match="32000 rows for a tokenizer of 32009 tokens"):
        released.load(folder, IMAGEBIND, META)


def test_tokens_are_found_by_name_whatever_their_order(tmp_path):
    folder = written(tmp_path / "turned", True)
    tokenizer(TOKENS[::-1]).save(str(folder / "tokenizer/tokenizer.json"))
    planner = released.load(folder, IMAGEBIND, META)
    assert [planner.vocabulary.ids[token] for token in TOKENS] == list(range(BASE, ROWS))[::-1]


def test_plain_vicuna_is_not_taken_for_one(tmp_path):
    plain = {name: said for name, said in LISTED.items() if "vae_" not in name and "mm_" not in name}
    folder = written(tmp_path / "vicuna", True, {name: plain[name] for name in plain if "vision" not in name})
    assert not shelved._has_projectors(folder)
    with pytest.raises(BadWeights, match=r"no InstructAny2Pix checkpoint: its projector model\.vae_projector_image"):
        released.load(folder, IMAGEBIND, META)
