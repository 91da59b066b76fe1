"""The verbs of learnt subjects, `pentimento subject`: learn one from its photos, add a learnt one, list a session's."""

from __future__ import annotations

from collections.abc import Generator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from sessions.errors import BadArguments, NotFound
from ui.shell import JsonOption, SessionOption, app, open_store, session_of, verbs_of

if TYPE_CHECKING:
    from sessions.values import Asset, LearntSubject, Picture
    from tools.base import Progress

subject = typer.Typer(help="Subjects learnt from their photos: learn, add, list.", no_args_is_help=True)
app.add_typer(subject, name="subject")
command = verbs_of(subject)


@command
def learn(
    name: Annotated[str, typer.Argument(help="What the subject shall be called.")],
    photos: Annotated[list[Path], typer.Argument(metavar="PHOTO…", help="Photos of this one subject; five are good.")],
    category: Annotated[str, typer.Option("--category", "-c", help="What it is, in a word or two: dog.")],
    steps: Annotated[int, typer.Option(min=1, max=1000, help="40 to 120: more for more detail.")] = 40,
    rate: Annotated[float | None, typer.Option(min=0, max=1, help="The learning rate, else the weights' own.")] = None,
    seed: Annotated[int, typer.Option(min=0, help="Of the noise it is learnt from.")] = 0,
    session: SessionOption = "",
    json_: JsonOption = False,
) -> None:
    """Learn a subject, to be drawn later: pentimento do blip_diffusion category=dog --subject NAME."""
    from agent.settings import Settings
    from sessions import intake, uploads
    from tools import devices, shelf
    from ui import terminal

    devices.require_torch()
    from tools import subjects
    from tools.diffusion.finetuning import Schooling

    store = open_store()
    where = session_of(store, session).id
    uploads.check_name(store, where, name)
    pictures = [_picture(intake.admit_file(photo), photo) for photo in photos]
    there = shelf.at(Settings().home)
    schooling = Schooling(steps, subjects.rate(there) if rate is None else rate, seed)
    learnt = _followed(subjects.learn(there, pictures, category, schooling))
    asset = uploads.learnt(store, where, learnt, name)
    if json_:
        terminal.out_json(_told(asset))
    else:
        terminal.out(_line(asset))


@command
def add(
    name: Annotated[str, typer.Argument(help="What the subject shall be called.")],
    folder: Annotated[Path, typer.Argument(metavar="FOLDER", help="What `pentimento train subject` has left.")],
    session: SessionOption = "",
    json_: JsonOption = False,
) -> None:
    """Add a subject that was learnt elsewhere: by pentimento train subject."""
    from sessions import intake, uploads
    from sessions.values import LearntSubject
    from tools import devices
    from ui import terminal

    devices.require_torch()
    from tools import weights

    file = folder / "learnt.safetensors"
    if not file.is_file():
        raise NotFound(f"There is no {file.name} in {folder}.", "pentimento train subject leaves one.")
    shown = _picture(intake.admit_file(folder / "learnt.png"), folder / "learnt.png")
    data = file.read_bytes()
    weights.unpacked(data)  # says what is wrong with a file that is none, before it is kept
    store = open_store()
    asset = uploads.learnt(store, session_of(store, session).id, LearntSubject(shown.pixels, data), name)
    if json_:
        terminal.out_json(_told(asset))
    else:
        terminal.out(_line(asset))


def _picture(admitted: Any, photo: Path) -> Picture:
    if admitted.picture is None:
        raise BadArguments(f"{photo.name} is a sound; a subject is learnt from photos.")
    found: Picture = admitted.picture
    return found


def _followed(learning: Generator[Progress, None, LearntSubject]) -> LearntSubject:
    """Say every tenth how far it is."""
    from ui import terminal

    said = 0
    while True:
        try:
            tenths = int(next(learning).fraction * 10)
        except StopIteration as end:
            learnt: LearntSubject = end.value
            return learnt
        if tenths > said:
            said = tenths
            terminal.log(f"learning   {tenths * 10} %")


@command
def list_(session: SessionOption = "", json_: JsonOption = False) -> None:
    """The learnt subjects of a session."""
    from sessions import uploads
    from ui import terminal

    store = open_store()
    found = uploads.subjects(store, session_of(store, session).id)
    if json_:
        terminal.out_json({"subjects": [_told(asset) for asset in found]})
        return
    for asset in found:
        terminal.out(_line(asset))
    if not found:
        terminal.log("No subject was learnt in this session. pentimento subject learn NAME PHOTO… -c dog learns one.")


def _line(asset: Asset) -> str:
    return f"{asset.name:<20} {asset.bytes / 1e6:>7.1f} MB   {asset.sha256[:12]}"


def _told(asset: Asset) -> dict[str, Any]:
    return {"name": asset.name, "sha256": asset.sha256, "bytes": asset.bytes}
