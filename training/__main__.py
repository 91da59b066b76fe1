"""`python -m training --budget MINUTES [--until PART] [--out DIR]`: everything in the starter pack from nothing, as far
as time goes, or until that part is finished.

Stop it when you like, and call it again: it goes on where it last saved, and what is finished stays (`training.chain`).
On CUDA where there is a GPU; on the CPU at low priority, so that one can work beside it.
"""

from __future__ import annotations

import argparse
import os
from pathlib import Path

import torch

from sessions.errors import NotFound
from training.chain import Chain
from training.loop import in_words, logged

POLITE = 10
"""What is added to the process's niceness on a CPU."""


@in_words()
def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m training", description=__doc__)
    parser.add_argument("--budget", type=float, required=True, help="minutes")
    parser.add_argument("--out", type=Path, default=Path("build/training"))
    parser.add_argument("--until", metavar="PART", help="the last part to make: vae, decoder, latents, base …")
    args = parser.parse_args()
    logged(args.out)
    device = "cuda" if torch.cuda.is_available() else "cpu"
    if device == "cpu":
        os.nice(POLITE)
    chain = Chain(args.out, device)
    if args.until and args.until not in chain.parts:
        raise NotFound(f"There is no part called {args.until}.", f"There are: {', '.join(chain.parts)}.")
    chain.run(args.budget, args.until or "")


if __name__ == "__main__":
    main()
