"""Our planner's language model as a LangChain chat model, with tool calling, for anyone's agent.

Vicuna v1.1's template; greedy, so the same messages have the same answer. With tools bound it writes either text or
one call, `{"name":…,"args":{…}}`, in a finite language that llguidance makes of the tools' schemas: a call parses, and
ends wherever the context has room for it. Words only: pictures are the planner's (`agent.planners.token_heads`).
"""

from __future__ import annotations

import json
from codecs import getincrementaldecoder
from collections.abc import Callable, Iterator, Sequence
from functools import lru_cache
from typing import Any

import numpy as np
from langchain_core.callbacks import CallbackManagerForLLMRun
from langchain_core.language_models import BaseChatModel, LanguageModelInput
from langchain_core.language_models.chat_models import generate_from_stream
from langchain_core.messages import AIMessage, AIMessageChunk, BaseMessage, SystemMessage, ToolMessage
from langchain_core.messages.ai import UsageMetadata
from langchain_core.messages.tool import ToolCallChunk, tool_call_chunk
from langchain_core.outputs import ChatGenerationChunk, ChatResult
from langchain_core.runnables import Runnable
from langchain_core.tools import BaseTool
from langchain_core.utils.function_calling import convert_to_openai_tool
from llguidance import LLMatcher
from pydantic import ConfigDict, SkipValidation

from agent.grammar import matcher_of
from agent.llm import Llm
from agent.prompt import SYSTEM
from agent.surface import STEP_TEXT, TEXT, WIDEST, Arguments, literal, row, texts
from agent.tokens import Vocabulary
from agent.written import dumped
from sessions.errors import BadArguments, TooLarge
from sessions.identity import new_id
from sessions.values import Json

CALLING = 'To call a tool, answer with {"name": …, "args": {…}} and nothing else. Tools:'
WORDS = r"[^{\x00-\x08\x0b-\x1f\x7f-\x9f][^\x00-\x08\x0b-\x1f\x7f-\x9f]*"
"""Text, which is no call, and has no control characters but tab and newline."""


class VicunaChat(BaseChatModel):
    """A LangChain chat model over a loaded LLM and its vocabulary.

    `max_tokens`: of a text; a call takes what it needs. One call an answer.
    """

    llm: SkipValidation[Llm]
    vocabulary: SkipValidation[Vocabulary]
    max_tokens: int = 400

    model_config = ConfigDict(arbitrary_types_allowed=True)

    @property
    def _llm_type(self) -> str:
        return "vicuna"

    def bind_tools(
        self,
        tools: Sequence[dict[str, Any] | type | Callable[..., Any] | BaseTool],
        *,
        tool_choice: str | None = None,
        **kwargs: Any,
    ) -> Runnable[LanguageModelInput, AIMessage]:
        """The model with tools it may call; `tool_choice`: auto, any, none, or the name of the one it must call.

        PlanError for a tool that takes what no finite language can hold, such as a value of any kind. Where a tool
        takes an object of any fields, it gets an empty one.
        """
        offered = [convert_to_openai_tool(tool)["function"] for tool in tools]
        compiled(self.vocabulary, dumped(offered), tool_choice or "auto")
        return self.bind(tools=offered, tool_choice=tool_choice or "auto", **kwargs)

    def _generate(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        run_manager: CallbackManagerForLLMRun | None = None,
        **kwargs: Any,
    ) -> ChatResult:
        return generate_from_stream(self._stream(messages, stop, run_manager, **kwargs))

    def _stream(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        run_manager: CallbackManagerForLLMRun | None = None,
        **kwargs: Any,
    ) -> Iterator[ChatGenerationChunk]:
        offered: list[Json] = kwargs.get("tools", [])
        matcher, longest = compiled(self.vocabulary, dumped(offered), kwargs.get("tool_choice", "auto"))
        ids = prompt(self.vocabulary, messages, offered)
        writing = _Writing(self.vocabulary, tuple(stop or ()), self.max_tokens, longest)
        for token in self._tokens(ids, matcher.deep_copy()):
            if words := writing.more(token):
                chunk = ChatGenerationChunk(message=AIMessageChunk(content=words))
                if run_manager:
                    run_manager.on_llm_new_token(words, chunk=chunk)
                yield chunk
            if writing.ended:
                break
        yield ChatGenerationChunk(message=_last(writing, len(ids)))

    def _tokens(self, ids: Sequence[int], matcher: LLMatcher) -> Iterator[int]:
        """Token after token, each the likeliest that the language allows, to the end of the text or of the context."""
        if len(ids) >= self.llm.context:
            many = f"This conversation has {len(ids)} tokens, and the model reads {self.llm.context}."
            raise TooLarge(many, "Leave out earlier messages, or bind fewer tools.")
        thread = self.llm.open()
        logits = thread.feed(ids).logits
        while True:
            bits = np.frombuffer(matcher.compute_bitmask(), np.uint8)
            allowed = np.flatnonzero(np.unpackbits(bits, count=self.vocabulary.size, bitorder="little"))
            token = int(allowed[logits[allowed].argmax()])
            yield token
            if token == self.vocabulary.eos or thread.length >= self.llm.context:
                return
            matcher.consume_token(token)
            logits = thread.feed([token]).logits


