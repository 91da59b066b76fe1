"""hub_editor: any instruction editor of the diffusers library, by the name of its repository on the Hub.

What a pipeline can be told is read off its call's signature; no family of pipelines is known here. Weights come from
`pentimento models pull hub:OWNER/NAME`, safetensors only, and code that a repository brings is never run.

A pipeline calls back after each of its steps, and can be stopped there; one network evaluation cannot be, nor what it
does before the first and after the last. One that calls nobody back runs to its end.
"""

from __future__ import annotations

import inspect
import json
from collections.abc import Callable, Generator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from queue import Empty, SimpleQueue
from threading import Event
from typing import TYPE_CHECKING, Annotated, Any

import numpy as np
from pydantic import Field, StringConstraints

from sessions.errors import BadArguments, BadWeights, Cancelled, NotFinite
from sessions.values import Json, Pixels
from tools import photos
from tools.base import Edit, EditContext, EditResult, Progress, ToolArgs, tool
from tools.neural import worked
from tools.shelf import HUB

if TYPE_CHECKING:
    import torch

MULTIPLE = 64
"""Of the sides that a pipeline is shown: no network of the library halves its latents more often."""
SIDE = 1024
"""Longer side where a pipeline does not say what it was trained on."""
SCALES = ("guidance_scale", "true_cfg_scale")
"""What pipelines call the text's guidance; where there are both, the one that is a number by default is in use."""
CALLBACKS = ("callback_on_step_end", "callback")
TICK = 0.2
"""Seconds between looks at whether there is news from the pipeline."""


class Args(ToolArgs):
    """What to do; whatever is not given is as the pipeline has it."""

    instruction: Annotated[str, StringConstraints(strip_whitespace=True, max_length=1000)] = Field(
        description="What to do: make it winter."
    )
    repository: str = Field(
        default="", max_length=200, pattern=r"^([\w.-]+/[\w.-]+)?$",
        description="OWNER/NAME on the Hub; the one pulled last where none is named.",
    )  # fmt: skip
    text_guidance: float | None = Field(default=None, ge=0, le=50, description="Higher does more of what is said.")
    image_guidance: float | None = Field(default=None, ge=0, le=10, description="Higher keeps more of the picture.")
    steps: int | None = Field(default=None, ge=1, le=500, description="Steps from noise to picture.")


@tool("hub_editor", args=Args, region="optional", weights=(HUB,))
def hub_editor(ctx: EditContext, args: Args) -> Edit:
    """Change the picture as an instruction says, with an editing model of your choice from the Hub."""
    return worked(ctx, edited(ctx, args), asked=bool(args.instruction))


def edited(ctx: EditContext, args: Args) -> Edit:
    """The edit of the whole picture."""
    from tools import devices

    shelf = ctx.weights()
    entry = shelf.entry(HUB + args.repository)
    yield Progress(0.0)

    def loaded(folder: Path, device: torch.device) -> Any:
        return load(folder, device, devices.precision(device, entry.bytes))

    pipeline = shelf.part(entry.role, "pipeline", loaded)
    fitted = photos.fit(ctx.image, side_of(pipeline), MULTIPLE)
    call = arguments(pipeline, fitted.rgb, args, ctx.seed)
    image = yield from watched(lambda told: drawn(pipeline, call, told))
    yield Progress(photos.DRAWN)
    rgb = photos.resized(image, fitted.rgb.shape[1::-1])
    seen = reconstructed(pipeline, fitted.rgb) if max(fitted.of) > max(fitted.inside) else None
    result = yield from photos.restore(ctx.image, fitted, rgb, seen, ctx.mask)
    numbers = {name: value for name, value in call.items() if isinstance(value, int | float)}
    facts = {"weights": entry.name, "pipeline": type(pipeline).__name__, **numbers}
    return EditResult(result, facts=facts, args={"repository": entry.role.removeprefix(HUB)})


def load(folder: Path, device: torch.device, dtype: torch.dtype) -> Any:
    """The pipeline of a folder; BadWeights where it is none of the library's, or takes no picture and words."""
    from diffusers import DiffusionPipeline

    check_index(folder)
    any_kind: Any = DiffusionPipeline
    try:
        pipeline = any_kind.from_pretrained(folder, dtype=dtype, local_files_only=True, use_safetensors=True)
    except (OSError, ValueError, TypeError, KeyError, AttributeError, ImportError) as error:
        raise BadWeights(f"The pipeline in {folder} cannot be loaded: {error}") from error
    if missing := [name for name in ("prompt", "image") if name not in parameters(pipeline)]:
        raise BadWeights(f"{type(pipeline).__name__} is no instruction editor: it takes no {' and no '.join(missing)}.")
    pipeline.set_progress_bar_config(disable=True)
    return pipeline.to(device)


