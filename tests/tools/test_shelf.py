"""The shelf: whose weights come first, what is refused, what stays loaded, and how memory comes back."""

from __future__ import annotations

import gc
import json
import shutil
import weakref
from pathlib import Path

import pytest
import torch

from sessions.errors import BadWeights, MissingWeights, NotFound, OutOfMemory
from tests import tiny
from tools import adding, devices, shelf, trying, weights
from tools.shelf import Shelf
from tools.weights import Entry, Seen


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory) -> Path:
    return tiny.stable_diffusion(tmp_path_factory.mktemp("checkpoint") / "sd")


@pytest.fixture
def copy(checkpoint, tmp_path) -> Path:
    """A checkpoint that a test may damage."""
    return Path(shutil.copytree(checkpoint, tmp_path / "copy"))


@pytest.fixture
def empty(tmp_path, monkeypatch) -> Shelf:
    monkeypatch.setattr(shelf, "STARTER", tmp_path / "nothing.json")
    return Shelf(tmp_path / "home")


def flip(path: Path) -> None:
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)


UNET = "unet/diffusion_pytorch_model.safetensors"

# Which weights


def test_a_role_without_weights_names_the_command_that_gets_them(empty):
    with pytest.raises(MissingWeights) as refused:
        empty.entry("text-to-image")
    assert refused.value.hint == "pentimento models pull text-to-image"
    with pytest.raises(MissingWeights) as refused:
        empty.require(["hub:someone/something"])
    assert refused.value.hint == "pentimento models pull hub:someone/something"


def test_what_was_added_comes_before_what_was_pulled_and_the_newest_first(empty, checkpoint):
    added = adding.add(empty, checkpoint, "text-to-image", "mine")
    empty.add(added.model_copy(update={"name": "pulled", "pack": "sd15"}))
    assert empty.entry("text-to-image").name == "mine"
    adding.add(empty, checkpoint, "text-to-image", "newer")
    assert [entry.name for entry in empty.entries()] == ["newer", "mine", "pulled"]


def test_the_starter_pack_is_the_last_resort(empty, checkpoint, monkeypatch, tmp_path):
    own = adding.add(empty, checkpoint, "text-to-image", "mine")
    starter = own.model_copy(update={"pack": "starter", "name": "starter", "world": "toybox"})
    weights.write_register(tmp_path / "starter.json", (starter,))
    monkeypatch.setattr(shelf, "STARTER", tmp_path / "starter.json")
    assert empty.entry("text-to-image").name == "mine"
    other = Shelf(tmp_path / "another home")
    assert (other.entry("text-to-image").name, other.entry("text-to-image").world) == ("starter", "toybox")


def test_the_same_name_is_replaced_and_not_listed_twice(empty, checkpoint):
    adding.add(empty, checkpoint, "text-to-image", "mine")
    adding.add(empty, checkpoint, "text-to-image", "mine")
    assert [entry.name for entry in empty.entries()] == ["mine"]


def test_what_is_forgotten_is_no_longer_in_the_way_and_its_files_stay(empty, checkpoint, copy):
    adding.add(empty, checkpoint, "text-to-image", "first")
    adding.add(empty, copy, "text-to-image", "gone")
    shutil.rmtree(copy)
    with pytest.raises(MissingWeights, match="is gone"):
        empty.entry("text-to-image")
    assert [entry.role for entry in empty.remove("gone")] == ["text-to-image"]
    assert empty.entry("text-to-image").name == "first"
    empty.remove("first")
    assert not empty.entries() and (checkpoint / UNET).is_file()
    with pytest.raises(NotFound, match="No weights called 'first'"):
        empty.remove("first")


def test_what_is_registered_outlives_the_process(empty, checkpoint):
    added = adding.add(empty, checkpoint, "text-to-image")
    assert Shelf(empty.folder.parent).entry("text-to-image").digest == added.digest


def test_a_damaged_register_is_a_sentence(empty):
    empty.register.parent.mkdir(parents=True)
    for text in ("{", "[]", '{"entries": [{"role": 1}]}', '{"entries": [], "more": 1}'):
        empty.register.write_text(text)
        with pytest.raises(BadWeights):
            empty.entries()


def test_sources_are_relative_to_their_register(checkpoint, tmp_path):
    copied = shutil.copytree(checkpoint, tmp_path / "pack/sd")
    files = {
        name: file.model_copy(update={"source": f"sd/{name}"})
        for name, file in adding.listed(copied, "text-to-image").items()
    }
    entry = Entry(role="text-to-image", name="sd", pack="starter", files=files)
    weights.write_register(tmp_path / "pack/register.json", (entry,))
    [found] = weights.read_register(tmp_path / "pack/register.json")
    assert weights.laid_out(found, tmp_path / "laid").folder.joinpath(UNET).read_bytes() == (copied / UNET).read_bytes()


# What may be added


def test_a_folder_must_have_what_its_role_needs(empty, copy):
    (copy / "vae/diffusion_pytorch_model.safetensors").unlink()
    with pytest.raises(BadWeights, match="no safetensors in vae/"):
        adding.add(empty, copy, "text-to-image")
    assert not empty.entries()


