"""The statistics of a study, against hand-worked numbers, textbooks and simulated samples of known truth."""

import math
import tracemalloc

import numpy as np
import pytest
from scipy import stats

from vecac.studies.statistics import (
    Estimate,
    area_under_curve,
    bootstrap_band,
    event_quantile,
    interquartile_mean,
    interquartile_mean_estimate,
    paired_difference,
    paired_improvement,
    proportion,
    survival_steps,
    worst_mean,
)

pytestmark = pytest.mark.filterwarnings("error")
NAN, INF = math.nan, math.inf

# Weeks to relapse of the maintained group (Miller 1981; R's survival::aml), + for the censored:
# 9 13 13+ 18 23 28+ 31 34 45+ 48 161+
AML_WEEKS = np.array([9, 13, 13, 18, 23, 28, 31, 34, 45, 48, 161])
AML_RELAPSED = np.array([1, 1, 0, 1, 1, 0, 1, 1, 0, 1, 0], bool)


def always(runs):
    return np.ones(runs, bool)


def never(runs):
    return np.zeros(runs, bool)


def near(*numbers):
    return pytest.approx(numbers, abs=2e-4, nan_ok=True)


def test_wilsons_interval_by_hand():
    # z^2 = 3.8415: middle (0.8 + 0.19207) / 1.38415 = 0.71674, and half the width
    # 1.95996 * sqrt(0.8 * 0.2 / 10 + 3.8415 / 400) / 1.38415 = 0.22658
    assert proportion(8, 10) == near(0.8, 0.4902, 0.9433)


def test_none_and_all_of_the_trials_have_an_interval_too():
    # for p = 0 the formula comes to [0, z^2 / (n + z^2)] = [0, 3.8415 / 23.8415]
    assert proportion(0, 20) == near(0, 0, 0.1611)
    assert proportion(20, 20) == near(1, 0.8389, 1)


def test_kaplan_and_meier_by_hand():
    # at 2, one of 5 is solved: S = 4/5; 3+ leaves unsolved; at 4, two of 3: S = 4/5 * 1/3; 9+ is the last
    times, fraction, _, _ = survival_steps([4, 2, 9, 4, 3], np.array([True, True, False, True, False]))
    assert times.tolist() == [0, 2, 3, 4, 9]
    assert fraction == near(0, 1 / 5, 1 / 5, 11 / 15, 11 / 15)


def test_kaplan_and_meier_of_scipys_fan_belts():
    broken, unbroken = [77, 47, 81, 56, 80], [62, 60, 43, 71, 37]
    times, fraction, low, high = survival_steps(broken + unbroken, np.arange(10) < 5)
    assert times.tolist() == [0, 37, 43, 47, 56, 60, 62, 71, 77, 80, 81]
    assert 1 - fraction == near(1, 1, 1, 0.875, 0.75, 0.75, 0.75, 0.75, 0.5, 0.25, 0)
    assert (low <= fraction).all() and (fraction <= high).all()


def test_relapses_have_the_textbooks_curve_and_band():
    times, fraction, low, high = survival_steps(AML_WEEKS, AML_RELAPSED)
    at = np.searchsorted(times, [9, 13, 18, 23, 31, 34, 48])
    assert 1 - fraction[at] == near(0.9091, 0.8182, 0.7159, 0.6136, 0.4909, 0.3682, 0.1841)
    # at 13, S = 9/11 and Greenwood's sum is 1 / (11 * 10) + 1 / (10 * 9) = 0.020202, so that the bounds are
    # S^exp(-+1.95996 * sqrt(0.020202) / -ln S) = S^exp(-+1.3882) = 0.9512 and 0.4474
    assert (1 - high[at[1]], 1 - low[at[1]]) == near(0.4474, 0.9512)


def test_the_median_relapse_and_its_interval():
    # the upper bound of the fraction is 0.5526 at 13 and the first above 1/2; the lower one is 0.475 at last
    assert event_quantile(AML_WEEKS, AML_RELAPSED, 0.5) == (31, 13, INF)


