"""The special tokens of a plan, and a tokenizer that never makes one of a person's words. Knows no grammar.

Two kinds of tokenizer are read: byte-level BPE (ours) and BPE with byte fallback (Vicuna's). In both, every text can be
written, and every id stands for certain bytes. A kind that can write only some texts, such as word-level, is refused.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from tokenizers import Tokenizer

from agent.llm import sentencepiece
from sessions.errors import BadWeights
from sessions.values import Json

STEP, BASE, SUB, WHERE, GEN = "<step>", "<base>", "<sub>", "<where>", "<gen>"
EOP, ASK, CHAT, PREV, VIDEO = "<eop>", "<ask>", "<chat>", "<prev>", "<video>"
SLOTS = 64
"""Pictures and sounds of a session that can be pointed at, <r_0> … <r_63>."""
SPECIALS: tuple[str, ...] = (
    *(STEP, BASE, SUB, WHERE, GEN, EOP, ASK, CHAT, PREV, VIDEO),
    *(f"<r_{number}>" for number in range(SLOTS)),
)
ENDS = ("</s>", "<|im_end|>", "<|eot_id|>", "<end_of_turn>", "<|endoftext|>", "<|end_of_text|>", "<eos>")
"""Names of the tokens that end a text, or somebody's turn; a tokenizer has one of them at least."""


@dataclass(frozen=True, eq=False)
class Vocabulary:
    """A model's words, and which of its ids are special.

    `size`: rows of the embedding table, which may exceed the tokenizer's. `ids`: special token → id. `ends`: the ids
    that end a text or a turn. `special`: the ids that no text becomes, of the special tokens and of all else that was
    added to the model's own words. `pieces`: the bytes of each id, b"" for a row without one. `write`: text → ids, none
    of them special. `first`: of what begins every prompt. `tokenizer`: with the special tokens, where there is one.
    """

    size: int
    ids: Mapping[str, int]
    ends: tuple[int, ...]
    special: frozenset[int]
    pieces: tuple[bytes, ...]
    write: Callable[[str], Sequence[int]]
    first: int | None = None
    tokenizer: Tokenizer | None = None

    @property
    def eos(self) -> int:
        """The id that ends a text."""
        return self.ends[0]

    def begun(self, text: str) -> list[int]:
        """The ids of what begins a prompt: <s>, where there is one, and the text behind the space that Llama wants."""
        return [*([] if self.first is None else [self.first]), *self.encode(f" {text}")]

    def slot(self, number: int) -> int:
        """The id of <r_number>."""
        return self.ids[f"<r_{number}>"]

    def encode(self, text: str) -> list[int]:
        """The ids of a text, none of them special whatever it says.

        Nothing is put before it: what begins a message to Vicuna needs its leading space said. Half of a surrogate
        pair, which no tokenizer takes, becomes U+FFFD.
        """
        whole = text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")
        return list(self.write(whole))

    def decode(self, ids: Iterable[int]) -> str:
        """The text of ids, special tokens as they are written; U+FFFD for bytes that are no UTF-8."""
        return b"".join(self.pieces[i] for i in ids).decode("utf-8", "replace")


def vocabulary(folder: Path, size: int | None = None, specials: Sequence[str] = SPECIALS) -> Vocabulary:
    """The tokenizer of a model's folder, for an embedding table of `size` rows; BadWeights where it does not do."""
    path = folder / "tokenizer.json"
    if not path.exists() and (older := folder / sentencepiece.FILE).exists():
        path, tokenizer = older, sentencepiece.tokenizer(older)
    else:
        tokenizer = _read(path)
    try:
        return vocabulary_of(tokenizer, size, specials)
    except BadWeights as error:
        raise BadWeights(f"{path}: {error.message}", error.hint) from None


def _read(path: Path) -> Tokenizer:
    try:
        return Tokenizer.from_file(str(path))
    except Exception as error:  # noqa: BLE001  (the library raises nothing more exact)
        raise BadWeights(f"{path} is no tokenizer: {error}.") from None


