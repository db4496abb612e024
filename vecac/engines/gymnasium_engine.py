"""The engine for Gymnasium's vector environments: collect a rollout, then let the learner update."""

import time
from typing import Any

import numpy as np

from vecac.algorithm.network import ActorCritic
from vecac.algorithm.rollout import Rollout
from vecac.config import Config
from vecac.engines.contracts import CALL_SECONDS, NEW_EPISODES, Learner, Report
from vecac.engines.episodes import EpisodeTracker
from vecac.environments.vector import Environments
from vecac.plain import to_arrays
from vecac.seeding import environment_seeds, restart_sequence, seed_sequences


class GymnasiumEngine:
    """Steps the environments by the learner's policy, T at a time, and has it update.

    The counters move with the update: a rollout that is still being collected is not in them.

    Args:
        config: n_rollout, learning_rate, anneal_lr and total_timesteps.
        environments: closed by `close`.
        learner: acts and updates.
    """

    def __init__(self, config: Config, environments: Environments, learner: Learner) -> None:
        self._config = config
        self.environments = environments
        self._learner = learner
        self._rollout = Rollout(
            config.n_rollout,
            environments.num_envs,
            environments.obs_size,
            environments.hides_final_obs,
            learner.device,
        )
        self._tracker = EpisodeTracker(environments.num_envs)
        self._next_step = 0
        self._has_begun = self._can_go_on = False
        self.env_steps = 0
        self.updates = 0

    @property
    def network(self) -> ActorCritic:
        """The parameters, in the torch module that the learner trains."""
        return self._learner.network

    def optimizer_state(self) -> dict[str, Any]:
        """The state_dict of the learner's Adam."""
        return self._learner.optimizer_state()

    def state_dict(self) -> dict[str, Any]:
        """What a checkpoint holds; see Engine."""
        return {
            "network": self.network.state_dict(),
            "optimizer": self.optimizer_state(),
            "env_steps": self.env_steps,
            "updates": self.updates,
            "engine": self._state() if self._has_begun else None,
        }

    def load_state_dict(self, state: dict[str, Any]) -> list[str]:
        """Go on exactly where state_dict was taken; see Engine."""
        self._learner.load_state_dict(state)
        self.env_steps, self.updates = state["env_steps"], state["updates"]
        inner = state["engine"]
        if inner is None:
            self.reset()
            return []
        episodes = inner["episodes"]
        if episodes is None:
            self._restart()
        else:
            self.environments.restore(to_arrays(episodes["environments"]))
            self._tracker.load_state_dict(episodes["tracker"])
            # All T steps are in where the update was what failed.
            self._next_step = range(self._rollout.num_steps + 1).index(episodes["next_step"])
            if self._next_step:
                self._load_rollout(episodes["rollout"])
        rollout = self._rollout if self._next_step else None
        notes = self._learner.load_random_state(inner["policy"], rollout, self.env_steps)
        self._has_begun = self._can_go_on = True
        return [NEW_EPISODES, *notes] if episodes is None else notes

    def caveats(self) -> list[str]:
        """What the environments do not tell, or keep to themselves."""
        env_id, lines = self._config.env_id, []
        if self._environments_state() is None:
            lines.append(
                f"{env_id} does not tell its inner state by get_state and set_state: resuming this run will "
                "restart its episodes"
            )
        if wrappers := self.environments.normalisers():
            returns = (
                "; returns are reported as NormalizeReward scales them"
                if "NormalizeReward" in wrappers
                else ""
            )
            lines.append(
                f"{env_id} is wrapped in {' and '.join(wrappers)}: each copy normalises by statistics of its "
                f"own, which nothing saves, and which evaluation begins without{returns}"
            )
        return lines

    def reset(self) -> None:
        """Start the first episodes; call once, before `iterate`."""
        self.environments.reset()
        self._has_begun = self._can_go_on = True

    def iterate(self, count: int, goal: float | None = None) -> Report:
        """Up to `count` times, collect T x N and update once; see Engine.

        Returns early once an update finds finished episodes, so that they are judged before the next
        one, and after about CALL_SECONDS, if need be in the middle of a rollout, which the next call
        goes on with.
        """
        report = Report()
        deadline = time.perf_counter() + CALL_SECONDS
        for _ in range(count):
            if not self._collect(report, deadline):
                break
            self._update(report)
            if report.episodes or report.diverged or time.perf_counter() > deadline:
                break
        return report

    def last_rollout(self) -> dict[str, Any] | None:
        """The rollout that the last update was made from, unless the next one has begun."""
        return None if self._next_step or not self.updates else self._rollout.state_dict()

    def largest_reward(self) -> float:
        """The largest absolute reward in the rollout buffer."""
        return float(np.abs(self._rollout.reward_TN).max())

    def close(self) -> None:
        """End the environments and the learner's threads."""
        self.environments.close()
        self._learner.close()

    def _state(self) -> dict[str, Any]:
        """What the next iteration depends on; without the episodes in progress if they cannot be saved."""
        environments = self._environments_state()
        episodes = {
            "environments": environments,
            "tracker": self._tracker.state_dict(),
            "next_step": self._next_step,
            "rollout": self._rollout.state_dict() if self._next_step else None,
        }
        return {
            "policy": self._learner.random_state(),
            "episodes": None if environments is None else episodes,
        }

    def _environments_state(self) -> dict[str, Any] | None:
        """What they tell of themselves; None if they do not, or if one of them has failed."""
        if not self._can_go_on:
            return None
        try:
            return self.environments.state()
        except BaseException:  # some have answered, others have not
            self._can_go_on = False
            raise

    def _load_rollout(self, saved: dict[str, Any]) -> None:
        """Take over a rollout in progress; kernels would follow a wrong action anywhere in memory."""
        num_actions = self.environments.num_actions
        if not bool(((saved["action_TN"] >= 0) & (saved["action_TN"] < num_actions)).all()):
            raise ValueError(f"actions that are not in [0, {num_actions})")
        self._rollout.load_state_dict(saved)

    def _restart(self) -> None:
        """Begin new episodes, and not those again that the run began with."""
        sequence = restart_sequence(seed_sequences(self._config.seed).environments, self.env_steps)
        self.environments.reset(environment_seeds(sequence, self.environments.num_envs))

    def _collect(self, report: Report, deadline: float) -> bool:
        """Go on with the rollout until it is complete (True) or the deadline has passed."""
        start = time.perf_counter()
        environments, learner, rollout = self.environments, self._learner, self._rollout
        if self._next_step == 0:
            rollout.start(environments.obs)
            learner.start_rollout(rollout)
        for t in range(self._next_step, rollout.num_steps):
            action_N = learner.act(rollout, t)
            try:
                transition = environments.step(action_N)
            except BaseException:  # some environments have stepped, others not
                self._can_go_on = False
                raise
            rollout.insert(t, transition, environments.obs)
            self._next_step = t + 1
            if time.perf_counter() > deadline:
                break
        complete = self._next_step == rollout.num_steps
        report.collect_seconds += time.perf_counter() - start
        return complete

    def _update(self, report: Report) -> None:
        start = time.perf_counter()
        rollout = self._rollout
        rollout.finish()
        update = self._learner.update(rollout, self._learning_rate())
        if update is not None:
            report.last_update = update
            self.updates += 1
            # A GPU is not waited for here: the next row finds it out.
            report.diverged = self._learner.device.type == "cpu" and not update.has_finite_gradient()
        ended_TN = rollout.terminated_TN | rollout.truncated_TN
        report.episodes = self._tracker.add(self.env_steps, rollout.reward_TN, ended_TN, rollout.valid_TN)
        self.env_steps += int(np.count_nonzero(rollout.valid_TN))
        self._next_step = 0
        report.learn_seconds += time.perf_counter() - start

    def _learning_rate(self) -> float:
        """Annealed by the env steps before this rollout, so the last update's rate is above 0."""
        config = self._config
        if not config.anneal_lr:
            return config.learning_rate
        return config.learning_rate * (1 - self.env_steps / config.total_timesteps)
