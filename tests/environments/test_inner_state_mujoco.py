"""MuJoCo environments go on, bit for bit, where others were when their state was read."""

import io
from contextlib import closing

import gymnasium as gym
import numpy as np
import pytest
import torch

pytest.importorskip("mujoco", reason="the environments' package is not installed")

from gymnasium.envs.mujoco.hopper_v5 import HopperEnv

from vecac.config import Config
from vecac.engines.selection import make_engine
from vecac.environments.inner_state import read_state, untold, write_state
from vecac.plain import to_arrays, to_tensors

NAMES = [
    *("HalfCheetah", "Hopper", "Walker2d", "Swimmer", "Ant", "Humanoid", "HumanoidStandup"),
    *("InvertedPendulum", "InvertedDoublePendulum", "Reacher", "Pusher"),
]
ANT = pytest.mark.filterwarnings("ignore:.*attribute.*deprecated")
pytestmark = [ANT, pytest.mark.filterwarnings("ignore::DeprecationWarning")]


def through_a_file(state):
    file = io.BytesIO()
    torch.save(to_tensors(state), file)
    file.seek(0)
    return to_arrays(torch.load(file, weights_only=True))


def steps_of(env, actions):
    """What each step showed, bit by bit; episodes follow each other."""
    rows = []
    for action in actions:
        obs, reward, terminated, truncated, _ = env.step(action)
        rows.append((obs.tobytes(), float(reward), terminated, truncated))
        if terminated or truncated:
            rows.append(env.reset()[0].tobytes())
    return rows


@pytest.mark.parametrize("name", NAMES)
def test_another_environment_goes_on_bit_for_bit(name):
    env, other = (gym.make(f"{name}-v5", max_episode_steps=90) for _ in range(2))
    for index, one in enumerate((env, other)):
        one.reset(seed=index)
        one.action_space.seed(index)
    steps_of(env, [env.action_space.sample() for _ in range(37)])
    steps_of(other, [other.action_space.sample() for _ in range(11)])
    state = through_a_file(read_state(env))
    actions = [env.action_space.sample() for _ in range(200)]  # more than one episode
    expected = steps_of(env, actions)
    write_state(other, state)
    assert steps_of(other, actions) == expected
    assert any(isinstance(row, bytes) for row in expected), "no episode ended"


def test_what_was_read_does_not_change_with_later_steps():
    env = gym.make("Ant-v5")
    env.reset(seed=1)
    env.action_space.seed(1)
    state = read_state(env)
    actions = [env.action_space.sample() for _ in range(20)]
    expected = steps_of(env, actions)
    write_state(env, state)
    assert steps_of(env, actions) == expected


class MineEnv(HopperEnv):
    """Somebody's own, which may remember whatever it likes."""


def test_an_environment_of_ones_own_has_to_tell_by_itself():
    assert untold(MineEnv()) == "MineEnv"
    assert read_state(MineEnv()) is None


def state_of(engine):
    file = io.BytesIO()
    torch.save(to_tensors(engine.state_dict()), file)
    return file.getvalue()


@pytest.mark.parametrize("settings", [{}, {"engine": "async"}, {"autoreset_mode": "same-step"}], ids=str)
def test_a_run_that_normalises_goes_on_bit_for_bit(settings):
    config = Config(
        **{"env_id": "Hopper-v5", "num_envs": 2, "n_rollout": 16, "hidden_sizes": (8, 8), "learner": "torch"},
        **{"norm_obs": True, "norm_reward": True, "td_lambda": 0.9},
        **settings,
    )
    with closing(make_engine(config, torch.device("cpu"), 1)) as engine:
        engine.reset()
        while engine.updates < 7:
            engine.iterate(1)
        state = torch.load(io.BytesIO(state_of(engine)), weights_only=True)
        while engine.updates < 20:
            engine.iterate(1)
        with closing(make_engine(config, torch.device("cpu"), 1)) as other:
            assert other.load_state_dict(state) == []
            while other.updates < 20:
                other.iterate(1)
            assert np.array_equal(other.environments.obs, engine.environments.obs)
            for name, tensor in engine.network.state_dict().items():
                assert torch.equal(other.network.state_dict()[name], tensor)
