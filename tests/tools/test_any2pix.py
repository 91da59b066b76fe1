"""any2pix: its formulas against plain ones, and the tool on tiny weights of both sizes."""

import numpy as np
import pytest
import torch

from sessions.errors import BadArguments, BadWeights, MissingWeights
from sessions.values import Picture
from tests import tiny, tiny_encoders
from tests.tools.darkroom.tones import noise
from tools import adding, meanings, shelf
from tools.base import EditContext, drain
from tools.diffusion.denoiser import Network
from tools.edits import any2pix as module
from tools.edits.any2pix import Args, any2pix, blended
from tools.meanings import Meaning, mixed
from tools.nets import ip_adapter
from tools.sounds import Sound

FEW = Args(steps=3)
TONE = Sound(np.sin(np.arange(32_000, dtype=np.float32) * 0.2), 16_000)
HISS = Sound(np.random.default_rng(3).uniform(-0.5, 0.5, 32_000).astype(np.float32), 16_000)


@pytest.fixture(scope="module", params=[tiny.stable_diffusion, tiny.sdxl], ids=["sd", "sdxl"])
def there(request, tmp_path_factory):
    """A shelf with an encoder and weights of one size."""
    home = tmp_path_factory.mktemp("any2pix")
    made = shelf.Shelf(home)
    eyes = adding.add(made, tiny_encoders.imagebind(home / "eyes"), "encoder")
    adding.add(made, tiny.any2pix(home / "weights", request.param, encoder=eyes.digest), "any2pix")
    return made


def edited(there, pixels, args=FEW, **context):
    return drain(any2pix.run(EditContext(Picture(pixels.copy()), shelf=there, **context), args))


# The formulas (InstructAny2Pix, steps 12 and 14 of its inference)


def unit(*numbers: float) -> torch.Tensor:
    e = torch.tensor(numbers, dtype=torch.float64)
    return e / e.norm()


def test_alpha_keeps_the_norm_and_turns_from_fresh_noise_to_the_pictures():
    rng = torch.Generator().manual_seed(0)
    z, fresh = (torch.randn(1, 4, 128, 128, generator=rng, dtype=torch.float64) for _ in range(2))
    fresh = fresh - (fresh * z).sum() / (z * z).sum() * z
    for alpha, cosine in ((0.0, 0.0), (0.3, 0.394), (0.5, 0.707), (0.7, 0.919), (1.0, 1.0)):
        made = blended(z, fresh, alpha)
        assert float(made.norm()) == pytest.approx(alpha * float(z.norm()) + (1 - alpha) * float(fresh.norm()))
        assert float((made * z).sum() / made.norm() / z.norm()) == pytest.approx(cosine, abs=0.003)
    assert torch.allclose(blended(z, fresh, 1.0), z) and torch.allclose(blended(z, fresh, 0.0), fresh)


def test_the_parts_are_weighed_at_one_norm():
    base, gen, y = unit(3, 1, 0), unit(0, 2, 1), torch.tensor([5.0, 0.0, 12.0], dtype=torch.float64)
    whole = (
        20 * np.array([3, 1, 0]) / 10**0.5 * 0.5
        + 20 * np.array([0, 2, 1]) / 5**0.5 * 0.4
        + 20 * np.array([5, 0, 12]) / 13
    )
    whole = 20 * whole / np.sqrt((whole**2).sum())
    assert np.allclose(mixed(Meaning(base, gen, None), y, (0.5, 0.4, 1.0), 20.0), whole, atol=1e-12)
    assert torch.allclose(mixed(Meaning(base, gen, None), y, (1.0, 0.0, 0.0), 20.0), 20 * base)
    with pytest.raises(BadArguments, match="cancels"):
        mixed(Meaning(base, -base, None), y, (0.5, 0.5, 0.0), 20.0)


