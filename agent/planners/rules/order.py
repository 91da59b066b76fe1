"""Puts what was said into the order in which it is meant, and settles what complaints and "it" refer to.

"… but before that straighten it", "after cropping, blur it", "do the brightening before the crop". Merges neighbouring
adjustments of one region. Reads no words but those that only recall a step already asked for.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from itertools import pairwise

from agent.planners.rules.amounts import LIGHTS, SCALES
from agent.planners.rules.clause import REGIONAL, Clause, Draft
from agent.planners.rules.lexicon import lexicon
from agent.planners.rules.mending import says_there
from agent.planners.rules.nounphrases import PERSONS
from agent.planners.rules.patterns import matches
from agent.planners.rules.statements import recounts, states
from agent.planners.rules.units import Unit

_RECALLS = {
    "i",
    "want",
    "have",
    "put",
    "on",
    "do",
    "doing",
    "the",
    "that",
    "it",
    "please",
    "with",
    "make",
    "you",
    "so",
    "but",
    "first",
    "last",
    "to",
    "a",
}


def ordered(units: Sequence[Unit]) -> list[Unit]:
    """The units as they should run."""
    out: list[Unit] = []
    at = 0
    while at < len(units):
        unit = units[at]
        following = units[at + 1] if at + 1 < len(units) else None
        opens = not out or unit.joint in {"sentence", "then"}
        recalled = _recalled(unit, out)
        if unit.place == "last" and _recalled(unit, units[at + 1 :]):
            at += 1
            continue
        if (
            following is not None
            and following.place in {"before next", "after next"}
            and recalled
            and _recalled(following, out)
        ):
            _rearrange(out, recalled, _recalled(following, out), following.place)
            at += 2
            continue
        if unit.place == "after next" and recalled is not None and following is not None and not opens:
            out.insert(out.index(recalled), following)
            at += 2
            continue
        if unit.place == "after next" and opens and following is not None:
            out += [following] if recalled is None else []
            out += [unit] if recalled is None else [following]
            at += 2
            continue
        _insert(out, unit, opens, recalled)
        at += 1
    return sorted(out, key=lambda unit: unit.place == "last")


def _insert(out: list[Unit], unit: Unit, opens: bool, recalled: Unit | None) -> None:
    """One unit into its place among those before it."""
    if recalled is not None and unit.place:
        out.remove(recalled)
        unit = Unit(recalled.drafts, unit.segments)
    match unit.place:
        case "before all":
            out.insert(0, unit)
        case "before previous":
            out.insert(_group(out, opens), unit)
        case "last":
            out.append(unit)
        case "before next" if not opens and out:
            out.insert(len(out) - 1, unit)
        case _:
            out.append(unit)


def _group(out: Sequence[Unit], opens: bool) -> int:
    """Where the last sentence began: "before that" is before all of it."""
    at = len(out) - 1
    while at > 0 and out[at].joint not in {"sentence", "then"}:
        at -= 1
    return max(0, at)


def _recalled(unit: Unit, earlier: Sequence[Unit]) -> Unit | None:
    """The earlier unit that "the brightening", "cropping" or "the crop" only mentions again."""
    said = (word.text for segment in unit.segments for word in segment.words if word.text not in _RECALLS)
    words = [text for text in said if (entry := lexicon().single(text)) is None or entry.kind != "fill"]
    if len(words) != 1 or len(unit.drafts) != 1:
        return None
    draft = unit.drafts[0]
    for other in earlier:
        if other.tools == {draft.tool} and (draft.tool != "adjust" or set(draft.args) <= set(other.drafts[0].args)):
            return other
    return None


def _rearrange(out: list[Unit], one: Unit, other: Unit | None, place: str) -> None:
    """Move `one` right before or after `other`."""
    if other is None or one is other:
        return
    out.remove(one)
    out.insert(out.index(other) + (0 if place == "after next" else 1), one)


# --- complaints and pronouns ------------------------------------------------------------------------------------------


def settled(units: Sequence[Unit]) -> list[Draft]:
    """The drafts of all units; a complaint that a later request answers is only its reason, "it" is what was named."""
    pairs = [(unit, draft) for unit in units for draft in unit.drafts]
    out: list[Draft] = []
    meant: list[tuple[Unit, Draft]] = []
    for i, (unit, draft) in enumerate(pairs):
        meant.append((unit, draft))
        if _is_only_a_reason(i, pairs):
            meant[i] = (unit, replace(draft, region=None)) if recounts(unit.words) else meant[i]
            continue
        referred = _referred(unit, _around_it(unit, _cornered(draft, pairs[:i]), meant[:i]), meant[:i])
        meant[i] = (unit, referred)
        if not out or not _joins_the_last(unit, referred, out):
            out.append(_all_that_is_left(referred, out))
    return merged(out)


def _is_only_a_reason(i: int, pairs: Sequence[tuple[Unit, Draft]]) -> bool:
    """Whether what was said i-th asks for nothing of its own: it is answered by a request, or said again closer."""
    (unit, draft), later = pairs[i], pairs[i + 1 :]
    if draft.complaint and any(_answers(other, draft) for _, other in pairs if other is not draft):
        return True
    if draft.complaint and draft.tool == "adjust" and recounts(unit.words):
        return any(not other.complaint for _, other in pairs)
    if (draft.complaint or _pops(unit, draft)) and any(_remedies(other, draft) for _, other in later):
        return True
    if _only_states(unit, draft, later) or _gives_reason(unit, draft, pairs[:i]):
        return True
    if any(_said_again(draft, other) or _in_figures(unit, draft, one, other) for one, other in later[:1]):
        return True
    cornered = draft.complaint and draft.tool == "vignette" and bool(later)
    return cornered and _cornered(later[0][1], pairs[: i + 1]) is not later[0][1]


def _joins_the_last(unit: Unit, draft: Draft, out: list[Draft]) -> bool:
    """Whether a draft only says again, or closer, what the last one asked for; then that one is mended."""
    last = out[-1]
    if unit.joint in {"and", "comma"} and _says_the_same(last, draft):
        return True
    if draft.tool == last.tool == "vignette" and unit.joint in {"but", "comma", "with"}:
        out[-1] = draft
        return True
    if unit.joint == "with" and draft.tool == "monochrome" and last.tool == "replace_background":
        out[-1] = replace(draft, region="background")
        return True
    if unit.joint == "with" and last.tool == draft.tool != "adjust" and draft.region is None:
        out[-1] = replace(last, args=last.args | draft.args)
        return True
    return draft.tool in _ONCE and any(_is_the_same(draft, other) for other in out)


def _all_that_is_left(draft: Draft, before: Sequence[Draft]) -> Draft:
    """ "Remove the bin and sharpen the rest": the rest is the whole picture, where no part was worked on but
    removed."""
    removed = bool(before) and all(other.tool == "remove" or other.region is None for other in before)
    return replace(draft, region=None) if draft.region == "rest" and removed else draft


def _cornered(draft: Draft, before: Sequence[tuple[Unit, Draft]]) -> Draft:
    """ "(The corners are too dark,) lighten them": it is a matter of the vignette."""
    corners = before and before[-1][1].tool == "vignette" and before[-1][1].complaint
    if corners and draft.refers and draft.region is None and set(draft.args) == {"exposure"}:
        return replace(draft, tool="vignette", args={"amount": -draft.args["exposure"]}, refers=False)
    return draft


def _around_it(unit: Unit, draft: Draft, before: Sequence[tuple[Unit, Draft]]) -> Draft:
    """ "(Sharpen the cat and) blur whatever is around it": all but what was just worked on."""
    told = " ".join(word.text for word in unit.words)
    inner = before[-1][1].region if before else None
    if (
        draft.region != "rest"
        or not inner
        or inner.startswith(("rest", "everything"))
        or not matches("around it", told)
    ):
        return draft
    return replace(draft, region=f"everything but {inner if inner in PERSONS else f'the {inner}'}")


def _pops(unit: Unit, draft: Draft) -> bool:
    """ "The eyes should pop more, so sharpen the eyes": so broad a wish is met by what is named after it."""
    return Clause.of(unit.words).has("should") and draft.args.keys() == {"contrast", "saturation"}


def _remedies(request: Draft, complaint: Draft) -> bool:
    """ "Her eyes look dull, sharpen the eyes": what is asked for the same part is the remedy."""
    if request.complaint or not request.region or not complaint.region:
        return False
    one, other = f" {request.region}", f" {complaint.region}"
    return one.endswith(other) or other.endswith(one)


def _is_the_same(one: Draft, other: Draft) -> bool:
    return (one.tool, one.args, one.region, one.need) == (other.tool, other.args, other.region, other.need)


def _only_states(unit: Unit, draft: Draft, later: Sequence[tuple[Unit, Draft]]) -> bool:
    """ "It came out upside down, turn it by 180°": what is told first is asked for then."""
    told = states(unit.words) or (Clause.of(unit.words).has("be") and not Clause.of(unit.words).has("make", "should"))
    return told and any(_same_matter(draft, other) and not states(one.words) for one, other in later)


def _same_matter(one: Draft, other: Draft) -> bool:
    if one.tool != other.tool or (one.region != other.region and None not in {one.region, other.region}):
        return False
    return one.tool != "remove" and (one.tool != "adjust" or bool(set(one.args) & set(other.args)))


def _gives_reason(unit: Unit, draft: Draft, before: Sequence[tuple[Unit, Draft]]) -> bool:
    """ "Lighten the window, it is too dull there": the remedy has been named; "denoise the top, it is dark there"."""
    if not draft.complaint or not before or unit.joint == "sentence" or not says_there(unit.words):
        return False
    asked = before[-1][1]
    if unit.joint in {"comma", "reason"} and not asked.complaint and not Clause.of(unit.words).has("too", "enough"):
        return draft.tool == "adjust"
    return asked.tool == draft.tool == "adjust" and not asked.complaint and draft.region in {None, asked.region}


def _said_again(one: Draft, other: Draft) -> bool:
    """ "More grain-free! Denoise 40 %": first roughly, then in figures."""
    if one.tool != other.tool or one.tool not in {"denoise", "sharpen", "blur", "straighten", "auto"}:
        return False
    there = one.region == other.region or (other.refers and other.region is None)
    return there and not one.args and bool(other.args) and not one.base and not other.more


def _in_figures(unit: Unit, one: Draft, following: Unit, other: Draft) -> bool:
    """ "More punch! Contrast up 25 %": the same sliders, and only then a number."""
    if one.tool != "adjust" or other.tool != "adjust" or one.region != other.region or unit is following:
        return False
    again = set(one.args) <= set(other.args) and all(one.args[name] * other.args[name] > 0 for name in one.args)
    figures = [Clause.of(some.words).has("quantity") for some in (unit, following)]
    return again and figures == [False, True] and following.joint in {"sentence", "comma"}


def _says_the_same(one: Draft, other: Draft) -> bool:
    """ "Lighten and brighten": twice the same word, once the same step."""
    if one.tool != "adjust" or other.tool != "adjust" or one.region != other.region or set(one.args) != set(other.args):
        return False
    return all(
        one.args[name] * other.args[name] > 0
        and (abs(one.args[name]) >= abs(other.args[name]) or abs(other.args[name]) == SCALES["adjust"][""])
        for name in one.args
    )


_ONCE = {"crop", "straighten", "auto", "monochrome", "denoise", "replace_background", "remove", "resize"}
"""Said twice in one message, it is meant once."""
_ANSWERED_BY = {("blur", "sharpen"), ("rotate", "straighten"), ("straighten", "rotate"), ("denoise", "blur")}
"""(request, complaint): "it leans, rotate it by 2°"."""


def _answers(request: Draft, complaint: Draft) -> bool:
    if not request.complaint and (request.tool, complaint.tool) in _ANSWERED_BY:
        return True
    if not request.complaint and request.tool == "blur" and complaint.args.keys() == {"contrast"}:
        return complaint.args["contrast"] < 0 and request.region == complaint.region
    if request.complaint or request.tool != complaint.tool:
        return request.tool == "auto" and not request.complaint
    if request.tool != "adjust":
        return True
    lights = {name for name in request.args if name in LIGHTS} and {name for name in complaint.args if name in LIGHTS}
    near = (
        bool(lights)
        and "exposure" in complaint.args
        and all(request.args[name] * complaint.args["exposure"] > 0 for name in request.args if name in LIGHTS)
    )
    return bool(set(request.args) & set(complaint.args)) or near


def _referred(unit: Unit, draft: Draft, before: Sequence[tuple[Unit, Draft]]) -> Draft:
    """ "Blur the background and darken it": it is the background; in a new sentence it is the picture."""
    if not before or draft.tool not in REGIONAL or draft.region is not None:
        return draft
    other_unit, other = before[-1]
    if other.region is None or other.tool not in REGIONAL:
        return draft
    near = unit.joint in {"and", "but"} or other_unit is unit
    near |= unit.joint == "comma" and _bare(unit) and Clause.of(other_unit.words).has("make")
    light = draft.tool == "adjust" and other.tool == "adjust"
    elliptic = not draft.refers and near and (light or unit.joint == "and") and other.tool == "adjust" and _bare(unit)
    if (draft.refers and (near or other.complaint or other.tool == draft.tool)) or elliptic:
        return replace(draft, region=other.region)
    return draft


def _bare(unit: Unit) -> bool:
    """ "… and more saturated": a comparative without verb or object."""
    words = [word.text for segment in unit.segments for word in segment.words]
    return any(word.endswith("er") or word in {"more", "less"} for word in words) and not {
        "in",
        "on",
        "make",
        "overall",
    } & set(words)


def contradictory(drafts: Sequence[Draft]) -> bool:
    """Warmer and cooler at once, or two shapes: one of them was not meant."""
    for one, other in pairwise(drafts):
        if one.region != other.region or one.tool != other.tool or other.base:
            continue
        if one.tool == "adjust" and any(
            one.args[name] * other.args[name] < 0 for name in set(one.args) & set(other.args)
        ):
            return True
        if one.tool == "crop" and set(one.args) & {"aspect", "preset"} and set(other.args) & {"aspect", "preset"}:
            return True
    return False


def merged(drafts: Sequence[Draft]) -> list[Draft]:
    """Neighbouring adjustments of one region as one step, where they name different sliders."""
    out: list[Draft] = []
    for draft in drafts:
        last = out[-1] if out else None
        if last == draft and draft.tool == "adjust" and draft.region:
            continue
        if (
            last is not None
            and draft.tool == last.tool == "adjust"
            and draft.region == last.region
            and draft.base is None
            and draft.need is last.need is None
            and not set(draft.args) & set(last.args)
        ) or (last is not None and _two_sides(last, draft)):
            out[-1] = replace(last, args=last.args | draft.args)
        else:
            out.append(draft)
    return out


def _two_sides(one: Draft, other: Draft) -> bool:
    """ "600 wide and 400 high" is one size."""
    return (
        one.tool == other.tool == "resize"
        and set(one.args) | set(other.args) == {"width", "height"}
        and len(one.args) == 1
    )
