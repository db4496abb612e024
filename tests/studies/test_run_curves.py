"""Curves of runs, and of groups of them, from rows that are written by hand."""

import math
import warnings

import numpy as np
import pytest
from run_folders import climb, make_run

from vecac.errors import UsageError
from vecac.studies import statistics
from vecac.studies.outcome import POINTS
from vecac.studies.run_curves import group_curves, read_curves, reward_threshold

pytestmark = pytest.mark.filterwarnings("error")
RETURN, GREEDY, LOSS = "rollout/ep_rew_mean", "eval/mean_reward", "train/loss"


def read(*paths, x="env_steps", y=RETURN):
    return read_curves(paths, x, y)


def points(curve):
    return list(zip(curve.x_G.tolist(), curve.y_G.tolist(), strict=True))


def group(tmp_path, *fields, y=RETURN):
    """By label."""
    return {one.label: one for one in group_curves(read(tmp_path, y=y), y, fields)}


def test_a_curve_is_of_the_rows_that_have_both(tmp_path):
    rows = [{"x": 100, "s": 0.5}, {"x": 200, "y": 7.0}, {"x": 300, "s": 1.5, "y": 9.0}, {"s": 2.0, "y": 1.0}]
    run = make_run(tmp_path, "run", rows)
    with open(run / "progress.csv", "a") as file:
        file.write("1,2,3")  # and the run has not got farther with this line
    assert [points(curve) for curve in read(run)] == [[(200, 7), (300, 9)]]
    assert [points(curve) for curve in read(run, x="seconds")] == [[(1.5, 9), (2, 1)]]


def test_runs_come_by_name_and_each_once(tmp_path):
    for name in ("b", "a", "0/c"):
        make_run(tmp_path, name, climb((1, 1)))
    curves = read(tmp_path / "b", tmp_path, tmp_path / "0/../b")
    assert [curve.run_dir.name for curve in curves] == ["a", "b", "c"]


def test_how_a_run_ended_is_known(tmp_path):
    make_run(tmp_path, "a", climb((1, 1)), {"stop_reason": "failed"}, gamma=0.5)
    make_run(tmp_path, "b", climb((1, 1)))
    failed, running = read(tmp_path)
    assert (failed.stop_reason, failed.config.gamma, running.stop_reason) == ("failed", 0.5, None)


def test_what_cannot_be_drawn_of_a_folder_is_left_out_and_told(tmp_path):
    make_run(tmp_path, "a", climb((1, 1)))
    make_run(tmp_path, "empty")
    make_run(tmp_path, "blank", [{"x": 5}])
    (make_run(tmp_path, "broken") / "config.json").write_text("{")
    (make_run(tmp_path, "torn") / "progress.csv").write_text("x\n1,2\n")
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        assert [curve.run_dir.name for curve in read(tmp_path)] == ["a"]
    said = [str(warning.message) for warning in caught]
    assert [line.partition(": ")[0] for line in said] == ["left out"] * 4
    for line, wanted in zip(
        said,
        (
            "broken/config.json is damaged",
            "empty has no log row yet",
            "torn/progress.csv is damaged",
            "blank",
        ),
        strict=True,
    ):
        assert wanted in line
    assert said[3] == f"left out: {RETURN} is blank in 1 of 2 runs"


def damage(run, text):
    (run / "progress.csv").write_text(text)


@pytest.mark.parametrize("by_name", [True, False])
@pytest.mark.parametrize(
    ("spoil", "said"),
    [
        (lambda run: (run / "progress.csv").unlink(), "run has no log row yet: wait for one"),
        (lambda run: (run / "progress.csv").write_text(""), "run has no log row yet: wait for one"),
        (lambda run: damage(run, "time/fps,train/loss\n1\n"), "progress.csv is damaged: '1' is no row"),
        (lambda run: damage(run, "a,b\n1"), "progress.csv is damaged: its first line names no metrics"),
        (lambda run: (run / "config.json").write_text("{"), "config.json is damaged: it is not JSON"),
        (lambda run: (run / "config.json").write_text('{"env_id": "A", "gamma": 2}'), "--gamma must be"),
        (lambda run: (run / "result.json").write_text("{"), "result.json is damaged: it is not JSON"),
    ],
)
def test_a_run_that_cannot_be_drawn_is_an_error_if_it_is_named_or_alone(tmp_path, by_name, spoil, said):
    spoil(make_run(tmp_path / "logs", "run", climb((1, 1))))
    with pytest.raises(UsageError, match=said):
        read(tmp_path / "logs/run" if by_name else tmp_path / "logs")


def test_rows_that_go_back_are_damaged(tmp_path):
    with pytest.raises(UsageError, match="damaged: its time/total_timesteps decreases"):
        read(make_run(tmp_path, "run", climb((2, 1), (1, 1))))


