"""Adapters against diffusers' own processors and plain algebra, and their files: names, sizes, what is refused."""

import json

import pytest
import torch
from diffusers import UNet2DConditionModel
from safetensors.torch import save_file

from sessions.errors import BadWeights, MissingWeights
from tests.tools.diffusion.worlds import WIDTH, drawn, error, small_unet
from tools.diffusion.attention import Attention, install
from tools.nets import ip_adapter
from tools.nets.ip_adapter import (
    GLOBAL,
    LOCAL,
    AdapterConfig,
    IpAdapter,
    UnclipConfig,
    UnclipProjection,
    beside,
    inner,
    listed,
)

D = 10
SDXL = {
    "down_block_types": ("DownBlock2D", "CrossAttnDownBlock2D", "CrossAttnDownBlock2D"),
    "up_block_types": ("CrossAttnUpBlock2D", "CrossAttnUpBlock2D", "UpBlock2D"),
    "use_linear_projection": True,
    "addition_embed_type": "text_time",
}


def small_sdxl() -> UNet2DConditionModel:
    """SDXL's topology, with fewer and narrower transformer blocks; middle and lowest level are equally wide."""
    torch.manual_seed(0)
    unet = UNet2DConditionModel(
        **SDXL,
        sample_size=8,
        block_out_channels=(8, 16, 16),
        transformer_layers_per_block=[1, 2, 3],
        attention_head_dim=[1, 2, 4],
        cross_attention_dim=WIDTH,
        addition_time_embed_dim=4,
        projection_class_embeddings_input_dim=8 + 6 * 4,
        norm_num_groups=4,
    )
    return unet.double().eval().requires_grad_(False)


UNETS = {"SD 1.5": small_unet, "SDXL": small_sdxl}


def config_of(unet, views: int = 1) -> AdapterConfig:
    return AdapterConfig(D, WIDTH, inner(unet), views=views)


def adapter_of(unet, views: int = 1, seed: int = 5) -> IpAdapter:
    """A random adapter in float64, its norm's weights too."""
    torch.manual_seed(seed)
    adapter = IpAdapter(config_of(unet, views)).double().eval().requires_grad_(False)
    for tensor in adapter.state_dict().values():
        tensor.normal_(std=0.5)
    return adapter


def nested(adapter: IpAdapter) -> dict[str, dict[str, torch.Tensor]]:
    """Its tensors as the released file has them."""
    parts: dict[str, dict[str, torch.Tensor]] = {"image_proj": {}, "ip_adapter": {}}
    for name, tensor in adapter.state_dict().items():
        part, _, own = name.partition(".")
        parts[part][own] = tensor
    return parts


def asked(unet, rows: int = 2) -> dict:
    """What a pass is given besides pictures."""
    more = {"text_embeds": drawn(rows, 8, seed=7), "time_ids": drawn(rows, 6, seed=8)}
    told = more if unet.config.addition_embed_type else {}
    return {
        "sample": drawn(rows, 4, 8, 8),
        "timestep": torch.tensor(321),
        "encoder_hidden_states": drawn(rows, 7, WIDTH, seed=6),
        "added_cond_kwargs": told,
    }


@pytest.mark.parametrize("scale", [1.0, 0.3])
@pytest.mark.parametrize("make", UNETS.values(), ids=UNETS.keys())
def test_a_stock_adapter_says_what_it_says_in_diffusers(make, scale):
    ours, theirs, e = make(), make(), drawn(2, D, seed=9)
    adapter = adapter_of(ours)
    theirs._load_ip_adapter_weights([nested(adapter)])
    theirs.requires_grad_(False)
    for processor in theirs.attn_processors.values():
        if hasattr(processor, "scale"):
            processor.scale = [scale]
    given = asked(theirs)
    given["added_cond_kwargs"] = {**given["added_cond_kwargs"], "image_embeds": [e[:, None]]}
    expected = theirs(**given).sample
    install(ours, Attention(image=adapter.prompt(ours, adapter.tokens(e), scale=scale)))
    plain = make()(**asked(ours)).sample
    assert error(ours(**asked(ours)).sample, expected) < 1e-12
    assert error(plain, expected) > 1e-3


