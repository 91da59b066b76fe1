"""For every test of a face: photos are decoded once."""

from tests.decoded import decoded_once  # noqa: F401
