"""The picture and what can be done with it by hand: slider, mask, brush, box, compare, downloads; below it the tree."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from functools import lru_cache
from html import escape

import streamlit as st

from agent import comparing, export
from agent.plan import Plan
from agent.telling import began, duration, title
from sessions import history
from sessions.errors import BadArguments, PentimentoError
from sessions.history import Graph
from sessions.store import Store
from sessions.values import IDENTITY, Revision
from ui import frame, place, toolbox
from ui.chat import BEAT_SECONDS, go_on
from ui.labels import plain
from ui.stage import Painted, Scene, stage
from ui.timeline import Pair, Pick, layout, timeline
from ui.view import View
from ui.worker import Live, Worker

CONTROL = "canvas-mode"
"""The key of the control that chooses what the canvas shows; what it shows follows from the place, not from it."""

CORRECT = "correct"
"""The brush that begins with the mask of the step that is shown."""

COMPARED = 32
"""How many comparisons are kept, as words: the page is drawn again at every click."""

CHANGES = 6
"""How many places a comparison lists, most changed first."""

MODES = {"look": "Picture", "slide": "Before / after", "mask": "Mask", "brush": "Brush", "box": "Box"}


def show(worker: Worker, view: View) -> None:
    """The whole column. The stage is drawn by one fragment in every state, so that it is never mounted anew."""
    running = view.live is not None and not view.live.over
    st.fragment(_picture, run_every=BEAT_SECONDS if running else None)(worker, view)
    _history(worker, view)


# The picture


def _picture(worker: Worker, view: View) -> None:
    view = replace(view, place=replace(view.place, mode=place.here().mode))
    live = worker.live(view.live.call.request_id) if view.live is not None and not view.live.over else None
    if live is not None and live.over:
        st.rerun(scope="app")
    if live is not None:
        _working(worker, view, live)
    elif view.beside is not None:
        _compared(worker, view, view.beside)
    else:
        _still(worker, view)


def _working(worker: Worker, view: View, live: Live) -> None:
    """The picture while a turn runs: as it was, then as it looks so far."""
    shown = view.shown
    if live.made:
        shown = worker.assistant.store.revision(live.call.session, live.made[-1])
    scene = Scene(place.picture(shown), shown.width, shown.height, _alt(view.graph, shown), busy=live.fraction)
    if live.preview is not None:
        width, height = live.preview.size
        scene = replace(scene, after=place.live(live.call.request_id, live.look), width=width, height=height)
    stage(scene, frame.STAGE)
    st.html("<p class='facts'>Working; nothing is changed until a step is done.</p>")


def _still(worker: Worker, view: View) -> None:
    mode = _mode(view)
    drawn = stage(_scene(view, mode), frame.STAGE)
    if drawn is not None:
        _drawn(worker, view, drawn)
    st.html(_PAINTING if mode in ("brush", "box") else _facts(view))
    _tools(worker, view, mode)


def _mode(view: View) -> str:
    """What the canvas shows: what was chosen, as far as this picture has it; by default the step's before and after."""
    wanted = "brush" if view.place.mode == CORRECT else view.place.mode
    if view.marking and wanted not in ("brush", "box"):
        return "mask"
    if wanted in MODES and (wanted != "mask" or _mask(view)) and (wanted != "slide" or view.parent):
        return wanted
    if view.place.mark:
        return "mask" if _mask(view) else "look"
    return "slide" if view.parent is not None and view.shown.geometry == IDENTITY else "look"


def _scene(view: View, mode: str) -> Scene:
    shown, before = view.shown, view.parent
    scene = Scene(place.picture(shown), shown.width, shown.height, _alt(view.graph, shown), mode=mode)  # type: ignore[arg-type]
    if mode == "slide" and before is not None:
        labels = (f"before · #{before.seq}", f"after · #{shown.seq}")
        return replace(scene, before=place.onto(before, shown), labels=labels)
    if mode == "mask" or view.marking or view.place.mode == CORRECT:
        return replace(scene, mask=_mask(view))
    return scene


