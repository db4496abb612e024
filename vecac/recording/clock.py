"""The time/ metrics."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from vecac.plain import require_count, require_number


class RunClock:
    """Seconds since the first env step, and what happened since the last row, at `row_env_steps`."""

    def __init__(self) -> None:
        self.row_env_steps = 0
        self._before = self._row_before = self._collect_seconds = self._learn_seconds = 0.0
        self.start()

    def start(self) -> None:
        """Time goes on from here: from zero, or from where an earlier process was."""
        now = self._saved_at = time.perf_counter()
        self._started_at, self._row_at = now - self._before, now - self._row_before
        self._stopped_at: float | None = None

    def state_dict(self) -> dict[str, Any]:
        """What another clock needs to go on from here."""
        return {
            "seconds": self.seconds(),
            "row_seconds": self._now() - self._row_at,
            "row_env_steps": self.row_env_steps,
            "collect_seconds": self._collect_seconds,
            "learn_seconds": self._learn_seconds,
        }

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Go on from the `state_dict` of a clock in an earlier process."""
        self._before = require_number(state["seconds"])
        self._row_before = require_number(state["row_seconds"])
        self.row_env_steps = require_count(state["row_env_steps"])
        self._collect_seconds = require_number(state["collect_seconds"])
        self._learn_seconds = require_number(state["learn_seconds"])
        self.start()

    def add(self, collect_seconds: float, learn_seconds: float) -> None:
        """Count the seconds of both phases into the current row."""
        self._collect_seconds += collect_seconds
        self._learn_seconds += learn_seconds

    def stop(self) -> None:
        """Let no more time count, but for `is_save_due`."""
        self._stopped_at = self._now()

    @contextmanager
    def paused(self) -> Iterator[None]:
        """Let no time count meanwhile, but for `is_save_due`."""
        start = time.perf_counter()
        try:
            yield
        finally:
            passed = time.perf_counter() - start
            self._started_at += passed
            self._row_at += passed

    def seconds(self) -> float:
        """Since the first env step."""
        return self._now() - self._started_at

    def row(self, env_steps: int) -> dict[str, float]:
        """The time/ metrics of a row at env_steps, which closes it: the next row starts here."""
        now = self._now()
        passed = now - self._row_at
        row = {
            "time/fps": (env_steps - self.row_env_steps) / passed,
            "time/total_timesteps": env_steps,
            "time/time_elapsed": now - self._started_at,
            "time/collect_fraction": self._collect_seconds / passed,
            "time/learn_fraction": self._learn_seconds / passed,
        }
        self._row_at, self.row_env_steps = now, env_steps
        self._collect_seconds = self._learn_seconds = 0.0
        return row

    def is_save_due(self, interval: float) -> bool:
        """Whether `interval` seconds have passed since this last was True."""
        now = time.perf_counter()
        if now - self._saved_at < interval:
            return False
        self._saved_at = now
        return True

    def _now(self) -> float:
        return time.perf_counter() if self._stopped_at is None else self._stopped_at
