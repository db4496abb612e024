"""The update, and the sum of gradients before it."""

import numpy as np
import pytest
import torch

from vecac.config import Config
from vecac.kernels.mathematics.mlp import parameters_dtype, workspace_dtype
from vecac.kernels.mathematics.model import sum_gradients, update
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
