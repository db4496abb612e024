"""python benchmarks/learning_curve.py 'logs/*' -o curve.png: mean return against env steps.

Shapes: R runs, P points on the env step axis.
"""

import csv
import glob
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, NamedTuple

import numpy as np
import tyro
from matplotlib.figure import Figure
from numpy.typing import NDArray

from vecac.environments.registry import find_spec
from vecac.errors import UsageError
from vecac.runs.run_folder import read_config
from vecac.shell.command_line import run_command

POINTS = 500
INCHES, DOTS_PER_INCH = (10, 5), 100


@dataclass(frozen=True)
class Options:
    """Draw the learning curves of runs of one environment, and their median."""

    logs: Annotated[tuple[str, ...], tyro.conf.Positional]
    """Run folders; * and ? stand for parts of names."""
    output: Annotated[Path, tyro.conf.arg(aliases=["-o"])] = Path("benchmarks/learning_curve.png")
    """The PNG file to write."""


class Curve(NamedTuple):
    """A run's mean return of the last 100 episodes, row by row."""

    env_steps: NDArray[np.float64]
    mean_return: NDArray[np.float64]


def find_run_folders(patterns: Sequence[str]) -> list[Path]:
    """The run folders that the patterns name, each once, sorted.

    Raises:
        UsageError: there is none.
    """
    found: set[Path] = set()
    for pattern in patterns:
        found.update(map(Path, glob.glob(pattern)))  # noqa: PTH207 - Path.glob takes no absolute patterns
    folders = sorted(path for path in found if (path / "progress.csv").is_file())
    if not folders:
        raise UsageError(f"no run folder with a progress.csv matches {' '.join(patterns) or 'nothing'}")
    return folders


def read_env_id(folders: Sequence[Path]) -> str:
    """The environment that all the runs trained on.

    Raises:
        UsageError: they differ, so that a median would mean nothing.
    """
    env_ids = {str(read_config(folder)["env_id"]) for folder in folders}
    if len(env_ids) > 1:
        raise UsageError(f"the runs are of {', '.join(sorted(env_ids))}: draw one environment at a time")
    return env_ids.pop()


def read_curve(folder: Path) -> Curve:
    """The rows of progress.csv in which an episode has finished.

    Raises:
        UsageError: there is none.
    """
    with open(folder / "progress.csv", newline="", encoding="utf-8") as file:
        rows = [row for row in csv.DictReader(file) if row["rollout/ep_rew_mean"]]
    if not rows:
        raise UsageError(f"{folder / 'progress.csv'} has no row with a finished episode")
    env_steps, mean_return = ("time/total_timesteps", "rollout/ep_rew_mean")
    return Curve(
        np.array([float(row[env_steps]) for row in rows]), np.array([float(row[mean_return]) for row in rows])
    )


def median_curve(curves: Sequence[Curve]) -> Curve:
    """The median over the runs where all of them have rows, linear in between."""
    first = max(curve.env_steps[0] for curve in curves)
    last = min(curve.env_steps[-1] for curve in curves)
    env_steps_P = np.linspace(first, max(first, last), POINTS)
    mean_return_RP = [np.interp(env_steps_P, curve.env_steps, curve.mean_return) for curve in curves]
    return Curve(env_steps_P, np.median(mean_return_RP, axis=0))


def draw(curves: Sequence[Curve], env_id: str, threshold: float | None) -> Figure:
    """One thin line a run, their median thick, the solved threshold dashed."""
    figure = Figure(figsize=INCHES, dpi=DOTS_PER_INCH, layout="constrained")
    axes = figure.add_subplot()
    for number, curve in enumerate(curves):
        label = "one seed" if number == 0 else None
        axes.plot(*curve, color="tab:blue", alpha=0.35, linewidth=0.8, label=label)
    label = f"median of {len(curves)} seeds"
    axes.plot(*median_curve(curves), color="tab:blue", linewidth=2.5, label=label)
    if threshold is not None:
        axes.axhline(threshold, color="black", linestyle="--", linewidth=1, label=f"solved: {threshold:g}")
    axes.set_title(env_id)
    axes.set_xlabel("env steps")
    axes.set_ylabel("mean return of the last 100 episodes")
    axes.xaxis.set_major_formatter("{x:,.0f}")
    axes.set_xlim(left=0)
    axes.set_ylim(bottom=0)
    axes.spines[["top", "right"]].set_visible(False)
    axes.legend(loc="lower right", frameon=False)
    return figure


def _command(options: Options) -> int:
    folders = find_run_folders(options.logs)
    env_id = read_env_id(folders)
    figure = draw([read_curve(folder) for folder in folders], env_id, find_spec(env_id).reward_threshold)
    figure.savefig(options.output)
    print(f"{options.output}: {len(folders)} runs")
    return 0


def main(argv: Sequence[str] | None = None) -> int:
    """The command line; returns the exit code."""
    return run_command(
        Options, "python benchmarks/learning_curve.py", argv, lambda values: _command(Options(**values))
    )


if __name__ == "__main__":
    sys.exit(main())
