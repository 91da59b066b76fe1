"""The conversation: what was said and done, the plan that runs, waits or asks, and the field to say more in.

What is past is one block of HTML, so that a long conversation costs a rerun nothing; only its end has widgets.
"""

from __future__ import annotations

from html import escape

import streamlit as st

from agent import turns as fitting
from agent.plan import PREV, Ask, Candidate, Plan
from agent.telling import title
from sessions import turns
from sessions.errors import PentimentoError
from sessions.identity import REVISION_PREFIX
from sessions.store import Store
from sessions.values import Message, Turn
from ui import frame, microphone, place, plancard, sounding
from ui.labels import plain
from ui.view import View, on
from ui.waveform import figure
from ui.welcome import KINDS, MEGABYTES, SENTENCES
from ui.worker import Call, Live, Worker

BEAT_SECONDS = 0.2
"""How often the page looks how far a running turn is."""

STARTERS = 3
SOUNDS = ["wav", "flac", "ogg", "mp3"]
TALK_HEIGHT = 480
"""Pixels before the stylesheet fits the conversation to the window."""


def show(worker: Worker, view: View) -> None:
    """The whole column."""
    with st.container(key="talk", height=TALK_HEIGHT, border=False, autoscroll=True):
        st.html(f"<div class='talk' role='log' aria-label='Conversation'>{_past(view)}</div>")
        if view.going:
            st.fragment(_going, run_every=BEAT_SECONDS)(worker, view)
        else:
            _present(worker, view)
        sounding.follow()
    _say(worker, view)


# What is past


def _past(view: View) -> str:
    said = [(message.created_at, _message(view, message)) for message in view.messages]
    said += [(live.call.said_at, _in_vain(view, live)) for live in view.refused if live.call.text or live.call.files]
    if not said:
        return f"<p class='hint'>This is {escape(view.original.name)}. Say what should change.</p>"
    return "".join(words for _, words in sorted(said))


def _message(view: View, message: Message) -> str:
    """One utterance; what a turn came to stands below the words that asked for it."""
    pictures = "".join(_attached(view, sha256) for sha256 in message.attachments)
    turn = view.of_message.get(message.id)
    words = f"{pictures}<p>{escape(message.text)}</p>{_came_of(view, turn, message) if turn else ''}"
    return _by("you" if message.role == "user" else "pentimento", words)


def _attached(view: View, sha256: str) -> str:
    if sound := sounding.shown(view.place.session, sha256):
        return figure(sound)
    return f"<img src='{place.attachment(view.place.session, sha256)}' alt='attached photo'>"


def _in_vain(view: View, live: Live) -> str:
    """What was said and led to no turn, and why; the newest error stands below the conversation."""
    names = ", ".join(name for name, _ in live.call.files)
    words = f"<p>{escape(live.call.text)}</p>" + (f"<p class='hint'>with {escape(names)}</p>" if names else "")
    if live.error is not None and live is view.live:
        return _by("you", words)
    why = str(live.error) if live.error is not None else live.finished.reply if live.finished is not None else ""
    return _by("you", words) + _by("pentimento", f"<p>{escape(why)}</p>")


def _by(who: str, words: str) -> str:
    return f"<div class='said {who}'><span class='who'>{who}</span><div class='words'>{words}</div></div>"


def _came_of(view: View, turn: Turn, message: Message) -> str:
    """The plan of a turn that has ended, each step with the picture it made."""
    if not turn.plan or turn.state in turns.OPEN_STATES:
        return ""
    plan = Plan.of(turn)
    made = [view.graph.by_id[one] for one in message.revisions if one in view.graph.by_id]
    start = view.graph.by_id.get(turn.planned_head or "")
    rows = plancard.rows(plan, made, state=turn.state, pictures=_pictures(view, plan, turn.planned_head))
    return rows + (plancard.why(plan, start) if plan.steps else "")


def _pictures(view: View, plan: Plan, head: str | None) -> dict[str, plancard.Small]:
    """What shows what a plan's steps start from or work with, but not where one stood: small pictures, and sounds."""
    known, session = view.graph.by_id, view.place.session
    names = {name for step in plan.steps for name in (step.base or PREV, *step.subjects)}
    return {
        name: place.picture(known[name], "thumb")
        if name in known
        else sounding.shown(session, name) or place.attachment(session, name)
        for name in names - {PREV, head, *view.graph.learnt.values()}
        if name in known or not name.startswith(REVISION_PREFIX)
    }


# What runs, waits or asks