def test_the_channels_of_the_unet_must_be_those_of_the_role(empty, checkpoint):
    with pytest.raises(BadWeights, match="takes 4 channels; inpainting needs 9"):
        adding.add(empty, checkpoint, "inpainting")


def test_roles_that_there_are_not_and_folders_that_there_are_not(empty, checkpoint, tmp_path):
    with pytest.raises(BadWeights, match="no role 'painting'"):
        adding.add(empty, checkpoint, "painting")
    with pytest.raises(BadWeights, match="is no whole checkpoint"):
        adding.add(empty, checkpoint / UNET, "text-to-image")
    with pytest.raises(MissingWeights, match="no folder"):
        adding.add(empty, tmp_path / "nowhere", "text-to-image")


def test_half_precision_files_stand_in_and_pickles_never_do():
    names = [
        "model_index.json",
        "v1-5-pruned.safetensors",
        "README.md",
        "unet/config.json",
        "unet/diffusion_pytorch_model.safetensors",
        "unet/diffusion_pytorch_model.fp16.safetensors",
        "unet/diffusion_pytorch_model.non_ema.safetensors",
        "unet/diffusion_pytorch_model.bin",
        "vae/diffusion_pytorch_model.fp16.safetensors",
        "text_encoder/pytorch_model.bin",
        "safety_checker/model.safetensors",
        "tokenizer/merges.txt",
        ".cache/huggingface/x.json",
    ]
    assert adding.placed(names, "text-to-image") == {
        "model_index.json": "model_index.json",
        "unet/config.json": "unet/config.json",
        UNET: UNET,
        "vae/diffusion_pytorch_model.safetensors": "vae/diffusion_pytorch_model.fp16.safetensors",
        "tokenizer/merges.txt": "tokenizer/merges.txt",
    }


# What is refused


def test_one_bit_is_enough_to_be_refused(empty, copy):
    adding.add(empty, copy, "text-to-image")
    flip(copy / UNET)
    with pytest.raises(BadWeights, match="is not the file that was registered"):
        empty.diffusion("text-to-image")


def test_a_disk_that_damages_quietly_is_found_by_a_full_check(empty, copy, monkeypatch):
    entry = adding.add(empty, copy, "text-to-image")
    looks = weights._looks(copy / UNET)
    flip(copy / UNET)
    monkeypatch.setattr(weights, "_looks", lambda path: looks if path.name == Path(UNET).name else [1])
    empty._seen._path.write_text(
        json.dumps({file.source: [file.sha256, *weights._looks(Path(file.source))] for file in entry.files.values()})
    )
    empty.entry("text-to-image")
    with pytest.raises(BadWeights):
        empty.checked(entry, anew=True)


def test_files_are_hashed_once_while_they_stand(empty, checkpoint, monkeypatch):
    adding.add(empty, checkpoint, "text-to-image")
    monkeypatch.setattr(weights, "sha256", lambda path: pytest.fail(f"{path} was read again"))
    Shelf(empty.folder.parent).entry("text-to-image")


def test_a_file_that_is_gone_is_missing(empty, copy):
    adding.add(empty, copy, "text-to-image")
    (copy / UNET).unlink()
    with pytest.raises(MissingWeights, match="is gone"):
        empty.entry("text-to-image")


def test_a_stranger_among_the_files_is_missing_before_its_header_is_read(empty, checkpoint):
    entry = adding.add(empty, checkpoint, "text-to-image")
    (entry.folder / "unet/another.safetensors").write_bytes(b"no header at all")
    with pytest.raises(MissingWeights, match="is not registered"):
        empty.diffusion("text-to-image")


def test_a_file_put_in_the_place_of_a_link_is_not_used(empty, checkpoint):
    entry = adding.add(empty, checkpoint, "text-to-image")
    link = entry.folder / UNET
    link.unlink()
    link.write_bytes(b"mine")
    assert empty.entry("text-to-image").folder.joinpath(UNET).read_bytes() == (checkpoint / UNET).read_bytes()


def test_what_was_seen_may_be_lost_or_damaged(tmp_path):
    (tmp_path / "seen.json").write_text("{")
    (tmp_path / "file").write_bytes(b"weights")
    file = adding.described(tmp_path / "file")
    Seen(tmp_path / "seen.json").check({"file": file})
    assert json.loads((tmp_path / "seen.json").read_text())


# What is loaded


def test_a_model_is_loaded_once(tiny_shelf):
    model = tiny_shelf.diffusion("text-to-image")
    assert tiny_shelf.diffusion("text-to-image") is model
    assert (model.channels, model.side, model.factor, model.dtype) == (4, 64, 8, torch.float32)
    assert model.digest == tiny_shelf.entry("text-to-image").digest


@pytest.mark.parametrize(("role", "channels"), adding.CHANNELS.items())
def test_every_tiny_checkpoint_loads_for_its_role(tiny_shelf, role, channels):
    assert tiny_shelf.diffusion(role).channels == channels


