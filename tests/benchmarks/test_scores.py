"""What is made of trainings beside each other, against numbers worked out by hand; two small measurements."""

import importlib.util
import json

import pytest

pytest.importorskip("scipy", reason="the intervals' package is not installed")
import figures
import score_rows
import scores
from score_rows import Task, cells, difference, interval, summarize_task

from vecac.errors import UsageError
from vecac.runs.settings_files import shipped_for

TASK = Task("Somewhere-v0", 1_000_000, 100.0)


def run_of(greedy, seconds, reached=None):
    return {
        "seed": 1,
        "env_steps": 1000,
        "seconds": seconds,
        "env_steps_per_s": 1000 / seconds,
        "greedy_mean": greedy,
        "score_at_env_steps": reached and reached * 10,
        "score_at_seconds": reached,
    }


def test_an_interval_of_a_mean_by_hand():
    # Of 1, 2, 3: s = 1, and t of 2 degrees of freedom at 97.5 % is 4.3027 (a table's).
    low, high = interval([1.0, 2.0, 3.0])
    assert (low, high) == pytest.approx((2 - 4.3027 / 3**0.5, 2 + 4.3027 / 3**0.5), rel=1e-4)
    assert interval([5.0]) is None


def test_a_difference_of_means_by_hand():
    # s^2 / n is 1 / 3 on both sides, so Welch has 4 degrees of freedom: t = 2.7764.
    found = difference([11.0, 12.0, 13.0], [1.0, 2.0, 3.0])
    half = 2.7764 * (2 / 3) ** 0.5
    assert found["mean"] == 10
    assert found["interval"] == pytest.approx([10 - half, 10 + half], rel=1e-4)
    assert difference([500.0, 500.0], [499.0, 499.0]) == {"mean": 1.0, "interval": [1.0, 1.0]}
    assert difference([1.0], [2.0, 3.0]) is None


def test_a_row_by_hand():
    runs = {
        "vecac": [run_of(120.0, 2.0, 1.0), run_of(100.0, 4.0), run_of(110.0, 3.0, 2.0)],
        "a2c": [run_of(90.0, 10.0), run_of(95.0, 20.0), run_of(100.0, 30.0)],
    }
    row = summarize_task(TASK, runs)
    ours, theirs = row["trainers"]["vecac"], row["trainers"]["a2c"]
    assert (ours["greedy_mean"], ours["greedy_worst"], ours["seconds"]) == (110.0, 100.0, 3.0)
    assert (ours["reached_score"], ours["score_at_seconds"], ours["score_at_env_steps"]) == (2, 1.5, 15.0)
    assert (theirs["reached_score"], theirs["score_at_seconds"]) == (0, None)
    assert row["greedy_difference"]["mean"] == 15.0
    assert row["seconds_ratio"] == 3.0 / 20.0
    assert row["name"] == "Somewhere-v0, 1 M"
    shown = score_rows.cells(row)
    assert [line[0] for line in shown] == ["Somewhere-v0, 1 M, vecac", "Somewhere-v0, 1 M, a2c"]
    assert shown[0][-2:] == ["2 of 3", "1.5"]
    assert shown[1][-2:] == ["0 of 3", "-"]


@pytest.mark.parametrize("task", [*score_rows.TASKS, *score_rows.AGAINST_PPO], ids=lambda task: task.name)
def test_every_task_has_settings(task):
    assert shipped_for(task.env_id) is not None


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"envs": ("Nowhere-v0",)}, "--envs Nowhere-v0 is none of"),
        ({"seeds": 0}, "--seeds must be 1 or more"),
        ({"seed": 0}, "--seed must be 1 or more"),
    ],
)
def test_wrong_options_are_named(options, said):
    with pytest.raises(UsageError, match=said):
        scores.Options(**options)


@pytest.mark.parametrize(
    ("envs", "names"),
    [
        (("LunarLander-v3",), ["LunarLander-v3, 1 M", "LunarLander-v3, 3 M"]),
        (("LunarLander-v3, 3 M", "Acrobot-v1"), ["Acrobot-v1, 500 k", "LunarLander-v3, 3 M"]),
    ],
)
def test_tasks_are_chosen_by_their_environment_or_their_name(envs, names):
    assert [task.name for task in scores.Options(envs=envs, against="nobody").tasks] == names


