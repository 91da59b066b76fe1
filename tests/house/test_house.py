"""The house rules: sizes, docstrings, which way imports point, what is never written. Reads source; runs none of it."""

import ast
import re
import statistics
import subprocess
import sys
from pathlib import Path

import pytest

from tests.house.tree import END, START, tree

ROOT = Path(__file__).parents[2]
OURS = ("sessions", "tools", "agent", "ui")
ALLOWED = {
    "sessions": {"sessions"},
    "tools": {"tools", "sessions.values", "sessions.errors"},
    "agent": {"agent", "tools", "sessions"},
    "ui": {"ui", "agent", "tools", "sessions"},
}
CATCH_ALL = {
    "sessions/decode_worker.py",
    "agent/stepping.py",
    "agent/tokens.py",
    "tools/chat_models.py",
    "tools/registry.py",
    "tools/weights.py",
    "tools/encoders/imagebind.py",
}
"""Where `except Exception` may stand besides `ui`: the borders to code and data that are not ours."""


def sources(*folders: str) -> list[Path]:
    return sorted(path for folder in folders for path in (ROOT / folder).rglob("*.py"))


def name(path: Path) -> str:
    return str(path.relative_to(ROOT))


def parsed(path: Path) -> ast.Module:
    return ast.parse(path.read_text(encoding="utf-8"))


WORKSHOP = ("toybox", "training", "benchmarks")
"""What may import everything, and is imported by nothing of ours."""
EVERYTHING = sources(*OURS, *WORKSHOP, "tests")
CODE = sources(*OURS, *WORKSHOP)


def functions(paths: list[Path]) -> list[tuple[str, int]]:
    return [
        (f"{name(path)}:{node.name}", node.end_lineno - node.lineno + 1)
        for path in paths
        for node in ast.walk(parsed(path))
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
    ]


def test_no_file_is_too_long():
    lengths = {name(path): path.read_text(encoding="utf-8").count("\n") for path in EVERYTHING}
    assert not {n: k for n, k in lengths.items() if k > (600 if n.startswith("tests/") else 400)}


def test_no_function_is_too_long():
    assert not [found for found in functions(CODE) if found[1] > 60]


@pytest.mark.parametrize("folder", OURS)
def test_functions_are_mostly_short(folder):
    assert statistics.median(lines for _, lines in functions(sources(folder))) <= 10


def test_every_file_says_what_it_is():
    assert not [name(path) for path in CODE if not ast.get_docstring(parsed(path))]


