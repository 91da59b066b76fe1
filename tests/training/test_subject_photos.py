"""Photos of one's own: subjects cut out of them by a heat map, other backgrounds, and what is wrong with a folder."""

import json

import numpy as np
import pytest
import torch
from PIL import Image
from transformers import CLIPSegConfig, CLIPSegForImageSegmentation

from sessions.errors import Damaged, NotFound, NotGrounded
from tests import tiny
from toybox.drawing import draw
from toybox.scenes import Scene, Thing
from training.subject_photos import Photos, by_words, clipseg, cut, heat_maps, opened, placed, segmenter


def drawing(seed=0):
    thing = Thing("disc", "red", "plain", "middle", 30.0 + seed, 33.0, 16.0, 0.1)
    return draw(Scene("plain", "teal", (thing,)))


def segment(rgb, category, name=""):
    """Heat of what is red, unsure at its edge."""
    if category != "disc":
        raise NotGrounded("There is none.")
    redness = (rgb[..., 0].astype(np.float32) - rgb[..., 2]) / 174
    return np.where(redness > 0.99, 1.0, np.where(redness < -0.55, 0.0, 0.3)).astype(np.float32)


@pytest.fixture
def folder(tmp_path):
    told = {}
    for seed in range(3):
        Image.fromarray(drawing(seed).rgb).save(tmp_path / f"{seed}.png")
        told[f"{seed}.png"] = {"category": "disc" if seed else "cube", "caption": "on a teal background"}
    (tmp_path / "subjects.json").write_text(json.dumps(told))
    (tmp_path / "backgrounds").mkdir()
    Image.new("RGB", (80, 64), (250, 250, 0)).save(tmp_path / "backgrounds/yellow.png")
    return tmp_path


def test_a_subject_is_cut_out_of_its_photo():
    one, truth = cut(drawing().rgb, "disc", segment), drawing().covers[0]
    assert np.abs(one.alpha - truth).mean() < 0.02
    assert np.abs(one.fore[truth > 0.2] - (214, 40, 40)).mean() < 12


def test_those_that_are_found_are_kept_and_shown_elsewhere(folder, tmp_path):
    photos = Photos.cut(folder, 64, tmp_path / "out", segment)
    assert len(photos) == 2 and photos.said(0) == ("disc", "on a teal background")
    assert np.array_equal(photos.target(0), drawing(1).rgb)

    def never(*_):
        raise AssertionError("cut out again")

    again = Photos.cut(
        folder,
        64,
        tmp_path / "out",
        lambda rgb, category, name: segment(rgb, category if category == "cube" else never()),
    )
    shown = [again.shown(0, np.random.default_rng(seed)).astype(int) for seed in range(4)]
    for rgb in shown:
        yellow = np.abs(rgb - (250, 250, 0)).max(-1) < 3
        red = np.abs(rgb - (214, 40, 40)).max(-1) < 25
        assert yellow.sum() > 2000 and 300 < red.sum() < 800 and (~yellow & ~red).sum() < 300
    assert not np.array_equal(shown[0], shown[1])
    rgb, words = photos.pair(np.random.default_rng(0))
    assert rgb.shape == (64, 64, 3) and words == "a disc on a teal background"


def test_a_subject_that_is_moved_keeps_its_share_of_the_square():
    one = cut(drawing().rgb, "disc", segment)
    for seed in range(5):
        moved = placed(one, np.random.default_rng(seed))
        share = float(moved.alpha.sum() / one.alpha.sum())
        assert 0.7**2 - 0.02 < share < 1.01 and moved.alpha.min() >= 0 and moved.alpha.max() <= 1


def test_words_find_a_subject_without_weights():
    heat = by_words(np.kron(drawing().rgb, np.ones((2, 2, 1), np.uint8)), "ball")
    truth = np.kron(drawing().covers[0], np.ones((2, 2), np.float32))
    assert heat.shape == (128, 128) and ((heat >= 0.5) == (truth > 0.5)).mean() > 0.97
    assert ((heat > 0.1) & (heat < 0.5)).any()


def test_a_local_clipseg_says_how_much_each_pixel_is_of_a_category(tmp_path):
    size = {"hidden_size": 16, "intermediate_size": 32, "num_hidden_layers": 4, "num_attention_heads": 2}
    tiny.tokenizer(tmp_path)
    words = len(json.loads((tmp_path / "vocab.json").read_text()))
    ends = {"bos_token_id": words - 2, "eos_token_id": words - 1}
    config = CLIPSegConfig(
        text_config=size | {"vocab_size": words} | ends,
        vision_config=size | {"image_size": 32, "patch_size": 8},
        projection_dim=16,
        extract_layers=[1, 2],
        reduce_dim=8,
        decoder_num_attention_heads=2,
        decoder_intermediate_size=16,
        conditional_layer=0,
    )
    torch.manual_seed(0)
    CLIPSegForImageSegmentation(config).save_pretrained(tmp_path)
    find = clipseg(tmp_path)
    heat = find(drawing().rgb, "circle")
    assert heat.shape == (64, 64) and 0 <= heat.min() < heat.max() <= 1
    assert not np.array_equal(heat, find(drawing().rgb, "dog"))


