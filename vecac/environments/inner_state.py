"""What an environment will do next depends on: read and put back, for exact resume."""

import copy
from collections.abc import Iterator, Sequence
from typing import Any

import gymnasium as gym
import numpy as np
from gymnasium.vector import AsyncVectorEnv, SyncVectorEnv, VectorEnv

CLASSIC_CONTROL = "gymnasium.envs.classic_control."
EPISODE_ATTRIBUTES = ("state", "steps", "steps_beyond_terminated", "prev_done", "last_u")
"""What the environments of Gymnasium's classic_control keep of an episode, scalar and vector forms."""

MUJOCO = "gymnasium.envs.mujoco."

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

GENERATORS = np.random.Generator | None

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
    that a later step changes; None if it cannot be had, see `untold`."""
    if untold(env) is not None:
        return None
    inner = env.unwrapped
    generator = inner._np_random
    state = {
        "episode": _read_episode(inner),
        "wrappers": [_read_wrapper(wrapper) for wrapper in _remembering(env)],
        "generator": None if generator is None else generator.bit_generator.state,
    }
    return copy.deepcopy(state)


def write_state(env: Any, state: dict[str, Any]) -> None:
    """Put back what `read_state` found in an environment of the same kind, which has been reset."""
    inner, wrappers = env.unwrapped, list(_remembering(env))
    if "wrappers" not in state:  # as in checkpoints of format 1, where only time limits remembered something
        state = {**state, "wrappers": [state["elapsed"]] * len(wrappers)}
    for wrapper, memory in zip(wrappers, state["wrappers"], strict=True):
        if isinstance(wrapper, gym.wrappers.TimeLimit):
            wrapper._elapsed_steps = memory
        else:
            wrapper.set_state(memory)
    if hasattr(inner, "set_state") and "state" in state["episode"]:
        inner.set_state(state["episode"]["state"])
    elif "physics" in state["episode"]:
        _write_physics(inner, state["episode"])
    else:
        for name, value in state["episode"].items():
            setattr(inner, name, value)
    if state["generator"] is not None:  # last, since set_state may draw from it
        inner.np_random.bit_generator.state = state["generator"]


def untold(env: Any) -> str | None:
    """Who keeps the inner state of a single or a vector environment to itself: a class's name; None if all
    is told.

    A wrapper does that may remember something of an episode and has not get_state and set_state of its own;
    the environment, if it is neither of classic_control or MuJoCo nor has these; and either, if what it tells
    holds more than numbers, text, containers and arrays.
    """
    inner = env.unwrapped
    for wrapper in _wrappers(env):
        if not (_forgets(wrapper) or _tells(wrapper)) or not is_plain(_read_wrapper(wrapper)):
            return type(wrapper).__name__
    episode = _read_episode(inner)
    is_told = episode is not None and is_plain(episode) and isinstance(inner._np_random, GENERATORS)
    return None if is_told else type(inner).__name__


def _wrappers(env: Any) -> Iterator[Any]:
    """The outermost first."""
    while env is not env.unwrapped:
        yield env
        env = env.env


def _remembering(env: Any) -> Iterator[Any]:
    return (wrapper for wrapper in _wrappers(env) if not _forgets(wrapper))


def _forgets(wrapper: Any) -> bool:
    kind = type(wrapper)
    return kind.__module__.startswith("gymnasium.") and kind.__name__ in WITHOUT_MEMORY


def _tells(wrapper: Any) -> bool:
    # Of the class, since some wrappers hand on what they do not have themselves.
    kind = type(wrapper)
    return isinstance(wrapper, gym.wrappers.TimeLimit) or (
        hasattr(kind, "get_state") and hasattr(kind, "set_state")
    )


def _read_wrapper(wrapper: Any) -> Any:
    if isinstance(wrapper, gym.wrappers.TimeLimit):
        return wrapper._elapsed_steps
    return None if _forgets(wrapper) else wrapper.get_state()


def caveats_of(envs: VectorEnv[Any, Any, Any]) -> tuple[str | None, list[str]]:
    """`caveats` of each copy, or of a vector form of its own."""
    if isinstance(envs, SyncVectorEnv | AsyncVectorEnv):
        told: tuple[str | None, list[str]] = envs.get_attr("caveats")[0]
        return told
    return caveats(envs)


def caveats(env: Any) -> tuple[str | None, list[str]]:
    """`untold`, and which of NORMALISERS the environment is wrapped in."""
    kinds = [type(wrapper) for wrapper in _wrappers(env)]
    ours = [kind for kind in kinds if kind.__module__.startswith("gymnasium.")]
    return untold(env), [kind.__name__ for kind in ours if kind.__name__ in NORMALISERS]


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
    module = type(inner).__module__
    if module.startswith(MUJOCO):  # whose set_state is something else
        return _read_physics(inner)
    if hasattr(inner, "get_state") and hasattr(inner, "set_state"):
        try:
            return {"state": inner.get_state()}
        except Exception:  # a method of that name that is something else
            return None
    if module.startswith(CLASSIC_CONTROL):
        return {name: getattr(inner, name) for name in EPISODE_ATTRIBUTES if hasattr(inner, name)}
    return None


def _read_physics(inner: Any) -> dict[str, Any]:
    """MuJoCo's own state, and what its last step left behind: the reward of some environments begins with
    positions of bodies that this found before it moved them."""
    import mujoco  # which only some users have

    kind = mujoco.mjtState.mjSTATE_INTEGRATION
    state = np.empty(mujoco.mj_stateSize(inner.model, kind))
    mujoco.mj_getState(inner.model, inner.data, state, kind)
    return {"physics": state, "left_behind": dict(_arrays(inner.data))}


def _write_physics(inner: Any, episode: dict[str, Any]) -> None:
    import mujoco

    mujoco.mj_setState(inner.model, inner.data, episode["physics"], mujoco.mjtState.mjSTATE_INTEGRATION)
    for name, array in _arrays(inner.data):
        saved = episode["left_behind"][name]
        if saved.shape == array.shape:  # other sizes depend on what touches what: each step makes those anew
            array[...] = saved


def _arrays(data: Any) -> Iterator[tuple[str, Any]]:
    for name in dir(data):
        value = None if name.startswith("_") else getattr(data, name)
        if isinstance(value, np.ndarray) and value.dtype == np.float64:
            yield name, value
