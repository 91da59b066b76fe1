"""Released InstructAny2Pix checkpoints: names, splice, where states are read, replies of several clauses.

The checkpoint is tiny and taught here to reply as the released ones do, with their splice and their read-outs.
"""

import json
from dataclasses import replace

import numpy as np
import pytest
import torch
from tokenizers import AddedToken, Tokenizer
from transformers import LlamaConfig, LlamaForCausalLM

from agent import heads as networks
from agent.heads import Heads, norm_of
from agent.perception import Perception
from agent.plan import Context
from agent.planners import released
from agent.planners.released import TOKENS, Released
from agent.planners.rules.segments import clauses
from agent.selfcheck import Expected
from agent.sight import Sight
from agent.tokens import SPECIALS, vocabulary
from sessions.errors import BadWeights, PlanError
from sessions.values import IDENTITY, Asset, Revision
from tests import tiny_encoders
from tests.agent.llm import models
from tools.caches import Cache
from tools.encoders import imagebind

D, H = tiny_encoders.SMALL.space, 48
REPLIES = {
    "make the sky warmer": "sure <base><video> <im_gen_start><im_gen>[the sky warm]<video></s>",
    "put a red boat": "sure <base><video> <im_gen_start><im_gen>[a boat]<video> additions: boat:<video>.</s>",
    "where the sun sets": "in the west</s>",
}


def tokenizer(folder):
    """Vicuna's kind of tokenizer with the nine tokens that were added for InstructAny2Pix, and none of ours."""
    models.pieces(folder)
    told = json.loads((folder / "tokenizer.json").read_text())
    told["added_tokens"] = [token for token in told["added_tokens"] if token["content"] not in SPECIALS]
    made = Tokenizer.from_str(json.dumps(told))
    made.add_special_tokens([AddedToken(token, normalized=False) for token in TOKENS])
    made.save(str(folder / "tokenizer.json"))
    return vocabulary(folder, specials=TOKENS)


@pytest.fixture(scope="module")
def taught(tmp_path_factory):
    """(folder, the items' embeddings (2, D)): a checkpoint that has learnt REPLIES about two items."""
    folder = tmp_path_factory.mktemp("released")
    words = tokenizer(folder / "tokenizer")
    torch.manual_seed(1)
    sizes = {"hidden_size": H, "intermediate_size": 96, "num_hidden_layers": 2, "num_attention_heads": 4}
    llm, heads = LlamaForCausalLM(LlamaConfig(vocab_size=words.size, **sizes)), Heads(H, D)
    torch.nn.init.zeros_(heads.role.weight)
    h = torch.nn.functional.normalize(torch.randn(2, D), dim=-1)
    mind = [*llm.parameters(), *heads.enter.parameters(), *heads.leave.parameters()]
    adam = torch.optim.Adam(mind, lr=4e-3)
    planner = Released(_Table(llm), heads, words, None)
    for _ in range(130):
        for which, (clause, reply) in enumerate(REPLIES.items()):
            loss = lesson(planner, llm, clause, reply, h, meant=which % 2)
            loss.backward()
        adam.step()
        adam.zero_grad()
    state = dict(llm.state_dict()) | models.released(_saved(llm, tmp_path_factory))
    for theirs, ours in networks.RELEASED.items():
        for kind in ("weight", "bias"):
            state[f"model.{theirs}.{kind}"] = heads.state_dict()[f"{ours}.{kind}"]
    models.resaved(folder, state, pickled=True, files=3)
    config = {"model_type": "instructany2pix", "mm_projector_type": "mlp2x_gelu", "mm_hidden_size": 1024, **sizes}
    (folder / "config.json").write_text(json.dumps(config | {"vocab_size": words.size, "rms_norm_eps": 1e-6}))
    return folder, h, state


class _Table:
    """The input embeddings of a network that is being taught."""

    def __init__(self, llm):
        self.llm = llm

    def embeddings(self, ids):
        return self.llm.get_input_embeddings()(torch.tensor(ids))


def _saved(llm, factory):
    folder = factory.mktemp("llm")
    llm.save_pretrained(folder)
    return folder


