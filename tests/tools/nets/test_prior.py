"""Refinement priors: the released one against plain algebra, GPT-2 and a scheduler, its file name by name; our own.

The algebra below is written from the description of the release alone and shares nothing with the module.
"""

import json
import math
import os

import numpy as np
import pytest
import torch
from diffusers import DDIMScheduler, DDPMScheduler
from torch.nn import functional as F
from transformers import GPT2Config, GPT2Model

from sessions.errors import BadWeights, MissingWeights
from tools import weights
from tools.nets import filling, prior
from tools.nets.prior import AUDIO, IMAGE, TEXT, Prior, PriorConfig, ReleasedConfig, ReleasedPrior

TOWER = "cond_stage_models.0.model.text_model."
SMALL = {"layers": 2, "width": 128, "positions": 16, "text": 64, "waves": 32, "words": 20, "deep": 2, "places": 8}
FULL = {
    **{"layers": 24, "width": 1024, "positions": 1024, "text": 1024, "waves": 512},
    **{"words": 49408, "deep": 24, "places": 77},
}
CONFIG = ReleasedConfig(layers=2, width=128, heads=2, positions=16, text=64, waves=32)


def linear(name, out, into):
    return {f"{name}.weight": (out, into), f"{name}.bias": (out,)}


def conv1d(name, into, out):
    return {f"{name}.weight": (into, out), f"{name}.bias": (out,)}


def norm(name, width):
    return {f"{name}.weight": (width,), f"{name}.bias": (width,)}


def kept(layers, width, positions, text, waves):
    """The names and shapes of what a released file has and we use, but for the text tower."""
    listed = {
        "modality_embedding.weight": (10, width),
        "start_of_sequence_tokens.weight": (32, width),
        "end_of_sequence_tokens.weight": (32, width),
        **linear("input_sequence_embed_linear.1", width, width),
        **linear("input_sequence_embed_linear.2", width, text),
        **linear("input_sequence_embed_linear.3", width, waves),
        "model.wpe.weight": (positions, width),
        **norm("model.ln_f", width),
    }
    for n in range(layers):
        listed |= norm(f"model.h.{n}.ln_1", width) | norm(f"model.h.{n}.ln_2", width)
        listed |= conv1d(f"model.h.{n}.attn.c_attn", width, 3 * width)
        listed |= conv1d(f"model.h.{n}.attn.c_proj", width, width)
        listed |= conv1d(f"model.h.{n}.mlp.c_fc", width, 4 * width)
        listed |= conv1d(f"model.h.{n}.mlp.c_proj", 4 * width, width)
    return listed


def unused(layers, width, positions):
    listed = {"model.wte.weight": (30, width), "cond_stage_models.0.model.logit_scale": ()}
    for n in range(layers):
        listed |= {f"model.h.{n}.attn.bias": (1, 1, positions, positions), f"model.h.{n}.attn.masked_bias": ()}
    return listed


def tower(words, width, deep, places):
    tables = {"token": words, "position": places}
    listed = {f"embeddings.{kind}_embedding.weight": (rows, width) for kind, rows in tables.items()}
    listed |= norm("final_layer_norm", width)
    for n in range(deep):
        layer = f"encoder.layers.{n}"
        listed |= norm(f"{layer}.layer_norm1", width) | norm(f"{layer}.layer_norm2", width)
        for part in "qkv":
            listed |= linear(f"{layer}.self_attn.{part}_proj", width, width)
        listed |= linear(f"{layer}.self_attn.out_proj", width, width)
        listed |= linear(f"{layer}.mlp.fc1", 4 * width, width) | linear(f"{layer}.mlp.fc2", width, 4 * width)
    return {TOWER + name: shape for name, shape in listed.items()}


def listed(layers, width, positions, text, waves, words, deep, places):
    """All names and shapes of a released file."""
    return (
        kept(layers, width, positions, text, waves)
        | unused(layers, width, positions)
        | tower(words, text, deep, places)
    )


