"""The operator's commands: `python -m sessions fsck | gc | stats | backup | restore | export | import | delete`.

Results are JSON, one object a line, on stdout; sentences for people on stderr. Exit status: 0 all well, 1 orphans only
(fsck) or not confirmed (delete), 2 damage or failure. For everyday work there is `pentimento`.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import sys
from collections.abc import Iterable, Sequence
from contextlib import closing
from dataclasses import asdict
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sessions.errors import PentimentoError, StorageError

if TYPE_CHECKING:
    from sessions.store import Store

_UNITS = {"d": "days", "h": "hours"}


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; returns the exit status."""
    options = _parser().parse_args(arguments)
    try:
        status: int = options.run(options)
    except PentimentoError as error:
        print(error, file=sys.stderr)
        return 2
    return status


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m sessions", description="Look after the stored sessions.")
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    home = argparse.ArgumentParser(add_help=False)
    home.add_argument("--home", type=Path, help="data folder (default: PENTIMENTO_HOME, or the usual place)")

    def command(name: str, run: Any, says: str) -> argparse.ArgumentParser:
        made = commands.add_parser(name, parents=[home], help=says, description=says)
        made.set_defaults(run=run)
        return made

    check = command("fsck", _fsck, "Check everything that is stored.")
    check.add_argument("--session", help="only this session, by its full id")
    check.add_argument("--repair", action="store_true", help="quarantine damaged files, take damaged heads back")
    sweep = command("gc", _gc, "Remove files that nothing names.")
    sweep.add_argument("--grace", type=_grace, default="14d", help="spare what is younger: 14d, 36h; at least 24h")
    sweep.add_argument("--dry-run", action="store_true", help="only say what would go")
    command("stats", _stats, "Count what is stored.")
    command("backup", _backup, "Copy everything into a folder.").add_argument("folder", type=Path)
    command("restore", _restore, "Bring a backup back into an empty data folder.").add_argument("folder", type=Path)
    out = command("export", _export, "Write a session as a bundle: history, words and pictures in one file.")
    out.add_argument("session", help="its full id, whoever owns it")
    out.add_argument("file", type=Path)
    command("import", _import, "Take a bundle in, once all of it is checked.").add_argument("file", type=Path)
    erase = command("delete", _delete, "Delete a session for ever.")
    erase.add_argument("session", help="its full id")
    erase.add_argument("--yes", action="store_true", help="do not ask")
    return parser


def _grace(text: str) -> timedelta:
    from sessions.upkeep import LEAST_GRACE

    found = re.fullmatch(r"(\d{1,4})([dh])", text)
    grace = timedelta(**{_UNITS[found[2]]: int(found[1])}) if found else timedelta()
    if grace < LEAST_GRACE:
        raise argparse.ArgumentTypeError(f"{text!r} is not a time of at least 24 hours, such as 14d or 36h")
    return grace


def _home(options: argparse.Namespace) -> Path:
    from platformdirs import user_data_path

    return options.home or Path(os.environ.get("PENTIMENTO_HOME") or user_data_path("pentimento"))


def _url() -> str:
    return os.environ.get("PENTIMENTO_DATABASE_URL", "")


def _open(options: argparse.Namespace) -> Store:
    """The store that is there; looking after sessions never makes a new one."""
    from sessions.store import Store

    home = _home(options)
    if not _url() and not (home / "sessions.db").exists():
        raise StorageError(f"There are no sessions in {home}.", "Name the data folder: --home FOLDER.")
    return Store(home, _url())


def _tell(things: Iterable[Any]) -> None:
    for thing in things:
        print(json.dumps(asdict(thing), ensure_ascii=False), flush=True)


def _fsck(options: argparse.Namespace) -> int:
    from sessions.fsck import fsck, verdict
    from sessions.repair import repair

    with closing(_open(options)) as store:
        problems = []
        for problem in fsck(store, options.session):
            _tell([problem])
            problems.append(problem)
        if options.repair:
            _tell(repair(store, problems))
    return verdict(problems)


def _gc(options: argparse.Namespace) -> int:
    from sessions.upkeep import Removed, gc

    files = size = 0
    with closing(_open(options)) as store:
        for one in gc(store, options.grace, options.dry_run):
            _tell([one])
            if isinstance(one, Removed):
                files, size = files + 1, size + one.bytes
    print(json.dumps({"files": files, "bytes": size, "dry_run": options.dry_run}))
    return 0


def _stats(options: argparse.Namespace) -> int:
    from sessions.upkeep import stats

    with closing(_open(options)) as store:
        _tell([stats(store)])
    return 0


def _backup(options: argparse.Namespace) -> int:
    from sessions.backup import backup

    with closing(_open(options)) as store:
        manifest = backup(store, options.folder)
    _tell([manifest])
    return 2 if manifest.lost else 0


def _restore(options: argparse.Namespace) -> int:
    from sessions.backup import restore

    problems = restore(options.folder, _home(options), _url())
    _tell(problems)
    return 2 if any(problem.damage for problem in problems) else 0


def _export(options: argparse.Namespace) -> int:
    from sessions.bundle import export_session
    from sessions.upkeep import owner_of

    with closing(_open(options)) as store:
        store.owner = owner_of(store, options.session)
        _tell([export_session(store, options.session, options.file)])
    return 0


def _import(options: argparse.Namespace) -> int:
    from sessions.bundle import import_session
    from sessions.store import Store

    with closing(Store(_home(options), _url())) as store:
        _tell([import_session(store, options.file)])
    return 0


def _delete(options: argparse.Namespace) -> int:
    from sessions.erase import delete_session

    if not options.yes and not _confirmed(options.session):
        print("Nothing was deleted.", file=sys.stderr)
        return 1
    with closing(_open(options)) as store:
        _tell([delete_session(store, options.session)])
    return 0


def _confirmed(session: str) -> bool:
    print(f"Delete session {session} for ever, with all its pictures? [y/N] ", end="", file=sys.stderr, flush=True)
    return sys.stdin.readline().strip().lower() in ("y", "yes")


if __name__ == "__main__":
    sys.exit(main())
