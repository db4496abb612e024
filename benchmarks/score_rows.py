"""What scores.py trains in, and what it makes of the runs."""

import statistics
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from scipy import stats


@dataclass(frozen=True)
class Task:
    """An environment, env steps to train for, and the return that is waited for."""

    env_id: str
    env_steps: int
    score: float

    @property
    def name(self) -> str:
        """For people."""
        steps = f"{self.env_steps / 1e6:g} M" if self.env_steps >= 1e6 else f"{self.env_steps // 1000} k"
        return f"{self.env_id}, {steps}"


TASKS = (
    Task("CartPole-v1", 500_000, 500.0),
    Task("Acrobot-v1", 500_000, -83.4),
    Task("MountainCar-v0", 1_000_000, -111.3),
    Task("LunarLander-v3", 1_000_000, 155.8),
    Task("LunarLander-v3", 3_000_000, 155.8),
    Task("Pendulum-v1", 1_000_000, -163.0),
    Task("MountainCarContinuous-v0", 300_000, 91.2),
    Task("BipedalWalker-v3", 5_000_000, 299.8),
    Task("HalfCheetah-v5", 1_000_000, 3041.0),
    Task("Hopper-v5", 1_000_000, 733.0),
    Task("Walker2d-v5", 1_000_000, 582.0),
    Task("Swimmer-v5", 1_000_000, 201.0),
)
"""With the score that the Zoo publishes for its A2C: one run each, some on earlier versions."""

AGAINST_PPO = (
    Task("LunarLander-v3", 3_000_000, 200.0),
    Task("MountainCar-v0", 1_000_000, -110.0),
    Task("Hopper-v5", 1_000_000, 1000.0),
)

CONFIDENCE = 0.95


def interval(numbers: Sequence[float]) -> list[float] | None:
    """Of the mean, by Student's t: mean +- t * s / sqrt(n); None of fewer than two numbers."""
    if len(numbers) < 2:
        return None
    half = stats.t.ppf((1 + CONFIDENCE) / 2, len(numbers) - 1) * stats.sem(numbers)
    mean = statistics.fmean(numbers)
    return [mean - float(half), mean + float(half)]


def difference(ours: Sequence[float], theirs: Sequence[float]) -> dict[str, Any] | None:
    """Of the means, ours less theirs, with its interval by Welch's t test; None of fewer than two each."""
    if min(len(ours), len(theirs)) < 2:
        return None
    mean = statistics.fmean(ours) - statistics.fmean(theirs)
    if statistics.pvariance(ours) == statistics.pvariance(theirs) == 0:
        return {"mean": mean, "interval": [mean, mean]}
    low, high = stats.ttest_ind(ours, theirs, equal_var=False).confidence_interval(CONFIDENCE)
    return {"mean": mean, "interval": [float(low), float(high)]}


def summarize_task(task: Task, runs: Mapping[str, Sequence[dict[str, Any]]]) -> dict[str, Any]:
    """The JSON-ready row of a task, by the runs of each trainer, vecac first."""
    row = {"name": task.name, **asdict(task), "trainers": {name: _summary(own) for name, own in runs.items()}}
    ours, *others = row["trainers"].values()
    if others:
        (theirs,) = others
        both = [[run["greedy_mean"] for run in of["runs"]] for of in (ours, theirs)]
        row["greedy_difference"] = None if None in both[0] + both[1] else difference(*both)
        row["seconds_ratio"] = ours["seconds"] / theirs["seconds"]
    return row


def _summary(runs: Sequence[dict[str, Any]]) -> dict[str, Any]:
    greedy = [run["greedy_mean"] for run in runs if run["greedy_mean"] is not None]
    reached = [run["score_at_seconds"] for run in runs if run["score_at_seconds"] is not None]
    steps = [run["score_at_env_steps"] for run in runs if run["score_at_env_steps"] is not None]
    return {
        "greedy_mean": statistics.fmean(greedy) if greedy else None,
        "greedy_interval": interval(greedy),
        "greedy_worst": min(greedy, default=None),
        "env_steps_per_s": statistics.median(run["env_steps_per_s"] for run in runs),
        "seconds": statistics.median(run["seconds"] for run in runs),
        "seeds": len(runs),
        "reached_score": len(reached),
        "score_at_env_steps": statistics.median(steps) if steps else None,
        "score_at_seconds": statistics.median(reached) if reached else None,
        "runs": list(runs),
    }


def cells(row: Mapping[str, Any]) -> list[list[str]]:
    """A line a trainer."""
    lines = []
    for name, summary in row["trainers"].items():
        ends = summary["greedy_interval"]
        lines.append(
            [
                f"{row['name']}, {name}",
                _shown(summary["greedy_mean"], ".1f"),
                "-" if ends is None else f"{ends[0]:.1f} to {ends[1]:.1f}",
                _shown(summary["greedy_worst"], ".1f"),
                f"{summary['env_steps_per_s']:,.0f}",
                f"{summary['seconds']:.1f}",
                f"{summary['reached_score']} of {summary['seeds']}",
                _shown(summary["score_at_seconds"], ".1f"),
            ]
        )
    return lines


def _shown(number: float | None, how: str) -> str:
    return "-" if number is None else format(number, how)
