import os
import signal

import gymnasium as gym
import numpy as np
import pytest
from faulty_environments import FaultyEnv
from scripted_environments import CountingEnv, SleepingEnv

from vecac.environments.worker import EnvironmentFactory, GuardedEnv
from vecac.errors import EnvironmentFault


def test_an_unseeded_reset_straight_after_a_seeded_one_changes_nothing():
    env = GuardedEnv(CountingEnv(), 0)
    first, _ = env.reset(seed=1)
    again, _ = env.reset()
    assert again.tolist() == first.tolist() == [0, 0]
    env.step(0)
    assert env.reset()[0].tolist() == [1, 0]
    assert env.reset()[0].tolist() == [2, 0]


def test_final_observations_survive_a_reused_buffer():
    env = GuardedEnv(CountingEnv(reuse_buffer=True), 0)
    env.reset(seed=1)
    env.step(0)
    final, _, terminated, _, _ = env.step(0)
    assert terminated
    env.reset()
    assert final.tolist() == [0, 2]


def test_faults_keep_their_cause_and_index():
    env = GuardedEnv(FaultyEnv(), 5)
    env.reset(seed=1)
    with pytest.raises(
        EnvironmentFault,
        match=r"environment 5 raised TwoArgumentsError: one and two \(.*faulty_environments.py, line \d+\)",
    ) as caught:
        env.step(FaultyEnv.FAULTS.index("raise_two"))
    assert type(caught.value.__cause__).__name__ == "TwoArgumentsError"


def test_a_list_is_an_observation_too():
    env = GuardedEnv(CountingEnv(), 0)
    assert env._checked([1.0, 2.0]).tolist() == [1, 2]
    with pytest.raises(EnvironmentFault, match=r"shape \(3,\)"):
        env._checked([1.0, 2.0, 3.0])


@pytest.mark.parametrize(
    "reward", [1, 1.0, True, np.float64(1), np.float32(1), np.int8(1), np.ones(())], ids=repr
)
def test_a_reward_of_any_kind_of_number_becomes_a_float(reward):
    env = GuardedEnv(gym.wrappers.TransformReward(CountingEnv(), lambda _: reward), 0)
    env.reset(seed=1)
    seen = env.step(0)[1]
    assert type(seen) is float
    assert seen == 1


def test_info_is_not_sent_on():
    env = GuardedEnv(CountingEnv(), 0)
    assert env.reset(seed=1)[1] == {}


def test_signals_are_left_alone_in_the_process_that_owns_the_factory():
    before = signal.getsignal(signal.SIGINT), signal.getsignal(signal.SIGTERM)
    EnvironmentFactory("scripted_environments:Counting-v0", 0, os.getpid())()
    assert (signal.getsignal(signal.SIGINT), signal.getsignal(signal.SIGTERM)) == before


@pytest.mark.linux
def test_a_worker_leaves_stopping_to_the_trainer():
    before = signal.getsignal(signal.SIGINT), signal.getsignal(signal.SIGTERM)
    try:
        EnvironmentFactory("scripted_environments:Counting-v0", 0, os.getpid() + 1)()
        for number in (signal.SIGINT, signal.SIGTERM):
            os.kill(os.getpid(), number)  # survived, or this test run would end here
            # Programs that the environment starts get the default back, which SIG_IGN would not be.
            assert callable(signal.getsignal(number))
    finally:
        signal.signal(signal.SIGINT, before[0])
        signal.signal(signal.SIGTERM, before[1])


def test_spaces_are_the_environments_own():
    env = GuardedEnv(SleepingEnv(0.0), 0)
    assert env.observation_space == CountingEnv.observation_space
    env.reset(seed=1)
    assert env.step(np.int64(1))[0].tolist() == [0, 1]
