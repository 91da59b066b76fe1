"""A subject encoder as a folder that tools load: `qformer` with weights, config.json and the words that it reads.

In the layout of `Salesforce/blipdiffusion`, with `vocab.txt` beside the weights; `tools.nets.blip_keys` reads it. The
toybox's words stand in a vocabulary of BERT's form. Trains nothing.
"""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from string import ascii_lowercase, digits

from tools.nets.qformer import SubjectConfig, SubjectEncoder
from tools.weights import SUFFIX
from tools.weights import write as write_tensors
from toybox.words import vocabulary

PART, WORDS = "qformer", "vocab.txt"
SPECIAL = ("[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]")


def write_words(path: Path) -> int:
    """The toybox's vocab.txt: its words, and letters for all others. How many rows a table for it has.

    One more than it has lines: the last is [DEC], which BLIP-2 adds, and which stands in no file.
    """
    letters = ascii_lowercase + digits
    words = dict.fromkeys([*SPECIAL, *vocabulary(), *letters, *(f"##{letter}" for letter in letters)])
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("\n".join([*words, ""]), encoding="utf-8")
    return len(words) + 1


def write(encoder: SubjectEncoder, words: Path, folder: Path) -> Path:
    """`folder`/qformer with float16 weights, config.json and a copy of the vocabulary at `words`."""
    part = folder / PART
    state = {name: tensor.detach().cpu().half().contiguous() for name, tensor in encoder.state_dict().items()}
    write_tensors(part / f"model{SUFFIX}", state)
    (part / "config.json").write_text(json.dumps(sizes(encoder.config), indent=2) + "\n", encoding="utf-8")
    if words != part / WORDS:
        shutil.copyfile(words, part / WORDS)
    return part


def sizes(c: SubjectConfig) -> dict[str, int | dict[str, int]]:
    """config.json, as diffusers writes it."""
    eye = {
        "hidden_size": c.vision.width,
        "num_hidden_layers": c.vision.layers,
        "num_attention_heads": c.vision.heads,
        "intermediate_size": c.vision.hidden,
        "patch_size": c.vision.patch,
        "image_size": c.vision.side,
    }
    bert = {
        "hidden_size": c.width,
        "num_hidden_layers": c.layers,
        "num_attention_heads": c.heads,
        "intermediate_size": c.hidden,
        "vocab_size": c.words,
        "max_position_embeddings": c.positions,
        "cross_attention_frequency": 1,
        "encoder_hidden_size": c.vision.width,
    }
    return {"vision_config": eye, "qformer_config": bert, "num_query_tokens": c.queries}
