"""Bit for bit the same as Gymnasium's MountainCarEnv."""

import gymnasium as gym
import numpy as np

from vecac.kernels.environments.mountain_car import MOUNTAIN_CAR, reset
from vecac.kernels.plumbing.compiling import compile_environment


def test_100_000_steps_are_gymnasiums():
    """Random ones, and some with the velocity's sign, which is what reaches the goal and both ends."""
    _, step, observe = compile_environment(MOUNTAIN_CAR)
    env = gym.make("MountainCar-v0").unwrapped
    rng = np.random.default_rng(1)
    ends = hits = 0
    env.reset(seed=1)
    for i in range(100_000):
        state = tuple(float(number) for number in env.state)
        action = int(rng.integers(0, 3)) if i % 1000 < 300 else (2 if state[1] > 0 else 0)
        obs, reward, terminated, _, _ = env.step(action)
        next_state, my_reward, my_terminated = step(state, action)
        assert next_state == tuple(float(number) for number in env.state)
        assert np.array_equal(np.array(observe(next_state), np.float32), obs)
        assert (my_reward, my_terminated) == (reward, terminated)
        hits += next_state[0] == -1.2
        if terminated:
            ends += 1
            env.reset()
    assert ends > 300
    assert hits > 10


def test_first_states_rest_near_the_bottom():
    assert reset((0.0,)) == (-0.6, 0.0)
    assert reset((0.5,)) == (-0.5, 0.0)
