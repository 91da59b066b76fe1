"""InstructPix2Pix's own data: shared attention, the filter, triples of grammar, file and chat, exact going on."""

import json
import shutil
from collections import Counter
from dataclasses import replace

import numpy as np
import pytest
import torch
from langchain_core.language_models.fake_chat_models import FakeListChatModel

from sessions.errors import BadArguments, BadWeights, Damaged, MissingWeights, NotFound
from tests import tiny
from tests.training.packs import small_pack
from tools import weights
from tools.diffusion import model as models
from tools.diffusion.denoiser import Network
from toybox import words
from training import caption_triples, data, instruct_pairs, instruct_pix2pix, packs, pair_filter, vae
from training.caption_triples import Triple, same
from training.instruct_pairs import SMALL, Maker, make, triples_of
from training.loop import generator
from training.pair_drawing import Attempt, drawn, sharing
from training.pair_filter import Marks, Thresholds, kept, marks

STEPS = 4
CAT = Triple(caption="a cat on the sea", instruction="make it a dog", edited="a dog on the sea")


@pytest.fixture(scope="module")
def drawer(tmp_path_factory):
    """Stable Diffusion's classes and layout, random."""
    folder = tiny.stable_diffusion(tmp_path_factory.mktemp("sd"))
    return tiny.shallow(models.load(folder, "cpu", torch.float32))


@pytest.fixture(scope="module")
def pack(tmp_path_factory):
    """A pack as training leaves it, untrained: text to image and an encoder."""
    return small_pack(tmp_path_factory.mktemp("pack"))


@pytest.fixture(scope="module")
def of_pack(pack):
    return instruct_pairs.of_pack(pack, torch.device("cpu"))


def attempts(*shares, scale=3.0):
    return [Attempt(share, scale, generator(5, n)) for n, share in enumerate(shares)]


def test_one_caption_twice_is_one_picture_twice(drawer):
    same_caption = CAT.model_copy(update={"edited": CAT.caption})
    before, after = drawn(drawer, same_caption, attempts(1.0, 0.5), STEPS)
    assert torch.allclose(before, after, atol=1e-5)
    assert not torch.allclose(before[0], before[1], atol=0.1)


def test_sharing_leaves_the_first_picture_and_draws_the_second_to_it(drawer):
    apart, near = drawn(drawer, CAT, attempts(0.0), STEPS), drawn(drawer, CAT, attempts(1.0), STEPS)
    torch.testing.assert_close(apart[0], near[0], atol=1e-5, rtol=1e-5)
    assert not torch.allclose(apart[1], near[1], atol=1e-4)


def test_no_share_is_each_caption_drawn_by_itself(drawer):
    """The second row alone, with the same noise, plainly: Euler ancestral under classifier-free guidance."""
    from tools.base import drain
    from tools.diffusion import latents, sdxl
    from tools.diffusion.guidance import classifier_free
    from tools.diffusion.sampling import euler_ancestral
    from tools.diffusion.schedules import linspace_sigmas

    pair = drawn(drawer, CAT, attempts(0.0, 0.0), STEPS)
    for number, caption in enumerate((CAT.caption, CAT.edited)):
        nothing, said = sdxl.conditions(drawer, ["", caption], sdxl.Frame((64, 64)))
        noise, sigmas = generator(5, 1), linspace_sigmas(drawer.schedule, STEPS)

        def fresh(noise=noise):
            return latents.noise((1, 4, 8, 8), noise, torch.zeros(()))

        D = classifier_free(Network(drawer), said, nothing, 3.0)
        alone = drain(euler_ancestral(D, sigmas[0] * fresh(), sigmas, fresh))
        torch.testing.assert_close(pair[number, 1], alone[0], atol=1e-4, rtol=1e-4)


