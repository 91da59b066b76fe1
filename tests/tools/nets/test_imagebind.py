"""ImageBind: its tensors are those of the release, its numbers those of torch's and transformers' own layers."""

import math

import pytest
import torch
from torch import nn
from transformers import CLIPTextConfig, CLIPTextModelWithProjection, CLIPVisionConfig, CLIPVisionModelWithProjection

from sessions.errors import BadWeights, MissingWeights
from tests.manifests.remake import read
from tests.tiny_encoders import SMALL, imagebind_file, scatter
from tools import weights
from tools.nets import imagebind_keys
from tools.nets.imagebind import MODALITIES, Attention, Blocks, ImageBind, ImageBindConfig, Trunk

LEFT_OUT = {"depth": 177, "thermal": 177, "imu": 93}


@pytest.fixture
def float64():
    torch.set_default_dtype(torch.float64)
    yield
    torch.set_default_dtype(torch.float32)


def small(*modalities) -> ImageBind:
    torch.manual_seed(0)
    return scatter(ImageBind(SMALL, modalities or MODALITIES)).eval().requires_grad_(False)


def close(ours, theirs) -> None:
    torch.testing.assert_close(ours, theirs, rtol=1e-10, atol=1e-10)


def test_the_names_and_shapes_are_those_of_the_release():
    released = {name: shape for name, (_, shape) in read("imagebind").items()}
    assert len(released) == 1311 and sum(map(math.prod, released.values())) == 1_200_786_990
    with torch.device("meta"):
        ours = {name: tuple(tensor.shape) for name, tensor in ImageBind(ImageBindConfig()).state_dict().items()}
    others = {name: released[name] for name in released.keys() - ours.keys()}
    assert released == ours | others
    assert {kind: sum(f".{kind}." in name for name in others) for kind in LEFT_OUT} == LEFT_OUT
    assert len(others) == sum(LEFT_OUT.values())


@pytest.mark.parametrize("modality", MODALITIES)
def test_a_branch_has_no_tensors_of_another(modality):
    with torch.device("meta"):
        alone = ImageBind(ImageBindConfig(), [modality]).state_dict()
    assert len(alone) == {"vision": 392, "text": 295, "audio": 177}[modality]
    assert all(name.split(".")[1] == modality for name in alone)


@pytest.mark.parametrize("sink", [True, False])
def test_attention_is_torchs(sink, float64):
    torch.manual_seed(1)
    theirs = nn.MultiheadAttention(24, 3, add_bias_kv=sink, batch_first=True)
    ours = Attention(24, 3, sink)
    ours.load_state_dict(scatter(theirs).state_dict())
    x = torch.randn(2, 7, 24)
    close(ours(x), theirs(x, x, x, need_weights=False)[0])
    seen = torch.ones(7, 7, dtype=torch.bool).tril()
    if not sink:
        close(ours(x, seen), theirs(x, x, x, need_weights=False, attn_mask=~seen)[0])


def test_blocks_are_dense_pre_norm_blocks(float64):
    ours = scatter(Blocks(Trunk(24, 2, 3), sink=True))
    x = want = torch.randn(2, 7, 24)
    for block in ours.blocks:
        attention = nn.MultiheadAttention(24, 3, add_bias_kv=True, batch_first=True)
        attention.load_state_dict(block.attn.state_dict())
        normed = nn.functional.layer_norm(want, (24,), block.norm_1.weight, block.norm_1.bias, 1e-6)
        want = want + attention(normed, normed, normed)[0]
        hidden = block.mlp.fc1(nn.functional.layer_norm(want, (24,), block.norm_2.weight, block.norm_2.bias, 1e-6))
        want = want + block.mlp.fc2(hidden * (1 + torch.erf(hidden / 2**0.5)) / 2)
    close(ours(x), want)


def clips_vision() -> tuple[CLIPVisionModelWithProjection, dict[str, torch.Tensor]]:
    """transformers' image tower, and our vision branch's weights under its names."""
    width, blocks, heads = SMALL.vision
    sizes = {"hidden_size": width, "num_hidden_layers": blocks, "num_attention_heads": heads}
    more = {"intermediate_size": 4 * width, "projection_dim": SMALL.space, "hidden_act": "gelu"}
    pixels = {"image_size": SMALL.side, "patch_size": SMALL.patch, "layer_norm_eps": 1e-6}
    theirs = CLIPVisionModelWithProjection(CLIPVisionConfig(**sizes, **more, **pixels)).eval()
    ours, to = small("vision").state_dict(), "vision_model."
    said = {f"{to}embeddings.class_embedding": ours["modality_preprocessors.vision.cls_token"].flatten()}
    kernel = ours["modality_preprocessors.vision.rgbt_stem.proj.1.weight"]
    said[f"{to}embeddings.patch_embedding.weight"] = kernel[:, :, 0] + kernel[:, :, 1]
    positions = ours["modality_preprocessors.vision.pos_embedding_helper.pos_embed"]
    said[f"{to}embeddings.position_embedding.weight"] = positions[0]
    for kind in ("weight", "bias"):
        said[f"{to}pre_layrnorm.{kind}"] = ours[f"modality_trunks.vision.pre_transformer_layer.0.{kind}"]
        said[f"{to}post_layernorm.{kind}"] = ours[f"modality_heads.vision.0.{kind}"]
    said["visual_projection.weight"] = ours["modality_heads.vision.2.weight"]
    return theirs, said | clips_blocks(ours, "vision", f"{to}encoder.layers")


