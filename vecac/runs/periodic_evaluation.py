"""Evaluation while a run trains: greedy, on environments and seeds that neither training nor its end uses."""

import random
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import numpy as np

from vecac.algorithm.network import Network
from vecac.config import Config
from vecac.engines.evaluation import Evaluation, evaluate, make_evaluation_environments
from vecac.environments.vector import Environments
from vecac.plain import require_count, require_number
from vecac.recording.meanings import METRICS
from vecac.seeding import seed_sequences


class PeriodicEvaluation:
    """Evaluates after the update that reaches a multiple of eval_interval, by the same episodes each time.

    metrics: of the newest evaluation, by tag; none before there is one. environments: made for the first.
    go_on: see evaluation.evaluate.
    """

    def __init__(self, config: Config) -> None:
        self._config, self._env_steps = config, 0
        self.environments: Environments | None = None
        self.metrics: Mapping[str, float] = {}
        self.go_on: Callable[[int, int], bool] = lambda episodes, steps: True

    def state_dict(self) -> dict[str, Any]:
        """When the newest evaluation was, and what came out."""
        return {"env_steps": self._env_steps, "metrics": dict(self.metrics)}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Go on from a `state_dict`."""
        self._env_steps = require_count(state["env_steps"])
        for tag in state["metrics"]:
            METRICS[tag]  # raises on one that there is not
        self.metrics = {tag: require_number(number) for tag, number in state["metrics"].items()}

    def next_at(self) -> int | None:
        """The env steps at which one is due; None if none ever is."""
        every = self._config.eval_interval
        return (self._env_steps // every + 1) * every if every else None

    def metrics_at(self, env_steps: int) -> Mapping[str, float]:
        """`metrics` if they are of these env steps; else none."""
        return self.metrics if env_steps == self._env_steps else {}

    def evaluate(self, network: Network, env_steps: int) -> bool:
        """Evaluate a network that has come to env_steps; returns whether go_on let it.

        EnvironmentFault, UsageError as make_environments and Environments.step.
        """
        config = self._config
        with _global_generators_kept():
            if self.environments is None:
                self.environments = make_evaluation_environments(config, config.eval_episodes)
            played = evaluate(
                network,
                self.environments,
                config.eval_episodes,
                sampled=False,
                sequence=seed_sequences(config.seed).evaluation_while_training,
                go_on=self.go_on,
            )
        if played is not None:
            self._env_steps, self.metrics = env_steps, evaluation_metrics(played)
        return played is not None

    def close(self) -> None:
        """Give up the environments; may be called twice."""
        if self.environments is not None:
            self.environments.close()


def evaluation_metrics(played: Evaluation) -> dict[str, float]:
    """The eval/ metrics of a row."""
    return {"eval/mean_reward": played.mean, "eval/mean_ep_length": played.mean_length}


@contextmanager
def _global_generators_kept() -> Iterator[None]:
    """Leave Python's and NumPy's own generators as they were: an environment may draw from them."""
    python, numpy = random.getstate(), np.random.get_state()
    try:
        yield
    finally:
        random.setstate(python)
        np.random.set_state(numpy)
