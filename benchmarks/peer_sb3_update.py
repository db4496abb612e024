"""python benchmarks/peer_sb3_update.py FILE: two updates of Stable-Baselines3's A2C, number by number.

FILE is `tests/golden/sb3_a2c_updates.json`, for tests to compare with. In each of its cases A2C, at its
defaults but for what the case says, trains by its own `learn`: a rollout, an update, the rollout that follows
with the parameters it gave, an update.

Shapes: T rollout steps, N environments, D observation size, A sizes of a Box action; arrays are nested lists.
Every number is the shortest text that is the same float32 again, so that it has to be read as float32.

The file is {"versions": {package: version}, "cases": [case, ...]}, and a case has

    name                what it is about
    env_id              Gymnasium's; the copies end as `make_envs` says, so that both kinds of end occur
    actions             "Discrete" or "Box"
    settings            learning_rate, rms_prop_alpha, rms_prop_eps, n_steps (T), gamma, gae_lambda, ent_coef,
                        vf_coef, max_grad_norm, normalize_advantage; hidden_sizes of the policy's and, apart,
                        of the value's network, whose activation is tanh; num_envs (N)
    parameters          {name: array}, those before the first update, by Stable-Baselines3's names:
                        mlp_extractor.policy_net.0 and .2 are the policy's hidden layers, action_net its head,
                        mlp_extractor.value_net.0 and .2, value_net the same of the value (.weight: outputs,
                        inputs); log_std (A), the same for all observations, with Box only
    updates             two of them, each of which has

    obs                 (T+1, N, D): where an episode has ended, the next row is the following one's first
    action              (T, N), or (T, N, A) as sampled, before it was clipped to the Box
    reward              (T, N), the environment's own
    terminated          (T, N)
    truncated           (T, N); where both are true, A2C takes the end for a termination
    last_obs            [{"step": t, "env": n, "obs": (D)}, ...], the last observation of each episode that
                        ended at row t, whichever way: V of it stands in for what a truncated one would have
                        got. (A2C adds gamma * V to the reward there, and then ends the episode.)
    value, log_prob     (T, N), of the parameters that collected
    last_value          (N), of obs[T]
    advantage, return   (T, N), by gae_lambda; advantages before they are normalised
    policy_loss, value_loss, entropy_loss
                        the means over T x N, as A2C logs them: value_loss is the mean squared error (no
                        half), entropy_loss minus the mean entropy. What is differentiated is
                        policy_loss + ent_coef * entropy_loss + vf_coef * value_loss
    gradients           {name: array}, before clipping
    gradient_norm       of all of them together, before clipping
    parameters          {name: array}, after the step

Normalised advantages are (advantage - mean) / (std + 1e-8), where std divides by T x N - 1. Where a gradient
is all but 0, as that of the policy's bias then is, what the step gives is accurate to 1e-5 of the learning
rate only.
"""

import json
import sys
from collections.abc import Callable, Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Any

import gymnasium as gym
import numpy as np
import torch
from stable_baselines3 import A2C
from stable_baselines3.common.callbacks import BaseCallback
from stable_baselines3.common.vec_env import DummyVecEnv

LIMITS = (5, 8, 500, 500)
"""Time limits of the four copies: the first two meet theirs, the others' episodes may end otherwise."""

UPDATES = 2
DEFAULTS = {
    "n_steps": 10,
    "gamma": 0.99,
    "gae_lambda": 1.0,
    "ent_coef": 0.0,
    "vf_coef": 0.5,
    "max_grad_norm": 0.5,
    "normalize_advantage": False,
}
"""A2C's own, but for n_steps, so that a pole has time to fall."""

