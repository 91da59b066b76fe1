"""`pip install .` alone brings no networks, and what needs none works without them; `make setup` brings them."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
from PIL import Image
from skimage import data

from tests.house import downloads

ROOT = Path(__file__).parents[1]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
NEURAL = {"torch", "diffusers", "transformers", "accelerate", "safetensors", "peft", "huggingface-hub", "tokenizers"}
PINS = dict(line.split("==") for line in (ROOT / "constraints.txt").read_text(encoding="utf-8").split())
MAKEFILE = (ROOT / "Makefile").read_text(encoding="utf-8")
WITHOUT = """
import sys
sys.modules.update(dict.fromkeys({names!r}))
sys.argv = ["pentimento", *{words!r}]
from ui.cli import main
main()
"""


def plain(name: str) -> str:
    return re.sub(r"[-_.]+", "-", re.split(r"[<>=\[;! ]", name)[0].lower())


def test_no_network_library_is_needed_by_the_product_itself():
    assert not {plain(name) for name in PROJECT["dependencies"]} & (NEURAL | {"torchvision", "langchain"})
    assert {plain(name) for name in PROJECT["optional-dependencies"]["neural"]} >= NEURAL
    assert "torchvision" not in {plain(name) for name in PINS}


def test_everything_that_is_asked_for_is_pinned():
    groups = PROJECT["optional-dependencies"]
    asked = {plain(name) for names in (PROJECT["dependencies"], *groups.values()) for name in names} - {"pentimento"}
    assert not asked - {plain(name) for name in PINS} - {"psycopg"}
    assert PINS["torch"] == "2.13.0"


def test_what_setup_says_it_downloads_is_what_the_pins_weigh():
    table = downloads.read()
    pins = {plain(name): version for name, version in PINS.items()}
    known = {plain(name): version for name, (version, _) in table["everything"].items()}
    assert not {name: version for name, version in known.items() if version != pins.get(name)}
    rest = sum(size for _, size in table["everything"].values())
    for name, kind in (("MB", "torch"), ("MB_CPU", "torch_cpu")):
        assert table[kind]["torch"][0] == pins["torch"]
        weigh = (rest + sum(size for package, (_, size) in table[kind].items() if plain(package) not in known)) / 1e6
        assert weigh <= int(re.search(rf"^{name} := (\d+)$", MAKEFILE, re.MULTILINE)[1]) <= 1.15 * weigh


def test_setup_run_demo_and_tests_bring_the_networks():
    assert "-e '.[neural,ui]'" in MAKEFILE and "--index-url $(TORCH_INDEX)" in MAKEFILE
    for target in ("run", "demo", ".venv/ready-test"):
        assert re.search(rf"^{re.escape(target)}: \.venv/ready$", MAKEFILE, re.MULTILINE)
    assert re.search(r"make setup TORCH_INDEX=https://\S+/whl/cpu", (ROOT / "README.md").read_text("utf-8"))


def planned(folder: Path, *words: str) -> str:
    """What make would run in a fresh checkout."""
    for name in ("Makefile", "constraints.txt", "pyproject.toml"):
        (folder / name).write_text((ROOT / name).read_text(encoding="utf-8"), encoding="utf-8")
    environment = {name: value for name, value in os.environ.items() if not name.startswith("MAKE")}
    command = ["make", "-n", *words]
    return subprocess.run(command, check=True, env=environment, capture_output=True, text=True, cwd=folder).stdout


def test_llama_cpp_is_built_for_tests_where_a_compiler_is_found_and_never_to_run(tmp_path):
    wheel = f"llama_cpp_python=={PINS['llama_cpp_python']}"
    assert (
        f"pip wheel --quiet --disable-pip-version-check --no-deps -w {tmp_path}/pentimento/wheels {wheel}"
        in planned(tmp_path, "test", "COMPILER=found", f"XDG_CACHE_HOME={tmp_path}")
    )
    assert "-DGGML_NATIVE=OFF" in planned(tmp_path, "llama")
    for words in (["test", "COMPILER="], ["run"], ["setup"], ["check"]):
        assert wheel not in planned(tmp_path, *words)


@pytest.fixture
def photo(tmp_path) -> Path:
    path = tmp_path / "cat.png"
    Image.fromarray(data.chelsea()[:60, :80]).save(path)
    return path


def without(words: list[str], home: Path, code: int = 0) -> subprocess.CompletedProcess[str]:
    """The command line where no network library can be imported."""
    program = WITHOUT.format(names=sorted(name.replace("-", "_") for name in NEURAL), words=words)
    command, environment = [sys.executable, "-c", program], os.environ | {"PENTIMENTO_HOME": str(home)}
    done = subprocess.run(command, env=environment, capture_output=True, text=True, cwd=ROOT)
    assert done.returncode == code, done.stderr
    assert "Traceback" not in done.stderr
    return done


@pytest.mark.reliability
def test_without_network_libraries_the_darkroom_works_and_doctor_says_what_is_missing(photo, tmp_path):
    home = tmp_path / "home"
    assert "pip install 'pentimento[neural]'" in without(["doctor"], home).stdout
    assert "instruct_pix2pix" in without(["tools"], home).stdout
    without(["new", str(photo)], home)
    assert "sepia" in without(["say", "make it sepia"], home).stdout
    refused = without(["models", "pull", "inpainting", "--yes"], home, code=1)
    assert "pip install 'pentimento[neural]'" in refused.stderr


@pytest.mark.reliability
def test_the_product_alone_in_an_environment_of_its_own(photo, tmp_path):
    venv = tmp_path / "venv"
    subprocess.run([sys.executable, "-m", "venv", venv], check=True)
    install = [venv / "bin/pip", "install", "--quiet", "-c", ROOT / "constraints.txt", ROOT]
    subprocess.run(install, check=True, cwd=tmp_path)
    listed = subprocess.run([venv / "bin/pip", "list", "--format=json"], check=True, capture_output=True, text=True)
    assert not {plain(row["name"]) for row in json.loads(listed.stdout)} & NEURAL

    def run(*words: str) -> str:
        environment = os.environ | {"PENTIMENTO_HOME": str(tmp_path / "home")}
        command = [venv / "bin/pentimento", *words]
        return subprocess.run(command, check=True, env=environment, capture_output=True, text=True, cwd=tmp_path).stdout

    assert "instruct_pix2pix" in run("tools")
    assert "ok   database" in run("doctor")
    run("new", str(photo))
    assert "sepia" in run("say", "make it sepia")
    assert "absent" in run("models", "list")
