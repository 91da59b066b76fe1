"""The words inside a GGUF file, as llama.cpp itself reads and writes them; for files without a tokenizer beside them.

BPE over bytes and BPE with byte fallback, as `agent.tokens` reads of other files. Special tokens are never looked for
in a text; those that a tokenizer finds all the same are written again byte by byte.
"""

from __future__ import annotations

import ctypes
from collections.abc import Iterator

from agent import chat_template
from agent.chat_template import Frame
from agent.llm.llama_cpp import LlamaCpp, library
from agent.tokens import Vocabulary
from sessions.errors import BadWeights

APART = "\x01"
"""What stands before a text so that llama.cpp's blank goes before it; no word of any model holds it."""
LONGEST_PIECE = 256
"""Bytes of a token that are made room for at first."""


def vocabulary(llm: LlamaCpp) -> Vocabulary:
    """Its vocabulary; BadWeights, in a sentence, for a kind in which a byte cannot be written."""
    words = library().llama_model_get_vocab(llm.model)
    if library().llama_vocab_type(words) not in (library().LLAMA_VOCAB_TYPE_SPM, library().LLAMA_VOCAB_TYPE_BPE):
        raise BadWeights(f"The tokenizer of {llm.name} is none of BPE's two kinds, and no grammar can be held to it.")
    return _Words(llm).vocabulary()


def frame(llm: LlamaCpp) -> Frame:
    """What its own chat template writes around a message; Vicuna's where it brings none."""
    said = library().llama_model_chat_template(llm.model, None)
    if not said:
        return chat_template.VICUNA
    words = library().llama_model_get_vocab(llm.model)
    ends = {"bos_token": library().llama_vocab_bos(words), "eos_token": library().llama_vocab_eos(words)}
    tokens = {name: _text(words, token) if token >= 0 else "" for name, token in ends.items()}
    return chat_template.frame(said.decode("utf-8", "replace"), tokens)


class _Words:
    """llama.cpp's tokenizer of one model, which stays loaded as long as its words are read."""

    def __init__(self, llm: LlamaCpp) -> None:
        lib, size = library(), llm.vocabulary
        words = lib.llama_model_get_vocab(llm.model)
        aside = lib.LLAMA_TOKEN_ATTR_UNKNOWN | lib.LLAMA_TOKEN_ATTR_UNUSED
        aside |= lib.LLAMA_TOKEN_ATTR_CONTROL | lib.LLAMA_TOKEN_ATTR_USER_DEFINED
        self._llm, self._words = llm, words
        self._ends = _ends(words, size)
        self._special = frozenset(token for token in range(size) if lib.llama_vocab_get_attr(words, token) & aside) | {
            *self._ends
        }
        self._pieces = tuple(
            _text(words, token).encode() if token in self._special else _piece(words, token) for token in range(size)
        )
        self._bytes = {piece: token for token, piece in enumerate(self._pieces) if token not in self._special}
        self._before = self._tokenized(APART) if self._pieces[self._tokenized("a")[0]].startswith(b" ") else []

    def vocabulary(self) -> Vocabulary:
        if not self._bytes.keys() >= {bytes([byte]) for byte in range(256)}:
            raise BadWeights(
                f"The tokenizer of {self._llm.name} cannot write every byte, so no grammar can be held to it."
            )
        lib = library()
        first = lib.llama_vocab_bos(self._words) if lib.llama_vocab_get_add_bos(self._words) else None
        return Vocabulary(self._llm.vocabulary, {}, self._ends, self._special, self._pieces, self._write, first)

    def _write(self, text: str) -> list[int]:
        """The ids of a text, none of them special, and no blank put before it."""
        ids = self._tokenized(text)
        if self._before and (behind := self._tokenized(f"{APART}{text}"))[: len(self._before)] == self._before:
            ids = behind[len(self._before) :]
        return [one for token in ids for one in (self._bytewise(token) if token in self._special else (token,))]

    def _bytewise(self, token: int) -> Iterator[int]:
        return (self._bytes[bytes([byte])] for byte in self._pieces[token])

    def _tokenized(self, text: str) -> list[int]:
        """As llama.cpp does it, which may put a blank before a text."""
        said = text.encode()
        ids = (ctypes.c_int32 * (len(said) + 2))()
        count = library().llama_tokenize(self._words, said, len(said), ids, len(ids), False, False)
        return list(ids[:count])


def _ends(words: object, size: int) -> tuple[int, ...]:
    """What ends a text, and what else ends a turn; BadWeights where nothing does."""
    eos = library().llama_vocab_eos(words)
    others = [token for token in range(size) if token != eos and library().llama_vocab_is_eog(words, token)]
    found = (*([eos] if eos >= 0 else []), *others)
    if not found:
        raise BadWeights("The tokenizer has no token that ends a text.")
    return found


def _text(words: object, token: int) -> str:
    """A special token as it is written."""
    said: bytes = library().llama_vocab_get_text(words, token) or b""
    return said.decode("utf-8", "replace")


def _piece(words: object, token: int) -> bytes:
    """The bytes that a token stands for."""
    room = LONGEST_PIECE
    while True:
        found = ctypes.create_string_buffer(room)
        count = library().llama_token_to_piece(words, token, found, room, 0, False)
        if count >= 0:
            return found.raw[:count]
        room = -count
