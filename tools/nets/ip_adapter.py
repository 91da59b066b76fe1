"""Adapters that let a U-Net follow embeddings of pictures: IP-Adapter, stock and with two views, and unCLIP-XL's.

An embedding becomes a few tokens, and each cross-attention gets keys and values for them beside those of the text
(Ye et al., "IP-Adapter", arXiv 2308.06721). InstructAny2Pix (Li et al., arXiv 2312.06738) tells two views apart: what
the whole picture is to be, and what is to be seen in it. Its older decoder has one token in the text's place. A
network's tensors have the names of the public files; the addition itself is `tools.diffusion.attention.ImagePrompt`.

Brings embeddings to no norm and mixes none; chooses no scale.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, NamedTuple

import torch
from pydantic import TypeAdapter, ValidationError
from torch import Tensor, nn

from sessions.errors import BadWeights
from tools import weights
from tools.diffusion.attention import ImagePrompt, heads, transformer_blocks
from tools.diffusion.denoiser import Prompting
from tools.nets import filling

PARTS = ("image_proj.", "ip_adapter.")
"""What the names of an adapter's tensors begin with."""
UNCLIP = ("projector_unclip.", "projector_unclip2.")
"""And those of unCLIP-XL's projections."""
WRAPPED = ("module.", "base_model.")
"""What some copies have before all names."""
CONFIG, MODEL = "config.json", "model.safetensors"
"""The files of an adapter's folder."""
LOOK = "See which weights are here: `pentimento models list`."
GLOBAL, LOCAL = 0, 1
"""The views of an adapter with two: the whole picture, [gen]; something in it, [sub]."""


@dataclass(frozen=True)
class AdapterConfig:
    """Sizes. width: D, of an embedding. context: C, of a text state. inner: widths of the cross-attentions, `listed`.

    norm: L2 norm at which embeddings were given in training; the caller gives them so. encoder: the digest of the
    encoder that they are of, "" where nobody knows. together: both views were given at once, zeros for an absent one
    (`training.realigning`, and the paper); the released adapter was taught one view at a time.
    """

    width: int
    context: int
    inner: tuple[int, ...]
    tokens: int = 4
    views: int = 1
    norm: float = 20.0
    encoder: str = ""
    together: bool = False


class ImageProjection(nn.Module):
    """An embedding → tokens: LayerNorm(Linear e + u), u a view's own and the same for its tokens; 0 without views."""

    raw_embed: nn.Parameter | None

    def __init__(self, config: AdapterConfig) -> None:
        super().__init__()
        self.tokens = config.tokens
        self.proj = nn.Linear(config.width, config.tokens * config.context)
        self.norm = nn.LayerNorm(config.context)
        views = nn.Parameter(torch.zeros(config.views, config.context)) if config.views > 1 else None
        self.register_parameter("raw_embed", views)

    def forward(self, e: Tensor, view: int = GLOBAL) -> Tensor:
        """(n, D) → (n, tokens, C). Without views all are alike; IndexError for a view that there is not."""
        tokens = self.proj(e).unflatten(-1, (self.tokens, -1))
        if self.raw_embed is not None:
            tokens = tokens + self.raw_embed[view]
        out: Tensor = self.norm(tokens)
        return out


class KeysAndValues(nn.Module):
    """Those of one cross-attention: the paper's W'_k and W'_v, without bias."""

    def __init__(self, context: int, inner: int) -> None:
        super().__init__()
        self.to_k_ip = nn.Linear(context, inner, bias=False)
        self.to_v_ip = nn.Linear(context, inner, bias=False)

    def forward(self, tokens: Tensor, count: int) -> tuple[Tensor, Tensor]:
        """(n, T, C) → each (n, count, T, inner / count)."""
        return heads(self.to_k_ip(tokens), count), heads(self.to_v_ip(tokens), count)


