"""Metrics of edits: known answers, LPIPS derived once more, tiny encoders of real classes, people's mistakes."""

import json
from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from PIL import Image
from torch.nn import functional as F

from benchmarks import pairs, perceptual
from benchmarks.pairs import Pair, Seen, measured
from benchmarks.perceptual import Eyes, Sight
from sessions.errors import BadArguments, BadWeights, Damaged, MissingWeights, NotFound, PentimentoError, Refused
from tests import tiny_eyes
from tools import devices
from toybox.drawing import draw
from toybox.edits import Recolour
from toybox.scenes import seeded

CPU = torch.device("cpu")
CLIP, DINO, LPIPS = ("CLIP_dir", "CLIP_im", "CLIP_out"), ("DINO", "DINO_sub", "DINO_ref"), ("LPIPS",)


@pytest.fixture(autouse=True)
def here(monkeypatch):
    monkeypatch.setattr(devices, "best", lambda: CPU)


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    """A tiny network of every kind, as files."""
    folder = tmp_path_factory.mktemp("eyes")
    return SimpleNamespace(
        clip=tiny_eyes.clip(folder / "clip"),
        dino=tiny_eyes.dino(folder / "dino"),
        lpips=tiny_eyes.lpips(folder / "lpips.pth"),
        aesthetic=tiny_eyes.aesthetic(folder / "head.pth"),
    )


@pytest.fixture(scope="module")
def eyes(files):
    return Eyes.load(files.clip, files.dino, files.lpips, files.aesthetic)


@pytest.fixture
def folder(tmp_path):
    """Three pairs: a recolouring with all fields, an identical pair, one without captions."""
    scene = seeded(2)
    after = Recolour(scene.things[0].shape, "blue").apply(scene)
    mask = np.zeros((64, 64), np.uint8)
    mask[16:48, 8:40] = 255
    for name, pixels in (("a.png", draw(scene).rgb), ("b.png", draw(after).rgb), ("mask.png", mask)):
        Image.fromarray(pixels).resize((128, 128), 0).save(tmp_path / name)
    told = [
        {"before": "a.png", "after": "b.png", "instruction": "make it blue", "before_caption": "a red car",
         "after_caption": "a blue car", "reference": "b.png", "mask": "mask.png"},
        {"before": "a.png", "after": "a.png", "before_caption": "a cat", "after_caption": "a dog",
         "box": [0.1, 0.2, 0.7, 0.9], "reference": "b.png"},
        {"before": "a.png", "after": "b.png"},
    ]  # fmt: skip
    (tmp_path / "pairs.json").write_text(json.dumps(told))
    return tmp_path


def test_every_metric_of_every_pair_or_why_there_is_none(folder, eyes):
    found = measured(folder, eyes)
    one, same, bare = found["per_pair"]
    assert not one["missing"] and all(isinstance(one[name], float) for name in pairs.METRICS)
    assert same["CLIP_im"] == same["DINO"] == same["DINO_sub"] == pytest.approx(1, abs=1e-4)
    assert same["LPIPS"] == same["CLIP_dir"] == 0
    assert one["CLIP_im"] < same["CLIP_im"] and one["LPIPS"] > 0.001 and one["DINO"] < same["DINO"]
    assert bare["missing"] == {
        "CLIP_dir": "no captions of before and after",
        "CLIP_out": "no caption of after",
        "DINO_sub": "no box or mask",
        "DINO_ref": "no reference",
    }
    summed = found["metrics"]["CLIP_dir"]
    assert summed["pairs"] == 2 and summed["missing"] == {"no captions of before and after": 1}
    assert summed["mean"] == pytest.approx(one["CLIP_dir"] / 2, abs=2e-4)
    assert summed["low"] <= summed["mean"] <= summed["high"]
    text = "\n".join(pairs.table(found))
    assert "3 pairs" in text and "1: no reference" in text


