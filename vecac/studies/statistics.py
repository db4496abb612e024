"""What the runs of a study say, and how sure that is: estimates with 95 % intervals, on NumPy arrays alone.

Shapes: R runs of one setting, G points of a curve.

A failed run has the return -inf, which is worse than any number; NaN stands for what nobody knows. All raise
ValueError for no runs, a wrong shape or +inf, and those that take returns for NaN.

Bootstraps resample whole runs, or pairs, with a generator of a fixed seed: equal runs give equal intervals.
low and high are NaN for one run, and the value where all runs are equal. Intervals of few runs are too
narrow: those of five runs covered a simulated mean 75 to 85 % of the time, and an IQM 90 %.
"""

import math
import warnings
from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
from scipy import stats

CONFIDENCE = 0.95
RESAMPLES = 1999  # 2000 * TAIL is whole: a bound is a resample, as interpolating between -inf gives NaN
SEED = 20_210_830
TAIL = (1 - CONFIDENCE) / 2
TOLERANCE = 1e-9  # of rounding: 1 - 4 / 5 is below 0.2, and 0.07 * 100 above 7
CHUNK = 2**20  # draws in memory at once, 8 MB in each of a handful of arrays

Array = npt.NDArray[np.float64]


class Estimate(NamedTuple):
    """A number and its 95 % interval; NaN where unknown, +inf beyond what was seen, -inf of failed runs."""

    value: float
    low: float
    high: float


def proportion(successes: int, trials: int) -> Estimate:
    """successes / trials, with the score interval of Wilson (1927; scipy.stats.binomtest), of p and z = 1.96:

        (p + z^2 / 2n  -+  z * sqrt(p * (1 - p) / n + z^2 / 4n^2)) / (1 + z^2 / n)

    It stays within [0, 1] and has a width even for none or all of n.

    Raises:
        ValueError: no trials, or successes outside 0..trials.
    """
    test = stats.binomtest(successes, trials)
    interval = test.proportion_ci(CONFIDENCE, method="wilson")
    return Estimate(successes / trials, float(interval.low), float(interval.high))


def event_quantile(time_R: npt.ArrayLike, happened_R: npt.ArrayLike, q: float) -> Estimate:
    """When a share q of the runs has had its event, in the unit of time_R; not all were watched so long:

        value = min {t: cdf(t) >= q}                       +inf if there is none
        low   = min {t: upper bound of cdf(t) >= q}        the last time of all if there is none
        high  = min {t: lower bound of cdf(t) >= q}        +inf if there is none

    The cdf and its band are those of `survival_steps`; inverting it is Brookmeyer & Crowley's (1982). low is
    0 where the runs are too few to exclude that q comes before the first event. No field is ever NaN: one run
    gives (its time, 0, inf); no events give value and high inf, and low the last time if the runs are enough.

    Args:
        time_R: when the event happened, or else until when the run was watched.
        happened_R: bool.
        q: within (0, 1).

    Raises:
        ValueError: a mask that is not bool, a time that is not finite and >= 0, or another q.
    """
    if not 0 < q < 1:
        raise ValueError(f"q must be within (0, 1), not {q}")
    times, fraction, low, high = survival_steps(time_R, happened_R)

    def first(probability: Array, otherwise: float) -> float:
        reached = probability >= q - TOLERANCE
        return float(times[reached.argmax()]) if reached.any() else otherwise

    return Estimate(first(fraction, math.inf), first(high, float(times[-1])), first(low, math.inf))


def survival_steps(time_R: npt.ArrayLike, happened_R: npt.ArrayLike) -> tuple[Array, Array, Array, Array]:
    """The fraction of runs solved by each time and its pointwise band: (times, fraction, low, high).

    The fraction is Kaplan & Meier's (1958; scipy.stats.ecdf), where d_i of the n_i runs that are still
    watched at t_i have their event then:

        fraction(t) = 1 - product over t_i <= t of (1 - d_i / n_i)

    Steps for where="post", from (0, 0) on, one for each time that occurs. The band is the log-log one (scipy:
    "exponential Greenwood"). At the fractions 0 and 1 neither that nor the linear one says anything; there,
    the bounds are Clopper & Pearson's (1934) for none or all of the n runs still watched, 1 - 0.025^(1/n) and
    0.025^(1/n), or the lower bound of the step before if that is higher.

    Args and errors: as in `event_quantile`.
    """
    time_R, happened_R = _numbers(time_R, 1), np.asarray(happened_R)
    if happened_R.dtype != np.bool_:
        raise ValueError(f"happened must be bool, not {happened_R.dtype}")
    if not (time_R >= 0).all():
        raise ValueError("a time must be a finite number, 0 or more")
    cdf = stats.ecdf(stats.CensoredData.right_censored(time_R, ~happened_R)).cdf
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)  # of the fractions 0 and 1
        band = cdf.confidence_interval(CONFIDENCE, method="log-log")
    times, fraction, low, high = (
        np.insert(steps, 0, 0.0)
        for steps in (cdf.quantiles, cdf.probabilities, band.low.probabilities, band.high.probabilities)
    )
    watched = len(time_R) - np.searchsorted(np.sort(time_R), times)
    is_zero = fraction == 0
    low[is_zero], high[is_zero] = 0.0, 1 - TAIL ** (1 / watched[is_zero])
    if fraction[-1] == 1:
        low[-1], high[-1] = max(low[-2], TAIL ** (1 / watched[-1])), 1.0
    return times, fraction, low, high


