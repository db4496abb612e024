"""What the tests of the compiled kernels share: an environment that ends often, and rollouts."""

import math

import gymnasium as gym
import numpy as np
import torch
from numba.extending import register_jitable

from vecac.actions import ActionForm
from vecac.algorithm.network import Network, NetworkSpec
from vecac.kernels.environment import CompiledEnvironment
from vecac.kernels.mathematics.memory import NetworkForm
from vecac.learners.loss_check import draw_rollout

# state: position, steps so far. Terminates where the position leaves [-1, 1]; obs has D = 5, A = 3.


def reset(uniforms):
    return uniforms[0] - 0.5, 0.0


@register_jitable
def move(state, force):
    position, steps = state
    position = position + 0.3 * (force - 1) + 0.05
    return (position, steps + 1.0), 10.0 * position, position > 1.0 or position < -1.0


def step(state, action):
    return move(state, action)


def observe(state):
    position, steps = state
    return position, position * position, 0.1 * steps, 1.0, -position


LINE = CompiledEnvironment(reset, step, observe, num_uniforms=1, state_size=2, obs_size=5, num_actions=3)


def push(state, action):
    """By two real numbers."""
    return move(state, 1.0 + action[0] - 0.5 * action[1])


def pick(state, action):
    """By two choices."""
    return move(state, action[0] + 0.5 * action[1])


SIZES = {"num_uniforms": 1, "state_size": 2, "obs_size": 5}
PUSH = CompiledEnvironment(reset, push, observe, **SIZES, action_bounds=((-1.0, 1.5), (-0.5, math.inf)))
PICK = CompiledEnvironment(reset, pick, observe, **SIZES, num_actions=(3, 2))


class LineEnv(gym.Env):
    """The same by Gymnasium's interface."""

    observation_space = gym.spaces.Box(-np.inf, np.inf, (5,), np.float32)
    action_space = gym.spaces.Discrete(3)
    take = staticmethod(step)

    def reset(self, *, seed=None, options=None):
        super().reset(seed=seed)
        self.state = reset((self.np_random.uniform(),))
        return np.array(observe(self.state), np.float32), {}

    def step(self, action):
        self.state, reward, terminated = self.take(self.state, np.asarray(action).tolist())
        return np.array(observe(self.state), np.float32), reward, terminated, False, {}


class PushEnv(LineEnv):
    action_space = gym.spaces.Box(*np.array(PUSH.action_bounds, np.float32).T)
    take = staticmethod(push)


class PickEnv(LineEnv):
    action_space = gym.spaces.MultiDiscrete(PICK.num_actions)
    take = staticmethod(pick)


for name, env in (("Line-v0", LineEnv), ("Push-v0", PushEnv), ("Pick-v0", PickEnv)):
    gym.register(name, env, max_episode_steps=6)


def assert_gradients_close(actual, expected, times=1):
    """To 1e-5 of each array's largest value, or some times that."""
    assert actual.keys() == expected.keys()
    for name, tensor in expected.items():
        assert actual[name].shape == tensor.shape
        error = (actual[name].double() - tensor.double()).abs().max()
        scale = tensor.abs().max()
        assert error <= times * 1e-5 * scale, f"{name}: {error:.2e} of {scale:.2e}"


def state_of(network):
    return torch.cat([parameter.detach().flatten() for parameter in network.parameters()]).clone()


def random_rollout(num_steps, num_envs, obs_size, action, hides_final_obs, seed=1):
    """A rollout with rows of every kind, in the order that autoreset lays down."""
    rng = np.random.default_rng(seed)
    return draw_rollout(rng, num_steps, num_envs, obs_size, action, hides_final_obs)


FORMS = [
    NetworkForm(5, ActionForm("discrete", (3,)), (16, 10), "tanh", True),
    NetworkForm(3, ActionForm("box", (1,)), (7,), "tanh", False),
    NetworkForm(6, ActionForm("multi-discrete", (2, 1, 3)), (9, 12), "relu", False),
    NetworkForm(2, ActionForm("box", (3,)), (8,), "relu", True),
]
"""Networks that are not the default one."""


def network_of(form):
    """By torch; its layers' sizes are the form's."""
    chosen = {name: getattr(form, name) for name in ("hidden_sizes", "activation", "separate_critic")}
    return Network(NetworkSpec(**chosen, obs_size=form.obs_size, action=form.action))


def plain_form(obs_size, num_actions, hidden_size):
    """Of the default network, for a choice of one."""
    return NetworkForm(obs_size, ActionForm("discrete", (num_actions,)), (hidden_size,), "relu", False)