def sharing(home: Path, folder: Path, budget: int) -> Shelf:
    """A shelf with one checkpoint under three roles."""
    made = Shelf(home, budget)
    for role in ("hub:a/a", "hub:b/b", "hub:c/c"):
        files = {
            name: file for name, file in adding.listed(folder, "text-to-image").items() if name != "model_index.json"
        }
        index = folder.parent / f"{role[-1]}.json"
        index.write_text(json.dumps({"name": role}))
        made.add(Entry(role=role, name=role, pack="own", files=files | {"model_index.json": adding.described(index)}))
    return made


def test_equal_autoencoders_and_text_encoders_are_kept_once(tmp_path, copy):
    made = sharing(tmp_path / "home", copy, 10**9)
    first, second = made.diffusion("hub:a/a"), made.diffusion("hub:b/b")
    assert first.unet is not second.unet
    assert first.vae is second.vae and first.text_encoder is second.text_encoder
    unet = sum(weight.nbytes for weight in first.unet.parameters())
    rest = sum(weight.nbytes for part in (first.vae, first.text_encoder) for weight in part.parameters())
    assert 0 <= made.held() - (2 * unet + rest) < 50_000  # two noise schedules


def test_the_least_recently_used_goes_first(tmp_path, copy):
    made = sharing(tmp_path / "home", copy, 7_000_000)
    a = weakref.ref(made.diffusion("hub:a/a").unet)
    b = weakref.ref(made.diffusion("hub:b/b").unet)
    made.diffusion("hub:a/a")
    made.diffusion("hub:c/c")
    gc.collect()
    assert a() is not None and b() is None and made.held() <= 7_000_000


def test_weights_that_do_not_fit_even_alone_are_out_of_memory(tmp_path, copy):
    made = sharing(tmp_path / "home", copy, 1_000_000)
    with pytest.raises(OutOfMemory, match="These weights need"):
        made.diffusion("hub:a/a")


@pytest.mark.parametrize("failure", [torch.OutOfMemoryError, MemoryError])
def test_running_out_while_loading_lets_go_of_all_else_and_tries_once_more(tmp_path, copy, monkeypatch, failure):
    from tools.diffusion import model

    made = sharing(tmp_path / "home", copy, 10**9)
    first = weakref.ref(made.diffusion("hub:a/a").unet)
    load, failing = model.load, [failure("no more")]

    def once(*args):
        if failing:
            raise failing.pop()
        return load(*args)

    monkeypatch.setattr(model, "load", once)
    assert made.diffusion("hub:b/b").channels == 4
    gc.collect()
    assert first() is None
    failing += [failure("no more"), failure("still no more")]
    with pytest.raises(OutOfMemory):
        made.diffusion("hub:c/c")
    assert made.held() == 0
    assert made.diffusion("hub:c/c").channels == 4


def test_after_letting_go_memory_is_back_within_five_percent(tmp_path, copy):
    made = sharing(tmp_path / "home", copy, 10**9)
    made.diffusion("hub:a/a")
    before = made.held()
    alive = weakref.ref(made.diffusion("hub:b/b").unet)
    shelf.let_go()
    gc.collect()
    assert made.held() == 0 and alive() is None
    made.diffusion("hub:a/a")
    assert abs(made.held() - before) <= 0.05 * before


def test_other_parts_of_a_role_live_under_the_same_budget(tmp_path, copy):
    made = sharing(tmp_path / "home", copy, 10**9)
    loads: list[Path] = []

    def load(folder: Path, device: torch.device) -> list[torch.Tensor]:
        loads.append(folder)
        return [torch.zeros(1000, device=device)]

    part = made.part("hub:a/a", "zeros", load)
    assert made.part("hub:a/a", "zeros", load) is part and len(loads) == 1 and made.held() == 4000
    assert (loads[0] / "model_index.json").exists()
    made.clear()
    assert made.part("hub:a/a", "zeros", load) is not part


@pytest.mark.parametrize("role", ["text-to-image", "blip-diffusion"])
def test_a_check_hashes_and_loads(tiny_shelf, role):
    trying.once(tiny_shelf, tiny_shelf.entry(role))


def test_a_check_finds_what_only_loading_shows(empty, copy):
    config = copy / "unet/config.json"
    config.write_text(config.read_text().replace('"cross_attention_dim": 32', '"cross_attention_dim": 48'))
    entry = adding.add(empty, copy, "text-to-image")
    with pytest.raises(BadWeights, match="its config asks for"):
        trying.once(empty, entry)


def test_where_and_how_precisely():
    cpu, cuda = torch.device("cpu"), torch.device("cuda")
    assert devices.precision(cpu, 1000) is torch.float32
    assert devices.precision(cuda, 1000) is torch.bfloat16
    assert devices.best().type in ("cpu", "cuda", "mps") and devices.free(cpu) > 0


def test_one_shelf_per_folder(tmp_path):
    assert shelf.at(tmp_path) is shelf.at(tmp_path)


def test_without_torch_the_sentence_names_what_to_install(empty, monkeypatch):
    monkeypatch.setattr(devices, "find_spec", lambda name: None)
    with pytest.raises(MissingWeights) as refused:
        empty.require(["text-to-image"])
    assert "pip install 'pentimento[neural]'" in refused.value.hint
