"""Evaluation of a policy on environments and seeds of its own.

Shapes: N environments.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch

from vecac.algorithm.network import ActorCritic, greedy_action, gumbel_noise, sample_action
from vecac.config import Config
from vecac.engines.episodes import EpisodeTracker
from vecac.environments.registry import find_spec
from vecac.environments.vector import Environments, make_environments
from vecac.seeding import environment_seeds, seed_sequences, torch_seed
from vecac.transition import Episode

NUM_ENVS = 16
"""Environments that are evaluated at a time in this process: enough to share the network's cost, few
enough for slow ones to be interrupted between two steps."""

NUM_VECTOR_ENVS = 128
"""The same where they have a vector form, which steps many in hardly more time than one."""


@dataclass(frozen=True)
class Evaluation:
    """Undiscounted returns and lengths of the evaluated episodes."""

    returns: Sequence[float]
    lengths: Sequence[int]

    @property
    def mean(self) -> float:
        """Mean return."""
        return float(np.mean(self.returns))

    @property
    def std(self) -> float:
        """Standard deviation of the returns over the episodes (of the population: no correction)."""
        return float(np.std(self.returns))

    @property
    def mean_length(self) -> float:
        """Mean length in env steps."""
        return float(np.mean(self.lengths))


def make_evaluation_environments(
    config: Config, episodes: int, render_mode: str | None = None
) -> Environments:
    """A good number of environments for `evaluate`: one to watch, a worker each as in training, else some."""
    if config.engine == "fused":  # its environments learn; Gymnasium's own are the ones to be judged by
        has_vector_form = find_spec(config.env_id).vector_entry_point is not None and render_mode is None
        config = replace(config, engine="vector" if has_vector_form else "sync")
    if render_mode:
        num_envs = 1
    elif config.engine == "async":
        num_envs = config.num_envs
    else:
        num_envs = min(episodes, NUM_VECTOR_ENVS if config.engine == "vector" else NUM_ENVS)
    return make_environments(replace(config, num_envs=num_envs), render_mode)


@torch.no_grad()
def evaluate(
    network: ActorCritic,
    environments: Environments,
    episodes: int,
    *,
    sampled: bool,
    seed: int,
    should_stop: Callable[[], bool] = lambda: False,
) -> Evaluation | None:
    """Play episodes, greedily or sampled; None if should_stop interrupted it.

    Every environment plays a number of episodes that is fixed beforehand: taking whichever finish
    first would favour the short ones.

    Args:
        network: on any device.
        environments: reset here, on seeds that training never uses, and left in mid-episode.
        episodes: how many in all, at least 1.
        sampled: draw actions from the policy; otherwise take the most probable.
        seed: the run's; environments and sampling are seeded from its evaluation child.
        should_stop: asked before every step.
    """
    device = next(network.parameters()).device
    sequence = seed_sequences(seed).evaluation
    generator = torch.Generator(device).manual_seed(torch_seed(sequence))
    num_envs = environments.num_envs
    quota_N = np.full(num_envs, episodes // num_envs)
    quota_N[: episodes % num_envs] += 1
    tracker = EpisodeTracker(num_envs)
    counted: list[Episode] = []
    obs_ND = environments.reset(environment_seeds(sequence, num_envs))
    while quota_N.any():
        if should_stop():
            return None
        logits_NA = network.logits(torch.from_numpy(obs_ND).to(device))
        if sampled:
            action_N = sample_action(logits_NA, gumbel_noise(logits_NA.shape, generator))
        else:
            action_N = greedy_action(logits_NA)
        step = environments.step(action_N.cpu().numpy())
        obs_ND = environments.obs
        ended_N = step.terminated | step.truncated
        for episode in tracker.add(0, step.reward[None], ended_N[None], step.valid[None]):
            if quota_N[episode.environment]:
                quota_N[episode.environment] -= 1
                counted.append(episode)
    return Evaluation(
        [episode.episode_return for episode in counted], [episode.length for episode in counted]
    )
