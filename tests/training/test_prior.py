"""The prior's recipe: its pairs and what is done to them, its loss, continuing, and what it learns in seconds."""

import math
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from torch.nn import functional as F

from sessions.errors import BadWeights, NotFound
from tests import tiny_encoders
from tests.training import photographs
from tools import adding
from tools.encoders.imagebind import load as imagebind
from tools.nets.prior import AUDIO, IMAGE, SCORE, TEXT, Prior, PriorConfig, load
from tools.shelf import Shelf
from tools.sounds import Sound, read
from toybox.drawing import draw
from toybox.scenes import seeded
from toybox.sounds import NAMES, RATE, sound
from training import packs, prior
from training.encoder import TAKES
from training.encoder_scenes import scene_for, true_of
from training.loop import Trainer, generator
from training.photos import Captioned, Given
from training.prior import Pairs, Plan, batch, degraded, errors, pairs, photographed, recipe, seen

UNSEEN = 1_000_000
"""The number from which on no pair is learnt."""


@pytest.fixture(scope="module")
def eyes():
    return packs.reader()


@pytest.fixture(scope="module")
def learnt(eyes):
    return seen(eyes, range(400), range(TAKES))


@pytest.fixture(scope="module")
def unseen(eyes):
    return seen(eyes, range(UNSEEN, UNSEEN + 80), range(TAKES, TAKES + 5))


def made_up(count=40, space=6):
    """Pairs whose modalities lie apart, without an encoder."""
    rng = torch.Generator().manual_seed(2)
    image, audio, text, worse = (
        F.normalize(torch.randn(count, space, generator=rng) + torch.randn(space, generator=rng), dim=1)
        for _ in range(4)
    )
    return Pairs(image, audio, text, worse, 2 + 4.5 * torch.rand(count, generator=rng))


def tiny(seed=0, space=6):
    torch.manual_seed(seed)
    return Prior(PriorConfig(space=space, width=32, blocks=1, waves=8))


# Pairs


def test_a_picture_gets_worse_by_the_strength():
    rgb = draw(seeded(0)).rgb
    for seed in range(6):
        off = [
            np.abs(degraded(np.random.default_rng(seed), rgb, strength).astype(float) - rgb).mean()
            for strength in (0.0, 0.3, 0.6, 1.0)
        ]
        assert off[0] == 0 and off == sorted(off) and off[1] > 1
        worse = degraded(np.random.default_rng(seed), rgb, 1.0)
        assert worse.dtype == np.uint8 and worse.shape == rgb.shape


def test_pairs_come_again_from_their_numbers(eyes, learnt):
    again = seen(eyes, range(5, 8), range(TAKES))
    for name, rows in vars(learnt).items():
        torch.testing.assert_close(getattr(again, name), rows[5:8], atol=1e-5, rtol=0)
    for name in ("image", "audio", "text", "worse"):
        torch.testing.assert_close(getattr(learnt, name).norm(dim=1), torch.ones(400))
    assert 2 <= float(learnt.score.min()) < 2.5 and 6 < float(learnt.score.max()) <= SCORE
    near = (learnt.image * learnt.worse).sum(1)
    assert float(np.corrcoef(near, learnt.score)[0, 1]) > 0.5, "the less a picture counts, the further off it is"


def test_pairs_are_made_once_and_for_one_encoder(eyes, tmp_path):
    first = pairs(tmp_path, eyes, 3)
    blind = SimpleNamespace(digest=eyes.digest)
    again = pairs(tmp_path, blind, 3)
    assert all(torch.equal(getattr(again, name), rows) for name, rows in vars(first).items())
    with pytest.raises(BadWeights, match="begun with pairs 3, not 4"):
        pairs(tmp_path, eyes, 4)
    with pytest.raises(BadWeights, match="begun with encoder"):
        pairs(tmp_path, SimpleNamespace(digest="another"), 3)


# Batches


def test_a_batch_is_a_function_of_its_step():
    some = made_up()
    first, again, other = (batch(some, generator(7, step)) for step in (3, 3, 4))
    assert all(torch.equal(value, getattr(again, name)) for name, value in vars(first).items())
    assert not any(torch.equal(value, getattr(other, name)) for name, value in vars(first).items())


