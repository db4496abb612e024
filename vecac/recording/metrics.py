"""The metrics of a run: what each means, the episode statistics, and the files that they go to."""

import csv
import math
import time
from collections import deque
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from torch.utils.tensorboard import SummaryWriter
from torch.utils.tensorboard.summary import hparams

from vecac.transition import Episode

METRICS = {
    "rollout/ep_rew_mean": "mean undiscounted return of the last 100 finished episodes, or all until then",
    "rollout/ep_len_mean": "mean length of the same episodes, in env steps",
    "rollout/episodes": "finished episodes since the start",
    "time/fps": "env steps a second since the previous row, training included",
    "time/total_timesteps": "env steps since the start: valid transitions, dead rows not counted",
    "time/time_elapsed": "seconds since the first env step",
    "time/collect_fraction": "share of the time since the previous row spent on acting and environments",
    "time/learn_fraction": "share of the time since the previous row spent on updates",
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
    """Writes rows to the run folder's TensorBoard event file and to progress.csv."""

    def __init__(self, run_dir: Path, settings: Mapping[str, Any]) -> None:
        self._tensorboard = SummaryWriter(str(run_dir))
        self._csv_file = open(run_dir / "progress.csv", "w", newline="", encoding="utf-8")
        self._csv = csv.DictWriter(self._csv_file, METRICS)
        self._csv.writeheader()
        self._rows: list[tuple[int, float, dict[str, float]]] = []
        self._describe(settings)
        self.flush()

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

    def flush_when_due(self) -> bool:
        """Flush if there is something to and the last time was FLUSH_SECONDS ago; whether it did."""
        is_due = bool(self._rows) and time.monotonic() - self._flushed_at > FLUSH_SECONDS
        if is_due:
            self.flush()
        return is_due

    def flush(self) -> None:
        """Put everything written so far on disk."""
        for env_steps, wall_time, row in self._rows:
            for tag, number in row.items():
                self._tensorboard.add_scalar(tag, number, env_steps, wall_time)
            self._csv.writerow(row)
        self._rows.clear()
        self._csv_file.flush()
        self._tensorboard.flush()
        self._flushed_at = time.monotonic()

    def close(self) -> None:
        """Flush and close both files; may be called twice."""
        if self._csv_file.closed:
            return
        self.flush()
        self._csv_file.close()
        self._tensorboard.close()

    def _describe(self, settings: Mapping[str, Any]) -> None:
        """The config as a text page and as hparams, in this one event file.

        SummaryWriter.add_hparams would put the latter in a folder, and so a run, of its own.
        """
        cells = {name: str(value).replace("|", "\\|") for name, value in settings.items()}
        table = "\n".join(f"| {name} | {cell} |" for name, cell in cells.items())
        self._tensorboard.add_text("config", f"| setting | value |\n| --- | --- |\n{table}", 0)
        # TensorBoard would show True as 1.0000, and does not take None.
        plain = {
            name: value if isinstance(value, int | float) and not isinstance(value, bool) else str(value)
            for name, value in settings.items()
        }
        shown_beside = dict.fromkeys(("rollout/ep_rew_mean", "eval/mean_reward"), 0.0)
        file_writer = self._tensorboard._get_file_writer()  # type: ignore[no-untyped-call]
        for summary in hparams(plain, shown_beside):  # type: ignore[no-untyped-call]
            file_writer.add_summary(summary)


def _mean(numbers: deque[Any]) -> float:
    return sum(numbers) / len(numbers) if numbers else math.nan
