"""What a run has come to, and what follows from it: decisions alone, apart from whoever writes them down."""

import math
from collections import deque
from collections.abc import Sequence
from typing import Any

from vecac.plain import require_count, require_number
from vecac.runs.run_folder import StopReason
from vecac.transition import WINDOW, Episode


class EpisodeStatistics:
    """Counts finished episodes and keeps the last 100."""

    def __init__(self) -> None:
        self.episodes = 0
        self._returns: deque[float] = deque(maxlen=WINDOW)
        self._lengths: deque[int] = deque(maxlen=WINDOW)

    def state_dict(self) -> dict[str, Any]:
        """What other statistics need to go on from here."""
        return {"episodes": self.episodes, "returns": [*self._returns], "lengths": [*self._lengths]}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Go on from a `state_dict`."""
        self.episodes = require_count(state["episodes"])
        self._returns.extend(require_number(number) for number in state["returns"])
        self._lengths.extend(require_count(number) for number in state["lengths"])

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
            "rollout/ep_len_mean": _mean(self._lengths),
            "rollout/episodes": self.episodes,
        }


class Progress:
    """Judges finished episodes: when a row is due, what to stop for, and whether the run is over.

    statistics: of the episodes so far. solved: the env steps and seconds at which the run first reached its
    environment's reward threshold; None before. is_stopped: whether whoever watches the rows has had enough.

    Args:
        total: env steps to train for.
        target, threshold: mean returns at which the run is over, and solved, if there are such.
        log_every: env steps between two rows.
        rollout_rows: T x N.
    """

    def __init__(
        self, total: int, target: float | None, threshold: float | None, log_every: int, rollout_rows: int
    ) -> None:
        self._total, self._target, self._threshold = total, target, threshold
        self._log_every, self._rollout_rows = log_every, rollout_rows
        self.statistics = EpisodeStatistics()
        self.solved: tuple[int, float] | tuple[None, None] = (None, None)
        self.is_stopped = False

    def state_dict(self) -> tuple[int, float] | tuple[None, None]:
        """`solved`; the statistics are a part of their own."""
        return self.solved

    def load_state_dict(self, state: tuple[int, float] | tuple[None, None]) -> None:
        """Go on from a `state_dict`."""
        env_steps, seconds = state
        if env_steps is not None or seconds is not None:
            self.solved = require_count(env_steps), require_number(seconds)

    def add(self, episodes: Sequence[Episode], env_steps: int, seconds: float) -> None:
        """Take in the episodes that finished by an update, which brought the run to env_steps and seconds."""
        self.statistics.add(episodes)
        if self.solved == (None, None) and self.statistics.reaches(self._threshold):
            self.solved = env_steps, seconds

    def stop_reason(self, env_steps: int) -> StopReason | None:
        """Why training is over, or None while it is not."""
        if self.statistics.reaches(self._target):
            return "target_reached"
        if self.is_stopped:
            return "stopped"
        return "finished" if env_steps >= self._total else None

    def goal(self) -> float | None:
        """The next mean return of the last 100 episodes at which something has to be noted or done."""
        goals = (self._threshold if self.solved == (None, None) else None, self._target)
        return min((goal for goal in goals if goal is not None), default=None)

    def next_row_at(self, row_env_steps: int) -> int:
        """The env steps of the next row: rows stand on a grid, so that fast engines write no more."""
        return (row_env_steps // self._log_every + 1) * self._log_every

    def updates_until_row(self, env_steps: int, row_env_steps: int, *others: int | None) -> int:
        """Updates that overshoot neither the next row nor the end by more than one, at least 1.

        others: env steps at which something else is due, if it is.
        """
        points = [self.next_row_at(row_env_steps), self._total, *(at for at in others if at is not None)]
        due = min(points) - env_steps
        return max(1, due // self._rollout_rows)


def is_reached(point: int | None, env_steps: int) -> bool:
    """Whether what is due at some env steps, if it ever is, is due by now."""
    return point is not None and env_steps >= point


def _mean(numbers: deque[Any]) -> float:
    return sum(numbers) / len(numbers) if numbers else math.nan
