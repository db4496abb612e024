"""Bit for bit the same as Gymnasium's CartPoleEnv."""

import gymnasium as gym
import numpy as np

from vecac.kernels.environments.cartpole import CARTPOLE, reset
from vecac.kernels.plumbing.compiling import compile_environment


def test_100_000_random_steps_are_gymnasiums():
    _, step, observe = compile_environment(CARTPOLE)
    env = gym.make("CartPole-v1").unwrapped
    rng = np.random.default_rng(1)
    actions = rng.integers(0, 2, 100_000).tolist()
    ends = 0
    env.reset(seed=1)
    for action in actions:
        state = tuple(env.state.tolist())
        obs, reward, terminated, _, _ = env.step(action)
        next_state, my_reward, my_terminated = step(state, action)
        assert next_state == tuple(env.state.tolist())
        assert np.array_equal(np.array(observe(next_state), np.float32), obs)
        assert (my_reward, my_terminated) == (reward, terminated)
        if terminated:
            ends += 1
            env.reset()
            if ends % 3 == 0:  # also from states that random play never sees
                env.state = rng.uniform((-2.4, -3, -0.2, -3), (2.4, 3, 0.2, 3))
    assert ends > 2000


def test_the_limits_themselves_are_inside():
    _, step, _ = compile_environment(CARTPOLE)
    limit = 12 * 2 * np.pi / 360
    for x, theta, fallen in ((2.4, 0, False), (np.nextafter(2.4, 3), 0, True), (0, limit, False)):
        assert step((x, 0.0, theta, 0.0), 1)[2] is fallen
    assert step((0.0, 0.0, np.nextafter(limit, 1), 0.0), 1)[2]
    assert step((-np.nextafter(2.4, 3), 0.0, 0.0, 0.0), 1)[2]


def test_first_states_fill_the_range_evenly():
    assert reset((0.0, 0.5, 1.0, 0.25)) == (-0.05, 0.0, 0.05, -0.025)
