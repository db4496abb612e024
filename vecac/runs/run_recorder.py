"""Everything a run writes while it trains: log rows, checkpoints, the console, and its result."""

import math
from collections.abc import Mapping
from contextlib import suppress
from functools import partial
from pathlib import Path
from types import MappingProxyType
from typing import Any, Literal

from vecac.config import Config
from vecac.engines.contracts import Engine, Report, Update
from vecac.engines.device_faults import noted
from vecac.engines.divergence import divergence, is_finite
from vecac.engines.evaluation import Evaluation, result_fields
from vecac.environments.registry import reward_threshold
from vecac.errors import RunFault
from vecac.recording import checkpoint
from vecac.recording.atomic import write_atomically
from vecac.recording.best import BestCheckpoint
from vecac.recording.clock import RunClock
from vecac.recording.metrics import EpisodeStatistics, MetricsLog
from vecac.recording.saver import Saver
from vecac.runs.run_folder import Result, write_json
from vecac.shell.console import Console

StopReason = Literal["finished", "target_reached", "interrupted", "failed"]


class RunRecorder:
    """Turns an engine's reports into rows, checkpoints and a result.

    best: the best parameters so far.

    A checkpoint brings the rows before it on disk first, so that it can be gone on from; whatever cannot
    be written stays in memory until it can.

    Args:
        config: the run's settings.
        run_dir: its folder.
        engine: read for its counters, network and state.
        device: the one in use, for result.json.
        console: shows the progress.
        state: of the recorder that wrote the checkpoint which the run goes on from.
    """

    def __init__(
        self,
        config: Config,
        run_dir: Path,
        engine: Engine,
        device: str,
        console: Console,
        state: dict[str, Any] | None = None,
    ) -> None:
        state = state or {}
        self._config = config
        self._run_dir = run_dir
        self._engine = engine
        self._device = device
        self._console = console
        self._threshold = reward_threshold(config.env_id)
        self._statistics = EpisodeStatistics()
        if state:
            self._statistics.load_state_dict(state["statistics"])
        self._log = MetricsLog(run_dir, config.to_dict(), state.get("log"))
        self._saver = Saver(console.warning, str(run_dir))
        self._last_update: Update | None = None
        self._train_metrics: dict[str, float] = state.get("train_metrics", {})
        self._solved: tuple[int | None, float | None] = state.get("solved", (None, None))
        self.best = BestCheckpoint(run_dir / "checkpoints" / "best.pt", state.get("best_mean", -math.inf))
        self._has_diverged = self._has_ended = False
        self._unsaved_last: bytes | None = None
        self._clock_state = state.get("clock")
        self._clock = RunClock(self._clock_state)
        self._saver.attempt(self._save_pending)

    def start_clock(self) -> None:
        """The first env step comes next: time goes on from here."""
        self._clock = RunClock(self._clock_state)
        self._write_due_row()

    def stop_reason(self) -> StopReason | None:
        """Why training is over, or None while it is not."""
        if self._statistics.reaches(self._config.target_return):
            return "target_reached"
        return "finished" if self._engine.env_steps >= self._config.total_timesteps else None

    def goal(self) -> float | None:
        """The next mean return of the last 100 episodes at which something has to be noted or done."""
        is_unsolved = self._solved[0] is None and self._threshold is not None
        goals = [self._threshold if is_unsolved else None, self._config.target_return]
        return min((goal for goal in goals if goal is not None), default=None)

    def updates_until_row(self) -> int:
        """Updates that overshoot neither the next row nor the end by more than one, at least 1."""
        config = self._config
        due = min(self._next_row_at(), config.total_timesteps) - self._engine.env_steps
        return max(1, due // (config.n_rollout * config.num_envs))

    def record(self, report: Report) -> None:
        """Take in what the engine has done since the last call, and write what is due."""
        self._statistics.add(report.episodes)
        self._last_update = report.last_update or self._last_update
        self._clock.add(report.collect_seconds, report.learn_seconds)
        if report.diverged:
            raise self._divergence()
        env_steps, seconds = self._engine.env_steps, self._clock.seconds()
        if self._solved[0] is None and self._statistics.reaches(self._threshold):
            self._solved = env_steps, seconds
        self._write_due_row()
        if self._clock.is_save_due(self._config.checkpoint_interval):
            self._require_numbers()
            self._save_last()
        elif self._log.is_flush_due():
            self._saver.attempt(self._save_pending)
        self._console.progress(env_steps, env_steps / seconds, self._statistics.mean_return)

    def stop_clock(self) -> None:
        """Training is over: no time counts from here. Saves the last state.

        Raises:
            RunFault: learning diverged in the last updates.
        """
        self._clock.stop()
        self._console.close()
        self._require_numbers()
        self._save_end()
        if self.stop_reason() is not None:
            # Not at an interruption, whose row a resumed run cuts off: it must not find best.pt to be of it.
            self._offer_best()

    def _save_end(self) -> None:
        """Save the last state, or what made it useless; once."""
        if self._has_ended:
            return
        if not self._has_diverged and self._engine.network.is_finite():
            self._save_last()
        elif (rollout := self._engine.last_rollout()) is not None:
            path = self._run_dir / "checkpoints" / "offending_rollout.pt"
            content = {"rollout": rollout, **self._content()}
            self._saver.attempt(lambda: checkpoint.save(path, content))
        self._has_ended = True

    def finish(
        self,
        stop_reason: StopReason,
        evaluations: Mapping[str, Evaluation] = MappingProxyType({}),
        error: str | None = None,
    ) -> Result:
        """Write the last row, result.json and what could not be written so far, whatever the device does.

        Args:
            stop_reason: why the run ends.
            evaluations: named as in evaluation.RESULT_PREFIXES, or nothing.
            error: what went wrong, if the run failed.

        Returns:
            The result; a run whose last state could not be read or saved has failed.
        """
        self._clock.stop()
        self._console.close()
        failures: list[str] = []
        with noted(failures):
            self._save_end()
        with noted(failures):  # a row can do without metrics that cannot be read
            self._last_metrics()
        with noted(failures):
            self._write_last_row(evaluations.get("greedy"))
        if failures:
            stop_reason, error = "failed", error or f"the last state could not be read: {failures[0]}"
        result = self._result(stop_reason, evaluations, error)
        if self._saver.attempt(partial(self._save_all, result)) or error is not None:
            return result
        error = f"the last state could not be saved in {self._run_dir}: {self._saver.failure}"
        result = self._result("failed", evaluations, error)
        with suppress(OSError):
            write_json(self._run_dir / "result.json", result.to_dict())
        return result

    def _write_last_row(self, greedy: Evaluation | None) -> None:
        if self._engine.env_steps > self._clock.row_env_steps:
            evaluation: dict[str, float] = {}
            if greedy is not None:
                evaluation = {"eval/mean_reward": greedy.mean, "eval/mean_ep_length": greedy.mean_length}
            self._write_row(evaluation)

    def _result(
        self, stop_reason: StopReason, evaluations: Mapping[str, Evaluation], error: str | None
    ) -> Result:
        config, engine, seconds, best = self._config, self._engine, self._clock.seconds(), self.best
        return Result(
            run_dir=self._run_dir,
            env_id=config.env_id,
            env_steps=engine.env_steps,
            updates=engine.updates,
            episodes=self._statistics.episodes,
            seconds=seconds,
            env_steps_per_s=engine.env_steps / seconds,
            last_100_return_mean=self._statistics.last_100_return_mean,
            solved_at_env_steps=self._solved[0],
            solved_at_seconds=self._solved[1],
            best_env_steps=best.env_steps,
            best_return_mean=None if best.env_steps is None else best.mean,
            **result_fields(evaluations),
            stop_reason=stop_reason,
            error=error,
            engine=config.engine,
            learner=config.learner,
            device=self._device,
            device_requested=config.device,
            seed=config.seed,
        )

    def _next_row_at(self) -> int:
        """The env steps of the next row: rows stand on a grid, so that fast engines write no more."""
        return (self._clock.row_env_steps // self._config.log_every + 1) * self._config.log_every

    def _write_due_row(self) -> None:
        """Log the present state if a row is due; the last one is `finish`'s, which adds the evaluation."""
        if self._engine.env_steps >= self._next_row_at() and self.stop_reason() is None:
            self._write_row({})
            self._require_numbers()
            self._offer_best()

    def _require_numbers(self) -> None:
        """Raise the fault if learning has diverged."""
        if not is_finite(self._engine, self._last_metrics()):
            raise self._divergence()

    def _write_row(self, extra: dict[str, float]) -> None:
        """Log the present state."""
        env_steps, metrics = self._engine.env_steps, self._last_metrics()
        self._log.write(env_steps, self._statistics.row() | self._clock.row(env_steps) | metrics | extra)

    def _offer_best(self) -> None:
        """Keep the parameters, which are known to be numbers, if they are the best so far."""
        self.best.offer(self._statistics.last_100_return_mean, self._content)

    def _last_metrics(self) -> dict[str, float]:
        """The train/ metrics of the last update, or of the last one before the run was resumed."""
        if self._last_update is not None:
            # Forgotten first: what a GPU did not tell is not asked for again.
            last, self._last_update, self._train_metrics = self._last_update, None, {}
            self._train_metrics = last.read()
        updates = {"train/n_updates": self._engine.updates} if self._train_metrics else {}
        return self._train_metrics | updates

    def _divergence(self) -> RunFault:
        """The fault to raise; from here on the good checkpoints stay as they are."""
        self._has_diverged = True
        return divergence(self._engine, self._last_metrics(), self._config.reward_scale)

    def _save_last(self) -> None:
        """Have the present state written, with the rows that lead to it."""
        self._unsaved_last = checkpoint.encode(self._state())
        self._saver.attempt(self._save_pending)

    def _save_all(self, result: Result) -> None:
        """Write whatever is not on disk yet, and result.json whether the rest can be written or not."""
        try:
            self._save_pending()
        finally:
            write_json(self._run_dir / "result.json", result.to_dict())

    def _save_pending(self) -> None:
        """Write whatever is not on disk yet: rows, then the best parameters, then the last state."""
        self._log.flush(durably=self._unsaved_last is not None)
        self.best.save()
        if self._unsaved_last is not None:
            write_atomically(self._run_dir / "checkpoints" / "latest.pt", self._unsaved_last)
            self._unsaved_last = None

    def _content(self) -> dict[str, Any]:
        """A checkpoint to evaluate; it shares the engine's memory."""
        return {
            "config": self._config.to_dict(),
            "network": self._engine.network.state_dict(),
            "optimizer": self._engine.optimizer_state(),
            "env_steps": self._engine.env_steps,
            "updates": self._engine.updates,
        }

    def _state(self) -> dict[str, Any]:
        """A checkpoint that the run can be gone on from."""
        metrics = self._last_metrics()
        metrics.pop("train/n_updates", None)
        run = {
            "statistics": self._statistics.state_dict(),
            "train_metrics": metrics,
            "solved": self._solved,
            "best_mean": self.best.mean,
            "clock": self._clock.state_dict(),
            "log": self._log.position(),
        }
        return {"config": self._config.to_dict(), **self._engine.state_dict(), "run": run}
