"""Running mean and variance of observations and of returns, as algorithm/normalization.py defines them.

Shapes: T rollout steps, S = T + 1, N environments, D observation size.
"""

import math
from typing import Any

import numpy as np
from numba import njit

from vecac.kernels.plumbing.choosing import chosen_by_type, has_field

RETURN_MOMENTS = np.dtype(
    [(name, np.float64) for name in ("mean", "var", "count", "epsilon", "reward_scale")], align=True
)
"""Of discounted returns; and what rewards are multiplied by before they are divided by the standard
deviation."""


def norm_dtype(obs_size: int) -> "np.dtype[Any]":
    """What observations are normalised by: shift and scale (D,), clip; and found from: mean and var (D,) of
    count rows. sum and square_sum (D,) are scratch."""
    fields: list[Any] = [(name, np.float32, (obs_size,)) for name in ("shift", "scale")]
    fields += [(name, np.float64, (obs_size,)) for name in ("mean", "var", "sum", "square_sum")]
    return np.dtype(
        [*fields, ("count", np.float64), ("epsilon", np.float64), ("clip", np.float32)], align=True
    )


@njit
def _merged(mean: float, var: float, count: float, total: float, square_total: float, rows: int) -> Any:
    """Mean and variance with `rows` more numbers, whose distances from the mean, and their squares, add up to
    `total` and `square_total`; see normalization.RunningMoments."""
    delta = total / rows
    others = max(0.0, square_total - total * delta)
    share = rows / (count + rows)
    return mean + delta * share, (var * count + others + delta * delta * count * share) / (count + rows)


@chosen_by_type()
def take_in_observations(model: Any, obs_SND: Any) -> Any:
    """Merge the first T rows of observations into what the model normalises by, if it does."""

    def merge(model: Any, obs_SND: Any) -> None:
        norm = model.norm[0]
        num_steps, num_envs, obs_size = obs_SND.shape[0] - 1, obs_SND.shape[1], norm.mean.size
        norm.sum[:] = 0.0
        norm.square_sum[:] = 0.0
        for t in range(num_steps):
            for index in range(num_envs):
                for d in range(obs_size):
                    distance = obs_SND[t, index, d] - norm.mean[d]
                    norm.sum[d] += distance
                    norm.square_sum[d] += distance * distance
        rows = num_steps * num_envs
        for d in range(obs_size):
            norm.mean[d], norm.var[d] = _merged(
                norm.mean[d], norm.var[d], norm.count, norm.sum[d], norm.square_sum[d], rows
            )
            norm.shift[d] = norm.mean[d]
            norm.scale[d] = 1.0 / math.sqrt(norm.var[d] + norm.epsilon)
        norm.count += rows

    return merge if has_field(model, "norm") else lambda model, obs_SND: None


@njit
def take_in_returns(moments: Any, return_N: Any, rollout: Any, settings: Any) -> None:
    """Merge the discounted returns of a rollout's rows, and set settings.reward_scale by them.

    Args:
        moments: RETURN_MOMENTS.
        return_N: float64, of the episodes in progress, which are gone on with.
        rollout: reward_TN, terminated_TN, truncated_TN; all rows are valid.
        settings: SETTINGS.
    """
    num_steps, num_envs = rollout.reward_TN.shape
    total = square_total = 0.0
    for t in range(num_steps):
        for index in range(num_envs):
            return_N[index] = rollout.reward_TN[t, index] + settings.gamma * return_N[index]
            distance = return_N[index] - moments.mean
            total += distance
            square_total += distance * distance
            if rollout.terminated_TN[t, index] or rollout.truncated_TN[t, index]:
                return_N[index] = 0.0
    rows = num_steps * num_envs
    moments.mean, moments.var = _merged(moments.mean, moments.var, moments.count, total, square_total, rows)
    moments.count += rows
    settings.reward_scale = moments.reward_scale / math.sqrt(moments.var + moments.epsilon)