def test_what_would_end_a_training_is_left_out_before_it(folder, tmp_path, caplog):
    """A file that is no picture, a folder among the backgrounds, a photo that is gone, words that do not fit."""
    told = json.loads((folder / "subjects.json").read_text())
    told |= {name: {"category": "disc"} for name in ("gone.png", "broken.png")}
    told["0.png"] = {"category": "disc", "caption": "long " * 99}
    (folder / "subjects.json").write_text(json.dumps(told))
    (folder / "broken.png").write_bytes((folder / "1.png").read_bytes()[:200])
    (folder / "backgrounds/notes.txt").write_text("none")
    (folder / "backgrounds/deeper").mkdir()
    with caplog.at_level("INFO", "training"):
        photos = Photos.cut(folder, 64, tmp_path / "out", segment, fits=lambda said: len(said) < 80)
    assert len(photos) == 2
    for name in ("gone.png", "broken.png", "0.png", "notes.txt", "deeper"):
        assert name in caplog.text
    for seed in range(8):
        assert photos.shown(seed % 2, np.random.default_rng(seed)).shape == (64, 64, 3)
    assert len(Photos.at(folder, 64)) == 3


def test_without_backgrounds_a_subject_stands_on_another_photo(folder, tmp_path):
    (folder / "backgrounds/yellow.png").unlink()
    for seed, level in ((1, 40), (2, 220)):
        rgb = drawing(seed).rgb.copy()
        rgb[:4] = (0, level, 200)
        Image.fromarray(rgb).save(folder / f"{seed}.png")
    photos = Photos.cut(folder, 64, tmp_path / "out", segment)
    tops = [photos.shown(0, np.random.default_rng(seed))[0, 0, 1] for seed in range(12)]
    assert all(abs(int(top) - 220) < 12 for top in tops)
    (folder / "subjects.json").write_text(json.dumps({"1.png": {"category": "disc"}}))
    with pytest.raises(NotFound, match="nothing to show the subject"):
        Photos.cut(folder, 64, tmp_path / "out", segment)


def test_cutting_out_stops_at_the_deadline_and_goes_on(folder, tmp_path):
    asked = []

    def counted(rgb, category, name):
        asked.append(category)
        return segment(rgb, category)

    found = [Photos.cut(folder, 64, tmp_path / "out", counted, deadline=0.0) for _ in range(3)]
    assert found[:2] == [None, None] and len(found[2]) == 2 and asked == ["cube", "disc", "disc"]


def test_a_photo_is_held_as_its_exif_says(tmp_path):
    rgb = np.zeros((64, 64, 3), np.uint8)
    rgb[:32] = 255
    turned = Image.Exif()
    turned[0x0112] = 3
    Image.fromarray(rgb).save(tmp_path / "a.png", exif=turned)
    assert opened(tmp_path / "a.png", 64)[60:].min() == 255


def test_what_is_wrong_with_a_folder_is_said(folder, tmp_path):
    with pytest.raises(NotFound, match=r"subjects\.json"):
        Photos.at(tmp_path / "backgrounds")
    with pytest.raises(NotFound, match="In no photo"):
        Photos.cut(folder, 64, tmp_path / "out", lambda rgb, category, name: segment(rgb, "cube"))
    (folder / "subjects.json").write_text('{"a.png": "disc"}')
    with pytest.raises(Damaged, match="no table"):
        Photos.at(folder)


# Heat maps of any segmenter


@pytest.fixture
def heats(folder, tmp_path):
    """Of the second and third photo a map, twice as large; a wide photo stands for the first."""
    (tmp_path / "heat").mkdir()
    for seed in (1, 2):
        heat = np.kron(np.rint(255 * drawing(seed).covers[0]).astype(np.uint8), np.ones((2, 2), np.uint8))
        Image.fromarray(heat).save(tmp_path / f"heat/{seed}.png")
    return tmp_path / "heat"


def test_heat_maps_find_subjects_in_the_photos_of_their_names(folder, heats, tmp_path):
    photos = Photos.cut(folder, 64, tmp_path / "out", segmenter(heats, folder))
    assert len(photos) == 2
    for seed in (1, 2):
        heat = heat_maps(heats, folder)(drawing(seed).rgb, "disc", f"{seed}.png")
        assert heat.shape == (64, 64) and np.abs(heat - drawing(seed).covers[0]).mean() < 0.01
    shown = photos.shown(0, np.random.default_rng(0)).astype(int)
    assert 300 < (np.abs(shown - (214, 40, 40)).max(-1) < 25).sum() < 800


def test_a_heat_map_is_cut_as_its_photo_is(folder, heats):
    """Of a wide photo both lose their sides."""
    rgb = np.pad(drawing(1).rgb, ((0, 0), (16, 48), (0, 0)))
    Image.fromarray(rgb).save(folder / "1.png")
    cover = np.pad(drawing(1).covers[0], ((0, 0), (16, 48)))
    Image.fromarray(np.rint(255 * cover).astype(np.uint8)).save(heats / "1.png")
    seen = heat_maps(heats, folder)(opened(folder / "1.png", 64), "disc", "1.png")
    red = opened(folder / "1.png", 64)[..., 0].astype(float) - opened(folder / "1.png", 64)[..., 1] > 87
    assert ((seen > 0.5) == red).mean() > 0.97 and red.any()


def test_a_heat_map_that_is_none_of_its_photo_is_refused(folder, heats):
    find = heat_maps(heats, folder)
    with pytest.raises(NotGrounded, match="There is no heat map"):
        find(drawing().rgb, "disc", "0.png")
    Image.new("L", (64, 40)).save(heats / "1.png")
    with pytest.raises(Damaged, match="is 64 × 40, and its photo 64 × 64"):
        find(drawing().rgb, "disc", "1.png")
    Image.fromarray(np.zeros((64, 64), np.uint16)).save(heats / "1.png")
    with pytest.raises(Damaged, match="no picture of 8 bits"):
        find(drawing().rgb, "disc", "1.png")
