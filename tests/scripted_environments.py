"""Environments whose every number can be foretold. Worker processes import this: no torch."""

import os
import sys
import time

import gymnasium as gym
import numpy as np
from gymnasium import spaces
from gymnasium.vector import AutoresetMode, VectorEnv


class CountingEnv(gym.Env):
    """Episode e (from 0) is 2 + e % 3 steps long; obs is [episode, step]; reward is 10 * e + step.

    Episodes end in turn by termination, by truncation and by both at once.
    """

    observation_space = spaces.Box(-100, 100, (2,), np.float32)
    action_space = spaces.Discrete(2)

    def __init__(self, reuse_buffer=False):
        self.episode = -1
        self.buffer = np.zeros(2, np.float32) if reuse_buffer else None

    def reset(self, *, seed=None, options=None):
        super().reset(seed=seed)
        self.episode = 0 if seed is not None else self.episode + 1
        self.step_number = 0
        return self.obs(), {"a dictionary": {"that": "nobody reads"}}

    def step(self, action):
        assert self.action_space.contains(action)
        self.step_number += 1
        ended = self.step_number == 2 + self.episode % 3
        terminated = ended and self.episode % 3 != 1
        truncated = ended and self.episode % 3 != 0
        return self.obs(), 10 * self.episode + self.step_number, terminated, truncated, {}

    def obs(self):
        obs = self.buffer if self.buffer is not None else np.zeros(2, np.float32)
        obs[:] = self.episode, self.step_number
        return obs


class RandomEnv(gym.Env):
    """Everything it shows comes from its generator and its actions; ends in all three ways."""

    observation_space = spaces.Box(-np.inf, np.inf, (3,), np.float64)
    action_space = spaces.Discrete(3, start=4)

    def reset(self, *, seed=None, options=None):
        super().reset(seed=seed)
        self.total = 0
        return self.np_random.normal(size=3), {}

    def step(self, action):
        assert 4 <= action <= 6
        self.total += int(action)
        terminated, truncated = self.np_random.random(2) < 0.15
        return (
            self.np_random.normal(size=3) + self.total,
            float(action),
            bool(terminated),
            bool(truncated),
            {},
        )


class SavingEnv(RandomEnv):
    """RandomEnv that tells its inner state, as more than one number."""

    def get_state(self):
        return {"total": np.array([self.total]), "of": ("this", None, np.float32(self.total))}

    def set_state(self, state):
        assert state["of"][:2] == ("this", None)
        assert type(state["of"][2]) is np.float32 and state["of"][2] == state["total"][0]
        self.total = int(state["total"][0])


class ByteEnv(CountingEnv):
    """Whole numbers as observations, handed out as floats; action 1 hands out what is none."""

    observation_space = spaces.Box(0, 255, (2,), np.uint8)

    def step(self, action):
        obs, *rest = super().step(0)
        return (obs.astype(np.float64) + (0.5 if action else 0.0), *rest)


class EchoEnv(gym.Env):
    """Reward 1 if the action equals the observation, else 0; learnt in no time, or the learner is broken."""

    observation_space = spaces.Box(0, 1, (1,), np.float32)
    action_space = spaces.Discrete(2)

    def reset(self, *, seed=None, options=None):
        super().reset(seed=seed)
        self.steps = 0
        return self.draw(), {}

    def step(self, action):
        reward = float(action == self.bit)
        self.steps += 1
        return self.draw(), reward, self.steps == 10, False, {}

    def draw(self):
        self.bit = int(self.np_random.integers(2))
        return np.array([self.bit], np.float32)


class EndlessEnv(gym.Env):
    """Reward 1 for ever, so V = 1 / (1 - gamma); a time limit cuts episodes off without ending them."""

    observation_space = spaces.Box(0, 1, (1,), np.float32)
    action_space = spaces.Discrete(2)

    def reset(self, *, seed=None, options=None):
        super().reset(seed=seed)
        return np.ones(1, np.float32), {}

    def step(self, action):
        return np.ones(1, np.float32), 1.0, False, False, {}


def normalised_env():
    """EndlessEnv as people wrap it."""
    return gym.wrappers.NormalizeReward(gym.wrappers.NormalizeObservation(EndlessEnv()))


class SleepingEnv(CountingEnv):
    """Takes a while: a step sleeps for `seconds`."""

    def __init__(self, seconds=0.5):
        super().__init__()
        self.seconds = seconds

    def step(self, action):
        time.sleep(self.seconds)
        return super().step(action)


class SlowResetEnv(CountingEnv):
    """The first episode takes half a second to begin."""

    def reset(self, *, seed=None, options=None):
        if seed is not None:
            time.sleep(0.5)
        return super().reset(seed=seed, options=options)


class ObservationEnv(CountingEnv):
    """Only there for its observation and action space."""

    def __init__(self, observation_space=None, action_space=None):
        super().__init__()
        self.observation_space = observation_space or CountingEnv.observation_space
        self.action_space = action_space or CountingEnv.action_space


