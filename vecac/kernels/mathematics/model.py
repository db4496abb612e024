"""The memory that every training kernel works on, and the update that ends an iteration.

Shapes: M parameters.
"""

import math
from typing import Any, NamedTuple

import numpy as np
from numba import njit

from vecac.kernels.mathematics.mlp import FAST, ZERO, clear

BETA1, BETA2, EPSILON = 0.9, 0.999, 1e-8
"""torch's defaults for Adam."""

TINY = np.float32(1e-36)
"""Moments below this become zero: those of a dead unit would otherwise shrink to denormal numbers, stay
there, and slow Adam down four times."""


class Model(NamedTuple):
    """The network, its Adam, and what gradients are made from.

    settings (1,): SETTINGS. parameters, gradient (1,): parameters_dtype; parameters_M, gradient_M: the
    same memory, flat, float32. mean_M, square_M float32: Adam's moments. works, sums (num_blocks,):
    workspace_dtype and SUMS.
    """

    settings: Any
    parameters: Any
    gradient: Any
    parameters_M: Any
    gradient_M: Any
    mean_M: Any
    square_M: Any
    works: Any
    sums: Any


@njit
def _add(total_H: Any, part_H: Any, sign: Any) -> None:
    for j in range(total_H.size):
        total_H[j] += sign * part_H[j]


@njit
def sum_gradients(works: Any, gradient: Any) -> None:
    """The sum of the works' gradients, in their order, for all A + 1 heads."""
    clear(gradient)
    one = np.float32(1)
    last = gradient.heads_bias.size - 2  # the last logit
    for i in range(works.size):
        part = works[i].gradient
        for d in range(part.fc1_weight.shape[0]):
            _add(gradient.fc1_weight[d], part.fc1_weight[d], one)
        _add(gradient.fc1_bias, part.fc1_bias, one)
        for a in range(last):
            _add(gradient.heads_weight[a], part.heads_weight[a], one)
            _add(gradient.heads_weight[last], part.heads_weight[a], -one)
            gradient.heads_bias[a] += part.heads_bias[a]
            gradient.heads_bias[last] -= part.heads_bias[a]
        _add(gradient.heads_weight[last + 1], part.heads_weight[last], one)
        gradient.heads_bias[last + 1] += part.heads_bias[last]


@njit(fastmath=FAST, error_model="numpy")
def scale_and_clip(gradient: Any, scale: float, max_norm: float) -> float:
    """Multiply the gradient (M,) by scale, then as torch's clip_grad_norm_ does; the norm between."""
    squares = ZERO
    for i in range(gradient.size):
        squares += gradient[i] * gradient[i]
    norm = scale * math.sqrt(squares)
    factor = np.float32(scale * min(1.0, max_norm / (norm + 1e-6)))
    for i in range(gradient.size):
        gradient[i] *= factor
    return norm


@njit(fastmath=FAST, error_model="numpy")
def adam(
    parameters: Any, gradient: Any, mean: Any, square: Any, learning_rate: float, num_updates: int
) -> None:
    """Update number num_updates (from 1), on flat arrays (M,) (Kingma & Ba 2015, algorithm 1):

    m = beta1 m + (1 - beta1) g       v = beta2 v + (1 - beta2) g^2
    p = p - lr / (1 - beta1^t) * m / (sqrt(v / (1 - beta2^t)) + epsilon)
    """
    beta1, beta2, epsilon = np.float32(BETA1), np.float32(BETA2), np.float32(EPSILON)
    # Not one - beta: in float32 that is wrong in the fifth digit for beta2.
    rest1, rest2 = np.float32(1 - BETA1), np.float32(1 - BETA2)
    step_size = np.float32(learning_rate / (1 - BETA1**num_updates))
    correction = np.float32(1 / math.sqrt(1 - BETA2**num_updates))
    for i in range(parameters.size):
        g = gradient[i]
        m = beta1 * mean[i] + rest1 * g
        v = beta2 * square[i] + rest2 * g * g
        m = m if abs(m) > TINY else ZERO
        v = v if v > TINY else ZERO
        parameters[i] -= step_size * m / (math.sqrt(v) * correction + epsilon)
        mean[i], square[i] = m, v


@njit
def update(model: Model, num_rows: int, learning_rate: float, num_updates: int) -> Any:
    """Adam's step number num_updates with the rows' mean gradient; returns its norm before clipping."""
    sum_gradients(model.works, model.gradient[0])
    grad_norm = scale_and_clip(model.gradient_M, 1.0 / num_rows, model.settings[0].max_grad_norm)
    adam(model.parameters_M, model.gradient_M, model.mean_M, model.square_M, learning_rate, num_updates)
    return grad_norm
