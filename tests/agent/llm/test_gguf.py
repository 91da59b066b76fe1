"""GGUF files: tokens keep their ids and mean the same, weights keep their numbers, what has no place is refused."""

from __future__ import annotations

import ctypes
import json

import numpy as np
import pytest
import torch
from gguf import GGMLQuantizationType, GGUFReader, GGUFWriter, quants
from tokenizers import AddedToken, Tokenizer, pre_tokenizers

from agent.llm import gguf, llama_cpp, torch_llama
from agent.tokens import SPECIALS
from sessions.errors import BadWeights, MissingWeights, StorageFull
from tests.agent.llm import models
from tests.agent.llm.conftest import need_llama_cpp
from tests.agent.llm.models import apart, some

TEXTS = (
    "make the sky warmer",
    " put a red boat  into the harbour",
    "Straße, 東京, naïve 🛶 and \x00\n\ttabs",
    "<step>blend<base><r_7> the sun<gen><eop>",
    "thth ererere arm",
    "",
)
KINDS = {"bytes": models.byte_level, "pieces": models.pieces}


@pytest.fixture(params=KINDS)
def folder(request, tmp_path):
    folder = models.llama(tmp_path / request.param, rows=500)
    KINDS[request.param](folder)
    return folder


def tokenized(llm: llama_cpp.LlamaCpp, text: str) -> list[int]:
    """What llama.cpp itself makes of a text, special tokens in it included."""
    library, raw = llama_cpp.library(), text.encode()
    room = (ctypes.c_int32 * (len(raw) + 8))()
    vocabulary = library.llama_model_get_vocab(llm.model)
    count = library.llama_tokenize(vocabulary, raw, len(raw), room, len(room), False, True)
    return list(room[:count])


def test_llama_cpp_reads_text_as_the_tokenizer_does(folder, tmp_path):
    need_llama_cpp()
    gguf.export(folder, tmp_path / "model.gguf")
    llm, tokenizer = llama_cpp.load(tmp_path / "model.gguf", 1), Tokenizer.from_file(str(folder / "tokenizer.json"))
    for text in TEXTS:
        assert tokenized(llm, text) == tokenizer.encode(text, add_special_tokens=False).ids, text
    for special in SPECIALS:
        assert tokenized(llm, special)[-1:] == [tokenizer.token_to_id(special)]


def test_the_file_names_every_row_of_the_table(folder, tmp_path):
    gguf.export(folder, tmp_path / "model.gguf", "F32")
    fields, tokenizer = GGUFReader(tmp_path / "model.gguf").fields, Tokenizer.from_file(str(folder / "tokenizer.json"))
    tokens, kinds = (fields[f"tokenizer.ggml.{name}"].contents() for name in ("tokens", "token_type"))
    assert len(tokens) == len(kinds) == 500 == len(set(tokens))
    vocabulary = tokenizer.get_vocab()
    assert all(tokens[number] == text for text, number in vocabulary.items())
    assert {kinds[tokenizer.token_to_id(text)] for text in SPECIALS} == {gguf.CONTROL}
    assert set(kinds[max(vocabulary.values()) + 1 :]) == {gguf.UNUSED}
    assert fields["llama.context_length"].contents() == models.CONTEXT


@pytest.mark.parametrize(("kind", "close"), [("F32", 0), ("F16", 2e-3), ("Q8_0", 0.02)])
def test_weights_keep_their_numbers(folder, tmp_path, kind, close):
    gguf.export(folder, tmp_path / "model.gguf", kind)
    table = torch_llama.load(folder, torch.device("cpu")).embeddings([0, 7, 499])
    assert apart(gguf.embeddings(tmp_path / "model.gguf")([0, 7, 499]), table) <= close
    stored = {tensor.name: tensor.tensor_type.name for tensor in GGUFReader(tmp_path / "model.gguf").tensors}
    assert stored["output_norm.weight"] == stored["blk.1.ffn_norm.weight"] == "F32"
    assert stored["blk.0.attn_q.weight"] == kind and len(stored) == 3 + 2 * 9


def test_the_table_is_found_in_files_of_others_too(tmp_path):
    writer, table = GGUFWriter(tmp_path / "other.gguf", "qwen2"), np.random.default_rng(0).normal(size=(7, 32))
    writer.add_custom_alignment(256)
    writer.add_uint8("byte", 1)
    writer.add_bool("yes", True)
    writer.add_int64("long", -3)
    writer.add_float64("double", 2.5)
    writer.add_string("text", "Straße")
    for number, values in enumerate(([1, 2, 3], [0.5, 1.5], ["a", "", "ä"], [True, False])):
        writer.add_array(f"array.{number}", values)
    writer.add_tensor("before", np.ones((3, 5), np.float32))
    writer.add_tensor(
        "token_embd.weight",
        quants.quantize(table.astype(np.float32), GGMLQuantizationType.Q4_0),
        raw_dtype=GGMLQuantizationType.Q4_0,
    )
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    rows = gguf.embeddings(tmp_path / "other.gguf")
    assert apart(rows([6, 0]), table[[6, 0]]) < 0.3 and rows([]).shape == (0, 32)


