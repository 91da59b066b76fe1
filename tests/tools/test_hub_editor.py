"""hub_editor on tiny random pipelines of families that are called in different ways, loaded as they lie on the Hub."""

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
from diffusers import (
    AutoencoderKL,
    EulerAncestralDiscreteScheduler,
    FlowMatchEulerDiscreteScheduler,
    FluxKontextPipeline,
    FluxTransformer2DModel,
    StableDiffusionInstructPix2PixPipeline,
    StableDiffusionXLInstructPix2PixPipeline,
    UNet2DConditionModel,
)
from safetensors.torch import load_file
from transformers import (
    CLIPTextConfig,
    CLIPTextModel,
    CLIPTextModelWithProjection,
    CLIPTokenizer,
    T5Config,
    T5EncoderModel,
)

from sessions.errors import BadArguments, BadWeights, MissingWeights, NotFinite, OutOfMemory
from sessions.values import Picture
from tests import tiny
from tests.tools.darkroom.tones import noise
from tools import adding
from tools.base import EditContext, drain
from tools.edits import hub_editor as module
from tools.edits.hub_editor import Args, arguments, hub_editor, load, reconstructed, side_of
from tools.shelf import Shelf

pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")


def text(kind=CLIPTextModel):
    return kind(
        CLIPTextConfig(
            vocab_size=len(tiny.vocabulary()[0]), hidden_size=32, intermediate_size=37, num_hidden_layers=2,
            num_attention_heads=4, projection_dim=32,
            bos_token_id=len(tiny.vocabulary()[0]) - 2, eos_token_id=len(tiny.vocabulary()[0]) - 1,
        )
    )  # fmt: skip


def beside_the_noise(folder, tokens):
    """A U-Net of eight channels that is called with a prompt first, and calls back at the end of its steps."""
    made = StableDiffusionInstructPix2PixPipeline(
        vae=tiny.vae(), text_encoder=text(), tokenizer=tokens, unet=tiny.unet(8),
        scheduler=EulerAncestralDiscreteScheduler.from_config(tiny.noise("EulerAncestralDiscreteScheduler")),
        safety_checker=None, feature_extractor=None, requires_safety_checker=False,
    )  # fmt: skip
    made.save_pretrained(folder)


def two_encoders(folder, tokens):
    """Two text encoders, sizes and time ids; its callback is of the old kind."""
    unet = UNet2DConditionModel(
        sample_size=8, in_channels=8, block_out_channels=(16, 32), layers_per_block=1,
        down_block_types=("DownBlock2D", "CrossAttnDownBlock2D"), up_block_types=("CrossAttnUpBlock2D", "UpBlock2D"),
        attention_head_dim=(2, 4), use_linear_projection=True, addition_embed_type="text_time",
        addition_time_embed_dim=8, transformer_layers_per_block=(1, 1), norm_num_groups=4,
        projection_class_embeddings_input_dim=8 * 6 + 32, cross_attention_dim=64,
    )  # fmt: skip
    made = StableDiffusionXLInstructPix2PixPipeline(
        vae=tiny.vae(), text_encoder=text(), text_encoder_2=text(CLIPTextModelWithProjection),
        tokenizer=tokens, tokenizer_2=tokens, unet=unet, add_watermarker=False,
        scheduler=EulerAncestralDiscreteScheduler.from_config(tiny.noise("EulerAncestralDiscreteScheduler")),
    )  # fmt: skip
    made.save_pretrained(folder)


def picture_first(folder, tokens):
    """A transformer with rectified flow, called with the picture first; two kinds of guidance, an area of its own."""
    encoder = T5Config(
        vocab_size=len(tokens), d_model=32, d_kv=8, d_ff=37, num_layers=2, num_heads=4, pad_token_id=0,
        decoder_start_token_id=0,
    )  # fmt: skip
    made = FluxKontextPipeline(
        scheduler=FlowMatchEulerDiscreteScheduler(),
        vae=AutoencoderKL(
            down_block_types=("DownEncoderBlock2D",) * 4, up_block_types=("UpDecoderBlock2D",) * 4,
            block_out_channels=(4,) * 4, layers_per_block=1, latent_channels=1, norm_num_groups=1, sample_size=64,
            use_quant_conv=False, use_post_quant_conv=False, shift_factor=0.06, scaling_factor=1.5,
        ),
        text_encoder=text(), tokenizer=tokens, text_encoder_2=T5EncoderModel(encoder), tokenizer_2=tokens,
        transformer=FluxTransformer2DModel(
            patch_size=1, in_channels=4, num_layers=1, num_single_layers=1, attention_head_dim=8,
            num_attention_heads=2, joint_attention_dim=32, pooled_projection_dim=32, axes_dims_rope=(4, 2, 2),
        ),
    )  # fmt: skip
    made.save_pretrained(folder)


FAMILIES = {"beside": beside_the_noise, "two": two_encoders, "first": picture_first}


