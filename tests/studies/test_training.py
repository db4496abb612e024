"""A run of a study is the run of vecac.train with the same flags, bit for bit."""

import csv

import numpy as np
import pytest
from support import SMALL

from vecac.config import Config
from vecac.errors import UsageError
from vecac.studies.outcome import POINTS
from vecac.studies.training import Trainer
from vecac.train import train

SETTINGS = {
    "fused": {"engine": "fused", "total_timesteps": 60_000, "learning_rate": 1e-3},
    "fused-mountain-car": {"engine": "fused", "env_id": "MountainCar-v0", "total_timesteps": 20_000, **SMALL},
    "fused-target": {
        "engine": "fused",
        "total_timesteps": 200_000,
        "learning_rate": 2e-3,
        "target_return": 60.0,
    },
    "sync": {"engine": "sync", "total_timesteps": 6000},
    "sync-torch": {
        "engine": "sync",
        "learner": "torch",
        "total_timesteps": 3000,
        "autoreset_mode": "same-step",
    },
    "vector": {"engine": "vector", "total_timesteps": 8000, "num_envs": 8},
    "async": {"engine": "async", "total_timesteps": 600, "num_envs": 2},
    "gaussian": {
        "env_id": "Pendulum-v1",
        "total_timesteps": 2000,
        "norm_obs": True,
        "norm_reward": True,
        "hidden_sizes": (16, 16),
        "engine": "sync",
    },
}
SAME = (
    "stop_reason",
    "error",
    "env_steps",
    "updates",
    "episodes",
    "last_100_return_mean",
    "solved_at_env_steps",
)
EVALUATION = (
    "eval_return_mean",
    "eval_return_std",
    "eval_sampled_return_mean",
    "eval_sampled_return_std",
    "eval_cut_episodes",
)


@pytest.mark.parametrize("case", SETTINGS)
def test_it_is_vecac_trains_run(case, tmp_path):
    config = Config(
        seed=3,
        num_threads=1,
        eval_episodes=3,
        log_dir=str(tmp_path),
        quiet=True,
        log_interval=500,
        **SETTINGS[case],
    )
    trainer = Trainer(1, config)
    trainer.train(2)  # nothing of another seed is left
    outcome, result = trainer.train(3), train(config)
    for name in SAME:
        assert getattr(outcome, name) == getattr(result, name), name
    if not case.startswith("fused"):  # whose episodes are the compiled environment's
        for name in EVALUATION:
            if name != "eval_cut_episodes":
                assert getattr(outcome, name) == getattr(result, name), name
    with (result.run_dir / "progress.csv").open(newline="") as file:
        rows = {
            int(float(row["time/total_timesteps"])): row["rollout/ep_rew_mean"]
            for row in csv.DictReader(file)
        }
    points = {round(config.total_timesteps * (k + 1) / POINTS): outcome.curve_G[k] for k in range(POINTS)}
    both = {steps for steps in rows if steps in points and rows[steps]}
    for steps in both:  # where a row happens to stand on a point
        np.testing.assert_allclose(points[steps], float(rows[steps]), rtol=1e-6)


def test_a_run_that_is_solved_says_when(tmp_path):
    config = Config(
        engine="fused",
        num_threads=1,
        learning_rate=1e-3,
        total_timesteps=300_000,
        seed=1,
        log_dir=str(tmp_path),
        quiet=True,
    )
    outcome, result = Trainer(1, config).train(1), train(config)
    assert result.solved_at_env_steps is not None
    assert outcome.solved_at_env_steps == result.solved_at_env_steps
    assert 0 < outcome.solved_at_seconds < outcome.seconds
    assert outcome.eval_return_mean == result.eval_return_mean == 500.0
    assert outcome.curve_G[-1] == np.float32(result.last_100_return_mean)


def test_no_evaluation_is_played_if_none_is_wanted():
    config = Config(engine="fused", num_threads=1, total_timesteps=20_000, eval_episodes=0)
    outcome = Trainer(1, config).train(1)
    assert all(getattr(outcome, name) is None for name in EVALUATION)
    assert outcome.final_return == outcome.last_100_return_mean


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"engine": "fused", "learning_rate": 1e30}, "lower --learning-rate or set --max-grad-norm"),
        ({"engine": "sync", "learning_rate": 1e30}, "lower --learning-rate or set --max-grad-norm"),
        ({"engine": "sync", "env_id": "support:Raising-v0"}, "ZeroDivisionError"),
    ],
)
def test_a_run_that_fails_is_an_outcome_with_its_reason(settings, said):
    outcome = Trainer(4, Config(num_threads=1, total_timesteps=50_000, **settings)).train(9)
    assert (outcome.setting, outcome.seed, outcome.stop_reason) == (4, 9, "failed")
    assert said in outcome.error
    assert "\n" not in outcome.error
    assert outcome.env_steps < 50_000
    assert outcome.solved_at_env_steps is None
    assert outcome.eval_return_mean is None


def test_a_setting_that_cannot_run_here_is_refused():
    with pytest.raises(UsageError, match="Nowhere"):
        Trainer(1, Config(env_id="Nowhere-v0"))


@pytest.mark.parametrize("raised", [KeyboardInterrupt("no"), SystemExit(3), ZeroDivisionError("no")])
def test_whatever_an_environment_raises_is_a_reason(monkeypatch, raised):
    trainer = Trainer(1, Config(engine="fused", num_threads=1, total_timesteps=1000))

    def make_engine(seed):
        raise raised

    monkeypatch.setattr(trainer, "_make_engine", make_engine)
    outcome = trainer.train(1)
    assert outcome.stop_reason == "failed"
    assert type(raised).__name__ in outcome.error


@pytest.mark.parametrize("engine", ["fused", "sync"])
def test_to_get_ready_trains_nothing(engine):
    config = Config(engine=engine, num_threads=1, total_timesteps=2000, eval_episodes=2)
    ready, other = Trainer(1, config), Trainer(1, config)
    ready.get_ready()
    assert ready.train(1).last_100_return_mean == other.train(1).last_100_return_mean
