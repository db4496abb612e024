"""The compiled learner: acting and updates in CPU kernels, for environments that Gymnasium steps.

Shapes: T rollout steps, N environments.
"""

from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from vecac.actions import ActionForm
from vecac.algorithm.rollout import Rollout
from vecac.algorithm.schedule import Rates
from vecac.config_parts import LearningSettings
from vecac.kernels.drivers import rollout_kernels as kernels
from vecac.kernels.mathematics.model import Model, update
from vecac.kernels.plumbing.compiling import specialise
from vecac.learners.block_threads import BlockThreads
from vecac.learners.kernel_parameters import KernelParameters, KernelUpdate
from vecac.learners.optimizers import learning_rate_of
from vecac.plain import fill
from vecac.seeding import SeedSequences

ACTED_FOR_ALONE = 16_384
"""Fewer environments than this are acted for on one thread, which is done before another has woken up."""


class CompiledLearner:
    """Owns the network, the optimiser's state and the policy's random stream; see contracts.Learner.

    Args:
        settings: of the loss, the network and the rollout, as config_rules.NEEDS has them.
        obs_size, num_actions: D and A.
        num_threads: the most that are used at a time; changes no number.
        seeds: the network's initialisation and the policy draw from a child each.
    """

    def __init__(
        self,
        settings: LearningSettings,
        obs_size: int,
        num_actions: int,
        num_threads: int,
        seeds: SeedSequences,
    ) -> None:
        self.device = torch.device("cpu")
        self._shared = KernelParameters(settings, obs_size, num_actions, seeds)
        self._generator = np.random.default_rng(seeds.policy)
        self._num_updates, self._learning_rate = 0, settings.learning_rate
        self._uniform_TN = np.zeros((settings.n_rollout, settings.num_envs))
        blocks = len(self._shared.model.works)
        self._threads = BlockThreads(num_threads, blocks)
        self.network, self.num_threads = self._shared.network, self._threads.count
        self._acting = self._threads if settings.num_envs >= ACTED_FOR_ALONE else BlockThreads(1, blocks)
        self._rollout: Rollout | None = None
        memory = self._memory = self._bind(
            Rollout(1, 1, obs_size, ActionForm("discrete", (num_actions,)), False, self.device)
        )
        self._prepare = specialise(kernels.prepare, memory)
        self._act = specialise(kernels.act, self._threads.counters, 0, memory, 0)
        self._differentiate = specialise(kernels.differentiate_rollout, self._threads.counters, 0, memory)
        self._update = specialise(update, memory.model, 1, 0.1, 1)

    def state_dict(self) -> dict[str, Any]:
        """network and optimizer; see Learner."""
        return self._shared.state_dict(self._num_updates, self._learning_rate)

    def random_state(self) -> dict[str, Any]:
        """The policy's generator, and the uniforms that it drew for the rollout in progress."""
        return {"generator": self._generator.bit_generator.state, "drawn": self._uniform_TN}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Take over a state; see Learner."""
        self._shared.load_state_dict(state)
        self._num_updates, self._learning_rate = state["updates"], learning_rate_of(state["optimizer"])

    def load_random_state(self, state: dict[str, Any], rollout: Rollout | None, env_steps: int) -> list[str]:
        """Take over a `random_state`; see Learner. It always goes on as it was."""
        self._generator.bit_generator.state = state["generator"]
        fill(self._uniform_TN, state["drawn"])
        if rollout is not None:
            self._prepare(self._bind(rollout))
        return []

    def start_rollout(self, rollout: Rollout) -> None:
        """Draw the random numbers of T steps of N environments, and take in the parameters."""
        self._generator.random(out=self._uniform_TN)
        self._prepare(self._bind(rollout))

    def act(self, rollout: Rollout, t: int) -> NDArray[np.int64]:
        """Sample the actions (N,) of step t from the policy at row t; they are kept in the rollout."""
        memory = self._bind(rollout)
        self._acting.run(self._act, memory, t)
        action_N: NDArray[np.int64] = memory.action_TN[t]
        return action_N

    def update(self, rollout: Rollout, rates: Rates) -> KernelUpdate | None:
        """One step on the mean loss over the valid rows; None, and no step, if there are none."""
        memory = self._bind(rollout)
        num_valid = int(np.count_nonzero(rollout.valid_TN))
        if num_valid == 0:
            return None
        self._num_updates, self._learning_rate = self._num_updates + 1, rates.learning_rate
        memory.model.settings["ent_coef"] = rates.ent_coef
        self._threads.run(self._differentiate, memory)
        grad_norm = self._update(memory.model, num_valid, rates.learning_rate, self._num_updates)
        return self._shared.last_update(grad_norm, *rates)

    def close(self) -> None:
        """End the threads."""
        self._threads.close()

    def _bind(self, rollout: Rollout) -> kernels.Memory:
        """The memory that the kernels work on, with this rollout's arrays in it."""
        if rollout is not self._rollout:
            self._rollout = rollout
            self._memory = kernel_memory(self._shared.model, self._uniform_TN, rollout)
        return self._memory


def kernel_memory(model: Model, uniform_TN: NDArray[np.float64], rollout: Rollout) -> kernels.Memory:
    """What the kernels work on, with this rollout's arrays in it."""
    no_rows = np.zeros((0, *rollout.obs_SND.shape[1:]), np.float32)
    return kernels.Memory(
        model=model,
        uniform_TN=uniform_TN,
        obs_SND=rollout.obs_SND,
        action_TN=rollout.tensors.action_TN.numpy(),
        reward_TN=rollout.reward_TN,
        terminated_TN=rollout.terminated_TN,
        truncated_TN=rollout.truncated_TN,
        valid_TN=rollout.valid_TN,
        final_obs_TND=no_rows if rollout.final_obs_TND is None else rollout.final_obs_TND,
    )
