"""The grammar of plans: all that it lets through can be read, all that is meant can be said, and every decode ends."""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import replace
from typing import Annotated, Any, Literal

import numpy as np
import pytest
from pydantic import BaseModel, Field, create_model

from agent.grammar import Grammar, Written, WrittenStep, compiled, read, said
from agent.numerals import numbers
from agent.plan import MAX_STEPS
from agent.surface import TEXT
from agent.tokens import ASK, BASE, CHAT, EOP, GEN, PREV, STEP, SUB, WHERE
from sessions.errors import PlanError
from tests.agent import vocabularies
from tests.agent.vocabularies import KINDS
from tests.agent.writing import PICTURES, SOUNDS, at_random, endlessly, grammar, some_plan, write
from tools.base import Edit, EditContext, EditResult, Progress, Tool, ToolArgs, tool
from tools.registry import registered

both = pytest.mark.parametrize("kind", KINDS)


def decodes(plans: Grammar, count: int, seed: int = 0) -> Counter[str]:
    """Read so many random decodes, in half of which ends are likelier; count what occurred."""
    rng, seen = np.random.default_rng(seed), Counter[str]()
    for number in range(count):
        bias = rng.uniform(0, 15) if number % 2 else 0.0
        ids = write(plans.start(PICTURES, SOUNDS), at_random(rng, bias))
        assert len(ids) <= plans.budget
        plan = read(plans, ids)
        assert len(plan.steps) <= MAX_STEPS
        seen.update({"read": 1, "chat": plan.chat is not None, "ask": plan.ask is not None})
        seen.update(f"{len(plan.steps)} steps" for _ in plan.steps[:1])
        seen.update(step.tool for step in plan.steps)
        seen.update(["with a place"] * sum(step.where is not None for step in plan.steps))
        seen.update(["from the step before"] * sum(step.base == "prev" for step in plan.steps))
        seen["long"] += len(ids) >= 100
        seen["short"] += len(ids) <= 5
    return seen


def varied(seen: Counter[str], count: int) -> None:
    """All were read, and they are not all of one kind."""
    assert seen["read"] == count
    assert min(seen["chat"], seen["ask"], seen["long"], seen["short"], seen["with a place"]) > 0
    assert seen["from the step before"] > 0
    assert sum(f"{number} steps" in seen for number in range(1, MAX_STEPS + 1)) >= 4
    assert sum(name in seen for name in registered()) >= 15