def test_the_second_looks_where_the_first_looks_in_both_halves():
    at = sharing([0.5, 0.0, 1.0], steps=4)
    assert at(0).pairs == at(1).pairs == ((0, 3), (2, 5), (6, 9), (8, 11))
    assert at(2).pairs == ((2, 5), (8, 11)) and at(3) is None  # p = 1 is not above 3/3
    assert sharing([0.26], 4)(1) is None and sharing([0.26], 4)(0) and sharing([0.5], 1)(0)
    assert at(0).alignment is None and sharing([0.0], 4)(0) is None


def unit(*rows):
    found = np.float32(rows)
    return found / np.linalg.norm(found, axis=1, keepdims=True)


def test_the_filter_keeps_exactly_what_it_should():
    """Five pairs by construction; each wrong one fails in one mark alone."""
    good = Marks(*np.full((4, 5), 0.9))
    least = Thresholds()
    assert kept(good, least) == [0, 1, 2, 3]
    for name, floor in (("alike", 0.75), ("before", 0.2), ("after", 0.2), ("direction", 0.2)):
        values = np.full(5, 0.9)
        values[1], values[3] = floor - 1e-6, floor
        found = replace(good, **{name: values})
        assert set(kept(found, least)) == {0, 2, 3, 4}, name
    ways = replace(good, direction=np.array([0.3, 0.1, 0.8, 0.5, 0.4]))
    assert kept(ways, least) == [2, 3, 4, 0]
    assert kept(ways, replace(least, most=2)) == [2, 3]


def test_marks_are_cosines_and_no_way_is_no_example():
    a, b = unit([1, 0, 0], [1, 0, 0]), unit([0, 1, 0], [1, 0, 0])
    said, edited = unit([1, 0, 1], [1, 0, 0]), unit([0, 1, 1], [0, 1, 0])
    found = marks(a, b, said, edited)
    assert found.alike.tolist() == pytest.approx([0, 1])
    assert found.before.tolist() == pytest.approx([2**-0.5, 1]) and found.after.tolist() == pytest.approx([2**-0.5, 0])
    assert found.direction.tolist() == pytest.approx([1, -1])


def test_thresholds_are_what_exact_pairs_reach():
    """Eyes that see all alike noise: each threshold is the mark that two of twenty pairs do not reach."""
    rng, seen = np.random.default_rng(0), []

    class Blind:
        def pictures(self, pixels):
            seen.append(unit(*rng.normal(1, 1, size=(len(pixels), 8))))
            return seen[-1]

        texts = pictures

    least = pair_filter.calibrated(Blind(), count=20, lost=0.1)
    said, before, after = seen
    found = marks(before, after, said[::2], said[1::2])
    assert len(said) == 40 and least.most == 4
    for name, values in (("alike", found.alike), ("said", np.minimum(found.before, found.after))):
        assert (values < getattr(least, name) - 1e-3).sum() == 2, name
    assert (found.direction < least.direction - 1e-3).sum() == 2


@pytest.mark.parametrize("item", range(0, 60, 6))
def test_triples_of_the_toybox_say_what_changes(item):
    one = caption_triples.toybox(item, 3)
    assert one.whole and not same(one.caption, one.edited)
    assert one == caption_triples.toybox(item, 3) != caption_triples.toybox(item, 4)
    said = f"{one.caption} {one.instruction} {one.edited}".replace(",", " ,").split()
    assert set(said) <= set(words.vocabulary())


