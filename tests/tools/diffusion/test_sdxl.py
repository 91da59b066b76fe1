"""SDXL and its refiner: loaded from a public layout, told pooled texts and sizes, as diffusers does; what is wrong."""

import json
import math
import re
import shutil
from dataclasses import replace
from itertools import product
from pathlib import Path

import diffusers
import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file
from torch import Tensor

from benchmarks import overhead
from sessions.errors import BadArguments, BadWeights
from tests import tiny
from tests.tools.diffusion.worlds import drawn, error, finished, small_unet
from tools import adding, devices, packs, shelf, trying
from tools.caches import Cache
from tools.diffusion import kept, latents, model, sdxl, text
from tools.diffusion.attention import install
from tools.diffusion.denoiser import Condition, Network
from tools.diffusion.guidance import classifier_free
from tools.diffusion.latents import settled, unsettled
from tools.diffusion.sampling import ddim
from tools.diffusion.schedules import ddim_sigmas
from tools.diffusion.sdxl import NEGATIVE_SCORE, Frame
from tools.diffusion.unet import check, forward, shifts
from tools.diffusion.upsampling import fold

FRAME = Frame(original=(96, 80), crop=(3, 7), target=(64, 72))
TEXTS = ["a red cat", "the blue house in winter", "dog"]
PUBLISHED = 10_270_077_736
"""Bytes of the base's U-Net in float32, as public lists of its repository have it."""


@pytest.fixture(autouse=True)
def without_gradients():
    with torch.no_grad():
        yield


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    return tiny.sdxl(tmp_path_factory.mktemp("tiny") / "sdxl")


@pytest.fixture(scope="module")
def refiner_folder(tmp_path_factory) -> Path:
    return tiny.sdxl_refiner(tmp_path_factory.mktemp("tiny") / "refiner")


@pytest.fixture(scope="module")
def base(folder):
    return model.load(folder, "cpu", torch.float64)


@pytest.fixture(scope="module")
def refiner(refiner_folder):
    return model.load(refiner_folder, "cpu", torch.float64)


@pytest.fixture(scope="module")
def pipeline(folder):
    pipe = diffusers.StableDiffusionXLPipeline.from_pretrained(folder, add_watermarker=False).to(torch.float64)
    pipe.set_progress_bar_config(disable=True)
    return pipe


@pytest.fixture(scope="module")
def refining(refiner_folder):
    kind = diffusers.StableDiffusionXLImg2ImgPipeline
    return kind.from_pretrained(refiner_folder, add_watermarker=False).to(torch.float64)


@pytest.fixture
def copy(folder, tmp_path) -> Path:
    return Path(shutil.copytree(folder, tmp_path / "copy"))


def told(pipe, second: model.Second, frame: Frame) -> Tensor:
    """The numbers, as diffusers' pipelines lay them out."""
    sizes = frame.original, frame.crop, frame.target
    width, dtype = tiny.POOLED, torch.float64
    if not second.scored:
        return pipe._get_add_time_ids(*sizes, dtype, text_encoder_projection_dim=width)
    scores = frame.score, NEGATIVE_SCORE
    both = pipe._get_add_time_ids(*sizes, *scores, *sizes, dtype, text_encoder_projection_dim=width)
    return both[0]


# Texts


def test_the_texts_of_the_base_are_diffusers(base, pipeline):
    states, pooled = text.read(base, TEXTS)
    theirs, none, their_pooled, none_pooled = pipeline.encode_prompt(TEXTS)
    assert states.shape == (3, 77, tiny.WIDTH + tiny.WIDTH_2) and pooled.shape == (3, tiny.POOLED)
    assert error(states, theirs) < 1e-12 and error(pooled, their_pooled) < 1e-12
    assert torch.equal(text.encode(base, TEXTS), states)
    nothing, pooled_nothing = text.read(base, ["", "dog"])
    assert not none.any() and not none_pooled.any()
    assert not nothing[0].any() and not pooled_nothing[0].any() and error(nothing[1:], theirs[2:]) < 1e-12


