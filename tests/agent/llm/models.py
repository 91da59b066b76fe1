"""Llamas of the real class with a few thousand random weights, tokenizers of both kinds, and what they should compute.

`dense` is independent of transformers and llama.cpp: the formulas of LLaMA (Touvron et al. 2023) over the whole
sequence in float64, without a cache.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors.torch import load_file, save_file
from tokenizers import AddedToken, Tokenizer, decoders, models, normalizers, pre_tokenizers, trainers
from transformers import LlamaConfig, LlamaForCausalLM

from agent.tokens import SPECIALS

WORDS = "make the sky of this photo warmer and put a red boat into the harbour where the sun sets".split()
CONTEXT, WIDTH = 600, 64


def some(count: int, seed: int = 0, below: int = 400) -> list[int]:
    """Ids of no meaning."""
    return np.random.default_rng(seed).integers(0, below, count).tolist()


def apart(one: np.ndarray, other: np.ndarray) -> float:
    """The largest difference between two arrays."""
    return float(np.abs(np.asarray(one, np.float64) - other).max())


def llama(folder: Path, rows: int = 400, kv_heads: int = 4, tied: bool = False) -> Path:
    """A folder of the Hub's layout, without a tokenizer."""
    torch.manual_seed(rows + kv_heads)
    config = LlamaConfig(
        vocab_size=rows,
        hidden_size=WIDTH,
        intermediate_size=96,
        num_hidden_layers=2,
        num_attention_heads=4,
        num_key_value_heads=kv_heads,
        max_position_embeddings=CONTEXT,
        rms_norm_eps=1e-5,
        tie_word_embeddings=tied,
        initializer_range=0.15,
    )
    network = LlamaForCausalLM(config)
    with torch.no_grad():
        for name, weight in network.named_parameters():  # all ones as it is made, which would hide a mistake
            if "norm" in name:
                weight.uniform_(0.5, 1.5)
    network.save_pretrained(folder)
    return folder


def byte_level(folder: Path) -> Tokenizer:
    """A byte-level BPE as we train ours, written as tokenizer.json."""
    made = Tokenizer(models.BPE())
    made.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    made.decoder = decoders.ByteLevel()
    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    trainer = trainers.BpeTrainer(vocab_size=300, initial_alphabet=alphabet, show_progress=False)
    made.train_from_iterator([" ".join(WORDS)] * 4, trainer)
    return _written(made, folder)


def pieces(folder: Path) -> Tokenizer:
    """A SentencePiece-style BPE with byte fallback, laid out as Vicuna's: the best pieces first, letters last."""
    letters = sorted({"▁", *"".join(WORDS)})
    whole = dict.fromkeys(word[:end] for word in (f"▁{w}" for w in WORDS) for end in range(2, len(word) + 1))
    whole |= dict.fromkeys(["th", "ar", "in", "er", "re", "ere", "arm"])
    ordered = sorted(whole, key=len)
    tokens = ["<unk>", "<s>", "</s>", *(f"<0x{byte:02X}>" for byte in range(256)), *ordered, *letters]
    vocabulary = {token: number for number, token in enumerate(tokens)}
    merges = [
        (piece[:cut], piece[cut:])
        for piece in ordered
        for cut in range(1, len(piece))
        if piece[:cut] in vocabulary and piece[cut:] in vocabulary
    ]
    made = Tokenizer(models.BPE(vocabulary, merges, unk_token="<unk>", fuse_unk=True, byte_fallback=True))
    made.normalizer = normalizers.Sequence([normalizers.Prepend("▁"), normalizers.Replace(" ", "▁")])
    parts = [decoders.Replace("▁", " "), decoders.ByteFallback(), decoders.Fuse(), decoders.Strip(" ", 1, 0)]
    made.decoder = decoders.Sequence(parts)
    made.add_special_tokens([AddedToken(text, normalized=False) for text in ("<unk>", "<s>", "</s>")])
    return _written(made, folder)


def _written(made: Tokenizer, folder: Path) -> Tokenizer:
    made.add_special_tokens([AddedToken(text, normalized=False) for text in SPECIALS])
    folder.mkdir(parents=True, exist_ok=True)
    made.save(str(folder / "tokenizer.json"))
    return made


