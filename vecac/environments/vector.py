"""Gymnasium's vector environments behind one contract: what was the transition?

Shapes: N environments, D observation size.

The three autoreset modes differ in when an ended environment is reset and in where its final
observation is found. `Environments.step` hands out the same valid transitions for all of them.
"""

import multiprocessing
import warnings
from collections.abc import Callable, Sequence
from contextlib import closing
from dataclasses import replace
from typing import Any

import gymnasium as gym
import numpy as np
from gymnasium.vector import AsyncVectorEnv, AutoresetMode, SyncVectorEnv, VectorEnv
from numpy.typing import NDArray

from vecac.actions import ActionForm
from vecac.config_parts import EnvironmentSettings
from vecac.config_rules import WITHOUT_WORKERS
from vecac.environments.action_space import ActionSender
from vecac.environments.checks import (
    require_finite,
    require_shape,
    to_float32,
    to_observations,
    with_final_obs,
)
from vecac.environments.inner_state import caveats_of, read_states, write_states
from vecac.environments.lean_sync import LeanSyncVectorEnv
from vecac.environments.observations import Rows
from vecac.environments.registry import AUTORESET_MODES, find_spec, missing_form, require_mode
from vecac.environments.single import Spaces, ask_single, factory, keywords, made, require_spaces
from vecac.environments.supervision import SupervisedVectorEnv, shut_down, stop_signals_held
from vecac.errors import EnvironmentFault, UsageError
from vecac.plain import require_like
from vecac.seeding import environment_seeds, seed_sequences
from vecac.transition import Transition