def test_what_is_meant_comes_back_as_it_was_written(there):
    eyes = there.encoder()
    e = torch.nn.functional.normalize(torch.randn(eyes.width), dim=0)
    assert np.allclose(meanings.read(meanings.written(e, eyes.digest), eyes), e, atol=1e-3)
    for wrong in (
        "",
        "nothing",
        meanings.written(e, "f" * 64),
        meanings.written(e[:5], eyes.digest),
        f"{eyes.digest[:16]}:%%",
    ):
        with pytest.raises(BadArguments):
            meanings.read(wrong, eyes)


# The tool


def test_the_same_again_is_the_same_and_another_seed_another(there):
    pixels = noise(64, 64)
    one, again, other = (edited(there, pixels, seed=seed, sounds=(TONE,)).latent for seed in (1, 1, 2))
    assert torch.equal(one, again) and not torch.equal(one, other)


def test_another_sound_or_picture_is_another_result(there):
    pixels, shown = noise(64, 64), Picture(noise(40, 40, seed=7))
    found = [
        edited(there, pixels, seed=1, **others).latent
        for others in ({"sounds": (TONE,)}, {"sounds": (HISS,)}, {"subjects": (shown,)}, {"subjects": (shown, shown)})
    ]
    assert not any(torch.equal(one, other) for i, one in enumerate(found) for other in found[i + 1 :])


def test_what_was_meant_is_kept_and_done_again_without_a_planner(there):
    pixels = noise(64, 64)
    first = edited(there, pixels, seed=1, sounds=(TONE,))
    again = edited(there, pixels, Args(steps=3, meant=first.args["meant"]), seed=1, sounds=(TONE,))
    assert torch.allclose(first.latent, again.latent, atol=0.05) and again.args == first.args
    eyes = there.encoder()
    other = meanings.written(torch.randn(eyes.width), eyes.digest)
    assert not torch.allclose(first.latent, edited(there, pixels, Args(steps=3, meant=other), seed=1).latent, atol=0.05)


def test_with_the_base_alone_what_is_meant_has_no_say(there):
    eyes, pixels = there.encoder(), noise(64, 64)
    said = [meanings.written(torch.randn(eyes.width), eyes.digest) for _ in range(2)]
    alone = {"base_weight": 1.0, "meant_weight": 0.0, "refined_weight": 0.0}
    first, second = (edited(there, pixels, Args(steps=3, meant=one, **alone), seed=1).latent for one in said)
    assert torch.equal(first, second)


def test_at_alpha_one_and_unguided_inversion_and_drawing_undo_each_other(there, monkeypatch):
    """Of a network whose ε is a z both are products, so what is left of a latent is known in closed form."""
    a, args = 0.3, Args(steps=20, alpha=1.0, guidance=1.0)

    def eps(self, x, sigma, conditions):
        return (a * x / (sigma**2 + 1).sqrt()).expand(len(conditions), *x.shape)

    monkeypatch.setattr(Network, "eps", eps)
    pixels = noise(64, 96)
    run = module.begun(EditContext(Picture(pixels), shelf=there, sounds=(TONE,)), args)
    up = run.sigmas().flip(0)
    low, high, rise = up[:-1], up[1:], up.diff()
    left = ((1 + a * rise / (low**2 + 1).sqrt()) * (1 - a * rise / (high**2 + 1).sqrt())).prod()
    z = edited(there, pixels, args, seed=1, sounds=(TONE,)).latent
    assert 1.01 < left < 1.2 and torch.allclose(z, left.float() * run.picture.z0, rtol=1e-3, atol=1e-5)


def test_an_inversion_is_done_once(there, monkeypatch):
    from tools.diffusion import inversion

    pixels = noise(48, 64)
    edited(there, pixels, seed=1, sounds=(TONE,))
    monkeypatch.setattr(inversion, "invert", None)
    edited(there, pixels, seed=2, sounds=(HISS,))


def test_nothing_asked_changes_no_bit_and_needs_no_weights():
    pixels = noise(5, 7, 4)
    assert np.array_equal(edited(None, pixels).image.pixels, pixels)


def test_what_is_missing_is_named(tmp_path):
    with pytest.raises(MissingWeights):
        edited(shelf.Shelf(tmp_path), noise(8, 8), sounds=(TONE,))


