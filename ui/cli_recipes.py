"""The verbs that do work again: recipe (the steps of a line, as text or a file) and replay (on photos or revisions)."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from ui.shell import BranchOption, JsonOption, SessionOption, command, open_store, picture_file, session_of

if TYPE_CHECKING:
    from agent.recipe_files import Pictures
    from agent.recipes import Recipe
    from sessions.store import Store
    from sessions.values import Session
    from ui.batch import Order, Report

RecipeArgument = Annotated[str, typer.Argument(metavar="RECIPE", help="A recipe file, or a revision: #7, a branch.")]
TargetsArgument = Annotated[
    list[str], typer.Argument(metavar="PHOTO…", help="Photos, folders of photos, or revisions of the session.")
]


@command
def recipe(
    what: Annotated[str, typer.Argument(help="A revision: #7, an id, a branch, head~2.")] = "head",
    out: Annotated[Path | None, typer.Option("--out", "-o", help="Write the recipe to this file.")] = None,
    force: Annotated[bool, typer.Option("--force", help="Write over a file that is there.")] = False,
    session: SessionOption = "",
    branch: BranchOption = "",
    json_: JsonOption = False,
) -> None:
    """The steps from the photo to a revision, as lines or as a file that can be replayed anywhere."""
    from agent import recipe_files
    from ui import pictures, terminal

    found, enclosed = _of_revision(open_store(), session, what, branch)
    if out is None and not json_:
        _show(found)
        return
    found = recipe_files.enclosing(found, enclosed)
    text = found.model_dump_json(indent=None if out is None else 2)
    if out is None:
        terminal.out(text)
    else:
        pictures.save(text.encode() + b"\n", out, force)
        terminal.out(text if json_ else f"{out}   {len(found.steps)} step{'s' * (len(found.steps) > 1)}")
    for name in recipe_files.left_out(found):
        terminal.log(f"The picture {name} is too large to travel: replay these steps in this session only.")


def _show(recipe: Recipe) -> None:
    from agent.recipes import steps_of
    from agent.telling import describe
    from sessions.values import Region
    from ui import terminal

    terminal.out(f"{recipe.name}   {recipe.photo.width}×{recipe.photo.height}")
    for number, step in enumerate(steps_of(recipe), start=1):
        more = f"   with {len(step.subjects)} other pictures" if step.subjects else ""
        terminal.out(f"{number:>4}  {describe(step.tool, step.args, Region.from_json(step.region))}{more}")


def _of_revision(store: Store, session: str, what: str, branch: str = "") -> tuple[Recipe, Pictures]:
    """The recipe of a revision, with the pictures that its steps refer to."""
    from agent import recipe_files, recipes
    from sessions import history

    where = session_of(store, session)
    graph = history.graph(store, where.id)
    found = recipes.recipe_of(graph, history.resolve(graph, what, branch or None))
    return found, recipe_files.pictures_of(store, where.id, found)


@command
def replay(
    what: RecipeArgument,
    targets: TargetsArgument,
    out: Annotated[Path | None, typer.Option("--out", "-o", help="Where results go; default: FOLDER-edited.")] = None,
    strict: Annotated[
        bool, typer.Option("--strict", help="No file for photos on which a step cannot be done.")
    ] = False,
    session: SessionOption = "",
    json_: JsonOption = False,
) -> None:
    """Do the steps again: on photos and folders, with a file for each; or on revisions of the session."""
    from agent.recipes import differences
    from ui import batch, terminal

    store = open_store()
    found, enclosed = _named(store, session, what)
    for sentence in differences(found):
        terminal.log(sentence)
    paths = [Path(target) for target in targets]
    if any(path.exists() or path.suffix.lower() in batch.PHOTOS for path in paths):
        order = batch.Order(found, enclosed, batch.photos_of(paths), out or batch.beside(paths[0]), strict)
        raise typer.Exit(_on_photos(store, order, json_))
    raise typer.Exit(_on_revisions(store, session, found, enclosed, targets))


def _named(store: Store, session: str, what: str) -> tuple[Recipe, Pictures]:
    """A recipe from a file, where one of that name is meant; otherwise of a revision."""
    from agent import recipe_files
    from sessions.errors import NotFound

    path = Path(what)
    if not path.is_file() and path.suffix != ".json":
        return _of_revision(store, session, what)
    try:
        with path.open("rb") as file:
            found = recipe_files.read_recipe(file.read(recipe_files.FILE_BYTES + 1))
    except OSError as error:
        raise NotFound(
            f"{path} cannot be read: {error.strerror}.", "pentimento recipe --out FILE writes one."
        ) from None
    return found, recipe_files.admitted(found)


def _on_photos(store: Store, order: Order, json_: bool) -> int:
    """Replay on files; 0 where every photo came out whole."""
    from agent.events import Working
    from ui import batch, terminal

    report, here, latest = batch.Report(order), "", store.sessions(limit=1)
    with closing(batch.run(store, report)) as events, _said_in(store, latest, report):
        for event in events:
            match event:
                case batch.Started(photo=photo, number=number, total=total):
                    here = f"{number} of {total}   {photo.name}  "
                case Working():
                    terminal.progress(event, here)
                case batch.Row():
                    terminal.clear()
                    if not json_:
                        terminal.out("\n".join(batch.lines(event)))
    if json_:
        terminal.out_json(report.to_json())
    else:
        terminal.out(report.sentence)
    return 0 if report.whole else 1


@contextmanager
def _said_in(store: Store, latest: list[Session], report: Report) -> Iterator[None]:
    """Afterwards, say it in the conversation that was last touched, so that it is again: it stays the default."""
    from sessions import history, turns

    try:
        yield
    finally:
        made = {row.session for row in report.rows}
        for session in latest:
            branch = history.graph(store, session.id).current
            if session.id not in made and branch is not None:
                turns.say(store, session.id, branch, report.sentence)


def _on_revisions(store: Store, session: str, found: Recipe, enclosed: Pictures, targets: list[str]) -> int:
    """Replay in the conversation, which asks where it is unsure; 0 where all is done or waits for an answer."""
    from agent import recipe_files, recipes, replaying
    from sessions import history
    from ui import terminal

    where = session_of(store, session).id
    mine = recipe_files.bring(store, where, found, enclosed)
    for target in targets:
        base = history.resolve(history.graph(store, where), target)
        events = replaying.once(store, recipes.plan_of(mine, base), where, f"replay {found.name} on {target}")
        end = terminal.follow(events, lambda shown: picture_file(store, shown))
        if end.state != "done":
            return 0 if end.state == "waiting" else 1
    return 0
