"""What is told of the policies that a run ends with: the last, the best, and which to play."""

import json

import pytest
from support import run

from vecac.config import Config
from vecac.recording import checkpoint
from vecac.train import main, train


def test_the_best_parameters_are_evaluated_and_told_beside_worse_last_ones(tmp_path, capsys):
    """A constant learning rate that unlearns what it had solved."""
    flags = "--engine fused --learning-rate 1e-3 --seed 2 --eval-episodes 20".split()
    assert main([*flags, "--log-dir", str(tmp_path)]) == 0
    (run_dir,) = tmp_path.iterdir()
    result = json.loads((run_dir / "result.json").read_text())
    best = checkpoint.load(run_dir / "checkpoints" / "best.pt")
    assert result["env_id"] == "CartPole-v1"
    assert result["best_env_steps"] == best["env_steps"] < result["env_steps"]
    assert result["best_return_mean"] >= 475
    assert result["eval_best_return_mean"] > result["eval_return_mean"] + 100
    assert result["eval_best_sampled_return_mean"] > result["eval_sampled_return_mean"] + 100
    *_, told, again = capsys.readouterr().out.splitlines()
    assert told.startswith(f"best parameters, after {best['env_steps']:,} env steps (mean return ")
    assert again == f"play it again: python -m vecac.evaluate {run_dir}"


@pytest.mark.parametrize("engine", ["sync", "async"])
def test_where_the_last_parameters_are_the_best_they_are_evaluated_once(engine, tmp_path):
    settings = {"num_envs": 2, "engine": engine, "total_timesteps": 3000, "log_interval": 10**6}
    result = train(Config(**settings, eval_episodes=4, quiet=True, log_dir=str(tmp_path)))
    assert result.best_env_steps == result.env_steps
    assert result.eval_best_return_mean == result.eval_return_mean
    assert result.eval_best_sampled_return_mean == result.eval_sampled_return_mean


def test_a_run_without_a_hundred_episodes_has_no_best(tmp_path):
    result = train(Config(total_timesteps=320, eval_episodes=2, quiet=True, log_dir=str(tmp_path)))
    assert result.best_env_steps is result.best_return_mean is result.eval_best_return_mean is None
    assert result.eval_return_mean is not None


@pytest.mark.parametrize("engine", ["sync", "async"])
def test_episodes_that_never_end_are_cut_in_evaluation_and_told(engine, tmp_path):
    arguments = ("--env-id", "scripted_environments:Unlimited-v0", "--num-envs", "2", "--engine", engine)
    arguments += ("--total-timesteps", "100", "--eval-episodes", "3", "--log-dir", tmp_path)
    code, stdout, stderr = run("-m", "vecac.train", *arguments, "--eval-max-steps", "50")
    assert (code, stderr) == (0, "")
    assert "evaluation over 3 episodes: greedy 50.0 +- 0.0" in stdout
    assert "\n6 episodes of these evaluations did not end and were cut (--eval-max-steps)\n" in stdout
    (run_dir,) = tmp_path.iterdir()
    assert json.loads((run_dir / "result.json").read_text())["eval_cut_episodes"] == 6


def test_a_long_evaluation_shows_its_progress(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr("vecac.shell.console.LINE_SECONDS", 0.05)
    train(
        Config(
            env_id="scripted_environments:Unlimited-v0",
            total_timesteps=160,
            eval_episodes=20,
            eval_max_steps=300,
            log_dir=str(tmp_path),
        )
    )
    lines = [line for line in capsys.readouterr().out.splitlines() if line.startswith("evaluating (")]
    assert lines[-1].startswith("evaluating (sampled): ")
    assert lines[-1].endswith(" steps")


@pytest.mark.parametrize("engine", ["sync", "async"])
def test_wrappers_that_normalise_are_told_of(engine, tmp_path, capsys):
    env_id = "scripted_environments:Normalised-v0"
    train(
        Config(
            env_id=env_id,
            engine=engine,
            num_envs=2,
            total_timesteps=40,
            eval_episodes=0,
            log_dir=str(tmp_path),
        )
    )
    told = (
        f"{env_id} is wrapped in NormalizeReward and NormalizeObservation: each copy normalises by statistics"
    )
    (line,) = [line for line in capsys.readouterr().out.splitlines() if "is wrapped in" in line]
    assert line.startswith(told)
    assert line.endswith("returns are reported as NormalizeReward scales them")


def test_an_environment_without_them_is_not(tmp_path, capsys):
    train(Config(num_envs=2, total_timesteps=40, eval_episodes=0, log_dir=str(tmp_path)))
    assert "Normalize" not in capsys.readouterr().out
