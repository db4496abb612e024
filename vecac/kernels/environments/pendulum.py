"""Pendulum-v1, operation for operation as Gymnasium's PendulumEnv, so that equal states stay equal.

The state is the angle from upright, which is not wrapped, and its velocity, in SI units, of a pendulum of
length and mass 1.
"""

import math

import numpy as np
from numba.extending import register_jitable

from vecac.kernels.environment import CompiledEnvironment
from vecac.kernels.environments.powers import squared, squared_float32

GRAVITY = 10.0
MAX_SPEED = 8.0
MAX_TORQUE = 2.0
TIME_STEP = 0.05

State = tuple[float, float]


def reset(uniforms: State) -> State:
    """Any angle, and a velocity between -1 and 1."""
    angle, velocity = uniforms
    return -math.pi + (math.pi - -math.pi) * angle, -1.0 + 2.0 * velocity


@register_jitable
def _wrapped(angle: float) -> float:
    """Between -pi and pi."""
    return ((angle + math.pi) % (2 * math.pi)) - math.pi


def step(state: State, action: tuple[float]) -> tuple[State, float, bool]:
    """Apply a torque for a time step, by Euler's method; the cost is of where it was applied."""
    angle, velocity = state
    # Gymnasium's torque is a float32, and what is computed of it alone.
    torque = np.float32(action[0])
    cost = (
        squared(_wrapped(angle))
        + 0.1 * squared(velocity)
        + float(np.float32(0.001) * squared_float32(torque))
    )
    velocity = velocity + (3 * GRAVITY / 2 * math.sin(angle) + float(np.float32(3.0) * torque)) * TIME_STEP
    velocity = min(max(velocity, -MAX_SPEED), MAX_SPEED)
    return (angle + velocity * TIME_STEP, velocity), -cost, False


def observe(state: State) -> tuple[float, float, float]:
    """cos and sin of the angle, then the velocity."""
    angle, velocity = state
    return math.cos(angle), math.sin(angle), velocity


PENDULUM = CompiledEnvironment(
    reset,
    step,
    observe,
    num_uniforms=2,
    state_size=2,
    obs_size=3,
    action_bounds=((-MAX_TORQUE, MAX_TORQUE),),
)
