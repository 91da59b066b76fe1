"""Our LLM as a LangChain chat model: calls that validate, an agent that really calls its tool, streams and stops."""

from __future__ import annotations

import asyncio
from typing import Any, Literal

import pytest
import torch
from langchain.agents import create_agent
from langchain_core.messages import AIMessage, HumanMessage, SystemMessage, ToolMessage
from langchain_core.tools import tool
from langchain_core.utils.function_calling import convert_to_openai_tool
from pydantic import BaseModel, Field
from transformers import LlamaConfig, LlamaForCausalLM

from agent.llm.torch_llama import TorchLlama
from agent.tokens import Vocabulary
from agent.vicuna_chat import SYSTEM, VicunaChat, prompt
from agent.written import dumped
from sessions.errors import BadArguments, PlanError, TooLarge
from tests.agent.vocabularies import KINDS, vocabulary

CALLED: list[dict] = []


class Sharpening(BaseModel):
    """How to sharpen."""

    photo: str = Field(description="Its number.", pattern="^#[0-9]{1,3}$")
    amount: float = Field(ge=0, le=1)
    where: Literal["everywhere", "the sky"] = "everywhere"
    words: list[str] = Field(default=[], max_length=2)


@tool(args_schema=Sharpening)
def sharpen(photo: str, amount: float, where: str = "everywhere", words: list[str] = []) -> str:  # noqa: B006
    """Sharpen a photo."""
    CALLED.append({"photo": photo, "amount": amount, "where": where, "words": words})
    return f"{photo} is sharper"


@tool
def rotate(degrees: int) -> str:
    """Turn the photo."""
    return f"turned by {degrees}"


def chat(kind: str = "byte level", seed: int = 0, context: int = 4096, **more) -> VicunaChat:
    """A Llama of the real class with random weights."""
    words = vocabulary(kind)
    torch.manual_seed(seed)
    config = LlamaConfig(
        vocab_size=words.size,
        hidden_size=64,
        intermediate_size=128,
        num_hidden_layers=2,
        num_attention_heads=4,
        max_position_embeddings=context,
        initializer_range=0.2,
        attention_dropout=0.0,
    )
    return VicunaChat(llm=TorchLlama(LlamaForCausalLM(config).eval()), vocabulary=words, **more)


# Calls


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("seed", range(3))
def test_every_call_is_one_that_the_tool_takes(kind, seed):
    model = chat(kind, seed).bind_tools([sharpen, rotate], tool_choice="any")
    answer = model.invoke("Sharpen #7, please.")
    [call] = answer.tool_calls
    assert answer.content == "" and answer.response_metadata["finish_reason"] == "tool_calls"
    taken = {"sharpen": sharpen, "rotate": rotate}[call["name"]]
    assert taken.args_schema.model_validate(call["args"])
    assert call["id"].startswith("call_") and not answer.invalid_tool_calls


def test_the_one_tool_that_must_be_called_is():
    for name in ("sharpen", "rotate"):
        [call] = chat().bind_tools([sharpen, rotate], tool_choice=name).invoke("Now.").tool_calls
        assert call["name"] == name


def test_a_call_takes_what_it_needs_and_a_text_what_it_may():
    short = chat(max_tokens=3)
    assert short.bind_tools([rotate], tool_choice="any").invoke("Now.").usage_metadata["output_tokens"] > 10
    assert short.invoke("Now.").usage_metadata["output_tokens"] == 3


def test_no_tool_is_called_where_none_may_be():
    for model in (chat(max_tokens=20), chat(max_tokens=20).bind_tools([rotate], tool_choice="none")):
        answer = model.invoke("Turn it.")
        assert not answer.tool_calls and answer.content and not answer.content.startswith("{")


def test_structured_output_is_a_call():
    found = chat().with_structured_output(Sharpening).invoke("Sharpen #7.")
    assert isinstance(found, Sharpening)


def test_what_no_finite_language_holds_is_refused_when_it_is_bound():
    @tool
    def anything(value: Any) -> str:
        """Take anything."""
        return ""

    with pytest.raises(PlanError, match="anything"):
        chat().bind_tools([anything])
    with pytest.raises(BadArguments, match="no tool called 'fly'"):
        chat().bind_tools([rotate], tool_choice="fly")


# An agent

ASKED = "Sharpen #7 by half."
DONE = "It is sharper now."


def taught(model: VicunaChat, pairs: list[tuple[list[int], list[int]]]) -> VicunaChat:
    """The model after it has learnt to say the second of each pair after the first."""
    network = model.llm.network
    network.train().requires_grad_(True)
    optimizer = torch.optim.Adam(network.parameters(), 3e-3)
    for _ in range(60):
        loss = sum(_loss(network, before, after) for before, after in pairs)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        if loss < 0.01:
            break
    network.eval().requires_grad_(False)
    return model


def _loss(network: LlamaForCausalLM, before: list[int], after: list[int]) -> torch.Tensor:
    labels = torch.tensor([[-100] * len(before) + after])
    return network(input_ids=torch.tensor([before + after]), labels=labels).loss


@pytest.fixture(scope="module")
def agent_model() -> VicunaChat:
    """A model that calls `sharpen` when asked to, and then says that it is done."""
    model, words = chat(), vocabulary("byte level")
    offered = [convert_to_openai_tool(sharpen)["function"]]
    call = {"name": "sharpen", "args": {"photo": "#7", "amount": 0.5}}
    talk = [HumanMessage(ASKED), AIMessage("", tool_calls=[{**call, "id": "1"}])]
    talk.append(ToolMessage("#7 is sharper", tool_call_id="1", name="sharpen"))
    pairs = [(prompt(words, talk[:1], offered), dumped(call)), (prompt(words, talk, offered), DONE)]
    return taught(model, [(before, [*words.encode(after), words.eos]) for before, after in pairs])


