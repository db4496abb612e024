"""What the throughput benchmark times beside environments alone: collecting alone, and training.

Both count valid transitions only.
"""

from typing import Protocol

import torch
import windows

from vecac.algorithm.rollout import Rollout
from vecac.config import Config
from vecac.engines.contracts import Engine, Learner
from vecac.engines.fused_engine import FusedEngine
from vecac.engines.gymnasium_engine import GymnasiumEngine
from vecac.engines.hardware import choose_threads, resolve_device, torch_threads
from vecac.engines.selection import make_engine, make_learner, resolve
from vecac.environments.vector import make_environments


class Workload(windows.Steps, Protocol):
    """Something that takes env steps, and is closed afterwards."""

    num_threads: int
    """Threads that torch may use meanwhile."""

    def close(self) -> None:
        """Close the environments."""


def measure(workload: Workload, seconds: float) -> float:
    """Env steps a second in a window; on CUDA it ends when the last update does."""
    with torch_threads(workload.num_threads):
        return windows.measure(workload, seconds, _wait_for_cuda)


def _wait_for_cuda() -> None:
    if torch.cuda.is_initialized():  # type: ignore[no-untyped-call]
        torch.cuda.synchronize()


class ActsOnly:
    """A learner that acts as another one does, and never updates.

    Args:
        learner: closed by `close`.
    """

    def __init__(self, learner: Learner) -> None:
        self.network, self.device, self.num_threads = learner.network, learner.device, learner.num_threads
        # Not methods of ours around the learner's: a call more would be timed with them.
        self.start_rollout, self.act, self.close = learner.start_rollout, learner.act, learner.close

    def update(self, rollout: Rollout, learning_rate: float) -> None:
        """Make no update, as for a rollout without a valid row."""


class CollectingAlone:
    """Environments and acting, rollout after rollout as GymnasiumEngine collects them, never an update.

    The engine sends each rollout to the learner's device, and finds and counts its episodes, as in training.
    """

    def __init__(self, config: Config) -> None:
        device = resolve_device(config.device)
        config, _ = resolve(config)
        self.num_threads = choose_threads(config)
        environments = make_environments(config)
        learner = ActsOnly(make_learner(config, environments, device, self.num_threads))
        self._engine = GymnasiumEngine(config, environments, learner)  # type: ignore[arg-type]
        self._engine.reset()

    def advance(self) -> int:
        """Collect one rollout."""
        return advance_engine(self._engine, 1)

    def close(self) -> None:
        """Close the environments."""
        self._engine.close()


class Training:
    """The engine that vecac.train runs: collect and update."""

    def __init__(self, config: Config) -> None:
        device = resolve_device(config.device)
        config, _ = resolve(config)
        engine = self._engine = make_engine(config, device, choose_threads(config))
        self.num_threads, self._count = choose_threads(config), 1
        if isinstance(engine, FusedEngine):
            self.num_threads = engine.num_threads  # fewer if there are few environments
            self._count = 10**9
        engine.reset()

    def advance(self) -> int:
        """Collect one rollout and update; the fused engine as often as one of its calls does."""
        return advance_engine(self._engine, self._count)

    def close(self) -> None:
        """Close the environments."""
        self._engine.close()


def advance_engine(engine: Engine, count: int) -> int:
    """Iterate up to `count` times, at least once to the end; returns the env steps taken."""
    before = engine.env_steps
    # A long rollout takes several calls. All of it belongs into the window that it began in.
    while engine.env_steps == before:
        engine.iterate(count)
    return engine.env_steps - before
