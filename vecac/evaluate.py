"""python -m vecac.evaluate RUN: play episodes with a run's saved policy.

Whatever loads torch is imported inside the functions, as in vecac.train.
"""

import json
import sys
from collections.abc import Sequence
from contextlib import closing
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import tyro

from vecac.command_line import run_command
from vecac.config import Config, flag
from vecac.errors import UsageError
from vecac.recording.run_folder import read_config
from vecac.stopping import StopRequest

if TYPE_CHECKING:
    from vecac.algorithm.network import ActorCritic
    from vecac.engines.evaluation import Evaluation


@dataclass(frozen=True)
class EvaluateOptions:
    """Play episodes with the policy that a training run saved."""

    run: Annotated[Path, tyro.conf.Positional]
    """The run folder, as vecac.train printed it."""
    checkpoint: Literal["latest", "best"] = "latest"
    """The last parameters, or those with the highest mean return in training."""
    episodes: int = 100
    """Episodes to play."""
    seed: int | None = None
    """Seed of the episodes; left out, those of the run's own final evaluation."""
    sampled: bool = False
    """Draw actions from the policy instead of taking the most probable."""
    json: bool = False
    """Print one JSON object."""
    render: bool = False
    """Show the episodes in a window, one after another."""

    def __post_init__(self) -> None:
        if self.episodes < 1:
            raise UsageError(f"{flag('episodes')} must be 1 or more, not {self.episodes}")
        if self.seed is not None and self.seed < 0:
            raise UsageError(f"{flag('seed')} must be 0 or more, not {self.seed}")


def load_run(run_dir: Path, name: str) -> tuple[Config, "ActorCritic", dict[str, Any]]:
    """The config, the network and the content of a run's checkpoint.

    Raises:
        UsageError: the folder is not a run's, or the checkpoint is missing, damaged, or of another
            environment than config.json names.
    """
    from vecac.algorithm.network import ActorCritic
    from vecac.recording import checkpoint

    saved_env_id = read_config(run_dir)["env_id"]
    path = run_dir / "checkpoints" / f"{name}.pt"
    if name == "best" and not path.exists() and path.with_name("latest.pt").exists():
        raise UsageError(
            f"{run_dir} has no best checkpoint yet: it takes 100 episodes; use --checkpoint latest"
        )
    content = checkpoint.load(path)
    try:
        config = Config(**content["config"])
        weights = content["network"]
        hidden_size, obs_size = weights["fc1.weight"].shape
        network = ActorCritic(obs_size, len(weights["fc_pi.weight"]), hidden_size)
        network.load_state_dict(weights)
    except (TypeError, KeyError, ValueError, AttributeError, RuntimeError) as error:
        raise UsageError(f"checkpoint {path} does not fit this vecac: {error}") from error
    if not all(bool(parameter.isfinite().all()) for parameter in network.parameters()):
        raise UsageError(f"checkpoint {path} holds parameters that are not finite: use another of the run")
    if config.env_id != saved_env_id:
        raise UsageError(
            f"checkpoint {path} is of {config.env_id}, but the run folder's config.json names "
            f"{saved_env_id}: put the run's own checkpoint back"
        )
    return config, network, content


def _play(
    options: EvaluateOptions, config: Config, network: "ActorCritic", stop: StopRequest
) -> "Evaluation | None":
    """The evaluation that the options ask for; None if a signal cut it off."""
    from vecac.engines.evaluation import evaluate, make_evaluation_environments

    render_mode = "human" if options.render else None
    with closing(make_evaluation_environments(config, options.episodes, render_mode)) as environments:
        sizes = environments.obs_size, environments.num_actions
        if sizes != (network.fc1.in_features, network.fc_pi.out_features):
            raise UsageError(
                f"checkpoint of {config.env_id} has {network.fc1.in_features} observations and "
                f"{network.fc_pi.out_features} actions, the environment now has {sizes[0]} and {sizes[1]}: "
                "use the environment that it was trained on"
            )
        with stop:
            return evaluate(
                network,
                environments,
                options.episodes,
                sampled=options.sampled,
                seed=config.seed,
                should_stop=stop.requested,
            )


def _command(options: EvaluateOptions) -> int:
    config, network, content = load_run(options.run, options.checkpoint)
    if options.seed is not None:
        config = replace(config, seed=options.seed)
    if options.render:
        config = replace(config, engine="sync", start_method="default", shared_memory=True)
    stop = StopRequest()
    result = _play(options, config, network, stop)
    if result is None:
        return stop.exit_code()
    summary = {
        "env_id": config.env_id,
        "checkpoint": options.checkpoint,
        "env_steps": content["env_steps"],
        "policy": "sampled" if options.sampled else "greedy",
        "return_mean": result.mean,
        "return_std": result.std,
        "episodes": len(result.returns),
        "length_mean": result.mean_length,
        "seed": config.seed,
    }
    sentence = (
        "{env_id}, {checkpoint} parameters after {env_steps:,} env steps, {policy}: return "
        "{return_mean:.1f} +- {return_std:.1f} over {episodes} episodes"
    )
    print(json.dumps(summary) if options.json else sentence.format(**summary))
    return 0


def main(argv: Sequence[str] | None = None) -> int:
    """The command line; returns the exit code."""
    return run_command(EvaluateOptions, "python -m vecac.evaluate", argv, _command)


if __name__ == "__main__":
    sys.exit(main())
