"""Bit for bit the same as Gymnasium's AcrobotEnv."""

import gymnasium as gym
import numpy as np

from vecac.kernels.environments.acrobot import ACROBOT, reset
from vecac.kernels.plumbing.compiling import compile_environment


def test_100_000_steps_are_gymnasiums():
    """Random ones, and some with the first link's velocity's sign, which swing the feet up."""
    _, step, observe = compile_environment(ACROBOT)
    env = gym.make("Acrobot-v1").unwrapped
    rng = np.random.default_rng(1)
    ends = wrapped = bounded = 0
    env.reset(seed=1)
    for i in range(100_000):
        state = tuple(float(number) for number in env.state)
        action = int(rng.integers(0, 3)) if i % 1000 < 500 else (2 if state[2] < 0 else 0)
        obs, reward, terminated, _, _ = env.step(action)
        next_state, my_reward, my_terminated = step(state, action)
        assert next_state == tuple(env.state.tolist())
        assert np.array_equal(np.array(observe(next_state), np.float32), obs)
        assert (my_reward, my_terminated) == (reward, terminated)
        wrapped += abs(next_state[1] - state[1]) > np.pi
        bounded += abs(next_state[3]) == 9 * np.pi
        if terminated:
            ends += 1
            env.reset()
            if ends % 3 == 0:  # also from states that play seldom sees
                env.state = rng.uniform((-3, -3, -12, -28), (3, 3, 12, 28))
    assert min(ends, wrapped) > 300
    assert bounded > 10


def test_first_states_hang_down_in_float32():
    assert reset((0.0, 0.5, 1.0, 0.25)) == tuple(np.float32([-0.1, 0.0, 0.1, -0.05]).tolist())
