"""What is wished of a photo: the words, and the tool with its arguments that they mean, degrees as the rules have them.

Of which photo, and in which order, is `photographed`'s to say.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from agent.planners.rules.amounts import SCALES
from sessions.values import Json
from toybox import photo_words as words
from toybox.photo_works import WORKS, Work
from toybox.phrases import Voice

PAST = [name for name, work in WORKS.items() if not work.seldom]
OFTEN = [*PAST, *PAST, *PAST, *WORKS]
"""What is wished, as often as it is: numbers of degrees and pixels are many, and seldom."""


@dataclass(frozen=True)
class Asked:
    """A wish in words. `mark`: of its phrase, as `photo_works` has them. `key`: what it is, for names and clashes."""

    said: str
    mark: str
    tool: str
    args: Json
    where: str | None
    key: str


def new(voice: Voice, usual: Sequence[str], unseen: Sequence[str]) -> str:
    """One of these phrases, or of those that training never shows."""
    return voice.pick(list(unseen if unseen and voice.new() else usual))


def polite(voice: Voice, said: str, mark: str = "") -> str:
    """The same as people ask for it, by the mark of its phrase."""
    manner = new(voice, words.MANNERS[mark], words.UNSEEN_MANNERS if not mark and voice.chance(0.2) else ())
    return manner.format(said=said)


def work_of(voice: Voice, name: str, it: str, part: bool = False, plain: bool = False) -> Asked:
    """A piece of work in words: of `it`, or of a part. `plain`: as an order that names it."""
    work = WORKS[name]
    part = part and bool(work.of)
    options = work.of if part else (*work.of, *work.whole)
    if work.unseen and not part and voice.new():
        options = work.unseen
    where = None
    if part:
        it = voice.pick([*words.PARTS])
        where = words.PARTS[it]
    if plain or part:
        options = _orders(options) or _orders((*work.of, *work.whole))
    phrase = voice.pick(options)
    degree = voice.pick(words.DEGREES) if "{m" in phrase and " i " not in it else ""
    said = phrase.lstrip("~+").format(it=it, much=voice.pick(words.MUCH[degree]), more=voice.pick(words.MORE[degree]))
    mark = phrase[0] if phrase[0] in "~+" else ""
    return Asked(said, mark, work.tool, _args(work, degree), where, name)


def _orders(phrases: Sequence[str]) -> tuple[str, ...]:
    """Those that are orders and name what they are about."""
    return tuple(one for one in phrases if "{it}" in one and one[0] not in "~+")


NAMED = [name for name in OFTEN if name != "desaturated" and _orders((*WORKS[name].of, *WORKS[name].whole))]
"""What is wished of a photo that is named."""


def _args(work: Work, degree: str) -> Json:
    return {work.slider: round(work.sign * SCALES[work.tool][degree], 3)} if degree else work.args


def lettered(voice: Voice, it: str) -> Asked:
    """Words on the photo, perhaps at a place."""
    text = voice.pick(words.TEXTS)
    said = new(
        voice,
        (
            f'write "{text}" on {it}',
            f'add the text "{text}"',
            f'put "{text}" on {it}',
            f'put the words "{text}" on {it}',
        ),
        (f'print "{text}" on {it}',),
    )
    args: Json = {"text": text}
    if voice.chance(0.5):
        at = voice.pick(words.AT)
        said, args = f"{said} {'in' if ' ' in at else 'at'} the {at}", args | {"at": at}
    return Asked(said, "", "text", args, None, "text")


def bordered(voice: Voice, it: str) -> Asked:
    """A border of a colour, perhaps thin or thick."""
    colour, size = voice.pick([*words.COLOURS]), voice.pick(("", "", "thin ", "thick "))
    args: Json = {"width": SCALES["border"]["small" if size == "thin " else "big"]} if size else {}
    said = new(
        voice,
        (
            f"add a {size}{colour} border",
            f"put a {size}{colour} border around {it}",
            f"give {it} a {size}{colour} frame",
        ),
        (f"surround {it} with a {size}{colour} border",),
    )
    return Asked(said, "", "border", args | {"color": words.COLOURS[colour]}, None, "border")


def removed(voice: Voice, it: str) -> Asked:
    """A thing away."""
    thing = voice.pick([*words.REMOVED])
    said = new(
        voice,
        (f"remove {thing}", f"get rid of {thing}", f"erase {thing}", f"delete {thing}", f"take out {thing}"),
        (f"make {thing} disappear",),
    )
    return Asked(said, "", "remove", {}, words.REMOVED[thing], f"remove {thing}")


def grounded(voice: Voice, it: str) -> Asked:
    """A background of one colour."""
    colour = voice.pick([*words.COLOURS])
    said = new(
        voice,
        (f"make the background {colour}", f"replace the background with {colour}", f"turn the background {colour}"),
        (f"swap the background for {colour}",),
    )
    return Asked(said, "", "replace_background", {"color": words.COLOURS[colour]}, None, "background")


OTHERS = (lettered, bordered, removed, grounded)


def wished(voice: Voice, it: str, plain: bool = False) -> Asked:
    """Any wish."""
    if voice.chance(0.22) and not plain:
        return OTHERS[voice.number(len(OTHERS))](voice, it)
    return work_of(voice, voice.pick(OFTEN), it, voice.chance(0.3) and not plain, plain)
