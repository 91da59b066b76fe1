"""A browser, and tiny Streamlit pages for the tests of the page's two components; pictures are files beside them."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from functools import cache, partial
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest
from PIL import Image
from skimage import data

from tests.needs import need

if TYPE_CHECKING:
    from playwright.sync_api import BrowserContext, Page

ROOT = Path(__file__).parents[2]
CHROMIUM = shutil.which("chromium")
QUIET = (
    "--headless --no-sandbox --disable-gpu --disable-quic --no-first-run --disable-background-networking "
    "--disable-component-update --disable-sync"
)

Open = Callable[..., "Page"]
"""`tab(width=, height=, scheme=, touch=)` opens a page; `page_of(query, …)` opens one of the module's script."""


@pytest.fixture(scope="session")
def launch() -> Iterator[Callable[..., BrowserContext]]:
    """Starts Chromium with a profile; there is one Playwright in a process."""
    need(find_spec("playwright") is not None, "BROWSER", "The tests of the page need playwright (pip).")
    need(CHROMIUM is not None, "BROWSER", "The tests of the page need Debian's chromium on the PATH.")
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        yield partial(playwright.chromium.launch_persistent_context, executable_path=CHROMIUM)


@pytest.fixture(scope="session")
def context_of(launch, tmp_path_factory) -> Iterator[Callable[[bool], BrowserContext]]:
    """One browser with a mouse and one with fingers, each with a profile: Streamlit's scripts are compiled once."""
    with ExitStack() as to_the_end:

        @cache
        def context(touch: bool) -> BrowserContext:
            profile = tmp_path_factory.mktemp("profile")
            opened: BrowserContext = launch(profile, args=QUIET.split(), has_touch=touch, reduced_motion="reduce")
            to_the_end.callback(opened.close)
            return opened

        yield context


@pytest.fixture
def tab(context_of) -> Iterator[Open]:
    opened = []

    def open_tab(width: int = 1280, height: int = 800, scheme: str = "light", touch: bool = False) -> Page:
        page = context_of(touch).new_page()
        opened.append(page)
        page.set_viewport_size({"width": width, "height": height})
        page.emulate_media(color_scheme=scheme)
        return page

    yield open_tab
    for page in opened:
        page.close()


@pytest.fixture(scope="module")
def site(request, tmp_path_factory) -> Iterator[tuple[str, Path]]:
    """The module's `SCRIPT`, served; its address and its folder. `static/` there has the pictures."""
    folder = tmp_path_factory.mktemp("site")
    (folder / "page.py").write_text(request.module.SCRIPT, encoding="utf-8")
    (folder / "static").mkdir()
    for name, pixels in pictures().items():
        Image.fromarray(pixels).save(folder / "static" / f"{name}.webp", lossless=True, method=0)
    port = free_port()
    with subprocess.Popen(
        [sys.executable, "-m", "streamlit", "run", "page.py", f"--server.port={port}", *OPTIONS],
        cwd=folder,
        env=os.environ | {"PYTHONPATH": str(ROOT)},
        stdout=subprocess.PIPE,
        text=True,
    ) as server:
        try:
            assert any("URL:" in line for line in server.stdout or ()), "Streamlit did not start"
            yield f"http://localhost:{port}", folder
        finally:
            server.kill()


OPTIONS = (
    "--server.headless=true",
    "--server.fileWatcherType=none",
    "--server.enableStaticServing=true",
    "--runner.postScriptGC=false",
    "--browser.gatherUsageStats=false",
    "--client.toolbarMode=minimal",
)


def pictures() -> dict[str, np.ndarray]:
    """Small real photos, their grey and their cropped sisters, and a mask: a disc of radius 60 around (150, 100)."""
    cat = data.chelsea()[::2, ::2]
    coffee = data.coffee()[::2, ::2]
    y, x = np.mgrid[: coffee.shape[0], : coffee.shape[1]]
    disc = np.zeros((*coffee.shape[:2], 4), np.uint8)
    disc[..., 3] = np.where((x - 150) ** 2 + (y - 100) ** 2 < 3600, 255, 0)
    grey = np.repeat(coffee.mean(2, keepdims=True).astype(np.uint8), 3, 2)
    return {"cat": cat, "coffee": coffee, "grey": grey, "square": coffee[:, 50:250], "disc": disc}


def free_port() -> int:
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return int(one.getsockname()[1])


@pytest.fixture
def page_of(tab, site) -> Iterator[Open]:
    failures: list[str] = []

    def open_page(query: str = "", **how) -> Page:
        page = tab(**how)
        page.on("pageerror", lambda error: failures.append(str(error)))
        page.goto(f"{site[0]}/?{query}")
        return page

    yield open_page
    assert not failures, failures
