"""any2pix: what its networks are told in each of its passes, held against plain algebra and against each other."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from sessions.values import Picture
from tests import tiny, tiny_encoders
from tests.tools.darkroom.tones import noise
from tests.tools.test_any2pix import HISS, TONE, edited
from tools import adding, meanings, shelf
from tools.base import EditContext, drain
from tools.diffusion import kept
from tools.edits import any2pix as module
from tools.edits.any2pix import Args, any2pix
from tools.nets import ip_adapter

SHOWN = Picture(noise(40, 40, seed=7)), Picture(noise(40, 40, seed=8))


@pytest.fixture(scope="module")
def there(tmp_path_factory):
    """A shelf with an encoder, weights of SDXL's kind and a refiner."""
    home = tmp_path_factory.mktemp("passes")
    made = shelf.Shelf(home)
    eyes = adding.add(made, tiny_encoders.imagebind(home / "eyes"), "encoder")
    adding.add(made, tiny.any2pix(home / "weights", tiny.sdxl, encoder=eyes.digest), "any2pix")
    adding.add(made, tiny.sdxl_refiner(home / "refiner"), "sdxl-refiner")
    return made


@pytest.fixture
def taught(there, monkeypatch):
    """Lets the adapter be one that was taught both views together, or one at a time as the released one."""

    def teach(together: bool) -> None:
        monkeypatch.setattr(ip_adapter.AdapterConfig, "together", property(lambda _: together, lambda *_: None))

    return teach


def begun(there, args, seed=3, **context) -> module.Run:
    return module.begun(EditContext(Picture(noise(64, 64, seed=seed)), shelf=there, **context), args)


def unit(e: np.ndarray) -> np.ndarray:
    return e / np.linalg.norm(e)


def test_the_whole_is_told_the_mix_and_the_others_each_at_norm_r(there, monkeypatch):
    args = Args(steps=2, norm=7.0, base_weight=0.5, meant_weight=0.4, refined_weight=1.0)
    run, told = begun(there, args, subjects=SHOWN[:1], sounds=(TONE,)), []
    monkeypatch.setattr(module.Run, "guided", lambda self, *said: told.append(said) or (lambda x, sigma: x))
    drain(module.drawn(run, run.noise(9)))
    eyes = there.encoder()
    base, one = eyes.pictures([noise(64, 64, seed=3), noise(40, 40, seed=7)])
    heard = eyes.sounds([TONE])[0]
    gen = unit(base + one + heard)
    y = run.prior.refined(torch.from_numpy(gen)[None])[0].numpy()
    assert not np.allclose(unit(y), gen, atol=0.1)
    [(whole, things)] = told
    assert np.allclose(whole, 7 * unit(0.5 * base + 0.4 * gen + unit(y)), atol=1e-4)
    like = run.prior.refined(torch.from_numpy(heard)[None])[0].numpy()
    assert not np.allclose(like, heard, atol=0.1)
    assert np.allclose(things, 7 * np.stack([one, like]), atol=1e-4)
    assert np.allclose(module.replace(run, prior=None).things, 7 * np.stack([one, heard]), atol=1e-4)


def test_without_a_prior_what_is_meant_stands_for_itself(there, monkeypatch):
    run, told = begun(there, Args(steps=2, meant_weight=0.0), sounds=(TONE,)), []
    monkeypatch.setattr(module.Run, "guided", lambda self, *said: told.append(said) or (lambda x, sigma: x))
    drain(module.drawn(module.replace(run, prior=None), run.noise(9)))
    assert torch.allclose(told[0][0], run.norm * run.meaning.gen, atol=1e-4)
    assert run.norm == run.adapter.config.norm == 20


def test_the_others_are_told_in_one_pass_where_the_adapter_was_taught_so_and_not_else(there, taught):
    eyes, pixels = there.encoder(), noise(64, 64)
    args = Args(steps=2, meant=meanings.written(np.eye(eyes.width)[3], eyes.digest))
    for together in (True, False):
        taught(together)
        one, other = (edited(there, pixels, args, seed=1, subjects=(shown,)).latent for shown in SHOWN)
        assert torch.equal(one, other) is not together


def test_unguided_by_anything_the_network_is_told_zeros_and_the_negative(there, monkeypatch):
    """At guidance 0 only what is kept away from is asked."""
    pixels, args = noise(64, 64), Args(steps=2, guidance=0.0, prompt="a cat")
    one, other = (edited(there, pixels, args, seed=1, sounds=(heard,)).latent for heard in (TONE, HISS))
    worded, negative = (
        edited(there, pixels, args.model_copy(update=said), seed=1, sounds=(TONE,)).latent
        for said in ({"prompt": "a dog"}, {"negative": "a dog"})
    )
    assert torch.equal(one, other) and torch.equal(one, worded) and not torch.equal(one, negative)
    monkeypatch.setattr(ip_adapter.IpAdapter, "prompting", lambda *_: None)
    monkeypatch.setattr(ip_adapter.IpAdapter, "told", lambda *_: None)
    assert not torch.allclose(one, edited(there, pixels, args, seed=1, sounds=(TONE,)).latent, atol=1e-5)