def test_triples_of_files(tmp_path):
    lines = [{"input": "a cat", "edit": "make it a dog", "output": "a dog", "url": "x"}, {"caption": "a hat"}]
    (tmp_path / "a.jsonl").write_text("\n".join(json.dumps(one) for one in lines) + "\n")
    (tmp_path / "a.json").write_text(json.dumps(lines))
    (tmp_path / "a.txt").write_text("a cat\n\n a hat \n")
    one, two = caption_triples.read(tmp_path / "a.jsonl")
    assert one == Triple(caption="a cat", instruction="make it a dog", edited="a dog") and not two.whole
    assert caption_triples.read(tmp_path / "a.json") == (one, two)
    assert [t.caption for t in caption_triples.read(tmp_path / "a.txt")] == ["a cat", "a hat"]
    with pytest.raises(NotFound):
        caption_triples.read(tmp_path / "b.txt")
    for wrong in ('{"a": 1}', "[{]", '[{"caption": ""}]'):
        (tmp_path / "w.json").write_text(wrong)
        with pytest.raises(Damaged):
            caption_triples.read(tmp_path / "w.json")
    with pytest.raises(BadArguments, match="without an instruction"):
        triples_of(str(tmp_path / "a.txt"), 9, 0, None, tmp_path)
    unmoved = {"caption": "a cat", "instruction": "as it is", "edited": "A cat."}
    (tmp_path / "s.json").write_text(json.dumps([lines[0], unmoved]))
    assert triples_of(str(tmp_path / "s.json"), 9, 0, None, tmp_path) == [one]


def test_a_chat_model_completes_captions_once(tmp_path):
    replies = [
        'Sure: {"instruction": "make it a dog", "edited": "a dog"}',
        '{"instruction": "nothing", "edited": "A hat!"}',
        "I would rather not",
        '{"instruction": "in winter", "edited": "a house in winter"}',
    ]
    (tmp_path / "a.txt").write_text("a cat\na hat\na house\n")
    chat = FakeListChatModel(responses=replies)
    found = triples_of(str(tmp_path / "a.txt"), 3, 0, chat, tmp_path)
    assert [one.edited for one in found] == ["a dog", "a house in winter"]
    written = json.loads((tmp_path / "triples.json").read_text())
    written["triples"].append({"caption": "a cat", "instruction": "as it is", "edited": "A cat."})
    (tmp_path / "triples.json").write_text(json.dumps(written))
    deaf = FakeListChatModel(responses=[])
    assert triples_of(str(tmp_path / "a.txt"), 3, 0, deaf, tmp_path) == found
    refused = Counter()
    caption_triples.completed(FakeListChatModel(responses=replies[1:3]), [Triple(caption="a hat")], refused, 0)
    assert refused == {"its result is its caption": 1, "no JSON object": 1}


def maker_of(of_pack, **settings):
    drawer, eyes = of_pack
    settings = replace(SMALL, attempts=3, steps=2, **settings)
    return Maker(drawer, eyes, settings, Thresholds(-1.1, -1.1, -1.1, most=2))


def test_stopped_and_gone_on_with_the_shards_are_the_same(of_pack, tmp_path, monkeypatch):
    monkeypatch.setattr(instruct_pairs, "PORTION", 2)
    triples = triples_of("toybox", 5, 0, None, tmp_path)
    maker = maker_of(of_pack)
    assert make(maker, triples, tmp_path / "whole") == 10
    (tmp_path / "parts").mkdir()
    make(maker, triples[:3], tmp_path / "parts")  # the second shard is half of one
    (tmp_path / "parts/00000.safetensors").unlink()
    make(maker_of(of_pack), triples, tmp_path / "parts")
    whole, parts = (sorted((tmp_path / name).iterdir()) for name in ("whole", "parts"))
    assert [path.read_bytes() for path in whole] == [path.read_bytes() for path in parts] and len(whole) == 3
    other = maker_of(of_pack, seed=1).shard(0, triples[:1], Counter())
    assert not torch.equal(other["z"], maker.shard(0, triples[:1], Counter())["z"])


