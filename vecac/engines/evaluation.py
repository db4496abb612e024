"""Evaluation of a policy, on seeds that training never uses.

Shapes: N environments.
"""

from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch
from numpy.random import SeedSequence

from vecac.algorithm.network import Network
from vecac.config import Config
from vecac.engines.episodes import EpisodeTracker
from vecac.environments.registry import find_spec
from vecac.environments.vector import Environments, make_environments
from vecac.errors import UsageError
from vecac.seeding import environment_seeds, torch_seed
from vecac.transition import Episode

NUM_ENVS = 16
"""Environments that are evaluated at a time in this process: enough to share the network's cost, few
enough for slow ones to be interrupted between two steps."""

NUM_VECTOR_ENVS = 128
"""The same where they have a vector form, which steps many in hardly more time than one."""

MAX_STEPS = 10_000
"""Env steps after which an episode is cut if the environment has no time limit, and might not end."""

RESULT_PREFIXES = {
    "greedy": "eval",
    "sampled": "eval_sampled",
    "best_greedy": "eval_best",
    "best_sampled": "eval_best_sampled",
}
"""What the evaluations of a run are called, of its last and its best parameters, and in result.json."""


@dataclass(frozen=True)
class Evaluation:
    """Undiscounted returns and lengths of the evaluated episodes, and how many of them were cut."""

    returns: Sequence[float]
    lengths: Sequence[int]
    cut: int = 0

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


def result_fields(evaluations: Mapping[str, Evaluation]) -> dict[str, Any]:
    """What result.json tells of evaluations named as in RESULT_PREFIXES; None where one is missing."""
    fields: dict[str, Any] = {}
    for name, prefix in RESULT_PREFIXES.items():
        evaluation = evaluations.get(name)
        fields[f"{prefix}_return_mean"] = None if evaluation is None else evaluation.mean
        fields[f"{prefix}_return_std"] = None if evaluation is None else evaluation.std
    greedy = evaluations.get("greedy")
    fields["eval_episodes"] = None if greedy is None else len(greedy.returns)
    # The last parameters may be the best: then these are the same evaluations.
    different = {id(evaluation): evaluation.cut for evaluation in evaluations.values()}
    fields["eval_cut_episodes"] = sum(different.values()) if different else None
    return fields


def cut_after(config: Config) -> int | None:
    """Env steps after which an evaluated episode is cut; None if the environment's own limit comes first."""
    own = config.max_episode_steps or find_spec(config.env_id).max_episode_steps
    wanted = config.eval_max_steps or (MAX_STEPS if own is None else own)
    return wanted if own is None or wanted < own else None


def make_evaluation_environments(
    config: Config, episodes: int, render_mode: str | None = None
) -> Environments:
    """A good number of environments for `evaluate`: one to watch, a worker each as in training, else some."""
    limit, spec = cut_after(config), find_spec(config.env_id)
    if config.engine == "fused":  # its environments learn; Gymnasium's own are the ones to be judged by
        if spec.vector_entry_point is not None and render_mode is None:
            with suppress(UsageError):  # training has not made the vector form, and single ones do as well
                return make_evaluation_environments(replace(config, engine="vector"), episodes)
        config = replace(config, engine="sync")
    if config.engine == "vector" and limit is not None and spec.entry_point is not None:
        config = replace(config, engine="sync")  # a vector form takes no other limit than its own
    if render_mode:
        num_envs = 1
    elif config.engine == "async":
        num_envs = config.num_envs
    else:
        num_envs = min(episodes, NUM_VECTOR_ENVS if config.engine == "vector" else NUM_ENVS)
    return make_environments(replace(config, num_envs=num_envs), render_mode, limit)


@torch.no_grad()
def evaluate(
    network: Network,
    environments: Environments,
    episodes: int,
    *,
    sampled: bool,
    sequence: SeedSequence,
    go_on: Callable[[int, int], bool] = lambda episodes, env_steps: True,
) -> Evaluation | None:
    """Play episodes, at least 1, by sampled or the most probable actions; None if go_on interrupted it.

    Every environment plays a number of episodes that is fixed beforehand: taking whichever finish
    first would favour the short ones.

    Args:
        environments: reset here, on seeds that training never uses, and left in mid-episode.
        sequence: what environments and sampling are seeded from; of a run's seed, the evaluation child.
        go_on: told the episodes and steps so far before every step.
    """
    device = next(network.parameters()).device
    generator = torch.Generator(device).manual_seed(torch_seed(sequence))
    num_envs, limit = environments.num_envs, environments.max_episode_steps or 0
    quota_N = episodes // num_envs + (np.arange(num_envs) < episodes % num_envs)
    tracker, length_N = EpisodeTracker(num_envs), np.zeros(num_envs, np.int64)
    counted, cut, env_steps = list[Episode](), 0, 0
    obs_ND = environments.reset(environment_seeds(sequence, num_envs))
    while quota_N.any():
        if not go_on(len(counted), env_steps):
            return None
        outputs_NO = network.policy(torch.from_numpy(obs_ND).to(device))
        if sampled:
            action_N = network.head.sample(outputs_NO, network.head.draw_noise((num_envs,), generator))
        else:
            action_N = network.head.greedy(outputs_NO)
        step = environments.step(action_N.cpu().numpy())
        obs_ND, env_steps = environments.obs, env_steps + num_envs
        length_N += step.valid
        # A vector form takes no time limit of ours: there the episode goes on, and counts as another.
        cut_N = (length_N == limit) & step.valid & ~step.terminated
        ended_N = step.terminated | step.truncated | cut_N
        length_N[ended_N] = 0
        for episode in tracker.add(0, step.reward[None], ended_N[None], step.valid[None]):
            if quota_N[episode.environment]:
                quota_N[episode.environment] -= 1
                cut += int(cut_N[episode.environment])
                counted.append(episode)
    return Evaluation([e.episode_return for e in counted], [e.length for e in counted], cut)
