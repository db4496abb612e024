"""The torch learner: acts by the network, and makes one update from a rollout, on any device.

Shapes: T rollout steps, S = T + 1, N environments, n environments of one block, D observation size,
A actions, B valid transitions.
"""

import math
import threading
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn.utils import clip_grads_with_norm_, get_total_norm

from vecac.algorithm.network import ActorCritic, gumbel_noise, sample_action
from vecac.algorithm.rollout import Rollout
from vecac.algorithm.td import LossTerms
from vecac.learners.rollout_loss import CPU_BLOCK_ROWS, BlockReport, RolloutLoss
from vecac.seeding import SeedSequences, restart_sequence, torch_seed
from vecac.settings import LearningSettings


@dataclass(frozen=True)
class UpdateReport:
    """One update, still on the learner's device; nothing is computed or waited for until `read`.

    grad_norm: 0-d, before any clipping.
    """

    blocks: Sequence[BlockReport]
    grad_norm: Tensor
    learning_rate: float

    @property
    def terms(self) -> LossTerms:
        """The loss terms as means over all of the update's rows, 0-d each."""
        weighted = [torch.stack(block.terms).detach() * block.share for block in self.blocks]
        return LossTerms(*torch.stack(weighted).sum(dim=0))

    @property
    def value_B(self) -> Tensor:  # noqa: N802
        """V(s) of all the update's rows, block by block."""
        return torch.cat([block.value_B for block in self.blocks])

    @property
    def target_B(self) -> Tensor:  # noqa: N802
        """The targets of the same rows."""
        return torch.cat([block.target_B for block in self.blocks])

    def read(self) -> dict[str, float]:
        """The train/ metrics by tag, in one transfer from the device; NaN where undefined."""
        value_B, target_B = self.value_B, self.target_B
        spread = target_B.var(correction=0)
        # Targets that differ by no more than float32 rounds have no variance to explain.
        spread = spread.where(spread > (1e-6 * target_B.abs().max()) ** 2, torch.nan)
        explained_variance = 1 - (target_B - value_B).var(correction=0) / spread
        names = ("loss", "policy_loss", "value_loss", "entropy", "grad_norm", "explained_variance")
        numbers = torch.stack((*self.terms, self.grad_norm, explained_variance)).tolist()
        metrics = {f"train/{name}": number for name, number in zip(names, numbers, strict=True)}
        return metrics | {"train/learning_rate": self.learning_rate}

    def has_finite_gradient(self) -> bool:
        """Whether the gradient's norm is a number; waits for the device."""
        return math.isfinite(float(self.grad_norm))


_DRAWING = threading.Lock()
"""nn.Linear draws from torch's own generator, of which there is one for all threads."""


def initial_network(
    settings: LearningSettings, obs_size: int, num_actions: int, seeds: SeedSequences
) -> ActorCritic:
    """The network that a run starts with, whoever trains it; torch's own generators stay as they are."""
    with _DRAWING, torch.random.fork_rng(devices=[]):
        # Not torch.manual_seed: that reseeds the generators of all GPUs too, for good.
        torch.default_generator.manual_seed(torch_seed(seeds.network))
        return ActorCritic(obs_size, num_actions, settings.hidden_size)


def learning_rate_of(optimizer_state: dict[str, Any]) -> float:
    """The rate of the last update, from the state_dict of torch's Adam."""
    return float(optimizer_state["param_groups"][0]["lr"])