CASES: tuple[tuple[str, str, dict[str, Any], dict[str, Any]], ...] = (
    ("CartPole, Monte Carlo returns", "CartPole-v1", {}, {}),
    ("CartPole, lambda, entropy", "CartPole-v1", {}, {"gae_lambda": 0.95, "ent_coef": 0.01}),
    (
        "CartPole, normalised advantages, gradients that are not clipped",
        "CartPole-v1",
        {},
        {"gae_lambda": 0.95, "normalize_advantage": True, "max_grad_norm": 100.0},
    ),
    ("Pendulum, Monte Carlo returns", "Pendulum-v1", {}, {}),
    (
        "Pendulum, lambda, entropy, normalised advantages",
        "Pendulum-v1",
        {},
        {"gae_lambda": 0.95, "ent_coef": 0.01, "normalize_advantage": True},
    ),
    (
        "LunarLander, actions of two numbers, lambda, entropy",
        "LunarLander-v3",
        {"continuous": True},
        {"gae_lambda": 0.95, "ent_coef": 0.01, "max_grad_norm": 100.0},
    ),
)
"""Name, environment, its own settings, A2C's settings that are not DEFAULTS."""

HIDDEN_SIZES = [8, 8]
SEED = 17
"""With it poles fall, a pendulum ends both ways at once, and last rows have ends of both kinds."""


class Ends(gym.Wrapper):  # type: ignore[type-arg]
    """Tells in the infos how an episode ended; ends a pendulum's, which never ends itself, if it is fast."""

    def step(self, action: Any) -> tuple[Any, Any, bool, bool, dict[str, Any]]:
        """As the environment's."""
        obs, reward, terminated, truncated, info = super().step(action)
        terminated = terminated or (self.spec.id == "Pendulum-v1" and abs(obs[2]) > 2)
        return obs, reward, terminated, truncated, info | {"ends": (terminated, truncated)}


def make_envs(env_id: str, env_settings: dict[str, Any]) -> DummyVecEnv:
    """A copy for each of LIMITS."""

    def make(limit: int) -> Callable[[], gym.Env]:  # type: ignore[type-arg]
        return lambda: Ends(gym.make(env_id, max_episode_steps=limit, **env_settings))

    return DummyVecEnv([make(limit) for limit in LIMITS])


def to_numbers(array: Any) -> Any:
    """Nested lists of truths or of whole numbers as they are, of others as the shortest float32."""
    array = np.asarray(array)
    if array.dtype.kind in "bi":
        return array.tolist()
    single = array.astype(np.float32)
    shortest = np.vectorize(lambda number: float(str(number)), otypes=[np.float64])(single)
    assert (shortest.astype(np.float32) == single).all()
    return shortest.tolist()


class Recorder(BaseCallback):  # type: ignore[misc]
    """Writes down what A2C collects and what it makes of it, an entry of `updates` for each rollout."""

    def __init__(self) -> None:
        super().__init__()
        self.updates: list[dict[str, Any]] = []
        self._steps: dict[str, list[Any]] = {}
        self._gradients: dict[str, torch.Tensor] = {}

    def parameters(self) -> dict[str, Any]:
        """As they are now."""
        return {name: to_numbers(p.detach()) for name, p in self.model.policy.named_parameters()}

    def _on_training_start(self) -> None:
        for name, parameter in self.model.policy.named_parameters():
            parameter.register_post_accumulate_grad_hook(lambda p, name=name: self._keep_gradient(name, p))

    def _keep_gradient(self, name: str, parameter: torch.Tensor) -> None:
        """Before anything is clipped: it is called while autograd still goes back."""
        assert parameter.grad is not None
        self._gradients[name] = parameter.grad.clone()

    def _on_rollout_start(self) -> None:
        self._finish_update()
        names = ("obs", "action", "reward", "terminated", "truncated", "last_obs")
        self._steps = {name: [] for name in names}

    def _on_step(self) -> bool:
        """Called before A2C adds to the rewards of time limits, in place."""
        seen, steps = self.locals, self._steps
        ends = np.array([info["ends"] for info in seen["infos"]], dtype=bool)
        for name, array in (
            ("obs", seen["obs_tensor"].numpy()),
            ("action", seen["actions"]),
            ("reward", seen["rewards"]),
            ("terminated", ends[:, 0]),
            ("truncated", ends[:, 1]),
        ):
            steps[name].append(array.copy())
        steps["last_obs"] += [
            {"step": len(steps["obs"]) - 1, "env": n, "obs": to_numbers(info["terminal_observation"])}
            for n, info in enumerate(seen["infos"])
            if ends[n].any()
        ]
        return True

    def _on_rollout_end(self) -> None:
        buffer, last_obs = self.model.rollout_buffer, self._steps.pop("last_obs")
        self._steps["obs"].append(self.locals["new_obs"].copy())
        self.updates.append(
            {name: to_numbers(np.stack(arrays)) for name, arrays in self._steps.items()}
            | {
                "last_obs": last_obs,
                "value": to_numbers(buffer.values),
                "log_prob": to_numbers(buffer.log_probs),
                "last_value": to_numbers(self.locals["values"].flatten()),
                "advantage": to_numbers(buffer.advantages),
                "return": to_numbers(buffer.returns),
            }
        )

    def _finish_update(self) -> None:
        """Add what the update gave, if there has been one since the rollout's end."""
        if not self._gradients:
            return
        norm = torch.nn.utils.get_total_norm(self._gradients.values())
        logged = self.logger.name_to_value
        losses = ("policy_loss", "value_loss", "entropy_loss")
        self.updates[-1] |= {name: to_numbers(logged[f"train/{name}"]) for name in losses} | {
            "gradients": {name: to_numbers(gradient) for name, gradient in self._gradients.items()},
            "gradient_norm": to_numbers(norm),
            "parameters": self.parameters(),
        }
        self._gradients = {}

    def _on_training_end(self) -> None:
        self._finish_update()