def test_bounds_before_the_first_event_and_once_all_had_theirs():
    # nobody of 5 by then: 1 - 0.025^(1/5) = 0.5218; all of 5 at once: 0.025^(1/5) = 0.4782
    _, fraction, low, high = survival_steps([3.0] * 5, always(5))
    assert (fraction.tolist(), low, high) == ([0, 1], near(0, 0.4782), near(0.5218, 1))
    # once one of 3 is out of sight, nobody of 2: 1 - 0.025^(1/2) = 0.8419
    _, _, _, high = survival_steps([1, 2, 3], np.array([False, False, True]))
    assert high == near(0.7076, 0.7076, 0.8419, 1)
    # the last of 20 says little by itself: the bound of the step before holds on, 1 - 0.05^exp(-0.6376)
    _, _, low, _ = survival_steps(range(1, 21), always(20))
    assert low[-2:] == near(0.7949, 0.7949)


def test_a_quantile_is_reached_despite_rounding():
    assert 1 - 4 / 5 < 0.2
    assert event_quantile([1, 2, 3, 4, 5], np.arange(5) < 4, 0.2).value == 1
    assert event_quantile([1, 2, 3, 4, 5], np.arange(5) < 4, 0.21).value == 2


@pytest.mark.parametrize(
    ("time", "happened", "expected"),
    [
        ([7.0] * 20, always(20), (7, 7, 7)),
        ([7.0] * 20, never(20), (INF, 7, INF)),
        ([7.0] * 3, never(3), (INF, 0, INF)),
        ([7.0], always(1), (7, 0, INF)),
        ([7.0], never(1), (INF, 0, INF)),
        ([0.0] * 20, always(20), (0, 0, 0)),
        ([5.0] + [7.0] * 19, np.arange(20) < 1, (INF, 7, INF)),
        ([5.0] * 9 + [7.0] * 11, np.arange(20) < 9, (INF, 5, INF)),
        ([5.0] * 10 + [7.0] * 10, np.arange(20) < 10, (5, 5, INF)),
        ([3.0] * 4 + [5.0] * 16 + [5.0] * 2, np.arange(22) < 20, (5, 5, 5)),  # a tie of solved and watched
    ],
)
def test_medians_of_samples_at_the_edge(time, happened, expected):
    assert event_quantile(time, happened, 0.5) == expected


def test_the_interquartile_mean_by_hand():
    assert interquartile_mean([8, 1, 7, 2, 6, 3, 5, 4]) == (3 + 4 + 5 + 6) / 4
    assert interquartile_mean([100, 0, 1, 2, 10]) == pytest.approx((1 + 2 + 10) / 3)
    assert interquartile_mean([[1, 2, 3, 100], [0, 0, 0, 0]], axis=1).tolist() == [2.5, 0]
    assert interquartile_mean([1, 5, 9]) == 5


def test_the_interquartile_mean_fails_with_more_than_a_quarter():
    assert interquartile_mean([-INF, -INF, 1, 2, 3, 4, 5, 6]) == 2.5
    assert interquartile_mean([-INF, -INF, -INF, 1, 2, 3, 4, 5]) == -INF
    assert math.isnan(interquartile_mean([1, 2, 3, NAN]))  # and is not cut off as if it were the best


def test_bounds_of_the_interquartile_mean_at_the_edge():
    constant = interquartile_mean_estimate([0.1] * 7)
    assert constant == (constant.value,) * 3 == near(0.1, 0.1, 0.1)
    assert interquartile_mean_estimate([3]) == near(3, NAN, NAN)
    assert interquartile_mean_estimate([-INF] * 5) == (-INF, -INF, -INF)
    # with 3 failed of 20, more than 5 fail in a resample with probability 0.067, and with 1 in 0.0003
    assert interquartile_mean_estimate([-INF] * 3 + [1.0] * 17) == (1, -INF, 1)
    assert interquartile_mean_estimate([-INF] + [1.0] * 19) == (1, 1, 1)


