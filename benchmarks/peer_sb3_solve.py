"""What `time_to_solve.py --trainer` runs for Stable-Baselines3: one seed of CartPole-v1 until it is solved.

    python benchmarks/peer_sb3_solve.py ALGORITHM SEED MAX_STEPS

with the settings that RL Baselines3 Zoo tuned for CartPole-v1. Solved means what it means for vecac: a mean
return of 475 over exactly the last 100 episodes, judged after every step of the environments. Prints one
JSON object as the last line.
"""

import json
import sys
import time
from collections import deque
from collections.abc import Callable, Sequence
from typing import Any

import torch
from stable_baselines3 import A2C, PPO
from stable_baselines3.common.callbacks import BaseCallback
from stable_baselines3.common.env_util import make_vec_env

THRESHOLD, WINDOW = 475.0, 100
NUM_ENVS = 8


def linear(start: float) -> Callable[[float], float]:
    """A schedule from start to 0, by the part of the run that is left."""
    return lambda left: left * start


ALGORITHMS: dict[str, Callable[..., Any]] = {
    "a2c": lambda env, seed: A2C("MlpPolicy", env, ent_coef=0.0, seed=seed, device="cpu"),
    "ppo": lambda env, seed: PPO(
        "MlpPolicy",
        env,
        n_steps=32,
        batch_size=256,
        gae_lambda=0.8,
        gamma=0.98,
        n_epochs=20,
        ent_coef=0.0,
        learning_rate=linear(0.001),
        clip_range=linear(0.2),
        seed=seed,
        device="cpu",
    ),
}
ZOO_STEPS = {"a2c": 500_000, "ppo": 100_000}
"""Env steps that the Zoo trains for; PPO's schedules are cut to them."""


class UntilSolved(BaseCallback):  # type: ignore[misc]
    """Stops the training, and remembers when."""

    def __init__(self) -> None:
        super().__init__()
        self._returns: deque[float] = deque(maxlen=WINDOW)
        self.started_at = 0.0
        self.solved: tuple[int, float] | tuple[None, None] = (None, None)

    def _on_training_start(self) -> None:
        self.started_at = time.perf_counter()

    def _on_step(self) -> bool:
        self._returns.extend(info["episode"]["r"] for info in self.locals["infos"] if "episode" in info)
        if len(self._returns) == WINDOW and sum(self._returns) / WINDOW >= THRESHOLD:
            self.solved = self.num_timesteps, time.perf_counter() - self.started_at
            return False
        return True

    @property
    def mean(self) -> float | None:
        """Of exactly the last 100 returns."""
        return sum(self._returns) / WINDOW if len(self._returns) == WINDOW else None


def main(argv: Sequence[str]) -> int:
    """Train, print; returns the exit code."""
    name, seed, max_steps = argv[0], int(argv[1]), int(argv[2])
    torch.set_num_threads(1)  # faster for networks this small
    model = ALGORITHMS[name](make_vec_env("CartPole-v1", NUM_ENVS, seed=seed), seed)
    watch = UntilSolved()
    model.learn(min(max_steps, ZOO_STEPS[name]), callback=watch)
    result = {
        "solved_at_env_steps": watch.solved[0],
        "solved_at_seconds": watch.solved[1],
        "env_steps": model.num_timesteps,
        "seconds": time.perf_counter() - watch.started_at,
        "last_100_return_mean": watch.mean,
    }
    print(json.dumps(result), flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
