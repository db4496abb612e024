"""What a summary says of outcomes that are known.

Shapes: R runs of one setting, G points of a curve.
"""

import json
import math

import numpy as np
import pytest

from vecac.config import Config
from vecac.studies import statistics
from vecac.studies.design import make_design
from vecac.studies.findings import compare, gather, gather_all, interval, leading, summarize
from vecac.studies.outcome import POINTS, Outcome
from vecac.studies.variation import parse_variations

TOTAL = 1000


def outcome(setting, seed, final, solved_at=None, stop_reason="finished", **fields):
    curve_G = np.full(POINTS, 2.0, np.float32)
    return Outcome(
        setting,
        seed,
        stop_reason,
        env_steps=TOTAL if stop_reason == "finished" else 300,
        eval_return_mean=final,
        solved_at_env_steps=solved_at,
        curve_G=curve_G,
        **fields,
    )


def runs(finals, solved_at=None):
    solved_at = solved_at or [None] * len(finals)
    return gather(
        [outcome(1, seed, *both) for seed, both in enumerate(zip(finals, solved_at, strict=True))], TOTAL
    )


def study(*outcomes, vary="gamma=0.9,0.95,0.99", env_id="CartPole-v1"):
    base = Config(engine="auto", total_timesteps=TOTAL, env_id=env_id)
    design = make_design(base, parse_variations([vary]), 3)
    return design, gather_all(design, {(one.setting, one.seed): one for one in outcomes})


def test_arrays_are_by_seed():
    design, by_setting = study(outcome(1, 3, 7.0), outcome(2, 1, 5.0), outcome(1, 2, 6.0, 400))
    assert sorted(by_setting) == [1, 2]
    first = by_setting[1]
    assert first.seed_R.tolist() == [2, 3]
    assert first.final_return_R.tolist() == [6.0, 7.0]
    assert first.watched_R.tolist() == [400, TOTAL]
    assert first.is_solved_R.tolist() == [True, False]
    assert first.area_R.tolist() == [2.0, 2.0]
    assert first.curve_RG.shape == (2, POINTS)
    assert design.threshold == 475.0


def test_a_run_that_failed_is_the_worst_and_was_not_solved_to_the_end():
    failed = outcome(1, 1, None, stop_reason="failed", error="it broke")
    none = Outcome(1, 2, "finished", env_steps=TOTAL)  # no episode came to its end
    got = gather([failed, none], TOTAL)
    assert got.final_return_R.tolist() == [-math.inf, -math.inf]
    assert got.watched_R.tolist() == [TOTAL, TOTAL]  # not 300: it would not have been solved after that
    assert not got.is_solved_R.any()
    assert got.area_R[1] == -math.inf


def test_a_run_that_a_target_ended_was_watched_until_then():
    stopped = Outcome(1, 1, "target_reached", env_steps=300, eval_return_mean=9.0)
    assert gather([stopped], TOTAL).watched_R.tolist() == [300]


@pytest.mark.parametrize(
    ("better", "worse"),
    [
        (([1, 1], [900, 900]), ([500, 500], [100, None])),  # more are solved
        (([1, 1, 1], [100, 200, 900]), ([500] * 3, [100, 300, 300])),  # earlier in the median
        (([500, 500], [100, 100]), ([400, 500], [100, 100])),  # else the return
    ],
)
def test_with_a_threshold_the_share_solved_counts_then_how_soon_then_the_return(better, worse):
    assert runs(*better).rank(475.0) > runs(*worse).rank(475.0)
    assert leading({1: runs(*worse), 2: runs(*better)}, 475.0) == 2


def test_without_one_the_interquartile_mean_counts_and_the_first_of_equals():
    many, few = runs([1, 5, 5, 99]), runs([4, 4, 4, 4])  # 5 in the middle half
    assert leading({1: few, 2: many, 3: many}, None) == 2


def test_the_interval_to_wait_for_is_that_of_the_share_solved_or_of_the_return_as_a_share():
    both = runs([100.0, 200.0, 300.0, 400.0] * 5, [100, None, None, None] * 5)
    assert interval(both, 475.0) == statistics.proportion(5, 20)
    absolute = statistics.interquartile_mean_estimate(both.final_return_R)
    relative = interval(both, None)
    assert relative.value == 1.0
    assert relative.high - relative.low == pytest.approx((absolute.high - absolute.low) / 250.0)


def test_runs_are_compared_by_the_seeds_that_both_had():
    ours = gather([outcome(1, seed, final) for seed, final in ((1, 5.0), (2, 6.0), (4, 0.0))], TOTAL)
    theirs = gather([outcome(2, seed, final) for seed, final in ((2, 4.0), (1, 5.0), (3, 99.0))][::-1], TOTAL)
    theirs = gather(sorted(theirs.outcomes, key=lambda one: one.seed), TOTAL)
    found = compare(ours, theirs)
    assert found["pairs"] == 2
    assert found["improvement"]["value"] == 0.75  # one is better, one is equal
    assert found["difference"]["value"] == 1.0
    assert found["solved_difference"]["value"] == 0.0
    nothing = compare(ours, gather([outcome(2, 9, 1.0)], TOTAL))
    assert nothing == {"pairs": 0, "improvement": None, "difference": None, "solved_difference": None}


def test_the_whole_of_it():
    design, by_setting = study(
        *(outcome(1, seed, 100.0 * seed, seconds=2.0) for seed in (1, 2, 3)),
        *(
            outcome(2, seed, 500.0, 100 * seed, seconds=1.0, solved_at_seconds=0.1 * seed)
            for seed in (1, 2, 3)
        ),
        outcome(3, 1, None, stop_reason="failed", error="it broke"),
    )
    summary = summarize(design, by_setting)
    json.dumps(summary, allow_nan=False)
    assert (summary["leading"], summary["ranking"]) == (2, [2, 1, 3])
    assert (summary["threshold"], summary["confidence"]) == (475.0, 0.95)
    first, second, third = summary["settings"]
    assert (first["values"], first["runs"], first["failed"], first["solved"]) == ({"gamma": 0.9}, 3, 0, 0)
    assert first["worst_seeds"][0] == {"seed": 1, "final_return": 100.0}
    assert first["env_steps_to_solve"]["50%"]["value"] is None
    assert first["final_return"]["value"] == 200.0
    assert first["final_return_worst_5_percent"] == first["final_return_min"] == 100.0
    assert second["solved_share"]["value"] == 1.0
    assert {name: each["value"] for name, each in second["env_steps_to_solve"].items()} == {
        "10%": 100.0,
        "50%": 200.0,
        "90%": 300.0,
    }
    assert second["area_under_curve"]["value"] == 2.0
    assert third["failures"] == [{"seed": 1, "error": "it broke"}]
    assert third["final_return"]["value"] is None
    against = {row["setting"]: row for row in summary["leading_against"]}
    assert against[1]["improvement"]["value"] == 1.0
    assert against[1]["difference"]["value"] == 300.0
    assert [row["env_steps_per_s"] for row in summary["times"]] == [TOTAL / 2, TOTAL, None]
    assert summary["times"][1]["solved_at_seconds"] == pytest.approx(0.2)
    assert summarize(design, by_setting) == summary


def test_no_threshold_no_solving():
    design, by_setting = study(outcome(1, 1, -200.0), env_id="Pendulum-v1")
    assert summarize(design, by_setting)["threshold"] is None
