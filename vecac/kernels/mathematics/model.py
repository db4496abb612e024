"""The memory that every training kernel works on, and the update that ends an iteration.

Shapes: D observation size, M parameters.
"""

from typing import Any, NamedTuple

import numpy as np
from numba import njit

from vecac.kernels.mathematics.arithmetic import FAST
from vecac.kernels.mathematics.layers import sum_gradients
from vecac.kernels.mathematics.optimizer_steps import adam, rmsprop, scale_and_clip
from vecac.kernels.plumbing.choosing import chosen_by_type, has_field


class Model(NamedTuple):
    """The network, its optimiser, and what gradients are made from.

    settings (1,): SETTINGS. parameters, gradient (1,): parameters_dtype; parameters_M, gradient_M: the
    same memory, flat, float32. mean_M, square_M float32: the moments, of which RMSprop has the second alone.
    works, sums (num_blocks,): workspace_dtype and SUMS. norm (1,): moments.norm_dtype where observations are
    normalised, else ().
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
    norm: Any


@chosen_by_type(forceinline=True, fastmath=FAST, error_model="numpy")
def put_obs(model: Any, obs: Any, numbers: Any) -> Any:
    """Write an observation, a tuple or an array (D,), into obs (P,); normalised if the model does that."""

    def as_it_is(model: Any, obs: Any, numbers: Any) -> None:
        for d in range(len(numbers)):
            obs[d] = numbers[d]

    def normalised(model: Any, obs: Any, numbers: Any) -> None:
        norm = model.norm[0]
        for d in range(len(numbers)):
            z = (np.float32(numbers[d]) - norm.shift[d]) * norm.scale[d]
            # Comparisons that let a NaN pass.
            z = norm.clip if z > norm.clip else z
            obs[d] = -norm.clip if z < -norm.clip else z

    return normalised if has_field(model, "norm") else as_it_is


@njit
def update(model: Model, num_rows: int, learning_rate: float, num_updates: int) -> Any:
    """The optimiser's step number num_updates with the rows' mean gradient; its norm before clipping."""
    settings, parameters, gradient = model.settings[0], model.parameters_M, model.gradient_M
    sum_gradients(model.works, gradient, model.gradient[0])
    grad_norm = scale_and_clip(gradient, 1.0 / num_rows, settings.max_grad_norm)
    epsilon = settings.optimizer_eps
    if settings.is_rmsprop:
        rmsprop(parameters, gradient, model.square_M, learning_rate, epsilon)
    else:
        adam(parameters, gradient, model.mean_M, model.square_M, learning_rate, epsilon, num_updates)
    return grad_norm