def clips_blocks(ours, modality, to) -> dict[str, torch.Tensor]:
    said = {}
    names = {"norm_1": "layer_norm1", "norm_2": "layer_norm2", "mlp.fc1": "mlp.fc1", "mlp.fc2": "mlp.fc2"}
    names |= {"attn.out_proj": "self_attn.out_proj"}
    for n in range(getattr(SMALL, modality).blocks):
        at = f"modality_trunks.{modality}.blocks.{n}"
        for kind in ("weight", "bias"):
            for our, their in names.items():
                said[f"{to}.{n}.{their}.{kind}"] = ours[f"{at}.{our}.{kind}"]
            for part, tensor in zip("qkv", ours[f"{at}.attn.in_proj_{kind}"].chunk(3), strict=True):
                said[f"{to}.{n}.self_attn.{part}_proj.{kind}"] = tensor
    return said


def test_the_vision_branch_is_clips(float64):
    theirs, said = clips_vision()
    missing = theirs.load_state_dict(said, strict=False)
    assert not missing.unexpected_keys and all("position_ids" in name for name in missing.missing_keys)
    pixels = torch.randn(2, 3, SMALL.side, SMALL.side)
    want = nn.functional.normalize(theirs(pixels).image_embeds, dim=-1)
    close(small("vision").vision(pixels), want)


def test_larger_pictures_find_their_places_between(float64):
    theirs, said = clips_vision()
    theirs.load_state_dict(said, strict=False)
    pixels = torch.randn(1, 3, SMALL.side + SMALL.patch, SMALL.side + SMALL.patch)
    want = nn.functional.normalize(theirs(pixels, interpolate_pos_encoding=True).image_embeds, dim=-1)
    close(small("vision").vision(pixels), want)


def test_the_text_branch_is_clips_at_the_token_that_ends_a_text(float64):
    width, blocks, heads = SMALL.text
    sizes = {"hidden_size": width, "num_hidden_layers": blocks, "num_attention_heads": heads}
    more = {"intermediate_size": 4 * width, "projection_dim": SMALL.space, "hidden_act": "gelu", "layer_norm_eps": 1e-6}
    words = {"vocab_size": SMALL.words, "max_position_embeddings": SMALL.context, "eos_token_id": SMALL.words - 1}
    theirs = CLIPTextModelWithProjection(CLIPTextConfig(**sizes, **more, **words)).eval()
    ours = small("text")
    state, to = ours.state_dict(), "text_model."
    said = {f"{to}embeddings.token_embedding.weight": state["modality_preprocessors.text.token_embedding.weight"]}
    said[f"{to}embeddings.position_embedding.weight"] = state["modality_preprocessors.text.pos_embed"][0]
    for kind in ("weight", "bias"):
        said[f"{to}final_layer_norm.{kind}"] = state[f"modality_heads.text.proj.0.{kind}"]
    said["text_projection.weight"] = state["modality_heads.text.proj.1.weight"]
    missing = theirs.load_state_dict(said | clips_blocks(state, "text", f"{to}encoder.layers"), strict=False)
    assert not missing.unexpected_keys and all("position_ids" in name for name in missing.missing_keys)
    ids = torch.zeros(2, SMALL.context, dtype=torch.long)
    ids[0, :5] = torch.tensor([SMALL.words - 2, 7, 8, 9, SMALL.words - 1])
    ids[1] = torch.arange(SMALL.context) + 1
    ids[1, -1] = SMALL.words - 1
    unit = nn.functional.normalize(theirs(ids).text_embeds, dim=-1)
    close(ours.text(ids), unit * state["modality_postprocessors.text.1.log_logit_scale"].exp().clamp(max=100))


def test_sounds_are_the_mean_of_their_clips_at_norm_20():
    network = small("audio")
    features = torch.randn(2, 3, 1, SMALL.bins, SMALL.frames)
    together = network.audio(features)
    alone = torch.stack([network.audio(features[:, [n]]) for n in range(3)]).mean(0)
    torch.testing.assert_close(together, alone, rtol=1e-4, atol=1e-5)
    torch.testing.assert_close(network.audio(features[:, :1]).norm(dim=1), torch.full((2,), 20.0))
    assert (together.norm(dim=1) < 20).all()


