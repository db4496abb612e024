"""A Gymnasium environment of one's own, and vecac training on it: python own_environment.py.

The command line takes it from the folder that this file is in:

    python -m vecac.train --env-id own_environment:Docking-v0 --learning-rate 1e-3
"""

import gymnasium as gym
import numpy as np

from vecac.config import Config
from vecac.train import train


class Docking(gym.Env):
    """Bring a craft to rest at 0: one sees position and speed, and pushes left (0), not (1) or right (2)."""

    observation_space = gym.spaces.Box(-np.inf, np.inf, (2,), np.float32)
    action_space = gym.spaces.Discrete(3)

    def reset(self, *, seed=None, options=None):
        """Begin anywhere between -1 and 1, at rest."""
        super().reset(seed=seed)
        self.position, self.speed = self.np_random.uniform(-1.0, 1.0), 0.0
        return self._observation(), {}

    def step(self, action):
        """Push, and be paid for being near; whoever is far out is lost, which ends the episode."""
        self.speed += 0.02 * (action - 1)
        self.position += self.speed
        reward, terminated = 1.0 - abs(self.position), abs(self.position) > 2.0
        truncated = False  # whoever registers an environment sets the time limit: see below
        return self._observation(), reward, terminated, truncated, {}

    def get_state(self):
        """All that the next step depends on: with this and set_state, a resumed run goes on exactly."""
        return [self.position, self.speed]

    def set_state(self, state):
        """Go on from a state."""
        self.position, self.speed = state

    def _observation(self):
        return np.array([self.position, self.speed], np.float32)


def watch(row):
    """Print each log row; False ends the run."""
    print(f"{row['time/total_timesteps']:>8,} env steps: mean return {row['rollout/ep_rew_mean']:.1f}")
    return row["rollout/ep_rew_mean"] < 85


def main(total_timesteps=500_000, learner="auto"):
    """Train until the mean return is 85, or for so many env steps; returns how it ended."""
    config = Config(
        env_id="own_environment:Docking-v0",  # module:Id, so that evaluating and resuming find it too
        total_timesteps=total_timesteps,
        learning_rate=1e-3,
        learner=learner,
        log_interval=10_000,
        quiet=True,
    )
    result = train(config, on_row=watch)
    print(f"{result.stop_reason}; greedy return {result.eval_return_mean:.1f}; see {result.run_dir}")
    return result


if __name__ == "__main__":
    main()
else:  # imported, by the name in env_id
    gym.register("Docking-v0", Docking, max_episode_steps=100, reward_threshold=85)