def imports(path: Path) -> list[str]:
    found = []
    for node in ast.walk(parsed(path)):
        if isinstance(node, ast.Import):
            found += [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and node.module:
            found += [f"{node.module}.{alias.name}" for alias in node.names]
    return found


@pytest.mark.parametrize("folder", OURS)
def test_imports_point_one_way(folder):
    wrong = []
    for path in sources(folder):
        for imported in imports(path):
            if imported.split(".")[0] in (*OURS, "tests", "benchmarks", "toybox", "training"):
                fits = any(imported == ok or imported.startswith(f"{ok}.") for ok in ALLOWED[folder])
                if not fits:
                    wrong.append(f"{name(path)} imports {imported}")
    assert not wrong


def test_nothing_imports_torch_at_the_top():
    for start in ("sessions", "ui.cli", "sessions.__main__"):
        code = f"import {start}, sys; assert 'torch' not in sys.modules"
        subprocess.run([sys.executable, "-c", code], check=True, cwd=ROOT)


BANNED_CALLS = {"eval", "exec", "compile"}
BANNED_IMPORTS = {"pickle", "marshal", "shelve", "dill", "joblib"}


def test_nothing_that_runs_data():
    wrong = []
    for path in CODE:
        for node in ast.walk(parsed(path)):
            if isinstance(node, ast.Call):
                if isinstance(node.func, ast.Name) and node.func.id in BANNED_CALLS:
                    wrong.append(f"{name(path)}:{node.lineno} {node.func.id}")
                if any(k.arg == "shell" for k in node.keywords):
                    wrong.append(f"{name(path)}:{node.lineno} shell=")
                if ast.unparse(node.func) == "torch.load" and not any(k.arg == "weights_only" for k in node.keywords):
                    wrong.append(f"{name(path)}:{node.lineno} torch.load")
        wrong += [f"{name(path)} imports {i}" for i in imports(path) if i.split(".")[0] in BANNED_IMPORTS]
    assert not wrong


OPENS_WEIGHTS = ("tools/weights.py", "tools/caches.py", "agent/llm/gguf.py")
"""Where safetensors and GGUF are opened: weights, and what we have computed and written ourselves."""
UNPICKLES = "tools/weights.py"
"""Where torch's own tables of tensors are opened, with `weights_only`."""
UNPICKLING = {"torch.load", "torch.jit.load", "torch.hub.load", "numpy.load", "np.load", "torch.package"}


def loads(path: Path) -> list[str]:
    """What in a file opens weights by another door than `tools.weights`."""
    found = [i for i in imports(path) if i.split(".")[0] in ("safetensors", "gguf") and name(path) not in OPENS_WEIGHTS]
    for node in ast.walk(parsed(path)):
        if isinstance(node, ast.Call):
            called = ast.unparse(node.func)
            said = {k.arg: ast.unparse(k.value) for k in node.keywords}
            plain = "Tokenizer" in called or said.get("use_safetensors") == "True"
            local = plain and said.get("local_files_only") == "True"
            door = called == "torch.load" and name(path) == UNPICKLES and said.get("weights_only") == "True"
            unpickles = called in UNPICKLING and not door
            if unpickles or (called.endswith(("from_single_file", ".from_pretrained")) and not local):
                found.append(called)
    return found


def test_weights_are_opened_in_one_place():
    assert not {name(path): found for path in sources(*OURS) if (found := loads(path))}


@pytest.mark.parametrize(
    "line",
    [
        "from safetensors.torch import load_file",
        "import gguf",
        "torch.load(path, weights_only=True)",
        "UNet.from_pretrained(folder, local_files_only=True)",
        "CLIPTokenizer.from_pretrained(folder)",
        "Pipeline.from_pretrained(name, use_safetensors=True)",
    ],
)
def test_another_door_to_weights_is_seen(line, tmp_path, monkeypatch):
    monkeypatch.setattr(sys.modules[__name__], "ROOT", tmp_path)
    (tmp_path / "door.py").write_text(line)
    assert loads(tmp_path / "door.py")


def test_catch_alls_stand_only_at_borders():
    wrong = [
        name(path)
        for path in CODE
        for node in ast.walk(parsed(path))
        if isinstance(node, ast.ExceptHandler)
        and (node.type is None or ast.unparse(node.type) in ("Exception", "BaseException"))
        and not name(path).startswith("ui/")
        and name(path) not in CATCH_ALL
    ]
    assert not wrong


def test_no_drawer_without_a_label():
    assert not [name(path) for path in EVERYTHING if path.name in ("utils.py", "helpers.py", "misc.py", "common.py")]


def test_no_class_with_one_implementation():
    """A Protocol or ABC of ours needs two implementations (a test's scripted one counts)."""
    bases = re.compile(r"class (\w+)\((?:Protocol|ABC)\)")
    text = {path: path.read_text(encoding="utf-8") for path in EVERYTHING}
    for path in CODE:
        for kind in bases.findall(text[path]):
            method = re.findall(r"    def (\w+)\(self", text[path].split(f"class {kind}(")[1])[0]
            implementing = [p for p in EVERYTHING if p != path and f"def {method}(self" in text[p]]
            assert len(implementing) >= 2, f"{kind} in {name(path)}"


def test_tests_do_not_sleep():
    pattern = re.compile(r"\b(?:time\.)?sleep\(")
    assert not [name(p) for p in sources("tests") if p != Path(__file__) and pattern.search(p.read_text("utf-8"))]


def test_no_test_is_switched_off():
    words = [f"pytest.{w}" for w in ("skip", "xfail", "mark.skip", "mark.xfail", "importorskip")]
    others = [p for p in sources("tests") if p not in (Path(__file__), ROOT / "tests/needs.py")]
    assert not [(name(p), w) for p in others for w in words if w in p.read_text("utf-8")]


def test_readme_shows_the_tree_as_it_is():
    """One line per file, from the docstrings; `python -m tests.house.tree` brings it up to date."""
    assert START + tree() + END in (ROOT / "README.md").read_text(encoding="utf-8")
