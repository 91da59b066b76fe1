"""The command that makes a planner of an LLM: stages in one folder, stopped and gone on with, refused, and loaded."""

import itertools
import json
import logging
import math
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from tokenizers import Tokenizer

from agent.assistant import Assistant
from agent.llm import torch_llama
from agent.llm.torch_llama import TorchLlama
from agent.plan import Plan
from agent.planners.checkpoint import card
from agent.planners.shelved import Shelved
from agent.sight import Sight
from agent.tokens import SPECIALS, vocabulary
from sessions.errors import BadWeights, NotFound
from sessions.store import Store
from tests.agent.conftest import png
from tests.agent.vocabularies import byte_fallback
from tools import adding, shelf
from tools.shelf import PLANNER
from tools.weights import tensors
from toybox.drawing import draw
from toybox.scenes import seeded
from training import courses, planner_stages, stages
from training.loop import averages
from training.mm_inst_turns import Writing
from training.planner import losses, small
from training.planner_stages import Task, network, run

WORDS = 600


@pytest.fixture(scope="module", autouse=True)
def home(tmp_path_factory):
    """Whose shelf has what comes with the program, and nothing else."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PENTIMENTO_HOME", str(tmp_path_factory.mktemp("home")))
        yield


@pytest.fixture(scope="module")
def llm(tmp_path_factory):
    """A Llama's folder as the Hub has them, Vicuna's kind of tokenizer in it, and none of the plan's tokens."""
    folder = tmp_path_factory.mktemp("llm") / "tiny-vicuna"
    spec = json.loads(byte_fallback(WORDS).to_str())
    spec["added_tokens"] = [token for token in spec["added_tokens"] if token["content"] not in SPECIALS]
    torch.manual_seed(0)
    small(len(spec["model"]["vocab"]), 32, 2).save_pretrained(folder)
    Tokenizer.from_str(json.dumps(spec)).save(str(folder / "tokenizer.json"))
    return folder


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """MM-Inst's: ten instructions with a sound each, one without its base's vector, and an entry that is none."""
    folder = tmp_path_factory.mktemp("mm-inst")
    rng, index, records = np.random.default_rng(0), {}, []
    for n in range(10):
        names = {f"a pond number {n}": "picture", f"the call of bird {n}": "sound", f"pond {n} with a bird": "picture"}
        for place, (name, kind) in enumerate(names.items()):
            np.savez(folder / f"{n}_{place}.npz", clip=rng.normal(size=(1, 1024)).astype(np.float32))
            index[name] = {"fpath": f"{n}_{place}.npz", "key": "clip", "kind": kind}
        pond, call, after = (f"[{name}]" for name in names)
        said = [{"from": "human", "value": f"put what makes {call} into {pond}"}, {"from": "gpt", "value": "Yes."}]
        records.append({"base": pond, "result": after, "added": [["bird", call]], "conversations": said})
    (folder / "9_0.npz").unlink()
    (folder / "media.json").write_text(json.dumps(index))
    (folder / "records.json").write_text(json.dumps([*records, {"base": "[no more]"}]))
    return folder


def ticking():
    ticks = itertools.count()
    return lambda: next(ticks)


def task(llm, folder, out, stage, **changes):
    return Task(llm, f"mm-inst:{folder}", stage, out, steps=4, size=2, rate=1e-2, **changes)


@pytest.fixture(scope="module")
def aligned(llm, folder, tmp_path_factory):
    """(never stopped, stopped in the middle of every stage), each after stages 1 and 2."""
    made = (tmp_path_factory.mktemp("whole"), tmp_path_factory.mktemp("parts"))
    for out, stops in zip(made, (False, True), strict=True):
        for stage in (1, 2):
            done(task(llm, folder, out, stage), stops)
    return made


@pytest.fixture(scope="module", params=[0, 4], ids=["whole", "LoRA"])
def both(request, aligned, llm, folder, tmp_path_factory):
    """The same after stage 5, of the whole LLM or with LoRA."""
    made = []
    for out, stops in zip(aligned, (False, True), strict=True):
        made.append(Path(shutil.copytree(out, tmp_path_factory.mktemp("five") / "out")))
        done(task(llm, folder, made[-1], 5, lora=request.param), stops)
    return made


