"""R18 on the page: while twenty bombs are being opened at once, its health address answers within a second."""

import json
import os
import subprocess
import sys
import time
import urllib.request

import pytest

from tests.browser.conftest import free_port

pytestmark = pytest.mark.reliability

BOMBS = 20
SERVER = """
import sys, threading
from sessions.errors import PentimentoError
from tests.reliability.hostile.files import png_bomb
from ui import server

def open_them():
    worker, bomb, told = server.desk().worker, png_bomb(13_000), []
    def one(number):
        try:
            worker.assistant.new((f"{number}.png", bomb))
            told.append("opened")
        except PentimentoError as refused:
            told.append(refused.code)
    sys.stdin.readline()
    crowd = [threading.Thread(target=one, args=(number,)) for number in range(int(sys.argv[2]))]
    [thread.start() for thread in crowd]
    [thread.join() for thread in crowd]
    print("told", *told, flush=True)

threading.Thread(target=open_them, daemon=True).start()
server.serve(port=int(sys.argv[1]), opened=lambda address: print(address, flush=True))
"""


def test_the_health_address_answers_while_twenty_bombs_are_opened(tmp_path):
    environment = os.environ | {"PENTIMENTO_HOME": str(tmp_path / "home")}
    command = [sys.executable, "-c", SERVER, str(free_port()), str(BOMBS)]
    with subprocess.Popen(command, env=environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as page:
        try:
            assert page.stdin is not None and page.stdout is not None
            address = page.stdout.readline().strip()
            answer(address)  # it has started
            waited: list[float] = []
            page.stdin.write("now\n")
            page.stdin.flush()
            told = told_by(page, waited, address)
        finally:
            page.kill()
    assert len(told) == BOMBS and "opened" not in told, told
    assert max(waited) < 1.0, f"longest {max(waited):.2f} s of {len(waited)}"
    print(json.dumps({"asked": len(waited), "longest_s": round(max(waited), 3)}))


def told_by(page, waited, address):
    """Ask for its health until the server has told what became of the bombs."""
    os.set_blocking(page.stdout.fileno(), False)
    end = time.monotonic() + 120
    while time.monotonic() < end:
        waited.append(answer(address))
        line = page.stdout.readline()
        if line:
            return line.split()[1:]
    raise AssertionError("the bombs were not judged in two minutes")


def answer(address):
    """Seconds until the health address has answered."""
    began = time.perf_counter()
    with urllib.request.urlopen(f"{address}/healthz", timeout=30) as response:
        assert response.read() == b"ok\n"
    return time.perf_counter() - began