def state(seed=0):
    """A small released file's tensors, in double precision."""
    rng = torch.Generator().manual_seed(seed)
    found = {}
    for name, shape in listed(**SMALL).items():
        drawn = torch.randn(shape, generator=rng, dtype=torch.float64)
        found[name] = drawn * 0.1 if len(shape) > 1 else drawn * 0.3 + name.endswith(".weight")
    return found | {f"{TOWER}embeddings.position_ids": torch.arange(8)[None]}


def written(tmp_path, tensors, name="model.bin"):
    path = tmp_path / name
    if name.endswith(".bin"):
        torch.save(tensors, path)
    else:
        weights.write(path, {name: tensor.contiguous() for name, tensor in tensors.items()})
    return path


@pytest.fixture(scope="module")
def small(tmp_path_factory):
    """(tensors of the file, the prior that was made of it) in double precision."""
    path = written(tmp_path_factory.mktemp("prior"), state())
    return {name: tensor.numpy() for name, tensor in state().items()}, prior.released(path, dtype=torch.float64).prior


# Plain algebra


def layer_norm(x, w, b):
    return (x - x.mean(-1, keepdims=True)) / np.sqrt(x.var(-1, keepdims=True) + 1e-5) * w + b


def causal(q, k, v, heads):
    """Row by row and head by head: token i looks at tokens 0…i."""
    out, size = np.zeros_like(q), q.shape[1] // heads
    for head in range(heads):
        part = slice(head * size, (head + 1) * size)
        for i in range(len(q)):
            scores = k[: i + 1, part] @ q[i, part] / math.sqrt(size)
            shares = np.exp(scores - scores.max())
            out[i, part] = shares / shares.sum() @ v[: i + 1, part]
    return out


def gpt2(x, w, layers, heads):
    x = x + w["model.wpe.weight"][: len(x)]
    for n in range(layers):
        p = {name.removeprefix(f"model.h.{n}."): value for name, value in w.items() if name.startswith(f"model.h.{n}.")}
        qkv = layer_norm(x, p["ln_1.weight"], p["ln_1.bias"]) @ p["attn.c_attn.weight"] + p["attn.c_attn.bias"]
        seen = causal(*np.split(qkv, 3, axis=1), heads)
        x = x + seen @ p["attn.c_proj.weight"] + p["attn.c_proj.bias"]
        u = layer_norm(x, p["ln_2.weight"], p["ln_2.bias"]) @ p["mlp.c_fc.weight"] + p["mlp.c_fc.bias"]
        u = 0.5 * u * (1 + np.tanh(math.sqrt(2 / math.pi) * (u + 0.044715 * u**3)))
        x = x + u @ p["mlp.c_proj.weight"] + p["mlp.c_proj.bias"]
    return layer_norm(x, w["model.ln_f.weight"], w["model.ln_f.bias"])


def last_state(h, score, states, w):
    """What the release says of one embedding h (D) and one row of waves; states: of the empty text."""

    def put(slot, rows):
        name = f"input_sequence_embed_linear.{slot}"
        begin, end = (w[f"{where}_of_sequence_tokens.weight"][slot] for where in ("start", "end"))
        return [begin, *(rows @ w[f"{name}.weight"].T + w[f"{name}.bias"]), end]

    tokens = [w["modality_embedding.weight"][3], *put(1, h[None]), *put(2, states), *put(3, score[None])]
    assert len(tokens) == 11
    return gpt2(np.stack(tokens), w, 2, 2)[-1]


