"""Messages that words alone do not decide: another picture or a sound says what is meant.

What is heard or seen there reaches a tool through the words of its arguments, or as one of its other pictures.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from agent.grammar import Ref, Written, WrittenStep
from toybox import sounds
from toybox.edits import Add, Background, Edit, Light, Recolour, Remove, Style, Weather, propose
from toybox.history import Called, Session, happened_once, names
from toybox.phrases import Voice
from toybox.scenes import COLOURS, CORNERS, HELD_OUT, Scene, Thing, random_scene
from toybox.wishes import EFFECTS, TONES, Wish, called, lasting, of_edit, of_part, seen, worldly
from toybox.words import caption

CALLED = ("latest", "ordinal", "ordinal", "original", "previous", "content", "content", "before", "before", "where")
"""The ways of naming a picture, as often as they are used."""
TOLD_OF = ("original", "content", "content", "content", "content", "before", "before", "before", "where", "where")
"""Those of them that have to be looked up among all pictures, and so take longest to learn."""
BOUND = {(meaning.kind, meaning.value): name for name, meaning in sounds.MEANINGS.items()}
"""What of the world → the sound that stands for it."""


@dataclass(frozen=True)
class Meant:
    """A picture, the words for it, and in which way they name it: "head", "attached", or as `history.names` has it."""

    index: int
    said: str
    by: str = "head"


@dataclass(frozen=True)
class Spoken:
    """A message, its plan, and what is seen after each step, where the world knows it. `by`: how it names a picture."""

    message: str
    written: Written
    results: tuple[Scene | None, ...] = ()
    by: str = "head"


def step(wish: Wish, base: Ref, subjects: tuple[Ref, ...] = ()) -> WrittenStep:
    """A wish as a step of a plan."""
    return WrittenStep(wish.tool, base, subjects, wish.where, wish.args)


def chained(session: Session, message: str, wishes: Sequence[Wish], base: int, by: str = "head") -> Spoken:
    """Wishes one after the other; what a darkroom tool makes is no drawing, nor what follows from it."""
    steps, results, known = [], [], not session.items[base].darkroom
    for wish in wishes:
        steps.append(step(wish, "prev" if steps else base))
        known = known and not wish.darkroom
        results.append(wish.scene if known else None)
    return Spoken(message, Written(steps=tuple(steps)), tuple(results), by)


def _unknown(message: str, made: WrittenStep) -> Spoken:
    return Spoken(message, Written(steps=(made,)), (None,))


def attached(session: Session, scene: Scene | None = None, which: str = "attached") -> Meant:
    """A picture that comes with the message."""
    index = session.show(scene or random_scene(session.voice.rng))
    return Meant(index, session.voice.say(which), "attached")


def by_name(voice: Voice, called: Called) -> Meant:
    """A picture in the words for one of its names."""
    return Meant(called.index, voice.say(called.family, **called.words), called.sort)


def named(session: Session, ways: Sequence[str] = CALLED) -> Meant | None:
    """A picture of the session by one of its names; seldom the head."""
    voice = session.voice
    found = names(session, voice.pick(ways))
    others = [called for called in found if called.index != session.head or voice.chance(0.1)]
    return by_name(voice, others[voice.number(len(others))]) if others else None


def told(name: str) -> str:
    """What a sound stands for, in words."""
    meaning = sounds.MEANINGS[name]
    return {
        "shape": f"a {meaning.value}",
        "light": f"the {meaning.value} light",
        "weather": f"{meaning.value} weather",
        "style": f"{meaning.value} music",
        "tone": f"{meaning.value} music",
        "colour": f"{meaning.value} music",
    }[meaning.kind]


def fits(voice: Voice, shape: str, colour: str) -> bool:
    """Whether a pair may be asked for; one that is held out is counted."""
    unseen = (shape, colour) in HELD_OUT
    voice.unseen += unseen and voice.held_out
    return voice.held_out or not unseen


def _one(voice: Voice, things: tuple[Thing, ...]) -> Thing:
    return things[voice.number(len(things))]


def with_picture(session: Session, other: Meant) -> Spoken | None:
    """A change of the head for which another picture is needed."""
    ways = (matched, matched, inserted, inserted, behind, coloured, coloured, grounded, lit, clouded)
    spoken = ways[session.voice.number(len(ways))](session, other)
    return spoken and replace(spoken, message=session.voice.polite(spoken.message.replace("{it}", "it")), by=other.by)


def matched(session: Session, other: Meant) -> Spoken:
    """Its colours."""
    said = session.voice.say("match", ref=other.said)
    return _unknown(said, WrittenStep("match_colors", session.head, (other.index,)))


def inserted(session: Session, other: Meant) -> Spoken | None:
    """One of its things, perhaps at a place."""
    voice, there = session.voice, session.scene(other.index)
    if not there.things or not there.coloured:
        return None
    thing = _one(voice, there.things)
    said, args = voice.say("insert", thing=called(voice, thing), ref=other.said), {"subject": seen(thing)}
    if voice.chance(0.4):
        slot = voice.pick(CORNERS)
        said, args = f"{said} at the {slot}", args | {"at": slot}
    return _unknown(said, WrittenStep("insert_subject", session.head, (other.index,), None, args))


def behind(session: Session, other: Meant) -> Spoken | None:
    """The whole of it as background."""
    things = session.scene(session.head).things
    if not things:
        return None
    said = session.voice.say("behind", ref=other.said, shape=_one(session.voice, things).shape)
    return _unknown(said, WrittenStep("replace_background", session.head, (other.index,)))


def _edited(session: Session, edit: Edit, said: str) -> Spoken:
    return chained(session, said, [of_edit(edit, session.scene(session.head), said)], session.head)


def coloured(session: Session, other: Meant) -> Spoken | None:
    """The colour of one of its things."""
    voice, here, there = session.voice, session.scene(session.head), session.scene(other.index)
    if not here.things or not there.things or not here.coloured or not there.coloured:
        return None
    thing, like = _one(voice, here.things), _one(voice, there.things)
    if thing.colour == like.colour or not fits(voice, thing.shape, like.colour):
        return None
    said = voice.say("colour of", shape=thing.shape, other=like.shape, ref=other.said)
    return _edited(session, Recolour(thing.shape, like.colour), said)


def grounded(session: Session, other: Meant) -> Spoken | None:
    """Its background."""
    here, there = session.scene(session.head), session.scene(other.index)
    if not here.coloured or not there.coloured or here.ground == there.ground:
        return None
    said = session.voice.say("background of", ref=other.said)
    return _edited(session, Background(there.ground, there.pattern), said)


def lit(session: Session, other: Meant) -> Spoken | None:
    """Its light."""
    here, there = session.scene(session.head), session.scene(other.index)
    if here.tone != "colour" or there.tone != "colour" or here.light == there.light:
        return None
    return _edited(session, Light(there.light), session.voice.say("light of", ref=other.said))


def clouded(session: Session, other: Meant) -> Spoken | None:
    """Its weather."""
    here, there = session.scene(session.head), session.scene(other.index)
    if here.weather == there.weather:
        return None
    return _edited(session, Weather(there.weather), session.voice.say("weather of", ref=other.said))


def again(session: Session) -> Spoken | None:
    """What was done once in this session, done to the head."""
    found = [(a, b) for a, b in happened_once(session) if b != session.head]
    if not found:
        return None
    a, b = found[session.voice.number(len(found))]
    said = session.voice.say("again", event=session.items[b].event).replace("{it}", "it")
    return replace(_unknown(said, WrittenStep("analogy", session.head, (a, b))), by="again")


def example(session: Session) -> Spoken | None:
    """What was done from one attached picture to another, done to the head; said with its result, by a network."""
    voice, here = session.voice, session.scene(session.head)
    before, unsaid = random_scene(voice.rng), Voice(voice.rng, held_out=False)
    shown = voice.chance(0.4)
    wish = worldly(unsaid, before, Light) if shown else lasting(unsaid, before)
    if wish is None or (shown and here.tone != "colour"):
        return None
    a, b = attached(session, before, "attached first"), attached(session, wish.scene, "attached second")
    said = voice.say("analogy", it="it", a=a.said, b=b.said)
    if not shown:
        return replace(_unknown(said, WrittenStep("analogy", session.head, (a.index, b.index))), by=a.by)
    after = replace(here, light=wish.scene.light)
    made = WrittenStep("analogist", session.head, (a.index, b.index), None, {"prompt": caption(after)})
    said = voice.say("showing", said=said, shown=caption(after))
    return Spoken(said, Written(steps=(made,)), (None if session.items[session.head].darkroom else after,), a.by)


def carried(session: Session) -> Spoken | None:
    """A thing of an attached picture, changed there and then put into the head."""
    voice = session.voice
    ref = attached(session)
    wish = worldly(voice, session.scene(ref.index), Recolour)
    if wish is None:
        return None
    (thing,) = set(wish.scene.things) - set(session.scene(ref.index).things)
    said = voice.say("carry", ref=ref.said, said=wish.said, shape=thing.shape).replace("{it}", voice.say("head"))
    put = WrittenStep("insert_subject", session.head, ("prev",), None, {"subject": seen(thing)})
    return Spoken(said, Written(steps=(step(wish, ref.index), put)), (wish.scene, None), ref.by)


def heard(session: Session) -> Spoken | None:
    """A change that a sound says."""
    wish = heard_wish(session)
    if wish is None:
        return None
    said = session.voice.polite(wish.said.replace("{it}", session.voice.say("head")))
    return chained(session, said, [wish], session.head)


def heard_wish(session: Session) -> Wish | None:
    """The same as a wish; its sound is attached. Things are heard only where there are others beside them."""
    voice, scene = session.voice, session.scene(session.head)
    ways: tuple[Callable[[Voice, Scene], tuple[str, Wish] | None], ...] = (_thing, _thing, _added, _mood, _painted)
    found = ways[voice.number(len(ways))](voice, scene)
    if found is None:
        return None
    session.hear(found[0])
    return found[1]


def _thing(voice: Voice, scene: Scene) -> tuple[str, Wish] | None:
    """The thing that is heard: removed, painted, or a part to work on."""
    if len(scene.things) < 2:
        return None
    thing = _one(voice, scene.things)
    name, shape = BOUND["shape", thing.shape], thing.shape
    r = voice.rng.random()
    if r < 0.3:
        return (name, of_part(voice, scene, seen(thing), voice.say("heard part"))) if scene.coloured else None
    if r < 0.5:
        return name, of_edit(Remove(shape), scene, voice.say("heard remove"))
    colour = voice.pick([colour for colour in COLOURS if colour != thing.colour])
    if scene.tone != "colour" or not fits(voice, shape, colour):
        return None
    return name, of_edit(Recolour(shape, colour), scene, voice.say("heard colour", colour=colour))


def _added(voice: Voice, scene: Scene) -> tuple[str, Wish] | None:
    edit = propose(voice.rng, scene, Add)
    if not isinstance(edit, Add):
        return None
    said = voice.say("heard add", colour=edit.colour, slot=edit.slot)
    return BOUND["shape", edit.shape], of_edit(edit, scene, said)


MOODS: dict[str, type[Light | Weather | Style]] = {"light": Light, "weather": Weather, "style": Style}
"""The states of the whole that sounds stand for, but for tones: those are the darkroom's."""


