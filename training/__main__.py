"""`python -m training --budget MINUTES [--out DIR]`: everything in the starter pack from nothing, as far as time goes.

Stop it when you like, and call it again: it goes on where it last saved, and what is finished stays (`training.chain`).
On CUDA where there is a GPU; on the CPU at low priority, so that one can work beside it.
"""

from __future__ import annotations

import argparse
import os
from pathlib import Path

import torch

from training.chain import Chain
from training.loop import in_words, logged

POLITE = 10
"""What is added to the process's niceness on a CPU."""


@in_words()
def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m training", description=__doc__)
    parser.add_argument("--budget", type=float, required=True, help="minutes")
    parser.add_argument("--out", type=Path, default=Path("build/training"))
    args = parser.parse_args()
    logged(args.out)
    device = "cuda" if torch.cuda.is_available() else "cpu"
    if device == "cpu":
        os.nice(POLITE)
    Chain(args.out, device).run(args.budget)


if __name__ == "__main__":
    main()
