"""Whose pictures a small world's weights take without a look: their own, and what was made of them since."""

from dataclasses import replace

import numpy as np
import pytest

from agent import latents
from agent.assistant import Assistant
from agent.plan import PlanStep
from agent.stepping import Job, work
from sessions.errors import OutsideWorld
from sessions.history import Graph
from sessions.store import Store
from sessions.values import IDENTITY, Picture, Revision, Session, Step
from tests.agent.conftest import ScriptedPlanner, png
from tests.agent.test_latents import Told
from tools import shelf as shelves
from tools.base import drain
from tools.diffusion.world import in_world
from toybox.drawing import draw
from toybox.scenes import seeded

TOOL, OTHER = "instruct_pix2pix", "0" * 64
CROPPED = (1.0, 0.0, -8.0, 0.0, 1.0, -8.0, 0.0, 0.0, 1.0)
STRANGE = np.random.default_rng(0).integers(0, 256, (64, 64, 3), np.uint8)


@pytest.fixture(scope="module")
def starter(tmp_path_factory):
    """A shelf with nothing on it but what Pentimento brings."""
    return shelves.Shelf(tmp_path_factory.mktemp("home"))


def line(*steps: tuple[str, str, tuple[str, ...]]) -> Graph:
    """A photo and the steps on it, each a tool, the digest of its weights and its other pictures."""
    made = [Revision("r0", "s", (), None, "i" * 64, None, IDENTITY, "upload", 64, 64, 1, "", None, "p")]
    for tool, digest, others in steps:
        step = Step(tool, "1", {}, made[-1].id, others, None, 0)
        weights = {"weights": [{"digest": digest}]} if digest else {"weights": []}
        one = replace(made[-1], id=f"r{len(made)}", parents=(made[-1].id,), step=step, made_with=weights)
        made.append(one)
    return Graph(Session("s", "", "", 0, "", ""), tuple(made), {"main": made[-1].id}, "main", {}, None)


@pytest.fixture
def own(starter) -> str:
    return starter.entry("text-to-image").digest


def test_what_weights_with_the_same_autoencoder_made_is_familiar(starter, own):
    for graph, known in (
        (line(), False),
        (line((TOOL, own, ())), True),
        (line((TOOL, OTHER, ())), False),
        (line(("adjust", "", ())), False),
        (line((TOOL, own, ()), ("adjust", "", ()), ("crop", "", ())), True),
        (line((TOOL, own, ()), ("insert_subject", "", ("a photo",))), False),
        (line((TOOL, own, ()), ("insert_subject", "", ("a photo",)), (TOOL, own, ())), True),
    ):
        assert latents.familiar(starter, graph, graph.revisions[-1], TOOL) is known


def test_moved_pixels_and_merges_stay_familiar(starter, own):
    graph = line((TOOL, own, ()))
    root, made = graph.revisions
    moved = replace(made, geometry=CROPPED)
    merged = replace(root, id="m", parents=(made.id, root.id), source="merge")
    graph = replace(graph, revisions=(root, moved, merged))
    assert latents.familiar(starter, graph, moved, TOOL) and latents.familiar(starter, graph, merged, TOOL)


def test_a_picture_that_looks_strange_is_taken_where_it_is_familiar(starter):
    step = PlanStep(tool=TOOL, args={"instruction": "make it night", "steps": 1})
    job = Job(step, Picture(STRANGE), seed=1, shelf=starter)
    with pytest.raises(OutsideWorld):
        drain(work(0, job))
    assert drain(work(0, replace(job, familiar=True))).edit.image.size == (64, 64)


class Scene(Told):
    """A session that begins with a scene, on the weights that Pentimento brings."""

    def __init__(self, store: Store) -> None:
        self.assistant, self.store = Assistant(store, ScriptedPlanner()), store
        self.session = self.assistant.new(("scene.png", png(draw(seeded(31)).rgb)))[0].id


def test_a_session_goes_on_however_strange_its_pictures_become(tmp_path):
    """After a step of the darkroom there is no latent; what comes later is done again where something is replaced."""
    store = Store(tmp_path)
    told, wild = Scene(store), {"steps": 1, "text_guidance": 20.0}
    blue, red, night = (
        {"tool": TOOL, "args": {"instruction": words} | wild, "seed": 1}
        for words in ("change the disc to blue", "change the disc to red", "make it night")
    )
    told.do(blue)
    assert not in_world(told.pixels(-1))
    told.do({"tool": "adjust", "args": {"exposure": 0.2}, "seed": 0})
    told.do(night)
    told.do(red | {"replaces": "#2"})
    assert told.revision(-1).facts["left_out"]
    store.close()