def test_the_recipe_learns_from_drawn_pairs_from_exact_ones_and_from_both(of_pack, tmp_path):
    (tmp_path / "drawn").mkdir()
    drawer = of_pack[0]
    triples = triples_of("toybox", 3, 0, None, tmp_path)
    make(maker_of(of_pack), triples, tmp_path / "drawn")
    found = data.drawn_pairs(tmp_path / "drawn", drawer.vae)
    assert found.z.shape == (6, 2, 4, 16, 16) and found.captions.shape == (6, 2, 77) and len(found) == 6
    said = drawer.tokenizer.decode(found.instructions[0, 0], skip_special_tokens=True)
    assert said == triples[0].instruction
    parts = data.shard(0, drawer.vae, drawer.tokenizer, size=2)
    exact = data.Data(parts["z"].float(), parts["captions"].long(), parts["instructions"].long())
    both = data.joined(exact, found)
    assert both.z.shape == (2 * 3 + 6, 2, 4, 16, 16) and torch.equal(data.joined(exact).z, exact.z)
    assert torch.equal(both.z[4, 0], exact.z[1, 0]) and torch.equal(both.z[4, 1], exact.z[1, 2])
    assert torch.equal(both.instructions[4, 0], exact.instructions[1, 1])
    assert torch.equal(both.captions[4, 1], exact.captions[1, 2])
    net = torch.nn.ModuleDict({"unet": drawer.unet, "text_encoder": drawer.text_encoder})
    for learnt in (found, both):
        assert torch.isfinite(instruct_pix2pix.recipe(net, learnt, vae.SCALE, drawer.tokenizer).loss(0))
    with pytest.raises(BadWeights, match="another autoencoder"):
        data.drawn_pairs(tmp_path / "drawn", vae.network(9).eval())
    empty = replace(maker_of(of_pack), least=Thresholds(1.1, 1.1, 1.1))
    make(empty, triples[:1], tmp_path / "empty")
    with pytest.raises(NotFound, match=r"No pair in .* was kept"):
        data.drawn_pairs(tmp_path / "empty", drawer.vae)
    with pytest.raises(NotFound, match="no drawn pairs"):
        data.drawn_pairs(tmp_path, drawer.vae)


def test_nothing_kept_is_an_empty_shard(of_pack):
    none = replace(maker_of(of_pack), least=Thresholds(1.1, 1.1, 1.1))
    lost = Counter()
    found = none.shard(0, [caption_triples.toybox(0, 0)], lost)
    assert found["z"].shape == (0, 2, 4, 16, 16) and found["instructions"].shape == (0, 1, 77)
    assert lost == {"alike": 3, "said": 3, "direction": 3}


def test_shares_and_scales_are_drawn_evenly_from_their_ranges(of_pack):
    found = [one for item in range(200) for one in maker_of(of_pack).attempts(item)]
    shares, scales = (np.array([getattr(one, name) for one in found]) for name in ("share", "scale"))
    assert 0.1 <= shares.min() < 0.12 and 0.88 < shares.max() <= 0.9 and shares.mean() == pytest.approx(0.5, abs=0.03)
    assert 3.0 <= scales.min() < 3.1 and 5.9 < scales.max() <= 6.0
    assert abs(np.corrcoef(shares, scales)[0, 1]) < 0.15


def test_the_command_makes_a_folder_and_refuses_another_beginning(pack, tmp_path, monkeypatch):
    monkeypatch.setattr(pair_filter.calibrated, "__defaults__", (4, 0.02))

    def run(*words, out="out"):
        said = [
            "--triples",
            "toybox",
            "--count",
            "2",
            "--attempts",
            "2",
            "--steps",
            "2",
            "--out",
            str(tmp_path / out),
        ]
        return instruct_pairs.run(instruct_pairs.parser().parse_args([*said, *words]))

    low = ["--pack", str(pack), "--alike", "-2", "--said", "-2", "--direction", "-2"]
    assert run(*low) == 4 == len(data.read(tmp_path / "out"))
    assert json.loads((tmp_path / "out/recipe.json").read_text())["pairs"]["steps"] == "2"
    with pytest.raises(BadWeights, match="begun with seed 0, not 2"):
        run(*low, "--seed", "2")
    with pytest.raises(BadArguments, match="filtered by CLIP"):
        run("--model", "sd")
    monkeypatch.setattr(pair_filter, "calibrated", lambda eyes: Thresholds(0.5, -0.3, 0.2))
    with pytest.raises(BadWeights, match="knows too little to judge"):
        run("--pack", str(pack), out="new")
    with pytest.raises(BadWeights, match=r"begun with alike -2\.0, not 0\.5"):
        run("--pack", str(pack), "--alike", "0.5")
    assert run("--pack", str(pack)) == 4, "thresholds are measured once"
    begun = json.loads((tmp_path / "out/recipe.json").read_text())
    assert begun["pairs"]["judge"] == instruct_pairs.of_pack(pack, torch.device("cpu"))[1].digest
    begun["pairs"]["judge"] = "another"
    (tmp_path / "out/recipe.json").write_text(json.dumps(begun))
    with pytest.raises(BadWeights, match="begun with judge another"):
        run("--pack", str(pack))


