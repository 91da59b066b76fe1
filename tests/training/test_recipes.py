"""The recipes' own laws: what is dropped, what widening and folding keep, what is trained on, what is written."""

import math
from types import SimpleNamespace

import pytest
import torch

from tools import weights
from tools.diffusion import latents, model, text
from tools.diffusion.schedules import from_config, scaled_linear
from toybox.drawing import draw
from toybox.scenes import seeded
from toybox.words import vocabulary
from training import base, data, export, instruct_pix2pix, tokens, vae
from training.diffusion import SCHEDULE, SCHEDULER, WIDTH, errors, networks, unet
from training.instruct_pix2pix import kept, widened
from training.loop import Recipe, Trainer, generator

WIDTHS = (16, 16, 16)


@pytest.fixture(scope="module")
def words(tmp_path_factory):
    folder = tmp_path_factory.mktemp("words") / "tokenizer"
    tokens.write(folder)
    return model.tokenizer(folder)


@pytest.fixture(scope="module")
def coder():
    return vae.network().eval().requires_grad_(False)


@pytest.fixture(scope="module")
def pairs(words, coder):
    parts = data.shard(0, coder, words, size=6)
    return data.Data(parts["z"].float(), parts["captions"].long(), parts["instructions"].long())


def test_every_word_is_one_token_and_texts_survive(words):
    for word in vocabulary():
        assert len(words(word).input_ids) == 3, word
    said = "change the colour of the disc to blue"
    assert words.decode(words(said).input_ids, skip_special_tokens=True) == said
    ids = tokens.ids(words, ["", said, "zebra!"])
    assert ids.shape == (3, 77) and (ids[0, 1:] == words.eos_token_id).all() and ids[0, 0] == words.bos_token_id
    assert len({tuple(row) for row in ids.tolist()}) == 3


@pytest.mark.parametrize("u", [0.05, 0.1])
def test_the_joint_law_of_dropping(u):
    r = torch.rand(400_000, generator=generator(1))
    said, seen = kept(r, u)
    for law, share in (
        (~said & seen, u),
        (~said & ~seen, u),
        (said & ~seen, u),
        (said & seen, 1 - 3 * u),
    ):
        assert float(law.float().mean()) == pytest.approx(share, abs=0.002)


def test_widening_keeps_the_bias_and_the_function():
    torch.manual_seed(0)
    narrow = unet(4, WIDTHS).eval()
    torch.nn.init.normal_(narrow.conv_in.bias)
    wide = widened(narrow).eval()
    assert torch.equal(wide.conv_in.bias, narrow.conv_in.bias)
    z, c_I, states = torch.randn(2, 4, 16, 16), 5 * torch.randn(2, 4, 16, 16), torch.randn(2, 77, WIDTH)
    with torch.no_grad():
        before = narrow(z, torch.tensor(500), states).sample
        after = wide(torch.cat([z, c_I], 1), torch.tensor(500), states).sample
    torch.testing.assert_close(after, before, rtol=0, atol=1e-6)
    assert before.abs().max() > 0.1


def test_folding_gives_unit_latents_and_the_same_pictures():
    coder = vae.network(seed=3).eval().requires_grad_(False)
    x, _ = vae.pictures(0, 12)
    before = coder.encode(x).latent_dist
    picture = coder.decode(before.mean).sample
    vae.normalised(coder, before.mean)
    after = coder.encode(x).latent_dist
    z = after.mean * vae.SCALE
    torch.testing.assert_close(z.mean((0, 2, 3)), torch.zeros(4), atol=1e-3, rtol=0)
    torch.testing.assert_close(z.std((0, 2, 3)), torch.ones(4), atol=1e-3, rtol=0)
    gain = after.mean.std((0, 2, 3)) / before.mean.std((0, 2, 3))
    torch.testing.assert_close(after.std, before.std * gain[:, None, None], rtol=1e-3, atol=0)
    torch.testing.assert_close(coder.decode(after.mean).sample, picture, atol=1e-4, rtol=1e-4)


def test_an_error_on_an_object_counts_six_times_one_on_the_background():
    x, covers = vae.pictures(0, 1)
    covers = (covers > 0.5).float()
    posterior = SimpleNamespace(
        mean=torch.zeros(1, 4, 16, 16), std=torch.zeros(1), var=torch.ones(1), logvar=torch.zeros(1)
    )

    def loss(y):
        coder = SimpleNamespace(
            encode=lambda _: SimpleNamespace(latent_dist=posterior), decode=lambda _: SimpleNamespace(sample=y)
        )
        return float(vae.loss(coder, x, covers, generator(0)))

    exact, edges = loss(x), float(sum((0.1 * covers).diff(dim=d).abs().mean() for d in (2, 3)))
    inside, outside = (loss(x + 0.1 * mask) - exact - edges for mask in (covers, 1 - covers))
    area = float(covers.mean())
    assert exact == pytest.approx(0, abs=1e-6)
    assert inside / area == pytest.approx(6 * outside / (1 - area), rel=1e-3)