def released(folder: Path) -> dict[str, torch.Tensor]:
    """The tensors of that folder's Llama, with all that InstructAny2Pix's checkpoints have beside them."""
    found = load_file(folder / "model.safetensors")
    extra = [
        f"model.vae_{part}_{kind}.{layer}"
        for part in ("projector", "predictor")
        for kind in ("image", "audio")
        for layer in (0, 2)
    ]
    for name in extra:
        found[f"{name}.weight"], found[f"{name}.bias"] = torch.randn(8, 8), torch.randn(8)
    found["model.mm_projector.0.weight"] = torch.randn(4, 4)
    found["model.vision_tower.vision_tower.embeddings.class_embedding"] = torch.randn(4)
    found["model.layers.0.self_attn.rotary_emb.inv_freq"] = torch.randn(8)
    return found


def resaved(folder: Path, tensors: Mapping[str, torch.Tensor], *, pickled: bool, files: int) -> None:
    """Replace a folder's weights by these, in as many files, the first tensor in the last one."""
    (folder / "model.safetensors").unlink(missing_ok=True)
    stem, suffix = ("pytorch_model", "bin") if pickled else ("model", "safetensors")
    save: Any = torch.save if pickled else save_file
    if files == 1:
        return save(dict(tensors), folder / f"{stem}.{suffix}")
    places = {name: f"{stem}-{1 + number % files:05}-of-{files:05}.{suffix}" for number, name in enumerate(tensors, -1)}
    for file in set(places.values()):
        save({name: tensors[name] for name, place in places.items() if place == file}, folder / file)
    index = {"metadata": {}, "weight_map": places}
    return (folder / f"{stem}.{suffix}.index.json").write_text(json.dumps(index), encoding="utf-8") and None


def dense(folder: Path, inputs: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """States after the final norm and logits at every position, float64, of input embeddings (n, width)."""
    weights = {name: tensor.double().numpy() for name, tensor in load_file(folder / "model.safetensors").items()}
    config = json.loads((folder / "config.json").read_text("utf-8"))
    heads, groups, count = config["num_attention_heads"], config["num_key_value_heads"], len(inputs)
    x = inputs.astype(np.float64)

    def norm(x: np.ndarray, name: str) -> np.ndarray:
        return x / np.sqrt((x**2).mean(-1, keepdims=True) + config["rms_norm_eps"]) * weights[f"{name}.weight"]

    def rotated(x: np.ndarray) -> np.ndarray:  # (heads, n, d): pairs are d/2 apart
        half = x.shape[-1] // 2
        angles = np.arange(count)[:, None] * 10000.0 ** (-np.arange(half) / half)
        turned = (x[..., :half] + 1j * x[..., half:]) * np.exp(1j * angles)
        return np.concatenate([turned.real, turned.imag], -1)

    for layer in range(config["num_hidden_layers"]):
        at = f"model.layers.{layer}"
        y = norm(x, f"{at}.input_layernorm")
        q, k, v = (
            (y @ weights[f"{at}.self_attn.{part}_proj.weight"].T).reshape(count, n, -1).swapaxes(0, 1)
            for part, n in (("q", heads), ("k", groups), ("v", groups))
        )
        k, v = (np.repeat(part, heads // groups, 0) for part in (rotated(k), v))
        scores = rotated(q) @ k.swapaxes(1, 2) / np.sqrt(q.shape[-1]) + np.triu(np.full((count, count), -np.inf), 1)
        odds = np.exp(scores - scores.max(-1, keepdims=True))
        mixed = (odds / odds.sum(-1, keepdims=True) @ v).swapaxes(0, 1).reshape(count, -1)
        x = x + mixed @ weights[f"{at}.self_attn.o_proj.weight"].T
        y = norm(x, f"{at}.post_attention_layernorm")
        gate = y @ weights[f"{at}.mlp.gate_proj.weight"].T
        up = y @ weights[f"{at}.mlp.up_proj.weight"].T
        x = x + (gate / (1 + np.exp(-gate)) * up) @ weights[f"{at}.mlp.down_proj.weight"].T
    states = norm(x, "model.norm")
    head = weights.get("lm_head.weight", weights["model.embed_tokens.weight"])
    return states, states @ head.T