class TestDecoding:
    @both
    def test_every_random_decode_is_read(self, kind: str) -> None:
        varied(decodes(grammar(kind), 250), 250)

    @pytest.mark.reliability
    @both
    def test_every_one_of_very_many_is_read(self, kind: str) -> None:
        varied(decodes(grammar(kind), 10_000, seed=1), 10_000)

    @pytest.mark.reliability
    @both
    def test_every_random_decode_in_a_vocabulary_of_full_size_is_read(self, kind: str) -> None:
        varied(decodes(grammar(kind, 32_000), 250, seed=2), 250)

    @both
    def test_a_legal_end_can_be_reached_from_everywhere(self, kind: str) -> None:
        """Random prefixes, gone on with by an adversary that puts off the end."""
        plans, rng = grammar(kind), np.random.default_rng(3)
        for _ in range(40):
            decoding = plans.start(PICTURES, SOUNDS)
            ids = write(decoding, at_random(rng), int(rng.integers(60)))
            ids += write(decoding, endlessly(rng))
            assert len(ids) <= plans.budget
            read(plans, ids)

    @both
    def test_no_step_is_longer_than_the_longest(self, kind: str) -> None:
        plans, rng, longest = grammar(kind), np.random.default_rng(4), 0
        step = plans.vocabulary.ids[STEP]
        for name in registered():
            decoding = plans.start(PICTURES, SOUNDS)
            for token in (step, *plans.vocabulary.encode(name), plans.vocabulary.ids[BASE]):
                decoding.consume(token)
            begun = plans.budget - decoding.left
            ids = write(decoding, endlessly(rng))
            ends = [place for place, token in enumerate(ids) if token == plans.vocabulary.ids[GEN]]
            longest = max(longest, begun + ends[0] + 1)
        assert longest <= plans.longest_step

    @both
    def test_the_longest_is_hardly_longer_than_it_can_be(self, kind: str) -> None:
        plans = grammar(kind)
        weights = ("base_weight", "meant_weight", "refined_weight", "scale")
        shares = ("alpha", "refinement", "subject_strength")
        words = dict.fromkeys(("prompt", "negative", "subject"), "😀" * 75)
        numbers = dict.fromkeys(weights, 1.234) | dict.fromkeys(shares, 0.123) | {"norm": 12.345, "guidance": 12.345}
        step = WrittenStep("any2pix", 0, (1,) * 8, "😀" * 75, words | numbers | {"steps": 500})
        text = plans.vocabulary.decode(said(plans.vocabulary, Written((step,))))
        ids = [token for part in re.split("(<[a-z_0-9]+>)", text) for token in bytewise(plans, part)]
        assert read(plans, ids).steps == (step,)
        assert plans.longest_step - 16 < len(ids) - 1 <= plans.longest_step
        with pytest.raises(PlanError, match="at most 2000 tokens"):
            read(plans, ids[:-1] * 2 + ids[-1:])
        with pytest.raises(PlanError):
            read(plans, said(plans.vocabulary, Written((replace(step, where="😀" * 76),))))

    @pytest.mark.parametrize("room", [0, 1])
    def test_a_step_begins_only_where_the_longest_and_the_end_fit(self, room: int) -> None:
        plans = grammar("byte level")
        step, end = plans.vocabulary.ids[STEP], plans.vocabulary.ids[EOP]
        call = said(plans.vocabulary, Written((WrittenStep("flip", 0),)))[:-1]
        tight = Grammar(plans.vocabulary, list(plans.tools.values()), len(call) + plans.longest_step + room)
        decoding = tight.start([0])
        for token in call:
            assert decoding.mask()[token]
            decoding.consume(token)
        assert set(decoding.mask().nonzero()[0].tolist()) == ({end, step} if room else {end})
        if not room:
            with pytest.raises(PlanError):
                decoding.consume(step)

    def test_tells_how_far_it_is(self) -> None:
        plans = grammar("byte level")
        ids = said(plans.vocabulary, Written((WrittenStep("flip", 0), WrittenStep("flip", "prev"))))
        decoding = plans.start([0])
        assert (decoding.steps, decoding.left, decoding.done) == (0, plans.budget, False)
        for token in ids:
            decoding.consume(token)
        assert (decoding.steps, decoding.left, decoding.done) == (2, plans.budget - len(ids), True)
        assert not decoding.mask().any()
        with pytest.raises(PlanError):
            decoding.consume(ids[-1])

    def test_is_compiled_once(self) -> None:
        words, tools = vocabularies.vocabulary("byte level"), tuple(registered().values())
        assert compiled(words, tools) is compiled(words, tuple(registered().values()))


class TestReferences:
    """After <base> and <sub> the mask has exactly the references that there are."""

    @both
    def test_are_those_of_the_live_slots(self, kind: str) -> None:
        plans = grammar(kind)
        words, rng = plans.vocabulary, np.random.default_rng(5)
        seen = Counter[str]()
        pictures, all_of_them = ({words.slot(n) for n in some} for some in (PICTURES, (*PICTURES, *SOUNDS)))
        for _ in range(300):
            decoding = plans.start(PICTURES, SOUNDS)
            while not decoding.done:
                mask, prev = decoding.mask(), decoding.steps > 1
                if decoding.expects:
                    legal = all_of_them if decoding.expects == "sub" and decoding.hears else pictures
                    assert set(mask.nonzero()[0].tolist()) == legal | ({words.ids[PREV]} if prev else set())
                    seen[f"{decoding.expects}{' or prev' * prev}"] += 1
                decoding.consume(at_random(rng, 4.0)(decoding, mask))
        assert seen.keys() == {"base", "sub", "asked", "base or prev", "sub or prev"}

    @pytest.mark.parametrize("slot", [3, 63])
    def test_to_an_empty_slot_are_refused(self, slot: int) -> None:
        plans = grammar("byte level")
        decoding = plans.start(PICTURES)
        for token in said(plans.vocabulary, Written((WrittenStep("flip", slot),)))[:-2]:
            if token == plans.vocabulary.slot(slot):
                break
            decoding.consume(token)
        assert decoding.expects == "base"
        with pytest.raises(PlanError):
            decoding.consume(plans.vocabulary.slot(slot))

    def test_to_a_sound_are_no_base(self) -> None:
        plans = grammar("byte level")
        decoding = plans.start([0], [1])
        for token in said(plans.vocabulary, Written((WrittenStep("flip", 0),))):
            if decoding.expects:
                assert not decoding.mask()[plans.vocabulary.slot(1)]
            decoding.consume(token)

    def test_without_a_picture_there_are_no_steps(self) -> None:
        plans = grammar("byte level")
        words, rng = plans.vocabulary, np.random.default_rng(6)
        begin = plans.start([], [3]).mask()
        assert {int(token) for token in begin.nonzero()[0]} == {words.ids[ASK], words.ids[CHAT]}
        for _ in range(50):
            plan = read(plans, write(plans.start([], [3]), at_random(rng, 5.0)))
            assert not plan.steps
            assert not plan.candidates


