"""The `chat` planner: any LangChain chat model reads the session and the message, and replies with a plan.

`PENTIMENTO_PLANNER=chat:<provider:model>`. The plan comes as structured output where the model has that, else as JSON
in its words. One that does not fit this session goes back once, with a sentence that says why; after that the person
is asked. Nothing but `ChatModelError` is raised: no key, no network, no such model. Runs nothing.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

from agent.plan import Ask, Context, Plan
from agent.plan_schema import plan_schema
from agent.planners.chat_prompt import Look, conversation
from agent.planners.chat_reply import LONGEST_REPLY, understood
from sessions.errors import ChatModelError, PlanError
from sessions.values import Json
from tools import chat_models, registry

if TYPE_CHECKING:
    from langchain_core.language_models import BaseChatModel
    from langchain_core.messages import BaseMessage
    from langchain_core.runnables import Runnable

TRIES = 2
NO_WORDS = "Say what should change."


@dataclass(frozen=True)
class ChatPlanner:
    """Implements `agent.plan.Planner`. Keeps nothing between messages but the model, which is opened when first needed.

    `which`: provider:model. `look`: small copies of the session's pictures, for models that see.
    """

    which: str
    look: Look
    open: Callable[[str], BaseChatModel] = chat_models.opened

    @property
    def name(self) -> str:
        return f"chat@1:{self.which}"

    def plan(self, text: str, context: Context) -> Plan:
        """The plan of one message, or a question; ChatModelError where the model cannot be asked."""
        if not text.strip():
            return Plan(chat=NO_WORDS, planner=self.name)
        tools = registry.registered()
        messages = conversation(text, context, tools, self.look if self._sees else None)
        why = ""
        for _ in range(TRIES):
            reply = self._reply(messages)
            try:
                return understood(reply, context, self.name)
            except PlanError as error:
                why = chat_models.reason(error)
                messages += _once_more(reply, why)
        return Plan(
            ask=Ask(question=f"I could not make a plan of that. {why} How would you say it?"), planner=self.name
        )

    @cached_property
    def _model(self) -> BaseChatModel:
        return self.open(self.which)

    @property
    def _sees(self) -> bool:
        """Whether the model takes pictures, as far as LangChain knows it."""
        return (self._model.profile or {}).get("image_inputs", True)

    def _reply(self, messages: list[BaseMessage]) -> str | Json:
        """JSON from structured output, or what the model says in words."""
        if self._structured is not None:
            with suppress(
                ChatModelError
            ):  # some turn out only now to have none; whatever else it is, words meet it too
                answer = chat_models.asked(self._structured, messages, self.which)
                return answer["parsed"] if isinstance(answer["parsed"], dict) else str(answer["raw"].text)
        return str(chat_models.asked(self._model, messages, self.which).text)

    @cached_property
    def _structured(self) -> Runnable[Any, Any] | None:
        """The model bound to the schema of a plan; None where it can only talk."""
        return chat_models.structured(self._model, plan_schema(registry.registered().values()))


def _once_more(reply: str | Json, why: str) -> list[BaseMessage]:
    """The reply as it came, and what was wrong with it."""
    from langchain_core.messages import AIMessage, HumanMessage

    said = reply if isinstance(reply, str) else json.dumps(reply, ensure_ascii=False)
    wrong = (
        f"That plan cannot be carried out: {why} Reply with one corrected plan as a JSON object, or with a question."
    )
    return [AIMessage(said[:LONGEST_REPLY].strip() or "(nothing)"), HumanMessage(wrong)]
