"""Inpainting: what is shown and what never is, grids that state no analogy, what learns, and a whole pack at work."""

import math
from dataclasses import fields, replace

import numpy as np
import pytest
import torch

from agent.plan import PlanStep
from agent.stepping import Job, work
from sessions.errors import BadWeights
from sessions.values import Picture
from tests import tiny
from tools import grids
from tools.base import drain
from tools.diffusion import model as models
from tools.diffusion import text
from tools.diffusion.model import LatentDiffusion
from tools.diffusion.schedules import scaled_linear
from tools.edits import analogist
from tools.edits.analogist import GREY, NEGATIVE, POSITIVE
from tools.shelf import Shelf
from tools.weights import read_register, write
from toybox.drawing import draw
from toybox.scenes import COLOURS, GROUNDS, HELD_OUT, SIDE, TEXTURES, random_scene, seeded
from toybox.words import caption
from training import export, inpainting, tilings, tokens, vae
from training.diffusion import WIDTH, networks
from training.inpainting import Data, Plan, drawn, network, recipe, weights
from training.loop import Trainer, generator
from training.tilings import around, grid_example, related, scene_example, without

WIDTHS = (16, 16, 16)
F = 4


@pytest.fixture(scope="module")
def words(tmp_path_factory):
    folder = tmp_path_factory.mktemp("words") / "tokenizer"
    tokens.write(folder)
    return models.tokenizer(folder)


@pytest.fixture(scope="module")
def coder():
    return vae.network().eval().requires_grad_(False)


@pytest.fixture(scope="module")
def data(words, coder):
    made = (tilings.shard(0, example, coder, words, 6) for example in (scene_example, grid_example))
    return Data(*(tilings.Shards(**parts) for parts in made))


@pytest.fixture
def base(words):
    return networks(words, 1, WIDTHS)


# The network


def test_before_training_it_is_the_base_whatever_is_hidden(base):
    torch.nn.init.normal_(base["unet"].conv_in.bias)
    net = network(base, 32).eval()
    z, text_ = torch.randn(2, 4, 32, 32), torch.randn(2, 77, WIDTH)
    behind = torch.cat([torch.ones(2, 1, 32, 32), 5 * torch.randn(2, 4, 32, 32)], 1)
    with torch.no_grad():
        before = base["unet"].eval()(z, torch.tensor(500), text_).sample
        after = net["unet"](torch.cat([z, behind], 1), torch.tensor(500), text_).sample
    torch.testing.assert_close(after, before, rtol=0, atol=1e-5)
    assert before.abs().max() > 0.1 and torch.equal(net["unet"].conv_in.bias, base["unet"].conv_in.bias)
    assert net["unet"].config.sample_size == 32 and base["unet"].config.sample_size == 16
    assert not {id(p) for p in base.parameters()} & {id(p) for p in net.parameters()}
    assert all(p.requires_grad for p in net.parameters())


# What it learns from


@pytest.mark.parametrize("number", range(6))
@pytest.mark.parametrize("example", [scene_example, grid_example])
def test_what_is_hidden_never_leaks(number, example, coder, words):
    one = example(number, F)
    assert len(one.hidings) == tilings.HIDINGS
    for hiding in one.hidings:
        gone = np.kron(hiding.cells, np.ones((F, F), bool))
        other = np.where(gone[..., None], np.random.default_rng(0).integers(0, 256, one.rgb.shape), one.rgb)
        shown = without(one.rgb, hiding.cells)
        assert gone.any() and np.array_equal(shown, without(other.astype(np.uint8), hiding.cells))
        assert (shown[gone] == GREY).all() and np.array_equal(shown[~gone], one.rgb[~gone])


@pytest.mark.parametrize("example", [scene_example, grid_example])
def test_a_shard_knows_nothing_of_what_is_hidden(example, coder, words):
    """Of a picture with something else in the hidden part, what is known is the same."""

    def altered(number, factor):
        one = example(number, factor)
        first = replace(one, hidings=(one.hidings[0],) * tilings.HIDINGS)
        gone = np.kron(one.hidings[0].cells, np.ones((F, F), bool))[..., None]
        return first, replace(first, rgb=np.where(gone, 255 - one.rgb, one.rgb))

    made, other = (
        tilings.shard(0, lambda number, factor, i=i: altered(number, factor)[i], coder, words, 3) for i in (0, 1)
    )
    assert torch.equal(made["known"], other["known"]) and not torch.equal(made["z"], other["z"])


def test_the_last_of_clips_words_survives_a_shard(coder, words, monkeypatch):
    monkeypatch.setattr(tilings, "ids", lambda tokenizer, texts: torch.full((len(texts), 77), 49407))
    assert tilings.shard(0, scene_example, coder, words, 1)["captions"].eq(49407).all()


