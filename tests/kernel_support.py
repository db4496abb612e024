"""What the tests of the compiled kernels share: an environment that ends often, and gradients by name."""

import gymnasium as gym
import numpy as np
import torch

from vecac.algorithm.rollout import Rollout
from vecac.kernels.environment import CompiledEnvironment
from vecac.learners.kernel_parameters import torch_views
from vecac.transition import Transition

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


def kernel_gradient(shared, obs_size):
    """The gradient that the kernels last summed up, by ActorCritic's names."""
    return {name: tensor.clone() for name, tensor in torch_views(shared.model.gradient, obs_size).items()}


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
    rollout = Rollout(num_steps, num_envs, obs_size, hides_final_obs, torch.device("cpu"))
    obs_shape = (num_envs, obs_size)
    dead_N = rng.random(num_envs) < 0.2
    rollout.start(rng.normal(size=obs_shape).astype(np.float32))
    for t in range(num_steps):
        valid = np.ones(num_envs, np.bool_) if hides_final_obs else ~dead_N
        terminated, truncated = rng.random((2, num_envs)) < 0.3
        terminated, truncated = terminated & valid, truncated & valid
        dead_N = terminated | truncated
        reward, next_obs = rng.normal(size=num_envs).astype(np.float32), rng.normal(size=obs_shape)
        rollout.action_rows[t].copy_(torch.from_numpy(rng.integers(0, num_actions, num_envs)))
        obs = rng.normal(size=obs_shape).astype(np.float32) if hides_final_obs else next_obs
        step = Transition(obs, reward, terminated, truncated, next_obs.astype(np.float32), valid)
        rollout.insert(t, step, obs)
    rollout.finish()
    return rollout