class ProcessEnv(CountingEnv):
    """Shows the id of the process that it lives in."""

    observation_space = spaces.Box(0, np.inf, (2,), np.float32)

    def obs(self):
        return np.array([os.getpid() % 2**16, os.getpid() // 2**16], np.float32)


class LightEnv(CountingEnv):
    """Refuses to live in a process that has loaded torch."""

    def reset(self, *, seed=None, options=None):
        assert "torch" not in sys.modules, "torch is loaded"
        return super().reset(seed=seed, options=options)


class CountingVectorEnv(VectorEnv):
    """CountingEnv as a vector environment of its own, in any mode that its metadata then names.

    Faults on request: see FAULTS.
    """

    def __init__(self, num_envs, mode="SameStep", fault=None, **_):
        self.num_envs = num_envs
        self.fault = fault
        self.resets_next = False
        self.metadata = {"autoreset_mode": AutoresetMode(mode)}
        if fault == "no mode":
            self.metadata = {}
        if fault == "odd mode":
            self.metadata = {"autoreset_mode": "next-step"}
        self.envs = [CountingEnv() for _ in range(num_envs)]
        self.single_observation_space = CountingEnv.observation_space
        self.single_action_space = CountingEnv.action_space

    def reset(self, *, seed=None, options=None):
        assert seed is None or type(seed) is int
        mask = np.ones(self.num_envs, bool) if not options else options.pop("reset_mask")
        for env, chosen in zip(self.envs, mask, strict=True):
            if chosen:
                env.reset(seed=seed)
        return self.obs(), {}

    def step(self, action):
        if self.fault == "raise":
            raise KeyError("a key")
        if self.metadata.get("autoreset_mode") is AutoresetMode.NEXT_STEP:
            return self.next_step(action)
        steps = [env.step(one) for env, one in zip(self.envs, action, strict=True)]
        reward, terminated, truncated = (np.array([step[k] for step in steps]) for k in (1, 2, 3))
        info = {}
        ended = terminated | truncated
        if self.metadata.get("autoreset_mode") is AutoresetMode.SAME_STEP and ended.any():
            if self.fault != "no final":
                info["final_obs"] = np.array([step[0] for step in steps])  # dense, not of objects
            if self.fault == "final shape":
                info["final_obs"] = np.zeros((self.num_envs, 1), np.float32)
            if self.fault == "final nan":
                info["final_obs"] = np.full((self.num_envs, 2), np.nan, np.float32)
            for index in np.flatnonzero(ended):
                self.envs[index].reset()
        obs = self.obs()
        if self.fault == "shape":
            obs = obs[:, :1]
        if self.fault == "nan":
            obs[-1, 0] = np.nan
        if self.fault == "reward shape":
            reward = reward[:, None]
        return obs, reward, terminated, truncated, info

    def next_step(self, action):
        """Dead rows come with a reward and flags that mean nothing."""
        if self.resets_next:
            for env in self.envs:
                env.reset()
            self.resets_next = False
            everywhere = np.ones(self.num_envs, bool)
            return self.obs(), np.full(self.num_envs, 7.0), everywhere, everywhere, {}
        steps = [env.step(one) for env, one in zip(self.envs, action, strict=True)]
        reward, terminated, truncated = (np.array([step[k] for step in steps]) for k in (1, 2, 3))
        self.resets_next = bool((terminated | truncated).any())
        return self.obs(), reward, terminated, truncated, {}

    def obs(self):
        return np.asfortranarray([env.obs() for env in self.envs])


def same_step_form(num_envs):
    """Of another autoreset mode than runs have if they do not ask for one; it takes no keywords."""
    return CountingVectorEnv(num_envs, mode="SameStep")


FAULTS = "no mode,odd mode,no final,final shape,final nan,shape,reward shape,nan,raise".split(",")


def register(name, entry_point, **kwargs):
    gym.register(f"{name}-v0", entry_point=f"{__name__}:{entry_point}", **kwargs)


register(
    "Counting", "CountingEnv", vector_entry_point=f"{__name__}:CountingVectorEnv", reward_threshold=1000.0
)
register("OddForm", "CountingEnv", vector_entry_point=f"{__name__}:same_step_form")
register("CountingReused", "CountingEnv", kwargs={"reuse_buffer": True})
register("Random", "RandomEnv")
register("Saving", "SavingEnv")
register("Byte", "ByteEnv")
register("Echo", "EchoEnv")
register("Endless", "EndlessEnv", max_episode_steps=5)
register("Unlimited", "EndlessEnv")
register("Normalised", "normalised_env", max_episode_steps=9)
register("Sleeping", "SleepingEnv")
register("SlowReset", "SlowResetEnv")
register("Process", "ProcessEnv")
register("Light", "LightEnv")
register("Photo", "ObservationEnv", kwargs={"observation_space": spaces.Box(0, 255, (8, 8, 3), np.uint8)})
register("Empty", "ObservationEnv", kwargs={"observation_space": spaces.Box(0, 1, (0,))})
register("Whole", "ObservationEnv", kwargs={"action_space": spaces.Box(0, 9, (2,), np.int64)})
for name in ("Faulty", "Sabotaged", "Wide", "NanAtReset"):
    gym.register(f"{name}-v0", entry_point=f"faulty_environments:{name}Env")
for mode in AutoresetMode:
    gym.register(
        f"Vector{mode.value}-v0",
        vector_entry_point=f"{__name__}:CountingVectorEnv",
        kwargs={"mode": mode.value},
    )
for fault in FAULTS:
    gym.register(
        f"Vector{fault.title().replace(' ', '')}-v0",
        vector_entry_point=f"{__name__}:CountingVectorEnv",
        kwargs={"fault": fault},
    )