class IpAdapter(nn.Module):
    """Projection, and keys and values for every cross-attention of a U-Net.

    Their names are 1, 3, 5, …: places in diffusers' list of attention processors, where self- and cross-attentions
    alternate.
    """

    def __init__(self, config: AdapterConfig) -> None:
        super().__init__()
        self.config = config
        self.image_proj = ImageProjection(config)
        layers = {str(2 * i + 1): KeysAndValues(config.context, inner) for i, inner in enumerate(config.inner)}
        self.ip_adapter = nn.ModuleDict(layers)

    def tokens(self, whole: Tensor | None, things: Tensor | None = None) -> Tensor:
        """(n, T, C): of [gen] (n, D), then of [sub] (n, S, D), S any; None is left out, ValueError for nothing."""
        views = [] if whole is None else [self.image_proj(whole, GLOBAL)]
        if things is not None:
            views.append(self.image_proj(things, LOCAL).flatten(1, 2))
        if not views:
            raise ValueError("no embedding to make tokens of")
        return torch.cat(views, 1)

    def told(self, whole: Tensor | None, things: Tensor | None) -> Tensor:
        """(T, C) of [gen] (D,) and [sub] (S, D) at its norm, as this adapter was taught to read them.

        Together where it was taught so, an absent one being zeros; else the whole alone, or the things where there is
        none. An adapter without views takes the first thing for the whole. ValueError where neither is given.
        """
        one, others = (None if e is None else e[None].to(self.image_proj.proj.weight) for e in (whole, things))
        if self.config.together and (known := one if one is not None else others) is not None:
            blank = known.new_zeros(1, self.config.width)
            return self.tokens(blank if one is None else one, blank[:, None] if others is None else others)[0]
        if one is None and others is not None and self.config.views == 1:
            one = others[:, 0]
        return self.tokens(one, others if one is None else None)[0]

    def prompt(self, unet: Any, tokens: Tensor, rows: Tensor | None = None, scale: float = 1.0) -> ImagePrompt:
        """What cross-attentions see of tokens (n, T, C). rows: int64 (n,), whose of R texts they are; None: of each."""
        places = {block: str(2 * i + 1) for i, block in enumerate(listed(unet))}
        blocks = transformer_blocks(unet)
        made = tuple(self.ip_adapter[places[block]](tokens, block.attn2.heads) for block in blocks)
        return ImagePrompt(made, rows, scale)

    def prompting(self, unet: Any, scale: float = 1.0) -> Prompting:
        """How a `Network` over this U-Net is to follow pictures, with one scale for the run."""

        def prompting(tokens: Tensor, rows: Tensor | None) -> ImagePrompt:
            return self.prompt(unet, tokens, rows, scale)

        return prompting


@dataclass(frozen=True)
class UnclipConfig:
    """Sizes of unCLIP-XL's two projections: D → hidden → C, and blank → hidden → pooled; norm as in AdapterConfig."""

    width: int = 1024
    context: int = 2048
    pooled: int = 1280
    hidden: int = 4096
    blank: int = 768
    norm: float = 20.0


class UnclipProjection(nn.Module):
    """An embedding in the text's place: one token, and a pooled vector that is the same for all embeddings.

    InstructAny2Pix's decoder of 2023: its U-Net has learnt to read this token alone.
    """

    def __init__(self, config: UnclipConfig) -> None:
        super().__init__()
        self.config = config
        self.projector_unclip = _two_layers(config.width, config.hidden, config.context)
        self.projector_unclip2 = _two_layers(config.blank, config.hidden, config.pooled)

    def forward(self, e: Tensor) -> tuple[Tensor, Tensor]:
        """(n, D) → a text of one token (n, 1, C), and (n, pooled)."""
        blank = e.new_zeros(len(e), self.config.blank)
        return self.projector_unclip(e)[:, None], self.projector_unclip2(blank)

    def told(self, e: Tensor) -> tuple[Tensor, Tensor]:
        """A text of one token (1, C), and (pooled,), of one embedding (D,) at the norm."""
        text, pooled = self(e[None].to(next(self.parameters())))
        return text[0], pooled[0]


