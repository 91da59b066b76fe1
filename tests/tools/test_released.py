"""InstructAny2Pix's release beside the SDXL that is on the shelf: what is taken, what is refused, and a drawing."""

from __future__ import annotations

import shutil
from unittest.mock import Mock

import pytest
import torch
from diffusers import UNet2DConditionModel

from sessions.errors import BadWeights, MissingWeights
from sessions.values import Picture
from tests import tiny, tiny_encoders, tiny_released
from tests.tiny_released import ADAPTER, PRIOR, SPACE, STOCK
from tests.tools.darkroom.tones import noise
from tools import adding, trying, weights
from tools.base import EditContext, drain
from tools.diffusion import following
from tools.diffusion.denoiser import Network
from tools.edits.any2pix import Args, any2pix
from tools.nets.ip_adapter import UnclipConfig, UnclipProjection
from tools.nets.prior import ReleasedPrior


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """SDXL, an encoder, and the release as it is downloaded."""
    root = tmp_path_factory.mktemp("release")
    tiny.sdxl(root / "sdxl")
    tiny_released.imagebind(root / "eyes")
    tiny_released.folder(root / "ckpts", network(root))
    return root


def network(root):
    return UNet2DConditionModel.from_pretrained(root / "sdxl/unet")


@pytest.fixture
def there(made, empty):
    """A shelf with SDXL and an encoder."""
    adding.add(empty, made / "sdxl", "sdxl")
    adding.add(empty, made / "eyes", "encoder")
    return empty


def edited(there, seed: int = 1, **args):
    shown = (Picture(noise(40, 40, seed=7)),)
    context = EditContext(Picture(noise(64, 64)), shelf=there, subjects=shown, seed=seed)
    return drain(any2pix.run(context, Args(steps=2, **args)))


@pytest.mark.parametrize("ending", [".bin", ".safetensors"])
def test_the_release_is_one_entry_with_the_sdxl_that_is_there(ending, made, there, tmp_path):
    folder, told = tiny_released.folder(tmp_path / "ckpts", network(made), ending), []
    (folder / "llm-retrained").mkdir()
    (folder / "imagebind_huge.pth").write_bytes(b"not looked at")
    entry = adding.add(there, folder, "any2pix", tell=told.append)
    own = {f"ip_adapter/ip_adapter_global_local_2_view{ending}", f"prior/model{ending}"}
    base = there.entry("sdxl")
    assert entry.files.keys() == base.files.keys() | own and entry.name == "ckpts"
    assert all(entry.files[place] == file for place, file in base.files.items())
    assert "InstructAny2Pix states none" in entry.licence
    assert any(f"prior/model{ending}: " in line and "6 tensors are no part of it" in line for line in told)
    assert not any("ip_adapter" in line or "ImageBind" in line for line in told)
    result = edited(there)
    assert result.image.pixels.shape == (64, 64, 3) and result.facts["prior"]
    assert not torch.equal(result.latent, edited(there, scale=0.0).latent)
    assert not torch.equal(result.latent, edited(there, refined_weight=0.0).latent)
    adapter, prior = (
        there._residents.get((entry.digest, part), lambda: 0, lambda: None) for part in ("ip_adapter", "prior")
    )
    assert adapter.config.views == 2 and adapter.config.norm == 20 and isinstance(prior, ReleasedPrior)


def test_both_kinds_of_files_draw_the_same(made, there, tmp_path):
    adding.add(there, made / "ckpts", "any2pix", "bin")
    first = edited(there).latent
    adding.add(there, tiny_released.folder(tmp_path / "ckpts", network(made), ".safetensors"), "any2pix", "safe")
    assert there.entry("any2pix").name == "safe" and torch.allclose(first, edited(there).latent, atol=1e-3)


