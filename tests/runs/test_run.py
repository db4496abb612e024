import math

import pytest
from scripted_run import EVALUATIONS, ScriptedRun
from support import read_scalars

from vecac.engines.contracts import Report


@pytest.fixture
def start(tmp_path, monkeypatch):
    return lambda **settings: ScriptedRun(tmp_path, monkeypatch, **settings)


def test_rows_fall_on_the_first_update_at_or_past_each_multiple_of_the_interval(start):
    run = start()
    for env_steps in (60, 99, 100, 160, 199, 207, 299, 450, 499, 500, 520):
        run.update(env_steps)
    assert run.rows_at() == [100, 207, 450, 500]


def test_the_interval_left_out_makes_200_rows(start):
    run = start(total_timesteps=1000, log_interval=0)
    for env_steps in range(1, 1001):
        run.update(env_steps)
    run.finish("finished")
    assert run.rows_at() == list(range(5, 1001, 5))


def test_a_row_holds_the_state_at_its_update(start):
    run = start()
    run.update(50, [10, 20], seconds=2.0, collect_seconds=1.2, learn_seconds=0.2)
    run.update(100, [30], seconds=2.0, collect_seconds=1.3, learn_seconds=0.3)
    run.update(200, seconds=1.0, collect_seconds=0.5, learn_seconds=0.25)
    first, second = ({tag: float(text) for tag, text in row.items() if text} for row in run.rows())
    assert first == pytest.approx(
        {
            "rollout/ep_rew_mean": 20,
            "rollout/ep_len_mean": 7,
            "rollout/episodes": 3,
            "time/fps": 25,  # 100 env steps in 4 s
            "time/total_timesteps": 100,
            "time/time_elapsed": 4,
            "time/collect_fraction": 2.5 / 4,
            "time/learn_fraction": 0.5 / 4,
            "train/loss": 100,  # of the last update
            "train/policy_loss": 2,
            "train/value_loss": 3,
            "train/entropy": 0.5,
            "train/grad_norm": 0.25,
            "train/explained_variance": 0.75,
            "train/learning_rate": 1e-3,
            "train/n_updates": 2,
        }
    )
    # Since the previous row: 100 env steps in 1 s. Since the start: 5 s and 3 updates.
    assert second["time/fps"] == 100
    assert second["time/time_elapsed"] == 5
    assert (second["time/collect_fraction"], second["time/learn_fraction"]) == (0.5, 0.25)
    assert second["train/n_updates"] == 3
    assert read_scalars(run.dir)["train/loss"] == [(100, 100.0), (200, 200.0)]


def test_without_an_episode_or_an_update_their_metrics_are_left_out(start):
    run = start()
    run.engine.env_steps, run.now = 99, 51.0
    run.recorder.record(Report())
    run.finish("interrupted")
    (row,) = run.rows()
    assert (row["rollout/ep_rew_mean"], row["rollout/episodes"]) == ("", "0")
    assert (row["train/loss"], row["train/n_updates"]) == ("", "")


def test_the_last_update_keeps_its_terms_through_calls_that_made_none(start):
    run = start()
    run.update(90)
    run.engine.env_steps, run.now = 100, 60.0
    run.recorder.record(Report())
    assert [row["train/loss"] for row in run.rows()] == ["90.0"]


def test_evaluation_stands_in_the_last_row_only_and_doubles_none(start):
    run = start(total_timesteps=200)
    run.update(100)
    run.update(200)
    run.finish("finished", EVALUATIONS)
    assert run.rows_at() == [100, 200]
    first, last = run.rows()
    assert (first["eval/mean_reward"], first["eval/mean_ep_length"]) == ("", "")
    assert (last["eval/mean_reward"], last["eval/mean_ep_length"]) == ("2.0", "20.0")
    scalars = read_scalars(run.dir)
    assert scalars["eval/mean_reward"] == [(200, 2.0)]
    assert scalars["train/loss"] == [(100, 100.0), (200, 200.0)]


def test_the_end_without_evaluation_still_has_a_row(start):
    run = start(total_timesteps=200)
    run.update(100)
    run.update(205)
    run.finish("finished")
    assert run.rows_at() == [100, 205]


def test_an_interruption_between_rows_adds_one(start):
    run = start()
    run.update(100)
    run.update(150)
    run.finish("interrupted")
    assert run.rows_at() == [100, 150]


def test_an_interruption_upon_a_row_does_not_double_it(start):
    run = start()
    run.update(100)
    run.finish("interrupted")
    assert run.rows_at() == [100]


def test_an_interruption_before_the_first_update_leaves_no_row(start):
    run = start()
    result = run.finish("interrupted")
    assert run.rows_at() == []
    assert (result["env_steps"], result["updates"], result["env_steps_per_s"]) == (0, 0, 0)


