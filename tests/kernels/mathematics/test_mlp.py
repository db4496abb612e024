"""The passes through the network, against torch."""

import numpy as np
import pytest
import torch
from golden_updates import assert_close

from vecac.algorithm.network import ActorCritic
from vecac.kernels.mathematics import mlp
from vecac.kernels.mathematics.mlp import LANES
from vecac.kernels.mathematics.model import sum_gradients
from vecac.learners.kernel_parameters import torch_views

SIZES = [(4, 2, 256), (1, 1, 3), (5, 3, 16), (8, 6, 24)]  # (D, A, H)
each_size = pytest.mark.parametrize(
    "sizes", [*SIZES, pytest.param((27, 9, 40), marks=pytest.mark.slow)], ids=str
)


def setting(obs_size, num_actions, hidden_size):
    """A torch network, the same parameters as a record, and a workspace that holds random observations."""
    torch.manual_seed(obs_size)
    network = ActorCritic(obs_size, num_actions, hidden_size)
    parameters = np.zeros(1, mlp.parameters_dtype(obs_size, num_actions, hidden_size))
    for name, view in torch_views(parameters, obs_size).items():
        view.copy_(network.state_dict()[name])
    work = np.zeros(1, mlp.workspace_dtype(obs_size, num_actions, hidden_size))
    work["obs"][0, 1, :, :obs_size] = torch.randn(LANES, obs_size).numpy()
    mlp.difference_heads(parameters[0], work[0])
    return network, parameters, work


@each_size
def test_forward_is_torchs(sizes):
    network, parameters, work = setting(*sizes)
    mlp.forward(parameters[0], work[0], 1)
    logits, value = network(torch.from_numpy(work["obs"][0, 1, :, : sizes[0]]))
    differences = logits[:, :-1] - logits[:, -1:]
    heads = torch.cat((differences, value[:, None]), dim=1).detach().numpy()
    num_heads = heads.shape[1]
    assert np.allclose(work["heads"][0, 1, :, :num_heads], heads, rtol=1e-5, atol=1e-6)
    assert not work["heads"][0, 0].any()

    work["heads"] = 7
    hidden = work["hidden"].copy()
    work["hidden"][0, 1, 2] = 7
    mlp.forward_lane(parameters[0], work[0], 1, 2)
    assert np.allclose(work["hidden"], hidden, rtol=1e-5, atol=1e-6)
    assert np.allclose(work["heads"][0, 1, 2, :num_heads], heads[2], rtol=1e-5, atol=1e-6)
    assert (work["heads"][0, 1, [0, 1, 3]] == 7).all()
    assert (work["heads"][0, 0] == 7).all()


@each_size
def test_backward_adds_torchs_gradient(sizes):
    network, parameters, work = setting(*sizes)
    logit_grad = torch.randn(LANES, sizes[1])
    logit_grad -= logit_grad.mean(dim=1, keepdim=True)  # as any softmax's is
    value_grad = torch.randn(LANES)
    mlp.forward(parameters[0], work[0], 1)
    work["d_heads"][0, :, : sizes[1]] = torch.cat((logit_grad[:, :-1], value_grad[:, None]), dim=1)
    mlp.clear(work["gradient"][0])
    for _ in range(3):
        mlp.backward(work[0], 1)
    logits, value = network(torch.from_numpy(work["obs"][0, 1, :, : sizes[0]]))
    torch.autograd.backward((logits, value), (3 * logit_grad, 3 * value_grad))
    total = parameters.copy()
    sum_gradients(work, total[0])
    gradient = torch_views(total, sizes[0])
    if sizes[1] == 1:  # one action: nothing to choose, and torch's zero is exact only here
        assert not gradient["fc_pi.weight"].any()
    for name, parameter in network.named_parameters():
        if sizes[1] > 1 or not name.startswith("fc_pi"):
            assert_close(gradient[name], parameter.grad)
    mlp.clear(work["gradient"][0])
    sum_gradients(work, total[0])
    assert not total.view(np.float32).any()


@pytest.mark.parametrize(
    ("num_envs", "blocks", "size"), [(1, 1, 4), (64, 1, 64), (65, 2, 36), (4096, 64, 64), (10**6, 64, 15628)]
)
def test_blocks_depend_on_the_number_of_environments_alone(num_envs, blocks, size):
    assert mlp.num_blocks(num_envs) == blocks
    assert mlp.block_size(num_envs, blocks) == size
    assert size % LANES == 0
    assert blocks * size >= num_envs
