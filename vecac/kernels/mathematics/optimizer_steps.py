"""The optimisers' steps, on flat arrays (M,) of M parameters, and the clipping before them."""

import math
from typing import Any

import numpy as np
from numba import njit

from vecac.kernels.mathematics.arithmetic import FAST, ZERO

BETA1, BETA2 = 0.9, 0.999
"""torch's defaults for Adam."""

ALPHA = 0.99
"""torch's default for RMSprop."""

TINY = np.float32(1e-36)
"""Moments below this become zero: those of a dead unit would otherwise shrink to denormal numbers, stay
there, and slow an update down four times."""


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
    parameters: Any,
    gradient: Any,
    mean: Any,
    square: Any,
    learning_rate: float,
    epsilon: float,
    num_updates: int,
) -> None:
    """Update number num_updates, from 1 (Kingma & Ba 2015, algorithm 1):

    m = beta1 m + (1 - beta1) g       v = beta2 v + (1 - beta2) g^2
    p = p - lr / (1 - beta1^t) * m / (sqrt(v / (1 - beta2^t)) + epsilon)
    """
    beta1, beta2, eps = np.float32(BETA1), np.float32(BETA2), np.float32(epsilon)
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
        parameters[i] -= step_size * m / (math.sqrt(v) * correction + eps)
        mean[i], square[i] = m, v


@njit(fastmath=FAST, error_model="numpy")
def rmsprop(parameters: Any, gradient: Any, square: Any, learning_rate: float, epsilon: float) -> None:
    """An update (Tieleman & Hinton 2012, lecture 6.5; epsilon outside the root, as in torch):

    v = alpha v + (1 - alpha) g^2       p = p - lr * g / (sqrt(v) + epsilon)
    """
    alpha, rest, eps = np.float32(ALPHA), np.float32(1 - ALPHA), np.float32(epsilon)
    step_size = np.float32(learning_rate)
    for i in range(parameters.size):
        g = gradient[i]
        v = alpha * square[i] + rest * g * g
        v = v if v > TINY else ZERO
        parameters[i] -= step_size * g / (math.sqrt(v) + eps)
        square[i] = v
