"""Subject encoders from files: the names of two public layouts, the sizes in a config, the words of BERT.

`Salesforce/blipdiffusion` has the tensors in a folder `qformer`, named as our modules are. LAVIS, where they were
trained, calls them otherwise; the table below says how. Our own folders keep BERT's `vocab.txt` beside the weights,
because the public class fetches it from the network. Does not know U-Net, VAE or text encoder.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import torch
from tokenizers import Tokenizer
from tokenizers.models import WordPiece
from tokenizers.normalizers import BertNormalizer
from tokenizers.pre_tokenizers import BertPreTokenizer
from tokenizers.processors import BertProcessing

from sessions.errors import BadWeights
from tools.nets.clip_vision import VisionConfig
from tools.nets.qformer import SubjectConfig, SubjectEncoder
from tools.weights import SUFFIX, tensors

Tensors = Mapping[str, torch.Tensor]

LAVIS = (
    (r"proj_layer\.", "proj_layer."),
    (r"query_tokens", "blip.query_tokens"),
    (r"visual_encoder\.embeddings\.class_embedding", "blip.visual_encoder.class_embedding"),
    (r"visual_encoder\.embeddings\.position_embedding", "blip.visual_encoder.positional_embedding"),
    (r"visual_encoder\.embeddings\.patch_embedding", "blip.visual_encoder.conv1"),
    (r"visual_encoder\.pre_layernorm", "blip.visual_encoder.ln_pre"),
    (r"visual_encoder\.post_layernorm", "blip.ln_vision"),
    (r"visual_encoder\.encoder\.layers\.(\d+)\.layer_norm", r"blip.visual_encoder.transformer.resblocks.\1.ln_"),
    (
        r"visual_encoder\.encoder\.layers\.(\d+)\.self_attn\.qkv\.",
        r"blip.visual_encoder.transformer.resblocks.\1.attn.in_proj_",
    ),
    (
        r"visual_encoder\.encoder\.layers\.(\d+)\.self_attn\.projection",
        r"blip.visual_encoder.transformer.resblocks.\1.attn.out_proj",
    ),
    (r"visual_encoder\.encoder\.layers\.(\d+)\.mlp\.fc1", r"blip.visual_encoder.transformer.resblocks.\1.mlp.c_fc"),
    (r"visual_encoder\.encoder\.layers\.(\d+)\.mlp\.fc2", r"blip.visual_encoder.transformer.resblocks.\1.mlp.c_proj"),
    (
        r"encoder\.layer\.(\d+)\.(attention|crossattention)\.attention\.",
        r"blip.Qformer.bert.encoder.layer.\1.\2.self.",
    ),
    (r"encoder\.layer\.", "blip.Qformer.bert.encoder.layer."),
    (r"embeddings\.", "blip.Qformer.bert.embeddings."),
)
"""The beginning of a name in our layout → in LAVIS's; the first that fits counts."""

LOOSE = {"visual_encoder.embeddings.class_embedding": 2, "visual_encoder.embeddings.position_embedding": 1}
"""How many dimensions of 1 our tensors have before LAVIS's."""


def lavis_name(name: str) -> str:
    """A tensor's name as LAVIS has it."""
    for ours, theirs in LAVIS:
        if re.match(ours, name):
            return re.sub(ours, theirs, name, count=1)
    raise BadWeights(f"{name} is no tensor of a subject encoder.")


def to_lavis(state: Tensors) -> dict[str, torch.Tensor]:
    """The tensors as LAVIS has them: under its names, and tokens' embeddings without a batch."""
    return {lavis_name(name): tensor[(0,) * LOOSE.get(name, 0)] for name, tensor in state.items()}


def from_lavis(state: Tensors, names: Iterable[str]) -> dict[str, torch.Tensor]:
    """Those of `names` that LAVIS's tensors hold; whatever else a checkpoint of it holds is left."""
    theirs = {name: lavis_name(name) for name in names}
    return {name: state[his][(None,) * LOOSE.get(name, 0)] for name, his in theirs.items() if his in state}