class TestReading:
    @both
    def test_what_is_said_is_read(self, kind: str) -> None:
        plans, rng = grammar(kind), np.random.default_rng(7)
        for _ in range(150):
            plan = some_plan(rng)
            assert read(plans, said(plans.vocabulary, plan)) == plan

    @both
    def test_what_is_read_is_said(self, kind: str) -> None:
        plans, rng = grammar(kind), np.random.default_rng(8)
        for _ in range(150):
            plan = read(plans, write(plans.start(PICTURES), at_random(rng, 5.0)))
            assert read(plans, said(plans.vocabulary, plan)) == plan

    def test_arguments_are_said_in_their_order(self) -> None:
        plans = grammar("byte level")
        plan = Written((WrittenStep("adjust", 0, args={"shadows": 0.5, "exposure": -1.0}),))
        ids = said(plans.vocabulary, plan)
        assert '{"exposure":-1,"shadows":0.5}' in plans.vocabulary.decode(ids)
        assert read(plans, ids) == plan

    @pytest.mark.parametrize(
        "plan",
        [
            Written(chat="two\nlines"),
            Written(ask="\x1b[31m"),
            Written((WrittenStep("adjust", 0, args={"exposure": 0.12345}),)),
            Written((WrittenStep("flip", 64),)),
            Written((WrittenStep("blur", 0, where=""),)),
            Written((WrittenStep("no such tool", 0),)),
            Written((WrittenStep("flip", 0, args={"axle": 1}),)),
        ],
    )
    def test_what_cannot_be_said_is_refused(self, plan: Written) -> None:
        with pytest.raises(PlanError):
            said(vocabularies.vocabulary("byte level"), plan)

    @pytest.mark.parametrize(
        "text",
        [
            "",
            "<eop>",
            "hello<eop>",
            '<chat>"hello"',
            '<chat>"hello"<eop><eop>',
            "<chat>hello<eop>",
            '<chat>"two\nlines"<eop>',
            r'<chat>"two\nlines"<eop>',
            f'<chat>"{"x" * (TEXT + 1)}"<eop>',
            '<ask>"which?"<base><prev><eop>',
            '<ask>"which?"' + "<base><r_0>" * 5 + "<eop>",
            "<step>flip<base><prev>{}<gen><eop>",
            "<step>flip<base><r_0>{}<eop>",
            "<step>flip<base><r_0><gen><eop>",
            "<step>flip{}<gen><eop>",
            "<step>flop<base><r_0>{}<gen><eop>",
            '<step>flip<base><r_0><where>"the sky"{}<gen><eop>',
            "<step>remove<base><r_0>{}<gen><eop>",
            "<step>flip<base><r_0><sub><r_1>{}<gen><eop>",
            "<step>analogy<base><r_0><sub><r_1>{}<gen><eop>",
            '<step>blur<base><r_0>{"amount":1.001}<gen><eop>',
            '<step>blur<base><r_0>{"amount":0.1234}<gen><eop>',
            '<step>blur<base><r_0>{"amount":-0}<gen><eop>',
            '<step>blur<base><r_0>{"amount":"0.5"}<gen><eop>',
            '<step>blur<base><r_0>{"amount": 0.5}<gen><eop>',
            '<step>blur<base><r_0>{"amount":0.5,"amount":0.5}<gen><eop>',
            '<step>blur<base><r_0>{"strength":0.5}<gen><eop>',
            '<step>adjust<base><r_0>{"shadows":0.5,"exposure":0.5}<gen><eop>',
            '<step>text<base><r_0>{"text":""}<gen><eop>',
            '<step>text<base><r_0>{"at":"top"}<gen><eop>',
            '<step>border<base><r_0>{"color":"red"}<gen><eop>',
            '<step>resize<base><r_0>{"width":0}<gen><eop>',
            '<step>resize<base><r_0>{"width":20.5}<gen><eop>',
            '<step>crop<base><r_0>{"box":[0,0,1]}<gen><eop>',
            '<step>crop<base><r_0>{"aspect":null}<gen><eop>',
            "<step>flip<base><r_0>{}<gen>" * 9 + "<eop>",
            "<step>flip<base><r_0>{}<gen></s><eop>",
            "<step>flip<base><video>{}<gen><eop>",
        ],
    )
    def test_what_is_no_plan_is_refused(self, text: str) -> None:
        plans = grammar("byte level")
        with pytest.raises(PlanError):
            read(plans, spelled(plans, text))

    @pytest.mark.parametrize(
        "text",
        [
            '<chat>""<eop>',
            '<step>text<base><r_63>{"text":"say \\"hi\\" \\\\ 日本","at":[0,1.0],"size":0.01}<gen><eop>',
            '<step>crop<base><r_0><where>"the dog"{"aspect":"16:9"}<gen><step>flip<base><prev>{}<gen><eop>',
            '<step>resize<base><r_0>{"width":16384,"scale":0.001}<gen><eop>',
            '<step>border<base><r_0>{"color":"#fF00aa"}<gen><eop>',
            '<step>straighten<base><r_0>{"degrees":"auto"}<gen><eop>',
            '<step>straighten<base><r_0>{"degrees":-44.999}<gen><eop>',
            "<step>analogy<base><r_0><sub><r_1><sub><r_1>{}<gen><eop>",
            "<step>replace_background<base><r_0><sub><r_1>{}<gen><eop>",
            "<step>flip<base><r_0>{}<gen>" * 8 + "<eop>",
        ],
    )
    def test_what_is_one_is_not(self, text: str) -> None:
        plans = grammar("byte level")
        read(plans, spelled(plans, text))

    @pytest.mark.parametrize("ids", [[-1], [10**6], [2**40], [-(2**70)], [0] * 5000])
    def test_numbers_that_are_no_tokens_are_refused(self, ids: list[int]) -> None:
        with pytest.raises(PlanError):
            read(grammar("byte level"), ids)
        with pytest.raises(PlanError):
            grammar("byte level").start([0]).consume(ids[0])