@pytest.mark.parametrize("content", [b"", b"GGUF" + bytes(20), b"GGUF\3\0\0\0" + b"\xff" * 40])
def test_a_header_that_is_none_is_bad_weights(tmp_path, content):
    (tmp_path / "model.gguf").write_bytes(content)
    with pytest.raises(BadWeights):
        gguf.embeddings(tmp_path / "model.gguf")


@pytest.mark.parametrize(("kind", "close"), [("F16", 0.05), ("Q8_0", 0.3)])
def test_smaller_files_say_nearly_the_same(folder, tmp_path, kind, close):
    need_llama_cpp()
    gguf.export(folder, tmp_path / "model.gguf", kind)
    ids, row = some(20), {4: np.random.default_rng(2).normal(0, 0.3, models.WIDTH).astype(np.float32)}
    small = llama_cpp.load(tmp_path / "model.gguf", 1).open().feed(ids, row, [4, 19])
    whole = torch_llama.load(folder, torch.device("cpu"), torch.float32).open().feed(ids, row, [4, 19])
    assert apart(small.states, whole.states) < close and apart(small.logits, whole.logits) < close


def test_rows_that_do_not_divide_into_blocks_stay_in_half_precision(folder, tmp_path):
    gguf.export(folder, tmp_path / "model.gguf", "Q8_0")
    whole = torch.zeros(4, 33)
    assert gguf._stored(whole, "Q8_0") == "F16" and gguf._stored(whole[:, :32], "Q8_0") == "Q8_0"


def test_only_the_order_of_rotary_pairs_changes():
    rows = torch.arange(16.0)[:, None].expand(16, 32)
    written = gguf._numbers(rows, 2, "F32")[:, 0]
    assert written.tolist() == [0, 4, 1, 5, 2, 6, 3, 7, 8, 12, 9, 13, 10, 14, 11, 15]
    assert gguf._numbers(rows, 0, "F32")[:, 0].tolist() == list(range(16))


@pytest.mark.parametrize(
    "change",
    [
        {"attention_bias": True},
        {"rope_parameters": {"rope_type": "linear", "factor": 2.0, "rope_theta": 10000.0}},
        {"num_hidden_layers": 3},
    ],
)
def test_what_gguf_has_no_place_for_is_refused(folder, tmp_path, change):
    config = json.loads((folder / "config.json").read_text("utf-8"))
    (folder / "config.json").write_text(json.dumps(config | change), "utf-8")
    with pytest.raises(BadWeights):
        gguf.export(folder, tmp_path / "model.gguf")
    assert not list(tmp_path.glob("*.gguf*"))


@pytest.mark.parametrize("change", [{"hidden_size": 48}, {"num_attention_heads": 1}, {"intermediate_size": 8}])
def test_weights_of_another_config_are_refused(folder, tmp_path, change):
    config = json.loads((folder / "config.json").read_text("utf-8"))
    (folder / "config.json").write_text(json.dumps(config | change | {"head_dim": None}), "utf-8")
    with pytest.raises(BadWeights, match="no weights of this"):
        gguf.export(folder, tmp_path / "model.gguf")
    assert not list(tmp_path.glob("*.gguf*"))


def test_a_tokenizer_that_splits_words_otherwise_is_refused(folder, tmp_path):
    made = models.byte_level(folder)
    made.pre_tokenizer = pre_tokenizers.Sequence([pre_tokenizers.Digits(), pre_tokenizers.ByteLevel()])
    made.save(str(folder / "tokenizer.json"))
    with pytest.raises(BadWeights, match="split"):
        gguf.export(folder, tmp_path / "model.gguf")


def test_a_tokenizer_with_more_tokens_than_the_table_is_refused(folder, tmp_path):
    made = Tokenizer.from_file(str(folder / "tokenizer.json"))
    made.add_special_tokens([AddedToken(f"<extra {number}>") for number in range(200)])
    made.save(str(folder / "tokenizer.json"))
    with pytest.raises(BadWeights):
        gguf.export(folder, tmp_path / "model.gguf")


def test_no_tokenizer_is_missing(folder, tmp_path):
    (folder / "tokenizer.json").unlink()
    with pytest.raises(MissingWeights):
        gguf.export(folder, tmp_path / "model.gguf")


def test_a_place_that_cannot_be_written_is_said(folder, tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(StorageFull):
        gguf.export(folder, tmp_path / "file" / "model.gguf")


@pytest.mark.parametrize("content", [b"", b"GGUF", b"no model" * 100])
def test_a_file_that_is_no_model_is_bad_weights(tmp_path, content):
    need_llama_cpp()
    (tmp_path / "model.gguf").write_bytes(content)
    with pytest.raises(BadWeights):
        llama_cpp.load(tmp_path / "model.gguf")
    with pytest.raises(MissingWeights):
        llama_cpp.load(tmp_path / "none.gguf")


def test_llama_cpp_says_nothing_on_the_terminal(folder, tmp_path, capfd):
    need_llama_cpp()
    gguf.export(folder, tmp_path / "model.gguf")
    capfd.readouterr()
    llama_cpp.load(tmp_path / "model.gguf", 1).open().feed([1, 2, 3])
    assert capfd.readouterr() == ("", "")
