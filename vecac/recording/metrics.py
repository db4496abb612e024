"""The files that the metrics of a run go to."""

import csv
import io
import math
import re
import time
import warnings
from collections.abc import Mapping
from itertools import islice
from pathlib import Path
from typing import Any

from vecac.plain import require_count
from vecac.recording import events
from vecac.recording.files import GrowingFile
from vecac.recording.meanings import METRICS

FLUSH_SECONDS = 1.0
"""How far apart flushes are, so that many rows a second cost few writes."""


class MetricsLog:
    """Writes rows to a run folder's progress.csv and TensorBoard event file, which shows its settings too."""

    def __init__(self, run_dir: Path, settings: Mapping[str, Any]) -> None:
        self._run_dir, self._settings = run_dir, settings
        self._flushed_at = -math.inf
        self._go_on_from(0, "", 0)

    def state_dict(self) -> dict[str, Any]:
        """Where another log can go on once all rows so far are on disk."""
        return {"rows": self._num_rows, "events": self._events.path.name, "events_size": self._events.end}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Go on from the `state_dict` of an earlier process's log: what came later will be cut off."""
        name = state["events"]
        if not re.fullmatch(r"events\.out\.tfevents\.[A-Za-z0-9._-]{1,150}", name):
            raise ValueError(f"{name!r} is no event file's name")
        rows, events_size = require_count(state["rows"]), require_count(state["events_size"])
        self._go_on_from(rows, name, events_size)
        if self._num_rows < rows or self._events.size < events_size:
            warnings.warn(f"{self._run_dir} has lost log rows, and goes on without them", stacklevel=2)

    def write(self, env_steps: int, row: Mapping[str, float]) -> None:
        """Log one row at env_steps, for the next `flush`; what is not finite is left out.

        KeyError if there is a metric that METRICS does not explain.
        """
        for tag in row:
            METRICS[tag]  # raises on one that is not documented
        known = {tag: number for tag, number in row.items() if math.isfinite(number)}
        self._csv.add(_csv_line(known))
        self._events.add(events.scalars(known, env_steps, time.time()))
        self._num_rows += 1

    def add_picture(self, env_steps: int, tag: str, data: bytes, height: int, width: int) -> None:
        """Have TensorBoard show a picture of this size: the bytes of a GIF."""
        self._events.add(events.picture(tag, data, height, width, env_steps))

    def is_flush_due(self) -> bool:
        """Whether there is something to flush and the last attempt was FLUSH_SECONDS ago."""
        has_pending = any(file.end > file.size for file in (self._csv, self._events))
        return has_pending and time.monotonic() - self._flushed_at > FLUSH_SECONDS

    def flush(self, durably: bool = False) -> None:
        """Put everything written so far on disk, safe from a power failure if that is asked for.

        Raises:
            OSError: not all of it is; the next flush goes on where this one failed.
        """
        self._flushed_at = time.monotonic()
        for left_over in self._run_dir.glob("events.out.tfevents.*"):
            if left_over != self._events.path:
                left_over.unlink()
        self._csv.flush(durably)
        self._events.flush(durably)

    def _go_on_from(self, rows: int, events_name: str, events_size: int) -> None:
        """Take up both files behind so many rows and bytes, or begin them anew where that is lost."""
        path = self._run_dir / "progress.csv"
        lines = _lines(path, rows + 1) if rows else []
        self._num_rows = max(0, len(lines) - 1)
        self._csv = GrowingFile(path, sum(map(len, lines)))
        if not lines:
            self._csv.add(_csv_line(dict(zip(METRICS, METRICS, strict=True))))
        path = self._run_dir / events_name
        if events_size and path.is_file() and path.stat().st_size >= events_size:
            self._events = GrowingFile(path, events_size)
            return
        self._events = GrowingFile(self._run_dir / events.file_name())
        self._events.add(events.header())
        self._events.add(events.layout())
        shown_beside = dict.fromkeys(("rollout/ep_rew_mean", "eval/mean_reward"), 0.0)
        self._events.add(events.settings(self._settings, shown_beside))


def _csv_line(row: Mapping[str, Any]) -> bytes:
    buffer = io.StringIO(newline="")
    csv.DictWriter(buffer, METRICS).writerow(row)
    return buffer.getvalue().encode()


def _lines(path: Path, count: int) -> list[bytes]:
    """The first `count` whole lines of a file, or as many as it has."""
    try:
        with open(path, "rb") as file:
            return [line for line in islice(file, count) if line.endswith(b"\n")]
    except FileNotFoundError:
        return []
