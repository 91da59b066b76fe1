"""Encoders on the shelf: one file, a clone or a folder of both is registered, the best one loaded, trouble named."""

import json
import shutil

import numpy as np
import pytest
import torch

from sessions.errors import Ambiguous, BadWeights, MissingWeights
from tests import tiny, tiny_encoders
from tests.manifests.remake import read
from tests.tiny_encoders import SMALL, imagebind_file, scatter
from tools import adding, packs, trying, weights
from tools.nets.imagebind import ImageBind

PICTURE = np.full((60, 60, 3), 90, np.uint8)


def released(folder, name="imagebind_huge.pth"):
    """The file alone, as it is downloaded, of the released depth but narrow: its sizes are not the released ones."""
    torch.manual_seed(0)
    return imagebind_file(folder / name, scatter(ImageBind(SMALL)))


def test_a_clone_with_config_and_words_is_an_encoder(empty, tmp_path):
    made = tiny_encoders.imagebind(tmp_path / "made")
    clone = tmp_path / "imagebind-huge"
    shutil.copytree(made / "imagebind", clone)
    shutil.copytree(made / "tokenizer", clone / "tokenizer")
    (clone / "README.md").write_text("a card")
    entry = adding.add(empty, clone, "encoder")
    assert sorted(entry.files)[:2] == ["imagebind/config.json", "imagebind/imagebind_huge.pth"]
    assert "tokenizer/merges.txt" in entry.files and entry.name == "imagebind-huge"
    assert "non-commercial" in entry.licence and entry.bytes > 10_000
    encoder = empty.encoder()
    assert (encoder.name, encoder.width, encoder.digest) == ("imagebind", SMALL.space, entry.digest)
    assert encoder.texts(["a cat"]).shape == (1, SMALL.space)
    assert empty.encoder() is encoder and empty.held() > 0


def test_a_folder_with_clap_and_clip_is_an_encoder(empty, tmp_path):
    entry = adding.add(empty, tiny_encoders.clap_clip(tmp_path / "both"), "encoder", "mine")
    assert {"clap/pytorch_model.bin", "clip/model.safetensors", "clap/preprocessor_config.json"} <= set(entry.files)
    assert entry.licence == "" and empty.encoder().name == "clap_clip"
    trying.once(empty, entry)


def test_one_file_of_another_width_is_refused_before_it_is_registered(empty, tmp_path):
    with pytest.raises(BadWeights, match=r"lack \d+ tensors of ImageBind|is meant"):
        adding.add(empty, released(tmp_path), "encoder")
    assert not empty.entries()


@pytest.mark.parametrize("words", [True, False])
def test_one_file_of_the_released_sizes_is_taken_as_it_is(words, empty, tmp_path, monkeypatch):
    """4.8 GB are not written here: the sizes of its tensors are those of the table."""
    sizes = {name: shape for name, (_, shape) in read("imagebind").items()}
    monkeypatch.setattr(weights, "shapes", lambda path, place="", nested=True: sizes)
    file = tmp_path / "down" / "imagebind_huge.pth"
    file.parent.mkdir()
    file.write_bytes(b"as if it were 4.8 GB")
    if words:
        (file.parent / "vocab.json").write_text(json.dumps({str(i): i for i in range(49408)}))
        (file.parent / "merges.txt").write_text("#version: 0.2\n")
    entry = adding.add(empty, file, "encoder")
    assert entry.files["imagebind/imagebind_huge.pth"].source == str(file)
    assert ("tokenizer/vocab.json" in entry.files) is words
    assert entry.name == "imagebind_huge"


def test_words_of_other_weights_on_the_shelf_are_used(empty, tmp_path):
    adding.add(empty, tiny.stable_diffusion(tmp_path / "sd"), "text-to-image")
    alone = tmp_path / "alone/imagebind"
    alone.mkdir(parents=True)
    file = released(alone, "model.safetensors")
    assert set(adding._in_one_file(empty, file)) == {
        "imagebind/model.safetensors",
        "tokenizer/vocab.json",
        "tokenizer/merges.txt",
    }