class Environments:
    """N environments that step together; `obs` (N, D) float32 is what the next action is taken on.

    Args:
        envs: a vector environment whose spaces are supported.
        action: the form of one environment's actions.
        seeds: one each, for every `reset`; a vector form that has one generator for all takes the first.
        max_episode_steps: the time limit that the environments were given in place of their own, if any.
    """

    def __init__(
        self,
        envs: VectorEnv[Any, Any, Any],
        action: ActionForm,
        seeds: Sequence[int],
        max_episode_steps: int | None = None,
    ) -> None:
        self._envs = envs
        self.max_episode_steps = max_episode_steps
        self._seeds = list(seeds)
        self._mode: AutoresetMode = envs.metadata["autoreset_mode"]
        self.num_envs, self.action = envs.num_envs, action
        self._sender = ActionSender(action, envs.single_action_space, self.num_envs)
        self._rows = rows = Rows(envs.single_observation_space, self.num_envs)
        self.hides_final_obs = self._mode is not AutoresetMode.NEXT_STEP
        self.obs_size, self.obs = rows.obs_size, np.zeros((self.num_envs, rows.obs_size), np.float32)
        self._resets_next, self._steps = np.zeros(self.num_envs, np.bool_), 0

    @property
    def num_actions(self) -> int:
        """A, where actions are a choice of one; else UsageError."""
        return self.action.num_actions

    def reset(self, seeds: Sequence[int] | None = None) -> NDArray[np.float32]:
        """Start every episode anew; returns `obs` (N, D) float32. `seeds`, one each, hold for later ones too.

        EnvironmentFault as `step`.
        """
        self._seeds = self._seeds if seeds is None else list(seeds)
        one_process_each = isinstance(self._envs, SyncVectorEnv | AsyncVectorEnv)
        seed: Any = self._seeds if one_process_each else self._seeds[0]
        # AsyncVectorEnv without shared memory is the one that does not forget a pending reset: its
        # next row is dead all the same (GuardedEnv keeps the environment where it is).
        if not isinstance(self._envs, AsyncVectorEnv) or self._envs.shared_memory:
            self._resets_next = np.zeros(self.num_envs, np.bool_)
        self._steps = 0
        self.obs = self._to_observations(self._guarded(self._envs.reset, seed=seed)[0])
        return self.obs

    def step(self, action: NDArray[Any]) -> Transition:
        """Take actions (N, ...) of the environments' form; (N,) int64 in [0, A) if that is a choice of one.

        Raises:
            ValueError, RunFault: as ActionSender.send.
            EnvironmentFault: an environment raised, or an observation or reward is not finite or
                has the wrong shape; the message names the environment's index and the step.
        """
        sent = self._sender.send(action)
        self._steps += 1
        try:
            return self._step(sent)
        except EnvironmentFault as error:
            raise EnvironmentFault(f"at step {self._steps}, {error}") from error

    def _step(self, action: NDArray[Any]) -> Transition:
        raw_obs, raw_reward, terminated, truncated, info = self._guarded(self._envs.step, action)
        obs = self.obs
        terminated, truncated = np.array(terminated, np.bool_), np.array(truncated, np.bool_)
        reward = to_float32(raw_reward)
        for name, array in (("reward", reward), ("terminated", terminated), ("truncated", truncated)):
            require_shape(name, array, (self.num_envs,))
        next_obs = self._to_observations(raw_obs)
        if self._mode is AutoresetMode.NEXT_STEP:
            valid = ~self._resets_next
            if not valid.all():
                reward[self._resets_next] = 0.0
                terminated &= valid
                truncated &= valid
            self._resets_next = terminated | truncated
            self.obs = next_obs
        else:
            valid = np.ones(self.num_envs, np.bool_)
            self.obs, next_obs = self._after_ends(terminated | truncated, next_obs, info)
        require_finite("reward", reward)
        return Transition(obs, reward, terminated, truncated, next_obs, valid)

    def state(self) -> dict[str, Any] | None:
        """All that later steps depend on, for `restore`; None if the environments do not tell."""
        inner = self._guarded(read_states, self._envs)
        state = {"obs": self.obs, "resets_next": self._resets_next, "steps": self._steps, "inner": inner}
        return None if inner is None else state

    def restore(self, state: dict[str, Any]) -> None:
        """Go on where other environments, made alike, were when `state` returned this.

        Raises:
            ValueError: it is not of as many environments, or not of such.
            EnvironmentFault: an environment does not take its part.
        """
        self.reset()
        obs = require_like(state["obs"], self.obs)
        resets_next = require_like(state["resets_next"], self._resets_next)
        require_finite("observation", obs)
        self._guarded(write_states, self._envs, state["inner"], resets_next.tolist())
        self.obs, self._resets_next, self._steps = obs, resets_next, int(state["steps"])

    def caveats(self) -> tuple[str | None, list[str]]:
        """Who keeps `state` from being told, and the wrappers that normalise; see inner_state.caveats."""
        return caveats_of(self._envs)

    def close(self) -> None:
        """End the environments and their worker processes; never hangs, may be called twice."""
        if self._envs.closed:
            return
        if isinstance(self._envs, AsyncVectorEnv):
            shut_down(self._envs)
            return
        try:
            self._envs.close()
        except Exception as error:
            what = f"an environment raised {type(error).__name__} while it was closed: {error}"
            warnings.warn(what, stacklevel=2)
        self._envs.closed = True  # CartPoleVectorEnv does not set it

    def _after_ends(
        self, ended: NDArray[np.bool_], raw_obs: NDArray[np.float32], info: dict[str, Any]
    ) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """(what to act on next, the true successors), for the modes that part the two."""
        if not ended.any():
            return raw_obs, raw_obs
        if self._mode is AutoresetMode.DISABLED:
            # A new options dict each time: Gymnasium takes the mask out of the one it is given.
            reset_obs, _ = self._guarded(self._envs.reset, options={"reset_mask": ended})
            return self._to_observations(reset_obs), raw_obs
        return raw_obs, with_final_obs(raw_obs, ended, info, self._rows.of_one)

    def _to_observations(self, raw_obs: Any) -> NDArray[np.float32]:
        return to_observations(self._rows.of_all(raw_obs), self.obs.shape)

    def _guarded(self, call: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
        """Call the vector environment, and name what goes wrong outside the single environments."""
        try:
            return call(*args, **kwargs)
        except (EnvironmentFault, UsageError):
            raise
        except Exception as error:
            fault = self._envs.explain(error) if isinstance(self._envs, SupervisedVectorEnv) else None
            raise fault or EnvironmentFault(
                f"the vector environment raised {type(error).__name__}: {error}"
            ) from error


def frame_of(environments: Environments) -> NDArray[np.uint8]:
    """What the first of single copies, made in render mode rgb_array, looks like: (height, width, 3).

    EnvironmentFault if it raises, or draws something else.
    """
    frame = np.asarray(environments._guarded(environments._envs.envs[0].render))  # type: ignore[attr-defined]
    if frame.ndim != 3 or frame.shape[2] != 3 or frame.dtype != np.uint8:
        raise EnvironmentFault(
            f"environment 0 was drawn as {frame.dtype} {frame.shape}, not as uint8 (height, width, 3)"
        )
    return frame


def frames_a_second(environments: Environments) -> float:
    """How fast it is meant to be seen, as its metadata say; 30 where they do not."""
    return float(environments._envs.metadata.get("render_fps") or 30)


def make_environments(
    config: EnvironmentSettings, render_mode: str | None = None, max_episode_steps: int | None = None
) -> Environments:
    """Make config.num_envs copies of config.env_id on the backend config.engine; not reset yet.

    Args:
        config: all of it counts.
        render_mode: passed on to the environments of the sync and async engines.
        max_episode_steps: a time limit in place of config's.

    Raises:
        UsageError: the environment is unknown or cannot be made, its spaces are not supported, or
            the backend does not have the autoreset mode.
    """
    if max_episode_steps is not None:
        config = replace(config, max_episode_steps=max_episode_steps)
    lacking = missing_form(config.engine, find_spec(config.env_id))
    if lacking is not None:
        other = "sync" if config.engine == "vector" else "vector"
        raise UsageError(f"--env-id {lacking}: use --engine {other}")
    with made(config):
        envs = _make_vector_form(config) if config.engine == "vector" else _make_copies(config, render_mode)
    try:
        _, action = require_spaces(config, envs.single_observation_space, envs.single_action_space)
        require_mode(config.env_id, config.autoreset_mode, envs)
    except UsageError:
        envs.close()
        raise
    seeds = environment_seeds(seed_sequences(config.seed).environments, config.num_envs)
    return Environments(envs, action, seeds, max_episode_steps)


def spaces_of(settings: EnvironmentSettings) -> Spaces:
    """The spaces of one copy, which is made to be asked; UsageError as make_environments."""
    if settings.engine != "vector" and find_spec(settings.env_id).entry_point is not None:
        return ask_single(settings)
    one = replace(settings, num_envs=1, engine="vector", **WITHOUT_WORKERS)
    with closing(make_environments(one)) as environments:
        envs = environments._envs
        spaces = envs.single_observation_space, envs.single_action_space
        return Spaces(*spaces, environments.obs_size, environments.action)


def _make_vector_form(config: EnvironmentSettings) -> VectorEnv[Any, Any, Any]:
    form = "vector_entry_point"
    return gym.make_vec(config.env_id, config.num_envs, vectorization_mode=form, **keywords(config))


def _make_copies(config: EnvironmentSettings, render_mode: str | None) -> VectorEnv[Any, Any, Any]:
    factories = [factory(config, index, render_mode) for index in range(config.num_envs)]
    ask_single(config)  # before any worker starts: a vector environment would fail obscurely
    options: dict[str, Any] = {"copy": False, "autoreset_mode": AUTORESET_MODES[config.autoreset_mode]}
    if config.engine == "sync":
        return LeanSyncVectorEnv(factories, **options)
    context = None if config.start_method == "default" else config.start_method
    available = multiprocessing.get_all_start_methods()
    if context is not None and context not in available:
        raise UsageError(f"--start-method {context} does not exist here: use {' or '.join(available)}")
    options |= {"shared_memory": config.shared_memory, "context": context}
    with stop_signals_held():
        return SupervisedVectorEnv(factories, config.step_timeout, **options)