def test_what_was_not_given_is_none_and_said(folder, files):
    found = measured(folder, Eyes.load(None, None, files.lpips, files.aesthetic))
    assert found["metrics"]["CLIP_im"] == {
        "mean": None, "low": None, "high": None, "pairs": 0, "missing": {"no --clip": 3}
    }  # fmt: skip
    assert found["per_pair"][0]["DINO"] is None and found["per_pair"][0]["missing"]["aesthetic"] == "no --clip"
    assert found["metrics"]["LPIPS"]["pairs"] == 3
    with pytest.raises(BadArguments, match="Nothing to measure"):
        measured(folder, Eyes())


@pytest.mark.parametrize("degrees", [0, 60, 180])
def test_directional_similarity_is_the_angle_of_the_two_ways(degrees):
    """Pictures go along x; words at an angle to that; the lengths of the ways do not matter."""
    a, b = np.float32([0, 0, 1]), np.float32([0.6, 0, 0.8])
    way = (b - a) / np.linalg.norm(b - a)
    across = np.float32([0, 1, 0])
    turned = np.cos(np.radians(degrees)) * way + np.sin(np.radians(degrees)) * across
    clip = SimpleNamespace(pictures=lambda _: np.stack([a, b]), texts=lambda _: np.stack([a, a + 0.3 * turned]))
    pair = Pair(before="a", after="b", before_caption="x", after_caption="y")
    found = pairs.clip_dir(Seen(pair, Eyes(clip=clip), None, None))
    assert found == pytest.approx(np.cos(np.radians(degrees)), abs=1e-5)


def test_clip_from_a_folder_is_transformers_own(files, eyes):
    """Both towers against CLIPModel as it loads itself, padded texts too."""
    from transformers import CLIPModel, CLIPTokenizer

    from tools.encoders.batches import squares

    theirs = CLIPModel.from_pretrained(files.clip, local_files_only=True).eval()
    words = CLIPTokenizer.from_pretrained(files.clip, local_files_only=True)
    picture, texts = draw(seeded(3)).rgb, ["a red car", "a painting of a cat in the snow"]
    ids = [words([text], return_tensors="pt")["input_ids"] for text in texts]
    with torch.no_grad():
        out = [theirs(input_ids=one, pixel_values=squares([picture], 56)) for one in ids]
    np.testing.assert_allclose(eyes.clip.pictures([picture]), out[0].image_embeds.numpy(), atol=1e-5)
    np.testing.assert_allclose(eyes.clip.texts(texts), torch.cat([o.text_embeds for o in out]).numpy(), atol=1e-5)


def simple_lpips(state, convolutions, pools, taps, a, b):
    """LPIPS written once more: convolutions, ReLU, unit length, squares, learnt weights, means."""

    def layers(x):
        x = (x - torch.tensor([-0.030, -0.088, -0.188]).view(3, 1, 1)) / torch.tensor([0.458, 0.448, 0.450]).view(
            3, 1, 1
        )
        out = []
        for number, (stride, padding) in convolutions.items():
            if number in pools:
                x = F.max_pool2d(x, pools[number], 2)
            x = F.conv2d(
                x, state[f"features.{number}.weight"], state[f"features.{number}.bias"], stride, padding
            ).relu()
            out += [x / (x.square().sum(1, keepdim=True).sqrt() + 1e-10)] if number in taps else []
        return out

    pairs_of = zip(layers(a), layers(b), strict=True)
    weights = [state[f"lin{n}.model.1.weight"] for n in range(5)]
    return sum(float(((x - y) ** 2 * w).sum(1).mean()) for (x, y), w in zip(pairs_of, weights, strict=True))


@pytest.mark.parametrize("kind", ["alex", "vgg"])
def test_lpips_is_what_fifteen_lines_say(kind, tmp_path):
    state = tiny_eyes.lpips_state(kind)
    network = perceptual.lpips(tiny_eyes.lpips(tmp_path / "net.safetensors", kind), CPU)
    torch.manual_seed(1)
    a, b = torch.rand(2, 1, 3, 64, 48) * 2 - 1
    if kind == "alex":
        convolutions = {0: (4, 2), 3: (1, 2), 6: (1, 1), 8: (1, 1), 10: (1, 1)}
        known = simple_lpips(state, convolutions, {3: 3, 6: 3}, (0, 3, 6, 8, 10), a, b)
    else:
        convolutions = dict.fromkeys(tiny_eyes.VGG, (1, 1))
        known = simple_lpips(state, convolutions, dict.fromkeys((5, 10, 17, 24), 2), (2, 7, 14, 21, 28), a, b)
    with torch.no_grad():
        assert float(network(a, b)) == pytest.approx(known, rel=1e-4)
        assert float(network(a, a)) == 0