@pytest.fixture(scope="module")
def shelf(tmp_path_factory):
    """A shelf with one editor of each family, added as a person would."""
    home = tmp_path_factory.mktemp("hub")
    tiny.tokenizer(home / "tokens")
    tokens = CLIPTokenizer.from_pretrained(home / "tokens")
    made = Shelf(home)
    for name, fill in FAMILIES.items():
        torch.manual_seed(0)
        fill(home / name, tokens)
        adding.add(made, home / name, f"hub:me/{name}")
    return made


def edited(shelf, pixels, seed=0, **args):
    ctx = EditContext(Picture(pixels.copy()), seed=seed, shelf=shelf)
    return drain(hub_editor.run(ctx, Args(**{"instruction": "make it winter", "steps": 2} | args)))


@pytest.mark.parametrize("family", FAMILIES)
def test_pipelines_that_are_called_in_different_ways(shelf, family):
    pixels = noise(60, 64)
    found = edited(shelf, pixels, repository=f"me/{family}", steps=1)
    assert found.image.pixels.shape == pixels.shape
    assert found.facts["weights"] == family and found.facts["num_inference_steps"] == 1


@pytest.mark.parametrize("family", ["beside", "two"])
def test_seed_and_scales_and_words_are_heeded(shelf, family):
    def one(**args):
        return edited(shelf, noise(64, 64), repository=f"me/{family}", steps=1, **args).image.pixels

    usual = one()
    assert np.array_equal(one(), usual)
    for other in ({"seed": 1}, {"text_guidance": 2}, {"image_guidance": 3}, {"instruction": "a red cat"}):
        assert not np.array_equal(one(**other), usual), other


def test_equal_to_the_pipeline_called_by_hand(shelf):
    from PIL import Image

    pixels = noise(64, 64)
    pipeline = load(shelf.entry("hub:me/beside").folder, torch.device("cpu"), torch.float32)
    image = pipeline(
        "make it winter", Image.fromarray(pixels), num_inference_steps=2, guidance_scale=5.0, output_type="np",
        generator=torch.Generator().manual_seed(3),
    ).images[0]  # fmt: skip
    found = edited(shelf, pixels, seed=3, repository="me/beside", text_guidance=5.0).image.pixels
    assert np.abs(found - 255 * image).max() <= 1.01


def test_where_no_repository_is_named_the_newest_is_taken_and_recorded(shelf, monkeypatch):
    assert shelf.entry("hub:").role == "hub:me/first"
    shelf.require(["hub:", "hub:me/two"])
    newest = shelf.entry("hub:me/beside")
    monkeypatch.setattr(shelf, "entry", lambda role: newest)
    assert edited(shelf, noise(64, 64), steps=1).args == {"repository": "me/beside"}


def test_what_the_autoencoder_cannot_keep_is_not_lost_to_a_large_photo(shelf, monkeypatch):
    """An editor that changes nothing gives back its autoencoder's picture; the photo stays as it was, bit for bit."""
    pixels = noise(150, 200)
    monkeypatch.setattr(module, "drawn", lambda pipeline, call, told: reconstructed(pipeline, np.array(call["image"])))
    assert np.array_equal(edited(shelf, pixels, repository="me/beside").image.pixels, pixels)
    monkeypatch.setattr(module, "reconstructed", lambda *_: None)
    assert not np.array_equal(edited(shelf, pixels, repository="me/beside").image.pixels, pixels)


def test_an_autoencoder_of_another_kind_is_left_alone(shelf):
    class Other:
        components = {"vae": torch.nn.Identity()}  # noqa: RUF012

    assert reconstructed(Other(), noise(64, 64)) is None


def test_a_pipeline_counts_before_it_is_loaded_and_while_it_is(shelf, tmp_path):
    entry = shelf.entry("hub:me/beside")
    numbers = sum(tensor.numel() for file in entry.folder.rglob("*.safetensors") for tensor in load_file(file).values())
    small = Shelf(tmp_path, budget=4 * numbers - 1)
    small.add(entry)
    with pytest.raises(OutOfMemory, match="These weights need"):
        edited(small, noise(64, 64), repository="me/beside")
    assert small.held() == 0
    enough = Shelf(tmp_path, budget=8 * numbers)
    edited(enough, noise(64, 64), repository="me/beside", steps=1)
    assert enough.held() == pytest.approx(4 * numbers, rel=0.01)


def test_a_repository_that_is_not_here(shelf, tmp_path):
    with pytest.raises(MissingWeights, match="pull hub:me/other"):
        edited(shelf, noise(8, 8), repository="me/other")
    with pytest.raises(MissingWeights, match="pull hub:"):
        edited(Shelf(tmp_path), noise(8, 8))


def test_an_empty_instruction_changes_nothing():
    pixels = noise(9, 9, 4)
    assert np.array_equal(edited(None, pixels, instruction=" ").image.pixels, pixels)


