"""Everything a run writes while it trains: log rows, checkpoints, the console, and its result."""

import copy
import math
import time
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any, Literal

from vecac.config import Config
from vecac.engines.contracts import Engine, Report, Update
from vecac.engines.evaluation import Evaluation
from vecac.environments.registry import reward_threshold
from vecac.recording import checkpoint
from vecac.recording.console import Console
from vecac.recording.metrics import EpisodeStatistics, MetricsLog
from vecac.recording.run_folder import Result, write_json

StopReason = Literal["finished", "target_reached", "interrupted", "failed"]


class RunClock:
    """Seconds since the first env step, and what happened since the last row; `stop` freezes both."""

    def __init__(self) -> None:
        self._started_at = self._row_at = self._saved_at = time.perf_counter()
        self._stopped_at: float | None = None
        self._row_env_steps = 0
        self._collect_seconds = self._learn_seconds = 0.0

    def add(self, report: Report) -> None:
        """Count the seconds of a report's phases into the current row."""
        self._collect_seconds += report.collect_seconds
        self._learn_seconds += report.learn_seconds

    def stop(self) -> bool:
        """Let no more time count; False if it had stopped already."""
        was_running = self._stopped_at is None
        self._stopped_at = self._now()
        return was_running

    def seconds(self) -> float:
        """Since the first env step."""
        return self._now() - self._started_at

    def row(self, env_steps: int) -> dict[str, float]:
        """The time/ metrics of a row at env_steps, which closes it: the next row starts here."""
        now = self._now()
        passed = now - self._row_at
        row = {
            "time/fps": (env_steps - self._row_env_steps) / passed,
            "time/total_timesteps": env_steps,
            "time/time_elapsed": now - self._started_at,
            "time/collect_fraction": self._collect_seconds / passed,
            "time/learn_fraction": self._learn_seconds / passed,
        }
        self._row_at, self._row_env_steps = now, env_steps
        self._collect_seconds = self._learn_seconds = 0.0
        return row

    def has_new_steps(self, env_steps: int) -> bool:
        """Whether env_steps is beyond the last row's."""
        return env_steps > self._row_env_steps

    def is_save_due(self, interval: float) -> bool:
        """Whether `interval` seconds have passed since this last was True."""
        now = time.perf_counter()
        if now - self._saved_at < interval:
            return False
        self._saved_at = now
        return True

    def _now(self) -> float:
        return time.perf_counter() if self._stopped_at is None else self._stopped_at


