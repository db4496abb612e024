"""The compiled learner: acting and updates in CPU kernels, for environments that Gymnasium steps.

Shapes: T rollout steps, S = T + 1, N environments, U numbers of an action.
"""

from collections.abc import Sequence
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
from vecac.kernels.plumbing.compiling import require_same_types, specialise, trusting
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
        obs_size, action: D, and the form of an action.
        num_threads: the most that are used at a time; changes no number.
        seeds: the network's initialisation and the policy draw from a child each.
    """

    def __init__(
        self,
        settings: LearningSettings,
        obs_size: int,
        action: ActionForm,
        num_threads: int,
        seeds: SeedSequences,
    ) -> None:
        self.device = torch.device("cpu")
        self._shared = KernelParameters(settings, obs_size, action, seeds)
        self._generator = np.random.default_rng(seeds.policy)
        self._num_updates, self._learning_rate = 0, settings.learning_rate
        block = settings.n_rollout, settings.num_envs
        self._sizes = settings.n_rollout + 1, settings.num_envs, obs_size
        self._noise_TNU = np.zeros((*block, *(action.shape or (1,))))
        self._draw = self._generator.standard_normal if action.kind == "box" else self._generator.random
        self._returns = make_returns(settings, *block)
        blocks = len(self._shared.model.works)
        self._threads = BlockThreads(num_threads, blocks)
        self.network, self.num_threads = self._shared.network, self._threads.count
        self._acting = self._threads if settings.num_envs >= ACTED_FOR_ALONE else BlockThreads(1, blocks)
        self._rollout: Rollout | None = None
        example = Rollout(1, 1, obs_size, action, False, self.device)
        self._memory = memory = kernel_memory(self._shared.model, self._noise_TNU, self._returns, example)
        self._prepare = trusting(specialise(kernels.prepare, memory))
        self._act = trusting(specialise(kernels.act, self._threads.counters, 0, memory, 0))
        self._gradient = RolloutGradient(self._threads, memory)
        self._update = trusting(specialise(update, memory.model, 1, 0.1, 1))

    def state_dict(self) -> dict[str, Any]:
        """network and optimizer; see Learner."""
        return self._shared.state_dict(self._num_updates, self._learning_rate)

    def random_state(self) -> dict[str, Any]:
        """The policy's generator, and the noise that it drew for the rollout in progress."""
        return {"generator": self._generator.bit_generator.state, "drawn": self._noise_TNU}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Take over a state; see Learner."""
        self._shared.load_state_dict(state)
        self._num_updates, self._learning_rate = state["updates"], learning_rate_of(state["optimizer"])

    def load_random_state(self, state: dict[str, Any], rollout: Rollout | None, env_steps: int) -> list[str]:
        """Take over a `random_state`; see Learner. It always goes on as it was."""
        self._generator.bit_generator.state = state["generator"]
        fill(self._noise_TNU, state["drawn"].reshape(self._noise_TNU.shape))
        if rollout is not None:
            self._prepare(self._bind(rollout))
        return []

    def start_rollout(self, rollout: Rollout) -> None:
        """Draw the random numbers of T steps of N environments, and take in the parameters."""
        self._draw(out=self._noise_TNU)
        self._prepare(self._bind(rollout))

    def act(self, rollout: Rollout, t: int) -> NDArray[Any]:
        """Sample the actions (N, ...) of step t from the policy at row t; they are kept in the rollout."""
        self._acting.run(self._act, self._bind(rollout), t)
        return self._actions[t]

    def update(self, rollout: Rollout, rates: Rates) -> KernelUpdate | None:
        """One step on the mean loss over the valid rows; None, and no step, if there are none."""
        memory = self._bind(rollout)
        num_valid = int(np.count_nonzero(rollout.valid_TN))
        if num_valid == 0:
            return None
        self._num_updates, self._learning_rate = self._num_updates + 1, rates.learning_rate
        self._shared.set_rates(rates.ent_coef)
        self._gradient.find(memory)
        grad_norm = self._update(memory.model, num_valid, rates.learning_rate, self._num_updates)
        return self._shared.last_update(grad_norm, *rates)

    def close(self) -> None:
        """End the threads."""
        self._threads.close()

    def _bind(self, rollout: Rollout) -> kernels.Memory:
        """The memory that the kernels work on, with this rollout's arrays in it."""
        if rollout is not self._rollout:
            memory = kernel_memory(self._shared.model, self._noise_TNU, self._returns, rollout)
            require_same_types(memory, self._memory)
            self._require_room(rollout)
            self._memory, self._rollout = memory, rollout
            self._actions: Sequence[NDArray[Any]] = [*rollout.tensors.action_TN.numpy()]
        return self._memory

    def _require_room(self, rollout: Rollout) -> None:
        """ValueError: the kernels would read or write behind the ends of their own arrays."""
        room, sizes = self._sizes, rollout.obs_SND.shape
        if sizes[0] > room[0] or sizes[1] > room[1] or sizes[2] != room[2]:
            raise ValueError(f"the kernels' memory is for observations {room}, not {sizes}")


class RolloutGradient:
    """The gradient of a rollout, left in the kernels' memory.

    Args:
        threads: that work on it.
        memory: of the kind that `find` will get.
    """

    def __init__(self, threads: BlockThreads, memory: kernels.Memory) -> None:
        self._threads = threads
        self._differentiate = trusting(specialise(kernels.differentiate_rollout, threads.counters, 0, memory))
        self._looks_ahead = bool(memory.returns)
        if self._looks_ahead:
            self._evaluate = trusting(specialise(kernels.evaluate, threads.counters, 0, memory))
            self._look_ahead = trusting(specialise(kernels.look_ahead, memory))

    def find(self, memory: kernels.Memory) -> None:
        """Sum it up, over valid rows, in the works of the model."""
        if self._looks_ahead:
            self._threads.run(self._evaluate, memory)
            self._look_ahead(memory)
        self._threads.run(self._differentiate, memory)


def make_returns(settings: LearningSettings, num_steps: int, num_envs: int) -> Any:
    """Memory for what targets need that look further ahead than a step, kernels.Returns; () if none does."""
    if settings.td_lambda == 0 and not settings.normalize_advantage:
        return ()
    return allocate_returns(num_steps, num_envs)


def allocate_returns(num_steps: int, num_envs: int) -> kernels.Returns:
    """All zero."""
    counts = num_steps + 1, num_steps, num_steps, num_steps
    return kernels.Returns(*(np.zeros((count, num_envs), np.float32) for count in counts))


def kernel_memory(
    model: Model, noise_TNU: NDArray[np.float64], returns: Any, rollout: Rollout
) -> kernels.Memory:
    """What the kernels work on, with this rollout's arrays in it."""
    no_rows = np.zeros((0, *rollout.obs_SND.shape[1:]), np.float32)
    action_TN = rollout.tensors.action_TN.numpy()
    if returns and rollout.final_obs_TND is None:
        returns = returns._replace(final_value_TN=returns.final_value_TN[:0])
    return kernels.Memory(
        model=model,
        noise_TNU=noise_TNU,
        returns=returns,
        obs_SND=rollout.obs_SND,
        action_TNU=action_TN if action_TN.ndim == 3 else action_TN[..., np.newaxis],
        reward_TN=rollout.reward_TN,
        terminated_TN=rollout.terminated_TN,
        truncated_TN=rollout.truncated_TN,
        valid_TN=rollout.valid_TN,
        final_obs_TND=no_rows if rollout.final_obs_TND is None else rollout.final_obs_TND,
    )
