"""Bit for bit the same as Gymnasium's PendulumEnv."""

import gymnasium as gym
import numpy as np
import pytest

from vecac.kernels.environments.pendulum import PENDULUM, reset
from vecac.kernels.plumbing.compiling import compile_environment


def test_100_000_steps_are_gymnasiums():
    """Random ones, at the bounds too, and some that swing the pendulum round."""
    _, step, observe = compile_environment(PENDULUM)
    env = gym.make("Pendulum-v1").unwrapped
    rng = np.random.default_rng(1)
    bounded = wrapped = 0
    for i in range(100_000):
        if i % 200 == 0:
            env.reset(seed=i)
        state = tuple(float(number) for number in env.state)
        action = np.clip(rng.normal(0, 2, 1), -2, 2).astype(np.float32)
        if i % 1000 < 300:
            action[:] = np.copysign(2, state[1])
        obs, reward, terminated, _, _ = env.step(action)
        next_state, my_reward, my_terminated = step(state, (float(action[0]),))
        assert next_state == tuple(env.state.tolist())
        assert np.array_equal(np.array(observe(next_state), np.float32), obs)
        assert (my_reward, my_terminated) == (reward, terminated)
        bounded += abs(next_state[1]) == 8
        wrapped += abs(next_state[0]) > np.pi
    assert min(bounded, wrapped) > 1000


def test_first_states_are_any_angle_and_a_slow_velocity():
    assert reset((0.0, 0.0)) == (-np.pi, -1.0)
    assert reset((0.5, 0.75)) == pytest.approx((0.0, 0.5))
    drawn = gym.make("Pendulum-v1").unwrapped
    drawn.reset(seed=3)
    uniforms = np.random.default_rng(3).random(2).tolist()
    assert reset(uniforms) == pytest.approx(drawn.state.tolist(), rel=1e-15)
