"""What a planner with token heads is given that it should not be: the person reads a sentence, and can go on.

Its weights are random, and raised towards edits, so that it plans much and means nothing. Everything goes the whole
way: door, history, encoder, LLM, grammar, pointer, check, tools, store.
"""

import io
import json
from dataclasses import replace

import numpy as np
import pytest
import soundfile
import torch
from safetensors.torch import load_file, save_file
from tokenizers import Tokenizer

from agent.assistant import Assistant
from agent.events import Asked, Planned
from agent.grammar import Grammar
from agent.items import items
from agent.llm import llama_cpp
from agent.plan import Plan
from agent.planners import exporting
from agent.planners.checkpoint import Card
from agent.planners.shelved import Shelved
from agent.planners.token_heads import TokenHeads
from agent.planning import seen
from agent.sight import Sight
from sessions import history, turns
from sessions.errors import Damaged, TooLarge
from sessions.fsck import fsck
from tests import tiny_encoders, tiny_planner
from tests.agent.conftest import ScriptedPlanner, end
from tests.agent.llm.conftest import BACKENDS, need_llama_cpp
from tests.agent.planners.keen import Keen
from tools import adding, registry, shelf
from tools.shelf import PLANNER

TOOLS = ("flip", "match_colors", "monochrome", "rotate", "vignette")
DARKER = {"tool": "adjust", "args": {"exposure": -0.1}}


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """(the encoder's folder, the planner's): weights of no meaning."""
    folder = tmp_path_factory.mktemp("made")
    card = Card(name="tiny@1", template="brief", tools=TOOLS)
    return tiny_encoders.imagebind(folder / "encoder"), tiny_planner.planner(folder / "tiny", card)


@pytest.fixture
def there(made, store):
    adding.add(shelf.at(store.home), made[0], "encoder")
    return shelf.at(store.home)


@pytest.fixture
def shelved(made, store, there):
    """The planner from the shelf, keen on editing."""
    adding.add(there, made[1], PLANNER)
    return keen(Shelved(store.home, Sight(store)))


def keen(shelved: Shelved) -> TokenHeads:
    planner = shelved.planner
    return replace(planner, llm=Keen(planner.llm, planner.grammar.vocabulary))


@pytest.fixture
def person(store, session, shelved):
    return Person(store, session, shelved)


class Person:
    """Says things, and looks at what comes back."""

    def __init__(self, store, session, planner):
        self.store, self.session, self.assistant = store, session, Assistant(store, planner)

    def says(self, text, *files):
        """The plan and how it ended; a sentence in any case, and nothing in the plan that is not of this session."""
        events = list(self.assistant.turn(self.session, text, files))
        plan = next(event.plan for event in events if isinstance(event, Planned))
        last = end(events)
        assert last.reply.strip() and "Traceback" not in last.reply and last.state in ("done", "refused", "waiting")
        assert plan.command is None and plan.then is None and len(plan.steps) <= 8
        graph = history.graph(self.store, self.session)
        own = {"prev", *(revision.id for revision in graph.revisions)}
        own |= {sha for message in turns.messages(self.store, self.session) for sha in message.attachments}
        for step in plan.steps:
            assert step.tool in registry.registered() and {step.base, *step.subjects} <= own
        return plan, last

    def tidy(self):
        """Whether nothing is half done: no turn is open but one that asks, and the store is whole."""
        open_turns = turns.open_turns(self.store, self.session)
        return {turn.state for turn in open_turns} <= {"waiting"} and not list(fsck(self.store, self.session))

    def goes_on(self):
        """Whether the next message of a person who says something sensible is done."""
        events = list(Assistant(self.store, ScriptedPlanner()).turn(self.session, json.dumps({"steps": [DARKER]})))
        return end(events).state == "done" and self.tidy()


def sound(samples, rate=8000) -> bytes:
    file = io.BytesIO()
    soundfile.write(file, np.asarray(samples, np.float32), rate, format="WAV", subtype="PCM_16")
    return file.getvalue()


def line(store, session, count, words=""):
    """So many edits, each said in these words."""
    for number in range(count):
        step = {"tool": "adjust", "args": {"tint": (number % 100 + 1) / 1000}}
        said = Assistant(store, Given(step))
        list(said.turn(session, words.format(number) or f"tint {number}"))


class Given:
    """Plans one step, whatever is said."""

    name = "given@1"

    def __init__(self, step):
        self._plan = Plan.model_validate({"steps": [step]})

    def plan(self, text, context):
        return self._plan