def test_the_refiner_reads_with_the_second_encoder_and_an_empty_text_as_any_other(refiner, refining):
    states, pooled = text.read(refiner, [*TEXTS, ""])
    theirs, none, their_pooled, none_pooled = refining.encode_prompt(TEXTS, negative_prompt=[""] * 3)
    assert states.shape == (4, 77, tiny.WIDTH_2) and refiner.text_encoder is None and refiner.tokenizer is None
    assert error(states[:3], theirs) < 1e-12 and error(pooled[:3], their_pooled) < 1e-12
    assert error(states[3:], none[:1]) < 1e-12 and error(pooled[3:], none_pooled[:1]) < 1e-12


def test_an_empty_text_is_encoded_where_the_weights_say_so(copy, pipeline):
    configured(copy / "model_index.json", force_zeros_for_empty_prompt=False)
    states, pooled = text.read(model.load(copy, "cpu", torch.float64), [""])
    theirs, _, their_pooled, _ = pipeline.encode_prompt([""])
    assert error(states, theirs) < 1e-12 and error(pooled, their_pooled) < 1e-12


def test_texts_that_are_too_long_are_refused(base, refiner):
    for each in (base, refiner):
        with pytest.raises(BadArguments, match="76 tokens long; these weights read at most 75"):
            text.read(each, [" ".join(["cat"] * 76)])


def test_texts_are_kept_and_a_model_of_any_kind_gives_conditions(base, tmp_path):
    cache = Cache(tmp_path, 10**7)
    first, again = (kept.conditions(cache, base, ["a cat", ""], FRAME) for _ in range(2))
    for one, other, new in zip(first, again, sdxl.conditions(base, ["a cat", ""], FRAME), strict=True):
        assert torch.equal(one.text, other.text) and torch.equal(one.added, other.added)
        assert torch.equal(one.text, new.text) and torch.equal(one.added, new.added)
    assert torch.equal(kept.texts(cache, base, ["a cat"])[0], first[0].text)
    simple = model.load(tiny.stable_diffusion(tmp_path / "sd"), "cpu", torch.float32)
    [one] = kept.conditions(cache, simple, ["a cat"], FRAME)
    assert one.added is None and torch.equal(one.text, text.encode(simple, ["a cat"])[0])


# What is told besides


@pytest.mark.parametrize("which", ["base", "refiner"])
def test_the_numbers_are_diffusers(which, request, pipeline, refining):
    ours = request.getfixturevalue(which)
    for frame in (FRAME, replace(FRAME, score=4.5), Frame((1023, 511), target=(8, 16))):
        theirs = told(pipeline if which == "base" else refining, ours.second, frame)
        assert sdxl.numbers(ours.second, frame) == tuple(theirs[0].tolist())
    assert sdxl.numbers(ours.second, Frame((64, 32)))[:4] == (64, 32, 0, 0)
    assert len(sdxl.conditions(ours, ["cat"], FRAME)[0].added) == ours.unet.config.projection_class_embeddings_input_dim


def test_a_finished_picture_is_as_large_as_it_was(base, refiner):
    assert sdxl.numbers(base.second, Frame((64, 32))) == (64, 32, 0, 0, 64, 32)
    assert sdxl.numbers(refiner.second, Frame((64, 32))) == (64, 32, 0, 0, 6.0)


# The network