@pytest.mark.parametrize("make", UNETS.values(), ids=UNETS.keys())
def test_layers_are_listed_as_diffusers_lists_them(make):
    unet = make()
    names = {id(module): name for name, module in unet.named_modules()}
    theirs = [name.removesuffix(".attn2.processor") for name in unet.attn_processors if ".attn2." in name]
    assert [names[id(block)] for block in listed(unet)] == theirs
    assert [i for i, name in enumerate(unet.attn_processors) if ".attn2." in name] == list(range(1, 2 * len(theirs), 2))


def test_an_embedding_becomes_tokens_as_the_papers_say():
    adapter, e, g = adapter_of(small_unet(), views=2), drawn(3, D), drawn(3, 2, D, seed=4)
    proj, norm, views = adapter.image_proj.proj, adapter.image_proj.norm, adapter.image_proj.raw_embed

    def told(one, view):
        x = (one @ proj.weight.T + proj.bias).reshape(4, WIDTH) + views[view]
        return (x - x.mean(1, keepdim=True)) / (x.var(1, False, keepdim=True) + 1e-5).sqrt() * norm.weight + norm.bias

    whole = torch.stack([told(one, GLOBAL) for one in e])
    things = torch.stack([torch.cat([told(one, LOCAL) for one in some]) for some in g])
    assert error(adapter.tokens(e), whole) < 1e-12
    assert error(adapter.tokens(None, g), things) < 1e-12
    assert error(adapter.tokens(e, g), torch.cat([whole, things], 1)) < 1e-12
    assert adapter.tokens(e, g).shape == (3, 12, WIDTH)
    with pytest.raises(ValueError, match="no embedding"):
        adapter.tokens(None)


def test_without_views_all_embeddings_are_told_alike():
    adapter, e = adapter_of(small_unet()), drawn(2, D)
    assert torch.equal(adapter.image_proj(e, GLOBAL), adapter.image_proj(e, LOCAL))
    assert "image_proj.raw_embed" not in adapter.state_dict()


def test_zeros_are_told_as_something():
    adapter = adapter_of(small_unet(), views=2)
    none = adapter.tokens(torch.zeros(1, D).double(), torch.zeros(1, 1, D).double())
    assert torch.equal(none[:, :4], adapter.image_proj(torch.zeros(1, D).double(), GLOBAL))
    assert (none[:, :4] - none[:, 4:]).abs().max() > 0.1


def test_the_names_and_sizes_are_those_of_the_release():
    """Specification, section 3: {1, 3, …, 139}.to_k_ip and to_v_ip, [640 | 1280, 2048], and five of the projection."""
    with torch.device("meta"):
        unet = UNet2DConditionModel(
            **SDXL,
            sample_size=128,
            block_out_channels=(320, 640, 1280),
            transformer_layers_per_block=[1, 2, 10],
            attention_head_dim=[5, 10, 20],
            cross_attention_dim=2048,
            addition_time_embed_dim=256,
            projection_class_embeddings_input_dim=2816,
        )
        adapter = IpAdapter(AdapterConfig(1024, 2048, inner(unet), views=2))
        unclip = UnclipProjection(UnclipConfig())
    shapes = {name: tuple(tensor.shape) for name, tensor in adapter.state_dict().items()}
    places = {str(i): name for i, name in enumerate(unet.attn_processors) if ".attn2." in name}
    modules = dict(unet.named_modules())
    released = {
        f"ip_adapter.{place}.{kind}.weight": (modules[name.removesuffix(".processor")].to_k.out_features, 2048)
        for place, name in places.items()
        for kind in ("to_k_ip", "to_v_ip")
    }
    assert len(released) == 140 and set(places) == {str(n) for n in range(1, 140, 2)}
    assert {rows for rows, _ in released.values()} == {640, 1280}
    assert shapes == released | {
        "image_proj.proj.weight": (8192, 1024),
        "image_proj.proj.bias": (8192,),
        "image_proj.norm.weight": (2048,),
        "image_proj.norm.bias": (2048,),
        "image_proj.raw_embed": (2, 2048),
    }
    assert {name: tuple(tensor.shape) for name, tensor in unclip.state_dict().items()} == {
        "projector_unclip.0.weight": (4096, 1024),
        "projector_unclip.0.bias": (4096,),
        "projector_unclip.2.weight": (2048, 4096),
        "projector_unclip.2.bias": (2048,),
        "projector_unclip2.0.weight": (4096, 768),
        "projector_unclip2.0.bias": (4096,),
        "projector_unclip2.2.weight": (1280, 4096),
        "projector_unclip2.2.bias": (1280,),
    }


