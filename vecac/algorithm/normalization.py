"""Running mean and variance, as buffers of a network: whatever carries its parameters carries them too.

Shapes: D observation size; `...` is any batch.
"""

from typing import Any

import torch
from torch import Tensor, nn

EPSILON = 1e-8
"""Added to a variance, so that what never changes can be divided by."""


class RunningMoments(nn.Module):
    """Mean and variance (of the population) of all that has been merged so far; before that 0 and 1.

    mean, var: float64, of one shape. count: float64, 0-d.
    """

    mean: Tensor
    var: Tensor
    count: Tensor

    def __init__(self, shape: tuple[int, ...] = ()) -> None:
        super().__init__()
        self.register_buffer("mean", torch.zeros(shape, dtype=torch.float64))
        self.register_buffer("var", torch.ones(shape, dtype=torch.float64))
        self.register_buffer("count", torch.zeros((), dtype=torch.float64))

    def merge(self, mean: Any, var: Any, count: int) -> None:
        """Take in a batch of `count` values, at least 1, of this mean and variance.

        Tensors where the buffers are, or arrays if that is the CPU, where NumPy is faster.

        By the formula for two batches of Chan, Golub and LeVeque (1979): with delta the difference of the
        means, the sum of squared deviations is both batches' and delta^2 * n * m / (n + m).
        """
        own_mean, own_var, own_count = map(_fast, (self.mean, self.var, self.count))
        mean, var = _fast(mean), _fast(var)
        total, delta = own_count + count, mean - own_mean
        squares = own_var * own_count + var * count + delta * delta * (own_count * count / total)
        own_mean += delta * (count / total)
        own_var[...] = squares / total
        own_count[...] = total


class ObservationNorm(RunningMoments):
    """(obs - mean) / sqrt(var + EPSILON), within [-clip, clip], of observations (..., D) float32."""

    shift: Tensor
    scale: Tensor

    def __init__(self, obs_size: int, clip: float) -> None:
        super().__init__((obs_size,))
        self._clip = clip
        # What forward needs, in its dtype; found anew from the moments whenever these change.
        self.register_buffer("shift", torch.zeros(obs_size), persistent=False)
        self.register_buffer("scale", torch.ones(obs_size), persistent=False)
        self.register_load_state_dict_post_hook(_renew)  # type: ignore[no-untyped-call]

    def merge(self, mean: Any, var: Any, count: int) -> None:
        """See RunningMoments."""
        super().merge(mean, var, count)
        _renew(self)

    def forward(self, obs: Tensor) -> Tensor:
        """The normalised observations (..., D)."""
        return (obs - self.shift).mul_(self.scale).clamp_(-self._clip, self._clip)


def _renew(norm: Any, *_: Any) -> None:
    _fast(norm.shift)[...] = _fast(norm.mean)
    _fast(norm.scale)[...] = 1.0 / (_fast(norm.var) + EPSILON) ** 0.5


def _fast(numbers: Any) -> Any:
    """A tensor, or, on the CPU, its array: torch takes several times as long for a few numbers."""
    return numbers.numpy() if isinstance(numbers, Tensor) and numbers.device.type == "cpu" else numbers