def test_a_peer_that_is_missing_is_named(monkeypatch):
    monkeypatch.setattr(scores, "find_spec", lambda name: None)
    with pytest.raises(UsageError, match="stable_baselines3 is not installed"):
        scores.Options()
    assert scores.Options(against="nobody").tasks == list(score_rows.TASKS)


@pytest.mark.skipif(importlib.util.find_spec("stable_baselines3") is None, reason="no peers")
def test_a_small_measurement_of_both(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(scores, "TASKS", (Task("CartPole-v1", 4000, 15.0),))
    record = tmp_path / "record.json"
    assert scores.main(["--seeds", "1", "--json", str(record)]) == 0
    (row,) = json.loads(record.read_text())["rows"]
    for trainer in ("vecac", "a2c"):
        (run,) = row["trainers"][trainer]["runs"]
        assert 4000 <= run["env_steps"] < 4200
        assert 5 < run["greedy_mean"] <= 500
        assert run["curve"][-1][0] > 3500
        assert run["score_at_env_steps"] <= 4200
    assert "CartPole-v1, 4 k, vecac" in capsys.readouterr().out


@pytest.mark.skipif(importlib.util.find_spec("stable_baselines3") is None, reason="no peers")
def test_a_small_measurement_of_the_time_to_a_score(monkeypatch):
    monkeypatch.setattr(scores, "AGAINST_PPO", (Task("CartPole-v1", 20_000, 20.0),))
    ((row,),) = scores.measure(scores.Options(seeds=1, against="ppo"))
    for trainer in ("vecac", "ppo"):
        (run,) = row["trainers"][trainer]["runs"]
        assert run["env_steps"] < 20_000
        assert run["greedy_mean"] is None
        assert 0 < run["score_at_seconds"] <= run["seconds"] + 1e-3


def test_a_series_that_is_cut_off_keeps_the_seeds_it_has_had(tmp_path, monkeypatch):
    """Some series take hours; run 3 of 4 fails here, so that one seed of two is whole."""
    monkeypatch.setattr(scores, "find_spec", lambda name: "installed")
    monkeypatch.setattr(scores, "TASKS", (Task("CartPole-v1", 4000, 15.0),))
    left = iter([{"greedy_mean": 9.0}, {"greedy_mean": 8.0}])
    run = {"seconds": 1.0, "env_steps_per_s": 1.0, "score_at_seconds": None, "score_at_env_steps": None}
    monkeypatch.setattr(scores, "run_job", lambda *job: {**run, **next(left)})
    record = tmp_path / "record.json"
    with pytest.raises(RuntimeError, match="StopIteration"):  # a third run, which there is not
        scores.main(["--seeds", "2", "--jobs", "1", "--json", str(record)])
    (row,) = json.loads(record.read_text())["rows"]
    assert [len(row["trainers"][trainer]["runs"]) for trainer in ("vecac", "a2c")] == [1, 1]


def test_a_series_in_two_parts_is_one_row(tmp_path, monkeypatch):
    for name, seed, greedy in (("1", 1, [5.0, 7.0]), ("seeds-3", 3, [9.0])):
        runs = [run_of(number, 1.0) | {"seed": seed + i} for i, number in enumerate(greedy)]
        row = score_rows.summarize_task(Task("Some-v0", 10, 6.0), {"vecac": runs, "a2c": runs[:1]})
        record = {"settings": {"against": "a2c", "seed": seed}, "rows": [row]}
        (tmp_path / f"scores__Some-v0__{name}.json").write_text(json.dumps(record))
    monkeypatch.setattr(figures, "RECORDS", tmp_path)
    (row,) = figures.score_rows("a2c").values()
    ours = row["trainers"]["vecac"]
    assert [each["seed"] for each in ours["runs"]] == [1, 2, 3]
    assert (ours["greedy_mean"], ours["seeds"], ours["greedy_worst"]) == (7.0, 3, 5.0)


def test_what_was_not_evaluated_has_no_greedy_return_in_the_table():
    """As beside PPO, where training stops at a score."""
    run = {"seed": 1, "env_steps": 10, "seconds": 2.0, "env_steps_per_s": 5.0, "greedy_mean": None}
    run |= {"score_at_env_steps": 10, "score_at_seconds": 2.0, "curve": []}
    row = summarize_task(Task("CartPole-v1", 1000, 200.0), {"vecac": [run, run], "ppo": [run, run]})
    assert [cell for line in cells(row) for cell in line[1:4]] == ["-"] * 6
