"""A peer: EnvPool's CartPole-v1 by itself, in its synchronous mode, driven by random actions."""

import itertools

import envpool
import numpy as np

NUM_STEPS = 10
PREPARED_STEPS = 100
"""Random actions drawn beforehand for as many steps; then they come round again."""


class EnvpoolAlone:
    """All N environments step on EnvPool's own threads, and every call waits for all of them.

    Args:
        num_envs: N.
        num_threads: EnvPool's.
    """

    def __init__(self, num_envs: int, num_threads: int) -> None:
        settings = {"num_envs": num_envs, "num_threads": num_threads, "seed": 1}
        self.envs = envpool.make("CartPole-v1", env_type="gymnasium", **settings)
        actions_TN = np.random.default_rng(1).integers(0, 2, (PREPARED_STEPS, num_envs), dtype=np.int32)
        self._actions = itertools.cycle(actions_TN)
        self._num_envs = num_envs
        self._num_dead_next = 0
        self.envs.reset()

    def advance(self) -> int:
        """Step NUM_STEPS times; the row after an episode's end only resets and does not count."""
        env_steps = 0
        for _ in range(NUM_STEPS):
            _, _, terminated_N, truncated_N, _ = self.envs.step(next(self._actions))
            env_steps += self._num_envs - self._num_dead_next
            self._num_dead_next = int(np.count_nonzero(terminated_N | truncated_N))
        return env_steps
