"""What people name in photos and of photos, and how they ask: parts, versions, degrees, manners, what nobody can do.

Tables only; the wishes themselves are `photo_works`', what they come to is `photographed`'s.
"""

from __future__ import annotations

PARTS: dict[str, str] = {
    **{f"the {one}": one for one in ("sky", "background", "foreground", "person", "cat", "dog", "car", "water", "sea")},
    **{
        f"the {one}": one
        for one in ("tree", "trees", "house", "cup", "table", "grass", "flowers", "mountain", "street")
    },
    **{f"the {one}": one for one in ("building", "bird", "window", "wall", "snow", "beach", "face", "man", "woman")},
    **{"her face": "face", "his face": "face", "her hair": "hair", "my face": "face", "her dress": "dress"},
    **{"the left side": "left", "the right side": "right", "the top": "top", "the bottom": "bottom"},
    **{"the top half": "top half", "the bottom half": "bottom half", "the left half": "left half"},
    **{"the person on the left": "person on the left", "the car on the right": "car on the right"},
    **{
        "everything except the person": "everything but the person",
        "everything but the face": "everything but the face",
    },
}
"""A part as it is said → as a plan has it."""
REMOVED = {
    **{
        f"the {one}": one for one in ("car", "trash can", "sign", "power lines", "tourist", "bin", "lamp post", "cable")
    },
    **{"the person on the left": "person on the left", "the people in the background": "people in the background"},
    **{"the logo": "logo", "that pole": "pole", "the stain": "stain", "the bird": "bird", "the wire": "wire"},
}
"""What people want gone."""
SUBJECTS = ("the dog", "the cat", "the person", "the car", "the tree", "the bird", "the woman", "the boat", "the cup")
WITHIN = ("on the left", "on the right", "at the bottom", "in the bottom right corner", "in the bottom left corner")
IT = ("it", "it", "it", "it", "this", "the photo", "the picture", "this photo", "the image", "this picture")
DEGREES = ("", "", "", "tiny", "small", "small", "small", "big")
MUCH = {
    "": ("",),
    "tiny": (" a touch", " a tad"),
    "small": (" a bit", " a little", " slightly", " a little bit"),
    "big": (" a lot",),
}
MORE = {
    "": ("",),
    "tiny": ("a touch ", "a tad "),
    "small": ("a bit ", "a little ", "slightly ", "a little bit "),
    "big": ("a lot ", "much "),
}
COLOURS = {
    **{"white": "#ffffff", "black": "#000000", "red": "#ff0000", "blue": "#0000ff", "green": "#008000"},
    **{"gray": "#808080", "yellow": "#ffff00"},
}
"""Of borders and backgrounds, as the rules know them."""
TEXTS = (
    *("hello", "summer 2024", "happy birthday", "good morning", "thank you", "for sale", "the end", "our trip"),
    *("greetings from rome", "best friends", "merry christmas", "no entry", "save the date", "day one", "sold"),
)
AT = ("top", "bottom", "top left", "top right", "bottom left", "bottom right")

