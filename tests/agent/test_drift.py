"""The drift meter: nothing where nothing changed, structures lost or made up, what was cropped, and what it reads."""

import cv2
import numpy as np
import pytest

from agent import drift
from sessions.store import Store
from sessions.values import IDENTITY, Picture
from tests import making
from tests.tools.darkroom.tones import noise
from tools import geometry


@pytest.fixture
def photo() -> Picture:
    return Picture(noise(700, 1100))


@pytest.fixture
def upload(store, photo):
    session = store.create_session("photo.png").id
    return making.upload(store, session, photo)[0]


def measured(store, upload, pixels, moved=IDENTITY):
    return drift.measured(store, upload, Picture(np.ascontiguousarray(pixels)), moved)[drift.FACT]


def test_the_photo_itself_has_not_drifted(store, upload, photo):
    assert measured(store, upload, photo.pixels) == {"since": upload.image, "changed": 0.0, "detail": 1.0}


def test_structures_that_were_lost_or_made_up(store, upload, photo):
    soft = measured(store, upload, cv2.GaussianBlur(photo.pixels, (0, 0), 2))
    loud = measured(store, upload, np.clip(photo.pixels * 1.5 - 60, 0, 255).astype(np.uint8))
    assert soft["detail"] < 0.1 and soft["changed"] > 0.1 and loud["detail"] > 1.3


def test_what_was_cropped_is_held_against_its_own_place(store, upload, photo):
    moved = geometry.crop(100, 60)
    found = measured(store, upload, photo.pixels[60:660, 100:1000], moved)
    assert found["changed"] == 0 and found["detail"] == pytest.approx(1, abs=0.01) and found["frame"] == list(moved)


def test_the_photo_is_read_once_for_a_line_of_steps(store, upload, photo, monkeypatch):
    first = measured(store, upload, photo.pixels)
    monkeypatch.setattr(Store, "window", None)
    assert measured(store, upload, photo.pixels) == first