def vocabulary_of(tokenizer: Tokenizer, size: int | None = None, specials: Sequence[str] = SPECIALS) -> Vocabulary:
    """The same for a tokenizer in memory."""
    spec: Json = json.loads(tokenizer.to_str())
    words: dict[str, int] = tokenizer.get_vocab(with_added_tokens=True)
    added = {token["content"] for token in spec["added_tokens"]} | set(specials) | (set(ENDS) & words.keys())
    missing = [token for token in specials if token not in words]
    if missing:
        raise BadWeights(
            f"The tokenizer lacks the special tokens {_listed(missing)}.", "Add them, and train the model."
        )
    ends = [words[end] for end in ENDS if end in words]
    if not ends:
        raise BadWeights(f"The tokenizer has no token that ends a text ({', '.join(ENDS)}).")
    rows = max(words.values()) + 1
    if size is not None and size < rows:
        raise BadWeights(f"The model has {size} rows for a tokenizer of {rows} tokens.")
    special = frozenset(words[token] for token in added if token in words)
    ids = {token: words[token] for token in specials}
    pieces, plain = _pieces(spec, words, special, size or rows), _plain(spec, added)

    def write(text: str) -> Sequence[int]:
        return plain.encode(text, add_special_tokens=False).ids

    first = tokenizer.token_to_id("<s>")
    return Vocabulary(size or rows, ids, tuple(ends), special, pieces, write, first, tokenizer)


def lent(vocabulary: Vocabulary) -> Vocabulary:
    """The words of a model that knows no plans, with ids for a plan's tokens behind its own rows.

    The model is never fed one of these ids: `agent.spelling` says in its own words what they stand for.
    """
    ids = {token: vocabulary.size + place for place, token in enumerate(SPECIALS)}
    pieces = (*vocabulary.pieces, *(token.encode() for token in SPECIALS))
    special = vocabulary.special.union(ids.values())
    return replace(vocabulary, size=len(pieces), ids=ids, special=special, pieces=pieces)


def _listed(tokens: list[str]) -> str:
    return ", ".join(tokens[:4]) + (f" and {len(tokens) - 4} more" if len(tokens) > 4 else "")


def _pieces(spec: Json, words: Mapping[str, int], special: frozenset[int], size: int) -> tuple[bytes, ...]:
    """The bytes of every id; BadWeights for a kind of tokenizer in which a byte cannot be written."""
    piece_of = _byte_fallback if spec["model"].get("byte_fallback") else _byte_level
    pieces = [b""] * size
    for word, number in words.items():
        pieces[number] = word.encode() if number in special else piece_of(word)
    writable = {piece for number, piece in enumerate(pieces) if number not in special}
    if spec["model"]["type"] != "BPE" or not writable.issuperset(bytes([byte]) for byte in range(256)):
        raise BadWeights("The tokenizer is neither byte-level BPE nor BPE with byte fallback.")
    return tuple(pieces)


def _byte_fallback(word: str) -> bytes:
    byte = re.fullmatch("<0x([0-9A-F]{2})>", word)
    return bytes.fromhex(byte[1]) if byte else word.replace("▁", " ").encode()


_SHOWN = [*range(0x21, 0x7F), *range(0xA1, 0xAD), *range(0xAE, 0x100)]
_BYTES = {chr(byte): byte for byte in _SHOWN} | {
    chr(256 + place): byte for place, byte in enumerate(byte for byte in range(256) if byte not in _SHOWN)
}
"""Byte-level BPE writes bytes as letters that can be seen: many of Latin-1 as themselves, the others from U+0100 on."""


def _byte_level(word: str) -> bytes:
    return bytes(_BYTES[letter] for letter in word) if _BYTES.keys() >= set(word) else b""


_SPACELESS: Json = {
    "ByteLevel": {"add_prefix_space": False},
    "Metaspace": {"prepend_scheme": "never"},
    "Prepend": {"prepend": ""},
}
"""How the parts of a tokenizer that put a space before a text are told not to."""


def _plain(spec: Json, added: set[str]) -> Tokenizer:
    """The tokenizer with nothing added, neither tokens nor a space before a text.

    The added tokens also leave the model's own words and merges, so that no way is left to arrive at one of them.
    """
    model = spec["model"]
    pairs = [pair.split(" ") if isinstance(pair, str) else pair for pair in model["merges"]]
    merges = [[a, b] for a, b in pairs if not added & {a, b, a + b}]
    vocab = {word: number for word, number in model["vocab"].items() if word not in added}
    bare: Json = {"added_tokens": [], "padding": None, "truncation": None, "post_processor": None}
    plain = spec | bare | {"model": model | {"unk_token": None, "vocab": vocab, "merges": merges}}
    for node in (*_parts(plain["normalizer"]), *_parts(plain["pre_tokenizer"])):
        node.update(_SPACELESS.get(node["type"], {}))
    return Tokenizer.from_str(json.dumps(plain))


def _parts(node: Json | None) -> Iterator[Json]:
    """The parts of a normaliser or pre-tokenizer, those of a sequence one by one."""
    if node is not None:
        yield node
        for inner in node.get("normalizers") or node.get("pretokenizers") or ():
            yield from _parts(inner)