@pytest.mark.parametrize("ending", [".bin", ".safetensors"])
def test_ip_adapters_own_file_stands_in_and_no_prior_need_be_there(ending, made, there, tmp_path):
    path = (tmp_path / "IP-Adapter" / STOCK).with_suffix(ending)
    tiny_released.written(path, tiny_released.adapter(network(made), views=1))
    tiny_released.written(path.with_name(f"ip-adapter_sdxl{ending}"), {"image_proj": {"proj.weight": torch.ones(1)}})
    entry = adding.add(there, tmp_path / "IP-Adapter", "any2pix")
    assert f"ip_adapter/ip-adapter_sdxl_vit-h{ending}" in entry.files and "Apache-2.0" in entry.licence
    assert edited(there).facts["prior"] is False


def test_of_both_adapters_the_release_is_taken(made, there, tmp_path):
    folder = shutil.copytree(made / "ckpts", tmp_path / "ckpts")
    tiny_released.written(folder / STOCK, tiny_released.adapter(network(made), views=1))
    assert "ip_adapter/ip_adapter_global_local_2_view.bin" in adding.add(there, folder, "any2pix").files


def test_without_sdxl_the_command_that_gets_it_is_named(made, empty):
    with pytest.raises(MissingWeights, match="no weights for sdxl on this machine") as refused:
        adding.add(empty, made / "ckpts", "any2pix")
    assert refused.value.hint == "pentimento models pull sdxl" and not empty.entries()


def test_without_imagebind_that_is_said_and_the_released_width_is_meant(made, empty):
    adding.add(empty, made / "sdxl", "sdxl")
    told = []
    with pytest.raises(BadWeights, match=f"embeddings of {SPACE} numbers, and the encoder gives 1024"):
        adding.add(empty, made / "ckpts", "any2pix", tell=told.append)
    assert "pentimento models pull imagebind" in told[0]


def test_it_reads_imagebind_whatever_other_encoder_is_better(made, there, tmp_path):
    adding.add(there, made / "ckpts", "any2pix")
    first = edited(there).latent
    adding.add(there, tiny_encoders.clap_clip(tmp_path / "both"), "encoder")
    assert there.encoder().name != "imagebind" and torch.equal(first, edited(there).latent)
    there.remove(next(one.name for one in there.entries() if one.role == "encoder" and one.name == "eyes"))
    with pytest.raises(MissingWeights) as refused:
        edited(there)
    assert refused.value.hint == "pentimento models pull imagebind"


def test_the_doctor_loads_the_adapter_and_the_prior_too(made, there, tmp_path, monkeypatch):
    entry = adding.add(there, made / "ckpts", "any2pix")
    trying.once(there, entry)
    monkeypatch.setattr(following, "adapter_in", Mock(side_effect=BadWeights("It is damaged.")))
    with pytest.raises(BadWeights, match="It is damaged"):
        trying.once(there, entry)


def test_one_file_of_it_is_not_all_of_it(made, there):
    (path,) = (made / "ckpts/sdxl").glob("*.bin")
    with pytest.raises(BadWeights, match="more than one file") as refused:
        adding.add(there, path, "any2pix")
    assert str(path.parent) in refused.value.hint


def test_a_folder_with_nothing_of_the_kind_says_what_it_would_be(empty, tmp_path):
    with pytest.raises(BadWeights, match="nor a released adapter") as refused:
        adding.add(empty, tmp_path, "any2pix")
    assert ADAPTER in refused.value.hint


def nested(part: str, name: str, tensor):
    def change(tensors):
        tensors[part] = {k: v for k, v in (tensors[part] | {name: tensor}).items() if v is not None}

    return ADAPTER, change


def flat(name: str, tensor):
    def change(tensors):
        tensors.pop(name)
        tensors |= {} if tensor is None else {name: tensor}

    return PRIOR, change


