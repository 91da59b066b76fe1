"""Messages in which a sound, music or another picture shapes the picture as a whole: any2pix's, with no words for it.

Nothing of what is heard or seen reaches the tool's arguments. It is shown to the tool itself, and what should come of
it is [gen]: the embedding of the scene that is known here.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from agent.grammar import Ref, Written, WrittenStep
from toybox import sounds
from toybox.edits import Add, Edit, Light, Recolour, Reshape, Style, Tone, Weather
from toybox.history import Session
from toybox.joint import Meant, Spoken, attached, fits, named, step
from toybox.phrases import Voice
from toybox.scenes import CORNERS, RADII, SLOTS, Scene, Thing, colour_for, pick
from toybox.wishes import any_wish, called

TOOL = "any2pix"
HEARD = (("head",), ("head",), ("head",), ("named",), ("sent",))
LIKE = (("head", "sent"), ("head", "sent"), ("head", "named"), ("named", "sent"), ("sent", "sent"))
WITH = (("head", "sent", "sent"), ("head", "named", "sent"), ("named", "sent", "sent"), ("sent", "sent", "named"))
"""Where pictures come from, as often as they do: the one that is shaped, the one it takes after, and a thing's."""
ONE, TWO = ("attached",), ("attached first", "attached second")
"""What those are called that come with the message."""


@dataclass(frozen=True)
class Shaping:
    """What is said, which picture it is of, what the tool is shown beside it, and what is to be seen then."""

    said: str
    base: Meant
    subjects: tuple[Ref, ...]
    scene: Scene


def shaped(session: Session) -> Spoken | None:
    """A picture that something else shapes; then perhaps another change."""
    voice = session.voice
    found = (heard, heard, like, like, like_with)[voice.number(5)](session)
    if found is None:
        return None
    known = not session.items[found.base.index].darkroom
    message, steps = found.said, [WrittenStep(TOOL, found.base.index, found.subjects)]
    results = [found.scene if known else None]
    if voice.chance(0.2):
        wish = any_wish(voice, found.scene)
        message = voice.say("two", message, wish.said.replace("{it}", "it"))
        steps.append(step(wish, "prev"))
        results.append(wish.scene if known and not wish.darkroom else None)
    return Spoken(voice.polite(message), Written(steps=tuple(steps)), tuple(results), found.base.by)


def before(session: Session) -> None:
    """A picture of the session's past that a sound has shaped; it is the head then."""
    teller, scene = Voice(session.voice.rng, held_out=False), session.scene(session.head)
    edit = shown(teller, teller.pick(sounds.NAMES), scene)
    if edit is not None:
        session.shape(edit.apply(scene), TOOL, teller.say("shaped sound").replace("{it}", "it"))


def meant(session: Session, parties: Sequence[str]) -> Iterator[Meant | None]:
    """Pictures from where each comes; those that come with the message are attached in this order."""
    sent = iter(ONE if parties.count("sent") == 1 else TWO)
    for party in parties:
        if party == "head":
            yield Meant(session.head, session.voice.say("head"))
        else:
            yield named(session) if party == "named" else attached(session, which=next(sent))


def heard(session: Session) -> Shaping | None:
    """A sound, or music, that comes with the message and stands for something that is not there yet."""
    voice = session.voice
    (base,) = meant(session, HEARD[voice.number(len(HEARD))])
    if base is None:
        return None
    name, scene = voice.pick(sounds.NAMES), session.scene(base.index)
    edit = shown(voice, name, scene)
    if edit is None:
        return None
    music = sounds.MEANINGS[name].kind in ("tone", "colour", "style")
    said = voice.say("shaped music" if music and voice.chance(0.7) else "shaped sound", it=base.said)
    return Shaping(said, base, (session.hear(name),), edit.apply(scene))


def shown(voice: Voice, name: str, scene: Scene) -> Edit | None:
    """An edit after which a scene shows what a sound stands for; None where it does already, or cannot."""
    meaning = sounds.MEANINGS[name]
    if scene.tone != "colour":
        return None
    match meaning.kind:
        case "light":
            return None if scene.light == meaning.value else Light(meaning.value)
        case "weather":
            return None if scene.weather == meaning.value else Weather(meaning.value)
        case "style":
            return None if scene.style == meaning.value or not scene.things else Style(meaning.value)
        case "tone":
            return Tone(meaning.value) if scene.style == "plain" else None
    if not scene.things or any(meaning.value in (thing.shape, thing.colour) for thing in scene.things):
        return None
    if meaning.kind == "shape":
        return come(voice, meaning.value, scene)
    if not scene.coloured:
        return None
    thing = scene.things[voice.number(len(scene.things))]
    return Recolour(thing.shape, meaning.value) if fits(voice, thing.shape, meaning.value) else None


def come(voice: Voice, shape: str, scene: Scene) -> Edit | None:
    """A shape that is not there comes: into a free corner, or in the place of a thing."""
    free = corners(scene)
    if free:
        return Add(shape, colour_for(voice.rng, shape), pick(voice.rng, free))
    thing = scene.things[voice.number(len(scene.things))]
    return Reshape(thing.shape, shape) if fits(voice, shape, thing.colour) else None


def corners(scene: Scene) -> list[str]:
    """Where another thing can stand; nowhere beside three, nor beside one in the middle."""
    taken = [thing.slot for thing in scene.things]
    return [slot for slot in CORNERS if slot not in taken] if "middle" not in taken and len(taken) < 3 else []


def like(session: Session) -> Shaping | None:
    """Another picture whose look it takes."""
    voice = session.voice
    base, other = meant(session, LIKE[voice.number(len(LIKE))])
    if base is None or other is None or base.index == other.index:
        return None
    scene = styled(session.scene(base.index), session.scene(other.index))
    if scene.style == "comic" and not scene.things:
        return None
    said = voice.say("shaped like", it=base.said, ref=other.said)
    return Shaping(said, base, (other.index,), scene)


def like_with(session: Session) -> Shaping | None:
    """Another picture whose look it takes, and a thing of a third."""
    voice = session.voice
    base, other, third = meant(session, WITH[voice.number(len(WITH))])
    if base is None or other is None or third is None or len({base.index, other.index, third.index}) < 3:
        return None
    there = session.scene(third.index)
    if not there.things or not there.coloured:
        return None
    thing = there.things[voice.number(len(there.things))]
    name = "subject" if voice.chance(0.3) else called(voice, thing).removeprefix("the ")
    said = voice.say("shaped with", it=base.said, ref=other.said, thing=name, other=third.said)
    scene = with_thing(styled(session.scene(base.index), session.scene(other.index)), thing)
    return Shaping(said, base, (other.index, third.index), scene)


def styled(scene: Scene, other: Scene) -> Scene:
    """Its things before the other's background, in all states of the other."""
    return replace(other, things=scene.things)


def with_thing(scene: Scene, thing: Thing) -> Scene:
    """A thing for the one of its shape; else in a free corner; else in the place of the last."""
    same = [one for one in scene.things if one.shape == thing.shape]
    free = corners(scene)
    if not same and (free or not scene.things):
        slot = thing.slot if thing.slot in free or not scene.things else free[0]
        x, y = SLOTS[slot]
        radius = thing.radius if slot == "middle" else min(thing.radius, RADII["large"][1])
        return replace(scene, things=(*scene.things, replace(thing, slot=slot, x=x, y=y, radius=radius)))
    gone = same[0] if same else scene.things[-1]
    put = replace(thing, slot=gone.slot, x=gone.x, y=gone.y, radius=gone.radius)
    return replace(scene, things=tuple(put if one is gone else one for one in scene.things))
