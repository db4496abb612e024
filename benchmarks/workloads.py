"""What the throughput benchmark times: environments alone, collecting alone, and training.

Shapes: T rollout steps, N environments. All of them count valid transitions only.
"""

import itertools
import time
from typing import Any, Protocol

import numpy as np
import torch
from gymnasium.vector import AutoresetMode, VectorEnv

from vecac.algorithm.rollout import Rollout
from vecac.config import Config
from vecac.engines.fused_engine import FusedEngine
from vecac.engines.hardware import choose_threads, resolve_device, torch_threads
from vecac.engines.selection import make_engine, make_learner, resolve
from vecac.environments.vector import make_environments

PREPARED_STEPS = 100
"""Random actions drawn beforehand for as many steps; then they come round again."""


class Workload(Protocol):
    """Something that takes env steps."""

    num_threads: int
    """Threads that torch may use meanwhile."""

    def advance(self) -> int:
        """Go on by T steps of every environment, or about so; returns the valid ones."""

    def close(self) -> None:
        """Close the environments."""


def measure(workload: Workload, seconds: float) -> float:
    """Env steps a second in a window that lasts `seconds` and until the current `advance` is over."""
    env_steps = 0
    with torch_threads(workload.num_threads):
        start = time.perf_counter()
        while env_steps == 0 or time.perf_counter() - start < seconds:
            env_steps += workload.advance()
        if torch.cuda.is_initialized():  # type: ignore[no-untyped-call]
            torch.cuda.synchronize()  # the last update may still be running
        return env_steps / (time.perf_counter() - start)


class EnvironmentsAlone:
    """A vector environment by itself, as Gymnasium makes it, driven by random actions.

    Args:
        envs: in NEXT_STEP mode, Gymnasium's default; closed by `close`.
        num_steps: T.

    Raises:
        ValueError: another autoreset mode, whose dead rows, if any, are found in other ways.
    """

    num_threads = 1

    def __init__(self, envs: VectorEnv[Any, Any, Any], num_steps: int) -> None:
        mode = envs.metadata["autoreset_mode"]
        if mode is not AutoresetMode.NEXT_STEP:
            raise ValueError(f"dead rows are counted in NEXT_STEP only, not in {mode}")
        self._envs = envs
        self._num_steps = num_steps
        envs.action_space.seed(1)
        self._actions = itertools.cycle([envs.action_space.sample() for _ in range(PREPARED_STEPS)])
        self._num_dead_next = 0
        envs.reset(seed=1)

    def advance(self) -> int:
        """Step T times; the row after an episode's end only resets its environment and does not count."""
        env_steps = 0
        for _ in range(self._num_steps):
            _, _, terminated, truncated, _ = self._envs.step(next(self._actions))
            env_steps += self._envs.num_envs - self._num_dead_next
            self._num_dead_next = int(np.count_nonzero(terminated | truncated))
        return env_steps

    def close(self) -> None:
        """Close the vector environment."""
        self._envs.close()


class CollectingAlone:
    """Environments and acting, rollout after rollout as GymnasiumEngine collects them, never an update."""

    def __init__(self, config: Config) -> None:
        device = resolve_device(config.device)
        config, _ = resolve(config, device)
        self.num_threads = choose_threads(config)
        self._environments = make_environments(config)
        self._learner = make_learner(config, self._environments, device, self.num_threads)
        self._rollout = Rollout(
            config.n_rollout,
            config.num_envs,
            self._environments.obs_size,
            self._environments.hides_final_obs,
            self._learner.device,
        )
        self._environments.reset()

    def advance(self) -> int:
        """Collect one rollout."""
        environments, learner, rollout = self._environments, self._learner, self._rollout
        rollout.start(environments.obs)
        learner.start_rollout(rollout)
        for t in range(rollout.num_steps):
            transition = environments.step(learner.act(rollout, t))
            rollout.insert(t, transition, environments.obs)
        rollout.finish()
        return int(np.count_nonzero(rollout.valid_TN))

    def close(self) -> None:
        """Close the environments."""
        self._environments.close()


class Training:
    """The engine that vecac.train runs: collect and update."""

    def __init__(self, config: Config) -> None:
        device = resolve_device(config.device)
        config, _ = resolve(config, device)
        engine = self._engine = make_engine(config, device, choose_threads(config))
        self.num_threads = choose_threads(config)
        if isinstance(engine, FusedEngine):
            self.num_threads = engine.num_threads  # fewer if there are few environments
        engine.reset()

    def advance(self) -> int:
        """Collect one rollout and update; the fused engine as often as one of its calls does."""
        engine = self._engine
        before = engine.env_steps
        # A long rollout takes several calls. All of it belongs into the window that it began in.
        while engine.env_steps == before:
            engine.iterate(10**9 if isinstance(engine, FusedEngine) else 1)
        return engine.env_steps - before

    def close(self) -> None:
        """Close the environments."""
        self._engine.close()
