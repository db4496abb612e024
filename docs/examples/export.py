"""Train a policy, export it to NumPy arrays, and play an episode with nothing but those.

python docs/examples/export.py
"""

from pathlib import Path

import gymnasium as gym
import numpy as np

from vecac.config import Config
from vecac.exports.exporting import export
from vecac.exports.numpy_policy import act  # a file that needs NumPy alone: copy it to wherever you play
from vecac.runs.saved_policy import load_policy
from vecac.train import train


def main(total_timesteps: int = 400_000) -> float:
    """Returns the return of an episode that the exported policy plays."""
    run = train(Config(engine="vector", learning_rate=1e-3, total_timesteps=total_timesteps))
    exported = export(load_policy(run.run_dir), Path("policy.npz"))
    print(f"policy.npz gives {', '.join(exported.outputs)}, {exported.difference:.0e} from what vecac gives")

    policy, env = np.load("policy.npz"), gym.make(run.env_id)
    obs, _ = env.reset(seed=0)
    episode_return, ended = 0.0, False
    while not ended:
        (action,) = act(policy, obs[None])
        obs, reward, terminated, truncated, _ = env.step(action)
        episode_return += float(reward)
        ended = terminated or truncated
    print(f"an episode by NumPy alone: return {episode_return:.0f}")
    return episode_return


if __name__ == "__main__":
    main()
