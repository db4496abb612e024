"""What tests of the learner share."""

from contextlib import closing

import torch

from vecac.actions import ActionForm
from vecac.algorithm.rollout import Rollout
from vecac.algorithm.schedule import Rates
from vecac.config import Config
from vecac.environments.vector import make_environments
from vecac.learners.torch_learner import TorchLearner
from vecac.seeding import seed_sequences

T = N = 6  # equal on purpose: mixed-up axes then have the right shape and the wrong numbers


MODES = ["next-step", "same-step", "disabled"]


CPU = torch.device("cpu")


def discrete(num_actions):
    """The form of an action that is a choice of one."""
    return ActionForm("discrete", (num_actions,))


def make_learner(config, obs_size=2, num_actions=2, device=CPU):
    return TorchLearner(config, obs_size, discrete(num_actions), device, seed_sequences(config.seed))


def counting_config(**settings):
    defaults = {
        "env_id": "scripted_environments:Counting-v0",
        "num_envs": N,
        "n_rollout": T,
        "reward_scale": 0.1,
    }
    return Config(**(defaults | settings))


def collect(config, learner, staged=None):
    """A rollout of the second T steps, with transitions of every kind, and its transitions as a list.

    The environments are set apart by stepping each a different number of episodes first.
    """
    with closing(make_environments(config)) as environments:
        rollout = Rollout(T, N, 2, environments.action, environments.hides_final_obs, learner.device, staged)
        transitions = []
        environments.reset()
        for index, env in enumerate(environments._envs.envs):
            env.unwrapped.episode = index
        for start in (0, T):
            rollout.start(environments.obs)
            learner.start_rollout(rollout)
            transitions = []
            for t in range(T):
                action = learner.act(rollout, t).copy()
                step = environments.step(action)
                rollout.insert(t, step, environments.obs)
                transitions += [
                    {
                        "obs": step.obs[n],
                        "action": action[n],
                        "reward": step.reward[n],
                        "next_obs": step.next_obs[n],
                    }
                    | {
                        "terminated": step.terminated[n],
                        "truncated": step.truncated[n],
                        "valid": step.valid[n],
                    }
                    | {"shown_next": environments.obs[n], "start": start}
                    for n in range(N)
                ]
            rollout.finish()
    return rollout, transitions


def learners_gradient(learner, rollout):
    report = learner.update(rollout, Rates(0.0, learner._settings.ent_coef))  # moves nothing
    return report, {name: parameter.grad.clone() for name, parameter in learner.network.named_parameters()}