@pytest.mark.parametrize(("dtype", "tolerance"), [(torch.float64, 1e-10), (torch.float32, 1e-5)])
@pytest.mark.parametrize("size", [(8, 8), (12, 8), (9, 7)])
@pytest.mark.parametrize("which", ["folder", "refiner_folder"])
def test_the_pass_is_diffusers(which, size, dtype, tolerance, request):
    """Three conditions of two latents each, in one batch."""
    place = request.getfixturevalue(which) / "unet"
    unet, plain = (diffusers.UNet2DConditionModel.from_pretrained(place).to(dtype).eval() for _ in range(2))
    fold(unet)
    install(unet)
    sizes = 6 if which == "folder" else 5
    z, states = drawn(2, 4, *size).to(dtype), drawn(3, 77, unet.config.cross_attention_dim, seed=4).to(dtype)
    pooled, ids = drawn(3, tiny.POOLED, seed=5).to(dtype), 100 * drawn(3, sizes, seed=6).abs().to(dtype)
    t = torch.tensor(123.0, dtype=torch.float64)
    added = torch.cat([pooled, unet.add_time_proj(ids.flatten()).view(3, -1).to(dtype)], 1)
    out = forward(unet, z, shifts(unet, t, added), states, rows=6)
    more = {"text_embeds": pooled.repeat_interleave(2, 0), "time_ids": ids.repeat_interleave(2, 0)}
    expected = plain(z.repeat(3, 1, 1, 1), t, states.repeat_interleave(2, 0), added_cond_kwargs=more).sample
    assert error(out, expected) < tolerance


def rows_of(module) -> list[int]:
    """Filled, at every call of a module, with how many rows it was given."""
    rows: list[int] = []
    module.register_forward_hook(lambda module, given, out: rows.append(len(given[0])))
    return rows


def test_rows_are_apart_from_the_first_residual_block_on_only_where_they_are_told_other_things(folder):
    ours = model.load(folder, "cpu", torch.float64)
    block = ours.unet.down_blocks[0].resnets[0]
    looked = ours.unet.down_blocks[1].attentions[0].transformer_blocks[0].attn1.to_q
    entered, first, second, tokens = (rows_of(part) for part in (ours.unet.conv_in, block.conv1, block.norm2, looked))
    some, network = sdxl.conditions(ours, TEXTS, FRAME), Network(ours)
    x, sigma = drawn(2, 4, 8, 8), ours.schedule.sigmas[500]
    apart = network.eps(x, sigma, some)
    assert (entered, first, second, tokens) == ([2], [2], [6], [6])
    network.eps(x, sigma, [replace(one, added=some[0].added.clone()) for one in some])
    assert (entered, first, second, tokens) == ([2, 2], [2, 2], [6, 2], [6, 2])
    alone = [Network(ours).eps(x, sigma, [one])[0] for one in some]
    assert error(apart, torch.stack(alone)) < 1e-12
    assert error(Network(ours).rows(x, sigma, some[:2]), torch.stack([alone[0][0], alone[1][1]])) < 1e-12


def test_times_are_kept_by_what_is_told(base):
    cat, dog = ([sdxl.conditions(base, [said], FRAME)[0]] for said in ("a cat", "a dog"))
    wide = [replace(cat[0], added=sdxl.conditions(base, ["a cat"], Frame((8, 900)))[0].added)]
    network, x, sigma = Network(base), drawn(1, 4, 8, 8), base.schedule.sigmas[300]
    for some in (cat, dog, wide, cat):
        assert torch.equal(network.eps(x, sigma, some), Network(base).eps(x, sigma, some))
    assert len(network._times) == 3
    assert error(network.eps(x, sigma, wide), network.eps(x, sigma, cat)) > 1e-4


def test_a_network_is_told_what_it_was_trained_with(base, tmp_path):
    x, sigma, [one] = drawn(1, 4, 8, 8), base.schedule.sigmas[300], sdxl.conditions(base, ["cat"], FRAME)
    with pytest.raises(BadWeights, match=r"told 68 numbers besides the time, and is given 0\."):
        Network(base).eps(x, sigma, [Condition(one.text)])
    with pytest.raises(BadWeights, match="is given 0 and 68"):
        Network(base).eps(x, sigma, [one, Condition(one.text)])
    simple = model.load(tiny.stable_diffusion(tmp_path / "sd"), "cpu", torch.float64)
    with pytest.raises(BadWeights, match="told 0 numbers besides the time, and is given 68"):
        Network(simple).eps(x, sigma, [replace(one, text=one.text[:, : tiny.WIDTH])])


