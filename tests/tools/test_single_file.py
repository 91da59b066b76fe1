"""A checkpoint in one file: its names against the public ones, what is read off it, and what is refused."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import torch
from diffusers import AutoencoderKL, UNet2DConditionModel
from safetensors.torch import save_file
from torch import Tensor, nn
from transformers import CLIPTextConfig, CLIPTextModel

from sessions.errors import BadWeights, MissingWeights, StorageFull
from tests import tiny
from tests.manifests import remake
from tools import adding, shelf, weights
from tools.diffusion import model, single_file
from tools.shelf import Shelf

LAYERS, LEVELS = 2, 4
RESNET = {
    "norm1": "in_layers.0", "conv1": "in_layers.2", "time_emb_proj": "emb_layers.1",
    "norm2": "out_layers.0", "conv2": "out_layers.3", "conv_shortcut": "skip_connection",
}  # fmt: skip
ENDS = {
    "conv_in": "input_blocks.0.0", "conv_norm_out": "out.0", "conv_out": "out.2",
    "time_embedding.linear_1": "time_embed.0", "time_embedding.linear_2": "time_embed.2",
}  # fmt: skip
MIDDLE = {"resnets.0": "0", "attentions.0": "1", "resnets.1": "2"}
ATTENTION = {"group_norm": "norm", "to_q": "q", "to_k": "k", "to_v": "v", "to_out.0": "proj_out"}


def unet_name(name: str) -> str:
    """What Latent Diffusion calls a tensor of diffusers' U-Net."""
    stem, kind = name.rsplit(".", 1)
    if stem in ENDS:
        return f"{ENDS[stem]}.{kind}"
    if found := re.fullmatch(r"mid_block\.((?:resnets|attentions)\.\d)\.(.*)", name):
        return f"middle_block.{MIDDLE[found[1]]}.{inside(found[2])}"
    way, block, what, place, rest = re.fullmatch(r"(\w+)_blocks\.(\d)\.(\w+)\.(\d)\.(.*)", name).groups()
    first = int(block) * (LAYERS + 1) + (way == "down")
    if what == "downsamplers":
        return f"input_blocks.{first + LAYERS}.0.op.{kind}"
    if what == "upsamplers":
        return f"output_blocks.{first + LAYERS}.{1 if block == '0' else 2}.conv.{kind}"
    side = "input" if way == "down" else "output"
    return f"{side}_blocks.{first + int(place)}.{int(what == 'attentions')}.{inside(rest)}"


def inside(name: str) -> str:
    first, _, rest = name.partition(".")
    return f"{RESNET.get(first, first)}.{rest}"


def vae_name(name: str) -> str:
    """What Latent Diffusion calls a tensor of diffusers' autoencoder."""
    name = name.replace("conv_norm_out", "norm_out").replace("conv_shortcut", "nin_shortcut")
    name = re.sub(r"mid_block\.resnets\.(\d)", lambda m: f"mid.block_{int(m[1]) + 1}", name)
    name = re.sub(r"down_blocks\.(\d)\.resnets", r"down.\1.block", name)
    name = re.sub(r"down_blocks\.(\d)\.downsamplers\.0", r"down.\1.downsample", name)
    name = re.sub(r"up_blocks\.(\d)\.resnets", lambda m: f"up.{LEVELS - 1 - int(m[1])}.block", name)
    name = re.sub(r"up_blocks\.(\d)\.upsamplers\.0", lambda m: f"up.{LEVELS - 1 - int(m[1])}.upsample", name)
    if found := re.fullmatch(r"(.*)mid_block\.attentions\.0\.(.*)\.(\w+)", name):
        return f"{found[1]}mid.attn_1.{ATTENTION[found[2]]}.{found[3]}"
    return name


NAMES = {
    "unet": lambda name: f"model.diffusion_model.{unet_name(name)}",
    "vae": lambda name: f"first_stage_model.{vae_name(name)}",
    "text_encoder": lambda name: f"cond_stage_model.transformer.{name}",
}


def as_convolution(name: str, shape: tuple[int, ...]) -> tuple[int, ...]:
    """The autoencoder's attention is of 1 × 1 convolutions there."""
    return (*shape, 1, 1) if "mid.attn_1" in name and len(shape) == 2 else shape


def networks(channels: int = 4) -> dict[str, nn.Module]:
    """The three networks, small, with what no tensor tells as it is in the public ones."""
    torch.manual_seed(channels)
    wide = {"block_out_channels": (32, 32, 64, 64)}
    text = {"hidden_size": 64, "intermediate_size": 96, "num_hidden_layers": 2, "num_attention_heads": 1}
    return {
        "unet": UNet2DConditionModel(**remake.SD_UNET | wide | {"in_channels": channels, "cross_attention_dim": 64}),
        "vae": AutoencoderKL(**remake.SD_VAE | wide | {"layers_per_block": 1}),
        "text_encoder": CLIPTextModel(CLIPTextConfig(vocab_size=len(tiny.vocabulary()[0]), **text)),
    }


