"""A run that owns no process: advanced, recorded, finished by whoever drives it."""

from collections.abc import Callable, Mapping
from contextlib import ExitStack
from pathlib import Path
from types import MappingProxyType
from typing import Any

import numpy as np

from vecac.config import Config
from vecac.engines.contracts import Engine, Report
from vecac.engines.device_faults import noted
from vecac.engines.evaluation import Evaluation, result_fields
from vecac.runs.recorder import Recorder
from vecac.runs.run_folder import Result, StopReason


def is_no(answer: Any) -> bool:
    """Whether it is False, Python's or NumPy's; None, which a function that only prints returns, is not."""
    return isinstance(answer, bool | np.bool_) and not answer


class Run:
    """An engine that trains, and the record of it.

    recorder, best, evaluations: what writes it down, and of that, the best parameters so far, and what
    evaluates while it trains. resources: what `close` gives up besides. on_row: as train's, if there is one.

    Args:
        config: with everything decided that was left open.
        run_dir, engine: as `create_run_folder` made it; as new.
        device: the one in use, for result.json.
        warn: tells the user what goes wrong but ends nothing.
    """

    def __init__(
        self, config: Config, run_dir: Path, engine: Engine, device: str, warn: Callable[[str], None]
    ) -> None:
        self.config, self.run_dir, self.engine, self._device = config, run_dir, engine, device
        self.recorder = Recorder(config, run_dir, engine, warn)
        self._progress, self._clock = self.recorder.progress, self.recorder.clock
        self.best, self.evaluations = self.recorder.writer.best, self.recorder.evaluations
        self.resources = ExitStack()
        self.on_row: Callable[[Mapping[str, float]], Any] | None = None
        self._has_last_row = False

    def load_state_dict(self, content: dict[str, Any]) -> list[str]:
        """Go on from a checkpoint's content instead of new; returns lines for the user.

        Raises:
            ValueError: it is of another network, engine or run; see also Engine.load_state_dict.
        """
        notes = self.engine.load_state_dict(content)
        if not self.engine.network.is_finite():
            raise ValueError("its parameters are not finite")
        if content["run"] is not None:  # as in the checkpoint of a run that has not begun
            self.recorder.load_state_dict(content["run"])
        return notes

    def close(self) -> None:
        """Give up its resources."""
        self.evaluations.close()
        self.resources.close()

    def start(self, is_new: bool) -> list[str]:
        """From here on time counts; a new run begins its first episodes. Returns the engine's caveats."""
        if is_new:
            self.engine.reset()
        caveats = self.engine.caveats()
        self.recorder.writer.flush()
        self._clock.start()
        self._do_what_is_due()
        return caveats

    def stop_reason(self) -> StopReason | None:
        """Why training is over, or None while it is not."""
        return self._progress.stop_reason(self.engine.env_steps)

    def until_due(self) -> tuple[int, float | None]:
        """For `Engine.iterate`: the updates until something is due, and the mean return to wait for."""
        return self.recorder.updates_until_due(), self._progress.goal()

    def progress(self) -> tuple[int, float, float]:
        """Env steps, env steps a second, and the mean return: what to show of the run."""
        env_steps = self.engine.env_steps
        return env_steps, env_steps / self._clock.seconds(), self._progress.statistics.mean_return

    def record(self, report: Report) -> None:
        """Take in what the engine has done, and do what is due; RunFault if learning diverged."""
        self.recorder.metrics.take(report.last_update)
        self._clock.add(report.collect_seconds, report.learn_seconds)
        self._progress.add(report.episodes, self.engine.env_steps, self._clock.seconds())
        if report.diverged:
            self.recorder.require_numbers()
        self._do_what_is_due()

    def save_if_due(self) -> None:
        """Save the state, or else the rows, where it is time to; RunFault if learning diverged."""
        if self._clock.is_save_due(self.config.checkpoint_interval):
            self.recorder.require_numbers()
            self.recorder.save_last()
        elif self.recorder.writer.log.is_flush_due():
            self.recorder.writer.flush()

    def stop(self) -> None:
        """Save the last state, since training is over; RunFault if learning diverged in the last updates."""
        self._clock.stop()
        self.recorder.require_numbers()
        self.recorder.save_end()
        if self.stop_reason() is not None:
            # Not at an interruption, whose row a resumed run cuts off: it must not find best.pt to be of it.
            self.recorder.offer_best()

    def finish(
        self,
        stop_reason: StopReason,
        evaluations: Mapping[str, Evaluation] = MappingProxyType({}),
        error: str | None = None,
    ) -> Result:
        """Write the last row, result.json and what could not be written so far, whatever the device does.

        The evaluations are named as in RESULT_PREFIXES. A run whose last state could not be read or saved
        has failed, says the result.
        """
        self._clock.stop()
        failures: list[str] = []
        with noted(failures):
            self.recorder.save_end()
        with noted(failures):  # a row can do without metrics that cannot be read
            self.recorder.metrics.read()
        with noted(failures):
            self._has_last_row = self.recorder.write_last_row(evaluations.get("greedy"))
        if failures:
            stop_reason, error = "failed", error or f"the last state could not be read: {failures[0]}"
        return self.recorder.writer.finish(self._result(stop_reason, evaluations, error))

    def tell_last_row(self) -> None:
        """Call `on_row` with the row of `finish`, if there was one."""
        if self._has_last_row and self.on_row is not None:
            self.on_row(dict(self.recorder.row))

    def _do_what_is_due(self) -> None:
        if self.recorder.do_what_is_due() and self.on_row is not None:
            self._progress.is_stopped = is_no(self.on_row(dict(self.recorder.row)))

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
            solved_at_env_steps=solved[0],
            solved_at_seconds=solved[1],
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
