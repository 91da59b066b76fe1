"""Encoders: both families behind the same methods, from the layouts of their repositories, through the shelf."""

import json
import shutil

import numpy as np
import pytest
import torch
from PIL import Image
from transformers import ClapConfig, ClapFeatureExtractor, ClapModel, CLIPConfig, CLIPModel

from sessions.errors import BadWeights, MissingWeights, NotFinite
from tests import tiny_encoders
from tests.tiny_encoders import SMALL
from tests.tools.waves import rising
from tools import encoders, packs, weights
from tools.encoders import batches, clap_clip, imagebind
from tools.nets.clip_vision import MEAN, STD
from tools.sounds import Sound, clips, imagebind_features, resampled

CPU = torch.device("cpu")


@pytest.fixture(scope="module")
def folders(tmp_path_factory):
    home = tmp_path_factory.mktemp("encoders")
    return {
        "imagebind": tiny_encoders.imagebind(home / "imagebind"),
        "clap_clip": tiny_encoders.clap_clip(home / "clap_clip"),
    }


@pytest.fixture(scope="module")
def loaded(folders):
    return {
        "imagebind": imagebind.load(folders["imagebind"], CPU, torch.float32, "d1"),
        "clap_clip": clap_clip.load(folders["clap_clip"], CPU, torch.float32, "d2"),
    }


@pytest.fixture(params=["imagebind", "clap_clip"])
def encoder(request, loaded):
    return loaded[request.param]


def picture(height: int, width: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, (height, width, 3), np.uint8)


def sound(seconds: float, rate: int = 16_000, pitch: float = 1.0) -> Sound:
    return Sound(rising(round(seconds * rate), round(rate / pitch)).astype(np.float32), rate)


def test_the_two_are_told_by_their_folders(folders, loaded):
    for name, folder in folders.items():
        entry = weights.Entry(role="encoder", name=name, pack="own", files={}, folder=folder)
        found = encoders.load(entry, CPU)
        assert (found.name, found.width) == (name, loaded[name].width)
        assert found.digest == entry.digest


def test_rows_have_norm_1_whatever_is_looked_at(encoder):
    odd = [picture(80, 60), picture(1, 1), picture(3, 900), picture(700, 2), np.zeros((40, 40, 4), np.uint8)]
    found = encoder.pictures(odd)
    assert found.shape == (5, encoder.width) and found.dtype == np.float32
    np.testing.assert_allclose(np.linalg.norm(found, axis=1), 1, rtol=1e-5)
    assert all(one.flags.writeable for one in odd)


def test_rows_have_norm_1_whatever_is_listened_to(encoder):
    silence = Sound(np.zeros(16_000, np.float32), 16_000)
    odd = [sound(2), sound(0.01), sound(13, 8000), sound(3, 44_100), silence, Sound(np.ones(1, np.float32), 16_000)]
    found = encoder.sounds(odd)
    assert found.shape == (6, encoder.width) and found.dtype == np.float32
    np.testing.assert_allclose(np.linalg.norm(found, axis=1), 1, rtol=1e-5)


def test_different_things_are_told_apart_and_batches_do_not_mix(encoder):
    many = [picture(60, 60, seed) for seed in range(batches.AT_ONCE + 2)]
    together = encoder.pictures(many)
    np.testing.assert_allclose(together[-1:], encoder.pictures(many[-1:]), atol=1e-5)
    assert (together @ together.T - np.eye(len(many))).max() < 0.9999
    heard = encoder.sounds([sound(2), sound(2, pitch=3.0)])
    assert heard[0] @ heard[1] < 0.9999
    np.testing.assert_array_equal(encoder.sounds([sound(13)]), encoder.sounds([sound(13)]))


def test_nothing_is_an_empty_table(encoder):
    assert encoder.pictures([]).shape == encoder.sounds([]).shape == (0, encoder.width)


