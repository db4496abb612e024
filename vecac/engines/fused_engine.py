"""The engine for compiled environments: environment, policy and gradient in one pass on the CPU."""

import math
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import numpy as np
from numpy.typing import NDArray

from vecac.algorithm.schedule import rates_at
from vecac.config_parts import LearningSettings
from vecac.engines.compiled_faults import find_fault
from vecac.engines.compiled_form import Functions
from vecac.engines.compiled_memory import allocate, statistics
from vecac.engines.contracts import CALL_SECONDS, NEW_EPISODES, Report
from vecac.errors import EnvironmentFault
from vecac.kernels.drivers import fused
from vecac.kernels.environment import CompiledEnvironment
from vecac.kernels.plumbing.compiling import compile_environment, specialise
from vecac.learners.block_threads import BlockThreads
from vecac.learners.kernel_parameters import KernelParameters
from vecac.plain import fill
from vecac.seeding import SeedSequences, restart_sequence
from vecac.transition import Episode

CALL_PRODUCTS = 500_000_000
"""Multiplications with weights by each thread in one call of a kernel: some 25 ms, during which no signal is
heard. To wake the threads up takes 0.1 ms and more."""


class FusedEngine:
    """Trains on a compiled environment; the results do not depend on the number of threads.

    environment: what it trains on. kernels: compiled for it. memory: all that they read and write.

    Args:
        settings: of the loss and the rollout, as config_rules.NEEDS has them.
        environment: what to train on.
        time_limit: env steps after which an episode is truncated; None for no limit.
        num_threads: the most that are used at a time.
        seeds: of the network and the environments, whose streams the policy draws from too.
        kernels: of another engine for the same environment and settings, whatever the seeds.

    Raises:
        UsageError: the environment's functions cannot be compiled.
    """

    environments: None = None

    def __init__(
        self,
        settings: LearningSettings,
        environment: CompiledEnvironment,
        time_limit: int | None,
        num_threads: int,
        seeds: SeedSequences,
        kernels: "Kernels | None" = None,
    ) -> None:
        self.environment, self._settings, self._seeds = environment, settings, seeds
        self._shared = KernelParameters(settings, environment.obs_size, environment.action, seeds, time_limit)
        self.memory = memory = allocate(settings, environment, self._shared, seeds)
        self._progress = memory.progress[0]
        self._has_begun = self._is_torn = False
        self._threads = BlockThreads(num_threads, len(memory.model.works))
        self.network, self.num_threads = self._shared.network, self._threads.count
        products = (4 if memory.kept else 3) * memory.model.parameters_M.size * memory.endings_TN.size
        self._iterations_a_call = max(1, CALL_PRODUCTS * self._threads.count // products)
        self.kernels = kernels or Kernels(compile_environment(environment))
        functions = self.kernels.functions
        self._begin = self.kernels.specialise(fused.begin, memory, functions[0])
        arguments = (self._threads.counters, 0, memory, 1, math.inf, *functions)
        self._iterate = self.kernels.specialise(fused.iterate, *arguments)

    @property
    def env_steps(self) -> int:
        """Valid transitions so far; there are no dead rows here."""
        return int(self._progress["env_steps"])

    @property
    def updates(self) -> int:
        """Optimiser steps so far."""
        return int(self._progress["updates"])

    def policy_state(self) -> dict[str, Any]:
        """Enough to play the policy; see Engine."""
        shared = self._shared.state_dict(self.updates, float(self._progress["learning_rate"]))
        return {**shared, "env_steps": self.env_steps, "updates": self.updates}

    def state_dict(self) -> dict[str, Any]:
        """What a checkpoint holds; see Engine. `iterate` never returns in the middle of a rollout."""
        engine = {"episodes": None if self._is_torn else self.memory.environments, **statistics(self.memory)}
        return {**self.policy_state(), "engine": engine if self._has_begun else None}

    def load_state_dict(self, state: dict[str, Any]) -> list[str]:
        """Go on exactly where state_dict was taken; see Engine."""
        self.take_policy(state)
        if state["engine"] is None:
            self.reset()
            return []
        for name, array in statistics(self.memory).items():
            fill(array, state["engine"][name])
        self.memory.model.settings["ent_coef"] = rates_at(self._settings, self.env_steps).ent_coef
        environments, episodes = self.memory.environments, state["engine"]["episodes"]
        if episodes is not None:
            fill(environments, episodes)
            self._has_begun = True
            return []
        sequence = restart_sequence(self._seeds.environments, self.env_steps)
        environments["stream"] = sequence.generate_state(environments.size, np.uint64)
        self.reset()
        return [NEW_EPISODES]

    def take_policy(self, state: dict[str, Any]) -> None:
        """Begin with another engine's policy; see Engine."""
        self._shared.load_state_dict(state)
        self._progress["updates"] = state["updates"]

    def caveats(self) -> list[str]:
        """None: the environments are memory of this engine."""
        return []

    def reset(self) -> None:
        """Start the first episodes; call once, before `iterate`."""
        with self._faults_named():
            self._begin(self.memory, self.kernels.functions[0])
        self._has_begun = True
        if self.memory.kept:
            self.memory.kept.return_N.fill(0.0)

    def iterate(self, count: int, goal: float | None = None) -> Report:
        """Collect and update; see Engine."""
        deadline = time.perf_counter() + CALL_SECONDS
        # The kernel's mean may round otherwise than the statistics', so it stops a hair before the goal.
        pause_at = math.inf if goal is None else goal - 1e-9 * abs(goal)
        progress, end = self._progress, self.updates + count
        progress["finished"] = progress["paused"] = 0
        while self.updates < end:
            iterations = min(end - self.updates, self._iterations_a_call)
            with self._faults_named():
                self._threads.run(self._iterate, self.memory, iterations, pause_at, *self.kernels.functions)
            if progress["paused"] or time.perf_counter() > deadline:
                break
        rates = rates_at(self._settings, self.env_steps - self.memory.endings_TN.size)
        last_update = self._shared.last_update(float(progress["grad_norm"]), *rates)
        diverged = not (last_update.has_finite_gradient() and self.network.is_finite())
        if diverged and (fault := self._find_fault()) is not None:
            raise EnvironmentFault(fault)
        return Report(EpisodeRows(self._finished().copy()), last_update, math.nan, math.nan, diverged)

    def last_rollout(self) -> None:
        """None: what the kernels keep, if anything, is no Rollout."""

    def largest_reward(self) -> float:
        """The largest absolute mean reward of an episode, finished by the last call or in progress."""
        episodes = (self._finished(), self.memory.environments)
        rewards = [np.abs(rows["episode_return"]) / np.maximum(rows["length"], 1) for rows in episodes]
        return float(np.concatenate(rewards).max())

    def close(self) -> None:
        """End the threads."""
        self._threads.close()

    @contextmanager
    def _faults_named(self) -> Iterator[None]:
        try:
            yield
        except BaseException as error:
            self._is_torn = True  # some environments are further than others
            if not isinstance(error, Exception):
                raise
            unnamed = f"a compiled environment raised {type(error).__name__}: {error}"
            raise EnvironmentFault(self._find_fault(error) or unnamed) from error

    def _find_fault(self, raised: Exception | None = None) -> str | None:
        return find_fault(self.environment, self.memory.environments, self._finished(), raised)

    def _finished(self) -> Any:
        """The episodes that the last call finished, as records."""
        return self.memory.finished[: self._progress["finished"]]


class Kernels:
    """What engines for the same environment and sizes share: its functions, and the kernels for both.

    To find a kernel by its arguments takes as long as a tenth of a short run.
    """

    def __init__(self, functions: Functions) -> None:
        self.functions = functions
        self._compiled: dict[Any, Any] = {}

    def specialise(self, kernel: Any, *args: Any) -> Any:
        """The kernel for arguments like these, which are the same ones each time."""
        if kernel not in self._compiled:
            self._compiled[kernel] = specialise(kernel, *args)
        return self._compiled[kernel]


class EpisodeRows(Sequence[Episode]):
    """Episodes as records, made into objects only where someone looks: there can be 400,000 a second."""

    def __init__(self, rows: NDArray[Any]) -> None:
        self.rows = rows

    def __len__(self) -> int:
        return len(self.rows)

    def __getitem__(self, index: Any) -> Any:
        found = self.rows[index].tolist()
        return [Episode(*row) for row in found] if isinstance(index, slice) else Episode(*found)
