"""The command that makes a planner of an LLM: stages in one folder, stopped and gone on with, refused, and loaded."""

import itertools
import json
import math
from dataclasses import replace

import numpy as np
import pytest
import torch
from tokenizers import Tokenizer

from agent.assistant import Assistant
from agent.plan import Plan
from agent.planners.shelved import Shelved
from agent.sight import Sight
from agent.tokens import SPECIALS, vocabulary
from sessions.errors import BadWeights, NotFound
from tests.agent.vocabularies import byte_fallback
from tools import adding, shelf
from tools.shelf import PLANNER
from tools.weights import tensors
from training import planner_stages, planner_tokens, stages, turns
from training.loop import averages
from training.planner import losses, small
from training.planner_stages import Task, network, run

WORDS = 600


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
    """MM-Inst's: ten instructions, one without its base's vector, an entry that is none; sounds among what they show."""
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


@pytest.fixture(scope="module", params=[0, 4], ids=["whole", "LoRA"])
def both(request, llm, folder, tmp_path_factory):
    """(never stopped, stopped in the middle of every stage), each after stages 1, 2 and 5."""
    made = []
    for stops in (False, True):
        out = tmp_path_factory.mktemp("out")
        for stage in (1, 2, 5):
            mine = task(llm, folder, out, stage, lora=request.param if stage == 5 else 0)
            if stops:
                run(mine, 4, ticking())
                assert 0 < int(tensors(out / f"stage_{stage}.safetensors")["step"]) < 4
            run(mine, math.inf)
            assert int(tensors(out / f"stage_{stage}.safetensors")["step"]) == 4
        made.append(out)
    return made


def test_stages_that_were_stopped_come_to_the_same(both):
    whole, parts = both
    for name in ("stage_1", "stage_2", "stage_5", "planner/model", "planner/heads"):
        mine, theirs = (tensors(out / f"{name}.safetensors") for out in both)
        assert mine.keys() == theirs.keys()
        assert all(torch.equal(mine[key], theirs[key]) for key in mine)
    assert (whole / "planner/planner.json").read_text() == (parts / "planner/planner.json").read_text()
