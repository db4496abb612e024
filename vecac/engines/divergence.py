"""Learning that has diverged: numbers that are none any more, and what may keep them."""

import math
from collections.abc import Mapping

from vecac.engines.contracts import Engine
from vecac.errors import RunFault

LARGE_REWARD = 1e6
"""Scaled rewards from which no learning rate helps: the gradient grows with them until it overflows."""


def is_finite(engine: Engine, metrics: Mapping[str, float]) -> bool:
    """Whether the last update's loss, its gradient and the parameters are numbers; waits for the device.

    Args:
        engine: asked for the parameters.
        metrics: the train/ metrics of its last update, as far as there are any.
    """
    numbers = (metrics.get(tag, 0.0) for tag in ("train/loss", "train/grad_norm"))
    return all(map(math.isfinite, numbers)) and engine.network.is_finite()


def divergence(engine: Engine, metrics: Mapping[str, float], reward_scale: float) -> RunFault:
    """The fault that tells what is not finite, and the remedy; see `is_finite`.

    It says "by", since on CUDA the update that diverged may be an earlier one.
    """
    loss, norm = (metrics.get(tag, math.nan) for tag in ("train/loss", "train/grad_norm"))
    what = "a parameter"
    if not math.isfinite(loss) or not math.isfinite(norm):
        what = f"the loss ({loss}) or its gradient (norm {norm})"
    reward, remedy = engine.largest_reward(), "lower --learning-rate or set --max-grad-norm"
    if reward * reward_scale > LARGE_REWARD:
        remedy = (
            f"rewards are as large as {reward:.3g}, and {reward * reward_scale:.3g} with --reward-scale "
            f"{reward_scale:g}: lower that, or the rewards themselves"
        )
    return RunFault(
        f"{what} is not finite by update {engine.updates:,}, at {engine.env_steps:,} env steps: {remedy}; "
        "checkpoints hold the last good parameters"
    )
