"""What an encoder of the toybox has never seen it is not shown: photos are pointed to by symbol and context alone.

A planner with random weights in sessions of a real store; which pictures stand in them is all that differs.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
import torch

from agent import pointer
from agent.assistant import Assistant
from agent.perception import Perception
from agent.plan import Context, Plan
from agent.planners import checkpoint, token_heads
from agent.planners.checkpoint import Card
from agent.planners.given import Given
from agent.planning import seen
from agent.pointer import BECAUSE, Pool
from agent.runtime import drawn_only, planner_of
from agent.settings import Settings
from agent.sight import Sight
from sessions import history, intake, uploads
from sessions.errors import OutsideWorld
from tests import tiny_encoders, tiny_planner
from tests.agent.conftest import png
from tools import adding, shelf
from tools.caches import Cache
from tools.encoders import imagebind
from tools.shelf import PLANNER
from toybox.drawing import draw
from toybox.scenes import seeded

TOYBOX = Card(name="tiny@1", template="brief", encoder="d1", world="toybox", photos=True)


@pytest.fixture(scope="module")
def encoder(tmp_path_factory):
    folder = tiny_encoders.imagebind(tmp_path_factory.mktemp("encoder"))
    return imagebind.load(folder, torch.device("cpu"), torch.float32, "d1")


@pytest.fixture
def planner(encoder, tmp_path, store):
    def made(card: Card = TOYBOX):
        folder = tiny_planner.planner(tmp_path / card.world, card)
        return checkpoint.load(folder, Perception(encoder, Cache(tmp_path / "cache", 10**7), Sight(store), card.world))

    return made


@pytest.fixture
def scenes() -> tuple[bytes, bytes]:
    return png(draw(seeded(3)).rgb), png(draw(seeded(8)).rgb)


def session(store, *photos: bytes) -> str:
    """One of these roots; the first is darkened."""
    made, first = Assistant(store, Given(Plan())).new(("1.png", photos[0]))
    for place, data in enumerate(photos[1:], start=2):
        asset = uploads.receive(store, made.id, intake.admit(data, f"{place}.png"), f"{place}.png")
        uploads.root(store, made.id, asset, f"photo-{place}")
    dark = Plan.model_validate({"steps": [{"tool": "adjust", "args": {"exposure": -0.3}, "base": first.id}]})
    list(Assistant(store, Given(dark)).turn(made.id, "darker"))
    return made.id


def context(store, name: str, attachments=()) -> Context:
    return seen(store, history.graph(store, name), None, attachments)


def looked(planner, there: Context, monkeypatch) -> tuple[Pool, dict]:
    """The pool that a plan was decoded over, and the plan with names by their order."""
    pools = []
    monkeypatch.setattr(token_heads, "Pool", lambda *parts: pools.append(Pool(*parts)) or pools[-1])
    plan = planner.plan("take the second one and blur it", there).model_dump_json()
    for revision in there.revisions:
        plan = plan.replace(revision.id, f"#{revision.seq}")
    return pools[-1], plan


def scored(planner, pool: Pool) -> list[tuple[torch.Tensor, pointer.Pick]]:
    torch.manual_seed(4)
    found = []
    for _ in range(8):
        z, log_p = torch.randn(planner.heads.width), torch.log_softmax(torch.randn(len(pool.slots)), 0)
        terms = planner.heads.terms(z, pool.h, pool.u, log_p)
        found.append((terms, pointer.choose(planner.heads, pool, z, log_p)))
    return found


def test_two_photos_exchanged_change_nothing(store, cat, cup, planner, monkeypatch):
    one = looked(planner(), context(store, session(store, cat, cup)), monkeypatch)
    other = looked(planner(), context(store, session(store, cup, cat)), monkeypatch)
    assert not one[0].h.any() and not other[0].h.any() and len(one[0].slots) == 3
    assert torch.equal(one[0].u, other[0].u) and one[1] == other[1]
    for (terms, pick), (others, same) in zip(scored(planner(), one[0]), scored(planner(), other[0]), strict=True):
        assert torch.equal(terms, others) and pick == same
        assert (terms[0] == 0).all() and terms.isfinite().all()
        assert pick.because in BECAUSE[1:]


def test_two_scenes_exchanged_change_what_is_seen(store, scenes, planner, monkeypatch):
    one = looked(planner(), context(store, session(store, *scenes)), monkeypatch)[0]
    other = looked(planner(), context(store, session(store, *reversed(scenes))), monkeypatch)[0]
    assert one.h.any(-1).all() and not torch.equal(one.h, other.h) and not torch.equal(one.u, other.u)
    assert any(
        not torch.equal(a[0], b[0]) for a, b in zip(scored(planner(), one), scored(planner(), other), strict=True)
    )


def test_no_photo_among_scenes_is_meant_by_what_it_shows(store, cat, scenes, planner, monkeypatch):
    pool = looked(planner(), context(store, session(store, cat, scenes[0])), monkeypatch)[0]
    assert pool.h.any(-1).tolist() == [False, True, False]  # the third is made of the photo
    tied = Pool(pool.slots, pool.h, torch.zeros_like(pool.u))
    for step in range(40):
        torch.manual_seed(step)
        pick = pointer.choose(planner().heads, tied, torch.randn(tiny_planner.WIDTH), torch.zeros(3))
        assert pick.slot == pool.slots[1] or pick.because != BECAUSE[0]


def test_what_was_put_together_with_a_photo_is_one(store, cat, scenes, planner):
    there = context(store, session(store, scenes[0], cat))
    scene, photo, result = there.revisions
    assert result.parents == (scene.id,)
    step = replace(result.step, subjects=(photo.id,))
    mixed = replace(there, revisions=(scene, photo, replace(result, step=step)))
    shown = token_heads.items(mixed, "")
    perception = planner().perception
    assert perception.photos(there, shown) == {photo.id}
    assert perception.photos(mixed, shown) == {photo.id, result.id}


def test_a_small_photo_is_a_photo_and_a_large_drawing_is_no_scene(store, cup, scenes, planner):
    big = png(draw(seeded(3)).rgb.repeat(2, 0).repeat(2, 1))
    there = context(store, session(store, scenes[0], big))
    assert planner().perception.photos(there, token_heads.items(there, "")) == {there.revisions[1].id}


def test_only_a_card_that_says_so_plans_photos(store, cat, planner):
    there = context(store, session(store, cat))
    with pytest.raises(OutsideWorld):
        planner(TOYBOX.model_copy(update={"photos": False})).plan("blur it", there)
    assert planner().plan("blur it", there).planner == "tiny@1"
    assert not Card(name="x").photos


def test_an_encoder_of_photos_looks_at_them(store, cat, cup, planner, monkeypatch):
    card = TOYBOX.model_copy(update={"world": "photos", "photos": False})
    assert looked(planner(card), context(store, session(store, cat, cup)), monkeypatch)[0].h.any(-1).all()


@pytest.mark.parametrize("photos", [False, True])
def test_behind_the_rules_it_stands_in_sessions_of_photos_where_its_card_says_so(store, cat, scenes, tmp_path, photos):
    there = shelf.at(store.home)
    adding.add(there, tiny_encoders.imagebind(tmp_path / "encoder"), "encoder")
    card = TOYBOX.model_copy(update={"encoder": there.encoder().digest, "photos": photos})
    adding.add(there, tiny_planner.planner(tmp_path / "small", card), PLANNER)
    usual = planner_of(Settings(), store)
    assert usual.its(context(store, session(store, scenes[0])))
    assert usual.its(context(store, session(store, cat))) is photos
    assert drawn_only("token_heads", store.home) is not photos


def files(store) -> set[Path]:
    """All blobs."""
    return {path for path in (store.home / "blobs").rglob("*") if path.is_file()}


def test_a_scene_that_is_sent_and_then_lost_is_none_and_raises_nothing(store, scenes):
    name = session(store, scenes[0])
    before = files(store)
    asset = uploads.receive(store, name, intake.admit(scenes[1], "sent.png"), "sent.png")
    there = context(store, name)
    assert Sight(store).drawn(name, there.revisions, [asset.sha256]) and files(store) > before
    for path in files(store) - before:
        path.unlink()
    assert not Sight(store).drawn(name, there.revisions, [asset.sha256])