def tensors(parts: dict[str, nn.Module]) -> dict[str, Tensor]:
    """As one file has them, with what else lies in public ones."""
    found = {
        "betas": torch.zeros(1000),
        f"{single_file.TEXT}text_model.embeddings.position_ids": torch.arange(77)[None],
    }
    for part, network in parts.items():
        beginning = "text_model." if part == "text_encoder" else ""
        for name, tensor in network.state_dict().items():
            theirs = NAMES[part](beginning + name)
            found[theirs] = tensor.reshape(as_convolution(theirs, tuple(tensor.shape)))
    return found


@pytest.fixture(scope="module")
def parts() -> dict[str, nn.Module]:
    return networks()


@pytest.fixture
def home(tmp_path, monkeypatch) -> Shelf:
    """A shelf with nothing on it, and CLIP's vocabulary beside the files to come."""
    monkeypatch.setattr(shelf, "STARTER", tmp_path / "nothing.json")
    tiny.tokenizer(tmp_path)
    return Shelf(tmp_path / "home")


def saved(path: Path, state: dict[str, Tensor]) -> Path:
    save_file({name: tensor.contiguous() for name, tensor in state.items()}, path)
    return path


def left(home: Shelf) -> list[str]:
    """What there is of registered entries and unfolded folders."""
    return [entry.name for entry in home.entries()] + [path.name for path in home.unfolded.glob("*")]


# Names and sizes, against the public file


def test_the_names_and_shapes_are_those_of_the_public_file():
    expected = {
        theirs: (kind, as_convolution(theirs, shape))
        for part in NAMES
        for name, (kind, shape) in remake.read(part).items()
        for theirs in [NAMES[part](name)]
    }
    assert remake.read("ldm") == expected


def test_everything_about_the_public_networks_is_read_off_their_sizes():
    found = {name: shape for name, (_, shape) in remake.read("ldm").items()}
    configs = single_file._unet(found), single_file._vae(found), single_file._text(found)
    with torch.device("meta"):
        public = remake.unet(), remake.vae(), remake.text_encoder()
        read = [build(config) for build, config in zip(single_file.BUILDS.values(), configs, strict=True)]
    for one, other in zip(read, public, strict=True):
        assert told(one) == told(other)
    assert single_file.words(found) == 49408


def told(network: nn.Module) -> dict[str, object]:
    """A config, as far as it decides what a network computes."""
    config = network.config if isinstance(network.config, dict) else network.config.to_dict()
    ends = ("projection_dim", "bos_token_id", "eos_token_id", "pad_token_id")  # of a head that text models do not have
    said = {name: value for name, value in config.items() if not name.startswith("_") and name not in ends}
    return {name: list(value) if isinstance(value, tuple) else value for name, value in said.items()}


# What comes of a file


@pytest.mark.parametrize(
    ("role", "channels"),
    [
        ("instruct-pix2pix", 8),
        pytest.param("text-to-image", 4, marks=pytest.mark.reliability),
        pytest.param("inpainting", 9, marks=pytest.mark.reliability),
    ],
)
def test_a_file_becomes_the_networks_that_it_was_made_of(home, tmp_path, role, channels):
    made = networks(channels)
    entry = adding.add(home, saved(tmp_path / "v1-5-pruned.safetensors", tensors(made)), role)
    assert (entry.name, entry.pack, entry.role) == ("v1-5-pruned", "own", role)
    found = home.diffusion(role)
    assert (found.channels, found.side, found.schedule.offset, found.prediction) == (channels, 512, 1, "epsilon")
    for part, network in made.items():
        loaded, state = getattr(found, part).state_dict(), network.state_dict()
        assert loaded.keys() >= state.keys() and told(getattr(found, part)) == told(network)
        assert all(torch.equal(loaded[name], tensor) for name, tensor in state.items())
    assert found.tokenizer("a red cat").input_ids[1] == tiny.vocabulary()[0]["a</w>"]


def test_the_running_average_is_taken_where_there_is_one(home, tmp_path, parts):
    state = tensors(parts)
    ours = [name for name in state if name.startswith(single_file.UNET)]
    averages = {f"model_ema.{name.removeprefix('model.').replace('.', '')}": state[name] + 1 for name in ours}
    made = adding.add(home, saved(tmp_path / "both.safetensors", state | averages), "text-to-image").folder
    for part, more in (("unet", 1), ("vae", 0)):
        written, known = weights.tensors(made / part / model.FILES[0]), parts[part].state_dict()
        assert all(torch.equal(tensor, known[name] + more) for name, tensor in written.items())


def test_names_of_an_older_text_encoder(home, tmp_path, parts):
    older = {name.replace("transformer.text_model.", "transformer."): tensor for name, tensor in tensors(parts).items()}
    made = adding.add(home, saved(tmp_path / "older.safetensors", older), "text-to-image").folder
    written, known = model.tensors(made / "text_encoder", "cpu", torch.float32), parts["text_encoder"].state_dict()
    assert written.keys() == known.keys() and all(torch.equal(written[name], known[name]) for name in known)