@pytest.mark.parametrize("views", [1, 2])
@pytest.mark.parametrize("make", UNETS.values(), ids=UNETS.keys())
def test_every_layout_of_files_loads_the_same(make, views, tmp_path):
    unet = make()
    adapter = adapter_of(unet, views).float()
    flat = {name: tensor.contiguous() for name, tensor in adapter.state_dict().items()}
    torch.save(nested(adapter), tmp_path / "ip_adapter_global_local_2_view.bin")
    torch.save(flat, tmp_path / "flat.bin")
    torch.save({f"module.{name}": tensor for name, tensor in flat.items()}, tmp_path / "wrapped.pth")
    save_file(flat | {"step": torch.tensor(3)}, tmp_path / "ip-adapter.safetensors")
    for path in sorted(tmp_path.iterdir()):
        loaded, ignored = ip_adapter.load(path, unet, D)
        assert loaded.config == config_of(unet, views) and not any(p.requires_grad for p in loaded.parameters())
        assert all(torch.equal(tensor, flat[name]) for name, tensor in loaded.state_dict().items())
        assert ignored == (("step",) if path.suffix == ".safetensors" else ())


def changed(**tensors):
    """What makes a table of an adapter's tensors another: a tensor, or None for one that is taken out."""
    return lambda flat: {k: v for k, v in (flat | tensors).items() if v is not None}


WRONG = {
    "no norm": (changed(**{"image_proj.norm.bias": None}), r"lack 1 tensors .* image_proj\.norm\.bias"),
    "no layer": (changed(**{"ip_adapter.13.to_v_ip.weight": None}), r"ip_adapter\.13\.to_v_ip\.weight"),
    "a strange layer": (changed(**{"ip_adapter.2.to_k_ip.weight": torch.ones(1)}), r"no ip_adapter\.2\.to_k_ip"),
    "LoRA": (changed(**{"ip_adapter.0.to_k_lora.up.weight": torch.ones(1)}), "to_k_lora"),
    "wrong width": (changed(**{"ip_adapter.1.to_k_ip.weight": torch.ones(8, 5)}), r"ip_adapter\.1\.to_k_ip.* \[8, 5\]"),
    "not finite": (changed(**{"ip_adapter.3.to_k_ip.weight": torch.full((8, WIDTH), torch.inf)}), r"ip_adapter\.3\."),
    "one view": (changed(**{"image_proj.raw_embed": torch.ones(1, WIDTH)}), "no image_proj.raw_embed"),
    "bigG": (changed(**{"image_proj.proj.weight": torch.ones(48, 16)}), "of 16 numbers, and the encoder gives 10"),
    "plus": (changed(**{"image_proj.latents": torch.ones(1, 16, 8)}), "plus.*Resampler"),
    "full face": (changed(**{"image_proj.proj.weight": None, "image_proj.proj.3.weight": torch.ones(1)}), "image_proj"),
    "another base": (changed(**{"image_proj.norm.weight": torch.ones(768)}), "768 numbers, the U-Net's have 12"),
    "no adapter": (lambda flat: {"a": torch.ones(1)}, "is no IP-Adapter"),
}


@pytest.mark.parametrize("case", WRONG)
def test_what_is_wrong_is_named(case, tmp_path):
    change, said = WRONG[case]
    unet = small_unet()
    torch.save(change(dict(adapter_of(unet).float().state_dict())), tmp_path / "adapter.bin")
    with pytest.raises(BadWeights, match=said):
        ip_adapter.load(tmp_path / "adapter.bin", unet, D)


def test_of_an_encoder_too_wide_the_other_file_is_named(tmp_path):
    torch.save({"image_proj": {"proj.weight": torch.ones(8192, 1280)}, "ip_adapter": {}}, tmp_path / "sdxl.bin")
    with pytest.raises(BadWeights, match=r"1280 numbers, and the encoder gives 1024\..*vit-h"):
        ip_adapter.load(tmp_path / "sdxl.bin", small_unet(), 1024)
    with pytest.raises(MissingWeights):
        ip_adapter.load(tmp_path / "nowhere.bin", small_unet(), 1024)


