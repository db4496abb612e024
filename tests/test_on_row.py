"""train(config, on_row=...): called with every row, it may end the run."""

import json
import math

import numpy as np
import pytest
import torch

from vecac.config import Config
from vecac.recording import checkpoint
from vecac.recording.meanings import METRICS
from vecac.train import resume, train


@pytest.fixture
def small(tmp_path):
    return Config(
        total_timesteps=3000, num_envs=4, eval_episodes=4, log_interval=500, log_dir=str(tmp_path), quiet=True
    )


def steps_of(run_dir):
    lines = (run_dir / "progress.csv").read_text().splitlines()
    column = lines[0].split(",").index("time/total_timesteps")
    return [int(line.split(",")[column]) for line in lines[1:]]


def network(run_dir):
    return checkpoint.load(run_dir / "checkpoints" / "latest.pt")["network"]


def test_it_sees_every_row_and_changes_nothing(small):
    rows = []
    result = train(small, on_row=rows.append)
    assert [row["time/total_timesteps"] for row in rows] == steps_of(result.run_dir)
    assert len(rows) == 6
    assert all(row.keys() <= METRICS.keys() for row in rows)
    assert ["eval/mean_reward" in row for row in rows] == [False] * 5 + [True]
    assert rows[-1]["eval/mean_reward"] == result.eval_return_mean
    assert all(math.isfinite(row["train/loss"]) for row in rows)
    alone = train(small)
    for name, tensor in network(alone.run_dir).items():
        assert torch.equal(tensor, network(result.run_dir)[name])


@pytest.mark.parametrize("answer", [None, True, 0, "no"])
def test_only_false_ends_a_run(small, answer):
    assert train(small, on_row=lambda row: answer).stop_reason == "finished"


def test_false_ends_it_as_a_target_does(small):
    result = train(small, on_row=lambda row: row["time/total_timesteps"] < 1000)
    assert result.stop_reason == "stopped"
    assert 1000 <= result.env_steps < 1100
    assert result.eval_return_mean is not None
    assert json.loads((result.run_dir / "result.json").read_text())["stop_reason"] == "stopped"
    assert checkpoint.load(result.run_dir / "checkpoints" / "latest.pt")["env_steps"] == result.env_steps


def test_numpys_false_is_one_too(small):
    assert train(small, on_row=lambda row: np.bool_(False)).stop_reason == "stopped"


def test_a_stopped_run_is_gone_on_with_exactly(small):
    whole = train(small)
    stopped = train(small, on_row=lambda row: False)
    rows = []
    resumed = resume(stopped.run_dir, on_row=rows.append)
    assert resumed.stop_reason == "finished"
    assert rows[-1]["time/total_timesteps"] == resumed.env_steps == whole.env_steps
    for name, tensor in network(whole.run_dir).items():
        assert torch.equal(tensor, network(resumed.run_dir)[name])


def test_what_it_raises_ends_the_run_saved(small, tmp_path):
    def fail(row):
        if row["time/total_timesteps"] >= 1000:
            raise KeyError("mine")

    with pytest.raises(KeyError, match="mine"):
        train(small, on_row=fail)
    (run_dir,) = tmp_path.iterdir()
    result = json.loads((run_dir / "result.json").read_text())
    assert (result["stop_reason"], result["error"]) == ("failed", "KeyError: 'mine'")
    content = checkpoint.load(run_dir / "checkpoints" / "latest.pt")
    assert content["env_steps"] == result["env_steps"] >= 1000
    assert resume(run_dir).stop_reason == "finished"


def test_what_it_raises_at_the_last_row_leaves_a_finished_run(small, tmp_path):
    def fail(row):
        if "eval/mean_reward" in row:
            raise KeyError("mine")

    with pytest.raises(KeyError, match="mine"):
        train(small, on_row=fail)
    (run_dir,) = tmp_path.iterdir()
    assert json.loads((run_dir / "result.json").read_text())["stop_reason"] == "finished"
