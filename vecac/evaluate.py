"""python -m vecac.evaluate RUN: play episodes with a run's saved policy.

Whatever loads torch is imported inside the functions, as in vecac.train.
"""

import json
import os
import sys
import warnings
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import tyro

from vecac.config_rules import WITHOUT_WORKERS, flag
from vecac.errors import EnvironmentFault, UsageError
from vecac.runs.policy import require_form
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
    episodes: int = 100
    """Episodes to play."""
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

    def __post_init__(self) -> None:
        for name, least in (("episodes", 1), ("max_steps", 0), ("seed", 0)):
            value = getattr(self, name)
            if value is not None and value < least:
                raise UsageError(f"{flag(name)} must be {least} or more, not {value}")


def _play(
    options: EvaluateOptions, policy: str, saved: SavedPolicy, stop: StopRequest
) -> "Evaluation | None":
    """The evaluation that the options ask for; None if a signal cut it off."""
    from vecac.engines.evaluation import evaluate, make_evaluation_environments
    from vecac.seeding import seed_sequences

    console, episodes = Console(0, quiet=options.json), options.episodes

    def go_on(played: int, steps: int) -> bool:
        console.evaluation(policy, played, episodes, steps)
        return not stop.requested()

    with ExitStack() as cleanup:
        if options.render:
            cleanup.enter_context(_window())
        made = make_evaluation_environments(saved.config, episodes, "human" if options.render else None)
        environments = cleanup.enter_context(closing(made))
        require_form(saved, environments.obs_size, environments.action)
        with stop, closing(console):
            return evaluate(
                saved.network,
                environments,
                episodes,
                sampled=options.sampled,
                sequence=seed_sequences(saved.config.seed).evaluation,
                go_on=go_on,
            )


@contextmanager
def _window() -> Iterator[None]:
    """Say what is missing where an environment's window cannot be opened.

    Raises:
        UsageError: the environment has none, pygame is not installed, or there is no display.
    """
    import gymnasium as gym  # here, so that --help need not wait for it

    if sys.platform == "linux":
        # Left to itself, SDL, which pygame draws with, takes memory for a window where there is no display.
        drivers = {"DISPLAY": "x11", "WAYLAND_DISPLAY": "wayland"}
        found = [driver for name, driver in drivers.items() if os.environ.get(name)]
        os.environ.setdefault("SDL_VIDEODRIVER", ",".join(found) or "x11")
    try:
        with warnings.catch_warnings():
            # Gymnasium only warns of an environment that cannot be shown, and calls it all the same.
            warnings.filterwarnings("error", ".*not in the possible render_modes")
            yield
    except (UsageError, EnvironmentFault) as fault:
        cause, pygame = fault.__cause__, sys.modules.get("pygame")
        if isinstance(cause, Warning):
            what = "needs an environment whose metadata has the render mode human: leave it out"
        elif isinstance(cause, gym.error.DependencyNotInstalled) and "pygame" in str(cause):
            what = "needs pygame: pip install -c constraints.txt -e '.[render]'"
        elif pygame is not None and isinstance(cause, pygame.error):
            what = f"cannot open a window: {cause}; run it where there is a display"
        else:
            raise
        raise UsageError(f"--render {what}") from fault


def _command(values: dict[str, Any]) -> int:
    options = EvaluateOptions(**values)
    saved = load_policy(options.run, options.checkpoint)
    config = saved.config
    if options.seed is not None:
        config = replace(config, seed=options.seed)
    if options.max_steps:
        config = replace(config, eval_max_steps=options.max_steps)
    if options.render:
        config = replace(config, engine="sync", **WITHOUT_WORKERS)
    stop, policy = StopRequest(), "sampled" if options.sampled else "greedy"
    result = _play(options, policy, replace(saved, config=config), stop)
    if result is None:
        return stop.exit_code()
    summary = {
        "env_id": config.env_id,
        "checkpoint": saved.name,
        "env_steps": saved.content["env_steps"],
        "policy": policy,
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
    if result.cut:
        sentence += ", of which {cut_episodes} did not end and were cut"
    print(json.dumps(summary) if options.json else sentence.format(**summary))
    return 0


def main(argv: Sequence[str] | None = None) -> int:
    """The command line; returns the exit code."""
    return run_command(EvaluateOptions, "python -m vecac.evaluate", argv, _command)


if __name__ == "__main__":
    sys.exit(main())
