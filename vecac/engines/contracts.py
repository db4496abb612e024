"""What engines and learners are to those who use them."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import torch
from numpy.typing import NDArray

from vecac.algorithm.network import Network
from vecac.algorithm.rollout import Rollout
from vecac.algorithm.schedule import Rates
from vecac.environments.vector import Environments
from vecac.transition import Episode

CALL_SECONDS = 0.2
"""About how long one call of an engine may take, so that signals and the console stay alive."""

NEW_EPISODES = "the episodes in progress were not saved: new ones begin"
"""What an engine says when it goes on without them."""


class Update(Protocol):
    """One optimiser step, for the log."""

    def read(self) -> dict[str, float]:
        """The train/ metrics by tag, NaN where undefined; waits for the device."""

    def has_finite_gradient(self) -> bool:
        """Whether the gradient was finite, as its norm tells; waits for the device."""


@dataclass
class Report:
    """What a call of `iterate` brought: finished episodes in order, the last update, seconds by phase.

    The seconds are NaN where collecting and learning are one. On CUDA, learn_seconds only issue an update,
    and the wait for it falls in collect_seconds. diverged: the gradient of the last update is not finite,
    found out where that costs no wait for a device.
    """

    episodes: Sequence[Episode] = ()
    last_update: Update | None = None
    collect_seconds: float = 0.0
    learn_seconds: float = 0.0
    diverged: bool = False


class Engine(Protocol):
    """Whoever can collect rollouts and make updates; the training loop knows nothing more of it."""

    network: Network
    """The parameters, whoever computes with them."""
    num_threads: int
    """CPU threads in use, which may be fewer than were allowed."""

    @property
    def env_steps(self) -> int:
        """Valid transitions so far."""

    @property
    def updates(self) -> int:
        """Optimiser steps so far."""

    def policy_state(self) -> dict[str, Any]:
        """What a checkpoint to play holds of the engine, in the engine's own memory.

        network_spec, network, optimizer (as torch's state_dict, whoever updated), env_steps and updates.
        """

    def state_dict(self) -> dict[str, Any]:
        """`policy_state`, and in `engine` whatever else the next iteration depends on, None before `reset`.

        As plain values, tensors and arrays, in the engine's own memory.
        """

    def load_state_dict(self, state: dict[str, Any]) -> list[str]:
        """Go on exactly where state_dict, as a checkpoint brings it back, was taken; instead of `reset`.

        New episodes begin where the state lacks those in progress: after an environment failed, or if
        environments do not tell their inner state. Returns a line for the user on each thing that does not
        go on as it was.

        Raises:
            ValueError: the state is another network's or engine's, as may be TypeError, LookupError,
                AttributeError, RuntimeError and OverflowError.
            EnvironmentFault: an environment does not take its part, or cannot begin a new episode.
        """

    def take_policy(self, state: dict[str, Any]) -> None:
        """Begin, before `reset`, with the network, the moments and the updates of a `policy_state`.

        Raises as `load_state_dict`.
        """

    def caveats(self) -> list[str]:
        """What a run in this environment cannot do, a line each; asked once its episodes have begun."""

    def reset(self) -> None:
        """Start the first episodes; called once."""

    def iterate(self, count: int, goal: float | None = None) -> Report:
        """Up to `count` times, collect T x N and update once; at most about CALL_SECONDS.

        Returns before the next update once the mean return of the last 100 finished episodes has
        reached `goal`; it may return earlier at any time.
        """

    def last_rollout(self) -> dict[str, Any] | None:
        """The rollout that the last update was made from, if it is kept: RolloutTensors by name."""

    def largest_reward(self) -> float:
        """The largest absolute reward of late, as far as it is kept: to tell why learning diverged."""

    @property
    def environments(self) -> Environments | None:
        """Gymnasium's, which whoever evaluates may go on with; None where kernels step their own."""

    def close(self) -> None:
        """Give up the environments and threads; may be called twice."""


class Learner(Protocol):
    """Whoever acts and updates for the engine that steps Gymnasium's environments."""

    network: Network
    num_threads: int
    """CPU threads in use."""
    device: torch.device
    """Where the rollout buffer has to be."""

    def state_dict(self) -> dict[str, Any]:
        """network_spec, network and optimizer, as in `Engine.policy_state`."""

    def random_state(self) -> dict[str, Any]:
        """The policy's generator, and the numbers that it drew for the rollout in progress."""

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Take over network, optimizer and updates of an engine's state_dict."""

    def load_random_state(self, state: dict[str, Any], rollout: Rollout | None, env_steps: int) -> list[str]:
        """Take over a `random_state` of the run at env_steps, in the middle of a rollout if there is one.

        Returns a line for the user if the random numbers do not go on as they were.
        """

    def start_rollout(self, rollout: Rollout) -> None:
        """Draw the policy's random numbers for the T steps of all N environments at once."""

    def act(self, rollout: Rollout, t: int) -> NDArray[Any]:
        """Sample the actions (N, ...) of step t and keep them in the rollout."""

    def update(self, rollout: Rollout, rates: Rates) -> Update | None:
        """One optimiser step on the mean loss over the valid rows; None, and no step, if there are none."""

    def close(self) -> None:
        """Give up what it holds besides memory."""
