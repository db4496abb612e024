"""The metrics of a run: what each means, the episode statistics, and the files that they go to."""

import csv
import io
import math
import time
import warnings
from collections import deque
from collections.abc import Mapping, Sequence
from itertools import islice
from pathlib import Path
from typing import Any

from vecac.recording import events
from vecac.recording.growing_file import GrowingFile
from vecac.transition import Episode

METRICS = {
    "rollout/ep_rew_mean": "mean undiscounted return of the last 100 finished episodes, or all until then",
    "rollout/ep_len_mean": "mean length of the same episodes, in env steps",
    "rollout/episodes": "finished episodes since the start",
    "time/fps": "env steps a second since the previous row, training included",
    "time/total_timesteps": "env steps since the start: valid transitions, dead rows not counted",
    "time/time_elapsed": "seconds since the first env step",
    "time/collect_fraction": "share of the time since the previous row spent on acting and environments"
    " (on CUDA, on waiting for updates too)",
    "time/learn_fraction": "share of the time since the previous row spent on updates"
    " (on CUDA, on issuing them)",
    "train/loss": "policy_loss + vf_coef * value_loss - ent_coef * entropy of the last update",
    "train/policy_loss": "mean of -log pi(a|s) * TD error over the last update's valid rows",
    "train/value_loss": "mean smooth L1 distance of V(s) to its target, before vf_coef",
    "train/entropy": "mean entropy of the policy in nats (ln A for a policy that does not care)",
    "train/grad_norm": "global L2 norm of the gradient, before any clipping",
    "train/explained_variance": "1 - Var[target - V(s)] / Var[target]; 1 is a perfect critic",
    "train/learning_rate": "Adam's step size in the last update",
    "train/n_updates": "optimiser steps since the start",
    "eval/mean_reward": "mean return of the greedy evaluation after training",
    "eval/mean_ep_length": "mean length of the greedy evaluation's episodes, in env steps",
}
"""Every metric that a run logs, by TensorBoard tag; the x axis is env steps."""

WINDOW = 100
"""Episodes that a mean return is taken over."""

FLUSH_SECONDS = 1.0
"""How far apart flushes are, so that many rows a second cost few writes."""


