"""Learning that has diverged: numbers that are none any more, and what may keep them."""

import math
from collections.abc import Mapping

from vecac.engines.contracts import Engine
from vecac.errors import RunFault

LARGE_REWARD = 1e6
"""Scaled rewards from which no learning rate helps: the gradient grows with them until it overflows."""


def divergence(engine: Engine, metrics: Mapping[str, float], reward_scale: float) -> RunFault | None:
    """What is not finite of the last update's loss, its gradient and the parameters, and the remedy, if any.

    It says "by", since on CUDA the update that diverged may be an earlier one. Waits for the device.
    `metrics` are the train/ metrics of the last update, as far as there are any.
    """
    loss, norm = (metrics.get(tag, 0.0) for tag in ("train/loss", "train/grad_norm"))
    if not math.isfinite(loss) or not math.isfinite(norm):
        what = f"the loss ({loss}) or its gradient (norm {norm})"
    elif not engine.network.is_finite():
        what = "a parameter"
    else:
        return None
    reward, remedy = engine.largest_reward(), "lower --learning-rate or set --max-grad-norm"
    if reward * reward_scale > LARGE_REWARD:
        remedy = (
            f"rewards are as large as {reward:.3g}, and {reward * reward_scale:.3g} with --reward-scale "
            f"{reward_scale:g}: lower that, or the rewards themselves"
        )
    return RunFault(
        f"{what} is not finite by update {engine.updates:,}, at {engine.env_steps:,} env steps: {remedy}"
    )
