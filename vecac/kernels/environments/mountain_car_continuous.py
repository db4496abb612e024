"""MountainCarContinuous-v0, operation for operation as Gymnasium's, so that equal states stay equal.

The state is position and velocity; Gymnasium keeps them in float32 but for an episode's first position.
"""

import math

import numpy as np
from numba.extending import register_jitable

from vecac.kernels.environment import CompiledEnvironment
from vecac.kernels.environments.powers import squared

POWER = 0.0015
SLOPE = 0.0025
MIN_POSITION, MAX_POSITION, GOAL = np.float32(-1.2), np.float32(0.6), np.float32(0.45)
MAX_SPEED = np.float32(0.07)
GOAL_REWARD = 100.0

State = tuple[float, float]


def reset(uniforms: tuple[float]) -> State:
    """At rest, between -0.6 and -0.4."""
    return -0.6 + (-0.4 - -0.6) * uniforms[0], 0.0


@register_jitable
def _moved(position: float, velocity: float) -> float:
    """A sum in float32, or in float64 from an episode's first position, which float32 does not hold."""
    if position == np.float32(position):
        return float(np.float32(position) + np.float32(velocity))
    return position + velocity


@register_jitable
def _angle(position: float) -> float:
    """Three times the position, in the position's precision."""
    if position == np.float32(position):
        return float(np.float32(3.0) * np.float32(position))
    return 3 * position


def step(state: State, action: tuple[float]) -> tuple[State, float, bool]:
    """Drive forwards or backwards by a force within [-1, 1]."""
    position, velocity = state
    push = np.float32(action[0]) * np.float32(POWER) - np.float32(SLOPE * math.cos(_angle(position)))
    velocity = float(np.float32(velocity) + push)
    velocity = min(max(velocity, float(-MAX_SPEED)), float(MAX_SPEED))
    position = _moved(position, velocity)
    position = min(max(position, float(MIN_POSITION)), float(MAX_POSITION))
    if position == MIN_POSITION and velocity < 0:
        velocity = 0.0
    terminated = position >= GOAL and velocity >= 0
    reward = GOAL_REWARD if terminated else 0.0
    reward = reward - squared(action[0]) * 0.1
    return (float(np.float32(position)), velocity), reward, terminated


def observe(state: State) -> State:
    """The state as it is."""
    return state


MOUNTAIN_CAR_CONTINUOUS = CompiledEnvironment(
    reset, step, observe, num_uniforms=1, state_size=2, obs_size=2, action_bounds=((-1.0, 1.0),)
)