def _going(worker: Worker, view: View) -> None:
    """The running turn and those that wait for it, drawn anew every beat; the whole page once one has ended or come."""
    lives = on(view.branch, worker.running(view.place.session))
    if [live.call.request_id for live in lives] != [live.call.request_id for live in view.going]:
        st.rerun(scope="app")
    first, *others = lives
    status = st.container(key="working").status(_progress(first), state="running", expanded=True)
    if words := _running(worker.assistant.store, view, first):
        status.html(words)  # not `with`: leaving it would show the turn as complete
    if status.button("Cancel", key="cancel", help="Nothing of the step that is running is kept"):
        worker.cancel(first.call.session, first.call.request_id)
    for live in others:
        _waiting(worker, live)


def _waiting(worker: Worker, live: Live) -> None:
    """A message that begins where those before it end."""
    name = live.call.request_id
    with st.container(key=f"waiting-{name}", horizontal=True, vertical_alignment="center"):
        st.html(f"<p class='hint'>After the one that runs: <strong>{escape(live.call.text)}</strong></p>")
        if st.button("Cancel", key=f"cancel-{name}", help="It is not begun"):
            worker.cancel(live.call.session, name)


def _progress(live: Live) -> str:
    if not live.began:
        return "Waiting for the turn before it"
    if live.queued:
        return "Waiting for another turn" if live.queued == 1 else f"Waiting for {live.queued} other turns"
    if live.plan is None or not live.plan.steps:
        return "Reading your message"
    step = live.plan.steps[min(live.index, len(live.plan.steps) - 1)]
    return f"Step {live.index + 1} of {len(live.plan.steps)}: {step.tool.replace('_', ' ')}"


def _running(store: Store, view: View, live: Live) -> str:
    """Its words, unless they stand in the conversation already, and its plan."""
    told = any(turn.request_id == live.call.request_id for turn in view.turns)
    said = f"<p class='said-now'>{escape(live.call.text)}</p>" if live.call.text and not told else ""
    if live.plan is None:
        return said
    made = [store.revision(live.call.session, one) for one in live.made]
    pictures = _pictures(view, live.plan, view.head.id)
    return said + plancard.rows(live.plan, made, (live.index, live.fraction), "running", pictures)


def _present(worker: Worker, view: View) -> None:
    """What the end of the conversation offers: approval, answers, a way out of an error, or the last plan again."""
    live = view.live
    if live is not None and live.error is not None:
        _refused(live.error)
    elif view.open is not None and view.open.state == "planned":
        _approve(worker, view, view.open)
    elif view.open is not None and view.ask is not None:
        _question(worker, view, view.open, view.ask)
    elif live is not None and live.refused is not None:
        if not live.made:
            st.html(f"<p class='hint'>Nothing was changed; {escape(view.branch)} is at #{view.head.seq}.</p>")
        _ways_out(live.refused.code)
    else:
        _offer_file(view)
        _again(worker, view)


def _approve(worker: Worker, view: View, turn: Turn) -> None:
    """A plan held back: change it, run it, or leave it. A question is asked at once: there is nothing to approve."""
    plan = Plan.of(turn)
    if not plan.steps or plan.ask is not None:
        worker.start(Call(turn.session, "", branch=turn.branch, request_id=turn.request_id))
        place.go(request=turn.request_id)
    st.html("<p class='hint'>This is the plan. Change amounts, drop or reorder steps, then run it.</p>")
    pictures = _pictures(view, plan, turn.planned_head)
    edited = plancard.editor(plan, f"plan-{turn.request_id}", "Run this plan", pictures)
    if st.button("Cancel, change nothing", key="leave"):
        turns.cancel(worker.assistant.store, turn.session, turn.request_id)
        st.rerun()
    if edited is not None:
        go_on(worker, turn, edited)


def go_on(worker: Worker, turn: Turn, plan: Plan) -> None:
    """Run a turn that waits, with its plan as the person has changed it."""
    try:
        worker.assistant.amend(turn.session, turn.request_id, plan)
    except PentimentoError as error:
        st.error(plain(str(error)))
        return
    worker.start(Call(turn.session, "", branch=turn.branch, request_id=turn.request_id))
    place.go(request=turn.request_id, mode="", mark="")


def _question(worker: Worker, view: View, turn: Turn, ask: Ask) -> None:
    """The question, each candidate a button, with its picture where it has one."""
    with st.container(key="answers", horizontal=True, vertical_alignment="bottom"):
        for number, candidate in enumerate(ask.candidates, start=1):
            with st.container(key=f"answer-{number}", width="content"):
                if seen := _choice(view, turn, ask, number - 1):
                    st.html(seen)
                if st.button(plain(candidate.label), key=f"choose-{turn.request_id}-{number}"):
                    frame.send(worker, view, _answer(view, ask, candidate, number))
        if view.marking and st.button("Correct it with the brush", icon=":material/brush:"):
            place.go(mode="brush")
        if view.marking and st.button("Draw a box instead", icon=":material/crop_free:"):
            place.go(mode="box")
    if ask.free:
        st.html("<p class='hint'>Or say it in your own words.</p>")


