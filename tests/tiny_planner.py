"""A tiny planner with random weights in the real layout: LLM, tokenizer, heads, card. It has learnt nothing."""

from __future__ import annotations

from pathlib import Path

import torch

from agent.heads import Heads
from agent.planners.checkpoint import Card
from tests.tiny_encoders import SMALL
from training import planner_tokens
from training.planner import Planner, small
from training.starter_planner import export

SAID = [
    "\n#1 photo \n#2 adjust  make it darker on main: blur it ASSISTANT: USER:",
    '{"exposure":-0.3}{"amount":0.5}',
] * 3
WIDTH = 32


def planner(folder: Path, card: Card, width: int = WIDTH, space: int = SMALL.space) -> Path:
    """Fill a folder."""
    torch.manual_seed(5)
    words = planner_tokens.write(SAID, folder, size=460)
    rows = 460
    export(Planner(small(rows, width, 1), Heads(width, space, 8)), words, folder, card)
    return folder
