"""What is wrong with a compiled environment, found by asking its functions in plain Python.

A kernel tells that something was raised, or that a gradient is not finite, but not where.
"""

from collections.abc import Iterator
from itertools import islice, product
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
        fault = _find_fault_of(environment, record, raised is not None)
        if fault is not None:
            return f"compiled environment {index} {fault}"
    return None


def _reward_by(episode: Any) -> str:
    return f"gave a reward that is not finite in float32, by step {episode['length']} of its episode"


def _find_fault_of(environment: CompiledEnvironment, record: Any, has_raised: bool) -> str | None:
    if not _are_finite(record["episode_return"]):
        return _reward_by(record)
    state = tuple(record["state"].tolist())
    where = f"at step {record['length']} with the state {state}"
    try:
        obs = environment.observe(state)
        if not _are_finite(obs):
            return f"shows the observation {obs}, which is not finite in float32, {where}"
        if has_raised:
            for action in probes(environment):
                environment.step(state, action)
            uniforms = _last_uniforms(record, environment.num_uniforms)
            where = f"at a reset with the uniforms {uniforms}"
            environment.reset(uniforms)
    except Exception as error:
        return f"raised {type(error).__name__}: {error}, {where}"
    return None


def probes(environment: CompiledEnvironment, most: int = 100) -> Iterator[Any]:
    """Actions that a step may be asked for: all choices, or as many; of real numbers, ends and middles of
    their bounds, and 0."""
    form = environment.action
    if form.kind == "discrete":
        return iter(range(form.num_actions))
    if form.kind == "multi-discrete":
        return islice(product(*map(range, form.sizes)), most)
    bounds = np.array(environment.action_bounds, np.float32).clip(-FAR, FAR)
    parts = [sorted({low, (low + high) / 2, high, min(max(0.0, low), high)}) for low, high in bounds.tolist()]
    return islice(product(*parts), most)


def _last_uniforms(record: Any, count: int) -> tuple[float, ...]:
    """The last numbers of an environment's stream, which `reset` was given if it raised."""
    again = record.copy()
    with np.errstate(over="ignore"):
        again["stream"] -= GOLDEN_GAMMA * np.uint64(count)
    return tuple(float(next_uniform(again)) for _ in range(count))


def _are_finite(numbers: Any) -> bool:
    with np.errstate(over="ignore"):
        return bool(np.isfinite(np.asarray(numbers, np.float32)).all())
