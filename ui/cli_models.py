"""The verbs of weights, `pentimento models`: list, pull, add, remove, doctor. Only here is a path of weights said."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from sessions.errors import BadArguments, PentimentoError
from ui.shell import JsonOption, app, verbs_of

if TYPE_CHECKING:
    from tools.packs import Source
    from tools.pulling import Listing
    from tools.shelf import Shelf
    from tools.weights import Entry

models = typer.Typer(help="The weights that tools need: list, pull, add, remove, doctor.", no_args_is_help=True)
app.add_typer(models, name="models", rich_help_panel=None)
command = verbs_of(models)

RoleOption = Annotated[
    str, typer.Option("--as", help="text-to-image, instruct-pix2pix, inpainting, any2pix, encoder, hub:OWNER/NAME, …")
]


def _shelf() -> Shelf:
    from agent.settings import Settings
    from tools import shelf

    return shelf.at(Settings().home)


def _gigabytes(size: int) -> str:
    return f"{size / 1e9:.1f} GB" if size > 5e7 else f"{size / 1e6:.1f} MB"


@command
def list_(json_: JsonOption = False) -> None:
    """What is on the shelf, and what can be pulled."""
    from tools import packs
    from ui import terminal

    entries = _shelf().entries()
    there = {entry.role for entry in entries if entry.pack != "starter"}
    absent = [source for pack in packs.packs().values() for source in pack if source.role not in there]
    if json_:
        fields = {"role", "repository", "revision", "bytes", "licence"}
        told = [{**source.model_dump(include=fields), "pinned": source.pinned} for source in absent]
        terminal.out_json({"there": [_told(entry) for entry in entries], "absent": told})
        return
    for entry in entries:
        terminal.out(f"{entry.role:<26} {entry.pack:<8} {_gigabytes(entry.bytes):>8}   {entry.name}   {entry.licence}")
    for source in absent:
        named = "" if source.pinned else f" at {source.revision or 'main'} *"
        terminal.out(f"{source.role:<26} {'absent':<8} {_gigabytes(source.bytes):>8}   {source.repository}{named}")
    if not all(source.pinned for source in absent):
        terminal.log("* a name, which the Hub may move: files are held to the hashes it gives at the first pull.")
    single = [source for source in absent if source.word == source.role]
    if sizes := {source.repository: source.bytes for source in single if source.pack == "sd15"}:
        size = _gigabytes(sum(sizes.values()))
        terminal.log(f"pentimento models pull sd15 fetches all of it that is absent ({size}); pull ROLE fetches one.")
    for source in absent:
        if source not in single:
            terminal.log(f"pentimento models pull {source.word} fetches one {source.role}: {source.licence}.")


def _told(entry: Entry) -> dict[str, Any]:
    named = entry.model_dump(include={"role", "name", "pack", "licence", "repository", "commit", "world"})
    return {**named, "bytes": entry.bytes, "digest": entry.digest}


@command
def pull(
    what: Annotated[str, typer.Argument(help="A pack (sd15, imagebind, clap_clip), a role, or hub:OWNER/NAME.")],
    yes: Annotated[
        bool, typer.Option("--yes", "-y", envvar="PENTIMENTO_ACCEPT_LICENCES", help="Accept the licences shown.")
    ] = False,
    json_: JsonOption = False,
) -> None:
    """Fetch weights from the Hub. Stopped, it goes on from there the next time."""
    from tools import packs
    from ui import terminal

    try:
        pulled = [_pulled(_shelf(), source, yes) for source in packs.sources(what)]
    except KeyboardInterrupt:
        terminal.stopped(f"What has arrived is kept; pentimento models pull {what} goes on from there.")
        raise typer.Exit(130) from None
    if json_:
        terminal.out_json({"pulled": [_told(entry) for entry in pulled]})
        return
    for entry in pulled:
        terminal.out(f"{entry.role}   {entry.name} at {entry.commit[:12]}   {_gigabytes(entry.bytes)}")


def _pulled(shelf: Shelf, source: Source, yes: bool) -> Entry:
    """The weights of one role, fetched once their licence is accepted."""
    from tools import pulling
    from ui import terminal

    listed = pulling.listing(source)
    _accepted(listed, shelf, yes)
    terminal.log(f"{source.role}: {source.repository}, {_gigabytes(listed.missing)} to fetch")
    entry = pulling.pull(shelf, listed, source.pack)
    terminal.log(f"{source.role}: ready")
    return entry


def _accepted(listed: Listing, shelf: Shelf, yes: bool) -> None:
    """Show a licence that nothing on the shelf has yet, and go on only where it is accepted."""
    from ui import terminal

    source = listed.source
    if source.warning:
        terminal.log(source.warning)
    if source.licence in {entry.licence for entry in shelf.entries()}:
        return
    terminal.log(f"{source.repository}: licence {source.licence}{source.terms and f' ({source.terms})'}.")
    if yes or (sys.stdin.isatty() and typer.confirm("Do you accept it?", err=True)):
        return
    raise BadArguments(
        "Nothing was fetched: its licence is not accepted.", f"pentimento models pull {source.word} --yes"
    )


@command
def add(
    path: Annotated[
        Path,
        typer.Argument(
            help="A folder in the layout of diffusers, a Stable Diffusion 1.x .safetensors file, imagebind_huge.pth, "
            "or, as any2pix, the folder that InstructAny2Pix was released in."
        ),
    ],
    role: RoleOption,
    name: Annotated[str, typer.Option(help="What it is called in lists; default: as the folder.")] = "",
    json_: JsonOption = False,
) -> None:
    """Use weights of your own for a role. A folder stays where it is; a file is unfolded into the data folder."""
    from tools import adding
    from ui import terminal

    terminal.log(f"Reading and hashing {path}.")
    entry = adding.add(_shelf(), path, role, name, tell=terminal.log)
    if entry.licence:
        terminal.log(f"Licence: {entry.licence}.")
    if json_:
        terminal.out_json(_told(entry))
        return
    terminal.out(f"{entry.role}   {entry.name}   {_gigabytes(entry.bytes)}   {entry.digest[:12]}")


@command
def remove(
    name: Annotated[str, typer.Argument(help="What `models list` calls them.")], json_: JsonOption = False
) -> None:
    """Forget weights that were added or pulled. Their files stay where they are."""
    from ui import terminal

    gone = _shelf().remove(name)
    if json_:
        terminal.out_json({"removed": [_told(entry) for entry in gone]})
        return
    for entry in gone:
        terminal.out(f"{entry.role}   {entry.name}   {_gigabytes(entry.bytes)}   no longer used")


@command
def doctor(json_: JsonOption = False) -> None:
    """Hash all weights again, and load each role once."""
    from ui import terminal

    shelf = _shelf()
    found = [{"role": entry.role, "name": entry.name, "problem": _problem(shelf, entry)} for entry in shelf.entries()]
    if json_:
        terminal.out_json({"weights": found})
    for check in () if json_ else found:
        terminal.out(
            f"{'NOT' if check['problem'] else 'ok '}  {check['role']:<26} {check['name']}   {check['problem']}"
        )
    if not found and not json_:
        terminal.out("There are no weights yet. pentimento models pull sd15 fetches them.")
    broken = [check for check in found if check["problem"]]
    if broken:
        terminal.log("Add or pull them again, or forget them: pentimento models remove NAME.")
    raise typer.Exit(1 if broken else 0)


def _problem(shelf: Shelf, entry: Entry) -> str:
    """What is wrong with weights, "" where nothing is."""
    from tools import trying

    try:
        trying.once(shelf, entry)
    except PentimentoError as failure:
        return failure.message
    return ""
