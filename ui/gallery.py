"""Pictures and sounds as the page shows them: WebP previews, the shapes of masks, waveforms, the example photos.

Kept in memory, bounded.

Everything is read through the store, so that only one's own are found. Full pictures as files are
`agent.export`'s work.
"""

from __future__ import annotations

import io
import threading
from collections import OrderedDict
from collections.abc import Callable
from functools import lru_cache, partial
from pathlib import Path

import numpy as np
from PIL import Image

from agent import asking, comparing
from agent.events import Asked
from sessions import history, turns
from sessions.errors import NotFound
from sessions.identity import REVISION_PREFIX
from sessions.store import Store
from sessions.values import IDENTITY, Asset, Picture, Pixels, Revision, Turn
from tools import sounds
from tools.pixels import shrink
from ui import waveform
from ui.ears import Ears

SIDES = {"thumb": 256, "view": 1600}
"""Longest side of a preview in pixels, by its name."""

TINY = 128
"""Longest side of a picture whose pixels can be seen one by one."""
CACHE_BYTES = 64_000_000
REMEMBERED = 4096
"""Of so many attachments it is known whether they are sounds: a long conversation asks at every rerun."""

SCENE = "scene"
EXAMPLES = {
    "coffee": ("coffee.png", "A cup of coffee on a table"),
    "cat": ("chelsea.png", "A ginger cat, looking into the camera"),
    "rocket": ("rocket.jpg", "A rocket on its pad before a cloudy sky"),
    SCENE: ("scene.png", "A drawn scene: a red disc, a yellow star and a purple square"),
}
"""Name → file among the photos that come with scikit-image, or our own sample, and what can be seen on it."""
SAMPLES = Path(__file__).parent / "static/samples"
"""Where the drawn scene is, and a sound to try small networks with: `toybox.samples` makes both."""


class Cache:
    """The newest answers, up to a number of bytes; safe for several threads."""

    def __init__(self, limit: int = CACHE_BYTES) -> None:
        self.limit = limit
        self._kept: OrderedDict[tuple[str, ...], bytes] = OrderedDict()
        self._size = 0
        self._lock = threading.Lock()

    def get(self, key: tuple[str, ...], make: Callable[[], bytes]) -> bytes:
        """What was kept under the key, or what `make` makes now."""
        with self._lock:
            if key in self._kept:
                self._kept.move_to_end(key)
                return self._kept[key]
        made = make()
        with self._lock:
            if key not in self._kept:
                self._kept[key] = made
                self._size += len(made)
            while self._size > self.limit:
                self._size -= len(self._kept.popitem(last=False)[1])
        return made