def test_at_scale_zero_the_text_alone_has_a_say(there):
    pixels = noise(64, 64)
    for scale, same in ((0.0, True), (0.5, False)):
        args = Args(steps=2, scale=scale)
        one, other = (edited(there, pixels, args, seed=1, sounds=(heard,)).latent for heard in (TONE, HISS))
        assert torch.equal(one, other) is same


# The picture's own noise


def test_the_inversion_knows_the_empty_text_alone_and_no_adapter(there, monkeypatch):
    run, asked = begun(there, Args(steps=2, prompt="a cat", negative="a dog"), seed=11, sounds=(TONE,)), []
    conditions = kept.conditions
    monkeypatch.setattr(kept, "conditions", lambda *said: asked.append(said[2]) or conditions(*said))
    for gone in ("prompting", "told"):
        monkeypatch.setattr(ip_adapter.IpAdapter, gone, None)
    z = drain(module.noise_of(run))
    assert asked == [("",)] and z.shape == run.picture.z0.shape and not torch.allclose(z, run.picture.z0, atol=0.01)


def test_a_kept_inversion_is_of_the_same_picture_and_steps(there, tmp_path):
    run = begun(there, Args(steps=2), seed=12)
    z = drain(module.noise_of(run))
    assert torch.equal(z, drain(module.noise_of(begun(there, Args(steps=2, alpha=0.1, prompt="a cat"), seed=12))))
    for other in (begun(there, Args(steps=3), seed=12), begun(there, Args(steps=2), seed=13)):
        assert not torch.equal(z, drain(module.noise_of(other)))


# What is drawn again


@pytest.mark.parametrize(("strength", "left"), [(0.2, 1), (0.65, 3), (1.0, 5)])
def test_outside_its_place_a_subject_sees_the_result_under_its_own_noise_at_every_level(
    there, strength, left, monkeypatch
):
    run, seen = begun(there, Args(steps=5, subject_strength=strength, subject="it"), subjects=SHOWN[:1]), []

    def D(x, sigma):
        seen.append((x, float(sigma)))
        return torch.full_like(x, 5.0)

    monkeypatch.setattr(module.Run, "guided", lambda *_: D)
    z, place = run.noise(8), torch.zeros(8, 8)
    place[2:5, 3:6] = 1
    made = drain(module.subject_again(run, z, place, 0))
    outside, noised = place == 0, run.noise(2)
    assert [sigma for _, sigma in seen] == pytest.approx([float(sigma) for sigma in run.sigmas()[-1 - left : -1]])
    for x, sigma in seen:
        assert torch.allclose(x[..., outside], (z + sigma * noised)[..., outside], rtol=1e-4, atol=1e-4)
    assert torch.equal(made[..., outside], z[..., outside]) and not torch.allclose(made, z, atol=1.0)


def test_a_place_is_a_little_wider_than_its_subject_and_soft(there):
    z = begun(there, Args(steps=2)).picture.z0.repeat(1, 1, 4, 4)
    place = drain(module.place_of("the left half", Picture(noise(256, 256)), z))
    row = place[16]
    assert place.shape == (32, 32) and row.max() == 1 and 0.5 < row[16] < 1 and row[20] == 0
    assert bool((row.diff() <= 0).all())


def test_the_refiner_is_told_a_lower_score_with_what_to_keep_away_from(there, monkeypatch):
    asked, conditions = [], kept.conditions

    def told(cache, model, texts, frame):
        asked.append((texts, frame.score))
        return conditions(cache, model, texts, frame)

    monkeypatch.setattr(kept, "conditions", told)
    args = Args(steps=2, prompt="a cat", negative="a dog", refinement=0.5)
    run = begun(there, args)
    drain(module.polished(run, run.picture.z0))
    assert asked == [(("a cat",), 6.0), (("a dog",), 2.5)]


def test_it_hears():
    assert any2pix.hears and any2pix.subjects == (0, 8)


def test_what_is_shown_is_looked_at_and_heard_once(there, monkeypatch):
    shown = {"subjects": SHOWN[:1], "sounds": (TONE,)}
    first = begun(there, Args(steps=2), seed=12, **shown).meaning
    monkeypatch.setattr(type(there.encoder()), "pictures", None)
    monkeypatch.setattr(type(there.encoder()), "sounds", None)
    again = begun(there, Args(steps=3), seed=12, **shown).meaning
    assert torch.equal(first.gen, again.gen) and torch.equal(first.things, again.things)
    with pytest.raises(TypeError):
        begun(there, Args(steps=2), seed=12, sounds=(replace(TONE, rate=TONE.rate // 2),))
