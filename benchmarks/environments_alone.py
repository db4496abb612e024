"""Vector environments by themselves, driven by random actions. No torch, so that no thread of it exists.

Shapes: T steps, N environments.
"""

import itertools
from collections.abc import Sequence
from typing import Any

import gymnasium as gym
import numpy as np
from gymnasium.vector import AutoresetMode, VectorEnv
from numpy.typing import NDArray

NUM_STEPS = 10
"""T of one `advance`, unless told otherwise: vecac's default rollout."""

PREPARED_STEPS = 100
"""Random actions drawn beforehand for as many steps; then they come round again."""


class EnvironmentsAlone:
    """Vector environments whose row after an episode's end only resets, and does not count.

    Args:
        envs: in NEXT_STEP mode; reset, and closed by `close`.
        actions: rows of N actions.
        num_steps: T.
    """

    num_threads = 1

    def __init__(self, envs: Any, actions: Sequence[NDArray[Any]], num_steps: int = NUM_STEPS) -> None:
        self.envs = envs
        self._num_envs = len(actions[0])
        self._actions = itertools.cycle(actions)
        self._num_steps = num_steps
        self._num_dead_next = 0

    def advance(self) -> int:
        """Step T times; returns the valid env steps."""
        env_steps = 0
        for _ in range(self._num_steps):
            _, _, terminated_N, truncated_N, _ = self.envs.step(next(self._actions))
            env_steps += self._num_envs - self._num_dead_next
            self._num_dead_next = int(np.count_nonzero(terminated_N | truncated_N))
        return env_steps

    def close(self) -> None:
        """Close the environments."""
        self.envs.close()


def gymnasium_alone(envs: VectorEnv[Any, Any, Any], num_steps: int = NUM_STEPS) -> EnvironmentsAlone:
    """A vector environment of Gymnasium's by itself.

    Raises:
        ValueError: another autoreset mode than NEXT_STEP, whose dead rows, if any, are found in other ways.
    """
    mode = envs.metadata["autoreset_mode"]
    if mode is not AutoresetMode.NEXT_STEP:
        raise ValueError(f"dead rows are counted in NEXT_STEP only, not in {mode}")
    envs.action_space.seed(1)
    actions = [envs.action_space.sample() for _ in range(PREPARED_STEPS)]
    envs.reset(seed=1)
    return EnvironmentsAlone(envs, actions, num_steps)


def cartpole_alone(num_envs: int, vectorization_mode: str) -> EnvironmentsAlone:
    """N copies of CartPole-v1, as gymnasium.make_vec makes them by default."""
    return gymnasium_alone(gym.make_vec("CartPole-v1", num_envs, vectorization_mode=vectorization_mode))
