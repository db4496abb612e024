"""What the tests of the compiled kernels share: an environment that ends often, and rollouts."""

import gymnasium as gym
import numpy as np
import torch

from vecac.kernels.environment import CompiledEnvironment
from vecac.learners.loss_check import draw_rollout

# state: position, steps so far. Terminates where the position leaves [-1, 1]; obs has D = 5, A = 3.


def reset(uniforms):
    return uniforms[0] - 0.5, 0.0


def step(state, action):
    position, steps = state
    position = position + 0.3 * (action - 1) + 0.05
    return (position, steps + 1.0), 10.0 * position, position > 1.0 or position < -1.0


def observe(state):
    position, steps = state
    return position, position * position, 0.1 * steps, 1.0, -position


LINE = CompiledEnvironment(reset, step, observe, num_uniforms=1, state_size=2, obs_size=5, num_actions=3)


class LineEnv(gym.Env):
    """The same by Gymnasium's interface."""

    observation_space = gym.spaces.Box(-np.inf, np.inf, (5,), np.float32)
    action_space = gym.spaces.Discrete(3)

    def reset(self, *, seed=None, options=None):
        super().reset(seed=seed)
        self.state = reset((self.np_random.uniform(),))
        return np.array(observe(self.state), np.float32), {}

    def step(self, action):
        self.state, reward, terminated = step(self.state, action)
        return np.array(observe(self.state), np.float32), reward, terminated, False, {}


gym.register("Line-v0", LineEnv, max_episode_steps=6)


def assert_gradients_close(actual, expected):
    """To 1e-5 of each array's largest value."""
    assert actual.keys() == expected.keys()
    for name, tensor in expected.items():
        assert actual[name].shape == tensor.shape
        error = (actual[name].double() - tensor.double()).abs().max()
        scale = tensor.abs().max()
        assert error <= 1e-5 * scale, f"{name}: {error:.2e} of {scale:.2e}"


def state_of(network):
    return torch.cat([parameter.detach().flatten() for parameter in network.parameters()]).clone()


def random_rollout(num_steps, num_envs, obs_size, num_actions, hides_final_obs, seed=1):
    """A rollout with rows of every kind, in the order that autoreset lays down."""
    rng = np.random.default_rng(seed)
    return draw_rollout(rng, num_steps, num_envs, obs_size, num_actions, hides_final_obs)