def test_what_is_asked_for_is_the_clean_picture_or_the_worse_one_by_its_score():
    some = made_up()
    b = batch(some, generator(0), 8000)
    clean = (b.target[:, None] == some.image).all(2)
    worse = (b.target[:, None] == some.worse).all(2)
    assert torch.equal(clean.any(1), b.score == SCORE) and torch.equal(worse.any(1), b.score < SCORE)
    asked = worse.any(1)
    assert torch.equal(b.score[asked], some.score[worse[asked].float().argmax(1)])
    shares = {"worse": asked, "known": ~b.known, "scored": ~b.scored, "both": ~b.known & ~b.scored}
    expected = {"worse": 0.25, "known": 0.1, "scored": 0.1, "both": 0.01}
    for name, share in expected.items():
        assert float(shares[name].float().mean()) == pytest.approx(share, abs=0.015), name
    for kind in (IMAGE, AUDIO, TEXT):
        assert float((b.source == kind).float().mean()) == pytest.approx(1 / 3, abs=0.02)
    torch.testing.assert_close(b.e.norm(dim=1), torch.ones(8000))


def rows_of(b, some):
    """Which pair each row of a batch is of: its target says it."""
    found = torch.stack([(b.target[:, None] == view).all(2) for view in (some.image, some.worse)]).any(0)
    return found.float().argmax(1)


def shift(e, view, gap):
    """(what is left of e over a · view + b · gap, b / a; None where there is no gap)."""
    basis = torch.stack([view, gap], dim=1)[:, : 2 if gap.any() else 1]
    a = torch.linalg.lstsq(basis, e).solution
    return float((basis @ a - e).norm()), float(a[1] / a[0]) if len(a) == 2 else None


@pytest.mark.parametrize("swapped", [0.0, 1.0])
def test_all_are_shifted_by_one_share_of_the_gap_between_two_modalities(monkeypatch, swapped):
    """From the modality that they are of, whatever is said of them."""
    monkeypatch.setattr(prior, "NOISE", 0.0)
    monkeypatch.setattr(prior, "SWAPPED", swapped)
    some, towards, shares, others = made_up(), set(), [], 0
    means = torch.stack([some.image, some.audio, some.text]).double().mean(1)
    views = torch.stack([some.image, some.audio, some.text, some.worse]).double()
    for step in range(8):
        b, fits = batch(some, generator(1, step), 48), []
        for modality in (IMAGE, AUDIO, TEXT):
            found = []
            for e, place in zip(b.e.double(), rows_of(b, some), strict=True):
                tried = [
                    (*shift(e, view[place], means[modality] - means[k % 3]), k % 3) for k, view in enumerate(views)
                ]
                found.append(min(tried, key=lambda one: one[0]))
            if max(miss for miss, _, _ in found) < 1e-5:
                fits.append((modality, found))
        [(modality, found)] = fits  # one modality explains the whole batch
        of_it = [share for _, share, _ in found if share is not None]
        assert np.ptp(of_it) < 1e-4 and 0 <= of_it[0] <= 1
        others += sum(kind != said for (_, _, kind), said in zip(found, b.source.tolist(), strict=True))
        towards.add(modality)
        shares.append(of_it[0])
    assert towards == {IMAGE, AUDIO, TEXT} and np.ptp(shares) > 0.5
    assert others / (8 * 48) == pytest.approx(swapped * 2 / 3, abs=0.1)


def test_noise_is_of_any_norm_up_to_a_half_and_some_are_of_another_modality(monkeypatch):
    some = made_up(count=30, space=200)
    some = Pairs(*(F.normalize(rows - rows.mean(0), dim=1) for rows in list(vars(some).values())[:4]), some.score)
    views = torch.stack([some.image, some.audio, some.text, some.worse])
    b = batch(some, generator(2), 4000)
    near = torch.einsum("bd,mbd->bm", b.e, views[:, rows_of(b, some)])
    given = near.argmax(1)
    assert torch.equal(given.bincount(minlength=4) > 0, torch.ones(4, dtype=torch.bool))
    swapped = torch.where(given == 3, IMAGE, given) != b.source
    assert float(swapped.float().mean()) == pytest.approx(0.1 * 2 / 3, abs=0.015)
    noise = (1 / near.amax(1).square() - 1).sqrt()  # of norm 1 and at right angles to it, nearly
    assert 0.47 < float(noise.max()) < 0.65 and float(noise.min()) < 0.05
    assert float(noise.mean()) == pytest.approx(0.25, abs=0.05)
    given_pictures = given[b.source == IMAGE]
    assert float((given_pictures == 3).float().mean()) == pytest.approx(0.5 * (1 - 0.1 * 2 / 3), abs=0.04)


# Learning


