"""The compiled learner's gradient is the torch learner's, over sizes, masks and options."""

import itertools

import numpy as np
import pytest
import torch
from kernel_support import assert_gradients_close, random_rollout
from learner_support import discrete
from support import SMALL

from vecac.algorithm.schedule import Rates
from vecac.config import Config
from vecac.learners.compiled_learner import CompiledLearner
from vecac.learners.torch_learner import TorchLearner
from vecac.seeding import seed_sequences

SIZES = [(4, 2), (3, 5), (11, 1)]  # (D, A)
OPTIONS = [
    {},
    {"ent_coef": 0.3, "vf_coef": 0.5, "bootstrap_truncated": False},
    {"max_grad_norm": 0.01, "value_loss": "mse", "optimizer": "rmsprop"},
]
SHAPES = [(1, 1), (5, 6), (4, 131)]  # (T, N)


def learners(obs_size, num_actions, **settings):
    config = Config(reward_scale=0.5, **SMALL, **settings)
    seeds = seed_sequences(config.seed)
    torch_learner = TorchLearner(config, obs_size, discrete(num_actions), torch.device("cpu"), seeds)
    return CompiledLearner(config, obs_size, num_actions, 1, seeds), torch_learner


@pytest.mark.parametrize("hides_final_obs", [False, True])
@pytest.mark.parametrize(("sizes", "options", "shape"), [*itertools.product(SIZES, OPTIONS, SHAPES)], ids=str)
def test_gradient_and_metrics_are_those_of_the_torch_learner(sizes, options, shape, hides_final_obs):
    (num_steps, num_envs), (obs_size, num_actions) = shape, sizes
    settings = {"n_rollout": num_steps, "num_envs": num_envs} | options
    compiled, torch_learner = learners(obs_size, num_actions, **settings)
    rollout = random_rollout(num_steps, num_envs, obs_size, num_actions, hides_final_obs, seed=10 + num_envs)
    compiled.start_rollout(rollout)
    actual = compiled.update(rollout, Rates(0.0, settings.get("ent_coef", 0.0)))
    expected = torch_learner.update(rollout, Rates(0.0, settings.get("ent_coef", 0.0)))
    if not rollout.valid_TN.any():
        assert actual is expected is None
        return
    gradient = compiled._shared.gradient()
    reference = {name: parameter.grad for name, parameter in torch_learner.network.named_parameters()}
    if num_actions == 1:  # nothing to choose: 0, which torch's rounding misses
        for name in ("fc_pi.weight", "fc_pi.bias"):
            assert not gradient.pop(name).any()
            assert reference.pop(name).abs().max() < 1e-6
    assert_gradients_close(gradient, reference)
    metrics, wanted = actual.read(), expected.read()
    assert metrics.keys() == wanted.keys()
    for name, number in wanted.items():
        assert metrics[name] == pytest.approx(number, rel=1e-4, abs=1e-6, nan_ok=True), name


def test_the_rollouts_have_rows_of_every_kind():
    seen = set()
    for hides_final_obs in (False, True):
        rollout = random_rollout(5, 6, 4, 2, hides_final_obs)
        flags = (rollout.valid_TN, rollout.terminated_TN, rollout.truncated_TN)
        seen |= set(zip(*(flag.ravel().tolist() for flag in flags), strict=True))
    assert seen == {(False, False, False), *itertools.product([True], [False, True], [False, True])}


@pytest.mark.parametrize(("num_envs", "obs_size", "num_actions"), [(1, 4, 2), (5, 3, 5), (70, 11, 1)])
def test_actions_are_drawn_by_the_networks_probabilities(num_envs, obs_size, num_actions):
    compiled, _ = learners(obs_size, num_actions, num_envs=num_envs, n_rollout=3)
    rollout = random_rollout(3, num_envs, obs_size, num_actions, False)
    compiled.start_rollout(rollout)
    for t in range(3):
        action_N = compiled.act(rollout, t)
        with torch.no_grad():
            logits_NA, _ = compiled.network(rollout.obs_rows[t])
        below_NA = logits_NA.softmax(1).cumsum(1)[:, :-1].double().numpy()
        expected = (compiled._uniform_TN[t][:, None] >= below_NA).sum(axis=1)
        assert np.array_equal(action_N, expected)
        assert np.array_equal(rollout.action_rows[t].numpy(), expected)
