"""MountainCar-v0, operation for operation as Gymnasium's MountainCarEnv, so that equal states stay equal.

The state and the observation are position and velocity.
"""

import math

from vecac.kernels.environment import CompiledEnvironment

LEFT_END, RIGHT_END = -1.2, 0.6
GOAL = 0.5
MAX_SPEED = 0.07
FORCE = 0.001
GRAVITY = 0.0025

State = tuple[float, float]


def reset(uniforms: tuple[float]) -> State:
    """At rest between -0.6 and -0.4, near the bottom of the valley."""
    return 0.2 * uniforms[0] - 0.6, 0.0


def step(state: State, action: int) -> tuple[State, float, bool]:
    """Accelerate left (0), not at all (1) or right (2)."""
    position, velocity = state
    velocity += (action - 1) * FORCE + math.cos(3 * position) * (-GRAVITY)
    velocity = min(max(velocity, -MAX_SPEED), MAX_SPEED)
    position = min(max(position + velocity, LEFT_END), RIGHT_END)
    if position == LEFT_END and velocity < 0.0:
        velocity = 0.0
    return (position, velocity), -1.0, position >= GOAL and velocity >= 0.0


def observe(state: State) -> State:
    """The state as it is."""
    return state


MOUNTAIN_CAR = CompiledEnvironment(
    reset, step, observe, num_uniforms=1, state_size=2, obs_size=2, num_actions=3
)
