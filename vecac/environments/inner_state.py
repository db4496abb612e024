"""What an environment will do next depends on: read and put back, for exact resume."""

import copy
from collections.abc import Sequence
from typing import Any

import gymnasium as gym
import numpy as np
from gymnasium.vector import AsyncVectorEnv, SyncVectorEnv, VectorEnv

CLASSIC_CONTROL = "gymnasium.envs.classic_control."
EPISODE_ATTRIBUTES = ("state", "steps", "steps_beyond_terminated", "prev_done", "last_u")
"""What the environments of Gymnasium's classic_control keep of an episode, scalar and vector forms."""

WITHOUT_MEMORY = frozenset(
    (
        *("OrderEnforcing", "PassiveEnvChecker", "DtypeObservation", "FilterObservation"),
        *("FlattenObservation", "RescaleObservation", "ReshapeObservation", "TransformObservation"),
        *("ClipAction", "RescaleAction", "TransformAction", "ClipReward", "TransformReward"),
    )
)
"""Gymnasium's wrappers that remember nothing of an episode."""

NORMALISERS = frozenset(("NormalizeObservation", "NormalizeReward"))
"""Gymnasium's wrappers that keep running statistics, each copy of an environment its own."""

PLAIN_DTYPES = frozenset(np.dtype(kind).name for kind in ("?", *"bhiq", *"BHIQ", "float16", *"fdFD"))


def read_states(envs: VectorEnv[Any, Any, Any]) -> list[Any] | None:
    """`read_state` of each copy, or of a vector form of its own as a whole; None if they do not tell."""
    if isinstance(envs, SyncVectorEnv | AsyncVectorEnv):
        states = list(envs.get_attr("inner_state"))
    else:
        states = [read_state(envs)]
    return None if any(state is None for state in states) else states


def write_states(envs: VectorEnv[Any, Any, Any], states: Sequence[Any], resets_next: Sequence[bool]) -> None:
    """Put back what `read_states` found in as many copies of the same environment, which have been reset.

    `resets_next`: which of them the next step resets, whatever the action (next-step mode). A vector form of
    its own has that in its state.
    """
    if isinstance(envs, SyncVectorEnv | AsyncVectorEnv):
        envs.set_attr("inner_state", list(zip(states, resets_next, strict=True)))
    else:
        write_state(envs, states[0])


def read_state(env: Any) -> dict[str, Any] | None:
    """The inner state of a single or a vector environment: plain values and arrays, sharing no memory
    that a later step changes.

    None if it cannot be had: the environment is neither of classic_control nor offers get_state and
    set_state, what get_state returns holds more than numbers, text, containers and arrays, or a
    wrapper may remember something of its own.
    """
    inner, elapsed = env.unwrapped, None
    while env is not inner:
        if isinstance(env, gym.wrappers.TimeLimit):
            elapsed = env._elapsed_steps
        elif not (type(env).__module__.startswith("gymnasium.") and type(env).__name__ in WITHOUT_MEMORY):
            return None
        env = env.env
    episode = _read_episode(inner)
    generator = inner._np_random
    if not isinstance(generator, np.random.Generator | None):
        return None
    state = {
        "episode": episode,
        "elapsed": elapsed,
        "generator": None if generator is None else generator.bit_generator.state,
    }
    return None if episode is None or not is_plain(state) else copy.deepcopy(state)


def write_state(env: Any, state: dict[str, Any]) -> None:
    """Put back what `read_state` found in an environment of the same kind, which has been reset."""
    inner = env.unwrapped
    while env is not inner:
        if isinstance(env, gym.wrappers.TimeLimit):
            env._elapsed_steps = state["elapsed"]
        env = env.env
    if hasattr(inner, "set_state"):
        inner.set_state(state["episode"]["state"])
    else:
        for name, value in state["episode"].items():
            setattr(inner, name, value)
    if state["generator"] is not None:  # last, since set_state may draw from it
        inner.np_random.bit_generator.state = state["generator"]


def normalisers(envs: VectorEnv[Any, Any, Any]) -> list[str]:
    """Which of NORMALISERS are around each copy, or around a vector form of its own."""
    if isinstance(envs, SyncVectorEnv | AsyncVectorEnv):
        names: list[str] = envs.get_attr("normalisers")[0]
        return names
    return normalisers_around(envs)


def normalisers_around(env: Any) -> list[str]:
    """Which of NORMALISERS a single or a vector environment is wrapped in."""
    found = []
    while env is not env.unwrapped:
        name = type(env).__name__
        found += [name] if name in NORMALISERS and type(env).__module__.startswith("gymnasium.") else []
        env = env.env
    return found


def is_plain(value: Any) -> bool:
    """Whether a value is made of numbers, text, bytes, lists, tuples, dicts and numeric arrays alone."""
    if isinstance(value, np.ndarray | np.generic):
        return value.dtype.name in PLAIN_DTYPES and value.dtype.isnative
    if type(value) in (list, tuple):
        return all(is_plain(item) for item in value)
    if type(value) is dict:
        return all(type(key) in (str, int) and is_plain(item) for key, item in value.items())
    if type(value) is bytes:
        return value != b""  # which a pickle makes by a call, and weights_only refuses calls
    return value is None or type(value) in (bool, int, float, str)


def _read_episode(inner: Any) -> dict[str, Any] | None:
    """What the environment itself remembers; None if it does not tell."""
    if hasattr(inner, "get_state") and hasattr(inner, "set_state"):
        try:
            return {"state": inner.get_state()}
        except Exception:  # a method of that name that is something else
            return None
    if type(inner).__module__.startswith(CLASSIC_CONTROL):
        return {name: getattr(inner, name) for name in EPISODE_ATTRIBUTES if hasattr(inner, name)}
    return None
