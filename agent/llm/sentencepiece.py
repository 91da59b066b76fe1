"""SentencePiece's `tokenizer.model`, in which Llama and Vicuna were published, as the tokenizer that it stands for.

Reads the pieces, their scores and kinds out of the file (a protocol buffer: sentencepiece_model.proto), and no more of
it: BPE without a table of characters that are folded. Unigram models are refused.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from pathlib import Path

from tokenizers import AddedToken, Tokenizer, decoders, models, normalizers

from sessions.errors import BadWeights

FILE = "tokenizer.model"
PIECES, TRAINER, NORMALIZER = 1, 2, 3
"""Fields of the whole file."""
NORMAL, UNKNOWN, CONTROL, USER_DEFINED = 1, 2, 3, 4
"""Kinds of pieces; those from the third on are added to the model's own words."""
UNIGRAM, BPE = 1, 2
WIDTHS = {1: 8, 5: 4}
"""Bytes of the numbers of fixed width, by how a protocol buffer writes them."""
Field = tuple[int, int | bytes]


def tokenizer(path: Path) -> Tokenizer:
    """The tokenizer of such a file; BadWeights for a damaged file, or another kind of model than BPE."""
    try:
        fields = list(_fields(path.read_bytes()))
        pieces = [_piece(value) for number, value in fields if number == PIECES and isinstance(value, bytes)]
        kind, folds = _said(fields, TRAINER).get(3, UNIGRAM), _said(fields, NORMALIZER).get(2, b"")
    except (OSError, ValueError, IndexError, struct.error) as error:
        raise BadWeights(f"{path} is no SentencePiece model: {error}.") from None
    if kind != BPE or folds or not pieces:
        raise BadWeights(f"{path} is no BPE of plain text, and no other kind is read.", "Add its tokenizer.json.")
    return _built(pieces)


def _said(fields: list[Field], number: int) -> dict[int, int | bytes]:
    """The fields of the message in a field; empty where it is not there."""
    return {
        name: value for at, said in fields if at == number and isinstance(said, bytes) for name, value in _fields(said)
    }


def _piece(said: bytes) -> tuple[str, float, int]:
    """A piece, its score and its kind."""
    found: dict[int, int | bytes] = dict(_fields(said))
    text, score, kind = found.get(1, b""), found.get(2, bytes(4)), found.get(3, NORMAL)
    if not isinstance(text, bytes) or not isinstance(score, bytes) or not isinstance(kind, int):
        raise ValueError("a piece is no piece")
    return text.decode(), *struct.unpack("<f", score), kind


def _fields(data: bytes) -> Iterator[Field]:
    """The fields of a message in order: number, and value; numbers of fixed width as their bytes."""
    at = 0
    while at < len(data):
        tag, at = _varint(data, at)
        number, kind = tag >> 3, tag & 7
        if kind == 0:
            value, at = _varint(data, at)
            yield number, value
            continue
        length, at = _varint(data, at) if kind == 2 else (WIDTHS.get(kind, -1), at)
        if not 0 <= length <= len(data) - at:
            raise ValueError("it breaks off")
        yield number, data[at : at + length]
        at += length


def _varint(data: bytes, at: int) -> tuple[int, int]:
    """A number of seven bits a byte, and where it ends."""
    number, shift = 0, 0
    while True:
        byte = data[at]
        number, shift, at = number | (byte & 127) << shift, shift + 7, at + 1
        if byte < 128:
            return number, at


def _built(pieces: list[tuple[str, float, int]]) -> Tokenizer:
    """BPE in which the pair goes first whose whole scores highest, with a byte for each letter that is no piece."""
    words = {text: number for number, (text, _, _) in enumerate(pieces)}
    merges = [
        (score, number, text[:cut], text[cut:])
        for number, (text, score, kind) in enumerate(pieces)
        for cut in range(1, len(text))
        if kind == NORMAL and text[:cut] in words and text[cut:] in words
    ]
    merges.sort(key=lambda merge: (-merge[0], merge[1], words[merge[2]], words[merge[3]]))
    unknown = next((text for text, _, kind in pieces if kind == UNKNOWN), None)
    pairs = [(left, right) for _, _, left, right in merges]
    made = Tokenizer(models.BPE(words, pairs, unk_token=unknown, fuse_unk=True, byte_fallback=True))
    made.normalizer = normalizers.Sequence([normalizers.Prepend("▁"), normalizers.Replace(" ", "▁")])
    parts = [decoders.Replace("▁", " "), decoders.ByteFallback(), decoders.Fuse(), decoders.Strip(" ", 1, 0)]
    made.decoder = decoders.Sequence(parts)
    made.add_special_tokens(
        [AddedToken(text, normalized=False) for text, _, kind in pieces if kind in (UNKNOWN, CONTROL, USER_DEFINED)]
    )
    return made