def test_a_folder_says_what_its_adapter_was_trained_with(tmp_path):
    unet = small_unet().float()
    torch.manual_seed(1)
    made = beside(unet, AdapterConfig(D, WIDTH, inner(unet), views=2, norm=7.5, encoder="abc"))
    ip_adapter.save(made, tmp_path / "ip_adapter")
    loaded, ignored = ip_adapter.load(tmp_path / "ip_adapter", unet, D)
    assert loaded.config == made.config and not ignored
    for name, tensor in loaded.state_dict().items():
        torch.testing.assert_close(tensor, made.state_dict()[name], atol=1e-3, rtol=1e-3)
    path = tmp_path / "ip_adapter/config.json"
    for told in ({"views": 1}, {"width": 9}, {"inner": [3]}):
        path.write_text(json.dumps(json.loads(path.read_text("utf-8")) | told), encoding="utf-8")
        with pytest.raises(BadWeights, match="describes another"):
            ip_adapter.load(tmp_path / "ip_adapter", unet, D)
    path.write_text("{}", encoding="utf-8")
    with pytest.raises(BadWeights, match="does not say the sizes"):
        ip_adapter.load(tmp_path / "ip_adapter", unet, D)


def test_a_new_adapter_begins_with_the_texts_keys_and_values():
    unet = small_unet()
    adapter = beside(unet, config_of(unet))
    for place, block in enumerate(listed(unet)):
        own = adapter.ip_adapter[str(2 * place + 1)]
        assert torch.equal(own.to_k_ip.weight, block.attn2.to_k.weight.float())
        assert torch.equal(own.to_v_ip.weight, block.attn2.to_v.weight.float())
    with pytest.raises(BadWeights, match="another U-Net"):
        beside(small_sdxl(), config_of(unet))


def unclip_of(pooled: int = 8) -> UnclipProjection:
    torch.manual_seed(2)
    return UnclipProjection(UnclipConfig(D, WIDTH, pooled, hidden=16, blank=6))


def test_unclips_token_stands_for_the_text(tmp_path):
    made, unet = unclip_of(), small_sdxl()
    torch.save(made.state_dict() | {"conv_in.weight": torch.ones(3)}, tmp_path / "unclip.bin")
    loaded, ignored = ip_adapter.load_unclip(tmp_path / "unclip.bin", unet, D, dtype=torch.float64)
    assert ignored == ("conv_in.weight",) and loaded.config == made.config
    e, w = drawn(2, D), {name: tensor.double() for name, tensor in made.state_dict().items()}

    def mlp(x, name):
        hidden = x @ w[f"{name}.0.weight"].T + w[f"{name}.0.bias"]
        return hidden * (1 + (hidden / 2**0.5).erf()) / 2 @ w[f"{name}.2.weight"].T + w[f"{name}.2.bias"]

    text, pooled = loaded(e)
    assert text.shape == (2, 1, WIDTH) and pooled.shape == (2, 8)
    assert error(text[:, 0], mlp(e, "projector_unclip")) < 1e-12
    assert error(pooled, mlp(torch.zeros(2, 6).double(), "projector_unclip2")) < 1e-12


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (changed(**{"projector_unclip2.2.bias": None}), r"projector_unclip2\.2\.bias"),
        (changed(**{"projector_unclip.1.weight": torch.ones(1)}), r"no projector_unclip\.1\.weight"),
        (changed(**{"projector_unclip.2.weight": torch.ones(5, 16)}), r"projector_unclip\.2\.weight is \[5, 16\]"),
        (lambda flat: {"conv_in.weight": torch.ones(1)}, "no projections of unCLIP-XL"),
    ],
)
def test_what_is_wrong_with_unclip_is_named(change, said, tmp_path):
    torch.save(change(dict(unclip_of().state_dict())), tmp_path / "unclip.bin")
    with pytest.raises(BadWeights, match=said):
        ip_adapter.load_unclip(tmp_path / "unclip.bin", small_sdxl(), D)
    torch.save(unclip_of().state_dict(), tmp_path / "unclip.bin")
    with pytest.raises(BadWeights, match="SDXL"):
        ip_adapter.load_unclip(tmp_path / "unclip.bin", small_unet(), D)
