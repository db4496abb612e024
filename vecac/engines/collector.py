"""Collecting: Gymnasium's environments are stepped by a learner's policy, and a rollout is filled.

Shapes: T rollout steps, N environments.
"""

import time
from typing import Any

import numpy as np
import torch
from numpy.random import SeedSequence

from vecac.algorithm.rollout import Rollout
from vecac.engines.contracts import Learner
from vecac.engines.episodes import EpisodeTracker
from vecac.environments.vector import Environments
from vecac.plain import to_arrays
from vecac.seeding import environment_seeds
from vecac.transition import Episode


class Collector:
    """Environments, closed by whoever made them, with the rollout and the episodes in progress."""

    def __init__(self, environments: Environments, num_steps: int, device: torch.device) -> None:
        sizes = num_steps, environments.num_envs, environments.obs_size, environments.action
        self.environments = environments
        self.rollout = Rollout(*sizes, environments.hides_final_obs, device)
        self.can_go_on = False  # whether the environments are all at the same step
        self._tracker = EpisodeTracker(environments.num_envs)
        self._next_step = 0

    @property
    def rollout_in_progress(self) -> Rollout | None:
        """The rollout, if some of its steps are taken and it is not learned from yet."""
        return self.rollout if self._next_step else None

    def reset(self, sequence: SeedSequence | None = None) -> None:
        """Start the first episodes, or, with a sequence to draw seeds from, others."""
        seeds = None if sequence is None else environment_seeds(sequence, self.environments.num_envs)
        self.environments.reset(seeds)
        self.can_go_on = True

    def collect(self, learner: Learner, deadline: float) -> bool:
        """Go on with the rollout until it is complete (True) or the deadline has passed."""
        environments, rollout = self.environments, self.rollout
        if self._next_step == 0:
            rollout.start(environments.obs)
            learner.start_rollout(rollout)
        for t in range(self._next_step, rollout.num_steps):
            action_N = learner.act(rollout, t)
            try:
                transition = environments.step(action_N)
            except BaseException:  # some environments have stepped, others not
                self.can_go_on = False
                raise
            rollout.insert(t, transition, environments.obs)
            self._next_step = t + 1
            if time.perf_counter() > deadline:
                break
        return self._next_step == rollout.num_steps

    def finish(self, env_steps: int) -> tuple[list[Episode], int]:
        """The episodes that ended in the rollout, which began at env_steps, and its valid transitions."""
        rollout, self._next_step = self.rollout, 0
        ended_TN = rollout.terminated_TN | rollout.truncated_TN
        episodes = self._tracker.add(env_steps, rollout.reward_TN, ended_TN, rollout.valid_TN)
        return episodes, int(np.count_nonzero(rollout.valid_TN))

    def state_dict(self) -> dict[str, Any] | None:
        """The episodes in progress; None if the environments do not tell, or if one of them has failed."""
        if not self.can_go_on:
            return None
        try:
            environments = self.environments.state()
        except BaseException:  # some have answered, others have not
            self.can_go_on = False
            raise
        if environments is None:
            return None
        return {
            "environments": environments,
            "tracker": self._tracker.state_dict(),
            "next_step": self._next_step,
            "rollout": self.rollout.state_dict() if self._next_step else None,
        }

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Go on exactly where state_dict, as a checkpoint brings it back, was taken; instead of `reset`."""
        self.environments.restore(to_arrays(state["environments"]))
        self._tracker.load_state_dict(state["tracker"])
        # All T steps are in where the update was what failed.
        self._next_step = range(self.rollout.num_steps + 1).index(state["next_step"])
        if self._next_step:
            # Kernels would follow a wrong action anywhere in memory.
            self.environments.action.require(state["rollout"]["action_TN"].numpy())
            self.rollout.load_state_dict(state["rollout"])
        self.can_go_on = True