def waves(score, width):
    angles = [score / 10_000 ** (i / (width // 2)) for i in range(width // 2)]
    return np.array([math.cos(angle) for angle in angles] + [math.sin(angle) for angle in angles])


def test_eleven_tokens_and_guidance_are_the_plain_algebra(small):
    w, ours = small
    e = np.random.default_rng(1).normal(size=(3, 128))
    states = ours.empty_text_states.numpy()
    score = waves(6.5, 32)
    h = 100 * e / np.linalg.norm(e, axis=1, keepdims=True)
    x_c = np.stack([last_state(row, score, states, w) for row in h])
    x_u = np.stack([last_state(0 * row, np.full(32, 2.0), states, w) for row in h])
    said = ours(torch.from_numpy(h), torch.from_numpy(score).expand(3, -1))
    np.testing.assert_allclose(said.numpy(), x_c, atol=1e-11)
    np.testing.assert_allclose(ours.guided(torch.from_numpy(e)).numpy(), x_u + 10 * (x_c - x_u), atol=1e-10)
    y = ours.refined(torch.from_numpy(7 * e))
    np.testing.assert_allclose(y.norm(dim=1).numpy(), 1, atol=1e-12)
    np.testing.assert_allclose(y.numpy(), F.normalize(torch.from_numpy(x_u + 10 * (x_c - x_u))).numpy(), atol=1e-10)
    assert np.linalg.norm(x_c - x_u, axis=1).min() > 0.1


def test_the_empty_texts_states_are_clips_by_plain_algebra(small):
    w, ours = small
    p = {name.removeprefix(TOWER): value for name, value in w.items() if name.startswith(TOWER)}

    def mapped(name, x):
        return x @ p[f"{name}.weight"].T + p[f"{name}.bias"]

    def normed(name, x):
        return layer_norm(x, p[f"{name}.weight"], p[f"{name}.bias"])

    x = p["embeddings.token_embedding.weight"][[18, 19]] + p["embeddings.position_embedding.weight"][:2]
    for n in range(2):
        layer = f"encoder.layers.{n}"
        y = normed(f"{layer}.layer_norm1", x)
        q, k, v = (mapped(f"{layer}.self_attn.{part}_proj", y) for part in "qkv")
        x = x + mapped(f"{layer}.self_attn.out_proj", causal(q, k, v, 1))
        u = mapped(f"{layer}.mlp.fc1", normed(f"{layer}.layer_norm2", x))
        u = u * np.vectorize(lambda value: 0.5 * (1 + math.erf(value / math.sqrt(2))))(u)
        x = x + mapped(f"{layer}.mlp.fc2", u)
    np.testing.assert_allclose(ours.empty_text_states.numpy(), normed("final_layer_norm", x), atol=2e-5)


def test_the_transformer_is_gpt2(small):
    w, ours = small
    theirs = GPT2Model(GPT2Config(vocab_size=30, n_positions=16, n_embd=128, n_layer=2, n_head=2)).double().eval()
    taken = {name: torch.from_numpy(w[f"model.{name}"]) for name in theirs.state_dict()}
    theirs.load_state_dict(taken)
    x = torch.randn(2, 11, 128, dtype=torch.float64, generator=torch.Generator().manual_seed(3))
    with torch.no_grad():
        torch.testing.assert_close(ours.model(x), theirs(inputs_embeds=x).last_hidden_state, atol=1e-11, rtol=0)


@pytest.mark.parametrize("kind", [DDIMScheduler, DDPMScheduler])
def test_one_step_of_sdxls_scheduler_is_the_guidance_formula(small, kind):
    """Whatever the noisy embedding is: x0 is predicted, and the step before it is the last one."""
    own = {"set_alpha_to_one": True} if kind is DDIMScheduler else {}
    scheduler = kind(
        beta_start=0.00085,
        beta_end=0.012,
        beta_schedule="scaled_linear",
        prediction_type="sample",
        clip_sample=False,
        steps_offset=1,
        timestep_spacing="leading",
        **own,
    )
    scheduler.set_timesteps(1)
    assert scheduler.timesteps.tolist() == [1] and float(scheduler.alphas_cumprod[1]) == pytest.approx(0.9983, abs=5e-5)
    _, ours = small
    rng = torch.Generator().manual_seed(4)
    e, noisy = (torch.randn(3, 128, dtype=torch.float64, generator=rng) for _ in range(2))
    score = prior.sinusoid(torch.full((3,), 6.5, dtype=torch.float64), 32)
    x_c, x_u = ours(100 * F.normalize(e), score), ours(0 * e, torch.full_like(score, 2.0))
    stepped = scheduler.step(x_u + 10 * (x_c - x_u), 1, noisy, generator=rng).prev_sample
    noise = 1e-9 if kind is DDPMScheduler else 1e-10  # DDPM's last step has a deviation of 1e-10
    torch.testing.assert_close(stepped, ours.guided(e), atol=noise, rtol=0)


def test_a_later_token_changes_no_earlier_state(small):
    _, ours = small
    x = torch.randn(1, 11, 128, dtype=torch.float64, generator=torch.Generator().manual_seed(5))
    other = x.clone()
    other[:, 7] = -other[:, 7]
    before, after = ours.model(x), ours.model(other)
    assert torch.equal(before[:, :7], after[:, :7])
    assert ((before[:, 7:] - after[:, 7:]).abs().amax(-1) > 1e-6).all()


# The file


def test_every_name_and_shape_of_the_full_size_is_taken_or_reported():
    theirs = kept(**{name: FULL[name] for name in ("layers", "width", "positions", "text", "waves")})
    with torch.device("meta"):
        network = ReleasedPrior(ReleasedConfig())
        gpt = GPT2Model(GPT2Config(n_embd=1024, n_layer=24, n_head=16))
    assert {f"model.{name}": tuple(t.shape) for name, t in gpt.state_dict().items() if name != "wte.weight"} == {
        name: shape for name, shape in theirs.items() if name.startswith("model.")
    }
    ours = {name: tuple(reversed(shape)) if ".c_" in name else shape for name, shape in theirs.items()}
    assert len(ours) == 3 + 6 + 1 + 2 + 24 * 12
    assert prior.config_of(ours) == ReleasedConfig()
    filling.fits(network, ours | {"empty_text_states": (2, 1024)}, "the prior", "")
    assert all(prior._used(name) for name in theirs)
    others = listed(**FULL).keys() - theirs.keys()
    assert len(others) == 2 + 24 * 2 + 4 + 24 * 16 and not any(prior._used(name) for name in others)


@pytest.mark.parametrize(("name", "before"), [("model.bin", ""), ("model.safetensors", ""), ("other.bin", "module.")])
def test_a_file_of_the_released_names_is_read_and_the_rest_reported(tmp_path, small, name, before):
    there = {before + name: tensor.float() for name, tensor in state().items() if tensor.is_floating_point()}
    loaded = prior.released(written(tmp_path, there, name))
    assert loaded.prior.config == CONFIG
    assert loaded.ignored == tuple(sorted(unused(2, 128, 16)))
    assert not any(weight.requires_grad for weight in loaded.prior.parameters()) and not loaded.prior.training
    held = loaded.prior.state_dict()
    assert set(held) == set(kept(2, 128, 16, 64, 32)) | {"empty_text_states"}
    for n in range(2):
        bias, weight = (f"model.h.{n}.attn.c_attn.{kind}" for kind in ("bias", "weight"))
        assert torch.equal(held[bias], there[before + bias]) and held[bias].any()
        assert torch.equal(held[weight], there[before + weight].T)
    e = torch.randn(2, 128, generator=torch.Generator().manual_seed(0))
    torch.testing.assert_close(loaded.prior.refined(e), small[1].refined(e).float(), atol=1e-3, rtol=0)


def test_a_file_with_the_states_needs_no_tower(tmp_path, small):
    there = {name: tensor for name, tensor in state().items() if not name.startswith(TOWER)}
    path = written(tmp_path, there | {"empty_text_states": small[1].empty_text_states})
    e = torch.randn(2, 128, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    assert torch.equal(prior.released(path, dtype=torch.float64).prior.refined(e), small[1].refined(e))


def test_a_file_with_neither_is_refused(tmp_path):
    path = written(tmp_path, {name: tensor for name, tensor in state().items() if not name.startswith(TOWER)})
    with pytest.raises(BadWeights, match=r"neither the text tower cond_stage_models.* nor empty_text_states"):
        prior.released(path)


@pytest.mark.parametrize("gone", [*kept(2, 128, 16, 64, 32), *tower(20, 64, 2, 8)])
def test_a_missing_tensor_is_refused_by_name(tmp_path, gone):
    there = state()
    del there[gone]
    with pytest.raises(BadWeights, match=f"lack .*{gone.removeprefix(TOWER)}"):
        prior.released(written(tmp_path, there))


@pytest.mark.parametrize(
    ("name", "shape"),
    [
        ("model.h.1.attn.c_attn.weight", (384, 128)),
        ("model.h.0.mlp.c_fc.bias", (128,)),
        ("input_sequence_embed_linear.1.weight", (128, 64)),
        ("input_sequence_embed_linear.2.weight", (128, 32)),
        ("input_sequence_embed_linear.3.weight", (32,)),
        ("modality_embedding.weight", (3, 128)),
        ("end_of_sequence_tokens.weight", (31, 128)),
        ("model.wpe.weight", (10, 128)),
        ("model.ln_f.weight", (100,)),
        ("model.ln_f.weight", ()),
        (f"{TOWER}embeddings.token_embedding.weight", (20, 65)),
        (f"{TOWER}encoder.layers.1.mlp.fc2.weight", (64, 64)),
    ],
)
def test_a_tensor_of_another_shape_is_refused(tmp_path, name, shape):
    with pytest.raises(BadWeights, match="In these weights"):
        prior.released(written(tmp_path, state() | {name: torch.zeros(shape)}))


@pytest.mark.parametrize("name", ["model.h.0.attn.rotary", "output_sequence_embed_linear.weight", f"{TOWER}strange"])
def test_a_foreign_tensor_is_refused_by_name(tmp_path, name):
    with pytest.raises(BadWeights, match=f"has no {name.removeprefix(TOWER)}, which these weights have"):
        prior.released(written(tmp_path, state() | {name: torch.zeros(3)}))


class Code:
    def __reduce__(self):
        return os.system, ("true",)


def test_pickled_code_an_infinite_number_and_no_file_are_refused(tmp_path):
    torch.save(state() | {"model.wte.weight": Code()}, tmp_path / "code.bin")
    with pytest.raises(BadWeights, match=r"code\.bin is damaged, or holds more than tensors"):
        prior.released(tmp_path / "code.bin")
    broken = state()
    broken["model.wpe.weight"][0, 0] = math.inf
    with pytest.raises(BadWeights, match=r"model\.wpe\.weight has infinite"):
        prior.released(written(tmp_path, broken))
    with pytest.raises(MissingWeights):
        prior.released(tmp_path / "none.bin")


# Our own


def own(seed=0, space=24):
    """A prior as it is after training: no part of it does nothing."""
    torch.manual_seed(seed)
    made = Prior(PriorConfig(space=space, width=32, blocks=2, waves=8, encoder="x" * 64)).double()
    for p in made.parameters():
        torch.nn.init.normal_(p, std=0.3)
    return made.eval().requires_grad_(False)


def inputs(rows=5, space=24):
    rng = torch.Generator().manual_seed(1)
    e = 3 * torch.randn(rows, space, dtype=torch.float64, generator=rng)
    return e, 10 * torch.rand(rows, dtype=torch.float64, generator=rng), torch.tensor([IMAGE, AUDIO, TEXT, TEXT, AUDIO])


def test_our_prior_is_the_plain_algebra():
    net, (e, score, source) = own(), inputs()
    w = {name: value.numpy() for name, value in net.state_dict().items()}

    def row(e, waves_, source):
        mean = (x := np.concatenate([e * math.sqrt(24), waves_, w["source.weight"][source]])) @ w["enter.weight"].T
        x = mean + w["enter.bias"]
        for n in range(2):
            p = {name: w[f"blocks.{n}.{name}"] for name in net.blocks[0].state_dict()}
            u = layer_norm(x, p["norm.weight"], p["norm.bias"]) @ p["rise.weight"].T + p["rise.bias"]
            u = u * np.vectorize(lambda value: 0.5 * (1 + math.erf(value / math.sqrt(2))))(u)
            x = x + u @ p["fall.weight"].T + p["fall.bias"]
        y = e + layer_norm(x, w["norm.weight"], w["norm.bias"]) @ w["leave.weight"].T + w["leave.bias"]
        return y / np.linalg.norm(y)

    units = F.normalize(e).numpy()
    x_c = [row(u, waves(float(s), 8), k) for u, s, k in zip(units, score, source, strict=True)]
    x_u = [row(w["no_embedding"], w["no_score"], k) for k in source]
    np.testing.assert_allclose(net(e, score, source).numpy(), x_c, atol=1e-12)
    for g in (0.0, 1.0, 3.0):
        y = np.stack(x_u) + g * (np.stack(x_c) - np.stack(x_u))
        for i in range(5):
            found = net.refined(e[i : i + 1], float(score[i]), int(source[i]), g)[0].numpy()
            np.testing.assert_allclose(found, y[i] / np.linalg.norm(y[i]), atol=1e-12)


def test_what_our_prior_says_has_norm_1_and_asks_for_no_norm():
    net, (e, score, source) = own(), inputs()
    for y in (net(e, score, source), net.refined(e), net.refined(e, 2.0, AUDIO, 4.0)):
        torch.testing.assert_close(y.norm(dim=1), torch.ones(5, dtype=torch.float64))
    torch.testing.assert_close(net.refined(e), net.refined(9 * e))


def test_what_is_left_out_has_no_say():
    net, (e, score, source) = own(), inputs()
    others, scores = torch.randn_like(e), 10 - score
    no, yes = torch.zeros(5, dtype=torch.bool), torch.ones(5, dtype=torch.bool)
    assert torch.equal(net(e, score, source, known=no), net(others, score, source, known=no))
    assert torch.equal(net(e, score, source, scored=no), net(e, scores, source, scored=no))
    assert torch.equal(net(e, score, source, yes, yes), net(e, score, source))
    some = torch.tensor([True, False, True, False, True])
    mixed = net(e, score, source, known=some)
    assert torch.equal(mixed[some], net(e, score, source)[some])
    assert torch.equal(mixed[~some], net(e, score, source, known=no)[~some])
    for moved in (net(others, score, source), net(e, scores, source), net(e, score, (source + 1) % 3)):
        assert ((moved - net(e, score, source)).abs().amax(1) > 1e-4).all()


def test_a_new_one_changes_nothing():
    e, score, source = inputs()
    torch.testing.assert_close(Prior(PriorConfig(space=24)).double()(e, score, source), F.normalize(e))


def test_both_are_asked_alike(small):
    ours: prior.Refiner = own(space=128)
    for one in (ours, small[1]):
        assert one.refined(torch.ones(2, 128)).shape == (2, 128)


def test_what_is_saved_is_read_identical(tmp_path):
    net, (e, _, _) = own(), inputs()
    prior.save(net, tmp_path / "prior")
    read = prior.load(tmp_path / "prior", dtype=torch.float64)
    assert sorted(path.name for path in (tmp_path / "prior").iterdir()) == ["config.json", "model.safetensors"]
    assert read.config == net.config and torch.equal(read.refined(e, 5.0, TEXT, 2.0), net.refined(e, 5.0, TEXT, 2.0))
    assert not any(weight.requires_grad for weight in read.parameters())


@pytest.mark.parametrize("told", [{"space": 0}, {"space": 24, "more": 1}, {}, {"space": 24, "waves": 7}])
def test_a_folder_that_is_none_is_refused(tmp_path, told):
    prior.save(own(), tmp_path)
    (tmp_path / "config.json").write_text(json.dumps(told))
    with pytest.raises(BadWeights, match=r"config\.json does not say the sizes"):
        prior.load(tmp_path)


def test_a_folder_of_other_sizes_is_refused(tmp_path):
    prior.save(own(), tmp_path)
    (tmp_path / "config.json").write_text(json.dumps({"space": 24, "width": 32, "blocks": 1, "waves": 8}))
    with pytest.raises(BadWeights, match=r"has no blocks\.1\."):
        prior.load(tmp_path)
