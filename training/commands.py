"""`pentimento train RECIPE …`: the recipes of this folder, each with the words that `python -m` would take.

    pentimento train encoder --budget 40

Registered by the entry-point group `pentimento.commands`. Imports no recipe until one is called.
"""

from __future__ import annotations

import runpy
import sys
from collections.abc import Callable

import typer

from sessions.errors import PentimentoError

RECIPES = {
    "starter": ("training", "everything in the starter pack, one part after the other, from nothing"),
    "base": ("training.base", "a base that is there goes on, on photos with captions"),
    "decoder": ("training.decoder", "the decoder of a pack's autoencoder goes on alone"),
    "instruct-pix2pix": (
        "training.instruct_pix2pix",
        "a base learns to edit, from exact or drawn pairs",
    ),
    "encoder": ("training.encoder", "the toybox's encoder: pictures, captions, sounds"),
    "planner": ("training.starter_planner", "the starter's planner, from nothing"),
    "planner-stages": ("training.planner_stages", "a planner of an existing LLM"),
    "prior": ("training.prior", "the refinement prior, of the toybox or of photos"),
    "realigning": ("training.realigning", "the IP-Adapter, of the toybox or of photos"),
    "inpainting": ("training.inpainting", "the inpainting network that analogist asks, of the toybox or of photos"),
    "blip-representation": ("training.blip_representation", "BLIP-Diffusion, stage 1: what a picture shows"),
    "blip-diffusion": ("training.blip_diffusion", "BLIP-Diffusion, stage 2: a base that draws subjects"),
    "subject": ("training.subject", "one subject from its photos, stopped and gone on with"),
    "reading": ("training.reading", "the toybox's grader"),
    "mm-inst": ("training.mm_inst_making", "records in MM-Inst's manner, written by a chat model"),
    "pairs": ("training.instruct_pairs", "InstructPix2Pix's own data: drawn pairs with an instruction"),
    "full-size": ("training.full_size", "what training at full size would take"),
}
app = typer.Typer(
    help="Train what the tools draw and plan with; RECIPE --help says what a recipe takes.",
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode=None,
)
AS_IT_STANDS = {"allow_extra_args": True, "ignore_unknown_options": True}
"""Words are the recipe's own; it reads them, and --help, itself."""


def _runner(module: str) -> Callable[[typer.Context], None]:
    def run(context: typer.Context) -> None:
        from ui import terminal

        sys.argv = [module, *context.args]
        try:
            runpy.run_module(module, run_name="__main__", alter_sys=True)
        except PentimentoError as failure:
            terminal.error(failure)
            raise typer.Exit(1) from None

    return run


for _name, (_module, _said) in RECIPES.items():
    app.command(_name, help=_said, context_settings=AS_IT_STANDS, add_help_option=False)(_runner(_module))