def test_an_evaluation_looks_at_no_number_on_the_device(folder, monkeypatch):
    """Told apart once a run, before anything is recorded; then it can be a graph."""
    ours = model.load(folder, "cpu", torch.float64)
    some = [replace(one, text=one.text.to("meta"), added=one.added.to("meta")) for one in two(ours)]
    ours.unet.to("meta")
    monkeypatch.setattr("tools.diffusion.denoiser._equal", lambda one, other: False)
    monkeypatch.setattr("tools.diffusion.guidance.same", lambda one, other: False)
    x, sigma = (torch.empty(shape, dtype=torch.float64, device="meta") for shape in ((1, 4, 8, 8), ()))
    assert classifier_free(Network(ours), *some, 5.0)(x, sigma).shape == x.shape


def test_in_half_precision_it_is_nearly_the_same(folder, base):
    half, x, sigma = model.load(folder, "cpu", torch.bfloat16), drawn(1, 4, 8, 8), base.schedule.sigmas[300]
    close = Network(half).eps(x.float(), sigma, two(half))
    assert close.dtype is torch.float32 and error(close, Network(base).eps(x, sigma, two(base))) < 0.05


def two(ours) -> list[Condition]:
    return sdxl.conditions(ours, ["a red cat", ""], FRAME)


# A picture


def test_four_guided_steps_are_diffusers(base, pipeline):
    """The same noise in, the same latent out; diffusers' schedule is kept in float32."""
    z = drawn(1, 4, 8, 8, seed=11)
    pipeline.scheduler = diffusers.DDIMScheduler.from_config(tiny.noise("DDIMScheduler"))
    sizes = {"original_size": FRAME.original, "crops_coords_top_left": FRAME.crop, "target_size": FRAME.target}
    theirs = pipeline(
        "a red cat",
        height=64,
        width=64,
        num_inference_steps=4,
        guidance_scale=5.0,
        latents=z.clone(),
        output_type="latent",
        **sizes,
    ).images
    sigmas = ddim_sigmas(base.schedule, 4)
    D = classifier_free(Network(base), *two(base), 5.0)
    ours = settled(finished(ddim(D, unsettled(z, sigmas[0]), sigmas)), sigmas[-1])
    assert error(ours, theirs) < 1e-6
    upright = sdxl.conditions(base, ["a red cat", ""], replace(FRAME, original=(80, 96)))
    other = finished(ddim(classifier_free(Network(base), *upright, 5.0), unsettled(z, sigmas[0]), sigmas))
    assert error(settled(other, sigmas[-1]), theirs) > 1e-4


def test_pictures_in_and_out_are_diffusers(base, pipeline):
    rgb = np.random.default_rng(0).integers(0, 256, (64, 48, 3), dtype=np.uint8)
    planes = torch.tensor(rgb).permute(2, 0, 1)[None].double() / 127.5 - 1
    z = latents.encode(base, rgb)
    assert error(z, pipeline.vae.encode(planes).latent_dist.mode() * 0.13025) < 1e-6
    plane = pipeline.vae.decode(z / 0.13025).sample[0]
    theirs = ((plane.clamp(-1, 1) + 1) * 127.5).round().permute(1, 2, 0).numpy()
    assert np.abs(latents.decode(base, z) - theirs).max() <= 1 and base.side == 64 and base.factor == 8


@pytest.mark.parametrize("computes", [True, False])
def test_the_autoencoder_is_never_in_float16(folder, monkeypatch, computes):
    monkeypatch.setattr(devices, "_computes_bfloat16", lambda: computes)
    half = model.load(folder, "cpu", torch.float16)
    assert half.dtype is torch.float16
    assert half.vae.dtype is (torch.bfloat16 if computes else torch.float32)
    assert model.load(folder, "cpu", torch.bfloat16).vae.dtype is torch.bfloat16
    rgb = np.full((16, 16, 3), 128, np.uint8)
    assert latents.encode(half, rgb).isfinite().all() and latents.decode(half, latents.encode(half, rgb)).shape[2] == 3