def shown(pixels: np.ndarray, side: int) -> torch.Tensor:
    """As torchvision's Resize, CenterCrop, ToTensor, Normalize: the short side first, then the middle."""
    image = Image.fromarray(pixels)
    short = min(image.size)
    image = image.resize([side * edge // short for edge in image.size], Image.Resampling.BICUBIC)
    left, top = ((edge - side) / 2 for edge in image.size)
    cut = image.crop((round(left), round(top), round(left) + side, round(top) + side))
    return ((torch.from_numpy(np.array(cut) / 255) - torch.tensor(MEAN)) / torch.tensor(STD)).permute(2, 0, 1)


@pytest.mark.parametrize("size", [(224, 224), (300, 500), (777, 333)])
def test_pictures_are_scaled_by_the_short_side_and_cut_from_the_middle(size):
    y, x = np.mgrid[: size[0], : size[1]]
    smooth = np.stack([127 + 90 * np.sin(x / 17), 127 + 90 * np.cos(y / 23), 127 + 60 * np.sin((x + y) / 31)], axis=-1)
    pixels = smooth.astype(np.uint8)
    torch.testing.assert_close(batches.squares([pixels], 224)[0], shown(pixels, 224).float(), atol=0.02, rtol=0)


def test_imagebind_hears_the_mean_of_three_clips(loaded):
    network, heard = loaded["imagebind"].network, sound(7, 22_050)
    features = torch.from_numpy(imagebind_features(heard))[None]
    want = torch.nn.functional.normalize(network.audio(features), dim=1)
    np.testing.assert_allclose(loaded["imagebind"].sounds([heard]), want.numpy(), atol=1e-6)


def test_imagebind_reads_words(loaded):
    encoder = loaded["imagebind"]
    found = encoder.texts(["a red apple", "a red &amp;amp; green apple", "word " * 200, ""])
    np.testing.assert_allclose(np.linalg.norm(found, axis=1), 1, rtol=1e-5)
    np.testing.assert_allclose(found[1], encoder.texts(["  a RED & green   apple "])[0], atol=1e-6)
    assert found[0] @ found[1] < 0.9999
    ids = encoder._ids(["a red apple", "word " * 200])
    assert ids.shape == (2, 77) and ids[0, 5:].eq(0).all()
    assert ids[0].argmax() == 4 and ids[1].argmax() == 76, "the end is there, however long the text"


def test_words_of_a_text_never_end_it(loaded):
    encoder = loaded["imagebind"]
    ids = encoder._ids(["a <|endoftext|> cat <|startoftext|>"])[0]
    assert (ids == SMALL.words - 1).sum() == 1 and (ids == SMALL.words - 2).sum() == 1
    assert ids.argmax() == (ids != 0).sum() - 1


def test_imagebind_without_words_has_no_text_branch(folders, tmp_path):
    shutil.copytree(folders["imagebind"] / "imagebind", tmp_path / "imagebind")
    encoder = imagebind.load(tmp_path, CPU, torch.float32, "")
    assert "text" not in encoder.network.modality_trunks
    with pytest.raises(MissingWeights, match="without words"):
        encoder.texts(["a cat"])


def test_clip_and_clap_are_transformers_own(folders, loaded):
    encoder, folder = loaded["clap_clip"], folders["clap_clip"]
    whole = CLIPModel.from_pretrained(folder / "clip").eval()
    pixels = picture(80, 120)
    with torch.no_grad():
        want = whole.get_image_features(pixel_values=shown(pixels, 56)[None].float()).pooler_output
    want = torch.nn.functional.normalize(want, dim=1).numpy()
    assert (encoder.pictures([pixels])[:, :16] * want).sum() > 0.999
    config = json.loads((folder / "clap/config.json").read_text())
    clap = ClapModel(ClapModel.config_class(**config)).eval()
    clap.load_state_dict(torch.load(folder / "clap/pytorch_model.bin", weights_only=True))
    ears = ClapFeatureExtractor.from_pretrained(folder / "clap")
    for heard in (sound(4), sound(25, 48_000)):
        pieces = clips(resampled(heard, 48_000), 10.0, 1 if heard.seconds < 10 else 3)
        with torch.no_grad():
            features = ears(pieces, sampling_rate=48_000, return_tensors="pt")["input_features"]
            each = torch.nn.functional.normalize(clap.get_audio_features(input_features=features).pooler_output, dim=1)
        mean = torch.nn.functional.normalize(each.mean(0), dim=0).numpy()
        np.testing.assert_allclose(encoder.sounds([heard])[0, 16:], mean, atol=1e-5)


def test_a_sound_is_likened_to_no_picture_where_there_are_two_spaces(loaded):
    encoder = loaded["clap_clip"]
    seen, heard = encoder.pictures([picture(60, 60)]), encoder.sounds([sound(2)])
    assert encoder.width == 16 + 12 and float(seen[0] @ heard[0]) == 0
    one = loaded["imagebind"]
    assert abs(float(one.pictures([picture(60, 60)])[0] @ one.sounds([sound(2)])[0])) > 1e-4


def test_the_pulled_files_weigh_what_their_classes_weigh():
    """Bytes as public listings have them; over the tensors only tables of contents."""
    vision = {"hidden_size": 1024, "intermediate_size": 4096, "num_hidden_layers": 24, "num_attention_heads": 16}
    text = {"hidden_size": 768, "intermediate_size": 3072, "num_attention_heads": 12, "projection_dim": 768}
    sizes = {"vision_config": vision | {"patch_size": 14, "projection_dim": 768}, "text_config": text}
    with torch.device("meta"):
        built = {
            614_525_833: ClapModel(ClapConfig()),
            1_710_540_580: CLIPModel(CLIPConfig(**sizes, projection_dim=768)),
        }
    for listed, network in built.items():
        assert 0 < listed - sum(tensor.nbytes for tensor in network.state_dict().values()) < 200_000
    [source] = packs.sources("clap_clip")
    assert 0 < source.bytes - sum(built) < 1_000_000


def broken(folder, tmp_path, change) -> None:
    copy = tmp_path / f"broken{len(list(tmp_path.iterdir()))}"
    shutil.copytree(folder, copy)
    change(copy)
    load = imagebind.load if (copy / "imagebind").is_dir() else clap_clip.load
    load(copy, CPU, torch.float32, "")


@pytest.mark.parametrize(
    ("which", "file", "content", "said"),
    [
        ("imagebind", "imagebind/model.safetensors", b"", "has 2 weight files"),
        ("imagebind", "imagebind/imagebind_huge.pth", b"junk", "imagebind_huge.pth is damaged"),
        ("imagebind", "imagebind/config.json", b"", "does not say the sizes"),
        ("imagebind", "imagebind/config.json", b"{}", "712 words, and ImageBind 49408"),
        ("imagebind", "tokenizer/vocab.json", b"{", "is not CLIP's tokenizer"),
        ("imagebind", "tokenizer/vocab.json", b'{"a": 0}', "is not CLIP's tokenizer"),
        ("clap_clip", "clip/model.safetensors", b"junk", "is not a safetensors file"),
        ("clap_clip", "clap/pytorch_model.bin", b"junk", "is damaged"),
        ("clap_clip", "clap/config.json", b"[]", "is no table"),
        ("clap_clip", "clip/config.json", b"{}", "describes no network"),
        ("clap_clip", "clip/config.json", b'{"vision_config": {"hidden_size": "x"}}', "describes no network"),
        ("clap_clip", "clap/preprocessor_config.json", b"{", "no JSON"),
        ("clap_clip", "clap/preprocessor_config.json", b'{"sampling_rate": "x"}', "cannot be used"),
    ],
)
def test_what_is_wrong_is_named(folders, tmp_path, which, file, content, said):
    with pytest.raises(BadWeights, match=said):
        broken(folders[which], tmp_path, lambda copy: (copy / file).write_bytes(content))


def test_missing_tensors_other_widths_and_random_clips_are_refused(folders, tmp_path):
    def without(copy):
        state = weights.tensors(copy / "clip/model.safetensors")
        del state["visual_projection.weight"]
        weights.write(copy / "clip/model.safetensors", state)

    def fused(copy):
        told = json.loads((copy / "clap/config.json").read_text())
        told["audio_config"]["enable_fusion"] = True
        (copy / "clap/config.json").write_text(json.dumps(told))

    def wider(copy):
        told = json.loads((copy / "clap/config.json").read_text())
        told["audio_config"]["projection_dim"] = 13
        (copy / "clap/config.json").write_text(json.dumps(told))

    with pytest.raises(BadWeights, match=r"lack 1 tensors of CLIP, the first visual_projection\.weight"):
        broken(folders["clap_clip"], tmp_path, without)
    with pytest.raises(BadWeights, match=r"is \[12, 32\], and \[13, 32\] is meant"):
        broken(folders["clap_clip"], tmp_path, wider)
    with pytest.raises(BadWeights, match=r"fuses clips|lack"):
        broken(folders["clap_clip"], tmp_path, fused)
    with pytest.raises(BadWeights, match="has no weights"):
        broken(folders["clap_clip"], tmp_path, lambda copy: (copy / "clap/pytorch_model.bin").unlink())


def test_numbers_that_become_infinite_are_an_error(folders):
    encoder = imagebind.load(folders["imagebind"], CPU, torch.float32, "")
    encoder.network.modality_heads["vision"][2].weight.fill_(3e38)
    with pytest.raises(NotFinite):
        encoder.pictures([picture(60, 60)])


def test_what_a_residence_counts_is_the_networks(loaded):
    from tools.residency import _tensors

    for encoder in loaded.values():
        assert sum(1 for _ in _tensors(encoder)) > 50


def test_the_sizes_of_the_tiny_one_are_read_from_its_config(folders, loaded):
    assert loaded["imagebind"].network.config == SMALL
