"""What a run says of itself when it starts and when it ends."""

import shlex
from pathlib import Path

from vecac.config import Config
from vecac.runs.run_folder import Result
from vecac.version import __version__


def describe_start(config: Config, device: str, run_dir: Path) -> str:
    """What is about to run, where it is recorded and how to watch it."""
    start = f", {config.start_method} start" if config.engine == "async" else ""
    backend = "fused" if config.engine == "fused" else f"{config.engine}{start}, {config.autoreset_mode}"
    return (
        f"vecac {__version__}: {config.env_id}, {config.num_envs} environments ({backend}), "
        f"learning on {device} ({config.learner}) with {config.num_threads} CPU thread(s)\n"
        f"run folder: {run_dir}\n"
        f"watch it:   tensorboard --logdir {shlex.quote(str(run_dir))}"
    )


def describe_result(result: Result) -> str:
    """How the run ended, what it learned, and how to see it again."""
    last, best = result.eval_return_mean, result.eval_best_return_mean
    lines = [
        f"{result.stop_reason.replace('_', ' ')}: {result.env_steps:,} env steps in {result.seconds:.1f} s "
        f"({result.env_steps_per_s:,.0f} a second), {result.episodes:,} episodes"
    ]
    if result.solved_at_env_steps is not None:
        lines.append(
            f"solved after {result.solved_at_env_steps:,} env steps, {result.solved_at_seconds:.1f} s"
        )
    if last is not None:
        lines.append(
            f"evaluation over {result.eval_episodes} episodes: greedy {last:.1f} +- "
            f"{result.eval_return_std:.1f}, sampled {result.eval_sampled_return_mean:.1f} +- "
            f"{result.eval_sampled_return_std:.1f} (mean return, standard deviation)"
        )
    if result.best_env_steps is not None and result.best_env_steps != result.env_steps:
        lines.append(
            f"best parameters, after {result.best_env_steps:,} env steps (mean return "
            f"{result.best_return_mean:.1f} then)"
        )
        if best is not None:
            lines[-1] += (
                f": greedy {best:.1f} +- {result.eval_best_return_std:.1f}, sampled "
                f"{result.eval_best_sampled_return_mean:.1f} +- {result.eval_best_sampled_return_std:.1f}"
            )
    if result.eval_cut_episodes:
        lines.append(
            f"{result.eval_cut_episodes} episodes of these evaluations did not end and were cut "
            "(--eval-max-steps)"
        )
    run_dir = shlex.quote(str(result.run_dir))
    if result.stop_reason == "interrupted":
        lines.append(f"go on with it: python -m vecac.train --resume {run_dir}")
    is_last_better = last is not None and best is not None and last > best
    better = " --checkpoint latest" if is_last_better else ""
    lines.append(f"play it again: python -m vecac.evaluate {run_dir}{better}")
    return "\n".join(lines)
