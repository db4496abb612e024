"""A loss or gradient that is no number any more ends the run, and spoils no checkpoint."""

import json

import pytest
from support import read_csv

import vecac.train
from vecac.config import Config
from vecac.errors import RunFault
from vecac.recording import checkpoint

ENGINES = {
    "sync": {"learner": "compiled"},
    "sync-torch": {"learner": "torch", "max_grad_norm": 1.0},
    "same-step": {"learner": "compiled", "autoreset_mode": "same-step"},
    "async": {"engine": "async", "num_envs": 2, "learner": "torch"},
    "vector": {"engine": "vector"},
    "fused": {"engine": "fused"},
}


def diverge(tmp_path, remedy="lower --learning-rate", **settings):
    """A run that fails, of a learning rate that no float32 can hold unless it says else; its folder."""
    config = Config(
        **{"total_timesteps": 100_000, "learning_rate": 1e300, "quiet": True, "log_dir": str(tmp_path)}
        | settings
    )
    with pytest.raises(RunFault, match=rf"not finite by update [\d,]+, at [\d,]+ env steps: {remedy}"):
        vecac.train.train(config)
    (run_dir,) = tmp_path.glob("[!.]*__*")
    return run_dir


@pytest.mark.parametrize("engine", ENGINES)
def test_it_ends_by_the_next_row_and_the_good_checkpoint_stays(engine, tmp_path):
    run_dir = diverge(tmp_path, log_interval=1000, **ENGINES[engine])
    result = json.loads((run_dir / "result.json").read_text())
    assert result["stop_reason"] == "failed" and "not finite" in result["error"]
    assert result["env_steps"] <= 1000 + 160
    assert len(read_csv(run_dir)) <= 1
    assert checkpoint.load(run_dir / "checkpoints" / "latest.pt")["env_steps"] == 0
    assert not (run_dir / "checkpoints" / "best.pt").exists()


@pytest.mark.parametrize("engine", [name for name in ENGINES if name != "fused"])
def test_the_offending_rollout_is_written(engine, tmp_path):
    """In the buffer's own format: T x N, of the update that went wrong."""
    run_dir = diverge(tmp_path, **ENGINES[engine])
    content = checkpoint.load(run_dir / "checkpoints" / "offending_rollout.pt")
    num_envs = ENGINES[engine].get("num_envs", 16)
    rollout = content["rollout"]
    assert rollout["obs_SND"].shape == (11, num_envs, 4)
    assert rollout["action_TN"].shape == rollout["reward_TN"].shape == (10, num_envs)
    assert (rollout["final_obs_TND"] is not None) == (engine == "same-step")
    assert rollout["obs_SND"].isfinite().all()
    # The first update's parameters are infinite, so the second's rollout is the one.
    assert content["updates"] == 2
    first = int(num_envs * 10)
    assert content["env_steps"] - int(rollout["valid_TN"].sum()) in range(first - num_envs, first + 1)


@pytest.mark.parametrize("engine", ["sync", "sync-torch"])
def test_a_loss_that_overflows_while_the_parameters_are_still_numbers(engine, tmp_path, monkeypatch):
    run_dir = diverge(tmp_path, **ENGINES[engine] | {"learning_rate": 1e18})
    assert checkpoint.load(run_dir / "checkpoints" / "latest.pt")["env_steps"] == 0
    assert (run_dir / "checkpoints" / "offending_rollout.pt").exists()


@pytest.mark.parametrize("engine", ["sync", "fused"])
def test_parameters_that_turned_bad_unseen_are_not_saved(engine, tmp_path, monkeypatch):
    """Whatever the gradient says, a checkpoint that is due looks at the parameters themselves."""
    for update in (
        "vecac.learners.kernel_parameters.KernelUpdate",
        "vecac.learners.torch_learner.UpdateReport",
    ):
        monkeypatch.setattr(f"{update}.has_finite_gradient", lambda self: True)
    run_dir = diverge(tmp_path, log_interval=100_000, checkpoint_interval=1e-6, **ENGINES[engine])
    saved = checkpoint.load(run_dir / "checkpoints" / "latest.pt")
    assert all(bool(weights.isfinite().all()) for weights in saved["network"].values())


def test_the_row_notices_what_only_a_gpu_would_hide(tmp_path, monkeypatch):
    monkeypatch.setattr("vecac.learners.torch_learner.UpdateReport.has_finite_gradient", lambda self: True)
    run_dir = diverge(tmp_path, learner="torch", log_interval=1000)
    result = json.loads((run_dir / "result.json").read_text())
    assert 1000 <= result["env_steps"] < 1000 + 160
    # The first update's parameters are infinite; what is named and kept is the one that it shows after.
    offending = checkpoint.load(run_dir / "checkpoints" / "offending_rollout.pt")
    assert offending["updates"] == result["updates"] == 7
    assert "is not finite by update 7, at 1,0" in result["error"]


@pytest.mark.parametrize("engine", ENGINES)
def test_also_in_the_last_update_of_all(engine, tmp_path):
    num_envs = ENGINES[engine].get("num_envs", 16)
    run_dir = diverge(tmp_path, **ENGINES[engine], total_timesteps=num_envs * 5)
    assert json.loads((run_dir / "result.json").read_text())["stop_reason"] == "failed"
    assert checkpoint.load(run_dir / "checkpoints" / "latest.pt")["env_steps"] == 0


@pytest.mark.parametrize("engine", ["sync", "sync-torch", "vector"])
def test_rewards_that_are_too_large_are_named(engine, tmp_path):
    """--reward-scale stands for an environment's rewards, which it multiplies."""
    remedy = r"rewards are as large as 1, and 1e\+30 with --reward-scale 1e\+30: lower that"
    run_dir = diverge(tmp_path, remedy, learning_rate=1e-3, reward_scale=1e30, **ENGINES[engine])
    assert (run_dir / "checkpoints" / "offending_rollout.pt").exists()


def test_a_compiled_environments_rewards_are_named_by_episode(tmp_path):
    remedy = r"rewards are as large as 1, and 1e\+30 with"
    run_dir = diverge(tmp_path, remedy, engine="fused", learning_rate=1e-3, reward_scale=1e30)
    assert "rewards are as large as 1" in json.loads((run_dir / "result.json").read_text())["error"]


def test_a_rate_that_is_only_high_is_no_divergence(tmp_path):
    config = Config(
        total_timesteps=2000, learning_rate=0.5, quiet=True, log_dir=str(tmp_path), eval_episodes=0
    )
    assert vecac.train.train(config).stop_reason == "finished"