def check_index(folder: Path) -> None:
    """BadWeights unless every class that model_index.json names is one of diffusers or transformers."""
    import diffusers
    from diffusers import pipelines

    try:
        index = json.loads((folder / "model_index.json").read_text(encoding="utf-8"))
        name, parts = index["_class_name"], [value[0] for value in index.values() if isinstance(value, list)]
    except (OSError, ValueError, KeyError, AttributeError, IndexError) as error:
        raise BadWeights(f"{folder} holds no pipeline: its model_index.json cannot be read.") from error
    if not (isinstance(name, str) and inspect.isclass(getattr(diffusers, name, None))):
        raise BadWeights(f"{name} is no pipeline of the diffusers library.", "Code that weights bring is never run.")
    for library in parts:
        if not (library in (None, "diffusers", "transformers") or hasattr(pipelines, str(library))):
            raise BadWeights(f"This pipeline has parts of {library}.", "Only diffusers and transformers are loaded.")


def parameters(pipeline: Any) -> dict[str, Any]:
    """The names that a pipeline's call takes, with their defaults."""
    signature = inspect.signature(type(pipeline).__call__)
    return {name: parameter.default for name, parameter in signature.parameters.items()}


def side_of(pipeline: Any) -> int:
    """Pixels along the longer side that a pipeline was trained on, as far as it says."""
    cells = getattr(pipeline, "default_sample_size", None)
    for part in pipeline.components.values():
        config = getattr(part, "config", {})
        if cells is None and "in_channels" in config and "latent_channels" not in config:
            cells = config.get("sample_size")
    factor = getattr(pipeline, "vae_scale_factor", 8)
    return max(MULTIPLE, cells * factor) if isinstance(cells, int) else SIDE


def arguments(pipeline: Any, rgb: Pixels, args: Args, seed: int) -> Json:
    """What a pipeline is called with; BadArguments for a number that its signature has no name for."""
    from PIL import Image

    from tools.diffusion import latents

    known = parameters(pipeline)
    scale = next((name for name in SCALES if isinstance(known.get(name), int | float)), "")
    names = {"steps": "num_inference_steps", "text_guidance": scale, "image_guidance": "image_guidance_scale"}
    asked = {own: value for own in names if (value := getattr(args, own)) is not None}
    if strange := [own for own in asked if names[own] not in known]:
        raise BadArguments(f"{type(pipeline).__name__} cannot be told {' or '.join(strange)}.", "Leave it out.")
    told = {names[own]: value for own, value in asked.items()}
    picture = {"image": Image.fromarray(rgb), "height": rgb.shape[0], "width": rgb.shape[1]}
    rest = {"prompt": args.instruction, "generator": latents.generator(seed), "output_type": "np"}
    if scale == "true_cfg_scale":
        rest["negative_prompt"] = " "  # without a second text there is nothing that this guides away from
    return told | {name: value for name, value in (picture | rest).items() if name in known}


def drawn(pipeline: Any, call: Json, told: Callable[[float], None]) -> Pixels:
    """The picture (h, w, 3) that a pipeline draws; after each step `told` hears how much is done, 0…1."""
    known = parameters(pipeline)
    total = call.get("num_inference_steps") or known.get("num_inference_steps") or 1

    def after_step(_: Any, step: int, __: Any, values: Json) -> Json:
        told(min(1.0, (step + 1) / total))
        return values

    def after_step_of_old(step: int, _: Any, __: Any) -> None:
        told(min(1.0, (step + 1) / total))

    callbacks = dict(zip(CALLBACKS, (after_step, after_step_of_old), strict=True))
    callback = next(({name: callbacks[name]} for name in CALLBACKS if name in known), {})
    try:
        found = np.asarray(pipeline(**call, **callback).images[0])
    except (ValueError, TypeError, KeyError, AttributeError, IndexError) as error:
        raise BadWeights(f"{type(pipeline).__name__} cannot be used this way: {error}") from error
    if not np.isfinite(found).all():
        raise NotFinite("The network's numbers became infinite or undefined; there is no picture.", "Try another seed.")
    return found if found.dtype == np.uint8 else np.rint(255 * found).astype(np.uint8)


def reconstructed(pipeline: Any, rgb: Pixels) -> Pixels | None:
    """What the pipeline's autoencoder leaves of a picture (h, w, 3); None where it is of another kind."""
    from diffusers import AutoencoderKL

    from tools.diffusion import latents

    vae = pipeline.components.get("vae")
    return latents.reconstructed(vae, rgb) if isinstance(vae, AutoencoderKL) else None


def watched(call: Callable[[Callable[[float], None]], Pixels]) -> Generator[Progress, None, Pixels]:
    """A call that blocks, in a thread, as progress up to photos.DRAWN; closing this ends it where it next tells."""
    news: SimpleQueue[float] = SimpleQueue()
    stop, fraction = Event(), 0.0

    def told(done: float) -> None:
        news.put(done)
        if stop.is_set():
            raise Cancelled("Stopped.")

    with ThreadPoolExecutor(1) as pool:
        running = pool.submit(call, told)
        try:
            while not (running.done() and news.empty()):
                with suppress(Empty):
                    fraction = max(fraction, news.get(timeout=TICK))
                yield Progress(photos.DRAWN * fraction)
        finally:
            stop.set()
    return running.result()
