"""One step of each tool with weights, on tiny networks; as a process of its own it prints what the step came to.

`python -m tests.reliability.neural_work HOME TOOL`. Caches begin empty at every call: what is proved is the work.
"""

from __future__ import annotations

import hashlib
import sys
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import torch
from skimage import data

from agent.plan import PlanStep
from agent.stepping import Job, work
from sessions.values import Picture
from tools import shelf
from tools.caches import Cache

STEPS: dict[str, dict] = {
    "instruct_pix2pix": {"instruction": "make it winter", "steps": 3},
    "diffedit": {"query": "a cat", "reference": "a dog", "steps": 4, "maps": 2},
    "analogist": {"prompt": "a red cat", "steps": 2, "strength": 1},
    "blip_diffusion": {"category": "cat", "prompt": "in snow", "steps": 3},
}
SUBJECTS = {"analogist": 2, "blip_diffusion": 1}


def photo(size: int) -> Picture:
    return Picture(np.ascontiguousarray(data.chelsea()[40 : 40 + size, 100 : 100 + size]))


def job(name: str, on: shelf.Shelf) -> Job:
    subjects = tuple(photo(48 + 16 * number) for number in range(SUBJECTS.get(name, 0)))
    return Job(PlanStep(tool=name, args=STEPS[name], confirmed=True), photo(64), subjects, seed=7, shelf=on)


def worked(name: str, on: shelf.Shelf) -> str:
    """The hash of what a step makes."""
    with TemporaryDirectory() as folder:
        on.__dict__["cache"] = Cache(Path(folder), 1_000_000_000)
        running = work(0, job(name, on))
        try:
            while True:
                next(running)
        except StopIteration as end:
            return hashlib.sha256(end.value.edit.image.pixels.tobytes()).hexdigest()


if __name__ == "__main__":
    torch.set_num_threads(1)
    print(worked(sys.argv[2], shelf.at(Path(sys.argv[1]))))