def test_only_the_first_shards_are_read(tmp_path):
    for number in range(3):
        names = ("z", "known", "mask", "captions")
        write(tmp_path / f"{number:03d}.safetensors", {name: torch.full((2, 1), number) for name in names})
    assert tilings.read(tmp_path, 2).z[:, 0].tolist() == [0, 0, 1, 1]


def test_what_the_base_predicts_is_learnt(base, data, words, monkeypatch):
    said = []
    monkeypatch.setattr(inpainting, "errors", lambda learner, z, *more: said.append(learner.prediction) or z)
    recipe(base, data, words, prediction="epsilon").loss(0)
    assert said == ["epsilon"]


def test_a_base_of_another_size_is_refused(tmp_path):
    base = tiny.stable_diffusion(tmp_path / "sd", side=128)
    with pytest.raises(BadWeights, match="draws pictures of 128 × 128 pixels; the toybox's are 64 × 64"):
        inpainting.train(tmp_path / "out", 0.0, Plan(2, 4), base)


def test_shards_have_what_the_tool_shows(data, coder, words):
    """The last quadrant hidden: mask and latent as `analogist.conditions` makes them of the same grid."""
    unet = network(networks(words, 1, WIDTHS), 32)["unet"]
    model = LatentDiffusion(unet, coder, None, words, scaled_linear(), "v_prediction", 128, "", "")
    assert analogist.grid_side(model) == 2 * SIDE
    rgb = grid_example(3, F).rgb
    told, nothing = analogist.conditions(model, rgb, torch.zeros(2, 77, WIDTH))
    torch.testing.assert_close(data.grids.mask[3, 0].float(), told.channels[0])
    torch.testing.assert_close(data.grids.known[3, 0].float(), told.channels[1:], atol=2e-3, rtol=2e-3)
    torch.testing.assert_close(told.channels, nothing.channels)
    assert data.grids.z.shape == (6, 4, 32, 32) and data.grids.known.shape == (6, 2, 4, 32, 32)
    assert data.scenes.z.shape == (6, 4, 16, 16) and data.scenes.mask.shape == (6, 2, 16, 16)


def test_grids_are_the_same_for_the_same_number_and_laid_as_the_tool_lays_them():
    for number in range(4):
        one, again, other = grid_example(number, F), grid_example(number, F), grid_example(number + 1, F)
        assert np.array_equal(one.rgb, again.rgb) and not np.array_equal(one.rgb, other.rgb)
        for first, second in zip(one.hidings, again.hidings, strict=True):
            assert first.caption == second.caption and np.array_equal(first.cells, second.cells)
        (left, low), side = grids.offsets(SIDE), grids.tile_side(SIDE)
        tiles = [one.rgb[y : y + side, x : x + side] for y in (left, low) for x in (left, low)]
        expected = grids.laid(*tiles[:3])
        expected[low : low + side, low : low + side] = tiles[3]
        assert np.array_equal(one.rgb, expected) and tiles[3].any()
        assert np.array_equal(one.hidings[0].cells, grids.hidden(32) > 0)


def changes(before, after):
    """What differs from one scene to another, whatever else is in them."""
    things = [{(t.shape, t.colour, t.texture, t.size, t.slot) for t in scene.things} for scene in (before, after)]
    states = {
        (one.name, getattr(after, one.name))
        for one in fields(after)
        if one.name != "things" and getattr(before, one.name) != getattr(after, one.name)
    }
    return states, things[0] - things[1], things[1] - things[0]


def test_tiles_are_alike_and_state_no_analogy():
    """Where things stand is mostly a neighbour's, and how they look some other tile's."""
    stated, placed, alike, in_rows = 0, 0, [], 0
    for number in range(300):
        a, changed, b, wanted = related(np.random.default_rng((31, number)))
        assert all((t.shape, t.colour) not in HELD_OUT for one in (a, changed, b, wanted) for t in one.things)
        step = changes(a, changed)
        stated += any(step) and step == changes(b, wanted)
        there = [{(t.shape, t.x, t.y) for t in one.things} for one in (a, changed, b, wanted)]
        placed += there[3] in there[1:3]
        in_rows += there[3] == there[2] != there[1]
        others = {(t.shape, t.colour) for one in (a, changed) for t in one.things}
        shared = {t.shape for t in b.things} & {t.shape for t in a.things}
        alike += [(t.shape, t.colour) in others for t in b.things if there[0] != there[2] and t.shape in shared]
    assert stated < 10 and placed > 200 and in_rows > 100
    assert np.mean(alike) > 0.6


