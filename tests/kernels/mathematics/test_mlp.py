"""The passes through the network, against torch."""

import numpy as np
import pytest
import torch
from golden_updates import assert_close
from kernel_support import FORMS, network_of, plain_form
from numba import njit

from vecac.kernels.mathematics import mlp
from vecac.kernels.mathematics.layers import clear_gradient, mute, rest, sum_gradients, take_in
from vecac.kernels.mathematics.memory import LANES, describe_heads, parameters_dtype, workspace_dtype
from vecac.kernels.mathematics.policy import value_of
from vecac.learners.kernel_parameters import torch_views

CASES = [plain_form(4, 2, 256), plain_form(1, 1, 3), plain_form(5, 3, 16), plain_form(8, 6, 24), *FORMS]
each_form = pytest.mark.parametrize(
    "form", [*CASES, pytest.param(plain_form(27, 9, 40), marks=pytest.mark.slow)], ids=str
)


@njit
def forward_lane(parameters, work, step, lane):
    mlp.forward_lane(parameters, work, step, lane)


@njit
def value_by_itself(parameters, work, step, lane):
    mlp.forward_value(parameters, work, step)
    return value_of(work, step, lane)


def setting(form):
    """A torch network, the same parameters as a record, and a workspace that holds random observations."""
    torch.manual_seed(form.obs_size)
    network = network_of(form)
    parameters, work = np.zeros(1, parameters_dtype(form)), np.zeros(1, workspace_dtype(form))
    for name, view in torch_views(parameters, form).items():
        view.copy_(network.state_dict()[name])
    describe_heads(form, work)
    work["obs"][0, 1, :, : form.obs_size] = torch.randn(LANES, form.obs_size).numpy()
    take_in(parameters[0], work[0])
    return network, parameters, work


def heads_by_torch(network, form, work):
    """(L, heads): the policy's, and the value as the last one."""
    outputs, value = network(torch.from_numpy(work["obs"][0, 1, :, : form.obs_size]))
    heads = [
        outputs[:, output] - (outputs[:, reference] if reference >= 0 else 0)
        for output, reference in form.policy_heads()
    ]
    return torch.stack([*heads, value], dim=1)


def heads_of(work, form, name):
    """The same in the workspace, as (L, heads)."""
    count = len(form.policy_heads())
    if not form.separate_critic:
        return work[name][0][..., : count + 1]
    return np.concatenate((work[name][0][..., :count], work["critic"][name][0][..., :1]), axis=-1)


@each_form
def test_forward_is_torchs(form):
    network, parameters, work = setting(form)
    mlp.forward(parameters[0], work[0], 1)
    expected = heads_by_torch(network, form, work).detach().numpy()
    assert np.allclose(heads_of(work, form, "heads")[1], expected, rtol=1e-5, atol=1e-6)
    assert not work["heads"][0, 0].any()
    work["heads"][0, 1, 2], work["hidden"][0, 1, 2] = 7, 7
    forward_lane(parameters[0], work[0], 1, 2)
    assert np.allclose(heads_of(work, form, "heads")[1], expected, rtol=1e-5, atol=1e-6)
    work["heads"][0, 1] = 7
    assert value_by_itself(parameters[0], work[0], 1, 3) == pytest.approx(expected[3, -1], rel=1e-5, abs=1e-6)


@each_form
def test_backward_adds_torchs_gradient(form):
    network, parameters, work = setting(form)
    mlp.forward(parameters[0], work[0], 1)
    heads = heads_by_torch(network, form, work)
    d_heads = torch.randn(heads.shape)
    count = len(form.policy_heads())
    work["d_heads"][0, :, :count] = d_heads[:, :count]
    if form.separate_critic:
        work["critic"]["d_heads"][0, :, 0] = d_heads[:, -1]
    else:
        work["d_heads"][0, :, count] = d_heads[:, -1]
    clear_gradient(work[0])
    for _ in range(3):
        mlp.backward(work[0], 1)
    heads.backward(3 * d_heads)
    total = parameters.copy()
    sum_gradients(work, total.view(np.float32), total[0])
    gradient = torch_views(total, form)
    for name, parameter in network.named_parameters():
        if parameter.grad is None:
            assert not gradient[name].any()
        else:
            assert_close(gradient[name], parameter.grad)
    clear_gradient(work[0])
    sum_gradients(work, total.view(np.float32), total[0])
    assert not total.view(np.float32).any()


@pytest.mark.parametrize("form", FORMS, ids=str)
def test_rows_at_rest_add_nothing_nor_does_one_that_is_muted(form):
    _, parameters, work = setting(form)
    work["obs"][0, 1, 2] = 1e38
    mlp.forward(parameters[0], work[0], 1)
    total = parameters.copy()
    for quiet in (lambda: rest(work[0]), lambda: [mute(work[0], 1, lane) for lane in range(LANES)]):
        work["d_heads"] = 1.0
        quiet()
        clear_gradient(work[0])
        mute(work[0], 1, 2)  # its hidden layers may be infinite
        mlp.backward(work[0], 1)
        sum_gradients(work, total.view(np.float32), total[0])
        assert not total.view(np.float32).any()
