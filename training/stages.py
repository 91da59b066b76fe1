"""What the stages of InstructAny2Pix's training teach, and which weights learn in each (arXiv 2312.06738, section 3).

    1  language alignment   an item is shown, its caption is the reply            P_in
    2  generation           a caption, or an item, is to be drawn: `<gen>`        P_in and P_out
    5  instructions         whole plans (`dialogue_turns`, `mm_inst`)             all, or LoRA beside a frozen LLM

Stages 3 and 4 belong to what decodes `[gen]`. Losses are `planner`'s, the same for all.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Literal

import torch
from peft import LoraConfig, inject_adapter_in_model
from peft.tuners.lora import LoraLayer
from torch import Tensor, nn
from transformers import LlamaForCausalLM

from agent.heads import ROLES
from agent.tokens import GEN, VIDEO, Vocabulary
from training.planner import Planner
from training.turns import Taught

Stage = Literal[1, 2, 5]
DESCRIBE, DRAW = "describe it", "draw"
RANK, SCALE = 64, 0.25
"""Of LoRA, as the released training script has them: r, and α/r."""
LINEAR = ["q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj"]


def described(h: Tensor, role: str, caption: str, vocabulary: Vocabulary) -> Taught:
    """Stage 1: an item with its embedding (D), and its caption as the reply."""
    asked = [*vocabulary.begun("USER:"), vocabulary.ids[VIDEO], *vocabulary.encode(f" {DESCRIBE} ASSISTANT:")]
    shown = asked.index(vocabulary.ids[VIDEO])
    reply = [*vocabulary.encode(f" {caption}"), vocabulary.eos]
    return Taught((*asked, *reply), len(asked), h[None], (ROLES.index(role),), (0,), {shown: 0}, (0,))


def drawn(caption: str, result: Tensor, vocabulary: Vocabulary) -> Taught:
    """Stage 2: a caption, and `<gen>` as the reply, where the result's embedding (D) is read."""
    asked = [*vocabulary.begun("USER:"), *vocabulary.encode(f" {DRAW} {caption} ASSISTANT:")]
    return _generated(asked, result[None][:0], (), {}, result, vocabulary)


def drawn_from(h: Tensor, role: str, result: Tensor, vocabulary: Vocabulary) -> Taught:
    """Stage 2 from an item, such as a sound: what it stands for is to be drawn."""
    asked = [*vocabulary.begun("USER:"), *vocabulary.encode(f" {DRAW}"), vocabulary.ids[VIDEO]]
    asked += vocabulary.encode(" ASSISTANT:")
    shown = asked.index(vocabulary.ids[VIDEO])
    return _generated(asked, h[None], (ROLES.index(role),), {shown: 0}, result, vocabulary)


def _generated(
    asked: Sequence[int],
    h: Tensor,
    roles: tuple[int, ...],
    spliced: dict[int, int],
    result: Tensor,
    vocabulary: Vocabulary,
) -> Taught:
    ids = (*asked, vocabulary.ids[GEN], vocabulary.eos)
    rows = (0,) * len(roles)
    return Taught(ids, len(asked), h, roles, rows, spliced, rows, (), ((len(asked), result),))


def learning(net: Planner, stage: Stage, lora: int = 0) -> Planner:
    """Let the weights of a stage learn and no others; with LoRA of rank `lora`, stage 5 leaves the LLM's own alone."""
    net.requires_grad_(False)
    parts: Iterable[nn.Module] = {1: (net.heads.enter, net.heads.role), 2: (net.heads.enter, net.heads.leave)}.get(
        stage, (net.heads,) if lora else (net,)
    )
    for part in parts:
        part.requires_grad_(True)
    if stage == 5 and lora:
        _inject(net.llm, lora)
    return net


def _inject(llm: LlamaForCausalLM, rank: int) -> None:
    """LoRA (Hu et al., arXiv 2106.09685) beside every linear layer; the table and head of tokens learn whole."""
    inject_adapter_in_model(LoraConfig(r=rank, lora_alpha=SCALE * rank, target_modules=LINEAR), llm)
    for table in (llm.get_input_embeddings(), llm.lm_head):
        table.requires_grad_(True)


def placed(net: Planner, device: torch.device) -> Planner:
    """Where it is trained, ready for it. On CUDA the LLM's layers are worked again backwards, and kept only so far."""
    if device.type == "cuda":
        halved(net).llm.activation_checkpointing_enable({"use_reentrant": False})
    return net.to(device).train()


def halved(net: Planner) -> Planner:
    """What learns in float32, the rest of the LLM in bfloat16; autocast computes in bfloat16 where it should."""
    for p in net.llm.parameters():
        p.data = p.data.to(torch.float32 if p.requires_grad else torch.bfloat16)
    net.heads.float()
    return net


def whole(net: Planner) -> Planner:
    """The LLM in one precision again where it was in two: in that of its file, and with more digits than bfloat16."""
    if len({p.dtype for p in net.llm.parameters()}) > 1:
        net.llm.half()
    return net


def merged(net: Planner) -> Planner:
    """The planner with its LoRA folded into the LLM's own weights: W + α/r · B A, and plain layers again."""
    for name, layer in list(net.llm.named_modules()):
        if isinstance(layer, LoraLayer):
            layer.merge()
            parent, _, own = name.rpartition(".")
            setattr(net.llm.get_submodule(parent), own, layer.get_base_layer())
    return net


def trained(net: nn.Module) -> int:
    """Numbers that learn."""
    return sum(p.numel() for p in net.parameters() if p.requires_grad)
