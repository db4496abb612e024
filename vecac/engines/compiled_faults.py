"""What is wrong with a compiled environment, found by asking its functions in plain Python.

A kernel tells that something was raised, or that a gradient is not finite, but not where.
"""

import math
import random
from itertools import product
from typing import Any

import numpy as np
from numpy.typing import NDArray

from vecac.kernels.drivers.stepping import GOLDEN_GAMMA, next_uniform
from vecac.kernels.environment import CompiledEnvironment

FAR = 1e3
"""What is tried of an action's real number that has no bound."""


def find_fault(
    environment: CompiledEnvironment,
    records: NDArray[Any],
    finished: NDArray[Any],
    raised: Exception | None = None,
) -> str | None:
    """The first environment that gave a reward which is not finite, shows such an observation or raises.

    None if nothing is wrong with any of them where it stands now.

    Args:
        environment: what is trained on.
        records: the environments, as stepping.environment_dtype.
        finished: the last finished episodes, as fused.EPISODE.
        raised: what a kernel raised; only then are steps and a reset tried, of which training takes but one.
    """
    for episode in finished:
        if not _are_finite(episode["episode_return"]):
            return f"compiled environment {episode['environment']} {_reward_by(episode)}"
    for index, record in enumerate(records):
        fault = _find_fault_of(environment, record, raised)
        if fault is not None:
            return f"compiled environment {index} {fault}"
    return None


def _reward_by(episode: Any) -> str:
    return f"gave a reward that is not finite in float32, by step {episode['length']} of its episode"


def _find_fault_of(environment: CompiledEnvironment, record: Any, raised: Exception | None) -> str | None:
    if not _are_finite(record["episode_return"]):
        return _reward_by(record)
    state = tuple(record["state"].tolist())
    where = f"at step {record['length']} with the state {state}"
    try:
        obs = environment.observe(state)
        if not _are_finite(obs):
            return f"shows the observation {obs}, which is not finite in float32, {where}"
        if raised is not None:
            for action in probes(environment):
                environment.step(state, action)
            uniforms = _last_uniforms(record, environment.num_uniforms)
            where = f"at a reset with the uniforms {uniforms}"
            environment.reset(uniforms)
    except Exception as error:
        if raised is not None and type(error) is not type(raised):
            return None  # this is not what has happened
        return f"raised {type(error).__name__}: {error}, {where}"
    return None


def probes(environment: CompiledEnvironment, most: int = 100) -> list[Any]:
    """Actions that a step may be asked for: all choices, or some; of real numbers, ends and middles."""
    form = environment.action
    if form.kind == "discrete":
        return [*range(form.num_actions)]
    parts: list[Any] = [[*range(size)] for size in form.sizes]
    if form.kind == "box":
        bounds = np.array(environment.action_bounds, np.float32)
        low, high = np.where(np.isfinite(bounds), bounds, [-FAR, FAR]).T
        parts = np.stack([low, (low + high) / 2, high], axis=1).tolist()
    if math.prod(map(len, parts)) <= most:
        return [*product(*parts)]
    draw = random.Random(0)
    return [tuple(map(draw.choice, parts)) for _ in range(most)]


def _last_uniforms(record: Any, count: int) -> tuple[float, ...]:
    """The last numbers of an environment's stream, which `reset` was given if it raised."""
    again = record.copy()
    with np.errstate(over="ignore"):
        again["stream"] -= GOLDEN_GAMMA * np.uint64(count)
    return tuple(float(next_uniform(again)) for _ in range(count))


def _are_finite(numbers: Any) -> bool:
    with np.errstate(over="ignore"):
        return bool(np.isfinite(np.asarray(numbers, np.float32)).all())
