"""From a plan in slots to one in the session's names: which picture each step starts from, why, and what is asked.

Where a reference fits two items about as well, the plan is told with a question. Decodes nothing.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from agent.grammar import Ref, Written
from agent.items import Item
from agent.plan import PREV, Ask, Candidate, Context, Plan, PlanStep
from agent.pointer import Pick
from sessions.values import Json


@dataclass(frozen=True)
class Told:
    """What stands in the slots, who plans, and δ: the least confidence of a pick that is not asked about."""

    items: Mapping[int, Item]
    planner: str
    sure: float

    def plan(self, written: Written, picks: Sequence[Pick | None], expected: Sequence[Json | None] = ()) -> Plan:
        """`picks`: of the references, in order (None: the step before). `expected`: of each step, where it is known."""
        if written.chat is not None:
            return Plan(chat=written.chat, planner=self.planner)
        if written.ask is not None:
            meant = dict.fromkeys(ref for ref in written.candidates if isinstance(ref, int))
            among = tuple(_candidate(self.items[ref]) for ref in meant)
            return Plan(ask=Ask(question=written.ask, candidates=among, free=not among), planner=self.planner)
        places = _places(written)
        reasons = self._reasons(places, picks)
        steps = tuple(
            PlanStep(
                tool=step.tool,
                args=step.args,
                base=self._name(step.base),
                subjects=tuple(map(self._name, step.subjects)),
                region={"words": step.where} if step.where is not None else None,
                expected=expected[place] if expected else None,
                why=reasons.get(place),
            )
            for place, step in enumerate(written.steps)
        )
        chosen = [pick for pick in picks if pick is not None]
        sure = min((pick.confidence for pick in chosen), default=1.0)
        doubts = tuple(self._doubts(picks, places))
        ask = doubts[0] if doubts else None
        return Plan(steps=steps, ask=ask, doubts=doubts[1:], planner=self.planner, confidence=sure)

    def _name(self, ref: Ref) -> str:
        return self.items[ref].name if isinstance(ref, int) else PREV

    def _doubts(self, picks: Sequence[Pick | None], places: Sequence[str]) -> Iterator[Ask]:
        """A question for each reference that two items fit about as well."""
        for place, pick in zip(places, picks, strict=True):
            if pick is not None and pick.other is not None and pick.confidence < self.sure:
                among = tuple(_candidate(self.items[slot]) for slot in (pick.slot, pick.other))
                yield Ask(question="Which one do you mean?", candidates=among, slot=place)

    def _reasons(self, places: Sequence[str], picks: Sequence[Pick | None]) -> dict[int, str]:
        """Of each step that had a choice: `starts from #3, by what it shows (93% sure); uses #5, by …`."""
        told: dict[int, list[str]] = {}
        for place, pick in zip(places, picks, strict=True):
            if pick is not None and pick.other is not None:
                verb = "starts from" if place.endswith(".base") else "uses"
                why = f"{verb} {_called(self.items[pick.slot])}, {pick.because} ({pick.confidence:.0%} sure)"
                told.setdefault(int(place.split(".")[1]), []).append(why)
        return {step: "; ".join(reasons) for step, reasons in told.items()}


def whole(text: str, context: Context) -> str:
    """The message, behind the one that led to an open question where it may be the answer to it."""
    if context.asked is None or context.asked[1].slot is not None:
        return text
    said, ask = context.asked
    return f"{said} {ask.question} {context.meant.label if context.meant else text}"


def _places(written: Written) -> list[str]:
    """Where in the plan's JSON each reference stands, in the order in which they were written."""
    return [
        place
        for i, step in enumerate(written.steps)
        for place in (f"steps.{i}.base", *(f"steps.{i}.subjects.{k}" for k in range(len(step.subjects))))
    ]


def _called(item: Item) -> str:
    """How people know an item: `#3`, or the name of its file."""
    unnamed = "the sound" if item.kind == "sound" else "the attached photo"
    return f"#{item.number}" if item.number else item.words or unnamed


def _candidate(item: Item) -> Candidate:
    if not item.number:
        return Candidate(label=_called(item), value=item.name, shown=item.kind == "picture")
    return Candidate(label=f"{_called(item)} {item.done}".strip(), revision=item.name, shown=True)
