"""The record of a run while it trains: rows, the best parameters, the last state.

A checkpoint holds config, the settings; network, optimizer, env_steps and updates of the engine, enough to
play the policy; and, unless it is only to be played, in `engine` whatever else the next iteration depends on,
and in `run` a part each of those who keep the record: plain values, which their owner writes by `state_dict`,
and checks and reads by `load_state_dict`, as new.
"""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from vecac.config import Config
from vecac.engines.contracts import Engine, Update
from vecac.engines.divergence import divergence
from vecac.engines.evaluation import Evaluation
from vecac.environments.registry import find_spec
from vecac.errors import RunFault
from vecac.plain import require_number
from vecac.recording.clock import RunClock
from vecac.recording.meanings import METRICS
from vecac.runs.periodic_evaluation import PeriodicEvaluation, evaluation_metrics
from vecac.runs.progress import Progress, is_reached
from vecac.runs.writer import Writer

NEW_PARTS = ("evaluation", "kept")
"""Which earlier checkpoints have not, of runs that had neither."""


class TrainMetrics:
    """The train/ metrics of the last update, read from the device only where somebody asks."""

    def __init__(self) -> None:
        self._last_update: Update | None = None
        self._metrics: dict[str, float] = {}

    def take(self, update: Update | None) -> None:
        """An update was made; None if there was none."""
        self._last_update = update or self._last_update

    def read(self) -> dict[str, float]:
        """By tag, of the last update, or of the last one before the run was resumed; waits for the device."""
        if self._last_update is not None:
            # Forgotten first: what a GPU did not tell is not asked for again.
            last, self._last_update, self._metrics = self._last_update, None, {}
            self._metrics = last.read()
        return self._metrics

    def state_dict(self) -> dict[str, float]:
        """The metrics."""
        return self.read()

    def load_state_dict(self, state: Mapping[str, float]) -> None:
        """Go on from a `state_dict`."""
        for tag in state:
            METRICS[tag]  # raises on one that there is not
        self._metrics = {tag: require_number(number) for tag, number in state.items()}


class Recorder:
    """Writes down what an engine does, and what can be gone on from; raises where learning has diverged.

    progress, clock, metrics: of the run so far. evaluations: while it trains. writer: of its files. row: the
    last one. The arguments are those of Run.
    """

    def __init__(self, config: Config, run_dir: Path, engine: Engine, warn: Callable[[str], None]) -> None:
        self._engine, self._settings, self._reward_scale = engine, config.to_dict(), config.reward_scale
        goals = config.target_return, find_spec(config.env_id).reward_threshold
        rollout_rows = config.n_rollout * config.num_envs
        self.progress = Progress(config.total_timesteps, *goals, config.log_every, rollout_rows)
        self.clock, self.metrics, self.evaluations = RunClock(), TrainMetrics(), PeriodicEvaluation(config)
        self.writer = Writer(run_dir, self._settings, warn)
        self._parts: dict[str, Any] = {
            "statistics": self.progress.statistics,
            "train_metrics": self.metrics,
            "solved": self.progress,
            "clock": self.clock,
            "log": self.writer.log,
            "evaluation": self.evaluations,
            "kept": self.writer.kept,
            "best_mean": self.writer.best,  # last: it puts a file aside that is not the run's
        }
        self._has_diverged = self._has_ended = False
        self.row: Mapping[str, float] = {}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Have every owner take its part of a checkpoint's `run`; ValueError names one that is none."""
        if not isinstance(state, Mapping) or {*state, *NEW_PARTS} != set(self._parts):
            raise ValueError(f"run has not the parts {', '.join(self._parts)}")
        for name in (name for name in self._parts if name in state):
            try:
                self._parts[name].load_state_dict(state[name])
            except (ValueError, TypeError, LookupError) as error:
                raise ValueError(f"run.{name}: {error}") from error

    def updates_until_due(self) -> int:
        """Updates that overshoot what is due next by no more than one, at least 1."""
        others = self.evaluations.next_at(), self.writer.kept.next_at()
        at = self._engine.env_steps, self.clock.row_env_steps
        return self.progress.updates_until_row(*at, *others)

    def do_what_is_due(self) -> bool:
        """Keep a checkpoint, evaluate, and log the present state, where that is due.

        Returns whether there was a row; the last one is `write_last_row`'s.
        """
        env_steps = self._engine.env_steps
        if is_reached(self.writer.kept.next_at(), env_steps):
            self.require_numbers()
            self.writer.kept.add(env_steps, self._policy())
        is_evaluated = is_reached(self.evaluations.next_at(), env_steps)
        if is_evaluated and not self._evaluate(env_steps):
            return False  # the run is stopped; its row comes with the evaluation once it goes on
        is_due = is_evaluated or env_steps >= self.progress.next_row_at(self.clock.row_env_steps)
        if is_due and self.progress.stop_reason(env_steps) is None:
            self._write_row(self.evaluations.metrics_at(env_steps))
            self.require_numbers()
            self.offer_best()
            return True
        return False

    def write_last_row(self, greedy: Evaluation | None) -> bool:
        """Log the last state with its evaluation, unless it stands there; returns whether it did not."""
        is_new = (env_steps := self._engine.env_steps) > self.clock.row_env_steps
        if is_new:
            known = self.evaluations.metrics_at(env_steps)
            self._write_row(known or ({} if greedy is None else evaluation_metrics(greedy)))
        return is_new

    def offer_best(self) -> None:
        """Keep the parameters, which are known to be numbers, if they are the best so far.

        By the mean return, unless there are evaluations, which look at what they choose between.
        """
        if self.evaluations.next_at() is None:
            self.writer.best.offer(self.progress.statistics.last_100_return_mean, self._policy)

    def require_numbers(self) -> None:
        """Raise the RunFault if learning has diverged; the good checkpoints then stay as they are."""
        fault = divergence(self._engine, self.metrics.read(), self._reward_scale)
        if fault is not None:
            self._has_diverged = True
            raise RunFault(f"{fault}; checkpoints hold the last good parameters")

    def save_last(self) -> None:
        """Save the present state, to go on from."""
        run = {name: part.state_dict() for name, part in self._parts.items()}
        self.writer.save_last({"config": self._settings, **self._engine.state_dict(), "run": run})

    def save_end(self) -> None:
        """Save the last state, or what made it useless; once."""
        if self._has_ended:
            return
        if not self._has_diverged and self._engine.network.is_finite():
            self.save_last()
        elif (rollout := self._engine.last_rollout()) is not None:
            self.writer.save_offender({"rollout": rollout, **self._policy()})
        self._has_ended = True

    def _evaluate(self, env_steps: int) -> bool:
        self.require_numbers()
        with self.clock.paused():
            is_whole = self.evaluations.evaluate(self._engine.network, env_steps)
        if is_whole:
            self.writer.best.offer(self.evaluations.metrics["eval/mean_reward"], self._policy)
        return is_whole

    def _write_row(self, extra: Mapping[str, float]) -> None:
        env_steps, metrics = self._engine.env_steps, self.metrics.read()
        row = self.progress.statistics.row() | self.clock.row(env_steps) | metrics
        updates = {"train/n_updates": self._engine.updates} if metrics else {}
        self.row = {**row, **updates, **extra}
        self.writer.log.write(env_steps, self.row)

    def _policy(self) -> dict[str, Any]:
        """A checkpoint to play; it shares the engine's memory."""
        return {"config": self._settings, **self._engine.policy_state()}
