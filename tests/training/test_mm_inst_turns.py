"""MM-Inst's records as turns: held against a dense reference that was written by hand, record by record."""

import json
from dataclasses import replace

import numpy as np
import pytest
import torch

from agent.grammar import compiled, read
from agent.heads import ROLES, Heads
from agent.prompt import Template
from sessions.errors import Damaged, NotFound, PlanError
from tests.agent.vocabularies import KINDS, vocabulary
from tools import registry
from training import courses, turns
from training.mm_inst import Media, Record, Reference, augmented, instruction
from training.mm_inst_turns import Untold, Writing, instructed, instruction_of
from training.planner import Planner, losses, small, states

SHOWN = {
    "a pond at noon": "picture",
    "a grey heron": "picture",
    "a tin boat": "picture",
    "rain on a roof": "sound",
    "a heron beside a pond": "picture",
}
FOLLOWER = registry.get("instruct_pix2pix")
SLOTS = [9, 4, 60, 0, 7]


def record(said, base="[a pond at noon]", result="[a heron beside a pond]", added=()):
    told = [{"from": "human", "value": said}, {"from": "gpt", "value": f"Yes. {result}"}]
    return {"base": base, "result": result, "added": [list(pair) for pair in added], "conversations": told}


HERON = record("put [a grey heron] next to the reeds in [A pond at noon.].", added=[("heron", "[a grey heron]")])
RAIN = record("let [a pond at noon] sound\n like [rain on a roof]")
BOTH = record("[a tin boat] and [a grey heron], please, and [a tin boat] again", result="[nobody knows]")
WORDS = record("put [a white swan] into [a pond at noon]", added=[("swan", "[a white swan]")])
CALL = ' ASSISTANT:<step>instruct_pix2pix<base><r_9>{"instruction":"'
WRITTEN = {
    "a picture": (
        HERON,
        "<s> USER:\n#1 photo <video><r_9>\nattached <video><r_4>"
        "\nat <r_9> on main: put the attached picture next to the reeds in this picture."
        f'{CALL}put a grey heron next to the reeds in this picture."}}<gen><eop>',
        ["a pond at noon", "a grey heron"],
    ),
    "a sound": (
        RAIN,
        "<s> USER:\n#1 photo <video><r_9>\nsound <video><r_4>"
        "\nat <r_9> on main: let this picture sound like the attached sound"
        f'{CALL}let this picture sound like rain on a roof"}}<gen><eop>',
        ["a pond at noon", "rain on a roof"],
    ),
    "two pictures, one twice, and no vector of the result": (
        BOTH,
        "<s> USER:\n#1 photo <video><r_9>\nattached <video><r_4>\nattached <video><r_60>\nat <r_9> on main: "
        "the first attached picture and the second attached picture, please, and the first attached picture again"
        f'{CALL}a tin boat and a grey heron, please, and a tin boat again"}}<gen><eop>',
        ["a pond at noon", "a tin boat", "a grey heron"],
    ),
    "what has no vector is said": (
        WORDS,
        "<s> USER:\n#1 photo <video><r_9>\nat <r_9> on main: put a white swan into this picture"
        f'{CALL}put a white swan into this picture"}}<gen><eop>',
        ["a pond at noon"],
    ),
}


@pytest.fixture(scope="module")
def vectors():
    rng = np.random.default_rng(0)
    return {name: rng.normal(size=(1, 1024)).astype(np.float32) for name in SHOWN}


@pytest.fixture(scope="module")
def media(tmp_path_factory, vectors):
    folder = tmp_path_factory.mktemp("media")
    index = {}
    for number, (name, vector) in enumerate(vectors.items()):
        np.savez(folder / f"{number}.npz", clip=vector)
        index[name] = {"fpath": f"{number}.npz", "key": "clip", "kind": SHOWN[name]}
    (folder / "media.json").write_text(json.dumps(index))
    return Media(folder)


def told(media, said):
    return instruction(Record.model_validate(said), media)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("name", WRITTEN)
