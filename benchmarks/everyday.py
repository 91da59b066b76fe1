"""How well the `rules` planner reads everyday messages: accuracy, over-asking, wrong edits.

    python -m benchmarks.everyday FILE… [--json] [--verbose]

* **accuracy**: share of messages whose plan is exactly what was expected (see `tests.agent.rules.everyday`);
* **over-asking**: share of the messages with one clear meaning that were asked about or refused;
* **wrong edits**: plans that would have changed the picture, or moved the head, otherwise than expected. Must be 0.

Bounds on messages that nobody tuned for: accuracy ≥ .85, over-asking ≤ .10, wrong edits 0.
"""

from __future__ import annotations

import argparse
import json
from collections import Counter
from dataclasses import asdict, dataclass
from pathlib import Path

from agent.planners.rules import RulesPlanner
from tests.agent.rules.everyday import CONTEXTS, judged, kind_of, messages


@dataclass(frozen=True)
class Score:
    """The figures of one file."""

    file: str
    messages: int
    accuracy: float
    over_asking: float
    wrong_edits: int


def measure(path: Path, verbose: bool = False) -> Score:
    """Plan every message of a file and count."""
    planner, count = RulesPlanner(), Counter[str]()
    for message in messages(path):
        context = CONTEXTS[message["context"]]
        plan = planner.plan(message["message"], context)
        verdict = judged(message["expect"], plan, context)
        allowed = message["expect"].get("any_of", [message["expect"]])
        count["all"] += 1
        count["clear"] += all(one["kind"] in ("edit", "command") for one in allowed)
        count["right"] += verdict.right
        count["asked"] += verdict.asked
        count["wrong"] += verdict.wrong_edit
        if verbose and not verdict.right:
            mark = "WRONG EDIT" if verdict.wrong_edit else kind_of(plan)
            print(f"{message['id']} [{message['context']}] {mark}: {message['message']}")
            print(f"    {plan.to_json()}\n    expected {message['expect']}")
    return Score(
        path.name, count["all"], count["right"] / count["all"], count["asked"] / max(1, count["clear"]), count["wrong"]
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("files", nargs="+", type=Path)
    parser.add_argument("--json", action="store_true", help="print JSON instead of a table")
    parser.add_argument("--verbose", action="store_true", help="show every message that was not read as expected")
    args = parser.parse_args()
    scores = [measure(path, args.verbose) for path in args.files]
    if args.json:
        print(json.dumps([asdict(score) for score in scores]))
        return
    print(f"{'file':28} {'messages':>8} {'accuracy':>8} {'over-asking':>11} {'wrong edits':>11}")
    for score in scores:
        print(
            f"{score.file:28} {score.messages:8} {score.accuracy:8.3f} {score.over_asking:11.3f} {score.wrong_edits:11}"
        )


if __name__ == "__main__":
    main()
