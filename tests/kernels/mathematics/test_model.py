"""The update, and the sum of gradients before it."""

import numpy as np
import pytest
import torch
from learner_support import discrete
from numba import njit

from vecac.config import Config
from vecac.kernels.mathematics.model import put_obs, update
from vecac.kernels.mathematics.moments import norm_dtype
from vecac.learners.kernel_parameters import KernelParameters
from vecac.seeding import seed_sequences


@pytest.mark.parametrize("max_grad_norm", [None, 0.5])
def test_an_update_is_adams_step_with_the_blocks_mean_gradient(max_grad_norm):
    config = Config(num_envs=130, hidden_size=8, max_grad_norm=max_grad_norm)  # three blocks
    shared = KernelParameters(config, 4, discrete(2), seed_sequences(1))
    bias = torch.nn.Parameter(shared.network.fc1.bias.detach().clone())
    shared.model.works["gradient"]["fc1_bias"] = np.array([[1.0], [2.0], [5.0]])
    adam = torch.optim.Adam([bias], lr=0.1)
    for count in (1, 2, 3):
        norm = update(shared.model, 16, 0.1, count)
        assert norm == pytest.approx(0.5 * 8**0.5)  # eight times (1 + 2 + 5) / 16
        bias.grad = torch.full((8,), 0.5 if max_grad_norm is None else 0.5 / 8**0.5)
        adam.step()
    assert torch.allclose(shared.network.fc1.bias, bias, atol=1e-6)


@njit
def put(model, obs, numbers):
    put_obs(model, obs, numbers)


def test_an_observation_is_put_as_it_is_or_normalised():
    plain = KernelParameters(Config(hidden_size=8), 3, discrete(2), seed_sequences(1))
    norm = KernelParameters(
        Config(hidden_size=8, norm_obs=True, clip_obs=2.5), 3, discrete(2), seed_sequences(1)
    )
    assert norm.model.norm.dtype == norm_dtype(3)
    norm.network.obs_norm.merge(torch.tensor([1.0, 2.0, 3.0]), torch.tensor([4.0, 0.25, 1.0]), 10)
    obs, numbers = np.zeros(4, np.float32), (3.0, 2.25, -9.0)
    put(plain.model, obs, numbers)
    assert obs.tolist() == [3, 2.25, -9, 0]
    put(norm.model, obs, np.array(numbers, np.float32))
    assert obs[:3] == pytest.approx(norm.network.obs_norm(torch.tensor(numbers)).tolist(), rel=1e-6)
    assert obs.tolist() == pytest.approx([1, 0.5, -2.5, 0], rel=1e-6)
    put(norm.model, obs, (np.nan, np.inf, 0.0))
    assert np.isnan(obs[0])
    assert obs[1] == 2.5
