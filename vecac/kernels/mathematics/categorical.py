"""One choice of a policy: softmax, sampling and the derivative of the loss, from the kernels' heads.

Shapes: A actions. Heads are the first A - 1 logits less the last one (see memory.py); what else an array of
heads holds behind them is not looked at.
"""

import math
from typing import Any

from numba import njit

from vecac.kernels.mathematics.arithmetic import FAST, ONE, ZERO


@njit(fastmath=FAST, error_model="numpy")
def softmax(y: Any, probability_A: Any) -> Any:
    """pi_a = exp(y_a) / sum_b exp(y_b) for heads y, where y_{A-1} = 0; returns the sum's logarithm."""
    last = probability_A.size - 1
    top = ZERO
    for a in range(last):
        top = max(top, y[a])
    if last == 1:  # one of the two is exp(0)
        other = math.exp(-abs(y[0]))
        probability_A[0], probability_A[1] = (ONE, other) if y[0] > ZERO else (other, ONE)
    else:
        probability_A[last] = math.exp(-top)
        for a in range(last):
            probability_A[a] = math.exp(y[a] - top)
    total = probability_A[last]
    for a in range(last):
        total += probability_A[a]
    for a in range(last + 1):
        probability_A[a] /= total
    return top + math.log(total)


@njit(fastmath=FAST, error_model="numpy")
def sample(probability_A: Any, uniform: float) -> int:
    """The option whose share of [0, 1), by cumulative probability, holds `uniform`."""
    action = 0
    below = ZERO
    for a in range(probability_A.size - 1):
        below += probability_A[a]
        action += uniform >= below
    return action


@njit
def greedy(y: Any, num_options: int) -> int:
    """The most probable option, the first of several: the last one's head is 0."""
    action, best = 0, y[0] if num_options > 1 else ZERO
    for a in range(1, num_options):
        value = y[a] if a < num_options - 1 else ZERO
        if value > best:
            action, best = a, value
    return action


@njit(fastmath=FAST, error_model="numpy")
def differentiate_choice(
    y: Any, probability_A: Any, log_normaliser: Any, action: int, advantage: Any, ent_coef: Any, d_y: Any
) -> Any:
    """Into d_y the derivative of -log pi_a * advantage - ent_coef * H, where H = -sum_k pi_k log pi_k:

    d/dy_k = (pi_k - [k = a]) * advantage + ent_coef * pi_k * (log pi_k + H)

    Returns log pi_a and H.
    """
    last = probability_A.size - 1
    entropy = log_normaliser
    for k in range(last):
        entropy -= probability_A[k] * y[k]
    for k in range(last):
        d = probability_A[k] * advantage
        if ent_coef != ZERO:
            d += ent_coef * probability_A[k] * (y[k] - log_normaliser + entropy)
        d_y[k] = d
    log_probability = -log_normaliser
    if action < last:
        d_y[action] -= advantage
        log_probability += y[action]
    return log_probability, entropy
