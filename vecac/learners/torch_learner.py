"""The torch learner: acts by the network, and makes one update from a rollout, on any device.

Shapes: T rollout steps, N environments, n environments of one block, D observation size, B valid transitions.
"""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn.utils import clip_grads_with_norm_, get_total_norm

from vecac.actions import ActionForm
from vecac.algorithm.network import initial_network, network_spec
from vecac.algorithm.rollout import Rollout
from vecac.algorithm.schedule import Rates
from vecac.algorithm.td import LossTerms
from vecac.config_parts import LearningSettings
from vecac.learners.optimizers import laid_out_alike, learning_rate_of, make_optimizer, require_moments
from vecac.learners.rollout_loss import CPU_BLOCK_ROWS, BlockReport, RolloutLoss
from vecac.seeding import SeedSequences, restart_sequence, torch_seed


@dataclass(frozen=True)
class UpdateReport:
    """One update, on the learner's device until it is read; grad_norm is 0-d, before any clipping."""

    blocks: Sequence[BlockReport]
    grad_norm: Tensor
    learning_rate: float

    @property
    def terms(self) -> LossTerms:
        """The loss terms as means over all of the update's rows, 0-d each."""
        weighted = [torch.stack(block.terms).detach() * block.share for block in self.blocks]
        return LossTerms(*torch.stack(weighted).sum(dim=0))

    def read(self) -> dict[str, float]:
        """The train/ metrics by tag, in one transfer from the device; NaN where undefined."""
        value_B = torch.cat([block.value_B for block in self.blocks])
        target_B = torch.cat([block.target_B for block in self.blocks])
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


class TorchLearner:
    """Owns the network, its optimiser and the policy's random stream.

    Args:
        settings: of the loss, the optimiser, the network and the rollout.
        obs_size, action: D, and the form of an action.
        device: where the parameters live.
        seeds: the network's initialisation and the policy draw from a child each.
    """

    def __init__(
        self,
        settings: LearningSettings,
        obs_size: int,
        action: ActionForm,
        device: torch.device,
        seeds: SeedSequences,
    ) -> None:
        self._settings, self.device = settings, device
        self.num_threads = torch.get_num_threads()
        spec = network_spec(settings, obs_size, action)
        self.network = initial_network(spec, torch_seed(seeds.network)).to(device)
        self.optimizer = make_optimizer(settings, self.network)
        self._policy_seeds = seeds.policy
        self._generator = torch.Generator(device).manual_seed(torch_seed(seeds.policy))
        self._steps = settings.n_rollout, settings.num_envs
        self._use_noise(torch.zeros((*self._steps, self.network.head.num_outputs), device=device))
        self._parameters = list(self.network.parameters())
        self._loss = RolloutLoss(settings, self.network)

    def start_rollout(self, rollout: Rollout) -> None:
        """Draw the policy's random numbers for the T steps of all N environments at once."""
        self._use_noise(self.network.head.draw_noise(self._steps, self._generator))

    @torch.inference_mode()
    def act(self, rollout: Rollout, t: int) -> NDArray[Any]:
        """Sample the actions of step t; see Learner. To hand them on is a step's one wait for the device."""
        action_N = rollout.action_rows[t]
        rows = (rollout.obs_rows[t], self._noise_rows[t], action_N)
        blocks: Iterable[tuple[Tensor, ...]] = (rows,)
        if self.device.type == "cpu" and len(action_N) > CPU_BLOCK_ROWS:
            blocks = zip(*(torch.split(tensor, CPU_BLOCK_ROWS) for tensor in rows), strict=True)
        for obs_nD, noise_n, action_n in blocks:
            action_n.copy_(self.network.head.sample(self.network.policy(obs_nD), noise_n))
        actions: NDArray[Any] = action_N.cpu().numpy()
        return actions

    def update(self, rollout: Rollout, rates: Rates) -> UpdateReport | None:
        """One step on the mean loss over the rollout's B valid rows; None, and no step, if B = 0."""
        blocks = self._loss.backward(rollout, rates.ent_coef)
        return UpdateReport(blocks, self._step(rates.learning_rate), rates.learning_rate) if blocks else None

    def state_dict(self) -> dict[str, Any]:
        """network_spec, network and optimizer; see Learner."""
        network = {"network_spec": self.network.spec.to_dict(), "network": self.network.state_dict()}
        return {**network, "optimizer": self.optimizer.state_dict()}

    def random_state(self) -> dict[str, Any]:
        """The policy's generator, and the noise that it drew for the rollout in progress."""
        return {"generator": self._generator.get_state(), "drawn": self._noise}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Take over network and optimizer of an engine's state_dict."""
        require_moments(self._settings.optimizer, self.network, state["optimizer"])
        self.network.load_state_dict(state["network"])
        (group,) = self.optimizer.state_dict()["param_groups"]  # of its settings only the rate changes
        group["lr"] = learning_rate_of(state["optimizer"])
        moments = laid_out_alike(self._parameters, state["optimizer"]["state"])
        self.optimizer.load_state_dict({"state": moments, "param_groups": [group]})

    def load_random_state(self, state: dict[str, Any], rollout: Rollout | None, env_steps: int) -> list[str]:
        """Take over a `random_state`, also of another kind of device; see Learner."""
        self._use_noise(state["drawn"].reshape(self._noise.shape).to(self.device))
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

    def _use_noise(self, noise: Tensor) -> None:
        self._noise, self._noise_rows = noise, noise.unbind()

    def _step(self, learning_rate: float) -> Tensor:
        """Clip if asked to, let the optimiser step, and return the gradient's norm before clipping, 0-d."""
        grad_norm = get_total_norm([p.grad for p in self._parameters if p.grad is not None])
        if self._settings.max_grad_norm is not None:
            clip_grads_with_norm_(self._parameters, self._settings.max_grad_norm, grad_norm)
        for group in self.optimizer.param_groups:
            group["lr"] = learning_rate
        self.optimizer.step()
        return grad_norm
