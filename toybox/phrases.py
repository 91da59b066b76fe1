"""The words of dialogues: what people say for a change, for a picture, for an order of changes, and in passing.

Every table is a family of phrases; those in `UNSEEN` are made of words that the others have, in an order that training
never shows. Which change is meant is `wishes`', which picture is meant `history`'s to say; edits of scenes have their
own phrases in `words`.
"""

from __future__ import annotations

import re

from numpy.random import Generator

from toybox import words
from toybox.edits import Edit
from toybox.scenes import pick

SAID: dict[str, tuple[str, ...]] = {
    # everyday changes of {it}: the picture, a part of it, or "it"
    "brighter": ("make {it} brighter", "brighten {it}", "give {it} more light"),
    "darker": ("make {it} darker", "darken {it}", "give {it} less light"),
    "more contrast": ("give {it} more contrast", "raise the contrast of {it}"),
    "less contrast": ("give {it} less contrast", "lower the contrast of {it}"),
    "stronger": ("make the colours of {it} stronger", "raise the saturation of {it}", "give {it} stronger colours"),
    "paler": ("make the colours of {it} paler", "lower the saturation of {it}", "give {it} paler colours"),
    "warmer": ("make {it} warmer", "give {it} warmer colours"),
    "cooler": ("make {it} cooler", "give {it} cooler colours"),
    "black and white": ("make {it} black and white", "turn {it} black and white", "take the colours out of {it}"),
    "sepia": ("make {it} sepia", "turn {it} sepia", "give {it} a sepia tone"),
    "blur": ("blur {it}", "make {it} softer", "soften {it}"),
    "sharpen": ("sharpen {it}", "make {it} sharper"),
    "vignette": ("add a vignette to {it}", "darken the corners of {it}", "give {it} a vignette"),
    "square": ("crop {it} to a square", "cut {it} to a square", "make {it} square"),
    "wide": ("crop {it} to 16:9", "cut {it} to 16:9", "make {it} 16:9"),
    "right": ("rotate {it} to the right", "turn {it} to the right"),
    "left": ("rotate {it} to the left", "turn {it} to the left"),
    "upside down": ("turn {it} upside down", "rotate {it} by 180 degrees"),
    "mirror": ("mirror {it}", "flip {it}", "flip {it} from left to right"),
    "flip down": ("flip {it} from top to bottom", "mirror {it} from top to bottom"),
    "half": ("make {it} half as large", "shrink {it} to half"),
    "improve": ("improve {it}", "make {it} better", "correct {it}"),
    "text": ("write {text} on {it}", "put the words {text} on {it}", "add the text {text} to {it}"),
    "border": ("add a {colour} border to {it}", "put a {colour} border around {it}", "give {it} a {colour} border"),
    # how much of it
    "small": ("a little", "slightly"),
    "big": ("a lot", "strongly"),
    # changes that other pictures say
    "match": ("give {it} the colours of {ref}", "match the colours of {it} to {ref}", "use the colours of {ref}"),
    "analogy": ("do to {it} what was done from {a} to {b}", "change {it} as {a} was changed to {b}"),
    "again": ("do to {it} what you did when {event}", "repeat on {it} what you did when {event}"),
    "showing": ("{said}, so that it shows {shown}", "{said}: {shown}"),
    "insert": (
        "put {thing} from {ref} into {it}",
        "add {thing} of {ref} to {it}",
        "copy {thing} from {ref} into {it}",
    ),
    "behind": ("use {ref} as the background of {it}", "put {ref} behind the {shape}"),
    "colour of": ("give the {shape} the colour of the {other} in {ref}", "paint the {shape} like the {other} in {ref}"),
    "background of": ("give {it} the same background as {ref}", "make the background like in {ref}"),
    "light of": ("give {it} the same light as {ref}", "make the light like in {ref}"),
    "weather of": ("give {it} the same weather as {ref}", "make the weather like in {ref}"),
    "carry": ("take {ref}, {said} and put the {shape} into {it}", "{said} in {ref}, then put the {shape} into {it}"),
    # changes that a sound says
    "heard colour": (
        "make what you hear {colour}",
        "paint the thing of the sound {colour}",
        "turn what sounds like this {colour}",
    ),
    "heard remove": ("remove what you hear", "delete the thing of the sound", "take away what sounds like this"),
    "heard add": (
        "add what you hear in {colour} at the {slot}",
        "put the thing of the sound in {colour} in the {slot}",
    ),
    "heard part": ("what you hear", "the thing of the sound", "what sounds like this"),
    "heard mood": ("make it like the sound", "let it be like this sounds"),
    "heard light": ("change the light to what you hear",),
    "heard weather": ("change the weather to what you hear",),
    "heard style": ("change the style to what you hear",),
    "heard paint": ("paint the {shape} like the music", "make the {shape} the colour of the music"),
    # a sound, music or another picture shapes all of {it}
    "shaped sound": ("add the sound to {it}", "add this sound to {it}", "let the sound change {it}"),
    "shaped music": ("fit {it} to the music", "fit {it} to this music", "add the music to {it}"),
    "shaped like": ("make {it} look like {ref}", "restyle {it} like {ref}", "let {ref} change {it}"),
    "shaped with": (
        "make {it} look like {ref} with the {thing} of {other}",
        "restyle {it} like {ref}, with the {thing} from {other} in it",
    ),
    # pictures
    "head": ("it", "it", "it", "this picture"),
    "latest": ("the latest picture", "the last picture", "the newest picture"),
    "ordinal": ("the {nth} picture", "the {nth} one", "#{n}"),
    "original": ("the original", "the original picture"),
    "previous": ("the previous picture", "the one before this", "the picture before this"),
    "with thing": ("the one with the {thing}", "the picture with the {thing}", "the picture of the {thing}"),
    "with ground": ("the one with the {ground} background", "the picture on {ground}", "the one on {ground}"),
    "with state": ("the {state} picture", "the {state} one"),
    "before": ("the picture from before {event}", "the version from before {event}", "the one from before {event}"),
    "where": ("the picture where {event}", "the one where {event}"),
    "attached": ("the attached picture", "the picture i sent"),
    "attached first": ("the first attached picture",),
    "attached second": ("the second attached picture",),
    # a change of a picture that is named, several changes, and manners
    "of": ("take {ref} and {said}", "in {ref}, {said}", "go back to {ref} and {said}", "with {ref}: {said}"),
    "of part": ("{said} in {ref}", "take {ref} and {said}", "in {ref}, {said}", "go back to {ref} and {said}"),
    "two": ("{0} and {1}", "{0}, then {1}", "first {0}, then {1}", "{0} and then {1}"),
    "three": ("{0}, {1} and {2}", "first {0}, then {1} and then {2}", "{0}, then {1} and {2}"),
    "manners": ("{said}", "{said}", "please {said}", "now {said}", "{said}, please"),
    # no change
    "hello": ("hello", "good morning", "hello, who are you?"),
    "thanks": ("thanks", "thank you", "that is good, thanks"),
    "able": ("what can you do?", "what can i say?"),
    "describe": ("what is in {ref}?", "describe {ref}", "what do you see in {ref}?"),
    "hear": ("what do you hear?", "what is the sound?"),
}  # fmt: skip
UNSEEN: dict[str, tuple[str, ...]] = {
    "brighter": ("let {it} be brighter",),
    "stronger": ("let the colours of {it} be stronger",),
    "black and white": ("change {it} to black and white",),
    "blur": ("let {it} be softer",),
    "vignette": ("put a vignette on {it}",),
    "warmer": ("let the colours of {it} be warmer",),
    "border": ("put {it} in a {colour} border",),
    "behind": ("make {ref} the background of {it}",),
    "square": ("change {it} to a square",),
    "text": ("write on {it} the words {text}",),
    "match": ("make the colours of {it} like in {ref}",),
    "insert": ("take {thing} from {ref} and put it into {it}",),
    "colour of": ("make the {shape} the colour of the {other} in {ref}",),
    "heard colour": ("turn the thing of the sound {colour}",),
    "heard mood": ("let it be like the sound",),
    "heard weather": ("make the weather like what you hear",),
    "heard add": ("add the thing of the sound in {colour} at the {slot}",),
    "heard remove": ("take what you hear away",),
    "shaped sound": ("put the sound into {it}",),
    "shaped music": ("let the music change {it}",),
    "shaped like": ("change {it} to look like {ref}",),
    "ordinal": ("picture #{n}",),
    "latest": ("the newest one",),
    "with ground": ("the picture with the {ground} background",),
    "where": ("the picture when {event}",),
    "with thing": ("the picture where the {thing} is",),
    "before": ("the picture before {event}",),
    "of": ("use {ref} and {said}",),
    "two": ("first {0} and then {1}",),
    "describe": ("describe what is in {ref}",),
    "three": ("first {0}, then {1}, then {2}",),
}
FOUR = ("{0}, {1}, {2} and {3}", "first {0}, then {1}, then {2} and then {3}", "{0} and {1}, then {2} and {3}")
"""Four changes, which training never has in one message."""
REPLIES = {
    "hello": "Hello. Say what should be different in your picture.",
    "thanks": "You are welcome.",
    "able": "I change pictures as you say, in words, with other pictures or with sounds.",
    "describe": "It shows {shown}.",
    "hear": "I hear {heard}.",
    "which": "Which picture do you mean?",
}
NTH = (
    "first",
    "second",
    "third",
    "fourth",
    "fifth",
    "sixth",
    "seventh",
    "eighth",
    "ninth",
    "tenth",
    "eleventh",
    "twelfth",
)
TEXTS = ("hello", "summer", "happy birthday", "good morning", "thank you", "for sale", "the end", "home")
PLACES = ("top", "bottom", "top left", "top right", "bottom left", "bottom right")
FRAMES = {"white": "#ffffff", "black": "#000000", "red": "#d62828", "blue": "#2d55d7"}
"""Colours of borders."""