def _mood(voice: Voice, scene: Scene) -> tuple[str, Wish] | None:
    """Its light or weather, or music's style or tone."""
    if scene.tone != "colour":
        return None
    kind = voice.pick(("light", "light", "weather", "weather", "style", "tone"))
    value = voice.pick([value for of, value in BOUND if of == kind])
    if kind == "tone":
        return _toned(voice, scene, value)
    if getattr(scene, kind) == value or (value == "comic" and not scene.things):
        return None
    said = voice.say("heard mood" if voice.chance(0.6) else f"heard {kind}")
    return BOUND[kind, value], of_edit(MOODS[kind](value), scene, said)


def _toned(voice: Voice, scene: Scene, tone: str) -> tuple[str, Wish] | None:
    if scene.style != "plain":
        return None
    name = next(name for name, known in TONES.items() if known == tone)
    effect, after = EFFECTS[name], replace(scene, tone=tone)
    return BOUND["tone", tone], Wish(voice.say("heard mood"), effect.tool, effect.args, after, effect.event)


def _painted(voice: Voice, scene: Scene) -> tuple[str, Wish] | None:
    """A thing in the colour of music."""
    if not scene.coloured or not scene.things:
        return None
    thing = _one(voice, scene.things)
    colour = voice.pick([colour for kind, colour in BOUND if kind == "colour"])
    if colour == thing.colour or not fits(voice, thing.shape, colour):
        return None
    return BOUND["colour", colour], of_edit(
        Recolour(thing.shape, colour), scene, voice.say("heard paint", shape=thing.shape)
    )
