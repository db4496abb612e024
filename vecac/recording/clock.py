"""The time/ metrics."""

import time
from typing import Any


class RunClock:
    """Seconds since the first env step, and what happened since the last row; `stop` freezes both.

    row_env_steps: env steps at the last row.

    Args:
        state: of a clock in an earlier process, to go on from.
    """

    def __init__(self, state: dict[str, Any] | None = None) -> None:
        state = state or {}
        now = self._saved_at = time.perf_counter()
        self._started_at: float = now - state.get("seconds", 0.0)
        self._row_at = now - state.get("row_seconds", 0.0)
        self.row_env_steps: int = state.get("row_env_steps", 0)
        self._collect_seconds = state.get("collect_seconds", 0.0)
        self._learn_seconds = state.get("learn_seconds", 0.0)
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

    def add(self, collect_seconds: float, learn_seconds: float) -> None:
        """Count the seconds of both phases into the current row."""
        self._collect_seconds += collect_seconds
        self._learn_seconds += learn_seconds

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
