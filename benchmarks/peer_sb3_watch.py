"""What Stable-Baselines3 reaches while it trains, and when: the mean return of the last 100 episodes."""

import time
from collections import deque

from stable_baselines3.common.callbacks import BaseCallback

WINDOW = 100

Point = tuple[int, float, float | None]
"""Env steps, seconds since the first of them, mean return of the last 100 episodes."""


class Watch(BaseCallback):  # type: ignore[misc]
    """Follows the returns, which are those that Monitor tells, as the environments gave them.

    Args:
        until: the training stops once exactly the last 100 episodes return this much on average, which is
            judged after every step of the environments; None is never.
        curve_every: env steps between the points of the curve; None is no curve.
    """

    def __init__(self, until: float | None = None, curve_every: int | None = None) -> None:
        super().__init__()
        self._until = until
        self._curve_every = curve_every
        self._returns: deque[float] = deque(maxlen=WINDOW)
        self._started_at = 0.0
        self.seconds = 0.0
        """From the first env step to the end of the training."""
        self.solved: tuple[int, float] | tuple[None, None] = (None, None)
        self.curve: list[Point] = []

    def _on_training_start(self) -> None:
        self._started_at = time.perf_counter()

    def _elapsed(self) -> float:
        return time.perf_counter() - self._started_at

    def _on_step(self) -> bool:
        self._returns.extend(info["episode"]["r"] for info in self.locals["infos"] if "episode" in info)
        if self._curve_every and self.num_timesteps >= self._curve_every * (len(self.curve) + 1):
            self._add_point(self._elapsed())
        mean = self.mean
        if self._until is not None and mean is not None and mean >= self._until:
            self.solved = self.num_timesteps, self._elapsed()
            return False
        return True

    def _on_training_end(self) -> None:
        self.seconds = self._elapsed()
        if self._curve_every and (not self.curve or self.curve[-1][0] < self.num_timesteps):
            self._add_point(self.seconds)

    def _add_point(self, seconds: float) -> None:
        mean = None if self.mean is None else round(self.mean, 4)
        self.curve.append((self.num_timesteps, round(seconds, 4), mean))

    @property
    def mean(self) -> float | None:
        """Of exactly the last 100 returns; None while there are fewer."""
        return sum(self._returns) / WINDOW if len(self._returns) == WINDOW else None
