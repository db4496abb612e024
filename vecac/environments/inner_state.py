"""What an environment will do next depends on: read and put back, for exact resume."""

import copy
import inspect
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
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
        *("OrderEnforcing", "PassiveEnvChecker", "RecordEpisodeStatistics", "DiscretizeObservation"),
        *("DtypeObservation", "FilterObservation", "FlattenObservation", "GrayscaleObservation"),
        *("RescaleObservation", "ReshapeObservation", "TransformObservation", "ClipAction"),
        *("DiscretizeAction", "RepeatAction", "RescaleAction", "TransformAction", "ClipReward"),
        *("TransformReward",),
    )
)
"""Gymnasium's wrappers that remember nothing that an observation, a reward or an end depends on. Statistics
of episodes are in infos alone."""

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


class Untold(Exception):
    """Somebody keeps a part of the inner state to itself; the argument says who."""


def read_state(env: Any) -> dict[str, Any] | None:
    """The inner state of a single or a vector environment: plain values and arrays, sharing no memory
    that a later step changes; None if it cannot be had, see `untold`."""
    try:
        return _read(env)
    except Untold:
        return None


def untold(env: Any) -> str | None:
    """Who keeps the inner state of a single or a vector environment to itself; None if all is told.

    A wrapper does that may remember something of an episode and has not get_state and set_state of its own;
    the environment, if it is neither of classic_control or MuJoCo nor has these; and either, if these are
    something else, or what it tells holds more than numbers, text, containers and arrays.
    """
    try:
        _read(env)
    except Untold as error:
        return str(error)
    return None


def write_state(env: Any, state: dict[str, Any]) -> None:
    """Put back what `read_state` found in an environment of the same kind, which has been reset."""
    inner, wrappers = env.unwrapped, list(_remembering(env))
    if "wrappers" not in state:  # as in checkpoints of format 1, where only time limits remembered something
        state = {**state, "wrappers": [state["elapsed"]] * len(wrappers)}
    for wrapper, memory in zip(wrappers, state["wrappers"], strict=True):
        if _is_time_limit(wrapper):
            wrapper._elapsed_steps = memory
        else:
            wrapper.set_state(memory)
    episode = state["episode"]
    if "physics" in episode:
        _write_physics(inner, episode)
    elif hasattr(inner, "set_state"):
        inner.set_state(episode["state"])
    else:
        for name, value in episode.items():
            setattr(inner, name, value)
    if state["generator"] is not None:  # last, since set_state may draw from it
        inner.np_random.bit_generator.state = state["generator"]


def _read(env: Any) -> dict[str, Any]:
    inner = env.unwrapped
    name = getattr(inner.spec, "id", type(inner).__name__)
    wrappers = [
        _told(_read_wrapper, wrapper, f"{type(wrapper).__name__} around {name}")
        for wrapper in _remembering(env)
    ]
    episode, generator = (_told(read, inner, name) for read in (_read_episode, _read_generator))
    return {"episode": episode, "wrappers": wrappers, "generator": generator}


def _told(read: Callable[[Any], Any], whose: Any, name: str) -> Any:
    """A copy of what `read` finds, if that is plain; else Untold."""
    try:
        told = read(whose)
    except Exception as error:  # whatever the methods raise that have these names, and may be something else
        raise Untold(name) from error
    if not is_plain(told):
        raise Untold(name)
    return copy.deepcopy(told)


def _wrappers(env: Any) -> Iterator[Any]:
    """The outermost first."""
    while env is not env.unwrapped:
        yield env
        env = env.env


def _remembering(env: Any) -> Iterator[Any]:
    return (wrapper for wrapper in _wrappers(env) if not _forgets(type(wrapper)))


def _forgets(kind: type) -> bool:
    return kind.__module__.startswith("gymnasium.") and kind.__name__ in WITHOUT_MEMORY


def _is_time_limit(wrapper: Any) -> bool:
    return type(wrapper) is gym.wrappers.TimeLimit  # a class made from it may remember more


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


def _read_wrapper(wrapper: Any) -> Any:
    """What it remembers; raises if it does not tell."""
    if _is_time_limit(wrapper):
        return wrapper._elapsed_steps
    _ = type(wrapper).get_state, type(wrapper).set_state  # some wrappers hand on what is not their own
    return _get_state(wrapper)


def _read_episode(inner: Any) -> dict[str, Any]:
    """What the environment itself remembers; raises if it does not tell."""
    module = type(inner).__module__
    if module.startswith(MUJOCO):  # whose set_state is something else
        return _read_physics(inner)
    if module.startswith(CLASSIC_CONTROL) and not hasattr(inner, "set_state"):
        return {name: getattr(inner, name) for name in EPISODE_ATTRIBUTES if hasattr(inner, name)}
    return {"state": _get_state(inner)}


def _read_generator(inner: Any) -> dict[str, Any] | None:
    generator = inner._np_random
    return None if generator is None else dict(generator.bit_generator.state)


def _get_state(whose: Any) -> Any:
    with suppress(ValueError):  # compiled methods may have no signature
        inspect.signature(whose.set_state).bind(None)  # that of MujocoEnv takes two arguments
    return whose.get_state()


def _read_physics(inner: Any) -> dict[str, Any]:
    """MuJoCo's own state, and what its last step left behind: the reward of some environments begins with
    positions of bodies that this found before it moved them."""
    import mujoco  # which only some users have

    if inner.model.opt.enableflags & getattr(mujoco.mjtEnableBit, "mjENBL_SLEEP", 0):
        raise ValueError("what sleeps cannot be set from outside")
    kind = mujoco.mjtState.mjSTATE_INTEGRATION
    physics = np.empty(mujoco.mj_stateSize(inner.model, kind))
    mujoco.mj_getState(inner.model, inner.data, physics, kind)
    return {
        "physics": physics,
        "left_behind": np.concatenate([array.ravel() for array in _left_behind(inner)]),
    }


def _write_physics(inner: Any, episode: dict[str, Any]) -> None:
    import mujoco  # see above

    mujoco.mj_setState(inner.model, inner.data, episode["physics"], mujoco.mjtState.mjSTATE_INTEGRATION)
    start = 0
    for array in _left_behind(inner):
        array[...] = episode["left_behind"][start : start + array.size].reshape(array.shape)
        start += array.size


def _left_behind(inner: Any) -> list[Any]:
    """Arrays of the simulation, of sizes that its model gives; those that depend on what touches what, and
    that each step makes anew, are empty in a new one."""
    new = type(inner.data)(inner.model)
    arrays = {name: getattr(new, name) for name in dir(new) if not name.startswith("_")}
    return [
        getattr(inner.data, name)
        for name, array in arrays.items()
        if isinstance(array, np.ndarray) and array.dtype == np.float64 and array.size
    ]
