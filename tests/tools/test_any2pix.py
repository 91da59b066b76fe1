"""any2pix: its formulas against plain ones, and the tool on tiny weights of both sizes."""

import numpy as np
import pytest
import torch

from sessions.errors import BadArguments, BadWeights, MissingWeights, NotGrounded, OutsideWorld
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
from toybox.drawing import draw
from toybox.scenes import seeded

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
        meanings.written(e * torch.nan, eyes.digest),
        meanings.written(e * torch.inf, eyes.digest),
        meanings.written(e * 0, eyes.digest),
        f"{eyes.digest[:16]}:%%",
        f"{eyes.digest[:16]}:AAA=",
        f"{eyes.digest[:16]}:ü",
    ):
        with pytest.raises(BadArguments, match="What is meant"):
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


def test_what_is_missing_is_named(tmp_path, monkeypatch):
    monkeypatch.setattr(shelf, "STARTER", tmp_path / "none.json")
    with pytest.raises(MissingWeights, match="any2pix"):
        edited(shelf.Shelf(tmp_path), noise(8, 8), sounds=(TONE,))


@pytest.mark.parametrize("subject", [False, True])
def test_a_photo_is_not_the_starters_and_what_is_says_so(tmp_path, subject):
    photo, scene = noise(64, 64), draw(seeded(1)).rgb
    with pytest.raises(OutsideWorld) as refused:
        edited(shelf.Shelf(tmp_path), scene if subject else photo, subjects=(Picture(photo if subject else scene),))
    assert "add CKPTS --as any2pix" in refused.value.hint


@pytest.mark.parametrize("size", [(1, 1), (7, 7), (1, 300), (200, 3), (70, 90)])
def test_every_shape(there, size):
    pixels = noise(*size, 4)
    result = edited(there, pixels, seed=1, sounds=(TONE,))
    assert result.image.pixels.shape == pixels.shape
    assert np.array_equal(result.image.pixels[..., 3], pixels[..., 3])


@pytest.mark.parametrize(
    "wrong", [{"alpha": 1.2}, {"alpha": -0.1}, {"alpha": np.nan}, {"guidance": -1}, {"guidance": 31}, {"norm": 0},
              {"norm": 101}, {"scale": 3}, {"scale": -1}, {"steps": 1}, {"steps": 501}, {"steps": 2.5},
              {"refinement": 2}, {"subject_strength": -1}, {"base_weight": -1}, {"meant_weight": 11},
              {"refined_weight": np.inf}, {"meant": "A" * 16_501},
              {"base_weight": 0, "meant_weight": 0, "refined_weight": 0}]
)  # fmt: skip
def test_what_is_out_of_range_is_refused(wrong):
    with pytest.raises(ValueError, match=" and ".join(wrong) if len(wrong) == 1 else "nothing is meant"):
        Args(**wrong)


def test_a_refiner_goes_with_sdxl_only(there, tmp_path, monkeypatch):
    args = Args(steps=3, refinement=0.5)
    small = there.diffusion("any2pix").second is None
    with monkeypatch.context() as before, pytest.raises(BadArguments if small else MissingWeights, match="refiner"):
        before.setattr(module, "drawn", None)  # nobody waits for a picture to be told that
        edited(there, noise(64, 64), args, sounds=(TONE,))
    if small:
        return
    adding.add(there, tiny.sdxl_refiner(tmp_path / "refiner"), "sdxl-refiner")
    plain, fine = (edited(there, noise(64, 64), one, seed=1, sounds=(TONE,)) for one in (FEW, args))
    assert plain.latent.shape == fine.latent.shape and not torch.equal(plain.latent, fine.latent)
    assert "refined" not in plain.facts and fine.facts["refined"] == 2
    least = edited(there, noise(64, 64), Args(steps=3, refinement=0.1), seed=1, sounds=(TONE,))
    assert torch.equal(least.latent, plain.latent) and least.facts["refined"] == 0


# Subjects in their own places

PLACES = {"the boat": (slice(2, 5), slice(2, 5)), "the dog": (slice(5, 8), slice(0, 4))}
SHOWN = Picture(noise(40, 40, seed=7)), Picture(noise(40, 40, seed=8))