def test_lpips_as_its_own_package_saves_it_and_pictures_of_two_sizes(tmp_path, files):
    state = tiny_eyes.lpips_state()
    renamed = {name.replace("features.", "net.slice1."): t for name, t in state.items() if "classifier" not in name}
    torch.save(renamed | {"scaling_layer.shift": torch.zeros(3)}, tmp_path / "whole.pth")
    mine, whole = perceptual.lpips(files.lpips, CPU), perceptual.lpips(tmp_path / "whole.pth", CPU)
    a, b = draw(seeded(1)).rgb, draw(seeded(2)).rgb
    assert mine.between(a, b) == whole.between(a, b) > 0
    larger = np.asarray(Image.fromarray(a).resize((128, 128), Image.Resampling.BICUBIC))
    assert mine.between(a, larger) < mine.between(a, b) / 5
    assert mine.between(a[:20], a[:20]) is None


@pytest.mark.parametrize("kind", ["dinov2", "vit"])
def test_dino_is_the_class_token_of_transformers_own(kind, tmp_path):
    from transformers import AutoModel

    folder = tiny_eyes.dino(tmp_path, kind)
    found, picture = perceptual.dino(folder, CPU), draw(seeded(3)).rgb
    image = Image.fromarray(picture)  # 64 of 64 kept, 56 cut from the middle
    x = torch.from_numpy(np.asarray(image.crop((4, 4, 60, 60)), np.float32) / 255)
    x = ((x - torch.tensor(perceptual.MEAN)) / torch.tensor(perceptual.STD)).permute(2, 0, 1)[None]
    with torch.no_grad():
        token = AutoModel.from_pretrained(folder, local_files_only=True).eval()(x).last_hidden_state[:, 0]
    np.testing.assert_allclose(found.pictures([picture]), F.normalize(token, dim=1).numpy(), atol=1e-5)


def test_pictures_are_squeezed_whole_where_the_folder_says_so():
    wide = np.zeros((10, 40, 3), np.uint8)
    wide[:, :8] = 255
    sight = Sight.read({"size": {"height": 20, "width": 20}, "image_mean": [0, 0, 0], "image_std": [1, 1, 1]}, 56)
    seen = sight.seen([wide])
    assert seen.shape == (1, 3, 20, 20) and seen[0, 0, 10, 0] > 0.9 and seen[0, 0, 10, 8] < 0.1
    assert Sight.read({}, 56).seen([wide]).shape[-1] == 56


def test_the_aesthetic_head_is_a_chain_of_linear_layers(files, tmp_path):
    head, state = perceptual.aesthetic(files.aesthetic), torch.load(files.aesthetic, weights_only=True)
    x = F.normalize(torch.randn(16), dim=0)
    y = x
    for n in (0, 2, 4):
        y = state[f"layers.{n}.weight"] @ y + state[f"layers.{n}.bias"]
    assert head.of(x) == pytest.approx(float(y), rel=1e-5)
    torch.save({"weight": torch.ones(1, 16), "bias": torch.tensor([2.0])}, tmp_path / "linear.pth")
    assert perceptual.aesthetic(tmp_path / "linear.pth").of(x) == pytest.approx(float(x.sum()) + 2, rel=1e-5)


