"""The one environment that a worker process, or SyncVectorEnv, steps."""

import os
import signal
import traceback
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import gymnasium as gym
import numpy as np
from gymnasium.spaces import flatdim
from numpy.typing import NDArray

from vecac.environments.inner_state import caveats, read_state, write_state
from vecac.environments.observations import checked_array, flattened, is_flat
from vecac.environments.wrapping import wrapped
from vecac.errors import EnvironmentFault, UsageError
from vecac.signals import STOP_SIGNALS

Observation = NDArray[np.generic]


@dataclass(frozen=True)
class EnvironmentFactory:
    """Makes environment `index` in its wrappers; picklable, so that any start method can send it to a worker.

    keywords: for gym.make. wrappers: see wrapping.py.
    """

    env_id: str
    index: int
    owner_pid: int
    keywords: Mapping[str, Any] = field(default_factory=dict)
    wrappers: Sequence[str] = ()

    def __call__(self) -> "GuardedEnv | UnmadeEnv":
        """Make the environment; in a worker process, first take charge of its signals."""
        if os.getpid() != self.owner_pid:
            _leave_stopping_to_the_trainer()
        try:
            # GuardedEnv takes the place of Gymnasium's passive checker, which only looks at first calls.
            env = gym.make(self.env_id, disable_env_checker=True, **self.keywords)
            return GuardedEnv(wrapped(env, self.wrappers), self.index)
        except BaseException as error:
            if os.getpid() == self.owner_pid:
                raise
            # A worker that ends here would leave its traceback and no reason: it is told when asked.
            return UnmadeEnv(f"environment {self.index} cannot be made: {type(error).__name__}: {error}")


def _leave_stopping_to_the_trainer() -> None:
    """Outlive SIGINT and SIGTERM, which terminals and service managers send to the whole group.

    The run goes on until its state is whole, and a worker must not end in the middle of a step. A
    handler that does nothing, unlike SIG_IGN, is not passed on to programs that an environment starts.
    """
    for number in STOP_SIGNALS:
        signal.signal(number, lambda *_: None)
    if hasattr(signal, "pthread_sigmask"):
        signal.pthread_sigmask(signal.SIG_UNBLOCK, STOP_SIGNALS)


class UnmadeEnv(gym.Env[Any, Any]):
    """What a worker has in place of an environment that could not be made; `unmade`, why, is asked first."""

    observation_space = action_space = shown_space = gym.spaces.Discrete(1)

    def __init__(self, unmade: str) -> None:
        self.unmade = unmade


class GuardedEnv(gym.Wrapper[Observation, Any, Observation, Any]):
    """Puts the environment's index on what goes wrong inside it.

    Observations come as rows of numbers: in the dtype of their space if they are such, else flattened to
    float32; shown_space is their space before that. Rewards come as floats and flags as bools, so that every
    backend hands on the same.

    Raises:
        EnvironmentFault: the environment raised, or returned what its space, or a float or bool, cannot
            hold, and vector environments would broadcast, flatten or wrap around in silence. Its one
            argument survives the way from a worker process, where other exceptions may not.
        UsageError: the environment needs a package that is not installed.
    """

    unmade: str | None = None

    def __init__(self, env: gym.Env[Observation, Any], index: int) -> None:
        super().__init__(env)
        self._who, self.shown_space = f"environment {index}", env.observation_space
        self._is_flat = is_flat(self.shown_space)
        # What is not flat has no shape of its own to pass by, and always goes through _checked.
        self._shape = self.shown_space.shape if self._is_flat else None
        self._dtype = self.shown_space.dtype
        self._first_obs: Observation | None = None
        if not self._is_flat and self.shown_space.is_np_flattenable:  # what is not is refused by single.py
            self.observation_space = gym.spaces.Box(-np.inf, np.inf, (flatdim(self.shown_space),), np.float32)

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[Observation, dict[str, Any]]:
        """Reset the environment; an unseeded reset straight after a seeded one changes nothing.

        AsyncVectorEnv without shared memory resets again, unseeded, at the first step after a reset
        that came between an episode's end and its autoreset.
        """
        if seed is None and options is None and self._first_obs is not None:
            return self._first_obs, {}
        try:
            obs = self._checked(self.env.reset(seed=seed, options=options)[0])
        except BaseException as error:
            raise self._explain(error) from error
        self._first_obs = None if seed is None else np.array(obs)
        return obs, {}

    def step(self, action: Any) -> tuple[Observation, float, bool, bool, dict[str, Any]]:
        """Step the environment. Its info is dropped: nothing reads it, and workers would pickle it."""
        self._first_obs = None
        try:
            obs, reward, terminated, truncated, _ = self.env.step(action)
            # Tests of identity first: this runs in every env step, and most environments pass them.
            if type(obs) is not np.ndarray or obs.dtype is not self._dtype or obs.shape != self._shape:
                obs = self._checked(obs)
            if type(reward) is not float:  # NumPy's float64 is one too
                reward = float(reward) if isinstance(reward, float) else self._number(reward)
            if type(terminated) is not bool or type(truncated) is not bool:
                terminated, truncated = bool(terminated), bool(truncated)
        except BaseException as error:
            raise self._explain(error) from error
        if terminated or truncated:
            # In SAME_STEP the reset comes before anyone reads the final observation: an environment
            # that reuses its buffer would overwrite it.
            obs = np.array(obs)
        return obs, reward, terminated, truncated, {}

    @property
    def caveats(self) -> tuple[str | None, list[str]]:
        """Who does not tell its inner state, and the wrappers that normalise; see inner_state.py."""
        return caveats(self.env)

    @property
    def inner_state(self) -> Any:
        """All that the next steps depend on, None if it cannot be had; see inner_state.py.

        Set to (such a state, whether the next step resets whatever its action) to go on from there: where
        a vector environment would keep the latter is its own affair, so it is kept here.
        """
        return read_state(self.env)

    @inner_state.setter
    def inner_state(self, restored: tuple[Any, bool]) -> None:
        state, resets_next = restored
        try:
            write_state(self.env, state)
        except BaseException as error:
            raise self._explain(error) from error
        self._first_obs = None
        if resets_next:
            self.__dict__["step"] = self._reset_in_place_of_a_step

    def _reset_in_place_of_a_step(self, action: Any) -> tuple[Observation, float, bool, bool, dict[str, Any]]:
        del self.__dict__["step"]  # an attribute in the method's place, so that other steps cost no test
        return self.reset()[0], 0.0, False, False, {}

    def _checked(self, obs: Any) -> Observation:
        # That the numbers of a flat one are finite is looked at for all copies at once.
        to_row = checked_array if self._is_flat else flattened
        return to_row(self.shown_space, obs, self._who)

    def _number(self, reward: Any) -> float:
        array = np.asarray(reward)
        if array.ndim or array.dtype.kind not in "fiub":
            raise EnvironmentFault(f"{self._who} returned the reward {reward!r}, which is not a number")
        return float(array)

    def _explain(self, error: BaseException) -> BaseException:
        if isinstance(error, EnvironmentFault | KeyboardInterrupt):
            return error
        if isinstance(error, gym.error.DependencyNotInstalled):  # pygame, for one, if it is to be seen
            return UsageError(str(error))
        place = traceback.extract_tb(error.__traceback__)[-1]
        try:
            message = str(error)
        except Exception:
            message = "(its message cannot be told)"
        return EnvironmentFault(
            f"{self._who} raised {type(error).__name__}: {message} ({place.filename}, line {place.lineno})"
        )