def _mask(view: View) -> str | None:
    """The address of the mask to show: the one asked about, the one just drawn, or the one of the shown step."""
    if view.marking and view.open is not None:
        return place.asked(view.open, "mask")
    drawn = frame.region(view.place.mark)
    if drawn is not None and drawn.mask is not None:
        return place.drawn(view.place.session, drawn.mask)
    return place.picture(view.shown, "mask") if view.shown.mask else None


def _alt(graph: Graph, shown: Revision) -> str:
    words = graph.words.get(shown.id)
    return f"{title(shown)}" + (f", after: {words}" if words else "")


def _facts(view: View) -> str:
    """What the shown step did, where, how long it took, what it left alone, and what it started from."""
    if view.marking:
        return "<p class='facts'><strong>Tinted: what it would change.</strong> The rest stays as it is.</p>"
    shown, facts = view.shown, view.shown.facts
    parts = [f"<strong>{escape(title(shown))}</strong>", f"{shown.width}×{shown.height}"]
    if view.parent is not None:
        parts.append(began(view.graph, shown))
    if "seconds" in facts:
        parts.append(duration(facts["seconds"]))
    if "pixels_changed_outside" in facts:
        count = facts["pixels_changed_outside"]
        parts.append(f"<em>{count} pixel{'' if count == 1 else 's'} changed outside the mask</em>")
    elif view.parent is not None and shown.geometry == IDENTITY:
        parts.append("whole picture")
    if "detail" in facts.get("drift", {}):
        parts.append(f"fine detail {facts['drift']['detail']:.0%} of the photo's")
    notices = "".join(f"<p class='hint'>{escape(str(one))}</p>" for one in facts.get("notices", ()))
    where = (
        ""
        if shown.id == view.head.id
        else f"<p class='looking'>You are looking at #{shown.seq}; {escape(view.branch)} is at #{view.head.seq}.</p>"
    )
    return f"<p class='facts'>{' · '.join(parts)}</p>{notices}{where}"


_PAINTING = "<p class='facts'>Mark where the next change shall be, then say what to do there.</p>"


# What can be done by hand


def _tools(worker: Worker, view: View, mode: str) -> None:
    with st.container(key="tools", horizontal=True, vertical_alignment="center"):
        if view.shown.id != view.head.id:
            _elsewhere(worker, view)
        offered = [one for one in MODES if (one != "slide" or view.parent) and (one != "mask" or _mask(view))]
        st.session_state[CONTROL] = mode
        st.segmented_control(
            "What the canvas shows",
            offered,
            format_func=MODES.__getitem__,
            label_visibility="collapsed",
            key=CONTROL,
            on_change=_choose,
            args=(mode,),
        )
        if mode == "mask" and _correctable(view) and st.button("Correct the mask", icon=":material/brush:"):
            place.go(mode=CORRECT)
        _more(worker, view)


def _correctable(view: View) -> bool:
    """Whether the shown step can be done again in another place: one was named, or is what its tool works on."""
    step = view.shown.step
    last = view.shown.id == view.head.id and view.last_plan is not None and not view.marking
    return last and step is not None and step.region is not None


def _choose(drawn: str) -> None:
    """Another mode of the canvas than the one drawn; only the fragment of the picture is drawn again."""
    chosen = st.session_state[CONTROL] or ""
    if chosen != drawn:  # a segmented control also reports a change when it is first drawn
        place.move(mode=chosen)


def _elsewhere(worker: Worker, view: View) -> None:
    """The picture on the canvas is not the branch's head."""
    shown = view.shown
    if st.button("Continue from here", icon=":material/fork_right:", type="primary"):
        place.move(at="")
        frame.command(worker, view, f"continue from #{shown.seq}", name="switch", target=f"#{shown.seq}")
    if st.button(f"Compare with #{view.head.seq}", icon=":material/compare:"):
        place.go(beside=place.short(shown.id), at="", request="")
    if st.button(f"Back to #{view.head.seq}"):
        place.go(at="", request="")