def bytewise(plans: Grammar, part: str) -> list[int]:
    """A special token, or a text byte by byte."""
    words = plans.vocabulary
    return [words.ids[part]] if part in words.ids else [words.pieces.index(bytes([byte])) for byte in part.encode()]


def spelled(plans: Grammar, text: str) -> list[int]:
    """The ids of a text in which special tokens are meant."""
    return list(plans.vocabulary.tokenizer.encode(text, add_special_tokens=False).ids)


class Corner(BaseModel):
    """Somewhere."""

    x: float = Field(ge=0, le=1)
    y: float = Field(default=0.5, ge=0, le=1)


class Wide(ToolArgs):
    """Kinds of arguments that the tools of this house do not have."""

    parts: list[Annotated[int, Field(ge=-3, le=12)]] = Field(default=[], max_length=3)
    mood: Literal["calm", 3, True] | None = None
    weight: float = 0
    corner: Corner | None = None
    either: int | str | None = None


class Endless(ToolArgs):
    """A list that is longer."""

    numbers: tuple[float, ...] = Field(default=(), min_length=300, max_length=300)


class Wordy(ToolArgs):
    """Words that are longer than a plan has room for."""

    words: str = Field(default="", min_length=121)


_FIELDS: dict[str, Any] = {f"number{n}": (float, 0.0) for n in range(200)}
Vast: type[ToolArgs] = create_model("Vast", __base__=ToolArgs, **_FIELDS)
"""Too much for one step, and none of it too long."""


class Odd(ToolArgs):
    """A kind of argument that no plan can hold."""

    anything: object = None


class Node(BaseModel):
    """Something in which there is more of it."""

    inner: Node | None = None


class Nested(ToolArgs):
    """Arguments without end."""

    tree: Node


class Bounded(ToolArgs):
    """A pattern of Python's that is none of the grammar's."""

    word: Annotated[str, Field(pattern=r"^\w+\b.*$", max_length=20)]


class Impossible(ToolArgs):
    """A pattern that takes more letters than there are."""

    word: Annotated[str, Field(pattern=r"^[a-z]{9}$", max_length=8)]


def foreign(args: type[ToolArgs]) -> Tool:
    @tool("foreign", args=args, region="optional", subjects=(0, 2))
    def run(ctx: EditContext, args: ToolArgs) -> Edit:
        """A tool of another package."""
        yield Progress(1.0)
        return EditResult(ctx.image)

    return run