def test_in_sheets_the_right_column_is_the_left_one_under_one_change_or_unharmed():
    edited, harmed = 0, 0
    for number in range(200):
        (a, changed, b, wanted), pictures = tilings.sheet(np.random.default_rng((77, number)))
        right = [draw(scene).rgb for scene in (changed, wanted)]
        assert np.array_equal(pictures[1], right[0]) and np.array_equal(pictures[3], right[1])
        if (a, b) == (changed, wanted):
            harmed += not np.array_equal(pictures[0], right[0]) and not np.array_equal(pictures[2], right[1])
            continue
        step = changes(a, changed)
        assert any(step) and np.array_equal(pictures[0], draw(a).rgb)
        edited += {t[0] for t in step[2]} <= {t[0] for t in changes(b, wanted)[2]}
    assert harmed > 40 and edited > 100


def test_words_of_a_grid_say_all_some_or_nothing_of_looks():
    said = [grid_example(number, F).hidings[0].caption.removesuffix(POSITIVE).split(",")[0] for number in range(120)]
    looks = {*COLOURS, *TEXTURES, *GROUNDS, "small", "large"}
    bare = [not looks & {*one.split()} for one in said]
    assert 40 < sum(bare) < 90 and sum("background" in one for one in said) > 12


def test_sparse_words_leave_the_thing_its_shape():
    rng = np.random.default_rng(4)
    thing = seeded(3).things[0]
    kept = [tilings.sparse(rng, thing) for _ in range(40)]
    assert {one.shape for one in kept} == {thing.shape} and {one.colour for one in kept} == {thing.colour, ""}


def test_a_things_box_holds_it_and_every_way_of_hiding_occurs():
    for number in range(40):
        drawing = draw(seeded(number))
        for index in range(len(drawing.covers)):
            cells = around(drawing.mask(index), 16)
            assert drawing.mask(index)[~np.kron(cells, np.ones((F, F), bool))].sum() == 0
            assert cells.sum() < 16 * 16 / 2
    shares = [hiding.cells.mean() for number in range(60) for hiding in scene_example(number, F).hidings]
    assert 20 < sum(share == 1 for share in shares) < 40 and 20 < sum(share == 0.25 for share in shares) < 60
    said = [hiding.caption for number in range(200) for hiding in scene_example(number, F).hidings]
    assert sum(one.endswith(POSITIVE) for one in said) == pytest.approx(200, abs=35)


def test_the_longest_words_are_read(words):
    said = [caption(seeded(seed), places=True) for seed in range(2000)]
    longest = max(said, key=lambda one: len(words(one).input_ids))
    for said in (longest + POSITIVE, NEGATIVE):
        assert len(words(said).input_ids) <= tokens.LENGTH


def test_words_are_left_out_by_the_law(data, words):
    nulls = tokens.ids(words, ["", NEGATIVE])
    batch = drawn(data.grids, nulls, generator(1), 4000)
    shares = [float((batch.ids == null).all(1).float().mean()) for null in nulls]
    assert shares == pytest.approx([0.05, 0.05], abs=0.012)
    for index in range(20):
        item = int((data.grids.z == batch.z[index].half()).all((1, 2, 3)).nonzero())
        ways = [bool((batch.mask[index, 0] == data.grids.mask[item, way]).all()) for way in range(2)]
        assert any(ways) and torch.equal(batch.known[index], data.grids.known[item, ways.index(True)].float())


def test_hidden_cells_count_four_times_and_items_alike():
    mask = torch.zeros(2, 1, 8, 8)
    mask[0, :, 4:, 4:] = 1
    weight = weights(mask)
    torch.testing.assert_close(weight.mean((1, 2, 3)), torch.ones(2))
    assert float(weight[0, 0, 7, 7] / weight[0, 0, 0, 0]) == pytest.approx(4) and (weight[1] == 1).all()


# Learning


def test_scenes_and_grids_take_turns(base, data, words, monkeypatch):
    seen = []
    monkeypatch.setattr(inpainting, "errors", lambda net, z, said, rng, channels, t: seen.append((z, channels, t)) or z)
    made = recipe(base, data, words)
    for step in range(2):
        made.loss(step)
    assert [z.shape for z, *_ in seen] == [(16, 4, 16, 16), (8, 4, 32, 32)]
    assert [channels.shape for _, channels, _ in seen] == [(16, 5, 16, 16), (8, 5, 32, 32)]
    assert all(set(channels[:, 0].unique().tolist()) == {0, 1} for _, channels, _ in seen)
    assert seen[0][2] is None and seen[1][2].shape == (8,)


