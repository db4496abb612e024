"""What part of the machine's multiply-adds the fused engine reaches.

Shapes: D observation size, A actions, H hidden size.
"""

import time

import numpy as np
from numba import njit

from vecac.config import Config

CHAIN = 8
"""Multiply-adds on each number: enough that loading it costs little, few enough that chains overlap."""

NUMBERS = 1024
REPEATS = 20_000
TRIES = 5


def multiply_adds_per_env_step(obs_size: int = 4, num_actions: int = 2) -> int:
    """Of the network alone, as the kernel computes it, with A heads: forward (D + A) H, backward
    (D + 1 + 2 A) H.
    """
    forward = obs_size + num_actions
    backward = obs_size + 1 + 2 * num_actions
    return (forward + backward) * Config.hidden_sizes[0]


@njit(fastmath=True)
def _chain(numbers: np.ndarray, repeats: int, factor: np.float32, summand: np.float32) -> None:
    for _ in range(repeats):
        for i in range(numbers.size):
            number = numbers[i]
            for _ in range(CHAIN):
                number = number * factor + summand
            numbers[i] = number


def measure_multiply_adds() -> float:
    """Multiply-adds a second of float32 numbers on one thread, the best of some tries."""
    numbers, factor, summand = np.ones(NUMBERS, np.float32), np.float32(0.5), np.float32(0.25)
    _chain(numbers, 1, factor, summand)
    rates = []
    for _ in range(TRIES):
        start = time.perf_counter()
        _chain(numbers, REPEATS, factor, summand)
        rates.append(NUMBERS * CHAIN * REPEATS / (time.perf_counter() - start))
    return max(rates)


def describe_ceiling(name: str, env_steps_per_s: float) -> str:
    """A line on a row: what part of a loop of nothing but multiply-adds its network reaches."""
    ceiling, count = measure_multiply_adds(), multiply_adds_per_env_step()
    part = env_steps_per_s * count / ceiling
    return (
        f"{name}: its network's {count:,} multiply-adds a step are {part:.0%} of the "
        f"{ceiling / 1e9:.0f} billion a second that a loop of nothing else reaches on one thread"
    )