def _two_layers(width: int, hidden: int, out: int) -> nn.Sequential:
    return nn.Sequential(nn.Linear(width, hidden), nn.GELU(), nn.Linear(hidden, out))


def listed(unet: Any) -> Iterator[Any]:
    """The transformer blocks as diffusers lists their processors: down, up, middle, which is not how they run."""
    for stage in (*unet.down_blocks, *unet.up_blocks, unet.mid_block):
        for transformer in getattr(stage, "attentions", ()):
            yield from transformer.transformer_blocks


def inner(unet: Any) -> tuple[int, ...]:
    """The widths of its cross-attentions, `listed`."""
    return tuple(int(block.attn2.to_k.out_features) for block in listed(unet))


def beside(unet: Any, config: AdapterConfig) -> IpAdapter:
    """A new adapter for a U-Net: keys and values begin as the text's, as in the paper. BadWeights for other sizes."""
    if config.inner != inner(unet) or config.context != unet.config.cross_attention_dim:
        raise BadWeights("An IP-Adapter of these sizes is for another U-Net.", LOOK)
    adapter = IpAdapter(config)
    blocks: dict[str, Any] = {str(2 * i + 1): block for i, block in enumerate(listed(unet))}
    with torch.no_grad():
        for place, own in adapter.ip_adapter.items():
            block = blocks[place]
            own.get_parameter("to_k_ip.weight").copy_(block.attn2.to_k.weight)
            own.get_parameter("to_v_ip.weight").copy_(block.attn2.to_v.weight)
    return adapter


class Loaded(NamedTuple):
    """An adapter, frozen, and the names in its file that are no part of it."""

    adapter: IpAdapter
    ignored: tuple[str, ...]


class LoadedUnclip(NamedTuple):
    """unCLIP-XL's projections, frozen, and the names in their file that are no part of them (often a whole U-Net's)."""

    projection: UnclipProjection
    ignored: tuple[str, ...]


def load(
    path: Path, unet: Any, width: int, device: torch.device | str = "cpu", dtype: torch.dtype = torch.float32
) -> Loaded:
    """The adapter of a U-Net for embeddings of `width` numbers, from a .bin, .pth or .safetensors, or from a folder.

    Reads InstructAny2Pix's `ip_adapter_global_local_2_view.bin`, stock adapters of SD 1.5 and SDXL that read one
    embedding, and folders as `save` writes them. BadWeights names a tensor that is missing, foreign or of another size,
    and says which other kind of adapter it is; MissingWeights where there is no file.
    """
    folder = path.is_dir()
    found = tensors(path / MODEL if folder else path)
    taken = {name: tensor for name, tensor in found.items() if name.startswith(PARTS)}
    _reads_embeddings(path.name, taken, width)
    config = _sizes(taken, unet, width)
    if folder:
        config = _described(path / CONFIG, config)
    with torch.device("meta"):
        adapter = IpAdapter(config)
    filling.fill(adapter, taken, "the IP-Adapter", LOOK)
    return Loaded(adapter.to(device, dtype).eval().requires_grad_(False), _others(found, taken))


def load_unclip(
    path: Path, unet: Any, width: int, device: torch.device | str = "cpu", dtype: torch.dtype = torch.float32
) -> LoadedUnclip:
    """unCLIP-XL's projections for an SDXL U-Net, from a .bin, .pth or .safetensors; BadWeights as for `load`."""
    found = tensors(path)
    taken = {name: tensor for name, tensor in found.items() if name.startswith(UNCLIP)}
    if not taken:
        raise BadWeights(f"{path.name} has no projections of unCLIP-XL.", LOOK)
    said = unet.config
    if said.get("addition_embed_type") != "text_time":
        raise BadWeights("unCLIP-XL's projections are for U-Nets of SDXL, which take a pooled text.", LOOK)
    sizes = {name: tuple(tensor.shape) for name, tensor in taken.items() if tensor.dim() == 2}
    hidden = sizes.get("projector_unclip.0.weight", (4096,))[0]
    blank = sizes.get("projector_unclip2.0.weight", (4096, 768))[1]
    pooled = said["projection_class_embeddings_input_dim"] - 6 * said["addition_time_embed_dim"]
    with torch.device("meta"):
        projection = UnclipProjection(UnclipConfig(width, said["cross_attention_dim"], pooled, hidden, blank))
    filling.fill(projection, taken, "unCLIP-XL's projections", LOOK)
    return LoadedUnclip(projection.to(device, dtype).eval().requires_grad_(False), _others(found, taken))


