"""Commands of the history in words: undo, redo, reset, switch, branch, rename, compare, merge, replay, export.

A command is a whole segment (or a whole message) that one pattern explains from its first word to its last; the words
for a version are resolved by `references`. What is only partly explained is no command.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from agent.plan import Ask, Candidate, Command, Context
from agent.planners.rules import references
from agent.planners.rules.clause import Clause
from agent.planners.rules.numbers import CARDINALS
from agent.planners.rules.references import NOUN, Reference, resolve
from agent.planners.rules.words import Word
from sessions.values import Revision


@dataclass(frozen=True)
class Said:
    """A command, or the question that must be answered first (with the command as far as it is known)."""

    command: Command
    ask: Ask | None = None


_COUNTS = {"once": 1, "twice": 2, "thrice": 3, "both": 2, "a couple of": 2, "a": 1, "the": 1} | {w: int(n) for w, n in CARDINALS.items() if 0 < n < 13}
_N = rf"(?:\d+|{'|'.join(_COUNTS)})"
_STEPS = r"(?:steps?|changes?|edits?|things?|ones?|actions?|moves?|times|versions?|operations?|modifications?|adjustments?)"
_LATEST = rf"(?:(?:the |my |that |your )?(?:very )?(?:last|latest|previous|most recent)(?: {_STEPS}| (?:thing|bit|part))?(?: (?:you|i|we) (?:just )?(?:did|made))?|what (?:you|i|we) (?:just )?did|(?:the|your|that) (?:change|edit|step)|that last {_STEPS}|last)"
_IT = r"(?:it|that|this|that one|this one)"
_UNDO = re.compile(
    rf"(?:undo|revert|cancel|take back|reverse|unto|undo back|roll back|rollback|step back|go back)(?: (?:{_IT}|{_LATEST}))?(?: again| once| please| back)?|"
    rf"(?:undo|take back|revert|roll back|step back|go back|back|cancel)(?: (?:the )?(?:last|previous|latest))?(?: by)? (?P<n>{_N})(?: (?:last |previous )?{_STEPS})?(?: back| please)?|"
    rf"(?:undo|revert|take back) (?:the |my )?(?:last|previous|latest) (?P<m>{_N})(?: {_STEPS})?|"
    rf"(?:go |move |jump |take |step )?(?:back )?(?P<k>{_N}) {_STEPS} (?:back|backwards?|earlier|ago)|(?:go |take )?(?:one|a) step back(?:wards?)?|"
    rf"undo (?:{_IT} )?(?P<j>{_N})(?: times)?|(?:put|change|turn|set) {_IT} back(?: (?:to )?(?:how|the way) it was(?: before)?)|"
    rf"(?:go |get |take me |bring me )?back to (?:how|the way) it was(?: (?:just )?before(?: that)?)?|"
    rf"(?:i )?(?:do not|did not) (?:like|want|love) (?:{_IT}|the last (?:one|change|edit))(?: (?:so )?(?:undo|take back|go back|revert)(?: {_IT})?)|"
    rf"(?:go )?(?:back )?(?:to )?(?:the )?(?:previous|last|prior) (?:{NOUN}|picture|photo|image)(?: was better)?|remove (?:the )?last (?:edit|change|step)|"
    rf"(?:get rid of|drop|discard|delete|lose|throw away|scrap|forget|ditch) (?:{_LATEST}|that {_STEPS})|ctrl z|control z|undo (?:the )?(?:last )?(?:edit|change|step)"
)
_REDO = re.compile(
    rf"(?:redo|re do|reapply|re apply|restore|repeat)(?: (?:{_IT}|{_LATEST}|what (?:i|you) (?:just )?(?:undid|took back)|the undone (?:step|change|edit|one)))?(?: again| please)?(?: (?P<n>{_N})(?: (?:times|{_STEPS}))?)?|"
    rf"redo (?P<m>{_N})(?: {_STEPS})?|undo (?:the|that|my|your|this) (?:last )?undo|(?:go |step |one step |a step )?forwards?(?: again| (?:one|a) step| one)?|go forward one step|redo (?:the )?last (?P<k>{_N}) {_STEPS}|"
    rf"(?:bring|put) (?:{_IT}|{_LATEST}|what (?:i|you) undid|the (?:last )?undone (?:step|change|edit)) back(?: again| in)?|ctrl y|bring back (?:what (?:i|you|we) (?:just )?undid|{_LATEST}|the undone (?:step|change|edit))|"
    r"redo (?:the|that) (?:change|edit|step|one)(?: you (?:just )?undid)?|undo (?:was|is) (?:a mistake|wrong)(?: redo(?: it)?)?"
)
_ALL = r"(?:everything|all|it all|all of it|all of that|all (?:the |my |of the |of my |your |these |those )?(?:changes|edits|steps|modifications|adjustments)|every (?:change|edit|step)|all (?:i|we|you) did|everything (?:i|we|you) (?:did|have done|made)|the lot|the whole thing)"
_RESET = re.compile(
    rf"(?:reset|start over|start again|begin again|restart|start afresh|start fresh|start from (?:scratch|zero|the beginning|the start)|from scratch|clean slate|scratch everything|back to square one|start all over|begin from scratch)"
    rf"(?: (?:it|everything|this|that|all|the (?:photo|picture|image|whole thing|edits|changes)|over|again|from scratch|from the beginning|from the start|anew|completely|all over|to (?:the )?(?:original|start|beginning|default|zero|scratch)(?: (?:photo|picture|image|version))?|{_ALL}))*|"
    rf"(?:(?:undo|revert|discard|cancel|scrap|take back|roll back|reverse) {_ALL}|(?:remove|drop|delete|clear|throw away|get rid of|forget|lose|erase|wipe) (?:all|every) ?.*(?:changes?|edits?|steps?|modifications|adjustments))(?: (?:i|we|you) (?:did|made|have done|have made|did so far|made so far))?(?: so far)?(?: (?:and )?(?:go )?back to (?:the )?(?:original|start)(?: (?:photo|picture|image))?)?|"
    r"(?:start over|start again|begin again|restart)(?: again)? (?:from|with) (?P<what>.+)|(?:i want )?(?:the )?original(?: (?:photo|picture|image|version|one))?(?: (?:back|again))?|how it was originally"
)
_GO = (
    r"(?:go|jump|switch|return|change|revert|move|head|get|come|take me|bring me|step|roll|get me|bring it|take it|put it|turn it|flip|hop|skip|reset|set it|take us|going|lets go|rewind|fall)?(?: (?:back|over|again|all the way back|right back|straight back|it|everything|all the way|this))* ?(?:back )?(?:to|into|onto)"
)
_TAKE = r"(?:open|load|use|take|restore|continue (?:with|from|on|at|in)|carry on (?:with|from|in)|keep working on|work (?:on|with|from)|working on|keep going (?:with|from)|proceed (?:with|from)|checkout|check out|show(?: me)?|let me see|pick|choose|select|resume|go with|view|display|see|give me(?: back)?|bring back|bring|get back|get|activate|return me to|pick up(?: again)? (?:at|from|with)|i (?:want|would like|need|prefer|liked|like|preferred|choose)(?: to (?:see|use|go (?:back )?to|have|continue with|return to))?|continue|keep|start (?:again )?(?:from|with)|try|we use|let us use|put)"
_SWITCH = re.compile(rf"(?:{_GO}|{_TAKE}) (?P<ref>.+?)(?: (?:again|instead|please|back|better|more|best|now|there|then|for now|was better|looked better|further|from there|on|and (?:continue|work|go on|carry on)(?: (?:from there|there|with that|with it))?))*")
_LIKED = re.compile(r"(?:i (?:liked|preferred|like|prefer|think|thought) )?(?P<ref>.+?) (?:was|is|looked|looks) (?:much |way |far |a lot )?(?:better|nicer|best|the best|good|great)(?: (?:go back|take me back|back to it|use that|use it|go back to it|go back to that|let us go back))?")
_COMPARE = re.compile(
    r"(?:compare|compared|show(?: me)? the differences?(?: between)?|what is the difference between|difference between|differences between|show(?: me)?|put|view|display|see|show me a comparison of|comparison of|show a comparison of|let me compare|let me see|i want to compare|how does|diff|contrast) (?P<a>.+?) (?:with|to|and|against|versus|vs|next to|beside|alongside|over) (?P<b>.+?)(?P<tail> (?:next to each other|side by side|next to one another|beside each other|together|side to side|at the same time|in comparison))?|"
    r"(?:compare|comparison|diff)(?: (?:it|this|that|them|my version|the current version|the current one))?(?: (?:with|to|against|and|versus|vs))? (?P<c>.+?)(?: side by side)?|(?P<d>.+?) (?:vs|versus) (?P<e>.+)"
)
_BEFORE_AFTER = re.compile(r"(?:show(?: me)?|see|give me|compare|let me see|view|display)?(?: the| a)?(?: ?before (?:and|vs|versus|or)? ?after)(?: (?:picture|view|comparison|please|side by side|version|shot))*|(?:show(?: me)?|see) what (?:has )?changed|compare(?: (?:it|this|that))? (?:before and after|to before|with before)")
_MERGE = re.compile(r"(?:merge|bring|combine|fold|join|pull|integrate|unite|mix|blend)(?: in)?(?: (?P<ref>.+?))?(?: (?:in|into|with|to|onto|back into|and) (?P<into>.+?))?(?: together| please)?")
_NAME = r"(?P<name>[\w][\w .\-]*?)"
_BRANCH = re.compile(
    rf"(?:(?:make|create|start|open|begin|new|add|give me|set up|let us open|let us start|put this on|put it on|try this on|open up|spin off|do this on|i want|fork off|work on|make me|try something on|branch off|save this as|save it as|save as|put this in)(?: me)? )?(?:a |another )?(?:new |separate |fresh |different |second |extra )?(?:branch|fork)(?: off| out)?(?: (?:here|from here|of this|from this|for this))?(?: (?:from|off|at|of) (?P<ref>.+?))?(?: (?:and )?(?:called|named|name it|call it|with the name|as|for|and name it|and call it|titled|labeled|labelled) {_NAME})?(?: from here| from (?P<ref2>.+?))?|"
    rf"(?:branch|fork)(?: (?:off|out|here|this|it))?(?: from (?P<ref3>.+?))? (?:as|called|named|into|and call it|and name it|under the name|to) (?P<name2>[\w][\w .\-]*?)"
)
_RENAME = re.compile(
    rf"(?:rename|name|call|retitle|relabel|change the name of)(?: (?P<ref>(?:the |this |my |current )*(?:branch(?: (?!to\b|as\b|into\b)[\w\-]+)?|it|this|[\w\-]+(?: branch)?)))?(?: (?:to|as|into|from now on))? {_NAME}(?: (?:please|from now on|instead))?|"
    r"(?:rename|give)(?: (?P<ref2>(?:the |this |my |current )*(?:branch(?: [\w\-]+)?|it|this|[\w\-]+(?: branch)?)))?(?: (?:a (?:new|better|different) name|another name))?"
)
_FORMATS = {"png": "png", "jpg": "jpeg", "jpeg": "jpeg", "webp": "webp", "tiff": "tiff", "tif": "tiff", "jpegs": "jpeg"}
_FILE = r"(?:it|this|that|the (?:result|photo|picture|image|file|final (?:one|version|result|image|picture|photo)|current (?:one|version)|thing|edited (?:photo|picture|version)|finished (?:photo|picture|one)|whole thing)|my (?:photo|picture|image|result|work|edit)|everything|a copy|a file|this version|this one|final|the final|one)"
_EXPORT = re.compile(
    rf"(?:export|download|save|give me|send me|get|store|write|output|convert|i want to (?:save|download|export)|let me download|download me|hand me|make me|turn|render)(?: (?P<ref>{_FILE}|.+?))??(?: (?:as|to|in|into|for|with)?(?: a| an| my)?(?: (?:high|full|best|good|maximum|low|max|original))?(?: quality| res| resolution)?(?: ?(?P<format>{'|'.join(_FORMATS)}))(?: file| format| image| picture| copy| version)?)?"
    rf"(?:(?: (?:with|at|in))? quality (?:of )?(?P<quality>\d+)(?: percent)?|(?: (?:with|at|in))? (?P<quality2>\d+)(?: percent)? quality)?(?: (?:to|on|onto|in) (?:my |the |your )?(?:disk|computer|desktop|phone|pc|laptop|hard drive|drive|gallery|device|folder|downloads|camera roll|mac|file|downloads folder|photos|card))?(?: (?:for me|please|now|for later|so i can .+|in (?:high|full|best|good) (?:quality|resolution)|at full (?:size|resolution|quality)))*"
)
_REPLAY = re.compile(
    r"(?:do|apply|repeat|run|replay|use|redo|copy|make|put|transfer|give|perform|paste)(?: (?:exactly|all|also))*(?: (?:of))?(?: (?:the|these|those|this|that|my|all|all the|all these|same|whole|exact same|exactly the same|the exact same|very same))*"
    r" ?(?:same|same (?:thing|things|edits|edit|steps|changes|recipe|treatment|settings|stuff|look|adjustments|operations|procedure|processing)|edits|steps|changes|recipe|treatment|look|settings|edit|adjustments|thing|what (?:i|you|we) (?:just )?(?:did|have done)(?: (?:here|there|(?:to|on|with|for) (?:.+?)))?|everything (?:i|you|we) (?:just )?(?:did|have done)(?: (?:here|(?:to|on|with) (?:.+?)))?|history|edits of this branch|steps of this branch|it all|all of that|whole thing|whole recipe|sequence)"
    r"(?: (?:(?:from|of|as|like|that|which|we|i|you) (?P<source>.+?)))??(?: again)?(?: (?:to|on|for|with|onto|over to) (?P<ref>.+?))?(?: (?:too|again|as well|also|please|now))*|replay(?: (?:it|this|that|the steps|everything))?(?: (?:on|to|for|onto) (?P<ref2>.+?))?"
)


def read(text: str, context: Context) -> Said | None:
    """The command that the words are, or None. `text`: normalised words without courtesy and marks."""
    for rule in (_undo, _redo, _reset, _before_after, _take_back, _color_back, _replay, _rename, _branch, _merge, _compare, _export, _switch):
        said = rule(text, context)
        if said is not None:
            return said
    return None


def stripped(words: Sequence[Word]) -> str:
    """The words without courtesy at either end: "could you please undo that, thanks" → "undo that"."""
    items = Clause.of(words).items
    polite = [item for item in items if item.kind != "fill" or item.start and words[item.start].text in _MEANT]
    if not polite:
        return ""
    first, last = _first(items, words), _last(items, words)
    text = " ".join(word.text for word in words[first:last] if word.kind != "mark")
    return re.sub(r"\b(?:for me|please|kindly|just|now|simply|for us) (?=\w)", "", text)


_MEANT = {"go", "the", "a", "to", "here", "there", "version", "edit", "level", "as", "into", "an", "version", "try", "do", "help", "mind", "back", "setting", "settings", "style", "look", "one"}


def _first(items: Sequence, words: Sequence[Word]) -> int:  # type: ignore[type-arg]
    for item in items:
        if item.kind != "fill" or words[item.start].text in _MEANT:
            return int(item.start)
    return len(words)


def _last(items: Sequence, words: Sequence[Word]) -> int:  # type: ignore[type-arg]
    for item in reversed(items):
        if item.kind != "fill" or words[item.start].text in _MEANT:
            return int(item.stop)
    return 0


# --- one rule per command ---------------------------------------------------------------------------------------------


def _count(found: re.Match[str]) -> int:
    for name in ("n", "m", "k", "j"):
        said = found.groupdict().get(name)
        if said:
            return _COUNTS.get(said) or min(1000, max(1, int(said)))
    return 2 if "twice" in found[0] else 1


def _undo(text: str, context: Context) -> Said | None:
    found = _UNDO.fullmatch(text)
    return Said(Command(name="undo", count=_count(found))) if found else None


_UNDONE = re.compile(r"(?:(?:bring|put|get|give me|redo|restore|have)(?: back)? )?(?:the |that |my )?(?P<what>.+?)(?: (?:one|version|step|edit|effect))?(?: (?:back|again)(?: (?:in|on|please))?)?")


def _redo(text: str, context: Context) -> Said | None:
    found = _REDO.fullmatch(text)
    named = _UNDONE.fullmatch(text)
    if named and context.undone and re.search(r"\b(?:back|again|redo|restore)\b", text):
        if context.undone in {revision.id for revision in references.described(named["what"], context)}:
            return Said(Command(name="redo"))
    if found and re.match(r"(?:bring|put) ", text) and context.undone is None:
        return None
    return Said(Command(name="redo", count=_count(found))) if found else None


def _reset(text: str, context: Context) -> Said | None:
    found = _RESET.fullmatch(text)
    if found is None:
        return None
    if found["what"]:
        meant = resolve(found["what"], context)
        own = references.line(context)[-1:]
        if meant is None or meant.branch is None or context.branches.get(meant.branch) != context.head:
            return Said(Command(name="reset")) if meant and list(meant.revisions) == own else None
    return Said(Command(name="reset"))


def _before_after(text: str, context: Context) -> Said | None:
    return Said(Command(name="compare", target="original")) if _BEFORE_AFTER.fullmatch(text) else None


def _switch(text: str, context: Context) -> Said | None:
    for pattern in (_SWITCH, _LIKED):
        found = pattern.fullmatch(text)
        meant = resolve(found["ref"], context) if found else None
        if meant is None and found and re.match(r"(?:go |get |take me |bring me )?(?:back|return|revert) to ", text) and len(found["ref"].split()) <= 4:
            steps = references.described(re.sub(r"^(?:the|my|that) ", "", found["ref"]), context)
            meant = Reference(tuple(steps)) if steps else None
        if meant is not None:
            return _to(meant, context)
    bare = resolve(text, context)
    return _to(bare, context) if bare is not None and not text.startswith(("this", "it", "now")) else None


def _to(meant: Reference, context: Context) -> Said:
    if len(meant.revisions) > 1:
        return _which(Command(name="switch"), meant, "command.target", context)
    if meant.original:
        return Said(Command(name="reset"))
    return Said(Command(name="switch", target=meant.target))


def _which(command: Command, meant: Reference, slot: str, context: Context) -> Said:
    return Said(command, Ask(question="Which version do you mean?", candidates=references.candidates(meant.revisions, context), slot=slot))


def _compare(text: str, context: Context) -> Said | None:
    found = _COMPARE.fullmatch(text)
    both = _BOTH.fullmatch(text)
    if both:
        return _compared_both(both["what"], context)
    if found is None:
        return Said(Command(name="compare"), _other_branch(context, "Compare it with what?")) if text == "compare" else None
    if found["a"] and text.startswith(("show", "put", "view", "display", "see", "let me see", "how does")) and not found["tail"] and "difference" not in text:
        return None
    names = [name for name in (found["a"], found["b"], found["c"], found["d"], found["e"]) if name]
    meant = [resolve(f"#{name}" if name.isdigit() else name, context) for name in names]
    if not all(meant):
        return None
    some = [one for one in meant if one is not None]
    for i, one in enumerate(some):
        if len(one.revisions) > 1:
            return _which(Command(name="compare"), one, f"command.{('target', 'other')[i]}", context)
    targets = [one.target for one, name in zip(some, names, strict=True) if name not in _CURRENT]
    targets = targets or [some[0].target]
    return Said(Command(name="compare", target=targets[0], other=targets[1] if len(targets) > 1 else None))


_CURRENT = {"it", "this", "this one", "this version", "the current version", "the current one", "current", "now", "what i have now", "the current state", "this picture", "this photo", "the latest version", "the latest", "the latest one"}


_BOTH = re.compile(r"(?:compare|show(?: me)?|put) (?:(?:the|my|these|those) (?:two|both)|both) (?P<what>.+?)(?: (?:next to each other|side by side|together|beside each other))?")


def _compared_both(what: str, context: Context) -> Said | None:
    """ "Compare the two photos", "the two black and white ones", "both branches"."""
    roots = [revision for revision in context.revisions if not revision.parents]
    if re.fullmatch(r"(?:photos|pictures|images)", what) and len(roots) == 2:
        fits = [resolve(references.plain(root.name.rpartition(".")[0]), context) for root in roots]
        targets = [one.target for one in fits if one is not None]
    elif re.fullmatch(r"branches|versions", what) and len(context.branches) == 2:
        targets = list(context.branches)
    else:
        targets = [f"#{revision.seq}" for revision in references.described(re.sub(r" (?:ones|versions|pictures|photos)$", "", what), context)]
    return Said(Command(name="compare", target=targets[0], other=targets[1])) if len(targets) == 2 else None


def _merge(text: str, context: Context) -> Said | None:
    found = _MERGE.fullmatch(text)
    if found is None:
        return None
    if text in {"merge", "merge it", "merge them", "merge the branches", "merge branches", "merge this", "merge the branch", "merge a branch", "merge them together"}:
        return Said(Command(name="merge"), _other_branch(context, "Merge which branch into this one?"))
    name, into_name = found["ref"], found["into"]
    if into_name is None and name and name.startswith("with "):
        name = name.removeprefix("with ")
    meant = resolve(name, context) if name else None
    into = resolve(into_name, context) if into_name else None
    here = into_name is None or into_name in {"this", "it", "here", "this one", "this branch", "the current branch", "the current one", "current"}
    if meant is None or (into is None and not here):
        return None
    if into_name is None and text.split()[0] not in {"merge", "integrate", "combine", "join", "fold"}:
        return None
    if not here and into is not None and into.branch != context.branch:
        if meant.branch == context.branch and into.branch and " with " in text:
            meant = into
        else:
            return Said(Command(name="merge"), _other_branch(context, f"Merge which branch into {context.branch}, the current one?"))
    if len(meant.revisions) > 1:
        return _which(Command(name="merge"), meant, "command.target", context)
    return Said(Command(name="merge", target=meant.target)) if meant.branch != context.branch else None


def _other_branch(context: Context, question: str) -> Ask:
    others = [name for name in context.branches if name != context.branch]
    return Ask(question=question, candidates=tuple(Candidate(label=name, value=name) for name in others), slot="command.target", free=True)


def _branch(text: str, context: Context) -> Said | None:
    found = _BRANCH.fullmatch(text)
    if found is None:
        return None
    name = found["name"] or found["name2"]
    source = found["ref"] or found["ref2"] or found["ref3"]
    start = resolve(source, context) if source and source not in {"here", "this", "now"} else None
    if source and source not in {"here", "this", "now"} and (start is None or len(start.revisions) != 1):
        return None
    other = start.target if start else None
    if not name:
        return Said(Command(name="branch", other=other), Ask(question="What should the new branch be called?", slot="command.target", free=True))
    return Said(Command(name="branch", target=_slug(name), other=other))


def _slug(name: str) -> str:
    return re.sub(r"\s+", "-", name.strip())


def _rename(text: str, context: Context) -> Said | None:
    found = _RENAME.fullmatch(text)
    if found is None:
        return None
    name, said = found["name"], re.sub(r"^(?:the|this|my|current)(?: branch)? ?|^it$|^branch ?| branch$", "", found["ref"] or found["ref2"] or "").strip()
    own = said in {"", "it", "this", "current", "branch"}
    meant = None if own else resolve(said, context)
    if not own and (meant is None or meant.branch is None):
        return None
    old = context.branch if own or meant is None else meant.branch
    if text.split()[0] in {"name", "call"} and name and len(name.split()) > 2:
        return None
    if text.split()[0] == "give" and "name" not in text:
        return None
    if not name or (own and name.split()[0] in {"to", "the"}):
        return Said(Command(name="rename", target=old), Ask(question="What should it be called?", slot="command.other", free=True))
    return Said(Command(name="rename", target=old, other=_slug(name)))


def _export(text: str, context: Context) -> Said | None:
    found = _EXPORT.fullmatch(text)
    if found is None or (not found["format"] and text.split()[0] not in {"export", "download", "save"} and "download" not in text and "save" not in text):
        return None
    target = None
    if found["ref"] and not re.fullmatch(_FILE, found["ref"]):
        meant = resolve(found["ref"], context)
        if meant is None or len(meant.revisions) != 1:
            return None
        target = meant.target
    options: dict[str, object] = {"format": _FORMATS[found["format"]]} if found["format"] else {}
    quality = found["quality"] or found["quality2"]
    options |= {"quality": int(quality)} if quality and 1 <= int(quality) <= 100 else {}
    return Said(Command(name="export", target=target, options=options))


def _replay(text: str, context: Context) -> Said | None:
    found = _REPLAY.fullmatch(text)
    name = found and (found["ref"] or found["ref2"])
    if found is None or (name is None and "same" not in text and "replay" not in text):
        return None
    if name is None:
        others = [r for r in context.revisions if not r.parents and r not in references.line(context)]
        ask = Ask(question="Apply the same steps to which photo or version?", candidates=references.candidates(others, context), slot="command.target", free=True)
        return Said(Command(name="replay"), ask)
    meant = resolve(re.sub(r"(?: photo| picture| image| one)? (?:too|again|as well)$", "", name), context)
    if meant is None:
        return None
    if len(meant.revisions) > 1:
        return _which(Command(name="replay"), meant, "command.target", context)
    return Said(Command(name="replay", target=meant.target))


# --- taking one step back out of the line -----------------------------------------------------------------------------

_DROP = re.compile(
    r"(?:undo|remove|drop|lose|delete|get rid of|take off|take away|take out|revert|cancel|no|without|reverse|discard|scrap|kill|strip|ditch|forget|take back)(?: only| just)? (?P<what>(?:the |that |my |this |those )?.+?)(?: (?:again|please|after all|effect|part|step|edit|change|only|you added|you made|i added|we added|i made|you did|you just added|off|back out|from it))*(?: (?:from|in|on|off) (?P<where>.+?))?"
)


def _take_back(text: str, context: Context) -> Said | None:
    """ "Undo the blur", "drop the border from sepia": back to where it was not there yet, if it was the last step."""
    found = _DROP.fullmatch(text)
    if found is None:
        return None
    line, tool_line = references.line(context), None
    if found["where"] is not None:
        meant = resolve(found["where"], context)
        if meant is None or meant.branch is None:
            return None
        tool_line = Context(meant.branch, meant.revisions[0].id, context.branches, context.revisions, context.words)
        line = references.line(tool_line)
    verb = text.split()[0]
    what = re.sub(r"^(?:the|that|my|this|those) ", "", found["what"])
    steps = [revision for revision in references.described(what, context) if revision in line]
    if not steps or (verb not in {"undo", "revert", "reverse", "cancel"} and not _is_effect(steps[0], what)):
        return None
    step = steps[0]
    if step is not line[0]:
        return _before(step, context)
    if found["where"] is None and (verb in {"undo", "revert", "reverse", "cancel"} or True) and _alone(step, line, context):
        return Said(Command(name="undo"))
    parent = next(revision for revision in context.revisions if revision.id == step.parents[0])
    return Said(Command(name="switch", target=f"#{parent.seq}"))


def _is_effect(step: Revision, what: str) -> bool:
    """Things are removed from the picture; what a tool has put there is taken back."""
    heads = Clause.of([Word(word, "word", 0, 0) for word in what.split()]).heads()
    return bool(heads) and step.tool in {"vignette", "border", "blur", "monochrome", "text", "crop", "sharpen", "adjust", "flip", "rotate"}


def _alone(step: Revision, line: Sequence[Revision], context: Context) -> bool:
    """Whether the step's message made nothing else: then undo takes back just this."""
    turn = step.turn or context.words.get(step.id)
    return not any((other.turn or context.words.get(other.id)) == turn for other in line if other is not step and other.parents)


