"""Vocabularies: what they are made of, what they refuse, and that texts stay texts."""

from __future__ import annotations

import json
import unicodedata
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tokenizers import AddedToken, Tokenizer, models, normalizers, pre_tokenizers, trainers

from agent.tokens import SLOTS, SPECIALS, STEP, vocabulary, vocabulary_of
from sessions.errors import BadWeights
from tests.agent import vocabularies
from tests.agent.vocabularies import KINDS

both = pytest.mark.parametrize("kind", KINDS)


def shown(text: str, kind: str) -> str:
    """What becomes of a text: half a surrogate pair cannot be written, and Vicuna's ▁ is a space."""
    whole = text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")
    return whole.replace("▁", " ") if kind == "byte fallback" else whole


class TestText:
    @both
    @settings(max_examples=200, deadline=None)
    @given(text=st.text(st.characters(exclude_categories=())))
    def test_comes_back_as_it_was_and_makes_no_special_token(self, kind: str, text: str) -> None:
        words = vocabularies.vocabulary(kind)
        ids = words.encode(text)
        assert words.decode(ids) == shown(text, kind)
        assert not words.special.intersection(ids)

    @both
    @pytest.mark.parametrize("token", [*SPECIALS, "</s>", "<s>", "<unk>", "<0x0A>"])
    def test_the_name_of_a_special_token_is_text(self, kind: str, token: str) -> None:
        words = vocabularies.vocabulary(kind)
        for text in (token, f" {token} ", token * 3, f"x{token}y"):
            ids = words.encode(text)
            assert not words.special.intersection(ids)
            assert words.decode(ids) == text

    def test_vicuna_s_leading_space_is_said_by_the_caller(self) -> None:
        words = vocabularies.vocabulary("byte fallback")
        theirs = words.tokenizer.encode("make the sky warmer", add_special_tokens=False).ids
        assert words.encode(" make the sky warmer") == theirs

    @both
    def test_pieces_joined_are_the_text_s_bytes(self, kind: str) -> None:
        words = vocabularies.vocabulary(kind)
        text = 'the "sky" – über 日本 😀\n'
        assert b"".join(words.pieces[token] for token in words.encode(text)) == text.encode()

    def test_a_normaliser_that_spells_a_token_makes_none(self) -> None:
        """Wide letters are folded into <step> before added tokens are looked for."""
        tokenizer = vocabularies.byte_level(900)
        tokenizer.normalizer = normalizers.NFKC()
        wide = unicodedata.normalize("NFKC", "＜step＞")
        assert wide == STEP
        words = vocabulary_of(tokenizer)
        assert not words.special.intersection(words.encode("＜step＞"))

    @pytest.mark.parametrize("whole", [False, True])
    def test_nor_does_a_merge(self, whole: bool) -> None:
        """A BPE trained on texts in which the tokens stand learns to join their letters, or takes them whole."""
        tokenizer = Tokenizer(models.BPE())
        tokenizer.pre_tokenizer = pre_tokenizers.Split(" ", "removed")
        alphabet = pre_tokenizers.ByteLevel.alphabet()
        trainer = trainers.BpeTrainer(
            vocab_size=400, special_tokens=["</s>"], initial_alphabet=alphabet, show_progress=False
        )
        tokenizer.train_from_iterator([STEP] * 50, trainer)
        assert STEP in tokenizer.get_vocab()
        tokenizer.model.ignore_merges = whole
        tokenizer.add_special_tokens(vocabularies.added())
        words = vocabulary_of(tokenizer)
        assert not words.special.intersection(words.encode(STEP))
        assert words.decode(words.encode(STEP)) == STEP

    def test_nor_does_an_added_token_that_is_not_called_special(self) -> None:
        tokenizer = vocabularies.byte_level(900)
        tokenizer.add_tokens([AddedToken("[IMG0]", normalized=True)])
        words = vocabulary_of(tokenizer)
        assert words.tokenizer.token_to_id("[IMG0]") in words.special
        assert not words.special.intersection(words.encode("an [IMG0] here"))


class TestMaking:
    @both
    def test_reads_a_folder(self, kind: str, tmp_path: Path) -> None:
        known = vocabularies.vocabulary(kind)
        known.tokenizer.save(str(tmp_path / "tokenizer.json"))
        words = vocabulary(tmp_path, 1024)
        assert (words.size, words.ids, words.eos) == (1024, known.ids, known.eos)
        assert words.pieces[-24:] == (b"",) * 24
        assert [words.decode([words.slot(number)]) for number in (0, SLOTS - 1)] == ["<r_0>", "<r_63>"]
        assert len(set(words.ids.values())) == len(SPECIALS)

    def test_names_the_tokens_that_are_missing(self, tmp_path: Path) -> None:
        tokenizer = vocabularies.byte_level(900)
        spec = json.loads(tokenizer.to_str())
        spec["added_tokens"] = [token for token in spec["added_tokens"] if token["content"] not in ("<gen>", "<r_7>")]
        (tmp_path / "tokenizer.json").write_text(json.dumps(spec))
        with pytest.raises(BadWeights, match=r"<gen>, <r_7>"):
            vocabulary(tmp_path)

    def test_refuses_a_table_that_is_too_small(self) -> None:
        with pytest.raises(BadWeights, match="500 rows"):
            vocabulary_of(vocabularies.byte_level(900), 500)

    def test_refuses_a_tokenizer_without_an_end(self) -> None:
        spec = json.loads(vocabularies.byte_level(900).to_str().replace("</s>", "<nothing>"))
        with pytest.raises(BadWeights, match="ends a text"):
            vocabulary_of(Tokenizer.from_str(json.dumps(spec)))

    def test_refuses_words_that_cannot_write_every_text(self) -> None:
        tokenizer = Tokenizer(models.WordLevel({"</s>": 0, "sky": 1, "<unk>": 2}, unk_token="<unk>"))
        tokenizer.add_special_tokens(vocabularies.added())
        with pytest.raises(BadWeights, match="neither byte-level"):
            vocabulary_of(tokenizer)

    @pytest.mark.parametrize("content", ["", "{", "[]", "{}", '{"model": 3}', '"x"'])
    def test_refuses_what_is_no_tokenizer(self, content: str, tmp_path: Path) -> None:
        with pytest.raises(BadWeights, match=r"tokenizer\.json"):
            vocabulary(tmp_path)
        (tmp_path / "tokenizer.json").write_text(content)
        with pytest.raises(BadWeights, match=r"tokenizer\.json"):
            vocabulary(tmp_path)