def interquartile_mean(numbers: npt.ArrayLike, axis: int = 0) -> Any:
    """The mean without the lowest and highest quarter, of n sorted numbers x (scipy.stats.trim_mean):

        mean(x[k], ..., x[n - k - 1]), k = floor(n / 4)

    See Agarwal et al. 2021, "Deep RL at the Edge of the Statistical Precipice". It is the mean of all below
    four numbers, -inf if more than a quarter are, and NaN if any is. The axis goes, the unit stays.
    """
    numbers = _numbers(numbers)
    # SciPy 1.13 would sort a NaN behind all numbers and cut it off as if it were the best
    return np.where(np.isnan(numbers).any(axis), np.nan, stats.trim_mean(numbers, 0.25, axis))[()]


def interquartile_mean_estimate(return_R: npt.ArrayLike) -> Estimate:
    """The `interquartile_mean` of returns with its percentile bootstrap interval.

    It is that of Efron & Tibshirani (1993, ch. 13). A bound is -inf where that many resamples have more than
    a quarter of failed runs. BCa covered no better in simulations.
    """
    value_G, low_G, high_G = bootstrap_band(_returns(return_R)[:, None])
    return Estimate(float(value_G[0]), float(low_G[0]), float(high_G[0]))


def bootstrap_band(curve_RG: npt.ArrayLike, median: bool = False) -> tuple[Array, Array, Array]:
    """The `interquartile_mean` of curves with its percentile bootstrap band: (value, low, high), each (G,).

    Or the median, which is the mean without all but the middle one or two.

    At one point, a resample is a mean of its sorted numbers with random weights, which are distributed alike
    at all points; so they are drawn once, and all points come from matrix products.

    All three are NaN at a point where any run has NaN.
    """
    curve_RG = _numbers(curve_RG, 2)
    value_G = np.median(curve_RG, axis=0) if median else interquartile_mean(curve_RG)
    cut = (len(curve_RG) - 1) // 2 if median else len(curve_RG) // 4
    if len(curve_RG) == 1:
        return value_G, np.full_like(value_G, np.nan), np.full_like(value_G, np.nan)
    sorted_RG = np.sort(curve_RG, axis=0)
    failed_RG = np.isneginf(sorted_RG)
    finite_RG = np.where(failed_RG, 0.0, sorted_RG)  # as 0 * -inf is NaN
    resampled = np.concatenate(
        [
            np.where(weights @ failed_RG > 0, -np.inf, weights @ finite_RG)
            for weights in _resampled_weights(len(curve_RG), cut)
        ]
    )
    rank = round((RESAMPLES + 1) * TAIL)
    resampled.partition((rank - 1, RESAMPLES - rank), axis=0)
    is_certain_G = (sorted_RG[0] == sorted_RG[-1]) | np.isnan(value_G)
    low_G, high_G = np.where(is_certain_G, value_G, resampled[[rank - 1, RESAMPLES - rank]])
    return value_G, low_G, high_G