@pytest.mark.parametrize(
    ("told", "error", "said"),
    [
        ("[{", Damaged, "no JSON"),
        ("{}", Damaged, "no list"),
        ("[]", Damaged, "no list"),
        ('[{"before": "a.png"}]', BadArguments, "pair 1: after"),
        ('[{"before": "a.png", "after": "b.png", "afters": 1}]', BadArguments, "pair 1: afters"),
        ('[{"before": "a.png", "after": "b.png", "box": [0, 0, 1.5, 1]}]', BadArguments, "outside the picture"),
        ('[{"before": "a.png", "after": "b.png", "box": [0.5, 0, 0.5, 1]}]', BadArguments, "outside the picture"),
        ('[{"before": "a.png", "after": "b.png", "box": [0, 0, 1, 1], "mask": "mask.png"}]', BadArguments, "one of"),
        ('[{"before": "a.png", "after": "gone.png"}]', NotFound, "gone.png"),
        ('[{"before": "a.png", "after": "pairs.json"}]', Refused, "pairs.json"),
        ('[{"before": "a.png", "after": "b.png", "mask": "black.png"}]', BadArguments, "black"),
    ],
)
def test_what_is_wrong_with_the_records_is_a_sentence(folder, eyes, told, error, said):
    Image.fromarray(np.zeros((8, 8), np.uint8)).save(folder / "black.png")
    (folder / "pairs.json").write_text(told)
    with pytest.raises(error, match=said):
        measured(folder, eyes)


def test_records_may_be_lines_and_must_be_there(folder, eyes):
    told = json.loads((folder / "pairs.json").read_text())
    (folder / "pairs.json").unlink()
    with pytest.raises(NotFound, match="neither"):
        measured(folder, eyes)
    (folder / "pairs.jsonl").write_text("\n".join(json.dumps(one) for one in told) + "\n\n")
    assert measured(folder, eyes)["pairs"] == 3


def test_a_mask_is_its_bounding_box(folder, eyes):
    masked = pairs.seen(folder, Pair(before="a.png", after="b.png", mask="mask.png"), eyes)
    assert masked.box == pytest.approx((8 / 64, 16 / 64, 40 / 64, 48 / 64))
    assert pairs.cut(masked.before, masked.box).shape == (64, 64, 3)
    boxed = replace(masked, box=(0.0, 0.0, 1.0, 1.0))
    assert pairs.dino_sub(boxed) == pairs.dino(masked) != pairs.dino_sub(masked)


def test_wrong_or_missing_files_are_a_sentence(files, tmp_path):
    torch.save({"a": torch.zeros(2)}, tmp_path / "other.pth")
    (tmp_path / "words.pth").write_text("nothing")
    (tmp_path / "net.onnx").write_text("")
    (tmp_path / "config.json").write_text('{"model_type": "bert"}')
    short = tiny_eyes.lpips_state()
    del short["lin3.model.1.weight"]
    torch.save(short, tmp_path / "short.pth")
    torch.save({"weight": torch.ones(1, 9), "bias": torch.ones(1)}, tmp_path / "nine.pth")
    for given, error, said in (
        ((tmp_path / "gone", None, None, None), BadWeights, "config.json is missing"),
        ((files.dino, None, None, None), BadWeights, "These weights lack"),
        ((None, tmp_path, None, None), BadWeights, "'bert'"),
        ((None, None, tmp_path / "gone.pth", None), MissingWeights, "no file"),
        ((None, None, tmp_path / "other.pth", None), BadWeights, "no features.0.weight"),
        ((None, None, tmp_path / "words.pth", None), BadWeights, "damaged, or holds more"),
        ((None, None, tmp_path / "net.onnx", None), BadWeights, "neither safetensors"),
        ((None, None, tmp_path / "short.pth", None), BadWeights, "lin3.model.1.weight"),
        ((None, None, None, tmp_path / "other.pth"), BadWeights, "no chain"),
        ((files.clip, None, None, tmp_path / "nine.pth"), BadWeights, "reads 9 numbers and this CLIP gives 16"),
    ):
        with pytest.raises(error, match=said) as refused:
            Eyes.load(*given)
        assert isinstance(refused.value, PentimentoError) and refused.value.hint


def test_a_dino_that_lacks_a_tensor_is_refused(tmp_path):
    from safetensors.torch import load_file, save_file

    folder = tiny_eyes.dino(tmp_path)
    state = load_file(folder / "model.safetensors")
    del state["layernorm.bias"]
    save_file(state, folder / "model.safetensors", {"format": "pt"})
    with pytest.raises(BadWeights, match=r"lacks layernorm\.bias"):
        perceptual.dino(folder, CPU)
