"""How steps are named as branches and in sentences."""

import pytest

from agent.telling import describe, name_for
from sessions.moves import check_name


@pytest.mark.parametrize(
    ("tool", "args", "name"),
    [
        ("monochrome", {"tone": "sepia"}, "sepia"),
        ("monochrome", {"tone": "neutral"}, "monochrome"),
        ("adjust", {"exposure": 0.3}, "brighter"),
        ("adjust", {"exposure": 0.1, "temperature": -0.4}, "cooler"),
        ("adjust", {"exposure": 0.0, "tint": 0.2}, "adjust"),
        ("replace_background", {"color": "#ffffff"}, "replace-background"),
    ],
)
def test_a_branch_is_called_after_what_was_done(tool, args, name):
    assert name_for(tool, args) == check_name(name)


def test_degrees_say_that_they_are():
    assert describe("rotate", {"degrees": -2.5}, None) == "rotate -2.5°"
    assert describe("straighten", {"degrees": "auto"}, None) == "straighten auto"
