"""The update as a whole; its parts are tested in test_mlp.py."""

import numpy as np
import pytest
import torch

from vecac.config import Config
from vecac.engines.kernel_parameters import KernelParameters
from vecac.kernels.model import update
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