def _resampled_weights(runs: int, cut: int) -> Iterator[Array]:
    """What each sorted run weighs in each resample's mean without the `cut` lowest and highest of it.

    (resamples, R), in chunks.
    """
    generator = np.random.default_rng(SEED)
    most = max(1, CHUNK // runs)
    for start in range(0, RESAMPLES, most):
        rows = min(most, RESAMPLES - start)
        ranks = np.sort(generator.integers(runs, size=(rows, runs)))[:, cut : runs - cut]
        cells = ranks + runs * np.arange(rows)[:, None]
        counts = np.bincount(cells.ravel(), minlength=rows * runs).reshape(rows, runs)
        yield counts / (runs - 2 * cut)


def worst_mean(return_R: npt.ArrayLike, share: float = 0.05) -> float:
    """The mean of the ceil(share * R) lowest returns: conditional value at risk (Rockafellar & Uryasev 2000).

    It is -inf if any run failed.

    Raises:
        ValueError: a share outside (0, 1].
    """
    return_R = _returns(return_R)
    if not 0 < share <= 1:
        raise ValueError(f"share must be within (0, 1], not {share}")
    worst = math.ceil(share * len(return_R) - TOLERANCE)
    return float(np.sort(return_R)[: max(1, worst)].mean())


def area_under_curve(env_steps_G: npt.ArrayLike, curve_RG: npt.ArrayLike) -> Array:
    """The mean height of each curve over the grid, (R,), in units of return, by trapezoids (numpy.trapezoid):

        sum_g (s[g + 1] - s[g]) * (y[g] + y[g + 1]) / 2  /  (s[G - 1] - s[0])

    Leading NaN (no episode yet) take the run's first number. A later NaN, or NaN only, gives NaN; -inf gives
    -inf.

    Raises:
        ValueError: env steps that do not increase, or fewer than two.
    """
    env_steps_G, curve_RG = _numbers(env_steps_G, 1), _numbers(curve_RG, 2)
    if curve_RG.shape[1] != len(env_steps_G) or len(env_steps_G) < 2 or not (np.diff(env_steps_G) > 0).all():
        raise ValueError(f"curves {curve_RG.shape} need as many env steps, two or more that increase")
    first_R = (~np.isnan(curve_RG)).argmax(axis=1)[:, None]
    is_early_RG = np.arange(len(env_steps_G)) < first_R
    filled_RG = np.where(is_early_RG, np.take_along_axis(curve_RG, first_R, axis=1), curve_RG)
    area_R: Array = np.trapezoid(filled_RG, env_steps_G, axis=1) / (env_steps_G[-1] - env_steps_G[0])
    return area_R


def paired_improvement(ours_R: npt.ArrayLike, theirs_R: npt.ArrayLike) -> Estimate:
    """The probability that ours is better in a pair of runs of one seed, half a point for a tie:

        P(X > Y) + P(X = Y) / 2

    with a percentile bootstrap interval over pairs (scipy.stats.bootstrap). Two failed runs tie. Where one
    side wins every pair, all resamples are equal and would feign certainty; Wilson's interval stands in. Ties
    alone give (0.5, 0.5, 0.5).
    """
    ours_R, theirs_R = _pairs(ours_R, theirs_R)
    score_R = (ours_R > theirs_R) + (ours_R == theirs_R) / 2
    if len(score_R) > 1 and score_R.min() == score_R.max() != 0.5:
        return proportion(int(score_R.sum()), len(score_R))
    return _mean_estimate(score_R, "percentile")


def paired_difference(ours_R: npt.ArrayLike, theirs_R: npt.ArrayLike) -> Estimate:
    """The mean of ours - theirs over pairs of runs of one seed, in units of return.

    The interval is the BCa bootstrap's over pairs (Efron 1987; scipy.stats.bootstrap), which covered skewed
    differences better than percentiles did.

    Two failed runs differ by 0. If only ours failed in some pair, the mean and its bounds are -inf, since no
    other mean is left to what fails at times; +inf if only theirs did; NaN if there are pairs of both kinds,
    and `paired_improvement` still compares them.
    """
    ours_R, theirs_R = _pairs(ours_R, theirs_R)
    with np.errstate(invalid="ignore"):  # -inf - -inf, and the mean of +inf and -inf
        difference_R = np.where(ours_R == theirs_R, 0.0, ours_R - theirs_R)
        mean = float(difference_R.mean())
    return _mean_estimate(difference_R, "BCa") if np.isfinite(mean) else Estimate(mean, mean, mean)


def _mean_estimate(number_R: Array, method: str) -> Estimate:
    mean = float(number_R.mean())
    if len(number_R) == 1:
        return Estimate(mean, math.nan, math.nan)
    if np.ptp(number_R) <= TOLERANCE * np.abs(number_R).max():  # equal but for rounding: BCa would be NaN
        return Estimate(mean, mean, mean)
    generator = np.random.default_rng(SEED)
    interval = stats.bootstrap(
        (number_R,),
        np.mean,
        n_resamples=RESAMPLES,
        batch=max(1, CHUNK // len(number_R)),
        confidence_level=CONFIDENCE,
        method=method,
        random_state=generator,  # `rng` since scipy 1.15, which takes both
    ).confidence_interval
    return Estimate(mean, float(interval.low), float(interval.high))


def _numbers(numbers: npt.ArrayLike, dimensions: int | None = None) -> Array:
    array = np.asarray(numbers, np.float64)
    if array.size == 0 or dimensions not in (None, array.ndim):
        raise ValueError(
            f"needs a number or more in {dimensions or 'any'} dimensions, not shape {array.shape}"
        )
    if np.isposinf(array).any():
        raise ValueError("+inf is nothing that a run can come to")
    return array


def _returns(return_R: npt.ArrayLike) -> Array:
    array_R = _numbers(return_R, 1)
    if np.isnan(array_R).any():
        raise ValueError("NaN is no return: give a failed run -inf")
    return array_R


def _pairs(ours_R: npt.ArrayLike, theirs_R: npt.ArrayLike) -> tuple[Array, Array]:
    pair = _returns(ours_R), _returns(theirs_R)
    if pair[0].shape != pair[1].shape:
        raise ValueError(f"{len(pair[0])} runs cannot be paired with {len(pair[1])}")
    return pair