class _Writing:
    """What has been written so far, as text that can be told: whole characters, and nothing that may be a stop.

    `count`: tokens; `ended`: no more shall come; `closed`: it came to its own end, or to a stop.
    """

    def __init__(self, vocabulary: Vocabulary, stops: tuple[str, ...], most: int, longest: int) -> None:
        self.text, self.count, self.ended, self.closed = "", 0, False, False
        self._vocabulary, self._stops, self._most, self._longest = vocabulary, stops, most, longest
        self._decoder = getincrementaldecoder("utf-8")("replace")
        self._told = 0

    @property
    def calls(self) -> bool:
        """Whether it is a call, perhaps one that is not whole yet."""
        return self.text.startswith("{")

    def more(self, token: int) -> str:
        """Go on by one token; the words that are certain now. Of a call none are, before it is whole."""
        self.count += 1
        if token == self._vocabulary.eos:
            self.ended = self.closed = True
        else:
            self.text += self._decoder.decode(self._vocabulary.pieces[token])
            self.ended = self.count >= (self._longest + 1 if self.calls else self._most)
        return "" if self.calls else self._certain()

    def _certain(self) -> str:
        found = [place for stop in self._stops if (place := self.text.find(stop)) >= 0]
        if found:
            self.text, self.ended, self.closed = self.text[: min(found)], True, True
        begun = [n for stop in self._stops for n in range(1, len(stop)) if self.text.endswith(stop[:n])]
        return self._tell(len(self.text) - (0 if self.ended else max(begun, default=0)))

    def rest(self) -> str:
        """What has not been told."""
        return self._tell(len(self.text))

    def _tell(self, upto: int) -> str:
        words, self._told = self.text[self._told : upto], max(self._told, upto)
        return words


def _last(writing: _Writing, read: int) -> AIMessageChunk:
    """The end of an answer: its call, or what has not been told; why it ended, and what it took."""
    call = json.loads(writing.text) if writing.calls and writing.closed else None
    chunks = [_chunk(call)] if call else []
    why = "tool_calls" if call else "stop" if writing.closed else "length"
    return AIMessageChunk(
        content="" if call else writing.rest(),
        tool_call_chunks=chunks,
        response_metadata={"finish_reason": why},
        usage_metadata=UsageMetadata(input_tokens=read, output_tokens=writing.count, total_tokens=read + writing.count),
        chunk_position="last",
    )


def _chunk(call: Json) -> ToolCallChunk:
    return tool_call_chunk(name=call["name"], args=dumped(call["args"]), id=f"call_{new_id()}", index=0)


# The language of an answer


@lru_cache(maxsize=8)
def compiled(vocabulary: Vocabulary, offered: str, choice: str) -> tuple[LLMatcher, int]:
    """The matcher of what may be answered, not to be consumed from, and the tokens of the longest call."""
    tools: list[Json] = json.loads(offered)
    named = [tool for tool in tools if choice in ("auto", "any", "required", tool["name"])]
    if choice not in ("auto", "any", "required", "none") and not named:
        raise BadArguments(f"There is no tool called {choice!r} among those that are bound.")
    calls = [_call(tool, number) for number, tool in enumerate(named)] if choice != "none" else []
    rules = ['%llguidance {"no_forcing": true}', *(rule for rules, _ in calls for rule in rules)]
    kinds = [f"call{number}" for number in range(len(calls))]
    if choice in ("auto", "none") or not kinds:
        rules.append(f"WORDS: /{WORDS}/")
        kinds.append("WORDS")
    lark = "\n".join([*rules, f"start: {' | '.join(kinds)}", ""])
    return matcher_of(vocabulary, lark), max((longest for _, longest in calls), default=0)


def _call(tool: Json, number: int) -> tuple[list[str], int]:
    """The rules of a call, and the tokens of the longest one: a byte takes one at most."""
    schema: Json = {"type": "object", "properties": {}} | tool.get("parameters", {})
    free = min(TEXT, STEP_TEXT // max(1, WIDEST * texts(schema, schema)))
    arguments = Arguments(tool["name"], schema, free, f"T{number}")
    whole = row([literal(f'{{"name":{dumped(tool["name"])},"args":'), arguments.piece(schema), literal("}")])
    return [*arguments.rules, f"call{number}: {whole.lark}"], whole.longest


# The prompt


def prompt(vocabulary: Vocabulary, messages: Sequence[BaseMessage], offered: Sequence[Json]) -> list[int]:
    """`SYSTEM USER: … ASSISTANT: …</s>USER: … ASSISTANT:`; no word of a message becomes a special token."""
    system = "\n".join(_words(one) for one in messages if isinstance(one, SystemMessage)) or SYSTEM
    if offered:
        system = "\n".join([system, CALLING, *(dumped(tool) for tool in offered), ""])
    ids, before = vocabulary.begun(system), "system"
    for message in messages:
        if isinstance(message, SystemMessage):
            continue
        speaker = "ASSISTANT" if isinstance(message, AIMessage) else "USER"
        name = "\n" if speaker == before else f" {speaker}: " if before != "ASSISTANT" else f"{speaker}: "
        ids += vocabulary.encode(f"{name}{_words(message)}")
        if speaker == "ASSISTANT":
            ids.append(vocabulary.eos)
        before = speaker
    return ids + vocabulary.encode(" ASSISTANT:" if before == "USER" else "USER: ASSISTANT:")


def _words(message: BaseMessage) -> str:
    """A message as text: calls as they are written, results after the tool's name. BadArguments for a picture in it."""
    blocks = message.content if isinstance(message.content, list) else []
    if any(isinstance(block, dict) and block.get("type") not in ("text", "tool_use") for block in blocks):
        raise BadArguments("This model reads words only.", "Describe the picture, or give it to the planner.")
    text = str(message.text)
    if isinstance(message, AIMessage):
        return "\n".join([*([text] if text else []), *(_written(dict(call)) for call in message.tool_calls)])
    return f"{message.name or 'The tool'} says: {text}" if isinstance(message, ToolMessage) else text


def _written(call: Json) -> str:
    return dumped({"name": call["name"], "args": call["args"]})
