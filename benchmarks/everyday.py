"""How well planners read everyday messages: accuracy, over-asking, wrong edits.

    python -m benchmarks.everyday FILE… [--planner WHO] [--order ORDER]… [--json] [--verbose]

* **accuracy**: share of messages whose plan is exactly what was expected (see `tests.agent.rules.everyday`);
* **over-asking**: share of the messages with one clear meaning that were asked about or refused;
* **wrong edits**: plans that would have changed the picture, or moved the head, otherwise than expected. Must be 0.

Bounds on messages that nobody tuned for: accuracy ≥ .85, over-asking ≤ .10, wrong edits 0.

`WHO`: a planner's folder, `starter`, or `chat:<provider:model>`. It is measured behind the rules, as the cascade has
it, and before them, where they are asked what it refuses; a line at the end says for which order that speaks: one that
is more often right than the rules alone without one more wrong edit. Its card need not say that it plans photos. The
sessions have no pixels: what looks at pictures is shown grey ones.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import numpy as np

from agent.plan import Context, Plan, Planner
from agent.planners.cascade import Cascade
from agent.planners.rules import RulesPlanner
from sessions.errors import PentimentoError
from sessions.values import Pixels
from tests.agent.rules.everyday import CONTEXTS, judged, kind_of, messages

RULES, BEHIND, BEFORE = "rules", "rules then planner", "planner then rules"
ORDERS = (RULES, BEHIND, BEFORE)


@dataclass(frozen=True)
class Score:
    """The figures of one file, planned in one order."""

    file: str
    order: str
    messages: int
    accuracy: float
    over_asking: float
    wrong_edits: int


@dataclass(frozen=True)
class First:
    """A planner before the rules, which are asked what it refuses or fails at. Implements `agent.plan.Planner`."""

    planner: Planner
    rules: RulesPlanner
    name: str = BEFORE

    def plan(self, text: str, context: Context) -> Plan:
        """The plan of one message."""
        plan = _tried(self.planner, text, context)
        return self.rules.plan(text, context) if plan.chat is not None else plan


def _tried(planner: Planner, text: str, context: Context) -> Plan:
    """A plan; where what keeps a planner from its work is an error, that in a sentence, as a turn would have it."""
    try:
        return planner.plan(text, context)
    except PentimentoError as error:
        return Plan(chat=str(error), refused=error.code, planner=planner.name)


def ordered(order: str, planner: Planner | None) -> Planner:
    """The rules and another planner in one order. ValueError where one is needed and there is none."""
    if order == RULES:
        return RulesPlanner()
    if planner is None:
        raise ValueError(f"{order} needs a planner.")
    if order == BEFORE:
        return First(planner, RulesPlanner())
    return Cascade(RulesPlanner(), lambda tool: False, planner)


def measure(path: Path, verbose: bool = False, planner: Planner | None = None, order: str = RULES) -> Score:
    """Plan every message of a file and count."""
    who, count = ordered(order, planner), Counter[str]()
    for message in messages(path):
        context = CONTEXTS[message["context"]]
        plan = _tried(who, message["message"], context)
        verdict = judged(message["expect"], plan, context)
        allowed = message["expect"].get("any_of", [message["expect"]])
        count["all"] += 1
        count["clear"] += all(one["kind"] in ("edit", "command") for one in allowed)
        count["right"] += verdict.right
        count["asked"] += verdict.asked
        count["wrong"] += verdict.wrong_edit
        if verbose and not verdict.right:
            mark = "WRONG EDIT" if verdict.wrong_edit else kind_of(plan)
            sys.stdout.write(f"{message['id']} [{message['context']}] {mark}: {message['message']}\n")
            sys.stdout.write(f"    {plan.to_json()}\n    expected {message['expect']}\n")
    asked = count["asked"] / max(1, count["clear"])
    return Score(path.name, order, count["all"], count["right"] / count["all"], asked, count["wrong"])


def decided(scores: Sequence[Score]) -> str:
    """The order for photos: the one that is right most often, of those that make no more wrong edits than the rules."""

    def of(order: str) -> tuple[float, int]:
        some = [score for score in scores if score.order == order]
        return sum(score.accuracy * score.messages for score in some), sum(score.wrong_edits for score in some)

    known = {order: of(order) for order in ORDERS if any(score.order == order for score in scores)}
    able = [order for order in known if known[order][1] <= known[RULES][1]]
    return max(able, key=lambda order: (round(known[order][0], 6), -ORDERS.index(order)))


class Grey:
    """Stands for a session's sight: every picture is a grey photo."""

    def picture(self, session: str, content: str) -> Pixels:
        """uint8 (h, w, 3)."""
        return np.full((341, 512, 3), 128, np.uint8)

    def scene(self, session: str, content: str) -> bool:
        """None is drawn."""
        return False

    def sounds(self, session: str, content: str) -> bool:
        """None is a sound."""
        return False


@contextmanager
def opened(who: str) -> Iterator[Planner]:
    """A planner by its folder, `starter`, or `chat:<provider:model>`."""
    if who.startswith("chat:"):
        from agent.planners.chat_model import ChatPlanner

        yield ChatPlanner(who.removeprefix("chat:"), Grey().picture)
        return
    with tempfile.TemporaryDirectory() as home:
        yield _of_folder(who, Path(home))


def _of_folder(who: str, home: Path) -> Planner:
    from agent.perception import Perception
    from agent.planners import checkpoint
    from tools.shelf import PLANNER, STARTER, Shelf

    folder = STARTER.parent / PLANNER if who == "starter" else Path(who)
    there = Shelf(home)
    encoder = there.encoder(checkpoint.card(folder).encoder)
    perception = Perception(encoder, there.cache, Grey())  # type: ignore[arg-type]
    planner = checkpoint.load(folder, perception)
    planner.pinned = replace(planner.pinned, photos=True)
    return planner


def table(scores: Sequence[Score]) -> str:
    """A line a file and order."""
    lines = [f"{'file':28} {'order':18} {'messages':>8} {'accuracy':>8} {'over-asking':>11} {'wrong edits':>11}"]
    for one in scores:
        figures = f"{one.messages:8} {one.accuracy:8.3f} {one.over_asking:11.3f} {one.wrong_edits:11}"
        lines.append(f"{one.file:28} {one.order:18} {figures}")
    return "\n".join(lines)


def report(scores: Sequence[Score], as_json: bool) -> str:
    """The table, and the order that it speaks for where several were measured; or all of it as JSON."""
    orders = {score.order for score in scores}
    best = decided(scores) if RULES in orders and len(orders) > 1 else None
    if as_json:
        rows = [asdict(score) for score in scores]
        return json.dumps(rows if best is None else {"for_photos": best, "scores": rows})
    return table(scores) + (f"\n\nfor photos: {best}" if best is not None else "")


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("files", nargs="+", type=Path)
    parser.add_argument("--planner", help="a planner's folder, starter, or chat:<provider:model>")
    parser.add_argument("--order", action="append", choices=ORDERS, help="by default all that there is a planner for")
    parser.add_argument("--json", action="store_true", help="print JSON instead of a table")
    parser.add_argument("--verbose", action="store_true", help="show every message that was not read as expected")
    args = parser.parse_args()
    orders = args.order or (ORDERS if args.planner else (RULES,))
    if args.planner is None:
        scores = [measure(path, args.verbose) for path in args.files]
    else:
        with opened(args.planner) as planner:
            scores = [measure(path, args.verbose, planner, order) for order in orders for path in args.files]
    print(report(scores, args.json))


if __name__ == "__main__":
    main()