def _more(worker: Worker, view: View) -> None:
    with st.popover("Compare", icon=":material/compare:"):
        st.caption(f"Set #{view.shown.seq} beside")
        others = {f"the original, #{view.original.seq}": view.original}
        others |= {
            f"{plain(name)}, #{view.graph.by_id[head].seq}": view.graph.by_id[head]
            for name, head in view.graph.branches.items()
        }
        for label, other in others.items():
            if other.id != view.shown.id and st.button(label, key=f"beside-{label}", width="stretch"):
                place.go(beside=place.short(other.id), request="")
    with st.popover("Download", icon=":material/download:"):
        _downloads(view)
    toolbox.show(worker, view)


def _downloads(view: View) -> None:
    shown = view.shown
    kind = st.segmented_control("Format", ["jpg", "png", "webp", "tiff"], default="jpg", key="format") or "jpg"
    quality = st.slider("Quality", 1, 100, 90, key="quality") if kind in ("jpg", "webp") else ""
    size = st.text_input("Size", placeholder="as it is · 1200 · 1200x800 · 50%", key="size")
    most = st.text_input("At most", placeholder="any · 500kB · 2MB", key="most") if kind in ("jpg", "webp") else ""
    keep = st.pills("Keep from the original", ["date", "copyright"], selection_mode="multi", key="keep")
    said = {"quality": str(quality), "size": size, "max_bytes": most, "keep": ",".join(keep)}
    links = []
    try:
        options = export.options_of({"format": kind} | {name: value for name, value in said.items() if value})
        export.check(options, shown)
        links.append((f"Save #{shown.seq} as .{kind}", place.export(shown, kind, **said), True))
    except BadArguments as wrong:
        st.error(plain(wrong.message))
    base = f"/files/{shown.session}"
    links.append(("The file you uploaded, unchanged", f"{base}/original/{place.short(shown.id)}", False))
    if shown.parents:
        links.append(
            ("The recipe: these steps, for other photos", f"{base}/recipe/{place.short(shown.id)}.json", False)
        )
    links.append(("The whole session, as a bundle", f"{base}/bundle.zip", False))
    st.html(
        "".join(
            f"<a class='button{' first' if first else ''}' download href='{escape(to)}'>{escape(label)}</a>"
            for label, to, first in links
        )
    )


def _drawn(worker: Worker, view: View, drawn: Painted) -> None:
    """A painted mask or a box: the answer to a question about a mask, or the place of the next message."""
    if drawn.cancelled:
        place.go(mode="", mark="")
    mark = frame.mark_of(worker.assistant.store, view.place.session, drawn)
    region = frame.region(mark)
    if view.marking and view.open is not None and region is not None:
        plan = Plan.of(view.open)
        number = int(str(view.ask.slot).split(".")[1]) if view.ask else 0
        steps = list(plan.steps)
        steps[number] = steps[number].model_copy(update={"region": region.to_json(), "confirmed": True})
        go_on(worker, view.open, plan.model_copy(update={"steps": tuple(steps)}))
        return
    if view.place.mode == CORRECT and view.last_plan is not None and region is not None:
        *before, last = view.last_plan.steps
        again = last.model_copy(update={"region": region.to_json(), "confirmed": True})
        frame.instead(worker, view, view.last_plan.model_copy(update={"steps": (*before, again)}))
    place.go(mode="", mark=mark)


# Two pictures side by side


def _compared(worker: Worker, view: View, beside: Revision) -> None:
    """The other picture against this one: slider, difference map, where they differ, and what was done on each side."""
    store, shown = worker.assistant.store, view.shown
    mapped = view.place.mode == "map"
    after = place.compared(beside, shown) if mapped else place.picture(shown)
    scene = Scene(after, shown.width, shown.height, f"{title(shown)} beside {title(beside)}")
    if not mapped:
        labels = (title(beside), title(shown))
        scene = replace(scene, before=place.onto(beside, shown), labels=labels, mode="slide")
    stage(scene, frame.STAGE)
    with st.container(key="tools", horizontal=True, vertical_alignment="center"):
        if st.button("Slider" if mapped else "Difference map", icon=":material/difference:"):
            place.go(mode="" if mapped else "map")
        name = next((name for name, head in view.graph.branches.items() if head == beside.id), None)
        mergeable = name not in (None, view.branch) and shown.id == view.head.id
        label = f"Merge {plain(name or '')} into {plain(view.branch)}"
        if mergeable and st.button(label, icon=":material/merge:", type="primary"):
            frame.command(worker, view, f"merge {name} into {view.branch}", name="merge", target=name)
        if st.button("Close", icon=":material/close:"):
            place.go(beside="", mode="")
    try:
        st.html(_comparison(store, shown.session, shown.id, beside.id))
    except PentimentoError as failure:
        st.error(plain(str(failure)))