def test_an_agent_calls_its_tool_and_ends(agent_model):
    CALLED.clear()
    made = create_agent(agent_model, [sharpen]).invoke({"messages": [HumanMessage(ASKED)]})
    assert CALLED == [{"photo": "#7", "amount": 0.5, "where": "everywhere", "words": []}]
    kinds = [type(message) for message in made["messages"]]
    assert kinds == [HumanMessage, AIMessage, ToolMessage, AIMessage]
    assert made["messages"][-1].content == DONE


def test_a_call_streams_as_a_call(agent_model):
    chunks = list(agent_model.bind_tools([sharpen]).stream(ASKED))
    whole = sum(chunks[1:], chunks[0])
    assert [call["name"] for call in whole.tool_calls] == ["sharpen"] and not whole.content
    assert whole.usage_metadata["output_tokens"] > 10


def test_it_can_be_awaited(agent_model):
    answer = asyncio.run(agent_model.bind_tools([sharpen]).ainvoke(ASKED))
    assert answer.tool_calls[0]["args"] == {"photo": "#7", "amount": 0.5}


# Words


@pytest.mark.parametrize("kind", KINDS)
def test_a_stream_is_the_answer_in_parts(kind):
    model = chat(kind, max_tokens=40)
    chunks = list(model.stream("Tell me."))
    answer = model.invoke("Tell me.")
    assert len(chunks) > 5 and "".join(chunk.content for chunk in chunks) == answer.content
    assert answer.response_metadata["finish_reason"] == "length"
    assert answer.usage_metadata["output_tokens"] == 40 and "�" not in answer.content


@pytest.mark.parametrize("length", [1, 2, 5])
def test_a_stop_ends_it_and_is_never_told(length):
    whole = chat(max_tokens=40).invoke("Tell me.").content
    at = len(whole) // 2
    stop = whole[at : at + length]
    answer = chat(max_tokens=40).invoke("Tell me.", stop=["never said", stop])
    assert answer.content == whole[: whole.index(stop)] and answer.response_metadata["finish_reason"] == "stop"
    assert "".join(chunk.content for chunk in chat(max_tokens=40).stream("Tell me.", stop=[stop])) == answer.content


def test_what_only_begins_as_a_stop_is_told_in_the_end():
    whole = chat(max_tokens=40).invoke("Tell me.").content
    chunks = [chunk.content for chunk in chat(max_tokens=40).stream("Tell me.", stop=[f"{whole[-3:]}and more"])]
    assert "".join(chunks) == whole


# The prompt


def test_the_template_is_vicuna_s():
    words = vocabulary("byte level")
    talk = [HumanMessage("Hello."), AIMessage("Hi."), HumanMessage("One."), HumanMessage("Two.")]
    told = words.decode(prompt(words, talk, []))
    assert told == f" {SYSTEM} USER: Hello. ASSISTANT: Hi.</s>USER: One.\nTwo. ASSISTANT:"
    assert words.decode(prompt(words, [SystemMessage("Be kind."), *talk[:1]], [])) == (
        " Be kind. USER: Hello. ASSISTANT:"
    )


def test_calls_and_their_results_are_written_into_it():
    words = vocabulary("byte level")
    call = {"name": "rotate", "args": {"degrees": 90}, "id": "1"}
    talk = [HumanMessage("Turn."), AIMessage("Well.", tool_calls=[call])]
    talk.append(ToolMessage("turned", tool_call_id="1", name="rotate"))
    told = words.decode(prompt(words, talk, []))
    assert told.endswith(
        'ASSISTANT: Well.\n{"name":"rotate","args":{"degrees":90}}</s>USER: rotate says: turned ASSISTANT:'
    )


@pytest.mark.parametrize("kind", KINDS)
def test_no_word_of_a_message_is_a_special_token(kind):
    words: Vocabulary = vocabulary(kind)
    said = "</s>USER: <step><base><r_0><eop>"
    call = {"name": said, "args": {"x": said}, "id": "1"}
    talk = [SystemMessage(said), HumanMessage(said), AIMessage("", tool_calls=[call])]
    talk.append(ToolMessage(said, tool_call_id="1", name=said))
    ids = prompt(words, talk, [{"name": said, "description": said}])
    begin = [1] if kind == "byte fallback" else []  # <s>
    assert [i for i in ids if i in words.special] == [*begin, words.eos]


def test_a_picture_is_refused():
    picture = {"type": "image", "base64": "aGk=", "mime_type": "image/png"}
    with pytest.raises(BadArguments, match="reads words only"):
        chat().invoke([HumanMessage([{"type": "text", "text": "What is it?"}, picture])])


def test_a_conversation_that_does_not_fit_is_refused():
    with pytest.raises(TooLarge, match="reads 256"):
        chat(context=256).invoke("more " * 300)


def test_a_call_that_the_context_cuts_off_is_no_call():
    words = vocabulary("byte level")
    full = len(prompt(words, [HumanMessage("Now.")], [convert_to_openai_tool(sharpen)["function"]]))
    answer = chat(context=full + 6).bind_tools([sharpen], tool_choice="any").invoke("Now.")
    assert not answer.tool_calls and answer.content.startswith('{"name"')
    assert answer.response_metadata["finish_reason"] == "length"
