"""Dialogues over the world with their exact plans: a session so far, a message, and what should come of it.

    dialogue(seed) → items, head, attachments, message → Written

A dialogue is a function of its seed. With `held_out` it says at least one thing that the others never say: a phrase of
`phrases.UNSEEN` or `words.HELD_OUT_PHRASINGS`, or a pair of `scenes.HELD_OUT`. `pair` gives two that differ in nothing
but which of two pictures stands where. References of a plan are the places of items; nothing here is drawn or run.

A third of the messages is a single change (of the picture, of one that is attached, by another picture or a sound), a
quarter two or three changes, a third one that names a picture of the session, the rest questions and talk.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np

from agent.grammar import Ref, Written, WrittenStep
from toybox import joint, shaped
from toybox.history import LONGEST, Item, Session, by_content, pixels, samples, told
from toybox.joint import Meant, Spoken, chained
from toybox.phrases import FOUR, REPLIES, Voice
from toybox.scenes import Scene
from toybox.wishes import Wish, any_wish, edit_wish
from toybox.words import caption

__all__ = [
    "Dialogue",
    "Item",
    "Ref",
    "Written",
    "WrittenStep",
    "dialogue",
    "four",
    "pair",
    "pixels",
    "referring",
    "resumed",
    "samples",
    "several",
    "shaping",
]

KINDS = {"single": 0.33, "steps": 0.25, "history": 0.32, "ask": 0.05, "chat": 0.05}


@dataclass(frozen=True)
class Dialogue:
    """A session and one message. `items`: in order of commit, attachments last. `head`: where the session stands.

    `results`: for every step of the plan what the picture shows after it, None where only its tool knows. `reference`:
    how the message names a picture: "head" (or not at all), "attached", "latest", "ordinal", "original", "previous",
    "content", "before" or "where" something happened, "again" (what was done when it did).
    """

    items: tuple[Item, ...]
    head: int
    attachments: tuple[int, ...]
    message: str
    written: Written
    kind: str
    results: tuple[Scene | None, ...] = ()
    reference: str = "head"


def dialogue(seed: int, held_out: bool = False) -> Dialogue:
    """The dialogue of this number; those held out are numbered apart."""
    rng = np.random.default_rng((11, seed, held_out))
    kind = _kind(rng)
    return _first(rng, seed, held_out, kind, COMPOSED[kind])


def shaping(seed: int, held_out: bool = False) -> Dialogue:
    """A dialogue in which a sound or another picture shapes a picture, numbered apart from all others."""

    def composed(session: Session) -> Spoken | None:
        if session.voice.chance(0.3):
            shaped.before(session)
        return shaped.shaped(session)

    return _first(np.random.default_rng((19, seed, held_out)), seed, held_out, "shaping", composed)


def resumed(seed: int, held_out: bool = False) -> Dialogue:
    """A dialogue of any kind in a session that a sound has shaped already, numbered apart from all others: that it has
    says nothing about what is wished next."""
    rng = np.random.default_rng((23, seed, held_out))
    kind = _kind(rng)

    def composed(session: Session) -> Spoken | None:
        for _ in range(2):
            shaped.before(session)
        return COMPOSED[kind](session)

    return _first(rng, seed, held_out, kind, composed)


def referring(seed: int, held_out: bool = False) -> Dialogue:
    """A dialogue in which a picture is told of, by what it shows, by what happened in it or after it, numbered apart
    from all others."""

    def composed(session: Session) -> Spoken | None:
        return ask(session) if session.voice.chance(0.1) else history(session, joint.TOLD_OF, repeated=0.1)

    one = _first(np.random.default_rng((37, seed, held_out)), seed, held_out, "history", composed)
    return replace(one, kind="ask") if one.written.ask else one


def several(seed: int, held_out: bool = False) -> Dialogue:
    """A dialogue of any kind in a session that begins with two to four pictures, numbered apart from all others."""
    rng = np.random.default_rng((43, seed, held_out))
    kind = _kind(rng)
    return _first(rng, seed, held_out, kind, COMPOSED[kind], lambda voice: Session(voice, begun=2 + voice.number(3)))


def four(seed: int, held_out: bool = False) -> Dialogue:
    """A dialogue of four changes, numbered apart from all others: longer than any that is learnt from. Half of them are
    edits of the scene and nothing else, whose end is a scene."""

    def composed(session: Session) -> Spoken | None:
        voice = session.voice
        meant = joint.named(session) if voice.chance(0.3) else Meant(session.head, "")
        return meant and _several(session, meant, 4, edit_wish if voice.chance(0.5) else any_wish)

    return _first(np.random.default_rng((29, seed, held_out)), seed, held_out, "steps", composed)


def _kind(rng: np.random.Generator) -> str:
    return str(rng.choice(list(KINDS), p=list(KINDS.values())))


def _first(
    rng: np.random.Generator,
    seed: int,
    held_out: bool,
    kind: str,
    composed: Callable[[Session], Spoken | None],
    begun: Callable[[Voice], Session] = Session,
) -> Dialogue:
    """The first that comes to something and, if `held_out`, says something that is held out, else nothing of it."""
    while True:
        voice = Voice(rng, held_out)
        session = begun(voice)
        spoken = composed(session)
        if spoken is not None and bool(voice.unseen) == held_out:
            return _done(session, spoken, kind, seed)


def _done(session: Session, spoken: Spoken, kind: str, seed: int) -> Dialogue:
    return Dialogue(
        items=told(session.items, seed),
        head=session.head,
        attachments=tuple(session.attached),
        message=spoken.message,
        written=spoken.written,
        kind=kind,
        results=spoken.results,
        reference=spoken.by,
    )


def pair(seed: int, held_out: bool = False, longest: int = LONGEST) -> tuple[Dialogue, Dialogue]:
    """One message in two sessions, of `longest` results at most: two pictures have changed places, and so the base of
    the plan."""
    rng = np.random.default_rng((13, seed, held_out))
    while True:
        voice = Voice(rng, held_out)
        session = Session(voice, spare=2, longest=longest)
        i, j = sorted(session.spare, reverse=voice.chance(0.5))
        found = [called for called, _ in by_content(session, i)]
        if not found:
            continue
        spoken = _wished(session, joint.by_name(voice, found[voice.number(len(found))]))
        if bool(voice.unseen) == held_out:
            one = _done(session, spoken, "history", seed)
            return one, _swapped(one, i, j)


def _swapped(one: Dialogue, i: int, j: int) -> Dialogue:
    items = list(one.items)
    items[i], items[j] = items[j], items[i]
    (only,) = one.written.steps
    return replace(one, items=tuple(items), written=replace(one.written, steps=(replace(only, base=j),)))


def _wished(session: Session, meant: Meant) -> Spoken:
    """One change of a picture that is named."""
    wish = any_wish(session.voice, session.scene(meant.index))
    said = _of(session.voice, wish.said, meant.said)
    return chained(session, session.voice.polite(said), [wish], meant.index, meant.by)


def _of(voice: Voice, said: str, ref: str) -> str:
    """A change with the name of its picture, in the middle of it or beside it."""
    if "{it}" not in said:
        return voice.say("of part", said=said, ref=ref)
    if voice.chance(0.5):
        return said.replace("{it}", ref)
    return voice.say("of", said=said.replace("{it}", "it"), ref=ref)


def single(session: Session) -> Spoken | None:
    """One change of the head or of what is attached."""
    voice = session.voice
    r = voice.rng.random()
    if r < 0.4:
        wish = any_wish(voice, session.scene(session.head))
        said = wish.said.replace("{it}", voice.say("head"))
        return chained(session, voice.polite(said), [wish], session.head)
    if r < 0.5:
        return _wished(session, joint.attached(session))
    if r < 0.75:
        return joint.heard(session)
    if r < 0.83:
        return joint.example(session)
    return joint.with_picture(session, joint.attached(session))


def steps(session: Session) -> Spoken | None:
    """Two or three changes, one after the other, of the head, of what is attached, or of a picture that is named."""
    voice = session.voice
    r = voice.rng.random()
    if r < 0.1:
        return joint.carried(session)
    if r < 0.25:
        return _after_sound(session)
    if r < 0.7:
        return _several(session, Meant(session.head, ""))
    meant = joint.attached(session) if r < 0.85 else joint.named(session)
    return None if meant is None else _several(session, meant)


def _several(
    session: Session, meant: Meant, count: int = 0, wished: Callable[[Voice, Scene], Wish] = any_wish
) -> Spoken:
    """So many changes, by default two or three."""
    voice, scene = session.voice, session.scene(meant.index)
    wishes: list[Wish] = []
    for _ in range(count or (3 if voice.chance(0.35) else 2)):
        wishes.append(wished(voice, scene))
        scene = wishes[-1].scene
    said = _joined(voice, [wish.said for wish in wishes])
    if meant.said:
        said = voice.say("of", said=said, ref=meant.said)
    return chained(session, voice.polite(said), wishes, meant.index, meant.by)


def _joined(voice: Voice, said: list[str]) -> str:
    parts = [one.replace("{it}", "it") for one in said]
    if len(parts) == 4:
        return voice.pick(FOUR).format(*parts)
    return voice.say("two" if len(parts) == 2 else "three", *parts)


def _after_sound(session: Session) -> Spoken | None:
    """A change that a sound says, and another."""
    wish = joint.heard_wish(session)
    if wish is None:
        return None
    wishes = [wish, any_wish(session.voice, wish.scene)]
    said = _joined(session.voice, [one.said for one in wishes])
    return chained(session, session.voice.polite(said), wishes, session.head)


def history(session: Session, ways: Sequence[str] = joint.CALLED, repeated: float = 0.06) -> Spoken | None:
    """A change of a picture that is named, or one in which it is needed. `repeated`: how often what was done is done
    again."""
    if session.voice.chance(repeated):
        return joint.again(session)
    meant = joint.named(session, ways)
    if meant is None:
        return None
    r = session.voice.rng.random()
    if r < 0.65:
        return _wished(session, meant)
    if r < 0.75:
        return _several(session, meant)
    return None if meant.index == session.head else joint.with_picture(session, meant)


def ask(session: Session) -> Spoken | None:
    """A change of a picture whose name fits several: which one is meant has to be asked."""
    voice = session.voice
    index = session.pictures()[voice.number(session.past)]
    found = list(by_content(session, index, counts=(2, 3, 4)))
    if not found:
        return None
    called, fitting = found[voice.number(len(found))]
    spoken = _wished(session, joint.by_name(voice, called))
    return Spoken(spoken.message, Written(ask=REPLIES["which"], candidates=tuple(fitting)), by=spoken.by)


def chat(session: Session) -> Spoken | None:
    """Talk, and questions about what is there."""
    voice = session.voice
    family = voice.pick(("hello", "thanks", "able", "describe", "describe", "hear"))
    if family == "hear":
        name = voice.pick(joint.sounds.NAMES)
        session.hear(name)
        return Spoken(voice.say(family), Written(chat=REPLIES[family].format(heard=joint.told(name))))
    if family != "describe":
        return Spoken(voice.say(family), Written(chat=REPLIES[family]))
    meant = joint.attached(session) if voice.chance(0.5) else Meant(session.head, "this picture")
    shown = caption(session.scene(meant.index))
    return Spoken(voice.say(family, ref=meant.said), Written(chat=REPLIES[family].format(shown=shown)))


COMPOSED: dict[str, Callable[[Session], Spoken | None]] = {
    "single": single,
    "steps": steps,
    "history": history,
    "ask": ask,
    "chat": chat,
}