class Voice:
    """How one dialogue speaks: the phrases that training has, and perhaps those and pairs that it has not.

    `unseen` counts what was said that training never shows.
    """

    def __init__(self, rng: Generator, held_out: bool) -> None:
        self.rng, self.held_out, self.unseen = rng, held_out, 0

    def chance(self, p: float) -> bool:
        """True so often."""
        return bool(self.rng.random() < p)

    def pick(self, options: tuple[str, ...] | list[str]) -> str:
        """One of them."""
        return pick(self.rng, options)

    def number(self, below: int) -> int:
        """0 … below − 1."""
        return int(self.rng.integers(below))

    def new(self) -> bool:
        """Whether to say something that training never shows, where it can be said; it is counted."""
        new = self.held_out and self.chance(0.6)
        self.unseen += new
        return new

    def say(self, family: str, *numbered: str, **named: str) -> str:
        """A phrase of the family with its words filled in; {it} stays where it is not given."""
        options = UNSEEN[family] if family in UNSEEN and self.new() else SAID[family]
        phrase = self.pick(options)
        return phrase.format(*numbered, **({"it": "{it}"} | named))

    def polite(self, said: str) -> str:
        """The same, perhaps with a courtesy; what opens with a place stays as it is."""
        return said if said.startswith(("in ", "with ")) else self.say("manners", said=said)

    def ask(self, edit: Edit) -> str:
        """The words for an edit of the scene."""
        return words.instruction(self.rng, edit, self.new())


def vocabulary() -> list[str]:
    """Every word of messages, sorted."""
    tables = [*SAID.values(), *UNSEEN.values(), NTH, TEXTS, PLACES, tuple(FRAMES), EVENTS]
    said = " ".join(phrase for table in tables for phrase in table)
    return sorted({*words.vocabulary(), *spoken(re.sub(r"\{\w+\}", " ", said)), *map(str, range(1, 13))})


EVENTS = (
    "it got more less contrast stronger colours paler warmer cooler brighter darker black and white sepia dark light",
    "it was blurred sharpened mirrored turned came moved went away became a an",
    "it got a vignette a border",
)
"""The words of what happened (`wishes`)."""


def spoken(text: str) -> list[str]:
    """The words and numbers of a message; marks are left out."""
    return re.findall(r"[a-z]+|\d+", text.lower())


def canonical(edit: Edit) -> str:
    """The one sentence that the plan has for an edit of the scene, however it was said."""
    return words.filled(words.PHRASINGS[type(edit)][0], edit)