class TorchLearner:
    """Owns the network, its optimiser and the policy's random stream.

    Args:
        settings: the settings of the loss and the optimiser, hidden_size, n_rollout and num_envs.
        obs_size: D.
        num_actions: A.
        device: where the parameters live.
        seeds: the network's initialisation and the policy draw from a child each.
    """

    def __init__(
        self,
        settings: LearningSettings,
        obs_size: int,
        num_actions: int,
        device: torch.device,
        seeds: SeedSequences,
    ) -> None:
        self._settings = settings
        self.device = device
        self.network = initial_network(settings, obs_size, num_actions, seeds).to(device)
        self.optimizer = torch.optim.Adam(self.network.parameters(), lr=settings.learning_rate, fused=True)
        self._policy_seeds = seeds.policy
        self._generator = torch.Generator(device).manual_seed(torch_seed(seeds.policy))
        self._noise_shape = (settings.n_rollout, settings.num_envs, num_actions)
        self._noise_TNA = torch.zeros(self._noise_shape, device=device)
        self._noise_rows: Sequence[Tensor] = ()
        self._parameters = list(self.network.parameters())
        self._loss = RolloutLoss(settings, self.network)

    @property
    def num_threads(self) -> int:
        """CPU threads that torch uses in this process."""
        return torch.get_num_threads()

    def start_rollout(self, rollout: Rollout) -> None:
        """Draw the policy's random numbers for the T steps of all N environments at once."""
        self._use_noise(gumbel_noise(self._noise_shape, self._generator))

    @torch.inference_mode()
    def act(self, rollout: Rollout, t: int) -> NDArray[np.int64]:
        """Sample the actions (N,) of step t from the policy at row t; they are kept in the rollout.

        Handing them to the environments is the one wait for the device in a step.
        """
        action_N = rollout.action_rows[t]
        blocks = self._row_blocks(rollout.obs_rows[t], self._noise_rows[t], action_N)
        for obs_nD, noise_nA, action_n in blocks:
            action_n.copy_(sample_action(self.network.logits(obs_nD), noise_nA))
        actions: NDArray[np.int64] = action_N.cpu().numpy()
        return actions

    def update(self, rollout: Rollout, learning_rate: float) -> UpdateReport | None:
        """One Adam step on the mean loss over the rollout's B valid rows; None, and no step, if B = 0."""
        blocks = self._loss.backward(rollout)
        return UpdateReport(blocks, self._step(learning_rate), learning_rate) if blocks else None

    def optimizer_state(self) -> dict[str, Any]:
        """The optimiser's state_dict."""
        state: dict[str, Any] = self.optimizer.state_dict()
        return state

    def random_state(self) -> dict[str, Any]:
        """The policy's generator, and the noise that it drew for the rollout in progress."""
        return {"generator": self._generator.get_state(), "drawn": self._noise_TNA}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Take over network and optimizer of an engine's state_dict."""
        self.network.load_state_dict(state["network"])
        (group,) = self.optimizer.state_dict()["param_groups"]  # of its settings only the rate changes
        group["lr"] = learning_rate_of(state["optimizer"])
        self.optimizer.load_state_dict({"state": state["optimizer"]["state"], "param_groups": [group]})

    def load_random_state(self, state: dict[str, Any], rollout: Rollout | None, env_steps: int) -> list[str]:
        """Take over a `random_state`, also of another kind of device; see Learner."""
        self._use_noise(state["drawn"].reshape(self._noise_shape).to(self.device))
        saved = state["generator"]
        if saved.shape == self._generator.get_state().shape:
            self._generator.set_state(saved)
            return []
        self._generator.manual_seed(torch_seed(restart_sequence(self._policy_seeds, env_steps)))
        return [
            f"the run was saved on another kind of device: on {self.device.type} its policy goes on with "
            "other random numbers"
        ]

    def close(self) -> None:
        """Nothing to give up."""

    def _use_noise(self, noise_TNA: Tensor) -> None:
        self._noise_TNA, self._noise_rows = noise_TNA, noise_TNA.unbind()

    def _step(self, learning_rate: float) -> Tensor:
        """Clip if asked to, let Adam step, and return the gradient's norm before clipping, 0-d."""
        grad_norm = get_total_norm([p.grad for p in self._parameters if p.grad is not None])
        if self._settings.max_grad_norm is not None:
            clip_grads_with_norm_(self._parameters, self._settings.max_grad_norm, grad_norm)
        for group in self.optimizer.param_groups:
            group["lr"] = learning_rate
        self.optimizer.step()
        return grad_norm

    def _row_blocks(self, *rows: Tensor) -> Iterable[tuple[Tensor, ...]]:
        """The same rows of several tensors, cut likewise."""
        if self.device.type == "cpu" and len(rows[0]) > CPU_BLOCK_ROWS:
            return zip(*(torch.split(tensor, CPU_BLOCK_ROWS) for tensor in rows), strict=True)
        return (rows,)
