"""The planner `given`: it was told the plan. For clicks, forms and edited plan cards; reads no words."""

from __future__ import annotations

from dataclasses import dataclass

from agent.plan import Context, Plan


@dataclass(frozen=True)
class Given:
    """Answers every message with one plan; the message only says in words what was clicked."""

    told: Plan
    name: str = "given@1"

    def plan(self, text: str, context: Context) -> Plan:
        return self.told.model_copy(update={"planner": self.told.planner or self.name})
