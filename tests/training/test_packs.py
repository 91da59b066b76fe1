"""A pack's networks are those of its own register; what it has not, or what has changed, is a sentence."""

import json

import pytest
import torch

from sessions.errors import BadWeights, MissingWeights
from tests import tiny
from tests.training.packs import small_pack
from tools.weights import read_register, sha256
from training import export, packs


@pytest.fixture
def pack(tmp_path):
    return small_pack(tmp_path)


def test_a_packs_own_base_and_encoder_are_opened(pack):
    entries = {entry.role: entry.digest for entry in read_register(pack / "register.json")}
    assert packs.base(pack).digest == entries["text-to-image"]
    assert packs.encoder(pack).digest == packs.reader(pack).digest == entries["encoder"]
    assert packs.base().digest not in entries.values() and packs.encoder().digest not in entries.values()


def test_a_pack_without_the_role_is_refused(pack, tmp_path):
    told = json.loads((pack / "register.json").read_text())
    told["entries"] = [one for one in told["entries"] if one["role"] != "encoder"]
    (pack / "register.json").write_text(json.dumps(told))
    with pytest.raises(MissingWeights, match="has no encoder"):
        packs.encoder(pack)
    with pytest.raises(MissingWeights, match="has no text-to-image"):
        packs.base(tmp_path / "nowhere")


def test_a_file_that_is_not_the_one_that_was_registered_is_refused(pack):
    with (pack / "encoder/model.safetensors").open("ab") as file:
        file.write(b" ")
    with pytest.raises(BadWeights, match="not the file that was registered"):
        packs.encoder(pack)


def test_a_model_in_diffusers_layout_is_a_base_too(tmp_path):
    assert packs.base(tiny.stable_diffusion(tmp_path / "sd")).prediction == "epsilon"


def test_another_autoencoder_is_named_by_every_role_that_has_it(pack, tmp_path):
    before = {entry.role: entry for entry in read_register(pack / "register.json")}
    other = packs.base(pack).vae
    with torch.no_grad():
        other.post_quant_conv.weight += 1
    export.saved(other, tmp_path / "vae")
    export.autoencoder(pack, tmp_path / "vae")
    after = {entry.role: entry for entry in read_register(pack / "register.json")}
    weights = "vae/diffusion_pytorch_model.safetensors"
    assert after["text-to-image"].files[weights].sha256 == sha256(tmp_path / weights)
    assert before["text-to-image"].files[weights].sha256 != sha256(tmp_path / weights)
    assert after["encoder"] == before["encoder"] and packs.base(pack).digest == after["text-to-image"].digest