class RunRecorder:
    """Turns an engine's reports into rows, checkpoints and a result.

    Args:
        config: the run's settings.
        run_dir: its new folder.
        engine: read for its counters, network and optimiser.
        device: the one in use, for result.json.
        console: shows the progress.
    """

    def __init__(self, config: Config, run_dir: Path, engine: Engine, device: str, console: Console) -> None:
        self._config = config
        self._run_dir = run_dir
        self._engine = engine
        self._device = device
        self._console = console
        self._threshold = reward_threshold(config.env_id)
        self._statistics = EpisodeStatistics()
        self._log = MetricsLog(run_dir, config.to_dict())
        self._last_update: Update | None = None
        self._solved: tuple[int, float] | tuple[None, None] = (None, None)
        self._best_mean = -math.inf
        self._unsaved_best: dict[str, Any] | None = None
        self._next_row_at = config.log_every
        self._save("latest", self._content())
        self._clock = RunClock()

    def start_clock(self) -> None:
        """The first env step comes next: time counts from here."""
        self._clock = RunClock()

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
        due = min(self._next_row_at, config.total_timesteps) - self._engine.env_steps
        return max(1, due // (config.n_rollout * config.num_envs))

    def record(self, report: Report) -> None:
        """Take in what the engine has done since the last call, and write what is due."""
        self._statistics.add(report.episodes)
        self._last_update = report.last_update or self._last_update
        self._clock.add(report)
        env_steps, seconds = self._engine.env_steps, self._clock.seconds()
        if self._solved[0] is None and self._statistics.reaches(self._threshold):
            self._solved = env_steps, seconds
        # The last row is left to `finish`, which adds the evaluation to it.
        if env_steps >= self._next_row_at and self.stop_reason() is None:
            self._write_row({})
            self._next_row_at = (env_steps // self._config.log_every + 1) * self._config.log_every
        if self._log.flush_when_due():
            self._save_best()
        if self._clock.is_save_due(self._config.checkpoint_interval):
            self._save("latest", self._content())
        self._console.progress(env_steps, env_steps / seconds, self._statistics.mean_return)

    def stop_clock(self) -> None:
        """Training is over: no time counts from here. Saves the last parameters, the first time."""
        if self._clock.stop():
            self._console.close()
            self._save("latest", self._content())

    def finish(
        self,
        stop_reason: StopReason,
        evaluations: Mapping[str, Evaluation] = MappingProxyType({}),
        error: str | None = None,
    ) -> Result:
        """Write the last row and result.json, and close the files.

        Args:
            stop_reason: why the run ends.
            evaluations: "greedy" and "sampled", or nothing.
            error: what went wrong, if the run failed.
        """
        greedy = evaluations.get("greedy")
        try:
            self.stop_clock()
            if greedy is not None:
                self._write_row({"eval/mean_reward": greedy.mean, "eval/mean_ep_length": greedy.mean_length})
            elif self._clock.has_new_steps(self._engine.env_steps):
                self._write_row({})
            self._log.close()
            self._save_best()
        finally:  # whatever else could not be written, this says how the run ended
            result = self._result(stop_reason, evaluations, error)
            write_json(self._run_dir / "result.json", result.to_dict())
        return result

    def _result(
        self, stop_reason: StopReason, evaluations: Mapping[str, Evaluation], error: str | None
    ) -> Result:
        seconds, engine = self._clock.seconds(), self._engine
        greedy, sampled = evaluations.get("greedy"), evaluations.get("sampled")
        return Result(
            run_dir=self._run_dir,
            env_steps=engine.env_steps,
            updates=engine.updates,
            episodes=self._statistics.episodes,
            seconds=seconds,
            env_steps_per_s=engine.env_steps / seconds,
            last_100_return_mean=self._statistics.last_100_return_mean,
            solved_at_env_steps=self._solved[0],
            solved_at_seconds=self._solved[1],
            eval_return_mean=greedy.mean if greedy else None,
            eval_return_std=greedy.std if greedy else None,
            eval_episodes=len(greedy.returns) if greedy else None,
            eval_sampled_return_mean=sampled.mean if sampled else None,
            eval_sampled_return_std=sampled.std if sampled else None,
            stop_reason=stop_reason,
            error=error,
            engine=self._config.engine,
            learner=self._config.learner,
            device=self._device,
            device_requested=self._config.device,
            seed=self._config.seed,
        )

    def _write_row(self, extra: dict[str, float]) -> None:
        """Log the present state, and keep the parameters if their 100-episode mean is the best so far."""
        env_steps = self._engine.env_steps
        row = self._statistics.row() | self._clock.row(env_steps)
        if self._last_update is not None:
            row |= self._last_update.read() | {"train/n_updates": self._engine.updates}
        self._log.write(env_steps, row | extra)
        mean = self._statistics.last_100_return_mean
        if mean is not None and mean > self._best_mean:
            self._best_mean = mean
            self._unsaved_best = copy.deepcopy(self._content())

    def _save_best(self) -> None:
        """Write the best parameters if they are new; a fast engine finds better ones than can be written."""
        if self._unsaved_best is not None:
            self._save("best", self._unsaved_best)
            self._unsaved_best = None

    def _save(self, name: str, content: dict[str, Any]) -> None:
        checkpoint.save(self._run_dir / "checkpoints" / f"{name}.pt", content)

    def _content(self) -> dict[str, Any]:
        """A checkpoint of the present state; it shares the engine's memory."""
        return {
            "config": self._config.to_dict(),
            "network": self._engine.network.state_dict(),
            "optimizer": self._engine.optimizer_state(),
            "env_steps": self._engine.env_steps,
            "updates": self._engine.updates,
        }
