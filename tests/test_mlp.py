"""The passes through the network and Adam's step, against torch."""

import numpy as np
import pytest
import torch
from golden_updates import assert_close

from vecac.algorithm.network import ActorCritic
from vecac.engines.kernel_parameters import flat, torch_views
from vecac.kernels import mlp
from vecac.kernels.mlp import LANES

SIZES = [(4, 2, 256), (1, 1, 3), (5, 3, 16), (27, 9, 40)]  # (D, A, H)


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


@pytest.mark.parametrize("sizes", SIZES, ids=str)
def test_forward_is_torchs(sizes):
    network, parameters, work = setting(*sizes)
    mlp.forward(parameters[0], work[0], 1)
    logits, value = network(torch.from_numpy(work["obs"][0, 1, :, : sizes[0]]))
    differences = logits[:, :-1] - logits[:, -1:]
    heads = torch.cat((differences, value[:, None]), dim=1)
    assert np.allclose(work["heads"][0, 1], heads.detach().numpy(), rtol=1e-5, atol=1e-6)
    assert not work["heads"][0, 0].any()


@pytest.mark.parametrize("sizes", SIZES, ids=str)
def test_backward_adds_torchs_gradient(sizes):
    network, parameters, work = setting(*sizes)
    logit_grad = torch.randn(LANES, sizes[1])
    logit_grad -= logit_grad.mean(dim=1, keepdim=True)  # as any softmax's is
    value_grad = torch.randn(LANES)
    mlp.forward(parameters[0], work[0], 1)
    work["d_heads"][0] = torch.cat((logit_grad[:, :-1], value_grad[:, None]), dim=1)
    mlp.clear_gradient(work[0])
    for _ in range(3):
        mlp.backward(work[0], 1)
    logits, value = network(torch.from_numpy(work["obs"][0, 1, :, : sizes[0]]))
    torch.autograd.backward((logits, value), (3 * logit_grad, 3 * value_grad))
    total = parameters.copy()
    mlp.sum_gradients(work, total[0])
    gradient = torch_views(total, sizes[0])
    if sizes[1] == 1:  # one action: nothing to choose, and torch's zero is exact only here
        assert not gradient["fc_pi.weight"].any()
    for name, parameter in network.named_parameters():
        if sizes[1] > 1 or not name.startswith("fc_pi"):
            assert_close(gradient[name], parameter.grad)
    mlp.clear_gradient(work[0])
    mlp.sum_gradients(work, total[0])
    assert not flat(total).any()


def test_gradients_of_all_blocks_are_summed():
    works = np.zeros(3, mlp.workspace_dtype(4, 3, 8))
    for name in ("fc1_weight", "fc1_bias", "heads_weight", "heads_bias"):
        for i in range(3):
            works["gradient"][name][i] = 10.0**i
    total = np.zeros(1, mlp.parameters_dtype(4, 3, 8))
    mlp.sum_gradients(works, total[0])
    assert (total["fc1_weight"] == 111).all()
    assert (total["fc1_bias"] == 111).all()
    assert total["heads_bias"][0].tolist() == [111, 111, -222, 111]
    assert total["heads_weight"][0][:, 5].tolist() == [111, 111, -222, 111]


def test_scale_and_clip():
    gradient = np.array([3.0, 4.0], np.float32)
    assert mlp.scale_and_clip(gradient, 2.0, np.inf) == pytest.approx(10)
    assert gradient.tolist() == [6, 8]
    assert mlp.scale_and_clip(gradient, 1.0, 1.0) == pytest.approx(10)  # the norm before clipping
    assert gradient.tolist() == pytest.approx([0.6, 0.8], rel=1e-5)


def test_a_gradient_that_is_not_finite_shows():
    gradient = np.array([1.0, np.nan], np.float32)
    assert np.isnan(mlp.scale_and_clip(gradient, 1.0, np.inf))


def test_adam_is_torchs():
    rng = np.random.default_rng(1)
    parameter = torch.nn.Parameter(torch.from_numpy(rng.normal(size=37).astype(np.float32)))
    numbers, mean, square = parameter.detach().numpy().copy(), *np.zeros((2, 37), np.float32)
    adam = torch.optim.Adam([parameter])
    for update in range(1, 30):
        gradient = (rng.normal(size=37) * 10.0 ** rng.integers(-8, 2, 37)).astype(np.float32)
        adam.param_groups[0]["lr"] = 0.01 / update
        parameter.grad = torch.from_numpy(gradient)
        adam.step()
        mlp.adam(numbers, gradient, mean, square, 0.01 / update, update)
    assert np.allclose(numbers, parameter.detach().numpy(), rtol=1e-5, atol=1e-7)
    assert np.allclose(mean, adam.state[parameter]["exp_avg"], rtol=1e-4, atol=1e-12)
    assert np.allclose(square, adam.state[parameter]["exp_avg_sq"], rtol=1e-4, atol=1e-12)


def test_moments_of_a_dead_unit_go_to_zero_and_not_to_denormal_numbers():
    numbers, gradient = np.ones(9, np.float32), np.zeros(9, np.float32)
    mean, square = np.full(9, 1e-3, np.float32), np.full(9, 1e-30, np.float32)
    for update in range(1, 20_000):
        mlp.adam(numbers, gradient, mean, square, 0.0, update)
    assert not mean.any()
    assert not square.any()


@pytest.mark.parametrize(
    ("num_envs", "blocks", "size"), [(1, 1, 4), (64, 1, 64), (65, 2, 36), (4096, 64, 64), (10**6, 64, 15628)]
)
def test_blocks_depend_on_the_number_of_environments_alone(num_envs, blocks, size):
    assert mlp.num_blocks(num_envs) == blocks
    assert mlp.block_size(num_envs, blocks) == size
    assert size % LANES == 0
    assert blocks * size >= num_envs