def test_the_band_is_that_of_resampling_whole_runs():
    generator = np.random.default_rng(0)
    curve = generator.exponential(size=(13, 1)) * np.linspace(0.5, 2, 7) + generator.normal(size=(13, 7))
    value, low, high = bootstrap_band(curve)
    resampled = stats.trim_mean(curve[generator.integers(13, size=(20_000, 13))], 0.25, axis=1)
    expected_low, expected_high = np.quantile(resampled, [0.025, 0.975], axis=0)
    error = 0.2 * resampled.std(axis=0)  # three standard errors of a quantile of 1999
    assert np.array_equal(value, interquartile_mean(curve))
    assert (abs(low - expected_low) < error).all() and (abs(high - expected_high) < error).all()
    assert np.array_equal(bootstrap_band(curve)[1], low)
    assert interquartile_mean_estimate(curve[:, 3]) == (
        value[3],
        pytest.approx(low[3]),
        pytest.approx(high[3]),
    )


def test_the_band_knows_nothing_where_a_run_has_no_number():
    band = bootstrap_band([[NAN, 1, -INF, NAN], [1, 1, -INF, -INF], [2, 1, -INF, 3]])
    assert all(line.tolist() == near(NAN, 1, -INF, NAN) for line in band)


def test_the_band_of_many_runs_stays_in_little_memory():
    tracemalloc.start()
    bootstrap_band(np.zeros((10_000, 10)))  # all draws at once would be 160 MB, and several times over
    assert tracemalloc.get_traced_memory()[1] < 100e6
    tracemalloc.stop()


def test_the_mean_of_the_worst():
    assert worst_mean(range(40)) == (0 + 1) / 2
    assert worst_mean(range(41)) == (0 + 1 + 2) / 3
    assert worst_mean([5, 3, 4]) == 3
    assert 0.07 * 100 > 7 and worst_mean(range(100), share=0.07) == 3
    assert worst_mean([1, 2, 3], share=1) == 2
    assert worst_mean([1, 2, -INF]) == -INF


def test_the_area_of_a_ramp_and_of_an_uneven_grid():
    assert area_under_curve([100, 200, 300], [[0, 1, 2], [5, 5, 5]]).tolist() == [1, 5]
    # trapezoids of heights 0, 1 and 3: (1 * 0.5 + 3 * 2) / 4
    assert area_under_curve([0, 1, 4], [[0, 1, 3]]).tolist() == [6.5 / 4]


def test_the_area_before_the_first_episode_and_of_none():
    area = area_under_curve([0, 1, 2], [[NAN, 4, 2], [NAN, NAN, 7], [NAN] * 3, [1, NAN, 1], [1, 2, -INF]])
    assert area.tolist() == near((4 + 3) / 2, 7, NAN, NAN, -INF)


def test_pairs_are_won_lost_and_tied():
    estimate = paired_improvement([1, 2, 3, -INF, 0], [0, 2, 4, -INF, -INF])
    assert estimate.value == (1 + 0.5 + 0 + 0.5 + 1) / 5
    assert 0 <= estimate.low < estimate.value < estimate.high <= 1
    assert paired_improvement([1] * 10, [0] * 10) == proportion(10, 10)
    assert paired_improvement([0] * 10, [1] * 10) == proportion(0, 10)
    assert paired_improvement([1, 2], [1, 2]) == (0.5, 0.5, 0.5)
    assert paired_improvement([2], [1]) == near(1, NAN, NAN)


def test_pairs_differ_by_their_mean():
    ours, theirs = np.arange(20) * 10.0 + np.tile([1, 3], 10), np.arange(20) * 10.0
    estimate = paired_difference(ours, theirs)  # differences of 1 and 3, half each: 2 -+ 1.96 / sqrt(20)
    assert estimate == pytest.approx((2, 1.56, 2.44), abs=0.1)
    assert paired_difference(ours, theirs) == estimate
    assert paired_difference([0.3, 0.1 + 0.2, 0.1 + 0.2], [0, 0, 0]) == pytest.approx((0.3, 0.3, 0.3))
    # of 18 zeros and 2 tens, percentiles say 0 to 2.5, as Binomial(20, 0.1) has 0 to 5; BCa leans to the tail
    assert paired_difference([0] * 18 + [10] * 2, [0] * 20).high >= 3
    assert paired_difference([5], [3]) == near(2, NAN, NAN)


