"""What a network normalises by, kept up to date with the rollouts that it learns from.

Shapes: T rollout steps, N environments, B valid transitions, D observation size.
"""

from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from vecac.algorithm.network import Network
from vecac.algorithm.normalization import RunningMoments
from vecac.algorithm.rollout import Rollout
from vecac.plain import fill


class RunningStatistics:
    """Merges rollouts into a network's obs_norm and return_moments, where it has these.

    Of observations, each that was acted on counts once. Of rewards, unscaled, the discounted return of each
    environment so far, R = r + gamma * R, which begins anew behind every episode's end.

    Rewards are taken in before the update that learns from them: the first of a run, or the first in a long
    while that is not 0, would be divided by what says nothing of its size, and an optimiser's second moments
    would remember that for thousands of updates.
    """

    def __init__(self, network: Network, gamma: float, num_envs: int) -> None:
        self._network, self._gamma = network, gamma
        self._return_N = np.zeros(num_envs)

    def take_in_rewards(self, rollout: Rollout) -> None:
        """Merge the returns at the valid rows of a rollout that is to be learned from."""
        moments = self._network.return_moments
        if moments is not None and rollout.valid_TN.any():
            _merge(moments, self._discounted_returns(rollout), rollout.is_pinned)

    def take_in_observations(self, rollout: Rollout) -> None:
        """Merge the observations at the valid rows of a rollout, once its update is made, in which V(s) and
        V(s') thus are of one function, that which acted."""
        norm = self._network.obs_norm
        if norm is not None and rollout.valid_TN.any():
            _merge(norm, rollout.obs_SND[:-1][rollout.valid_TN].astype(np.float64), rollout.is_pinned)

    def state_dict(self) -> dict[str, Any]:
        """The returns (N,) of the episodes in progress; the moments are the network's."""
        return {"return_N": self._return_N}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Go on from a checkpoint's `state_dict`."""
        fill(self._return_N, state["return_N"])

    def _discounted_returns(self, rollout: Rollout) -> NDArray[np.float64]:
        """(B,), by step, then by environment."""
        return_TN = np.empty(rollout.reward_TN.shape)
        ended_TN = rollout.terminated_TN | rollout.truncated_TN
        for t, ended_N in enumerate(ended_TN):
            return_TN[t] = rollout.reward_TN[t] + self._gamma * self._return_N
            self._return_N = np.where(ended_N, 0.0, return_TN[t])
        return return_TN[rollout.valid_TN]


def _merge(moments: RunningMoments, rows: NDArray[np.float64], is_pinned: bool) -> None:
    """Take in rows (B, ...), found on the host; the device is not waited for."""

    def sent(number: Any) -> Any:
        if moments.mean.device.type == "cpu":
            return number
        tensor = torch.as_tensor(number)
        tensor = tensor.pin_memory() if is_pinned else tensor
        return tensor.to(moments.mean.device, non_blocking=True)

    mean = rows.mean(axis=0)
    moments.merge(sent(mean), sent(np.square(rows - mean).mean(axis=0)), len(rows))
