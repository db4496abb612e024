"""The policy's probabilities, the loss and its derivatives, a row at a time, from the kernels' heads.

Shapes: A actions, L lanes. Heads are the first A - 1 logits less the last one, then V(s) (see mlp.py).
"""

import math
from typing import Any

import numpy as np
from numba import njit

from vecac.kernels.mathematics.mlp import FAST, ZERO

SETTINGS = np.dtype(
    [
        *((name, np.float32) for name in ("gamma", "reward_scale", "ent_coef", "vf_coef")),
        *((name, np.uint8) for name in ("bootstrap_truncated", "is_mse", "is_rmsprop")),
        *((name, np.float64) for name in ("max_grad_norm", "optimizer_eps")),
        *((name, np.float64) for name in ("learning_rate", "lr_final", "anneal_over")),
        *((name, np.float64) for name in ("ent_coef_first", "ent_coef_final", "ent_coef_over")),
        ("time_limit", np.int64),
    ],
    align=True,
)
"""A run's settings as the kernels take them. Infinity is no clipping and no annealing.

ent_coef is that of the next update, the only one that changes; is_mse: of the value loss; is_rmsprop: of the
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


@njit(fastmath=FAST, error_model="numpy")
def softmax(work: Any, step: int, lane: int) -> None:
    """pi_a = exp(y_a) / sum_b exp(y_b) for the heads y of one lane, where y_{A-1} = 0."""
    y, probability = work.heads[step, lane], work.probability[lane]
    last = probability.size - 1
    top = ZERO
    for a in range(last):
        top = max(top, y[a])
    if last == 1:  # one of the two is exp(0)
        one, other = np.float32(1), math.exp(-abs(y[0]))
        probability[0], probability[1] = (one, other) if y[0] > ZERO else (other, one)
    else:
        probability[last] = math.exp(-top)
        for a in range(last):
            probability[a] = math.exp(y[a] - top)
    total = probability[last]
    for a in range(last):
        total += probability[a]
    for a in range(last + 1):
        probability[a] /= total
    work.log_normaliser[lane] = top + math.log(total)


@njit(fastmath=FAST, error_model="numpy")
def sample(probability: Any, uniform: float) -> int:
    """The action whose share of [0, 1), by cumulative probability (A,), holds `uniform`."""
    action = 0
    below = ZERO
    for a in range(probability.size - 1):
        below += probability[a]
        action += uniform >= below
    return action


@njit
def greedy(heads: Any, num_actions: int) -> int:
    """The most probable action by one lane's heads (K,), the first of several: the last one's head is 0."""
    action, best = 0, heads[0] if num_actions > 1 else ZERO
    for a in range(1, num_actions):
        y = heads[a] if a < num_actions - 1 else ZERO
        if y > best:
            action, best = a, y
    return action


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
def differentiate(
    work: Any, step: int, lane: int, action: int, target: Any, settings: Any, sums: Any
) -> None:
    """d_heads of one row's loss, as td.py's td_loss defines it, with y the heads and d = target - V:

    loss = -log pi_a * d + vf_coef * smooth_l1(V, target) - ent_coef * H,   H = -sum_k pi_k log pi_k
    dloss/dy_k = (pi_k - [k = a]) * d + ent_coef * pi_k * (log pi_k + H)
    dloss/dV = vf_coef * clip(V - target, -1, 1), or vf_coef * 2 (V - target) with the squared error
    """
    y, probability, d_heads = work.heads[step, lane], work.probability[lane], work.d_heads[lane]
    last = probability.size - 1
    one = np.float32(1)
    error = target - y[last]
    entropy = work.log_normaliser[lane]
    for k in range(last):
        entropy -= probability[k] * y[k]
    for k in range(last):
        d = probability[k] * error
        if settings.ent_coef != ZERO:
            d += settings.ent_coef * probability[k] * (y[k] - work.log_normaliser[lane] + entropy)
        d_heads[k] = d
    log_probability = -work.log_normaliser[lane]
    if action < last:
        d_heads[action] -= error
        log_probability += y[action]
    size = abs(error)
    if settings.is_mse:
        d_heads[last] = settings.vf_coef * np.float32(-2) * error
        sums.value += error * error
    else:
        d_heads[last] = settings.vf_coef * max(-one, min(one, -error))
        sums.value += np.float32(0.5) * error * error if size < one else size - np.float32(0.5)
    sums.rows += 1
    sums.policy -= log_probability * error
    sums.entropy += entropy
    sums.error += error
    sums.error_square += np.float64(error) * error
    sums.target += target
    sums.target_square += np.float64(target) * target
