"""Softmax, sampling and the derivative of the loss, against torch and by hand."""

import math

import numpy as np
import pytest
import torch

from vecac.algorithm.td import td_loss, td_targets
from vecac.kernels.mathematics.mlp import LANES, workspace_dtype
from vecac.kernels.mathematics.policy import (
    SETTINGS,
    SUMS,
    clear_sums,
    differentiate,
    sample,
    softmax,
    td_target,
)


def workspace(logits, value=0.0):
    """One with these logits and this value in lane 1 of step 1."""
    work = np.zeros(1, workspace_dtype(4, len(logits), 8))
    heads = [logit - logits[-1] for logit in logits[:-1]]
    work["heads"][0, 1, 1, : len(logits)] = [*heads, value]
    return work


@pytest.mark.parametrize(
    "logits", [[0.3], [0.0, 0.0], [1.0, -2.0], [100.0, -100.0, 99.0], [-3.0, 2.0, 5.0, 5.0]]
)
def test_softmax_is_torchs_also_where_it_would_overflow(logits):
    work = workspace(logits)
    softmax(work[0], 1, 1)
    expected = torch.tensor(logits).softmax(0).numpy()
    assert work["probability"][0, 1] == pytest.approx(expected, rel=1e-6, abs=1e-30)
    log_sum = torch.tensor(logits).logsumexp(0) - logits[-1]
    assert work["log_normaliser"][0, 1] == pytest.approx(float(log_sum), rel=1e-6, abs=1e-7)
    assert not work["probability"][0, 0].any()  # other lanes are left alone


def test_sample_takes_the_action_whose_share_holds_the_number():
    probability = np.array([0.25, 0.5, 0.25], np.float32)
    drawn = [sample(probability, uniform) for uniform in (0.0, 0.2499, 0.25, 0.7499, 0.75, 0.9999)]
    assert drawn == [0, 0, 1, 1, 2, 2]
    assert sample(np.array([1.0], np.float32), 0.5) == 0
    assert sample(np.array([0.0, 1.0], np.float32), 0.0) == 1  # what has no share is never drawn


@pytest.mark.parametrize("bootstrap", [True, False])
@pytest.mark.parametrize(("terminated", "truncated"), [(0, 0), (1, 0), (0, 1), (1, 1)])
def test_target_is_td_pys(bootstrap, terminated, truncated):
    settings = np.zeros(1, SETTINGS)
    settings["gamma"], settings["reward_scale"], settings["bootstrap_truncated"] = 0.9, 0.1, bootstrap
    target = td_target(np.float32(2.0), np.float32(3.0), terminated, truncated, settings[0])
    ends = terminated or (truncated and not bootstrap)
    expected = td_targets(torch.tensor([0.2]), torch.tensor([bool(ends)]), torch.tensor([3.0]), 0.9)
    assert target == pytest.approx(expected.item(), rel=1e-6)


@pytest.mark.parametrize("target", [0.7, 5.0, -5.0])  # within and beyond smooth_l1's beta
@pytest.mark.parametrize("action", [0, 1, 2])
@pytest.mark.parametrize("ent_coef", [0.0, 0.3])
def test_derivative_and_terms_are_autograds(target, action, ent_coef):
    logits, value = [0.5, -1.0, 0.2], 0.4
    work, settings, sums = workspace(logits, value), np.zeros(1, SETTINGS), np.zeros(1, SUMS)
    settings["ent_coef"], settings["vf_coef"] = ent_coef, 0.6
    softmax(work[0], 1, 1)
    differentiate(work[0], 1, 1, action, np.float32(target), settings[0], sums[0])
    row = torch.tensor([logits], dtype=torch.float64, requires_grad=True)
    values = torch.tensor([value], dtype=torch.float64, requires_grad=True)
    targets = torch.tensor([target], dtype=torch.float64)
    terms = td_loss(row, values, torch.tensor([action]), targets, ent_coef, 0.6)
    terms.total.backward()
    expected = [*row.grad[0, :-1].tolist(), values.grad.item()]
    assert work["d_heads"][0, 1, : len(expected)].tolist() == pytest.approx(expected, rel=1e-5, abs=1e-7)
    (policy, value_loss, entropy) = (float(term) for term in (terms.policy, terms.value, terms.entropy))
    assert sums[0].item() == pytest.approx(
        (1, policy, value_loss, entropy, target - value, (target - value) ** 2, target, target**2), rel=1e-5
    )
    assert not work["d_heads"][0, [0, *range(2, LANES)]].any()


def test_sums_add_up_and_start_anew():
    work, settings, sums = workspace([0.0, 0.0]), np.zeros(1, SETTINGS), np.zeros(1, SUMS)
    softmax(work[0], 1, 1)
    for _ in range(3):
        differentiate(work[0], 1, 1, 0, np.float32(2.0), settings[0], sums[0])
    assert sums["rows"] == 3
    assert sums["entropy"] == pytest.approx(3 * math.log(2))
    assert sums["target_square"] == 12
    clear_sums(sums[0])
    assert not any(sums[0].item())