def test_a_perfect_v_has_no_loss(words):
    """The target is √ᾱ ε − √(1−ᾱ) z at the level that the network is told."""
    z, seen = torch.randn(4, 4, 16, 16), []
    ids = tokens.ids(words, ["a red disc"] * 4)

    class Oracle(torch.nn.Module):
        def forward(self, x, t, states):
            alpha = SCHEDULE.alphas[t].view(-1, 1, 1, 1).float()
            epsilon = (x[:, :4] - alpha.sqrt() * z) / (1 - alpha).sqrt()
            seen.append(x)
            return SimpleNamespace(sample=alpha.sqrt() * epsilon - (1 - alpha).sqrt() * z)

    net = torch.nn.ModuleDict({"unet": Oracle(), "text_encoder": networks(words, 0, WIDTHS)["text_encoder"]})
    assert float(errors(net, z, ids, generator(3)).max()) < 1e-6
    c_I = torch.randn(4, 4, 16, 16)
    errors(net, z, ids, generator(3), c_I)
    assert torch.equal(seen[1][:, 4:], c_I)
    torch.testing.assert_close(from_config(SCHEDULER).alphas, scaled_linear().alphas)


def test_a_shard_holds_scenes_edits_and_their_words(words, coder, pairs):
    assert pairs.z.shape == (6, 4, 4, 16, 16) and pairs.captions.shape == (6, 4, 77)
    assert pairs.instructions.shape == (6, 3, 77)
    again = data.shard(0, coder, words, size=6)
    assert torch.equal(again["z"].float(), pairs.z)
    other = data.shard(1, coder, words, size=6)
    assert not torch.equal(other["z"].float(), pairs.z)
    caption = words.decode(pairs.captions[0, 0], skip_special_tokens=True)
    assert any(shape in caption for shape in ("disc", "square", "triangle", "star", "ring", "cross"))


def test_shards_are_written_until_time_is_up_and_never_twice(tmp_path, words, coder, monkeypatch):
    monkeypatch.setattr(data, "shard", lambda number, *_: {k: torch.full((2, 1), float(number)) for k in KEYS})
    for there in (1, 2):
        assert not data.make(tmp_path, coder, words, deadline=-math.inf, shards=4)
        assert len(list(tmp_path.iterdir())) == there
    assert data.make(tmp_path, coder, words, deadline=math.inf, shards=4)
    assert data.read(tmp_path).z[:, 0].tolist() == [0, 0, 1, 1, 2, 2, 3, 3]


KEYS = ("z", "captions", "instructions")


def test_a_shorter_plan_reads_only_its_shards(tmp_path, words, coder, monkeypatch):
    monkeypatch.setattr(data, "shard", lambda number, *_: {k: torch.full((2, 1), float(number)) for k in KEYS})
    data.make(tmp_path, coder, words, deadline=math.inf, shards=3)
    assert data.read(tmp_path, 2).z[:, 0].tolist() == [0, 0, 1, 1]


def test_the_last_of_clips_words_survives_a_shard_and_older_shards_are_read(tmp_path, words, coder, monkeypatch):
    last = 49407
    monkeypatch.setattr(data, "ids", lambda tokenizer, texts: torch.full((len(texts), 77), last))
    made = data.shard(0, coder, words, size=1)
    assert made["captions"].eq(last).all() and made["instructions"].eq(last).all()
    older = {name: value.short() if name != "z" else value for name, value in made.items()}
    weights.write(tmp_path / "000.safetensors", {**older, "captions": torch.full_like(older["captions"], 7)})
    weights.write(tmp_path / "001.safetensors", made)
    captions = data.read(tmp_path).captions
    assert captions[0].eq(7).all() and captions[1].eq(last).all() and captions.dtype == torch.long


def test_on_drawn_pairs_alone_the_text_encoder_stands_still_and_cells_count_alike(words, pairs, monkeypatch):
    monkeypatch.setattr(instruct_pix2pix, "errors", lambda net, z, *_: torch.arange(z.numel()).view(z.shape).float())
    for shards, learns in ((1, True), (0, False)):
        plan = instruct_pix2pix.Plan(shards=shards, size=8)
        made = instruct_pix2pix.recipe(networks(words, 0, WIDTHS), pairs, 0.5, words, plan)
        assert all(p.requires_grad is learns for p in made.net["text_encoder"].parameters())
        assert all(p.requires_grad for p in made.net["unet"].parameters())
        plain = torch.arange(8 * 4 * 16 * 16).float().mean()
        assert (float(made.loss(0)) == float(plain)) is not learns


