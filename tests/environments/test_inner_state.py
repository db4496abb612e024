import subprocess
import sys
from contextlib import closing

import gymnasium as gym
import numpy as np
import pytest
from gymnasium.envs.classic_control import CartPoleEnv
from scripted_environments import CountingEnv, RandomEnv, SavingEnv

from vecac.config import Config
from vecac.environments.inner_state import is_plain, read_state, write_state
from vecac.environments.vector import make_environments
from vecac.plain import to_arrays, to_tensors

CASES = [
    {"env_id": env_id, "engine": engine, **options}
    for env_id in ("CartPole-v1", "Acrobot-v1", "MountainCar-v0", "scripted_environments:Saving-v0")
    for engine, options in [
        ("sync", {}),
        ("sync", {"autoreset_mode": "same-step"}),
        ("sync", {"autoreset_mode": "disabled"}),
        ("async", {}),
        ("async", {"shared_memory": False}),
        ("vector", {}),
    ]
    if engine != "vector" or env_id == "CartPole-v1"
]
SLOW = [
    case for case in CASES if case["engine"] == "async" and case["env_id"] in ("Acrobot-v1", "MountainCar-v0")
]


def rows(environments, action_TN):
    return [[array.tolist() for array in environments.step(action_N)] for action_N in action_TN]


@pytest.mark.parametrize(
    "case",
    [pytest.param(case, marks=[pytest.mark.slow] if case in SLOW else []) for case in CASES],
    ids=lambda case: "-".join(map(str, case.values())),
)
def test_restored_environments_take_the_same_steps(case):
    """From many moments, among them the step before a dead row, where the reset is still to come."""
    config = Config(num_envs=3, **case)
    rng = np.random.default_rng(0)
    moments = {1, 2, 250}
    with closing(make_environments(config)) as environments:
        environments.reset()
        for step in range(1, 251):
            transition = environments.step(rng.integers(0, environments.num_actions, 3))
            ended = (transition.terminated | transition.truncated).any()
            if step not in moments and not (ended and len(moments) < 6):
                continue
            moments.add(step)
            state = to_arrays(to_tensors(environments.state()))
            action_TN = rng.integers(0, environments.num_actions, (60, 3))
            with closing(make_environments(config)) as others:
                others.restore(state)
                assert np.array_equal(others.obs, environments.obs)
                assert rows(others, action_TN) == rows(environments, action_TN)
    assert len(moments) == 6 or "Cart" not in case["env_id"]  # the others end episodes late or often


def test_a_time_limit_goes_on_counting():
    def limited():
        env = gym.wrappers.TimeLimit(SavingEnv(), 5)
        env.reset(seed=0)
        return env

    env, other = limited(), limited()
    for _ in range(3):
        env.step(4)
    write_state(other, read_state(env))
    assert [other.step(4)[3] for _ in range(2)][-1]


def test_a_state_shares_no_memory_with_the_environment():
    env = gym.make_vec("CartPole-v1", 2, vectorization_mode="vector_entry_point")
    env.reset(seed=0)
    state = read_state(env)
    before = state["episode"]["steps"].tolist()
    env.step(np.array([0, 1]))
    assert state["episode"]["steps"].tolist() == before


class Remembering(gym.Wrapper):
    """A wrapper of somebody's, which may remember anything."""


class Odd(CountingEnv):
    """get_state and set_state that are something else."""

    def get_state(self, of_what):
        return of_what

    def set_state(self, state):
        pass


class Opaque(Odd):
    def get_state(self):
        return {"an object": object()}


class OldGenerator(SavingEnv):
    """With a generator of NumPy's old kind."""

    def reset(self, **options):
        result = super().reset(**options)
        self._np_random = np.random.RandomState(0)
        return result


class ResettingEnv(SavingEnv):
    """Puts a state back by starting an episode first, which draws random numbers."""

    def set_state(self, state):
        self.reset()
        super().set_state(state)


def test_the_generator_is_put_back_last():
    env, other = ResettingEnv(), ResettingEnv()
    env.reset(seed=0), other.reset(seed=1)
    write_state(other, read_state(env))
    assert np.array_equal(env.step(4)[0], other.step(4)[0])


class MethodsEnv(CartPoleEnv):
    """As if Gymnasium gave its environments get_state and set_state."""

    __module__ = CartPoleEnv.__module__

    def get_state(self):
        return {"position": self.state[0]}

    def set_state(self, state):
        self.state = (state["position"], 0.0, 0.0, 0.0)


def test_methods_come_before_attributes():
    env, other = MethodsEnv(), MethodsEnv()
    env.reset(seed=0), other.reset(seed=1)
    write_state(other, read_state(env))
    assert tuple(other.state) == (env.state[0], 0.0, 0.0, 0.0)


@pytest.mark.parametrize(
    ("make", "is_told"),
    [
        (SavingEnv, True),
        (lambda: gym.wrappers.FlattenObservation(SavingEnv()), True),
        (RandomEnv, False),
        (Odd, False),
        (OldGenerator, False),
        (Opaque, False),
        (lambda: Remembering(SavingEnv()), False),
        (lambda: gym.wrappers.NormalizeObservation(SavingEnv()), False),
        (lambda: gym.wrappers.TimeAwareObservation(gym.wrappers.TimeLimit(SavingEnv(), 9)), False),
    ],
)
def test_which_environments_tell_their_state(make, is_told):
    env = make()
    env.reset(seed=0)
    assert (read_state(env) is not None) == is_told


def test_a_package_that_only_some_users_need_is_not_imported():
    code = (
        "import sys, gymnasium; from vecac.environments.inner_state import read_state;"
        "env = gymnasium.make('CartPole-v1'); env.reset(seed=0); assert read_state(env);"
        "assert not {'mujoco', 'torch'} & {*sys.modules}"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False, timeout=60).returncode == 0


def test_what_is_plain():
    assert is_plain([1, (2.0, "3"), {"4": np.float32(5), 6: np.zeros(7, np.uint64)}, None, b"8", True])
    for value in (b"", object(), {1, 2}, [print], np.array([None]), np.array(["text"]), np.longdouble(1), 1j):
        assert not is_plain(value)


def test_states_of_earlier_checkpoints_are_taken():
    env, other = gym.make("CartPole-v1"), gym.make("CartPole-v1")
    env.reset(seed=1)
    other.reset(seed=2)
    for _ in range(3):
        env.step(0)
    state = read_state(env)
    (elapsed,) = state.pop("wrappers")
    write_state(other, {**state, "elapsed": elapsed})
    assert elapsed == other.get_wrapper_attr("_elapsed_steps") == 3
    assert other.step(1)[0].tolist() == env.step(1)[0].tolist()