def test_what_is_no_encoder_is_refused(empty, tmp_path):
    with pytest.raises(BadWeights, match="is no encoder"):
        adding.add(empty, tiny.stable_diffusion(tmp_path / "sd"), "encoder")
    with pytest.raises(MissingWeights, match="no folder"):
        adding.add(empty, tmp_path / "nowhere.pth", "encoder")
    (tmp_path / "notes.txt").write_text("hello")
    with pytest.raises(BadWeights, match=r"notes\.txt is no weight file"):
        adding.add(empty, tmp_path / "notes.txt", "encoder")
    (tmp_path / "junk.pth").write_bytes(b"junk")
    with pytest.raises(BadWeights, match=r"junk\.pth is damaged"):
        adding.add(empty, tmp_path / "junk.pth", "encoder")
    half = tiny_encoders.clap_clip(tmp_path / "half")
    shutil.rmtree(half / "clip")
    with pytest.raises(BadWeights, match="is no encoder"):
        adding.add(empty, half, "encoder")
    with pytest.raises(BadWeights, match=r"There is no role 'ears'.*encoder"):
        adding.add(empty, half, "ears")


def test_wrong_widths_are_named_when_they_are_added(empty, tmp_path):
    folder = tiny_encoders.imagebind(tmp_path / "made")
    told = json.loads((folder / "imagebind/config.json").read_text())
    (folder / "imagebind/config.json").write_text(json.dumps(told | {"audio_embed_dim": 48}))
    with pytest.raises(BadWeights, match=r"is \[.*24.*\], and \[.*48.*\] is meant"):
        adding.add(empty, folder, "encoder")
    (folder / "imagebind/config.json").write_text(json.dumps(told))
    released(folder / "imagebind", "another.pth")
    with pytest.raises(BadWeights, match="2 weight files"):
        adding.add(empty, folder, "encoder")


def test_safetensors_are_taken_where_both_kinds_are_there(tmp_path):
    names = ["model.safetensors", "pytorch_model.bin", "config.json", "clap/a.bin", "clip/b.bin", "clip/b.safetensors"]
    placed = adding.placed([*names, "runs/old.bin", "README.md"], "encoder")
    assert set(placed) == {
        "imagebind/model.safetensors", "imagebind/config.json", "clap/a.bin", "clip/b.safetensors"
    }  # fmt: skip


def test_ones_own_come_first_then_what_was_pulled_last(empty, tmp_path):
    added = adding.add(empty, tiny_encoders.clap_clip(tmp_path / "both"), "encoder")
    pulled = [added.model_copy(update={"name": pack, "pack": pack}) for pack in ("clap_clip", "imagebind", "starter")]
    for entry in pulled:
        empty.add(entry)
    assert [entry.pack for entry in empty.entries()] == ["own", "imagebind", "clap_clip", "starter"]


def test_a_file_that_changed_is_not_opened(empty, tmp_path):
    folder = tiny_encoders.imagebind(tmp_path / "made")
    adding.add(empty, folder, "encoder")
    with (folder / "imagebind/imagebind_huge.pth").open("r+b") as file:
        file.seek(2000)
        file.write(b"other")
    with pytest.raises(BadWeights, match="not the file that was registered"):
        empty.encoder()


def test_where_there_is_none_both_packs_are_named(empty):
    with pytest.raises(MissingWeights) as missing:
        empty.encoder()
    assert missing.value.hint == "pentimento models pull clap_clip or pentimento models pull imagebind"
    with pytest.raises(Ambiguous) as two:
        packs.sources("encoder")
    assert two.value.candidates == ("clap_clip", "imagebind") and "NON-COMMERCIAL" in two.value.hint


def test_packs_of_encoders_are_pinned_and_say_what_may_be_done_with_them():
    [[bound], [free]] = packs.sources("imagebind"), packs.sources("clap_clip")
    for source in (bound, free):
        assert source.pinned and source.licence and source.terms and source.bytes > 2e9 and source.word == source.pack
        assert all(packs.COMMIT.fullmatch(extra.revision) for extra in source.extra)
    assert "NON-COMMERCIAL" in bound.licence and "NON-COMMERCIAL USE ONLY" in bound.warning and not free.warning


def test_what_is_loaded_is_not_measured_again(empty, tmp_path, monkeypatch):
    adding.add(empty, tiny_encoders.clap_clip(tmp_path / "both"), "encoder")
    first = empty.encoder()
    monkeypatch.setattr(weights, "numbers", None)
    assert empty.encoder() is first