def test_the_picture_enters_unscaled_and_is_dropped_by_the_law(words, pairs, monkeypatch):
    """Seen at the border to the loss: c_I = z / scale or zero, the target scaled, text null or the instruction."""
    said, net = [], networks(words, 0, WIDTHS)
    monkeypatch.setattr(instruct_pix2pix, "BATCH", 400)
    monkeypatch.setattr(instruct_pix2pix, "errors", lambda *given: said.append(given[1:3] + given[4:5]) or given[1])
    instruct_pix2pix.recipe(net, pairs, 0.5, words).loss(0)
    z, ids, c_I = said[0]
    unseen = (c_I == 0).all((1, 2, 3))
    null = (ids == tokens.ids(words, [""])).all(1)
    assert 0.04 < unseen.float().mean() < 0.17 and 0.04 < null.float().mean() < 0.17
    assert 0.01 < (unseen & null).float().mean() < 0.1
    sources = pairs.z[:, 0] * 2
    assert all(any(torch.equal(c, source) for source in sources) for c in c_I[~unseen])
    targets = pairs.z[:, 1:].flatten(0, 1)
    assert all(any(torch.equal(t, target) for target in targets) for t in z[:20])


def test_cells_that_change_count_more_and_items_count_alike():
    source = torch.zeros(2, 4, 16, 16)
    target = source.clone()
    target[0, :, :4, :4] = 1
    weight = instruct_pix2pix.weights(source, target)
    torch.testing.assert_close(weight.mean((1, 2, 3)), torch.ones(2))
    assert float(weight[0, 0, 0, 0] / weight[0, 0, 9, 9]) == pytest.approx(5)
    assert (weight[1] == 1).all()


def test_captions_are_dropped_one_time_in_ten(words, pairs, monkeypatch):
    said = []
    monkeypatch.setattr(base, "BATCH", 2000)
    monkeypatch.setattr(base, "networks", lambda tokenizer, seed: networks(tokenizer, seed, WIDTHS))
    monkeypatch.setattr(base, "errors", lambda net, z, ids, rng: said.append(ids) or z)
    base.recipe(pairs, words).loss(0)
    null = (said[0] == tokens.ids(words, [""])).all(1)
    assert float(null.float().mean()) == pytest.approx(0.1, abs=0.025)


def test_training_the_networks_continues_exactly(tmp_path, words, pairs):
    def recipe():
        net = networks(words, 4, WIDTHS)
        return Recipe(
            "small", net, lambda step: errors(net, pairs.z[:, 0], pairs.captions[:, 0], generator(6, step)).mean(), 4
        )

    whole = Trainer(recipe(), tmp_path / "whole")
    whole.run(math.inf)
    ticks = iter(range(100))
    Trainer(recipe(), tmp_path / "parts").run(4, lambda: next(ticks))
    rest = Trainer(recipe(), tmp_path / "parts")
    assert 0 < rest.step < 4
    rest.run(math.inf)
    assert all(torch.equal(p, rest.weights[name]) for name, p in whole.weights.items())
    assert all(torch.equal(p, rest.average[name]) for name, p in whole.average.items())


def packed(folder, shelf_home):
    """The two entries of a pack, laid out as folders."""
    entries = weights.read_register(folder / "register.json")
    return {entry.role: weights.laid_out(entry, shelf_home / entry.name) for entry in entries}


def test_what_is_exported_loads_as_any_stable_diffusion(tmp_path, words, coder):
    tokens.write(tmp_path / "tokenizer")
    net = networks(words, 0, WIDTHS)
    other = torch.nn.ModuleDict(
        {"unet": widened(net["unet"]), "text_encoder": networks(words, 1, WIDTHS)["text_encoder"]}
    )
    export.pack(tmp_path / "pack", coder, {"base": net, "instruct_pix2pix": other}, tmp_path / "tokenizer")
    entries = packed(tmp_path / "pack", tmp_path / "laid_out")
    one, two = entries["text-to-image"], entries["instruct-pix2pix"]
    assert one.part("vae") == two.part("vae") and one.part("unet") != two.part("unet")
    assert one.part("text_encoder") != two.part("text_encoder")
    loaded = model.load(two.folder, "cpu", torch.float32)
    assert (loaded.side, loaded.factor, loaded.channels, loaded.prediction) == (64, 4, 8, "v_prediction")
    assert loaded.vae.config.scaling_factor == vae.SCALE
    rgb = draw(seeded(1)).rgb
    torch.testing.assert_close(latents.encode(loaded, rgb), data.encoded(coder, [rgb]), atol=0.02, rtol=0.02)
    states = text.encode(loaded, ["a red disc", ""])
    with torch.no_grad():
        ours = other["text_encoder"](tokens.ids(words, ["a red disc", ""])).last_hidden_state
    torch.testing.assert_close(states, ours, atol=0.02, rtol=0.02)


def test_fine_tuning_leaves_the_base_alone(words, pairs):
    net = networks(words, 0, WIDTHS)
    recipe = instruct_pix2pix.recipe(net, pairs, 0.5, words)
    ours = {id(p) for p in net.parameters()}
    assert not ours & {id(p) for p in recipe.net.parameters()}
