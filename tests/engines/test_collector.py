"""Collecting: what a collector has in hand, and goes on from."""

import math
from contextlib import closing

import pytest
import torch
from learner_support import discrete

from vecac.config import Config
from vecac.engines.collector import Collector
from vecac.environments.vector import make_environments
from vecac.learners.torch_learner import TorchLearner
from vecac.plain import to_tensors
from vecac.seeding import seed_sequences

CONFIG = Config(num_envs=2, n_rollout=3, learner="torch", hidden_size=4)


@pytest.fixture
def collector():
    with closing(make_environments(CONFIG)) as environments:
        yield Collector(environments, CONFIG.n_rollout, torch.device("cpu"))


@pytest.fixture
def learner():
    return TorchLearner(CONFIG, 4, discrete(2), torch.device("cpu"), seed_sequences(1))


def test_a_rollout_is_collected_in_pieces_where_there_is_no_time(collector, learner):
    collector.reset()
    assert [collector.collect(learner, deadline=0.0) for _ in range(2)] == [False, False]
    assert collector.rollout_in_progress is collector.rollout
    assert collector.collect(learner, deadline=0.0)
    assert collector.finish(0) == ([], 6)
    assert collector.rollout_in_progress is None


def test_other_episodes_begin_where_those_in_progress_are_not_known(collector):
    collector.reset()
    first_ND = collector.environments.obs
    collector.reset(seed_sequences(2).environments)
    assert (collector.environments.obs != first_ND).all()


def test_nothing_is_told_before_the_environments_are_reset_and_after_one_has_failed(collector, learner):
    assert collector.state_dict() is None
    collector.reset()
    assert collector.state_dict() is not None

    def fail(action):
        raise RuntimeError

    collector.environments.step = fail
    with pytest.raises(RuntimeError):
        collector.collect(learner, math.inf)
    assert collector.state_dict() is None


def test_actions_that_there_are_not_are_refused(collector, learner):
    collector.reset()
    collector.collect(learner, deadline=0.0)
    collector.rollout.action_rows[0].fill_(2)
    state = to_tensors(collector.state_dict())
    with pytest.raises(ValueError, match=r"actions that are not in \[0, 2\)"):
        collector.load_state_dict(state)
