"""`pentimento eval …`: measurements of one's own pictures, and of weights in the toybox. Other measurements are
`python -m benchmarks.NAME`.

Registered by the entry-point group `pentimento.commands`. Imports no network until a command needs one.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from benchmarks.toybox_command import toybox_command
from ui.shell import JsonOption, verbs_of

app = typer.Typer(
    help="Measure edits of your own pictures, and weights in the toybox.",
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode=None,
)
command = verbs_of(app)


@app.callback()
def _group() -> None:
    """A callback keeps a single command under its name."""


@command
def pairs(
    folder: Annotated[Path, typer.Argument(metavar="DIR", help="With a pairs.json or pairs.jsonl: docs/measuring.md.")],
    clip: Annotated[Path | None, typer.Option(help="A CLIPModel's folder: CLIP_dir, CLIP_im, CLIP_out.")] = None,
    dino: Annotated[Path | None, typer.Option(help="A Dinov2Model's or ViTModel's folder: DINO, _sub, _ref.")] = None,
    lpips: Annotated[Path | None, typer.Option(help="A file with AlexNet's or VGG's layers and LPIPS's.")] = None,
    aesthetic: Annotated[Path | None, typer.Option(help="A file with the head of LAION's predictor.")] = None,
    json_: JsonOption = False,
) -> None:
    """How edits of pictures of one's own are: pentimento eval pairs DIR --clip FOLDER --dino FOLDER."""
    from tools import devices
    from ui import terminal

    devices.require_torch()
    from benchmarks import pairs as measuring
    from benchmarks.perceptual import Eyes

    found = measuring.measured(folder, Eyes.load(clip, dino, lpips, aesthetic))
    if json_:
        terminal.out_json(found)
        return
    for line in measuring.table(found):
        terminal.out(line)


app.command("toybox")(toybox_command)
