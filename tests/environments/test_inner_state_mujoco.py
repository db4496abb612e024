"""MuJoCo environments go on, bit for bit, where others were when their state was read."""

import io
import os
from contextlib import closing
from pathlib import Path

import gymnasium as gym
import numpy as np
import pytest
import torch

pytest.importorskip("mujoco", reason="the environments' package is not installed")

import gymnasium.envs.mujoco as mujoco_environments
from gymnasium.envs.mujoco.hopper_v5 import HopperEnv

from vecac.config import Config
from vecac.engines.selection import make_engine
from vecac.environments.inner_state import read_state, untold, write_state
from vecac.environments.worker import EnvironmentFactory
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


def begun(make, seed, count):
    """Some steps after a start of its own."""
    env = make()
    env.reset(seed=seed)
    env.action_space.seed(seed)
    steps_of(env, [env.action_space.sample() for _ in range(count)])
    return env


def assert_goes_on(make):
    """Another environment, which was elsewhere, takes the same 300 steps once it has its state."""
    env, other = begun(make, 0, 37), begun(make, 1, 11)
    state = through_a_file(read_state(env))
    actions = [env.action_space.sample() for _ in range(300)]  # more than one episode
    expected = steps_of(env, actions)
    write_state(other, state)
    assert steps_of(other, actions) == expected
    assert any(isinstance(row, bytes) for row in expected), "no episode ended"


@pytest.mark.parametrize("version", ["v4", "v5"])
@pytest.mark.parametrize("name", NAMES)
def test_another_environment_goes_on_bit_for_bit(name, version):
    if (name, version) == ("Pusher", "v4"):
        pytest.skip("Gymnasium makes it with versions of MuJoCo before 3 alone")
    assert_goes_on(lambda: gym.make(f"{name}-{version}", max_episode_steps=90))


def test_positions_from_before_the_last_move_are_kept():
    """Forward kinematics would give Ant's torso another position than the one that its reward begins with."""
    env, other = (begun(lambda: gym.make("Ant-v5"), seed, 5).unwrapped for seed in (0, 1))
    write_state(other, read_state(env))
    assert np.array_equal(other.data.body("torso").xpos, env.data.body("torso").xpos)
    assert other.data.body("torso").xpos[0] != other.data.qpos[0]


def test_what_is_read_again_is_what_was_put_back():
    """Where nothing touches the floor any more: a run that is resumed at its end saves it once more."""
    env, other = begun(lambda: gym.make("Ant-v5"), 0, 40).unwrapped, gym.make("Ant-v5").unwrapped
    other.reset(seed=1)
    state = through_a_file(read_state(env))
    write_state(other, state)
    again = through_a_file(read_state(other))
    assert env.data.nefc > 0
    assert other.data.time == env.data.time > 0
    for name in ("physics", "left_behind"):
        assert np.array_equal(again["episode"][name], state["episode"][name])


def test_a_worker_s_environment_goes_on_bit_for_bit():
    factory = EnvironmentFactory("Ant-v5", 0, os.getpid(), {"max_episode_steps": 20})
    env, other = factory(), factory()
    for seed, one in enumerate((env, other)):
        one.reset(seed=seed)
        one.action_space.seed(seed)
    actions = [env.action_space.sample() for _ in range(70)]
    steps_of(env, actions[:13])
    state = through_a_file(env.inner_state)
    other.inner_state = state, False
    assert steps_of(other, actions) == steps_of(env, actions)


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


class HalfTellingEnv(MineEnv):
    """Tells, but what is there to put it back is MujocoEnv's, which takes positions and speeds."""

    def get_state(self):
        return self.data.qpos.copy()


class TellingEnv(HalfTellingEnv):
    def set_state(self, *state):
        if len(state) == 2:
            super().set_state(*state)
        else:
            self.data.qpos[:] = state[0]


@pytest.mark.parametrize("kind", [MineEnv, HalfTellingEnv, TellingEnv])
def test_an_environment_of_ones_own_has_to_tell_by_itself(kind):
    env, other = kind(), kind()
    env.reset(seed=0), other.reset(seed=1)
    if kind is TellingEnv:
        write_state(other, read_state(env))
        assert untold(env) is None
        assert np.array_equal(other.data.qpos, env.data.qpos)
    else:
        assert untold(env) == kind.__name__
        assert read_state(env) is None


def test_what_sleeps_is_not_told(tmp_path):
    """MuJoCo's own state does not hold who sleeps, and setting it from outside ends in an error."""
    assets = Path(mujoco_environments.__file__).parent / "assets"
    model = (assets / "hopper.xml").read_text()
    assert "<worldbody>" in model
    for flag in ("disable", "enable"):
        text = model.replace("<worldbody>", f'<option><flag sleep="{flag}"/></option><worldbody>')
        (tmp_path / "hopper.xml").write_text(text)
        env = gym.make("Hopper-v5", xml_file=str(tmp_path / "hopper.xml"))
        env.reset(seed=0)
        assert untold(env) == {"disable": None, "enable": "Hopper-v5"}[flag]


@pytest.mark.parametrize("env_id", ["LunarLander-v3", "BipedalWalker-v3", "FrozenLake-v1", "Taxi-v4"])
def test_gymnasium_s_other_environments_do_not_tell(env_id):
    if env_id in ("LunarLander-v3", "BipedalWalker-v3"):
        pytest.importorskip("Box2D", reason="the environment's package is not installed")
    env = gym.make(env_id)
    env.reset(seed=0)
    assert untold(env) == env_id
    assert read_state(env) is None


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
