"""Stage 1: what a batch is, what learns and what stands still, that it goes on exactly, and its folders."""

import math
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from safetensors.torch import save_file
from transformers import BertConfig, BertModel, CLIPVisionConfig, CLIPVisionModel

from sessions.errors import BadWeights
from tests.tools.nets import blip
from tools.nets import blip_keys
from tools.nets.blip_keys import Words
from tools.nets.clip_vision import VisionConfig
from tools.nets.qformer import SubjectConfig, SubjectEncoder
from toybox.words import vocabulary
from training import blip_begun, blip_pack
from training.blip_representation import Given, Plan, batch, network, recipe, small, train
from training.loop import Trainer
from training.subject_scenes import Scenes

PLAN = Plan(steps=4, batch=3, rate=1e-3, queries=4)


@pytest.fixture(scope="module")
def words(tmp_path_factory):
    path = tmp_path_factory.mktemp("words") / "vocab.txt"
    return SimpleNamespace(path=path, rows=blip_pack.write_words(path), read=Words(path))


def tiny(words, seed=0):
    sizes = SubjectConfig(VisionConfig(16, 1, 2, 32, 16, 64), 16, 2, 2, 32, words.rows, 64, 4)
    return network(sizes, seed)


def test_every_word_of_the_toybox_is_one_and_dec_stands_behind_them(words):
    ids, mask = words.read([" ".join(vocabulary()), "disc"])
    unknown = words.path.read_text().split("\n").index("[UNK]")
    assert ids.shape[1] == len(vocabulary()) + 2 and int(mask[1].sum()) == 3
    assert not (ids == unknown).any() and int(ids.max()) < words.rows - 1
    assert not (words.read(["a zebra on a 747"])[0] == unknown).any()


def test_the_batch_of_a_step_is_always_the_same(words):
    one, same, other = (batch(Scenes(1), words.read, 64, 3, step) for step in (5, 5, 6))
    assert all(torch.equal(a, b) for a, b in zip(one, same, strict=True))
    assert not torch.equal(one[0], other[0])
    assert one[0].shape == (3, 3, 64, 64) and one[1].shape == one[2].shape and bool(one[2][:, :4].all())


def learnt(made, tmp_path):
    before = {name: p.detach().clone() for name, p in made.net.named_parameters()}
    Trainer(made, tmp_path).run(math.inf)
    return {name for name, p in made.net.named_parameters() if not torch.equal(p, before[name])}


def test_all_learns_but_the_projection(words, tmp_path):
    made = recipe(tiny(words), Scenes(1), words.read, PLAN)
    changed = learnt(made, tmp_path)
    names = {name for name, _ in made.net.named_parameters()}
    assert names - changed == {name for name in names if "proj_layer" in name}


def test_a_tower_that_stands_still_keeps_all_but_its_last_norm(words, tmp_path):
    changed = learnt(recipe(tiny(words), Scenes(1), words.read, PLAN, frozen=True), tmp_path)
    tower = {name for name in changed if "visual_encoder" in name}
    assert tower == {f"encoder.visual_encoder.post_layernorm.{part}" for part in ("weight", "bias")}
    assert "encoder.query_tokens" in changed


def test_training_goes_on_exactly(words, tmp_path):
    whole = Trainer(recipe(tiny(words), Scenes(1), words.read, PLAN), tmp_path / "whole")
    whole.run(math.inf)
    ticks = iter(range(100))
    Trainer(recipe(tiny(words), Scenes(1), words.read, PLAN), tmp_path / "parts").run(4, lambda: next(ticks))
    rest = Trainer(recipe(tiny(words, 9), Scenes(1), words.read, PLAN), tmp_path / "parts")
    assert 0 < rest.step < 4
    rest.run(math.inf)
    assert all(torch.equal(p, rest.weights[name]) for name, p in whole.weights.items())