@pytest.fixture
def found(monkeypatch):
    """The boat and the dog are where PLACES says, and nothing else is to be seen."""

    def place_of(name, seen, z):
        yield from ()
        if name not in PLACES:
            raise NotGrounded("There is no such thing.")
        place = z.new_zeros(8, 8)
        place[PLACES[name]] = 1
        return place

    monkeypatch.setattr(module, "place_of", place_of)


@pytest.fixture
def told(monkeypatch):
    """The [sub] that the network was told in every pass, the picture's own first."""
    seen = []

    def guided(self, whole, things, real=module.Run.guided):
        seen.append((whole is not None, things))
        return real(self, whole, things)

    monkeypatch.setattr(module.Run, "guided", guided)
    return seen


def changed(one, other) -> set[str]:
    """Where two latents differ; "elsewhere" for what is in none of PLACES."""
    differ = (one - other).abs().amax(1)[0] > 0
    where = {name for name, place in PLACES.items() if differ[place].any()}
    for place in PLACES.values():
        differ[place] = False
    return where | ({"elsewhere"} if differ.any() else set())


@pytest.mark.parametrize("subject", ["the boat", "the boat,the dog", "the boat, the moon", ", the dog", "the moon"])
def test_subjects_are_drawn_again_in_their_places_alone(there, found, told, subject):
    plain = edited(there, noise(64, 64), seed=1, subjects=SHOWN).latent
    result = edited(there, noise(64, 64), Args(steps=3, subject=subject), seed=1, subjects=SHOWN)
    names = [name.strip() for name in subject.split(",")]
    seen = {name: "drawn again" if name in PLACES else "not found" for name in names if name}
    assert changed(result.latent, plain) == set(names) & set(PLACES) and result.facts["subjects"] == seen
    (_, all_of_them), *passes = told[1:]
    each = [all_of_them[k : k + 1] for k, name in enumerate(names) if name in PLACES]
    assert [whole for whole, _ in passes] == [False] * len(each)
    assert all(torch.equal(things, own) for (_, things), own in zip(passes, each, strict=True))


def test_others_that_change_places_change_what_is_drawn_where(there, found, told):
    args = Args(steps=3, subject="the boat, the dog")
    one, other = (edited(there, noise(64, 64), args, seed=1, subjects=shown) for shown in (SHOWN, SHOWN[::-1]))
    (boat, dog), (dog_2, boat_2) = ([things for _, things in told[at : at + 2]] for at in (1, 4))
    assert torch.equal(boat, boat_2) and torch.equal(dog, dog_2) and not torch.equal(boat, dog)
    assert changed(one.latent, other.latent) >= set(PLACES)


def test_a_subject_may_be_as_a_sound_is(there, found, told):
    args = Args(steps=3, subject="the boat, the dog")
    edited(there, noise(64, 64), args, seed=1, subjects=SHOWN[:1], sounds=(TONE,))
    (_, things), (_, boat), (_, dog) = told
    assert torch.equal(boat, things[:1]) and torch.equal(dog, things[1:])


def test_a_strength_too_little_for_a_step_changes_nothing_and_is_said(there, found):
    plain = edited(there, noise(64, 64), seed=1, subjects=SHOWN).latent
    for strength, said in ((0.0, "too little for a step"), (0.1, "too little for a step"), (0.2, "drawn again")):
        args = Args(steps=3, subject="the boat", subject_strength=strength)
        result = edited(there, noise(64, 64), args, seed=1, subjects=SHOWN)
        assert result.facts["subjects"] == {"the boat": said}
        assert torch.equal(result.latent, plain) is (said != "drawn again")


@pytest.mark.parametrize("shown", [(), SHOWN[:1]])
def test_a_subject_that_nothing_shows_is_refused(shown):
    args = Args(subject="the boat, the dog")
    with pytest.raises(BadArguments, match=f"Nothing shows what '{('the boat', 'the dog')[len(shown)]}' is to look"):
        edited(None, noise(8, 8), args, subjects=shown)


@pytest.mark.parametrize("size", [(64, 64), (1, 1), (3, 200)])
def test_a_subject_is_looked_for_in_the_result(there, size):
    args = Args(steps=3, subject="the sky, the left half")
    result = edited(there, noise(*size), args, seed=1, subjects=SHOWN)
    assert result.facts["subjects"]["the sky"] in ("not found", "drawn again")
    assert result.facts["subjects"]["the left half"] == "drawn again"


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
