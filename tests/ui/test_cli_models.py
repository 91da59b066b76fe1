"""`pentimento models` as processes, against a small Hub on this machine."""

from __future__ import annotations

import hashlib
import json
import os
import resource
import shutil
import signal
import struct
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from typer.testing import CliRunner

from tests import hub, terminal
from tests.hub import Hub
from tools import packs, pulling, shelf
from ui.cli import app, main

ROOT = Path(__file__).parents[2]
BIG = 24_000_000
LARGE = "hub:someone/large"


def numbers(path: Path, count: int, **dtype: str) -> None:
    """A safetensors file with one tensor of so many bytes."""
    header = json.dumps({"x": {"dtype": "U8", "shape": [count], "data_offsets": [0, count]}}).encode()
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(struct.pack("<Q", len(header)) + header + bytes(count))


def repository(folder: Path, size: int = 30_000, half: bool = False) -> None:
    """As a repository of SD 1.x is, with files beside that nobody needs."""
    for part in ("unet", "vae", "text_encoder"):
        stem = "model" if part == "text_encoder" else "diffusion_pytorch_model"
        numbers(folder / part / f"{stem}{'.fp16' if half else ''}.safetensors", size if part == "unet" else 100)
        (folder / part / "config.json").write_text(json.dumps({"part": part}))
        (folder / part / f"{stem}.bin").write_bytes(b"\x80\x04K\x01.")
    for name in ("tokenizer/vocab.json", "scheduler/scheduler_config.json", "model_index.json", "whole.safetensors"):
        (folder / name).parent.mkdir(exist_ok=True)
        (folder / name).write_text(json.dumps({"name": name}))


@pytest.fixture
def there(tmp_path) -> Iterator[Hub]:
    repository(tmp_path / "hub/someone/large", BIG)
    repository(tmp_path / "hub/stable-diffusion-v1-5/stable-diffusion-v1-5")
    repository(tmp_path / "hub/stable-diffusion-v1-5/stable-diffusion-inpainting", half=True)
    with hub.serving(tmp_path / "hub") as serving:
        yield serving


@pytest.fixture
def environment(tmp_path) -> dict[str, str]:
    settings = {"PENTIMENTO_HOME": str(tmp_path / "home"), "HF_HOME": str(tmp_path / "hf"), "OMP_NUM_THREADS": "1"}
    return {name: value for name, value in os.environ.items() if not name.startswith("HF_")} | settings


def hurried() -> None:
    """The command line, where huggingface_hub does not wait between its tries."""
    time.sleep = lambda _: None
    main()