def test_no_text_is_steeper_than_100():
    network = small("text")
    network.modality_postprocessors["text"][1].log_logit_scale.fill_(9.0)
    ids = torch.arange(SMALL.context)[None] % SMALL.words
    torch.testing.assert_close(network.text(ids).norm(dim=1), torch.tensor([100.0]))


@pytest.mark.parametrize("name", ["imagebind_huge.pth", "model.safetensors"])
@pytest.mark.parametrize("prefix", ["", "model."])
def test_files_of_all_kinds_fill_the_branches_asked_for(name, prefix, tmp_path):
    whole = small()
    imagebind_file(tmp_path / name, whole, prefix)
    for modality in MODALITIES:
        alone = imagebind_keys.load(tmp_path / name, SMALL, modalities=[modality])
        state = alone.state_dict()
        assert state.keys() == {key for key in whole.state_dict() if f".{modality}." in key}
        assert all(torch.equal(state[key], whole.state_dict()[key]) for key in state)
        assert not any(parameter.requires_grad for parameter in alone.parameters())


def test_half_the_precision_gives_the_same_directions(tmp_path):
    imagebind_file(tmp_path / "model.safetensors", small())
    half = imagebind_keys.load(tmp_path / "model.safetensors", SMALL, dtype=torch.bfloat16)
    pixels, features = torch.randn(1, 3, 56, 56), torch.randn(1, 3, 1, SMALL.bins, SMALL.frames)
    for branch, given in (("vision", pixels), ("audio", features)):
        exact, found = getattr(small(), branch)(given), getattr(half, branch)(given.bfloat16()).float()
        assert nn.functional.cosine_similarity(exact, found) > 0.99


def test_the_released_sizes_are_the_defaults_and_a_config_says_others(tmp_path):
    assert imagebind_keys.config_of(tmp_path / "config.json") == ImageBindConfig()
    (tmp_path / "config.json").write_text('{"vision_embed_dim": 64, "vision_num_heads": 4, "imu_drop_path": 0.7}')
    assert imagebind_keys.config_of(tmp_path / "config.json") == ImageBindConfig(vision=Trunk(64, 32, 4))
    for told in ("[]", '{"out_embed_dim": 0}', "{", '{"text_num_blocks": "many"}'):
        (tmp_path / "config.json").write_text(told)
        with pytest.raises(BadWeights, match="does not say the sizes"):
            imagebind_keys.config_of(tmp_path / "config.json")


def tensors_of(network) -> dict[str, torch.Tensor]:
    return {name: tensor.clone() for name, tensor in network.state_dict().items()}


def test_what_is_wrong_with_a_file_is_named(tmp_path):
    state = tensors_of(small())
    path = tmp_path / "model.safetensors"
    first = "modality_trunks.audio.blocks.0.attn.bias_k"

    def refused(match: str, change: dict[str, torch.Tensor | None]) -> None:
        weights.write(path, {name: tensor for name, tensor in (state | change).items() if tensor is not None})
        with pytest.raises(BadWeights, match=match):
            imagebind_keys.load(path, SMALL)

    refused(f"lack 1 tensors of ImageBind, the first {first}", {first: None})
    refused(
        r"ImageBind has no modality_heads\.text\.extra, which these weights have \(1 in all\)",
        {"modality_heads.text.extra": torch.ones(1)},
    )
    refused(rf"{first} is \[1, 1, 3\], and \[1, 1, 24\] is meant", {first: torch.ones(1, 1, 3)})
    refused(f"{first} is torch.int64, and torch.float32 is meant", {first: torch.ones(1, 1, 24, dtype=torch.int64)})
    refused(f"{first} has infinite or undefined numbers", {first: torch.full((1, 1, 24), math.nan)})
    audio = {name: tensor for name, tensor in state.items() if ".audio." in name}
    weights.write(path, audio)
    imagebind_keys.load(path, SMALL, modalities=["audio"])
    with pytest.raises(BadWeights, match=r"the first modality_preprocessors\.vision\.cls_token"):
        imagebind_keys.load(path, SMALL)
    with pytest.raises(BadWeights, match=r"patch_embed|lack"):
        imagebind_keys.load(path, ImageBindConfig())
    with pytest.raises(MissingWeights):
        imagebind_keys.load(tmp_path / "nowhere.pth", SMALL)


def test_weights_of_another_width_are_refused(tmp_path):
    imagebind_file(tmp_path / "model.safetensors", small())
    with pytest.raises(BadWeights, match=r"is \[1, 1, 32\], and \[1, 1, 1280\] is meant"):
        imagebind_keys.load(
            tmp_path / "model.safetensors", ImageBindConfig(vision=Trunk(1280, 2, 16)), modalities=["vision"]
        )