def test_pairs_of_which_one_failed_have_no_finite_difference():
    assert paired_difference([-INF, -INF, 1], [-INF, 0, 0]) == (-INF, -INF, -INF)
    assert paired_difference([0, 1], [-INF, 0]) == (INF, INF, INF)
    assert paired_difference([-INF, 1], [1, -INF]) == near(NAN, NAN, NAN)
    assert paired_difference([-INF, 2, 2], [-INF, 0, 0]).value == pytest.approx(4 / 3)


@pytest.mark.parametrize(
    "call",
    [
        lambda: proportion(0, 0),
        lambda: proportion(3, 2),
        lambda: event_quantile([], never(0), 0.5),
        lambda: event_quantile([1], always(1), 1.0),
        lambda: event_quantile([1], np.array([1]), 0.5),
        lambda: event_quantile([1, 2], always(1), 0.5),
        lambda: event_quantile([NAN], always(1), 0.5),
        lambda: event_quantile([-1], always(1), 0.5),
        lambda: survival_steps([INF], never(1)),
        lambda: interquartile_mean([INF, 1]),
        lambda: interquartile_mean_estimate([NAN, 1]),
        lambda: bootstrap_band(np.empty((0, 5))),
        lambda: bootstrap_band([1, 2]),
        lambda: worst_mean([]),
        lambda: worst_mean([1], share=0),
        lambda: area_under_curve([0, 1], np.empty((0, 2))),
        lambda: area_under_curve([0], [[1], [1]]),
        lambda: area_under_curve([0, 0], [[1, 1]]),
        lambda: area_under_curve([0, 1], [[1]]),
        lambda: paired_improvement([], []),
        lambda: paired_improvement([1, 2], [1]),
        lambda: paired_difference([], []),
        lambda: paired_difference([NAN], [1]),
    ],
)
def test_what_makes_no_sense_is_refused(call):
    with pytest.raises(ValueError):
        call()


def sampled_median(generator):
    event, end = generator.exponential(1, size=30), generator.exponential(2, size=30)
    return event_quantile(np.minimum(event, end), event <= end, 0.5)


def sampled_quarter(generator):
    event = generator.exponential(size=24)
    return event_quantile(np.minimum(event, 0.7), event <= 0.7, 0.25)  # the study ends at 0.7 for all


def sampled_difference(generator):
    theirs = generator.normal(size=30, scale=5)
    return paired_difference(theirs + generator.exponential(size=30), theirs)


def sampled_improvement(generator):
    return paired_improvement(generator.choice([1, 0, -1], size=20, p=[0.6, 0.2, 0.2]), np.zeros(20))


@pytest.mark.parametrize(
    ("sampled", "truth"),
    [
        (lambda generator: proportion(int(generator.binomial(20, 0.7)), 20), 0.7),
        # between the quartiles, -ln v over v from 1/4 to 3/4, of which v - v ln v is the integral
        (
            lambda generator: interquartile_mean_estimate(generator.exponential(size=20)),
            2 * (0.5 - 0.75 * math.log(0.75) + 0.25 * math.log(0.25)),
        ),
        (sampled_median, math.log(2)),
        (sampled_quarter, math.log(4 / 3)),
        (sampled_difference, 1.0),
        (sampled_improvement, 0.7),
    ],
)
def test_intervals_cover_the_truth_as_often_as_they_say(sampled, truth):
    generator = np.random.default_rng(7)
    estimates = [sampled(generator) for _ in range(500)]

    def coverage(width):
        narrowed = [Estimate(v, v + width * (low - v), v + width * (high - v)) for v, low, high in estimates]
        return np.mean([e.low <= truth <= e.high for e in narrowed])

    assert 0.9 <= coverage(1) <= 0.99
    assert coverage(1 / 3) < 0.8  # the control: an interval a third as wide does not
