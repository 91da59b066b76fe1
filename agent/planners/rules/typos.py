"""Mends typing errors: a word nobody knows becomes the one known word that lies within a slip or two of it.

Never from one English word to another. Words of the session (branches, files) are known too.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from functools import cache

from agent.plan import Context
from agent.planners.rules.english import could_be_english, is_english
from agent.planners.rules.lexicon import Entry, lexicon
from agent.planners.rules.numbers import CARDINALS, ORDINALS
from agent.planners.rules.tables import listed
from agent.planners.rules.words import Word, expansions, renamed

SHORTEST = 4
"""Shorter words have too many neighbours; their usual slips are listed in `spelling`."""
LONG = 8
"""From this length on two slips may be mended."""

OTHERS = frozenset(listed("known besides the lexicon"))
"""Known words that are in no table of the lexicon."""


@cache
def vocabulary() -> frozenset[str]:
    """All words that a slip may be mended to."""
    return lexicon().words | OTHERS | CARDINALS.keys() | ORDINALS.keys()


def corrected(words: Sequence[Word], context: Context) -> list[Word]:
    """The words with slips mended."""
    own = _own_words(context)
    out: list[Word] = []
    for word in words:
        if word.kind != "word" or word.text in own:
            out.append(word)
        else:
            out += [replace(word, text=piece) for piece in mended(word.text).split()]
    return _contracted(_its(_spelled_out(out)))


def _spelled_out(words: Sequence[Word]) -> list[Word]:
    """ "4 my nan", "2 the left": figures that stand for words."""
    out: list[Word] = []
    for word, following in zip(words, [*words[1:], None], strict=True):
        stands = word.kind == "number" and following is not None and following.text in _AFTER_FOR
        out += renamed(word, _FIGURES[word.text]) if stands and word.text in _FIGURES else [word]
    return out


_FIGURES = {"4": "for", "2": "to"}
_AFTER_FOR = {"my", "me", "the", "our", "his", "her", "a", "u", "you", "your", "insta", "instagram", "us", "facebook"}


def _describes(entry: Entry) -> bool:
    return entry.kind in {"degree", "too"} or (entry.kind == "head" and entry.value.form != "noun")


def _contracted(words: Sequence[Word]) -> list[Word]:
    """ "The horizon's crooked", "his face's too dark" → is."""
    out: list[Word] = []
    for word, following, after in zip(words, [*words[1:], None], [*words[2:], None, None], strict=False):
        entry = lexicon().single(following.text) if word.text.endswith("'s") and following is not None else None
        if (
            word.text.endswith("'s")
            and following is not None
            and following.text in _AFTER_IS - {"my", "our", "the", "way"}
        ):
            out += [replace(word, text=word.text.removesuffix("'s")), replace(word, text="is", kind="word")]
            continue
        said = entry is not None and entry.kind in {"too", "degree", "head"}
        ends = entry is not None and (
            entry.kind in {"too", "degree"}
            or after is None
            or after.kind == "mark"
            or after.text in {"and", "but", "so"}
        )
        named = entry is not None and entry.kind == "head" and entry.value.form not in {"adjective", "flaw"}
        if said and ends and not named:
            out += [replace(word, text=word.text.removesuffix("'s")), replace(word, text="is", kind="word")]
        else:
            out.append(word)
    return out


def _its(words: Sequence[Word]) -> list[Word]:
    """ "its too dark", "its for my mom" → it is."""
    out: list[Word] = []
    for word, following in zip(words, [*words[1:], None], strict=True):
        entry = lexicon().single(following.text) if word.text == "its" and following is not None else None
        last = following is not None and following is words[-1] and entry is not None and entry.kind == "adjective"
        stated = following is not None and (following.text in _AFTER_IS or (entry is not None and _describes(entry)))
        stated |= last
        out += renamed(word, "it is") if word.text == "its" and stated else [word]
    return out


_AFTER_IS = {
    "a",
    "too",
    "so",
    "for",
    "very",
    "not",
    "just",
    "way",
    "kind",
    "quite",
    "really",
    "pretty",
    "all",
    "getting",
    "been",
    "supposed",
    "going",
    "an",
    "my",
    "the",
    "our",
}


def _own_words(context: Context) -> set[str]:
    names = [*context.branches, *(revision.name.rpartition(".")[0] for revision in context.revisions)]
    return {piece for name in names for piece in name.lower().replace("-", " ").replace("_", " ").split()}


@cache
def mended(text: str) -> str:
    """The known word that was meant, or the word as it is."""
    stem = text.removesuffix("'s")
    if stem in vocabulary() or is_english(stem) or len(stem) < SHORTEST or not stem.isascii():
        return _undoubled(text)
    if _undoubled(text) != text:
        return _undoubled(text)
    reach = 2 if len(stem) >= LONG and not could_be_english(stem) else 1
    near = [(distance(stem, known, reach), known) for known in vocabulary() if abs(len(known) - len(stem)) <= reach]
    ranked = sorted((d, *_slip(stem, known), known) for d, known in near if d <= reach and _alike(stem, known, d))
    if not ranked or (
        len(ranked) > 1 and ranked[0][:4] == ranked[1][:4] and _stem(ranked[0][4]) != _stem(ranked[1][4])
    ):
        return _undoubled(text)
    return ranked[0][4] + text[len(stem) :]


def _slip(typed: str, known: str) -> tuple[bool, bool, int]:
    """How unlikely a slip is, best first: letters that changed places; the last one right; one left out, wrong, or
    too many."""
    swapped = sorted(typed) == sorted(known)
    return not swapped, known[-1] != typed[-1], len(typed) - len(known)


def _undoubled(text: str) -> str:
    """ "soo", "pleaase": a letter held too long."""
    if text in vocabulary() or is_english(text):
        return text
    single = "".join(letter for i, letter in enumerate(text) if i == 0 or letter != text[i - 1])
    return expansions().get(single, single) if single in vocabulary() or single in expansions() else text


def _alike(typed: str, known: str, slips: int) -> bool:
    """The first letter is rarely wrong, unless it changed places with the second; two slips leave the second right
    too."""
    first = typed[0] == known[0] if slips < 2 else typed[:2] == known[:2]
    return len(known) >= SHORTEST and (first or typed[:2] == known[1::-1])


def _stem(word: str) -> str:
    return word.rstrip("s")


def distance(a: str, b: str, most: int) -> int:
    """Damerau and Levenshtein's distance in its restricted form (optimal string alignment), or `most` + 1."""
    rows = [list(range(len(b) + 1))]
    for i, x in enumerate(a, start=1):
        row = [i]
        for j, y in enumerate(b, start=1):
            best = min(rows[-1][j] + 1, row[j - 1] + 1, rows[-1][j - 1] + (x != y))
            if i > 1 and j > 1 and x == b[j - 2] and y == a[i - 2]:
                best = min(best, rows[-2][j - 2] + 1)
            row.append(best)
        if min(row) > most:
            return most + 1
        rows.append(row)
    return rows[-1][-1]