def done(mine, stops):
    """A stage from its beginning to its end, stopped once between, or never."""
    if stops:
        run(mine, 4, ticking())
        assert 0 < step(mine) < 4
    run(mine, math.inf)
    assert step(mine) == 4


def step(mine):
    return int(tensors(mine.out / f"stage_{mine.stage}.safetensors")["step"])


def test_stages_that_were_stopped_come_to_the_same(both):
    whole, parts = both
    for name in ("stage_1", "stage_2", "stage_5", "planner/model", "planner/heads"):
        mine, theirs = (tensors(out / f"{name}.safetensors") for out in both)
        assert mine.keys() == theirs.keys()
        assert all(torch.equal(mine[key], theirs[key]) for key in mine)
    assert (whole / "planner/planner.json").read_text() == (parts / "planner/planner.json").read_text()


def test_each_stage_learns_its_own_weights_and_begins_with_those_before(both, llm, folder):
    out = both[0]
    learnt = {stage: averages(out / f"stage_{stage}.safetensors") for stage in (1, 2, 5)}
    assert {name.split(".")[1] for name in learnt[1]} == {"enter", "role"}
    assert {name.split(".")[1] for name in learnt[2]} == {"enter", "leave"}
    net, _ = network(task(llm, folder, out, 5), 1024)
    for name, value in (learnt[1] | learnt[2]).items():
        assert torch.equal(net.state_dict()[name], value)
    assert not torch.equal(learnt[1]["heads.enter.0.weight"], learnt[2]["heads.enter.0.weight"])


def test_the_plans_tokens_come_last_and_begin_as_all_tokens_once_did(both, llm, folder):
    words = vocabulary(both[0])
    known = torch_llama.load(llm, torch.device("cpu"), torch.float32)
    assert [words.ids[token] for token in SPECIALS] == list(range(known.vocabulary, words.size))
    net, _ = network(task(llm, folder, both[0], 1), 1024)
    for table, before in ((net.llm.model.embed_tokens, known.network.model.embed_tokens), (net.llm.lm_head,) * 2):
        new = table.weight[known.vocabulary :]
        assert new.std().item() == pytest.approx(0.02, rel=0.1) and abs(new.mean().item()) < 0.002
        assert before is table or torch.equal(table.weight[: known.vocabulary], before.weight)


def test_the_planner_is_the_llm_that_was_trained_with_its_lora_in_it(both, llm, folder):
    """Of the LLM's own kinds of tensors, changed where it learnt, and without any of LoRA's."""
    found, before = tensors(both[0] / "planner/model.safetensors"), tensors(llm / "model.safetensors")
    assert found.keys() == before.keys()
    changed = {name for name in found if not torch.equal(found[name][: len(before[name])], before[name].half())}
    assert any("q_proj" in name for name in changed) and any("down_proj" in name for name in changed)
    assert card(both[0] / "planner").tools == ("instruct_pix2pix",) and not card(both[0] / "planner").encoder


def test_a_planner_learns_on_with_the_heads_it_has(both, llm, folder, tmp_path):
    net, words = network(task(both[0] / "planner", folder, tmp_path, 1), 1024)
    heads = tensors(both[0] / "planner/heads.safetensors")
    assert torch.equal(net.heads.leave[0].weight, heads["leave.0.weight"].float())
    assert words.size == vocabulary(both[0]).size
    with pytest.raises(BadWeights, match="embeddings of 1024 numbers, and these have 128"):
        network(task(both[0] / "planner", folder, tmp_path, 1), 128)


def test_what_is_left_out_is_told(llm, folder, tmp_path, caplog):
    with caplog.at_level(logging.INFO, "training"):
        run(task(llm, folder, tmp_path, 5), -1.0, lambda: 0.0)
    told = "9 turns; left out: 1 because it is no record, 1 because there is no vector of its base"
    assert told in caplog.messages


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"tool": "diffedit"}, "planner_stages was begun with tool instruct_pix2pix, not diffedit"),
        ({"steps": 5}, "stage_1 was begun with steps 4, not 5"),
        ({"llm": "another"}, "planner_stages was begun with llm"),
    ],
)
def test_a_folder_that_was_begun_otherwise_is_refused(both, llm, folder, tmp_path, changes, said):
    if "llm" in changes:
        small(300, 32, 1).save_pretrained(tmp_path)
        changes = {"llm": tmp_path}
    before = {path: path.read_bytes() for path in both[0].glob("*.json")}
    with pytest.raises(BadWeights, match=said):
        run(replace(task(llm, folder, both[0], 1), **changes), math.inf)
    assert before == {path: path.read_bytes() for path in both[0].glob("*.json")}