class EpisodeStatistics:
    """Counts finished episodes and keeps the last 100."""

    def __init__(self) -> None:
        self.episodes = 0
        self._returns: deque[float] = deque(maxlen=WINDOW)
        self._lengths: deque[int] = deque(maxlen=WINDOW)

    def state_dict(self) -> dict[str, Any]:
        """What other statistics need to go on from here."""
        return {
            "episodes": self.episodes,
            "returns": list(self._returns),
            "lengths": list(self._lengths),
        }

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Go on from a `state_dict`."""
        self.episodes = state["episodes"]
        self._returns.extend(state["returns"])
        self._lengths.extend(state["lengths"])

    def add(self, episodes: Sequence[Episode]) -> None:
        """Take in the next finished episodes, in order."""
        self.episodes += len(episodes)
        for episode in episodes[-WINDOW:]:
            self._returns.append(episode.episode_return)
            self._lengths.append(episode.length)

    @property
    def mean_return(self) -> float:
        """Over the last 100 episodes, or all if there are fewer; NaN if there is none."""
        return _mean(self._returns)

    @property
    def mean_length(self) -> float:
        """Of the same episodes."""
        return _mean(self._lengths)

    @property
    def last_100_return_mean(self) -> float | None:
        """Over exactly the last 100 episodes; None before there are 100."""
        return self.mean_return if len(self._returns) == WINDOW else None

    def reaches(self, threshold: float | None) -> bool:
        """Whether the mean of exactly the last 100 episodes is at least the threshold."""
        mean = self.last_100_return_mean
        return threshold is not None and mean is not None and mean >= threshold

    def row(self) -> dict[str, float]:
        """The rollout/ metrics."""
        return {
            "rollout/ep_rew_mean": self.mean_return,
            "rollout/ep_len_mean": self.mean_length,
            "rollout/episodes": self.episodes,
        }


class MetricsLog:
    """Writes rows to the run folder's TensorBoard event file and to progress.csv.

    Args:
        run_dir: the run's folder.
        settings: the config, which the event file shows too.
        position: of the log of an earlier process, to go on from: what came later is cut off.
    """

    def __init__(
        self, run_dir: Path, settings: Mapping[str, Any], position: Mapping[str, Any] | None = None
    ) -> None:
        self._rows: list[tuple[int, float, dict[str, float]]] = []
        position = position or {"rows": 0, "events": "", "events_size": 0}
        path = run_dir / "progress.csv"
        lines = _lines(path, position["rows"] + 1) if position["rows"] else []
        self._num_rows = max(0, len(lines) - 1)
        self._csv = GrowingFile(path, sum(map(len, lines)))
        if not lines:
            self._csv.add(_csv_lines([dict(zip(METRICS, METRICS, strict=True))]))
        self._events = _events_file(run_dir, position, settings)
        if self._num_rows < position["rows"] or self._events.size < position["events_size"]:
            warnings.warn(f"{run_dir} has lost log rows, and goes on without them", stacklevel=2)
        self._flushed_at = -math.inf

    def position(self) -> dict[str, Any]:
        """Where another log can go on once all rows so far are on disk."""
        self._encode()
        return {
            "rows": self._num_rows,
            "events": self._events.path.name,
            "events_size": self._events.end,
        }

    def write(self, env_steps: int, row: Mapping[str, float]) -> None:
        """Log one row at env_steps; a metric that has no value yet, or no finite one, is left out.

        It is on disk after the next `flush`: a fast engine makes rows faster than they can be encoded.

        Raises:
            KeyError: a metric that METRICS does not explain.
        """
        for tag in row:
            METRICS[tag]  # raises on one that is not documented
        known = {tag: number for tag, number in row.items() if math.isfinite(number)}
        self._rows.append((env_steps, time.time(), known))

    def is_flush_due(self) -> bool:
        """Whether there is something to flush and the last attempt was FLUSH_SECONDS ago."""
        has_rows = bool(self._rows) or self._csv.end > self._csv.size or self._events.end > self._events.size
        return has_rows and time.monotonic() - self._flushed_at > FLUSH_SECONDS

    def flush(self, durably: bool = False) -> None:
        """Put everything written so far on disk, safe from a power failure if that is asked for.

        Raises:
            OSError: not all of it is; the next flush goes on where this one failed.
        """
        self._flushed_at = time.monotonic()
        self._encode()
        self._csv.flush(durably)
        self._events.flush(durably)

    def _encode(self) -> None:
        self._csv.add(_csv_lines([row for _, _, row in self._rows]))
        for env_steps, wall_time, row in self._rows:
            self._events.add(events.scalars(row, env_steps, wall_time))
        self._num_rows += len(self._rows)
        self._rows.clear()


def _csv_lines(rows: Sequence[Mapping[str, Any]]) -> bytes:
    buffer = io.StringIO(newline="")
    csv.DictWriter(buffer, METRICS).writerows(rows)
    return buffer.getvalue().encode()


def _events_file(run_dir: Path, position: Mapping[str, Any], settings: Mapping[str, Any]) -> GrowingFile:
    """The event file to go on with, or a new one where it has been lost or there was none."""
    path = run_dir / Path(position["events"]).name
    if position["events_size"] and path.is_file() and path.stat().st_size >= position["events_size"]:
        return GrowingFile(path, position["events_size"])
    for left_over in run_dir.glob("events.out.tfevents.*"):
        left_over.unlink()
    file = GrowingFile(run_dir / events.file_name())
    file.add(events.header())
    shown_beside = dict.fromkeys(("rollout/ep_rew_mean", "eval/mean_reward"), 0.0)
    file.add(events.settings(settings, shown_beside))
    return file


def _lines(path: Path, count: int) -> list[bytes]:
    """The first `count` whole lines of a file, or as many as it has."""
    try:
        with open(path, "rb") as file:
            return [line for line in islice(file, count) if line.endswith(b"\n")]
    except FileNotFoundError:
        return []


def _mean(numbers: deque[Any]) -> float:
    return sum(numbers) / len(numbers) if numbers else math.nan