MANNERS = {
    "": (
        *("{said}", "{said}", "{said}", "{said} please", "please {said}", "can you {said}?", "could you {said}?"),
        *("could you please {said}?", "can you {said} please?", "now {said}", "i would like you to {said}"),
        *("{said}, thanks", "ok, now {said}", "just {said}", "hey, {said}", "would it be possible to {said}?"),
        *("pls {said}", "can u {said}", "do you think you can {said}?", "let's {said}"),
    ),
    "~": ("{said}", "{said}", "hmm, {said}", "i think {said}"),
    "+": ("{said}", "{said} please", "i'd like {said}", "can i have {said}?", "{said}, please", "give me {said}"),
}
"""By the mark of a phrase."""
UNSEEN_MANNERS = ("kindly {said}", "i want you to {said}", "are you able to {said}?")
TWO = ("{0} and {1}", "{0}, then {1}", "{0} and then {1}", "first {0}, then {1}", "{0}. then {1}", "{0} and also {1}")
THREE = ("{0}, {1} and {2}", "{0}, then {1} and then {2}", "first {0}, then {1}, then {2}", "{0}, {1}, and then {2}")
UNSEEN_TWO, UNSEEN_THREE = ("{0}, and after that {1}",), ("{0} and {1}, then {2}",)
OF = (
    *("take {ref} and {said}", "go back to {ref} and {said}", "in {ref}, {said}", "with {ref}: {said}"),
    *("use {ref} and {said}", "start from {ref} and {said}", "on {ref}, {said}", "go back to {ref}, then {said}"),
)
UNSEEN_OF = ("work from {ref} and {said}", "continue from {ref} and {said}")
CALLED: dict[str, tuple[str, ...]] = {
    "ordinal": ("#{n}", "#{n}", "version {n}", "version {n}", "the {nth} version"),
    "original": ("the original", "the original photo", "the original", "the untouched photo"),
    "previous": ("the previous version", "the previous one"),
    "latest": ("the latest version", "the current version", "the newest version"),
    "before": ("the version before {since}", "the one before {since}", "the photo from before {since}"),
}
UNSEEN_CALLED: dict[str, tuple[str, ...]] = {
    "ordinal": ("revision {n}", "the picture #{n}"),
    "original": ("the unedited photo",),
    "previous": ("the prior version",),
    "before": ("how it was before {since}",),
}
SENT = ("the attached photo", "the photo i sent", "the attached picture", "the photo i attached", "the picture i sent")
MATCHED = ("match the colours of {ref}", "give it the colours of {ref}", "copy the colours of {ref}")
INSERTED = ("put {thing} from {ref} into it", "add {thing} from {ref}", "insert {thing} from {ref}")
BEHIND = ("use {ref} as the background", "replace the background with {ref}", "make {ref} the background")
UNCLEAR: dict[str, tuple[str, ...]] = {
    "Crop it to which shape, or to which part?": ("crop it", "crop the photo", "crop this", "crop tighter"),
    "Flip it left to right, or upside down?": ("flip it", "flip the photo", "flip this", "flip the picture"),
    "Turn it by how much?": ("rotate it", "turn the photo", "rotate this", "turn it around", "tilt it a bit"),
    "What size should it have?": ("resize it", "make it smaller", "make it bigger", "shrink it", "reduce the size"),
    "What should it say?": ("add a caption", "add text", "write something on it", "put my name on it"),
    "Which colour should the background have?": ("change the background", "remove the background"),
    "What should I change?": (
        *("edit this", "make it moody", "give it a vintage feel", "make it dreamy", "make it look cinematic", "fix it"),
        *("do something cool with it", "make it special", "clean it up", "make it cozy", "give it a moody look"),
    ),
    "What should be removed?": ("remove something", "can you remove it?", "erase it"),
}
"""A question → what it is asked about."""
WHICH = "Which version do you mean?"
WHO = ("her", "him", "the man", "the woman", "the baby", "my son", "the girl", "the boy", "the dog", "grandma")
CANNOT = (
    *("make {who} smile", "make {who} look younger", "make {who} look at the camera", "make {who} laugh"),
    *("put a hat on {who}", "make {who} thinner", "open the eyes of {who}", "give {who} a beard", "make {who} taller"),
    *("add a {new}", "put a {new} in the corner", "add a {new} to it", "draw a {new}", "make it {weather}"),
    *("turn it into a {art}", "make it look like a {art}", "make it {weather}", "turn the dress into a coat"),
    *("change the shirt to another one", "animate it", "make a video of it", "turn the head of {who}"),
)
NEW = ("rainbow", "dragon", "moon", "second dog", "balloon", "cake", "ufo", "crown", "tree house", "waterfall")
WEATHER = ("snow", "rain", "sunset", "night", "winter", "autumn", "foggy")
ART = ("cartoon", "painting", "van gogh painting", "watercolour", "comic", "pencil drawing")
NO_TOOL = "No tool here can do that, so I changed nothing."
TALK: dict[str, tuple[str, ...]] = {
    "Hello. Say what should be different in your photo.": ("hello", "hi", "hey", "hi there", "good morning"),
    "You are welcome.": ("thanks", "thank you", "thanks a lot", "perfect, thanks", "great, thank you", "thx"),
    "I change photos as you say.": ("what can you do?", "how does this work?", "who are you?", "what can i say?"),
    "I change photos, and cannot say what they show.": (
        *("what is in this picture?", "who is this?", "where was this taken?", "what do you see?", "describe it"),
    ),
}
"""A reply → what it answers."""
