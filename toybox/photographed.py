"""Dialogues about photos, of which the world knows nothing: what they show is never said, and nobody is shown it.

    photographed(seed) → items without scenes, head, attachments, message → Written

Everyday darkroom work in many words (`photo_works`, `photo_words`), of the photo or a part of it, in one to three
steps; from a version that is named by its place or by what was done; with an attached photo; questions where something
is missing, talk, and what no tool here can do. Where the rules planner understands such a message, its plan is the true
one, degrees and all (a test holds this). Nothing here is drawn or run.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace

import numpy as np

from agent.grammar import Ref, Written, WrittenStep
from sessions.values import Json
from toybox import photo_words as words
from toybox.dialogues import Dialogue
from toybox.history import Item
from toybox.joint import Spoken
from toybox.photo_wishes import NAMED, PAST, Asked, new, polite, wished, work_of
from toybox.photo_works import WORKS
from toybox.phrases import NTH, Voice

KINDS = {"single": 0.38, "steps": 0.2, "history": 0.27, "ask": 0.07, "chat": 0.08}
LONGEST = 8
"""Results that a session has at most."""
WAYS = ("ordinal", "ordinal", "original", "previous", "latest", "called", "called", "before")
"""How a version is named, as often as it is."""
TOLD_OF = ("original", "called", "called", "called", "before", "before")
"""Those of them that have to be looked up among all versions."""


class Album:
    """A session of photos that grows. `head`: where it stands; `attached`: what comes with the message."""

    def __init__(self, voice: Voice) -> None:
        self.voice, self.head = voice, 0
        self.items: list[Item] = []
        self.attached: list[int] = []
        self.photo()
        teller = Voice(voice.rng, held_out=False)
        for _ in range(0 if voice.chance(0.25) else 1 + voice.number(LONGEST)):
            if voice.chance(0.06):
                self.head = self.photo()
            self.result(teller)
        if voice.chance(0.15):
            self.head = voice.number(len(self.items))

    def photo(self) -> int:
        """A photo of nobody knows what."""
        self.items.append(Item("picture", jitter=self.voice.number(2**31)))
        return len(self.items) - 1

    def send(self) -> int:
        """A photo comes with the message."""
        self.attached.append(self.photo())
        return self.attached[-1]

    def result(self, teller: Voice) -> None:
        """A change of the head, or of a version gone back to, which opens a branch; it becomes the head."""
        base = self.voice.number(len(self.items)) if self.voice.chance(0.15) else self.head
        one = work_of(teller, teller.pick(PAST), "it", teller.chance(0.2))
        made = replace(self.items[self.photo()], made_by=one.said, parent=base, tool=one.tool, event=one.key)
        self.items[-1] = replace(made, darkroom=((one.tool, one.args),), where=one.where)
        self.head = len(self.items) - 1

    @property
    def past(self) -> int:
        """How many items there were before the message."""
        return len(self.items) - len(self.attached)

    def root(self) -> int:
        """The photo that the head was made from."""
        at = self.head
        while (parent := self.items[at].parent) is not None:
            at = parent
        return at


Composed = Callable[[Album], Spoken | None]


def photographed(seed: int, held_out: bool = False) -> Dialogue:
    """The dialogue of this number; those held out say something that the others never say."""
    return _drawn(31, seed, held_out, KINDS, COMPOSED)


def referring(seed: int, held_out: bool = False) -> Dialogue:
    """A dialogue in which a version is told of, by what was done, or before what, numbered apart from all others."""
    told: dict[str, Composed] = {"history": lambda album: history(album, TOLD_OF), "ask": ask}
    return _drawn(41, seed, held_out, {"history": 0.9, "ask": 0.1}, told)


def _drawn(
    stream: int, seed: int, held_out: bool, kinds: Mapping[str, float], said: Mapping[str, Composed]
) -> Dialogue:
    rng = np.random.default_rng((stream, seed, held_out))
    while True:
        kind = str(rng.choice(list(kinds), p=list(kinds.values())))
        voice = Voice(rng, held_out)
        album = Album(voice)
        spoken = said[kind](album)
        if spoken is not None and bool(voice.unseen) == held_out:
            return Dialogue(
                items=tuple(album.items),
                head=album.head,
                attachments=tuple(album.attached),
                message=_dressed(voice, spoken.message),
                written=spoken.written,
                kind=kind,
                results=(None,) * len(spoken.written.steps),
                reference=spoken.by,
            )


def _dressed(voice: Voice, said: str) -> str:
    """As people type it: perhaps with a capital letter and a full stop."""
    said = said[:1].upper() + said[1:] if voice.chance(0.4) else said
    return f"{said}." if voice.chance(0.2) and said[-1].isalnum() else said


def chained(asked: Sequence[Asked], base: int) -> Written:
    """The plan of wishes one after the other; neighbouring adjustments of one place are one step."""
    steps: list[WrittenStep] = []
    for one in asked:
        last = steps[-1] if steps else None
        if last is not None and one.tool == last.tool == "adjust" and one.where == last.where:
            steps[-1] = replace(last, args=_ordered(last.args | one.args))
        else:
            ref: Ref = "prev" if steps else base
            steps.append(WrittenStep(one.tool, ref, (), one.where, one.args))
    return Written(steps=tuple(steps))


def _ordered(args: Json) -> Json:
    """Sliders as the tool has them."""
    from tools.registry import get

    return {name: args[name] for name in get("adjust").args.model_fields if name in args}


def _clash(one: Asked, other: Asked) -> bool:
    """Whether two wishes are of one kind, of which one message has one."""
    same = one.tool == other.tool and (one.tool != "adjust" or one.args.keys() == other.args.keys())
    return same or {one.tool, other.tool} <= {"rotate", "flip", "straighten", "crop", "resize"}


def _spills(one: Asked, other: Asked) -> bool:
    """Whether a wish for the whole photo, behind one for a part of it, could be of that part too."""
    return one.where is not None and other.where is None and one.tool == other.tool == "adjust"


def _several(voice: Voice, count: int) -> list[Asked]:
    """Orders that do not clash."""
    found: list[Asked] = []
    while len(found) < count:
        one = wished(voice, "the photo" if any(other.where for other in found) else "it")
        if not one.mark and not any(_clash(one, other) or _spills(other, one) for other in found):
            found.append(one)
    return found


def _joined(voice: Voice, asked: Sequence[Asked]) -> str:
    said = [one.said for one in asked]
    if len(said) == 2:
        return new(voice, words.TWO, words.UNSEEN_TWO).format(*said)
    return new(voice, words.THREE, words.UNSEEN_THREE).format(*said)


def single(album: Album) -> Spoken | None:
    """One change, of the head or of what is attached; or with what is attached."""
    voice, r = album.voice, album.voice.rng.random()
    if r < 0.12:
        return _with(album, album.send(), voice.pick(words.SENT), "attached")
    if r < 0.2:
        base = album.send()
        one = work_of(voice, voice.pick(NAMED), voice.pick(words.SENT), plain=True)
        return Spoken(polite(voice, one.said), chained([one], base), by="attached")
    one = wished(voice, voice.pick(words.IT))
    return Spoken(polite(voice, one.said, one.mark), chained([one], album.head))


def steps(album: Album) -> Spoken | None:
    """Two or three changes of the head."""
    asked = _several(album.voice, 3 if album.voice.chance(0.35) else 2)
    said = _joined(album.voice, asked)
    return Spoken(said if said.startswith("first") else _opened(album.voice, said), chained(asked, album.head))


def _opened(voice: Voice, said: str) -> str:
    return voice.pick(("{said}", "{said}", "please {said}", "can you {said}", "now {said}")).format(said=said)


def history(album: Album, ways: tuple[str, ...] = WAYS) -> Spoken | None:
    """A change of a version that is named, or with it."""
    voice = album.voice
    found = list(names(album, voice.pick(ways)))
    others = [one for one in found if one[0] != album.head or one[1] == "latest"]
    if not others:
        return None
    index, by, ref = others[voice.number(len(others))]
    if voice.chance(0.12) and by != "before":
        return None if index == album.head else _with(album, index, ref, by)
    if voice.chance(0.35) and by != "before":
        one = work_of(voice, voice.pick(NAMED), ref, plain=True)
        return Spoken(polite(voice, one.said), chained([one], index), by=by)
    asked = _several(voice, 2 if voice.chance(0.2) else 1)
    said = _joined(voice, asked) if len(asked) > 1 else asked[0].said
    said = new(voice, words.OF, words.UNSEEN_OF).format(ref=ref, said=said)
    return Spoken(said, chained(asked, index), by=by)


def names(album: Album, way: str) -> Iterator[tuple[int, str, str]]:
    """All that can be called in one way: which, the way, and in which words."""
    voice, items, past = album.voice, album.items, album.past
    say = new(voice, words.CALLED.get(way, ("",)), words.UNSEEN_CALLED.get(way, ()))
    if way == "ordinal" and "version" in say and sum(item.parent is None for item in items[:past]) > 1:
        return  # which version that is depends on the photo
    if way == "ordinal":
        yield from ((i, way, say.format(n=i + 1, nth=NTH[i])) for i in range(min(past, len(NTH))))
    elif way == "original":
        yield album.root(), way, say
    elif way == "previous" and (parent := items[album.head].parent) is not None:
        yield parent, way, say
    elif way == "latest" and album.head == past - 1:
        yield album.head, way, say
    elif way in ("called", "before"):
        yield from _by_event(album, way, say)


def _by_event(album: Album, way: str, say: str) -> Iterator[tuple[int, str, str]]:
    """Versions called by what was done once in the session, or by what came right after them."""
    events = [item.event for item in album.items]
    for i, item in enumerate(album.items):
        work = WORKS.get(item.event)
        if work is None or item.parent is None or events.count(item.event) > 1 or item.where is not None:
            continue
        if way == "called" and work.called:
            yield i, "where", album.voice.pick(work.called)
        if way == "before" and work.since:
            yield item.parent, "before", say.format(since=album.voice.pick(work.since))


def _with(album: Album, other: int, ref: str, by: str) -> Spoken:
    """A change of the head for which another photo is needed."""
    voice, args, r = album.voice, {}, album.voice.rng.random()
    if r < 0.4:
        tool, said = "match_colors", voice.pick(words.MATCHED).format(ref=ref)
    elif r < 0.75:
        thing = voice.pick(words.SUBJECTS)
        tool, said, args = "insert_subject", voice.pick(words.INSERTED).format(thing=thing, ref=ref), {"subject": thing}
        if voice.chance(0.4):
            at = voice.pick(words.WITHIN)
            said, args = f"{said} {at}", args | {"at": at}
    else:
        tool, said = "replace_background", voice.pick(words.BEHIND).format(ref=ref)
    made = WrittenStep(tool, album.head, (other,), None, args)
    return Spoken(polite(voice, said), Written(steps=(made,)), by=by)


def ask(album: Album) -> Spoken | None:
    """What lacks something, or a version whose name fits several."""
    voice = album.voice
    if voice.chance(0.5):
        question = voice.pick([*words.UNCLEAR])
        return Spoken(polite(voice, voice.pick(words.UNCLEAR[question])), Written(ask=question))
    events = [item.event for item in album.items]
    parts = {item.event for item in album.items if item.where is not None}
    twice = [name for name, work in WORKS.items() if work.called and 2 <= events.count(name) <= 4 and name not in parts]
    if not twice:
        return None
    event = voice.pick(twice)
    fitting = tuple(i for i, one in enumerate(events) if one == event)
    asked = _several(voice, 1)
    said = new(voice, words.OF, words.UNSEEN_OF).format(ref=voice.pick(WORKS[event].called), said=asked[0].said)
    return Spoken(said, Written(ask=words.WHICH, candidates=fitting), by="where")


def chat(album: Album) -> Spoken | None:
    """Talk, and what nobody here can do."""
    voice = album.voice
    if voice.chance(0.65):
        gaps = {"who": words.WHO, "new": words.NEW, "weather": words.WEATHER, "art": words.ART}
        said = voice.pick(words.CANNOT).format(**{name: voice.pick(some) for name, some in gaps.items()})
        return Spoken(polite(voice, said), Written(chat=words.NO_TOOL))
    reply = voice.pick([*words.TALK])
    return Spoken(voice.pick(words.TALK[reply]), Written(chat=reply))


COMPOSED: dict[str, Composed] = {
    "single": single,
    "steps": steps,
    "history": history,
    "ask": ask,
    "chat": chat,
}
