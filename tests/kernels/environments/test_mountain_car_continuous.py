"""Bit for bit the same as Gymnasium's Continuous_MountainCarEnv."""

import gymnasium as gym
import numpy as np

from vecac.kernels.environments.mountain_car_continuous import MOUNTAIN_CAR_CONTINUOUS, reset
from vecac.kernels.plumbing.compiling import compile_environment


def test_100_000_steps_are_gymnasiums():
    """Random ones, at the bounds too, and some along the velocity, which drive up to the goal."""
    _, step, observe = compile_environment(MOUNTAIN_CAR_CONTINUOUS)
    env = gym.make("MountainCarContinuous-v0").unwrapped
    rng = np.random.default_rng(1)
    ends = walls = firsts = 0
    obs, _ = env.reset(seed=1)
    for i in range(100_000):
        state = tuple(float(number) for number in env.state)
        firsts += not np.array_equal(np.float32(state), state)
        assert np.array_equal(np.array(observe(state), np.float32), obs)
        action = np.clip(rng.normal(0, 1, 1), -1, 1).astype(np.float32)
        if i % 2000 < 1000:
            action[:] = np.copysign(rng.uniform(0.8, 1.0), state[1])
        obs, reward, terminated, _, _ = env.step(action)
        next_state, my_reward, my_terminated = step(state, (float(action[0]),))
        assert next_state == tuple(env.state.tolist())
        assert (my_reward, my_terminated) == (reward, terminated)
        walls += next_state[0] == np.float32(-1.2)
        if terminated:
            ends += 1
            obs, _ = env.reset()
    assert min(ends, firsts) > 300
    assert walls > 30


def test_first_states_are_at_rest_in_the_valley():
    assert reset((0.0,)) == (-0.6, 0.0)
    drawn = gym.make("MountainCarContinuous-v0").unwrapped
    drawn.reset(seed=3)
    assert reset((np.random.default_rng(3).random(),)) == tuple(drawn.state.tolist())
