"""The memory that every training kernel works on, and the update that ends an iteration.

Shapes: n parameters, B blocks of environments.
"""

from typing import Any, NamedTuple

from numba import njit

from vecac.kernels.mlp import adam, scale_and_clip, sum_gradients


class Model(NamedTuple):
    """The network, its Adam, and what gradients are made from: arrays of records.

    settings (1,): SETTINGS. parameters, gradient (1,): parameters_dtype; parameters_n, gradient_n (n,)
    float32: the same memory, flat. mean_n, square_n (n,) float32: Adam's moments. works (B,):
    workspace_dtype. sums (B,): SUMS.
    """

    settings: Any
    parameters: Any
    gradient: Any
    parameters_n: Any
    gradient_n: Any
    mean_n: Any
    square_n: Any
    works: Any
    sums: Any


@njit
def update(model: Model, num_rows: int, learning_rate: float, num_updates: int) -> Any:
    """Adam's step number num_updates with the blocks' mean gradient; returns its norm before clipping."""
    sum_gradients(model.works, model.gradient[0])
    grad_norm = scale_and_clip(model.gradient_n, 1.0 / num_rows, model.settings[0].max_grad_norm)
    adam(model.parameters_n, model.gradient_n, model.mean_n, model.square_n, learning_rate, num_updates)
    return grad_norm