def lesson(planner, llm, clause, reply, h, meant):
    """Cross-entropy of the reply, and L1 of what is read before each <video>, as published."""
    ids, places = planner.prompt(clause, [0] * len(h))
    said = _ids(planner.vocabulary, reply)
    whole = torch.tensor(ids + said)
    x = llm.get_input_embeddings()(whole)
    rows = planner.heads.enter(h * norm_of(D))
    x = x.index_put((torch.tensor(places),), x[places] + rows)
    out = llm.model(inputs_embeds=x[None]).last_hidden_state[0]
    logits = llm.lm_head(out[len(ids) - 1 : -1])
    loss = torch.nn.functional.cross_entropy(logits, whole[len(ids) :])
    videos = [len(ids) + place for place, token in enumerate(said) if token == planner.vocabulary.ids["<video>"]]
    for at in videos:
        loss = loss + (planner.heads.leave(out[at - 1]) - h[meant] * norm_of(D)).abs().mean()
    return loss


def _ids(words, text):
    """A reply's ids, its special tokens as themselves."""
    found, rest = [], text
    names = {**words.ids, "</s>": words.eos}
    while rest:
        name = next((name for name in names if rest.startswith(name)), None)
        if name:
            found, rest = [*found, names[name]], rest[len(name) :]
        else:
            end = min((rest.find(name) for name in names if name in rest), default=len(rest))
            found, rest = [*found, *words.encode(rest[:end])], rest[end:]
    return found


@pytest.fixture
def planner(taught, tmp_path, store):
    encoder = imagebind.load(tiny_encoders.imagebind(tmp_path / "encoder"), torch.device("cpu"), torch.float32, "d")
    perception = Perception(encoder, Cache(tmp_path / "cache", 10**7), Sight(store))
    return released.load(taught[0], perception, torch.device("cpu"))


def test_the_reply_is_read_where_it_was_taught(planner, taught):
    _, h, _ = taught
    for which, clause in enumerate(REPLIES):
        reply = planner.reply(clause, h)
        if clause == "where the sun sets":
            assert reply.gen is None and reply.base is None and "west" in reply.text
            continue
        for e in (reply.base, reply.gen, *(e for _, e in reply.subs)):
            cosines = torch.nn.functional.cosine_similarity(e[None], h)
            assert int(cosines.argmax()) == which % 2 and float(cosines.max()) > 0.9
    assert planner.reply("make the sky warmer", h).caption == "the sky warm"
    assert [name for name, _ in planner.reply("put a red boat", h).subs] == ["boat"]


def test_an_item_is_added_to_the_placeholder_and_does_not_replace_it(planner, taught):
    _, h, state = taught
    rows = planner.added(h, [4, 9])
    own = state["model.embed_tokens.weight"][planner.vocabulary.ids["<video>"]].detach().numpy()
    w0, b0, w2, b2 = (
        state[f"model.vae_projector_image.{n}"].detach() for n in ("0.weight", "0.bias", "2.weight", "2.bias")
    )
    for place, row in zip((4, 9), h, strict=True):
        inner = torch.nn.functional.gelu(w0 @ (row * norm_of(D)) + b0)
        assert np.abs(rows[place] - own - (w2 @ inner + b2).numpy()).max() < 1e-5


def test_every_clause_is_a_step_and_talk_is_none(planner, taught, monkeypatch):
    _, h, _ = taught
    monkeypatch.setattr(planner.perception, "embeddings", lambda session, shown: h[: len(shown)].numpy())
    photo = Revision("r1", "s", (), None, "p1", None, IDENTITY, "upload", 4, 4, 1, "")
    here = Context("main", "r1", {"main": "r1"}, (photo,), attachments=(Asset("a", "me", "image", "image/png"),))
    plan = planner.plan("make the sky warmer and then put a red boat", here)
    assert [(step.tool, step.args) for step in plan.steps] == [
        ("instruct_pix2pix", {"instruction": "make the sky warmer"}),
        ("instruct_pix2pix", {"instruction": "put a red boat"}),
    ]
    assert [step.base for step in plan.steps] == ["r1", "prev"]
    talk = planner.plan("where the sun sets", here)
    assert not talk.steps and "west" in talk.chat