@pytest.mark.parametrize("size", [(1, 1), (1, 300), (70, 90)])
def test_every_shape(there, size):
    pixels = noise(*size, 4)
    result = edited(there, pixels, seed=1, sounds=(TONE,))
    assert result.image.pixels.shape == pixels.shape
    assert np.array_equal(result.image.pixels[..., 3], pixels[..., 3])


@pytest.mark.parametrize(
    "wrong", [{"alpha": 1.2}, {"alpha": -0.1}, {"guidance": -1}, {"norm": 0}, {"scale": 3},
              {"base_weight": 0, "meant_weight": 0, "refined_weight": 0}]
)  # fmt: skip
def test_what_is_out_of_range_is_refused(wrong):
    with pytest.raises(ValueError):
        Args(**wrong)


def test_a_refiner_goes_with_sdxl_only(there, tmp_path):
    args = Args(steps=3, refinement=0.5)
    if there.diffusion("any2pix").second is None:
        with pytest.raises(BadArguments, match="refiner"):
            edited(there, noise(64, 64), args, sounds=(TONE,))
        return
    with pytest.raises(MissingWeights):
        edited(there, noise(64, 64), args, sounds=(TONE,))
    adding.add(there, tiny.sdxl_refiner(tmp_path / "refiner"), "sdxl-refiner")
    plain, fine = (edited(there, noise(64, 64), one, seed=1, sounds=(TONE,)).latent for one in (FEW, args))
    assert plain.shape == fine.shape and not torch.equal(plain, fine)


def test_a_subject_is_drawn_again_in_its_place_alone(there, monkeypatch):
    """What lies outside of the place is the result as it was."""
    place = torch.zeros(8, 8)
    place[2:5, 2:5] = 1

    def found(run, z):
        yield from ()
        return place.to(z)

    monkeypatch.setattr(module, "place_of", found)
    pixels, shown = noise(64, 64), (Picture(noise(40, 40, seed=7)),)
    plain = edited(there, pixels, seed=1, subjects=shown).latent
    again = edited(there, pixels, Args(steps=3, subject="the boat"), seed=1, subjects=shown)
    changed = (again.latent - plain).abs().amax(1)[0] > 0
    assert torch.equal(changed, place.bool()) and again.facts["subject"] == "drawn again"


def test_a_subject_that_is_not_found_is_said(there):
    shown = (Picture(noise(40, 40, seed=7)),)
    result = edited(there, noise(64, 64), Args(steps=3, subject="the sky"), seed=1, subjects=shown)
    assert result.facts["subject"] in ("not found", "drawn again")


def test_weights_of_another_encoder_are_refused(there, tmp_path):
    home = tmp_path / "other"
    made = shelf.Shelf(home)
    adding.add(made, tiny_encoders.imagebind(home / "eyes"), "encoder")
    adding.add(made, tiny.any2pix(home / "weights", space=12), "any2pix")
    with pytest.raises(BadWeights, match="12"):
        edited(made, noise(64, 64), sounds=(TONE,))


def test_an_adapter_of_zeros_is_the_model_alone(there, monkeypatch):
    """Keys and values of zeros add nothing to what is seen in the text."""
    pixels = noise(64, 64)

    def zeros(self, tokens, count):
        layers = (self.to_k_ip, self.to_v_ip)
        return tuple(torch.zeros(len(tokens), count, tokens.shape[1], one.out_features // count) for one in layers)

    monkeypatch.setattr(ip_adapter.KeysAndValues, "forward", zeros)
    silent = edited(there, pixels, seed=1, sounds=(TONE,)).latent
    monkeypatch.setattr(ip_adapter.IpAdapter, "prompting", lambda *_: None)
    monkeypatch.setattr(ip_adapter.IpAdapter, "told", lambda *_: None)
    assert torch.allclose(silent, edited(there, pixels, seed=1, sounds=(TONE,)).latent, atol=1e-5)
