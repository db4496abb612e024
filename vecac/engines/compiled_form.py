"""Whether a compiled environment is the one that Gymnasium has by the same name, which judges the policy."""

import math
from collections.abc import Callable, Iterator
from contextlib import closing
from typing import Any

import numpy as np

from vecac.config_parts import EnvironmentSettings
from vecac.environments.action_space import ActionSender
from vecac.environments.inner_state import CLASSIC_CONTROL
from vecac.environments.single import factory
from vecac.errors import EnvironmentFault, UsageError
from vecac.kernels.environment import CompiledEnvironment

EPISODES, EPISODE_STEPS = 12, 20
"""How long both are compared: in short episodes, since rounding errors may grow in each."""

TOLERANCE, ROUNDING, GROWTH, MOST_GROWTH = 3e-6, 5e-7, 4.0, 1e4
"""See _tolerance."""

State = tuple[float, ...]
Functions = tuple[Callable[..., Any], Callable[..., Any], Callable[..., Any]]


def require_same_steps(
    settings: EnvironmentSettings, environment: CompiledEnvironment, functions: Functions
) -> None:
    """Refuse a compiled form that takes other steps than Gymnasium's environment, of the same sizes.

    Steps are compared from states that both know: where Gymnasium's environment tells its state as
    state_size numbers, by get_state or an attribute `state`, which `observe` shows as it does, and where
    both begin an episode alike. How episodes begin is not compared. What the compiled functions raise is
    not told here: a run names the environment that raised it. `functions` are its reset, step and observe.

    Raises:
        UsageError: they part; the message tells where.
        EnvironmentFault: Gymnasium's environment fails.
    """
    with closing(factory(settings, 0)()) as gymnasium:
        _require_same_bounds(settings.env_id, environment, gymnasium.action_space)
        try:
            for seed in range(EPISODES):
                for where, ours, theirs, tolerance in _comparisons(environment, functions, gymnasium, seed):
                    if not _are_alike(ours, theirs, tolerance):
                        raise UsageError(
                            f"--env-id {settings.env_id}: {where}, its compiled form has the observation, "
                            f"reward and termination {ours}, Gymnasium's environment {theirs}: make them "
                            "one, or use --engine sync"
                        )
        except (EnvironmentFault, UsageError):
            raise
        except Exception:  # of a compiled function
            return


def _require_same_bounds(env_id: str, environment: CompiledEnvironment, space: Any) -> None:
    if environment.action_bounds:
        ours = np.array(environment.action_bounds, np.float32)
        theirs = np.stack([space.low.ravel(), space.high.ravel()], axis=1).astype(np.float32)
        if not np.array_equal(ours, theirs):
            raise UsageError(
                f"--env-id {env_id}: the actions of its compiled form have the bounds {ours.tolist()}, "
                f"those of Gymnasium's environment {theirs.tolist()}: make them one, or use --engine sync"
            )


def _draw_action(environment: CompiledEnvironment, rng: np.random.Generator) -> Any:
    """As the compiled form takes it."""
    form = environment.action
    if form.kind == "box":
        low, high = np.array(environment.action_bounds, np.float32).T
        return tuple(rng.normal(0.0, 2.0, len(low)).astype(np.float32).clip(low, high).tolist())
    action = rng.integers(0, form.sizes if form.shape else form.num_actions)
    return tuple(action.tolist()) if form.shape else int(action)


def _comparisons(
    environment: CompiledEnvironment, functions: Functions, gymnasium: Any, seed: int
) -> Iterator[tuple[str, list[float], list[float], float]]:
    """Step by step of an episode: where it is, observation, reward and termination of the compiled form, then
    of Gymnasium's environment, and how far they may be apart. Nothing, if no state is known to both."""
    reset, step, observe = functions
    rng = np.random.default_rng(seed)
    obs, _ = gymnasium.reset(seed=seed)
    state = _known_state(environment, observe, gymnasium, obs)
    if state is None:
        # Of the numbers that Gymnasium's environment draws by the same seed.
        state = reset(tuple(np.random.default_rng(seed).random(environment.num_uniforms).tolist()))
        if not _are_alike(observe(state), obs, _tolerance(state, 0)):
            return
    steps_alone, form = 0, environment.action
    sender = ActionSender(form, gymnasium.action_space, 1)
    for _ in range(EPISODE_STEPS):
        action = _draw_action(environment, rng)
        where = f"after action {action} in the state {state}"
        state, *ours = step(state, action)
        (sent,) = sender.send(np.array([action], form.dtype))
        obs, *theirs, truncated, _ = gymnasium.step(sent)
        yield where, [*observe(state), *ours], [*obs.tolist(), *theirs], _tolerance(state, steps_alone)
        if ours[1] or truncated:
            return
        known = _known_state(environment, observe, gymnasium, obs)
        state, steps_alone = (state, steps_alone + 1) if known is None else (known, 0)


def _known_state(
    environment: CompiledEnvironment, observe: Callable[..., Any], gymnasium: Any, obs: Any
) -> State | None:
    """The state that Gymnasium's environment tells, or has by that name, if `observe` shows it as `obs`; that
    of its own environments is not asked whether it does."""
    attribute = _numbers(getattr(gymnasium.unwrapped, "state", None), environment.state_size)
    if type(gymnasium.unwrapped).__module__.startswith(CLASSIC_CONTROL):
        return attribute
    told = gymnasium.inner_state
    told = told and _numbers(told["episode"].get("state"), environment.state_size)
    for state in (told, attribute):
        if state is not None and _are_alike(observe(state), obs, _tolerance(state, 0)):
            return state
    return None


def _tolerance(state: State, steps_alone: int) -> float:
    """How far numbers may be apart where Gymnasium's environment computes in float32: by what the state is
    rounded by, which may have grown since both were last known to be in the same one."""
    largest = max(map(abs, state))
    return (TOLERANCE + ROUNDING * largest) * min(GROWTH**steps_alone, MOST_GROWTH)


def _numbers(value: Any, count: int) -> State | None:
    """The value as that many floats, if it is such."""
    try:
        numbers = tuple(float(number) for number in np.ravel(value))
    except (TypeError, ValueError):
        return None
    return numbers if len(numbers) == count and all(map(math.isfinite, numbers)) else None


def _are_alike(ours: Any, theirs: Any, tolerance: float) -> bool:
    with np.errstate(over="ignore", invalid="ignore"):
        a, b = np.asarray(ours, np.float32), np.asarray(theirs, np.float32)
        apart = np.abs(a - b) > tolerance * (1 + np.abs(b))
    return not apart.any()
