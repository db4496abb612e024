"""How the runs of a setting learn, as one curve with its band.

Shapes: R runs of one setting, G points of a curve.
"""

import math
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from vecac.studies import statistics
from vecac.studies.findings import Runs
from vecac.studies.outcome import grid

WORST_SHARE = 0.1
"""Of the runs, the lowest of which a curve tells apart."""


class LearningCurve(NamedTuple):
    """Mean returns of 100 episodes over env steps (G,), in units of return.

    value, low, high: the interquartile mean of the runs and its 95 % band. worst: the mean of the lowest
    tenth of the runs at each point, of at least one run. NaN where some run has finished no episode yet, and
    -inf where so many have failed that no number is left; a band of one run is NaN.
    """

    env_steps_G: NDArray[np.float64]
    value_G: NDArray[np.float64]
    low_G: NDArray[np.float64]
    high_G: NDArray[np.float64]
    worst_G: NDArray[np.float64]


def learning_curve(runs: Runs, total: int) -> LearningCurve:
    """Of the runs of one setting, which train for `total` env steps."""
    curve_RG = with_failures(runs.curve_RG)
    is_known_G = np.logical_and.reduce(~np.isnan(curve_RG), axis=0)
    worst_G = np.full(curve_RG.shape[1], math.nan)
    worst_G[is_known_G] = [statistics.worst_mean(column, WORST_SHARE) for column in curve_RG.T[is_known_G]]
    return LearningCurve(grid(total), *statistics.bootstrap_band(curve_RG), worst_G)


def with_failures(curve_RG: NDArray[np.float32]) -> NDArray[np.float64]:
    """Curves with -inf from where a run failed on, which is worse than any return, as in final_return_R.

    What has no number any more has failed, or never ended an episode; a NaN before the first number is none.
    """
    is_known_RG = ~np.isnan(curve_RG)
    comes_later_RG = np.logical_or.accumulate(is_known_RG[:, ::-1], axis=1)[:, ::-1]
    return np.where(comes_later_RG, curve_RG.astype(np.float64), -math.inf)
