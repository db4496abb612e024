"""A transition and an episode: what those who step environments tell everyone else.

A shape letter means one thing in the whole package, in names such as reward_TN and in docstrings. A file
names those that it uses, in the words of this legend.

Shapes: T rollout steps, S = T + 1, N environments, n environments of one block, B valid transitions,
D observation size, P padded observation size, A actions, K padded heads, H hidden size, I inputs of a
layer, J outputs of a layer, O outputs of a policy, U numbers of an action, L lanes, M parameters, R runs of
one setting, G points of a curve.
"""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray


class Transition(NamedTuple):
    """What one step of every environment was. The arrays are fresh: nothing writes to them later.

    obs (N, D) float32: what the action was taken on.
    reward (N,) float32: unscaled; 0 where not valid.
    terminated, truncated (N,) bool: False where not valid.
    next_obs (N, D) float32: the true successor, before any reset.
    valid (N,) bool: False for a dead row, which only reset an environment and ignored its action.
    """

    obs: NDArray[np.float32]
    reward: NDArray[np.float32]
    terminated: NDArray[np.bool_]
    truncated: NDArray[np.bool_]
    next_obs: NDArray[np.float32]
    valid: NDArray[np.bool_]


class Episode(NamedTuple):
    """A finished episode: env steps of the whole run at its end, undiscounted return, length, who."""

    env_steps: int
    episode_return: float
    length: int
    environment: int


WINDOW = 100
"""Finished episodes that a mean return is taken over."""
