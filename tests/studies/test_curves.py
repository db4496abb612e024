"""A setting's learning curve: the middle, the band and the worst of its runs at each point."""

import math

import numpy as np
import pytest
from study_support import failure, invented, make_study

from vecac.studies.curves import learning_curve, with_failures
from vecac.studies.outcome import POINTS

NAN, INF = math.nan, math.inf


def runs_of(tmp_path, curves):
    """The runs of one setting with these curves, from seed 1 on; None is one that failed at once."""

    def outcome(setting, seed):
        curve = curves[seed - 1]
        return failure(setting, seed) if curve is None else invented(setting, seed, curve=curve)

    return make_study(tmp_path, seeds=len(curves), outcome=outcome)[1][1]


def test_what_a_curve_tells_of_four_runs(tmp_path):
    curve = learning_curve(runs_of(tmp_path, [np.full(POINTS, height) for height in (4, 1, 3, 7)]), 1000)
    assert curve.env_steps_G.tolist() == list(range(10, 1001, 10))
    assert (curve.value_G == 3.5).all()  # of 3 and 4: a quarter of four is one, at either end
    assert (curve.worst_G == 1).all()  # a tenth of four is less than one, and one is the least
    assert ((curve.low_G >= 1) & (curve.low_G < 3.5) & (curve.high_G > 3.5) & (curve.high_G <= 7)).all()


def test_the_worst_tenth_of_twenty_runs_is_two(tmp_path):
    curve = learning_curve(runs_of(tmp_path, [np.full(POINTS, height) for height in range(20)]), 1000)
    assert (curve.worst_G == 0.5).all()


def test_one_run_has_no_band(tmp_path):
    curve = learning_curve(runs_of(tmp_path, [np.arange(POINTS)]), 1000)
    assert curve.value_G.tolist() == curve.worst_G.tolist() == list(range(POINTS))
    assert np.isnan(curve.low_G).all() and np.isnan(curve.high_G).all()


def test_points_before_the_last_runs_first_episode_are_unknown(tmp_path):
    late = np.where(np.arange(POINTS) < 3, NAN, 5.0)
    curve = learning_curve(runs_of(tmp_path, [late, np.full(POINTS, 7.0)]), 1000)
    for numbers in curve[1:]:
        assert np.isnan(numbers[:3]).all() and np.isfinite(numbers[3:]).all()
    assert (curve.value_G[3:] == 6).all()


def test_failed_runs_are_worse_than_any_return(tmp_path):
    one_of_five = learning_curve(runs_of(tmp_path, [None, *([np.full(POINTS, 2.0)] * 4)]), 1000)
    assert (one_of_five.value_G == 2).all()  # it is cut off with the lowest quarter
    assert np.isneginf(one_of_five.worst_G).all()
    two_of_five = learning_curve(runs_of(tmp_path, [None, None, *([np.full(POINTS, 2.0)] * 3)]), 1000)
    assert np.isneginf(two_of_five.value_G).all()


@pytest.mark.parametrize(
    ("curve", "wanted"),
    [
        ([NAN, 1, 2, 3], [NAN, 1, 2, 3]),
        ([NAN, 1, NAN, NAN], [NAN, 1, -INF, -INF]),
        ([NAN, NAN, NAN, NAN], [-INF, -INF, -INF, -INF]),
    ],
)
def test_what_has_no_number_any_more_has_failed(curve, wanted):
    np.testing.assert_array_equal(with_failures(np.array([curve], np.float32)), [wanted])
