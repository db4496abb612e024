"""Compiled environments, each with its own state and random stream: episodes begin, actions are taken.

Shapes: U numbers of an action.
"""

import math
from typing import Any, NamedTuple

import numpy as np
from numba import njit, types

from vecac.kernels.mathematics.policy import act, find_distribution
from vecac.kernels.plumbing.choosing import chosen_by_type, has
from vecac.kernels.plumbing.numba_internals import tuple_setitem

GOLDEN_GAMMA = np.uint64(0x9E3779B97F4A7C15)
"""What an environment's stream advances by for each number."""


def environment_dtype(state_size: int) -> "np.dtype[Any]":
    """One environment: its state (state_size,), its random stream, and its episode so far."""
    fields: list[Any] = [("state", np.float64, (state_size,)), ("stream", np.uint64)]
    return np.dtype([*fields, ("length", np.int64), ("episode_return", np.float64)], align=True)


class Blank(NamedTuple):
    """Tuples of the right lengths to be filled in, whatever is in them: of a state, of a reset's uniform
    numbers, and of an action, which is an int where it is a choice of one.

    bounds_U2: of an action's real numbers, low and high, float32; none where actions are choices.
    """

    state: Any
    uniforms: Any
    action: Any
    bounds_U2: Any


@njit
def next_uniform(environment: Any) -> float:
    """The next number in [0, 1) of an environment's stream: splitmix64 (Steele, Lea & Flood 2014)."""
    environment.stream += GOLDEN_GAMMA
    z = environment.stream
    z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    z = z ^ (z >> np.uint64(31))
    return np.float64(z >> np.uint64(11)) * 2.0**-53


@njit
def next_normal(environment: Any) -> float:
    """The next number of a standard normal distribution, of two from the stream (Box & Muller 1958)."""
    radius = math.sqrt(-2.0 * math.log(1.0 - next_uniform(environment)))
    return radius * math.cos(2.0 * math.pi * next_uniform(environment))


@njit
def tuple_of(numbers: Any, empty: Any) -> Any:
    """numbers as a tuple that is as long as `empty`."""
    for i in range(len(empty)):
        empty = tuple_setitem(empty, i, numbers[i])
    return empty


@njit
def store(numbers: Any, values: Any) -> None:
    """A tuple's values into the first of the numbers."""
    for i in range(len(values)):
        numbers[i] = values[i]


@njit
def begin_episode(environment: Any, reset: Any, blank: Blank) -> None:
    """Draw the first state of an environment's next episode."""
    uniforms = blank.uniforms
    for i in range(len(uniforms)):
        uniforms = tuple_setitem(uniforms, i, next_uniform(environment))
    store(environment.state, reset(uniforms))
    environment.length = 0
    environment.episode_return = 0.0


@chosen_by_type()
def _act(environment: Any, work: Any, now: Any, lane: Any) -> Any:
    """policy.act for a lane, with noise from its environment's stream."""

    def on_one_choice(environment: Any, work: Any, now: int, lane: int) -> None:
        act(work, now, lane, (next_uniform(environment),))

    def on_choices(environment: Any, work: Any, now: int, lane: int) -> None:
        for u in range(work.noise.shape[1]):
            work.noise[lane, u] = next_uniform(environment)
        act(work, now, lane, work.noise[lane])

    def on_numbers(environment: Any, work: Any, now: int, lane: int) -> None:
        for u in range(work.noise.shape[1]):
            work.noise[lane, u] = next_normal(environment)
        act(work, now, lane, work.noise[lane])

    if has(work, "std"):
        return on_numbers
    return on_choices if has(work, "noise") else on_one_choice


@njit
def sample_action(environment: Any, work: Any, now: int, lane: int) -> None:
    """An action by a lane's heads of step `now`, which draws on its environment's stream."""
    find_distribution(work, now, lane)
    _act(environment, work, now, lane)


@chosen_by_type()
def _action_of(action_U: Any, blank: Any) -> Any:
    """An action as an environment's step takes it; real numbers are clipped to its bounds."""

    def a_choice(action_U: Any, blank: Any) -> Any:
        return action_U[0]

    def choices(action_U: Any, blank: Any) -> Any:
        return tuple_of(action_U, blank.action)

    def clipped(action_U: Any, blank: Any) -> Any:
        action = blank.action
        for u in range(len(action)):
            # What is no number is the policy's fault, not to be put down to the environment.
            number = np.float64(action_U[u]) if math.isfinite(action_U[u]) else 0.0
            action = tuple_setitem(action, u, min(max(number, blank.bounds_U2[u, 0]), blank.bounds_U2[u, 1]))
        return action

    action = blank.types[blank.fields.index("action")]
    if isinstance(action, types.Integer):
        return a_choice
    return choices if isinstance(action.dtype, types.Integer) else clipped


@njit
def take(environment: Any, work: Any, lane: int, step: Any, blank: Blank) -> Any:
    """Take a lane's action, whose outcome the work then holds; returns the new state."""
    action = _action_of(work.action[lane], blank)
    state, reward, terminated = step(tuple_of(environment.state, blank.state), action)
    store(environment.state, state)
    environment.length += 1
    environment.episode_return += reward
    work.reward[lane] = reward
    work.terminated[lane] = terminated
    return state
