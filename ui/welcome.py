"""The empty page: a place for one's own photo; example photos, a drawn scene and example sentences, one click each."""

from __future__ import annotations

from collections.abc import Sequence

import streamlit as st
from streamlit.delta_generator import DeltaGenerator

from agent.assistant import Upload
from sessions.errors import PentimentoError
from ui import gallery, place
from ui.labels import plain
from ui.worker import Call, Worker

SENTENCES = (
    "Crop it square, make it a little warmer and blur the background",
    "Make it black and white with dark corners",
    "Straighten it by two degrees and lift the shadows",
    "Write 'Good morning' at the bottom and add a thin white border",
    "Brighten it a bit, then sharpen it a little",
)
DRAWN = (
    ("Make the disc blue", ()),
    ("Remove the square, then make it snowy", ()),
    ("Add the sound to it", ("crickets.flac",)),
)
"""What may be said of the drawn scene, and what comes with it."""
KINDS = ["png", "jpg", "jpeg", "webp", "avif", "heic", "heif", "tif", "tiff"]
MEGABYTES = 50


def show(worker: Worker, where: DeltaGenerator, repaints: bool) -> None:
    """Draw it; whatever is clicked opens a session. `repaints`: whether those for the drawn scene are understood."""
    with where.container(key="welcome"):
        st.html("<h1 class='wordmark large'>Pentimento</h1>")
        st.html("<p class='lead'>Say what should change. Every step is kept, and nothing is ever lost.</p>")
        said = st.chat_input(
            "Drop, paste or pick your photo, and say what should change",
            accept_file=True,
            file_type=KINDS,
            max_upload_size=MEGABYTES,
        )
        _examples(worker)
        st.html("<h2>Or begin with a sentence</h2>")
        _sentences(worker, repaints)
        st.html(_PROMISE)
    if said is not None:
        _spoken(worker, said)


def _examples(worker: Worker) -> None:
    st.html("<h2>Or try it on one of these</h2>")
    for name, column in zip(gallery.EXAMPLES, st.columns(len(gallery.EXAMPLES)), strict=True):
        with column, st.container(key=f"example-{name}"):
            st.html(f"<img src='/examples/{name}.webp' alt='{gallery.EXAMPLES[name][1]}'>")
            if st.button(f"Use the {name}", key=f"use-{name}", width="stretch"):
                begin(worker, _bundled(name))


def _sentences(worker: Worker, repaints: bool) -> None:
    """Of a photo, and of the drawn scene, where small networks can repaint it."""
    photo, scene = st.columns(2) if repaints else (st.container(), None)
    with photo, st.container(key="sentences"):
        st.html("<p class='small'>On the coffee:</p>")
        for number, sentence in enumerate(SENTENCES):
            if st.button(sentence, key=f"sentence-{number}", icon=":material/chat:"):
                begin(worker, _bundled("coffee"), sentence)
    if scene is not None:
        _of_the_scene(worker, scene)


def _of_the_scene(worker: Worker, where: DeltaGenerator) -> None:
    with where, st.container(key="drawn"):
        st.html("<p class='small'>On the drawn scene, by small networks that paint:</p>")
        for number, (sentence, sounds) in enumerate(DRAWN):
            icon = ":material/music_note:" if sounds else ":material/chat:"
            if st.button(sentence, key=f"drawn-{number}", icon=icon, help="A chirping of crickets" if sounds else None):
                begin(worker, _bundled("scene"), sentence, [(name, gallery.sample(name)) for name in sounds])


def _spoken(worker: Worker, said: object) -> None:
    files = getattr(said, "files", [])
    text = getattr(said, "text", "")
    if not files:
        st.info("Add a photo first: the clip on the left of the field, or one of the examples below.")
        return
    begin(worker, (files[0].name, files[0].getvalue()), text)


def begin(worker: Worker, photo: Upload, sentence: str = "", files: Sequence[Upload] = ()) -> None:
    """A session with this photo, and perhaps a first message with what comes with it."""
    try:
        session, _ = worker.assistant.new(photo)
    except PentimentoError as refused:
        st.error(plain(str(refused)))
        return
    request = ""
    if sentence:
        call = Call(session.id, sentence, files, branch="main", planner=place.here().planner)
        request = worker.start(call).call.request_id
    place.go(session=session.id, branch="main", at="", beside="", request=request, mark="", mode="")


def _bundled(name: str) -> Upload:
    return gallery.EXAMPLES[name][0].replace("chelsea", "cat"), gallery.example(name)


_PROMISE = """<p class='small'>Works now, without any download: crop, straighten, light and colour, black and
white, blur, sharpen, noise, text, borders, removing things, backgrounds, and putting two photos together. The networks
that come along paint drawn scenes only; those that paint on photos are an optional pack.</p>"""
