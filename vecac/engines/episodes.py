"""Finished episodes, found in rollouts.

Shapes: T rollout steps, N environments.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from vecac.plain import fill
from vecac.transition import Episode


class EpisodeTracker:
    """Carries each environment's running return and length from rollout to rollout."""

    def __init__(self, num_envs: int) -> None:
        self._return_N = np.zeros(num_envs)
        self._length_N = np.zeros(num_envs, np.int64)

    def state_dict(self) -> dict[str, Any]:
        """The running returns and lengths (N,)."""
        return {"return_N": self._return_N, "length_N": self._length_N}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Go on from a checkpoint's `state_dict`."""
        fill(self._return_N, state["return_N"])
        fill(self._length_N, state["length_N"])

    def add(
        self,
        env_steps: int,
        reward_TN: NDArray[np.float32],
        ended_TN: NDArray[np.bool_],
        valid_TN: NDArray[np.bool_],
    ) -> list[Episode]:
        """The episodes that ended in a rollout, by step, then by environment.

        Args:
            env_steps: of the run, before this rollout.
            reward_TN: unscaled, 0 in dead rows.
            ended_TN: terminated or truncated; False in dead rows.
            valid_TN: which rows are transitions.
        """
        episodes = []
        num_ended_T, num_valid_T = (mask_TN.sum(axis=1).tolist() for mask_TN in (ended_TN, valid_TN))
        rows = zip(reward_TN, ended_TN, valid_TN, num_ended_T, num_valid_T, strict=True)
        for reward_N, ended_N, valid_N, num_ended, num_valid in rows:
            self._return_N += reward_N
            self._length_N += valid_N
            env_steps += num_valid
            if not num_ended:
                continue
            for index in np.flatnonzero(ended_N):
                episode_return, length = float(self._return_N[index]), int(self._length_N[index])
                episodes.append(Episode(env_steps, episode_return, length, int(index)))
            self._return_N[ended_N] = 0.0
            self._length_N[ended_N] = 0
        return episodes
