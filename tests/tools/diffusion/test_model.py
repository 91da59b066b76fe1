"""Loading: a public folder layout, and each way in which a folder can be wrong, named; texts as they are encoded."""

import json
import shutil
from pathlib import Path

import diffusers
import pytest
import torch
from safetensors.torch import load_file, save_file

from sessions.errors import BadArguments, BadWeights
from tests import tiny
from tools.diffusion import model, text
from tools.diffusion.upsampling import Doubling

UNET = "unet/diffusion_pytorch_model.safetensors"


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    return tiny.stable_diffusion(tmp_path_factory.mktemp("tiny") / "sd")


@pytest.fixture(scope="module")
def loaded(folder):
    return model.load(folder, "cpu", torch.float32)


@pytest.fixture
def copy(folder, tmp_path) -> Path:
    return shutil.copytree(folder, tmp_path / "copy")


def refused(folder: Path, match: str) -> None:
    with pytest.raises(BadWeights, match=match):
        model.load(folder, "cpu", torch.float32)


def rewritten(file: Path, change) -> None:
    tensors = load_file(file)
    change(tensors)
    save_file(tensors, file)


def configured(file: Path, **values) -> None:
    file.write_text(json.dumps(json.loads(file.read_text()) | values))


def test_a_public_folder_is_loaded_as_it_is(folder, loaded):
    assert (loaded.side, loaded.factor, loaded.channels, loaded.prediction) == (64, 8, 4, "epsilon")
    assert (loaded.name, loaded.dtype, loaded.device.type) == ("sd", torch.float32, "cpu")
    assert loaded.schedule.offset == 1 and loaded.schedule.final_alpha == pytest.approx(0.99915)
    theirs = diffusers.UNet2DConditionModel.from_pretrained(folder / "unet").state_dict()
    ours = loaded.unet.state_dict()
    assert ours.keys() == theirs.keys() and all(torch.equal(ours[key], theirs[key]) for key in theirs)
    assert not any(weight.requires_grad or weight.is_meta for weight in loaded.unet.parameters())
    assert any(isinstance(module, Doubling) for module in loaded.unet.modules())


def test_the_digest_is_of_the_weights(folder, loaded, copy):
    assert model.load(copy, "cpu", torch.float32).digest == loaded.digest
    assert model.load(copy, "cpu", torch.float32, digest="known", name="Mine").digest == "known"
    rewritten(copy / UNET, lambda tensors: tensors["conv_in.bias"].add_(1))
    assert model.load(copy, "cpu", torch.float32).digest != loaded.digest


def test_half_precision_and_velocity(copy):
    configured(copy / "scheduler/scheduler_config.json", prediction_type="v_prediction", steps_offset=0)
    read = model.load(copy, "cpu", torch.bfloat16)
    assert (read.dtype, read.prediction, read.schedule.offset) == (torch.bfloat16, "v_prediction", 0)
    assert {weight.dtype for weight in read.text_encoder.parameters()} == {torch.bfloat16}


def test_other_factors_and_names_of_an_older_autoencoder(copy, loaded):
    old = {".to_q.": ".query.", ".to_k.": ".key.", ".to_v.": ".value.", ".to_out.0.": ".proj_attn."}

    def aged(tensors):
        for key in list(tensors):
            name = key
            for new, before in old.items():
                name = name.replace(new, before)
            tensors[name] = tensors.pop(key)

    rewritten(copy / "vae/diffusion_pytorch_model.safetensors", aged)
    again = model.load(copy, "cpu", torch.float32).vae.state_dict()
    assert all(torch.equal(tensor, again[key]) for key, tensor in loaded.vae.state_dict().items())


@pytest.mark.parametrize("part", ["unet", "vae", "text_encoder", "tokenizer", "scheduler"])
def test_a_missing_part_is_named(copy, part):
    shutil.rmtree(copy / part)
    refused(copy, part)


def test_a_missing_file_is_named(copy):
    (copy / UNET).unlink()
    refused(copy, "unet has no safetensors file")


def test_a_missing_tensor_is_named(copy):
    rewritten(copy / UNET, lambda tensors: tensors.pop("mid_block.resnets.0.conv1.bias"))
    refused(copy, r"mid_block\.resnets\.0\.conv1\.bias")


def test_a_foreign_tensor_is_named(copy):
    rewritten(copy / UNET, lambda tensors: tensors.update(stranger=torch.zeros(2)))
    refused(copy, "stranger")


def test_a_shape_that_the_config_does_not_ask_for_is_named(copy):
    configured(copy / "unet/config.json", in_channels=8)
    refused(copy, r"conv_in\.weight is \[16, 4, 3, 3\], its config asks for \[16, 8, 3, 3\]")


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_weights_that_are_no_numbers_are_named(copy, value):
    rewritten(copy / "vae/diffusion_pytorch_model.safetensors", lambda t: t["decoder.conv_in.bias"].fill_(value))
    refused(copy, r"decoder\.conv_in\.bias has infinite or undefined")


def test_a_damaged_file_is_an_error(copy):
    file = copy / "text_encoder/model.safetensors"
    file.write_bytes(file.read_bytes()[:500])
    refused(copy, "safetensors")


@pytest.mark.parametrize("content", ["", "[]", "{", '{"block_out_channels": 3}'])
def test_a_config_that_is_none_is_an_error(copy, content):
    (copy / "unet/config.json").write_text(content)
    refused(copy, "config.json")


def test_a_tokenizer_without_words_is_an_error(copy):
    (copy / "tokenizer/vocab.json").unlink()
    refused(copy, "vocab.json")


def test_what_a_network_predicts_must_be_known(copy):
    configured(copy / "scheduler/scheduler_config.json", prediction_type="sample")
    refused(copy, "sample")


def test_a_tool_may_need_other_channels(loaded):
    model.needs(loaded, 4, "diffedit")
    with pytest.raises(BadWeights, match="takes 4 channels; instruct_pix2pix needs one of 8"):
        model.needs(loaded, 8, "instruct_pix2pix")


def test_texts_are_padded_as_clip_was_trained(loaded):
    tokenizer, encoder = loaded.tokenizer, loaded.text_encoder
    states = text.encode(loaded, ["a red cat", ""])
    ids = tokenizer(["a red cat", ""], padding="max_length", max_length=77, return_tensors="pt").input_ids
    assert states.shape == (2, 77, tiny.WIDTH)
    assert torch.equal(states, encoder(ids).last_hidden_state)
    assert (text.encode(loaded, ["a red cat"])[0] - states[0]).abs().max() < 1e-5


def test_a_text_may_have_77_tokens_and_no_more(loaded):
    longest = " ".join(["cat"] * 75)
    assert len(loaded.tokenizer(longest).input_ids) == 77
    assert text.encode(loaded, [longest]).shape[1] == 77
    with pytest.raises(BadArguments, match="76 tokens long; these weights read at most 75"):
        text.encode(loaded, [f"{longest} cat"])
