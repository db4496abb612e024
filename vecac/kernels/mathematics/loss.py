"""The targets, the loss and its derivative by V(s), a row at a time; the policy's part is in policy.py.

Shapes: T rollout steps, S = T + 1, N environments.
"""

import math
from typing import Any

import numpy as np
from numba import njit

from vecac.kernels.mathematics.arithmetic import FAST, ONE
from vecac.kernels.mathematics.policy import differentiate_policy, set_d_value, value_of

SETTINGS = np.dtype(
    [
        *((name, np.float32) for name in ("gamma", "td_lambda", "reward_scale", "ent_coef", "vf_coef")),
        *(
            (name, np.uint8)
            for name in ("bootstrap_truncated", "normalize_advantage", "is_mse", "is_rmsprop")
        ),
        *((name, np.float64) for name in ("max_grad_norm", "optimizer_eps")),
        *((name, np.float64) for name in ("learning_rate", "lr_final", "anneal_over")),
        *((name, np.float64) for name in ("ent_coef_first", "ent_coef_final", "ent_coef_over")),
        ("time_limit", np.int64),
    ],
    align=True,
)
"""A run's settings as the kernels take them. Infinity is no clipping and no annealing.

ent_coef and reward_scale are those of the next update; is_mse: of the value loss; is_rmsprop: of the
optimiser. anneal_over, ent_coef_over: env steps from learning_rate to lr_final, and from ent_coef_first to
ent_coef_final.
"""

SUMS = np.dtype(
    [
        (name, np.float64)
        for name in ("rows", "policy", "value", "entropy", "error", "error_square", "target", "target_square")
    ],
    align=True,
)
"""Sums over rows of the loss terms, and of what the explained variance needs."""


@njit
def clear_sums(sums: Any) -> None:
    """Start new sums."""
    sums.rows = sums.policy = sums.value = sums.entropy = 0.0
    sums.error = sums.error_square = sums.target = sums.target_square = 0.0


@njit(fastmath=FAST, error_model="numpy")
def td_target(reward: Any, next_value: Any, terminated: bool, truncated: bool, settings: Any) -> Any:
    """r * scale + gamma * V(s'), where V is 0 after termination, and after truncation if so set."""
    target = reward * settings.reward_scale
    if not (terminated or (truncated and not settings.bootstrap_truncated)):
        target += settings.gamma * next_value
    return target


@njit(fastmath=FAST, error_model="numpy")
def find_targets(returns: Any, rollout: Any, settings: Any) -> None:
    """target_TN by TD(lambda), and advantage_TN, target - V(s), which may be normalised over valid rows.

    G_t = r_t + gamma ((1 - lambda) V(s'_t) + lambda G_{t+1}), as in td.py: without lambda where an episode
    was truncated and at the rollout's end, without either where it terminated.

    Args:
        returns: values_SN, final_values_TN (of final observations that a reset has hidden; T = 0 where none
            is), target_TN, advantage_TN float32.
        rollout: reward_TN, terminated_TN, truncated_TN, valid_TN.
    """
    num_steps, num_envs = rollout.reward_TN.shape
    for index in range(num_envs):
        following = returns.value_SN[num_steps, index]
        for t in range(num_steps - 1, -1, -1):
            terminated, truncated = rollout.terminated_TN[t, index], rollout.truncated_TN[t, index]
            next_value = returns.value_SN[t + 1, index]
            if truncated and returns.final_value_TN.shape[0] > 0:
                next_value = returns.final_value_TN[t, index]
            if t + 1 == num_steps:
                following = next_value
            tail = next_value
            if not truncated:
                tail += settings.td_lambda * (following - next_value)
            following = td_target(rollout.reward_TN[t, index], tail, terminated, truncated, settings)
            returns.target_TN[t, index] = following
            returns.advantage_TN[t, index] = following - returns.value_SN[t, index]
    if settings.normalize_advantage:
        _normalise(returns.advantage_TN, rollout.valid_TN)


@njit
def _normalise(advantage_TN: Any, valid_TN: Any) -> None:
    """See td.py; in double precision, step by step, environment by environment."""
    count, total, squares = 0, 0.0, 0.0
    num_steps, num_envs = valid_TN.shape
    for t in range(num_steps):
        for index in range(num_envs):
            if valid_TN[t, index]:
                count += 1
                total += advantage_TN[t, index]
    if count < 2:
        return
    mean = total / count
    for t in range(num_steps):
        for index in range(num_envs):
            if valid_TN[t, index]:
                squares += (advantage_TN[t, index] - mean) ** 2
    scale = 1.0 / (math.sqrt(squares / (count - 1)) + 1e-8)
    for t in range(num_steps):
        for index in range(num_envs):
            advantage_TN[t, index] = (advantage_TN[t, index] - mean) * scale


@njit(fastmath=FAST, error_model="numpy")
def differentiate(
    work: Any, step: int, lane: int, target: Any, advantage: Any, settings: Any, sums: Any
) -> None:
    """d_heads of one row's loss, as td.py defines it, for the action that the work holds:

    loss = -log pi(a|s) * advantage + vf_coef * smooth_l1(V, target) - ent_coef * H
    dloss/dV = vf_coef * clip(V - target, -1, 1), or vf_coef * 2 (V - target) with the squared error
    """
    error = target - value_of(work, step, lane)
    log_probability, entropy = differentiate_policy(work, step, lane, advantage, settings.ent_coef)
    size = abs(error)
    if settings.is_mse:
        set_d_value(work, lane, settings.vf_coef * np.float32(-2) * error)
        sums.value += error * error
    else:
        set_d_value(work, lane, settings.vf_coef * max(-ONE, min(ONE, -error)))
        sums.value += np.float32(0.5) * error * error if size < ONE else size - np.float32(0.5)
    sums.rows += 1
    sums.policy -= log_probability * advantage
    sums.entropy += entropy
    sums.error += error
    sums.error_square += np.float64(error) * error
    sums.target += target
    sums.target_square += np.float64(target) * target
