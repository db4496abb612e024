"""Gymnasium's vector environments behind one contract: what was the transition?

Shapes: N environments, D observation size.

The three autoreset modes differ in when an ended environment is reset and in where its final
observation is found. `Environments.step` hands out the same valid transitions for all of them.
"""

import multiprocessing
import os
import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager
from typing import Any

import gymnasium as gym
import numpy as np
from gymnasium.vector import AsyncVectorEnv, AutoresetMode, SyncVectorEnv, VectorEnv
from numpy.typing import NDArray

from vecac.config_parts import EnvironmentSettings
from vecac.environments.checks import (
    require_finite,
    require_shape,
    to_float32,
    to_observations,
    with_final_obs,
)
from vecac.environments.inner_state import normalisers, read_states, write_states
from vecac.environments.lean_sync import LeanSyncVectorEnv
from vecac.environments.registry import AUTORESET_MODES, find_spec, missing_form, require_mode, require_spaces
from vecac.environments.supervision import SupervisedVectorEnv, shut_down, stop_signals_held
from vecac.environments.worker import EnvironmentFactory
from vecac.errors import EnvironmentFault, UsageError
from vecac.plain import require_like
from vecac.seeding import environment_seeds, seed_sequences
from vecac.transition import Transition


class Environments:
    """N environments that step together; `obs` (N, D) float32 is what the next action is taken on.

    Args:
        envs: a vector environment with a flat Box observation and a Discrete action space.
        seeds: one seed an environment, used by every `reset`. A vector environment that draws all
            its copies from one generator takes the first.
        max_episode_steps: the time limit that the environments were given in place of their own, if any.
    """

    def __init__(
        self, envs: VectorEnv[Any, Any, Any], seeds: Sequence[int], max_episode_steps: int | None = None
    ) -> None:
        self._envs = envs
        self.max_episode_steps = max_episode_steps
        self._seeds = list(seeds)
        self._mode: AutoresetMode = envs.metadata["autoreset_mode"]
        self._first_action = int(envs.single_action_space.start)  # type: ignore[attr-defined]
        self.num_envs = envs.num_envs
        self.obs_size = int(envs.single_observation_space.shape[0])  # type: ignore[index]
        self.num_actions = int(envs.single_action_space.n)  # type: ignore[attr-defined]
        self.hides_final_obs = self._mode is not AutoresetMode.NEXT_STEP
        self.obs = np.zeros((self.num_envs, self.obs_size), np.float32)
        self._resets_next = np.zeros(self.num_envs, np.bool_)
        self._steps = 0

    def reset(self, seeds: Sequence[int] | None = None) -> NDArray[np.float32]:
        """Start every episode anew; returns `obs` (N, D) float32. `seeds`, one each, hold for later ones too.

        Raises:
            EnvironmentFault: as `step` does.
        """
        self._seeds = self._seeds if seeds is None else list(seeds)
        one_process_each = isinstance(self._envs, SyncVectorEnv | AsyncVectorEnv)
        seed: Any = self._seeds if one_process_each else self._seeds[0]
        # AsyncVectorEnv without shared memory is the one that does not forget a pending reset: its
        # next row is dead all the same (GuardedEnv keeps the environment where it is).
        if not isinstance(self._envs, AsyncVectorEnv) or self._envs.shared_memory:
            self._resets_next = np.zeros(self.num_envs, np.bool_)
        self._steps = 0
        self.obs = to_observations(self._guarded(self._envs.reset, seed=seed)[0], self.obs.shape)
        return self.obs

    def step(self, action: NDArray[np.int64]) -> Transition:
        """Take action (N,), int64 in [0, A), in every environment.

        Raises:
            ValueError: the action array has another shape or is not of integers. It is checked
                before anything is sent: a worker left out would be out of step ever after.
            EnvironmentFault: an environment raised, or an observation or reward is not finite or
                has the wrong shape; the message names the environment's index and the step.
        """
        action = np.asarray(action)
        if action.shape != (self.num_envs,) or action.dtype.kind != "i":
            raise ValueError(f"action must be ({self.num_envs},) integers, not {action.shape} {action.dtype}")
        self._steps += 1
        if self._first_action:
            action = action + self._first_action
        try:
            return self._step(action)
        except EnvironmentFault as error:
            raise EnvironmentFault(f"at step {self._steps}, {error}") from error

    def _step(self, action: NDArray[np.int64]) -> Transition:
        raw_obs, raw_reward, terminated, truncated, info = self._guarded(self._envs.step, action)
        obs = self.obs
        terminated, truncated = np.array(terminated, np.bool_), np.array(truncated, np.bool_)
        reward = to_float32(raw_reward)
        for name, array in (("reward", reward), ("terminated", terminated), ("truncated", truncated)):
            require_shape(name, array, (self.num_envs,))
        next_obs = to_observations(raw_obs, self.obs.shape)
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
        if inner is None:
            return None
        return {"obs": self.obs, "resets_next": self._resets_next, "steps": self._steps, "inner": inner}

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

    def normalisers(self) -> list[str]:
        """Wrappers of Gymnasium's around each copy that normalise by statistics of its own."""
        return list(self._guarded(normalisers, self._envs))

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
            return to_observations(reset_obs, self.obs.shape), raw_obs
        return raw_obs, with_final_obs(raw_obs, ended, info)

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


