"""What `make setup` downloads: `python -m tests.house.downloads` asks pip and the index, and writes `downloads.txt`.

One line per file, "KIND PACKAGE VERSION BYTES", for Linux on x86-64 with the Python that runs this: `torch` with all
that its CUDA build brings, `torch_cpu`, and `everything` else. The Makefile prints the sums; `tests/test_install.py`
holds both against `constraints.txt`.
"""

from __future__ import annotations

import json
import re
import subprocess
import sys
import tempfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from urllib.parse import unquote, urlsplit
from urllib.request import Request, urlopen

ROOT = Path(__file__).parents[2]
TABLE = Path(__file__).with_name("downloads.txt")
CPU = re.search(r"TORCH_INDEX=(\S+)", (Path(__file__).parents[2] / "README.md").read_text("utf-8"))[1]


def resolved(*asked: str) -> list[dict]:
    """What pip would install into an empty environment."""
    with tempfile.TemporaryDirectory() as folder:
        report = Path(folder, "report.json")
        command = [sys.executable, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--dry-run"]
        command += ["--ignore-installed", "--report", str(report), "-c", str(ROOT / "constraints.txt"), *asked]
        subprocess.run(command, check=True, cwd=ROOT)
        return json.loads(report.read_text())["install"]


def size(url: str) -> int:
    if url.startswith("file:"):
        return Path(unquote(urlsplit(url).path)).stat().st_size
    with urlopen(Request(url, method="HEAD"), timeout=60) as answer:
        return int(answer.headers["Content-Length"])


def table(*asked: str) -> dict[str, list]:
    found = [item for item in resolved(*asked) if item["metadata"]["name"] != "pentimento"]
    with ThreadPoolExecutor(8) as pool:
        sizes = list(pool.map(lambda item: size(item["download_info"]["url"]), found))
    rows = {
        item["metadata"]["name"]: [item["metadata"]["version"], bytes_]
        for item, bytes_ in zip(found, sizes, strict=True)
    }
    return dict(sorted(rows.items(), key=lambda row: row[0].lower()))


def main() -> None:
    everything = table(".[ui,neural]")
    everything.pop("torch")
    kinds = {
        "everything": everything,
        "torch": table("torch==2.13.0"),
        "torch_cpu": table("--no-deps", "--index-url", CPU, "torch==2.13.0"),
    }
    lines = [
        f"{kind} {name} {version} {size}\n" for kind, rows in kinds.items() for name, (version, size) in rows.items()
    ]
    TABLE.write_text("".join(lines), encoding="utf-8")


def read() -> dict[str, dict[str, tuple[str, int]]]:
    """The table: kind → package → (version, bytes)."""
    kinds: dict[str, dict[str, tuple[str, int]]] = {}
    for line in TABLE.read_text(encoding="utf-8").splitlines():
        kind, name, version, size = line.split(" ")
        kinds.setdefault(kind, {})[name] = (version, int(size))
    return kinds


if __name__ == "__main__":
    main()