WRONG = {
    "no norm": (*nested("image_proj", "norm.bias", None), r"the first image_proj\.norm\.bias, \[56\]\."),
    "no layer": (*nested("ip_adapter", "3.to_v_ip.weight", None), r"first ip_adapter\.3\.to_v_ip\.weight, \[16, 56\]"),
    "a narrow layer": (
        *nested("ip_adapter", "1.to_k_ip.weight", torch.ones(16, 5)),
        r"ip_adapter\.1\.to_k_ip\.weight is \[16, 5\], and \[16, 56\] is meant",
    ),
    "a strange layer": (*nested("ip_adapter", "2.to_k_ip.weight", torch.ones(1)), r"no ip_adapter\.2\.to_k_ip"),
    "bigG": (*nested("image_proj", "proj.weight", torch.ones(224, 80)), "of 80 numbers, and the encoder gives 64"),
    "SD 1.5": (*nested("image_proj", "norm.weight", torch.ones(768)), "768 numbers, the U-Net's have 56"),
    "infinite": (*nested("image_proj", "proj.bias", torch.full((224,), torch.inf)), "image_proj.proj.bias has infinit"),
    "no block": (*flat("model.h.1.mlp.c_fc.bias", None), r"the first model\.h\.1\.mlp\.c_fc\.bias, \[256\]"),
    "no score": (*flat("input_sequence_embed_linear.3.weight", None), r"lack input_sequence_embed_linear\.3\.weight"),
    "a narrow table": (*flat("modality_embedding.weight", torch.ones(10, 5)), r"is \[10, 5\], and \[10, 64\] is meant"),
}


@pytest.mark.parametrize("case", WRONG)
def test_what_is_missing_or_does_not_fit_is_named_and_nothing_is_registered(case, made, there, tmp_path):
    place, change, said = WRONG[case]
    path = shutil.copytree(made / "ckpts", tmp_path / "ckpts") / place
    tensors = torch.load(path, weights_only=True)
    change(tensors)
    torch.save(tensors, path)
    before = there.register.read_bytes()
    with pytest.raises(BadWeights, match=said):
        adding.add(there, tmp_path / "ckpts", "any2pix")
    assert there.register.read_bytes() == before


def test_a_prior_of_other_embeddings_is_refused(made, there, tmp_path, monkeypatch):
    folder = shutil.copytree(made / "ckpts", tmp_path / "ckpts")
    monkeypatch.setattr(tiny_released, "SIZES", tiny_released.SIZES | {"width": 128})
    tiny_released.written(folder / PRIOR, tiny_released.prior())
    with pytest.raises(BadWeights, match=r"model\.ln_f\.weight is \[128\], and \[64\] is meant"):
        adding.add(there, folder, "any2pix")


def test_a_trap_in_the_adapter_is_not_sprung(made, there, tmp_path):
    class Trap:
        def __reduce__(self):
            import os

            return os.mkdir, (str(tmp_path / "caught"),)

    folder = shutil.copytree(made / "ckpts", tmp_path / "ckpts")
    torch.save({"image_proj": {"proj.weight": Trap()}, "ip_adapter": {}}, folder / ADAPTER)
    with pytest.raises(BadWeights, match="holds more than tensors"):
        adding.add(there, folder, "any2pix")
    assert not (tmp_path / "caught").exists()


def test_what_needs_memory_is_counted_in_nested_files_too(made, there):
    entry = adding.add(there, made / "ckpts", "any2pix")
    sizes = weights.shapes(made / "ckpts" / ADAPTER)
    assert sizes["image_proj.raw_embed"] == (2, 56)
    assert weights.numbers(entry, "ip_adapter") == sum(torch.Size(shape).numel() for shape in sizes.values())


def test_when_sdxl_goes_the_drawing_says_which_file(made, there, tmp_path):
    copy = shutil.copytree(made / "sdxl", tmp_path / "copy")
    adding.add(there, copy, "sdxl")
    adding.add(there, made / "ckpts", "any2pix")
    shutil.rmtree(copy)
    with pytest.raises(MissingWeights, match="is gone"):
        edited(there)


