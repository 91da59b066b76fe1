"""A session of the world: pictures in the order in which they were made, and how people call one of them.

A name is given only where it fits one picture and no other, by exact truth; `fitting` says which pictures fit.
What is then done with them is `dialogues`' to say.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Literal

import numpy as np

from sessions.values import Json, Picture
from toybox.drawing import Pixels, draw
from toybox.phrases import NTH, Voice
from toybox.scenes import STATES, Scene, random_scene
from toybox.sounds import MEANINGS, Samples, sound
from toybox.wishes import Wish, lasting

TURNS = ("rotate", "flip")
LONGEST = 10
"""Results that a session has at most."""
SHAKE, LEAN = 1.0, 0.05
"""How far jitter moves a thing, in pixels and radians."""


@dataclass(frozen=True)
class Item:
    """A picture or a sound; a picture without a scene is a photo. `jitter`: two of one scene, or of one sound, and all
    photos, differ by it; results of scenes have their parent's.

    `made_by`: the words that made it, `tool` with what, `parent` of which item; None for uploads. `event`: what has
    happened in it. `darkroom`: what was done to the drawing since, tools and their arguments; of a photo, what was done
    last, on the part `where`.
    """

    kind: Literal["picture", "sound"]
    scene: Scene | None = None
    sound: str | None = None
    jitter: int = 0
    made_by: str | None = None
    parent: int | None = None
    tool: str | None = None
    event: str = ""
    darkroom: tuple[tuple[str, Json], ...] = ()
    where: str | None = None

    @property
    def unknown(self) -> bool:
        """Whether it is a photo, of which the world knows nothing."""
        return self.kind == "picture" and self.scene is None

    @property
    def shown(self) -> Scene:
        """The scene of a picture. ValueError for a sound, and for a photo."""
        if self.scene is None:
            raise ValueError("A sound shows nothing, and what a photo shows is not known.")
        return self.scene


def shaken(scene: Scene, jitter: int) -> Scene:
    """The same scene, its things a little elsewhere; where a thing goes depends on its slot alone."""

    def moved(slot: str) -> list[float]:
        rng = np.random.default_rng((jitter, len(slot), ord(slot[-1])))
        return [float(x) for x in rng.uniform(-1, 1, 3) * (SHAKE, SHAKE, LEAN)]

    things = []
    for thing in scene.things:
        dx, dy, turn = moved(thing.slot)
        things.append(replace(thing, x=thing.x + dx, y=thing.y + dy, turn=thing.turn + turn))
    return replace(scene, things=tuple(things))


def pixels(item: Item) -> Pixels:
    """The picture of an item, uint8 (h, w, 3): drawn, then worked on by the tools themselves."""
    from tools.base import EditContext, drain
    from tools.registry import get

    picture = Picture(draw(shaken(item.shown, item.jitter)).rgb)
    for name, args in item.darkroom:
        tool = get(name)
        picture = drain(tool.run(EditContext(picture), tool.args.model_validate(args))).image
    return picture.pixels


def samples(item: Item) -> Samples:
    """The sound of an item, as `sounds.sound`. ValueError for a picture."""
    if item.sound is None:
        raise ValueError("A picture does not sound.")
    return sound(item.sound, item.jitter)


@dataclass(frozen=True)
class Called:
    """A picture, and the family of phrases and the words by which it is called."""

    index: int
    family: str
    words: dict[str, str]

    @property
    def sort(self) -> str:
        """The way in which it is called, as `names` has them."""
        return "content" if self.family.startswith("with ") else self.family


class Session:
    """A session that grows, by `longest` results at most, from `begun` uploads. `past`: how many items there were
    before the message. `spare`: uploads left alone."""

    def __init__(self, voice: Voice, spare: int = 0, longest: int = LONGEST, begun: int = 1) -> None:
        self.voice, self.head = voice, 0
        self.items: list[Item] = []
        self.attached: list[int] = []
        self.spare: set[int] = set()
        for _ in range(begun):
            self.upload()
        if begun > 1:
            self.head = voice.number(begun)
        teller = Voice(voice.rng, held_out=False)
        places = {voice.number(longest) for _ in range(spare)}
        for place in range(voice.number(longest + 1)):
            self._step(teller, place in places)
        while len(self.spare) < spare:
            self.spare.add(self.upload())
        if voice.chance(0.2):
            self.head = self._any()

    @property
    def past(self) -> int:
        """How many items there were before the message came with its attachments."""
        return len(self.items) - len(self.attached)

    def _step(self, teller: Voice, spare: bool) -> None:
        """Perhaps an upload, and a change."""
        if spare:
            self.spare.add(self.upload())
        elif self.voice.chance(0.08):
            upload = self.upload()
            self.head = upload if self.voice.chance(0.4) else self.head
        self.result(teller)

    def _add(self, item: Item) -> int:
        self.items.append(item)
        return len(self.items) - 1

    def upload(self) -> int:
        """A picture of anything."""
        return self._add(Item("picture", random_scene(self.voice.rng), jitter=self.voice.number(2**31)))

    def hear(self, name: str) -> int:
        """A sound comes with the message."""
        self.attached.append(self._add(Item("sound", sound=name, jitter=self.voice.number(2**31))))
        return self.attached[-1]

    def show(self, scene: Scene) -> int:
        """A picture comes with the message."""
        self.attached.append(self._add(Item("picture", scene, jitter=self.voice.number(2**31))))
        return self.attached[-1]

    def _any(self) -> int:
        used = [i for i in range(len(self.items)) if i not in self.spare]
        return used[self.voice.number(len(used))]

    def result(self, teller: Voice) -> None:
        """A change of the head, or of a picture gone back to; it becomes the head."""
        base = self._any() if self.voice.chance(0.2) else self.head
        parent = self.items[base]
        turned = any(name in TURNS for name, _ in parent.darkroom)
        wish = lasting(teller, parent.shown)
        while turned and wish.event.endswith((" came", " moved")):
            wish = lasting(teller, parent.shown)
        self.head = self._add(made(wish, parent, base))

    def shape(self, scene: Scene, tool: str, said: str) -> None:
        """A result of the head, which becomes the head; nobody calls it by what happened in it."""
        parent = self.items[self.head]
        self.head = self._add(replace(parent, scene=scene, made_by=said, parent=self.head, tool=tool, event=""))

    def scene(self, index: int) -> Scene:
        """What a picture shows."""
        return self.items[index].shown

    def root(self) -> int:
        """What the head was made from in the first place."""
        at = self.head
        while (parent := self.items[at].parent) is not None:
            at = parent
        return at

    def pictures(self) -> list[int]:
        """All pictures, in order."""
        return [i for i, item in enumerate(self.items) if item.kind == "picture"]


def made(wish: Wish, parent: Item, base: int) -> Item:
    """The item that a wish makes of its parent."""
    done = (*parent.darkroom, (wish.tool, wish.args)) if wish.darkroom else parent.darkroom
    said = wish.said.replace("{it}", "it")
    return replace(parent, scene=wish.scene, made_by=said, parent=base, tool=wish.tool, event=wish.event, darkroom=done)


def told(items: Sequence[Item], seed: int) -> tuple[Item, ...]:
    """The items with their results told as people ask for them: a picture gone back to is named, others are called by
    what was heard, some with a courtesy. Scenes, and all else that is drawn from a dialogue's own seed, stay."""
    teller = Voice(np.random.default_rng((17, seed)), held_out=False)
    return tuple(replace(item, made_by=_told(teller, items, i)) for i, item in enumerate(items))


