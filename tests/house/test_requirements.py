"""The map of promises is complete and true."""

from pathlib import Path

import pytest

from tests.requirements import IDS, PROMISES

ROOT = Path(__file__).parents[2]


def test_every_promise_is_there_and_no_other():
    assert tuple(PROMISES) == IDS


@pytest.mark.parametrize("promise", IDS)
def test_a_promise_is_held_or_waits_for_something_that_is_not_there_yet(promise):
    held = PROMISES[promise]
    assert held.tests or held.waits
    for test in held.tests:
        path, _, function = test.partition("::")
        assert (ROOT / path).exists(), f"{promise} names {path}"
        assert f"def {function or 'test_'}" in (ROOT / path).read_text(encoding="utf-8")
    for part in held.waits:
        assert not (ROOT / part).exists(), f"{promise} waits for {part}, which exists"