def test_where_any2pix_has_weights_what_was_read_out_goes_with_the_step(planner, taught, monkeypatch):
    _, h, _ = taught
    monkeypatch.setattr(planner.perception, "embeddings", lambda session, shown: h[: len(shown)].numpy())
    planner = replace(planner, draws=lambda: True)
    photo = Revision("r1", "s", (), None, "p1", None, IDENTITY, "upload", 4, 4, 1, "")
    here = Context("main", "r1", {"main": "r1"}, (photo,), attachments=(Asset("a", "me", "image", "image/png"),))
    sky, boat = planner.plan("make the sky warmer and then put a red boat", here).steps
    assert (sky.tool, sky.args, sky.subjects) == ("any2pix", {"prompt": "the sky warm"}, ())
    assert boat.args == {"prompt": "a boat", "subject": "boat"} and boat.subjects[0] in ("r1", "a")
    reply = planner.reply("make the sky warmer", h)
    kept = Expected.model_validate(sky.expected)
    assert np.allclose(kept.e, reply.gen, atol=1e-2) and kept.encoder == planner.perception.encoder.digest


def test_every_subject_goes_with_what_it_is_like_and_pictures_go_first(planner, monkeypatch):
    h = torch.eye(16)
    reply = released.Reply("x", gen=h[3], subs=[("sea, calm", h[2]), ("boat", h[1]), ("dog", h[0])])
    monkeypatch.setattr(planner.perception, "embeddings", lambda session, shown: h[: len(shown)].numpy())
    monkeypatch.setattr(Released, "reply", lambda *_: reply)
    photo = Revision("r1", "s", (), None, "p1", None, IDENTITY, "upload", 4, 4, 1, "")
    sent = Asset("a", "boat.png", "image", "image/png"), Asset("b", "sea.wav", "audio", "audio/flac")
    here = Context("main", "r1", {"main": "r1"}, (photo,), attachments=sent)
    [step] = replace(planner, draws=lambda: True).plan("put them in", here).steps
    assert step.args["subject"] == "boat, dog, sea  calm" and step.subjects == ("a", "r1", "b")


def test_a_message_of_more_parts_than_a_plan_has_steps_is_refused_in_words(planner):
    with pytest.raises(PlanError, match="This message has 9 parts, and a plan has at most 8 steps"):
        planner.plan(" and then ".join(f"put a red boat {number}" for number in range(9)), Context("main", None))


def test_what_it_says_can_be_shown(planner, monkeypatch):
    monkeypatch.setattr(Released, "reply", lambda *_: released.Reply(text="in\x00 the \x1b[31mwest"))
    assert planner.plan("where the sun sets", Context("main", None)).chat == "in the [31mwest"


def test_a_number_is_the_picture_itself_where_it_was_said(planner):
    ids, places = planner.prompt("put #3 into #7 and #9", [7, 0, 3])
    assert planner.vocabulary.decode(ids).endswith("USER: In<video> put<video> into<video> and ASSISTANT:")
    assert places[1] < places[2] < places[0]
    assert all(ids[place] == planner.vocabulary.ids["<video>"] for place in places)


def test_a_message_is_cut_into_its_clauses():
    assert clauses("make the sky warmer and then put a red boat") == ["make the sky warmer", "put a red boat"]
    assert clauses("make the sky warmer") == ["make the sky warmer"]


@pytest.mark.parametrize("gone", [f"model.{name}.weight" for name in networks.RELEASED])
def test_a_missing_projector_is_refused_by_name(taught, gone, tmp_path, planner):
    _, _, state = taught
    (tmp_path / "less").mkdir()
    models.resaved(tmp_path / "less", {k: v.clone() for k, v in state.items() if k != gone}, pickled=False, files=1)
    (tmp_path / "less/config.json").write_text((taught[0] / "config.json").read_text())
    with pytest.raises(BadWeights, match=f"projector {gone} is missing"):
        released.load(tmp_path / "less", planner.perception)


def test_a_tokenizer_without_the_nine_tokens(taught, tmp_path, planner):
    for file in taught[0].iterdir():
        if file.is_file():
            (tmp_path / file.name).write_bytes(file.read_bytes())
    models.pieces(tmp_path)
    with pytest.raises(BadWeights, match="lacks the special tokens <im_gen_start>"):
        released.load(tmp_path, planner.perception)


def test_what_is_no_part_of_it_is_ignored_and_named(planner):
    ignored = planner.llm.ignored
    assert "model.vae_projector_audio.0.weight" in ignored and "model.mm_projector.0.weight" in ignored


def test_the_tensors_are_those_of_the_folder(taught, planner):
    _, _, state = taught
    assert torch.equal(planner.heads.enter[2].weight, state["model.vae_projector_image.2.weight"])