def test_an_autoencoder_that_was_mended_may_be(copy):
    configured(copy / "vae/config.json", force_upcast=False)
    assert model.load(copy, "cpu", torch.float16).vae.dtype is torch.float16


# What is refused


def configured(file: Path, **values) -> None:
    file.write_text(json.dumps(json.loads(file.read_text()) | values))


def refused(folder: Path, match: str) -> None:
    with pytest.raises(BadWeights, match=match):
        model.load(folder, "cpu", torch.float32)


@pytest.mark.parametrize("part", ["text_encoder", "text_encoder_2", "tokenizer", "tokenizer_2", "vae", "unet"])
def test_a_missing_part_is_named(copy, part):
    shutil.rmtree(copy / part)
    refused(copy, rf"{part}/\w+\.json is missing")


def test_a_missing_index_is_named(copy):
    (copy / "model_index.json").unlink()
    refused(copy, r"model_index\.json is missing")


def test_a_projection_of_another_width_is_named(copy):
    file = copy / "text_encoder_2/model.safetensors"
    tensors = load_file(file)
    save_file(tensors | {"text_projection.weight": tensors["text_projection.weight"][:16].contiguous()}, file)
    refused(copy, r"text_projection\.weight is \[16, 24\], its config asks for \[20, 24\]")
    configured(copy / "text_encoder_2/config.json", projection_dim=16)
    refused(copy, "is told 68 numbers besides the time; a pooled text of 16 and 6 sizes of 8 are 64")


def test_an_autoencoder_that_shifts_is_named(copy):
    configured(copy / "vae/config.json", latents_mean=[0.1, 0.2, 0.3, 0.4])
    refused(copy, "vae has a latents_mean")


def test_texts_of_another_width_are_named(copy):
    configured(copy / "model_index.json", text_encoder=[None, None])
    refused(copy, "reads texts 56 wide, the text encoders give 24")


def test_a_score_that_the_network_is_not_told_is_named(copy):
    configured(copy / "model_index.json", requires_aesthetics_score=True)
    refused(copy, "5 sizes of 8 are 60")


def test_another_kind_of_addition_is_named(copy):
    configured(copy / "unet/config.json", addition_embed_type="sound_time")
    refused(copy, "addition_embed_type.*sound_time")
    unet = small_unet()
    unet.register_to_config(addition_embed_type="text_image")
    with pytest.raises(BadWeights, match="layers that I do not know: addition_embed_type text_image"):
        check(unet)


# The shelf


@pytest.fixture
def empty(tmp_path, monkeypatch) -> shelf.Shelf:
    monkeypatch.setattr(shelf, "STARTER", tmp_path / "nothing.json")
    return shelf.Shelf(tmp_path / "home")


def test_a_folder_is_added_for_its_role(empty, folder, refiner_folder):
    one, other = adding.add(empty, folder, "sdxl"), adding.add(empty, refiner_folder, "sdxl-refiner")
    assert {place.partition("/")[0] for place in one.files} == {
        *("unet", "vae", "scheduler", "model_index.json"),
        *("text_encoder", "text_encoder_2", "tokenizer", "tokenizer_2"),
    }
    assert not {place for place in other.files if place.startswith(("text_encoder/", "tokenizer/"))}
    loaded = empty.diffusion("sdxl")
    assert loaded.second is not None and empty.diffusion("sdxl-refiner").second.scored
    assert empty.held() > 4 * sum(
        weight.numel()
        for each in (loaded, empty.diffusion("sdxl-refiner"))
        for network in (each.unet, each.vae, each.text_encoder, each.second.text_encoder)
        if network is not None
        for weight in network.parameters()
    )
    trying.once(empty, one)