def test_the_loss_is_the_angles_and_a_tenth_of_the_mean_square():
    y, target = [[1.0, 0.0], [0.6, 0.8]], [[0.0, 1.0], [0.6, 0.8]]
    found = errors(torch.tensor(y), torch.tensor(target)).tolist()
    assert found == pytest.approx([1 + 0.1 * (1 + 1) / 2, 0.0], abs=1e-6)


def test_training_continues_exactly(tmp_path):
    some = made_up()
    whole = Trainer(recipe(tiny(), some, steps=8), tmp_path / "whole")
    whole.run(math.inf)
    ticks = iter(range(100))
    Trainer(recipe(tiny(), some, steps=8), tmp_path / "parts").run(4, lambda: next(ticks))
    rest = Trainer(recipe(tiny(9), some, steps=8), tmp_path / "parts")
    assert 0 < rest.step < 8
    rest.run(math.inf)
    assert all(torch.equal(p, rest.weights[name]) for name, p in whole.weights.items())
    assert all(torch.equal(p, rest.average[name]) for name, p in whole.average.items())


def test_every_part_learns_what_nothing_looks_like_too():
    net = tiny()
    recipe(net, made_up()).loss(0).backward()
    torch.nn.init.normal_(net.leave.weight)  # it is 0 at first, and lets nothing through
    net.zero_grad()
    recipe(net, made_up()).loss(0).backward()
    assert all(p.grad is not None and p.grad.any() for p in net.parameters())


@pytest.fixture(scope="module")
def trained(eyes, learnt, tmp_path_factory):
    torch.manual_seed(0)
    net = Prior(PriorConfig(space=eyes.width, width=192, blocks=2))
    trainer = Trainer(recipe(net, learnt, steps=250), tmp_path_factory.mktemp("prior"))
    trainer.run(math.inf)
    trainer.settle()
    return net.eval().requires_grad_(False)


@pytest.fixture(scope="module")
def heard(eyes):
    """(sounds that nothing has learnt, what each stands for, the mean of pictures of that: (n, D) of norm 1)."""
    rng = np.random.default_rng(5)
    scenes = [scene_for(rng, name) for name in NAMES for _ in range(12)]
    pictures = torch.from_numpy(eyes.pictures([draw(scene).rgb for scene in scenes]))
    fits = torch.tensor([[true_of(name, scene) for scene in scenes] for name in NAMES])
    classes = F.normalize(fits.float() @ pictures / fits.sum(1, keepdim=True), dim=1)
    played = [Sound(sound(name, take), RATE) for name in NAMES for take in range(TAKES, TAKES + 3)]
    return torch.from_numpy(eyes.sounds(played)), torch.arange(len(NAMES)).repeat_interleave(3), classes


def test_in_seconds_unseen_sounds_come_to_lie_where_pictures_of_them_do(trained, heard):
    """Measured here: 0.21 → 0.87; the mean of all pictures, which knows nothing of the sound, has 0.78. Where pictures
    lie closer together there is less to gain: of what the mean lacks, a third at least is found."""
    sounds, meant, classes = heard
    refined = trained.refined(sounds, source=AUDIO)
    anything = F.normalize(classes.mean(0), dim=0)
    before, after, blind = ((rows * classes[meant]).sum(1).mean() for rows in (sounds, refined, anything))
    assert float(after) > float(before) + 0.5 and 1 - float(after) < (1 - float(blind)) * 2 / 3
    named = (refined @ (classes - classes.mean(0)).T).argmax(1)
    assert float((named == meant).float().mean()) > 0.7


def test_in_seconds_captions_and_bad_pictures_come_nearer_to_the_picture(trained, unseen):
    for rows, source, gained in ((unseen.text, TEXT, 0.02), (unseen.worse, IMAGE, 0.0)):
        before, after = ((e * unseen.image).sum(1).mean() for e in (rows, trained.refined(rows, source=source)))
        assert float(after) > float(before) + gained


def test_a_low_score_asks_for_a_bad_picture(trained, unseen):
    bad = unseen.score < 4
    low, high = (trained.refined(unseen.text, score, TEXT) for score in (2.5, SCORE))
    assert float(((low - high) * (unseen.worse - unseen.image)).sum(1)[bad].mean()) > 0.02
    assert float(((high - low) * unseen.image).sum(1).mean()) > 0.02


