"""The starter planner's training as a command: it advances however short the time is, and keeps to what it was."""

import pytest
import torch

from sessions.errors import BadWeights
from tools.weights import tensors
from training import starter_planner
from training.starter_planner import Plan, train


class Blind:
    """An encoder that sees noise."""

    width, digest = 8, "blind"

    def pictures(self, pixels):
        return torch.nn.functional.normalize(torch.randn(len(pixels), self.width), dim=1).numpy()

    sounds = pictures


@pytest.fixture(autouse=True)
def small(monkeypatch):
    for name, value in {"TOLD": 40, "CALIBRATING": 3, "SIZE": 4, "SHORT_SIZE": 4, "WIDTH": 32, "LAYERS": 1}.items():
        monkeypatch.setattr(starter_planner, name, value)
    monkeypatch.setattr(starter_planner, "encoder", lambda pack, device: Blind())


def test_however_short_the_time_every_call_learns(tmp_path):
    """To read the lessons again takes longer than such a budget."""
    assert train(tmp_path, 0.0, Plan(30, 2), early=False)


def test_another_plan_or_encoder_is_refused_and_an_older_folder_taken_up(tmp_path, monkeypatch):
    monkeypatch.setattr(starter_planner, "FLOOR", 0.0)
    assert not train(tmp_path, 0.0, Plan(30, 2), early=False)
    assert {path.name for path in tmp_path.glob("*.safetensors")} == {"planner.safetensors", "lessons.safetensors"}
    with pytest.raises(BadWeights, match="planner was begun with lessons 30, not 31"):
        train(tmp_path, 0.0, Plan(31, 2))
    (tmp_path / "recipe.json").unlink()
    assert not train(tmp_path, 0.0, Plan(30, 2), early=False)
    monkeypatch.setattr(Blind, "digest", "another")
    with pytest.raises(BadWeights, match="planner was begun with encoder blind, not another"):
        train(tmp_path, 0.0, Plan(30, 2))


def test_the_second_part_tells_of_pictures_in_every_other_step(tmp_path):
    plan = Plan(60, 4)
    assert train(tmp_path, 10.0, plan)
    assert int(tensors(tmp_path / "finding.safetensors")["step"]) == 3
    words = starter_planner.tokenizer(tmp_path)
    first, second = starter_planner.parts(starter_planner.network(words, 8, plan.seed), tmp_path, words, plan)
    assert (first.name, first.steps, second.name, second.steps) == ("planner", 4, "finding", 3)
    told = starter_planner.known(tmp_path, starter_planner.TELLING)
    assert len(told) == 60 // 3 + 60 // 5 + 60 // 4
    school = starter_planner.School(told, words, plan.seed + 4)
    net = second.net
    assert second.loss(1).item() == pytest.approx(net(school.batch(1)).item())
    assert second.loss(0).item() == pytest.approx(first.loss(plan.steps).item()) != second.loss(2).item()