def test_equal_second_encoders_are_kept_once(empty, folder, refiner_folder, tmp_path):
    twin = Path(shutil.copytree(refiner_folder, tmp_path / "twin"))
    for part in ("text_encoder_2", "vae"):
        shutil.copytree(folder / part, twin / part, dirs_exist_ok=True)
    adding.add(empty, folder, "sdxl")
    adding.add(empty, twin, "sdxl-refiner")
    one, other = empty.diffusion("sdxl"), empty.diffusion("sdxl-refiner")
    assert one.second.text_encoder is other.second.text_encoder and one.vae is other.vae


def test_weights_of_another_kind_are_refused_when_they_are_added(empty, copy, refiner_folder, tmp_path):
    simple = tiny.stable_diffusion(tmp_path / "sd")
    shutil.copytree(copy / "text_encoder_2", simple / "text_encoder_2")
    for place, role, match in (
        (simple, "sdxl", "is no SDXL; sdxl needs one"),
        (copy, "text-to-image", "is SDXL; text-to-image needs another"),
        (refiner_folder, "sdxl", "has no safetensors in text_encoder/"),
    ):
        with pytest.raises(BadWeights, match=match):
            adding.add(empty, place, role)
    shutil.rmtree(copy / "text_encoder_2")
    with pytest.raises(BadWeights, match="has no safetensors in text_encoder_2/"):
        adding.add(empty, copy, "sdxl")
    assert not empty.entries()


def test_what_can_be_pulled(empty):
    [one], [other] = packs.sources("sdxl"), packs.sources("sdxl-refiner")
    assert one.pinned and other.pinned and one.role == "sdxl" and one.licence == "CreativeML OpenRAIL++-M"
    for source in (one, other):
        needed = set(adding.parts_of(source.role))
        assert {place.rpartition("/")[0] for place in source.files} - {""} == needed
        adding.complete(source.repository, source.files, source.role)
        assert source.known.keys() <= source.files.keys() and source.terms and source.bytes > 6 * 10**9
    assert shelf.missing("sdxl").hint == "pentimento models pull sdxl"


# Full size


def expanded(line: str) -> list[tuple[str, tuple[int, ...]]]:
    """A line "a.0-2.b 4x5" as a.0.b, a.1.b and a.2.b, each of shape (4, 5)."""
    name, shape = line.split(" ")
    runs = [
        range(int(part.split("-")[0]), int(part.split("-")[1]) + 1) if re.fullmatch(r"\d+-\d+", part) else (part,)
        for part in name.split(".")
    ]
    sizes = tuple(int(size) for size in shape.split("x"))
    return [(".".join(map(str, parts)), sizes) for parts in product(*runs)]


def test_the_published_network_is_one_that_is_loaded(tmp_path):
    lines = Path(__file__).with_name("sdxl_unet.txt").read_text(encoding="utf-8").splitlines()
    listed = dict(tensor for line in lines for tensor in expanded(line))
    assert len(listed) == 1680 and sum(map(math.prod, listed.values())) == 2_567_463_684
    assert 0 < PUBLISHED - 4 * 2_567_463_684 < 300_000  # the header
    with torch.device("meta"):
        unet = diffusers.UNet2DConditionModel(**overhead.SDXL)
        model.fill(unet, {name: torch.empty(shape) for name, shape in listed.items()}, tmp_path)
    check(unet)


def test_what_an_evaluation_costs():
    """Two guided rows at 1024²: 13.52 · 10¹² operations of two rows apart from the start, less what they share."""
    cost = overhead.sdxl()
    shared = 2 * 9 * 320 * (4 + 320) * 128**2 / 1e9
    assert cost["gigaflop"] + shared == pytest.approx(13_520, rel=1e-3)
    assert cost["weights"] == pytest.approx(5.135, abs=1e-3) and cost["skips"] == pytest.approx(0.102, abs=1e-3)