@pytest.mark.parametrize(("runs", "which"), [(1, "the run"), (3, "all 3 runs")])
def test_a_metric_that_is_blank_everywhere_is_refused(tmp_path, runs, which):
    for number in range(runs):
        make_run(tmp_path, f"run{number}", climb((1, 1)))
    with pytest.raises(UsageError, match=f"--y {GREEDY} is blank in {which}: name another metric"):
        read(tmp_path, y=GREEDY)


def test_a_folder_without_runs_is_refused(tmp_path):
    with pytest.raises(UsageError, match=f"no run in {tmp_path}: name a run's folder, or one with runs"):
        read(tmp_path)


def test_a_group_is_the_median_of_its_runs_with_the_band_of_studies(tmp_path):
    """Heights 1, 2, 3.5, 4 and 7 at the start, and ten times that at the end."""
    heights = np.array([1.0, 2, 3.5, 4, 7])
    for number, height in enumerate(heights):
        make_run(tmp_path, f"run{number}", climb((100, height), (200, 5.5 * height), (300, 10 * height)))
    (one,) = group(tmp_path, "gamma").values()
    np.testing.assert_allclose(one.x_G, 100 + 200 * np.arange(POINTS) / (POINTS - 1))
    share = np.arange(POINTS) / (POINTS - 1)
    np.testing.assert_allclose(one.value_G, 3.5 * (1 + 9 * share))
    band = statistics.bootstrap_band(heights[:, None] * (1 + 9 * share), median=True)
    np.testing.assert_allclose([one.value_G, one.low_G, one.high_G], band)
    assert ((one.low_G < one.value_G) & (one.value_G < one.high_G)).all()


def test_rows_at_different_places_are_joined_by_straight_lines(tmp_path):
    make_run(tmp_path, "a", climb((0, 0), (100, 100)))
    make_run(tmp_path, "b", climb((0, 0), (50, 150), (100, 100)))
    (one,) = group(tmp_path, "gamma").values()
    np.testing.assert_allclose(one.value_G, np.minimum(2 * one.x_G, 100))


def test_a_line_begins_with_the_last_run_and_ends_with_the_first(tmp_path):
    make_run(tmp_path, "a", climb((10, 1), (980, 1)))
    make_run(tmp_path, "b", climb((20, 2), (1000, 2)))
    (one,) = group(tmp_path, "gamma").values()
    assert (one.x_G[0], one.x_G[-1], len(one.x_G)) == (20, 980, POINTS)
    assert (one.value_G == 1.5).all()


@pytest.mark.parametrize("reason", ["finished", "interrupted", "stopped", None])
def test_a_run_that_ends_early_ends_the_line_and_is_named(tmp_path, reason):
    result = None if reason is None else {"stop_reason": reason}
    make_run(tmp_path, "short", climb((10, 1), (400, 1)), result)
    make_run(tmp_path, "long", climb((10, 2), (1000, 2)), {})
    with pytest.warns(
        UserWarning, match=r"--gamma 0.98: drawn to 400, where .*short ends; others go to 1,000"
    ):
        (one,) = group(tmp_path, "gamma").values()
    assert one.x_G[-1] == 400


def test_a_run_that_has_come_to_its_target_keeps_its_number(tmp_path):
    make_run(tmp_path, "a", climb((0, 1), (500, 9)), {"stop_reason": "target_reached"})
    make_run(tmp_path, "b", climb((0, 1), (990, 1)), {})
    (one,) = group(tmp_path, "gamma").values()
    assert one.x_G[-1] == 990
    assert (one.value_G[one.x_G >= 500] == 5).all()


def test_a_run_that_failed_is_worse_than_any_other_from_then_on(tmp_path):
    for name, height in (("a", 1), ("b", 2), ("c", 3), ("d", 4)):
        make_run(tmp_path, name, climb((0, height), (1000, height)), {})
    make_run(tmp_path, "failed", climb((0, 9), (500, 9)), {"stop_reason": "failed"})
    (one,) = group(tmp_path, "gamma").values()
    before, after = one.x_G <= 500, one.x_G > 500
    assert (one.value_G[before] == 3).all()  # of 2, 3 and 4: one of five is cut off at either end
    assert (one.value_G[after] == 2).all()  # of 1, 2 and 3
    assert np.isneginf(one.low_G[after]).all() and np.isfinite(one.low_G[before]).all()


def test_the_loss_of_a_run_that_failed_is_not_known_any_more(tmp_path):
    for name, last, result in (("a", 1000, {}), ("failed", 500, {"stop_reason": "failed"})):
        make_run(tmp_path, name, climb((0, 1), (last, 1), y="n"), result)
    with pytest.warns(UserWarning, match="drawn to 500"):
        (one,) = group(tmp_path, "gamma", y="rollout/episodes").values()
    assert one.x_G[-1] == 500