def test_a_planner_that_is_keen_does_edit(person):
    """What the other tests rest on: these plans have steps, and some are done."""
    told = [person.says(f"make it darker {number}") for number in range(6)]
    assert sum(len(plan.steps) for plan, _ in told) >= 6 and "done" in {last.state for _, last in told}
    assert person.tidy()


# Sounds


def test_a_sound_of_no_time_or_of_ten_minutes_does_not_come_in(person):
    with pytest.raises(Damaged, match="There is no sound in this file"):
        person.says("as this sounds", ("none.wav", sound([])))
    with pytest.raises(TooLarge, match="longer than 60 seconds"):
        person.says("as this sounds", ("long.wav", sound(np.zeros(600 * 8000))))
    assert not turns.messages(person.store, person.session) and person.goes_on()


@pytest.mark.parametrize(
    ("samples", "rate"),
    [([0.5], 8000), (np.zeros(8000), 8000), (np.ones(60 * 4000), 4000), ([0.1] * 90, 1), (np.zeros(999), 7919)],
    ids=["one sample", "silence", "a minute of one value", "a sample a second", "an odd rate"],
)
def test_a_sound_in_which_nothing_is_to_be_heard(person, samples, rate):
    samples = samples[: 60 * rate]
    person.says("as this sounds", ("s.wav", sound(samples, rate)))
    assert person.goes_on()


def test_where_sounds_are_is_told_to_the_grammar(person, monkeypatch):
    started, start = [], Grammar.start
    monkeypatch.setattr(Grammar, "start", lambda self, *slots: started.append(slots) or start(self, *slots))
    person.says("as this sounds", ("s.wav", sound(np.zeros(8000))))
    assert started == [([0], [1])]


def test_no_step_is_done_with_a_sound(store, session, cup):
    tone = sound(np.sin(np.arange(8000)))
    sent = Person(store, session, None)
    sent.assistant = Assistant(store, Naming({"tool": "match_colors"}))
    _, last = sent.says("as this", ("rain.wav", tone))
    assert last.state == "refused" and "match_colors works with pictures; rain.wav is a sound" in last.reply
    assert sent.goes_on()


class Naming:
    """Plans a step that works with all that is attached."""

    name = "naming@1"

    def __init__(self, step):
        self._step = step

    def plan(self, text, context):
        return Plan.model_validate({"steps": [self._step | {"subjects": [one.sha256 for one in context.attachments]}]})


# Files without words


def test_files_without_words_are_asked_about_and_come_with_the_answer(person, cup, cat):
    plan, last = person.says("", ("cup.png", cup), ("hum.wav", sound(np.zeros(800))))
    assert last.state == "waiting" and last.reply == "You sent cup.png and hum.wav. Say what should change."
    assert not plan.steps and len(history.graph(person.store, person.session).revisions) == 1
    events = list(Assistant(person.store, Given(DARKER)).turn(person.session, "make it darker"))
    assert end(events).state == "done" and end(events).branch == "cup", "the photo that was sent is what is meant"
    assert person.tidy()


def test_files_that_come_one_by_one_are_kept_together(person, cup, cat):
    person.says("", ("cup.png", cup))
    _, last = person.says("", ("cat.png", cat), ("again.png", cup))
    assert last.reply == "You sent cup.png and cat.png. Say what should change."
    events = list(Assistant(person.store, Given(DARKER)).turn(person.session, "darker"))
    assert [one.label for event in events if isinstance(event, Asked) for one in event.ask.candidates] == [
        "cup.png",
        "cat.png",
    ]


def test_a_file_without_words_is_no_answer_in_free_words(person, cup):
    ask = {"question": "What shall it say?", "slot": "steps.0.args.text", "free": True}
    list(
        Assistant(person.store, ScriptedPlanner()).turn(
            person.session, json.dumps({"steps": [{"tool": "text"}], "ask": ask})
        )
    )
    _, last = person.says("", ("cup.png", cup))
    assert last.state == "waiting" and last.reply.startswith("You sent cup.png")


def test_a_preview_of_no_words_plans_nothing(person, cup):
    assert person.assistant.preview(person.session, "  ", [("cup.png", cup)]).steps == ()


# References that fit nothing, or two things


