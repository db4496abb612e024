"""CartPole-v1, operation for operation as Gymnasium's CartPoleEnv, so that equal states stay equal.

The state and the observation are x, x_dot, theta, theta_dot, in SI units.
"""

import math

from vecac.kernels.environment import CompiledEnvironment

GRAVITY = 9.8
POLE_MASS = 0.1
TOTAL_MASS = POLE_MASS + 1.0
HALF_LENGTH = 0.5
POLE_MASS_LENGTH = POLE_MASS * HALF_LENGTH
FORCE = 10.0
TIME_STEP = 0.02
X_LIMIT = 2.4
THETA_LIMIT = 12 * 2 * math.pi / 360

State = tuple[float, float, float, float]


def reset(uniforms: State) -> State:
    """Every number of the state lies between -0.05 and 0.05."""
    a, b, c, d = uniforms
    return 0.1 * a - 0.05, 0.1 * b - 0.05, 0.1 * c - 0.05, 0.1 * d - 0.05


def step(state: State, action: int) -> tuple[State, float, bool]:
    """Push left (0) or right (1) for a time step, by Euler's method."""
    x, x_dot, theta, theta_dot = state
    force = FORCE if action == 1 else -FORCE
    cos, sin = math.cos(theta), math.sin(theta)
    temp = (force + POLE_MASS_LENGTH * (theta_dot * theta_dot) * sin) / TOTAL_MASS
    theta_acc = (GRAVITY * sin - cos * temp) / (
        HALF_LENGTH * (4.0 / 3.0 - POLE_MASS * (cos * cos) / TOTAL_MASS)
    )
    x_acc = temp - POLE_MASS_LENGTH * theta_acc * cos / TOTAL_MASS
    x, x_dot = x + TIME_STEP * x_dot, x_dot + TIME_STEP * x_acc
    theta, theta_dot = theta + TIME_STEP * theta_dot, theta_dot + TIME_STEP * theta_acc
    fallen = x < -X_LIMIT or x > X_LIMIT or theta < -THETA_LIMIT or theta > THETA_LIMIT
    return (x, x_dot, theta, theta_dot), 1.0, fallen


def observe(state: State) -> State:
    """The state as it is."""
    return state


CARTPOLE = CompiledEnvironment(reset, step, observe, num_uniforms=4, state_size=4, obs_size=4, num_actions=2)
