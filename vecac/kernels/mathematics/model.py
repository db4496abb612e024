"""The memory that every training kernel works on, and the update that ends an iteration.

Shapes: M parameters.
"""

from typing import Any, NamedTuple

import numpy as np
from numba import njit

from vecac.kernels.mathematics.mlp import clear
from vecac.kernels.mathematics.optimizer_steps import adam, rmsprop, scale_and_clip


class Model(NamedTuple):
    """The network, its optimiser, and what gradients are made from.

    settings (1,): SETTINGS. parameters, gradient (1,): parameters_dtype; parameters_M, gradient_M: the
    same memory, flat, float32. mean_M, square_M float32: the moments, of which RMSprop has the second alone.
    works, sums (num_blocks,): workspace_dtype and SUMS.
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


@njit
def update(model: Model, num_rows: int, learning_rate: float, num_updates: int) -> Any:
    """The optimiser's step number num_updates with the rows' mean gradient; its norm before clipping."""
    settings, parameters, gradient = model.settings[0], model.parameters_M, model.gradient_M
    sum_gradients(model.works, model.gradient[0])
    grad_norm = scale_and_clip(gradient, 1.0 / num_rows, settings.max_grad_norm)
    epsilon = settings.optimizer_eps
    if settings.is_rmsprop:
        rmsprop(parameters, gradient, model.square_M, learning_rate, epsilon)
    else:
        adam(parameters, gradient, model.mean_M, model.square_M, learning_rate, epsilon, num_updates)
    return grad_norm