@pytest.mark.parametrize("size", [(1, 1), (1, 200), (300, 9), (301, 200)])
def test_every_shape(shelf, size):
    pixels = noise(*size, 4)
    found = edited(shelf, pixels, repository="me/beside", steps=1).image.pixels
    assert found.shape == pixels.shape and np.array_equal(found[..., 3], pixels[..., 3])


@pytest.mark.parametrize("family", ["beside", "two"])
def test_closed_after_any_step_it_stops_within_one_evaluation(shelf, family):
    pipeline = shelf.part(f"hub:me/{family}", "pipeline", None)
    evaluations = []
    hook = pipeline.unet.register_forward_pre_hook(lambda *_: evaluations.append(1))
    ctx = EditContext(Picture(noise(64, 64)), shelf=shelf)
    for steps in range(3):
        evaluations.clear()
        edit = hub_editor.run(ctx, Args(instruction="red", repository=f"me/{family}", steps=50))
        next(edit)
        while len(evaluations) < steps:
            next(edit)
        before = len(evaluations)
        edit.close()
        assert len(evaluations) <= before + 2
    hook.remove()
    assert edited(shelf, noise(64, 64), repository=f"me/{family}").image.size == (64, 64)


def test_progress_grows_to_one(shelf):
    ctx = EditContext(Picture(noise(200, 300)), shelf=shelf)
    args = Args(instruction="red", repository="me/beside", steps=3)
    found = [progress.fraction for progress in hub_editor.run(ctx, args)]
    assert found == sorted(found) and found[0] == 0 and found[-1] == 1 and len(found) > 4


def test_numbers_that_are_none_and_memory_that_is_not_there(shelf, monkeypatch):
    pipeline = shelf.part("hub:me/beside", "pipeline", None)
    bias = pipeline.vae.decoder.conv_out.bias
    kept = bias.detach().clone()
    torch.nn.init.constant_(bias, torch.nan)
    with pytest.raises(NotFinite), np.errstate(invalid="ignore"):
        edited(shelf, noise(64, 64), repository="me/beside")
    with torch.no_grad():
        bias.copy_(kept)

    def fail(*_):
        raise torch.OutOfMemoryError("CUDA out of memory")

    hook = pipeline.unet.register_forward_pre_hook(fail)
    with pytest.raises(OutOfMemory):
        edited(shelf, noise(64, 64), repository="me/beside")
    hook.remove()
    assert edited(shelf, noise(64, 64), repository="me/beside").image.size == (64, 64)


def spoilt(shelf, tmp_path, **index):
    """A copy of an editor's folder whose index says something else."""
    folder = tmp_path / "spoilt"
    shutil.copytree(shelf.entry("hub:me/beside").folder, folder)
    told = json.loads((folder / "model_index.json").read_text())
    (folder / "model_index.json").unlink()
    (folder / "model_index.json").write_text(json.dumps(told | index))
    return folder


@pytest.mark.parametrize(
    "index",
    [
        {"_class_name": "OurOwnPipeline"},
        {"_class_name": ["pipeline", "OurOwn"]},
        {"_class_name": "StableDiffusionPipeline"},
        {"unet": ["subprocess", "Popen"]},
        {"unet": ["os", "system"]},
        {"unet": ["diffusers", "NoSuchModel"]},
    ],
)
def test_code_that_weights_bring_and_pipelines_that_edit_nothing(shelf, tmp_path, index):
    folder = spoilt(shelf, tmp_path, **index)
    (folder / "pipeline.py").write_text("raise SystemExit('run')")
    (folder / "unet/pipeline.py").write_text("raise SystemExit('run')")
    with pytest.raises(BadWeights):
        load(folder, torch.device("cpu"), torch.float32)


class Pipeline:
    """A signature, and what it was trained on."""

    default_sample_size, vae_scale_factor, components = 128, 16, {}

    def __call__(self, image, prompt, negative_prompt=None, true_cfg_scale=4.0, guidance_scale=None, width=None):
        raise NotImplementedError


def test_what_is_said_is_what_the_signature_has_a_name_for():
    told = arguments(Pipeline(), noise(4, 6), Args(instruction="red", text_guidance=3), 0)
    assert told.pop("image").size == (6, 4)
    assert told == {"prompt": "red", "negative_prompt": " ", "true_cfg_scale": 3, "width": 6}
    assert side_of(Pipeline()) == 2048


@pytest.mark.parametrize("more", [{"steps": 9}, {"image_guidance": 2}])
def test_a_number_that_the_signature_has_no_name_for_is_refused(more):
    with pytest.raises(BadArguments, match=f"Pipeline cannot be told {next(iter(more))}"):
        arguments(Pipeline(), noise(4, 6), Args(instruction="red", **more), 0)


def test_no_family_is_named():
    source = Path(module.__file__).read_text(encoding="utf-8").lower()
    assert not [
        name for name in ("flux", "qwen", "kandinsky", "stable", "sdxl", "kontext", "pix2pix") if name in source
    ]
