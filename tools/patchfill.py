"""Exemplar-based completion: fill a hole with real pixels from elsewhere in the picture. NumPy and OpenCV only.

The method is Wexler, Shechtman, Irani, "Space-Time Completion of Video" (PAMI 2007): find for every patch T that
touches the hole the nearest patch S(T) that does not, let all patches that cover a pixel vote for its colour, repeat,
from coarse to fine. With it go

* the texture channels of Newson et al., "Video Inpainting of Complex Scenes" (SIAM J. Imaging Sci. 2014), eq. 6–8;
* the search of Barnes et al., "PatchMatch" (SIGGRAPH 2009), in parallel "jump flooding" form, every target at once,
  in patches described by their lowest DCT coefficients (an orthonormal basis: distances are those of smoothed patches);
* a price for sources that are far away (NEAR) or copied often already (WEAR);
* votes that copy instead of averaging in each level's last rounds, so that texture never blurs.

The answer is a map: which pixel to copy. Hiding the seams is `tools.seams`, photos larger than the working size,
alpha and the mask's edge are `tools.edits.darkroom.remove`.
Arrays: H, W of the window; flat indices p = y·W + x; colours float32 in the units of `channels`.
"""

from __future__ import annotations

from collections.abc import Generator
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from sessions.values import Pixels
from tools.pixels import Floats, bands

Bools = NDArray[np.bool_]
Index = NDArray[np.int64]

PATCH = 7
"""Side of a patch, in pixels."""
R = PATCH // 2
TEXTURE_WEIGHT = 2.0
"""Of the texture channels against the colours."""
NEAR = 6.0
"""A source as far away as the hole is wide costs as much as an error of 6 grey levels in every pixel of the patch."""
GAMMA = 1.3
"""Wexler's weight γ^-distance: patches near the rim know more."""
STAY = 0.3
"""A random candidate must be better by this share: neighbours keep copying from one place."""
SMALLEST = 1200
"""Pixels of the hole at the coarsest level: big enough to show lines, small enough for exact search."""
LEAST_ROOM = 64
"""No level has fewer patches to choose from."""
BAND = 1 << 15
"""Pixels described at a time: what stays in the cache."""
WEAR = 100.0
"""What every use of a source adds to its cost, as a squared distance: no stamp is repeated where others do as well."""
ROUNDS = (4, 8, 16)
"""Search-and-vote rounds at levels 0 (finest), 1, 2 … (the last figure for all further levels)."""
COPIES = 3
"""In how many of a level's rounds, the last ones, votes copy."""


@dataclass(frozen=True)
class Glimpse:
    """How far the work is (0…1), and what the window looks like at the present scale, (h, w, 3) uint8."""

    fraction: float
    picture: Pixels | None = None


Work = Generator[Glimpse | None, None, Index]
"""Yields a glimpse where there is news, None where it could merely be stopped."""


LAB = np.array([2.55, 2, 2], np.float32)
"""Brings L, a, b to about the same span."""


def channels(rgb: Pixels, hole: Bools) -> Floats:
    """(H, W, 5): L, a, b scaled to about 0…255, and Newson's texture channels, the mean |∂L/∂x| and |∂L/∂y| nearby."""
    lab = np.asarray(cv2.cvtColor(rgb.astype(np.float32) / 255, cv2.COLOR_RGB2LAB), np.float32) * LAB
    planes = [lab]
    for axis in (1, 0):
        step = np.zeros(hole.shape, np.float32)
        known = np.zeros(hole.shape, np.float32)
        inner = (slice(None), slice(None, -1)) if axis else (slice(None, -1), slice(None))
        step[inner] = np.abs(np.diff(lab[..., 0], axis=axis))
        known[inner] = np.maximum(hole, np.roll(hole, -1, axis))[inner] == 0
        near = [
            cv2.boxFilter(a, -1, (5, 5), normalize=False, borderType=cv2.BORDER_CONSTANT) for a in (step * known, known)
        ]
        planes.append(near[0] / np.maximum(near[1], 1))
    return np.dstack(planes)


def picture(image: Floats) -> Pixels:
    """(H, W, 3) uint8 RGB of `channels`."""
    rgb = cv2.cvtColor(np.ascontiguousarray(image[..., :3]) / LAB, cv2.COLOR_LAB2RGB)
    return np.clip(np.rint(rgb * 255), 0, 255).astype(np.uint8)


def halve(image: Floats, hole: Bools) -> tuple[Floats, Bools]:
    """The next coarser level: means of known pixels; a pixel of which most is hole is hole."""
    height, width = hole.shape
    pad = ((0, height % 2), (0, width % 2))
    known = np.pad((~hole).astype(np.float32), pad)
    colour = np.pad(np.where(hole[..., None], 0, image), (*pad, (0, 0)))
    count = known[::2, ::2] + known[1::2, ::2] + known[::2, 1::2] + known[1::2, 1::2]
    total = colour[::2, ::2] + colour[1::2, ::2] + colour[::2, 1::2] + colour[1::2, 1::2]
    return (total / np.maximum(count, 1)[..., None]).astype(np.float32), count < 2


