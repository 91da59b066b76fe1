"""Serves the page on one port: Streamlit's own routes, the pictures and files of one's sessions, the health address.

Pictures have addresses of their own, named by revision and therefore never changing, so that the browser keeps them and
a rerun of the script sends none. Bound to the loopback address unless told otherwise; there only local names are
served.
"""

from __future__ import annotations

import errno
import gc
import logging
import os
import socket
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import streamlit as st
import uvicorn
from starlette.middleware import Middleware
from starlette.middleware.trustedhost import TrustedHostMiddleware
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response, StreamingResponse
from starlette.routing import Route

from agent.assistant import Assistant
from agent.engine import Engine
from agent.runtime import open_store, planners, repaints_scenes
from agent.settings import Settings
from sessions.database import SCHEMA
from sessions.errors import NotFound, PentimentoError, StorageError
from tools import shelf
from ui import downloads, gallery, ranges
from ui.gallery import Gallery
from ui.worker import Worker

PORT = 8501
TRIES = 50
LOCAL = ["localhost", "127.0.0.1", "[::1]"]
FOREVER = "private, max-age=31536000, immutable"
PATIENCE = 5.0
"""Seconds that running turns have to end when the page is stopped."""

SCRIPT = Path(__file__).parent / "app.py"
WEBSOCKET_BYTES = 200_000_000


@dataclass(frozen=True)
class Desk:
    """What all tabs share: one worker, one gallery, over one data folder. `repaints`: whether drawn scenes can be
    changed in any way they know without a choice of planner."""

    worker: Worker
    gallery: Gallery
    repaints: bool = True


@cache
def desk() -> Desk:
    """Opened once in the life of the server, from the settings, before anybody can ask for it."""
    settings = Settings()
    store = open_store(settings)
    pictures, offered = Gallery(store), planners(settings, store)
    usual = next(iter(offered.values()))
    return Desk(Worker(Assistant(store, usual), pictures.keep, offered), pictures, repaints_scenes(settings))


def serve(host: str = "127.0.0.1", port: int = PORT, opened: Callable[[str], None] = print) -> None:
    """Serve until stopped; a busy port makes way for the next free one. `opened` is told the address."""
    worker = desk().worker
    listening = listen(host, port)
    engine = Engine(worker.assistant.store)
    engine.keep()
    config = uvicorn.Config(
        st.App(SCRIPT, routes=routes(), middleware=guards(host, Settings().names)),
        log_level="warning",
        access_log=False,
        ws="websockets-sansio",
        ws_max_size=WEBSOCKET_BYTES,
    )
    for name in ("uvicorn", "uvicorn.access", "uvicorn.error"):
        logging.getLogger(name).disabled = True
    gc.freeze()  # what is imported stays: looking through it again takes the collector longer than opening a session
    opened(address(host, listening.getsockname()[1]))
    try:
        uvicorn.Server(config).run(sockets=[listening])
    finally:
        if not (worker.rest(PATIENCE) and engine.leave(PATIENCE)):
            os._exit(0)  # a turn that is still at work is gone on with at the next start, as after any crash


def address(host: str, port: int) -> str:
    """What to open in a browser on this machine."""
    name = "localhost" if host in ("127.0.0.1", "0.0.0.0", "::") else f"[{host}]" if ":" in host else host
    return f"http://{name}:{port}"