def _told(teller: Voice, items: Sequence[Item], i: int) -> str | None:
    said, base = items[i].made_by, items[i].parent
    if said is None or base is None:
        return said
    if base < len(NTH) and any(one.parent is not None for one in items[base + 1 : i]):
        said = teller.say("of", said=said, ref=_name(teller, items, base))
    elif (mood := _mood(items[base].shown, items[i].shown)) and teller.chance(0.5):
        said = teller.say("heard mood" if teller.chance(0.6) else f"heard {mood}")
    elif len(items[i].shown.things) < len(items[base].shown.things) and teller.chance(0.3):
        said = teller.say("heard remove")
    return teller.polite(said) if teller.chance(0.3) else said


def _mood(before: Scene, after: Scene) -> str:
    """Which state of the whole has changed into one that a sound stands for; nothing where none has."""
    for meaning in MEANINGS.values():
        if meaning.kind in ("light", "weather", "style"):
            was, state = getattr(before, meaning.kind), getattr(after, meaning.kind)
            if was != state == meaning.value:
                return meaning.kind
    return ""


def _name(teller: Voice, items: Sequence[Item], index: int) -> str:
    """A picture by its place, or as the original."""
    if items[index].parent is None and teller.chance(0.4):
        return teller.say("original")
    return teller.say("ordinal", nth=NTH[index], n=str(index + 1))