@pytest.mark.parametrize(
    "text",
    [
        "make #2, the third photo, darker",
        "#999",
        "blur #1 but not #1, and the one after the last one",
        "#0 #-1 #9999999 #99999999999999999999",
        "prev",
        "<r_63> of <r_5>",
        "\u0661\u0662\u0663 #\u0661",
    ],
)
def test_references_that_contradict_one_another(person, text):
    person.says(text)
    assert person.goes_on()


def test_two_photos_and_this_one(person, store, cup, cat, shelved):
    """Where it is not sure it asks, naming both files, and shows them; the answer is done."""
    shelved.pinned = replace(shelved.pinned, sure=1.0)
    assistant = Assistant(store, shelved)
    events = list(assistant.turn(person.session, "this one", [("cup.png", cup), ("dog.png", cat)]))
    [asked] = [event for event in events if isinstance(event, Asked)]
    assert len({one.label for one in asked.ask.candidates}) == 2
    assert set(asked.pictures) == {0, 1} and asked.ask.slot
    answered = list(assistant.turn(person.session, "1"))
    assert end(answered).state in ("done", "waiting") and person.tidy()


# Long sessions, long words, small models


def test_a_message_longer_than_the_budget_is_a_sentence(person):
    _, last = person.says("every word of this " * 200)
    assert last.state == "refused" and "longer than the planner can read" in last.reply
    assert person.goes_on()


def test_three_hundred_revisions_of_long_messages_fit_into_what_the_model_reads(store, session, shelved):
    line(store, session, 3)
    graph = history.graph(store, session)
    newest = graph.revisions[-1]
    more = [replace(newest, id=f"r{n}", seq=n, parents=(f"r{n - 1}",)) for n in range(5, 301)]
    words = {one.id: f"{one.seq} and make it a good deal darker than it was " * 80 for one in more}
    context = seen(store, graph, None, ())
    long = replace(context, revisions=(*graph.revisions, *more), words={**context.words, **words}, head="r300")
    long = replace(long, branches={"main": "r300"})
    planner = shelved
    assert len(items(long, "darker")) == 64
    page = planner._page("make it darker", long)
    assert len(page.ids) <= planner.llm.context * 3 // 4 and set(page.items) == set(range(len(page.items)))
    assert any(item.name == "r300" for item in page.items.values())
    assert planner.plan("make it darker", long).planner == "tiny@1"


@pytest.mark.parametrize("context", [64, 512])
def test_a_model_that_reads_little_is_shown_less(store, session, there, made, tmp_path, context):
    folder = copied(made[1], tmp_path / "small")
    told = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps(told | {"max_position_embeddings": context}))
    adding.add(there, folder, PLANNER)
    line(store, session, 12, "make it a little darker than it was, {}")
    small = keen(Shelved(store.home, Sight(store)))
    here = seen(store, history.graph(store, session), None, ())
    page = small._page("make it darker", here)
    assert here.head in [item.name for item in page.items.values()] and 0 < len(page.items) < 13
    assert len(page.ids) <= context * 3 // 4 or len(page.items) == 1
    person = Person(store, session, small)
    _, last = person.says("make it darker " * 150)
    assert last.state == "refused" and "longer than the planner can read" in last.reply
    person.says("darker")
    assert person.goes_on()


# Tools that are gone


def test_a_tool_that_is_gone_is_history_and_in_no_plan(store, session, there, made, monkeypatch):
    adding.add(there, made[1], PLANNER)
    step = {"tool": "monochrome", "args": {"tone": "sepia"}}
    list(Assistant(store, Given(step)).turn(session, "make it sepia"))
    held = Assistant(store, Given(step)).propose(session, "sepia once more", request_id="held")
    left = {name: tool for name, tool in registry.registered().items() if name != "monochrome"}
    monkeypatch.setattr(registry, "registered", lambda: left)
    person = Person(store, session, keen(Shelved(store.home, Sight(store))))
    planner = person.assistant.planner
    assert "monochrome" not in set(planner.grammar.tools)
    page = planner._page("as it was", seen(store, history.graph(store, session), None, ()))
    assert "monochrome" in planner.grammar.vocabulary.decode(page.ids), "it is told of"
    for number in range(3):
        plan, _ = person.says(f"once more {number}")
        assert "monochrome" not in {one.tool for one in plan.steps}
    events = list(Assistant(store, ScriptedPlanner()).turn(session, "sepia once more", request_id=held.request_id))
    assert end(events).state == "refused" and "monochrome" in end(events).reply
    again = {"command": {"name": "replay", "target": "original", "other": "main"}}
    replayed = end(list(Assistant(store, ScriptedPlanner()).turn(session, json.dumps(again))))
    assert replayed.state == "refused" and "monochrome" in replayed.reply
    assert person.goes_on()