def test_a_record_is_written_as_by_hand(media, vectors, kind, name):
    said, expected, shown = WRITTEN[name]
    words = vocabulary(kind)
    turn = instructed(told(media, said), FOLLOWER, Writing(words), SLOTS)
    text = expected if kind == "byte fallback" else expected.removeprefix("<s>")
    assert words.decode(turn.ids) == text
    assert words.decode(turn.ids[turn.begins :]) == text[text.index("<step>") :]
    assert np.array_equal(turn.h.numpy(), np.concatenate([vectors[caption] for caption in shown]))
    roles = ["upload", *("sound" if SHOWN[caption] == "sound" else "attached" for caption in shown[1:])]
    assert [ROLES[role] for role in turn.roles] == roles
    there = [at for at, token in enumerate(turn.ids) if token == words.ids["<video>"]]
    assert turn.spliced == {at: row for row, at in enumerate(there)}
    assert turn.marks == tuple(at + 1 for at in there)
    assert turn.slots == tuple(words.slot(slot) for slot in SLOTS[: len(shown)])
    pictures = tuple(row for row, caption in enumerate(shown) if SHOWN[caption] == "picture")
    assert turn.refs == ((turn.ids.index(words.ids["<base>"]), 0, pictures),)
    known = said["result"] == "[a heron beside a pond]"
    assert [at for at, _ in turn.gens] == ([turn.ids.index(words.ids["<gen>"])] if known else [])
    assert all(np.array_equal(h.numpy(), vectors["a heron beside a pond"][0]) for _, h in turn.gens)


def test_losses_and_states_are_those_of_a_dense_reference(media, vectors):
    """One turn after the other, position by position, in loops; nothing is padded and nothing is gathered."""
    words = vocabulary("byte fallback")
    torch.manual_seed(1)
    net = Planner(small(words.size, 32, 2), Heads(32, 1024, 8))
    made = [instructed(told(media, said), FOLLOWER, Writing(words), SLOTS) for said, _, _ in WRITTEN.values()]
    batch = turns.batch(made)
    nll, pointed, told_of = [], [], []
    with torch.no_grad():
        got, hidden = losses(net, batch), states(net, batch)
        for b, (turn, (said, _, shown)) in enumerate(zip(made, WRITTEN.values(), strict=True)):
            h = torch.from_numpy(np.concatenate([vectors[caption] for caption in shown]))
            x, row = [], 0
            for token in turn.ids:
                if token == words.ids["<video>"]:
                    role = 3 if SHOWN[shown[row]] == "sound" else 2 if row else 0
                    x.append(net.heads.enter(20 * h[row] / h[row].norm()) + net.heads.role.weight[role])
                    row += 1
                else:
                    x.append(net.llm.model.embed_tokens.weight[token])
            alone = net.llm.model(inputs_embeds=torch.stack(x)[None]).last_hidden_state[0]
            assert torch.allclose(alone, hidden[b, : len(turn.ids)], atol=1e-5)
            step = turn.ids.index(words.ids["<step>"])
            for at in range(step, len(turn.ids)):
                nll.append(-torch.log_softmax(net.llm.lm_head(alone[at - 1]), 0)[turn.ids[at]])
            at = turn.ids.index(words.ids["<base>"])
            pictures = [i for i, caption in enumerate(shown) if SHOWN[caption] == "picture"]
            slots = torch.stack([net.llm.lm_head(alone[at])[words.slot(SLOTS[i])] for i in pictures])
            log_p, z = torch.log_softmax(slots, 0), alone[at]
            e, scores, keys = net.heads.leave(z), [], []
            for place, i in enumerate(pictures):
                mark = turn.ids.index(words.slot(SLOTS[i]))
                known = net.heads.key(alone[mark]) @ net.heads.query(z) / 8**0.5
                cosine = e @ h[i] / (e.norm() * h[i].norm())
                a, b_, c = net.heads.fuse
                scores.append(a * cosine + b_ * known + c * log_p[place])
                keys.append(known)
            pointed.append(sum(-torch.log_softmax(torch.stack(of), 0)[0] for of in (scores, keys)))
            told_of.append((e, h[0]))
            if said["result"] != "[nobody knows]":
                at = turn.ids.index(words.ids["<gen>"])
                told_of.append((net.heads.leave(alone[at]), torch.from_numpy(vectors["a heron beside a pond"][0])))
        apart, among = [], []
        for e, h in told_of:
            apart.append(distance(e, h))
            others = [other for _, other in told_of if not torch.equal(h, other)]
            cosines = torch.stack([e @ x / (e.norm() * x.norm()) for x in (h, *others)])
            among.append(-torch.log_softmax(cosines / 0.07, 0)[0])
    assert float(got.tokens) == pytest.approx(float(torch.stack(nll).mean()), rel=1e-4)
    assert float(got.pointing) == pytest.approx(float(torch.stack(pointed).mean()), rel=1e-4)
    assert float(got.reading) == pytest.approx(float(torch.stack(apart).mean()), rel=1e-4)
    assert len(told_of) == len(made) + 3, "three results, all the same"
    assert float(got.contrast) == pytest.approx(float(torch.stack(among).mean()), rel=1e-4)


