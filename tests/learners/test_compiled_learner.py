"""The compiled learner as a learner: its numbers are in test_rollout_kernels.py."""

import copy
import math
from contextlib import closing

import numpy as np
import pytest
import torch
from golden_updates import GOLDEN, ROWS, assert_summary, golden_batches, golden_network
from kernel_support import random_rollout, state_of
from learner_support import discrete

from vecac.actions import ActionForm
from vecac.algorithm.rollout import Rollout
from vecac.algorithm.schedule import Rates
from vecac.config import Config
from vecac.engines.gymnasium_engine import GymnasiumEngine
from vecac.environments.vector import make_environments
from vecac.learners import compiled_learner
from vecac.learners.compiled_learner import CompiledLearner
from vecac.learners.torch_learner import TorchLearner
from vecac.seeding import seed_sequences
from vecac.transition import Transition

CPU = torch.device("cpu")


def make(obs_size=4, num_actions=2, num_threads=1, **settings):
    config = Config(**settings)
    return CompiledLearner(config, obs_size, discrete(num_actions), num_threads, seed_sequences(config.seed))


def test_the_notebooks_five_updates():
    learner = make(num_envs=ROWS, n_rollout=1)
    learner.network.load_state_dict(golden_network().state_dict())
    rollout = Rollout(1, ROWS, 4, discrete(2), hides_final_obs=True, device=CPU)
    for batch, golden in zip(golden_batches(), GOLDEN["updates"], strict=True):
        obs, _, reward, next_obs, terminated = (column.numpy() for column in batch)
        rollout.start(obs)
        rollout.action_rows[0].copy_(batch.action)
        # Each row has an environment to itself; truncated ones bootstrap from their final observation.
        step = Transition(obs, reward, terminated, ~terminated, next_obs, np.ones(ROWS, np.bool_))
        rollout.insert(0, step, obs)
        learner.start_rollout(rollout)
        metrics = learner.update(rollout, Rates(GOLDEN["settings"]["learning_rate"], 0.0)).read()
        assert metrics["train/loss"] == pytest.approx(golden["loss"], rel=1e-5)
        for name, tensor in learner._shared.gradient().items():
            assert_summary(tensor, golden["grad"][name])
        for name, parameter in learner.network.named_parameters():
            assert_summary(parameter.detach(), golden["params"][name])


def test_an_update_with_no_valid_row_changes_nothing():
    learner = make(num_envs=3, n_rollout=2)
    rollout = random_rollout(2, 3, 4, discrete(2), False)
    rollout.valid_TN[:] = False
    before = state_of(learner.network)
    learner.start_rollout(rollout)
    assert learner.update(rollout, Rates(1e-3, 0.0)) is None
    assert torch.equal(state_of(learner.network), before)
    assert learner.state_dict()["optimizer"]["state"][0]["step"] == 0


def test_dead_rows_may_hold_anything():
    results = []
    for filler in (0.0, math.nan):
        learner = make(num_envs=6, n_rollout=5)
        rollout = random_rollout(5, 6, 4, discrete(2), False)
        dead = ~rollout.valid_TN
        assert dead.any()
        rollout.reward_TN[dead] = filler
        learner.start_rollout(rollout)
        learner.update(rollout, Rates(1e-3, 0.0))
        results.append(state_of(learner.network))
    assert torch.equal(*results)


@pytest.mark.parametrize(
    ("sizes", "action", "refusal"),
    [
        ((10, 2, 4), ActionForm("box", (1,)), "the kernels are for "),
        ((11, 2, 4), discrete(2), r"is for observations \(11, 2, 4\), not \(12, 2, 4\)"),
        ((10, 3, 4), discrete(2), r"not \(11, 3, 4\)"),
        ((10, 2, 5), discrete(2), r"not \(11, 2, 5\)"),
    ],
)
def test_a_rollout_that_its_kernels_have_no_room_for_is_refused(sizes, action, refusal):
    learner = make(num_envs=2)
    with pytest.raises(ValueError, match=refusal):
        learner.start_rollout(Rollout(*sizes, action, False, CPU))
    learner.start_rollout(Rollout(10, 2, 4, discrete(2), False, CPU))


def test_it_starts_from_the_torch_learners_network():
    config = Config(seed=3)
    expected = TorchLearner(config, 4, discrete(2), CPU, seed_sequences(3)).network
    assert torch.equal(state_of(make(seed=3).network), state_of(expected))


def test_torch_can_go_on_where_the_kernels_stopped():
    learner, rollout = make(num_envs=6, n_rollout=5), random_rollout(5, 6, 4, discrete(2), True)
    successor = TorchLearner(Config(num_envs=6, n_rollout=5), 4, discrete(2), CPU, seed_sequences(1))
    for _ in range(3):
        learner.start_rollout(rollout)
        learner.update(rollout, Rates(1e-2, 0.0))
    successor.network.load_state_dict(learner.network.state_dict())
    successor.optimizer.load_state_dict(copy.deepcopy(learner.state_dict()["optimizer"]))
    for each in (learner, successor):
        each.start_rollout(rollout)
        each.update(rollout, Rates(1e-2, 0.0))
    assert torch.allclose(state_of(learner.network), state_of(successor.network), rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("optimizer", ["adam", "rmsprop"])
def test_the_torch_learner_takes_over_whatever_lies_how_in_memory(optimizer):
    settings = {"num_envs": 6, "n_rollout": 5, "hidden_sizes": (8, 9), "optimizer": optimizer}
    learner, rollout = make(**settings), random_rollout(5, 6, 4, discrete(2), True)
    successor = TorchLearner(Config(**settings), 4, discrete(2), CPU, seed_sequences(1))
    for _ in range(3):
        learner.start_rollout(rollout)
        learner.update(rollout, Rates(1e-2, 0.0))
    successor.load_state_dict(copy.deepcopy(learner.state_dict()))
    for each in (learner, successor):
        each.start_rollout(rollout)
        each.update(rollout, Rates(1e-2, 0.0))
    assert torch.allclose(state_of(learner.network), state_of(successor.network), rtol=1e-5, atol=1e-6)


def train(engine_name="sync", num_threads=1, updates=30, **settings):
    config = Config(engine=engine_name, **({"num_envs": 8} | settings))
    with closing(make_environments(config)) as environments:
        learner = CompiledLearner(config, 4, discrete(2), num_threads, seed_sequences(config.seed))
        engine = GymnasiumEngine(config, environments, learner)
        engine.reset()
        episodes = []
        while engine.updates < updates:
            episodes += engine.iterate(1).episodes
        engine.close()
        return state_of(learner.network), episodes


def test_the_seed_decides_everything():
    (first, episodes), (same, _), (other, _) = (train(seed=seed) for seed in (5, 5, 6))
    assert torch.equal(first, same)
    assert not torch.equal(first, other)
    assert episodes


@pytest.mark.parametrize("acted_for_alone", [0, 16_384])
def test_the_number_of_threads_changes_no_bit(monkeypatch, acted_for_alone):
    monkeypatch.setattr(compiled_learner, "ACTED_FOR_ALONE", acted_for_alone)
    results = [train("vector", count, updates=5, num_envs=200)[0] for count in (1, 2, 3)]
    assert torch.equal(results[0], results[1])
    assert torch.equal(results[0], results[2])


def test_it_learns():
    _, episodes = train("vector", updates=2000, num_envs=16, learning_rate=1e-3)
    assert np.mean([episode.episode_return for episode in episodes[:100]]) < 40
    assert np.mean([episode.episode_return for episode in episodes[-20:]]) > 150
