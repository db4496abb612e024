"""train(config) from end to end on small runs."""

import csv
import json
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from vecac.config import Config
from vecac.errors import EnvironmentFault, RunFault, UsageError
from vecac.recording import checkpoint
from vecac.runs.folder_lock import locked
from vecac.train import main, resume, train


@pytest.fixture
def small(tmp_path):
    return Config(
        total_timesteps=3000, num_envs=4, eval_episodes=4, log_interval=500, log_dir=str(tmp_path), quiet=True
    )


def rows(result):
    with (result.run_dir / "progress.csv").open() as file:
        return list(csv.DictReader(file))


def test_a_run_leaves_what_it_promises(small):
    result = train(small)
    assert {path.name for path in result.run_dir.iterdir() if not path.name.startswith("events")} == {
        "config.json",
        "progress.csv",
        "result.json",
        "checkpoints",
    }
    assert len(list(result.run_dir.glob("events.out.tfevents.*"))) == 1
    assert json.loads((result.run_dir / "result.json").read_text()) == result.to_dict()
    assert result.stop_reason == "finished"
    assert small.total_timesteps <= result.env_steps < small.total_timesteps + 4 * 10
    assert result.eval_episodes == 4
    logged = rows(result)
    steps = [int(float(row["time/total_timesteps"])) for row in logged]
    assert steps[-1] == result.env_steps
    assert [step // 500 for step in steps] == [1, 2, 3, 4, 5, 6]
    assert [bool(row["eval/mean_reward"]) for row in logged] == [False] * 5 + [True]
    assert float(logged[-1]["eval/mean_reward"]) == result.eval_return_mean
    content = checkpoint.load(result.run_dir / "checkpoints" / "latest.pt")
    assert (content["env_steps"], content["updates"]) == (result.env_steps, result.updates)


def final_network(config):
    result = train(config)
    return checkpoint.load(result.run_dir / "checkpoints" / "latest.pt")["network"]


@pytest.mark.parametrize("engine", ["sync", "vector", "async"])
def test_one_seed_gives_one_set_of_parameters_bit_for_bit(small, engine):
    config = replace(small, engine=engine, total_timesteps=1500, eval_episodes=0)
    first, again = final_network(config), final_network(config)
    other = final_network(replace(config, seed=2))
    assert all(torch.equal(first[name], again[name]) for name in first)
    assert not torch.equal(first["fc1.weight"], other["fc1.weight"])


def test_what_is_recorded_does_not_change_what_is_learnt(small):
    first = final_network(small)
    second = final_network(
        replace(small, log_interval=50, checkpoint_interval=0.01, eval_episodes=0, quiet=False, run_name="x")
    )
    assert all(torch.equal(first[name], second[name]) for name in first)


def test_sync_and_async_in_any_mode_without_dead_rows_learn_the_same(small):
    config = replace(small, eval_episodes=0, total_timesteps=1000)
    first = final_network(replace(config, autoreset_mode="same-step"))
    second = final_network(replace(config, autoreset_mode="disabled", engine="async"))
    assert all(torch.equal(first[name], second[name]) for name in first)


def test_target_return_ends_the_run(small):
    result = train(replace(small, total_timesteps=100_000, target_return=15.0))
    assert result.stop_reason == "target_reached"
    assert result.env_steps < 20_000
    assert result.last_100_return_mean >= 15.0
    assert result.eval_episodes == 4


def test_every_setting_of_the_loss_runs(small):
    result = train(
        replace(
            small,
            td_lambda=0.9,
            ent_coef=0.01,
            vf_coef=0.5,
            max_grad_norm=0.5,
            anneal_lr=True,
            bootstrap_truncated=False,
            autoreset_mode="same-step",
            total_timesteps=500,
        )
    )
    assert result.stop_reason == "finished"


@pytest.mark.parametrize("env_id", ["Acrobot-v1", "MountainCar-v0", "scripted_environments:Random-v0"])
def test_other_environments_train(small, env_id):
    result = train(replace(small, env_id=env_id, total_timesteps=500, eval_episodes=1))
    assert result.stop_reason == "finished"
    assert result.solved_at_env_steps is None


def test_an_environment_that_misbehaves_fails_the_run(small):
    config = replace(small, env_id="scripted_environments:Faulty-v0", num_envs=2, learner="torch")
    with pytest.raises(EnvironmentFault):
        train(config)
    (run_dir,) = Path(small.log_dir).iterdir()
    result = json.loads((run_dir / "result.json").read_text())
    assert result["stop_reason"] == "failed"
    assert "environment" in result["error"]
    assert checkpoint.load(run_dir / "checkpoints" / "latest.pt")["updates"] == result["updates"]


def test_a_failed_run_exits_with_1_and_one_line(small, capsys):
    arguments = ["--env-id", "scripted_environments:NanAtReset-v0", "--log-dir", small.log_dir, "--quiet"]
    assert main(arguments) == 1
    captured = capsys.readouterr()
    assert captured.out == ""
    assert captured.err.startswith("error: environment 0 returned the observation [nan")
    assert captured.err.count("\n") == 1


def test_a_run_that_fails_before_its_first_step_has_a_checkpoint_all_the_same(small):
    config = replace(small, env_id="scripted_environments:NanAtReset-v0")
    with pytest.raises(EnvironmentFault):
        train(config)
    (run_dir,) = Path(small.log_dir).iterdir()
    content = checkpoint.load(run_dir / "checkpoints" / "latest.pt")
    assert (content["env_steps"], content["updates"]) == (0, 0)
    assert json.loads((run_dir / "result.json").read_text())["stop_reason"] == "failed"


def test_a_run_that_diverges_fails_and_keeps_the_last_good_parameters(small):
    with pytest.raises(RunFault, match=r"is not finite by update .*: lower --learning-rate"):
        train(replace(small, learning_rate=1e30, learner="torch"))
    (run_dir,) = Path(small.log_dir).iterdir()
    result = json.loads((run_dir / "result.json").read_text())
    assert (result["stop_reason"], result["eval_return_mean"]) == ("failed", None)
    assert result["error"].startswith("RunFault: the loss (")
    good = checkpoint.load(run_dir / "checkpoints" / "latest.pt")
    assert good["env_steps"] < result["env_steps"]
    assert all(bool(weights.isfinite().all()) for weights in good["network"].values())
    offending = checkpoint.load(run_dir / "checkpoints" / "offending_rollout.pt")
    assert offending["updates"] == result["updates"]
    assert offending["rollout"]["reward_TN"].shape == (10, 4)


TIMES = ("time/fps", "time/time_elapsed", "time/collect_fraction", "time/learn_fraction")


def without_times(logged):
    return [{tag: text for tag, text in row.items() if tag not in TIMES} for row in logged]


def test_a_finished_run_goes_on_to_a_larger_total_as_if_that_had_been_asked_for_at_once(small):
    whole = train(replace(small, run_name="whole"))
    half = train(replace(small, total_timesteps=1500))
    result = resume(half.run_dir, total_timesteps=3000)
    times = ("run_dir", "seconds", "env_steps_per_s")
    assert replace(result, **{name: getattr(whole, name) for name in times}) == whole
    assert result.run_dir == half.run_dir
    assert result.seconds > half.seconds
    assert without_times(rows(result)) == without_times(rows(whole))
    ends = [checkpoint.load(run.run_dir / "checkpoints" / "latest.pt") for run in (result, whole)]
    assert all(torch.equal(ends[0]["network"][name], ends[1]["network"][name]) for name in ends[0]["network"])


def test_a_run_with_nothing_left_to_train_is_evaluated_again(small, capsys):
    first = train(replace(small, quiet=False))
    capsys.readouterr()
    logged = rows(first)
    again = resume(first.run_dir)
    assert replace(again, seconds=first.seconds, env_steps_per_s=first.env_steps_per_s) == first
    assert again.seconds == pytest.approx(first.seconds, abs=0.1)
    assert without_times(rows(again)) == without_times(logged)
    out = capsys.readouterr().out
    assert "nothing is left to train: raise --total-timesteps to go on; evaluating again" in out


def test_a_run_that_is_running_is_not_gone_on_with(small):
    result = train(replace(small, total_timesteps=100))
    before = (result.run_dir / "result.json").read_bytes()
    with locked(result.run_dir), pytest.raises(UsageError, match="it is still running"):
        resume(result.run_dir)
    assert (result.run_dir / "result.json").read_bytes() == before


def test_a_last_state_that_cannot_be_saved_fails_the_run(small, monkeypatch, capsys):
    def fail(path, data):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("vecac.runs.writer.write_atomically", fail)
    with pytest.raises(RunFault, match=r"^the last state could not be saved in .*: No space left on device$"):
        train(replace(small, total_timesteps=1000))
    (result,) = Path(small.log_dir).glob("*/result.json")
    content = json.loads(result.read_text())
    assert content["stop_reason"] == "failed"
    assert content["eval_episodes"] == 4  # it was trained and evaluated nevertheless
    assert "cannot be written to: No space left on device; training goes on" in capsys.readouterr().err


def test_time_counts_from_the_first_env_step(small):
    result = train(
        replace(
            small, env_id="scripted_environments:SlowReset-v0", num_envs=2, total_timesteps=4, eval_episodes=0
        )
    )
    assert result.seconds < 0.5  # the two resets alone take a second


def test_a_reader_that_leaves_ends_nothing(small):
    command = (
        f"{sys.executable} -m vecac.train --total-timesteps 200 --eval-episodes 0 --log-dir {small.log_dir}"
    )
    finished = subprocess.run(
        ["bash", "-c", f"set -o pipefail; {command} | head -1"], capture_output=True, text=True, check=False
    )
    assert (finished.returncode, finished.stderr) == (0, "")
    (result,) = Path(small.log_dir).glob("*/result.json")
    assert json.loads(result.read_text())["stop_reason"] == "finished"


@pytest.mark.parametrize("method", ["spawn", "forkserver"])
def test_workers_load_no_torch(small, method):
    command = [sys.executable, "-m", "vecac.train", "--engine", "async", "--start-method", method, "--quiet"]
    command += ["--env-id", "scripted_environments:Light-v0", "--num-envs", "2", "--total-timesteps", "10"]
    command += ["--eval-episodes", "0", "--log-dir", small.log_dir]
    finished = subprocess.run(command, capture_output=True, text=True, cwd="tests", check=False)
    assert (finished.returncode, finished.stderr) == (0, "")


def test_cuda_without_cuda_warns_once_and_trains_on_the_cpu(small):
    if torch.cuda.is_available():
        pytest.skip("needs a machine without CUDA")
    with pytest.warns(UserWarning, match="--device cuda") as caught:
        result = train(replace(small, device="cuda", total_timesteps=100, eval_episodes=0))
    assert len(caught) == 1
    assert (result.device, result.device_requested) == ("cpu", "cuda")


def test_auto_passes_a_gpu_over_and_says_that_none_was_measured(small, monkeypatch, capsys):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "get_device_name", lambda: "A GPU")
    train(replace(small, quiet=False, total_timesteps=100, eval_episodes=0))
    assert (
        "--device auto learns on the CPU; --device cuda would use the A GPU: which of them is faster has not "
        "been measured"
    ) in capsys.readouterr().out.splitlines()