def test_one_number_of_a_run_that_failed_is_no_return_of_minus_infinity(tmp_path):
    make_run(tmp_path, "a", climb((10, 4), y="n"), {})
    make_run(tmp_path, "failed", climb((5, 2), y="n"), {"stop_reason": "failed"})
    (one,) = group(tmp_path, "gamma", y="rollout/episodes").values()
    assert (one.x_G.tolist(), one.value_G.tolist()) == ([10], [3])


def test_a_group_of_one_run_is_its_rows_without_a_band(tmp_path):
    make_run(tmp_path, "run", climb((3, 1), (7, 5), (20, 2)))
    (one,) = group(tmp_path, "gamma").values()
    assert (one.x_G.tolist(), one.value_G.tolist()) == ([3, 7, 20], [1, 5, 2])
    assert np.isnan(one.low_G).all() and np.isnan(one.high_G).all()


def test_numbers_of_the_end_are_one_point(tmp_path):
    """Greedy evaluations, which no two runs need have at the same env steps."""
    for name, last, height in (("a", 1000, 10), ("b", 1010, 20), ("c", 1020, 60)):
        make_run(tmp_path, name, climb((last, height), y="e"), {})
    (one,) = group(tmp_path, "gamma", y=GREEDY).values()
    assert (one.x_G.tolist(), one.value_G.tolist()) == ([1020], [20])
    assert 10 <= one.low_G < 20 < one.high_G <= 60


def test_groups_are_of_equal_values_and_come_by_them(tmp_path):
    settings = [
        {"learning_rate": 1e-3, "hidden_sizes": (8,)},
        {"learning_rate": 2e-4, "hidden_sizes": (8, 8)},
        {"learning_rate": 1e-3, "hidden_sizes": (8,), "seed": 5},
        {"learning_rate": 1e-2, "hidden_sizes": (8,)},
    ]
    for number, own in enumerate(settings):
        make_run(tmp_path, f"run{number}", climb((1, number), (2, number)), **own)
    groups = group(tmp_path, "learning_rate")
    assert [(label, len(one.runs)) for label, one in groups.items()] == [
        ("--learning-rate 0.0002", 1),
        ("--learning-rate 0.001", 2),
        ("--learning-rate 0.01", 1),
    ]
    assert (groups["--learning-rate 0.001"].value_G == 1).all()  # of runs 0 and 2
    assert [*group(tmp_path, "hidden_sizes", "learning_rate")] == [
        "--hidden-sizes 8 --learning-rate 0.001",
        "--hidden-sizes 8 --learning-rate 0.01",
        "--hidden-sizes 8 8 --learning-rate 0.0002",
    ]


def test_settings_that_may_be_none_or_anything_are_grouped_too(tmp_path):
    for number, own in enumerate(
        [{"max_grad_norm": None}, {"max_grad_norm": 0.5}, {"max_grad_norm": 10.0}, {"max_grad_norm": 2}]
    ):
        make_run(tmp_path, f"run{number}", climb((1, 1)), env_kwargs={"gravity": number % 2}, **own)
    assert [label.split()[1] for label in group(tmp_path, "max_grad_norm")] == ["0.5", "2", "10.0", "None"]
    assert [*group(tmp_path, "env_kwargs")] == ["--env-kwargs gravity=0", "--env-kwargs gravity=1"]
    assert [*group(tmp_path, "norm_obs")] == ["--no-norm-obs"]


def test_runs_of_different_environments_are_never_one_group(tmp_path):
    for env_id in ("CartPole-v1", "Acrobot-v1"):
        make_run(tmp_path, env_id, climb((1, 1)), env_id=env_id)
    labels = ["--env-id Acrobot-v1 --gamma 0.98", "--env-id CartPole-v1 --gamma 0.98"]
    assert [*group(tmp_path, "gamma")] == labels
    assert [*group(tmp_path, "env_id")] == ["--env-id Acrobot-v1", "--env-id CartPole-v1"]


@pytest.mark.parametrize(
    ("env_ids", "y", "threshold"),
    [
        (["CartPole-v1"], RETURN, 475),
        (["CartPole-v1"], GREEDY, 475),
        (["CartPole-v1"], LOSS, None),
        (["CartPole-v1", "Acrobot-v1"], RETURN, None),
        (["Pendulum-v1"], RETURN, None),
        (["nowhere_to_be_found:Swing-v0"], RETURN, None),
    ],
)
def test_the_threshold_of_one_environment(tmp_path, env_ids, y, threshold):
    for env_id in env_ids:
        make_run(tmp_path, env_id, climb((1, 1)), env_id=env_id)
    assert reward_threshold(read(tmp_path), y) == threshold


def test_a_number_that_is_not_finite_is_blank(tmp_path):
    run = make_run(tmp_path, "run", climb((1, math.inf), (2, 5), (3, math.nan)))
    assert points(*read(run)) == [(2, 5)]
