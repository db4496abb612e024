"""Whether each kind of policy learns a problem with a known answer, and a control that must not get there."""

import itertools
from contextlib import closing

import numpy as np
import pytest
import torch
from space_environments import BEST
from vector_support import MODES

from vecac.config import Config
from vecac.engines.selection import make_engine

SETTINGS = {
    "env_id": "space_environments:Match-v0",
    "num_envs": 16,
    "gamma": 0.0,
    "reward_scale": 1.0,
    "learning_rate": 1e-2,
    "anneal_lr": True,
    "total_timesteps": 30_000,
    "learner": "torch",
    "hidden_sizes": (32,),
}
STARTS = {"discrete": 2}


def learned(kind, **settings):
    """The greedy actions on 0 and on 1, as the environment takes them, and the network."""
    config = Config(**SETTINGS | {"env_kwargs": {"kind": kind}} | settings)
    with closing(make_engine(config, torch.device("cpu"), 1)) as engine:
        engine.reset()
        while engine.env_steps < config.total_timesteps:
            engine.iterate(1000)
        with torch.no_grad():
            action = engine.network.head.greedy(engine.network.policy(torch.eye(2))).numpy()
        return action + STARTS.get(kind, 0), engine.network


def is_best(kind, action):
    return np.allclose(action, BEST[kind], atol=0.1)


@pytest.mark.parametrize(
    ("kind", "mode"), [*itertools.product(BEST, MODES[:1]), *itertools.product(["box"], MODES[1:])]
)
def test_every_head_finds_the_best_actions(kind, mode):
    action, _ = learned(kind, autoreset_mode=mode)
    assert is_best(kind, action), action


@pytest.mark.parametrize("kind", BEST)
def test_so_it_does_with_all_that_a2c_users_set(kind):
    action, _ = learned(
        kind,
        norm_obs=True,
        norm_reward=True,
        normalize_advantage=True,
        hidden_sizes=(32, 32),
        activation="tanh",
        separate_critic=True,
        init="orthogonal",
        optimizer="rmsprop",
        learning_rate=3e-3,
        value_loss="mse",
        max_grad_norm=0.5,
    )
    assert is_best(kind, action), action


@pytest.mark.parametrize("kind", BEST)
def test_control_without_the_reward_it_does_not(kind):
    action, _ = learned(kind, reward_scale=1e-12, total_timesteps=10_000)
    assert not is_best(kind, action)


def test_the_entropy_bonus_keeps_a_gaussian_wide():
    """Without rewards it grows for ever; without the bonus, by the reward, it shrinks."""
    _, narrow = learned("box")
    _, wide = learned("box", reward_scale=1e-12, ent_coef=0.01)
    assert narrow.head.log_std.max() < -0.5 < 0 < wide.head.log_std.min()


@pytest.mark.parametrize("log_std_init", [-1.5, 0.5])
def test_a_gaussian_begins_as_wide_as_it_is_told_to(log_std_init):
    _, network = learned("box", log_std_init=log_std_init, learning_rate=1e-12, total_timesteps=160)
    assert network.head.log_std.tolist() == pytest.approx([log_std_init] * 2)