def test_grids_are_noisy_more_often_than_not():
    t = inpainting.late(torch.Generator().manual_seed(0), 4000)
    assert t.min() >= 0 and t.max() < 1000 and t.float().mean() == pytest.approx(667, abs=15)


def test_what_is_not_hidden_is_learnt_from_what_is_shown(base, data, words, tmp_path, monkeypatch):
    """On a few grids: the error falls, and falls less where the network is shown another grid's latent."""
    monkeypatch.setattr(inpainting, "GRIDS", 4)
    made = replace(recipe(base, data, words, steps=40), warm=5, rate=3e-3)
    before = float(made.loss(1).detach())
    Trainer(replace(made, loss=lambda step: made.loss(2 * step % 8 + 1)), tmp_path).run(math.inf)
    after = float(made.loss(1).detach())
    assert after < 0.7 * before
    mixed = replace(data.grids, known=data.grids.known.roll(1, 0))
    other = recipe(base, Data(data.scenes, mixed), words)
    other.net.load_state_dict(made.net.state_dict())
    assert float(other.loss(1).detach()) > after


def test_training_goes_on_exactly(base, data, words, tmp_path, monkeypatch):
    monkeypatch.setattr(inpainting, "GRIDS", 2)
    monkeypatch.setattr(inpainting, "SCENES", 4)
    whole = Trainer(recipe(base, data, words, steps=4), tmp_path / "whole")
    whole.run(math.inf)
    ticks = iter(range(100))
    Trainer(recipe(base, data, words, steps=4), tmp_path / "parts").run(4, lambda: next(ticks))
    rest = Trainer(recipe(base, data, words, steps=4), tmp_path / "parts")
    assert 0 < rest.step < 4
    rest.run(math.inf)
    assert all(torch.equal(p, rest.weights[name]) for name, p in whole.weights.items())
    assert all(torch.equal(p, rest.average[name]) for name, p in whole.average.items())


# A whole pack


@pytest.fixture
def pack(tmp_path, base, coder):
    tokens.write(tmp_path / "tokenizer")
    export.pack(tmp_path / "pack", coder, {"base": base}, tmp_path / "tokenizer")
    return tmp_path / "pack"


def test_a_pack_gets_an_inpainting_network_and_analogist_works_with_it(pack, tmp_path, monkeypatch):
    monkeypatch.setattr(tilings.shard, "__defaults__", (2,))
    out, before = tmp_path / "out", read_register(pack / "register.json")
    inpainting.train(out, 0.0, Plan(2, 4), pack)
    with pytest.raises(BadWeights, match="was begun with pictures 2, not 3"):
        inpainting.train(out, 0.0, Plan(3, 4), pack)
    for _ in range(2):
        export.inpainting(pack, out / "inpainting")
    entries = read_register(pack / "register.json")
    assert entries[:-1] == before and entries[-1].role == "inpainting" and entries[-1].world == "toybox"
    assert entries[-1].part("vae") == before[0].part("vae")
    shelf = Shelf(tmp_path / "home")
    for entry in entries:
        shelf.add(entry)
    model = shelf.diffusion("inpainting")
    assert (model.channels, model.side, model.factor, model.name) == (9, 128, 4, "toybox-inpainting")
    a, changed, b = (Picture(draw(random_scene(np.random.default_rng(seed))).rgb) for seed in range(3))
    step = PlanStep(tool="analogist", args={"prompt": "a red disc", "steps": 2})
    done = drain(work(0, Job(step, b, (a, changed), shelf=shelf)))
    wanted = export.SAMPLING["inpainting"]
    assert tuple(done.args["layers"]) == wanted["layers"] and done.args["guidance"] == wanted["guidance"]
    assert done.args["steps"] == 2 and done.edit.image.size == (SIDE, SIDE)
    assert not np.array_equal(done.edit.image.rgb, b.rgb)


def test_every_layer_of_the_small_network_can_be_changed(base):
    """The recommended layers are among those that there are."""
    from tools.diffusion.attention import transformer_blocks

    count = len(list(transformer_blocks(network(base, 32)["unet"])))
    first, last = export.SAMPLING["inpainting"]["layers"]
    assert 0 <= first < last <= count == 7
    analogist.Args.model_validate({"prompt": "x", **export.SAMPLING["inpainting"]})


def test_words_mean_the_same_to_training_and_to_the_tool(words, base):
    model = LatentDiffusion(None, None, base["text_encoder"], words, scaled_linear(), "v_prediction", 128, "", "")
    with torch.no_grad():
        ours = base["text_encoder"](tokens.ids(words, [NEGATIVE, "a red disc" + POSITIVE])).last_hidden_state
    torch.testing.assert_close(text.encode(model, [NEGATIVE, "a red disc" + POSITIVE]), ours)