def config_of(folder: Path) -> SubjectConfig:
    """The sizes in a `config.json` as diffusers writes it; what is not there is as in the released weights."""
    try:
        said = json.loads((folder / "config.json").read_text("utf-8"))
        eye, bert = said.get("vision_config", {}), said.get("qformer_config", {})
        vision = VisionConfig(**_renamed(eye, _VISION))
        return SubjectConfig(vision, **_renamed(bert, _BERT), **_renamed(said, {"num_query_tokens": "queries"}))
    except (OSError, ValueError, TypeError, AttributeError) as error:
        raise BadWeights(f"{folder / 'config.json'} does not describe a subject encoder ({error}).") from None


_VISION = {
    "hidden_size": "width",
    "num_hidden_layers": "layers",
    "num_attention_heads": "heads",
    "intermediate_size": "hidden",
    "patch_size": "patch",
    "image_size": "side",
}
_BERT = {
    "hidden_size": "width",
    "num_hidden_layers": "layers",
    "num_attention_heads": "heads",
    "intermediate_size": "hidden",
    "vocab_size": "words",
    "max_position_embeddings": "positions",
}


def _renamed(said: Mapping[str, Any], names: Mapping[str, str]) -> dict[str, int]:
    return {ours: int(said[theirs]) for theirs, ours in names.items() if theirs in said}


def encoder_of(config: SubjectConfig, state: Tensors) -> SubjectEncoder:
    """The encoder over tensors of either layout, frozen; BadWeights names what is missing or of a wrong shape."""
    with torch.device("meta"):
        encoder = SubjectEncoder(config)
    wanted = encoder.state_dict()
    if "blip.query_tokens" in state:
        state = from_lavis(state, wanted)
    if missing := [name for name in wanted if name not in state]:
        raise BadWeights(f"The subject encoder lacks {len(missing)} tensors, the first of them {missing[0]}.")
    if wrong := [name for name in wanted if state[name].shape != wanted[name].shape]:
        found, meant = (list(one[wrong[0]].shape) for one in (state, wanted))
        raise BadWeights(f"In the subject encoder {wrong[0]} is {found}, and {meant} is meant.")
    encoder.load_state_dict({name: state[name] for name in wanted}, assign=True)
    return encoder.requires_grad_(False).eval()


class Words:
    """BERT's uncased words: a category → ids and where they are not padding."""

    def __init__(self, vocabulary: Path) -> None:
        try:
            lines = vocabulary.read_text("utf-8").splitlines()
        except (OSError, UnicodeDecodeError):
            raise BadWeights(
                f"{vocabulary} is missing: the words that the subject encoder reads.",
                "It is the vocab.txt of google-bert/bert-base-uncased; put it there.",
            ) from None
        words = {word: number for number, word in enumerate(lines)}
        if not {"[UNK]", "[CLS]", "[SEP]", "[PAD]"} <= set(words):
            raise BadWeights(f"{vocabulary} is not a vocabulary of BERT.")
        self._tokenizer = Tokenizer(WordPiece(words, unk_token="[UNK]"))
        self._tokenizer.normalizer = BertNormalizer(lowercase=True)
        self._tokenizer.pre_tokenizer = BertPreTokenizer()
        self._tokenizer.post_processor = BertProcessing(("[SEP]", words["[SEP]"]), ("[CLS]", words["[CLS]"]))
        self._tokenizer.enable_padding(pad_id=words["[PAD]"])

    def __call__(self, categories: list[str]) -> tuple[torch.Tensor, torch.Tensor]:
        """(B, L) ids of [CLS] … [SEP], padded to the longest, and (B, L) bool, True where no padding."""
        encoded = self._tokenizer.encode_batch(categories)
        ids = torch.tensor([one.ids for one in encoded])
        return ids, torch.tensor([one.attention_mask for one in encoded], dtype=torch.bool)


class Loaded(NamedTuple):
    """A subject encoder and the words that it reads."""

    encoder: SubjectEncoder
    words: Words


def load(folder: Path, device: torch.device, dtype: torch.dtype) -> Loaded:
    """The encoder of a BLIP-Diffusion folder (its part `qformer`), and its words. BadWeights says what is wrong."""
    part = folder / "qformer"
    state: dict[str, torch.Tensor] = {}
    for file in sorted(part.glob(f"*{SUFFIX}")):
        state |= dict(tensors(file, str(device)))
    if not state:
        raise BadWeights(f"{part} holds no safetensors file.", "pentimento models pull sd15")
    return Loaded(encoder_of(config_of(part), state).to(device, dtype), Words(part / "vocab.txt"))
