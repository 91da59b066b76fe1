"""Checkpoints as they are published: one file or shards, safetensors or torch's own, wrapped names, extra tensors."""

from __future__ import annotations

import json

import numpy as np
import pytest
import torch
from safetensors.torch import load_file

from agent.llm import checkpoint, torch_llama
from sessions.errors import BadWeights, MissingWeights
from tests.agent.llm import models

CPU = torch.device("cpu")


@pytest.fixture
def folder(tmp_path):
    return models.llama(tmp_path / "llama", rows=109)


def said(folder, dtype=torch.float32):
    return torch_llama.load(folder, CPU, dtype).open().feed(models.some(12, below=109), {}, [11])


@pytest.mark.parametrize("files", [1, 3])
@pytest.mark.parametrize("pickled", [False, True])
@pytest.mark.parametrize("before", ["", "module.", "base_model.", "module.base_model.model."])
def test_the_same_tensors_in_any_packing_say_the_same(folder, files, pickled, before):
    expected = said(folder)
    tensors = {f"{before}{name}": tensor for name, tensor in load_file(folder / "model.safetensors").items()}
    models.resaved(folder, tensors, pickled=pickled, files=files)
    assert len(list(folder.glob("*.bin" if pickled else "*.safetensors"))) == files
    found = said(folder)
    assert models.apart(found.states, expected.states) < 1e-5 > models.apart(found.logits, expected.logits)


@pytest.mark.parametrize("pickled", [False, True])
@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_a_released_checkpoint_is_read_and_what_is_no_llama_in_it_is_named(folder, pickled, dtype):
    expected = said(folder)
    config = json.loads((folder / "config.json").read_text("utf-8"))
    config |= {"model_type": "instructany2pix", "vocab_size": 100, "mm_hidden_size": 1024, "vae_image": "vq-npz"}
    config = {key: value for key, value in config.items() if key not in ("rope_parameters", "head_dim")}
    (folder / "config.json").write_text(json.dumps(config), encoding="utf-8")
    whole = models.released(folder)
    models.resaved(folder, {n: t.to(dtype) for n, t in whole.items()}, pickled=pickled, files=2)
    llm = torch_llama.load(folder, CPU, torch.float32)
    assert llm.vocabulary == 109, "the table itself says how many tokens there are"
    assert "model.vae_projector_image.0.weight" in llm.ignored
    assert "model.vae_predictor_audio.2.bias" in llm.ignored
    assert "model.layers.0.self_attn.rotary_emb.inv_freq" in llm.ignored
    assert len(llm.ignored) == len(whole) - len(llm.network.state_dict())
    assert np.abs(said(folder).logits - expected.logits).max() < (0.02 if dtype == torch.float16 else 0.15)


def test_it_computes_in_the_precision_that_is_asked_for(folder):
    half = torch_llama.load(folder, CPU, torch.bfloat16)
    assert {weight.dtype for weight in half.network.parameters()} == {torch.bfloat16}
    reading = half.open().feed([1, 2, 3], {1: np.zeros(models.WIDTH, np.float32)}, [2])
    assert reading.states.dtype == reading.logits.dtype == np.float32
    assert half.embeddings([1]).dtype == np.float32
    assert torch_llama.load(folder, CPU).network.dtype == torch.float32


def test_a_missing_tensor_is_named(folder):
    tensors = load_file(folder / "model.safetensors")
    del tensors["model.layers.1.mlp.up_proj.weight"]
    models.resaved(folder, tensors, pickled=False, files=1)
    with pytest.raises(BadWeights, match=r"model\.layers\.1\.mlp\.up_proj\.weight .* missing"):
        torch_llama.load(folder, CPU)


def test_a_tensor_of_another_shape_is_named(folder):
    tensors = load_file(folder / "model.safetensors")
    tensors["model.norm.weight"] = torch.ones(63)
    models.resaved(folder, tensors, pickled=True, files=1)
    with pytest.raises(BadWeights, match=r"model\.norm\.weight should be \(64,\), and is \(63,\)"):
        torch_llama.load(folder, CPU)


def test_one_table_for_both_ends(tmp_path):
    folder = models.llama(tmp_path / "tied", tied=True)
    llm = torch_llama.load(folder, CPU)
    assert llm.network.lm_head.weight is llm.network.model.embed_tokens.weight


@pytest.mark.parametrize(
    "text", ["", "[]", "{", '{"hidden_size": "x"}', '{"num_hidden_layers": -1}', '{"num_hidden_layers": 1000000000}']
)
def test_a_config_that_is_none_is_bad_weights(folder, text):
    (folder / "config.json").write_text(text, encoding="utf-8")
    with pytest.raises(BadWeights):
        torch_llama.load(folder, CPU)


def test_sizes_that_cannot_be_are_bad_weights(folder):
    config = json.loads((folder / "config.json").read_text("utf-8"))
    (folder / "config.json").write_text(json.dumps(config | {"num_attention_heads": 7, "head_dim": None}), "utf-8")
    with pytest.raises(BadWeights):
        torch_llama.load(folder, CPU)


@pytest.mark.parametrize(
    "index", ["", "[]", "{}", '{"weight_map": 3}', '{"weight_map": {"a": "../model.bin"}}', '{"weight_map": {"a": 1}}']
)
def test_an_index_that_is_none_is_bad_weights(folder, index):
    (folder / "model.safetensors.index.json").write_text(index, encoding="utf-8")
    with pytest.raises(BadWeights):
        torch_llama.load(folder, CPU)


def test_what_is_not_there_is_missing(folder):
    (folder / "model.safetensors").unlink()
    with pytest.raises(MissingWeights):
        torch_llama.load(folder, CPU)
    (folder / "config.json").unlink()
    with pytest.raises(MissingWeights):
        checkpoint.sizes(folder)


def test_the_rotation_is_read_wherever_a_config_says_it():
    old = checkpoint.Sizes(rope_theta=5e5, rope_scaling={"type": "linear", "factor": 2.0})
    assert old.rope == {"rope_theta": 5e5, "rope_type": "linear", "factor": 2.0}
    new = checkpoint.Sizes(rope_parameters={"rope_theta": 7.0, "rope_type": "default"})
    assert new.rope == {"rope_theta": 7.0, "rope_type": "default"}
    assert checkpoint.Sizes().rope == {"rope_theta": 10000.0, "rope_type": "default"}
