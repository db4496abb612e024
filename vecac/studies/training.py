"""A run of a study: trained and evaluated in memory, by the engine that vecac.train would train it with."""

import dataclasses
import time
from collections.abc import Sequence
from contextlib import closing
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from vecac.config import Config
from vecac.engines.compiled_evaluation import evaluate_compiled
from vecac.engines.contracts import Engine, Update
from vecac.engines.divergence import divergence
from vecac.engines.evaluation import Evaluation, cut_after, evaluate, make_evaluation_environments
from vecac.engines.fused_engine import EpisodeRows, FusedEngine
from vecac.engines.selection import engine_maker
from vecac.environments.registry import find_spec
from vecac.runs.building import plan_run
from vecac.runs.first_policy import begin_with
from vecac.runs.progress import Progress
from vecac.seeding import seed_sequences
from vecac.studies.outcome import Curve, Outcome, failed, reason
from vecac.transition import Episode


class Trainer:
    """Trains by one setting with one seed after the other; what no seed changes is done once.

    Args:
        setting: its number in the study.
        config: what to train by; its seed is not looked at.

    Raises:
        UsageError: that cannot run here.
    """

    def __init__(self, setting: int, config: Config) -> None:
        plan = plan_run(config)
        self._setting, self.config, self._first = setting, plan.config, plan.first
        self._make_engine = engine_maker(plan.config, plan.device, plan.config.num_threads)
        self._threshold = find_spec(config.env_id).reward_threshold

    def get_ready(self) -> None:
        """Compile what runs need, where that takes more than to make an engine."""
        with closing(self._make_engine(0)) as engine:
            if isinstance(engine, FusedEngine):
                engine.reset()
                engine.iterate(1)
                for sampled in (False, True) if self.config.eval_episodes else ():
                    evaluate_compiled(engine, 1, sampled=sampled, seed=0, most_steps=1, cut_at=None)

    def train(self, seed: int) -> Outcome:
        """The run with a seed. One that fails says so, whatever failed."""
        try:
            with closing(self._make_engine(seed)) as engine:
                if self._first is not None:
                    begin_with(self._first, self.config, engine)
                return _Training(self.config, seed, engine, self._threshold).run(self._setting)
        except BaseException as error:  # an environment may raise anything, and signals do not come here
            return failed(self._setting, seed, error)


class _Training:
    """A training of which an account can be given even if it fails."""

    def __init__(self, config: Config, seed: int, engine: Engine, threshold: float | None) -> None:
        self._config, self._seed, self._engine = config, seed, engine
        total, rows = config.total_timesteps, config.n_rollout * config.num_envs
        # No rows are written: what a row is due for comes with the end.
        self._progress = Progress(total, config.target_return, threshold, total, rows)
        self._curve = Curve(total)
        self._seconds = 0.0

    def run(self, setting: int) -> Outcome:
        engine, statistics = self._engine, self._progress.statistics
        reached: dict[str, Any] = {}
        try:
            stop_reason, error = self._train(), None
            reached["last_100_return_mean"] = statistics.last_100_return_mean
            reached["solved_at_env_steps"], reached["solved_at_seconds"] = self._progress.solved
            reached["curve_G"] = self._curve.end()
            reached |= self._evaluate()
        except BaseException as caught:
            known = {"curve_G": self._curve.values_G}
            stop_reason, error, reached = "failed", reason(caught), known
        return Outcome(
            setting,
            self._seed,
            stop_reason,
            error=error,
            env_steps=engine.env_steps,
            updates=engine.updates,
            episodes=statistics.episodes,
            seconds=self._seconds,
            **reached,
        )

    def _train(self) -> str:
        engine, progress, last_update = self._engine, self._progress, None
        engine.reset()
        start = time.perf_counter()
        while (stop_reason := progress.stop_reason(engine.env_steps)) is None:
            report = engine.iterate(progress.updates_until_row(engine.env_steps, 0), progress.goal())
            self._seconds = time.perf_counter() - start
            progress.add(report.episodes, engine.env_steps, self._seconds)
            self._curve.add(*_columns(report.episodes), engine.env_steps)
            last_update = report.last_update or last_update
            if report.diverged:
                self._require_numbers(last_update)
        self._require_numbers(last_update)
        return stop_reason

    def _require_numbers(self, last_update: Update | None) -> None:
        metrics = {} if last_update is None else last_update.read()
        if (fault := divergence(self._engine, metrics, self._config.reward_scale)) is not None:
            raise fault

    def _evaluate(self) -> dict[str, Any]:
        if not self._config.eval_episodes:
            return {}
        greedy, sampled = self._evaluations()
        return {
            "eval_return_mean": greedy.mean,
            "eval_return_std": greedy.std,
            "eval_sampled_return_mean": sampled.mean,
            "eval_sampled_return_std": sampled.std,
            "eval_cut_episodes": greedy.cut + sampled.cut,
        }

    def _evaluations(self) -> list[Evaluation]:
        config, engine = self._config, self._engine
        if isinstance(engine, FusedEngine):
            cut_at = cut_after(config)
            most_steps = cut_at or config.max_episode_steps or find_spec(config.env_id).max_episode_steps
            return [
                evaluate_compiled(
                    engine,
                    config.eval_episodes,
                    sampled=sampled,
                    seed=self._seed,
                    most_steps=most_steps,
                    cut_at=cut_at,
                )
                for sampled in (False, True)
            ]
        engine.close()
        config = dataclasses.replace(config, seed=self._seed)
        sequence = seed_sequences(self._seed).evaluation
        with closing(make_evaluation_environments(config, config.eval_episodes)) as environments:
            play = partial(evaluate, engine.network, environments, config.eval_episodes, sequence=sequence)
            played = [play(sampled=sampled) for sampled in (False, True)]
        return [evaluation for evaluation in played if evaluation is not None]


def _columns(episodes: Sequence[Episode]) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """Env steps at the ends of episodes, and their returns."""
    if isinstance(episodes, EpisodeRows):
        return episodes.rows["env_steps"], episodes.rows["episode_return"]
    ends = np.array([episode.env_steps for episode in episodes], np.int64)
    return ends, np.array([episode.episode_return for episode in episodes], np.float64)
