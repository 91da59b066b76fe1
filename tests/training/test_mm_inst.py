"""MM-Inst: records are read as they are laid out, what cannot be shown is said, and what a model writes is checked."""

import json

import numpy as np
import pytest
from langchain_core.language_models.fake_chat_models import FakeListChatModel

from sessions.errors import ChatModelError, Damaged, NotFound
from training import mm_inst, mm_inst_writing
from training.mm_inst import Media, augmented, instruction, key, read
from training.mm_inst_writing import CATEGORIES, drawn, prompt, record, write

RECORD = {
    "task": "any2any",
    "base": "[A pond at noon.]",
    "result": "[a heron beside a pond]",
    "added": [["heron", "[a grey Heron]"]],
    "conversations": [
        {"from": "human", "value": "put [a grey heron] next to the reeds in [a pond at noon]."},
        {"from": "gpt", "value": "Of course. [a heron beside a pond]"},
    ],
}


@pytest.fixture
def vectors():
    rng = np.random.default_rng(0)
    names = ("a pond at noon", "a grey heron", "a heron beside a pond")
    return {name: rng.normal(size=(1, 1024)).astype(np.float32) for name in names}


@pytest.fixture
def folder(tmp_path, vectors):
    (tmp_path / "npz").mkdir()
    index = {}
    for number, (name, vector) in enumerate(vectors.items()):
        np.savez(tmp_path / f"npz/{number}.npz", clip=vector)
        index[name] = {"fpath": f"npz/{number}.npz", "key": "clip"}
    (tmp_path / "media.json").write_text(json.dumps(index))
    (tmp_path / "records.json").write_text(json.dumps([RECORD]))
    return tmp_path


def only(folder, **changes):
    (folder / "records.json").write_text(json.dumps([RECORD | changes]))
    (found,) = read(folder / "records.json")
    return instruction(found, Media(folder))


def test_a_record_becomes_words_and_what_they_stand_for(folder, vectors):
    one = only(folder)
    assert one.text("<video>") == "put <video> next to the reeds in <video>."
    assert [r.caption for r in one.references] == ["a grey heron", "a pond at noon"]
    assert np.array_equal(one.base.vector, vectors["a pond at noon"][0])
    assert np.array_equal(one.gen, vectors["a heron beside a pond"][0]) and one.target == "a heron beside a pond"
    ((name, heron),) = one.additions
    assert name == "heron" and np.array_equal(heron.vector, vectors["a grey heron"][0])
    assert one.reply == "Of course."
    assert one.references[1] is one.base and one.references[0] is heron


def test_captions_are_looked_up_in_lower_case_without_stops():
    assert key(" A Pond. At noon. ") == "a pond at noon"
    assert mm_inst.bare("[A pond.]") == "A pond."


def test_what_has_no_medium_is_said(folder):
    (folder / "npz/1.npz").unlink()
    one = only(folder, base="[a lake]", result="[a heron somewhere]")
    assert one.text("<video>") == "put a grey heron next to the reeds in <video>."
    assert not one.base.shown and one.base.caption == "a lake"
    assert one.gen is None and one.target == "a heron somewhere"
    assert one.additions[0][1].vector is None


def test_one_in_five_is_said_instead_of_shown_and_each_by_itself(folder):
    one, rng = only(folder), np.random.default_rng(1)
    seen = []
    for _ in range(2000):
        other = augmented(one, rng)
        heron, pond = (piece.shown for piece in (other.pieces[1], other.pieces[3]))
        assert other.base.shown == pond and other.additions[0][1].shown == heron
        assert other.text("¤").count("¤") == heron + pond
        assert other.gen is one.gen
        seen.append((heron, pond))
    heron, pond = np.array(seen).T
    assert (~heron).mean() == pytest.approx(0.2, abs=0.03) and (~pond).mean() == pytest.approx(0.2, abs=0.03)
    assert (~heron & ~pond).mean() == pytest.approx(0.04, abs=0.015)
    assert one.text("¤").count("¤") == 2


def test_augmenting_is_a_function_of_its_generator(folder):
    one = only(folder)
    texts = [[augmented(one, np.random.default_rng(seed)).text("¤") for seed in range(30)] for _ in range(2)]
    assert texts[0] == texts[1] and len(set(texts[0])) > 2


@pytest.mark.parametrize(
    ("content", "error"),
    [
        ({"clip": np.zeros((1, 512), np.float32)}, "finite numbers are meant"),
        ({"clip": np.full((1, 1024), np.nan, np.float32)}, "finite numbers are meant"),
        ({"other": np.zeros((1, 1024), np.float32)}, "no vector called 'clip'"),
        ({"clip": np.array([[{"a": 1}]], dtype=object)}, "no vector called 'clip'"),
    ],
)
def test_a_medium_that_holds_something_else_is_refused(folder, content, error):
    np.savez(folder / "npz/0.npz", **content)
    with pytest.raises(Damaged, match=error):
        only(folder)


def test_a_medium_outside_the_folder_is_never_opened(folder):
    (folder / "media.json").write_text(json.dumps({"a pond at noon": {"fpath": "../secret.npz", "key": "clip"}}))
    with pytest.raises(Damaged, match="outside its folder"):
        only(folder)


