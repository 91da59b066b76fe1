"""What a message says besides edits: what is to be left alone, and remarks that ask for nothing.

"don't touch the sky", "leave the rest alone", "no border" restrict the steps; "it's for my blog", "my husband holds the
camera crooked" are set aside. A remark is only what has a subject of its own and names no edit.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from agent.planners.rules.clause import Clause
from agent.planners.rules.lexicon import Head
from agent.planners.rules.nounphrases import noun_phrase
from agent.planners.rules.places import place_at
from agent.planners.rules.segments import Segment
from agent.planners.rules.words import Word

REST = "rest"


@dataclass(frozen=True)
class Ban:
    """A part of the picture that must stay as it is (REST: all but what is edited), or tools that must not be used.

    `arguments`: of adjust, the sliders and the directions that are not wanted.
    """

    region: str | None = None
    tools: frozenset[str] = frozenset()
    arguments: frozenset[tuple[str, int]] = frozenset()


_NOT = r"(?:do not|does not|did not|never|without|not|no|avoid|must not|should not|can not|will not|would not|i do not want(?: you)?(?: to)?|you do not need to|do not need to|no need to|do not want(?: you)?(?: to)?|i would rather not|rather not|not to|do not you dare|keep from)"
_TOUCH = (
    r"(?:touch|touching|affect|affecting|alter|altering|change|changing|mess with|messing with|mess up|messing up|modify|modifying|edit|editing|"
    r"do anything to|do anything with|adjust|adjusting|interfere with|include|including|damage|damaging|ruin|ruining|destroy|losing|lose|apply it to|apply this to|apply that to|"
    r"change anything (?:in|about|on)|harm|harming|disturb|disturbing|be affected|process|spoil|spoiling|hurt|hurting|mess|bother|do it to|work on|move)"
)
_KEEP = r"(?:leave|leaving|keep|keeping|preserve|preserving|protect|protecting|maintain|maintaining|retain|spare|sparing|let|save)"
_ASIS = (
    r"(?:alone|exactly as is|as is|as it is|as they are|as it was|untouched|unchanged|the same|same|as before|like it is|like they are|how it is|how they are|intact|unaffected|the way it is|the way they are|"
    r"like that|unedited|in peace|original|like before|in (?:full )?colou?r|colou?red|colou?rful|in focus|out of it|out|natural|normal|just as it is|just as they are|exactly as it is|exactly as they are|in its original colou?r|sharp|unblurred|"
    r"exactly the same|be|that way|unmodified|visible|in place|crisp|bright|stay as it is|stay as they are|stay the same|stay|intact please|fully in colou?r|completely alone|totally alone|clear|in the original colou?rs?|the way i have it|safe)"
)
_STAYS = (
    r"(?:stays|stay|should stay|must stay|has to stay|can stay|should remain|must remain|remains|remain|is|are|looks|look|should be|should be left|must be|can be|needs to stay|should look|should be kept|is already|are already|were|was)"
)
_FINE = rf"(?:{_ASIS}|perfect|fine|good|great|ok|okay|nice|lovely|left alone|fine as it is|good as it is|perfect as it is|ok as it is|okay as it is|fine as is|good as is|left as it is|kept|already perfect|already good|already fine|already great|left untouched|just fine|all right|not to be touched|off limits|beautiful)"
_LEAD = r"(?:(?:please|but|and|just|so|also|only|though|of course|make sure(?: to| you| that you| that)?|be careful|be sure to|careful|take care|remember|try|you|to|that|with|still|though|i want to|i want you to|i would like to|however|while|whilst|the)\s+)*"

_TOUCHES = re.compile(rf"{_LEAD}{_NOT} {_TOUCH}(?: (?P<what>.+))?")
_KEEPS = re.compile(rf"{_LEAD}{_KEEP} (?P<what>.+?)(?: {_ASIS})?(?: please)?")
_STANDS = re.compile(rf"{_LEAD}(?P<what>.+?) {_STAYS} (?:just |still |exactly )?{_FINE}(?: please)?")
_ONLY_SHARP = re.compile(rf"{_LEAD}(?:just|only) (?P<what>.+?) (?:in focus|in colou?r|sharp)")
_NOT_THAT = re.compile(rf"{_LEAD}(?:not|no|without|except|except for|apart from|other than) (?:in |on |for |to |at )?(?P<what>.+)")
_NOT_DOING = re.compile(rf"{_LEAD}{_NOT} (?P<what>.+)")
_HANDS_OFF = re.compile(rf"{_LEAD}(?:hands off|stay away from|stay off|steer clear of) (?P<what>.+)")

_ANYTHING = {"anything", "anything else", "it", "nothing", "nothing else", "else", "any other thing"}
_TOOL_OF = {"size": "resize", "shape": "crop", "format": "crop", "proportions": "crop", "aspect ratio": "crop", "composition": "crop", "framing": "crop", "resolution": "resize", "aspect": "crop", "orientation": "rotate", "dimensions": "resize"}


def ban(words: Sequence[Word]) -> Ban | None:
    """The restriction that a segment states, or None."""
    text = " ".join(word.text for word in words if word.kind != "mark")
    for pattern in (_TOUCHES, _HANDS_OFF, _KEEPS, _STANDS, _ONLY_SHARP):
        found = pattern.fullmatch(text)
        if found:
            return _restricted(found["what"] or "anything else")
    for pattern in (_NOT_DOING, _NOT_THAT):
        found = pattern.fullmatch(text)
        if found and (restricted := _excluded(found["what"], pattern is _NOT_THAT)):
            return restricted
    return None


def excepted(what: str) -> Ban | None:
    """A bare part after "but"."""
    region = _region(what)
    return Ban(region) if region is not None else None


def _restricted(what: str) -> Ban | None:
    """What must not change: a part, the rest, or a property."""
    if what in {"it", "everything", "the picture", "the photo", "the image", "this", "all"}:
        return Ban()
    region = _region(what)
    if region is not None:
        return Ban(region)
    what = re.sub(r"^(?:the|its|my|all the|any of the|any) ", "", what)
    if what in _TOOL_OF:
        return Ban(tools=frozenset({_TOOL_OF[what]}))
    clause = Clause.of([Word(word, "word", 0, 0) for word in what.split()])
    return _tools(clause)


def _excluded(what: str, plain: bool) -> Ban | None:
    """After "not", "don't": an edit that is not wanted, perhaps on one part; after a plain "not" also a part."""
    clause = Clause.of([Word(word, "word", 0, 0) for word in what.split()])
    banned = _tools(clause)
    if banned is not None:
        return banned
    region = _region(what) if plain else None
    return Ban(region) if region is not None else None


def _tools(clause: Clause) -> Ban | None:
    heads = clause.heads()
    heads += [item.value.inner.value for item in clause.items if item.kind == "thing" and item.value.inner and item.value.inner.kind == "head"]
    if not heads:
        return None
    clause.items = [item for item in clause.items if not (item.kind == "thing" and item.value.inner)]
    clause.take_all("head", "degree", "direction", "vague", "too", "color")
    region = clause.region()
    clause.take_all("thing") if region is None and all(thing.vague for thing in clause.all("thing")) else None
    if clause.unexplained():
        return None
    return Ban(region, frozenset(head.tool for head in heads), frozenset(_unwanted(heads)))


def _unwanted(heads: Sequence[Head]) -> Iterator[tuple[str, int]]:
    """(slider, direction): a noun ("the colours") bars both directions, "brighter" one."""
    for head in heads:
        if head.tool == "adjust":
            for name, sign in head.args.items():
                yield name, sign
                if head.form in {"noun", "adjective"}:
                    yield name, -sign


def _region(what: str) -> str | None:
    """The words of a thing, a place, or REST."""
    texts = what.split()
    if what in _ANYTHING:
        return REST
    items = Clause.of([Word(word, "word", 0, 0) for word in texts]).items
    if len([item for item in items if item.kind not in {"fill", "det"}]) == 1 and any(item.kind == "rest" for item in items):
        return REST
    place = place_at(texts, 0)
    if place is not None and place[1] == len(texts):
        return place[0]
    found = noun_phrase(texts, 0, "", greedy=True)
    if found is None or found[1] != len(texts) or found[0].whole or found[0].vague:
        return None
    return found[0].words if found[0].inner is None else None


# --- remarks ----------------------------------------------------------------------------------------------------------

_OPENING = (
    r"(?:oh|well|ugh|argh|so|and|but|because|since|sorry|hello|hi|hey|haha|lol|wow|as|you know|honestly|actually|btw|by the way|unfortunately|sadly|"
    r"luckily|also|plus|apparently|basically|obviously|okay|ok|yes|yeah|see|hmm|hm|um|like i said|as i said|now|still|anyway|again|otherwise|hopefully|maybe|i think|dear|there)"
)
_VERB = (
    r"(?:is|are|was|were|looks|look|looked|has|have|had|ruins|ruin|bothers|bother|annoys|annoy|distracts|distract|came|comes|got|gets|makes|made|makes it|seems|feels|does|did|will|would|fall|falls|went|goes|"
    r"spoils|spoil|hides|blocks|draws|draw|shows|bugs|sticks|stick|stands|sits|catches|takes|steals|keeps|kills|says|said|loves|likes|liked|loved|hates|always|really|never|just|already|can|could|wants it|asked|told|thinks|thought|works|turned)"
)
_SHAPES = (
    r"(?:white balance|color balance|colou?rs?|exposure|lighting|light|contrast|focus|horizon|composition|framing) (?:is|are|looks|look|seems?) (?:a bit |a little |kind of |very |so |really |all |just |way |totally |completely )*(?:off|wrong|bad|terrible|awful|ugly|weird|strange|horrible|not right|poor|boring)",
    r"only .+? (?:is|are) (?:worth keeping|important|interesting|needed|relevant|what matters|good|usable)",
    r"(?:i|we|he|she|they|someone|somebody|everyone|everybody|people|nobody|you are|you did|you were|you have|you rock) .+",
    rf"(?:my|our|his|her|their|your) .+? {_VERB}(?: .+)?",
    rf"(?:it|this|that|these|those|there|here|which|this one|that one) {_VERB}(?: .+)?",
    rf"(?:the|a|an|this|that|these|those|some|one of the|both|all the|all) .+? {_VERB}(?: .+)?",
    r"(?:for|like|as) .+",

    r"to (?:match|fit|get|look|see|post|print|send|show|share|upload|use|hang|go|give to|sell|make it look|make it feel|highlight|frame|put on|put in|remember|focus) .+",
    r"(?:great|nice|perfect|love it|love this|awesome|amazing|cool|good job|great job|well done|nice work|not bad|looking good|looks good|looks great|much better|that is better|better|beautiful|lovely|good|excellent|wonderful|fantastic|brilliant|super)(?: .{0,30})?",
    r"(?:just )?(?:one|two|three|four|a few|several|some|a couple of|couple of|couple) (?:more )?(?:things?|changes?|edits?|tweaks?|requests?|steps?)(?: .{0,20})?",
    r"(?:(?:old|holiday|wedding|school|birthday|family|product|profile) )?(?:photo|picture|snapshot|shot) (?:of|from|for|by) .+",
)
_SUBJECT = re.compile(rf"(?:{_OPENING} )*(?:{'|'.join(_SHAPES)})")
_ASKS = re.compile(
    r"\b(?:want|wants|need|needs|should|must|please|could you|can you|would you|would like|wish|do not|never|only|except|undo|redo|original|version|instead|prefer|rather|add|put|make|insert|"
    r"draw|generate|paste|replace|swap|turn|give|let us|keep|leave|without|change|use|apply|delete|ignore|if|unless|when|what|why|how|who|which|where|merge|branch|export|save|compare|bring|not to|neither|nor|cancel|stop|wait|until|anymore)\b"
)


_USE = re.compile(
    r"(?:because |since |and |as )?(?:i|we|he|she|they) (?:need|want|will use|would like|am using|are using|am going to use|will need|needs|wants|have to use) (?:it|this|that|one|them) (?:for|on|as) .+"
)
_DISLIKES = re.compile(r"(?:i|we) (?:really |just |kind of )?(?:do not (?:really |much )?(?:like|want|need|love)|hate|dislike|can not stand) (?P<what>(?:the|that|this|these|those) .+)")


def is_remark(words: Sequence[Word], reason: bool = False) -> bool:
    """Whether the words state something and ask for nothing. `reason`: they stand after "because" or the like."""
    text = " ".join(word.text for word in words)
    if any(word.kind in {"quote", "ref", "hash", "color", "ratio", "size"} for word in words):
        return False
    if reason:
        return True
    disliked = _DISLIKES.fullmatch(text)
    if disliked:
        return _region(disliked["what"]) not in {None, REST}
    if _USE.fullmatch(text):
        return True
    return bool(_SUBJECT.fullmatch(text)) and not _ASKS.search(text.removeprefix("only "))


_PURPOSE = re.compile(
    r"(?:for (?:my|our|a|an|his|her|their|some|your|this|the)? ?.+|for (?:instagram|facebook|ebay|etsy|linkedin|printing|print|posting|work|school|mom|mum|grandma|social media|youtube|christmas|fun)|"
    r"like .+|as (?:a|an|my|our|if) .+|"
    r"to (?:match|fit|get|make it look|make it feel|look|see|post|print|send|show|share|upload|use|hang|sell|highlight|focus|emphasize|put it|put on|draw attention|give it|suit|save|hide|go with|have) .+)"
)


def is_purpose(words: Sequence[Word]) -> bool:
    """Whether the words only say what an edit is for: "for my shop", "to match the other one"."""
    text = " ".join(word.text for word in words)
    if any(word.kind in {"quote", "ref", "hash", "color", "ratio", "size", "number"} for word in words):
        return False
    clause = Clause.of(words[1:])
    return bool(_PURPOSE.fullmatch(text)) and not clause.has("head", "direction", "not", "except", "only", "rest", "color", "question", "turn")


def tools_of(segments: Sequence[Segment]) -> set[str]:
    """The tools that a remark happens to name; it is only one if those are asked for anyway."""
    found: set[str] = set()
    for segment in segments:
        clause = Clause.of(segment.words)
        found |= clause.tools() | ({"crop"} if clause.has("shape") else set())
    return found


def topic(words: Sequence[Word]) -> str | None:
    """The thing that a remark is about: "the cup on the left is distracting", "only the left half is worth keeping"."""
    texts = [word.text for word in words]
    at = 0
    if texts[0] == "only":
        place = place_at(texts, 1)
        found = noun_phrase(texts, 1, "", greedy=False)
        return place[0] if place else found and found[0].words
    while at < len(texts) and texts[at] in {"ugh", "oh", "and", "but", "so", "well", "also", "there", "is", "hate", "i", "do", "not", "like", "are", "really", "want", "just"}:
        at += 1
    found = noun_phrase(texts, at, "", greedy=False) if at < len(texts) else None
    if found is None or found[0].whole or found[0].vague or not found[0].article:
        return None
    rest = " ".join(texts[found[1] :])
    return found[0].words if not rest or re.match(rf"{_VERB}\b", rest) else None