def cosines() -> Floats:
    """(PATCH, PATCH): row u is the orthonormal DCT-II vector of frequency u."""
    u, x = np.mgrid[:PATCH, :PATCH]
    rows = np.cos(np.pi * u * (2 * x + 1) / (2 * PATCH)) * np.sqrt(2 / PATCH)
    rows[0] /= np.sqrt(2)
    return np.asarray(rows, np.float32)


COSINES = cosines()
TERMS = (
    [(0, u, v) for u in range(6) for v in range(6 - u)]
    + [(c, u, v) for c in (1, 2) for u, v in ((0, 0), (0, 1), (1, 0))]
    + [(c, 0, 0) for c in (3, 4)]
)
"""(channel, vertical frequency, horizontal frequency) of the coefficients that describe a patch."""


def describe(image: Floats, near: float, origin: tuple[int, int] = (0, 0)) -> Floats:
    """(H, W, D) features of the patch around every pixel: DCT coefficients, then position times `near`."""
    height, width = image.shape[:2]
    out = np.empty((height, width, len(TERMS) + 2), np.float32)
    planes = [np.ascontiguousarray(image[..., c]) for c in range(5)]
    for k, (c, u, v) in enumerate(TERMS):
        weight = TEXTURE_WEIGHT if c >= 3 else 1.0
        out[..., k] = cv2.sepFilter2D(planes[c], -1, COSINES[v] * weight, COSINES[u], borderType=cv2.BORDER_REFLECT_101)
    out[..., -2] = ((np.arange(height, dtype=np.float32) + origin[0]) * near)[:, None]
    out[..., -1] = (np.arange(width, dtype=np.float32) + origin[1]) * near
    return out


@dataclass(frozen=True, eq=False)
class Level:
    """One scale. `image` changes inside the hole as the fill goes on, nothing else does.

    targets: (n,) patch centres whose patch touches the hole; sources: (m,) centres of patches fully known;
    usable: (H·W,) True at sources; features: (H·W, D), right at sources; number: (H·W,) place in `targets` or -1;
    trust: (n,) Wexler's α; cover: (49,) offsets of a patch's pixels from its centre.
    """

    image: Floats
    hole: Bools
    near: float
    targets: Index
    sources: Index
    usable: Bools
    features: Floats
    number: NDArray[np.int32]
    trust: Floats
    cover: Index

    @property
    def width(self) -> int:
        return int(self.hole.shape[1])

    @property
    def pixels(self) -> Floats:
        """(H·W, 5), a view."""
        return self.image.reshape(-1, self.image.shape[2])


def touched(hole: Bools) -> tuple[Bools, Bools]:
    """(inside, touching): centres whose patch lies inside the picture, and those of them whose patch meets the hole."""
    inside = np.zeros(hole.shape, bool)
    inside[R : hole.shape[0] - R, R : hole.shape[1] - R] = True
    wide = cv2.dilate(hole.astype(np.uint8), np.ones((PATCH, PATCH), np.uint8), borderValue=0) > 0
    return inside, inside & wide


def make_level(image: Floats, hole: Bools, near: float) -> Generator[None, None, Level]:
    """A level ready for search; `near` in feature units per pixel."""
    height, width = hole.shape
    features = np.empty((height, width, len(TERMS) + 2), np.float32)
    for rows, read, keep in bands(height, width, R, BAND):
        features[rows] = describe(image[read], near, (read.start, 0))[keep]
        yield
    inside, touching = touched(hole)
    targets, sources = np.flatnonzero(touching), np.flatnonzero(inside & ~touching)
    number = np.full(hole.size, -1, np.int32)
    number[targets] = np.arange(targets.size, dtype=np.int32)
    depth = cv2.distanceTransform(np.pad(hole, 1).astype(np.uint8), cv2.DIST_L2, 5)[1:-1, 1:-1].ravel()
    dy, dx = np.mgrid[-R : R + 1, -R : R + 1]
    return Level(
        image.copy(),
        hole,
        near,
        targets,
        sources,
        (inside & ~touching).ravel(),
        features.reshape(hole.size, -1),
        number,
        (GAMMA ** -depth[targets]).astype(np.float32),
        (dy * width + dx).ravel(),
    )


def target_features(level: Level) -> Floats:
    """(n, D) features of the target patches as the hole is filled now."""
    y, x = np.divmod(level.targets, level.width)
    top, left = y.min() - R, x.min() - R
    box = level.image[top : y.max() + R + 1, left : x.max() + R + 1]
    return np.asarray(describe(box, level.near, (top, left))[y - top, x - left])


