"""A planner's folder: what is in it is loaded; what is wrong with it is said, before anything is planned."""

import json

import pytest
import torch
from safetensors.torch import save_file
from tokenizers import Tokenizer

from agent.heads import Heads
from agent.perception import Perception
from agent.planners import checkpoint
from agent.planners.checkpoint import Card
from agent.sight import Sight
from sessions.errors import BadWeights, MissingWeights
from tests import tiny_encoders, tiny_planner
from tools import registry
from tools.caches import Cache
from tools.encoders import imagebind


@pytest.fixture(scope="module")
def encoder(tmp_path_factory):
    folder = tiny_encoders.imagebind(tmp_path_factory.mktemp("encoder"))
    return imagebind.load(folder, torch.device("cpu"), torch.float32, "d1")


@pytest.fixture
def perception(encoder, tmp_path, store) -> Perception:
    return Perception(encoder, Cache(tmp_path / "cache", 10**7), Sight(store))


@pytest.fixture
def folder(tmp_path):
    return tiny_planner.planner(tmp_path / "planner", Card(name="tiny@1", template="brief", sure=0.4, encoder="d1"))


def test_a_folder_is_a_planner(folder, perception):
    planner = checkpoint.load(folder, perception)
    assert planner.name == "tiny@1" and planner.pinned.sure == 0.4
    assert planner.llm.width == tiny_planner.WIDTH and not planner.pinned.template.listed
    assert set(planner.grammar.tools) == set(registry.registered())


def test_a_card_may_name_the_tools_it_knows(folder, perception):
    told = json.loads((folder / "planner.json").read_text()) | {"tools": ["blur", "crop", "gone"]}
    (folder / "planner.json").write_text(json.dumps(told))
    assert set(checkpoint.load(folder, perception).grammar.tools) == {"blur", "crop"}


@pytest.mark.parametrize("said", ["", "{", '{"name": 3}', '{"name": "x", "colour": "red"}', '{"name": "x", "sure": 2}'])
def test_a_card_that_is_none(folder, perception, said):
    (folder / "planner.json").write_text(said)
    with pytest.raises(BadWeights, match=r"planner is no planner: planner\.json cannot be read"):
        checkpoint.load(folder, perception)


def test_another_encoder_than_it_was_taught_with(folder, perception):
    told = json.loads((folder / "planner.json").read_text()) | {"encoder": "d2"}
    (folder / "planner.json").write_text(json.dumps(told))
    with pytest.raises(BadWeights, match="tiny@1 was taught with another encoder than imagebind"):
        checkpoint.load(folder, perception)


@pytest.mark.parametrize(
    ("width", "space", "said"),
    [(64, 20, "for an LLM of width 64, and this one has 32"), (32, 24, "wants embeddings of 24 numbers, and the enc")],
)
def test_heads_for_something_else(folder, perception, width, space, said):
    save_file(Heads(width, space, 8).state_dict(), folder / "heads.safetensors")
    with pytest.raises(BadWeights, match=said):
        checkpoint.load(folder, perception)


def test_a_projector_that_is_missing_is_named(folder, perception):
    state = Heads(tiny_planner.WIDTH, 20, 8).state_dict()
    del state["leave.2.weight"]
    save_file(state, folder / "heads.safetensors")
    with pytest.raises(BadWeights, match=r"heads\.safetensors lacks leave\.2\.weight"):
        checkpoint.load(folder, perception)


def test_a_vocabulary_without_the_plans_tokens(folder, perception):
    told = json.loads((folder / "tokenizer.json").read_text())
    told["added_tokens"] = [token for token in told["added_tokens"] if token["content"] not in ("<gen>", "<r_7>")]
    Tokenizer.from_str(json.dumps(told)).save(str(folder / "tokenizer.json"))
    with pytest.raises(BadWeights, match="lacks the special tokens <gen>"):
        checkpoint.load(folder, perception)


@pytest.mark.parametrize("gone", ["config.json", "model.safetensors", "tokenizer.json", "heads.safetensors"])
def test_a_file_that_is_missing(folder, perception, gone):
    (folder / gone).unlink()
    with pytest.raises((BadWeights, MissingWeights)):
        checkpoint.load(folder, perception)