class Gallery:
    """One owner's pictures, small, and sounds; `ears` says what those were understood as."""

    def __init__(self, store: Store) -> None:
        self.store = store
        self.cache = Cache()
        self.ears = Ears(store)
        self.sound_if_any = lru_cache(REMEMBERED)(self._sound_if_any)
        self._asking = threading.Lock()

    def preview(self, session: str, revision: str, name: str) -> bytes:
        """A revision as WebP of `SIDES[name]`; NotFound for a revision or a name there is not."""
        side = _side(name)
        found = self._revision(session, revision)
        return self.cache.get((found.image, name), lambda: webp(self.store.picture(session, found.image), side))

    def attachment(self, session: str, sha256: str) -> bytes:
        """An attached picture as a thumbnail."""
        asset = self.store.asset(session, sha256)
        if asset.kind not in ("image", "subject"):
            raise NotFound("There is no such picture in this session.")
        picture = self.store.picture(session, asset.sha256)
        return self.cache.get((sha256, "thumb"), lambda: webp(picture, SIDES["thumb"]))

    def sound(self, session: str, sha256: str) -> Asset:
        """An attached sound's record; NotFound for what is none."""
        asset = self.store.asset(session, sha256)
        if asset.kind != "audio":
            raise NotFound("There is no such sound in this session.")
        return asset

    def flac(self, session: str, sha256: str) -> bytes:
        """An attached sound as it is kept."""
        return self.store.asset_bytes(session, self.sound(session, sha256).sha256)

    def waveform(self, session: str, sha256: str) -> bytes:
        """An attached sound's waveform as SVG; Damaged where it cannot be read."""
        return self.wave(session, self.sound(session, sha256))

    def wave(self, session: str, sound: Asset) -> bytes:
        """The same of a sound whose record is at hand."""

        def drawn() -> bytes:
            heard = sounds.read(self.store.asset_bytes(session, sound.sha256))
            return waveform.svg(sounds.peaks(heard, waveform.COLUMNS))

        return self.cache.get((sound.sha256, "wave"), drawn)

    def _sound_if_any(self, session: str, name: str) -> Asset | None:
        try:
            return self.sound(session, name)
        except NotFound:
            return None

    def mask(self, session: str, revision: str) -> bytes:
        """Where a revision changed something: a WebP that is opaque there and clear elsewhere."""
        found = self._revision(session, revision)
        if found.mask is None:
            raise NotFound("This step changed the whole picture; it has no mask.")
        name = found.mask
        return self.cache.get((name, "mask"), lambda: shape(self.store.picture(session, name).pixels))

    def drawn(self, session: str, sha256: str) -> bytes:
        """A mask that was drawn with the brush, as a shape."""
        asset = self.store.asset(session, sha256)
        if asset.kind != "mask":
            raise NotFound("There is no such mask in this session.")
        return self.cache.get((sha256, "mask"), lambda: shape(self.store.picture(session, sha256).pixels))

    def keep(self, session: str, request_id: str, asked: Asked) -> None:
        """Make what a question shows while it is at hand."""
        self._kept(turns.get(self.store, session, request_id), asked)

    def asked(self, session: str, request_id: str, question: str, name: str) -> bytes:
        """One of the pictures of the question that a turn waits with, found again where it is not kept any more."""
        turn = turns.get(self.store, session, request_id)
        if turn.state != "waiting" or asking.name(turn) != question:
            raise NotFound("That question is not open any more.")

        def again() -> bytes:
            made = self._kept(turn, asking.again(self.store, turn))
            if name not in made:
                raise NotFound("That question shows no such picture.")
            return made[name]

        with self._asking:  # whoever comes first finds all pictures of a question
            return self.cache.get((session, request_id, question, name), again)

    def _kept(self, turn: Turn, asked: Asked) -> dict[str, bytes]:
        """The `mask` of a question and the pictures of its candidates by their places, each kept under its name."""
        made = {str(at): webp(picture, SIDES["view"]) for at, picture in asked.pictures.items()}
        if asked.mask is not None:
            made["mask"] = shape(asked.mask)
        for name, data in made.items():
            self.cache.get((turn.session, turn.request_id, asking.name(turn), name), partial(bytes, data))
        return made

    def onto(self, session: str, revision: str, other: str) -> bytes:
        """A revision as it lies on the frame of another."""
        one, two = self._revision(session, revision), self._revision(session, other)
        if _in_place(one, two) or _in_place(two, one):
            return self.preview(session, revision, "view")

        def laid() -> bytes:
            graph = history.graph(self.store, session)
            return webp(comparing.laid(self.store, graph, one, two), SIDES["view"])

        return self.cache.get((one.id, "onto", two.id), laid)

    def compared(self, session: str, a: str, b: str) -> bytes:
        """The difference map of two revisions."""
        one, two = self._revision(session, a), self._revision(session, b)

        def heat() -> bytes:
            graph = history.graph(self.store, session)
            return webp(comparing.compare(self.store, graph, two, one).heat(), SIDES["view"])

        return self.cache.get((one.id, "heat", two.id), heat)

    def _revision(self, session: str, short: str) -> Revision:
        return self.store.revision(session, REVISION_PREFIX + short)


def _in_place(parent: Revision, child: Revision) -> bool:
    """Whether a step made one of the other and left every pixel where it was."""
    return child.parents[:1] == (parent.id,) and child.geometry == IDENTITY


def example(name: str) -> bytes:
    """The bytes of a bundled example: a photo, or the drawn scene."""
    if name == SCENE:
        return sample("scene.png")
    import skimage

    if name not in EXAMPLES:
        raise NotFound("There is no such example.")
    return (Path(skimage.__file__).parent / "data" / EXAMPLES[name][0]).read_bytes()


def sample(name: str) -> bytes:
    """The bytes of a file to try the small networks on."""
    return (SAMPLES / name).read_bytes()


def example_preview(name: str) -> bytes:
    """An example as a small WebP."""
    with Image.open(io.BytesIO(example(name))) as photo:
        return webp(Picture(np.asarray(photo.convert("RGB")).copy()), 480)


def webp(picture: Picture, side: int, quality: int = 84) -> bytes:
    """A picture as WebP, its longer side at most `side`; a tiny one, which is shown enlarged, as it is."""
    tiny = max(picture.size) <= TINY
    return _encoded(Image.fromarray(shrink(picture.pixels, side)), quality=quality, method=2, lossless=tiny)


def shape(mask: Pixels) -> bytes:
    """A mask (H, W) as the alpha of a white WebP, at most as large as a view."""
    alpha = shrink(mask, SIDES["view"])
    return _encoded(Image.fromarray(np.dstack([np.full((*alpha.shape, 3), 255, np.uint8), alpha])), lossless=True)


def _encoded(image: Image.Image, **how: int | bool) -> bytes:
    file = io.BytesIO()
    image.save(file, "WEBP", **how)
    return file.getvalue()


def _side(name: str) -> int:
    if name not in SIDES:
        raise NotFound("There is no such size.")
    return SIDES[name]
