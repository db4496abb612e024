"""A run that owns no process: advanced, recorded, finished by whoever drives it.

It has no signal handler, no console and no process-wide setting.
"""

from collections.abc import Callable, Mapping
from contextlib import ExitStack
from pathlib import Path
from types import MappingProxyType
from typing import Any

from vecac.config import Config
from vecac.engines.contracts import Engine, Report
from vecac.engines.device_faults import noted
from vecac.engines.evaluation import Evaluation, result_fields
from vecac.runs.progress import StopReason
from vecac.runs.recorder import Recorder
from vecac.runs.run_folder import Result


class Run:
    """An engine that trains, and the record of it.

    config, run_dir, engine: as given. best: the best parameters so far.

    Args:
        config: the run's settings.
        run_dir: its folder.
        engine: as new, or loaded.
        device: the one in use, for result.json.
        warn: tells the user what goes wrong but ends nothing.
        state: `run` of the checkpoint that it goes on from.

    Raises:
        ValueError: the state is none of a run.
    """

    def __init__(
        self,
        config: Config,
        run_dir: Path,
        engine: Engine,
        device: str,
        warn: Callable[[str], None],
        state: Mapping[str, Any] | None = None,
    ) -> None:
        self.config, self.run_dir, self.engine, self._device = config, run_dir, engine, device
        self._recorder = Recorder(config, run_dir, engine, warn, state)
        self._progress, self._clock = self._recorder.progress, self._recorder.clock
        self.best = self._recorder.writer.best
        self._resources = ExitStack()

    def owns(self, resources: ExitStack) -> None:
        """Give up what it is made of, such as the engine and the folder's lock, when it is closed."""
        self._resources = resources

    def close(self) -> None:
        """Give up the environments, threads and folder."""
        self._resources.close()

    def start(self, is_new: bool) -> list[str]:
        """Begin the first episodes of a new run; from here on time counts.

        Returns:
            Lines on what a run in this environment cannot do.
        """
        if is_new:
            self.engine.reset()
        caveats = self.engine.caveats()
        self._recorder.writer.flush()
        self._clock.start()
        self._recorder.write_due_row()
        return caveats

    def stop_reason(self) -> StopReason | None:
        """Why training is over, or None while it is not."""
        return self._progress.stop_reason(self.engine.env_steps)

    def advance(self) -> None:
        """Collect and update, for a fraction of a second at most, and record what came of it.

        Raises:
            RunFault: an environment failed, or learning diverged.
        """
        updates = self._progress.updates_until_row(self.engine.env_steps, self._clock.row_env_steps)
        self.record(self.engine.iterate(updates, self._progress.goal()))

    def progress(self) -> tuple[int, float, float]:
        """Env steps, env steps a second, and the mean return: what to show of the run."""
        env_steps = self.engine.env_steps
        return env_steps, env_steps / self._clock.seconds(), self._progress.statistics.mean_return

    def record(self, report: Report) -> None:
        """Take in what the engine has done since the last call, and write what is due."""
        self._recorder.metrics.take(report.last_update)
        self._clock.add(report.collect_seconds, report.learn_seconds)
        self._progress.add(report.episodes, self.engine.env_steps, self._clock.seconds())
        if report.diverged:
            raise self._recorder.divergence()
        self._recorder.write_due_row()
        if self._clock.is_save_due(self.config.checkpoint_interval):
            self._recorder.require_numbers()
            self._recorder.save_last()
        else:
            self._recorder.writer.flush_if_due()

    def stop(self) -> None:
        """Training is over: no time counts from here. Saves the last state.

        Raises:
            RunFault: learning diverged in the last updates.
        """
        self._clock.stop()
        self._recorder.require_numbers()
        self._recorder.save_end()
        if self.stop_reason() is not None:
            # Not at an interruption, whose row a resumed run cuts off: it must not find best.pt to be of it.
            self._recorder.offer_best()

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
        failures: list[str] = []
        with noted(failures):
            self._recorder.save_end()
        with noted(failures):  # a row can do without metrics that cannot be read
            self._recorder.metrics.read()
        with noted(failures):
            self._recorder.write_last_row(evaluations.get("greedy"))
        if failures:
            stop_reason, error = "failed", error or f"the last state could not be read: {failures[0]}"
        result = self._result(stop_reason, evaluations, error)
        failure = self._recorder.writer.finish(result)
        if failure is not None and error is None:
            result = self._result("failed", evaluations, failure)
            self._recorder.writer.correct(result)
        return result

    def _result(
        self, stop_reason: StopReason, evaluations: Mapping[str, Evaluation], error: str | None
    ) -> Result:
        config, engine, seconds = self.config, self.engine, self._clock.seconds()
        statistics, solved = self._progress.statistics, self._progress.solved
        return Result(
            run_dir=self.run_dir,
            env_id=config.env_id,
            env_steps=engine.env_steps,
            updates=engine.updates,
            episodes=statistics.episodes,
            seconds=seconds,
            env_steps_per_s=engine.env_steps / seconds,
            last_100_return_mean=statistics.last_100_return_mean,
            solved_at_env_steps=solved.env_steps,
            solved_at_seconds=solved.seconds,
            best_env_steps=self.best.env_steps,
            best_return_mean=None if self.best.env_steps is None else self.best.mean,
            **result_fields(evaluations),
            stop_reason=stop_reason,
            error=error,
            engine=config.engine,
            learner=config.learner,
            device=self._device,
            device_requested=config.device,
            seed=config.seed,
        )
