"""Environments of every kind of space, which tell their inner state. Workers import this: no torch."""

import random

import gymnasium as gym
import numpy as np
from gymnasium import spaces
from scripted_environments import RandomEnv


class TellingEnv(RandomEnv):
    """RandomEnv that tells its inner state."""

    def get_state(self):
        return {"total": self.total}

    def set_state(self, state):
        self.total = int(state["total"])


class SensorsEnv(TellingEnv):
    """Dict and Tuple observations of every kind, MultiDiscrete actions."""

    observation_space = spaces.Dict(
        {
            "gear": spaces.Discrete(3, start=1),
            "pair": spaces.Tuple([spaces.Box(-np.inf, np.inf, (2, 2), np.float64), spaces.MultiBinary(2)]),
            "dials": spaces.MultiDiscrete([2, 3]),
        }
    )
    action_space = spaces.MultiDiscrete([3, 2], start=[4, 0])

    def reset(self, *, seed=None, options=None):
        super().reset(seed=seed)
        return self.sensors(), {}

    def step(self, action):
        assert self.action_space.contains(action)
        _, reward, terminated, truncated, _ = super().step(action[0])
        return self.sensors(), reward + float(action[1]), terminated, truncated, {}

    def sensors(self):
        draw = self.np_random
        return {
            "gear": int(draw.integers(1, 4)),
            "pair": (draw.normal(size=(2, 2)), draw.integers(0, 2, 2).astype(np.int8)),
            "dials": draw.integers(0, [2, 3]),
        }


class SwitchesEnv(TellingEnv):
    """A number from 0 to 4 as its observation, MultiBinary actions."""

    observation_space = spaces.Discrete(5)
    action_space = spaces.MultiBinary(3)

    def reset(self, *, seed=None, options=None):
        super().reset(seed=seed)
        return self.np_random.integers(5), {}

    def step(self, action):
        assert self.action_space.contains(action)
        _, _, terminated, truncated, _ = super().step(4)
        return self.np_random.integers(5), float(action.sum()), terminated, truncated, {}


class LeverEnv(TellingEnv):
    """Actions are a matrix of float64 within bounds that differ."""

    action_space = spaces.Box(np.array([[-0.1, 0.0]]), np.array([[0.1, 3.0]]), dtype=np.float64)

    def step(self, action):
        assert self.action_space.contains(action)
        obs, _, terminated, truncated, _ = super().step(4)
        return obs + action.sum(), float(action.sum()), terminated, truncated, {}


class MatchEnv(gym.Env):
    """Shows one of two numbers; the reward is highest for one action on each, whatever the kind of action.

    kind: of the action space. The best actions on 0 and on 1 are those of BEST.
    """

    observation_space = spaces.Discrete(2)

    def __init__(self, kind):
        self.kind, self.action_space = kind, ACTIONS[kind]

    def reset(self, *, seed=None, options=None):
        super().reset(seed=seed)
        self.steps = 0
        return self.draw(), {}

    def step(self, action):
        wrong = np.abs(np.asarray(action, np.float64) - BEST[self.kind][self.shown])
        reward = -float(np.square(wrong).sum() if self.kind == "box" else np.count_nonzero(wrong))
        self.steps += 1
        return self.draw(), reward, self.steps == 10, False, {}

    def draw(self):
        self.shown = int(self.np_random.integers(2))
        return self.shown


class GlobalEnv(gym.Env):
    """Draws from NumPy's own generator, which it seeds too, and from Python's."""

    observation_space = spaces.Box(-np.inf, np.inf, (2,), np.float32)
    action_space = spaces.Discrete(2)

    def reset(self, *, seed=None, options=None):
        if seed is not None:
            np.random.seed(seed)
            random.seed(seed)
        return self.draw(), {}

    def step(self, action):
        return self.draw(), float(action), random.random() < 0.1, False, {}

    def draw(self):
        return np.random.normal(size=2).astype(np.float32)


ACTIONS = {
    "discrete": spaces.Discrete(3, start=2),
    "multi-discrete": spaces.MultiDiscrete([3, 2]),
    "multi-binary": spaces.MultiBinary(2),
    "box": spaces.Box(-5.0, 5.0, (2,)),
}
BEST = {
    "discrete": (4, 2),
    "multi-discrete": ([2, 0], [0, 1]),
    "multi-binary": ([1, 0], [0, 1]),
    "box": ([0.5, -0.25], [-0.5, 0.75]),
}

for name in ("Sensors", "Switches", "Lever", "Match", "Global"):
    gym.register(f"{name}-v0", entry_point=f"{__name__}:{name}Env")
