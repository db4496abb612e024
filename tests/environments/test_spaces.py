"""Every kind of space hands out the same transitions over every backend and autoreset mode."""

from contextlib import closing

import gymnasium as gym
import numpy as np
import pytest
from gymnasium import spaces
from gymnasium.vector import AutoresetMode, SyncVectorEnv, VectorEnv
from space_environments import SensorsEnv
from vector_support import BACKENDS, MODES

from vecac.config import Config
from vecac.environments.vector import make_environments
from vecac.errors import EnvironmentFault

NAMES = ["Sensors", "Switches", "Lever"]
N = 3


class SensorsVectorEnv(VectorEnv):
    """A vector form of its own, of spaces that are not flat."""

    def __init__(self, num_envs=1):
        self.inner = SyncVectorEnv([SensorsEnv] * num_envs, autoreset_mode=AutoresetMode.NEXT_STEP)
        self.num_envs, self.metadata = num_envs, self.inner.metadata
        self.observation_space, self.action_space = self.inner.observation_space, self.inner.action_space
        self.single_observation_space = self.inner.single_observation_space
        self.single_action_space = self.inner.single_action_space
        self.reset, self.step = self.inner.reset, self.inner.step


gym.register("SensorsVector-v0", vector_entry_point=f"{__name__}:SensorsVectorEnv")


def made(name, **settings):
    return closing(make_environments(Config(env_id=name, num_envs=N, **settings)))


def act(form, obs_ND):
    """An action for each observation, a function of it alone."""
    actions = []
    for obs in obs_ND:
        rng = np.random.default_rng(list(obs.tobytes()))
        if form.kind == "box":
            actions.append(rng.normal(0.0, 2.0, form.shape))
        else:
            actions.append(rng.integers(0, 2 if form.kind == "multi-binary" else form.sizes, form.shape))
    return np.array(actions, form.dtype)


def stream(name, steps=150, **settings):
    """Every environment's valid transitions, as bytes."""
    transitions = [[] for _ in range(N)]
    with made(name, **settings) as environments:
        environments.reset()
        for _ in range(steps):
            action = act(environments.action, environments.obs)
            step = environments.step(action)
            for index in np.flatnonzero(step.valid):
                row = (step.obs, action, step.reward, step.terminated, step.truncated, step.next_obs)
                transitions[index].append(tuple(array[index].tobytes() for array in row))
    return transitions


@pytest.mark.parametrize("name", NAMES)
def test_every_backend_and_mode_hands_out_the_same_valid_transitions(name):
    env_id = f"space_environments:{name}-v0"
    streams = [stream(env_id, autoreset_mode=mode, **backend) for mode in MODES for backend in BACKENDS]
    length = min(len(transitions) for one in streams for transitions in one)
    assert length > 80
    cut = [[transitions[:length] for transitions in one] for one in streams]
    assert all(one == cut[0] for one in cut[1:])
    assert cut[0][0] != cut[0][1]


def test_rows_are_what_gymnasium_flattens():
    env = SensorsEnv()
    with made("space_environments:Sensors-v0") as environments:
        environments.reset([5, 6, 7])
        for index, seed in enumerate((5, 6, 7)):
            obs, _ = env.reset(seed=seed)
            flat = spaces.flatten(env.observation_space, obs).astype(np.float32)
            assert np.array_equal(environments.obs[index], flat)
        assert environments.obs_size == spaces.flatdim(env.observation_space) == 14


def test_a_vector_form_of_its_own_is_flattened_copy_by_copy():
    with made("test_spaces:SensorsVector-v0", engine="vector") as vector:
        with made("space_environments:Sensors-v0") as copies:
            vector._envs.inner.reset(seed=[1, 2, 3])
            for environments in (vector, copies):
                environments.reset([1, 2, 3])
        assert vector.obs.shape == (N, 14)
        assert np.isin(vector.obs[:, :2], (0, 1)).all()
        for _ in range(30):
            step = vector.step(act(vector.action, vector.obs))
            assert step.next_obs.shape == (N, 14)


@pytest.mark.parametrize("backend", BACKENDS, ids=str)
@pytest.mark.parametrize(
    ("fault", "said"),
    [
        ("nan", "environment 1 returned the observation 'pair' 0 [[nan, nan], [nan, nan]]; only finite"),
        ("range", "environment 1 returned the observation 'gear' 4, which is not in Discrete(3, start=1)"),
        ("keys", "has not the keys of Dict"),
    ],
)
def test_a_wrong_part_is_named_with_its_environment_before_flattening(backend, fault, said):
    config = Config(env_id="test_spaces:BrokenSensors-v0", num_envs=N, env_kwargs={"fault": fault}, **backend)
    with closing(make_environments(config)) as environments:
        environments.reset()
        with pytest.raises(EnvironmentFault) as caught:
            environments.step(np.array([[0, 0], [2, 1], [1, 0]]))
    assert str(caught.value).startswith("at step 1, environment 1")
    assert said in str(caught.value)


class BrokenSensorsEnv(SensorsEnv):
    """Wrong after the first of its dials is turned to the last number."""

    def __init__(self, fault):
        self.fault = fault

    def step(self, action):
        obs, *rest = super().step(action)
        if action[0] == 6:
            if self.fault == "nan":
                obs["pair"] = (np.full((2, 2), np.nan), obs["pair"][1])
            if self.fault == "range":
                obs["gear"] = 4
            if self.fault == "keys":
                del obs["dials"]
        return obs, *rest


gym.register("BrokenSensors-v0", entry_point=f"{__name__}:BrokenSensorsEnv")