def make_environments(
    config: EnvironmentSettings, render_mode: str | None = None, max_episode_steps: int | None = None
) -> Environments:
    """Make config.num_envs copies of config.env_id on the backend config.engine; not reset yet.

    Args:
        config: its env_id, num_envs, engine, autoreset_mode, start_method, shared_memory and seed.
        render_mode: passed on to the environments of the sync and async engines.
        max_episode_steps: a time limit in place of their own, of the same engines.

    Raises:
        UsageError: the environment is unknown or cannot be made, its spaces are not supported, or
            the backend does not have the autoreset mode.
    """
    lacking = missing_form(config.engine, find_spec(config.env_id))
    if lacking is not None:
        other = "sync" if config.engine == "vector" else "vector"
        raise UsageError(f"--env-id {lacking}: use --engine {other}")
    with _made(config.env_id):
        if config.engine == "vector":
            envs = gym.make_vec(config.env_id, config.num_envs, vectorization_mode="vector_entry_point")
        else:
            envs = _make_copies(config, render_mode, max_episode_steps)
    try:
        require_spaces(config.env_id, envs.single_observation_space, envs.single_action_space)
        require_mode(config.env_id, config.autoreset_mode, envs)
    except UsageError:
        envs.close()
        raise
    seeds = environment_seeds(seed_sequences(config.seed).environments, config.num_envs)
    return Environments(envs, seeds, max_episode_steps)


def single_sizes(env_id: str) -> tuple[int, int]:
    """D and A of an environment, which is made to be asked for them; UsageError as of make_environments."""
    with _made(env_id), closing(EnvironmentFactory(env_id, 0, os.getpid())()) as env:
        spaces: Any = env.observation_space, env.action_space
        require_spaces(env_id, *spaces)
        return int(spaces[0].shape[0]), int(spaces[1].n)


@contextmanager
def _made(env_id: str) -> Iterator[None]:
    """Explain whatever an environment's own constructor raises."""
    try:
        yield
    except UsageError:
        raise
    except Exception as error:
        why = error if isinstance(error, EnvironmentFault) else repr(error)
        raise UsageError(f"--env-id {env_id} cannot be made: {why}") from error


def _make_copies(
    config: EnvironmentSettings, render_mode: str | None, max_episode_steps: int | None
) -> VectorEnv[Any, Any, Any]:
    factories = [
        EnvironmentFactory(config.env_id, index, os.getpid(), render_mode, max_episode_steps)
        for index in range(config.num_envs)
    ]
    single_sizes(config.env_id)  # before any worker starts: a vector environment would fail obscurely
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
