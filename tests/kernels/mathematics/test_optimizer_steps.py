"""Clipping, and the optimisers' steps."""

import numpy as np
import pytest
import torch

from vecac.kernels.mathematics.optimizer_steps import adam, rmsprop, scale_and_clip


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
    reference = torch.optim.Adam([parameter], eps=1e-3)
    for count in range(1, 30):
        gradient = (rng.normal(size=37) * 10.0 ** rng.integers(-8, 2, 37)).astype(np.float32)
        reference.param_groups[0]["lr"] = 0.01 / count
        parameter.grad = torch.from_numpy(gradient)
        reference.step()
        adam(numbers, gradient, mean, square, 0.01 / count, 1e-3, count)
    assert np.allclose(numbers, parameter.detach().numpy(), rtol=1e-5, atol=1e-7)
    assert np.allclose(mean, reference.state[parameter]["exp_avg"], rtol=1e-4, atol=1e-12)
    assert np.allclose(square, reference.state[parameter]["exp_avg_sq"], rtol=1e-4, atol=1e-12)


def test_moments_of_a_dead_unit_go_to_zero_and_not_to_denormal_numbers():
    numbers, gradient = np.ones(9, np.float32), np.zeros(9, np.float32)
    mean, square = np.full(9, 1e-3, np.float32), np.full(9, 1e-30, np.float32)
    for count in range(1, 20_000):
        adam(numbers, gradient, mean, square, 0.0, 1e-8, count)
    assert not mean.any()
    assert not square.any()


def test_rmsprop_is_torchs():
    rng = np.random.default_rng(1)
    parameter = torch.nn.Parameter(torch.from_numpy(rng.normal(size=37).astype(np.float32)))
    numbers, square = parameter.detach().numpy().copy(), np.zeros(37, np.float32)
    reference = torch.optim.RMSprop([parameter], alpha=0.99, eps=1e-3)
    for count in range(1, 30):
        gradient = (rng.normal(size=37) * 10.0 ** rng.integers(-8, 2, 37)).astype(np.float32)
        reference.param_groups[0]["lr"] = 0.01 / count
        parameter.grad = torch.from_numpy(gradient)
        reference.step()
        rmsprop(numbers, gradient, square, 0.01 / count, 1e-3)
    assert np.allclose(numbers, parameter.detach().numpy(), rtol=1e-5, atol=1e-7)
    assert np.allclose(square, reference.state[parameter]["square_avg"], rtol=1e-4, atol=1e-12)
