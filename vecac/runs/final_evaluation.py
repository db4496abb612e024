"""The evaluation that ends a run: of its last parameters, and of the best where those are others."""

import copy
from collections.abc import Mapping
from contextlib import closing
from typing import Any

from vecac.config import Config
from vecac.engines.contracts import Engine
from vecac.engines.evaluation import Evaluation, cut_after, evaluate, make_evaluation_environments
from vecac.engines.gymnasium_engine import GymnasiumEngine
from vecac.environments.vector import Environments
from vecac.shell.console import Console
from vecac.shell.stopping import StopRequest


def evaluate_run(
    config: Config, engine: Engine, best: Mapping[str, Any] | None, console: Console, stop: StopRequest
) -> dict[str, Evaluation]:
    """Greedy and sampled evaluations, named as in evaluation.RESULT_PREFIXES; all, or none if a signal came.

    Args:
        config: the run's.
        engine: gives its environments up, and holds the last parameters.
        best: the checkpoint with the best ones, if there is one.
        console: shows the progress.
        stop: asked before every step.
    """
    evaluations: dict[str, Evaluation] = {}
    if config.eval_episodes == 0 or stop.requested():
        return evaluations
    networks = {"": engine.network}
    if best is not None and best["env_steps"] != engine.env_steps:
        networks["best_"] = copy.deepcopy(engine.network)
        networks["best_"].load_state_dict(best["network"])

    def go_on(episodes: int, steps: int) -> bool:
        console.evaluation(name.replace("_", ", "), episodes, config.eval_episodes, steps)
        return not stop.requested()

    with closing(_environments(config, engine)) as environments:
        for prefix, network in networks.items():
            for policy in ("greedy", "sampled"):
                name = prefix + policy
                evaluation = evaluate(
                    network,
                    environments,
                    config.eval_episodes,
                    sampled=policy == "sampled",
                    seed=config.seed,
                    go_on=go_on,
                )
                if evaluation is None:
                    return {}
                evaluations[name] = evaluation
    if best is not None and len(networks) == 1:
        evaluations |= {f"best_{name}": evaluation for name, evaluation in evaluations.items()}
    return evaluations


def _environments(config: Config, engine: Engine) -> Environments:
    if isinstance(engine, GymnasiumEngine) and config.engine == "async" and cut_after(config) is None:
        return engine.environments  # starting workers anew would take seconds
    engine.close()
    return make_evaluation_environments(config, config.eval_episodes)
