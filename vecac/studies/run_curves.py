"""Curves of a metric in run folders, and of groups of runs with the statistics of studies.

Shapes: R runs of one setting, G points of a curve.
"""

import math
import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from vecac.config import Config
from vecac.config_rules import typed
from vecac.environments.registry import find_spec
from vecac.errors import UsageError
from vecac.recording.rows import read_rows
from vecac.runs.listing import find_runs
from vecac.runs.run_folder import read_result, saved_settings
from vecac.studies import statistics
from vecac.studies.outcome import POINTS

X_TAGS = {"env_steps": "time/total_timesteps", "seconds": "time/time_elapsed"}
"""What a curve may go over, and the metric that this is."""

RETURNS = ("rollout/ep_rew_mean", "eval/mean_reward")
"""Metrics that a reward threshold is one of, and in which a run that failed is worse than any other."""

MUCH = 0.05
"""Share of a group's longest run that its line may end early without a word."""

Array = NDArray[np.float64]


@dataclass(frozen=True)
class RunCurve:
    """A metric of one run: y_G over x_G, which never decreases, at the log rows that have both, at least one.

    stop_reason: as in result.json; None of a run without one.
    """

    run_dir: Path
    config: Config
    x_G: Array
    y_G: Array
    stop_reason: str | None


@dataclass(frozen=True)
class GroupCurve:
    """The median of a group's runs and its 95 % band, over x_G.

    Where a line begins, all runs have had a row, and where it ends, one of which nothing more is known has
    its last. label: what the runs have in common, as typed. low_G, high_G: NaN of one run. value_G, low_G:
    -inf where that many runs have failed.
    """

    label: str
    runs: Sequence[RunCurve]
    x_G: Array
    value_G: Array
    low_G: Array
    high_G: Array


def read_curves(paths: Sequence[Path], x: str, y: str) -> list[RunCurve]:
    """Of the runs that are named, and of those in folders that are named: each once, by folder.

    A warning tells of runs that are left out: in a folder, those that cannot be read or have no row; of all,
    those in which y is blank.

    Raises:
        UsageError: there is no run, none is left, or one that is named cannot be read or has no row.
    """
    curves, reasons = dict[Path, RunCurve](), list[UsageError]()
    for path in paths:
        if not (found := find_runs(path)):
            raise UsageError(f"no run in {path}: name a run's folder, or one with runs in it")
        for run_dir in found:
            try:
                curves[run_dir.resolve()] = read_curve(run_dir, x, y)
            except UsageError as error:
                if run_dir == path:
                    raise
                reasons.append(error)
    if not curves:
        raise reasons[0]
    drawn = [curve for curve in curves.values() if len(curve.x_G)]
    if not drawn:
        which = "the run" if len(curves) == 1 else f"all {len(curves):,} runs"
        raise UsageError(f"--y {y} is blank in {which}: name another metric")
    if blank := len(curves) - len(drawn):
        reasons.append(UsageError(f"{y} is blank in {blank:,} of {len(curves):,} runs"))
    for reason in reasons:
        warnings.warn(f"left out: {reason}", stacklevel=2)
    return sorted(drawn, key=lambda curve: (curve.run_dir.name, curve.run_dir))


def read_curve(run_dir: Path, x: str, y: str) -> RunCurve:
    """Of one run, without a point if y is blank in all its rows.

    Raises:
        UsageError: it cannot be read, or has no row.
    """
    config, result = Config(**saved_settings(run_dir)), read_result(run_dir)
    path = run_dir / "progress.csv"
    try:
        points = read_rows(run_dir, [X_TAGS[x], y])
    except FileNotFoundError:
        points = np.zeros((0, 2))
    except OSError as error:
        raise UsageError(f"{path} cannot be read: {error.strerror}") from error
    except ValueError as error:
        raise UsageError(f"{path} is damaged: {error}; leave that run out") from error
    if not len(points):
        raise UsageError(f"{run_dir} has no log row yet: wait for one, or leave it out")
    x_G, y_G = points[np.isfinite(points).all(axis=1)].T
    if (np.diff(x_G) < 0).any():
        raise UsageError(f"{path} is damaged: its {X_TAGS[x]} decreases; leave that run out")
    return RunCurve(run_dir, config, x_G, y_G, None if result is None else result["stop_reason"])


def reward_threshold(curves: Sequence[RunCurve], y: str) -> float | None:
    """What solves the environment that all runs are of, if y is compared with that."""
    if y not in RETURNS or len({curve.config.env_id for curve in curves}) > 1:
        return None
    try:
        threshold: float | None = find_spec(curves[0].config.env_id).reward_threshold
    except UsageError:  # it is not installed here, and need not be
        return None
    return threshold


def group_curves(curves: Sequence[RunCurve], y: str, fields: Sequence[str]) -> list[GroupCurve]:
    """Of the runs with the same values of these fields of Config, and the same environment; by values."""
    if len({curve.config.env_id for curve in curves}) > 1:
        fields = list(dict.fromkeys(("env_id", *fields)))
    groups: dict[str, list[RunCurve]] = {}
    for curve in sorted(curves, key=lambda curve: [_place(getattr(curve.config, name)) for name in fields]):
        label = " ".join(typed(name, getattr(curve.config, name)) for name in fields)
        groups.setdefault(label, []).append(curve)
    return [group_curve(label, runs, y) for label, runs in groups.items()]


def _place(value: Any) -> tuple[int, tuple[float, ...], str]:
    """Numbers ascending, one or several, then whatever is none."""
    values = value if isinstance(value, tuple) else (value,)
    is_number = all(isinstance(one, int | float) and not isinstance(one, bool) for one in values)
    return (0, values, "") if is_number else (1, (), str(value))


def group_curve(label: str, runs: Sequence[RunCurve], y: str) -> GroupCurve:
    """The statistics of `bootstrap_band` at POINTS points; between a run's rows lie straight lines.

    Behind its last row, a run that came to its target keeps that number, as in a study, and of returns, one
    that failed has -inf. Of others nothing more is known: with the first of them the line ends, and a warning
    tells of it if it ends much earlier than others. Runs that have no stretch in common are one point, where
    the last one begins. The line of one run is its rows.
    """
    if len(runs) == 1:
        nothing = np.full_like(runs[0].y_G, math.nan)
        return GroupCurve(label, runs, runs[0].x_G, runs[0].y_G, nothing, nothing)
    goes_on = ("target_reached", *(["failed"] if y in RETURNS else []))
    shortest = min(runs, key=lambda run: math.inf if run.stop_reason in goes_on else run.x_G[-1])
    longest = max(runs, key=lambda run: run.x_G[-1])
    first = max(run.x_G[0] for run in runs)
    last = (longest if shortest.stop_reason in goes_on else shortest).x_G[-1]
    x_G = np.linspace(first, last, POINTS) if first < last else np.array([first])
    curve_RG = [
        np.interp(x_G, run.x_G, run.y_G, right=-math.inf if _has_failed(run, y) else None) for run in runs
    ]
    if x_G[-1] < (1 - MUCH) * longest.x_G[-1]:
        warnings.warn(
            f"{label}: drawn to {x_G[-1]:,.0f}, where {shortest.run_dir} ends; others go to "
            f"{longest.x_G[-1]:,.0f}",
            stacklevel=2,
        )
    return GroupCurve(label, runs, x_G, *statistics.bootstrap_band(curve_RG, median=True))


def _has_failed(run: RunCurve, y: str) -> bool:
    return y in RETURNS and run.stop_reason == "failed"
