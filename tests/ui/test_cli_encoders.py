"""`pentimento models` and encoders, against a small Hub: the warning before the download, both packs, a file added."""

import json
import os
import shutil
from pathlib import Path

import pytest

from tests import hub, terminal
from tools import encoders, packs, shelf
from ui.cli import main

ROOT = Path(__file__).parents[2]
CLIP = "openai/clip-vit-large-patch14"


@pytest.fixture(scope="module")
def repositories(tmp_path_factory):
    """As the three repositories are, but for their weights' numbers and sizes."""
    from tests import tiny, tiny_encoders  # not above: `unhashed` is a command, which has to begin without them

    root, made = tmp_path_factory.mktemp("hub"), tmp_path_factory.mktemp("made")
    bound = tiny_encoders.imagebind(made / "bound", "model.safetensors")
    shutil.copytree(bound / "imagebind", root / "nielsr/imagebind-huge")
    both = tiny_encoders.clap_clip(made / "both")
    shutil.copytree(both / "clap", root / "laion/clap-htsat-unfused")
    shutil.copytree(both / "clip", root / CLIP)
    tiny.tokenizer(root / CLIP)
    return root


@pytest.fixture
def there(repositories):
    with hub.serving(repositories) as serving:
        yield serving


@pytest.fixture
def cli(tmp_path, there):
    home = {"PENTIMENTO_HOME": str(tmp_path / "home"), "HF_HOME": str(tmp_path / "hf"), "OMP_NUM_THREADS": "1"}
    plain = {name: value for name, value in os.environ.items() if not name.startswith(("HF_", "PENTIMENTO_"))}

    def run(*words: str, code: int = 0, start=main):
        done = terminal.run(start, ["models", *words], plain | home | {"HF_ENDPOINT": there.address}, ROOT)
        assert done.returncode == code, done.stderr + done.stdout
        assert "Traceback" not in done.stderr
        return done

    return run


def fetched(there) -> list[str]:
    return [path for kind, path, _ in there.asked if kind == "GET" and "/resolve/" in path]


def unhashed() -> None:
    """The command line, where the packs' hashes and sizes are those of nothing."""
    known = {name: tuple(_loose(source) for source in pack) for name, pack in packs.packs().items()}
    packs.packs = lambda: known
    main()


def _loose(source: packs.Source) -> packs.Source:
    extras = tuple(extra.model_copy(update={"sha256": "", "bytes": 0}) for extra in source.extra)
    config = {"imagebind/config.json": "config.json"} if source.pack == "imagebind" else {}
    return source.model_copy(update={"known": {}, "extra": extras, "files": source.files | config})


def test_nobody_fetches_imagebind_without_being_told_what_it_may_not_be_used_for(cli, there):
    refused = cli("pull", "imagebind", code=1)
    assert refused.stderr.count("NON-COMMERCIAL USE ONLY") >= 2 and "CC BY-NC-SA 4.0" in refused.stderr
    assert "pentimento models pull imagebind --yes" in refused.stderr and "pull clap_clip" in refused.stderr
    assert not fetched(there)


def test_both_are_listed_with_their_licences_and_a_role_alone_is_a_question(cli):
    listed = cli("list")
    assert listed.stdout.count("encoder  ") >= 2 and "nielsr/imagebind-huge" in listed.stdout
    assert "pentimento models pull imagebind fetches one encoder: CC BY-NC-SA 4.0: NON-COMMERCIAL" in listed.stderr
    assert "pentimento models pull clap_clip fetches one encoder: Apache-2.0 (CLAP); MIT (CLIP)" in listed.stderr
    asked = cli("pull", "encoder", "--yes", code=1)
    assert "2 to choose from" in asked.stderr and "pull imagebind (CC BY-NC-SA 4.0: NON-COMMERCIAL" in asked.stderr


def test_an_encoder_is_pulled_from_its_repositories_and_loads(cli, there, tmp_path):
    import torch

    weighs = {"clap_clip": {"clap/pytorch_model.bin", "clip/model.safetensors"}}
    weighs["imagebind"] = {"imagebind/model.safetensors", "tokenizer/vocab.json"}
    for pack, files in weighs.items():
        done = cli("pull", pack, "--yes", "--json", start=unhashed)
        [pulled] = json.loads(done.stdout)["pulled"]
        assert (pulled["role"], pulled["pack"]) == ("encoder", pack)
        entry = shelf.Shelf(tmp_path / "home").entry("encoder")
        assert entry.pack == pack and files <= set(entry.files)
        assert encoders.load(entry, torch.device("cpu")).name == pack
    assert not [path for path in fetched(there) if path.endswith(("tokenizer_config.json", "special_tokens_map.json"))]


def test_weights_that_are_not_the_packs_are_refused(cli, tmp_path):
    refused = cli("pull", "clap_clip", "--yes", code=1)
    assert "should be of size 1710540580" in refused.stderr and "pull clap_clip goes on from here" in refused.stderr
    assert not (tmp_path / "home/weights/register.json").exists()


def test_a_file_of_ones_own_is_added_and_its_licence_said(cli, tmp_path):
    from tests import tiny_encoders

    folder = tiny_encoders.imagebind(tmp_path / "mine")
    added = cli("add", str(folder), "--as", "encoder")
    assert "non-commercial use only" in added.stderr and added.stdout.startswith("encoder   mine")
    junk = tmp_path / "junk.pth"
    junk.write_bytes(b"\x80\x04K\x01.")
    assert "junk.pth is damaged" in cli("add", str(junk), "--as", "encoder", code=1).stderr