def _choice(view: View, turn: Turn, ask: Ask, at: int) -> str:
    """The picture of a candidate, large where it is the only one; a doubtful place is on the canvas instead."""
    candidate = ask.candidates[at]
    revision = view.graph.by_id.get(candidate.revision or "")
    if revision is not None:
        return f"<img class='choice' src='{place.picture(revision, 'thumb')}' alt='{escape(title(revision))}'>"
    if candidate.shown and not view.marking:
        alone = sum(one.shown for one in ask.candidates) == 1
        size = "choice large" if alone else "choice"
        return f"<img class='{size}' src='{place.asked(turn, str(at))}' alt='{escape(candidate.label)}'>"
    return ""


def _answer(view: View, ask: Ask, candidate: Candidate, number: int) -> str:
    """The words that mean this candidate: its label, or its number where the label alone would not be understood."""
    understood = fitting.answer(candidate.label, ask, view.graph)
    return candidate.label if understood == candidate else str(number)


def _refused(error: PentimentoError) -> None:
    """The message itself was not taken: a sentence, and what to do."""
    st.error(plain(error.message), icon=":material/error:")
    if error.hint:
        st.html(f"<p class='hint'>{escape(error.hint)}</p>")
    _ways_out(error.code)


def _ways_out(code: str) -> None:
    """The next step after an error, as buttons."""
    with st.container(key="ways-out", horizontal=True):
        if code in ("not_grounded", "unsure", "plan"):
            if st.button("Mark the place with the brush", icon=":material/brush:"):
                place.go(mode="brush", request="")
            if st.button("Draw a box", icon=":material/crop_free:"):
                place.go(mode="box", request="")


def _again(worker: Worker, view: View) -> None:
    """The last plan, to be changed and done again from where it started."""
    plan = view.last_plan
    if plan is None or view.shown.id != view.head.id:
        return
    with st.expander("Change this plan and do it again", icon=":material/tune:"):
        edited = plancard.editor(plan, f"again-{view.head.turn}", "Do it again like this")
    if edited is not None:
        frame.instead(worker, view, edited)


def _offer_file(view: View) -> None:
    """A file that was asked for in words."""
    for file in view.live.files if view.live else ():
        said = {name: str(value) for name, value in file.options.items()}
        href = place.export(file.revision, said.pop("format", "jpeg"), **said)
        st.html(f"<a class='button' download href='{escape(href)}'>Save #{file.revision.seq} as a file</a>")


# Saying more


def _say(worker: Worker, view: View) -> None:
    if not view.messages and view.live is None:
        with st.container(key="starters", horizontal=True):
            for number, sentence in enumerate(SENTENCES[:STARTERS]):
                if st.button(sentence, key=f"starter-{number}"):
                    frame.send(worker, view, sentence)
    if view.place.mark:
        _marked(view)
    microphone.waiting()
    with st.container(key="saying", horizontal=True, vertical_alignment="bottom"):
        st.chat_input(
            _placeholder(view),
            key="say",
            accept_file="multiple",
            file_type=[*KINDS, *SOUNDS],
            max_upload_size=MEGABYTES,
            on_submit=_said,
            args=(worker, view),
        )
        microphone.button()


def _said(worker: Worker, view: View) -> None:
    """Send what was typed, before the page is drawn again."""
    said = st.session_state["say"]
    if said is not None:
        files = [(file.name, file.getvalue()) for file in said.files]
        frame.begin(worker, view, said.text, [*files, *microphone.taken()])


def _marked(view: View) -> None:
    """What was drawn on the picture goes with the next message, until it is taken away."""
    what = "The box you drew" if view.place.mark.startswith("box") else "What you painted"
    with st.container(key="mark", horizontal=True, vertical_alignment="center"):
        st.html(f"<p class='hint'>{what} goes with your next message.</p>")
        if st.button("Take it away", key="unmark"):
            place.go(mark="")


def _placeholder(view: View) -> str:
    if view.ask is not None:
        return "Answer, or say something else"
    if view.place.mark:
        return "Say what should change there"
    if view.shown.id != view.head.id:
        return f"Say what should change, starting from #{view.shown.seq}"
    return "Say what should change"
