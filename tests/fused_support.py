"""The fused engine, and the same environments by Gymnasium with its random streams.

Shapes: N environments, D observation size.
"""

import math

import gymnasium as gym
import numpy as np
import torch
from kernel_support import LINE, PICK, PUSH

from vecac.config import Config
from vecac.engines.fused_engine import FusedEngine
from vecac.kernels.catalogue import find
from vecac.kernels.drivers.stepping import next_uniform
from vecac.seeding import seed_sequences
from vecac.transition import Episode

OWN = {"Line-v0": LINE, "Push-v0": PUSH, "Pick-v0": PICK}


def compiled_form(env_id):
    return OWN.get(env_id) or find(env_id)


def make(env_id="CartPole-v1", time_limit=500, num_threads=1, **settings):
    config = Config(**({"env_id": env_id, "engine": "fused"} | settings))
    seeds = seed_sequences(config.seed)
    engine = FusedEngine(config, compiled_form(env_id), time_limit, num_threads, seeds)
    engine.reset()
    return engine


class Replay:
    """The same environments by Gymnasium, with the engine's random streams and torch's network."""

    def __init__(self, engine, env_id, time_limit, records=None):
        self.engine, self.compiled = engine, compiled_form(env_id)
        self.records = engine.memory.environments.copy() if records is None else records
        self.envs = [gym.make(env_id, max_episode_steps=time_limit) for _ in self.records]
        for env, record in zip(self.envs, self.records, strict=True):
            env.reset(seed=0)
            env.unwrapped.state = record["state"].copy()
            env._elapsed_steps = int(record["length"])
        self.returns = self.records["episode_return"].tolist()
        self.lengths = self.records["length"].tolist()

    def uniform(self, index):
        with np.errstate(over="ignore"):
            return next_uniform.py_func(self.records.view(np.recarray)[index])

    def normal(self, index):
        radius = math.sqrt(-2 * math.log(1 - self.uniform(index)))
        return radius * math.cos(2 * math.pi * self.uniform(index))

    def obs(self):
        states = (tuple(map(float, env.unwrapped.state)) for env in self.envs)
        return np.array([self.compiled.observe(state) for state in states], np.float32)

    def act(self, index, outputs, sampled=True):
        """The policy's action, and what the environment is sent of it."""
        form, head = self.compiled.action, self.engine.network.head
        if form.kind == "box":
            noise = torch.tensor([self.normal(index) if sampled else 0.0 for _ in outputs])
            action = (outputs + head.log_std.exp() * noise).detach().numpy().astype(np.float32)
            space = self.envs[index].action_space
            return action, action.clip(space.low, space.high)
        if not sampled:
            action = head.greedy(outputs[None])[0].numpy()
            return action, action if form.shape else int(action)
        below = [part.softmax(0).cumsum(0)[:-1].double().numpy() for part in outputs.split(form.sizes)]
        action = np.array([int((self.uniform(index) >= numbers).sum()) for numbers in below])
        return (action, action) if form.shape else (int(action[0]), int(action[0]))

    def rollout(self, num_steps, env_steps):
        """Transitions in order of step, then environment; and the episodes that ended."""
        rows, episodes = [], []
        for _ in range(num_steps):
            env_steps += len(self.envs)
            obs_ND = self.obs()
            with torch.no_grad():
                outputs_NO, _ = self.engine.network(torch.from_numpy(obs_ND))
            for index, env in enumerate(self.envs):
                action, sent = self.act(index, outputs_NO[index])
                next_obs, reward, terminated, truncated, _ = env.step(sent)
                rows.append((obs_ND[index], action, float(reward), terminated, truncated, next_obs))
                self.returns[index] += float(reward)
                self.lengths[index] += 1
                if terminated or truncated:
                    episodes.append(Episode(env_steps, self.returns[index], self.lengths[index], index))
                    self.returns[index], self.lengths[index] = 0.0, 0
                    env.reset()
                    draws = tuple(self.uniform(index) for _ in range(self.compiled.num_uniforms))
                    env.unwrapped.state = np.array(self.compiled.reset(draws))
        return rows, episodes
