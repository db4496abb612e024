"""What came out of a run of a study: a row, and its curve of mean returns on a grid of env steps.

Shapes: G points of a curve.
"""

import dataclasses
import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from vecac.errors import RunFault, UsageError
from vecac.transition import WINDOW

LONGEST_REASON = 1000
"""Characters of an error in a table."""

POINTS = 100
"""Of a curve (G)."""


@dataclass(frozen=True)
class Outcome:
    """A finished run: the fields of result.json that a study keeps, and the curve.

    setting: its number in the study, from 1. error: why it failed, if stop_reason says so; then nothing but
    env_steps, updates, episodes and seconds is known of it. solved_at_env_steps: None if it was not solved.
    curve_G: the mean return of the last 100 episodes, or of all if there were fewer, at total_timesteps * k /
    G env steps for k from 1; NaN before the first episode and after a failure, and the last number after an
    end by --target-return.
    """

    setting: int
    seed: int
    stop_reason: str
    error: str | None = None
    env_steps: int = 0
    updates: int = 0
    episodes: int = 0
    last_100_return_mean: float | None = None
    solved_at_env_steps: int | None = None
    eval_return_mean: float | None = None
    eval_return_std: float | None = None
    eval_sampled_return_mean: float | None = None
    eval_sampled_return_std: float | None = None
    eval_cut_episodes: int | None = None
    seconds: float = 0.0
    solved_at_seconds: float | None = None
    curve_G: NDArray[np.float32] = dataclasses.field(
        default_factory=lambda: np.full(POINTS, math.nan, np.float32), compare=False
    )

    @property
    def final_return(self) -> float:
        """What a run has come to: the greedy evaluation's mean return, or the last in training without one.

        Minus infinity of a run that failed: worse than any return. NaN of one without an episode, or whose
        returns are no numbers.
        """
        if self.stop_reason == "failed":
            return -math.inf
        known = self.last_100_return_mean if self.eval_return_mean is None else self.eval_return_mean
        final = float(self.curve_G[-1]) if known is None else known
        return final if math.isfinite(final) else math.nan


def failed(setting: int, seed: int, error: BaseException | str) -> Outcome:
    """A run that came to nothing."""
    return Outcome(setting, seed, "failed", error if isinstance(error, str) else reason(error))


def reason(error: BaseException) -> str:
    """An exception in a line that can be written down; vecac's own speak for themselves."""
    try:
        text = str(error)
    except Exception:  # of an environment's own class
        text = "it cannot be shown"
    if not isinstance(error, UsageError | RunFault):
        text = f"{type(error).__name__}: {text}"
    line = " ".join(text.split()).encode(errors="backslashreplace").decode()
    return line if len(line) <= LONGEST_REASON else f"{line[:LONGEST_REASON]} ..."


TIMES = ("seconds", "solved_at_seconds")
"""Fields of an Outcome that another study of the same settings would not repeat."""


class Curve:
    """Mean returns at points of env steps, taken from episodes as they finish."""

    def __init__(self, total: int) -> None:
        self._env_steps_G = grid(total)
        self.values_G = np.full(POINTS, math.nan, np.float32)
        self._returns = np.zeros(0)  # the last 100
        self._filled = 0

    def add(self, ends: NDArray[np.int64], returns: NDArray[np.float64], env_steps: int) -> None:
        """Take in the episodes that have finished since, in order; the run is at env_steps now.

        `ends` are the env steps at the episodes' ends.
        """
        filled = int(np.searchsorted(self._env_steps_G, env_steps, side="right"))
        points = slice(self._filled, filled)
        all_returns = np.concatenate([self._returns, returns])
        last = len(self._returns) + np.searchsorted(ends, self._env_steps_G[points], side="right")
        first = np.maximum(last - WINDOW, 0)
        sums = np.concatenate([[0.0], np.cumsum(all_returns)])
        with np.errstate(invalid="ignore", over="ignore"):
            means = ((sums[last] - sums[first]) / np.where(last, last - first, math.nan)).astype(np.float32)
        self.values_G[points] = np.where(np.isfinite(means), means, math.nan)
        self._returns, self._filled = all_returns[-WINDOW:], filled

    def end(self) -> NDArray[np.float32]:
        """The curve of a run that is over: its last mean return at the points that it did not come to."""
        if len(self._returns) and math.isfinite(mean := float(np.float32(self._returns.mean()))):
            self.values_G[self._filled :] = mean
        return self.values_G


def grid(total: int) -> NDArray[np.float64]:
    """Env steps of a curve's points (G,) in runs of a total."""
    return total * np.arange(1, POINTS + 1) / POINTS