def test_the_command_leaves_a_folder_that_is_read(eyes, tmp_path, monkeypatch):
    monkeypatch.setattr(prior, "logged", lambda folder: folder.mkdir())
    monkeypatch.setattr(
        "sys.argv", ["prior", "--budget", "1", "--out", str(tmp_path / "out"), "--pairs", "8", "--steps", "2"]
    )
    prior.main()
    assert {path.name for path in (tmp_path / "out/prior").iterdir()} == {"config.json", "model.safetensors"}
    net = load(tmp_path / "out/prior")
    assert net.config == PriorConfig(space=eyes.width, width=prior.WIDTH, encoder=eyes.digest)
    assert net.refined(torch.ones(2, eyes.width)).shape == (2, eyes.width)


# Photos


@pytest.fixture(scope="module")
def small(tmp_path_factory):
    return imagebind(tiny_encoders.imagebind(tmp_path_factory.mktemp("small")), "cpu", torch.float32, "small")


def test_photos_are_pairs_with_their_words_and_sounds(small, tmp_path):
    folder = photographs.folder(tmp_path, sounds=(1, 3))
    some = Captioned.at(folder, 56)
    found = photographed(small, some, range(6))
    close = {"atol": 1e-5, "rtol": 0}
    shown = torch.from_numpy(small.pictures([some[n].rgb for n in range(6)]))
    torch.testing.assert_close(found.image, shown, **close)
    torch.testing.assert_close(found.text, torch.from_numpy(small.texts([some[n].text for n in range(6)])), **close)
    assert found.audio.any(1).tolist() == [False, True, False, True, False, True]
    told = torch.from_numpy(small.sounds([read((folder / "3.wav").read_bytes())]))
    torch.testing.assert_close(found.audio[3:4], told, **close)
    assert (found.worse != found.image).any(1).all() and 2 <= float(found.score.min()) < float(found.score.max()) <= 6.5
    (folder / "1.wav").unlink()
    with pytest.raises(NotFound, match=r"There is no sound .*1\.wav"):
        photographed(small, some, range(2))


@pytest.mark.parametrize("sounds", [0, 10])
def test_where_there_is_no_sound_none_is_said_to_be_heard(sounds, monkeypatch):
    """Words stand for it, and the mean of sounds is that of those there are."""
    monkeypatch.setattr(prior, "NOISE", 0.0)
    some = made_up()
    some.audio[sounds:] = 0
    b = batch(some, generator(3), 4000)
    mute = ~some.audio.any(1)[rows_of(b, some)]
    assert not (b.source[mute] == AUDIO).any() and bool((b.source == AUDIO).any()) == bool(sounds)
    share = float((b.source[mute] == TEXT).float().mean())
    assert share == pytest.approx(2 / 3, abs=0.03) and bool(b.e.isfinite().all())
    torch.testing.assert_close(b.e.norm(dim=1), torch.ones(4000))
    monkeypatch.setattr(prior, "SWAPPED", 0.0)
    means = {IMAGE: some.image.mean(0), TEXT: some.text.mean(0)}
    means[AUDIO] = some.audio[:sounds].mean(0) if sounds else means[TEXT]
    for seed in range(12):  # what is given is its own embedding and a share of a gap to a mean that there is
        b = batch(some, generator(seed), 20)
        for e, row, source in zip(b.e, rows_of(b, some), b.source.tolist(), strict=True):
            views = {AUDIO: (some.audio[row],), TEXT: (some.text[row],), IMAGE: (some.image[row], some.worse[row])}
            gaps = [means[kind] - means[source] for kind in means]
            assert min(shift(e, view, gap)[0] for view in views[source] for gap in gaps) < 1e-4


def test_a_prior_of_photos_is_for_the_encoder_that_is_named(tmp_path, monkeypatch):
    monkeypatch.setenv("PENTIMENTO_HOME", str(tmp_path / "home"))
    shelf = Shelf(tmp_path / "home")
    entry = adding.add(shelf, tiny_encoders.imagebind(tmp_path / "mine"), "encoder")
    folder = photographs.folder(tmp_path / "photos")
    prior.train(tmp_path / "out", 0.0, Plan(3, 1), asked=Given(folder, 4, 1e-3, entry.name))
    assert load(tmp_path / "out/prior", torch.device("cpu"), torch.float32).config.encoder == entry.digest
    with pytest.raises(NotFound, match="no encoder called other"):
        prior.train(tmp_path / "out", 0.0, Plan(3, 1), asked=Given(folder, 4, 1e-3, "other"))
    with pytest.raises(BadWeights, match="was begun with photos"):
        prior.pairs(tmp_path / "out", SimpleNamespace(digest=entry.digest), 3)
