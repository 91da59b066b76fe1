"""Whose pictures a small world's weights take without a look: their own, and what was made of them since."""

from dataclasses import replace

import numpy as np
import pytest

from agent import latents
from agent.plan import PlanStep
from agent.stepping import Job, work
from sessions.errors import OutsideWorld
from sessions.history import Graph
from sessions.values import IDENTITY, Picture, Revision, Session, Step
from tools import shelf as shelves
from tools.base import drain

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