def on_a_small_disk() -> None:
    """The command line, where no file can be longer than half of the large one."""
    resource.setrlimit(resource.RLIMIT_FSIZE, (BIG // 2, BIG // 2))
    main()


@pytest.fixture
def cli(environment, there):
    def run(
        *words: str, code: int = 0, start: Callable[[], None] = hurried, **more: str
    ) -> subprocess.CompletedProcess[str]:
        done = terminal.run(start, ["models", *words], environment | {"HF_ENDPOINT": there.address} | more, ROOT)
        assert done.returncode == code, done.stderr + done.stdout
        assert "Traceback" not in done.stderr
        return done

    return run


def fetched(there: Hub) -> list[str]:
    return [
        path.partition("/resolve/")[2].partition("/")[2]
        for kind, path, _ in there.asked
        if kind == "GET" and "/resolve/" in path
    ]


def there_now(cli) -> set[str]:
    """The roles that have weights of their own, besides what comes with the product."""
    return {row["role"] for row in json.loads(cli("list", "--json").stdout)["there"] if row["pack"] != "starter"}


def test_what_there_is_and_what_could_be(cli):
    done = cli("list")
    assert "instruct-pix2pix" in done.stdout and "timbrooks/instruct-pix2pix" in done.stdout
    assert "pentimento models pull sd15 fetches all of it that is absent (18.4 GB)" in done.stderr
    assert done.stdout.count("at refs/pr/1 *") == 2 and "* a name, which the Hub may move" in done.stderr
    absent = json.loads(cli("list", "--json").stdout)["absent"]
    known = [source for pack in ("sd15", "sdxl") for source in packs.packs()[pack]]
    assert {row["role"] for row in absent} == {source.role for source in known} | {"encoder"}


def test_a_licence_is_shown_and_nothing_is_fetched_before_it_is_accepted(cli, there):
    refused = cli("pull", "inpainting", code=1)
    assert "CreativeML OpenRAIL-M" in refused.stderr and "--yes" in refused.stderr
    assert not fetched(there)


def test_a_pull_fetches_what_the_role_needs_and_registers_it(cli, there):
    done = cli("pull", "inpainting", "--yes", "--json")
    [pulled] = json.loads(done.stdout)["pulled"]
    assert (pulled["role"], pulled["pack"]) == ("inpainting", "sd15")
    assert pulled["commit"] == packs.sources("inpainting")[0].revision
    assert not [name for name in fetched(there) if name.endswith((".bin", "whole.safetensors"))]
    assert "unet/diffusion_pytorch_model.fp16.safetensors" in fetched(there)
    assert there_now(cli) == {"inpainting"}
    there.asked.clear()
    cli("pull", "inpainting")  # its licence has been accepted
    assert not fetched(there)


UNET = "unet/diffusion_pytorch_model.safetensors"


def asked_from(there: Hub) -> list[int]:
    """Where in the large file answers began that were asked for."""
    found = [asked for kind, path, asked in there.asked if kind == "GET" and path.endswith(UNET)]
    return [int((asked or "bytes=0-").removeprefix("bytes=").partition("-")[0]) for asked in found]


@pytest.fixture
def part(there, tmp_path) -> Path:
    """Half of the large file, as an earlier pull left it."""
    data = (there.root / "someone/large" / UNET).read_bytes()
    path = tmp_path / f"hf/hub/models--someone--large/blobs/{hashlib.sha256(data).hexdigest()}.part"
    path.parent.mkdir(parents=True)
    path.write_bytes(data[: BIG // 2])
    return path


def test_a_pull_that_broke_off_goes_on_where_it_stopped(cli, there):
    there.stop_after = 15_000_000
    broken = cli("pull", LARGE, "--yes", code=1)
    assert "goes on from here" in broken.stderr
    assert not there_now(cli)
    there.stop_after = 0
    there.asked.clear()
    cli("pull", LARGE, "--yes")
    [begin] = asked_from(there)
    assert begin >= 10_000_000


def test_an_interrupted_pull_says_what_is_kept_and_goes_on_from_there(cli, environment, there):
    there.stop_after, there.halt = 20_000_000, True
    command = [sys.executable, "-m", "ui.cli", "models", "pull", LARGE, "--yes"]
    with subprocess.Popen(
        command, env=environment | {"HF_ENDPOINT": there.address}, stderr=subprocess.PIPE, text=True, cwd=ROOT
    ) as process:
        assert there.halted.wait(terminal.LIMIT)
        process.send_signal(signal.SIGINT)
        told = process.stderr.read()
    assert process.returncode == 130 and "Traceback" not in told
    assert told.endswith(f"Stopped. What has arrived is kept; pentimento models pull {LARGE} goes on from there.\n")
    there.stop_after, there.halt = 0, False
    there.asked.clear()
    cli("pull", LARGE, "--yes")
    assert asked_from(there)[0] >= 10_000_000 and there_now(cli) == {LARGE}


def test_a_server_that_sends_everything_again_is_taken_at_its_word(cli, there, part):
    there.ranges = False
    cli("pull", LARGE, "--yes")
    assert asked_from(there) == [BIG // 2] and there_now(cli) == {LARGE}


@pytest.mark.parametrize("more", [b"", b"x" * BIG], ids=["another", "longer"])
def test_what_is_no_part_of_the_file_is_found_out_and_removed(cli, there, part, more):
    part.write_bytes(b"other" + part.read_bytes()[5:] + more)
    refused = cli("pull", LARGE, "--yes", code=1)
    assert "did not arrive as it is at the Hub, and was removed" in refused.stderr
    assert set(fetched(there)) <= {UNET}, "found out before it is taken for whole"
    assert not part.exists() and not there_now(cli)
    there.asked.clear()
    cli("pull", LARGE, "--yes")
    assert asked_from(there) == [0] and there_now(cli) == {LARGE}


def test_a_disk_that_fills_up_is_a_sentence_and_what_fitted_is_kept(cli, there, part):
    part.write_bytes(part.read_bytes()[: BIG // 4])
    full = cli("pull", LARGE, "--yes", code=1, start=on_a_small_disk)
    assert "The disk refused: " in full.stderr and f"pentimento models pull {LARGE} goes on from here" in full.stderr
    assert part.stat().st_size == BIG // 2 and not there_now(cli)
    cli("pull", LARGE, "--yes")
    assert asked_from(there) == [BIG // 4, BIG // 2] and there_now(cli) == {LARGE}


def test_what_arrives_otherwise_than_the_pack_says_is_refused(cli, there):
    refused = cli("pull", "text-to-image", "--yes", code=1)
    assert "did not arrive as it is at the Hub" in refused.stderr
    assert not there_now(cli)


def test_words_that_are_not_the_ones_the_pack_knows_are_refused(cli, there):
    repository(there.root / "Salesforce/blipdiffusion-controlnet")
    numbers(there.root / "Salesforce/blipdiffusion-controlnet/qformer/model.safetensors", 100)
    (there.root / "google-bert/bert-base-uncased").mkdir(parents=True)
    (there.root / "google-bert/bert-base-uncased/vocab.txt").write_text("other words")
    refused = cli("pull", "blip-diffusion", "--yes", code=1)
    assert "vocab.txt did not arrive as it is at the Hub" in refused.stderr
    assert not there_now(cli)


def test_without_a_network_the_next_command_is_named(cli, there):
    away = cli("pull", "inpainting", "--yes", code=1, HF_HUB_OFFLINE="1")
    assert "not all here" in away.stderr and "pentimento models pull inpainting" in away.stderr
    unreachable = cli("pull", "inpainting", "--yes", code=1, HF_ENDPOINT="http://127.0.0.1:9")
    assert "pentimento models pull inpainting goes on from here" in unreachable.stderr


def test_what_the_cache_has_whole_is_registered_without_a_network(cli, there, tmp_path):
    cli("pull", "inpainting", "--yes")
    done = cli("pull", "inpainting", "--yes", PENTIMENTO_HOME=str(tmp_path / "another"), HF_HUB_OFFLINE="1")
    assert "0.0 MB to fetch" in done.stderr and done.stdout.startswith("inpainting")


def test_errors_are_sentences(cli, there):
    assert "nothing called 'everything'" in cli("pull", "everything", code=1).stderr
    assert "The Hub has no someone/nothing" in cli("pull", "hub:someone/nothing", "--yes", code=1).stderr
    (there.root / "someone/large/vae/diffusion_pytorch_model.safetensors").unlink()
    for part in ("unet", "text_encoder"):
        for file in (there.root / f"someone/large/{part}").glob("*.safetensors"):
            file.unlink()
    assert "has no safetensors" in cli("pull", LARGE, "--yes", code=1).stderr


def test_a_disk_without_room_is_said_before_anything_is_fetched(monkeypatch):
    listed = pulling.Listing(packs.sources("inpainting")[0], "0" * 40, {}, 10**18)
    with pytest.raises(pulling.StorageFull, match="needs 1000000000"):
        pulling._room(listed)


def test_weights_of_ones_own(cli, there, tmp_path):
    folder = there.root / "stable-diffusion-v1-5/stable-diffusion-v1-5"
    added = json.loads(cli("add", str(folder), "--as", "text-to-image", "--name", "mine", "--json").stdout)
    assert (added["name"], added["pack"]) == ("mine", "own")
    assert "mine" in cli("list").stdout
    assert "no folder" in cli("add", str(tmp_path / "nowhere"), "--as", "text-to-image", code=1).stderr


def test_the_release_is_added_beside_sdxl_by_one_command(tmp_path, monkeypatch):
    from diffusers import UNet2DConditionModel

    from tests import tiny, tiny_released

    monkeypatch.setattr(shelf, "STARTER", tmp_path / "nothing.json")
    monkeypatch.setenv("PENTIMENTO_HOME", str(tmp_path / "home"))
    net = UNet2DConditionModel.from_pretrained(tiny.sdxl(tmp_path / "sdxl") / "unet")
    ckpts = str(tiny_released.folder(tmp_path / "ckpts", net))
    tiny_released.imagebind(tmp_path / "eyes")

    def cli(*words: str, code: int = 0):
        done = CliRunner().invoke(app, ["models", *words])
        assert done.exit_code == code, done.output
        return done

    assert "pentimento models pull sdxl" in cli("add", ckpts, "--as", "any2pix", code=1).output
    cli("add", str(tmp_path / "sdxl"), "--as", "sdxl")
    cli("add", str(tmp_path / "eyes"), "--as", "encoder")
    added = cli("add", ckpts, "--as", "any2pix")
    assert "prior/model.bin: 6 tensors are no part of it" in added.stderr and "Beside it: sdxl" in added.stderr
    assert added.stdout.startswith("any2pix   ckpts")
    assert "ok   any2pix" in cli("doctor").output


def test_weights_that_are_gone_can_be_forgotten(tmp_path, monkeypatch):
    monkeypatch.setattr(shelf, "STARTER", tmp_path / "nothing.json")
    monkeypatch.setenv("PENTIMENTO_HOME", str(tmp_path / "home"))
    repository(tmp_path / "mine")

    def cli(*words: str, code: int = 0) -> str:
        done = CliRunner().invoke(app, ["models", *words])
        assert done.exit_code == code, done.output
        return done.output

    cli("add", str(tmp_path / "mine"), "--as", "text-to-image")
    shutil.rmtree(tmp_path / "mine")
    told = cli("doctor", code=1)
    assert "mine   The weight file " in told and "forget them: pentimento models remove NAME." in told
    assert "no longer used" in cli("remove", "mine") and "mine" not in cli("list")
    assert "No weights called 'mine'" in cli("remove", "mine", code=1)


def test_every_pinned_revision_is_a_commit_or_named_as_one_that_is_not():
    unpinned = {source.role for source in packs.packs()["sd15"] if not source.pinned}
    assert unpinned == {"blip-diffusion", "blip-diffusion-controlnet"}
    assert all(source.licence and source.terms and source.bytes > 10**9 for source in packs.packs()["sd15"])
