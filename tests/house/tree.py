"""The tree of README: every module with its docstring's first line. `python -m tests.house.tree` writes it there."""

import ast
from pathlib import Path

ROOT = Path(__file__).parents[2]
FOLDERS = ("sessions", "tools", "agent", "ui", "toybox", "training", "benchmarks")
START, END = "<!-- tree -->\n```\n", "```\n<!-- /tree -->"


def first_line(path: Path) -> str:
    doc = ast.get_docstring(ast.parse(path.read_text(encoding="utf-8"))) or ""
    return doc.split("\n\n")[0].replace("\n", " ").split(". ")[0].rstrip(".")


def lines(folder: Path, depth: int = 0) -> list[str]:
    head = folder / "__init__.py"
    found = [_line(f"{folder.name}/", depth, first_line(head) if head.exists() else "")]
    for path in sorted(folder.iterdir(), key=lambda p: (p.is_dir(), p.name)):
        if path.is_dir() and list(path.rglob("*.py")):
            found += lines(path, depth + 1)
        elif path.suffix == ".py" and path.name != "__init__.py":
            found.append(_line(path.name, depth + 1, first_line(path)))
    return found


def _line(name: str, depth: int, said: str) -> str:
    return f"{'  ' * depth + name:<34}{said}".rstrip()


def tree() -> str:
    return "\n".join(line for folder in FOLDERS for line in lines(ROOT / folder)) + "\n"


def main() -> None:
    readme = ROOT / "README.md"
    text = readme.read_text(encoding="utf-8")
    before, rest = text.split(START)
    readme.write_text(before + START + tree() + END + rest.split(END)[1], encoding="utf-8")


if __name__ == "__main__":
    main()
