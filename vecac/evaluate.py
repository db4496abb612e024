"""python -m vecac.evaluate RUN: play episodes with a run's saved policy.

Whatever loads torch is imported inside the functions, as in vecac.train.
"""

import json
import sys
from collections.abc import Sequence
from contextlib import closing, nullcontext
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import tyro

from vecac.config_rules import WITHOUT_WORKERS, flag
from vecac.errors import UsageError
from vecac.recording.video import require_video
from vecac.runs.saved_policy import SavedPolicy, load_policy
from vecac.shell.command_line import run_command
from vecac.shell.console import Console
from vecac.shell.stopping import StopRequest

if TYPE_CHECKING:
    from vecac.engines.evaluation import Evaluation


@dataclass(frozen=True)
class EvaluateOptions:
    """Play episodes with the policy that a training run saved."""

    run: Annotated[Path, tyro.conf.Positional]
    """The run folder, as vecac.train printed it, or one of its checkpoints."""
    checkpoint: str | None = None
    """best, latest, or the env steps at which one was kept; left out, best if there is one."""
    episodes: int | None = None
    """Episodes to play; left out, 100, or 1 in a video."""
    seed: int | None = None
    """Seed of the episodes; left out, those of the run's own final evaluation."""
    max_steps: int = 0
    """Steps after which an episode is cut; 0 is as in the run's own final evaluation."""
    sampled: bool = False
    """Draw actions from the policy instead of taking the most probable."""
    json: bool = False
    """Print one JSON object."""
    render: bool = False
    """Show the episodes in a window, one after another."""
    video: Path | None = None
    """File to draw the episodes into, one after another: .mp4 or .gif."""

    def __post_init__(self) -> None:
        for name, least in (("episodes", 1), ("max_steps", 0), ("seed", 0)):
            value = getattr(self, name)
            if value is not None and value < least:
                raise UsageError(f"{flag(name)} must be {least} or more, not {value}")
        if self.video is not None and self.render:
            raise UsageError("--render shows what --video would draw into a file: leave one of them out")


def _play(options: EvaluateOptions, saved: SavedPolicy, stop: StopRequest) -> "Evaluation | None":
    """The evaluation that the options ask for; None if a signal cut it off."""
    from vecac.environments.rendering import rendering

    console, policy = Console(0, quiet=options.json), "sampled" if options.sampled else "greedy"
    episodes = options.episodes or (100 if options.video is None else 1)

    def go_on(played: int, steps: int) -> bool:
        console.evaluation(policy, played, episodes, steps)
        return not stop.requested()

    how: dict[str, Any] = {"episodes": episodes, "sampled": options.sampled, "go_on": go_on}
    with stop, closing(console):
        if options.video is not None:
            return _film(saved, options.video, **how)
        with rendering("--render", "human") if options.render else nullcontext():
            return _evaluate(saved, "human" if options.render else None, **how)


def _evaluate(saved: SavedPolicy, render_mode: str | None, episodes: int, **how: Any) -> "Evaluation | None":
    from vecac.engines.evaluation import evaluate, make_evaluation_environments
    from vecac.runs.loaded_policy import require_form
    from vecac.seeding import seed_sequences

    config, network = saved.config, saved.network
    sequence = seed_sequences(config.seed).evaluation
    with closing(make_evaluation_environments(config, episodes, render_mode)) as environments:
        require_form(config.env_id, network.spec, environments.obs_size, environments.action)
        return evaluate(network, environments, episodes, sequence=sequence, **how)


def _film(saved: SavedPolicy, path: Path, **how: Any) -> "Evaluation | None":
    from vecac.runs.filming import film

    try:
        return film(saved.network, saved.config, path, "--video", **how)
    except OSError as error:
        raise UsageError(f"--video {path} cannot be written: {error.strerror}; name another file") from error


def _command(values: dict[str, Any]) -> int:
    options = EvaluateOptions(**values)
    if options.video is not None:
        require_video(options.video, "--video")
    saved = load_policy(options.run, options.checkpoint)
    config = saved.config
    if options.seed is not None:
        config = replace(config, seed=options.seed)
    if options.max_steps:
        config = replace(config, eval_max_steps=options.max_steps)
    if options.render:
        config = replace(config, engine="sync", **WITHOUT_WORKERS)
    stop = StopRequest()
    result = _play(options, replace(saved, config=config), stop)
    if result is None:
        return stop.exit_code()
    summary = {
        "env_id": config.env_id,
        "checkpoint": saved.name,
        "env_steps": saved.content["env_steps"],
        "policy": "sampled" if options.sampled else "greedy",
        "return_mean": result.mean,
        "return_std": result.std,
        "episodes": len(result.returns),
        "cut_episodes": result.cut,
        "length_mean": result.mean_length,
        "seed": config.seed,
    }
    sentence = (
        "{env_id}, {checkpoint} parameters after {env_steps:,} env steps, {policy}: return "
        "{return_mean:.1f} +- {return_std:.1f} over {episodes} episodes"
    )
    if options.video is not None:
        summary["video"] = str(options.video)
        sentence += ", drawn in {video}"
    if result.cut:
        sentence += ", of which {cut_episodes} did not end and were cut"
    print(json.dumps(summary) if options.json else sentence.format(**summary))
    return 0


def main(argv: Sequence[str] | None = None) -> int:
    """The command line; returns the exit code."""
    return run_command(EvaluateOptions, "python -m vecac.evaluate", argv, _command)


if __name__ == "__main__":
    sys.exit(main())
