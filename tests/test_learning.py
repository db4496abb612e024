"""Whether it learns, on problems with a known answer, each with a control that must not get there."""

import math
import statistics
from contextlib import closing
from dataclasses import replace

import pytest
import torch

from vecac.config import Config
from vecac.engines.gymnasium_engine import GymnasiumEngine
from vecac.engines.selection import make_engine, make_learner, resolve
from vecac.environments.vector import make_environments
from vecac.runs.progress import EpisodeStatistics
from vecac.train import train

MODES = ["next-step", "same-step", "disabled"]
GAMMA = 0.8
SCALE = 0.1  # errors stay below 1, where smooth L1 is a square and its minimum the mean


def learn(config, updates):
    """The network after some updates."""
    with closing(make_environments(config)) as environments:
        learner = make_learner(config, environments, torch.device("cpu"), num_threads=1)
        engine = GymnasiumEngine(config, environments, learner)
        engine.reset()
        while engine.updates < updates:
            engine.iterate(updates)
        return engine.network


def echo_accuracy(config):
    network = learn(config, 150)
    with torch.no_grad():
        probability = network.policy(torch.tensor([[0.0], [1.0]])).softmax(-1)
    return (probability[0, 0] + probability[1, 1]).item() / 2


ECHO = Config(
    env_id="scripted_environments:Echo-v0",
    num_envs=16,
    gamma=0.0,
    reward_scale=1.0,
    learning_rate=3e-3,
    learner="torch",
)


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize(("learner", "td_lambda"), [("torch", 0.0), ("torch", 0.9), ("compiled", 0.0)])
def test_the_policy_learns_to_repeat_its_observation(mode, learner, td_lambda):
    config = replace(ECHO, autoreset_mode=mode, learner=learner, td_lambda=td_lambda)
    assert echo_accuracy(config) > 0.95


def test_control_without_the_reward_it_learns_nothing():
    assert echo_accuracy(replace(ECHO, reward_scale=1e-9)) < 0.7


def endless_value(config):
    network = learn(config, 300)
    with torch.no_grad():
        return network(torch.ones(1, 1))[1].item() / SCALE


ENDLESS = Config(
    env_id="scripted_environments:Endless-v0",
    num_envs=8,
    n_rollout=7,
    gamma=GAMMA,
    reward_scale=SCALE,
    learning_rate=3e-3,
)


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("td_lambda", [0.0, 0.9])
def test_an_endless_reward_of_1_is_worth_1_over_1_minus_gamma_across_time_limits(mode, td_lambda):
    value = endless_value(replace(ENDLESS, autoreset_mode=mode, td_lambda=td_lambda))
    assert value == pytest.approx(1 / (1 - GAMMA), rel=0.05)


@pytest.mark.parametrize("mode", MODES)
def test_control_with_truncation_taken_for_termination_it_is_worth_less(mode):
    """One state, and one in five of its transitions ends it: V = 1 + gamma * 4/5 * V."""
    value = endless_value(replace(ENDLESS, autoreset_mode=mode, bootstrap_truncated=False))
    assert value == pytest.approx(1 / (1 - GAMMA * 4 / 5), rel=0.1)


def test_cartpole_improves_beyond_any_policy_that_has_not_learnt(tmp_path):
    """Random play returns about 22; the first 60,000 steps at 1e-3 bring the mean past 120."""
    config = Config(
        learning_rate=1e-3, total_timesteps=60_000, engine="vector", log_dir=str(tmp_path), quiet=True
    )
    learnt = train(replace(config, eval_episodes=20))
    assert learnt.last_100_return_mean > 100
    control = train(replace(config, learning_rate=1e-12, total_timesteps=20_000, eval_episodes=0))
    assert control.last_100_return_mean < 40


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(5))
def test_cartpole_is_solved_at_the_defaults(tmp_path, seed):
    """All of 20 seeds were, between 320,000 and 510,000 env steps."""
    result = train(Config(seed=seed, log_dir=str(tmp_path), quiet=True))
    assert result.solved_at_env_steps <= 800_000
    assert result.eval_return_mean >= 475


def env_steps_to_solve(engine, seed):
    """CartPole-v1 at the default settings."""
    config, _ = resolve(Config(engine=engine, seed=seed))
    episodes = EpisodeStatistics()
    with closing(make_engine(config, torch.device("cpu"), 1)) as made:
        made.reset()
        while not episodes.reaches(475.0) and made.env_steps < 1_000_000:
            episodes.add(made.iterate(1000, goal=475.0).episodes)
        return made.env_steps


def difference(ours, theirs):
    """z by Mann & Whitney's U test (1947)."""
    wins = sum((a > b) + 0.5 * (a == b) for a in ours for b in theirs)
    n, m = len(ours), len(theirs)
    z = (wins - n * m / 2) / math.sqrt(n * m * (n + m + 1) / 12)
    print(f"medians {statistics.median(ours):,} and {statistics.median(theirs):,}; z = {z:.2f}")
    return z


@pytest.mark.slow
def test_fused_and_sync_need_equally_many_env_steps():
    """20 seeds each, two-sided at 1 %: |z| below 2.58."""
    seeds = range(1, 21)
    fused, sync = ([env_steps_to_solve(engine, seed) for seed in seeds] for engine in ("fused", "sync"))
    assert max(fused) < 1_000_000
    assert max(sync) < 1_000_000
    assert abs(difference(fused, sync)) < 2.58


WIDE = {
    "hidden_sizes": (32, 32),
    "separate_critic": True,
    "norm_obs": True,
    "norm_reward": True,
    "normalize_advantage": True,
    "td_lambda": 0.9,
    "reward_scale": 0.3,
    "learning_rate": 2e-3,
    "max_grad_norm": 0.5,
}


def last_returns(env_id, total, seed, **settings):
    """Mean return of the last 100 episodes of a run."""
    config = Config(env_id=env_id, num_envs=8, seed=seed, **WIDE, **settings)
    episodes = EpisodeStatistics()
    with closing(make_engine(resolve(config)[0], torch.device("cpu"), 1)) as made:
        made.reset()
        while made.env_steps < total:
            left = math.ceil((total - made.env_steps) / (config.num_envs * config.n_rollout))
            episodes.add(made.iterate(left).episodes)
    return episodes.mean_return


@pytest.mark.slow
@pytest.mark.parametrize(
    ("env_id", "total", "settings"),
    [
        ("CartPole-v1", 60_000, {"activation": "tanh"}),
        ("Pendulum-v1", 160_000, {"n_rollout": 64, "gamma": 0.95, "value_loss": "mse"}),
    ],
)
def test_kernels_learn_as_torch_does(env_id, total, settings):
    """Everything at once, 20 seeds each, two-sided at 1 %."""
    fused, by_torch = (
        [last_returns(env_id, total, seed, **settings, **choice) for seed in range(1, 21)]
        for choice in ({"engine": "fused"}, {"learner": "torch"})
    )
    assert abs(difference(fused, by_torch)) < 2.58