class TestForeignTools:
    def test_lists_choices_and_unbounded_numbers_are_finite(self) -> None:
        plans, rng = Grammar(vocabularies.vocabulary("byte level"), [foreign(Wide)]), np.random.default_rng(9)
        for _ in range(100):
            for step in read(plans, write(plans.start([0]), at_random(rng, 3.0))).steps:
                checked = Wide.model_validate(step.args)
                assert len(checked.parts) <= 3
                assert abs(checked.weight) <= 999_999
        start = '<step>foreign<base><r_0><sub><r_1><sub><r_2><where>"here"'
        read(plans, spelled(plans, start + '{"parts":[-3,12,0],"mood":true,"weight":-999999}<gen><eop>'))
        read(plans, spelled(plans, start + '{"mood":3,"corner":{"x":0.125,"y":1},"either":"é"}<gen><eop>'))
        with pytest.raises(PlanError):
            read(plans, spelled(plans, start + '{"parts":[1,2,3,4]}<gen><eop>'))

    @pytest.mark.parametrize("args", [Endless, Wordy, Vast, Odd, Nested, Bounded, Impossible])
    def test_what_no_plan_can_hold_is_left_out(self, args: type[ToolArgs]) -> None:
        plans = Grammar(vocabularies.vocabulary("byte level"), [foreign(args), registered()["flip"]])
        assert "foreign" in plans.left_out["foreign"]
        assert list(plans.tools) == ["flip"]
        read(plans, spelled(plans, "<step>flip<base><r_0>{}<gen><eop>"))

    def test_without_tools_one_can_still_talk(self) -> None:
        plans = Grammar(vocabularies.vocabulary("byte level"), [])
        ids = plans.vocabulary.ids
        assert {int(token) for token in plans.start([0]).mask().nonzero()[0]} == {ids[ASK], ids[CHAT]}


@pytest.mark.parametrize(
    "schema",
    [
        {"type": "number", "minimum": -1, "maximum": 1},
        {"type": "number", "exclusiveMinimum": 0, "maximum": 0.5},
        {"type": "number", "exclusiveMinimum": 0, "exclusiveMaximum": 1},
        {"type": "number", "minimum": -360, "maximum": 360},
        {"type": "number", "minimum": -5.25, "maximum": -1.125},
        {"type": "number", "minimum": 0.07, "maximum": 0.29},
        {"type": "integer", "minimum": 1, "maximum": 16_384},
        {"type": "integer", "minimum": -12, "maximum": -3},
        {"type": "integer"},
        {"type": "number"},
    ],
)
def test_numbers_are_those_within_the_bounds(schema: dict[str, object]) -> None:
    """Against the comparison of the numbers themselves, near the bounds and anywhere."""
    found = numbers(schema)
    assert found is not None
    pattern, longest = re.compile(found[0]), found[1]
    low, high = (
        float(str(schema.get(name, default))) for name, default in (("minimum", -999_999), ("maximum", 999_999))
    )
    above, below = (float(str(schema.get(f"exclusive{m}", d))) for m, d in (("Minimum", -1e9), ("Maximum", 1e9)))
    rng = np.random.default_rng(10)
    for _ in range(3000):
        near = float(rng.choice([low, high, max(low, above), min(high, below), 0]))
        value = near + float(rng.choice([rng.uniform(-0.01, 0.01), rng.uniform(-20, 20), rng.uniform(-2e6, 2e6)]))
        places = 0 if schema["type"] == "integer" else int(rng.integers(4))
        text = f"{value:.{places}f}"
        if text.strip("-0.") == "" and text.startswith("-"):
            continue
        legal = low <= float(text) <= high and above < float(text) < below
        assert bool(pattern.fullmatch(text)) == legal, text
        assert not legal or len(text) <= longest
    assert all(not pattern.fullmatch(text) for text in ("", "-", "-0", "-0.0", "01", "1e5", ".5", "1.", "0.1234", "+1"))


def test_marks_of_the_language_are_all_used() -> None:
    """<video> alone waits for what is not built."""
    plans, rng, seen = grammar("byte level"), np.random.default_rng(11), set[int]()
    for _ in range(300):
        seen.update(write(plans.start([0, 63]), at_random(rng, 4.0)))
    wanted = (STEP, BASE, SUB, WHERE, GEN, EOP, ASK, CHAT, PREV, "<r_0>", "<r_63>")
    assert {plans.vocabulary.ids[name] for name in wanted} <= seen
    assert plans.vocabulary.ids["<video>"] not in seen