# unCLIP-XL, the release's decoder before its adapter


def older(root, net, ending: str = ".bin", **changed):
    """A folder as it was released first: a whole U-Net with the projections among its tensors."""
    torch.manual_seed(67)
    sizes = UnclipConfig(SPACE, net.config.cross_attention_dim, tiny.POOLED, hidden=16, blank=6)
    own = {name: 3 * tensor for name, tensor in UnclipProjection(sizes).state_dict().items()}
    state = {name: tensor for name, tensor in (net.state_dict() | own | changed).items() if tensor is not None}
    tiny_released.written(root / f"sdxl/unet/diffusion_pytorch_model{ending}", state)
    return root


@pytest.mark.parametrize("ending", [".bin", ".safetensors"])
def test_unclip_draws_what_is_meant_and_reads_no_text(ending, made, there, tmp_path):
    net = network(made)
    with torch.no_grad():  # another U-Net than the one on the shelf
        net.conv_in.weight.mul_(1.5)
    folder = older(tmp_path / "ckpts", net, ending)
    tiny_released.written(folder / PRIOR, tiny_released.prior())
    entry = adding.add(there, folder, "any2pix")
    assert {"unet/diffusion_pytorch_model.safetensors", "ip_adapter/model.safetensors", "prior/model.bin"} < set(
        entry.files
    )
    assert entry.part("unet") != there.entry("sdxl").part("unet") and entry.part("vae") == there.entry("sdxl").part(
        "vae"
    )
    plain = edited(there).latent
    prompted = edited(there, prompt="a red cat", negative="a dog")
    assert torch.equal(plain, prompted.latent) and prompted.facts["prompt"] == "not read by these weights"
    assert not torch.equal(plain, edited(there, refined_weight=0.0).latent)
    assert torch.equal(there.diffusion("any2pix").unet.conv_in.weight, net.conv_in.weight)
    there.remove("ckpts")
    assert not list(there.unfolded.glob("*"))


def test_unclips_one_token_and_pooled_vector_are_all_it_is_told(made, there, tmp_path, monkeypatch):
    adding.add(there, older(tmp_path / "ckpts", network(made)), "any2pix")
    seen = []
    eps = Network.eps

    def watched(self, x, sigma, conditions):
        seen.extend(conditions)
        return eps(self, x, sigma, conditions)

    monkeypatch.setattr(Network, "eps", watched)
    edited(there)
    adapter = there._residents.get((there.entry("any2pix").digest, "ip_adapter"), lambda: 0, lambda: None)
    text, pooled = adapter(torch.zeros(1, SPACE))
    assert all(one.text.shape == (1, tiny.WIDTH + tiny.WIDTH_2) and one.image is None for one in seen)
    assert all(torch.equal(one.added[: tiny.POOLED], pooled[0]) for one in seen)
    assert any(torch.equal(one.text, text[0]) for one in seen) and any(
        not torch.equal(one.text, text[0]) for one in seen
    )


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"conv_in.weight": None}, r"lacks conv_in\.weight"),
        ({"conv_in.weight": torch.ones(8, 5, 3, 3)}, r"conv_in\.weight is \[8, 5, 3, 3\], its config asks for \[8, 4"),
        ({"projector_unclip2.2.bias": None}, r"the first projector_unclip2\.2\.bias, \[20\]"),
        ({"projector_unclip.0.weight": torch.ones(16, 5)}, r"projector_unclip\.0\.weight is \[16, 5\], and \[16, 64\]"),
    ],
)
def test_what_is_wrong_with_unclip_is_named_and_leaves_nothing(changed, said, made, there, tmp_path):
    before = there.register.read_bytes()
    with pytest.raises(BadWeights, match=said):
        adding.add(there, older(tmp_path / "ckpts", network(made), **changed), "any2pix")
    assert there.register.read_bytes() == before and not list(there.unfolded.glob("*"))
