"""Files on their way to the browser: a session's bundle is never in memory as a whole, and leaves nothing behind."""

import io
import zipfile

import pytest

from agent.assistant import Assistant
from agent.plan import Plan
from agent.planners.given import Given
from sessions.files import TEMP_SUFFIX
from sessions.fsck import fsck
from sessions.store import Store
from tests.agent.conftest import cat, png  # noqa: F401
from ui import downloads


@pytest.fixture
def store(tmp_path):
    opened = Store(tmp_path / "home")
    yield opened
    opened.close()


def test_a_bundle_is_read_off_the_disk_block_by_block(store, cat, monkeypatch):  # noqa: F811
    session = Assistant(store, Given(Plan())).new(("cat.png", cat))[0].id
    monkeypatch.setattr(downloads, "BLOCK", 1000)
    made = downloads.bundle(store, session)
    assert not list(store.home.rglob(f"*{TEMP_SUFFIX}")) and list(fsck(store)) == []
    sent = list(downloads.blocks(made.data))
    assert len(sent) > 20 and max(map(len, sent)) == 1000
    assert made.data.closed and made.name == "cat.pentimento.zip"
    with zipfile.ZipFile(io.BytesIO(b"".join(sent))) as bundle:
        assert bundle.testzip() is None