Test = Callable[[Item], bool]


def traits(item: Item) -> Iterator[tuple[str, dict[str, str], Test]]:
    """What a picture may be called by: a family of phrases, its words, and which items they are true of.

    What a tone or a negative hides is not said, and what was there before is true of such a picture too.
    """
    scene = item.shown
    for state in _states(scene):
        yield "with state", {"state": state}, partial(_stated, state)
    if not scene.coloured:
        return
    yield "with ground", {"ground": scene.ground}, lambda other: other.shown.ground == scene.ground
    for thing in scene.things:
        told = (thing.colour, thing.texture, thing.size)
        for said in ("", *(word for word in told if word not in ("plain", "medium"))):
            yield "with thing", {"thing": f"{said} {thing.shape}".strip()}, partial(_there, thing.shape, said)


def _states(scene: Scene) -> Iterator[str]:
    """The states of the whole that can be seen and are not as usual."""
    seen = [scene.tone if scene.tone != "colour" else scene.light, scene.weather]
    if scene.things or scene.style != "comic":
        seen.append(scene.style)
    yield from (state for state in seen if state not in STATES.values())


def _stated(state: str, other: Item) -> bool:
    shown = other.shown
    return state in (shown.tone, shown.light, shown.weather, shown.style)


def _there(shape: str, said: str, other: Item) -> bool:
    """Whether a picture has a thing of this shape, and of this colour, texture or size, if any is said."""
    return any(one.shape == shape and said in ("", one.colour, one.texture, one.size) for one in other.shown.things)


def fitting(session: Session, test: Test) -> list[int]:
    """The pictures that a trait is true of."""
    return [i for i in session.pictures() if test(session.items[i])]


def by_content(session: Session, index: int, counts: Collection[int] = (1,)) -> Iterator[tuple[Called, list[int]]]:
    """How picture `index` may be called by what it shows, where so many pictures fit; and which."""
    for family, said, test in traits(session.items[index]):
        found = fitting(session, test)
        if len(found) in counts:
            yield Called(index, family, said), found


def names(session: Session, sort: str) -> list[Called]:
    """All that can be called in one way: latest, ordinal, original, previous, content, before, where."""
    past, items = session.past, session.items
    if sort == "latest":
        return [Called(past - 1, sort, {})]
    if sort == "ordinal":
        return [Called(i, sort, {"nth": NTH[i], "n": str(i + 1)}) for i in range(min(past, len(NTH)))]
    if sort == "original":
        return [Called(session.root(), sort, {})]
    if sort == "previous":
        parent = items[session.head].parent
        return [] if parent is None else [Called(parent, sort, {})]
    if sort == "content":
        return [called for i in range(past) for called, _ in by_content(session, i)]
    return list(_by_event(session, sort))


def _by_event(session: Session, sort: str) -> Iterator[Called]:
    """Pictures called by what happened in them, or right after them."""
    for parent, i in happened_once(session):
        yield Called(parent if sort == "before" else i, sort, {"event": session.items[i].event})


def happened_once(session: Session) -> Iterator[tuple[int, int]]:
    """A picture and the one made from it, for everything that has happened once in this session."""
    events = [item.event for item in session.items]
    for i, item in enumerate(session.items):
        if item.parent is not None and item.event and events.count(item.event) == 1:
            yield item.parent, i
