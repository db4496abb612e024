"""Acting by whichever head there is, against heads.py, by the same noise."""

import numpy as np
import pytest
import torch
from kernel_support import FORMS, plain_form
from numba import njit

from vecac.algorithm.heads import make_head
from vecac.kernels.mathematics.memory import LANES, describe_heads, workspace_dtype
from vecac.kernels.mathematics.policy import act, act_greedily, find_distribution


@njit
def act_in_lane(work, step, lane, noise_U, is_sampled):
    find_distribution(work, step, lane)
    if is_sampled:
        act(work, step, lane, noise_U)
    else:
        act_greedily(work, step, lane)


@pytest.mark.parametrize("is_sampled", [False, True])
@pytest.mark.parametrize("form", [plain_form(4, 2, 8), plain_form(4, 1, 8), *FORMS], ids=str)
def test_actions_are_those_of_the_head(form, is_sampled):
    rng, head = np.random.default_rng(1), make_head(form.action, -0.5)
    work = np.zeros(1, workspace_dtype(form))
    describe_heads(form, work)
    for _ in range(50):
        outputs = rng.integers(-2, 3, (LANES, form.num_outputs)).astype(np.float32)  # with ties
        noise = rng.random((LANES, work["action"].shape[-1]))
        for index, (output, reference) in enumerate(form.policy_heads()):
            taken_off = outputs[:, reference] if reference >= 0 else 0
            work["heads"][0, 1, :, index] = outputs[:, output] - taken_off
        if form.action.kind == "box":
            work["std"] = np.exp(-0.5)
        for lane in range(LANES):
            act_in_lane(work[0], 1, lane, noise[lane], is_sampled)
        if is_sampled:
            expected = sampled(form.action, outputs, noise)
        else:
            expected = head.greedy(torch.tensor(outputs)).numpy()
        assert np.allclose(work["action"][0], expected.reshape(work["action"][0].shape), atol=1e-6)


def sampled(action, outputs, noise):
    """By cumulative probability; of a Gaussian, mean + std * noise."""
    if action.kind == "box":
        return outputs + np.exp(-0.5) * noise
    parts = np.split(outputs, np.cumsum(action.sizes)[:-1], axis=1)
    below = [torch.tensor(part).softmax(1).cumsum(1)[:, :-1].numpy() for part in parts]
    return np.stack([(noise[:, [u]] >= below[u]).sum(1) for u in range(len(parts))], axis=1)