def distance(e, h):
    target = 20 * h / h.norm()
    smooth = [d * d / 2 if d < 1 else d - 0.5 for d in (e - target).abs().tolist()]
    return 1 - e @ target / (e.norm() * target.norm()) + 0.1 * sum(smooth) / len(smooth)


def test_a_plan_is_in_the_planners_language_and_can_be_called(media):
    words = vocabulary("byte level")
    grammar = compiled(words, (FOLLOWER,))
    for said, _, _ in WRITTEN.values():
        turn = instructed(told(media, said), FOLLOWER, Writing(words))
        (step,) = read(grammar, turn.ids[turn.begins :]).steps
        assert step.tool == FOLLOWER.name and step.base == 0 and FOLLOWER.args.model_validate(step.args)


def test_a_tool_that_looks_at_other_pictures_is_shown_what_is_put_in(media):
    """As the decoder will: what is named and not put in is no subject, nor is what cannot be shown."""
    words, follower = vocabulary("byte level"), replace(FOLLOWER, subjects=(0, 3))
    turn = instructed(told(media, HERON), follower, Writing(words), SLOTS)
    assert "<base><r_9><sub><r_4>{" in words.decode(turn.ids)
    assert [(row, legal) for _, row, legal in turn.refs] == [(0, (0, 1)), (1, (0, 1))]
    for said in (WORDS, RAIN):
        assert "<sub>" not in words.decode(instructed(told(media, said), follower, Writing(words)).ids)
    with pytest.raises(Untold, match="it shows too little"):
        instructed(told(media, RAIN), replace(FOLLOWER, subjects=(1, 1)), Writing(words))


def test_a_template_may_list_the_tools(media):
    words = vocabulary("byte level")
    turn = instructed(told(media, HERON), FOLLOWER, Writing(words, Template(), (FOLLOWER,)))
    assert "\nTools:\ninstruct_pix2pix(" in words.decode(turn.ids[: turn.begins])
    assert words.decode(turn.ids[turn.begins :]).startswith("<step>")


@pytest.mark.parametrize(
    ("said", "reason"),
    [
        (record("what is [a grey heron]?", base="[a lake]"), "there is no vector of its base"),
        (record("draw it", base="[rain on a roof]"), "its base is a sound"),
        (record("   "), "it says nothing"),
        (record("make it " + "very " * 40 + "blue"), "its instruction is longer than a plan can say"),
        (record("a word that \x07 rings"), "it cannot be written as a message and a plan"),
    ],
)
def test_what_no_turn_can_be_made_of_is_left_out_with_a_reason(media, said, reason):
    with pytest.raises(Untold, match=reason):
        instructed(told(media, said), FOLLOWER, Writing(vocabulary("byte level")))


def test_more_than_has_a_name_is_left_out(media):
    one = told(media, HERON)
    many = tuple(Reference(f"thing {n}", one.base.vector) for n in range(8))
    with pytest.raises(Untold, match="it shows too much"):
        instructed(replace(one, pieces=many), FOLLOWER, Writing(vocabulary("byte level")))


