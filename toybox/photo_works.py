"""How people ask photo tools for everyday work: a table of tools with all that is said for them.

    {it}     the photo, or a part of it         {much}  " a bit", " a lot", …, or nothing
    {more}   "a bit ", "much ", …, or nothing

A phrase is an order ("brighten {it}"), or it is marked: `~` says how it is ("{it} is too dark"), `+` names what is
wished ("more contrast"). Degrees are as the rules have them. Parts of photos and manners are `photo_words`'.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from sessions.values import Json


@dataclass(frozen=True)
class Work:
    """An everyday change: a tool, its arguments where no degree is said, and the phrases for it.

    `slider`: the argument that a degree sets, times `sign`; "" where none does. `of`: phrases of the photo or a part;
    `whole`: of the photo alone. `unseen`: what is never said in training. `called`: how its result is called by what
    was done, `since`: what has happened since the picture before it. `seldom`: it is no part of a session's past.
    """

    tool: str
    args: Json = field(default_factory=dict)
    slider: str = ""
    sign: int = 1
    of: tuple[str, ...] = ()
    whole: tuple[str, ...] = ()
    unseen: tuple[str, ...] = ()
    called: tuple[str, ...] = ()
    since: tuple[str, ...] = ()
    seldom: bool = False


def _adjust(name: str, sign: int, usual: float = 0.3, **said: tuple[str, ...]) -> Work:
    return Work("adjust", {name: sign * usual}, name, sign, **said)  # type: ignore[arg-type]


WORKS: dict[str, Work] = {
    "brighter": _adjust(
        "exposure",
        1,
        of=(
            "brighten {it}{much}", "brighten {it} up{much}", "lighten {it}{much}", "lighten {it} up{much}",
            "make {it} {more}brighter", "make {it} {more}lighter", "give {it} {more}more light", "~{it} is too dark",
            "~{it} looks too dark", "get {it} {more}brighter", "make {it} less dark", "~{it} could use more light",
            "~{it} needs more light", "~wish {it} was brighter", "~i want {it} {more}brighter",
            "~would be nice if {it} was {more}brighter", "~{it} is not bright enough",
        ),
        whole=(
            "+{more}brighter", "+{more}more light", "up the exposure{much}", "raise the exposure{much}",
            "increase the brightness{much}", "turn the brightness up{much}", "bring the exposure up{much}",
            "~{it} came out too dark", "~{it} is underexposed", "bump up the brightness{much}",
        ),
        unseen=("push the brightness up{much}", "light {it} up{much}", "render {it} {more}brighter"),
        called=("the brighter one", "the brighter version", "the brightened version"),
        since=("it was brightened",),
    ),
    "darker": _adjust(
        "exposure",
        -1,
        of=(
            "darken {it}{much}", "make {it} {more}darker", "make {it} less bright", "~{it} is too bright",
            "~{it} looks too bright", "get {it} {more}darker", "give {it} {more}less light",
            "~wish {it} was {more}darker", "~would be nice if {it} was {more}darker", "~i want {it} {more}darker",
        ),
        whole=(
            "+{more}darker", "lower the exposure{much}", "bring the exposure down{much}", "~{it} is overexposed",
            "tone down the brightness{much}", "turn the brightness down{much}", "reduce the brightness{much}",
        ),
        unseen=("pull the exposure down{much}", "render {it} {more}darker"),
        called=("the darker one", "the darker version", "the darkened version"),
        since=("it was darkened",),
    ),
    "more contrast": _adjust(
        "contrast",
        1,
        of=(
            "give {it} {more}more contrast", "boost the contrast of {it}{much}", "raise the contrast of {it}{much}",
            "increase the contrast of {it}{much}", "~{it} looks flat", "~{it} is too flat",
        ),
        whole=(
            "bump the contrast{much}", "bump up the contrast{much}", "+{more}more contrast", "up the contrast{much}",
            "boost the contrast{much}", "increase the contrast{much}", "~{it} looks washed out", "punch {it} up",
            "turn the contrast up{much}", "crank up the contrast", "add some contrast", "give {it} more punch",
            "~{it} needs some contrast", "~{it} is lacking contrast", "~not enough contrast",
            "~{it} could use contrast",
        ),
        unseen=("raise the contrast{much}", "contrast up{much}"),
    ),
    "less contrast": _adjust(
        "contrast",
        -1,
        of=("give {it} {more}less contrast", "lower the contrast of {it}{much}", "reduce the contrast of {it}{much}"),
        whole=(
            "+{more}less contrast", "lower the contrast{much}", "soften the contrast",
            "reduce the contrast{much}", "flatten the contrast{much}", "turn the contrast down{much}",
            "take the contrast down{much}", "~the contrast is too strong", "dial down the contrast{much}",
        ),
        unseen=("bring the contrast down{much}",),
    ),
    "stronger": _adjust(
        "saturation",
        1,
        of=(
            "make {it} {more}more colourful", "make {it} {more}more vivid", "saturate {it}{much}",
            "boost the colours of {it}{much}", "make the colours of {it} {more}stronger", "give {it} more colour",
            "raise the saturation of {it}{much}", "make the colors of {it} {more}more vivid",
        ),
        whole=(
            "boost the saturation{much}", "+more saturated", "make the colours pop", "+{more}more colour",
            "make the colors {more}more vivid", "bring out the colors", "crank up the saturation", "+richer colours",
            "increase the saturation{much}", "turn the saturation up{much}", "~the colours are too pale",
        ),
        unseen=("push the saturation up{much}", "intensify the colours{much}"),
        called=("the more colourful one", "the more saturated version"),
    ),
    "paler": _adjust(
        "saturation",
        -1,
        of=("make {it} {more}less colourful", "make the colours of {it} {more}paler", "make {it} {more}less saturated"),
        whole=(
            "tone down the colours{much}", "+{more}less saturated", "make the colours {more}more muted",
            "lower the saturation{much}", "reduce the saturation{much}", "+{more}less colour", "mute the colours",
            "dial down the saturation{much}", "~the colours are too strong", "~{it} is too colourful",
            "+less intense colours", "take it easy on the saturation", "turn the saturation down",
            "calm the colours down",
        ),
        unseen=("bring the saturation down{much}", "pull the colours back{much}"),
    ),
    "desaturated": Work(
        "adjust",
        {"saturation": -0.2},
        of=("desaturate {it} a bit", "desaturate {it} slightly", "desaturate {it} a little"),
        whole=("desaturate slightly", "desaturate a bit"),
        unseen=("slightly desaturate {it}",),
        seldom=True,
    ),
    "warmer": _adjust(
        "temperature",
        1,
        of=("make {it} {more}warmer", "warm {it} up{much}", "warm up {it}{much}", "give {it} {more}warmer colours"),
        whole=(
            "+{more}warmer", "+warmer tones", "+more warmth", "add some warmth", "~{it} looks too cold",
            "warm the colours up{much}", "~{it} is too cold", "make the colours {more}warmer", "~{it} is too blue",
        ),
        unseen=("render {it} {more}warmer", "give {it} {more}more warmth"),
        called=("the warm one", "the warmer version"),
    ),
    "cooler": _adjust(
        "temperature",
        -1,
        of=("make {it} {more}cooler", "cool {it} down{much}", "make {it} {more}colder", "give {it} cooler colours"),
        whole=(
            "+{more}cooler", "+cooler tones", "+colder tones", "~{it} looks too warm", "~{it} is too yellow",
            "make the colours {more}cooler", "~{it} is too orange", "cool the colours down{much}",
        ),
        unseen=("render {it} {more}cooler",),
        called=("the cool one", "the cooler version"),
    ),
    "shadows": _adjust(
        "shadows",
        1,
        whole=(
            "lift the shadows{much}", "open up the shadows{much}", "brighten the shadows{much}",
            "~the shadows are too dark", "bring out the shadows", "raise the shadows{much}",
        ),
        unseen=("lighten the shadows{much}",),
    ),
    "highlights": _adjust(
        "highlights",
        -1,
        whole=(
            "recover the highlights", "bring down the highlights{much}", "tone down the highlights{much}",
            "~the highlights are blown out", "lower the highlights{much}", "reduce the highlights{much}",
        ),
        unseen=("pull the highlights down{much}",),
    ),
    "black and white": Work(
        "monochrome",
        {"tone": "neutral"},
        of=("make {it} black and white", "turn {it} black and white", "convert {it} to black and white"),
        whole=(
            "+black and white", "+b&w", "make {it} b&w", "convert {it} to grayscale", "take out the colour",
            "make {it} monochrome", "turn {it} into a black and white photo",
            "remove all the colour", "lose the colour", "make {it} greyscale",
            "~{it} would look better in black and white", "try {it} in black and white", "see how {it} looks in b&w",
            "~how about black and white", "~i want a black and white photo",
        ),
        unseen=("change {it} to black and white", "drain the colour"),
        called=("the black and white one", "the black and white version", "the b&w one"),
        since=("it was black and white",),
    ),
    "sepia": Work(
        "monochrome",
        {"tone": "sepia"},
        of=("make {it} sepia", "turn {it} sepia", "give {it} a sepia tone"),
        whole=(
            "+a sepia tone", "convert {it} to sepia", "give {it} an old sepia look",
            "~what about sepia", "see how {it} looks in sepia", "~{it} would look better in sepia",
            "~i want {it} in sepia",
        ),
        unseen=("change {it} to sepia",),
        called=("the sepia one", "the sepia version"),
        since=("it was sepia",),
    ),
    "blur": Work(
        "blur",
        slider="amount",
        of=("blur {it}{much}", "make {it} {more}blurry", "soften {it}{much}", "make {it} {more}softer"),
        whole=("blur the whole photo{much}", "blur everything{much}"),
        unseen=("put a blur on {it}", "get {it} blurred"),
        called=("the blurred one", "the blurry version"),
        since=("it was blurred", "the blur"),
    ),
    "sharpen": Work(
        "sharpen",
        slider="amount",
        of=("sharpen {it}{much}", "sharpen {it} up{much}", "make {it} {more}sharper", "make {it} {more}crisper"),
        whole=(
            "+{more}sharper", "bring out the details", "+more detail", "~{it} is too soft", "make {it} look sharper",
            "~{it} is blurry", "give {it} more clarity", "add some clarity",
        ),
        unseen=("render {it} {more}sharper", "crisp {it} up{much}"),
        called=("the sharpened one", "the sharper version"),
        since=("it was sharpened",),
    ),
    "denoise": Work(
        "denoise",
        of=("denoise {it}", "make {it} less grainy", "make {it} less noisy"),
        whole=(
            "reduce the noise", "remove the noise", "get rid of the grain", "+less noise", "~{it} is too grainy",
            "~{it} is noisy", "remove the grain", "+less grain", "get rid of the noise", "clean up the noise",
            "hide the noise", "make the noise go away", "~i don't like the noise", "~there is too much noise",
        ),
        unseen=("take out the noise", "take the grain away"),
        called=("the denoised one",),
    ),
    "vignette": Work(
        "vignette",
        {"amount": 0.4},
        "amount",
        whole=(
            "add a vignette", "give {it} a vignette", "put a vignette on {it}", "+a vignette", "vignette {it}",
            "+dark corners", "fade the edges to black",
        ),
        unseen=("add a vignette around {it}",),
        called=("the one with the vignette", "the vignette version"),
        since=("the vignette",),
    ),
    "square": Work(
        "crop",
        {"aspect": "1:1"},
        whole=(
            "crop {it} to a square", "crop {it} square", "make {it} square", "cut {it} to a square", "make {it} 1:1",
            "trim {it} to a square", "crop {it} to 1:1", "crop {it} into a square", "turn {it} into a square",
            "~i want a square", "+a square", "make a square out of {it}", "~{it} should be square",
        ),
        unseen=("cut {it} square", "crop {it} down to a square"),
        called=("the square one", "the square version", "the cropped one"),
        since=("it was cropped",),
    ),
    **{
        aspect: Work(
            "crop",
            {"aspect": aspect},
            whole=(f"crop {{it}} to {aspect}", f"make {{it}} {aspect}", f"cut {{it}} to {aspect}", f"+{aspect}"),
            unseen=(f"trim {{it}} to {aspect}",),
            seldom=True,
        )
        for aspect in ("16:9", "4:3", "3:2", "4:5", "9:16")
    },
    "straighten": Work(
        "straighten",
        whole=(
            "straighten {it}", "straighten the horizon", "level the horizon", "~the horizon is crooked",
            "fix the tilt", "~{it} is crooked", "~{it} is tilted", "fix the horizon", "~the horizon is tilted",
            "make the horizon straight", "level {it}", "~the horizon is not straight", "straighten {it} out",
            "~my camera was not level", "~{it} should be straight", "make {it} less tilted",
        ),
        unseen=("get the horizon straight", "make the horizon level"),
        called=("the straightened one", "the straight version"),
        since=("it was straightened",),
    ),
    "right": Work(
        "rotate",
        {"degrees": 90},
        whole=(
            "rotate {it} right", "rotate {it} to the right", "turn {it} to the right", "rotate {it} clockwise",
            "rotate {it} 90 degrees clockwise", "turn {it} 90 degrees to the right", "rotate {it} 90 degrees",
        ),
        unseen=("spin {it} to the right",),
        called=("the rotated one",),
        since=("it was rotated",),
    ),
    "left": Work(
        "rotate",
        {"degrees": -90},
        whole=(
            "rotate {it} left", "rotate {it} to the left", "turn {it} to the left", "rotate {it} counterclockwise",
            "rotate {it} 90 degrees counterclockwise", "turn {it} 90 degrees to the left",
        ),
        unseen=("spin {it} to the left",),
        seldom=True,
    ),
    "upside down": Work(
        "rotate",
        {"degrees": 180},
        whole=(
            "rotate {it} 180 degrees", "turn {it} upside down", "rotate {it} by 180 degrees", "~{it} is upside down",
        ),
        unseen=("spin {it} by 180 degrees",),
        seldom=True,
    ),
    **{
        f"{degrees} degrees": Work(
            "rotate",
            {"degrees": degrees},
            whole=(
                f"rotate {{it}} {abs(degrees)} degrees{' counterclockwise' if degrees < 0 else ''}",
                f"rotate {{it}} by {abs(degrees)} degrees{' counterclockwise' if degrees < 0 else ' clockwise'}",
                f"turn {{it}} {abs(degrees)} degrees to the {'left' if degrees < 0 else 'right'}",
            ),
            seldom=True,
        )
        for degrees in (2, 3, 5, 10, 45, -2, -3, -5, -10, -45)
    },
    "mirror": Work(
        "flip",
        {"axis": "horizontal"},
        whole=("mirror {it}", "flip {it} horizontally", "flip {it} left to right", "swap left and right"),
        unseen=("mirror {it} horizontally",),
        called=("the mirrored one", "the flipped version"),
        since=("it was mirrored", "it was flipped"),
    ),
    "flip down": Work(
        "flip",
        {"axis": "vertical"},
        whole=("flip {it} vertically", "flip {it} upside down", "flip {it} top to bottom", "mirror {it} vertically"),
        seldom=True,
    ),
    "half": Work(
        "resize",
        {"scale": 0.5},
        whole=(
            "resize {it} to half", "make {it} half the size", "shrink {it} to 50%", "+half the size",
            "scale {it} down to half", "shrink {it} by half", "scale {it} to 50%", "resize {it} to 50%",
        ),
        unseen=("bring {it} down to half the size",),
        called=("the smaller one", "the resized version"),
        since=("it was resized",),
    ),
    **{
        f"{width} wide": Work(
            "resize",
            {"width": width},
            whole=(
                f"resize {{it}} to {width} pixels wide", f"make {{it}} {width} pixels wide", f"+{width} pixels wide",
                f"make {{it}} {width} px wide", f"scale {{it}} down to {width} pixels wide",
            ),
            unseen=(f"shrink {{it}} to {width} pixels wide",),
            seldom=True,
        )
        for width in (640, 800, 1024, 1080, 1200, 1600, 1920, 2048)
    },
    "improve": Work(
        "auto",
        whole=(
            "improve {it}", "enhance {it}", "make {it} look better", "make {it} better", "auto fix {it}",
            "auto enhance {it}", "fix the lighting", "fix the colours", "touch {it} up", "make {it} look good",
        ),
        unseen=("make {it} look nicer",),
        seldom=True,
    ),
}  # fmt: skip
"""By name."""