def _before(step: Revision, context: Context) -> Said:
    """Later steps stand on it; taking it out of the middle loses them, so the person decides."""
    parent = [revision for revision in context.revisions if revision.id == step.parents[0]]
    ask = Ask(
        question=f"Later edits stand on #{step.seq} {step.tool}. Go back to before it?",
        candidates=references.candidates(parent, context),
        slot="command.target",
    )
    return Said(Command(name="switch"), ask)


_COLOR_BACK = re.compile(
    r"(?:bring|get|put|give|want|restore|have|turn|take|make)?(?: me| it)?(?: the| its| my)?(?: original| old)? ?colou?rs? (?:back|again)(?: (?:again|please|in|on))*|(?:bring|get|put|give|restore|take)(?: me)? back (?:the |its |my )?(?:original )?colou?rs?(?: again)?|"
    r"(?:make it |turn it |put it |go |change it )?(?:back )?(?:in|to|into) colou?r(?: again| version)?|restore (?:the |its )?colou?rs?|back (?:in|to|into) colou?r|(?:go |switch |change |get |take me )?(?:back )?to (?:the |its )?colou?r(?:ed|s)?(?: (?:version|one|photo|picture|image))?(?: again)?"
)


def _color_back(text: str, context: Context) -> Said | None:
    if not _COLOR_BACK.fullmatch(text) and not _COLOR_BACK.fullmatch(" " + text):
        return None
    gray = [revision for revision in references.line(context) if revision.tool == "monochrome"]
    if not gray:
        return None
    parent = next(revision for revision in context.revisions if revision.id == gray[-1].parents[0])
    return Said(Command(name="switch", target=f"#{parent.seq}"))


Rule = Callable[[str, Context], Said | None]
