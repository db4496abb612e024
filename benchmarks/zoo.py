"""The settings that RL Baselines3 Zoo tuned for Stable-Baselines3's A2C and PPO, and models made with them.

They are those of its hyperparams/a2c.yml and ppo.yml, under the environments' present names: the Zoo has
LunarLander-v2, and MuJoCo's in version 4. What is not named is Stable-Baselines3's default: for A2C RMSprop
at 7e-4, n_steps 5, gamma 0.99, gae_lambda 1; for PPO Adam at 3e-4, batch_size 64, clip_range 0.2. One copy is
what the Zoo takes where it names no number, as for A2C on MuJoCo.
"""

from collections.abc import Callable, Mapping
from copy import deepcopy
from dataclasses import dataclass, field
from typing import Any

from stable_baselines3 import A2C, PPO
from stable_baselines3.common.env_util import make_vec_env
from stable_baselines3.common.vec_env import VecEnv, VecNormalize
from torch import nn

ALGORITHMS: Mapping[str, Any] = {"a2c": A2C, "ppo": PPO}
DEFAULT_GAMMA = 0.99
"""Both algorithms'."""


def linear(start: float) -> Callable[[float], float]:
    """A schedule from start to 0, by the part of the run that is left."""
    return lambda left: left * start


@dataclass(frozen=True)
class Setting:
    """How the Zoo trains in one environment."""

    num_envs: int
    """Copies."""
    total_steps: int
    """Env steps that the Zoo trains for."""
    normalize: bool = False
    """Observations by their running mean and deviation, rewards by the deviation of the discounted return."""
    keywords: Mapping[str, Any] = field(default_factory=dict)
    """What the algorithm is given, beyond its defaults."""


STATE_DEPENDENT_NOISE = {"use_sde": True, "policy_kwargs": {"log_std_init": -2, "ortho_init": False}}
"""gSDE: noise that is a function of the state, drawn anew once a rollout."""

A2C_SETTINGS = {
    "CartPole-v1": Setting(8, 500_000),
    "Acrobot-v1": Setting(16, 500_000, normalize=True),
    "MountainCar-v0": Setting(16, 1_000_000, normalize=True),
    "LunarLander-v3": Setting(
        8, 200_000, keywords={"gamma": 0.995, "learning_rate": linear(0.00083), "ent_coef": 1e-5}
    ),
    "Pendulum-v1": Setting(
        8,
        1_000_000,
        normalize=True,
        keywords={
            "n_steps": 8,
            "gamma": 0.9,
            "gae_lambda": 0.9,
            "vf_coef": 0.4,
            "learning_rate": linear(7e-4),
            **STATE_DEPENDENT_NOISE,
        },
    ),
    "MountainCarContinuous-v0": Setting(
        4,
        100_000,
        normalize=True,
        keywords={
            "n_steps": 100,
            "use_sde": True,
            "sde_sample_freq": 16,
            "policy_kwargs": {"log_std_init": 0.0, "ortho_init": False},
        },
    ),
    "BipedalWalker-v3": Setting(
        16,
        5_000_000,
        normalize=True,
        keywords={
            "n_steps": 8,
            "gae_lambda": 0.9,
            "vf_coef": 0.4,
            "learning_rate": linear(0.00096),
            **STATE_DEPENDENT_NOISE,
        },
    ),
    "HalfCheetah-v5": Setting(1, 1_000_000, normalize=True),
    "Hopper-v5": Setting(1, 1_000_000, normalize=True),
    "Walker2d-v5": Setting(1, 1_000_000, normalize=True),
    "Swimmer-v5": Setting(1, 1_000_000, normalize=True, keywords={"gamma": 0.9999}),
}

PPO_SETTINGS = {
    "CartPole-v1": Setting(
        8,
        100_000,
        keywords={
            "n_steps": 32,
            "batch_size": 256,
            "gae_lambda": 0.8,
            "gamma": 0.98,
            "n_epochs": 20,
            "learning_rate": linear(0.001),
            "clip_range": linear(0.2),
        },
    ),
    "MountainCar-v0": Setting(
        16, 1_000_000, normalize=True, keywords={"n_steps": 16, "gae_lambda": 0.98, "n_epochs": 4}
    ),
    "LunarLander-v3": Setting(
        16,
        1_000_000,
        keywords={
            "n_steps": 1024,
            "batch_size": 64,
            "gae_lambda": 0.98,
            "gamma": 0.999,
            "n_epochs": 4,
            "ent_coef": 0.01,
        },
    ),
    "Hopper-v5": Setting(
        1,
        1_000_000,
        normalize=True,
        keywords={
            "n_steps": 512,
            "batch_size": 32,
            "gamma": 0.999,
            "learning_rate": 9.80828e-05,
            "ent_coef": 0.00229519,
            "clip_range": 0.2,
            "n_epochs": 5,
            "gae_lambda": 0.99,
            "max_grad_norm": 0.7,
            "vf_coef": 0.835671,
            "policy_kwargs": {
                "log_std_init": -2,
                "ortho_init": False,
                "activation_fn": nn.ReLU,
                "net_arch": {"pi": [256, 256], "vf": [256, 256]},
            },
        },
    ),
}

SETTINGS: Mapping[str, Mapping[str, Setting]] = {"a2c": A2C_SETTINGS, "ppo": PPO_SETTINGS}


def make_envs(algorithm: str, env_id: str, seed: int) -> VecEnv:
    """The copies, one after the other in this process; each has a Monitor, which tells the real returns."""
    setting = SETTINGS[algorithm][env_id]
    envs = make_vec_env(env_id, setting.num_envs, seed=seed)
    if not setting.normalize:
        return envs
    return VecNormalize(envs, gamma=setting.keywords.get("gamma", DEFAULT_GAMMA))


def make_model(algorithm: str, env_id: str, seed: int) -> Any:
    """A2C or PPO as the Zoo would train it."""
    keywords = deepcopy(dict(SETTINGS[algorithm][env_id].keywords))  # A2C adds its optimiser to policy_kwargs
    envs = make_envs(algorithm, env_id, seed)
    return ALGORITHMS[algorithm]("MlpPolicy", envs, seed=seed, device="cpu", **keywords)