def save(adapter: IpAdapter, folder: Path) -> None:
    """The folder that `load` reads: weights in half precision under the stock names, and sizes. StorageFull."""
    weights.write(folder / MODEL, {name: value.detach().cpu().half() for name, value in adapter.state_dict().items()})
    weights.write_whole(folder / CONFIG, TypeAdapter(AdapterConfig).dump_json(adapter.config, indent=1).decode() + "\n")


def tensors(path: Path) -> dict[str, Tensor]:
    """Those of a file of any layout, flat, without what copies put before all names."""
    found = weights.tensors(path) if path.suffix == weights.SUFFIX else weights.pickled_parts(path)
    for wrapper in WRAPPED:
        found = {name.removeprefix(wrapper): tensor for name, tensor in found.items()}
    return found


def _others(found: Mapping[str, Tensor], taken: Mapping[str, Tensor]) -> tuple[str, ...]:
    return tuple(name for name in found if name not in taken)


def _reads_embeddings(file: str, taken: Mapping[str, Tensor], width: int) -> None:
    """BadWeights for what is no IP-Adapter, one of another kind, or one of another encoder's embeddings."""
    if not taken:
        raise BadWeights(f"{file} is no IP-Adapter.", LOOK)
    if any(name in taken for name in ("image_proj.latents", "image_proj.proj_in.weight")):
        raise BadWeights(
            f'{file} is an IP-Adapter of the kind "plus": its Resampler reads patches of a picture, not an embedding.',
            'Take one without "plus" in its name.',
        )
    projected = taken.get("image_proj.proj.weight")
    if projected is not None and projected.dim() == 2 and projected.shape[1] != width:
        raise BadWeights(
            f"{file} reads embeddings of {projected.shape[1]} numbers, and the encoder gives {width}.",
            "For 1024 take an IP-Adapter with vit-h in its name.",
        )


def _sizes(taken: Mapping[str, Tensor], unet: Any, width: int) -> AdapterConfig:
    """What the adapter must be: the U-Net says which layers, the encoder what is read, the file how many tokens."""
    norm, projected = taken.get("image_proj.norm.weight"), taken.get("image_proj.proj.weight")
    views = taken.get("image_proj.raw_embed")
    context = int(unet.config.cross_attention_dim)
    if norm is not None and norm.shape != (context,):
        raise BadWeights(
            f"This IP-Adapter is for text states of {norm.numel()} numbers, the U-Net's have {context}.", LOOK
        )
    count = 4 if projected is None else max(len(projected) // context, 1)
    return AdapterConfig(width, context, inner(unet), count, 1 if views is None else len(views))


def _described(file: Path, config: AdapterConfig) -> AdapterConfig:
    """The sizes with what a config.json knows besides; BadWeights where it says other sizes."""
    try:
        said = TypeAdapter(AdapterConfig).validate_json(file.read_bytes())
    except (OSError, ValidationError) as error:
        raise BadWeights(f"{file} does not say the sizes of an IP-Adapter.", LOOK) from error
    if replace(config, norm=said.norm, encoder=said.encoder, together=said.together) != said:
        raise BadWeights(f"{file} describes another IP-Adapter than the one for this U-Net and encoder.", LOOK)
    return said
