"""The engine for Gymnasium's vector environments: collect a rollout, then let the learner update."""

import time
from typing import Any

import numpy as np

from vecac.algorithm.schedule import rates_at
from vecac.config import Config
from vecac.engines.collector import Collector
from vecac.engines.contracts import CALL_SECONDS, NEW_EPISODES, Learner, Report
from vecac.engines.running_statistics import RunningStatistics
from vecac.environments.vector import Environments
from vecac.seeding import restart_sequence, seed_sequences


class GymnasiumEngine:
    """Steps the environments by the learner's policy, T at a time, and has it update.

    The counters move with the update: a rollout that is still being collected is not in them.

    Args:
        config: its rollout, gamma, rates and total_timesteps; seed and env_id to go on from a state.
        environments: closed by `close`.
        learner: as are its threads.
    """

    def __init__(self, config: Config, environments: Environments, learner: Learner) -> None:
        self._config, self._learner = config, learner
        self._collector = Collector(environments, config.n_rollout, learner.device)
        self._statistics = RunningStatistics(learner.network, config.gamma, environments.num_envs)
        self._has_begun = False
        self.environments, self.network = environments, learner.network
        self.num_threads = learner.num_threads
        self.env_steps = self.updates = 0

    def policy_state(self) -> dict[str, Any]:
        """Enough to play the policy; see Engine."""
        return {**self._learner.state_dict(), "env_steps": self.env_steps, "updates": self.updates}

    def state_dict(self) -> dict[str, Any]:
        """What a checkpoint holds; see Engine."""
        inner = {
            "policy": self._learner.random_state(),
            "episodes": self._collector.state_dict(),
            "statistics": self._statistics.state_dict(),
        }
        return {**self.policy_state(), "engine": inner if self._has_begun else None}

    def load_state_dict(self, state: dict[str, Any]) -> list[str]:
        """Go on exactly where state_dict was taken; see Engine."""
        learner, collector = self._learner, self._collector
        self.take_policy(state)
        self.env_steps = state["env_steps"]
        inner = state["engine"]
        if inner is None:
            self.reset()
            return []
        notes = []
        if inner["episodes"] is None:
            sequence = seed_sequences(self._config.seed).environments
            collector.reset(restart_sequence(sequence, self.env_steps))  # not the episodes that began the run
            notes.append(NEW_EPISODES)
        else:
            collector.load_state_dict(inner["episodes"])
            if "statistics" in inner:  # which checkpoints of format 1 have not
                self._statistics.load_state_dict(inner["statistics"])
        notes += learner.load_random_state(inner["policy"], collector.rollout_in_progress, self.env_steps)
        self._has_begun = True
        return notes

    def take_policy(self, state: dict[str, Any]) -> None:
        """Begin with another engine's policy; see Engine."""
        self._learner.load_state_dict(state)
        self.updates = state["updates"]

    def caveats(self) -> list[str]:
        """What the environments do not tell, or keep to themselves."""
        env_id, lines = self._config.env_id, []
        who, wrappers = self.environments.caveats()
        if who is not None:
            lines.append(
                f"{who} does not tell its inner state by get_state and set_state: resuming this run will "
                "restart its episodes"
            )
        if wrappers:
            scaled = "; returns are reported as NormalizeReward scales them"
            lines.append(
                f"{env_id} is wrapped in {' and '.join(wrappers)}: each copy normalises by statistics of its "
                "own, which nothing saves, and which evaluation begins without"
                + (scaled if "NormalizeReward" in wrappers else "")
            )
        return lines

    def reset(self) -> None:
        """Start the first episodes; call once, before `iterate`."""
        self._collector.reset()
        self._has_begun = True

    def iterate(self, count: int, goal: float | None = None) -> Report:
        """Collect and update; see Engine.

        Returns early once an update finds finished episodes, so that they are judged before the next one, and
        after about CALL_SECONDS, if need be in mid-rollout, where the next call goes on.
        """
        report = Report()
        deadline = time.perf_counter() + CALL_SECONDS
        for _ in range(count):
            start = time.perf_counter()
            complete = self._collector.collect(self._learner, deadline)
            collected = time.perf_counter()
            report.collect_seconds += collected - start
            if not complete:
                break
            self._update(report)
            report.learn_seconds += time.perf_counter() - collected
            if report.episodes or report.diverged or time.perf_counter() > deadline:
                break
        return report

    def last_rollout(self) -> dict[str, Any] | None:
        """The rollout that the last update was made from, unless the next one has begun."""
        is_kept = self.updates and self._collector.rollout_in_progress is None
        return self._collector.rollout.state_dict() if is_kept else None

    def largest_reward(self) -> float:
        """The largest absolute reward in the rollout buffer."""
        return float(np.abs(self._collector.rollout.reward_TN).max())

    def close(self) -> None:
        """End the environments and the learner's threads."""
        self.environments.close()
        self._learner.close()

    def _update(self, report: Report) -> None:
        config, rollout = self._config, self._collector.rollout
        rollout.finish()
        self._statistics.take_in_rewards(rollout)
        update = self._learner.update(rollout, rates_at(config, self.env_steps))
        if update is not None:
            report.last_update = update
            self.updates += 1
            # A GPU is not waited for here: the next row finds it out.
            report.diverged = self._learner.device.type == "cpu" and not update.has_finite_gradient()
        self._statistics.take_in_observations(rollout)
        report.episodes, env_steps = self._collector.finish(self.env_steps)
        self.env_steps += env_steps