def listen(host: str, port: int) -> socket.socket:
    """A socket bound to the first free port from `port` on; StorageError where none of the next fifty is free."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    last = min(port + TRIES, 65_536) - 1
    for wanted in range(port, last + 1):
        bound = socket.socket(family, socket.SOCK_STREAM)
        bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            bound.bind((host, wanted))
            bound.listen(128)
        except OSError as error:
            bound.close()
            if error.errno not in (errno.EADDRINUSE, errno.EACCES):
                raise StorageError(f"{host} is no address of this machine.", "Name another one with --host.") from error
            continue
        return bound
    raise StorageError(f"No port from {port} to {last} is free.", "Name another one with --port.")


def guards(host: str, hosts: Sequence[str] = ()) -> list[Middleware]:
    """Only local names and `hosts` are answered, whatever foreign pages resolve to.

    On an address that others reach, any name is, unless `hosts` are given.
    """
    if host not in ("127.0.0.1", "::1", "localhost") and not hosts:
        return []
    return [Middleware(TrustedHostMiddleware, allowed_hosts=[*LOCAL, *hosts], www_redirect=False)]


def routes() -> list[Route]:
    return [
        Route("/healthz", healthy),
        Route("/readyz", ready),
        Route("/examples/{name}.webp", _example),
        Route("/pictures/{session}/attached/{sha256}.webp", _attachment),
        Route("/pictures/{session}/asked/{request_id}/{question}/{name}.webp", _asked),
        Route("/pictures/{session}/drawn/{sha256}.webp", _drawn),
        Route("/pictures/{session}/compared/{a}/{b}.webp", _compared),
        Route("/pictures/{session}/{revision}/mask.webp", _mask),
        Route("/pictures/{session}/{revision}/onto/{other}.webp", _onto),
        Route("/pictures/{session}/{revision}/{name}.webp", _preview),
        Route("/sounds/{session}/{sha256}.svg", _waveform),
        Route("/sounds/{session}/{sha256}.flac", _sound),
        Route("/live/{request_id}/{look}.webp", _live),
        Route("/files/{session}/recipe/{revision}.json", _recipe),
        Route("/files/{session}/bundle.zip", _bundle),
        Route("/files/{session}/original/{revision}", _original),
        Route("/files/{session}/{revision}.{ending}", _export),
    ]


async def healthy(_: Request) -> Response:
    """The process answers; asks nothing of disk or database, so that nothing can hold it up."""
    return PlainTextResponse("ok\n")


def ready(_: Request) -> Response:
    """The database answers and has the schema we know; the weights that are registered lie where they should."""
    try:
        store = desk().worker.assistant.store
        right = store.database.schema() == SCHEMA
        shelf.at(store.home).lies_there()
    except PentimentoError as failure:
        return PlainTextResponse(f"{failure}\n", 503)
    return PlainTextResponse("ready\n" if right else "schema\n", 200 if right else 503)


def _example(request: Request) -> Response:
    return picture(lambda: gallery.example_preview(request.path_params["name"]))


def _preview(request: Request) -> Response:
    return picture(lambda: desk().gallery.preview(**request.path_params))


def _attachment(request: Request) -> Response:
    return picture(lambda: desk().gallery.attachment(**request.path_params))


def _waveform(request: Request) -> Response:
    return picture(lambda: desk().gallery.waveform(**request.path_params), media_type="image/svg+xml")


def _sound(request: Request) -> Response:
    """An attached sound, to be played: whole, or the part that is asked for."""
    try:
        data = desk().gallery.flac(**request.path_params)
    except PentimentoError as failure:
        return refusal(failure)
    return _headed(ranges.answer(data, request.headers.get("range", ""), "audio/flac"), FOREVER)


def _drawn(request: Request) -> Response:
    return picture(lambda: desk().gallery.drawn(**request.path_params))


def _mask(request: Request) -> Response:
    return picture(lambda: desk().gallery.mask(**request.path_params))


def _asked(request: Request) -> Response:
    return picture(lambda: desk().gallery.asked(**request.path_params))


def _onto(request: Request) -> Response:
    return picture(lambda: desk().gallery.onto(**request.path_params))


def _compared(request: Request) -> Response:
    return picture(lambda: desk().gallery.compared(**request.path_params))


def _live(request: Request) -> Response:
    """How a running step looks so far; gone as soon as the turn has ended."""

    def shown() -> bytes:
        live = desk().worker.live(request.path_params["request_id"])
        if live is None or live.preview is None:
            raise NotFound("That step has ended.")
        return gallery.webp(live.preview, gallery.SIDES["view"], quality=70)

    return picture(shown, keep="no-store")


def picture(make: Callable[[], bytes], keep: str = FOREVER, media_type: str = "image/webp") -> Response:
    """A picture, or the error as 404."""
    try:
        return _headed(Response(make(), media_type=media_type), keep)
    except PentimentoError as failure:
        return refusal(failure)


def _recipe(request: Request) -> Response:
    return file(lambda: downloads.recipe(desk().gallery.store, **request.path_params))


def _bundle(request: Request) -> Response:
    return file(lambda: downloads.bundle(desk().gallery.store, **request.path_params))


def _original(request: Request) -> Response:
    return file(lambda: downloads.original(desk().gallery.store, **request.path_params))


def _export(request: Request) -> Response:
    wanted = dict(request.query_params)
    return file(lambda: downloads.picture(desk().gallery.store, **request.path_params, wanted=wanted))


def file(make: Callable[[], downloads.Download]) -> Response:
    """A file to be saved under its own name, or the error as a sentence."""
    try:
        made = make()
    except PentimentoError as failure:
        return refusal(failure)
    if isinstance(made.data, bytes):
        response: Response = Response(made.data, media_type=made.media_type)
    else:
        response = StreamingResponse(downloads.blocks(made.data), media_type=made.media_type)
    response.headers["Content-Disposition"] = made.disposition
    return _headed(response, "no-store")


def refusal(failure: PentimentoError) -> Response:
    status = 404 if isinstance(failure, NotFound) else 400
    body = {"code": failure.code, "message": failure.message, "hint": failure.hint}
    return _headed(JSONResponse(body, status), "no-store")


def _headed(response: Response, keep: str) -> Response:
    """Nobody else's page may show these, and no browser may take them for something else."""
    response.headers["Cache-Control"] = keep
    response.headers["Cross-Origin-Resource-Policy"] = "same-origin"
    response.headers["X-Content-Type-Options"] = "nosniff"
    return response