@pytest.mark.parametrize(
    ("env_steps", "settings", "expected"),
    [
        (0, {"n_rollout": 5, "num_envs": 2}, 10),  # 100 env steps to the row, 10 an update
        (95, {"n_rollout": 5, "num_envs": 2}, 1),
        (0, {"n_rollout": 15, "num_envs": 2}, 3),  # 90 of 100: one update more overshoots
        (0, {"n_rollout": 200, "num_envs": 2}, 1),
        (0, {"n_rollout": 1, "num_envs": 1, "total_timesteps": 42}, 42),  # the end comes before the row
    ],
)
def test_as_many_updates_at_once_as_fit_before_the_next_row(start, env_steps, settings, expected):
    run = start(**settings)
    run.engine.env_steps = env_steps
    run.engine.iterate = lambda count, goal: asked.append(count) or Report()
    asked = []
    run.now += 1.0
    run.recorder.engine.iterate(*run.recorder.until_due())
    assert asked == [expected]


def test_solved_needs_exactly_100_episodes(start):
    run = start(total_timesteps=10_000)
    run.update(150, [500] * 99)  # far above CartPole's 475, but one short
    run.update(260, [475], seconds=3.0)
    run.update(300, [500])
    result = run.finish("interrupted")
    assert result["solved_at_env_steps"] == 260
    assert result["solved_at_seconds"] == 4.0
    assert result["last_100_return_mean"] == 499.75


def test_solved_is_judged_over_the_last_100_at_the_update_that_brings_them(start):
    run = start(total_timesteps=10_000)
    run.update(110, [0] * 5 + [500] * 95)  # 475 from here on: 95 * 500 / 100
    run.update(120, [0] * 100)
    result = run.finish("interrupted")
    assert result["solved_at_env_steps"] == 110
    assert result["last_100_return_mean"] == 0


def test_just_below_the_threshold_is_not_solved(start):
    run = start(total_timesteps=10_000)
    run.update(110, [475] * 99 + [474])
    result = run.finish("interrupted")
    assert (result["solved_at_env_steps"], result["solved_at_seconds"]) == (None, None)


def test_an_environment_without_a_threshold_is_never_solved(start):
    run = start(env_id="Pendulum-v1")
    run.update(110, [1e9] * 100)
    assert run.finish("interrupted")["solved_at_env_steps"] is None


def test_the_run_stops_at_its_target_return(start):
    run = start(target_return=20.0)
    assert run.recorder.stop_reason() is None
    run.update(50, [25] * 99)
    assert run.recorder.stop_reason() is None
    run.update(120, [0])  # 24.75 over 100 episodes
    assert run.recorder.stop_reason() == "target_reached"
    assert run.rows_at() == []  # left to the end, which adds the evaluation
    result = run.finish("target_reached", EVALUATIONS)
    assert (result["stop_reason"], result["env_steps"]) == ("target_reached", 120)
    assert run.rows_at() == [120]


def test_the_run_stops_at_the_first_update_that_reaches_the_total(start):
    run = start(total_timesteps=200)
    run.update(199)
    assert run.recorder.stop_reason() is None
    run.update(200)
    assert run.recorder.stop_reason() == "finished"


def test_result_json_of_a_finished_run(start):
    run = start(total_timesteps=200, seed=3)
    run.update(120, [1, 2, 3], seconds=2.0)
    run.update(205, [6], seconds=3.0)
    run.recorder.stop()
    run.now += 1000  # the evaluation's time does not count
    result = run.finish("finished", EVALUATIONS)
    assert result == {
        "env_id": "CartPole-v1",
        "env_steps": 205,
        "updates": 2,
        "episodes": 4,
        "seconds": 5.0,
        "env_steps_per_s": 41.0,
        "last_100_return_mean": None,
        "solved_at_env_steps": None,
        "solved_at_seconds": None,
        "best_env_steps": None,
        "best_return_mean": None,
        "eval_return_mean": 2.0,
        "eval_return_std": 1.0,
        "eval_sampled_return_mean": 4.0,
        "eval_sampled_return_std": 4.0,
        "eval_best_return_mean": None,
        "eval_best_return_std": None,
        "eval_best_sampled_return_mean": None,
        "eval_best_sampled_return_std": None,
        "eval_episodes": 2,
        "eval_cut_episodes": 0,
        "stop_reason": "finished",
        "error": None,
        "engine": "sync",
        "learner": "torch",
        "device": "cpu",
        "device_requested": "cuda",
        "seed": 3,
    }
    assert run.result.to_dict() == result
    assert run.result.run_dir == run.dir
    last = run.rows()[-1]
    assert (float(last["time/time_elapsed"]), float(last["time/fps"])) == (5.0, pytest.approx(85 / 3))


@pytest.mark.parametrize("stop_reason", ["interrupted", "failed"])
def test_result_json_of_a_run_that_was_cut_off(start, stop_reason):
    run = start()
    run.update(120, [1])
    error = "EnvironmentFault: environment 3 broke" if stop_reason == "failed" else None
    result = run.finish(stop_reason, error=error)
    assert (result["stop_reason"], result["error"]) == (stop_reason, error)
    assert all(result[name] is None for name in result if name.startswith("eval"))
    assert run.saved("latest") == 120
    assert run.rows_at() == [120]


def test_a_return_that_is_not_finite_is_null_in_result_json(start):
    run = start()
    run.update(120, [math.inf] * 100)
    assert run.finish("interrupted")["last_100_return_mean"] is None