@pytest.mark.parametrize(
    ("text", "error"),
    [
        ("{", Damaged),
        ("[1]", Damaged),
        (json.dumps([RECORD, RECORD | {"base": None}]), Damaged),
        (json.dumps([RECORD | {"conversations": []}]), Damaged),
        (json.dumps([RECORD | {"conversations": [{"from": "robot", "value": "x"}] * 2}]), Damaged),
    ],
)
def test_a_file_of_something_else_is_refused_in_a_sentence(folder, text, error):
    (folder / "records.json").write_text(text)
    with pytest.raises(error, match=r"records\.json"):
        read(folder / "records.json")


def test_missing_files_are_named(tmp_path):
    with pytest.raises(NotFound, match=r"media\.json"):
        Media(tmp_path)
    with pytest.raises(NotFound, match=r"records\.json"):
        read(tmp_path / "records.json")
    (tmp_path / "media.json").write_text("[]")
    with pytest.raises(Damaged, match=r"media\.json"):
        Media(tmp_path)


# --- written by a chat model

CAPTIONS = {
    "picture": ["a pond at noon", "a grey heron", "a tin boat"],
    "sound": ["rain on a roof"],
    "music": ["a slow waltz"],
}


def good(category, given, **changes):
    reply = {
        "instruction": "do it with " + " and ".join(f"[{caption}]" for caption in given),
        "reply": "It will be done.",
        "result": "something else entirely",
        "added": [f"thing {i}" for i in category.added],
    }
    return json.dumps(reply | changes)


def answers(seed, count, **changes):
    """What an obedient model would answer to the questions that this generator leads to."""
    rng = np.random.default_rng(seed)
    return [good(*drawn(CAPTIONS, rng), **changes) for _ in range(count)]


def test_records_are_those_that_the_model_wrote_and_can_be_read_again(tmp_path):
    found = write(FakeListChatModel(responses=answers(0, 30)), CAPTIONS, 30, np.random.default_rng(0))
    assert len(found.records) == 30 and not found.refused
    told = json.dumps([one.model_dump(by_alias=True) for one in found.records])
    (tmp_path / "records.json").write_text(told)
    assert read(tmp_path / "records.json") == found.records
    assert {len(one.added) for one in found.records} == {0, 1, 2}
    for one in found.records:
        assert one.base in one.said("human") and all(caption in one.said("human") for _, caption in one.added)


def test_prose_and_fences_around_the_object_do_no_harm():
    wrapped = [f"Gladly!\n```json\n{answer}\n```" for answer in answers(1, 3)]
    assert len(write(FakeListChatModel(responses=wrapped), CAPTIONS, 3, np.random.default_rng(1)).records) == 3


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"instruction": "make it nicer"}, "it does not name exactly what was given"),
        ({"instruction": "[a pond at noon] and [a unicorn]"}, "it does not name exactly what was given"),
        ({"result": "[A grey heron.]"}, "its result is its base"),
        ({"result": "a [b] c"}, "its result is no caption"),
        ({"added": ["a name of many more words"]}, "it does not name what is added"),
        ({"added": []}, "it does not name what is added"),
        ({"reply": "I do [it]"}, "reply: string_pattern_mismatch"),
        ({"tool": "rm"}, "tool: extra_forbidden"),
        ({"instruction": "x" * 400}, "instruction: string_too_long"),
    ],
)
def test_a_bad_reply_is_refused_with_a_reason(change, reason):
    category, given = CATEGORIES["picture into picture"], ("a grey heron", "a pond at noon")
    record(category, given, good(category, given))
    with pytest.raises(ValueError, match=reason):
        record(category, given, good(category, given, **change))


def test_bad_replies_are_counted_and_others_asked_for():
    replies = ["I would rather not.", "{} {}", *answers(3, 4)[2:]]
    found = write(FakeListChatModel(responses=replies), CAPTIONS, 2, np.random.default_rng(3))
    assert len(found.records) == 2
    assert found.refused == {"no JSON object": 1, "more than one JSON object": 1}
    none = write(FakeListChatModel(responses=["no"]), CAPTIONS, 5, np.random.default_rng(3), tries=7)
    assert not none.records and none.refused == {"no JSON object": 7}


def test_the_prompt_names_what_is_given_and_asks_for_a_name_of_each_thing_added():
    for category in CATEGORIES.values():
        given = tuple(f"caption {i}" for i in range(len(category.given)))
        asked = prompt(category, given)
        assert category.task in asked and all(f"[{caption}]" in asked for caption in given)
        assert asked.count("a name in one to three words") == len(category.added)
        assert record(category, given, good(category, given)).base == "[caption 0]"


def test_every_category_is_drawn_with_captions_of_its_kinds_none_twice():
    rng, seen = np.random.default_rng(0), set()
    for _ in range(300):
        category, given = drawn(CAPTIONS, rng)
        seen.add(category.task)
        assert len(set(given)) == len(given)
        assert all(caption in CAPTIONS[kind] for kind, caption in zip(category.given, given, strict=True))
    assert seen == {category.task for category in CATEGORIES.values()}
    only_pictures = {drawn({"picture": ["one"]}, rng)[0].task for _ in range(50)}
    assert only_pictures == {CATEGORIES[name].task for name in ("replace by text", "remove")}
    with pytest.raises(ValueError, match="at least one picture"):
        drawn({"sound": ["rain"]}, rng)


def test_a_model_that_fails_is_an_error_in_a_sentence():
    class Broken(FakeListChatModel):
        def _call(self, *_, **__):
            raise RuntimeError("quota is used up")

    with pytest.raises(ChatModelError, match="quota is used up"):
        mm_inst_writing.write(Broken(responses=[]), CAPTIONS, 1, np.random.default_rng(0))
