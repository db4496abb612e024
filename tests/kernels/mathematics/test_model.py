"""The update and its parts: sum, clipping, Adam's step."""

import numpy as np
import pytest
import torch

from vecac.config import Config
from vecac.kernels.mathematics.mlp import parameters_dtype, workspace_dtype
from vecac.kernels.mathematics.model import adam as kernel_adam
from vecac.kernels.mathematics.model import scale_and_clip, sum_gradients, update
from vecac.learners.kernel_parameters import KernelParameters
from vecac.seeding import seed_sequences


@pytest.mark.parametrize("max_grad_norm", [None, 0.5])
def test_an_update_is_adams_step_with_the_blocks_mean_gradient(max_grad_norm):
    config = Config(num_envs=130, hidden_size=8, max_grad_norm=max_grad_norm)  # three blocks
    shared = KernelParameters(config, 4, 2, seed_sequences(1))
    bias = torch.nn.Parameter(shared.network.fc1.bias.detach().clone())
    shared.model.works["gradient"]["fc1_bias"] = np.array([[1.0], [2.0], [5.0]])
    adam = torch.optim.Adam([bias], lr=0.1)
    for count in (1, 2, 3):
        norm = update(shared.model, 16, 0.1, count)
        assert norm == pytest.approx(0.5 * 8**0.5)  # eight times (1 + 2 + 5) / 16
        bias.grad = torch.full((8,), 0.5 if max_grad_norm is None else 0.5 / 8**0.5)
        adam.step()
    assert torch.allclose(shared.network.fc1.bias, bias, atol=1e-6)


def test_gradients_of_all_blocks_are_summed():
    works = np.zeros(3, workspace_dtype(4, 3, 8))
    for name in ("fc1_weight", "fc1_bias", "heads_weight", "heads_bias"):
        for i in range(3):
            works["gradient"][name][i] = 10.0**i
    total = np.zeros(1, parameters_dtype(4, 3, 8))
    sum_gradients(works, total[0])
    assert (total["fc1_weight"] == 111).all()
    assert (total["fc1_bias"] == 111).all()
    assert total["heads_bias"][0].tolist() == [111, 111, -222, 111]
    assert total["heads_weight"][0][:, 5].tolist() == [111, 111, -222, 111]


def test_scale_and_clip():
    gradient = np.array([3.0, 4.0], np.float32)
    assert scale_and_clip(gradient, 2.0, np.inf) == pytest.approx(10)
    assert gradient.tolist() == [6, 8]
    assert scale_and_clip(gradient, 1.0, 1.0) == pytest.approx(10)  # the norm before clipping
    assert gradient.tolist() == pytest.approx([0.6, 0.8], rel=1e-5)


def test_a_gradient_that_is_not_finite_shows():
    gradient = np.array([1.0, np.nan], np.float32)
    assert np.isnan(scale_and_clip(gradient, 1.0, np.inf))


def test_adam_is_torchs():
    rng = np.random.default_rng(1)
    parameter = torch.nn.Parameter(torch.from_numpy(rng.normal(size=37).astype(np.float32)))
    numbers, mean, square = parameter.detach().numpy().copy(), *np.zeros((2, 37), np.float32)
    adam = torch.optim.Adam([parameter])
    for count in range(1, 30):
        gradient = (rng.normal(size=37) * 10.0 ** rng.integers(-8, 2, 37)).astype(np.float32)
        adam.param_groups[0]["lr"] = 0.01 / count
        parameter.grad = torch.from_numpy(gradient)
        adam.step()
        kernel_adam(numbers, gradient, mean, square, 0.01 / count, count)
    assert np.allclose(numbers, parameter.detach().numpy(), rtol=1e-5, atol=1e-7)
    assert np.allclose(mean, adam.state[parameter]["exp_avg"], rtol=1e-4, atol=1e-12)
    assert np.allclose(square, adam.state[parameter]["exp_avg_sq"], rtol=1e-4, atol=1e-12)


def test_moments_of_a_dead_unit_go_to_zero_and_not_to_denormal_numbers():
    numbers, gradient = np.ones(9, np.float32), np.zeros(9, np.float32)
    mean, square = np.full(9, 1e-3, np.float32), np.full(9, 1e-30, np.float32)
    for count in range(1, 20_000):
        kernel_adam(numbers, gradient, mean, square, 0.0, count)
    assert not mean.any()
    assert not square.any()