def test_a_source_that_has_changed_is_another(tmp_path, of_pack):
    source = tmp_path / "a.json"
    args = instruct_pairs.parser().parse_args(
        ["--pack", "x", "--triples", str(source), "--count", "1", "--out", str(tmp_path)]
    )
    found = []
    for caption in ("a dog", "a cow"):
        source.write_text(json.dumps([{"caption": "a cat", "instruction": "change it", "edited": caption}]))
        found.append(instruct_pairs.told(maker_of(of_pack), args))
    assert {name for name in found[0] if found[0][name] != found[1][name]} == {"text"}


def test_a_model_of_full_size_layout_is_judged_by_clip(tmp_path):
    from tests import tiny_eyes

    drawer, eyes = instruct_pairs.of_folder(
        tiny.stable_diffusion(tmp_path / "sd"), tiny_eyes.clip(tmp_path / "clip"), torch.device("cpu")
    )
    least = Thresholds(-2, -2, -2, most=1)
    maker = Maker(tiny.shallow(drawer), eyes, replace(SMALL, attempts=2, steps=2), least)
    found = maker.shard(0, [CAT], Counter())
    assert found["z"].shape == (1, 2, 4, 8, 8)
    long = CAT.model_copy(update={"caption": "zebra " * 80})
    assert instruct_pairs.readable(drawer, [CAT, long]) == [CAT]


def test_a_pack_without_an_encoder_is_a_sentence(pack, tmp_path):
    alone = tmp_path / "pack"
    shutil.copytree(pack, alone)
    told = json.loads((alone / "register.json").read_text())
    told["entries"] = [one for one in told["entries"] if one["role"] != "encoder"]
    (alone / "register.json").write_text(json.dumps(told))
    with pytest.raises(MissingWeights, match="has no encoder"):
        instruct_pairs.of_pack(alone, torch.device("cpu"))


def test_a_model_in_diffusers_layout_learns_from_drawn_pairs_alone(tmp_path):
    """As Stable Diffusion would, which predicts ε."""
    folder = tiny.stable_diffusion(tmp_path / "sd")
    base = packs.base(folder)
    cells = base.side // base.factor
    (tmp_path / "pairs").mkdir()
    drawn = {
        "z": torch.randn(3, 2, 4, cells, cells),
        "captions": torch.zeros(3, 2, 77, dtype=torch.long),
        "instructions": torch.zeros(3, 1, 77, dtype=torch.long),
        "probe": data.encoded(base.vae, [data.probe()])[0],
    }
    weights.write(tmp_path / "pairs/000.safetensors", drawn)
    plan = instruct_pix2pix.Plan(1, 1e-4, 2, 0)
    assert instruct_pix2pix.train(tmp_path / "out", 1.0, plan, folder, tmp_path / "pairs")
    unet = tmp_path / "out/instruct_pix2pix/unet"
    assert json.loads((unet / "config.json").read_text())["in_channels"] == 8
    learnt = weights.tensors(unet / "diffusion_pytorch_model.safetensors")["conv_in.weight"]
    assert learnt[:, 4:].abs().max() > 0
