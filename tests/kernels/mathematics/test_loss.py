"""Targets and the loss's terms, against td.py; the gradient is compared in test_rollout_kernels.py."""

import itertools
import math
from typing import Any, NamedTuple

import numpy as np
import pytest
import torch
from learner_support import discrete
from numba import njit

from vecac.algorithm.td import actor_critic_loss, normalized, td_lambda_targets, td_targets
from vecac.kernels.drivers.rollout_kernels import Returns
from vecac.kernels.mathematics.loss import (
    SETTINGS,
    SUMS,
    clear_sums,
    differentiate,
    find_targets,
    td_target,
)
from vecac.kernels.mathematics.memory import LANES, NetworkForm, describe_heads, workspace_dtype
from vecac.kernels.mathematics.policy import find_distribution

T, N = 7, 5


class Rows(NamedTuple):
    reward_TN: Any
    terminated_TN: Any
    truncated_TN: Any
    valid_TN: Any


@njit
def differentiate_row(work, target, settings, sums):
    """Of lane 1 of step 1, whose value is 0.4."""
    find_distribution(work, 1, 1)
    differentiate(work, 1, 1, target, target - np.float32(0.4), settings, sums)


def workspace(logits, value):
    """One with these logits and this value in lane 1 of step 1, which has taken action 1."""
    form = NetworkForm(4, discrete(len(logits)), (8,), "relu", False)
    work = np.zeros(1, workspace_dtype(form))
    describe_heads(form, work)
    heads = [logit - logits[-1] for logit in logits[:-1]]
    work["heads"][0, 1, 1, : len(logits)] = [*heads, value]
    work["action"][0, 1] = 1
    return work


@pytest.mark.parametrize("bootstrap", [True, False])
@pytest.mark.parametrize(("terminated", "truncated"), [(0, 0), (1, 0), (0, 1), (1, 1)])
def test_target_is_td_pys(bootstrap, terminated, truncated):
    settings = np.zeros(1, SETTINGS)
    settings["gamma"], settings["reward_scale"], settings["bootstrap_truncated"] = 0.9, 0.1, bootstrap
    target = td_target(np.float32(2.0), np.float32(3.0), terminated, truncated, settings[0])
    ends = terminated or (truncated and not bootstrap)
    expected = td_targets(torch.tensor([0.2]), torch.tensor([bool(ends)]), torch.tensor([3.0]), 0.9)
    assert target == pytest.approx(expected.item(), rel=1e-6)


@pytest.mark.parametrize(
    ("bootstrap", "hides_final_obs", "normalizes"), [*itertools.product([True, False], repeat=3)]
)
def test_targets_that_look_ahead_are_td_pys(bootstrap, hides_final_obs, normalizes):
    rng, settings = np.random.default_rng(1), np.zeros(1, SETTINGS)
    settings["gamma"], settings["td_lambda"], settings["reward_scale"] = 0.9, 0.7, 0.1
    settings["bootstrap_truncated"], settings["normalize_advantage"] = bootstrap, normalizes
    values, finals = rng.normal(size=(T + 1, N)), rng.normal(size=(T if hides_final_obs else 0, N))
    arrays = values, finals, np.zeros((T, N)), np.zeros((T, N))
    returns = Returns(*(array.astype(np.float32) for array in arrays))
    terminated, truncated, valid = rng.random((3, T, N)) < np.array([0.3, 0.3, 0.8]).reshape(3, 1, 1)
    rollout = Rows(rng.normal(size=(T, N)).astype(np.float32), terminated, truncated, valid)
    find_targets(returns, rollout, settings[0])

    next_value = values[1:].copy()
    if hides_final_obs:
        next_value[rollout.truncated_TN] = finals[rollout.truncated_TN]
    ends = rollout.terminated_TN if bootstrap else rollout.terminated_TN | rollout.truncated_TN
    expected = td_lambda_targets(
        *map(torch.from_numpy, (0.1 * rollout.reward_TN, ends, rollout.truncated_TN)),
        torch.from_numpy(next_value.astype(np.float32)),
        0.9,
        0.7,
    )
    assert np.allclose(returns.target_TN, expected, rtol=1e-5, atol=1e-6)
    advantage = expected - torch.from_numpy(values[:-1].astype(np.float32))
    advantage = advantage[torch.from_numpy(valid)]
    wanted = normalized(advantage) if normalizes else advantage
    assert np.allclose(returns.advantage_TN[valid], wanted, rtol=1e-4, atol=1e-6)


def test_the_advantage_of_a_single_row_stays_as_it_is():
    settings = np.zeros(1, SETTINGS)
    settings["gamma"] = settings["reward_scale"] = settings["normalize_advantage"] = 1
    returns = Returns(*(np.zeros((count, 1), np.float32) for count in (2, 0, 1, 1)))
    flags = np.zeros((1, 1), np.bool_)
    find_targets(returns, Rows(np.full((1, 1), 3, np.float32), flags, flags, ~flags), settings[0])
    assert returns.advantage_TN == 3


@pytest.mark.parametrize("target", [0.7, 5.0, -5.0])  # within and beyond smooth_l1's beta
@pytest.mark.parametrize(("ent_coef", "value_loss"), [(0.0, "smooth-l1"), (0.3, "mse")])
def test_terms_and_derivatives_are_autograds(target, ent_coef, value_loss):
    logits, value = [0.5, -1.0, 0.2], 0.4
    work, settings, sums = workspace(logits, value), np.zeros(1, SETTINGS), np.zeros(1, SUMS)
    settings["ent_coef"], settings["vf_coef"], settings["is_mse"] = ent_coef, 0.6, value_loss == "mse"
    differentiate_row(work[0], np.float32(target), settings[0], sums[0])
    row = torch.tensor([logits], dtype=torch.float64, requires_grad=True)
    values = torch.tensor([value], dtype=torch.float64, requires_grad=True)
    targets = torch.tensor([target], dtype=torch.float64)
    log_prob = row.log_softmax(1)
    entropy_of_row = -(log_prob.exp() * log_prob).sum(1)
    terms = actor_critic_loss(log_prob[:, 1], entropy_of_row, values, targets, ent_coef, 0.6, value_loss)
    terms.total.backward()
    expected = [*row.grad[0, :-1].tolist(), values.grad.item()]
    assert work["d_heads"][0, 1, : len(expected)].tolist() == pytest.approx(expected, rel=1e-5, abs=1e-7)
    policy, value_error, entropy = (term.item() for term in (terms.policy, terms.value, terms.entropy))
    assert sums[0].item() == pytest.approx(
        (1, policy, value_error, entropy, target - value, (target - value) ** 2, target, target**2), rel=1e-5
    )
    assert not work["d_heads"][0, [0, *range(2, LANES)]].any()


def test_sums_add_up_and_start_anew():
    work, settings, sums = workspace([0.0, 0.0], 0.4), np.zeros(1, SETTINGS), np.zeros(1, SUMS)
    for _ in range(3):
        differentiate_row(work[0], np.float32(2.0), settings[0], sums[0])
    assert sums["rows"] == 3
    assert sums["entropy"] == pytest.approx(3 * math.log(2))
    assert sums["target_square"] == 12
    clear_sums(sums[0])
    assert not any(sums[0].item())
