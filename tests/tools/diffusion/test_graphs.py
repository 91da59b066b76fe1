"""What a CUDA graph may record: an evaluation that looks at no number on the device. Proved without one."""

import pytest
import torch

from tests.tools.diffusion.worlds import conditions, drawn, error, finished, model_of, small_unet
from tools.diffusion import graphs
from tools.diffusion.attention import Attention, Probe
from tools.diffusion.denoiser import Condition, Network
from tools.diffusion.guidance import classifier_free, mixed
from tools.diffusion.sampling import dpmpp_2m, euler, euler_ancestral, heun, plms
from tools.diffusion.schedules import ddim_sigmas, scaled_linear

SIGMAS = ddim_sigmas(scaled_linear(), 6)


def on_meta(prediction="epsilon"):
    """D over tensors without numbers: whoever asks for one gets an error."""
    network = Network(model_of(small_unet().to("meta"), prediction=prediction))
    cond, uncond = (Condition(condition.text.to("meta")) for condition in conditions(2))
    return mixed(network, [(7.5, cond), (-6.5, uncond)])


@pytest.mark.parametrize("prediction", ["epsilon", "v_prediction"])
def test_an_evaluation_looks_at_no_number_on_the_device(prediction, monkeypatch):
    monkeypatch.setattr("tools.diffusion.guidance.same", lambda one, other: False)
    x = torch.empty(1, 4, 8, 8, dtype=torch.float64, device="meta")
    with pytest.raises(RuntimeError):
        float(x.sum())
    assert on_meta(prediction)(x, torch.empty((), dtype=torch.float64, device="meta")).shape == x.shape


@pytest.mark.parametrize("sampler", [euler, heun, plms, dpmpp_2m])
def test_a_sampler_looks_at_no_number_on_the_device(sampler):
    x = torch.empty(1, 4, 8, 8, device="meta")
    assert finished(sampler(lambda x, sigma: x, x, SIGMAS)).is_meta
    assert finished(euler_ancestral(lambda x, sigma: x, x, SIGMAS, lambda: x)).is_meta


def test_levels_on_the_device_are_levels_on_the_host():
    """The recorded form is given σ as a tensor that it may not look at; the other has a table of times."""
    network, some, x = Network(model_of(small_unet())), conditions(2), drawn(1, 4, 8, 8)
    before = network.eps(x, SIGMAS[2], some)
    network._time = lambda t, added: graphs_form(network, t)
    assert error(network.eps(x, SIGMAS[2].clone(), some), before) < 1e-14


def graphs_form(network, t):
    from tools.diffusion.unet import shifts

    return shifts(network.model.unet, t)


class OnDevice:
    """Enough of a CUDA tensor to be taken for one."""

    is_cuda, dtype, device = True, torch.float32, "cpu"

    def __init__(self, *shape: int) -> None:
        self.shape = shape


def test_a_shape_is_recorded_at_its_second_evaluation_and_each_phase_by_itself(monkeypatch):
    evaluated, recorded, phase = [], [], ["plain"]

    class Recording:
        def __init__(self, D, x):
            recorded.append((x.shape, phase[0]))

        def __call__(self, x, sigma):
            return "replayed"

    monkeypatch.setattr(graphs, "Recording", Recording)
    D = graphs.replayed(lambda x, sigma: evaluated.append(x.shape) or "evaluated", lambda: phase[0])
    small, large, sigma = OnDevice(1, 4), OnDevice(2, 4), torch.tensor(1.0)
    assert [D(x, sigma) for x in (small, small, large, small)] == ["evaluated", "replayed", "evaluated", "replayed"]
    phase[0] = "cloning"
    assert [D(small, sigma) for _ in range(3)] == ["evaluated", "replayed", "replayed"]
    phase[0] = None
    assert [D(small, sigma) for _ in range(3)] == ["evaluated"] * 3
    assert recorded == [((1, 4), "plain"), ((1, 4), "cloning")]


def test_what_leaves_something_behind_is_not_recorded():
    model = model_of(small_unet())
    assert Network(model).phase() is not None
    assert Network(model, Attention(probe=Probe(0, (1,), torch.zeros(4)))).phase() is None


def test_off_cuda_nothing_is_recorded():
    cond, uncond = conditions(2)
    D = classifier_free(Network(model_of(small_unet())), cond, uncond, 3.0)
    x = drawn(1, 4, 8, 8)
    assert torch.equal(D(x, SIGMAS[0]), D(x, SIGMAS[0]))