def test_a_planner_that_knows_only_tools_that_are_gone(store, session, there, tmp_path):
    card = Card(name="old@1", template="brief", tools=("sparkle", "shimmer"))
    adding.add(there, tiny_planner.planner(tmp_path / "old", card), PLANNER)
    person = Person(store, session, Shelved(store.home, Sight(store)))
    _, last = person.says("make it sparkle")
    assert "old@1 has learnt to call sparkle, shimmer, and none of these is installed" in last.reply
    assert person.goes_on()


# Weights that are not what they should be


def copied(folder, target):
    target.mkdir()
    for file in folder.iterdir():
        (target / file.name).write_bytes(file.read_bytes())
    return target


def no_gen(folder):
    told = json.loads((folder / "tokenizer.json").read_text())
    told["added_tokens"] = [token for token in told["added_tokens"] if token["content"] != "<gen>"]
    Tokenizer.from_str(json.dumps(told)).save(str(folder / "tokenizer.json"))


def heads(change):
    def changed(folder):
        state = load_file(folder / "heads.safetensors")
        save_file(state | change(state), folder / "heads.safetensors")

    return changed


def filled(name, value):
    return heads(lambda state: {name: torch.full_like(state[name], value)})


def wider(state):
    return {name: value.repeat(*[2] * value.dim()) if value.dim() else value for name, value in state.items()}


WRONG = {
    "no token": (no_gen, "lacks the special tokens <gen>"),
    "another width": (heads(wider), "is for an LLM of width 64, and this one has 32"),
    "another shape": (heads(lambda s: {"leave.2.weight": s["leave.2.weight"][:3].clone()}), "leave.2.weight is of"),
    "no matrix": (heads(lambda s: {"query.weight": s["query.weight"][0].clone()}), "query.weight is no matrix"),
    "not a number": (filled("fuse", float("nan")), "no usable numbers in fuse"),
    "no temperature": (filled("temperature", 0), "no usable numbers in temperature"),
}


@pytest.mark.parametrize(("spoil", "said"), WRONG.values(), ids=WRONG)
def test_weights_that_do_not_fit_are_a_sentence(store, session, there, made, tmp_path, spoil, said):
    folder = copied(made[1], tmp_path / "wrong")
    spoil(folder)
    adding.add(there, folder, PLANNER)
    person = Person(store, session, Shelved(store.home, Sight(store)))
    for _ in range(2):
        _, last = person.says("make it darker")
        assert last.state == "refused" and said in last.reply
    assert person.goes_on()


def test_numbers_that_grow_without_end_are_a_sentence(store, session, there, made, tmp_path):
    folder = copied(made[1], tmp_path / "huge")
    heads(lambda state: {key: value.float() for key, value in state.items()})(folder)
    filled("key.weight", 3e38)(folder)
    adding.add(there, folder, PLANNER)
    person = Person(store, session, keen(Shelved(store.home, Sight(store))))
    line(store, session, 2)
    _, last = person.says("make it darker")
    assert last.state == "refused" and "numbers became infinite" in last.reply
    assert person.goes_on()


# Both back ends


@pytest.mark.parametrize("backend", BACKENDS)
def test_one_bad_thing_after_another(store, session, there, made, tmp_path, cup, backend, monkeypatch):
    """On both back ends, and the planner is still the one it was."""
    folder = made[1]
    if backend == "llama.cpp":
        need_llama_cpp()
        monkeypatch.setattr(llama_cpp, "_processors", lambda: 1)  # two would wait for each other
        folder = exporting.export(folder, tmp_path / "gguf", "F32")
    adding.add(there, folder, PLANNER)
    person = Person(store, session, keen(Shelved(store.home, Sight(store), backend)))
    here = seen(store, history.graph(store, session), None, ())
    first = person.assistant.planner.plan("make it darker", here)
    person.says("x " * 1900)
    person.says("", ("cup.png", cup))
    person.says("like this", ("s.wav", sound(np.zeros(80))))
    person.says("make #2, the third photo, darker")
    assert person.goes_on()
    assert person.assistant.planner.plan("make it darker", here) == first
