"""Environments whose step takes long, by computing or by waiting: where worker processes pay.

Importing this module registers them, as Gymnasium's `slow_environments:BurnsCpu-v0` expects.
"""

import time
from collections.abc import Callable
from typing import Any

import gymnasium as gym
import numpy as np
from numpy.typing import NDArray

BURN_SECONDS = 0.008
WAIT_SECONDS = 0.002
EPISODE_STEPS = 200


class SlowEnv(gym.Env[NDArray[np.float32], np.int64]):
    """Spends time in every step and does nothing else; its episodes end by truncation only.

    Args:
        spend_time: called once a step.
    """

    def __init__(self, spend_time: Callable[[], None]) -> None:
        self.observation_space = gym.spaces.Box(-1.0, 1.0, (4,), np.float32)
        self.action_space = gym.spaces.Discrete(2)
        self._spend_time = spend_time

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[NDArray[np.float32], dict[str, Any]]:
        """Start an episode."""
        super().reset(seed=seed)
        return self._obs(), {}

    def step(self, action: np.int64) -> tuple[NDArray[np.float32], float, bool, bool, dict[str, Any]]:
        """Spend the time, whatever the action."""
        self._spend_time()
        return self._obs(), 1.0, False, False, {}

    def _obs(self) -> NDArray[np.float32]:
        return self.np_random.uniform(-1.0, 1.0, 4).astype(np.float32)


def burn_cpu() -> None:
    """Compute for BURN_SECONDS of this thread's own CPU time, however many share the cores."""
    end = time.thread_time() + BURN_SECONDS
    while time.thread_time() < end:
        pass


def wait() -> None:
    """Sleep for WAIT_SECONDS, as an environment does that talks to something else."""
    time.sleep(WAIT_SECONDS)


for env_id, spend_time in (("BurnsCpu-v0", burn_cpu), ("Waits-v0", wait)):
    gym.register(
        env_id,
        f"{__name__}:SlowEnv",
        max_episode_steps=EPISODE_STEPS,
        kwargs={"spend_time": spend_time},
    )