def distance(a: Floats, b: Floats) -> Floats:
    """(n,) squared distances of rows."""
    d = a - b
    return np.asarray(np.einsum("ij,ij->i", d, d), np.float32)


def search_all(level: Level, wanted: Floats) -> Index:
    """(n,) the nearest source of each target, by exhaustion: |s − t|² = |s|² − 2 s·t + |t|²."""
    pool = level.features[level.sources]
    norms = distance(pool, np.zeros_like(pool))
    rows = max(1, int(4e6 // len(pool)))
    best = [(norms - 2 * wanted[i : i + rows] @ pool.T).argmin(axis=1) for i in range(0, len(wanted), rows)]
    return np.asarray(level.sources[np.concatenate(best)])


@dataclass(eq=False)
class Field:
    """The nearest-neighbour field while it is searched.

    source, cost: (n,) where each target's patch is copied from, and the squared distance and WEAR that this costs;
    wanted: (n, D) the targets' features; worn: (H·W,) what each source costs for being used.
    """

    source: Index
    cost: Floats
    wanted: Floats
    worn: Floats


def offer(level: Level, nnf: Field, who: Index, y: Index, x: Index, stay: float = 0.0) -> None:
    """Let the targets `who` take the sources at (y, x) where these are usable and better."""
    height, width = level.hole.shape
    ok = (y >= 0) & (y < height) & (x >= 0) & (x < width)
    who, source = who[ok], y[ok] * width + x[ok]
    ok = level.usable[source] & (source != nnf.source[who])
    who, source = who[ok], source[ok]
    cost = distance(level.features[source], nnf.wanted[who]) + nnf.worn[source]
    better = cost * (1 + stay) < nnf.cost[who]
    nnf.source[who[better]], nnf.cost[who[better]] = source[better], cost[better]


def search_near(level: Level, nnf: Field, reach: int, rng: np.random.Generator) -> Generator[None, None, None]:
    """One PatchMatch round: propagation over jumps of 4, 2, 1 pixels, then random search in shrinking windows."""
    height, width = level.hole.shape
    ty, tx = np.divmod(level.targets, width)
    for jump in (4, 2, 1):
        for dy, dx in ((0, jump), (jump, 0), (0, -jump), (-jump, 0)):
            y, x = np.clip(ty + dy, 0, height - 1), np.clip(tx + dx, 0, width - 1)
            other = level.number[y * width + x]
            who = np.flatnonzero(other >= 0)
            sy, sx = np.divmod(nnf.source[other[who]], width)
            offer(level, nnf, who, sy - (y - ty)[who], sx - (x - tx)[who])
        yield
    everyone = np.arange(len(level.targets))
    while reach >= 1:
        sy, sx = np.divmod(nnf.source, width)
        jitter = rng.integers(-reach, reach + 1, (2, len(everyone)))
        offer(level, nnf, everyone, sy + jitter[0], sx + jitter[1], STAY)
        reach //= 2
        yield


def average(level: Level, nnf: Field) -> None:
    """Wexler's vote: each pixel of the hole is the mean of what the patches over it want, weighted α·exp(−d²/2σ²)."""
    sigma2 = max(float(np.percentile(nnf.cost, 75)), 1e-3)
    weight = (level.trust * np.exp(-nnf.cost / (2 * sigma2)) + 1e-8).astype(np.float32)
    total = np.zeros((level.hole.size, level.image.shape[2] + 1), np.float32)
    for offset in level.cover:
        votes = level.pixels[nnf.source + offset]
        total[level.targets + offset, :-1] += weight[:, None] * votes
        total[level.targets + offset, -1] += weight
    inside = level.hole.ravel()
    level.pixels[inside] = total[inside, :-1] / total[inside, -1:]


def copies(level: Level, nnf: Field) -> Index:
    """(H·W,) the pixel each pixel of the hole copies: what the best-matching patch over it wants; itself elsewhere."""
    best = np.full(level.hole.size, np.inf, np.float32)
    source = np.arange(level.hole.size)
    for offset in level.cover:
        pixel = level.targets + offset
        wins = nnf.cost < best[pixel]
        best[pixel[wins]] = nnf.cost[wins]
        source[pixel[wins]] = nnf.source[wins] + offset
    return np.where(level.hole.ravel(), source, np.arange(level.hole.size))


def onion(level: Level) -> Generator[None, None, None]:
    """First guess at the coarsest level, rim by rim: each pixel copies the source that fits its patch's known part."""
    height, width = level.hole.shape
    sources = level.sources
    pool = level.pixels[sources[:, None] + level.cover, :3].reshape(len(sources), -1)
    sy, sx = np.divmod(sources, width)
    unknown = level.hole.copy()
    while unknown.any():
        inner = cv2.erode(unknown.astype(np.uint8), np.ones((3, 3), np.uint8), borderValue=1) > 0
        rim = np.flatnonzero(unknown & ~inner) if not inner.all() else np.flatnonzero(unknown)
        y, x = np.divmod(rim, width)
        y, x = np.clip(y, R, height - R - 1), np.clip(x, R, width - R - 1)
        centre = y * width + x
        known = np.repeat(~unknown.ravel()[centre[:, None] + level.cover], 3, axis=1).astype(np.float32)
        wanted = level.pixels[centre[:, None] + level.cover, :3].reshape(len(rim), -1) * known
        cost = (pool * pool) @ known.T - 2 * pool @ wanted.T
        cost += level.near**2 * ((sy[:, None] - y) ** 2 + (sx[:, None] - x) ** 2)
        level.pixels[rim] = level.pixels[sources[cost.argmin(axis=0)] + rim - centre]
        unknown.ravel()[rim] = False
        yield


def enlarge(coarse: Level, nnf: Field, fine: Level) -> Field:
    """The field of the next finer level: offsets doubled; where that is no use, a cost keeps it out of votes."""
    ty, tx = np.divmod(fine.targets, fine.width)
    parent = coarse.number[ty // 2 * coarse.width + tx // 2]
    sy, sx = np.divmod(nnf.source[np.maximum(parent, 0)], coarse.width)
    y, x = np.minimum(2 * sy + ty % 2, fine.hole.shape[0] - 1), np.minimum(2 * sx + tx % 2, fine.width - 1)
    guess = y * fine.width + x
    good = (parent >= 0) & fine.usable[guess]
    nothing, cost = np.empty(0, np.float32), np.where(good, 0, 1e6).astype(np.float32)
    return Field(np.where(good, guess, fine.sources[0]), cost, nothing, nothing)


def share(depth: int, done: float = 0.0) -> float:
    """How far the whole work is, when so much of a level is done; the last fifth is for carrying the plan out."""
    return 0.4 * 2.0**-depth * (1 + done)


def search(level: Level, before: Field | None, rounds: int, rng: np.random.Generator) -> Generator[None, None, Field]:
    """The nearest sources of the targets as they are now; by exhaustion where there is nothing to start from."""
    wanted = target_features(level)
    if before is None:
        source = search_all(level, wanted)
        return Field(source, distance(level.features[source], wanted), wanted, np.zeros(level.hole.size, np.float32))
    uses = np.bincount(before.source, minlength=level.hole.size).reshape(level.hole.shape).astype(np.float32)
    worn = WEAR * cv2.blur(uses, (3, 3)).ravel()
    cost = distance(level.features[before.source], wanted) + worn[before.source]
    nnf = Field(before.source.copy(), cost, wanted, worn)
    for _ in range(rounds):
        yield from search_near(level, nnf, max(level.hole.shape), rng)
    return nnf


def settle(
    level: Level, nnf: Field | None, depth: int, rng: np.random.Generator
) -> Generator[Glimpse | None, None, Field]:
    """The rounds of one level, with a picture after each."""
    rounds = ROUNDS[min(depth, len(ROUNDS) - 1)]
    for i in range(rounds):
        found = nnf = yield from search(level, nnf, 1 if i else 2, rng)
        if i < rounds - COPIES:
            average(level, found)
        else:
            level.image[...] = level.pixels[copies(level, found)].reshape(level.image.shape)
        yield Glimpse(share(depth, (i + 1) / rounds), picture(level.image))
    return found


def room(hole: Bools) -> int:
    """How many patches lie wholly in the known part: without one there is nothing to copy."""
    inside, touching = touched(hole)
    return int(inside.sum() - touching.sum())


def complete(rgb: Pixels, hole: Bools, rng: np.random.Generator) -> Work:
    """(H·W,) the flat index of the pixel that each pixel copies, itself outside the hole.

    rgb (H, W, 3), hole (H, W) with `room`; what rgb shows inside the hole has no effect.
    """
    pyramid = [(channels(rgb, hole), hole)]
    yield None
    while pyramid[-1][1].sum() > SMALLEST:
        coarser = halve(*pyramid[-1])
        if room(coarser[1]) < LEAST_ROOM:
            break
        pyramid.append(coarser)
        yield None
    coarse: tuple[Level, Field] | None = None
    for depth, (image, part) in reversed(list(enumerate(pyramid))):
        level, start = (yield from make_level(image, part, NEAR * PATCH / np.sqrt(part.sum()))), None
        yield Glimpse(share(depth))
        if coarse is None:
            yield from onion(level)
        else:
            start = enlarge(*coarse, level)
            average(level, start)
        nnf = yield from settle(level, start, depth, rng)
        coarse = level, nnf
    return copies(level, nnf)