def test_a_tool_without_words_cannot_follow():
    assert instruction_of(registry.get("instruct_pix2pix")) == "instruction"
    with pytest.raises(PlanError, match="takes no words"):
        instruction_of(registry.get("blur"))


def test_the_base_is_still_shown_where_the_plan_needs_it(media):
    one, seen = told(media, HERON), set()
    for seed in range(60):
        said = augmented(one, np.random.default_rng(seed), p=0.5, base=False)
        assert said.base.shown
        seen.add(said.references[0].caption)
    assert seen == {"a grey heron", "A pond at noon."}


# --- courses: whole folders of records


def test_a_folder_is_learnt_from_and_what_is_left_out_is_counted(media, tmp_path):
    for path in media.folder.iterdir():
        (tmp_path / path.name).write_bytes(path.read_bytes())
    np.savez(tmp_path / "2.npz", other=np.zeros(3))
    records = [HERON, RAIN, BOTH, WORDS, {"base": "[only]"}, 7, record("x", base="[a lake]"), record(" ")]
    (tmp_path / "one.json").write_text(json.dumps(records))
    (tmp_path / "two.json").write_text(json.dumps([HERON]))
    writing = Writing(vocabulary("byte level"))
    course = courses.mm_inst(5, courses.collected(tmp_path), writing, FOLLOWER, seed=1)
    assert len(course.lengths) == 4
    assert course.skipped == {
        "it is no record": 2,
        "a vector is damaged": 1,
        "there is no vector of its base": 1,
        "it says nothing": 1,
    }
    shown = courses.mm_inst(1, courses.collected(tmp_path), writing, FOLLOWER, seed=1)
    drawn = courses.mm_inst(2, courses.collected(tmp_path), writing, FOLLOWER, seed=1)
    replies = [course_reply(writing, shown, place) for place in range(len(shown.lengths))]
    assert sorted(replies) == [
        " a grey heron</s>",
        " a heron beside a pond</s>",
        " a pond at noon</s>",
        " rain on a roof</s>",
    ]
    assert len(drawn.lengths) == 3 and course_reply(writing, drawn, 0) == "<gen></s>"
    assert shown.skipped == drawn.skipped == {"there is no vector of a caption": 3, "a vector is damaged": 1}


def course_reply(writing, course, place):
    turn = course.turn(place, 0)
    return writing.vocabulary.decode(turn.ids[turn.begins :])


def test_a_step_says_some_of_what_could_be_shown_and_the_same_step_the_same(media, tmp_path):
    for path in media.folder.iterdir():
        (tmp_path / path.name).write_bytes(path.read_bytes())
    (tmp_path / "records.json").write_text(json.dumps([HERON] * 3))
    course = courses.mm_inst(5, courses.collected(tmp_path), Writing(vocabulary("byte level")), FOLLOWER, seed=1)
    counts = [len(course.turn(0, step).h) for step in range(150)]
    assert np.mean(np.array(counts) == 1) == pytest.approx(0.2, abs=0.08)
    assert all(course.turn(1, step).ids == course.turn(1, step).ids for step in range(5))
    assert len({course.turn(1, step).slots for step in range(5)}) == 5


def test_a_folder_without_records_or_with_something_else_is_refused(media, tmp_path):
    (tmp_path / "media_map.json").write_bytes((media.folder / "media.json").read_bytes())
    with pytest.raises(NotFound, match="no records"):
        courses.collected(tmp_path)
    (tmp_path / "records.json").write_text('{"a": 1}')
    with pytest.raises(Damaged, match=r"records\.json is no list"):
        courses.collected(tmp_path)


def test_sounds_of_the_released_archives_are_known_by_their_names(tmp_path):
    index = {name: {"fpath": f"{name}/1.npz"} for name in ("mTAT", "coco", "instp2p")}
    (tmp_path / "media_map.json").write_text(json.dumps(index))
    kinds = {name: Media(tmp_path).reference(name).kind for name in index}
    assert kinds == {"mTAT": "sound", "coco": "picture", "instp2p": "picture"}