@lru_cache(COMPARED)
def _comparison(store: Store, session: str, one: str, other: str) -> str:
    """How much and where two revisions differ, and the steps on either side since they parted."""
    graph = history.graph(store, session)
    shown, beside = graph.by_id[one], graph.by_id[other]
    found = comparing.compare(store, graph, shown, beside)
    changes = sorted((*found.regions, *found.places), key=lambda one: -one.mean)[:CHANGES]
    rows = "".join(
        f"<tr><td>{escape(one.where)}</td><td>{one.changed:.0%}</td><td>{one.mean:.1f}</td></tr>" for one in changes
    )
    head = "<tr><th>where</th><th>pixels that differ</th><th>mean difference (ΔE)</th></tr>"
    parted = f"since #{found.base.seq}" if found.base else "different photos"
    ours, theirs = (_side(one, steps, parted) for one, steps in zip((shown, beside), found.steps, strict=True))
    table = f"<table class='changes'>{head}{rows}</table>"
    return f"<p class='facts'>{escape(found.sentence)}</p><div class='sides'>{theirs}{ours}</div>{table}"


def _side(one: Revision, steps: Sequence[Revision], parted: str) -> str:
    done = "".join(f"<li>{escape(title(step))}</li>" for step in steps) or "<li>nothing</li>"
    return f"<div><strong>{escape(title(one))}</strong> {escape(parted)}<ol>{done}</ol></div>"


# The history


def _history(worker: Worker, view: View) -> None:
    with st.container(key="history", horizontal=True, vertical_alignment="center"):
        st.html("<h2>History</h2>")
        elsewhere = "" if view.shown.id == view.head.id else f"You are not at #{view.head.seq}, the end of this branch"
        undo = st.button(
            "Undo",
            icon=":material/undo:",
            help=elsewhere or "Take back the last message",
            disabled=bool(elsewhere) or not view.head.parents,
        )
        redo = st.button(
            "Redo",
            icon=":material/redo:",
            help=elsewhere or "Take back the last undo",
            disabled=bool(elsewhere) or not history.undone(worker.assistant.store, view.place.session, view.branch),
        )
    if undo:
        frame.command(worker, view, "undo", name="undo")
    if redo:
        frame.command(worker, view, "redo", name="redo")
    data = layout(view.graph, lambda revision: place.picture(revision, "thumb"), view.shown.id)
    match timeline(data, "timeline"):
        case Pick(revision=revision):
            _look_at(view, revision)
        case Pair(a=a, b=b, what="compare"):
            place.go(beside=place.short(a), at="" if b == view.head.id else place.short(b), request="", mode="")
        case Pair(a=a, b=b, what="merge"):
            _merge(worker, view, a, b)


def _look_at(view: View, revision: str) -> None:
    """A revision; where a branch ends in it, on that branch, so that what comes next goes on there."""
    ends = sorted(name for name, head in view.graph.branches.items() if head == revision)
    branch = view.branch if view.branch in ends or not ends else ends[0]
    place.go(branch=branch, at="" if ends else place.short(revision), beside="", request="", mode="")


def _merge(worker: Worker, view: View, a: str, b: str) -> None:
    theirs, ours = view.graph.by_id[a], view.graph.by_id[b]
    into = next((name for name, head in view.graph.branches.items() if head == b), None)
    if into is None:
        st.warning(f"#{ours.seq} is not the end of a branch; drop it on the last picture of one.")
        return
    place.move(branch=into, at="")
    there = replace(view, branch=into)
    frame.command(worker, there, f"merge #{theirs.seq} into {into}", name="merge", target=f"#{theirs.seq}")
