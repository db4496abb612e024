"""Stable-Baselines3 with its Zoo's settings: they reach the model, and what is told of it is what it did."""

import json
from types import SimpleNamespace

import gymnasium as gym
import numpy as np
import pytest
import torch

pytest.importorskip("stable_baselines3", reason="the peers are not installed")
import peer_sb3_score
import peer_sb3_watch
import zoo
from peer_sb3_score import make_greedy_envs
from peer_sb3_watch import Watch

SETTINGS = [(algorithm, env_id) for algorithm, known in zoo.SETTINGS.items() for env_id in known]


def value_at(number, left):
    """Of a schedule, when so much of the run is left; numbers stay as they are."""
    return number(left) if callable(number) else number


@pytest.fixture
def make_model(tmp_path, monkeypatch):
    """`zoo.make_model`, where the environments' packages are installed; they are closed afterwards."""
    monkeypatch.chdir(tmp_path)  # MuJoCo leaves a log where it runs
    models = []

    def make(algorithm, env_id):
        try:
            models.append(zoo.make_model(algorithm, env_id, 1))
        except gym.error.DependencyNotInstalled as error:
            pytest.skip(str(error))
        return models[-1]

    yield make
    for model in models:
        model.get_env().close()


@pytest.mark.parametrize(("algorithm", "env_id"), SETTINGS)
def test_every_setting_reaches_the_model(algorithm, env_id, make_model):
    setting, model = zoo.SETTINGS[algorithm][env_id], make_model(algorithm, env_id)
    assert model.n_envs == setting.num_envs
    assert (model.get_vec_normalize_env() is not None) == setting.normalize
    if setting.normalize:
        assert model.get_vec_normalize_env().gamma == model.gamma
    for name, number in setting.keywords.items():
        made = getattr(model, name)
        if isinstance(number, dict):
            assert made.items() >= number.items()
        else:
            assert [value_at(made, left) for left in (1, 0.5)] == [
                value_at(number, left) for left in (1, 0.5)
            ]


def test_one_setting_leaves_nothing_in_another(make_model):
    """A2C writes its optimiser into the policy's keywords, which two settings share."""
    make_model("a2c", "Pendulum-v1")
    assert zoo.STATE_DEPENDENT_NOISE["policy_kwargs"].keys() == {"log_std_init", "ortho_init"}


def test_the_defaults_are_those_that_the_docstring_names(make_model):
    a2c, ppo = make_model("a2c", "CartPole-v1"), make_model("ppo", "MountainCar-v0")
    (group,) = a2c.policy.optimizer.param_groups
    assert type(a2c.policy.optimizer) is torch.optim.RMSprop and group["lr"] == 7e-4
    assert (a2c.n_steps, a2c.gamma, a2c.gae_lambda) == (5, zoo.DEFAULT_GAMMA, 1)
    (group,) = ppo.policy.optimizer.param_groups
    assert type(ppo.policy.optimizer) is torch.optim.Adam and group["lr"] == 3e-4
    assert (ppo.batch_size, ppo.gamma, ppo.clip_range(1)) == (64, zoo.DEFAULT_GAMMA, 0.2)


def watched(monkeypatch, watch, steps):
    """What the watch says to each step of two copies; a step is the returns of the episodes that ended."""
    monkeypatch.setattr(peer_sb3_watch.time, "perf_counter", lambda: float(watch.num_timesteps))
    watch.init_callback(SimpleNamespace(num_timesteps=0, get_env=lambda: None, logger=None))
    watch.on_training_start({}, {})
    answers = []
    for returns in steps:
        watch.model.num_timesteps += 2
        watch.update_locals({"infos": [{}, *({"episode": {"r": number}} for number in returns)]})
        answers.append(watch.on_step())
    watch.on_training_end()
    return answers


def test_it_stops_when_exactly_the_last_100_reach_it(monkeypatch):
    """After 99 zeros, tens: the mean of the last 100 is 0.1 at the first of them and 0.5 at the fifth."""
    watch = Watch(until=0.5)
    assert watched(monkeypatch, watch, [[0.0]] * 99 + [[10.0]] * 5) == [True] * 103 + [False]
    assert watch.solved == (208, 208.0) and watch.mean == 0.5
    assert (watch.curve, watch.seconds) == ([], 208.0)


def test_99_episodes_are_too_few(monkeypatch):
    watch = Watch(until=0.5)
    assert all(watched(monkeypatch, watch, [[10.0]] * 99))
    assert watch.solved == (None, None) and watch.mean is None


def test_the_curve_has_a_point_every_so_many_steps_and_the_end(monkeypatch):
    watch = Watch(curve_every=80)
    watched(monkeypatch, watch, [[1.0]] * 100 + [[2.0]] * 10)
    assert watch.curve == [(80, 80.0, None), (160, 160.0, None), (220, 220.0, 1.1)]


def test_greedy_episodes_have_seeds_of_their_own_and_frozen_statistics(make_model):
    trained_in = make_model("a2c", "Acrobot-v1").get_env()
    first = trained_in.reset()
    statistics = trained_in.obs_rms.mean.copy()
    envs = make_greedy_envs("Acrobot-v1", 1, trained_in)
    obs = envs.reset()
    assert (envs.normalize_obs(first) == trained_in.normalize_obs(first)).all()
    assert len(np.unique(obs, axis=0)) == len(obs) == peer_sb3_score.GREEDY_COPIES
    _, rewards, _, _ = envs.step(np.zeros(len(obs), int))
    assert (rewards == -1).all()
    assert (trained_in.obs_rms.mean == statistics).all() and (envs.obs_rms.mean == statistics).all()
    other = make_greedy_envs("Acrobot-v1", 2, trained_in)
    assert not (other.reset() == obs).any()
    envs.close()
    other.close()


def test_a_score_is_the_last_line(capsys):
    """MountainCar pays -1 a step, for 200 steps at most, and takes more than 80 to get out."""
    arguments = ["a2c", "MountainCar-v0", "1", "4000", "--episodes", "20"]
    assert peer_sb3_score.main(arguments) == 0
    result = json.loads(capsys.readouterr().out.splitlines()[-1])
    assert (result["algorithm"], result["env_id"], result["seed"]) == ("a2c", "MountainCar-v0", 1)
    assert (result["env_steps"], result["total_steps"]) == (4000, 4000)
    assert result["env_steps_per_s"] == result["env_steps"] / result["seconds"]
    assert -200 <= result["greedy_mean"] < -80 and 0 <= result["greedy_std"] < 60
    assert result["greedy_episodes"] == 20
    assert (result["last_100_return_mean"], result["solved_at_env_steps"]) == (None, None)
    assert 190 <= len(result["curve"]) <= 201 and result["curve"][-1][0] == 4000


def test_until_ends_the_training(capsys):
    assert peer_sb3_score.main(["a2c", "CartPole-v1", "1", "9000", "--until", "1", "--episodes", "0"]) == 0
    result = json.loads(capsys.readouterr().out.splitlines()[-1])
    assert result["env_steps"] == result["solved_at_env_steps"] == result["curve"][-1][0] < 5000
    assert 0 < result["solved_at_seconds"] <= result["seconds"]
    assert result["last_100_return_mean"] >= 1 and result["greedy_mean"] is None


def test_an_environment_without_settings_is_refused(capsys):
    with pytest.raises(SystemExit) as exit_info:
        peer_sb3_score.main(["ppo", "Pendulum-v1", "1", "100"])
    assert exit_info.value.code == 2
    assert "no settings of ppo for Pendulum-v1: one of CartPole-v1" in capsys.readouterr().err
