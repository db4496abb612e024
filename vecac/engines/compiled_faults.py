"""What is wrong with a compiled environment, found by asking its functions in plain Python.

A kernel tells that something was raised, or that a gradient is not finite, but not where.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from vecac.kernels.drivers.fused import GOLDEN_GAMMA, next_uniform
from vecac.kernels.environment import CompiledEnvironment


def find_fault(
    environment: CompiledEnvironment,
    records: NDArray[Any],
    finished: NDArray[Any],
    raised: Exception | None = None,
) -> str | None:
    """The first environment that gave a reward which is not finite, shows such an observation or raises.

    Args:
        environment: what is trained on.
        records: the environments (N,), as fused.environment_dtype.
        finished: the last finished episodes, as fused.EPISODE.
        raised: what a kernel raised; only then are steps tried, of which training takes but one.

    Returns:
        None if nothing is wrong with any of them where it stands now.
    """
    for episode in finished:
        if not _are_finite(episode["episode_return"]):
            return f"compiled environment {episode['environment']} {_reward_by(episode)}"
    for index, record in enumerate(records):
        if not _are_finite(record["episode_return"]):
            return f"compiled environment {index} {_reward_by(record)}"
        state = tuple(record["state"].tolist())
        fault = _fault_at(environment, state, raised)
        if fault is not None:
            return f"compiled environment {index} {fault}, at step {record['length']} with the state {state}"
        fault = _fault_of_reset(environment, record) if raised is not None else None
        if fault is not None:
            return f"compiled environment {index} {fault}"
    return None


def _reward_by(episode: Any) -> str:
    return f"gave a reward that is not finite in float32, by step {episode['length']} of its episode"


def _fault_at(
    environment: CompiledEnvironment, state: tuple[float, ...], raised: Exception | None
) -> str | None:
    try:
        obs = environment.observe(state)
        if not _are_finite(obs):
            return f"shows the observation {obs}, which is not finite in float32"
        for action in range(environment.num_actions if raised is not None else 0):
            environment.step(state, action)
    except Exception as error:
        return f"raised {type(error).__name__}: {error}"
    return None


def _fault_of_reset(environment: CompiledEnvironment, record: Any) -> str | None:
    """What `reset` raises on the last numbers of the environment's stream, which it was given if it did."""
    again = record.copy()
    with np.errstate(over="ignore"):
        again["stream"] -= GOLDEN_GAMMA * np.uint64(environment.num_uniforms)
    uniforms = tuple(float(next_uniform(again)) for _ in range(environment.num_uniforms))
    try:
        environment.reset(uniforms)
    except Exception as error:
        return f"raised {type(error).__name__}: {error}, at a reset with the uniforms {uniforms}"
    return None


def _are_finite(numbers: Any) -> bool:
    with np.errstate(over="ignore"):
        return bool(np.isfinite(np.asarray(numbers, np.float32)).all())
