"""Curves taken from episodes as they finish, and what an outcome comes to.

Shapes: G points of a curve.
"""

import math

import numpy as np
import pytest

from vecac.errors import EnvironmentFault, UsageError
from vecac.studies.outcome import POINTS, TIMES, Curve, Outcome, failed, grid, reason


def expected_curve(ends, returns, total):
    """Point by point, as the docstring says."""
    values = []
    for point in grid(total):
        so_far = [value for end, value in zip(ends, returns, strict=True) if end <= point][-100:]
        values.append(np.mean(so_far) if so_far else math.nan)
    return np.array(values, np.float32)


@pytest.mark.parametrize("pieces", [1, 3, 400])
@pytest.mark.parametrize("episodes", [1, 40, 350])
def test_a_point_is_the_mean_of_the_last_100_episodes_until_it(episodes, pieces):
    rng = np.random.default_rng(episodes)
    total = 10_000
    ends = np.sort(rng.integers(300, total + 1, episodes))
    ends[: episodes // 10] = 1000  # several at one step, on a point
    ends.sort()
    returns = rng.normal(0, 100, episodes)
    curve, done = Curve(total), 0
    for until in np.linspace(total / pieces, total, pieces).astype(int):
        part = slice(done, int(np.searchsorted(ends, until, side="right")))
        curve.add(ends[part], returns[part], int(until))
        done = part.stop
    np.testing.assert_allclose(curve.end(), expected_curve(ends, returns, total), rtol=1e-5, atol=1e-4)


def test_a_run_that_ends_early_keeps_its_last_mean_and_one_without_episodes_has_none():
    curve = Curve(1000)
    curve.add(np.array([100, 200]), np.array([10.0, 20.0]), 250)
    values = curve.end()
    assert np.isnan(values[:9]).all()
    assert values[9:19].tolist() == [10.0] * 10
    assert values[19:].tolist() == [15.0] * 81
    assert np.isnan(Curve(1000).end()).all()


def test_returns_that_overflow_are_no_numbers_of_a_curve():
    curve = Curve(1000)
    curve.add(np.array([100, 500]), np.array([1.0, 3e39]), 600)
    assert curve.end()[9] == 1.0
    assert np.isnan(curve.end()[49:]).all()


def test_the_grid_ends_with_the_run():
    assert grid(500_000).tolist() == [5000.0 * k for k in range(1, POINTS + 1)]
    assert grid(7)[-1] == 7.0


def test_the_final_return_is_the_greedy_evaluations_or_else_that_in_training():
    assert Outcome(1, 1, "finished", last_100_return_mean=3.0, eval_return_mean=5.0).final_return == 5.0
    assert Outcome(1, 1, "finished", last_100_return_mean=3.0).final_return == 3.0
    assert math.isnan(Outcome(1, 1, "finished").final_return)
    assert math.isnan(Outcome(1, 1, "finished", eval_return_mean=math.inf).final_return)
    few = Outcome(1, 1, "finished", curve_G=np.full(POINTS, 2.0, np.float32))
    assert few.final_return == 2.0  # of fewer than 100 episodes
    assert Outcome(1, 1, "failed", last_100_return_mean=3.0).final_return == -math.inf


def test_a_failure_is_a_line():
    assert failed(2, 3, ValueError("two\nlines")) == Outcome(2, 3, "failed", "ValueError: two lines")
    assert reason(UsageError("so it is")) == "so it is"
    assert reason(EnvironmentFault("so it is")) == "so it is"
    assert failed(1, 1, "its process died").error == "its process died"
    assert reason(ValueError("bad \udcff")) == "ValueError: bad \\udcff"
    assert len(reason(ValueError("x" * 10**6))) < 1100


def test_times_are_fields():
    assert set(TIMES) <= set(Outcome.__dataclass_fields__)