def test_the_file_may_go_and_a_second_time_costs_nothing(home, tmp_path, parts, monkeypatch):
    path = saved(tmp_path / "sd.safetensors", tensors(parts))
    first = adding.add(home, path, "text-to-image")
    monkeypatch.setattr(single_file, "unfold", lambda *_: pytest.fail("unfolded again"))
    assert adding.add(home, path, "text-to-image", "another").digest == first.digest
    path.unlink()
    assert home.entry("text-to-image").name == "another"
    [folder] = home.unfolded.glob("*")
    home.remove("another")
    assert folder.exists() and home.entry("text-to-image").name == "sd"
    home.remove("sd")
    assert not left(home)


def test_the_tokenizer_may_be_that_of_other_weights(home, tmp_path, parts):
    path = saved(tmp_path / "alone.safetensors", tensors(parts))
    (tmp_path / "vocab.json").write_text('{"a": 0}')
    with pytest.raises(MissingWeights, match="brings no tokenizer") as refused:
        adding.add(home, path, "text-to-image")
    assert "vocab.json merges.txt --local-dir" in refused.value.hint and not left(home)
    adding.add(home, tiny.stable_diffusion(tmp_path / "folder"), "text-to-image")
    assert adding.add(home, path, "text-to-image").name == "alone"


# What is refused, and leaves nothing


@pytest.mark.parametrize(("role", "needed"), [("instruct-pix2pix", 8), ("inpainting", 9)])
def test_the_wrong_number_of_channels(home, tmp_path, parts, role, needed):
    path = saved(tmp_path / "sd.safetensors", tensors(parts))
    with pytest.raises(BadWeights, match=f"The U-Net of sd takes 4 channels; {role} needs {needed}."):
        adding.add(home, path, role)
    assert not left(home)


LOST = (
    f"{single_file.UNET}middle_block.1.proj_in.weight",
    f"{single_file.UNET}input_blocks.1.0.out_layers.3.weight",
    f"{single_file.VAE}decoder.mid.attn_1.k.bias",
    f"{single_file.VAE}post_quant_conv.weight",
    f"{single_file.TEXT}text_model.final_layer_norm.bias",
    f"{single_file.TEXT}text_model.embeddings.token_embedding.weight",
)


@pytest.mark.parametrize("lost", LOST)
def test_a_tensor_that_is_missing_or_of_another_shape(home, tmp_path, parts, lost):
    state = tensors(parts)
    tensor = state.pop(lost)
    for number, damaged in enumerate((state, state | {lost: tensor.flatten()[:1]})):
        with pytest.raises((BadWeights, MissingWeights)) as refused:
            adding.add(home, saved(tmp_path / f"{number}.safetensors", damaged), "text-to-image")
        assert refused.value.hint and "\n" not in refused.value.message
    assert not left(home)


def test_whole_parts_that_are_missing(home, tmp_path, parts):
    state = tensors(parts)
    for beginning, said in ((single_file.UNET, "U-Net"), (single_file.VAE, "autoencoder"), (single_file.TEXT, "text")):
        some = {name: tensor for name, tensor in state.items() if not name.startswith(beginning)}
        with pytest.raises(BadWeights, match=f"it has no {said}"):
            adding.add(home, saved(tmp_path / "some.safetensors", some), "text-to-image")
    assert not left(home)


def test_other_kinds_of_files_are_never_opened(home, tmp_path, monkeypatch):
    (tmp_path / "sd-v1-4.ckpt").write_bytes(b"\x80\x04K\x01.")
    monkeypatch.setattr(weights, "header", lambda path: pytest.fail("opened"))
    with pytest.raises(BadWeights, match="no other kind is opened for this role"):
        adding.add(home, tmp_path / "sd-v1-4.ckpt", "text-to-image")
    with pytest.raises(BadWeights, match="One file cannot hold all that blip-diffusion needs"):
        adding.add(home, saved(tmp_path / "x.safetensors", {"x": torch.zeros(1)}), "blip-diffusion")


def test_a_disk_that_fills_up_leaves_nothing_and_the_next_time_works(home, tmp_path, parts, monkeypatch):
    path, write, room = saved(tmp_path / "sd.safetensors", tensors(parts)), weights.write, [1]

    def full(path: Path, tensors: dict[str, Tensor]) -> None:
        if not room:
            raise StorageFull("The disk refused it.")
        room.pop()
        write(path, tensors)

    monkeypatch.setattr(weights, "write", full)
    with pytest.raises(StorageFull):
        adding.add(home, path, "text-to-image")
    assert not left(home)
    monkeypatch.setattr(weights, "write", write)
    assert adding.add(home, path, "text-to-image").name == "sd"


def test_a_disk_without_room_is_said_before(home, tmp_path, parts, monkeypatch):
    monkeypatch.setattr(adding.shutil, "disk_usage", lambda _: type("Usage", (), {"free": 1000}))
    with pytest.raises(StorageFull, match="is unfolded into"):
        adding.add(home, saved(tmp_path / "sd.safetensors", tensors(parts)), "text-to-image")


def test_writing_where_nothing_can_be_written_is_a_sentence(tmp_path):
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(StorageFull, match="The disk refused"):
        weights.write(tmp_path / "file/x.safetensors", {"x": torch.zeros(1)})
