"""The verbs that carry work out of the house and back: export (a picture, or a session as a bundle) and import."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from ui.shell import BranchOption, JsonOption, SessionOption, command, open_store, session_of

if TYPE_CHECKING:
    from agent.export import Options
    from sessions.store import Store
    from sessions.values import Revision

OutOption = Annotated[Path | None, typer.Option("--out", "-o", help="File or folder; its ending names the format.")]
SizeOption = Annotated[str, typer.Option("--size", help="1200 (longer side), 1200x800 (fits into), or 50%.")]
BudgetOption = Annotated[str, typer.Option("--max-bytes", help="At most this much, 500kB: quality and size give way.")]
KeepOption = Annotated[str, typer.Option("--keep", help="What the file may say of its photo: date,copyright.")]
BundleOption = Annotated[Path | None, typer.Option("--bundle", help="The whole session, with all it is, as one file.")]


@command
def export(
    what: Annotated[str, typer.Argument(help="A revision: #7, an id, a branch, head~2, original.")] = "head",
    out: OutOption = None,
    format_: Annotated[str, typer.Option("--format", help="jpeg, png, webp or tiff; default: as --out ends.")] = "",
    quality: Annotated[str, typer.Option("--quality", help="1…100, of JPEG and WebP; default 90.")] = "",
    max_bytes: BudgetOption = "",
    size: SizeOption = "",
    keep: KeepOption = "",
    original: Annotated[bool, typer.Option("--original", help="The uploaded file itself, byte for byte.")] = False,
    force: Annotated[bool, typer.Option("--force", help="Write over a file that is there.")] = False,
    bundle: BundleOption = None,
    session: SessionOption = "",
    branch: BranchOption = "",
    json_: JsonOption = False,
) -> None:
    """Write a picture as an ordinary file, or the session as a bundle."""
    from agent import export as exporting
    from sessions import history

    store = open_store()
    where = session_of(store, session)
    said = {"quality": quality, "max_bytes": max_bytes, "size": size, "keep": keep, "original": original}
    if bundle is not None:
        _bundle(store, where.id, bundle, json_)
        return
    said["format"] = "" if original else _format(format_, out)
    options = exporting.options_of({name: value for name, value in said.items() if value})
    revision = history.resolve(history.graph(store, where.id), what, branch or None)
    _picture(store, revision, options, out, force, json_)


def _format(said: str, out: Path | None) -> str:
    """As said, or as the file's ending says; BadArguments where the two do not agree."""
    from agent.export import options_of
    from sessions.errors import BadArguments

    ending = out.suffix if out is not None and not out.is_dir() else ""
    if said and ending and options_of({"format": said}).format != options_of({"format": ending}).format:
        raise BadArguments(f"{out} does not end like a {said} file.", "Leave out --format, or change the ending.")
    if out is not None and not said and not ending and not out.is_dir():
        raise BadArguments(f"{out} has no ending that names a format.", "Use .jpg, .png, .webp or .tiff.")
    return said or ending


def _picture(store: Store, revision: Revision, options: Options, out: Path | None, force: bool, json_: bool) -> None:
    from agent.export import encode
    from ui import pictures, terminal

    made = encode(store, revision, options)
    path = Path(made.name) if out is None else out / made.name if out.is_dir() else out
    pictures.save(made.data, path, force)
    if json_:
        shown = {name: value for name, value in vars(made).items() if name not in ("data", "name")}
        terminal.out_json({"file": str(path), "revision": revision.id, "bytes": len(made.data)} | shown)
        return
    terminal.out(f"{path}   {made.describe()}")
    for note in made.notes:
        terminal.log(note)


def _bundle(store: Store, session: str, path: Path, json_: bool) -> None:
    from sessions import bundle
    from ui import terminal

    bundle.export_session(store, session, path)
    size = path.stat().st_size
    if json_:
        terminal.out_json({"file": str(path), "session": session, "bytes": size})
    else:
        from agent.encoding import weight

        terminal.out(f"{path}   {weight(size)}")


@command
def import_(
    file: Annotated[Path, typer.Argument(help="A bundle that `pentimento export --bundle` has written.")],
    json_: JsonOption = False,
) -> None:
    """Take in a session that was exported as a bundle; its revisions keep their ids."""
    from sessions import bundle
    from ui import terminal

    session = bundle.import_session(open_store(), file)
    if json_:
        terminal.out_json({"session": session.id, "name": session.name, "revisions": session.seq})
    else:
        terminal.out(f"{session.name}   {session.seq} revisions   (session {session.id[:4]}, the default from now on)")
