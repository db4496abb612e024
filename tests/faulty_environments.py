"""Environments that fail on request. Worker processes import this: no torch."""

import logging
import multiprocessing
import os
import signal
import sys
import time
from pathlib import Path
from typing import ClassVar

import numpy as np
from gymnasium import spaces
from scripted_environments import CountingEnv


class TwoArgumentsError(Exception):
    def __init__(self, one, two):
        super().__init__(f"{one} and {two}")


class FaultyEnv(CountingEnv):
    """Like CountingEnv while the action is 0; the other actions are faults."""

    FAULTS: ClassVar = (
        "none nan inf huge short flat scalar text reward reward_array reward_text flags exit raise"
        " raise_two die"
    ).split()
    action_space = spaces.Discrete(len(FAULTS))
    observation_space = spaces.Box(-np.inf, np.inf, (2,), np.float32)

    def step(self, action):
        obs, reward, terminated, truncated, info = super().step(action)
        fault = self.FAULTS[action]
        if fault == "raise":
            raise KeyError("a key")
        if fault == "raise_two":
            raise TwoArgumentsError("one", "two")
        if fault == "exit":
            raise SystemExit(3)
        if fault == "die":
            os._exit(3)
        if fault == "flags":
            terminated = np.array([True, False])
        reward = {"reward": np.nan, "reward_array": np.ones(1), "reward_text": "1"}.get(fault, reward)
        wrong = {
            "nan": np.array([0, np.nan], np.float32),
            "inf": np.array([np.inf, 0], np.float32),
            "huge": np.array([1e300, 0]),
            "short": np.zeros(1, np.float32),
            "flat": np.zeros((2, 1), np.float32),
            "scalar": 1.0,
            "text": np.array(["a", "b"]),
        }
        return wrong.get(fault, obs), reward, terminated, truncated, info


class WideEnv(CountingEnv):
    """Its observations are larger than what a pipe holds."""

    observation_space = spaces.Box(-100, 100, (200_000,), np.float32)

    def obs(self):
        return np.zeros(200_000, np.float32)


class SabotagedEnv(CountingEnv):
    """Like CountingEnv, until the fault that the variable SABOTAGE names as "index fault step"."""

    observation_space = spaces.Box(-np.inf, np.inf, (2,), np.float32)

    def __init__(self):
        super().__init__()
        index, self.fault, when = os.environ.get("SABOTAGE", "0 none 0").split()
        name = multiprocessing.current_process().name  # Worker<...>-index
        self.steps_left = int(when) if name.endswith(f"-{index}") else -1
        if "WORKERS" in os.environ:  # a folder that learns the process of each environment
            (Path(os.environ["WORKERS"]) / name.rpartition("-")[2]).write_text(str(os.getpid()))

    def step(self, action):
        obs, reward, *rest = super().step(action)
        self.steps_left -= 1
        if self.steps_left == 0:
            obs, reward = getattr(self, self.fault)(obs, reward)
        return (obs, reward, *rest)

    def raise_two(self, obs, reward):
        raise TwoArgumentsError("one", "two")

    def exit(self, obs, reward):
        sys.exit(3)

    def die(self, obs, reward):
        os._exit(3)

    def kill(self, obs, reward):
        os.kill(os.getpid(), signal.SIGKILL)

    def stop(self, obs, reward):
        os.kill(os.getpid(), signal.SIGSTOP)

    def hang(self, obs, reward):
        time.sleep(600)

    def talk(self, obs, reward):
        self.steps_left = 1  # at every step from here on
        print("from a worker", flush=True)
        logging.getLogger("worker").warning("also from a worker")
        return obs, reward

    def nan(self, obs, reward):
        return np.array([0, np.nan], np.float32), reward

    def infinite_reward(self, obs, reward):
        return obs, np.inf

    def short(self, obs, reward):
        return obs[:1], reward


class NanAtResetEnv(CountingEnv):
    def obs(self):
        return np.array([np.nan, 0], np.float32)
