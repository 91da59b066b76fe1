"""CLIP's two towers: parity with transformers' where it has the same, and what it has not by its meaning."""

import numpy as np
import pytest
import torch
from PIL import Image
from transformers import CLIPTextConfig, CLIPTextModel, CLIPVisionConfig, CLIPVisionModel

from sessions.errors import BadWeights
from sessions.values import Picture
from tests.tools.nets import blip
from tools.nets.clip_vision import MEAN, STD, VisionTransformer, prepared
from tools.nets.context_clip import BEGIN, ContextTextEncoder, sharing


@pytest.fixture
def doubled():
    """transformers' CLIP computes some constants in the default dtype."""
    torch.set_default_dtype(torch.float64)
    yield
    torch.set_default_dtype(torch.float32)


def their_tower(layers: int, ours: VisionTransformer) -> CLIPVisionModel:
    """transformers' tower with our weights and one more block, which the truncated one has not."""
    c = blip.SUBJECT.vision
    config = CLIPVisionConfig(
        hidden_size=c.width,
        intermediate_size=c.hidden,
        num_hidden_layers=layers,
        num_attention_heads=c.heads,
        image_size=c.side,
        patch_size=c.patch,
    )
    theirs = blip.shaken(CLIPVisionModel(config), seed=9)
    state = theirs.state_dict()
    for name, weight in ours.state_dict().items():
        if ".qkv." in name:
            for part, piece in zip("qkv", weight.chunk(3), strict=True):
                state[name.replace(".qkv.", f".{part}_proj.")].copy_(piece)
        elif "post_layernorm" not in name:
            known = {"projection": "out_proj", "pre_layernorm": "pre_layrnorm"}
            for mine, other in known.items():
                name = name.replace(mine, other)
            name += ".weight" if name.endswith("position_embedding") else ""
            state[name].copy_(weight.view(state[name].shape))
    return theirs


def test_the_image_tower_is_clips_up_to_its_last_but_one_state(doubled):
    ours = blip.shaken(VisionTransformer(blip.SUBJECT.vision))
    theirs = their_tower(blip.SUBJECT.vision.layers + 1, ours)
    x = blip.pixels(2)
    states = theirs(x, output_hidden_states=True).hidden_states
    torch.testing.assert_close(ours(x), ours.post_layernorm(states[-2]), atol=1e-12, rtol=0)


def test_the_image_towers_norms_use_the_epsilon_of_its_training():
    norms = [m for m in VisionTransformer(blip.SUBJECT.vision).modules() if isinstance(m, torch.nn.LayerNorm)]
    assert {norm.eps for norm in norms} == {1e-5}


def their_text_tower(**other) -> CLIPTextModel:
    c = blip.TEXT
    config = CLIPTextConfig(
        vocab_size=c.words,
        hidden_size=c.width,
        intermediate_size=c.hidden,
        num_hidden_layers=c.layers,
        num_attention_heads=c.heads,
        max_position_embeddings=c.positions,
        bos_token_id=0,
        eos_token_id=1,
        **other,
    )
    return blip.shaken(CLIPTextModel(config))


def ids(*length: int, seed: int = 4) -> torch.Tensor:
    return torch.randint(2, blip.TEXT.words, length, generator=torch.Generator().manual_seed(seed))


def test_without_vectors_the_text_tower_is_clips(doubled):
    theirs = their_text_tower()
    text = ids(3, blip.TEXT.positions)
    torch.testing.assert_close(sharing(theirs)(text), theirs(text).last_hidden_state, atol=1e-12, rtol=0)


def test_the_shared_tower_holds_no_copies():
    theirs = their_text_tower()
    ours = sharing(theirs)
    assert {p.data_ptr() for p in ours.parameters()} == {p.data_ptr() for p in theirs.parameters()}


def test_a_text_tower_with_another_activation_is_refused():
    with pytest.raises(BadWeights, match="gelu"):
        sharing(their_text_tower(hidden_act="gelu"))


def test_inserting_the_embeddings_of_words_is_saying_them():
    encoder = blip.text_encoder()
    text, words = ids(2, blip.TEXT.positions - 3), ids(2, 3, seed=5)
    said = torch.cat([text[:, :BEGIN], words, text[:, BEGIN:]], dim=1)
    inserted = encoder(text, encoder.embeddings.token_embedding(words))
    torch.testing.assert_close(inserted, encoder(said), atol=0, rtol=0)


def test_no_token_sees_what_comes_after_it():
    encoder = blip.text_encoder()
    text, vectors = ids(1, 12), torch.randn(1, 4, blip.TEXT.width, dtype=torch.float64)
    before = encoder(text, vectors)
    text[0, -1] += 1 if text[0, -1] < blip.TEXT.words - 1 else -1
    after = encoder(text, vectors)
    assert torch.equal(before[:, :-1], after[:, :-1])
    assert not torch.equal(before[:, -1], after[:, -1])
    assert torch.equal(encoder(text)[:, :BEGIN], after[:, :BEGIN])


def photo(width: int, height: int, seed: int = 0, channels: int = 3) -> Picture:
    """Noise that no filter drives out of 0…255: what is clipped between two passes depends on their order."""
    return Picture(np.random.default_rng(seed).integers(90, 160, (height, width, channels), dtype=np.uint8))


@pytest.mark.parametrize("size", [(90, 60), (60, 91), (224, 224), (31, 400), (1000, 30), (225, 224)])
def test_the_square_is_that_of_scaling_first_and_cutting_then(size):
    side, picture = 56, photo(*size)
    short = min(size)
    scaled = Image.fromarray(picture.pixels).resize(tuple(side * n // short for n in size), Image.Resampling.BICUBIC)
    left, top = (round((n - side) / 2) for n in scaled.size)
    cut = np.asarray(scaled.crop((left, top, left + side, top + side)), np.float32) / 255
    ours = prepared(picture, side)[0].permute(1, 2, 0).numpy() * np.float32(STD) + np.float32(MEAN)
    assert np.abs(ours - cut).max() <= 1.01 / 255


@pytest.mark.parametrize("size", [(1, 1), (1, 9000), (9000, 1)])
def test_extreme_shapes_become_a_square(size):
    assert prepared(photo(*size), 28).shape == (1, 3, 28, 28)


def test_what_is_transparent_is_white():
    pixels = photo(20, 20, channels=4).pixels.copy()
    pixels[..., 3] = 0
    white = (1 - torch.tensor(MEAN)) / torch.tensor(STD)
    torch.testing.assert_close(prepared(Picture(pixels), 14), white.view(1, 3, 1, 1).expand(1, 3, 14, 14))


def test_any_size_comes_from_a_config():
    assert ContextTextEncoder(blip.TEXT).config.positions == blip.text_encoder()(ids(1, 20)).shape[1]
