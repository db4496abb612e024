"""What a study's runs say of its settings, and of one beside another.

Shapes: R runs of one setting, G points of a curve.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from vecac.studies import statistics
from vecac.studies.design import RUNGS, Design
from vecac.studies.outcome import Outcome, grid
from vecac.studies.statistics import Estimate

QUANTILES = (0.1, 0.5, 0.9)
"""Of the env steps to solve that a summary tells."""

Outcomes = Mapping[tuple[int, int], Outcome]
"""By setting and seed."""

WORST = 10
"""Seeds that a summary names."""


@dataclass(frozen=True)
class Runs:
    """The runs of a setting, by seed, and arrays of what they came to.

    seed_R int64. final_return_R: as Outcome; minus infinity of a run that failed, or ended no episode.
    watched_R, is_solved_R: env steps at which a run was solved, or until which it was not. A run that failed
    is one that was not solved to the end. area_R: under its curve_RG, float32, in units of return.
    """

    outcomes: Sequence[Outcome]
    seed_R: NDArray[np.int64]
    final_return_R: NDArray[np.float64]
    watched_R: NDArray[np.float64]
    is_solved_R: NDArray[np.bool_]
    area_R: NDArray[np.float64]
    curve_RG: NDArray[np.float32]

    def rank(self, threshold: float | None) -> tuple[float, ...]:
        """What settings are compared by, the larger the better.

        The share that was solved, then the median of env steps to that; where no threshold says what solved
        is, and between equals, the interquartile mean of the final return.
        """
        final = float(statistics.interquartile_mean(self.final_return_R))
        if threshold is None:
            return (final,)
        solved_at = np.where(self.is_solved_R, self.watched_R, math.inf)
        return float(self.is_solved_R.mean()), -float(np.median(solved_at)), final


def gather(outcomes: Sequence[Outcome], total: int) -> Runs:
    """The arrays of one setting's outcomes, which are at least 1 and train for `total` env steps."""
    curve_RG = np.array([outcome.curve_G for outcome in outcomes])
    final_R = np.array([outcome.final_return for outcome in outcomes])
    is_solved_R = np.array([outcome.solved_at_env_steps is not None for outcome in outcomes])
    watched = [
        total if outcome.stop_reason == "failed" else outcome.solved_at_env_steps or outcome.env_steps
        for outcome in outcomes
    ]
    area_R = statistics.area_under_curve(grid(total), curve_RG)
    return Runs(
        outcomes=outcomes,
        seed_R=np.array([outcome.seed for outcome in outcomes], np.int64),
        final_return_R=np.where(np.isnan(final_R), -math.inf, final_R),
        watched_R=np.array(watched, np.float64),
        is_solved_R=is_solved_R,
        area_R=np.where(np.isnan(area_R), -math.inf, area_R),
        curve_RG=curve_RG,
    )


def gather_all(design: Design, outcomes: Outcomes) -> dict[int, Runs]:
    """By the number of a setting, for those of which a run is done."""
    by_setting: dict[int, list[Outcome]] = {}
    for key in sorted(outcomes):
        by_setting.setdefault(key[0], []).append(outcomes[key])
    return {
        setting: gather(own, design.settings[setting - 1].get("total_timesteps", design.base.total_timesteps))
        for setting, own in by_setting.items()
    }


def judged(design: Design, outcomes: Outcomes) -> Outcomes:
    """All outcomes; of a search, those by which the trials were judged that came to its last rung."""
    if design.search is None:
        return outcomes
    seeds = design.seeds_of(design.seeds)
    return {key: one for key, one in outcomes.items() if key[0] % len(RUNGS) == 0 and key[1] in seeds}


def leading(runs: dict[int, Runs], threshold: float | None) -> int:
    """The number of the setting of highest rank; of several, the first."""
    return max(runs, key=lambda setting: (runs[setting].rank(threshold), -setting))


def interval(runs: Runs, threshold: float | None) -> Estimate:
    """What --until-ci looks at: the share solved, else the interquartile mean of the final return, as a share
    of itself.
    """
    if threshold is not None:
        return statistics.proportion(int(runs.is_solved_R.sum()), len(runs.seed_R))
    estimate = statistics.interquartile_mean_estimate(runs.final_return_R)
    size = abs(estimate.value) or 1.0
    return Estimate(*(number / size for number in estimate))


