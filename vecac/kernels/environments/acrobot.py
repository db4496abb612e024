"""Acrobot-v1, operation for operation as Gymnasium's AcrobotEnv, so that equal states stay equal.

The state is theta1, theta2 and their velocities, in SI units, of two links of length and mass 1; the second
angle is relative to the first. Of the constants, only those that are not 1 have a name.
"""

import math

import numpy as np
from numba.extending import register_jitable

from vecac.kernels.environment import CompiledEnvironment
from vecac.kernels.environments.powers import squared

GRAVITY = 9.8
CENTRE = 0.5
TIME_STEP = 0.2
MAX_SPEED_1, MAX_SPEED_2 = 4 * math.pi, 9 * math.pi

State = tuple[float, float, float, float]


def reset(uniforms: State) -> State:
    """Every number of the state lies between -0.1 and 0.1, in float32."""
    a, b, c, d = uniforms
    return (
        float(np.float32(0.2 * a - 0.1)),
        float(np.float32(0.2 * b - 0.1)),
        float(np.float32(0.2 * c - 0.1)),
        float(np.float32(0.2 * d - 0.1)),
    )


@register_jitable
def _derivative(state: State, torque: float) -> State:
    """Of the state by time (Sutton & Barto 1998, section 11.3)."""
    theta1, theta2, speed1, speed2 = state
    cos2, sin2 = math.cos(theta2), math.sin(theta2)
    d1 = CENTRE**2 + (1.0 + CENTRE**2 + 2 * CENTRE * cos2) + 1.0 + 1.0
    d2 = (CENTRE**2 + CENTRE * cos2) + 1.0
    phi2 = CENTRE * GRAVITY * math.cos(theta1 + theta2 - math.pi / 2.0)
    phi1 = (
        -CENTRE * squared(speed2) * sin2
        - 2 * CENTRE * speed2 * speed1 * sin2
        + (CENTRE + 1.0) * GRAVITY * math.cos(theta1 - math.pi / 2)
        + phi2
    )
    acceleration2 = (torque + d2 / d1 * phi1 - CENTRE * squared(speed1) * sin2 - phi2) / (
        CENTRE**2 + 1.0 - squared(d2) / d1
    )
    return speed1, speed2, -(d2 * acceleration2 + phi1) / d1, acceleration2


@register_jitable
def _moved(state: State, seconds: float, slope: State) -> State:
    return (
        state[0] + seconds * slope[0],
        state[1] + seconds * slope[1],
        state[2] + seconds * slope[2],
        state[3] + seconds * slope[3],
    )


@register_jitable
def _mean_slope(k1: float, k2: float, k3: float, k4: float) -> float:
    return TIME_STEP / 6.0 * (k1 + 2 * k2 + 2 * k3 + k4)


@register_jitable
def _wrapped(angle: float) -> float:
    """Between -pi and pi."""
    while angle > math.pi:
        angle = angle - 2 * math.pi
    while angle < -math.pi:
        angle = angle + 2 * math.pi
    return angle


def step(state: State, action: int) -> tuple[State, float, bool]:
    """Apply a torque of -1 (0), 0 (1) or 1 (2) at the joint for a time step, by the fourth-order Runge-Kutta
    method."""
    torque = action - 1.0
    k1 = _derivative(state, torque)
    k2 = _derivative(_moved(state, TIME_STEP / 2.0, k1), torque)
    k3 = _derivative(_moved(state, TIME_STEP / 2.0, k2), torque)
    k4 = _derivative(_moved(state, TIME_STEP, k3), torque)
    theta1 = _wrapped(state[0] + _mean_slope(k1[0], k2[0], k3[0], k4[0]))
    theta2 = _wrapped(state[1] + _mean_slope(k1[1], k2[1], k3[1], k4[1]))
    speed1 = state[2] + _mean_slope(k1[2], k2[2], k3[2], k4[2])
    speed2 = state[3] + _mean_slope(k1[3], k2[3], k3[3], k4[3])
    speed1 = min(max(speed1, -MAX_SPEED_1), MAX_SPEED_1)
    speed2 = min(max(speed2, -MAX_SPEED_2), MAX_SPEED_2)
    is_high = -math.cos(theta1) - math.cos(theta2 + theta1) > 1.0
    return (theta1, theta2, speed1, speed2), 0.0 if is_high else -1.0, is_high


def observe(state: State) -> tuple[float, float, float, float, float, float]:
    """cos and sin of each angle, then the velocities."""
    theta1, theta2, speed1, speed2 = state
    return math.cos(theta1), math.sin(theta1), math.cos(theta2), math.sin(theta2), speed1, speed2


ACROBOT = CompiledEnvironment(reset, step, observe, num_uniforms=4, state_size=4, obs_size=6, num_actions=3)
