"""A Gaussian's log probability, entropy and derivatives, against autograd through heads.py."""

import numpy as np
import pytest
import torch

from vecac.actions import ActionForm
from vecac.algorithm.heads import Gaussian
from vecac.kernels.mathematics.gaussian import differentiate_gaussian
from vecac.kernels.mathematics.memory import NetworkForm, workspace_dtype


@pytest.mark.parametrize("ent_coef", [0.0, 0.3])
@pytest.mark.parametrize("advantage", [1.7, -0.4])
def test_terms_and_derivatives_are_autograds(advantage, ent_coef):
    rng, head = np.random.default_rng(1), Gaussian(3)
    work = np.zeros(1, workspace_dtype(NetworkForm(2, ActionForm("box", (3,)), (8,), "tanh", True)))
    mean, action, log_std = rng.normal(size=(3, 3)).astype(np.float32)
    work["heads"][0, 1, 2, :3], work["action"][0, 2] = mean, action
    work["log_std"], work["std"] = log_std, np.exp(log_std)
    head.log_std.data = torch.tensor(log_std, dtype=torch.float64)
    outputs = torch.tensor(mean[np.newaxis], dtype=torch.float64, requires_grad=True)
    log_prob, entropy = head.evaluate(outputs, torch.tensor(action[np.newaxis]))
    (-log_prob * advantage - ent_coef * entropy).sum().backward()
    for times in (1, 2):  # what is no head's is summed up
        told = differentiate_gaussian(work[0], 1, 2, np.float32(advantage), np.float32(ent_coef))
        assert told == pytest.approx((log_prob.item(), entropy.item()), rel=1e-5)
        assert work["d_heads"][0, 2, :3] == pytest.approx(outputs.grad[0].tolist(), rel=1e-5)
        expected = (times * head.log_std.grad).tolist()
        assert work["gradient"]["log_std"][0] == pytest.approx(expected, rel=1e-5, abs=1e-6)