def record_case(
    name: str, env_id: str, env_settings: dict[str, Any], changes: dict[str, Any]
) -> dict[str, Any]:
    """Train for UPDATES rollouts; returns the JSON-ready case."""
    torch.set_num_threads(1)
    settings = DEFAULTS | changes
    envs = make_envs(env_id, env_settings)
    a2c = A2C(
        "MlpPolicy", envs, policy_kwargs={"net_arch": HIDDEN_SIZES}, seed=SEED, device="cpu", **settings
    )
    recorder = Recorder()
    recorder.init_callback(a2c)
    (group,) = a2c.policy.optimizer.param_groups
    case = {
        "name": name,
        "env_id": env_id,
        "actions": type(envs.action_space).__name__,
        "settings": {
            "learning_rate": group["lr"],
            "rms_prop_alpha": group["alpha"],
            "rms_prop_eps": group["eps"],
            **settings,
            "hidden_sizes": HIDDEN_SIZES,
            "num_envs": len(LIMITS),
        },
        "parameters": recorder.parameters(),
    }
    a2c.learn(UPDATES * settings["n_steps"] * len(LIMITS), callback=recorder, log_interval=None)
    envs.close()
    return case | {"updates": recorder.updates}


def format_cases(cases: Sequence[dict[str, Any]]) -> str:
    """A line for each array, so that a change of one is a change of a line."""
    versions = {name: version(name) for name in ("stable_baselines3", "torch", "gymnasium", "numpy")}
    return format_value({"versions": versions, "cases": cases}) + "\n"


def format_value(value: Any, indent: str = "") -> str:
    """As json.dumps with an indent, but for lists of numbers, which take a line."""
    inner = indent + " "
    if isinstance(value, dict):
        items = [f"{json.dumps(key)}: {format_value(item, inner)}" for key, item in value.items()]
    elif isinstance(value, list | tuple) and value and isinstance(value[0], dict):
        items = [format_value(item, inner) for item in value]
    else:
        return json.dumps(value, separators=(",", ":"))
    begin, end = "{}" if isinstance(value, dict) else "[]"
    return begin + ",".join(f"\n{inner}{item}" for item in items) + f"\n{indent}{end}"


def main(argv: Sequence[str]) -> int:
    """Record, write; returns the exit code."""
    (path,) = map(Path, argv)
    path.write_text(format_cases([record_case(*case) for case in CASES]), encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