def test_a_training_in_no_time_leaves_a_folder_that_loads(tmp_path):
    train(tmp_path, 0.0, PLAN, Given())
    encoder, words = blip_keys.load(tmp_path, torch.device("cpu"), torch.float32)
    rows = len((tmp_path / "qformer/vocab.txt").read_text().splitlines()) + 1
    assert encoder.config == small(rows, queries=4)
    ids, mask = words(["disc", "star"])
    vectors = encoder(torch.randn(2, 3, 64, 64), ids, mask)
    assert vectors.shape == (2, 4, encoder.config.width) and bool(vectors.isfinite().all())
    assert not torch.allclose(vectors[0], vectors[1])
    with pytest.raises(BadWeights, match="was begun with steps 4, not 5"):
        train(tmp_path, 0.0, Plan(5, 3, 1e-3, 4), Given())


def test_what_is_written_is_what_was_there(words, tmp_path):
    encoder = tiny(words)
    blip_pack.write(encoder, words.path, tmp_path)
    again, _ = blip_keys.load(tmp_path, torch.device("cpu"), torch.float32)
    assert again.config == encoder.config
    for name, weight in again.named_parameters():
        torch.testing.assert_close(weight, encoder.get_parameter(name).half().float())


def test_a_clips_tower_is_taken_but_for_its_last_block(tmp_path):
    c = blip.SUBJECT.vision
    sizes = {"hidden_size": c.width, "intermediate_size": c.hidden, "num_attention_heads": c.heads}
    config = CLIPVisionConfig(**sizes, num_hidden_layers=c.layers + 1, image_size=c.side, patch_size=c.patch)
    theirs = CLIPVisionModel(config).eval()
    save_file(theirs.state_dict(), tmp_path / "model.safetensors")
    encoder = SubjectEncoder(blip.SUBJECT).eval()
    blip_begun.tower(encoder, tmp_path)
    x = blip.pixels(2).float()
    expected = theirs(x, output_hidden_states=True).hidden_states[-2]
    found = encoder.visual_encoder
    torch.testing.assert_close(found(x), found.post_layernorm(expected), atol=1e-5, rtol=0)
    save_file({"nothing": torch.zeros(1)}, tmp_path / "model.safetensors")
    with pytest.raises(BadWeights, match="no embeddings"):
        blip_begun.tower(encoder, tmp_path)


def test_berts_layers_are_taken_and_what_it_has_not_is_left(tmp_path):
    c = blip.SUBJECT
    config = BertConfig(
        vocab_size=c.words - 1,
        hidden_size=c.width,
        num_hidden_layers=c.layers,
        num_attention_heads=c.heads,
        intermediate_size=c.hidden,
        max_position_embeddings=c.positions,
    )
    theirs = BertModel(config, add_pooling_layer=False).eval()
    with torch.no_grad():
        theirs.embeddings.token_type_embeddings.weight.zero_()
    state = {f"bert.{name}": tensor.clone() for name, tensor in theirs.state_dict().items()}
    save_file(state, tmp_path / "model.safetensors")
    encoder = SubjectEncoder(c).eval()
    last = encoder.embeddings.word_embeddings.weight[-1].clone()
    blip_begun.bert(encoder, tmp_path)
    ids, _ = blip.words(5)
    expected = theirs(ids).last_hidden_state
    found = encoder.embeddings(encoder.query_tokens, ids)[:, c.queries :]
    for layer in encoder.encoder.layer:
        found = layer.attention(found, found)
        found = layer.output(torch.nn.functional.gelu(layer.intermediate["dense"](found)), found)
    torch.testing.assert_close(found, expected, atol=1e-5, rtol=0)
    layer = encoder.encoder.layer[0]
    assert torch.equal(layer.output_query.dense.weight, layer.output.dense.weight)
    assert torch.equal(encoder.embeddings.word_embeddings.weight[-1], last)


def test_the_small_one_is_as_wide_as_the_text_encoder(words):
    from training.diffusion import WIDTH

    config = small(words.rows)
    assert config.width == WIDTH and config.vision.side % config.vision.patch == 0
    count = sum(p.numel() for p in network(config).parameters())
    assert 1e6 < count < 2e6
    vectors = network(config).query_tokens[0]
    assert float(np.abs(np.corrcoef(vectors.detach().numpy()) - np.eye(config.queries)).max()) < 0.5
