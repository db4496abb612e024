"""The evaluation that ends a run: of its last parameters, and of the best where those are others."""

import copy
from collections.abc import Callable
from contextlib import closing
from functools import partial
from itertools import product

from vecac.engines.evaluation import Evaluation, cut_after, evaluate, make_evaluation_environments
from vecac.environments.vector import Environments
from vecac.recording.video import Thumbnail
from vecac.runs.filming import film
from vecac.runs.run import Run
from vecac.seeding import seed_sequences


def evaluate_run(run: Run, go_on: Callable[[str, int, int], bool]) -> dict[str, Evaluation]:
    """Greedy and sampled evaluations, named as in RESULT_PREFIXES, of a run whose training is over.

    Its engine gives its environments up. go_on is told an evaluation's name, and its episodes and steps so
    far, before every step; there are no evaluations if it says no, or if there are no episodes to play.
    """
    config, engine, best = run.config, run.engine, run.best.content()
    evaluations: dict[str, Evaluation] = {}
    if config.eval_episodes == 0 or not go_on("greedy", 0, 0):
        return evaluations
    networks = {"": engine.network}
    if best is not None and best["env_steps"] != engine.env_steps:
        networks["best_"] = copy.deepcopy(engine.network)
        networks["best_"].load_state_dict(best["network"])
    with closing(_environments(run)) as environments:
        for prefix, policy in product(networks, ("greedy", "sampled")):
            evaluation = evaluate(
                networks[prefix],
                environments,
                config.eval_episodes,
                sampled=policy == "sampled",
                sequence=seed_sequences(config.seed).evaluation,
                go_on=partial(go_on, prefix + policy),
            )
            if evaluation is None:
                return {}
            evaluations[prefix + policy] = evaluation
    if best is not None and len(networks) == 1:
        evaluations |= {f"best_{name}": evaluation for name, evaluation in evaluations.items()}
    return evaluations


def film_run(run: Run, go_on: Callable[[int, int], bool]) -> None:
    """Draw a greedy episode of a run's last parameters into video.mp4, and small into its event file.

    UsageError, EnvironmentFault and OSError as `film`.
    """
    thumbnail, network = Thumbnail(), run.engine.network
    path = run.run_dir / "video.mp4"
    played = film(network, run.config, path, "--video-at-end", go_on=go_on, watch=thumbnail.add)
    if played is not None:
        run.recorder.writer.log.add_picture(run.engine.env_steps, "eval/video", *thumbnail.encode())


def _environments(run: Run) -> Environments:
    config, own, others = run.config, run.engine.environments, run.evaluations.environments
    if others is not None:
        return others
    if own is not None and config.engine == "async" and cut_after(config) is None:
        return own  # starting workers anew would take seconds
    run.engine.close()
    return make_evaluation_environments(config, config.eval_episodes)
