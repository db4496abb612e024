"""One pass over environments, policy and gradient, against Gymnasium and torch, transition by transition.

Shapes: T rollout steps, N environments, B valid transitions.
"""

import itertools
import math

import numpy as np
import pytest
import torch
from fused_support import Replay, make
from kernel_support import assert_gradients_close
from support import SMALL

from vecac.algorithm.network import ActorCritic
from vecac.algorithm.td import actor_critic_loss, td_targets

SHAPES = [(1, 1), (1, 10), (3, 7), (4, 5), (70, 4), (130, 3)]  # (N, T): lanes to spare, several blocks
OPTIONS = [
    {},
    {"ent_coef": 0.2, "vf_coef": 0.5},
    {"bootstrap_truncated": False, "reward_scale": 1.0, "value_loss": "mse"},
]


def reference(network, rows, config):
    """Loss terms and gradients by td.py and autograd, in double precision, and the values and targets."""
    double = ActorCritic(network.fc1.in_features, network.fc_pi.out_features, *config.hidden_sizes).double()
    double.load_state_dict(network.state_dict())
    obs, action, reward, terminated, truncated, next_obs = (
        np.array(column) for column in zip(*rows, strict=True)
    )
    ends = torch.from_numpy(terminated if config.bootstrap_truncated else terminated | truncated)
    logits, value = double(torch.from_numpy(obs).double())
    next_value = double(torch.from_numpy(next_obs).double())[1].detach()
    scaled = torch.from_numpy(reward * config.reward_scale)
    target = td_targets(scaled, ends, next_value, config.gamma)
    log_prob, entropy = double.head.evaluate(logits, torch.from_numpy(action))
    coefficients = config.ent_coef, config.vf_coef, config.value_loss
    terms = actor_critic_loss(log_prob, entropy, value, target, *coefficients)
    terms.total.backward()
    return terms, {name: parameter.grad for name, parameter in double.named_parameters()}, value, target


ENVIRONMENTS = ("CartPole-v1", "MountainCar-v0", "Line-v0", "Acrobot-v1")
CASES = [
    (env_id, shape, options)
    for env_id, options in itertools.product(ENVIRONMENTS, OPTIONS)
    for shape in SHAPES
    if env_id != "Acrobot-v1" or not options
]
assert len(CASES) <= 60


@pytest.mark.parametrize(("env_id", "shape", "options"), CASES, ids=str)
def test_rollout_and_gradient_are_those_of_gymnasium_and_torch(env_id, shape, options):
    num_envs, num_steps = shape
    # The seed: with some others, the rows of a bias all but cancel, and 1e-5 of what is left is noise.
    settings = {"num_envs": num_envs, "n_rollout": num_steps, "seed": 4, **SMALL} | options
    engine = make(env_id, 9, learning_rate=1e-30, **settings)  # leaves the gradient, moves nothing
    for _ in range(4):  # environments come apart, and episodes end in mid-rollout
        engine.iterate(1)
    replay = Replay(engine, env_id, 9)
    rows, episodes = replay.rollout(num_steps, engine.env_steps)
    report = engine.iterate(1)
    assert list(report.episodes) == episodes
    for env, record in zip(replay.envs, engine.memory.environments, strict=True):
        assert np.array_equal(np.array(env.unwrapped.state, np.float64), record["state"])  # to the last bit
    terms, gradient, value, target = reference(engine.network, rows, engine._shared._settings)
    assert_gradients_close(engine._shared.gradient(), gradient)
    metrics = report.last_update.read()
    norm = math.sqrt(sum(float((grad**2).sum()) for grad in gradient.values()))
    explained = 1 - float((target - value).var(correction=0) / target.var(correction=0))
    expected = [*(float(term) for term in terms), norm]
    names = ("loss", "policy_loss", "value_loss", "entropy", "grad_norm")
    assert [metrics[f"train/{name}"] for name in names] == pytest.approx(expected, rel=1e-4, abs=1e-7)
    if float(target.std()) > 1e-3:
        assert metrics["train/explained_variance"] == pytest.approx(explained, rel=1e-3, abs=1e-3)


def test_the_cases_have_ends_of_every_kind():
    seen = set()
    for env_id in ENVIRONMENTS:
        engine = make(env_id, 9, num_envs=70, n_rollout=9, seed=3, **SMALL)
        rows, _ = Replay(engine, env_id, 9).rollout(9, 0)
        seen |= {(bool(row[3]), bool(row[4])) for row in rows}
    assert seen == {(False, False), (True, False), (False, True), (True, True)}


def test_100_000_env_steps_with_ends_and_time_limits_are_gymnasiums():
    engine = make(time_limit=25, num_envs=16, n_rollout=50, learning_rate=1e-30)
    replay = Replay(engine, "CartPole-v1", 25)
    lengths = []
    for _ in range(125):
        _, expected = replay.rollout(50, engine.env_steps)
        episodes = list(engine.iterate(1).episodes)
        assert episodes == expected
        lengths += [episode.length for episode in episodes]
    assert engine.env_steps == 100_000
    for env, record in zip(replay.envs, engine.memory.environments, strict=True):
        assert np.array_equal(env.unwrapped.state, record["state"])
    assert lengths.count(25) > 1000
    assert sum(length < 25 for length in lengths) > 1000
