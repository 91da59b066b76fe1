"""A pack whose base draws subjects by an encoder that has learnt nothing: stages 1 and 2 after no step."""

from pathlib import Path

from tools.nets.clip_vision import VisionConfig
from tools.nets.qformer import SubjectConfig
from training import blip_diffusion as stage
from training import blip_pack, export
from training.blip_diffusion import Given, Plan
from training.blip_representation import network
from training.diffusion import WIDTH

K = 4
PLAN = Plan(steps=4, batch=3, rate=1e-3, count=12)
SAMPLING = export.SAMPLING["blip-diffusion"]


def config(rows: int) -> SubjectConfig:
    """As wide as the starter's text encoder, and small otherwise."""
    return SubjectConfig(VisionConfig(16, 1, 2, 32, 16, 64), WIDTH, 1, 2, 64, rows, 64, K)


def untaught(pack: Path, folder: Path) -> Path:
    """Register it in a pack; the folder of stage 1."""
    rows = blip_pack.write_words(folder / "vocab.txt")
    blip_pack.write(network(config(rows)), folder / "vocab.txt", folder / "first")
    stage.train(folder / "second", 0.0, PLAN, Given(pack, folder / "first"))
    export.subjects(pack, folder / "second")
    return folder / "first"
