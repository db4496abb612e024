"""A peer: Stable-Baselines3's A2C with vecac's network, rollout and optimiser.

What differs: its value loss is the squared error, its rewards are not scaled, and it clips the gradient,
here at a norm that is never reached: it cannot be told not to. These are small beside its env steps. The
environments have no Monitor around them, which makes it a little faster than it is by its own defaults.
"""

import gymnasium as gym
import torch
from stable_baselines3 import A2C
from stable_baselines3.common.torch_layers import BaseFeaturesExtractor
from stable_baselines3.common.vec_env import DummyVecEnv
from torch import Tensor, nn

from vecac.config import Config

ROLLOUTS_A_CALL = 10


class SharedLayer(BaseFeaturesExtractor):
    """vecac's hidden layer, on which both heads sit without layers of their own."""

    def __init__(self, observation_space: gym.spaces.Box) -> None:
        super().__init__(observation_space, Config.hidden_sizes[0])
        self.hidden = nn.Linear(observation_space.shape[0], Config.hidden_sizes[0])

    def forward(self, obs_ND: Tensor) -> Tensor:
        """The hidden layer (N, hidden_size)."""
        return torch.relu(self.hidden(obs_ND))


def make_a2c(num_envs: int, seed: int = 1) -> A2C:
    """A2C that makes vecac's default update on N copies of CartPole-v1."""
    return A2C(
        "MlpPolicy",
        DummyVecEnv([lambda: gym.make("CartPole-v1")] * num_envs),
        learning_rate=Config.learning_rate,
        n_steps=Config.n_rollout,
        gamma=Config.gamma,
        gae_lambda=0.0,  # one-step targets
        ent_coef=0.0,
        vf_coef=1.0,
        max_grad_norm=1e9,
        use_rms_prop=False,
        normalize_advantage=False,
        policy_kwargs={
            "features_extractor_class": SharedLayer,
            "net_arch": [],
            "ortho_init": False,
            "optimizer_class": torch.optim.Adam,
            "optimizer_kwargs": {"eps": 1e-8},
        },
        seed=seed,
        device="cpu",
    )


class Sb3Training:
    """A2C's own loop; its environments step one after the other, whatever torch's threads.

    Args:
        num_envs: N.
        num_threads: torch's.
    """

    def __init__(self, num_envs: int, num_threads: int) -> None:
        torch.set_num_threads(num_threads)
        self._a2c = make_a2c(num_envs)
        self._env_steps_a_call = ROLLOUTS_A_CALL * self._a2c.n_steps * num_envs

    def advance(self) -> int:
        """Collect and update ROLLOUTS_A_CALL times; returns the env steps, all of them valid here."""
        before = self._a2c.num_timesteps
        self._a2c.learn(self._env_steps_a_call, log_interval=None, reset_num_timesteps=False)
        return self._a2c.num_timesteps - before