def test_a_folder_of_another_recipe_is_refused_by_its_name(llm, folder, tmp_path, both):
    (tmp_path / "encoder_text.safetensors").write_bytes((both[0] / "stage_1.safetensors").read_bytes())
    with pytest.raises(BadWeights, match="holds another recipe: encoder_text"):
        run(task(llm, folder, tmp_path, 1), math.inf)
    assert [path.name for path in tmp_path.iterdir()] == ["encoder_text.safetensors"]


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"llm": "nothing"}, "no language model"),
        ({"data": "photos"}, "There is no data called photos"),
        ({"data": "mm-inst:nowhere"}, "There is no media.json"),
        ({"encoder": "nobody"}, "no encoder called nobody"),
    ],
)
def test_what_is_not_there_is_named(llm, folder, tmp_path, changes, said):
    changes = {name: tmp_path / value if name == "llm" else value for name, value in changes.items()}
    with pytest.raises(NotFound, match=said):
        run(replace(task(llm, folder, tmp_path / "out", 1), **changes), math.inf)


def test_in_bfloat16_the_losses_are_about_the_same(llm, folder, tmp_path):
    """As on CUDA: what learns in float32, all else in bfloat16."""
    net, words = network(task(llm, folder, tmp_path, 5, lora=4), 1024)
    tool = planner_stages.registry.get("instruct_pix2pix")
    at = courses.mm_inst(5, courses.collected(folder), Writing(words), tool, 0).batch(0, 8, 0)
    with torch.no_grad():
        exact = losses(net, at)
    kinds = {p.dtype for p in stages.halved(net).llm.parameters() if not p.requires_grad}
    assert kinds == {torch.bfloat16} and {p.dtype for p in net.heads.parameters()} == {torch.float32}
    grads = []
    for again in (False, True):
        if again:
            net.llm.activation_checkpointing_enable({"use_reentrant": False})
        with torch.autocast("cpu", torch.bfloat16):
            found = losses(net.train(), at)
        found.whole.backward()
        grads.append([p.grad.clone() for p in net.parameters() if p.grad is not None])
        net.zero_grad()
    for name, value in vars(exact).items():
        assert getattr(found, name).item() == pytest.approx(float(value), rel=0.03), name
    assert all(torch.equal(kept, anew) and kept.dtype == torch.float32 for kept, anew in zip(*grads, strict=True))
    made = stages.merged(stages.whole(net.eval().requires_grad_(False)))
    assert {p.dtype for p in made.llm.parameters()} == {torch.float16}
    reading = TorchLlama(made.llm).open().feed(at.ids[0, :9].tolist(), read=(8,))
    assert np.isfinite(reading.states).all() and not any("lora" in name for name in made.llm.state_dict())


def test_taught_by_the_toybox_it_plans_from_the_shelf(llm, tmp_path, monkeypatch):
    """Two steps teach nothing; that the folder is whole, and fits the encoder, is what is seen."""
    monkeypatch.setattr(planner_stages, "CALIBRATING", 1)
    for stage in (1, 2, 5):
        mine = Task(llm, "toybox", stage, tmp_path / "out", lora=4 if stage == 5 else 0, lessons=6, steps=2, size=2)
        made = run(mine, math.inf)
    store = Store(tmp_path / "home")
    adding.add(shelf.at(store.home), made, PLANNER)
    assistant = Assistant(store, Shelved(store.home, Sight(store)))
    session = assistant.new(("scene.png", png(draw(seeded(2)).rgb)))[0].id
    plan = Plan.of(assistant.propose(session, "make the triangle blue"))
    assert plan.planner == "tiny-vicuna-planner" and (plan.steps or plan.ask or plan.chat)
    store.close()
