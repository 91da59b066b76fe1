"""How a clause speaks of a property: whether it asks for it, complains of it, or wants more or less of it.

"Darker" is asked for; "too dark" and "it looks dark" are complained of; "dark" alone is neither; "contrast" needs
"more" or "less". Only signs are decided here, not amounts.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from agent.planners.rules.clause import Clause
from agent.planners.rules.lexicon import Head
from agent.planners.rules.tables import listed

_LOW = ("little", "low", "weak", "faint", "small", "thin")
_FLAWS = frozenset(listed("said only of flaws"))


@dataclass(frozen=True)
class Mood:
    """`direction`: more or less. `too`, `lacks`: too much, not enough. `states`: "it is …". `asks`: "make it …".

    `wants`: "add", "needs", "I want"; `measured`: an amount is said, which makes a noun wanted. `joined`: several
    things are named side by side.
    """

    direction: int
    too: bool
    lacks: bool
    states: bool
    asks: bool
    wants: bool
    measured: bool
    joined: bool

    @classmethod
    def of(cls, clause: Clause, bare: bool, stated: bool = False) -> Mood:
        """`bare`: only adjectives name what the clause is about; `stated`: with "too". Takes the words that decide."""
        too, lacks = _excess(clause)
        asks = clause.has("make", "should", "add") or clause.says("want", "like", "style", "feel") or _is_look(clause)
        measured = clause.has("degree")
        implied = bare and measured and not asks and not clause.has("thing")
        return cls(
            clause.direction(),
            too,
            lacks,
            states=_says_is(clause) or clause.says(*_FLAWS) or _too_much(clause) or implied or stated,
            asks=asks,
            wants=clause.has("add", "should") or clause.says("want", "like", "give", "need", "get", "have", "use"),
            measured=measured,
            joined=clause.has("conj") or clause.says("with"),
        )

    @property
    def complaint(self) -> bool:
        return self.too or self.lacks or (self.states and not self.asks and not self.direction)

    def sign(self, head: Head) -> int | None:
        """+1: what the head names; −1: the opposite; 0: only a number can tell; None: nothing is asked."""
        if self.too or self.lacks:
            return 1 if self.lacks else -1
        match head.form:
            case "verb" if self.states and not (self.asks or self.wants or self.direction):
                return None
            case "verb":
                return int(self.direction >= 0)
            case "comparative":
                return int(self.direction >= 0 and (self.asks or not self.states))
            case "adjective":
                return self._adjective()
            case _:
                return self.direction or int(self.wants or (self.measured and not self.states))

    def _adjective(self) -> int | None:
        if self.direction or self.asks:
            return self.direction or 1
        return -1 if self.states else None


def _excess(clause: Clause) -> tuple[bool, bool]:
    """(too much, not enough): "too dark", "not so good" / "not bright enough", "too little contrast"."""
    too, enough = bool(clause.take_all("too")), clause.has("enough")
    stated = clause.has("be", "enough") and not clause.says("do", "does", "never", "without")
    negated = stated and bool(clause.take_all("not"))
    clause.take_all("enough")
    little = too and any(f"too {low}" in clause.text for low in _LOW)
    if little:
        clause.items = [
            item for item in clause.items if not (item.kind == "degree" and item.value in {"small", "tiny"})
        ]
    if too:
        said = {"too strong", "too high", "too heavy", "too intense", "too much"}
        strong = any(phrase in clause.text for phrase in said)
        clause.items = [item for item in clause.items if not (strong and item.kind == "degree" and item.value == "big")]
    lacking = bool(clause.take_all("lacking"))
    if lacking:
        return False, True
    if negated:
        return not enough, enough
    return too and not little, little


def _says_is(clause: Clause) -> bool:
    """ "Is" or "are", but not in "whatever is behind her", which only says where."""
    where = {at for item in clause.items if item.kind in {"except", "rest"} for at in range(item.start, item.stop)}
    return clause.has("be") or any(
        word.text in {"is", "are"} for at, word in enumerate(clause.words) if at not in where
    )


def _too_much(clause: Clause) -> bool:
    """ "Too orange", but not "darker, too"."""
    also = "|".join(listed("after too that means also"))
    return re.search(rf"\btoo (?!(?:{also})\b|\d)\w", clause.text) is not None


def _is_look(clause: Clause) -> bool:
    """ "Faded look" asks for it, "it looks faded" does not."""
    return clause.text.removesuffix(" please").endswith(" look")
