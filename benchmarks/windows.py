"""A window: something that takes env steps, timed for a while. No package but Python's own is loaded."""

import time
from collections.abc import Callable
from typing import Protocol

ENVIRONMENTS = "environments alone"
TRAINING = "training"


class Steps(Protocol):
    """Something that takes env steps."""

    def advance(self) -> int:
        """Go on for a while, at most some tenths of a second; returns the valid env steps taken."""


def measure(steps: Steps, seconds: float, wait: Callable[[], None] = lambda: None) -> float:
    """Env steps a second in a window that lasts `seconds` and until the current `advance` is over.

    Args:
        steps: what is timed.
        seconds: of the window.
        wait: called at the window's end, for what is still under way.
    """
    env_steps = 0
    start = time.perf_counter()
    while env_steps == 0 or time.perf_counter() - start < seconds:
        env_steps += steps.advance()
    wait()
    return env_steps / (time.perf_counter() - start)