def summarize(design: Design, runs: dict[int, Runs], first: int | None = None) -> dict[str, Any]:
    """The content of summary.json; what is not finite there is None. `first`: who leads, if not by rank."""
    threshold = design.threshold
    first = first or leading(runs, threshold)
    ranked = sorted(runs, key=lambda setting: (setting == first, runs[setting].rank(threshold)), reverse=True)
    return {
        "env_id": design.base.env_id,
        "threshold": threshold,
        "confidence": statistics.CONFIDENCE,
        "leading": first,
        "ranking": ranked,
        "settings": [
            summarize_setting(setting, design.settings[setting - 1], own)
            for setting, own in sorted(runs.items())
        ],
        "leading_against": [
            {"setting": setting, **compare(runs[first], runs[setting])}
            for setting in ranked
            if setting != first
        ],
        "times": [_times(setting, own.outcomes) for setting, own in sorted(runs.items())],
    }


def compare(ours: Runs, theirs: Runs) -> dict[str, Any]:
    """Two settings' final returns and shares solved, run by run of the seeds that both had.

    improvement: the probability that ours is better. difference: of the means.
    """
    _, one, other = np.intersect1d(ours.seed_R, theirs.seed_R, return_indices=True)
    if not len(one):
        return {"pairs": 0, "improvement": None, "difference": None, "solved_difference": None}
    finals = ours.final_return_R[one], theirs.final_return_R[other]
    solved = ours.is_solved_R[one].astype(float), theirs.is_solved_R[other].astype(float)
    return {
        "pairs": len(one),
        "improvement": _plain(statistics.paired_improvement(*finals)),
        "difference": _plain(statistics.paired_difference(*finals)),
        "solved_difference": _plain(statistics.paired_difference(*solved)),
    }


def summarize_setting(setting: int, values: dict[str, Any], runs: Runs) -> dict[str, Any]:
    """A row of `summarize`."""
    outcomes = runs.outcomes
    order = np.argsort(runs.final_return_R, kind="stable")[:WORST]
    solved = int(runs.is_solved_R.sum())
    return {
        "setting": setting,
        "values": values,
        "runs": len(outcomes),
        "failed": sum(outcome.stop_reason == "failed" for outcome in outcomes),
        "solved": solved,
        "solved_share": _plain(statistics.proportion(solved, len(outcomes))),
        "env_steps_to_solve": {
            f"{q:.0%}": _plain(statistics.event_quantile(runs.watched_R, runs.is_solved_R, q))
            for q in QUANTILES
        },
        "final_return": _plain(statistics.interquartile_mean_estimate(runs.final_return_R)),
        "final_return_worst_5_percent": _number(statistics.worst_mean(runs.final_return_R)),
        "final_return_min": _number(runs.final_return_R.min()),
        "area_under_curve": _plain(statistics.interquartile_mean_estimate(runs.area_R)),
        "worst_seeds": [
            {"seed": int(runs.seed_R[index]), "final_return": _number(runs.final_return_R[index])}
            for index in order
        ],
        "failures": [
            {"seed": outcome.seed, "error": outcome.error}
            for outcome in outcomes
            if outcome.stop_reason == "failed"
        ][:WORST],
    }


def _times(setting: int, outcomes: Sequence[Outcome]) -> dict[str, Any]:
    solved = [run.solved_at_seconds for run in outcomes if run.solved_at_seconds is not None]
    rates = [run.env_steps / run.seconds for run in outcomes if run.seconds]
    return {
        "setting": setting,
        "env_steps_per_s": float(np.median(rates)) if rates else None,
        "solved_at_seconds": float(np.median(solved)) if solved else None,
    }


def _plain(estimate: Estimate) -> dict[str, float | None]:
    return {name: _number(value) for name, value in estimate._asdict().items()}


def _number(value: float) -> float | None:
    return float(value) if math.isfinite(value) else None
